"""Pooling over regions: against OpenCV and onnxruntime."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ops.caffe_oracles import opencv
from tests.ops.cases import normal
from tests.ops.cases.roi import REGIONS
from tests.ops.evaluate import evaluate, onnx_results, placeholders
from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.roi import roi_align, roi_pool

X = normal(2, 3, 12, 14)


def regions(seed: int, count: int = 12) -> Array:
    """Regions in and around a picture of 56 by 48 pixels, some of them tiny, some outside."""
    generator = np.random.default_rng(seed)
    near = generator.uniform(-20, 60, (count, 2))
    far = near + generator.exponential(15, (count, 2))
    images = generator.integers(0, 2, (count, 1))
    return np.concatenate([images, near, far], axis=1).astype(np.float32)


@pytest.mark.parametrize("pooled", [(3, 2), (7, 7), (1, 1)])
def test_roi_pool_agrees_with_opencv(pooled: tuple[int, int]) -> None:
    layers = (
        'layer { name: "y" type: "ROIPooling" bottom: "x" bottom: "r" top: "y" '
        f"roi_pooling_param {{ pooled_h: {pooled[0]} pooled_w: {pooled[1]} spatial_scale: 0.25 }} }}"
    )
    rois = np.concatenate([REGIONS, regions(0)])
    result = evaluate(roi_pool, X, rois, pooled=pooled, spatial_scale=0.25)
    np.testing.assert_array_equal(result, opencv(layers, {"x": X, "r": rois}, "y"))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), pooled=st.tuples(st.integers(1, 7), st.integers(1, 7)))
def test_roi_pool_agrees_with_onnxruntime(seed: int, pooled: tuple[int, int]) -> None:
    rois = regions(seed)
    result = evaluate(roi_pool, X, rois, pooled=pooled, spatial_scale=0.25)
    (expected,) = onnx_results("MaxRoiPool", [X, rois], pooled_shape=list(pooled), spatial_scale=0.25)
    np.testing.assert_array_equal(result, expected)


def test_roi_pool_rounds_halves_away_from_zero() -> None:
    x = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)
    rois = np.array([[0, 0.5, 0, 0.5, 0], [0, 1.5, 0, 1.5, 0], [0, 2.5, 0, 2.5, 0]], np.float32)
    assert evaluate(roi_pool, x, rois, pooled=(1, 1), spatial_scale=1.0).ravel().tolist() == [1, 2, 3]


def test_an_empty_cell_gives_zero() -> None:
    x = np.full((1, 1, 4, 4), -5, np.float32)
    outside = np.array([[0, 50, 50, 60, 60]], np.float32)
    assert evaluate(roi_pool, x, outside, pooled=(1, 1), spatial_scale=1.0).ravel().tolist() == [0]


@pytest.mark.parametrize("image", [-1, 2])
def test_a_region_of_an_image_that_is_not_there_is_refused(image: int) -> None:
    rois = np.array([[image, 0, 0, 1, 1]], np.float32)
    with pytest.raises(InvalidModelError, match="the batch has 2"):
        evaluate(roi_pool, X, rois, pooled=(1, 1), spatial_scale=1.0)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1000),
    pooled=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    ratio=st.integers(0, 3),
    mode=st.sampled_from(["avg", "max"]),
    half_pixel=st.booleans(),
)
def test_roi_align_agrees_with_onnxruntime(
    seed: int, pooled: tuple[int, int], ratio: int, mode: str, half_pixel: bool
) -> None:
    rois = regions(seed)
    boxes, images = rois[:, 1:], rois[:, 0].astype(np.int64)
    result = evaluate(
        roi_align,
        X,
        boxes,
        images,
        pooled=pooled,
        spatial_scale=0.25,
        sampling_ratio=ratio,
        mode=mode,
        half_pixel=half_pixel,
    )
    (expected,) = onnx_results(
        "RoiAlign",
        [X, boxes, images],
        opset=16,
        output_height=pooled[0],
        output_width=pooled[1],
        sampling_ratio=ratio,
        spatial_scale=0.25,
        mode=mode,
        coordinate_transformation_mode="half_pixel" if half_pixel else "output_half_pixel",
    )
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)


def test_roi_align_of_an_empty_map_is_zero() -> None:
    attributes = {"pooled": (2, 2), "spatial_scale": 1.0, "sampling_ratio": 2, "mode": "avg", "half_pixel": True}
    x, rois = np.zeros((1, 1, 0, 3), np.float32), np.array([[0, 0, 2, 2]], np.float32)
    result = evaluate(roi_align, x, rois, np.zeros(1, np.int64), **attributes)
    assert result.tolist() == [[[[0, 0], [0, 0]]]]


def value(*shape: int, dtype: DType = DType.FLOAT32) -> Value:
    return Value(TensorType(dtype, shape))


@pytest.mark.parametrize(
    ("x", "rois", "pooled", "words"),
    [
        (value(1, 2, 3), value(4, 5), (1, 1), "4 axes"),
        (value(1, 2, 3, 3), value(4, 4), (1, 1), "number of columns"),
        (value(1, 2, 3, 3), value(4, 5), (0, 1), "must be positive"),
        (value(1, 2, 3, 3, dtype=DType.INT32), value(4, 5), (1, 1), "floating-point"),
        (value(1, 2, 3, 3), value(4, 5, dtype=DType.FLOAT64), (1, 1), "one element type"),
    ],
)
def test_roi_pool_refuses_what_does_not_fit(x: Value, rois: Value, pooled: tuple[int, int], words: str) -> None:
    with pytest.raises(InvalidModelError, match=words):
        roi_pool(x, rois, pooled=pooled, spatial_scale=1.0)


def test_roi_align_refuses_a_negative_number_of_samples() -> None:
    x, rois, images = placeholders(X, REGIONS[:, 1:], np.zeros(4, np.int64))
    with pytest.raises(InvalidModelError, match="sampling_ratio"):
        roi_align(x, rois, images, pooled=(1, 1), spatial_scale=1.0, sampling_ratio=-1, mode="avg", half_pixel=True)
