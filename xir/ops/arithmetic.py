"""Arithmetic on each element: operands of one type, no implicit broadcasting or casting."""

from __future__ import annotations

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.node import Node, Value
from xir.ir.types import DType, TensorType
from xir.kernel import build
from xir.kernel.grammar import Kernel, Scalar
from xir.ops import compare
from xir.ops._build import scalar_like
from xir.ops._checks import require_dtype, require_floating, require_same_shape, require_same_type
from xir.ops._define import op
from xir.ops._nests import power_nest
from xir.ops._numeric import Numbers, in_float32, require_number


def operands(node: Node) -> tuple[Value, ...]:
    """The operands of a node that are there."""
    return tuple(value for value in node.inputs if value is not None)


@op
def add(x: Value, y: Value) -> TensorType:
    """The sum (ONNX Add).

    x, y: numbers of one type and shape; result: the same type.
    """
    require_number(x)
    return require_same_type(x, y)


@add.reference
def _add_reference(x: Numbers, y: Numbers) -> Array:
    return np.asarray(x + y)


@add.gradient
def _add_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    return dy, dy


add.lower(build.each("add"))


@op
def sub(x: Value, y: Value) -> TensorType:
    """The difference x - y (ONNX Sub).

    x, y: numbers of one type and shape; result: the same type.
    """
    require_number(x)
    return require_same_type(x, y)


@sub.reference
def _sub_reference(x: Numbers, y: Numbers) -> Array:
    return np.asarray(x - y)


@sub.gradient
def _sub_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    return dy, neg(dy)


sub.lower(build.each("sub"))


@op
def mul(x: Value, y: Value) -> TensorType:
    """The product (ONNX Mul).

    x, y: numbers of one type and shape; result: the same type.
    """
    require_number(x)
    return require_same_type(x, y)


@mul.reference
def _mul_reference(x: Numbers, y: Numbers) -> Array:
    return np.asarray(x * y)


@mul.gradient
def _mul_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    x, y = operands(node)
    return mul(dy, y), mul(dy, x)


mul.lower(build.each("mul"))


@op
def div(x: Value, y: Value) -> TensorType:
    """The quotient; integers round toward zero, as in C (ONNX Div).

    x, y: numbers of one type and shape; result: the same type.
    """
    require_number(x)
    return require_same_type(x, y)


@div.reference
def _div_reference(x: Numbers, y: Numbers) -> Array:
    if x.dtype.kind in "iu":
        return _truncated_quotient(x, y)
    return np.asarray(x / y)


@div.gradient
def _div_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    y = operands(node)[1]
    return div(dy, y), neg(div(mul(dy, node.outputs[0]), y))


div.lower(build.each("div"))


@op
def pow_(x: Value, y: Value) -> TensorType:
    """The power x ** y (ONNX Pow, Caffe Power).

    x, y: numbers of one type and shape; result: the same type. Integers wrap around; a negative power of one rounds
    toward zero, and of 0 there is none.
    """
    require_number(x)
    return require_same_type(x, y)


@pow_.reference
def _pow_reference(x: Numbers, y: Numbers) -> Array:
    return _integer_power(x, y) if x.dtype.kind in "iu" else in_float32(np.power, x, y)


@pow_.gradient
def _pow_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    x, y = operands(node)
    zero = scalar_like(x, 0.0)
    # Where the exponent or the base is 0 the formulas have 0 * infinity; the derivative there is 0.
    dx = select(compare.equal(y, zero), zero, mul(y, pow_(x, sub(y, scalar_like(y, 1.0)))))
    dy_dx = select(compare.equal(x, zero), zero, mul(node.outputs[0], log(x)))
    return mul(dy, dx), mul(dy, dy_dx)


@pow_.lower
def _pow_lower(node: Node) -> Kernel:
    return power_nest(node) if node.outputs[0].dtype.is_integer else build.elementwise(node, "pow")


@op
def minimum(x: Value, y: Value) -> TensorType:
    """The smaller of two numbers; NaN if either is NaN (ONNX Min).

    x, y: numbers of one type and shape; result: the same type.
    """
    require_number(x)
    return require_same_type(x, y)


@minimum.reference
def _minimum_reference(x: Numbers, y: Numbers) -> Array:
    return np.asarray(np.minimum(x, y))


@minimum.gradient
def _minimum_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    return _split_gradient(node, dy)


minimum.lower(build.each("min"))


@op
def maximum(x: Value, y: Value) -> TensorType:
    """The larger of two numbers; NaN if either is NaN (ONNX Max).

    x, y: numbers of one type and shape; result: the same type.
    """
    require_number(x)
    return require_same_type(x, y)


@maximum.reference
def _maximum_reference(x: Numbers, y: Numbers) -> Array:
    return np.asarray(np.maximum(x, y))


@maximum.gradient
def _maximum_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    return _split_gradient(node, dy)


maximum.lower(build.each("max"))


@op
def mod(x: Value, y: Value, *, floored: bool) -> TensorType:
    """The remainder, with the sign of y where `floored` (Python's %), else of x (C's fmod) (ONNX Mod).

    x, y: numbers of one type and shape; result: the same type.
    """
    require_number(x)
    return require_same_type(x, y)


