"""YOLO's operators: against the loops of their layers, written down again."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.ops.cases import normal
from tests.ops.evaluate import Operator, decomposed, evaluate, evaluate_all
from tests.ops.test_roi import value
from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.yolo import reorg, yolo_boxes, yolo_detection_output
from xir.reference import run

ANCHORS = ((1.0, 2.0), (2.5, 1.0))


def darknet_reorg(x: Array, stride: int, reverse: bool) -> Array:
    """The index arithmetic of darknet's reorg: element by element, over the flat memory of one image."""
    images, channels, height, width = x.shape
    fewer = channels // (stride * stride)
    flat, result = x.reshape(images, -1), np.empty((images, x[0].size), x.dtype)
    for channel, row, place in np.ndindex(channels, height, width):
        small = place + width * (row + height * channel)
        offset, group = divmod(channel, fewer)
        down, right = divmod(offset, stride)
        large = place * stride + right + width * stride * (row * stride + down + height * stride * group)
        if reverse:
            result[:, large] = flat[:, small]
        else:
            result[:, small] = flat[:, large]
    factor = stride * stride
    if reverse:
        return result.reshape(images, channels // factor, height * stride, width * stride)
    return result.reshape(images, channels * factor, height // stride, width // stride)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("shape", "stride"), [((2, 8, 4, 6), 2), ((1, 9, 3, 6), 3), ((1, 3, 2, 2), 1)])
def test_reorg_is_darknet_s(shape: tuple[int, ...], stride: int, reverse: bool) -> None:
    x = np.arange(math.prod(shape)).reshape(shape)
    np.testing.assert_array_equal(evaluate(reorg, x, stride=stride, reverse=reverse), darknet_reorg(x, stride, reverse))


@pytest.mark.parametrize(
    ("shape", "stride", "reverse", "words"),
    [
        ((1, 6, 4, 4), 2, False, "divisible by 4"),
        ((1, 8, 3, 4), 2, False, "height and width"),
        ((1, 8, 4, 4), 0, False, "positive"),
        ((8, 4, 4), 2, True, "4 axes"),
    ],
)
def test_reorg_refuses_what_does_not_divide(shape: tuple[int, ...], stride: int, reverse: bool, words: str) -> None:
    with pytest.raises(InvalidModelError, match=words):
        reorg(value(*shape), stride=stride, reverse=reverse)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def layer_boxes(x: Array, classes: int, scale: float, softmax: bool) -> tuple[list[list[float]], list[list[float]]]:
    """Boxes and scores of one image, cell by cell as the layers go (get_region_box and class_index_and_score)."""
    boxes: list[list[float]] = []
    scores: list[list[float]] = []
    _, height, width = x.shape
    for row, place in np.ndindex(height, width):
        for index, anchor in enumerate(ANCHORS):
            cell = [float(x[index * (5 + classes) + k, row, place]) for k in range(5 + classes)]
            center = [(place + sigmoid(cell[0])) / width, (row + sigmoid(cell[1])) / height]
            sides = [math.exp(cell[2]) * anchor[0] / (width * scale), math.exp(cell[3]) * anchor[1] / (height * scale)]
            chances = [math.exp(c) for c in cell[5:]]
            chances = [c / sum(chances) for c in chances] if softmax else [sigmoid(c) for c in cell[5:]]
            boxes.append(center + sides)
            scores.append([chance * sigmoid(cell[4]) for chance in chances])
    return boxes, scores


@pytest.mark.parametrize(("activation", "scale"), [("softmax", 1.0), ("sigmoid", 32.0)])
def test_boxes_are_the_layers(activation: str, scale: float) -> None:
    x = normal(2, 2 * 8, 3, 4)
    boxes, scores = evaluate_all(
        yolo_boxes, x, classes=3, anchors=ANCHORS, anchor_scale=scale, class_activation=activation
    )
    for image in range(2):
        expected = layer_boxes(x[image], 3, scale, activation == "softmax")
        np.testing.assert_allclose(boxes[image], expected[0], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(scores[image], expected[1], rtol=1e-5, atol=1e-6)


def test_boxes_of_maps_of_unknown_size_come_apart() -> None:
    x = Value(TensorType(DType.FLOAT32, (1, 16, Symbol("h"), Symbol("w"))))
    attributes = {"classes": 3, "anchors": ANCHORS, "anchor_scale": 1.0, "class_activation": "sigmoid"}
    results = decomposed(yolo_boxes)(x, **attributes)
    assert isinstance(results, tuple)
    graph = Graph("sized at run time", (x,), results, names={x: "x"}, output_names=("boxes", "scores"))
    data = normal(1, 16, 3, 4)
    boxes, scores = evaluate_all(yolo_boxes, data, **attributes)
    found = run(graph, {"x": data})
    np.testing.assert_allclose(found["boxes"], boxes, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found["scores"], scores, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "changes", [{"classes": 0}, {"anchors": ()}, {"anchors": ((1.0, 0.0),)}, {"anchor_scale": 0.0}, {"classes": 4}]
)
def test_boxes_refuse_what_does_not_fit(changes: dict[str, object]) -> None:
    attributes = {"classes": 3, "anchors": ANCHORS, "anchor_scale": 1.0, "class_activation": "sigmoid"}
    with pytest.raises(InvalidModelError, match=r"must be"):
        evaluate_all(yolo_boxes, normal(1, 16, 2, 2), **attributes | changes)


def overlap(a: Array, b: Array) -> float:
    """Intersection over union of two boxes by centre and sides (box_iou)."""
    far = np.minimum(a[:2] + a[2:] / 2, b[:2] + b[2:] / 2)
    sides = far - np.maximum(a[:2] - a[2:] / 2, b[:2] - b[2:] / 2)
    common = sides[0] * sides[1] if sides.min() >= 0 else 0.0
    return common / (a[2] * a[3] + b[2] * b[3] - common)


def layer_rows(boxes: Array, scores: Array, threshold: float, nms: float) -> list[list[float]]:
    """The detections of YOLOv3's layer: every class above the threshold is a prediction of its own."""
    predictions = [
        (float(scores[image, place, label]), image, place, label)
        for image, place, label in np.ndindex(*scores.shape)
        if scores[image, place, label] > np.float32(threshold)
    ]
    predictions.sort(key=lambda p: -p[0])
    kept: list[tuple[float, int, int, int]] = []
    for p in predictions:
        if all(overlap(boxes[k[1], k[2]], boxes[p[1], p[2]]) < nms for k in kept):
            kept.append(p)
    rows: list[list[float]] = []
    for score, image, place, label in kept:
        x, y, w, h = (float(side) for side in boxes[image, place])
        rows.append([0, label + 1, score, x - w / 2, y - h / 2, x + w / 2, y + h / 2])
    return rows or [[image, *[-1] * 6] for image in range(len(boxes))]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), images=st.integers(1, 2), threshold=st.sampled_from([0.1, 0.5, 0.9]))
@example(seed=10, images=1, threshold=0.9)  # no score is so high
@example(seed=0, images=2, threshold=1.0)
def test_detections_are_those_of_the_layer(seed: int, images: int, threshold: float) -> None:
    generator = np.random.default_rng(seed)
    boxes = (generator.random((images, 15, 4)) + 0.05).astype(np.float32)
    scores = generator.random((images, 15, 3)).astype(np.float32)
    attributes = {"confidence_threshold": threshold, "inclusive": False, "nms_threshold": 0.45}
    expected = np.array(layer_rows(boxes, scores, threshold, 0.45)).reshape(1, 1, -1, 7)
    for build in (yolo_detection_output, decomposed(yolo_detection_output)):
        np.testing.assert_allclose(evaluate(build, boxes, scores, **attributes), expected, rtol=1e-5, atol=1e-6)


both_ways = pytest.mark.parametrize(
    "operator", [yolo_detection_output, decomposed(yolo_detection_output)], ids=["reference", "decomposition"]
)


@both_ways
@pytest.mark.parametrize(("inclusive", "count"), [(True, 2), (False, 1)])
def test_a_score_at_the_threshold_counts_when_it_is_inclusive(operator: Operator, inclusive: bool, count: int) -> None:
    boxes = np.array([[[0, 0, 1, 1], [5, 5, 1, 1]]], np.float32)
    scores = np.array([[[0.3], [0.7]]], np.float32)
    found = evaluate(operator, boxes, scores, confidence_threshold=0.3, inclusive=inclusive, nms_threshold=0.5)
    assert found.shape == (1, 1, count, 7)


@both_ways
def test_a_box_that_overlaps_by_exactly_the_threshold_goes(operator: Operator) -> None:
    boxes = np.array([[[1, 0.5, 2, 1], [1.5, 0.5, 1, 1]]], np.float32)  # the second is half of the first
    scores = np.array([[[0.9], [0.8]]], np.float32)
    for threshold, count in ((0.5, 1), (0.51, 2)):
        found = evaluate(operator, boxes, scores, confidence_threshold=0.3, inclusive=True, nms_threshold=threshold)
        assert found.shape == (1, 1, count, 7)


@both_ways
def test_nothing_found_is_one_row_an_image(operator: Operator) -> None:
    boxes, scores = np.ones((2, 3, 4), np.float32), np.zeros((2, 3, 2), np.float32)
    found = evaluate(operator, boxes, scores, confidence_threshold=0.5, inclusive=False, nms_threshold=0.5)
    assert found.tolist() == [[[[0] + [-1] * 6, [1] + [-1] * 6]]]


@pytest.mark.parametrize(
    ("boxes", "scores", "threshold", "words"),
    [
        ((1, 3, 4), (1, 3, 2), 0.0, "nms_threshold"),
        ((1, 3, 4), (1, 3, 2), 1.5, "nms_threshold"),
        ((1, 3, 5), (1, 3, 2), 0.5, "last size"),
        ((1, 3, 4), (1, 4, 2), 0.5, "differ"),
    ],
)
def test_detections_refuse_what_does_not_fit(
    boxes: tuple[int, ...], scores: tuple[int, ...], threshold: float, words: str
) -> None:
    with pytest.raises(InvalidModelError, match=words):
        yolo_detection_output(
            value(*boxes), value(*scores), confidence_threshold=0.5, inclusive=False, nms_threshold=threshold
        )
