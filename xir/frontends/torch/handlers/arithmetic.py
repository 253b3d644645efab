"""Arithmetic of two or more operands, element by element."""

from __future__ import annotations

from xir.frontends.torch.call import Call
from xir.frontends.torch.handlers._numbers import fmod, quotient, remainder, truncated
from xir.frontends.torch.operators import Operators
from xir.frontends.torch.promotion import result_type
from xir.frontends.torch.tensor import Number
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops import compare, elementwise
from xir.ops._build import scalar_like
from xir.ops._wide import narrow, wide
from xir.ops.activation import relu
from xir.ops.control import loop
from xir.ops.reduce import reduce_sum

operators = Operators("aten")


def _scaled(call: Call, x: Value, factor: Number) -> Value:
    if factor == 1:
        return x
    return elementwise.mul(x, call.filled(factor, x.dtype, x.shape))


@operators.op(
    "add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor",
    "add.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor",
)
def add(call: Call, x: Value, other: Value | Number, alpha: Number) -> Value:
    """`x + alpha * other`."""
    left, right = call.promoted(x, other)
    if left.dtype is DType.BOOL:
        return compare.logical_or(left, right) if alpha else left
    return elementwise.add(left, _scaled(call, right, alpha))


@operators.op(
    "sub.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor",
    "sub.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor",
    "subtract.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor",
    "subtract.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor",
)
def sub(call: Call, x: Value, other: Value | Number, alpha: Number) -> Value:
    """`x - alpha * other`."""
    left, right = call.promoted(x, other)
    if left.dtype is DType.BOOL:
        call.invalid("bool has no subtraction in PyTorch")
    return elementwise.sub(left, _scaled(call, right, alpha))


@operators.op(
    "rsub.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor",
    "rsub.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor",
)
def rsub(call: Call, x: Value, other: Value | Number, alpha: Number) -> Value:
    """`other - alpha * x`."""
    left, right = call.promoted(x, other)
    return elementwise.sub(right, _scaled(call, left, alpha))


@operators.op(
    "mul.Tensor(Tensor self, Tensor other) -> Tensor",
    "mul.Scalar(Tensor self, Scalar other) -> Tensor",
    "multiply.Tensor(Tensor self, Tensor other) -> Tensor",
    "multiply.Scalar(Tensor self, Scalar other) -> Tensor",
)
def mul(call: Call, x: Value, other: Value | Number) -> Value:
    """`x * other`."""
    left, right = call.promoted(x, other)
    return compare.logical_and(left, right) if left.dtype is DType.BOOL else elementwise.mul(left, right)


@operators.op(
    "div.Tensor(Tensor self, Tensor other) -> Tensor",
    "div.Scalar(Tensor self, Scalar other) -> Tensor",
    "divide.Tensor(Tensor self, Tensor other) -> Tensor",
    "divide.Scalar(Tensor self, Scalar other) -> Tensor",
    "true_divide.Tensor(Tensor self, Tensor other) -> Tensor",
    "true_divide.Scalar(Tensor self, Scalar other) -> Tensor",
)
def div(call: Call, x: Value, other: Value | Number) -> Value:
    """The quotient, a real number even of integers."""
    return elementwise.div(*call.promoted(x, other, floating=True))


@operators.op(
    "div.Tensor_mode(Tensor self, Tensor other, *, str? rounding_mode) -> Tensor",
    "div.Scalar_mode(Tensor self, Scalar other, *, str? rounding_mode) -> Tensor",
    "divide.Tensor_mode(Tensor self, Tensor other, *, str? rounding_mode) -> Tensor",
    "divide.Scalar_mode(Tensor self, Scalar other, *, str? rounding_mode) -> Tensor",
)
def div_rounded(call: Call, x: Value, other: Value | Number, mode: str | None) -> Value:
    """The quotient as it is, cut to a whole number, or rounded down."""
    match mode:
        case None:
            return div(call, x, other)
        case "trunc":
            return truncated(elementwise.div(*call.promoted(x, other)))
        case "floor":
            return floor_divide(call, x, other)
        case _:
            call.invalid(f"rounding mode {mode!r}, expected 'trunc' or 'floor'")


