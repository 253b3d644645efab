"""Pooling as Caffe does it: sizes round up, windows are clipped to the padded input (pooling_layer.cpp)."""

from __future__ import annotations

from typing import NamedTuple

from xir.errors import InvalidModelError, UnsupportedError
from xir.frontends._handlers import Handlers
from xir.frontends.caffe.handlers._geometry import known, pair, require_axes, require_positive
from xir.frontends.caffe.message import Message
from xir.frontends.caffe.site import Handler, Site
from xir.ir.dims import Dim, ceil_divide, equal, floor_divide, minimum
from xir.ir.node import Value
from xir.ops._build import scalar_like
from xir.ops.compare import greater
from xir.ops.elementwise import cast, div, mul, select
from xir.ops.pool import average_pool, max_pool, max_pool_with_indices
from xir.ops.reduce import reduce_max, reduce_mean
from xir.ops.shape import concat, reshape

handlers: Handlers[Handler] = Handlers("caffe")


_SOLID = {"kernel_size_3d": 0, "stride_3d": 1, "pad_3d": 0}
"""Intel's fields for three spatial axes, and what stands where one is missing."""


class Geometry(NamedTuple):
    """Windows with Caffe's pad on both sides and, behind it, the overhang of the last window."""

    window: tuple[int, ...]
    strides: tuple[int, ...]
    pad: tuple[int, ...]
    padding: tuple[tuple[int, Dim], ...]


@handlers.layer("Pooling")
def pooling(site: Site, x: Value) -> Value | tuple[Value, ...]:
    """Max, average or stochastic pooling; a second top gets the mask of a max pooling."""
    param = site.param("pooling_param")
    solid = any(param.has(name) for name in _SOLID)
    require_axes(x, 5 if solid else 4)
    param.ignore("engine")
    if param.integer("axis") != 1:
        raise site.unsupported("only channel axis 1 is taken", "every published net uses axis: 1")
    method = param.enum("pool")
    if param.boolean("global_pooling"):
        return _global(site, param, x, method)
    return _pooled(site, x, method, _geometry(param, x, method), param.boolean("avg_include_pad"))


def _pooled(site: Site, x: Value, method: str, geometry: Geometry, include_pad: bool) -> Value | tuple[Value, ...]:
    ones = (1,) * len(geometry.window)
    match method:
        case "MAX" if site.top_count > 1:
            y, indices = max_pool_with_indices(
                x, window=geometry.window, strides=geometry.strides, padding=geometry.padding, dilation=ones
            )
            return y, cast(indices, dtype=x.dtype)
        case "MAX":
            return max_pool(
                x, window=geometry.window, strides=geometry.strides, padding=geometry.padding, dilation=ones
            )
        case "AVE":
            return _average(x, geometry, include_pad=include_pad)
        case "STOCHASTIC" if site.phase == "TEST":
            return _stochastic(x, geometry)
        case _:
            raise site.unsupported(f"pool: {method} draws random numbers in training", "use --phase test")


def _global(site: Site, param: Message, x: Value, method: str) -> Value | tuple[Value, ...]:
    if any(param.has(name) for name in ("kernel_size", "kernel_h", "kernel_w")):
        raise InvalidModelError("with global_pooling: true no kernel size may be given (pooling_layer.cpp)")
    param.ignore("avg_include_pad", "round_mode", "ceil_mode", "torch_pooling")
    if pair(param, "pad", "pad", 0) != (0, 0) or pair(param, "stride", "stride", 1) != (1, 1):
        raise InvalidModelError("with global_pooling: true pad must be 0 and stride 1 (pooling_layer.cpp)")
    axes = tuple(range(2, x.rank))
    if method == "MAX" and site.top_count == 1:
        return reduce_max(x, axes=axes, keep_dims=True)
    if method == "AVE":
        return reduce_mean(x, axes=axes, keep_dims=True)
    window = tuple(known(size, "the size to pool") for size in x.shape[2:])
    none = (0,) * len(window)
    return _pooled(site, x, method, Geometry(window, (1,) * len(window), none, ((0, 0),) * len(window)), True)


def _geometry(param: Message, x: Value, method: str) -> Geometry:
    window, strides, pad = _sizes(param)
    require_positive("kernel and stride", *window, *strides)
    if any(pad) and method == "STOCHASTIC":
        raise InvalidModelError("padding is only for average and max pooling (pooling_layer.cpp)")
    if any(p >= w for p, w in zip(pad, window, strict=True)):
        raise InvalidModelError(f"pad {list(pad)} must be smaller than the kernel {list(window)} (pooling_layer.cpp)")
    up = param.enum("round_mode") == "CEIL" and param.boolean("ceil_mode") and not param.boolean("torch_pooling")
    return _covering(x, window, strides, pad, up)


def _sizes(param: Message) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Kernel, strides and pads for two axes, or for three in intel's `_3d` fields."""
    if any(param.has(name) for name in _SOLID):
        axes = 3
        window, strides, pad = (
            given * axes if len(given) == 1 else given or (default,) * axes
            for given, default in ((param.integers(name), default) for name, default in _SOLID.items())
        )
        if not all(len(values) == axes for values in (window, strides, pad)):
            raise InvalidModelError("kernel_size_3d, stride_3d and pad_3d stand once, or once for each of 3 axes")
        return window, strides, pad
    return pair(param, "kernel", "kernel_size", None), pair(param, "stride", "stride", 1), pair(param, "pad", "pad", 0)


