"""Arithmetic on each element: operands of one type, no implicit broadcasting or casting."""

from __future__ import annotations

import math

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.node import Node, Value
from xir.ir.types import DType, TensorType
from xir.ops import compare
from xir.ops._build import scalar_like
from xir.ops._checks import require_dtype, require_floating, require_same_shape, require_same_type
from xir.ops._define import op
from xir.ops._numeric import in_float32, require_number


@op
def add(x: Value, y: Value) -> TensorType:
    """The sum (ONNX Add).

    x, y: numbers of one type and shape; result: the same type.
    """
    require_number(x)
    return require_same_type(x, y)


@add.reference
def _add_reference(x: Array, y: Array) -> Array:
    return np.asarray(x + y)


@add.gradient
def _add_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    return dy, dy


@op
def sub(x: Value, y: Value) -> TensorType:
    """The difference x - y (ONNX Sub).

    x, y: numbers of one type and shape; result: the same type.
    """
    require_number(x)
    return require_same_type(x, y)


@sub.reference
def _sub_reference(x: Array, y: Array) -> Array:
    return np.asarray(x - y)


@sub.gradient
def _sub_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    return dy, neg(dy)


@op
def mul(x: Value, y: Value) -> TensorType:
    """The product (ONNX Mul).

    x, y: numbers of one type and shape; result: the same type.
    """
    require_number(x)
    return require_same_type(x, y)


@mul.reference
def _mul_reference(x: Array, y: Array) -> Array:
    return np.asarray(x * y)


@mul.gradient
def _mul_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    x, y = operands(node)
    return mul(dy, y), mul(dy, x)


@op
def div(x: Value, y: Value) -> TensorType:
    """The quotient; integers round toward zero, as in C (ONNX Div).

    x, y: numbers of one type and shape; result: the same type.
    """
    require_number(x)
    return require_same_type(x, y)


@div.reference
def _div_reference(x: Array, y: Array) -> Array:
    if x.dtype.kind in "iu":
        return _truncated_quotient(x, y)
    return np.asarray(x / y)


@div.gradient
def _div_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    x, y = operands(node)
    return div(dy, y), neg(div(mul(dy, node.outputs[0]), y))


@op
def pow_(x: Value, y: Value) -> TensorType:
    """x raised to y (ONNX Pow).

    x, y: numbers of one type and shape; result: the same type.
    """
    require_number(x)
    return require_same_type(x, y)


@pow_.reference
def _pow_reference(x: Array, y: Array) -> Array:
    if x.dtype.kind in "iu":
        return np.power(x.astype(np.float64), y).astype(x.dtype)
    return in_float32(np.power, x, y)


@pow_.gradient
def _pow_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    x, y = operands(node)
    one = scalar_like(y, 1.0)
    dx = mul(dy, mul(y, pow_(x, sub(y, one))))
    return dx, mul(dy, mul(node.outputs[0], log(x)))


@op
def minimum(x: Value, y: Value) -> TensorType:
    """The smaller of two numbers; NaN if either is NaN (ONNX Min).

    x, y: numbers of one type and shape; result: the same type.
    """
    require_number(x)
    return require_same_type(x, y)


@minimum.reference
def _minimum_reference(x: Array, y: Array) -> Array:
    return np.asarray(np.minimum(x, y))


@minimum.gradient
def _minimum_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    return _split_gradient(node, dy)


@op
def maximum(x: Value, y: Value) -> TensorType:
    """The larger of two numbers; NaN if either is NaN (ONNX Max).

    x, y: numbers of one type and shape; result: the same type.
    """
    require_number(x)
    return require_same_type(x, y)


@maximum.reference
def _maximum_reference(x: Array, y: Array) -> Array:
    return np.asarray(np.maximum(x, y))


@maximum.gradient
def _maximum_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    return _split_gradient(node, dy)


@op
def mod(x: Value, y: Value, *, floored: bool) -> TensorType:
    """The remainder, with the sign of y where `floored` (Python's %), else of x (C's fmod) (ONNX Mod).

    x, y: numbers of one type and shape; result: the same type.
    """
    require_number(x)
    return require_same_type(x, y)


@mod.reference
def _mod_reference(x: Array, y: Array, *, floored: bool) -> Array:
    return in_float32(np.mod if floored else np.fmod, x, y)


mod.no_gradient("a remainder jumps; nothing that xir reads trains through one")


