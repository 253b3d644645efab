"""Pooling; `ceil_mode` becomes padding after the end that never counts."""

from __future__ import annotations

from xir.frontends._handlers import Handlers
from xir.frontends._operands import product_of
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.frontends.onnx._windows import Window, window_of
from xir.ir.dims import Dim, Shape
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import pool
from xir.ops._build import scalar_like
from xir.ops._targets import size_value
from xir.ops._wide import narrow, wide
from xir.ops.elementwise import abs_, add, div, mod, mul, pow_
from xir.ops.reduce import reduce_l1, reduce_l2, reduce_max, reduce_mean, reduce_sum
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
    best, places = pool.max_pool_with_indices(
        x, window=window.window, strides=window.strides, padding=window.padding, dilation=window.dilation
    )
    return best, _through_tensor(_column_major(places, x.shape[2:]) if column_major else places, x.shape)


def _filled(size: Dim, shape: Shape) -> Value:
    """A size, everywhere in a tensor of i64."""
    return broadcast(size_value(size, DType.INT64), shape=shape)


def _column_major(places: Value, spatial: Shape) -> Value:
    """Row-major places in a plane, counted with the first axis running fastest (MaxPool's storage_order)."""
    total: Value | None = None
    for axis, size in enumerate(spatial):
        after, before = product_of(spatial[axis + 1 :]), product_of(spatial[:axis])
        coordinate = mod(div(places, _filled(after, places.shape)), _filled(size, places.shape), floored=True)
        term = mul(coordinate, _filled(before, places.shape))
        total = term if total is None else add(total, term)
    return places if total is None else total


def _through_tensor(places: Value, shape: Shape) -> Value:
    """Places in each plane [N, C, spatial...] as places in the whole tensor."""
    n, c = shape[:2]
    planes = reshape(iota(shape=(n * c,), axis=0, dtype=DType.INT64), shape=(n, c, *(1,) * (len(shape) - 2)))
    offset = mul(planes, _filled(product_of(shape[2:]), planes.shape))
    return add(places, broadcast(offset, shape=places.shape))


@handlers.layer(*versions("AveragePool", 1, 7, 10, 11, 19, 22))
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


@handlers.layer(*versions("LpPool", 1))
def norm_of_real_power(site: Site, x: Value) -> Value:
    """LpPool of opset 1, whose p need not be a whole number."""
    return _norm(site, x, site.real("p", 2.0))


@handlers.layer(*versions("LpPool", 2, 11, 18, 22))
def norm(site: Site, x: Value) -> Value:
    """LpPool."""
    return _norm(site, x, float(site.integer("p", 2)))


def _norm(site: Site, x: Value, p: float) -> Value:
    window = _window(site, x)
    return pool.lp_pool(
        x,
        window=window.window,
        strides=window.strides,
        padding=window.padding,
        dilation=window.dilation,
        p=p,
    )


@handlers.layer(*versions("GlobalAveragePool", 1, 22))
def global_average(site: Site, x: Value) -> Value:
    """GlobalAveragePool."""
    return reduce_mean(x, axes=tuple(range(2, x.rank)), keep_dims=True)


@handlers.layer(*versions("GlobalMaxPool", 1, 22))
def global_largest(site: Site, x: Value) -> Value:
    """GlobalMaxPool."""
    return reduce_max(x, axes=tuple(range(2, x.rank)), keep_dims=True)


@handlers.layer(*versions("GlobalLpPool", 1))
def global_norm_of_real_power(site: Site, x: Value) -> Value:
    """GlobalLpPool of opset 1, whose p need not be a whole number."""
    return _global_norm(site, x, site.real("p", 2.0))


@handlers.layer(*versions("GlobalLpPool", 2, 22))
def global_norm(site: Site, x: Value) -> Value:
    """GlobalLpPool."""
    return _global_norm(site, x, float(site.integer("p", 2)))


def _global_norm(site: Site, x: Value, p: float) -> Value:
    axes = tuple(range(2, x.rank))
    if p == 1:
        return reduce_l1(x, axes=axes, keep_dims=True)
    if p == 2:
        return reduce_l2(x, axes=axes, keep_dims=True)
    if not p > 0:
        site.invalid(f"the norm p = {p} must be positive")
    data = wide(x)
    total = reduce_sum(pow_(abs_(data), scalar_like(data, p)), axes=axes, keep_dims=True)
    return narrow(pow_(total, scalar_like(total, 1 / p)), x.dtype)
