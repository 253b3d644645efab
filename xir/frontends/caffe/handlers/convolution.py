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
from xir.ops.shape import reshape

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
    """Convolution over three spatial axes, with C3D's parameters (convolution3d_layer.cpp of Cambricon/caffe).

    `filter_group` only cuts the work into pieces: every filter reads all channels (facebookarchive/C3D has it too).
    The bias may be [1, 1, 1, 1, N].
    """
    param = site.param("convolution3d_param")
    if x.rank != 5:
        raise InvalidModelError(f"[N, C, L, H, W] is needed, got {x.type!r}")
    size, depth = param.integer("kernel_size"), param.integer("kernel_depth")
    stride, temporal_stride = param.integer("stride"), param.integer("temporal_stride")
    pad, temporal_pad = param.integer("pad"), param.integer("temporal_pad")
    groups, outputs = param.integer("filter_group"), param.integer("num_output")
    require_positive("num_output and filter_group", outputs, groups)
    if outputs % groups:
        raise InvalidModelError(f"{outputs} outputs do not divide into {groups} filter groups")
    w = site.weight(0, "weight", (outputs, channel_count(x), depth, size, size), param.message("weight_filler"))
    return conv(
        x,
        w,
        _bias_3d(site, outputs, param) if param.boolean("bias_term") else None,
        strides=(temporal_stride, stride, stride),
        padding=((temporal_pad, temporal_pad), (pad, pad), (pad, pad)),
        dilation=(1, 1, 1),
        input_dilation=(1, 1, 1),
        groups=1,
    )


def _bias_3d(site: Site, outputs: int, param: Message) -> Value:
    held = site.layer.blobs[1].shape if site.blob_count > 1 else ()
    shape = (1, 1, 1, 1, outputs) if len(held) == 5 else (outputs,)
    bias = site.weight(1, "bias", shape, param.message("bias_filler"))
    return bias if bias.rank == 1 else reshape(bias, shape=(outputs,))


@handlers.layer("ConvolutionDepthwise")
@handlers.layer("DepthwiseConvolution")
def depthwise_convolution(site: Site, x: Value) -> Value:
    """Convolution with one group a channel; `group` may be left out (the forks' depthwise_conv_layer.cpp).

    The layer counts on one group a channel, so another `group` is refused.
    """
    declared = site.param("convolution_param").integer("group")
    if declared not in (1, channel_count(x)):
        raise InvalidModelError(f"group {declared} for {channel_count(x)} channels; expected one group a channel")
    return _convolution(site, x, channel_count(x))


def _channels(x: Value, groups: int, outputs: int) -> int:
    channels = channel_count(x)
    require_positive("num_output and group", outputs, groups)
    if channels % groups or outputs % groups:
        raise InvalidModelError(
            f"{channels} channels and {outputs} outputs do not divide into {groups} groups",
            hint=f"`group` must divide the channels of the bottom ({channels}) and num_output ({outputs}): is it "
            "the right bottom?",
        )
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
