"""Functions of one real number, element by element, and those of two that are not arithmetic."""

from __future__ import annotations

import math
from collections.abc import Callable

from xir.frontends.torch.call import Call
from xir.frontends.torch.handlers._numbers import compared, is_negative, truncated, with_sign
from xir.frontends.torch.operators import Operators
from xir.frontends.torch.tensor import Number
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import _angle, activation, compare, elementwise
from xir.ops._build import scalar_like

operators = Operators("aten")
Unary = Callable[[Value], Value]
_SINGLE = (DType.FLOAT16, DType.BFLOAT16)


def _of_real(function: Unary) -> Callable[[Call, Value], Value]:
    def handler(call: Call, x: Value) -> Value:
        """A function of real numbers; integers and bool become such first."""
        return function(call.real(x))

    return handler


def _of_number(function: Unary) -> Callable[[Call, Value], Value]:
    def handler(call: Call, x: Value) -> Value:
        """A function that leaves the type as it is."""
        return function(x)

    return handler


def _rounding(function: Unary) -> Callable[[Call, Value], Value]:
    def handler(call: Call, x: Value) -> Value:
        """A rounding; integers are whole already."""
        return function(x) if x.dtype.is_floating else x

    return handler


def _scaled(x: Value, factor: float) -> Value:
    return elementwise.mul(x, scalar_like(x, factor))


def _widely(function: Unary) -> Unary:
    """The function computed in f32 where the type is narrower, and rounded once."""

    def wide(x: Value) -> Value:
        if x.dtype not in _SINGLE:
            return function(x)
        return elementwise.cast(function(elementwise.cast(x, dtype=DType.FLOAT32)), dtype=x.dtype)

    return wide


def _expm1(x: Value) -> Value:
    """`exp(x) - 1` without cancellation: `(u - 1) x / log(u)` with u = exp(x) (Kahan; Higham 2002, section 1.14.1)."""
    one = scalar_like(x, 1)
    power = elementwise.exp(x)
    less = elementwise.sub(power, one)
    exact = elementwise.div(elementwise.mul(less, x), elementwise.log(power))
    tiny = compare.equal(power, one)
    far = compare.greater(elementwise.abs_(x), one)
    return elementwise.select(tiny, x, elementwise.select(far, less, exact))


def log1p(x: Value) -> Value:
    """`log(1 + x)` without cancellation: `log(u) x / (u - 1)` with u = 1 + x (Goldberg 1991, theorem 4)."""
    one = scalar_like(x, 1)
    above = elementwise.add(x, one)
    plain = elementwise.log(above)
    exact = elementwise.div(elementwise.mul(plain, x), elementwise.sub(above, one))
    tiny = compare.equal(above, one)
    far = compare.greater(elementwise.abs_(x), one)
    return elementwise.select(tiny, x, elementwise.select(far, plain, exact))


def _rsqrt(x: Value) -> Value:
    return elementwise.reciprocal(elementwise.sqrt(x))


def _exp2(x: Value) -> Value:
    return elementwise.pow_(scalar_like(x, 2), x)


def _sinc(x: Value) -> Value:
    turned = _scaled(x, math.pi)
    is_zero = compare.equal(x, scalar_like(x, 0))
    return elementwise.select(is_zero, scalar_like(x, 1), elementwise.div(elementwise.sin(turned), turned))


