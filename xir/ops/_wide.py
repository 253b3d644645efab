"""Sums of narrow floats in f32, within a graph."""

from __future__ import annotations

import numpy as np

from xir.ir.constant import constant_of
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops.constant import constant
from xir.ops.elementwise import cast


def wide(x: Value) -> Value:
    """`x`, cast to f32 if it holds narrower floats: their sums overflow and lose digits, as the references avoid."""
    return cast(x, dtype=DType.FLOAT32) if x.dtype.is_floating and x.dtype.bits < 32 else x


def narrow(x: Value, dtype: DType) -> Value:
    """`x` cast to `dtype` if it has another."""
    return x if x.dtype is dtype else cast(x, dtype=dtype)


def scalar(dtype: DType, value: float) -> Value:
    """A literal without axes."""
    return constant(value=constant_of(np.asarray(value).astype(dtype.dtype)))