@op
def neg(x: Value) -> TensorType:
    """The negation (ONNX Neg).

    x: numbers; result: the same type.
    """
    require_number(x)
    return x.tensor


@neg.reference
def _neg_reference(x: Array) -> Array:
    return np.asarray(np.negative(x))


@neg.gradient
def _neg_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    return (neg(dy),)


@op
def abs_(x: Value) -> TensorType:
    """The absolute value (ONNX Abs).

    x: numbers; result: the same type.
    """
    require_number(x)
    return x.tensor


@abs_.reference
def _abs_reference(x: Array) -> Array:
    return np.asarray(np.abs(x))


@abs_.gradient
def _abs_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    (x,) = operands(node)
    return (mul(dy, sign(x)),)


@op
def sign(x: Value) -> TensorType:
    """-1, 0 or 1; NaN stays NaN (ONNX Sign).

    x: numbers; result: the same type.
    """
    require_number(x)
    return x.tensor


@sign.reference
def _sign_reference(x: Array) -> Array:
    return np.asarray(np.sign(x))


sign.no_gradient("it is constant wherever it has a derivative")


@op
def exp(x: Value) -> TensorType:
    """e to the power of x (ONNX Exp).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@exp.reference
def _exp_reference(x: Array) -> Array:
    return in_float32(np.exp, x)


@exp.gradient
def _exp_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    return (mul(dy, node.outputs[0]),)


@op
def log(x: Value) -> TensorType:
    """The natural logarithm; -inf at 0, NaN below (ONNX Log).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@log.reference
def _log_reference(x: Array) -> Array:
    return in_float32(np.log, x)


@log.gradient
def _log_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    (x,) = operands(node)
    return (div(dy, x),)


@op
def sqrt(x: Value) -> TensorType:
    """The square root; NaN below 0 (ONNX Sqrt).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@sqrt.reference
def _sqrt_reference(x: Array) -> Array:
    return in_float32(np.sqrt, x)


@sqrt.gradient
def _sqrt_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    half = scalar_like(dy, 0.5)
    return (div(mul(dy, half), node.outputs[0]),)


@op
def reciprocal(x: Value) -> TensorType:
    """1 / x (ONNX Reciprocal).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@reciprocal.reference
def _reciprocal_reference(x: Array) -> Array:
    return in_float32(np.reciprocal, x)


@reciprocal.gradient
def _reciprocal_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    y = node.outputs[0]
    return (neg(mul(dy, mul(y, y))),)


@op
def floor(x: Value) -> TensorType:
    """The largest whole number <= x (ONNX Floor).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@floor.reference
def _floor_reference(x: Array) -> Array:
    return in_float32(np.floor, x)


floor.no_gradient("it is constant wherever it has a derivative")


@op
def ceil(x: Value) -> TensorType:
    """The smallest whole number >= x (ONNX Ceil).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@ceil.reference
def _ceil_reference(x: Array) -> Array:
    return in_float32(np.ceil, x)


ceil.no_gradient("it is constant wherever it has a derivative")


@op
def round_(x: Value) -> TensorType:
    """The nearest whole number, halves to the even one (ONNX Round).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@round_.reference
def _round_reference(x: Array) -> Array:
    return in_float32(np.rint, x)


round_.no_gradient("it is constant wherever it has a derivative")


@op
def erf(x: Value) -> TensorType:
    """The error function 2 / sqrt(pi) * integral of exp(-t^2) from 0 to x (ONNX Erf; math.erf).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@erf.reference
def _erf_reference(x: Array) -> Array:
    return in_float32(_erf, x)


@erf.gradient
def _erf_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    (x,) = operands(node)
    slope = exp(neg(mul(x, x)))
    return (mul(dy, mul(slope, scalar_like(x, 2.0 / math.sqrt(math.pi)))),)


@op
def sin(x: Value) -> TensorType:
    """The sine of x in radians (ONNX Sin).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@sin.reference
def _sin_reference(x: Array) -> Array:
    return in_float32(np.sin, x)


@sin.gradient
def _sin_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    (x,) = operands(node)
    return (mul(dy, cos(x)),)


@op
def cos(x: Value) -> TensorType:
    """The cosine of x in radians (ONNX Cos).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@cos.reference
def _cos_reference(x: Array) -> Array:
    return in_float32(np.cos, x)


