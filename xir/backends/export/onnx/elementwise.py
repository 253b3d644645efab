"""ONNX forms of arithmetic and comparisons; ONNX broadcasts their operands by itself."""

from __future__ import annotations

import numpy as np

from xir.backends.export.onnx._form import (
    Answer,
    Call,
    Fixed,
    Form,
    Forms,
    Refusal,
    again,
    operand,
    problem_at,
    whole,
)
from xir.backends.export.onnx._tensor import integer_limits
from xir.ir.constant import constant_of
from xir.ir.node import Node
from xir.ir.types import DType
from xir.ops import compare, elementwise
from xir.ops._build import scalar_like
from xir.ops.compare import equal, greater_equal, less_equal, logical_not, logical_or, not_equal
from xir.ops.constant import constant
from xir.ops.elementwise import add, cast, clip, is_inf, mod, mul, neg, pow_, select, sign, sub
from xir.ops.shape import broadcast

forms = Forms()

for _op, _kind in (
    (elementwise.add, "Add"),
    (elementwise.sub, "Sub"),
    (elementwise.mul, "Mul"),
    (elementwise.div, "Div"),
    (elementwise.select, "Where"),
    (compare.equal, "Equal"),
    (compare.less, "Less"),
    (compare.greater, "Greater"),
    (compare.logical_and, "And"),
    (compare.logical_or, "Or"),
    (compare.logical_xor, "Xor"),
):
    forms.same(_op, _kind, broadcasting="all")

for _unary, _kind in (
    (elementwise.abs_, "Abs"),
    (elementwise.sign, "Sign"),
    (elementwise.exp, "Exp"),
    (elementwise.log, "Log"),
    (elementwise.sqrt, "Sqrt"),
    (elementwise.reciprocal, "Reciprocal"),
    (elementwise.floor, "Floor"),
    (elementwise.ceil, "Ceil"),
    (elementwise.round_, "Round"),
    (elementwise.erf, "Erf"),
    (elementwise.sin, "Sin"),
    (elementwise.cos, "Cos"),
    (elementwise.tan, "Tan"),
    (elementwise.asin, "Asin"),
    (elementwise.acos, "Acos"),
    (elementwise.atan, "Atan"),
    (elementwise.sinh, "Sinh"),
    (elementwise.cosh, "Cosh"),
    (elementwise.asinh, "Asinh"),
    (elementwise.acosh, "Acosh"),
    (elementwise.atanh, "Atanh"),
    (elementwise.is_nan, "IsNaN"),
    (compare.logical_not, "Not"),
):
    forms.same(_unary, _kind)


def _extreme(kind: str) -> Form:
    def form(node: Node, opset: int) -> Answer:
        """Min and Max; of 16-bit integers in 32 bits, for opset 11 does not take them and onnxruntime never does."""
        x, y = operand(node), operand(node, 1)
        if x.dtype not in (DType.INT16, DType.UINT16):
            return Call(kind, (x, y), broadcasting="all")
        (wide,) = again(node, (cast(x, dtype=DType.INT32), cast(y, dtype=DType.INT32)))
        return cast(wide, dtype=x.dtype)

    return form


forms.of(elementwise.minimum)(_extreme("Min"))
forms.of(elementwise.maximum)(_extreme("Max"))


@forms.of(neg)
def _neg(node: Node, opset: int) -> Answer:
    """Neg; integers without a sign, which it does not take, are subtracted from 0 and wrap around."""
    x = operand(node)
    if x.dtype.is_signed:
        return Call("Neg", (x,))
    return sub(broadcast(constant(value=constant_of(np.zeros((), x.dtype.dtype))), shape=x.shape), x)


_POW_INTEGERS = (DType.INT32, DType.INT64)
"""The integers that Pow takes from opset 12 on (onnx.defs, type constraint T)."""


