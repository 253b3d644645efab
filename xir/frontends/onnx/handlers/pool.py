"""Pooling; `ceil_mode` becomes padding after the end that never counts."""

from __future__ import annotations

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends.onnx._site import Site, product_of
from xir.frontends.onnx._versions import Handler, versions
from xir.frontends.onnx._windows import Window, window_of
from xir.ir.constant import constant_of
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import pool
from xir.ops.constant import constant
from xir.ops.elementwise import add, mul
from xir.ops.reduce import reduce_l1, reduce_l2, reduce_max, reduce_mean
from xir.ops.shape import broadcast, iota, reshape

handlers: Handlers[Handler] = Handlers("onnx")


def _window(site: Site, x: Value) -> Window:
    if x.rank < 3:
        site.invalid(f"[N, C, spatial...] is needed, got {x.type!r}")
    return window_of(site, x.shape[2:], site.integers("kernel_shape"))


@handlers.layer(*versions("MaxPool", 1, 8, 10, 11, 12, 22))
def largest(site: Site, x: Value) -> Value | tuple[Value, ...]:
    """MaxPool; its indices count through the whole tensor, ours through each plane."""
    window = _window(site, x)
    column_major = site.flag("storage_order", False)
    if len(site.node.outputs) < 2 or not site.node.outputs[1]:
        return pool.max_pool(
            x, window=window.window, strides=window.strides, padding=window.padding, dilation=window.dilation
        )
    if column_major:
        site.refuse("indices in column-major order (storage_order = 1)")
    best, places = pool.max_pool_with_indices(
        x, window=window.window, strides=window.strides, padding=window.padding, dilation=window.dilation
    )
    n, c = x.shape[:2]
    planes = reshape(iota(shape=(n * c,), axis=0, dtype=DType.INT64), shape=(n, c, *(1,) * (x.rank - 2)))
    cells = product_of(x.shape[2:])
    if not isinstance(cells, int):
        site.refuse("indices into planes of a size that is not known before the run")
    size = constant(value=constant_of(np.full((1,) * x.rank, cells, np.int64)))
    offset = mul(planes, broadcast(size, shape=planes.shape))
    return best, add(places, broadcast(offset, shape=places.shape))


@handlers.layer(*versions("AveragePool", 7, 10, 11, 19, 22))
def average(site: Site, x: Value) -> Value:
    """AveragePool; with `count_include_pad` the file's own padding counts, an overhang never does."""
    window = _window(site, x)
    include = site.flag("count_include_pad", False)
    none = ((0, 0),) * (x.rank - 2)
    return pool.average_pool(
        x,
        window=window.window,
        strides=window.strides,
        padding=window.padding,
        counted_padding=window.counted if include else none,
        dilation=window.dilation,
    )


@handlers.layer(*versions("LpPool", 2, 11, 18, 22))
def norm(site: Site, x: Value) -> Value:
    """LpPool."""
    window = _window(site, x)
    return pool.lp_pool(
        x,
        window=window.window,
        strides=window.strides,
        padding=window.padding,
        dilation=window.dilation,
        p=float(site.integer("p", 2)),
    )


@handlers.layer(*versions("GlobalAveragePool", 1, 22))
def global_average(site: Site, x: Value) -> Value:
    """GlobalAveragePool."""
    return reduce_mean(x, axes=tuple(range(2, x.rank)), keep_dims=True)


@handlers.layer(*versions("GlobalMaxPool", 1, 22))
def global_largest(site: Site, x: Value) -> Value:
    """GlobalMaxPool."""
    return reduce_max(x, axes=tuple(range(2, x.rank)), keep_dims=True)


@handlers.layer(*versions("GlobalLpPool", 2, 22))
def global_norm(site: Site, x: Value) -> Value:
    """GlobalLpPool of the norms 1 and 2."""
    axes = tuple(range(2, x.rank))
    match site.integer("p", 2):
        case 1:
            return reduce_l1(x, axes=axes, keep_dims=True)
        case 2:
            return reduce_l2(x, axes=axes, keep_dims=True)
        case p:
            site.refuse(f"the global norm p = {p}")
