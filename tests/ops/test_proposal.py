"""Region proposals: against OpenCV, against the published anchors, and the decomposition at any size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ops.caffe_oracles import opencv
from tests.ops.cases import normal
from tests.ops.cases.proposal import COMMON
from tests.ops.evaluate import decomposed, evaluate_all
from tests.ops.test_roi import value
from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.proposal import anchors, proposal
from xir.reference import run

LIMITS = {"pre_nms_top_n": 60, "post_nms_top_n": 20}


def operands(seed: int) -> tuple[Array, Array, Array]:
    """Scores, deltas and the size of a picture of 96 by 112 pixels."""
    scores = np.random.default_rng(seed).random((1, 18, 6, 7)).astype(np.float32)
    return scores, normal(1, 36, 6, 7, seed=seed) * np.float32(0.3), np.array([[96, 112, 1]], np.float32)


def test_anchors_are_the_published_ones() -> None:
    expected = [  # generate_anchors.py of py-faster-rcnn prints these, 1-based there
        [-83, -39, 100, 56],
        [-175, -87, 192, 104],
        [-359, -183, 376, 200],
        [-55, -55, 72, 72],
        [-119, -119, 136, 136],
        [-247, -247, 264, 264],
        [-35, -79, 52, 96],
        [-79, -167, 96, 184],
        [-167, -343, 184, 360],
    ]
    assert (anchors(16, (0.5, 1, 2), (8, 16, 32)) + 1).tolist() == expected


@pytest.mark.parametrize("seed", range(4))
def test_they_agree_with_opencv(seed: int) -> None:
    layers = (
        'layer { name: "y" type: "Proposal" bottom: "s" bottom: "d" bottom: "i" top: "y" proposal_param { '
        "feat_stride: 16 base_size: 16 min_size: 1 ratio: 0.5 ratio: 1 ratio: 2 scale: 1 scale: 2 scale: 4 "
        "pre_nms_topn: 60 post_nms_topn: 20 nms_thresh: 0.5 } }"
    )
    scores, deltas, info = operands(seed)
    rois, _ = evaluate_all(proposal, scores, deltas, info, **COMMON | LIMITS | {"min_size": 0.0})
    expected = opencv(layers, {"s": scores, "d": deltas, "i": info}, "y")
    np.testing.assert_allclose(rois, expected[: len(rois)], rtol=1e-4, atol=1e-4)
    assert not expected[len(rois) :].any()


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    before=st.sampled_from([None, 5, 50, 1000]),
    after=st.sampled_from([None, 1, 20]),
    least=st.sampled_from([0.0, 16.0, 60.0]),
    overlap=st.sampled_from([0.0, 0.4, 0.7, 1.0]),
)
def test_the_decomposition_gives_the_same_regions_in_the_same_order(
    seed: int, before: int | None, after: int | None, least: float, overlap: float
) -> None:
    given_attributes = COMMON | {
        "pre_nms_top_n": before,
        "post_nms_top_n": after,
        "min_size": least,
        "nms_threshold": overlap,
    }
    expected = evaluate_all(proposal, *operands(seed), **given_attributes)
    found = evaluate_all(decomposed(proposal), *operands(seed), **given_attributes)
    for mine, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-5)


def test_the_decomposition_takes_maps_of_unknown_size() -> None:
    h, w = Symbol("h"), Symbol("w")
    shapes = {"scores": (1, 18, h, w), "deltas": (1, 36, h, w), "info": (1, 3)}
    values = {name: Value(TensorType(DType.FLOAT32, shape)) for name, shape in shapes.items()}
    results = decomposed(proposal)(*values.values(), **COMMON | LIMITS)
    assert isinstance(results, tuple)
    names = {held: name for name, held in values.items()}
    graph = Graph("sized at run time", tuple(names), results, names=names, output_names=("rois", "probabilities"))
    found = run(graph, dict(zip(shapes, operands(0), strict=True)))
    rois, probabilities = evaluate_all(proposal, *operands(0), **COMMON | LIMITS)
    np.testing.assert_allclose(found["rois"], rois, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found["probabilities"], probabilities)


def test_small_boxes_go_and_the_image_s_scale_counts() -> None:
    scores, deltas, info = operands(0)
    for scale in (1, 2):
        info[0, 2] = scale
        rois, _ = evaluate_all(
            proposal, scores, deltas, info, **COMMON | {"pre_nms_top_n": None, "post_nms_top_n": None, "min_size": 20.0}
        )
        sides = rois[:, 3:] - rois[:, 1:3] + 1
        assert sides.min() >= 20 * scale


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ratios": ()}, "ratios and scales"),
        ({"scales": (0.0,)}, "ratios and scales"),
        ({"feature_stride": 0}, "feature_stride"),
        ({"nms_threshold": 1.5}, "nms_threshold"),
        ({"post_nms_top_n": 0}, "must be positive"),
        ({"ratios": (1.0,)}, "number of score channels"),
    ],
)
def test_attributes_that_do_not_fit_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidModelError, match=words):
        evaluate_all(proposal, *operands(0), **COMMON | LIMITS | changes)


@pytest.mark.parametrize(
    ("scores", "deltas", "info", "words"),
    [
        ((2, 18, 6, 7), (1, 36, 6, 7), (1, 3), "number of images"),
        ((1, 18, 6, 7), (1, 35, 6, 7), (1, 3), "delta channels"),
        ((1, 18, 6, 7), (1, 36, 5, 7), (1, 3), "height of the deltas"),
        ((1, 18, 6, 7), (1, 36, 6, 7), (1, 2), "height, width and scale"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(
    scores: tuple[int, ...], deltas: tuple[int, ...], info: tuple[int, ...], words: str
) -> None:
    attributes = proposal.attributes(COMMON | LIMITS)
    with pytest.raises(InvalidModelError, match=words):
        proposal.infer((value(*scores), value(*deltas), value(*info)), attributes)
