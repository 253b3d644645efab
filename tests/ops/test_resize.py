"""Resizing: against onnxruntime in every mode, rounding and coordinate system that it has."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.ops.evaluate import Operator, decomposed, evaluate, onnx_results, placeholders
from xir.errors import InvalidModelError, UnsupportedError
from xir.ir.dims import Symbol
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.resize import resize

COORDINATES = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric"]
ROUNDINGS = ["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"]
SIZES = [((5, 4), (8, 8)), ((6, 8), (3, 2)), ((4, 3), (7, 1)), ((3, 5), (3, 5))]

operators = pytest.mark.parametrize("operator", [resize, decomposed(resize)], ids=["reference", "decompose"])


def normal(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def onnx_resize(
    x: NDArray[np.generic], sizes: tuple[int, ...] | None, scales: tuple[float, ...] | None = None, **attributes: object
) -> NDArray[np.generic]:
    full = None if sizes is None else np.array([*x.shape[:2], *sizes], np.int64)
    factors = None if scales is None else np.array([1, 1, *scales], np.float32)
    (result,) = onnx_results("Resize", [x, None, factors, full], opset=19, **attributes)
    return result


@operators
@pytest.mark.parametrize(("mode", "coordinates"), list(product(["linear", "cubic"], COORDINATES)))
def test_interpolation_agrees_with_onnxruntime(mode: str, coordinates: str, operator: Operator) -> None:
    for old, new in SIZES:
        x = normal(2, 3, *old)
        result = evaluate(operator, x, sizes=new, mode=mode, coordinates=coordinates)
        expected = onnx_resize(x, new, mode=mode, coordinate_transformation_mode=coordinates)
        np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)


@operators
@pytest.mark.parametrize(("rounding", "coordinates"), list(product(ROUNDINGS, COORDINATES)))
def test_nearest_agrees_with_onnxruntime(rounding: str, coordinates: str, operator: Operator) -> None:
    exact = rounding == "floor" and coordinates == "half_pixel_symmetric"
    for old, new in SIZES[:2] if exact else SIZES:  # onnxruntime's shift in f32 falls just below an exact index
        x = normal(2, 3, *old)
        result = evaluate(operator, x, sizes=new, mode="nearest", coordinates=coordinates, rounding=rounding)
        expected = onnx_resize(
            x, new, mode="nearest", coordinate_transformation_mode=coordinates, nearest_mode=rounding
        )
        np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("coordinates", ["half_pixel", "asymmetric", "half_pixel_symmetric"])
def test_given_scales_are_used_where_sizes_were_rounded(coordinates: str) -> None:
    x = normal(1, 2, 5, 7)
    scales = (1.5, 0.7)
    sizes = tuple(int(np.floor(np.float32(size) * np.float32(s))) for size, s in zip(x.shape[2:], scales, strict=True))
    result = evaluate(resize, x, sizes=sizes, mode="linear", coordinates=coordinates, scales=scales)
    expected = onnx_resize(x, None, scales, mode="linear", coordinate_transformation_mode=coordinates)
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)


@operators
@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("exclude_outside", [False, True])
def test_antialias_and_exclude_outside_agree_with_onnxruntime(
    mode: str, exclude_outside: bool, operator: Operator
) -> None:
    x = normal(1, 2, 9, 8)
    for antialias in (False, True):
        given = {"exclude_outside": exclude_outside, "antialias": antialias}
        if exclude_outside and mode == "linear":
            continue  # onnxruntime has it for cubic alone
        for sizes in ((4, 3), (12, 5)):
            result = evaluate(operator, x, sizes=sizes, mode=mode, coordinates="half_pixel", **given)
            expected = onnx_resize(x, sizes, mode=mode, **{name: int(on) for name, on in given.items()})
            np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)


def test_the_cubic_coefficient_is_used() -> None:
    x = normal(1, 1, 5, 5)
    result = evaluate(resize, x, sizes=(9, 9), mode="cubic", coordinates="half_pixel", cubic_coefficient=-0.5)
    np.testing.assert_allclose(result, onnx_resize(x, (9, 9), mode="cubic", cubic_coeff_a=-0.5), rtol=1e-4, atol=1e-5)


@operators
@pytest.mark.parametrize(("old", "new"), [((5,), (9,)), ((2, 3, 4), (4, 2, 5))])
def test_one_and_three_axes(old: tuple[int, ...], new: tuple[int, ...], operator: Operator) -> None:
    x = normal(1, 2, *old)
    result = evaluate(operator, x, sizes=new, mode="linear", coordinates="align_corners")
    expected = onnx_resize(x, new, mode="linear", coordinate_transformation_mode="align_corners")
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)


@operators
def test_integers_are_interpolated_and_rounded(operator: Operator) -> None:
    x = np.array([[[0, 255, 3]]], np.uint8)
    linear = evaluate(operator, x, sizes=(5,), mode="linear", coordinates="align_corners")
    assert (linear.dtype, linear.ravel().tolist()) == (np.uint8, [0, 128, 255, 129, 3])
    cubic = evaluate(operator, x, sizes=(5,), mode="cubic", coordinates="align_corners")
    assert cubic.ravel().tolist()[2] == 255  # beyond the range is cut, not wrapped
    taken = evaluate(operator, x, sizes=(6,), mode="nearest", coordinates="asymmetric", rounding="floor")
    assert taken.ravel().tolist() == [0, 0, 255, 255, 3, 3]


@operators
def test_half_precision_keeps_its_type(operator: Operator) -> None:
    result = evaluate(operator, normal(1, 1, 3).astype(np.float16), sizes=(5,), mode="linear", coordinates="half_pixel")
    assert result.dtype == np.float16


@pytest.mark.parametrize(
    ("shape", "changes", "message"),
    [
        ((1, 1, 4), {"sizes": (2, 2)}, "one size"),
        ((1, 1, 4), {"scales": (0.0,)}, "scales must be positive"),
        ((1, 1, 4), {"scales": (1.0, 1.0)}, "one size"),
        ((1, 1, 0), {}, "an empty axis"),
        ((1, 4), {}, "at least 3 axes"),
    ],
)
def test_resize_refuses(shape: tuple[int, ...], changes: dict[str, object], message: str) -> None:
    attributes: dict[str, object] = {"sizes": (2,), "mode": "linear", "coordinates": "half_pixel"}
    (x,) = placeholders(np.zeros(shape, np.float32))
    with pytest.raises(InvalidModelError, match=message):
        resize(x, **(attributes | changes))


def test_bools_have_no_elements_in_between() -> None:
    bools = placeholders(np.zeros((1, 1, 2), np.bool_))
    with pytest.raises(InvalidModelError, match="a number type"):
        resize(*bools, sizes=(2,), mode="linear", coordinates="asymmetric")
    assert resize(*bools, sizes=(3,), mode="nearest", coordinates="asymmetric").dtype is DType.BOOL


def test_a_symbolic_size_cannot_be_decomposed() -> None:
    x = Value(TensorType(DType.FLOAT32, (1, 1, Symbol("W"))))
    assert resize(x, sizes=(2,), mode="linear", coordinates="half_pixel").shape == (1, 1, 2)
    with pytest.raises(UnsupportedError, match="sizes are known"):
        decomposed(resize)(x, sizes=(2,), mode="linear", coordinates="half_pixel")
