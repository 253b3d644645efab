"""Convolutions; kernels are [window..., I, O] but for Keras 1 with Theano's ordering: [O, I, window...]."""

from __future__ import annotations

from xir.frontends._handlers import Handlers
from xir.frontends.keras.handlers._activations import activated
from xir.frontends.keras.handlers._images import on_channels_second, padding_of
from xir.frontends.keras.site import Handler, Site
from xir.ir.dims import Dim
from xir.ir.node import Value
from xir.ops import conv
from xir.ops.shape import reshape, transpose

handlers: Handlers[Handler] = Handlers("keras")


def _groups(site: Site, x: Value) -> int:
    """The number of channels of [N, C, spatial...]."""
    channels = x.shape[1]
    if not isinstance(channels, int):
        site.refuse("a number of channels that is not known before the run")
    return channels


def _kernel(site: Site, window: tuple[int, ...], inputs: Dim, outputs: int) -> Value:
    """The layer's next weight as [O, I, window...]."""
    axes = len(window)
    if site.generation == 1 and axes == 1:
        held = site.weight("W", (window[0], 1, inputs, outputs))
        return transpose(reshape(held, shape=(window[0], inputs, outputs)), perm=(2, 1, 0))
    if site.generation == 1 and site.channels_first:
        return site.weight("W", (outputs, inputs, *window))
    held = site.weight("kernel", (*window, inputs, outputs))
    return transpose(held, perm=(axes + 1, axes, *range(axes)))


def _bias(site: Site, outputs: int) -> Value | None:
    return site.weight("bias", (outputs,)) if site.config.flag("use_bias", True) else None


@handlers.layer("Conv1D", "Conv2D", "Conv3D")
def convolution(site: Site, x: Value) -> Value:
    """Conv1D, Conv2D, Conv3D (keras/src/layers/convolutional/base_conv.py)."""
    axes = x.rank - 2
    outputs, groups = site.config.integer("filters"), site.config.integer("groups", 1)
    window = site.config.positive("kernel_size", axes)
    strides, dilation = site.config.positive("strides", axes, 1), site.config.positive("dilation_rate", axes, 1)
    site.check_plain()

    def compute(image: Value) -> Value:
        channels = _groups(site, image)
        if groups < 1 or channels % groups:
            site.invalid(f"{channels} channels do not make {groups} groups")
        kernel = _kernel(site, window, channels // groups, outputs)
        return conv.conv(
            image,
            kernel,
            _bias(site, outputs),
            strides=strides,
            padding=padding_of(site, image, window, strides, dilation),
            dilation=dilation,
            input_dilation=(1,) * axes,
            groups=groups,
        )

    return activated(site, on_channels_second(site, x, compute), site.config.raw("activation"))


@handlers.layer("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
def transposed(site: Site, x: Value) -> Value:
    """Conv1DTranspose and its kin; kernel [window..., O, I] (keras/src/backend/common/backend_utils.py)."""
    if site.generation == 1:
        site.refuse("a transposed convolution of Keras 1", "save the model with Keras 2")
    axes = x.rank - 2
    outputs = site.config.integer("filters")
    window = site.config.positive("kernel_size", axes)
    strides, dilation = site.config.positive("strides", axes, 1), site.config.positive("dilation_rate", axes, 1)
    extra = None if site.config.raw("output_padding") is None else site.config.integers("output_padding", axes)
    mode = site.config.word("padding", "valid", "valid", "same")
    site.check_plain()
    if site.config.integer("groups", 1) != 1:
        site.refuse("a transposed convolution in groups")

    def compute(image: Value) -> Value:
        held = site.weight("kernel", (*window, outputs, image.shape[1]))
        kernel = transpose(held, perm=(axes + 1, axes, *range(axes)))
        cuts: list[tuple[Dim, Dim]] = []
        for axis in range(axes):
            span = (window[axis] - 1) * dilation[axis] + 1
            cuts.append(_cut(span, strides[axis], mode, None if extra is None else extra[axis]))
        return conv.conv_transpose(
            image,
            kernel,
            _bias(site, outputs),
            strides=strides,
            padding=tuple(cuts),
            dilation=dilation,
            output_padding=(0,) * axes,
            groups=1,
        )

    return activated(site, on_channels_second(site, x, compute), site.config.raw("activation"))


def _cut(span: int, stride: int, mode: str, extra: int | None) -> tuple[int, int]:
    """What is cut off before and behind the whole result, (size - 1) * stride + span long (negative: added).

    Sizes are those of `compute_conv_transpose_output_shape`: size * stride with "same", and max(span - stride, 0) more
    with "valid"; an output padding gives (size - 1) * stride + span + extra, less 2 * (span // 2) with "same". What is
    cut before is half of max(whole - size, 0), as the gradient of a convolution with that padding has it.
    """
    if extra is None:
        total = span - stride if mode == "same" else min(span - stride, 0)
    else:
        total = (2 * (span // 2) if mode == "same" else 0) - extra
    before = max(total, 0) // 2 if mode == "same" else 0
    return before, total - before


@handlers.layer("DepthwiseConv1D", "DepthwiseConv2D")
def depthwise(site: Site, x: Value) -> Value:
    """DepthwiseConv1D, DepthwiseConv2D; kernel [window..., C, multiplier]."""
    axes = x.rank - 2
    result = on_channels_second(site, x, lambda image: _depthwise(site, image, axes, with_bias=True))
    return activated(site, result, site.config.raw("activation"))


def _depthwise(site: Site, image: Value, axes: int, *, with_bias: bool) -> Value:
    window, strides = site.config.positive("kernel_size", axes), site.config.positive("strides", axes, 1)
    dilation, multiplier = site.config.positive("dilation_rate", axes, 1), site.config.integer("depth_multiplier", 1)
    site.config.ignore("filters", "groups")
    channels = _groups(site, image)
    held = site.weight("depthwise_kernel", (*window, channels, multiplier))
    outputs = channels * multiplier
    flat = reshape(held, shape=(*window, 1, outputs))
    kernel = transpose(flat, perm=(axes + 1, axes, *range(axes)))
    return conv.conv(
        image,
        kernel,
        _bias(site, outputs) if with_bias else None,
        strides=strides,
        padding=padding_of(site, image, window, strides, dilation),
        dilation=dilation,
        input_dilation=(1,) * axes,
        groups=channels,
    )


@handlers.layer("SeparableConv1D", "SeparableConv2D")
def separable(site: Site, x: Value) -> Value:
    """SeparableConv1D, SeparableConv2D: a depthwise convolution and one of 1 x 1 behind it."""
    axes = x.rank - 2
    if site.generation == 1:
        site.refuse("a separable convolution of Keras 1", "save the model with Keras 2")
    outputs = site.config.integer("filters")

    def compute(image: Value) -> Value:
        middle = _depthwise(site, image, axes, with_bias=False)
        held = site.weight("pointwise_kernel", (*(1,) * axes, middle.shape[1], outputs))
        return conv.conv(
            middle,
            transpose(held, perm=(axes + 1, axes, *range(axes))),
            _bias(site, outputs),
            strides=(1,) * axes,
            padding=((0, 0),) * axes,
            dilation=(1,) * axes,
            input_dilation=(1,) * axes,
            groups=1,
        )

    return activated(site, on_channels_second(site, x, compute), site.config.raw("activation"))