_ON_REALS: tuple[tuple[str, Unary], ...] = (
    ("acos", elementwise.acos), ("arccos", elementwise.acos),
    ("acosh", elementwise.acosh), ("arccosh", elementwise.acosh),
    ("asin", elementwise.asin), ("arcsin", elementwise.asin),
    ("asinh", elementwise.asinh), ("arcsinh", elementwise.asinh),
    ("atan", elementwise.atan), ("arctan", elementwise.atan),
    ("atanh", elementwise.atanh), ("arctanh", elementwise.atanh),
    ("cos", elementwise.cos), ("cosh", elementwise.cosh),
    ("sin", elementwise.sin), ("sinh", elementwise.sinh),
    ("tan", elementwise.tan), ("tanh", activation.tanh),
    ("exp", elementwise.exp), ("exp2", _exp2), ("special_exp2", _exp2),
    ("expm1", _widely(_expm1)), ("special_expm1", _widely(_expm1)),
    ("log", elementwise.log), ("log1p", _widely(log1p)), ("special_log1p", _widely(log1p)),
    ("log2", _widely(lambda x: _scaled(elementwise.log(x), 1 / math.log(2)))),
    ("log10", _widely(lambda x: _scaled(elementwise.log(x), 1 / math.log(10)))),
    ("sqrt", elementwise.sqrt), ("rsqrt", _widely(_rsqrt)), ("reciprocal", elementwise.reciprocal),
    ("erf", elementwise.erf), ("special_erf", elementwise.erf),
    ("sigmoid", activation.sigmoid), ("special_expit", activation.sigmoid),
    ("sinc", _widely(_sinc)), ("special_sinc", _widely(_sinc)),
    ("deg2rad", lambda x: _scaled(x, math.pi / 180)), ("rad2deg", lambda x: _scaled(x, 180 / math.pi)),
)  # fmt: skip
for _schema, _function in _ON_REALS:
    operators.op(f"{_schema}(Tensor self) -> Tensor")(_of_real(_function))

_ON_NUMBERS: tuple[tuple[str, Unary], ...] = (
    ("neg", elementwise.neg), ("negative", elementwise.neg), ("positive", lambda x: x),
)  # fmt: skip
for _schema, _function in _ON_NUMBERS:
    operators.op(f"{_schema}(Tensor self) -> Tensor")(_of_number(_function))

_ROUNDINGS: tuple[tuple[str, Unary], ...] = (
    ("ceil", elementwise.ceil), ("floor", elementwise.floor), ("round", elementwise.round_),
    ("trunc", truncated), ("fix", truncated), ("frac", lambda x: elementwise.sub(x, truncated(x))),
)  # fmt: skip
for _schema, _function in _ROUNDINGS:
    operators.op(f"{_schema}(Tensor self) -> Tensor")(_rounding(_function))


@operators.op(
    "abs(Tensor self) -> Tensor",
    "absolute(Tensor self) -> Tensor",
)
def absolute(call: Call, x: Value) -> Value:
    """The absolute value; unsigned numbers stay."""
    return elementwise.abs_(x) if x.dtype.is_signed or x.dtype.is_floating else x


@operators.op(
    "square(Tensor self) -> Tensor",
)
def square(call: Call, x: Value) -> Value:
    """`x * x`; bool becomes i64."""
    x = call.cast(x, DType.INT64) if x.dtype is DType.BOOL else x
    return elementwise.mul(x, x)


@operators.op(
    "sign(Tensor self) -> Tensor",
    "sgn(Tensor self) -> Tensor",
)
def sign(call: Call, x: Value) -> Value:
    """-1, 0 or 1; PyTorch has 0 for NaN."""
    if x.dtype is DType.BOOL:
        return x
    if not x.dtype.is_floating:
        return elementwise.sign(x)
    zero = scalar_like(x, 0)
    return elementwise.select(elementwise.is_nan(x), zero, elementwise.sign(x))


@operators.op(
    "signbit(Tensor self) -> Tensor",
)
def signbit(call: Call, x: Value) -> Value:
    """Whether the sign is minus."""
    return call.filled(False, DType.BOOL, x.shape) if x.dtype is DType.BOOL else is_negative(x)