@cos.gradient
def _cos_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    (x,) = operands(node)
    return (mul(dy, neg(sin(x))),)


@op
def tan(x: Value) -> TensorType:
    """The tangent of x in radians (ONNX Tan).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@tan.reference
def _tan_reference(x: Array) -> Array:
    return in_float32(np.tan, x)


@tan.gradient
def _tan_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    (x,) = operands(node)
    return (mul(dy, add(scalar_like(x, 1.0), mul(node.outputs[0], node.outputs[0]))),)


@op
def asin(x: Value) -> TensorType:
    """The angle in [-pi/2, pi/2] whose sine is x (ONNX Asin).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@asin.reference
def _asin_reference(x: Array) -> Array:
    return in_float32(np.arcsin, x)


@asin.gradient
def _asin_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    (x,) = operands(node)
    return (mul(dy, reciprocal(sqrt(sub(scalar_like(x, 1.0), mul(x, x))))),)


@op
def acos(x: Value) -> TensorType:
    """The angle in [0, pi] whose cosine is x (ONNX Acos).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@acos.reference
def _acos_reference(x: Array) -> Array:
    return in_float32(np.arccos, x)


@acos.gradient
def _acos_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    (x,) = operands(node)
    return (mul(dy, neg(reciprocal(sqrt(sub(scalar_like(x, 1.0), mul(x, x)))))),)


@op
def atan(x: Value) -> TensorType:
    """The angle in (-pi/2, pi/2) whose tangent is x (ONNX Atan).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@atan.reference
def _atan_reference(x: Array) -> Array:
    return in_float32(np.arctan, x)


@atan.gradient
def _atan_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    (x,) = operands(node)
    return (mul(dy, reciprocal(add(scalar_like(x, 1.0), mul(x, x)))),)


@op
def sinh(x: Value) -> TensorType:
    """The hyperbolic sine (ONNX Sinh).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@sinh.reference
def _sinh_reference(x: Array) -> Array:
    return in_float32(np.sinh, x)


@sinh.gradient
def _sinh_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    (x,) = operands(node)
    return (mul(dy, cosh(x)),)


@op
def cosh(x: Value) -> TensorType:
    """The hyperbolic cosine (ONNX Cosh).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@cosh.reference
def _cosh_reference(x: Array) -> Array:
    return in_float32(np.cosh, x)


@cosh.gradient
def _cosh_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    (x,) = operands(node)
    return (mul(dy, sinh(x)),)


@op
def asinh(x: Value) -> TensorType:
    """The inverse hyperbolic sine (ONNX Asinh).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@asinh.reference
def _asinh_reference(x: Array) -> Array:
    return in_float32(np.arcsinh, x)


@asinh.gradient
def _asinh_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    (x,) = operands(node)
    return (mul(dy, reciprocal(sqrt(add(mul(x, x), scalar_like(x, 1.0))))),)


@op
def acosh(x: Value) -> TensorType:
    """The inverse hyperbolic cosine; NaN below 1 (ONNX Acosh).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@acosh.reference
def _acosh_reference(x: Array) -> Array:
    return in_float32(np.arccosh, x)


@acosh.gradient
def _acosh_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    (x,) = operands(node)
    return (mul(dy, reciprocal(sqrt(sub(mul(x, x), scalar_like(x, 1.0))))),)


