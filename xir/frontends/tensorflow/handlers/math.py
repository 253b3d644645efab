"""Arithmetic, comparisons and activations, element by element; operands broadcast as NumPy's do."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends.tensorflow._site import Handler, Site
from xir.ir.constant import constant_of
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import activation, bitwise, compare, elementwise
from xir.ops._angle import atan2
from xir.ops._build import scalar_like
from xir.ops.constant import constant
from xir.ops.elementwise import add, clip, div, exp, log, maximum, minimum, mod, mul, reciprocal, select, sqrt, sub
from xir.ops.reduce import reduce_sum
from xir.ops.shape import reshape

handlers: Handlers[Handler] = Handlers("tensorflow")


def _binary(operator: Callable[[Value, Value], Value]) -> Handler:
    def handler(site: Site, x: Value, y: Value) -> Value:
        """One operator of two operands that broadcast against each other."""
        site.ignore("incompatible_shape_error")
        a, b = site.aligned(x, y)
        return operator(a, b)

    return handler


def _unary(operator: Callable[[Value], Value]) -> Handler:
    def handler(site: Site, x: Value) -> Value:
        """One operator of one operand."""
        return operator(x)

    return handler


def squared_difference(x: Value, y: Value) -> Value:
    """(x - y)^2."""
    difference = sub(x, y)
    return mul(difference, difference)


def floor_division(x: Value, y: Value) -> Value:
    """X / y, rounded down."""
    if x.dtype.is_floating:
        return elementwise.floor(div(x, y))
    return div(sub(x, mod(x, y, floored=True)), y)


def truncated_division(x: Value, y: Value) -> Value:
    """X / y, rounded towards 0."""
    if not x.dtype.is_floating:
        return div(x, y)
    quotient = div(x, y)
    return mul(elementwise.sign(quotient), elementwise.floor(elementwise.abs_(quotient)))


def _guarded(operator: Callable[[Value, Value], Value], of_first: bool) -> Callable[[Value, Value], Value]:
    """0 where the first (or second) operand is 0, whatever the other one is (math_ops.cc: DivNoNan, Xlogy)."""

    def guarded(x: Value, y: Value) -> Value:
        zero = scalar_like(x, 0)
        is_zero = compare.equal(x if of_first else y, zero)
        one = scalar_like(x, 1)
        return select(is_zero, zero, operator(x, y if of_first else select(is_zero, one, y)))

    return guarded


def log1p(x: Value) -> Value:
    """log(1 + x), exact for small x (Goldberg 1991, theorem 4)."""
    one = scalar_like(x, 1)
    whole = add(x, one)
    is_small = compare.equal(whole, one)
    is_infinite = elementwise.is_inf(whole)
    rest = select(is_small, one, sub(whole, one))
    scaled = mul(log(whole), div(x, select(is_infinite, one, rest)))
    return select(is_small, x, select(is_infinite, log(whole), scaled))


def expm1(x: Value) -> Value:
    """exp(x) - 1 as tanh(x / 2) (exp(x) + 1), exact for small x."""
    half = mul(x, scalar_like(x, 0.5))
    return mul(activation.tanh(half), add(exp(x), scalar_like(x, 1)))


def rsqrt(x: Value) -> Value:
    """1 / sqrt(x)."""
    return reciprocal(sqrt(x))


def square(x: Value) -> Value:
    """x^2."""
    return mul(x, x)


def is_finite(x: Value) -> Value:
    """Whether x is neither infinite nor NaN."""
    return compare.logical_not(compare.logical_or(elementwise.is_inf(x), elementwise.is_nan(x)))


def relu6(x: Value) -> Value:
    """X between 0 and 6."""
    return clip(x, minimum=0.0, maximum=6.0)


def erfc(x: Value) -> Value:
    """1 - erf(x)."""
    return sub(scalar_like(x, 1), elementwise.erf(x))


def xlogy(x: Value, y: Value) -> Value:
    """X log(y)."""
    return mul(x, log(y))


def xlog1py(x: Value, y: Value) -> Value:
    """X log(1 + y)."""
    return mul(x, log1p(y))


for _kind, _operator in (
    ("Add", add),
    ("AddV2", add),
    ("Sub", sub),
    ("Mul", mul),
    ("Div", div),
    ("RealDiv", div),
    ("FloorDiv", floor_division),
    ("TruncateDiv", truncated_division),
    ("Minimum", minimum),
    ("Maximum", maximum),
    ("SquaredDifference", squared_difference),
    ("DivNoNan", _guarded(div, False)),
    ("MulNoNan", _guarded(mul, False)),
    ("Xdivy", _guarded(div, True)),
    ("Xlogy", _guarded(xlogy, True)),
    ("Xlog1py", _guarded(xlog1py, True)),
    ("Atan2", atan2),
    ("Equal", compare.equal),
    ("NotEqual", compare.not_equal),
    ("Less", compare.less),
    ("LessEqual", compare.less_equal),
    ("Greater", compare.greater),
    ("GreaterEqual", compare.greater_equal),
    ("LogicalAnd", compare.logical_and),
    ("LogicalOr", compare.logical_or),
    ("BitwiseAnd", bitwise.bitwise_and),
    ("BitwiseOr", bitwise.bitwise_or),
    ("BitwiseXor", bitwise.bitwise_xor),
    ("LeftShift", bitwise.shift_left),
    ("RightShift", bitwise.shift_right),
    ("Pow", elementwise.pow_),
):
    handlers.add(_kind, _binary(_operator))

_UNARY: tuple[tuple[str, Callable[[Value], Value]], ...] = (
    ("Neg", elementwise.neg),
    ("Abs", elementwise.abs_),
    ("Sign", elementwise.sign),
    ("Exp", exp),
    ("Expm1", expm1),
    ("Log", log),
    ("Log1p", log1p),
    ("Sqrt", sqrt),
    ("Rsqrt", rsqrt),
    ("Square", square),
    ("Reciprocal", reciprocal),
    ("Inv", reciprocal),
    ("Erf", elementwise.erf),
    ("Erfc", erfc),
    ("Sin", elementwise.sin),
    ("Cos", elementwise.cos),
    ("Tan", elementwise.tan),
    ("Asin", elementwise.asin),
    ("Acos", elementwise.acos),
    ("Atan", elementwise.atan),
    ("Sinh", elementwise.sinh),
    ("Cosh", elementwise.cosh),
    ("Asinh", elementwise.asinh),
    ("Acosh", elementwise.acosh),
    ("Atanh", elementwise.atanh),
    ("IsNan", elementwise.is_nan),
    ("IsInf", elementwise.is_inf),
    ("IsFinite", is_finite),
    ("LogicalNot", compare.logical_not),
    ("Invert", bitwise.bitwise_not),
    ("Relu", activation.relu),
    ("Relu6", relu6),
    ("Sigmoid", activation.sigmoid),
    ("Tanh", activation.tanh),
    ("Softplus", activation.softplus),
    ("Softsign", activation.softsign),
)
for _kind, _of_one in _UNARY:
    handlers.add(_kind, _unary(_of_one))


def _rounded(operator: Callable[[Value], Value]) -> Handler:
    def handler(site: Site, x: Value) -> Value:
        """Rounding; whole numbers are what they are."""
        return x if x.dtype.is_integer else operator(x)

    return handler


for _kind, _of_one in (
    ("Floor", elementwise.floor),
    ("Ceil", elementwise.ceil),
    ("Round", elementwise.round_),
    ("Rint", elementwise.round_),
):
    handlers.add(_kind, _rounded(_of_one))


@handlers.layer("FloorMod")
def floored_remainder(site: Site, x: Value, y: Value) -> Value:
    """The remainder, with the divisor's sign."""
    a, b = site.aligned(x, y)
    return mod(a, b, floored=True)


