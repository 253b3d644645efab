"""ONNX forms of convolutions; what ONNX's own cannot say becomes slices and pads around it."""

from __future__ import annotations

from xir.backends.export.nodes import with_gaps
from xir.backends.export.onnx._form import Answer, Call, Forms, OnnxAttribute, again, ints, onnx_value, operand, whole
from xir.backends.export.onnx._windows import flat_pads, known_padding, none, padded, padding_of, pads_attribute
from xir.ir.node import Node, Value
from xir.ops.conv import conv, conv_transpose
from xir.ops.shape import reshape

forms = Forms()


def _window(w: Value) -> dict[str, OnnxAttribute]:
    """`kernel_shape` where the weights' window is known; ONNX infers it from the weights otherwise."""
    window = tuple(size for size in w.shape[2:] if isinstance(size, int))
    return {"kernel_shape": window} if len(window) == w.rank - 2 else {}


@forms.of(conv)
def _conv(node: Node, opset: int) -> Answer:
    """Conv; input dilation, and negative or unknown padding, are brought about first."""
    x, w, bias = operand(node), operand(node, 1), node.inputs[2]
    gaps, padding = ints(node, "input_dilation"), padding_of(node)
    if any(step != 1 for step in gaps):
        return again(node, (with_gaps(x, gaps), w, bias), input_dilation=(1,) * len(gaps))
    pads = pads_attribute(x, node, w.shape[2:], padding)
    if pads is None:
        return again(node, (padded(x, padding), w, bias), padding=none(padding))
    attributes: dict[str, OnnxAttribute] = {
        **_window(w),
        "strides": onnx_value(node, "strides"),
        **pads,
        "dilations": onnx_value(node, "dilation"),
        "group": whole(node, "groups"),
    }
    return Call("Conv", (x, w) if bias is None else (x, w, bias), attributes)


@forms.of(conv_transpose)
def _conv_transpose(node: Node, opset: int) -> Answer:
    """ConvTranspose; negative or unknown padding is brought about behind it.

    onnxruntime wants the output padding smaller than the stride or the dilation, as PyTorch does; more is padding too.
    """
    x, w, bias = operand(node), operand(node, 1), node.inputs[2]
    padding, extra = padding_of(node), ints(node, "output_padding")
    strides, dilation = ints(node, "strides"), ints(node, "dilation")
    known = known_padding(padding)
    small = all(e < max(s, d) for e, s, d in zip(extra, strides, dilation, strict=True))
    if known is None or not small:
        return _padded_result(node, x, w, bias)
    attributes: dict[str, OnnxAttribute] = {
        **_window(w),
        "strides": strides,
        "pads": flat_pads(known),
        "dilations": dilation,
        "output_padding": extra,
        "group": whole(node, "groups"),
    }
    return Call("ConvTranspose", (x, w) if bias is None else (x, w, bias), attributes)


def _padded_result(node: Node, x: Value, w: Value, bias: Value | None) -> Answer:
    """The whole result without bias, cut or padded with zeros, the bias added behind it."""
    from xir.ops.elementwise import add
    from xir.ops.shape import broadcast

    padding, extra = padding_of(node), ints(node, "output_padding")
    (full,) = again(node, (x, w, None), padding=none(padding), output_padding=(0,) * len(extra))
    cut = tuple((-before, more - after) for (before, after), more in zip(padding, extra, strict=True))
    result = padded(full, cut)
    if bias is None:
        return result
    column = reshape(bias, shape=(bias.shape[0], *(1,) * (result.rank - 2)))
    return add(result, broadcast(column, shape=result.shape))