@op
def atanh(x: Value) -> TensorType:
    """The inverse hyperbolic tangent; infinite at -1 and 1 (ONNX Atanh).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@atanh.reference
def _atanh_reference(x: Array) -> Array:
    return in_float32(np.arctanh, x)


@atanh.gradient
def _atanh_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    (x,) = operands(node)
    return (mul(dy, reciprocal(sub(scalar_like(x, 1.0), mul(x, x)))),)


@op
def cast(x: Value, *, dtype: DType) -> TensorType:
    """`x` as another element type: floats to integers round toward zero, anything but 0 is True (ONNX Cast).

    x: any tensor but strings; result: `dtype`, the same shape. A float beyond the integer's range gives no promised
    number; conversions to bool and between floats do.
    """
    if DType.STRING in (x.dtype, dtype):
        raise InvalidModelError(f"strings cannot be converted here, got {x.type!r} to {dtype}")
    return x.tensor.with_dtype(dtype)


@cast.reference
def _cast_reference(x: Array, *, dtype: DType) -> Array:
    if x.dtype.kind == "c" and dtype.dtype.kind != "c":
        x = x.real
    if dtype is DType.BOOL:
        return np.asarray(x != 0)
    if x.dtype.kind == "V" and dtype.is_integer:  # ml_dtypes' floats
        x = x.astype(np.float32)
    return x.astype(dtype.dtype)


@cast.gradient
def _cast_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    (x,) = operands(node)
    return (cast(dy, dtype=x.dtype) if x.dtype.is_floating and dy.dtype.is_floating else None,)


@op
def select(condition: Value, x: Value, y: Value) -> TensorType:
    """`x` where the condition holds, else `y` (ONNX Where).

    condition: bool; x, y: any tensors of one type and the condition's shape; result: the type of x.
    """
    require_dtype(condition, DType.BOOL)
    type = require_same_type(x, y)
    require_same_shape(condition.shape, type.shape)
    return type


@select.reference
def _select_reference(condition: Array, x: Array, y: Array) -> Array:
    return np.where(condition, x, y)


@select.gradient
def _select_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    condition = operands(node)[0]
    zero = scalar_like(dy, 0.0)
    return None, select(condition, dy, zero), select(condition, zero, dy)


@op
def clip(x: Value, *, minimum: float | None, maximum: float | None) -> TensorType:
    """`x` raised to `minimum` and cut at `maximum`, each where it is given; NaN stays (ONNX Clip, Caffe Clip).

    x: numbers; result: the same type. Where minimum > maximum the result is maximum.
    """
    require_number(x)
    return x.tensor


@clip.reference
def _clip_reference(x: Array, *, minimum: float | None, maximum: float | None) -> Array:
    y = x if minimum is None else np.maximum(x, _bound(minimum, x))
    return np.asarray(y if maximum is None else np.minimum(y, _bound(maximum, x)))


@clip.gradient
def _clip_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    (x,) = operands(node)
    inside = compare.equal(x, node.outputs[0])
    return (select(inside, dy, scalar_like(dy, 0.0)),)


@op
def is_nan(x: Value) -> TensorType:
    """Whether each element is NaN (ONNX IsNaN). x: floating-point numbers; result: bool, the same shape."""
    require_floating(x)
    return x.tensor.with_dtype(DType.BOOL)


@is_nan.reference
def _is_nan_reference(x: Array) -> Array:
    return np.asarray(np.isnan(x))


is_nan.no_gradient("the result is not a number")


@op
def is_inf(x: Value, *, negative: bool = True, positive: bool = True) -> TensorType:
    """Whether each element is an infinity of a sign that is asked for (ONNX IsInf).

    x: floating-point numbers; result: bool, the same shape.
    """
    require_floating(x)
    return x.tensor.with_dtype(DType.BOOL)


@is_inf.reference
def _is_inf_reference(x: Array, *, negative: bool, positive: bool) -> Array:
    wide = x.astype(np.float64)
    return np.asarray((negative & np.isneginf(wide)) | (positive & np.isposinf(wide)))


is_inf.no_gradient("the result is not a number")


def operands(node: Node) -> tuple[Value, ...]:
    """The operands of a node that are there."""
    return tuple(value for value in node.inputs if value is not None)


def _split_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    """The gradient goes to the operand that was chosen; to the first one of equal operands."""
    x, _ = operands(node)
    first = compare.equal(x, node.outputs[0])
    zero = scalar_like(dy, 0.0)
    return select(first, dy, zero), select(first, zero, dy)


def _truncated_quotient(x: Array, y: Array) -> Array:
    if not np.all(y):
        raise InvalidModelError("an integer is divided by zero")
    quotient = np.floor_divide(x, y)
    if x.dtype.kind == "i":
        quotient = quotient + ((quotient < 0) & (quotient * y != x)).astype(x.dtype)
    return np.asarray(quotient)


def _erf(x: Array) -> Array:
    flat = x.astype(np.float64).reshape(-1)
    return np.fromiter(map(math.erf, flat.tolist()), np.float64, flat.size).reshape(x.shape).astype(x.dtype)


def _bound(bound: float, x: Array) -> Array:
    """The bound in the element type of `x`; one beyond an integer's range is the end of the range."""
    if x.dtype.kind in "iu":
        limits = np.iinfo(x.dtype)
        bound = min(max(bound, int(limits.min)), int(limits.max))
    return np.asarray(bound).astype(x.dtype)