@operators.op(
    "floor_divide(Tensor self, Tensor other) -> Tensor",
    "floor_divide.Scalar(Tensor self, Scalar other) -> Tensor",
)
def floor_divide(call: Call, x: Value, other: Value | Number) -> Value:
    """The quotient rounded down."""
    return quotient(*call.promoted(x, other))


@operators.op(
    "remainder.Tensor(Tensor self, Tensor other) -> Tensor",
    "remainder.Scalar(Tensor self, Scalar other) -> Tensor",
    "remainder.Scalar_Tensor(Scalar self, Tensor other) -> Tensor",
)
def remainder_(call: Call, x: Value | Number, other: Value | Number) -> Value:
    """What the division rounded down leaves; it has the sign of the divisor."""
    return remainder(*call.promoted(x, other))


@operators.op(
    "fmod.Tensor(Tensor self, Tensor other) -> Tensor",
    "fmod.Scalar(Tensor self, Scalar other) -> Tensor",
)
def fmod_(call: Call, x: Value, other: Value | Number) -> Value:
    """What the division cut to a whole number leaves; it has the sign of `x`."""
    return fmod(*call.promoted(x, other))


@operators.op(
    "pow.Tensor_Tensor(Tensor self, Tensor exponent) -> Tensor",
    "pow.Scalar(Scalar self, Tensor exponent) -> Tensor",
)
def power(call: Call, x: Value | Number, exponent: Value) -> Value:
    """`x ** exponent`."""
    return _power(*call.promoted(x, exponent))


def _power(x: Value, exponent: Value) -> Value:
    if x.dtype.is_integer:  # of 0, PyTorch's negative power is 0
        below = compare.less(exponent, scalar_like(x, 0))
        nothing = compare.logical_and(below, compare.equal(x, scalar_like(x, 0)))
        x = elementwise.select(nothing, scalar_like(x, 2), x)
    if x.dtype is DType.BOOL:  # 0 ** 0 is 1
        return compare.logical_or(x, compare.logical_not(exponent))
    return elementwise.pow_(x, exponent)


@operators.op(
    "pow.Tensor_Scalar(Tensor self, Scalar exponent) -> Tensor",
)
def power_of_number(call: Call, x: Value, exponent: Number) -> Value:
    """`x ** exponent`; some exponents of real numbers are computed by other means.

    (aten/src/ATen/native/cpu/PowKernel.cpp, `pow_tensor_scalar_optimized_kernel`)
    """
    dtype = result_type((x, exponent))
    if dtype.is_integer and isinstance(exponent, int) and exponent < 0:
        call.invalid("integers have no negative powers in PyTorch")
    if not dtype.is_floating or not isinstance(exponent, int | float):
        return power(call, x, call.scalar(exponent, dtype))
    x = call.cast(x, dtype)
    squared = elementwise.mul(x, x) if abs(exponent) in (2, 3) else x
    match exponent:
        case 0.5:
            return elementwise.sqrt(x)
        case -0.5:
            return elementwise.reciprocal(elementwise.sqrt(x))
        case 2:
            return squared
        case 3:
            return elementwise.mul(squared, x)
        case -1:
            return elementwise.reciprocal(x)
        case -2:
            return elementwise.reciprocal(squared)
        case _:
            return elementwise.pow_(x, call.filled(exponent, dtype, x.shape))


@operators.op(
    "float_power.Tensor_Tensor(Tensor self, Tensor exponent) -> Tensor",
    "float_power.Tensor_Scalar(Tensor self, Scalar exponent) -> Tensor",
    "float_power.Scalar(Scalar self, Tensor exponent) -> Tensor",
)
def float_power(call: Call, x: Value | Number, exponent: Value | Number) -> Value:
    """`x ** exponent` in f64."""
    return elementwise.pow_(*call.aligned(call.tensor(x, DType.FLOAT64), call.tensor(exponent, DType.FLOAT64)))


