"""Forms of what is computed element by element; the kernels repeat operands along axes of size 1 by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from math import pi
from typing import TYPE_CHECKING

import numpy as np

from xir.backends.export.forms import AnyOp
from xir.backends.export.tflite._form import (
    Answer,
    Call,
    Fixed,
    Form,
    Forms,
    Free,
    Laid,
    Refusal,
    Steps,
    free,
    literal_of,
    loose,
    operand,
    whole,
)
from xir.ir.constant import constant_of
from xir.ir.node import Node, Value
from xir.ir.types import DType
from xir.ops import bitwise, compare
from xir.ops import elementwise as ops
from xir.ops.activation import sigmoid, tanh
from xir.ops.constant import constant
from xir.ops.shape import broadcast, reshape, shape_of, slice_

if TYPE_CHECKING:
    from xir.backends.export.tflite._plan import Plan

forms = Forms()

_FOUR = 4
"""Axes up to which every kernel of two operands repeats along axes of size 1 (reference/*.h, BroadcastXxx4D)."""


def _each(kind: str, options: str | None = None) -> Form:
    """An operator of the same operands; beyond four axes they all have the result's shape."""

    def form(node: Node) -> Answer:
        few = node.outputs[0].rank <= _FOUR
        values = loose(node) if few else [operand(node, index) for index in range(len(node.inputs))]
        return free(kind, values, options)

    return form


_BINARY: tuple[tuple[AnyOp, str, str], ...] = (
    (ops.add, "ADD", "AddOptions"),
    (ops.sub, "SUB", "SubOptions"),
    (ops.mul, "MUL", "MulOptions"),
    (ops.pow_, "POW", "PowOptions"),
    (ops.div, "DIV", "DivOptions"),
    (ops.minimum, "MINIMUM", "MaximumMinimumOptions"),
    (ops.maximum, "MAXIMUM", "MaximumMinimumOptions"),
    (compare.equal, "EQUAL", "EqualOptions"),
    (compare.not_equal, "NOT_EQUAL", "NotEqualOptions"),
    (compare.less, "LESS", "LessOptions"),
    (compare.less_equal, "LESS_EQUAL", "LessEqualOptions"),
    (compare.greater, "GREATER", "GreaterOptions"),
    (compare.greater_equal, "GREATER_EQUAL", "GreaterEqualOptions"),
    (compare.logical_and, "LOGICAL_AND", "LogicalAndOptions"),
    (compare.logical_or, "LOGICAL_OR", "LogicalOrOptions"),
    (compare.logical_xor, "NOT_EQUAL", "NotEqualOptions"),
    (ops.select, "SELECT_V2", "SelectV2Options"),
)
_UNARY: tuple[tuple[AnyOp, str, str | None], ...] = (
    (compare.logical_not, "LOGICAL_NOT", "LogicalNotOptions"),
    (ops.exp, "EXP", "ExpOptions"),
    (ops.log, "LOG", None),
    (ops.sqrt, "SQRT", None),
    (ops.sin, "SIN", None),
    (ops.cos, "COS", "CosOptions"),
    (ops.floor, "FLOOR", None),
    (ops.ceil, "CEIL", None),
    (ops.round_, "ROUND", None),
    (sigmoid, "LOGISTIC", None),
    (tanh, "TANH", None),
)
for _operator, _kind, _options in (*_BINARY, *_UNARY):
    forms.of(_operator)(_each(_kind, _options))


def like(x: Value, number: float) -> Value:
    """A number in the type and shape of `x`."""
    one = constant(value=constant_of(np.full((1,) * x.rank, number), x.dtype))
    return one if x.rank == 0 else broadcast(one, shape=x.shape)


def size_like(indices: Value, x: Value, axis: int) -> Value:
    """The size of an axis of `x`, which may be known only to the run, in the type and shape of `indices`."""
    size = x.shape[axis]
    if isinstance(size, int):
        return like(indices, size)
    held = slice_(shape_of(x), axes=(0,), starts=(axis,), stops=(axis + 1,), steps=(1,))
    one = ops.cast(reshape(held, shape=(1,) * indices.rank), dtype=indices.dtype)
    return broadcast(one, shape=indices.shape) if indices.rank else one


@forms.of(bitwise.bitwise_xor)
def _xor(node: Node) -> Answer:
    """BITWISE_XOR, which repeats nothing."""
    return free("BITWISE_XOR", [operand(node), operand(node, 1)], "BitwiseXorOptions")


@forms.of(bitwise.bitwise_not)
def _not(node: Node) -> Answer:
    x = operand(node)
    return bitwise.bitwise_xor(x, like(x, -1 if x.dtype.is_signed else (1 << x.dtype.bits) - 1))


@forms.of(ops.neg)
def _neg(node: Node) -> Answer:
    return free("NEG", [operand(node)], "NegOptions")


@forms.of(ops.abs_)
def _abs(node: Node) -> Answer:
    x = operand(node)
    return ops.maximum(x, ops.neg(x)) if x.dtype is DType.INT64 else free("ABS", [x], "AbsOptions")


@forms.of(ops.reciprocal)
def _reciprocal(node: Node) -> Answer:
    x = operand(node)
    return ops.div(like(x, 1.0), x)


@forms.of(ops.mod)
def _mod(node: Node) -> Answer:
    """FLOOR_MOD has the sign of the divisor; that of the dividend comes of absolute values."""
    x, y = operand(node), operand(node, 1)
    if whole(node, "floored"):
        return _each("FLOOR_MOD", "FloorModOptions")(node)
    rest = ops.mod(ops.abs_(x), ops.abs_(y), floored=True)
    return ops.select(compare.less(x, like(x, 0.0)), ops.neg(rest), rest)


@forms.of(ops.cast)
def _cast(node: Node) -> Answer:
    """CAST; DEQUANTIZE makes f32 of f16, which is how files keep weights in half the space."""
    x, dtype = operand(node), node.outputs[0].dtype
    if x.dtype is dtype:
        return x
    if x.dtype is DType.FLOAT16 and dtype is DType.FLOAT32:
        return free("DEQUANTIZE", [x], "DequantizeOptions")
    if dtype is DType.BOOL:
        return compare.not_equal(x, like(x, 0.0))
    return free("CAST", [x], "CastOptions")


_CLAMPS: Mapping[tuple[float, float | None], str] = {
    (0.0, None): "RELU",
    (0.0, 6.0): "RELU6",
    (-1.0, 1.0): "RELU_N1_TO_1",
    (0.0, 1.0): "RELU_0_TO_1",
}
"""{(least, most): the operator} of f32 alone."""


@forms.of(ops.clip)
def _clip(node: Node) -> Answer:
    """RELU and its kin, else MAXIMUM and MINIMUM with numbers."""
    x, low, high = operand(node), node.attributes["minimum"], node.attributes["maximum"]
    least = low if isinstance(low, float) else None
    most = high if isinstance(high, float) else None
    kind = _CLAMPS.get((least, most)) if least is not None and x.dtype is DType.FLOAT32 else None
    if kind is not None:
        return free(kind, [x])
    for bound, operator in ((least, ops.maximum), (most, ops.minimum)):
        if bound is not None:
            x = operator(x, like(x, _within(bound, x.dtype)))
    return x


def _within(bound: float, dtype: DType) -> float:
    """A bound as a number of the type."""
    if dtype.is_floating:
        return bound
    least = -(1 << dtype.bits - 1) if dtype.is_signed else 0
    most = (1 << dtype.bits - (1 if dtype.is_signed else 0)) - 1
    return most if bound >= most else least if bound <= least else int(bound)


@forms.of(ops.sign)
def _sign(node: Node) -> Answer:
    """By comparisons; what is no number stays."""
    x = operand(node)
    zero = like(x, 0.0)
    below = ops.select(compare.less(x, zero), like(x, -1.0), x if x.dtype.is_floating else zero)
    return ops.select(compare.greater(x, zero), like(x, 1.0), below)


@forms.of(ops.is_nan)
def _is_nan(node: Node) -> Answer:
    x = operand(node)
    return compare.not_equal(x, x)


@forms.of(ops.is_inf)
def _is_inf(node: Node) -> Answer:
    """Of both signs, or of one."""
    x = operand(node)
    above, below = compare.equal(x, like(x, float("inf"))), compare.equal(x, like(x, float("-inf")))
    match whole(node, "positive"), whole(node, "negative"):
        case 0, 0:
            return compare.logical_and(above, below)
        case 0, _:
            return below
        case _, 0:
            return above
        case _:
            return compare.logical_or(above, below)


@forms.of(bitwise.shift_right)
def _shift_right(node: Node) -> Answer:
    """RIGHT_SHIFT, which repeats nothing and takes places within the width alone."""
    literal = literal_of(operand(node, 1))
    if literal is None or not all(0 <= int(item) < literal.dtype.bits for item in literal.array().reshape(-1)):
        return Refusal("a shift by places that are not known before the run")
    return free("RIGHT_SHIFT", [operand(node), operand(node, 1)], "RightShiftOptions")


@forms.of(ops.tan)
def _tan(node: Node) -> Answer:
    x = operand(node)
    return ops.div(ops.sin(x), ops.cos(x))


@forms.of(ops.atan)
def _atan(node: Node) -> Answer:
    """ATAN2 over ones in the operand's shape, for it repeats nothing."""
    x = operand(node)
    sizes = x.tensor.static_shape
    if sizes is None:
        return Steps(_write_atan)
    ones = np.ones(sizes, np.float32)
    return Free(
        (x,),
        lambda perm: Call("ATAN2", (Laid(x, perm), Fixed(ones.transpose(perm))), ("ATan2Options", {}), perm),
    )


def _write_atan(plan: Plan, node: Node) -> None:
    """The same, the ones repeated when the sizes are known."""
    x = operand(node)
    one = plan.literal(constant_of(np.ones((1,) * x.rank, np.float32)))
    operands = [
        plan.read(x),
        plan.add("BROADCAST_TO", [one, plan.sizes(x.shape)], x.shape, x.dtype, "BroadcastToOptions"),
    ]
    plan.finish(node, "ATAN2", operands, ("ATan2Options", {}), node.outputs)


@forms.of(ops.asin)
def _asin(node: Node) -> Answer:
    """atan(x / sqrt((1 - x) (1 + x)))."""
    x = operand(node)
    one = like(x, 1.0)
    return ops.atan(ops.div(x, ops.sqrt(ops.mul(ops.sub(one, x), ops.add(one, x)))))


@forms.of(ops.acos)
def _acos(node: Node) -> Answer:
    """Pi / 2 - asin(x)."""
    x = operand(node)
    return ops.sub(like(x, pi / 2), ops.asin(x))


@forms.of(ops.sinh)
def _sinh(node: Node) -> Answer:
    """Of the exponential, near zero of the hyperbolic tangent of the half: 2 t / (1 - t^2)."""
    x = operand(node)
    one, half = like(x, 1.0), like(x, 0.5)
    t = tanh(ops.mul(x, half))
    near = ops.div(ops.add(t, t), ops.sub(one, ops.mul(t, t)))
    far = ops.mul(ops.sub(ops.exp(x), ops.exp(ops.neg(x))), half)
    return ops.select(compare.less(ops.abs_(x), one), near, far)


@forms.of(ops.cosh)
def _cosh(node: Node) -> Answer:
    x = operand(node)
    return ops.mul(ops.add(ops.exp(x), ops.exp(ops.neg(x))), like(x, 0.5))


@forms.of(ops.asinh)
def _asinh(node: Node) -> Answer:
    """sign(x) log(|x| + sqrt(x^2 + 1))."""
    x = operand(node)
    size = ops.abs_(x)
    return ops.mul(ops.sign(x), ops.log(ops.add(size, ops.sqrt(ops.add(ops.mul(x, x), like(x, 1.0))))))


@forms.of(ops.acosh)
def _acosh(node: Node) -> Answer:
    """log(x + sqrt(x^2 - 1))."""
    x = operand(node)
    return ops.log(ops.add(x, ops.sqrt(ops.sub(ops.mul(x, x), like(x, 1.0)))))


@forms.of(ops.atanh)
def _atanh(node: Node) -> Answer:
    """log((1 + x) / (1 - x)) / 2."""
    x = operand(node)
    one = like(x, 1.0)
    return ops.mul(ops.log(ops.div(ops.add(one, x), ops.sub(one, x))), like(x, 0.5))


_ERF_ABOVE = (
    -2.72614225801306e-10,
    2.77068142495902e-08,
    -2.10102402082508e-06,
    -5.69250639462346e-05,
    -7.34990630326855e-04,
    -2.95459980854025e-03,
    -1.60960333262415e-02,
)
_ERF_BELOW = (
    -1.45660718464996e-05,
    -2.13374055278905e-04,
    -1.68282697438203e-03,
    -7.37332916720468e-03,
    -1.42647390514189e-02,
)
"""x P(x^2) / Q(x^2) within [-4, 4] (Eigen, SpecialFunctionsImpl.h, generic_fast_erf_float): right to f32's digits."""


@forms.of(ops.erf)
def _erf(node: Node) -> Answer:
    """A quotient of polynomials, for TFLite has no such operator."""
    x = ops.clip(operand(node), minimum=-4.0, maximum=4.0)
    square = ops.mul(x, x)

    def polynomial(numbers: tuple[float, ...]) -> Value:
        total = like(x, numbers[0])
        for number in numbers[1:]:
            total = ops.add(ops.mul(total, square), like(x, number))
        return total

    return ops.div(ops.mul(x, polynomial(_ERF_ABOVE)), polynomial(_ERF_BELOW))
