"""Windows and polynomials."""

from __future__ import annotations

from collections.abc import Iterator

from tests.frontends.torch.handlers.call import Draws, Example, call
from xir.ir.types import DType

POLYNOMIALS = (
    *(f"{shifted}chebyshev_polynomial_{kind}" for shifted in ("", "shifted_") for kind in "tuvw"),
    *("hermite_polynomial_h", "hermite_polynomial_he", "laguerre_polynomial_l", "legendre_polynomial_p"),
)


def _calls() -> Iterator[Example]:
    """Every window of no, one, some points; polynomials of small degrees."""
    r = Draws(37)
    for name in ("hann", "hamming", "blackman", "bartlett", "kaiser"):
        for size in (1, 2, 7):
            yield call(f"{name}_window", size)
            yield call(f"{name}_window.periodic", size, False, dtype=DType.FLOAT64)
    yield call("kaiser_window.beta", 6, True, 5.0)
    x = r.share(2, 3) * 2 - 1
    for name in POLYNOMIALS:
        for degree in (-1, 0, 1, 2, 5):
            yield call(f"special_{name}.n_scalar", x, degree)


CALLS = tuple(_calls())
