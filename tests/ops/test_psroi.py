"""Position-sensitive pooling: against OpenCV, and its two ways of summing against each other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ops.caffe_oracles import opencv
from tests.ops.cases import normal
from tests.ops.cases.roi import REGIONS
from tests.ops.evaluate import decomposed, evaluate
from tests.ops.test_roi import regions, value
from xir.errors import InvalidModelError
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.psroi import psroi_pool
from xir.reference import run

X = normal(2, 18, 12, 14)


def test_it_agrees_with_opencv() -> None:
    layers = (
        'layer { name: "y" type: "PSROIPooling" bottom: "x" bottom: "r" top: "y" '
        "psroi_pooling_param { output_dim: 2 group_size: 3 spatial_scale: 0.25 } }"
    )
    result = evaluate(psroi_pool, X, REGIONS, spatial_scale=0.25, output_channels=2, group_size=3)
    np.testing.assert_allclose(result, opencv(layers, {"x": X, "r": REGIONS}, "y"), rtol=1e-5, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000))
def test_the_decomposition_agrees_with_the_reference(seed: int) -> None:
    attributes = {"spatial_scale": 0.25, "output_channels": 2, "group_size": 3}
    rois = regions(seed)
    result = evaluate(decomposed(psroi_pool), X, rois, **attributes)
    np.testing.assert_allclose(result, evaluate(psroi_pool, X, rois, **attributes), rtol=1e-6, atol=1e-7)


def test_the_decomposition_takes_maps_of_unknown_size() -> None:
    x = Value(TensorType(DType.FLOAT32, (2, 18, Symbol("h"), Symbol("w"))))
    rois = Value(TensorType(DType.FLOAT32, (Symbol("r"), 5)))
    attributes = {"spatial_scale": 0.25, "output_channels": 2, "group_size": 3}
    result = decomposed(psroi_pool)(x, rois, **attributes)
    assert isinstance(result, Value)
    graph = Graph("sized at run time", (x, rois), (result,), names={x: "x", rois: "rois"}, output_names=("y",))
    found = run(graph, {"x": X, "rois": REGIONS})["y"]
    np.testing.assert_allclose(found, evaluate(psroi_pool, X, REGIONS, **attributes), rtol=1e-6, atol=1e-7)


def test_a_region_of_an_image_that_is_not_there_is_refused() -> None:
    rois = np.array([[2, 0, 0, 1, 1]], np.float32)
    with pytest.raises(InvalidModelError, match="the batch has 2"):
        evaluate(psroi_pool, X, rois, spatial_scale=1.0, output_channels=2, group_size=3)


@pytest.mark.parametrize(
    ("channels", "group", "words"), [(3, 3, "number of input channels"), (0, 3, "positive"), (2, 0, "positive")]
)
def test_what_does_not_fit_is_refused(channels: int, group: int, words: str) -> None:
    with pytest.raises(InvalidModelError, match=words):
        psroi_pool(value(1, 18, 4, 4), value(2, 5), spatial_scale=1.0, output_channels=channels, group_size=group)