@mod.reference
def _mod_reference(x: Numbers, y: Numbers, *, floored: bool) -> Array:
    _refuse_zero(x, y)
    return in_float32(np.mod if floored else np.fmod, x, y)


mod.no_gradient("a remainder jumps; nothing that xir reads trains through one")


@mod.lower
def _mod_lower(node: Node) -> Kernel:
    return build.elementwise(node, "mod" if node.attributes["floored"] else "rem")


@op
def neg(x: Value) -> TensorType:
    """The negation (ONNX Neg).

    x: numbers; result: the same type.
    """
    require_number(x)
    return x.tensor


@neg.reference
def _neg_reference(x: Numbers) -> Array:
    return np.asarray(np.negative(x))


@neg.gradient
def _neg_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    return (neg(dy),)


neg.lower(build.each("neg"))


@op
def abs_(x: Value) -> TensorType:
    """The absolute value (ONNX Abs).

    x: numbers; result: the same type.
    """
    require_number(x)
    return x.tensor


@abs_.reference
def _abs_reference(x: Numbers) -> Array:
    return np.asarray(np.abs(x))


@abs_.gradient
def _abs_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    (x,) = operands(node)
    return (mul(dy, sign(x)),)


abs_.lower(build.each("abs"))


@op
def sign(x: Value) -> TensorType:
    """-1, 0 or 1; NaN stays NaN (ONNX Sign).

    x: numbers; result: the same type.
    """
    require_number(x)
    return x.tensor


@sign.reference
def _sign_reference(x: Numbers) -> Array:
    return in_float32(np.sign, x)  # the sign of -0 is 0 in every type


sign.no_gradient("it is constant wherever it has a derivative")


sign.lower(build.each("sign"))


@op
def exp(x: Value) -> TensorType:
    """The power e ** x (ONNX Exp, Caffe Exp).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@exp.reference
def _exp_reference(x: Numbers) -> Array:
    return in_float32(np.exp, x)


@exp.gradient
def _exp_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    return (mul(dy, node.outputs[0]),)


exp.lower(build.each("exp"))


@op
def log(x: Value) -> TensorType:
    """The natural logarithm; -inf at 0, NaN below (ONNX Log).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@log.reference
def _log_reference(x: Numbers) -> Array:
    return in_float32(np.log, x)


@log.gradient
def _log_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    (x,) = operands(node)
    return (div(dy, x),)


log.lower(build.each("log"))


@op
def sqrt(x: Value) -> TensorType:
    """The square root; NaN below 0 (ONNX Sqrt).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@sqrt.reference
def _sqrt_reference(x: Numbers) -> Array:
    return in_float32(np.sqrt, x)


@sqrt.gradient
def _sqrt_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    half = scalar_like(dy, 0.5)
    return (div(mul(dy, half), node.outputs[0]),)


sqrt.lower(build.each("sqrt"))


@op
def reciprocal(x: Value) -> TensorType:
    """1 / x (ONNX Reciprocal).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@reciprocal.reference
def _reciprocal_reference(x: Numbers) -> Array:
    return in_float32(np.reciprocal, x)


@reciprocal.gradient
def _reciprocal_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    y = node.outputs[0]
    return (neg(mul(dy, mul(y, y))),)


@reciprocal.lower
def _reciprocal_lower(node: Node) -> Kernel:
    def value(x: Scalar) -> Scalar:
        return build.apply("div", build.number(1, x.dtype), x)

    return build.pointwise(node, value)


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
def _select_reference(condition: Numbers, x: Numbers, y: Numbers) -> Array:
    return np.where(condition, x, y)


@select.gradient
def _select_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    condition = operands(node)[0]
    zero = scalar_like(dy, 0.0)
    return None, select(condition, dy, zero), select(condition, zero, dy)


select.lower(lambda node: build.pointwise(node, build.select))


def _split_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    """The gradient goes to the operand that was chosen; to the first one of equal operands."""
    x, _ = operands(node)
    first = compare.equal(x, node.outputs[0])
    zero = scalar_like(dy, 0.0)
    return select(first, dy, zero), select(first, zero, dy)


def _refuse_zero(x: Numbers, y: Numbers) -> None:
    """Raises InvalidModelError if an integer is divided by zero."""
    if x.dtype.kind in "iu" and not np.all(y):
        raise InvalidModelError("an integer is divided by zero")


def _integer_power(x: Numbers, y: Numbers) -> Array:
    """The power modulo the width of the type; a negative power is 1 / x ** -y, rounded toward zero."""
    if np.any((y < 0) & (x == 0)):
        raise InvalidModelError("0 has no negative power")
    whole = np.power(x, np.where(y < 0, 0, y).astype(y.dtype))
    odd = np.where(y % 2 == 1, x, np.abs(x))
    return np.where(y >= 0, whole, np.where(np.abs(x) == 1, odd, 0)).astype(x.dtype)


def _truncated_quotient(x: Numbers, y: Numbers) -> Array:
    _refuse_zero(x, y)
    quotient = np.floor_divide(x, y)
    if x.dtype.kind == "i":
        quotient = quotient + ((quotient < 0) & (quotient * y != x)).astype(x.dtype)
    return np.asarray(quotient)
