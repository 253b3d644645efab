"""Non-maximum suppression: against onnxruntime, and case by case."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ops.evaluate import evaluate, onnx_results
from tests.ops.test_roi import value
from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.dims import Symbol
from xir.ops.detection import non_max_suppression


def boxes_and_scores(seed: int, images: int, classes: int, count: int) -> tuple[Array, Array]:
    """Any two corners of boxes in the unit square, and scores with one digit, so that many are equal."""
    generator = np.random.default_rng(seed)
    scores = np.round(generator.random((images, classes, count)), 1).astype(np.float32)
    return generator.random((images, count, 4)).astype(np.float32), scores


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    images=st.integers(1, 2),
    classes=st.integers(1, 3),
    count=st.integers(1, 20),
    limit=st.integers(0, 20),
    overlap=st.sampled_from([0.0, 0.1, 0.3, 0.5, 1.0]),
    least=st.sampled_from([None, 0.0, 0.5, 2.0]),
    center=st.booleans(),
)
def test_it_agrees_with_onnxruntime(
    seed: int, images: int, classes: int, count: int, limit: int, overlap: float, least: float | None, center: bool
) -> None:
    boxes, scores = boxes_and_scores(seed, images, classes, count)
    result = evaluate(
        non_max_suppression,
        boxes,
        scores,
        max_per_class=limit,
        iou_threshold=overlap,
        score_threshold=least,
        center=center,
    )
    numbers = [np.array(limit, np.int64), np.array(overlap, np.float32)]
    bound = None if least is None else np.array(least, np.float32)
    (expected,) = onnx_results("NonMaxSuppression", [boxes, scores, *numbers, bound], center_point_box=int(center))
    assert result.tolist() == expected.tolist()


def kept(boxes: list[list[float]], scores: list[float], overlap: float) -> list[int]:
    result = evaluate(
        non_max_suppression,
        np.array([boxes], np.float32),
        np.array([[scores]], np.float32),
        max_per_class=9,
        iou_threshold=overlap,
        score_threshold=None,
        center=False,
    )
    return [row[2] for row in result.tolist()]


def test_a_box_that_overlaps_by_exactly_the_threshold_stays() -> None:
    boxes = [[0, 0, 2, 1], [1, 0, 2, 1]]  # half of one another
    assert kept(boxes, [0.9, 0.8], 0.5) == [0, 1]
    assert kept(boxes, [0.9, 0.8], 0.49) == [0]


def test_boxes_that_only_touch_do_not_overlap() -> None:
    assert kept([[0, 0, 1, 1], [1, 0, 2, 1]], [0.9, 0.8], 0.0) == [0, 1]


def test_a_suppressed_box_suppresses_nothing() -> None:
    assert kept([[0, 0, 4, 1], [2, 0, 6, 1], [4, 0, 8, 1]], [0.9, 0.8, 0.7], 0.3) == [0, 2]


def test_equal_scores_keep_their_order() -> None:
    assert kept([[0, 0, 1, 1], [5, 5, 6, 6], [2, 2, 3, 3]], [0.5, 0.5, 0.5], 0.3) == [0, 1, 2]


def test_corners_may_be_any_two_opposite_ones() -> None:
    assert kept([[2, 1, 0, 0], [0, 1, 2, 0]], [0.9, 0.8], 0.5) == [0]


def test_the_number_of_rows_is_a_symbol_of_its_own() -> None:
    attributes = {"iou_threshold": 0.5, "score_threshold": None, "center": False}
    first, second = (
        non_max_suppression(value(1, 4, 4), value(1, 2, 4), max_per_class=4, **attributes) for _ in range(2)
    )
    assert isinstance(first.shape[0], Symbol)
    assert first.shape[0] != second.shape[0]


@pytest.mark.parametrize(
    ("boxes", "scores", "overlap", "limit", "words"),
    [
        ((1, 4, 5), (1, 2, 4), 0.5, 4, "last size"),
        ((1, 4, 4), (2, 2, 4), 0.5, 4, "number of images"),
        ((1, 4, 4), (1, 2, 5), 0.5, 4, "number of boxes"),
        ((4, 4), (1, 2, 4), 0.5, 4, "3 axes"),
        ((1, 4, 4), (1, 2, 4), 1.5, 4, r"\[0, 1\]"),
        ((1, 4, 4), (1, 2, 4), 0.5, -1, "max_per_class"),
    ],
)
def test_what_does_not_fit_is_refused(
    boxes: tuple[int, ...], scores: tuple[int, ...], overlap: float, limit: int, words: str
) -> None:
    with pytest.raises(InvalidModelError, match=words):
        non_max_suppression(
            value(*boxes),
            value(*scores),
            max_per_class=limit,
            iou_threshold=overlap,
            score_threshold=None,
            center=False,
        )
