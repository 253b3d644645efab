"""Reading and writing by index."""

from __future__ import annotations

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.ir.constant import constant_of
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import elementwise, index
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


@handlers.layer(*versions("ScatterElements", 11, 13, 16, 18))
def scatter_elements(site: Site, x: Value, indices: Value, updates: Value) -> Value:
    """ScatterElements."""
    axis = site.axis(site.integer("axis", 0), x.rank)
    allowed = ("none", "add", "mul", "max", "min") if site.opset >= 18 else ("none", "add", "mul")
    match site.choice("reduction", allowed, "none"):
        case "add":
            return index.scatter_elements(x, indices, updates, axis=axis, reduction="add")
        case "mul":
            return index.scatter_elements(x, indices, updates, axis=axis, reduction="mul")
        case "max":
            return index.scatter_elements(x, indices, updates, axis=axis, reduction="max")
        case "min":
            return index.scatter_elements(x, indices, updates, axis=axis, reduction="min")
        case _:
            return index.scatter_elements(x, indices, updates, axis=axis, reduction="none")


@handlers.layer(*versions("GatherND", 11, 12, 13))
def gather_nd(site: Site, x: Value, indices: Value) -> Value:
    """GatherND."""
    return index.gather_nd(x, indices, batch_axes=site.integer("batch_dims", 0))


@handlers.layer(*versions("OneHot", 9, 11))
def one_hot(site: Site, indices: Value, depth: Value, values: Value) -> Value:
    """OneHot; other values than 0 and 1 are selected."""
    known = site.sizes(depth)
    if known is None or len(known) != 1:
        constant_depth = int(site.scalar(depth, "a depth"))
        known = (constant_depth,)
    axis = site.axis(site.integer("axis", -1), indices.rank + 1)
    if not indices.dtype.is_integer:
        indices = elementwise.cast(indices, dtype=DType.INT64)
    pair = site.scope.constant_of(values)
    if pair is not None and pair.elements == 2:
        off, on = pair.array().reshape(-1).astype(np.float64).tolist()
        if (off, on) == (0.0, 1.0):
            return index.one_hot(indices, depth=known[0], axis=axis, dtype=values.dtype)
    hot = index.one_hot(indices, depth=known[0], axis=axis, dtype=DType.BOOL)
    zero, one = (constant(value=constant_of(np.array([place], np.int64))) for place in (0, 1))
    off_value, on_value = (reshape(index.gather(values, place, axis=0), shape=()) for place in (zero, one))
    return select(hot, broadcast(on_value, shape=hot.shape), broadcast(off_value, shape=hot.shape))


@handlers.layer(*versions("Compress", 9, 11))
def compress(site: Site, x: Value, condition: Value) -> Value:
    """Compress; without an axis the elements are taken in row-major order."""
    if site.has("axis"):
        return index.compress(x, condition, axis=site.axis(site.integer("axis"), x.rank))
    return index.compress(reshape(x, shape=(x.tensor.elements,)), condition, axis=0)