@forms.of(pow_)
def _pow(node: Node, opset: int) -> Answer:
    """Pow; integers that it does not take are raised in f64, as the operator's reference does."""
    x, y = operand(node), operand(node, 1)
    if not x.dtype.is_integer or (x.dtype in _POW_INTEGERS and opset >= 12):
        return Call("Pow", (x, y), broadcasting="all")
    wide = pow_(cast(x, dtype=DType.FLOAT64), cast(y, dtype=DType.FLOAT64))
    return cast(wide, dtype=x.dtype)


@forms.of(not_equal)
def _not_equal(node: Node, opset: int) -> Answer:
    """ONNX has only Equal and Not."""
    return logical_not(equal(operand(node), operand(node, 1)))


@forms.of(less_equal)
def _less_equal(node: Node, opset: int) -> Answer:
    """LessOrEqual from opset 12 on (bf16: 16); before, two comparisons (a negated Greater would be wrong for NaN)."""
    x, y = operand(node), operand(node, 1)
    call = Call("LessOrEqual", (x, y), broadcasting="all")
    return logical_or(compare.less(x, y), equal(x, y)) if problem_at(call, opset) else call


@forms.of(greater_equal)
def _greater_equal(node: Node, opset: int) -> Answer:
    """GreaterOrEqual from opset 12 on (bf16: 16); before, two comparisons (a negated Less would be wrong for NaN)."""
    x, y = operand(node), operand(node, 1)
    call = Call("GreaterOrEqual", (x, y), broadcasting="all")
    return logical_or(compare.greater(x, y), equal(x, y)) if problem_at(call, opset) else call


@forms.of(mod)
def _mod(node: Node, opset: int) -> Answer:
    """Mod: the sign of the divisor for integers (fmod 0), that of the dividend for any type (fmod 1)."""
    x, y = operand(node), operand(node, 1)
    if not whole(node, "floored"):
        return Call("Mod", (x, y), {"fmod": 1}, broadcasting="all")
    if x.dtype.is_integer or opset >= 28:
        return Call("Mod", (x, y), {"fmod": 0}, broadcasting="all")
    # C's remainder is exact; where its sign is not the divisor's, the divisor is added, as Python does.
    rest, zero = mod(x, y, floored=False), scalar_like(x, 0.0)
    wrong = not_equal(compare.less(rest, zero), compare.less(y, zero))
    return select(equal(rest, zero), mul(sign(y), zero), select(wrong, add(rest, y), rest))


@forms.of(clip)
def _clip(node: Node, opset: int) -> Answer:
    """Clip with its bounds as scalars of the operand's type."""
    x = operand(node)
    given = {name: node.attributes[name] for name in ("minimum", "maximum")}
    stored = {name: _stored(bound, x.dtype) for name, bound in given.items() if isinstance(bound, float)}
    for name, bound in stored.items():
        if not bound.is_integer() and x.dtype.is_integer:
            return Refusal(f"the bound {bound} is no {x.dtype}")
        if bound != given[name]:
            return again(node, (x,), **stored)
    bounds = [_scalar(stored[name], x.dtype) if name in stored else None for name in given]
    while bounds and bounds[-1] is None:
        bounds.pop()
    return Call("Clip", (x, *bounds), precision=DType.FLOAT64)


def _stored(value: float, dtype: DType) -> float:
    """The bound as the element type holds it: rounded, and for integers saturated."""
    if dtype.is_floating:
        return float(np.asarray(value).astype(dtype.dtype).astype(np.float64))
    low, high = integer_limits(dtype)
    return min(max(value, float(low)), float(high))


def _scalar(value: float, dtype: DType) -> Fixed:
    if dtype.is_floating:
        return Fixed(np.asarray(value).astype(dtype.dtype))
    return Fixed(np.asarray(min(int(value), integer_limits(dtype)[1])).astype(dtype.dtype))


@forms.of(is_inf)
def _is_inf(node: Node, opset: int) -> Answer:
    """IsInf."""
    attributes = {"detect_negative": whole(node, "negative"), "detect_positive": whole(node, "positive")}
    return Call("IsInf", (operand(node),), attributes)
