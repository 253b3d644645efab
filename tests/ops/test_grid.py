"""Sampling on grids, bent windows, centres: what leaves an image as it is, and what does not fit."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from tests.ops.evaluate import evaluate
from xir.errors import InvalidModelError, UnsupportedError
from xir.ir.dims import Dim, Symbol
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.conv import conv
from xir.ops.deform import deform_conv
from xir.ops.grid import affine_grid, grid_sample
from xir.ops.patches import center_crop_pad

IMAGE = np.random.default_rng(0).normal(size=(1, 2, 3, 4)).astype(np.float32)
PLAIN = {"strides": (1, 1), "padding": ((1, 0), (0, 1)), "dilation": (1, 1), "groups": 1}


def value(*shape: Dim, dtype: DType = DType.FLOAT32) -> Value:
    return Value(TensorType(dtype, shape))


@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_the_identity_map_samples_the_image_itself(mode: str, align: bool) -> None:
    identity = np.array([[[1, 0, 0], [0, 1, 0]]], np.float32)
    grid = evaluate(affine_grid, identity, spatial=(3, 4), align_corners=align)
    found = evaluate(grid_sample, IMAGE, grid, mode=mode, outside="border", align_corners=align)
    np.testing.assert_allclose(found, IMAGE, atol=1e-5)


@pytest.mark.parametrize(("outside", "expected"), [("zeros", 0.0), ("border", 3.0), ("reflection", 2.0)])
def test_what_lies_outside(outside: str, expected: float) -> None:
    line = np.array([0, 1, 2, 3], np.float32).reshape(1, 1, 4)
    point = np.array(2 * 4 / 3 - 1, np.float32).reshape(1, 1, 1)  # element 4, one behind the last
    found = evaluate(grid_sample, line, point, mode="linear", outside=outside, align_corners=True)
    assert float(found[0, 0, 0]) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("outside", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_places_between_the_border_and_the_first_element_as_in_onnx(mode: str, outside: str) -> None:
    line = np.array([3, -1, 2, 5], np.float32).reshape(1, 1, 4)
    points = np.array([-1.3, -0.99, -0.9, -0.76, 0.8, 0.97, 1.2], np.float32).reshape(1, 7, 1)
    node = onnx.helper.make_node("GridSample", ["x", "g"], ["y"], mode=mode, padding_mode=outside)
    (want,) = ReferenceEvaluator(node).run(None, {"x": line, "g": points})
    found = evaluate(grid_sample, line, points, mode=mode, outside=outside, align_corners=False)
    np.testing.assert_allclose(found, want, rtol=1e-5, atol=1e-5)


def test_strings_have_nothing_outside() -> None:
    words = np.array([["a", "b"]], object).reshape(1, 1, 2)
    points = np.array([-1, 1, 5], np.float32).reshape(1, 3, 1)
    found = evaluate(grid_sample, words, points, mode="nearest", outside="zeros", align_corners=True)
    assert found.reshape(-1).tolist() == ["a", "b", ""]


def test_a_window_that_is_not_bent_is_a_convolution() -> None:
    w = np.random.default_rng(1).normal(size=(3, 2, 2, 2)).astype(np.float32)
    offset = np.zeros((1, 8, 3, 4), np.float32)
    want = evaluate(conv, IMAGE, w, input_dilation=(1, 1), **PLAIN)
    np.testing.assert_allclose(evaluate(deform_conv, IMAGE, w, offset, offset_groups=1, **PLAIN), want, atol=1e-5)


def test_the_centre_of_strings_is_padded_with_empty_ones() -> None:
    words = np.array(["a", "b", "c"], object)
    assert evaluate(center_crop_pad, words, axes=(0,), shape=(6,)).tolist() == ["", "a", "b", "c", "", ""]
    assert evaluate(center_crop_pad, words, axes=(0,), shape=(1,)).tolist() == ["b"]
    rule = center_crop_pad.decompose_rule
    assert rule is not None
    with pytest.raises(UnsupportedError, match="of strings"):
        rule(value(3, dtype=DType.STRING), None, axes=(0,), shape=(6,))


BENT = {"padding": ((0, 0), (0, 0)), "strides": (1, 1), "dilation": (1, 1), "offset_groups": 1}


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: affine_grid(value(1, 4, 5), spatial=(1, 1, 1, 1), align_corners=False), "2 or 3 axes"),
        (
            lambda: grid_sample(
                value(1, 1, 4, dtype=DType.BOOL), value(1, 1, 1), mode="linear", outside="zeros", align_corners=True
            ),
            "interpolate between",
        ),
        (
            lambda: deform_conv(value(1, 2, 4, 4), value(3, 1, 1, 1), value(1, 2, 4, 4), groups=2, **BENT),
            "do not fall into 2 groups",
        ),
        (
            lambda: deform_conv(value(1, 2, 4, 4), value(2, 2, Symbol("k"), 1), value(1, 2, 4, 4), groups=1, **BENT),
            "the window must be known",
        ),
        (lambda: center_crop_pad(value(4), axes=(0,), shape=(1, 2)), "one size an axis"),
    ],
)
def test_what_does_not_fit_is_refused(build: object, text: str) -> None:
    with pytest.raises(InvalidModelError, match=text):
        build()  # type: ignore[operator]  # a function of nothing


def test_as_many_grids_as_images_are_needed() -> None:
    rule = grid_sample.reference_rule
    assert rule is not None
    with pytest.raises(InvalidModelError, match="does not fit"):
        rule(IMAGE, np.zeros((2, 1, 1, 2), np.float32), mode="linear", outside="zeros", align_corners=True)
