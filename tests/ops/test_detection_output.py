"""SSD's detection output: against OpenCV, its decomposition against its reference, and its rules one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ops.caffe_oracles import opencv
from tests.ops.cases.detection_output import CLASSES, COMMON, PRIORS, predictions, priors
from tests.ops.evaluate import Operator, decomposed, evaluate, placeholders
from xir.errors import InvalidModelError, UnsupportedError
from xir.ir.constant import Array
from xir.ir.dims import Symbol
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.detection_output import detection_output


def opencv_rows(location: Array, confidence: Array, prior: Array, text: str) -> Array:
    """OpenCV's detections: rows of its own order, the unused ones (zeros) left out."""
    layers = (
        'layer { name: "y" type: "DetectionOutput" bottom: "l" bottom: "c" bottom: "p" top: "y" '
        f"detection_output_param {{ num_classes: {CLASSES} background_label_id: 0 {text} }} }}"
    )
    rows = opencv(layers, {"l": location, "c": confidence, "p": prior}, "y").reshape(-1, 7)
    return rows[rows[:, 2] > 0]


def in_order(rows: Array) -> Array:
    """Rows sorted by image, label, falling score and place."""
    table = rows.reshape(-1, 7).astype(np.float64)
    return table[np.lexsort((table[:, 4], table[:, 3], -table[:, 2], table[:, 1], table[:, 0]))]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("encoded", [True, False])
@pytest.mark.parametrize("code", ["CORNER", "CENTER_SIZE"])
def test_it_agrees_with_opencv(seed: int, shared: bool, encoded: bool, code: str) -> None:
    location = predictions(2, shared, seed)[0]
    confidence = np.random.default_rng(seed).random((2, PRIORS * CLASSES)).astype(np.float32)  # no two are equal
    table = priors(seed)[:, : 1 if encoded else 2]
    text = (
        f"share_location: {str(shared).lower()} code_type: {code} variance_encoded_in_target: {str(encoded).lower()} "
        "confidence_threshold: 0.3 keep_top_k: 25 nms_param { nms_threshold: 0.45 top_k: 20 }"
    )
    attributes = COMMON | {
        "share_location": shared,
        "code": code.lower(),
        "variance_in_target": encoded,
        "top_k": 20,
        "keep_top_k": 25,
    }
    result = evaluate(detection_output, location, confidence, table, **attributes)
    expected = opencv_rows(location, confidence, table, text)
    np.testing.assert_allclose(in_order(result), in_order(expected), rtol=1e-4, atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    images=st.integers(1, 3),
    shared=st.booleans(),
    background=st.sampled_from([None, 0, 1, 3]),
    code=st.sampled_from(["corner", "center_size", "corner_size"]),
    threshold=st.sampled_from([None, 0.2, 0.9]),
    overlap=st.sampled_from([0.0, 0.3, 0.7, 1.5]),
    top_k=st.sampled_from([None, 0, 7, 39, 40, 100]),
    keep_top_k=st.sampled_from([None, 0, 1, 9, 1000]),
    clip=st.booleans(),
)
def test_the_decomposition_gives_the_same_rows_in_the_same_order(
    seed: int,
    images: int,
    shared: bool,
    background: int | None,
    code: str,
    threshold: float | None,
    overlap: float,
    top_k: int | None,
    keep_top_k: int | None,
    clip: bool,
) -> None:
    location, confidence = predictions(images, shared, seed)
    attributes = COMMON | {
        "share_location": shared,
        "background": background,
        "code": code,
        "confidence_threshold": threshold,
        "nms_threshold": overlap,
        "top_k": top_k,
        "keep_top_k": keep_top_k,
        "clip": clip,
    }
    expected = evaluate(detection_output, location, confidence, priors(), **attributes)
    result = evaluate(decomposed(detection_output), location, confidence, priors(), **attributes)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)


def simple(scores: list[list[float]], boxes: list[list[float]], **changes: object) -> list[list[float]]:
    """Detections for scores [priors][classes] and boxes that the priors are already."""
    table = np.array(boxes, np.float32).reshape(1, 1, -1)
    attributes = COMMON | {
        "classes": len(scores[0]),
        "code": "corner",
        "variance_in_target": True,
        "confidence_threshold": 0.1,
    }
    confidence = np.array(scores, np.float32).reshape(1, -1)
    found = evaluate(detection_output, np.zeros((1, table.size), np.float32), confidence, table, **attributes | changes)
    return [[round(float(number), 3) for number in row] for row in found.reshape(-1, 7).tolist()]


APART = [[0, 0, 1, 1], [2, 0, 3, 1], [4, 0, 5, 1]]
SAME = [[0, 0, 1, 1], [0, 0, 1, 0.9], [0, 0, 1, 0.6]]


def test_rows_go_by_label_and_then_by_score() -> None:
    found = simple([[0, 0.5, 0.9], [0, 0.8, 0.2], [0, 0.6, 0.3]], APART)
    assert [row[1:3] for row in found] == [[1, 0.8], [1, 0.6], [1, 0.5], [2, 0.9], [2, 0.3], [2, 0.2]]


