"""Reading and writing by index."""

from __future__ import annotations

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.frontends.onnx.handlers._vectors import whole
from xir.ir.constant import constant_of
from xir.ir.dims import Dim, Symbol
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import elementwise, finding, index, places
from xir.ops.constant import constant
from xir.ops.elementwise import select
from xir.ops.shape import broadcast, reshape

handlers: Handlers[Handler] = Handlers("onnx")


@handlers.layer(*versions("Gather", 1, 11, 13))
def gather(site: Site, x: Value, indices: Value) -> Value:
    """Gather."""
    return index.gather(x, indices, axis=site.axis(site.integer("axis", 0), x.rank))


@handlers.layer(*versions("GatherElements", 11, 13))
def gather_elements(site: Site, x: Value, indices: Value) -> Value:
    """GatherElements."""
    return index.gather_elements(x, indices, axis=site.axis(site.integer("axis", 0), x.rank))


@handlers.layer(*versions("Scatter", 9))
def scatter(site: Site, x: Value, indices: Value, updates: Value) -> Value:
    """Scatter, which opset 11 renamed ScatterElements."""
    axis = site.axis(site.integer("axis", 0), x.rank)
    return index.scatter_elements(x, indices, updates, axis=axis, reduction="none")


def _reduction(site: Site) -> index.Reduction:
    """How updates are combined with what stands there; opset 16 brought sums and products, 18 the others."""
    allowed = ("none", "add", "mul", "max", "min")
    match site.choice("reduction", allowed if site.opset >= 18 else allowed[:3], "none"):
        case "add":
            return "add"
        case "mul":
            return "mul"
        case "max":
            return "max"
        case "min":
            return "min"
        case _:
            return "none"


@handlers.layer(*versions("ScatterElements", 11, 13, 16, 18))
def scatter_elements(site: Site, x: Value, indices: Value, updates: Value) -> Value:
    """ScatterElements."""
    axis = site.axis(site.integer("axis", 0), x.rank)
    return index.scatter_elements(x, indices, updates, axis=axis, reduction=_reduction(site))


@handlers.layer(*versions("ScatterND", 11, 13, 16, 18))
def scatter_nd(site: Site, x: Value, indices: Value, updates: Value) -> Value:
    """ScatterND."""
    return places.scatter_nd(x, indices, updates, reduction=_reduction(site))


@handlers.layer(*versions("NonZero", 9, 13))
def nonzero(site: Site, x: Value) -> Value:
    """NonZero."""
    return finding.nonzero(x)


@handlers.layer(*versions("Unique", 11, 28))
def unique(site: Site, x: Value) -> tuple[Value, ...]:
    """Unique."""
    axis = site.axis(site.integer("axis"), x.rank) if site.has("axis") else None
    return finding.unique(x, axis=axis, sorted=site.flag("sorted", True))


@handlers.layer(*versions("ReverseSequence", 10, 28))
def reverse_sequence(site: Site, x: Value, lengths: Value) -> Value:
    """ReverseSequence."""
    batch, time = site.integer("batch_axis", 1), site.integer("time_axis", 0)
    return places.reverse_sequence(x, lengths, batch_axis=batch, time_axis=time)


@handlers.layer(*versions("GatherND", 11, 12, 13))
def gather_nd(site: Site, x: Value, indices: Value) -> Value:
    """GatherND."""
    return index.gather_nd(x, indices, batch_axes=site.integer("batch_dims", 0))


@handlers.layer(*versions("OneHot", 9, 11, 28))
def one_hot(site: Site, indices: Value, depth: Value, values: Value) -> Value:
    """OneHot; other values than 0 and 1 are selected."""
    axis = site.axis(site.integer("axis", -1), indices.rank + 1)
    if indices.dtype not in (DType.INT32, DType.INT64):
        indices = elementwise.cast(indices, dtype=DType.INT64)
    size, count = _depth(site, depth)
    pair = site.scope.constant_of(values)
    if pair is not None and pair.elements == 2 and pair.dtype not in _NO_REAL:
        off, on = pair.array().reshape(-1).astype(np.float64).tolist()
        if (off, on) == (0.0, 1.0):
            return index.one_hot(indices, count, depth=size, axis=axis, dtype=values.dtype)
    hot = index.one_hot(indices, count, depth=size, axis=axis, dtype=DType.BOOL)
    zero, one = (constant(value=constant_of(np.array([place], np.int64))) for place in (0, 1))
    off_value, on_value = (reshape(index.gather(values, place, axis=0), shape=()) for place in (zero, one))
    return select(hot, broadcast(on_value, shape=hot.shape), broadcast(off_value, shape=hot.shape))


_NO_REAL = (DType.STRING, DType.COMPLEX64, DType.COMPLEX128)


def _depth(site: Site, depth: Value) -> tuple[Dim, Value | None]:
    """The depth, and the operand that gives it where only the run tells it."""
    known = site.sizes(depth)
    if known is not None and len(known) == 1:
        return known[0], None
    if site.scope.constant_of(depth) is not None:
        return int(site.scalar(depth, "a depth")), None
    return Symbol(), whole(depth)


@handlers.layer(*versions("Compress", 9, 11, 28))
def compress(site: Site, x: Value, condition: Value) -> Value:
    """Compress; without an axis the elements are taken in row-major order."""
    if site.has("axis"):
        return index.compress(x, condition, axis=site.axis(site.integer("axis"), x.rank))
    return index.compress(reshape(x, shape=(x.tensor.elements,)), condition, axis=0)
