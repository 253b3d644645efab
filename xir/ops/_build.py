"""Small graphs that decompositions, gradients and frontends build again and again."""

from __future__ import annotations

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import constant_of
from xir.ir.node import Value
from xir.ops._checks import require_axis, require_size
from xir.ops.constant import constant
from xir.ops.shape import broadcast, reshape


def scalar_like(x: Value, value: float) -> Value:
    """A tensor of the type of `x` that holds `value` everywhere: a scalar literal, broadcast."""
    literal = constant(value=constant_of(np.asarray(value).astype(x.dtype.dtype)))
    return literal if x.shape == () else broadcast(literal, shape=x.shape)


def channelwise(parameter: Value, like: Value, axis: int = 1) -> Value:
    """`parameter` [C] laid along `axis` of `like` and repeated over the other axes.

    Raises:
        InvalidModelError: if it is no vector, or its length is not the size of that axis.
    """
    if parameter.rank != 1:
        raise InvalidModelError(f"a vector is needed, got {parameter.type!r}")
    require_axis(like, axis)
    require_size(parameter.shape[0], like.shape[axis], "the number of channels")
    tail = (1,) * (like.rank - axis - 1)
    aligned = reshape(parameter, shape=(*parameter.shape, *tail)) if tail else parameter
    return aligned if aligned.shape == like.shape else broadcast(aligned, shape=like.shape)