@operators.op(
    "addcmul(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor",
    "addcdiv(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor",
)
def add_combined(call: Call, x: Value, first: Value, second: Value, value: Number) -> Value:
    """`x + value * first * second`, or `/ second`."""
    left, one, two = call.promoted(x, first, second)
    combine = elementwise.mul if "addcmul" in call.kind else elementwise.div
    if combine is elementwise.div and not left.dtype.is_floating:
        call.invalid("integers have no addcdiv in PyTorch")
    dtype = left.dtype
    left, one, two = wide(left), wide(one), wide(two)
    return narrow(elementwise.add(left, combine(_scaled(call, one, value), two)), dtype)


@operators.op(
    "lerp.Scalar(Tensor self, Tensor end, Scalar weight) -> Tensor",
    "lerp.Tensor(Tensor self, Tensor end, Tensor weight) -> Tensor",
)
def lerp(call: Call, start: Value, end: Value, weight: Value | Number) -> Value:
    """From `start` at weight 0 to `end` at 1; computed from the nearer end (aten/src/ATen/native/Lerp.h)."""
    weight = call.tensor(weight, start.dtype)
    start, end, weight = call.aligned(start, end, weight)
    half, one = call.filled(0.5, start.dtype, start.shape), call.filled(1, start.dtype, start.shape)
    step = elementwise.sub(end, start)
    near = compare.less(elementwise.abs_(weight), half)
    from_start = elementwise.add(start, elementwise.mul(weight, step))
    from_end = elementwise.sub(end, elementwise.mul(step, elementwise.sub(one, weight)))
    return elementwise.select(near, from_start, from_end)


@operators.op(
    "ldexp.Tensor(Tensor self, Tensor other) -> Tensor",
)
def ldexp(call: Call, x: Value, exponent: Value) -> Value:
    """`x * 2 ** exponent`."""
    left, right = call.promoted(x, exponent, floating=True)
    return elementwise.mul(left, elementwise.pow_(call.filled(2, left.dtype, left.shape), right))


@operators.op(
    "_add_relu.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor",
    "_add_relu.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor",
)
def add_relu(call: Call, x: Value, other: Value | Number, alpha: Number) -> Value:
    """`x + alpha * other` where it is above 0, else 0."""
    return relu(add(call, x, other, alpha))


@operators.op("gcd(Tensor self, Tensor other) -> Tensor")
def gcd(call: Call, x: Value, other: Value) -> Value:
    """The greatest common divisor, by Euclid's algorithm until no pair has a remainder."""
    left, right = (_size(each) for each in call.promoted(x, other))
    if left.dtype.is_floating or left.dtype is DType.BOOL:
        call.invalid(f"whole numbers have divisors, not {left.dtype}")

    def left_over(rest: Value) -> Value:
        some = call.cast(compare.not_equal(rest, scalar_like(rest, 0)), DType.INT64)
        count = reduce_sum(some, axes=tuple(range(some.rank)), keep_dims=False)
        return compare.greater(count, scalar_like(count, 0))

    step, going, a, b = (
        Value(kind) for kind in (TensorType(DType.INT64, ()), TensorType(DType.BOOL, ()), left.type, right.type)
    )
    done = compare.equal(b, scalar_like(b, 0))
    rest = elementwise.mod(a, elementwise.select(done, scalar_like(b, 1), b), floored=True)
    rest = elementwise.select(done, b, rest)
    body = Graph("euclid", (step, going, a, b), (left_over(rest), elementwise.select(done, a, b), rest))
    return loop(None, left_over(right), left, right, body=body, carried=2)[0]


@operators.op("lcm(Tensor self, Tensor other) -> Tensor")
def lcm(call: Call, x: Value, other: Value) -> Value:
    """The least common multiple; 0 where one is 0."""
    left, right = call.promoted(x, other)
    divisor = gcd(call, x, other)
    whole = elementwise.div(_size(left), elementwise.maximum(divisor, scalar_like(divisor, 1)))
    return elementwise.mul(whole, _size(right))


def _size(x: Value) -> Value:
    return elementwise.abs_(x) if x.dtype.is_signed else x