def _covering(x: Value, window: tuple[int, ...], strides: tuple[int, ...], pad: tuple[int, ...], up: bool) -> Geometry:
    """The geometry in which the windows reach just as far as Caffe's; any padding makes all axes drop late windows."""
    padded = any(pad)
    padding = tuple(
        (p, p + _overhang(size, w, s, p, up, padded))
        for size, w, s, p in zip(x.shape[2:], window, strides, pad, strict=True)
    )
    return Geometry(window, strides, pad, padding)


def _overhang(size: Dim, window: int, stride: int, pad: int, up: bool, padded: bool) -> Dim:
    """How far the last window reaches behind the padding (less than 0: how much of it no window reaches).

    An unknown size gives an expression of it: which window is the last is then told when the model runs.

    (pooling_layer.cpp, Reshape: sizes round up; with padding on any axis, windows that begin at or behind the input's
    end and the padding before it are left out.)
    """
    divide = ceil_divide if up else floor_divide
    outputs = divide(size + 2 * pad - window, stride) + 1
    if padded:
        outputs = minimum(outputs, ceil_divide(size + pad, stride))
    elif up and stride > window:
        _require_last_inside(size, window, stride, outputs)
    if equal(floor_divide(size + 2 * pad - window, stride), outputs - 1) is True and not isinstance(size, int):
        return 0  # no window is more than those that fit: floor division leaves what is behind them
    return (outputs - 1) * stride + window - (size + 2 * pad)


def _require_last_inside(size: Dim, window: int, stride: int, outputs: Dim) -> None:
    """Gaps between windows: the one that rounding up adds may begin behind the input."""
    if isinstance(size, int) and isinstance(outputs, int):
        if (outputs - 1) * stride >= size:
            raise UnsupportedError(
                f"the last window of {window} with stride {stride} lies behind the {size} elements: Caffe gives no "
                "number",
                hint="use round_mode: FLOOR, or a stride that is not larger than the kernel",
            )
        return
    raise InvalidModelError(
        f"whether the last window of {window} with stride {stride} lies behind the unknown size {size!r} is not known",
        hint="give the input's shape with --input NAME=f32[...]",
    )


def _average(x: Value, geometry: Geometry, *, include_pad: bool) -> Value:
    counted = tuple((p, p) for p in geometry.pad) if include_pad else ((0, 0),) * len(geometry.pad)
    clipped = tuple(
        (before, minimum(after, pad_after))
        for (before, pad_after), (_, after) in zip(counted, geometry.padding, strict=True)
    )
    return average_pool(
        x,
        window=geometry.window,
        strides=geometry.strides,
        padding=geometry.padding,
        counted_padding=clipped,
        dilation=(1,) * len(geometry.window),
    )


def _stochastic(x: Value, geometry: Geometry) -> Value:
    """In testing: the sum of squares over the sum of a window, 0 unless that is positive.

    (pooling_layer.cu, StoPoolForwardTest; its sums start at FLT_MIN, which no other sum of floats shows.)
    """
    squares = _average(mul(x, x), geometry, include_pad=False)
    means = _average(x, geometry, include_pad=False)
    zero = scalar_like(means, 0.0)
    positive = greater(means, zero)
    return select(positive, div(squares, select(positive, means, scalar_like(means, 1.0))), zero)


@handlers.layer("SPP")
def spatial_pyramid_pooling(site: Site, x: Value) -> Value:
    """Pools into 1, 4, 16, ... bins and joins them flat (spp_layer.cpp)."""
    require_axes(x, 4)
    param = site.param("spp_param")
    param.ignore("engine")
    height, width = known(x.shape[2], "the height"), known(x.shape[3], "the width")
    levels = [_spp_level(site, x, height, width, 2**level, param.enum("pool")) for level in range(_levels(param))]
    if len(levels) == 1:
        return levels[0]  # one level is a pooling layer alone, not flattened
    flat = [reshape(y, shape=(y.shape[0], y.shape[1] * y.shape[2] * y.shape[3])) for y in levels]
    return concat(*flat, axis=1)


def _levels(param: Message) -> int:
    levels = param.integer("pyramid_height")
    if not 1 <= levels <= 16:
        raise InvalidModelError(f"pyramid_height must lie in [1, 16], got {levels}")
    return levels


def _spp_level(site: Site, x: Value, height: int, width: int, bins: int, method: str) -> Value:
    """One level: kernel ceil(size / bins), padded so that bins kernels cover the input (spp_layer.cpp)."""
    window = (-(-height // bins), -(-width // bins))
    pad = ((window[0] * bins - height + 1) // 2, (window[1] * bins - width + 1) // 2)
    if any(p >= w for p, w in zip(pad, window, strict=True)):
        raise InvalidModelError(f"{height} x {width} is too small for {bins} x {bins} bins (spp_layer.cpp)")
    made = _pooled(site, x, method, _covering(x, window, window, pad, True), True)
    return made if isinstance(made, Value) else made[0]


@handlers.layer("Pooling3D")
def pooling_3d(site: Site, x: Value) -> Value | tuple[Value, ...]:
    """Pooling over length, height and width; sizes round up as in two dimensions (C3D's pooling3d_layer.cpp)."""
    require_axes(x, 5)
    param = site.param("pooling3d_param")
    size, stride, pad = param.integer("kernel_size"), param.integer("stride"), param.integer("pad")
    window = (param.integer("kernel_depth"), size, size)
    strides = (param.integer("temporal_stride"), stride, stride)
    pads = (param.integer("temporal_pad"), pad, pad)
    require_positive("kernel and stride", *window, *strides)
    if any(p >= w for p, w in zip(pads, window, strict=True)):
        raise InvalidModelError(f"pad {list(pads)} must be smaller than the kernel {list(window)}")
    return _pooled(site, x, param.enum("pool"), _covering(x, window, strides, pads, True), True)
