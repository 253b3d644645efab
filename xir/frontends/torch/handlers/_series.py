"""Steps that functions of one number share: numbers in f64, polynomials, sums of like terms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import reduce

from xir.frontends.torch.call import Call
from xir.frontends.torch.tensor import Number
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops._build import scalar_like
from xir.ops.elementwise import add, mul


def in_double(function: Callable[[Value], Value]) -> Callable[[Call, Value], Value]:
    """The handler of a function of real numbers that is computed in f64."""

    def handler(call: Call, x: Value) -> Value:
        """A function of real numbers, computed in f64."""
        real = call.real(x)
        return call.cast(function(call.cast(real, DType.FLOAT64)), real.dtype)

    return handler


def pairs_in_double(
    function: Callable[[Value, Value], Value],
) -> Callable[[Call, Value | Number, Value | Number], Value]:
    """The handler of a function of two real numbers, tensors or not, that is computed in f64."""

    def handler(call: Call, x: Value | Number, y: Value | Number) -> Value:
        """A function of two real numbers, computed in f64."""
        left, right = call.promoted(x, y, floating=True)
        return call.cast(function(call.cast(left, DType.FLOAT64), call.cast(right, DType.FLOAT64)), left.dtype)

    return handler


def number(x: Value, held: float) -> Value:
    """A number everywhere in a tensor like `x`."""
    return scalar_like(x, held)


def times(x: Value, factor: float) -> Value:
    """`x` times a number."""
    return mul(x, number(x, factor))


def polynomial(x: Value, coefficients: Sequence[float]) -> Value:
    """By Horner's rule, the highest power first."""
    total = number(x, coefficients[0])
    for coefficient in coefficients[1:]:
        total = add(mul(total, x), number(x, coefficient))
    return total


def summed(terms: Iterable[Value]) -> Value:
    """The sum of terms, of which there is one at least."""
    return reduce(add, terms)
