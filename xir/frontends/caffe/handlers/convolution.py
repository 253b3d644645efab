"""Convolution, Deconvolution, their depthwise kin, and Im2col (base_conv_layer.cpp, im2col_layer.cpp)."""

from __future__ import annotations

from xir.errors import InvalidModelError
from xir.frontends._handlers import Handlers
from xir.frontends.caffe.handlers._geometry import canonical_axis, channel_count, per_axis, require_positive
from xir.frontends.caffe.handlers.activation import relu_or_leaky
from xir.frontends.caffe.message import Message
from xir.frontends.caffe.site import Handler, Site
from xir.ir.node import Value
from xir.ops.conv import conv, conv_transpose, im2col

handlers: Handlers[Handler] = Handlers("caffe")

_TUNING = ("engine", "force_nd_im2col", "cudnn_convolution_algo_seeker", "conv_algos_override", "conv_algorithm")


class _Windows:
    """The geometry that all these layers share."""

    def __init__(self, site: Site, param: Message, x: Value) -> None:
        if canonical_axis(x, param.integer("axis")) != 1:
            raise site.unsupported("only channel axis 1 is taken", "every published net uses axis: 1")
        self.axes = x.rank - 2
        if self.axes < 1:
            raise InvalidModelError(f"at least 3 axes are needed, got {x.type!r}")
        self.kernel = per_axis(param, "kernel_size", self.axes, None, "kernel")
        self.strides = per_axis(param, "stride", self.axes, 1, "stride")
        self.pad = per_axis(param, "pad", self.axes, 0, "pad")
        self.dilation = per_axis(param, "dilation", self.axes, 1, "dilation")
        require_positive("kernel, stride and dilation", *self.kernel, *self.strides, *self.dilation)

    @property
    def padding(self) -> tuple[tuple[int, int], ...]:
        return tuple((pad, pad) for pad in self.pad)


@handlers.layer("Convolution")
def convolution(site: Site, *xs: Value) -> list[Value]:
    """Convolution of each bottom with the same weights; intel's fused `relu` is a node of its own."""
    return [_convolution(site, x, None) for x in xs]


@handlers.layer("Convolution3D")
def convolution_3d(site: Site, x: Value) -> Value:
    """Convolution over three spatial axes; the parameters are those of Convolution in C3D's spelling."""
    param = site.param("convolution3d_param")
    if x.rank != 5:
        raise InvalidModelError(f"[N, C, L, H, W] is needed, got {x.type!r}")
    size, depth = param.integer("kernel_size"), param.integer("kernel_depth")
    stride, temporal_stride = param.integer("stride"), param.integer("temporal_stride")
    pad, temporal_pad = param.integer("pad"), param.integer("temporal_pad")
    groups, outputs = param.integer("filter_group"), param.integer("num_output")
    channels = _channels(x, groups, outputs)
    w = site.weight(0, "weight", (outputs, channels // groups, depth, size, size), param.message("weight_filler"))
    bias = site.weight(1, "bias", (outputs,), param.message("bias_filler")) if param.boolean("bias_term") else None
    return conv(
        x,
        w,
        bias,
        strides=(temporal_stride, stride, stride),
        padding=((temporal_pad, temporal_pad), (pad, pad), (pad, pad)),
        dilation=(1, 1, 1),
        input_dilation=(1, 1, 1),
        groups=groups,
    )


@handlers.layer("ConvolutionDepthwise")
@handlers.layer("DepthwiseConvolution")
def depthwise_convolution(site: Site, x: Value) -> Value:
    """Convolution with one group a channel; `group` may be left out (the forks' depthwise_conv_layer.cpp)."""
    return _convolution(site, x, channel_count(x))


def _channels(x: Value, groups: int, outputs: int) -> int:
    channels = channel_count(x)
    require_positive("num_output and group", outputs, groups)
    if channels % groups or outputs % groups:
        raise InvalidModelError(f"{channels} channels and {outputs} outputs do not divide into {groups} groups")
    return channels


def _convolution(site: Site, x: Value, groups: int | None) -> Value:
    param = site.param("convolution_param")
    param.ignore(*_TUNING)
    windows = _Windows(site, param, x)
    outputs = param.integer("num_output")
    declared = param.integer("group")
    chosen = declared if groups is None else groups
    channels = _channels(x, chosen, outputs)
    w = site.weight(0, "weight", (outputs, channels // chosen, *windows.kernel), param.message("weight_filler"))
    bias = site.weight(1, "bias", (outputs,), param.message("bias_filler")) if param.boolean("bias_term") else None
    y = conv(
        x,
        w,
        bias,
        strides=windows.strides,
        padding=windows.padding,
        dilation=windows.dilation,
        input_dilation=(1,) * windows.axes,
        groups=chosen,
    )
    return relu_or_leaky(y, param.number("negative_slope")) if param.boolean("relu") else y


@handlers.layer("Deconvolution")
def deconvolution(site: Site, *xs: Value) -> list[Value]:
    """The transposed convolution; output size stride * (in - 1) + extent - 2 * pad (deconv_layer.cpp)."""
    param = site.param("convolution_param")
    param.ignore(*_TUNING)
    made: list[Value] = []
    for x in xs:
        windows = _Windows(site, param, x)
        outputs, groups = param.integer("num_output"), param.integer("group")
        channels = _channels(x, groups, outputs)
        w = site.weight(0, "weight", (channels, outputs // groups, *windows.kernel), param.message("weight_filler"))
        bias = site.weight(1, "bias", (outputs,), param.message("bias_filler")) if param.boolean("bias_term") else None
        y = conv_transpose(
            x,
            w,
            bias,
            strides=windows.strides,
            padding=windows.padding,
            dilation=windows.dilation,
            output_padding=(0,) * windows.axes,
            groups=groups,
        )
        made.append(y)
    return made


@handlers.layer("Im2col")
def im2col_layer(site: Site, x: Value) -> Value:
    """Windows as columns: [N, C * kernel, out...] (im2col_layer.cpp); uses convolution_param."""
    param = site.param("convolution_param")
    param.ignore(*_TUNING, "num_output", "bias_term", "group")
    windows = _Windows(site, param, x)
    return im2col(x, window=windows.kernel, strides=windows.strides, padding=windows.padding, dilation=windows.dilation)
