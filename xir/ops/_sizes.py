"""Sizes that only the run tells, as values of a graph."""

from __future__ import annotations

import numpy as np

from xir.ir.constant import constant_of
from xir.ir.node import Value
from xir.ops.constant import constant
from xir.ops.shape import reshape, shape_of, slice_


def size_of(x: Value, axis: int) -> Value:
    """The size of one axis of `x`, i64[]: a literal where it is known."""
    size = x.shape[axis]
    if isinstance(size, int):
        return constant(value=constant_of(np.asarray(size, np.int64)))
    return reshape(slice_(shape_of(x), axes=(0,), starts=(axis,), stops=(axis + 1,), steps=(1,)), shape=())
