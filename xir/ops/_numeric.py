"""What reference rules share: half-precision numbers are computed in single precision and rounded once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.node import Value
from xir.ir.types import DType

_NARROW_BYTES = 2


def require_number(*values: Value) -> None:
    """Checks that every operand holds numbers: neither bools nor strings.

    Raises:
        InvalidModelError: if one does not.
    """
    for value in values:
        if value.dtype in (DType.BOOL, DType.STRING):
            raise InvalidModelError(f"numbers are needed, got {value.type!r}")


def is_narrow(x: Array) -> bool:
    """Whether the elements are floats of at most 16 bits, NumPy's or ml_dtypes'."""
    return x.dtype.kind == "V" or x.dtype == np.float16 or (x.dtype.kind == "f" and x.dtype.itemsize <= _NARROW_BYTES)


def in_float32(function: Callable[..., Array], x: Array, *others: Array) -> Array:
    """function(x, ...) in the element type of `x`, computed in float32 where that is narrower."""
    if not is_narrow(x):
        return np.asarray(function(x, *others))
    wide = [other.astype(np.float32) for other in (x, *others)]
    return np.asarray(function(*wide)).astype(x.dtype)
