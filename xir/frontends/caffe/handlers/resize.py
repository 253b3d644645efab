"""Layers that change height and width: Interp, Upsample, Unpooling."""

from __future__ import annotations

import numpy as np

from xir.errors import InvalidModelError
from xir.frontends._handlers import Handlers
from xir.frontends.caffe.handlers._geometry import channel_count, known, pair, require_axes, require_positive
from xir.frontends.caffe.message import Message
from xir.frontends.caffe.site import Handler, Site
from xir.ir.constant import constant_of
from xir.ir.dims import Dim, floor_divide
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops.constant import constant, identity
from xir.ops.conv import conv_transpose
from xir.ops.elementwise import cast
from xir.ops.padding import pad
from xir.ops.pool import max_unpool
from xir.ops.resize import resize

handlers: Handlers[Handler] = Handlers("caffe")


@handlers.layer("Interp")
def interp(site: Site, x: Value) -> Value:
    """Bilinear interpolation with aligned corners, after cropping by negative pads (PSPNet's interp_layer.cpp)."""
    require_axes(x, 4)
    param = site.param("interp_param")
    before, after = param.integer("pad_beg"), param.integer("pad_end")
    if before > 0 or after > 0:
        raise InvalidModelError(f"pad_beg {before} and pad_end {after} must not be positive (interp_layer.cpp)")
    if before or after:
        x = pad(x, padding=((0, 0), (0, 0), (before, after), (before, after)))
    sizes = (_interp_size(param, x.shape[2], "height"), _interp_size(param, x.shape[3], "width"))
    return identity(x) if sizes == x.shape[2:] else resize(x, sizes=sizes, mode="linear", coordinates="align_corners")


def _interp_size(param: Message, size: Dim, name: str) -> Dim:
    """The result's size (interp_layer.cpp, Reshape): one factor alone, else height and width, else both factors."""
    shrink, zoom = param.optional_integer("shrink_factor"), param.optional_integer("zoom_factor")
    both = param.optional_integer("height"), param.optional_integer("width")
    if None not in both and (shrink is None) == (zoom is None):
        fixed = param.integer(name)
        require_positive(name, fixed)
        return fixed
    if shrink is None and zoom is None:
        raise InvalidModelError("shrink_factor, zoom_factor, or height and width must be given (interp_layer.cpp)")
    require_positive("shrink_factor and zoom_factor", shrink or 1, zoom or 1)
    small = floor_divide(size - 1, shrink or 1) + 1
    return small + (small - 1) * ((zoom or 1) - 1)


@handlers.layer("Upsample")
def upsample(site: Site, x: Value, mask: Value | None = None) -> Value:
    """With a mask: values back to where a max pooling took them; without: pixels repeated.

    The first is alexgkendall/caffe-segnet's upsample_layer.cpp, whose scale is 2 by default; the second is
    eric612/MobileNet-YOLO's, whose default is another, so that it must be given.
    """
    require_axes(x, 4)
    param = site.param("upsample_param")
    if mask is not None:
        return max_unpool(x, cast(mask, dtype=DType.INT64), spatial=_upsampled(param, x))
    mode = param.optional_text("mode")
    more = [name for name in ("upsample_h", "upsample_w", "pad_out_h", "pad_out_w") if param.has(name)]
    if mode not in (None, "", "nearest", "NEAREST") or more:
        raise site.unsupported(
            f"without a mask only whole repetitions are taken, got mode {mode!r}, {', '.join(more) or 'no size'}",
            "give scale alone, or the mask of the pooling as second bottom",
        )
    if not param.has("scale") and not param.has("scale_h"):
        raise InvalidModelError("scale must be given: forks have different defaults for it")
    height, width = _scales(param)
    sizes = (x.shape[2] * height, x.shape[3] * width)
    return resize(x, sizes=sizes, mode="nearest", coordinates="asymmetric", rounding="floor")


def _scales(param: Message) -> tuple[int, int]:
    height, width = param.optional_integer("scale_h"), param.optional_integer("scale_w")
    if (height is None) != (width is None):
        raise InvalidModelError("scale_h and scale_w must both be given (upsample_layer.cpp)")
    if height is not None and param.has("scale"):
        raise InvalidModelError("either scale, or scale_h and scale_w, may be given (upsample_layer.cpp)")
    both = param.integer("scale")
    scales = (both, both) if height is None or width is None else (height, width)
    require_positive("scale", *scales)
    return scales


