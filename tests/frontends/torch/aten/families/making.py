"""Windows and polynomials."""

from __future__ import annotations

from tests.frontends.torch.aten.call import Draws, Example
from xir.ir.types import DType

POLYNOMIALS = (
    *(f"{shifted}chebyshev_polynomial_{kind}" for shifted in ("", "shifted_") for kind in "tuvw"),
    *("hermite_polynomial_h", "hermite_polynomial_he", "laguerre_polynomial_l", "legendre_polynomial_p"),
)


def examples() -> list[Example]:
    """Every window of no, one, some points; polynomials of small degrees."""
    r = Draws(37)
    found: list[Example] = []

    def add(name: str, *items: object, **named: object) -> None:
        found.append(Example(f"aten.{name}" + ("" if "." in name else ".default"), list(items), named))

    for name in ("hann", "hamming", "blackman", "bartlett", "kaiser"):
        for size in (1, 2, 7):
            add(f"{name}_window", size)
            add(f"{name}_window.periodic", size, False, dtype=DType.FLOAT64)
    add("kaiser_window.beta", 6, True, 5.0)
    x = r.share(2, 3) * 2 - 1
    for name in POLYNOMIALS:
        for degree in (-1, 0, 1, 2, 5):
            add(f"special_{name}.n_scalar", x, degree)
    return found
