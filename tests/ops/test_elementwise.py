"""Element-wise operators: against onnxruntime, against Python's math, and the corners where types end."""

from __future__ import annotations

import math
from collections.abc import Callable

import ml_dtypes
import numpy as np
import pytest
from onnx import helper

from tests.ops.evaluate import Operator, evaluate, onnx_results
from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops import elementwise as ew
from xir.ops.activation import tanh

SPECIAL = np.array([0.0, -0.0, 1.5, -1.5, 2.5, -0.5, 0.5, np.inf, -np.inf, np.nan, 1e-40, 3e38], np.float32)
SMALL = np.linspace(-0.99, 0.99, 9).astype(np.float32)


@pytest.mark.parametrize(
    ("operator", "kind", "x"),
    [
        (ew.neg, "Neg", SPECIAL),
        (ew.abs_, "Abs", SPECIAL),
        (ew.sign, "Sign", SPECIAL[:-3]),
        (ew.exp, "Exp", SPECIAL),
        (ew.log, "Log", SPECIAL),
        (ew.sqrt, "Sqrt", SPECIAL),
        (ew.reciprocal, "Reciprocal", SPECIAL[:-2]),
        (ew.floor, "Floor", SPECIAL),
        (ew.ceil, "Ceil", SPECIAL),
        (ew.round_, "Round", SPECIAL),
        (ew.erf, "Erf", SPECIAL[:-3]),
        (ew.sin, "Sin", SMALL),
        (ew.cos, "Cos", SMALL),
        (ew.tan, "Tan", SMALL),
        (ew.asin, "Asin", SMALL),
        (ew.acos, "Acos", SMALL),
        (ew.atan, "Atan", SPECIAL),
        (ew.sinh, "Sinh", SMALL),
        (ew.cosh, "Cosh", SMALL),
        (ew.asinh, "Asinh", SMALL),
        (ew.acosh, "Acosh", SMALL + 2),
        (ew.atanh, "Atanh", SMALL),
        (ew.is_nan, "IsNaN", SPECIAL),
        (ew.is_inf, "IsInf", SPECIAL),
    ],
)
def test_one_operand_as_in_onnxruntime(operator: Operator, kind: str, x: Array) -> None:
    (theirs,) = onnx_results(kind, [x])
    ours = evaluate(operator, x)
    np.testing.assert_allclose(ours, theirs, rtol=2e-6, atol=1e-6)
    if ours.dtype == np.float32:
        np.testing.assert_array_equal(np.signbit(ours[~np.isnan(ours)]), np.signbit(theirs[~np.isnan(ours)]))


INTEGERS = (np.array([7, -7, 7, -7, 0], np.int32), np.array([2, 2, -2, -2, 5], np.int32))
FLOATS = (SPECIAL[:-2], np.roll(SPECIAL[:-2], 3))


@pytest.mark.parametrize("operands", [INTEGERS, FLOATS], ids=["i32", "f32"])
@pytest.mark.parametrize(
    ("operator", "kind"),
    [(ew.add, "Add"), (ew.sub, "Sub"), (ew.mul, "Mul"), (ew.div, "Div"), (ew.maximum, "Max"), (ew.minimum, "Min")],
)
def test_two_operands_as_in_onnxruntime(operator: Operator, kind: str, operands: tuple[Array, Array]) -> None:
    (theirs,) = onnx_results(kind, operands)
    np.testing.assert_allclose(evaluate(operator, *operands), theirs, rtol=1e-6)


@pytest.mark.parametrize("floored", [False, True])
def test_mod_as_in_onnxruntime(floored: bool) -> None:
    x, y = INTEGERS
    (theirs,) = onnx_results("Mod", [x, y], fmod=int(not floored))
    np.testing.assert_array_equal(evaluate(ew.mod, x, y, floored=floored), theirs)


def test_a_remainder_of_floats_has_the_sign_that_is_asked_for() -> None:
    x, y = np.array([5.5, -5.5, 5.5, -5.5]), np.array([2.0, 2.0, -2.0, -2.0])
    np.testing.assert_array_equal(evaluate(ew.mod, x, y, floored=False), [1.5, -1.5, 1.5, -1.5])
    np.testing.assert_array_equal(evaluate(ew.mod, x, y, floored=True), [1.5, 0.5, -0.5, -1.5])


def test_power_as_in_onnxruntime() -> None:
    x, y = np.abs(SPECIAL[:-2]), np.roll(SPECIAL[:-2], 3)
    (theirs,) = onnx_results("Pow", [x, y])
    np.testing.assert_allclose(evaluate(ew.pow_, x, y), theirs, rtol=1e-6)


def test_integer_powers_are_exact_and_round_toward_zero() -> None:
    x = np.array([3, -3, 2, 1, -1, -1, 0, 10])
    y = np.array([39, 3, -1, -5, -3, -2, 0, 18])
    np.testing.assert_array_equal(evaluate(ew.pow_, x, y), [3**39, -27, 0, 1, -1, 1, 1, 10**18])


@pytest.mark.parametrize(
    ("operator", "attributes", "x", "y", "words"),
    [
        (ew.div, {}, 1, 0, "divided by zero"),
        (ew.mod, {"floored": True}, 1, 0, "divided by zero"),
        (ew.pow_, {}, 0, -1, "no negative power"),
    ],
)
def test_integers_without_a_result_are_refused(
    operator: Operator, attributes: dict[str, object], x: int, y: int, words: str
) -> None:
    with pytest.raises(InvalidModelError, match=words):
        evaluate(operator, np.array([x]), np.array([y]), **attributes)