def _upsampled(param: Message, x: Value) -> tuple[Dim, Dim]:
    """The size: upsample_h and upsample_w, else the scales less pad_out (caffe-segnet, LayerSetUp and Reshape)."""
    height, width = param.optional_integer("upsample_h"), param.optional_integer("upsample_w")
    cut = int(param.boolean("pad_out_h")), int(param.boolean("pad_out_w"))
    scales = _scales(param)
    if (height is None) != (width is None):
        raise InvalidModelError("upsample_h and upsample_w must both be given (upsample_layer.cpp)")
    if height is not None and width is not None:
        require_positive("upsample_h and upsample_w", height, width)
        return height, width
    if any(less and scale != 2 for less, scale in zip(cut, scales, strict=True)):
        raise InvalidModelError(f"pad_out_h and pad_out_w need scale 2, got {list(scales)} (upsample_layer.cpp)")
    return x.shape[2] * scales[0] - cut[0], x.shape[3] * scales[1] - cut[1]


@handlers.layer("Unpooling")
def unpooling(site: Site, x: Value, mask: Value | None = None) -> Value:
    """The way back from a pooling: MAX by mask or to the corner of each window, TILE, AVE.

    (unpooling_layer.cpp of HyeonwooNoh/caffe)
    """
    require_axes(x, 4)
    param = site.param("unpooling_param")
    window = pair(param, "kernel", "kernel_size", None)
    strides = pair(param, "stride", "stride", 1)
    if any(pair(param, "pad", "pad", 0)):
        raise InvalidModelError("only pad 0 is allowed (unpooling_layer.cpp)")
    require_positive("kernel and stride", *window, *strides)
    sizes = _unpooled(param, x, window, strides)
    method = param.enum("unpool")
    if method == "MAX" and mask is not None:
        return max_unpool(x, cast(mask, dtype=DType.INT64), spatial=sizes)
    return _spread_windows(site, x, (1, 1) if method == "MAX" else window, strides, sizes, method)


def _unpooled(param: Message, x: Value, window: tuple[int, int], strides: tuple[int, int]) -> tuple[int, int]:
    """The result's size: given, or max((n - 1) * stride + kernel, n * stride + 1) (unpooling_layer.cpp, Reshape)."""
    both = param.optional_integer("unpool_size")
    given = param.optional_integer("unpool_h"), param.optional_integer("unpool_w")
    if (both is not None and given != (None, None)) or (given[0] is None) != (given[1] is None):
        raise InvalidModelError("either unpool_size, or unpool_h and unpool_w, may be given (unpooling_layer.cpp)")
    sizes: list[int] = []
    for axis, fixed in enumerate((both, both) if both is not None else given):
        size = known(x.shape[axis + 2], "the size to unpool")
        least = max((size - 1) * strides[axis] + window[axis], size * strides[axis] + 1)
        sizes.append(least if fixed is None else fixed)
    return sizes[0], sizes[1]


def _spread_windows(
    site: Site, x: Value, window: tuple[int, int], strides: tuple[int, int], sizes: tuple[int, int], method: str
) -> Value:
    """Each element over its window, windows summed: a transposed convolution of every channel by itself."""
    channels = channel_count(x)
    reach = tuple(
        (known(size, "the size to unpool") - 1) * stride + extent
        for size, stride, extent in zip(x.shape[2:], strides, window, strict=True)
    )
    if any(size < least for size, least in zip(sizes, reach, strict=True)):
        raise site.unsupported(
            f"a result of {list(sizes)} cuts windows that reach {list(reach)}", "give a larger unpool_size"
        )
    value = 1.0 / (window[0] * window[1]) if method == "AVE" else 1.0
    kernel = constant(value=constant_of(np.full((channels, 1, *window), value, np.float32)))
    y = conv_transpose(
        x,
        kernel,
        strides=strides,
        padding=((0, 0), (0, 0)),
        dilation=(1, 1),
        output_padding=(0, 0),
        groups=channels,
    )
    after = tuple((0, size - least) for size, least in zip(sizes, reach, strict=True))
    return pad(y, padding=((0, 0), (0, 0), *after)) if any(more for _, more in after) else y