@handlers.layer("Mod", "TruncateMod")
def truncated_remainder(site: Site, x: Value, y: Value) -> Value:
    """The remainder, with the dividend's sign."""
    a, b = site.aligned(x, y)
    return mod(a, b, floored=False)


@handlers.layer("ApproximateEqual")
def nearly_equal(site: Site, x: Value, y: Value) -> Value:
    """Whether |x - y| is below the tolerance."""
    tolerance = site.real("tolerance")
    return compare.less(elementwise.abs_(sub(x, y)), scalar_like(x, tolerance))


@handlers.layer("AddN", "AccumulateNV2")
def total(site: Site, first: Value, *rest: Value) -> Value:
    """The sum of any number of operands of one shape."""
    site.ignore("shape")
    for other in rest:
        first = add(first, other)
    return first


@handlers.layer("ClipByValue")
def clipped(site: Site, x: Value, low: Value, high: Value) -> Value:
    """X between two bounds that broadcast."""
    a, b, c = site.aligned(x, low, high)
    return minimum(maximum(a, b), c)


@handlers.layer("Cast")
def converted(site: Site, x: Value) -> Value:
    """Cast; reals are cut to whole numbers."""
    site.ignore("Truncate")
    dtype = site.dtype("DstT")
    return site.cast(x, dtype)


@handlers.layer("Select")
def chosen(site: Site, condition: Value, x: Value, y: Value) -> Value:
    """Select: a condition of one axis chooses rows, one of no axes everything (select_op.cc)."""
    x, y = site.aligned(x, y)
    if condition.rank == 1 and x.rank > 1:
        condition = reshape(condition, shape=(*condition.shape, *(1,) * (x.rank - 1)))
    return select(site.repeated(condition, x.shape), x, y)


@handlers.layer("SelectV2")
def chosen_broadcast(site: Site, condition: Value, x: Value, y: Value) -> Value:
    """SelectV2: all three broadcast."""
    return select(*site.aligned(condition, x, y))


@handlers.layer("LeakyRelu")
def leaky(site: Site, x: Value) -> Value:
    """LeakyRelu."""
    return activation.leaky_relu(x, alpha=site.real("alpha"))


@handlers.layer("Elu")
def exponential_linear(site: Site, x: Value) -> Value:
    """Elu with the scale 1."""
    return activation.elu(x, alpha=1.0)


@handlers.layer("Selu")
def self_normalizing(site: Site, x: Value) -> Value:
    """Selu (Klambauer et al. 2017; relu_op_functor.h has the two numbers)."""
    return activation.selu(x, alpha=1.6732632423543772, gamma=1.0507009873554805)


@handlers.layer("L2Loss")
def half_square(site: Site, x: Value) -> Value:
    """Half of the sum of squares."""
    return mul(reduce_sum(mul(x, x), axes=tuple(range(x.rank)), keep_dims=False), scalar_half(x.dtype))


def scalar_half(dtype: DType) -> Value:
    """0.5 without axes."""
    return constant(value=constant_of(np.asarray(0.5), dtype))