@operators.op(
    "round.decimals(Tensor self, *, int decimals) -> Tensor",
    "special_round(Tensor self, *, int decimals=0) -> Tensor",
)
def round_decimals(call: Call, x: Value, decimals: int) -> Value:
    """The nearest number of so many decimals, halves to the even one; fewer than none round to tens and more."""
    if not x.dtype.is_floating:
        return x
    factor = call.filled(10.0 ** abs(decimals), x.dtype, x.shape)
    if decimals < 0:
        return elementwise.mul(elementwise.round_(elementwise.div(x, factor)), factor)
    return elementwise.div(elementwise.round_(elementwise.mul(x, factor)), factor)


@operators.op(
    "atan2(Tensor self, Tensor other) -> Tensor",
    "arctan2(Tensor self, Tensor other) -> Tensor",
)
def atan2(call: Call, y: Value, x: Value) -> Value:
    """The angle of the point (x, y), from -pi to pi."""
    return _angle.atan2(*call.promoted(y, x, floating=True))


@operators.op(
    "hypot(Tensor self, Tensor other) -> Tensor",
)
def hypot(call: Call, x: Value, other: Value) -> Value:
    """`sqrt(x^2 + other^2)`, scaled by the larger one so that nothing overflows."""
    left, right = (elementwise.abs_(each) for each in call.promoted(x, other))
    larger, smaller = elementwise.maximum(left, right), elementwise.minimum(left, right)
    one = scalar_like(larger, 1)
    plain = compare.logical_or(compare.equal(larger, scalar_like(larger, 0)), elementwise.is_inf(larger))
    ratio = elementwise.div(smaller, elementwise.select(plain, one, larger))
    length = elementwise.mul(larger, elementwise.sqrt(elementwise.add(elementwise.mul(ratio, ratio), one)))
    return elementwise.select(plain, larger, length)


@operators.op(
    "copysign.Tensor(Tensor self, Tensor other) -> Tensor",
    "copysign.Scalar(Tensor self, Scalar other) -> Tensor",
)
def copysign(call: Call, x: Value, other: Value | Number) -> Value:
    """The size of `x` with the sign of `other`."""
    return with_sign(*call.promoted(x, other, floating=True))


@operators.op(
    "heaviside(Tensor self, Tensor values) -> Tensor",
)
def heaviside(call: Call, x: Value, values: Value) -> Value:
    """0 below 0, 1 above, `values` at 0, and 0 for NaN (aten/src/ATen/native/cpu/BinaryOpsKernel.cpp)."""
    x, values = call.promoted(x, values)
    number = compared(x)
    zero = scalar_like(number, 0)
    above = call.cast(compare.greater(number, zero), x.dtype)
    return elementwise.select(compare.equal(number, zero), values, above)


def _log_product(call: Call, x: Value | Number, y: Value | Number, log: Unary) -> Value:
    x, y = call.promoted(x, y, floating=True)
    zero = scalar_like(x, 0)
    found = elementwise.select(compare.equal(x, zero), zero, elementwise.mul(x, log(y)))
    return elementwise.select(elementwise.is_nan(y), y, found)


@operators.op(
    "xlogy.Tensor(Tensor self, Tensor other) -> Tensor",
    "xlogy.Scalar_Self(Scalar self, Tensor other) -> Tensor",
    "xlogy.Scalar_Other(Tensor self, Scalar other) -> Tensor",
    "special_xlogy(Tensor self, Tensor other) -> Tensor",
    "special_xlogy.self_scalar(Scalar self, Tensor other) -> Tensor",
    "special_xlogy.other_scalar(Tensor self, Scalar other) -> Tensor",
)
def xlogy(call: Call, x: Value | Number, y: Value | Number) -> Value:
    """`x * log(y)`, 0 where x is 0 and y a number."""
    return _log_product(call, x, y, elementwise.log)


@operators.op(
    "special_xlog1py(Tensor self, Tensor other) -> Tensor",
    "special_xlog1py.self_scalar(Scalar self, Tensor other) -> Tensor",
    "special_xlog1py.other_scalar(Tensor self, Scalar other) -> Tensor",
)
def xlog1py(call: Call, x: Value | Number, y: Value | Number) -> Value:
    """`x * log(1 + y)`, 0 where x is 0 and y a number."""
    return _log_product(call, x, y, log1p)


