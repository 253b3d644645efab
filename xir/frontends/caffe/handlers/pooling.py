"""Pooling as Caffe does it: sizes round up, windows are clipped to the padded input (pooling_layer.cpp)."""

from __future__ import annotations

from typing import NamedTuple

from xir.errors import InvalidModelError
from xir.frontends._handlers import Handlers
from xir.frontends.caffe.handlers._geometry import known, require_axes, require_positive
from xir.frontends.caffe.message import Message
from xir.frontends.caffe.site import Handler, Site
from xir.ir.dims import Dim, ceil_divide, equal, floor_divide, minimum
from xir.ir.node import Value
from xir.ops.elementwise import add, cast, div, mul
from xir.ops._build import scalar_like
from xir.ops.pool import average_pool, max_pool, max_pool_with_indices
from xir.ops.reduce import reduce_max, reduce_mean
from xir.ops.shape import concat, reshape

handlers: Handlers[Handler] = Handlers("caffe")

_SMALLEST = 1.1754943508222875e-38  # FLT_MIN of float.h: the stochastic layer's sums start there


class Geometry(NamedTuple):
    """Windows with Caffe's pad on both sides and, behind it, the overhang of the last window."""

    window: tuple[int, ...]
    strides: tuple[int, ...]
    pad: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]


@handlers.layer("Pooling")
def pooling(site: Site, x: Value) -> Value | tuple[Value, ...]:
    """Max, average or stochastic pooling; a second top gets the mask of a max pooling."""
    require_axes(x, 4)
    param = site.param("pooling_param")
    param.ignore("engine", "axis")
    method = param.enum("pool")
    if param.boolean("global_pooling"):
        return _global(site, param, x, method)
    geometry = _geometry(param, x)
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
            return _average(x, geometry, include_pad=param.boolean("avg_include_pad"))
        case "STOCHASTIC" if site.phase == "TEST":
            return _stochastic(x, geometry)
        case _:
            raise site.unsupported(f"pool: {method} draws random numbers in training", "use --phase test")


def _global(site: Site, param: Message, x: Value, method: str) -> Value:
    if any(param.has(name) for name in ("kernel_size", "kernel_h", "kernel_w")):
        raise InvalidModelError("with global_pooling: true no kernel size may be given (pooling_layer.cpp)")
    param.ignore("avg_include_pad", "round_mode", "ceil_mode", "torch_pooling")
    pads = [param.integer("pad"), param.integer("pad_h"), param.integer("pad_w")]
    strides = [param.integer("stride"), param.optional_integer("stride_h") or 1, param.optional_integer("stride_w") or 1]
    if any(pads) or any(stride != 1 for stride in strides):
        raise InvalidModelError("with global_pooling: true pad must be 0 and stride 1 (pooling_layer.cpp)")
    if site.top_count > 1:
        raise site.unsupported("a mask of a global pooling is not taken")
    match method:
        case "MAX":
            return reduce_max(x, axes=(2, 3), keep_dims=True)
        case "AVE":
            return reduce_mean(x, axes=(2, 3), keep_dims=True)
        case _:
            raise site.unsupported(f"pool: {method} with global_pooling is not taken")


def _geometry(param: Message, x: Value) -> Geometry:
    window = _pair(param, "kernel", "kernel_size", None)
    strides = _pair(param, "stride", "stride", 1)
    pad = _pair(param, "pad", "pad", 0)
    require_positive("kernel and stride", *window, *strides)
    if any(p >= w for p, w in zip(pad, window, strict=True)):
        raise InvalidModelError(f"pad {list(pad)} must be smaller than the kernel {list(window)} (pooling_layer.cpp)")
    up = param.enum("round_mode") == "CEIL" and param.boolean("ceil_mode") and not param.boolean("torch_pooling")
    padding = tuple(
        (p, p + _overhang(size, w, s, p, up))
        for size, w, s, p in zip(x.shape[2:], window, strides, pad, strict=True)
    )
    return Geometry(window, strides, pad, padding)


def _pair(param: Message, short: str, name: str, default: int | None) -> tuple[int, int]:
    height, width = param.optional_integer(f"{short}_h"), param.optional_integer(f"{short}_w")
    both = param.optional_integer(name)
    if height is not None and width is not None:
        return height, width
    if both is None and default is None:
        raise InvalidModelError(f"{name}, or {short}_h and {short}_w, must be given (pooling_layer.cpp)")
    chosen = both if both is not None else default or 0
    return chosen, chosen


def _overhang(size: Dim, window: int, stride: int, pad: int, up: bool) -> int:
    """How far the last window reaches behind the padding; it must begin inside the input or its padding before."""
    divide = ceil_divide if up else floor_divide
    outputs = divide(size + 2 * pad - window, stride) + 1
    if pad:
        last = ceil_divide(size + pad, stride)  # windows that begin at or behind size + pad are left out
        outputs = minimum(outputs, last)
    reach = (outputs - 1) * stride + window
    overhang = reach - (size + 2 * pad)
    if isinstance(overhang, int):
        return overhang
    if equal(floor_divide(size + 2 * pad - window, stride), outputs - 1) is True:
        return 0
    raise InvalidModelError(
        f"how windows of {window} with stride {stride} cover the unknown size {size!r} decides the result",
        hint="give the input's shape with --input NAME=f32[...]",
    )


def _average(x: Value, geometry: Geometry, *, include_pad: bool) -> Value:
    counted = tuple((p, p) for p in geometry.pad) if include_pad else ((0, 0),) * len(geometry.pad)
    clipped = tuple(
        (before, min(after, pad_after))
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
    """In testing: the sum of squares over the sum of a window (pooling_layer.cu, StoPoolForwardTest)."""
    if any(geometry.pad):
        raise InvalidModelError("padding is only for average and max pooling (pooling_layer.cpp)")
    squares = _average(mul(x, x), geometry, include_pad=False)
    means = _average(x, geometry, include_pad=False)
    return div(squares, add(means, scalar_like(means, _SMALLEST)))


@handlers.layer("SPP")
def spatial_pyramid_pooling(site: Site, x: Value) -> Value:
    """Pools into 1, 4, 16, ... bins and joins them flat (spp_layer.cpp)."""
    require_axes(x, 4)
    param = site.param("spp_param")
    param.ignore("engine")
    height, width = known(x.shape[2], "the height"), known(x.shape[3], "the width")
    levels = [_spp_level(site, x, height, width, 2**level, param.enum("pool")) for level in range(_levels(param))]
    flat = [reshape(y, shape=(y.shape[0], y.shape[1] * y.shape[2] * y.shape[3])) for y in levels]
    return flat[0] if len(flat) == 1 else concat(*flat, axis=1)


def _levels(param: Message) -> int:
    levels = param.integer("pyramid_height")
    if not 1 <= levels <= 16:
        raise InvalidModelError(f"pyramid_height must lie in [1, 16], got {levels}")
    return levels


def _spp_level(site: Site, x: Value, height: int, width: int, bins: int, method: str) -> Value:
    window = (-(-height // bins), -(-width // bins))
    pad = ((window[0] * bins - height + 1) // 2, (window[1] * bins - width + 1) // 2)
    padding = tuple(
        (p, p + _overhang(size, w, w, p, True)) for size, w, p in zip((height, width), window, pad, strict=True)
    )
    geometry = Geometry(window, window, pad, padding)
    match method:
        case "MAX":
            return max_pool(x, window=window, strides=window, padding=padding, dilation=(1, 1))
        case "AVE":
            return _average(x, geometry, include_pad=True)
        case _:
            raise site.unsupported(f"pool: {method} in a pyramid is not taken")
