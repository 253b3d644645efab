"""What reference rules share: half-precision numbers are computed in single precision and rounded once."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.node import Value
from xir.ir.types import dtype_from_numpy
from xir.ops._windows import Numbers, widened

__all__ = ["Numbers", "erf_of", "in_float32", "integer_range", "require_number"]

_INTEGER_BITS = 8


def require_number(*values: Value) -> None:
    """Checks that every operand holds numbers to compute with: floats, or integers of 8 bits and more.

    Integers of 4 and 2 bits are stored, moved and cast, but no ONNX operator of arithmetic takes them or complex ones.

    Raises:
        InvalidModelError: if one does not.
    """
    for value in values:
        if not (value.dtype.is_floating or (value.dtype.is_integer and value.dtype.bits >= _INTEGER_BITS)):
            raise InvalidModelError(f"numbers are needed, got {value.type!r}", hint="cast to f32 or i32 first")


def in_float32(function: Callable[..., Array], x: Array, *others: Array) -> Array:
    """function(x, ...) in the element type of `x`, computed in float32 where that is narrower."""
    return np.asarray(function(widened(x), *map(widened, others))).astype(x.dtype, copy=False)


def erf_of(x: Numbers) -> Numbers:
    """The error function of each element, in f64 (math.erf), rounded to the element type of `x`."""
    flat = x.astype(np.float64).reshape(-1).tolist()
    made = np.fromiter(map(math.erf, flat), np.float64, len(flat)).reshape(x.shape)
    return made.astype(x.dtype, copy=False)


def integer_range(x: Array) -> tuple[int, int]:
    """The lowest and highest number of an integer array's element type."""
    dtype = dtype_from_numpy(x.dtype)
    return (-(1 << dtype.bits - 1), (1 << dtype.bits - 1) - 1) if dtype.is_signed else (0, (1 << dtype.bits) - 1)