@operators.op(
    "special_entr(Tensor self) -> Tensor",
)
def entropy(call: Call, x: Value) -> Value:
    """`-x log(x)`, 0 at 0 and -inf below."""
    x = call.real(x)
    zero = scalar_like(x, 0)
    found = elementwise.neg(elementwise.mul(x, elementwise.log(x)))
    found = elementwise.select(compare.equal(x, zero), zero, found)
    return elementwise.select(compare.less(x, zero), scalar_like(x, -math.inf), found)


@operators.op(
    "logaddexp(Tensor self, Tensor other) -> Tensor",
    "logaddexp2(Tensor self, Tensor other) -> Tensor",
)
def logaddexp(call: Call, x: Value, other: Value) -> Value:
    """`log(exp(x) + exp(other))`, or the same to the base 2, without overflow."""
    left, right = call.promoted(x, other)
    return log_sum(left, right, math.log(2) if call.kind.startswith("aten.logaddexp2") else 1.0)


def log_sum(left: Value, right: Value, base: float) -> Value:
    """`log(exp(left) + exp(right))` without overflow; `base` is the logarithm of the base of both."""
    top = elementwise.maximum(left, right)
    apart = elementwise.neg(elementwise.abs_(elementwise.sub(left, right)))
    rest = _scaled(log1p(elementwise.exp(_scaled(apart, base))), 1 / base)
    alike = compare.logical_and(compare.equal(left, right), elementwise.is_inf(left))
    return elementwise.select(alike, left, elementwise.add(top, rest))


@operators.op(
    "logit(Tensor self, float? eps=None) -> Tensor",
    "special_logit(Tensor self, float? eps=None) -> Tensor",
)
def logit(call: Call, x: Value, epsilon: float | None) -> Value:
    """`log(x / (1 - x))`, x first clamped to [eps, 1 - eps] where an eps is given."""
    x = call.real(x)
    if epsilon is not None:
        x = elementwise.clip(x, minimum=epsilon, maximum=1 - epsilon)
    return elementwise.log(elementwise.div(x, elementwise.sub(scalar_like(x, 1), x)))


@operators.op(
    "nan_to_num(Tensor self, float? nan=None, float? posinf=None, float? neginf=None) -> Tensor",
)
def nan_to_num(call: Call, x: Value, nan: float | None, above: float | None, below: float | None) -> Value:
    """Other numbers in place of NaN (0), the infinity and the negative one (the ends of the type)."""
    if not x.dtype.is_floating:
        return x
    most = float(_largest(x.dtype))
    zero = scalar_like(x, 0)
    made = elementwise.select(elementwise.is_nan(x), scalar_like(x, 0.0 if nan is None else nan), x)
    infinite = elementwise.is_inf(x)
    ends = (most if above is None else above), (-most if below is None else below)
    end = elementwise.select(compare.less(x, zero), scalar_like(x, ends[1]), scalar_like(x, ends[0]))
    return elementwise.select(infinite, end, made)


def _largest(dtype: DType) -> float:
    match dtype:
        case DType.BFLOAT16:
            return 3.3895313892515355e38
        case DType.FLOAT16:
            return 65504.0
        case DType.FLOAT32:
            return 3.4028234663852886e38
        case _:
            return 1.7976931348623157e308


@operators.op(
    "angle(Tensor self) -> Tensor",
)
def angle(call: Call, x: Value) -> Value:
    """0 for real numbers from 0 on, pi below; NaN stays."""
    x = call.real(x)
    below = compare.less(x, scalar_like(x, 0))
    made = elementwise.select(below, scalar_like(x, math.pi), scalar_like(x, 0))
    return elementwise.select(elementwise.is_nan(x), x, made)
