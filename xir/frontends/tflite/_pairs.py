"""Complex numbers are pairs here: the real and the imaginary part on a last axis of 2."""

from __future__ import annotations

from xir.ir.node import Value
from xir.ops.shape import concat, reshape, slice_

COMPLEX = ("COMPLEX64", "COMPLEX128")
"""Types of TFLite that are pairs."""


def part(x: Value, index: int) -> Value:
    """Parts [...] of pairs [..., 2]: the real ones (0), or the imaginary ones (1)."""
    cut = slice_(x, axes=(x.rank - 1,), starts=(index,), stops=(index + 1,), steps=(1,))
    return reshape(cut, shape=x.shape[:-1])


def paired(real: Value, imaginary: Value) -> Value:
    """Pairs [..., 2] of parts [...]."""
    wide = (reshape(each, shape=(*each.shape, 1)) for each in (real, imaginary))
    return concat(*wide, axis=real.rank)
