"""Forms of convolutions over one, two and three axes; padding that is neither valid nor same stands in front."""

from __future__ import annotations

from xir.backends.export.forms import Table
from xir.backends.export.keras._form import Form, decomposed, layer
from xir.backends.export.nodes import with_gaps
from xir.backends.export.tflite._form import Answer, Laid, Refusal, again, channels_last, ints, operand, pairs, whole
from xir.backends.export.tflite.conv import scheme
from xir.flatbuffer.write import Content
from xir.ir.dims import Dim
from xir.ir.node import Node, Value
from xir.ops.conv import conv, conv_transpose
from xir.ops.elementwise import add
from xir.ops.shape import broadcast, pad, reshape, slice_

forms = Table[Form]()

_MOST = 5
"""Axes of the largest images that layers convolve."""


@forms.of(conv)
def _conv(node: Node) -> Answer:
    """Conv1D, Conv2D, Conv3D, DepthwiseConv1D, DepthwiseConv2D."""
    x, w, bias = operand(node), operand(node, 1), node.inputs[2]
    gaps, axes = ints(node, "input_dilation"), x.rank - 2
    if any(step != 1 for step in gaps):
        return again(node, (with_gaps(x, gaps), w, bias), input_dilation=(1,) * axes)
    if w.tensor.static_shape is None or not isinstance(x.shape[1], int) or x.rank > _MOST:
        return Refusal("a convolution of channels that are not known before the run, or over more than three axes")
    strides, dilation = ints(node, "strides"), ints(node, "dilation")
    if max(strides) > 1 and max(dilation) > 1:
        return _thinned(node)
    found = scheme(x.shape[2:], node.outputs[0].shape[2:], w.shape[2:], strides, pairs(node), dilation)
    if found is None:
        padded = pad(x, padding=((0, 0), (0, 0), *pairs(node)))
        return again(node, (padded, w, bias), padding=((0, 0),) * axes)
    return _as_layer(node, x.shape[1], w.tensor.static_shape, found.lower())


def _as_layer(node: Node, channels: int, sizes: tuple[int, ...], padding: str) -> Answer:
    """Kernels are [window..., I / groups, O], with a window of its own for each channel [window..., C, multiplier]."""
    x, w, bias = operand(node), operand(node, 1), node.inputs[2]
    strides, groups, last = ints(node, "strides"), whole(node, "groups"), channels_last(x.rank)
    config: dict[str, Content] = {
        "kernel_size": sizes[2:],
        "strides": strides,
        "padding": padding,
        "dilation_rate": ints(node, "dilation"),
        "use_bias": bias is not None,
    }
    weights = [Laid(w, (*range(2, x.rank), 1, 0)), *(() if bias is None else (bias,))]
    if groups == channels > 1 and x.rank < _MOST and len(set(strides)) == 1:
        multiplier = sizes[0] // groups
        shape = (*sizes[2:], channels, multiplier)
        config["depth_multiplier"] = multiplier
        return layer(f"DepthwiseConv{x.rank - 2}D", [Laid(x, last)], weights, last, shape, **config)
    config |= {"filters": sizes[0], "groups": groups}
    return layer(f"Conv{x.rank - 2}D", [Laid(x, last)], weights, last, **config)


def _thinned(node: Node) -> Value:
    """A convolution with strides and holes, which no layer has: every place, then those that count."""
    strides, dilation = ints(node, "strides"), ints(node, "dilation")
    x, w, result = operand(node), operand(node, 1), node.outputs[0]
    axes = tuple(range(2, x.rank))
    padding = tuple(
        (before, (size - 1) * stride + (window - 1) * step + 1 - old - before)
        for size, stride, window, step, old, (before, _) in zip(
            result.shape[2:], strides, w.shape[2:], dilation, x.shape[2:], pairs(node), strict=True
        )
    )
    (dense,) = again(node, node.inputs, strides=(1,) * len(axes), padding=padding)
    return slice_(
        dense, axes=axes, starts=(0,) * len(axes), stops=tuple(dense.shape[axis] for axis in axes), steps=strides
    )


@forms.of(conv_transpose)
def _conv_transpose(node: Node) -> Answer:
    """Conv1DTranspose, Conv2DTranspose, Conv3DTranspose: the whole result, cut; what it grows by is the bias."""
    x, w, bias = operand(node), operand(node, 1), node.inputs[2]
    sizes, axes, strides = w.tensor.static_shape, x.rank - 2, ints(node, "strides")
    plain = whole(node, "groups") == 1 and set(ints(node, "dilation")) == {1}
    if sizes is None or x.rank > _MOST or not isinstance(x.shape[1], int) or not plain:
        return decomposed(node)
    extra, padding = ints(node, "output_padding"), pairs(node)
    if any(extra) or any(pair != (0, 0) for pair in padding):
        ends: list[tuple[Dim, Dim]] = []
        for (before, after), more in zip(padding, extra, strict=True):
            ends.append((-before, more - after))
        grown = any(not isinstance(end, int) or end > 0 for pair in ends for end in pair)
        operands = x, w, None if grown else bias
        (complete,) = again(node, operands, padding=((0, 0),) * axes, output_padding=(0,) * axes)
        found = pad(complete, padding=((0, 0), (0, 0), *ends))
        if bias is None or not grown:
            return found
        return add(found, broadcast(reshape(bias, shape=(1, *bias.shape, *(1,) * axes)), shape=found.shape))
    config: dict[str, Content] = {"kernel_size": sizes[2:], "strides": strides, "filters": sizes[1]}
    if any(stride > window for stride, window in zip(strides, sizes[2:], strict=True)):
        config["output_padding"] = (0,) * axes
    last = channels_last(x.rank)
    weights = [Laid(w, (*range(2, x.rank), 1, 0)), *(() if bias is None else (bias,))]
    return layer(
        f"Conv{axes}DTranspose", [Laid(x, last)], weights, last, **config, padding="valid", use_bias=bias is not None
    )