def test_integers_wrap_around() -> None:
    assert evaluate(ew.add, np.array([127], np.int8), np.array([1], np.int8)).tolist() == [-128]
    assert evaluate(ew.neg, np.array([1], np.uint8)).tolist() == [255]


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_narrow_floats_are_rounded_once(dtype: type[np.generic]) -> None:
    x = np.linspace(-3, 3, 41).astype(dtype)
    exact = np.array([math.tanh(float(v)) for v in x])
    np.testing.assert_array_equal(evaluate(tanh, x), exact.astype(np.float32).astype(dtype))


@pytest.mark.parametrize(
    ("operator", "function", "points"),
    [
        (ew.erf, math.erf, (-2.0, -0.1, 0.0, 3.0)),
        (ew.acosh, math.acosh, (1.0, 1.5, 40.0)),
        (ew.atanh, math.atanh, (-0.5, 0.0, 0.99)),
        (ew.exp, math.exp, (-1.0, 0.0, 2.0)),
    ],
)
def test_doubles_as_in_math(operator: Operator, function: Callable[[float], float], points: tuple[float, ...]) -> None:
    found = evaluate(operator, np.array(points))
    np.testing.assert_allclose(found, [function(point) for point in points], rtol=1e-14, atol=1e-16)


@pytest.mark.parametrize(("minimum", "maximum"), [(-1.0, 1.0), (None, 0.5), (0.5, None), (None, None), (2.0, 1.0)])
def test_clip_as_in_onnxruntime(minimum: float | None, maximum: float | None) -> None:
    bounds = [None if bound is None else np.array(bound, np.float32) for bound in (minimum, maximum)]
    x = SPECIAL[np.isfinite(SPECIAL) | np.isnan(SPECIAL)]
    (theirs,) = onnx_results("Clip", [x, *bounds])
    np.testing.assert_array_equal(evaluate(ew.clip, x, minimum=minimum, maximum=maximum), theirs)


def test_a_bound_that_is_absent_lets_infinities_pass() -> None:
    x = np.array([-np.inf, np.inf], np.float32)
    assert evaluate(ew.clip, x, minimum=None, maximum=1.0).tolist() == [-np.inf, 1.0]
    assert evaluate(ew.clip, x, minimum=-1.0, maximum=None).tolist() == [-1.0, np.inf]


def test_bounds_beyond_an_integer_type_bind_nothing() -> None:
    x = np.array([-128, 0, 127], np.int8)
    np.testing.assert_array_equal(evaluate(ew.clip, x, minimum=-1e9, maximum=1e9), x)


@pytest.mark.parametrize("target", [np.int8, np.int32, np.int64, np.uint8, np.float16, np.float64, np.bool_])
def test_casts_as_in_onnxruntime(target: type[np.generic]) -> None:
    x = np.array([0.0, 1.7, 2.5, 100.0, -0.0], np.float32)
    (theirs,) = onnx_results("Cast", [x], to=helper.np_dtype_to_tensor_dtype(np.dtype(target)))
    ours = evaluate(ew.cast, x, dtype=next(d for d in DType if d is not DType.STRING and d.dtype == np.dtype(target)))
    np.testing.assert_array_equal(ours, theirs)


def test_a_cast_of_bfloat16_to_an_integer_rounds_toward_zero() -> None:
    x = np.array([-1.75, 1.75], ml_dtypes.bfloat16)
    assert evaluate(ew.cast, x, dtype=DType.INT32).tolist() == [-1, 1]


def test_select_takes_from_either_side_and_drops_what_it_does_not_take() -> None:
    found = evaluate(ew.select, np.array([True, False]), np.array([1.0, np.nan]), np.array([np.nan, 2.0]))
    assert found.tolist() == [1.0, 2.0]


def value(dtype: DType, *shape: int) -> Value:
    return Value(TensorType(dtype, shape))


F32, I32 = DType.FLOAT32, DType.INT32


@pytest.mark.parametrize(
    ("operator", "operands", "attributes", "words"),
    [
        (ew.add, [value(F32, 2), value(F32, 3)], {}, "differ"),
        (ew.add, [value(F32, 2), value(DType.FLOAT64, 2)], {}, "one element type"),
        (ew.add, [value(DType.BOOL, 2), value(DType.BOOL, 2)], {}, "numbers are needed"),
        (ew.exp, [value(I32, 2)], {}, "floating-point"),
        (ew.sin, [value(I32, 2)], {}, "floating-point"),
        (ew.floor, [value(I32, 2)], {}, "floating-point"),
        (ew.is_nan, [value(I32, 2)], {}, "floating-point"),
        (ew.cast, [value(DType.STRING, 2)], {"dtype": F32}, "strings cannot be converted"),
        (ew.cast, [value(F32, 2)], {"dtype": DType.STRING}, "strings cannot be converted"),
        (ew.select, [value(F32, 2), value(F32, 2), value(F32, 2)], {}, "bool"),
        (ew.select, [value(DType.BOOL, 3), value(F32, 2), value(F32, 2)], {}, "differ"),
    ],
)
def test_operands_that_do_not_fit_are_refused(
    operator: Operator, operands: list[Value], attributes: dict[str, object], words: str
) -> None:
    with pytest.raises(InvalidModelError, match=words):
        operator(*operands, **attributes)


@pytest.mark.parametrize("dtype", [DType.INT4, DType.UINT2, DType.COMPLEX64, DType.BOOL, DType.STRING])
@pytest.mark.parametrize("operator", [ew.mul, ew.minimum])
def test_types_that_only_are_stored_take_no_part_in_arithmetic(operator: Operator, dtype: DType) -> None:
    with pytest.raises(InvalidModelError, match="numbers are needed") as caught:
        operator(value(dtype, 2), value(dtype, 2))
    assert caught.value.hint == "cast to f32 or i32 first"
