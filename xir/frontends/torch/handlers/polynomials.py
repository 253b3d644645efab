"""Orthogonal polynomials whose degree is a number (aten/src/ATen/native/Math.h), by their recurrences (DLMF 18.9)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from xir.frontends.torch.call import Call
from xir.frontends.torch.operators import Operators
from xir.frontends.torch.tensor import Number
from xir.ir.node import Value
from xir.ops._build import scalar_like
from xir.ops.elementwise import add, mul, sub

operators = Operators("aten")


@dataclass(frozen=True, slots=True)
class _Family:
    """`p[0] = 1`, `p[1] = a x + b`, `p[n + 1] = (A x + B) p[n] - C p[n - 1]`.

    Attributes:
        first: (a, b).
        step: n -> (A, B, C).
    """

    first: tuple[float, float]
    step: Callable[[int], tuple[float, float, float]]

    def shifted(self) -> _Family:
        """The family in `2 x - 1`."""
        a, b = self.first
        return _Family(
            (2 * a, b - a), lambda n: (2 * self.step(n)[0], self.step(n)[1] - self.step(n)[0], self.step(n)[2])
        )

    def of(self, x: Value, degree: int) -> Value:
        """The polynomial of a degree, 0 below 0."""
        before, here = scalar_like(x, 1), _line(x, *self.first)
        if degree < 1:
            return scalar_like(x, float(degree == 0))
        for n in range(1, degree):
            a, b, c = self.step(n)
            before, here = here, sub(mul(_line(x, a, b), here), mul(scalar_like(x, c), before))
        return here


def _line(x: Value, slope: float, offset: float) -> Value:
    scaled = mul(x, scalar_like(x, slope))
    return add(scaled, scalar_like(x, offset)) if offset else scaled


_CHEBYSHEV = {
    kind: _Family(first, lambda n: (2.0, 0.0, 1.0))
    for kind, first in (("t", (1.0, 0.0)), ("u", (2.0, 0.0)), ("v", (2.0, -1.0)), ("w", (2.0, 1.0)))
}
_FAMILIES = {
    **{f"chebyshev_polynomial_{kind}": family for kind, family in _CHEBYSHEV.items()},
    **{f"shifted_chebyshev_polynomial_{kind}": family.shifted() for kind, family in _CHEBYSHEV.items()},
    "hermite_polynomial_h": _Family((2.0, 0.0), lambda n: (2.0, 0.0, 2.0 * n)),
    "hermite_polynomial_he": _Family((1.0, 0.0), lambda n: (1.0, 0.0, float(n))),
    "laguerre_polynomial_l": _Family((-1.0, 1.0), lambda n: (-1 / (n + 1), (2 * n + 1) / (n + 1), n / (n + 1))),
    "legendre_polynomial_p": _Family((1.0, 0.0), lambda n: ((2 * n + 1) / (n + 1), 0.0, n / (n + 1))),
}


def _handler(family: _Family) -> Callable[[Call, Value, Number], Value]:
    def handler(call: Call, x: Value, degree: Number) -> Value:
        """A polynomial of each element."""
        wanted = call.several(call.known_integer(degree, "the degree of a polynomial"))
        return family.of(call.real(x), wanted)

    return handler


for _name, _family in _FAMILIES.items():
    operators.op(f"special_{_name}.n_scalar(Tensor x, Scalar n) -> Tensor")(_handler(_family))
