"""Arithmetic, comparisons and the like; ONNX broadcasts their operands, ours are made equal first."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.ir.constant import constant_of
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import compare, elementwise
from xir.ops.constant import constant, identity
from xir.ops.elementwise import add, clip, div, is_inf, maximum, minimum, mod, pow_, select

handlers: Handlers[Handler] = Handlers("onnx")


def _binary(operator: Callable[[Value, Value], Value]) -> Handler:
    def handler(site: Site, x: Value, y: Value) -> Value:
        """One operator of two operands that broadcast against each other."""
        a, b = site.aligned(x, y)
        return operator(a, b)

    return handler


def _unary(operator: Callable[[Value], Value]) -> Handler:
    def handler(site: Site, x: Value) -> Value:
        """One operator of one operand."""
        return operator(x)

    return handler


for _kind, _binary_op, _since in (
    ("Add", elementwise.add, (7, 13, 14)),
    ("Sub", elementwise.sub, (7, 13, 14)),
    ("Mul", elementwise.mul, (7, 13, 14)),
    ("Div", elementwise.div, (7, 13, 14)),
    ("Equal", compare.equal, (7, 11, 13, 19)),
    ("Less", compare.less, (7, 9, 13)),
    ("Greater", compare.greater, (7, 9, 13)),
    ("LessOrEqual", compare.less_equal, (12, 16)),
    ("GreaterOrEqual", compare.greater_equal, (12, 16)),
    ("And", compare.logical_and, (7,)),
    ("Or", compare.logical_or, (7,)),
    ("Xor", compare.logical_xor, (7,)),
):
    handlers.layer(*versions(_kind, *_since))(_binary(_binary_op))

_UNARY: tuple[tuple[str, Callable[[Value], Value], tuple[int, ...]], ...] = (
    ("Neg", elementwise.neg, (6, 13)),
    ("Abs", elementwise.abs_, (6, 13)),
    ("Sign", elementwise.sign, (9, 13)),
    ("Exp", elementwise.exp, (6, 13)),
    ("Log", elementwise.log, (6, 13)),
    ("Sqrt", elementwise.sqrt, (6, 13)),
    ("Reciprocal", elementwise.reciprocal, (6, 13)),
    ("Floor", elementwise.floor, (6, 13)),
    ("Ceil", elementwise.ceil, (6, 13)),
    ("Round", elementwise.round_, (11, 22)),
    ("Erf", elementwise.erf, (9, 13)),
    ("Sin", elementwise.sin, (7, 22)),
    ("Cos", elementwise.cos, (7, 22)),
    ("Tan", elementwise.tan, (7, 22)),
    ("Asin", elementwise.asin, (7, 22)),
    ("Acos", elementwise.acos, (7, 22)),
    ("Atan", elementwise.atan, (7, 22)),
    ("Sinh", elementwise.sinh, (9, 22)),
    ("Cosh", elementwise.cosh, (9, 22)),
    ("Asinh", elementwise.asinh, (9, 22)),
    ("Acosh", elementwise.acosh, (9, 22)),
    ("Atanh", elementwise.atanh, (9, 22)),
    ("IsNaN", elementwise.is_nan, (9, 13, 20)),
    ("Not", compare.logical_not, (1,)),
    ("Identity", identity, (1, 13, 14, 16, 19, 21, 23, 24, 25)),
)
for _kind, _unary_op, _versions in _UNARY:
    handlers.layer(*versions(_kind, *_versions))(_unary(_unary_op))


@handlers.layer(*versions("Pow", 7, 12, 13, 15))
def power(site: Site, x: Value, y: Value) -> Value:
    """Pow; since opset 12 the exponent may have a type of its own, which is converted to that of the base.

    Whole numbers to a power that may be none are raised as f64, and cut to the base's type.
    """
    if x.dtype.is_integer and not y.dtype.is_integer:
        wide = [elementwise.cast(value, dtype=DType.FLOAT64) for value in (x, y)]
        return elementwise.cast(pow_(*site.aligned(*wide)), dtype=x.dtype)
    if y.dtype is not x.dtype:
        y = elementwise.cast(y, dtype=x.dtype)
    return pow_(*site.aligned(x, y))


def _folded(combine: Callable[[Value, Value], Value]) -> Handler:
    def handler(site: Site, first: Value, *rest: Value) -> Value:
        """One operator over any number of operands, from left to right."""
        first, *others = site.aligned(first, *rest)
        for other in others:
            first = combine(first, other)
        return first if others else identity(first)

    return handler


handlers.layer(*versions("Sum", 8, 13))(_folded(add))
handlers.layer(*versions("Min", 8, 12, 13))(_folded(minimum))
handlers.layer(*versions("Max", 8, 12, 13))(_folded(maximum))


@handlers.layer(*versions("Mean", 8, 13))
def mean(site: Site, first: Value, *rest: Value) -> Value:
    """Mean of any number of operands."""
    total, *others = site.aligned(first, *rest)
    for other in others:
        total = add(total, other)
    count = constant(value=constant_of(np.asarray(1 + len(others)), total.dtype))
    return div(total, site.repeated(count, total.shape))


@handlers.layer(*versions("Mod", 10, 13, 28))
def modulus(site: Site, x: Value, y: Value) -> Value:
    """Mod; fmod 0 has the divisor's sign, and before opset 28 is for integers alone."""
    truncated = site.flag("fmod", False)
    if not truncated and not x.dtype.is_integer and site.opset < 28:
        site.invalid("fmod must be 1 for floating-point numbers before opset 28")
    a, b = site.aligned(x, y)
    return mod(a, b, floored=not truncated)


@handlers.layer(*versions("Where", 9, 16))
def where(site: Site, condition: Value, x: Value, y: Value) -> Value:
    """Where."""
    return select(*site.aligned(condition, x, y))


@handlers.layer(*versions("Clip", 6))
def clip_by_attributes(site: Site, x: Value) -> Value:
    """Clip before opset 11: the bounds are attributes."""
    low = site.real("min", 0.0) if site.has("min") else None
    high = site.real("max", 0.0) if site.has("max") else None
    return clip(x, minimum=low, maximum=high)


@handlers.layer(*versions("Clip", 11, 12, 13))
def clip_by_operands(site: Site, x: Value, low: Value | None = None, high: Value | None = None) -> Value:
    """Clip; bounds that are not known become maximum and minimum."""
    constants = [None if bound is None else site.scope.constant_of(bound) for bound in (low, high)]
    if all(bound is None or held is not None for bound, held in zip((low, high), constants, strict=True)):
        bounds = [None if bound is None else site.scalar(bound, "a bound") for bound in (low, high)]
        return clip(x, minimum=bounds[0], maximum=bounds[1])
    if low is not None:
        x = maximum(x, site.repeated(low, x.shape))
    return x if high is None else minimum(x, site.repeated(high, x.shape))


@handlers.layer(*versions("IsInf", 10, 20))
def infinite(site: Site, x: Value) -> Value:
    """IsInf."""
    return is_inf(x, negative=site.flag("detect_negative", True), positive=site.flag("detect_positive", True))