def test_keep_top_k_counts_over_all_labels() -> None:
    found = simple([[0, 0.5, 0.9], [0, 0.8, 0.2], [0, 0.6, 0.3]], APART, keep_top_k=3)
    assert [row[1:3] for row in found] == [[1, 0.8], [1, 0.6], [2, 0.9]]


def test_top_k_counts_each_class_before_suppression() -> None:
    scores = [[0, 0.9], [0, 0.8], [0, 0.7]]
    assert [row[2] for row in simple(scores, [*SAME[:2], APART[2]], top_k=2)] == [0.9]
    assert [row[2] for row in simple(scores, [*SAME[:2], APART[2]], top_k=3)] == [0.9, 0.7]


def test_a_score_at_the_threshold_does_not_count() -> None:
    assert [row[2] for row in simple([[0, 0.5], [0, 0.75], [0, 0.25]], APART, confidence_threshold=0.5)] == [0.75]


def test_the_background_is_not_detected() -> None:
    assert [row[1] for row in simple([[0.9, 0.5], [0, 0], [0, 0]], APART)] == [1]
    assert [row[1] for row in simple([[0.9, 0.5], [0, 0], [0, 0]], APART, background=None)] == [0, 1]


def test_eta_lowers_the_threshold_after_each_box_that_stays() -> None:
    scores = [[0, 0.9], [0, 0.8], [0, 0.7]]
    boxes = [[0, 0, 1, 1], [3, 0, 4, 1], [0, 0, 1, 0.6]]  # the third overlaps the first by 0.6
    assert len(simple(scores, boxes, nms_threshold=0.7)) == 3
    assert len(simple(scores, boxes, nms_threshold=0.7, eta=0.8)) == 2


def test_a_box_that_is_inside_out_suppresses_nothing() -> None:
    scores = [[0, 0.9], [0, 0.8], [0, 0.7]]
    inside_out = [[1, 1, 0, 0], *SAME[:1], APART[1]]
    assert len(simple(scores, inside_out)) == 3


def test_clipping_comes_before_suppression() -> None:
    boxes = [[0, 0, 1, 1], [0, 0, 1, 9], APART[1]]
    scores = [[0, 0.9], [0, 0.8], [0, 0]]
    assert len(simple(scores, boxes)) == 2
    assert simple(scores, boxes, clip=True) == [[0, 1, 0.9, 0, 0, 1, 1]]


@pytest.mark.parametrize("build", [detection_output, decomposed(detection_output)], ids=["reference", "decomposition"])
def test_nothing_found_is_one_row_an_image(build: Operator) -> None:
    location, confidence = predictions(3, True)
    found = evaluate(build, location, confidence, priors(), **COMMON | {"confidence_threshold": 2.0})
    assert found.tolist() == [[[[image, -1, -1, -1, -1, -1, -1] for image in (0, 1, 2)]]]


def test_one_image_with_detections_is_enough_for_no_such_row() -> None:
    location, confidence = predictions(2, True)
    quiet = confidence.copy()
    quiet[1] = 0
    found = evaluate(detection_output, location, quiet, priors(), **COMMON)
    assert set(found[0, 0, :, 0].tolist()) == {0}


def test_adaptive_suppression_cannot_be_decomposed() -> None:
    operands = placeholders(*predictions(1, True), priors())
    with pytest.raises(UnsupportedError, match="adaptive") as caught:
        decomposed(detection_output)(*operands, **COMMON | {"eta": 0.9, "nms_threshold": 0.6})
    assert caught.value.hint


def test_keep_top_k_over_an_unknown_number_of_priors_cannot_be_decomposed() -> None:
    count = Symbol("p")
    operands = [
        Value(TensorType(DType.FLOAT32, shape)) for shape in ((1, count * 4), (1, count * 4), (1, 2, count * 4))
    ]
    with pytest.raises(UnsupportedError, match="their number must be known"):
        decomposed(detection_output)(*operands, **COMMON | {"keep_top_k": 5})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"background": 4}, "must be one of 4 classes"),
        ({"classes": 0, "background": None}, "must be one of 0 classes"),
        ({"classes": 1}, "nothing to detect"),
        ({"nms_threshold": -0.1}, "nms_threshold"),
        ({"eta": 0.0}, "eta"),
        ({"eta": 1.5}, "eta"),
        ({"top_k": -1}, "top_k"),
        ({"keep_top_k": -1}, "keep_top_k"),
        ({"classes": 3}, "number of confidences"),
        ({"share_location": False}, "number of locations"),
        ({"code": "center"}, "code"),
    ],
)
def test_attributes_that_do_not_fit_are_refused(changes: dict[str, object], words: str) -> None:
    location, confidence = predictions(1, True)
    with pytest.raises(InvalidModelError, match=words):
        evaluate(detection_output, location, confidence, priors(), **COMMON | changes)


def test_variances_must_be_there_when_the_target_does_not_hold_them() -> None:
    with pytest.raises(InvalidModelError, match="rows of the priors"):
        evaluate(detection_output, *predictions(1, True), priors()[:, :1], **COMMON)


def test_images_must_be_as_many() -> None:
    location, confidence = predictions(2, True)
    with pytest.raises(InvalidModelError, match="number of images"):
        evaluate(detection_output, location, confidence[:1], priors(), **COMMON)
