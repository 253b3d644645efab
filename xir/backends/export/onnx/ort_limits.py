"""Where onnxruntime (1.31, on the CPU) has a kernel for the types, but not for all that ONNX's operator says.

Its kernels refuse these when a model is loaded or run, or compute something else; the table of types cannot tell. Each
rule was found by running the operator there; the words of its refusal, or the source file that it names, stand beside
it. A rule sees the node and what would be written of it, and answers None where the runtime takes that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from xir.backends.export.onnx._form import Answer, Call, Refusal, again, operand, whole
from xir.ir.constant import Constant, constant_of
from xir.ir.node import Node, Value
from xir.ir.types import DType
from xir.ops._build import scalar_like
from xir.ops._quantized import is_single
from xir.ops.cast import saturating_cast
from xir.ops.compare import greater, less, not_equal
from xir.ops.constant import constant
from xir.ops.elementwise import cast, mul, select, sub
from xir.ops.finding import nonzero
from xir.ops.shape import broadcast, reshape, slice_


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node stands.

    Attributes:
        opset: the operator set that is written.
        constant_of: the elements of a weight or literal, or None for what comes at run time.
    """

    opset: int
    constant_of: Callable[[Value], Constant | None]


Limit: TypeAlias = Callable[[Node, Call, Place], Answer | None]


def _recurrent(node: Node, call: Call, at: Place) -> Answer | None:
    """ONNX: 'clips the elements of a tensor in the range of [-threshold, +threshold] and is applied to the input of

    activations'; core/providers/cpu/rnn clips gates of an LSTM alone, and not where ONNX does. Its kernels of f64 are
    in the registry, but 'LSTM operator does not support double yet', and neither does GRU.
    """
    if "clip" in call.attributes:
        return Refusal(f"onnxruntime's {call.kind} does not clip the input of activations")
    if operand(node).dtype is DType.FLOAT64:
        return Refusal(f"onnxruntime's {call.kind} does not compute f64")
    return None


def _single(place: int) -> Limit:
    def limit(node: Node, call: Call, at: Place) -> Answer | None:
        """core/providers/cpu/quantization/conv_integer.cc, matmul_integer.cc, quantize_linear_matmul.cc."""
        zero_point = call.inputs[place] if len(call.inputs) > place else None
        if not isinstance(zero_point, Value) or is_single(zero_point):
            return None
        return Refusal(f"onnxruntime's {call.kind} takes one zero point for all of operand {place}")

    return limit


def _dft(node: Node, call: Call, at: Place) -> Answer | None:
    """core/providers/cpu/signal/dft.cc multiplies factors of f32 up, so that errors grow.

    The inverse of half a spectrum has other values where the length is not that of the spectrum.
    """
    length = call.inputs[1] if len(call.inputs) > 1 else None
    if whole(node, "inverse") and whole(node, "onesided") and length is not None:
        return Refusal("onnxruntime's DFT makes the whole of half a spectrum otherwise")
    return _transform(node, call, at)


def _transform(node: Node, call: Call, at: Place) -> Answer | None:
    if operand(node).dtype is DType.FLOAT32:
        return Refusal(f"onnxruntime's {call.kind} of f32 loses digits")
    return None


def _attention(node: Node, call: Call, at: Place) -> Answer | None:
    """'Unrecognized attribute: left_window_size for operator Attention', at opset 25 too."""
    windows = {"left_window_size", "right_window_size"} & call.attributes.keys()
    return Refusal("onnxruntime's Attention has no windows") if windows else None


def _lrn(node: Node, call: Call, at: Place) -> Answer | None:
    """core/providers/cpu/nn/lrn.h: 'size_ % 2 == 1 was false'."""
    return None if whole(node, "size") % 2 else Refusal("onnxruntime's LRN sums over odd numbers of channels")


def _cosine_window(node: Node, call: Call, at: Place) -> Answer | None:
    """A window of one point: 0 / 0 in the kernel."""
    return Refusal("onnxruntime's windows of one point are NaN") if node.attributes["size"] == 1 else None


def _affine_grid(node: Node, call: Call, at: Place) -> Answer | None:
    """A line of one point between the centres of corners: its kernel divides by the 0 steps."""
    spatial = node.attributes["spatial"]
    one = isinstance(spatial, tuple) and 1 in spatial
    if not (one and whole(node, "align_corners")) or node.inputs[1] is not None:
        return None
    return Refusal("onnxruntime's AffineGrid divides by the steps of a line between corners")


def _batch_norm(node: Node, call: Call, at: Place) -> Answer | None:
    """While training, its running statistics overwrite the operands that they continue, which others may read."""
    if "training_mode" not in call.attributes:
        return None
    return Refusal("onnxruntime's BatchNormalization overwrites the statistics that it is given")


_SUMMED: Final = (DType.FLOAT16, DType.BFLOAT16, DType.BOOL)


def _scatter(node: Node, call: Call, at: Place) -> Answer | None:
    """'MLFloat16 data type is not supported with ScatterElements opset 16 when reduction is ...'; ScatterND too."""
    if "reduction" not in call.attributes or operand(node).dtype not in _SUMMED:
        return None
    return Refusal(f"onnxruntime's {call.kind} reduces no {operand(node).dtype}")


def _grid_sample(node: Node, call: Call, at: Place) -> Answer | None:
    """core/providers/cpu/tensor/grid_sample.cc clamps each element that a cubic reads, ONNX the location."""
    if call.attributes.get("padding_mode") != "border" or call.attributes.get("mode") not in ("cubic", "bicubic"):
        return None
    return Refusal("onnxruntime's GridSample clamps what a cubic at the border reads, not the location")


def _resize(node: Node, call: Call, at: Place) -> Answer | None:
    """core/providers/cpu/tensor/upsample.cc aligns the corners of the whole sizes, ONNX those that `scales` make."""
    scales = node.attributes.get("scales")
    if not isinstance(scales, tuple) or call.attributes.get("coordinate_transformation_mode") != "align_corners":
        return None
    for size, scale in zip(operand(node).shape[2:], scales, strict=True):
        if isinstance(size, int) and isinstance(scale, float) and not (size * scale).is_integer():
            return Refusal("onnxruntime's Resize aligns corners by whole sizes where ONNX takes the scales")
    return None


def _nonzero(node: Node, call: Call, at: Place) -> Answer | None:
    """A scalar has a coordinate there; ONNX: 'for scalar input, NonZero produces output shape (0, N)'.

    What it has no kernel for is compared with 0 first.
    """
    x = operand(node)
    if x.rank:
        return nonzero(not_equal(x, scalar_like(x, 0))) if x.dtype in _UNCOUNTED else None
    found = nonzero(reshape(x, shape=(1,)))
    return slice_(found, axes=(0,), starts=(0,), stops=(0,), steps=(1,))


def _narrow_zero(node: Node, call: Call, at: Place) -> Answer | None:
    """QuantizeLinear leaves other zero points of narrow floats out, DequantizeLinear refuses them.

    core/providers/cpu/quantization/quantize_linear.cc: 'DequantizeLinear with type float8 should have no zero point or
    all zero points should be 0'.
    """
    zero_point = node.inputs[2]
    if zero_point is None or not zero_point.dtype.is_floating:
        return None
    held = at.constant_of(zero_point)
    if held is not None and not held.array().astype(np.float32).any():
        return None
    return Refusal(f"onnxruntime's {call.kind} takes no zero points of {zero_point.dtype} but 0")


def _cast(node: Node, call: Call, at: Place) -> Answer | None:
    """To its own element type onnxruntime copies, where ONNX's table of `saturate` makes infinity a number."""
    x = operand(node)
    if node.op.name != "saturating_cast" or x.dtype is not node.outputs[0].dtype:
        return None
    return saturating_cast(cast(x, dtype=DType.FLOAT32), dtype=x.dtype)


def _label_encoder(node: Node, call: Call, at: Place) -> Answer | None:
    """Before ai.onnx.ml 4 (released with opset 20), whose text says so, its kernel finds no NaN."""
    keys = node.attributes["keys"]
    if at.opset >= 20 or not isinstance(keys, Constant) or not keys.dtype.is_floating:
        return None
    return Refusal("onnxruntime's LabelEncoder finds no NaN", 20) if np.isnan(keys.array()).any() else None


def chosen(node: Node) -> Value:
    """Clip as two choices, which keep NaN: Clip-11 has a kernel of f32 alone."""
    x = operand(node)
    for name, beyond in (("minimum", less), ("maximum", greater)):
        bound = node.attributes[name]
        if isinstance(bound, float):
            limit = scalar_like(x, bound)
            x = select(beyond(x, limit), limit, x)
    return x


ORT_PIECES: Final[Mapping[str, Callable[[Node], Answer]]] = {"clip": chosen}
"""{operator: simpler ones for it where the runtime has no kernel and the operator no decomposition}."""

_UNCOUNTED: Final = (DType.FLOAT64, DType.UINT64, DType.UINT32)


def _conv_integer(node: Node, call: Call, at: Place) -> Answer | None:
    """core/providers/cpu/quantization/conv_integer.cc: no zero points of channels.

    The products with w less its zero points are those with w less the zero points times those with ones, all modulo
    2^32 as the sums are.
    """
    x, w, x_zero, w_zero = node.inputs
    if x is None or w is None or w_zero is None or is_single(w_zero):
        return None
    groups, window = whole(node, "groups"), tuple(size for size in w.shape[1:] if isinstance(size, int))
    outputs, result = w.shape[0], node.outputs[0]
    if len(window) != w.rank - 1 or not isinstance(outputs, int):
        return Refusal("onnxruntime's ConvInteger takes one zero point for all channels")
    ones = constant(value=constant_of(np.ones((groups, *window), w.dtype.dtype)))
    (plain,), (sums,) = again(node, (x, w, x_zero, None)), again(node, (x, ones, x_zero, None))
    spatial = result.shape[2:]
    shape = (result.shape[0], groups, outputs // groups, *spatial)
    each = broadcast(reshape(sums, shape=(result.shape[0], groups, 1, *spatial)), shape=shape)
    column = reshape(cast(w_zero, dtype=DType.INT32), shape=(1, groups, outputs // groups, *(1,) * len(spatial)))
    return sub(plain, reshape(mul(each, broadcast(column, shape=shape)), shape=result.shape))


def _clip(node: Node, call: Call, at: Place) -> Answer | None:
    """core/optimizer/relu_clip_fusion.cc: no bounds of other types than f32 and f16 behind a Relu; it stops loading."""
    x, low = operand(node), node.attributes["minimum"]
    if x.node is None or x.node.op.name != "relu" or x.dtype in (DType.FLOAT32, DType.FLOAT16):
        return None
    return again(node, x.node.inputs, minimum=max(low, 0.0) if isinstance(low, float) else 0.0)


ORT_LIMITS: Final[Mapping[str, Limit]] = {
    "AffineGrid": _affine_grid,
    "Attention": _attention,
    "BatchNormalization": _batch_norm,
    "BlackmanWindow": _cosine_window,
    "Cast": _cast,
    "Clip": _clip,
    "ConvInteger": _conv_integer,
    "DFT": _dft,
    "DequantizeLinear": _narrow_zero,
    "GRU": _recurrent,
    "HammingWindow": _cosine_window,
    "HannWindow": _cosine_window,
    "LRN": _lrn,
    "GridSample": _grid_sample,
    "LSTM": _recurrent,
    "LabelEncoder": _label_encoder,
    "MatMulInteger": _single(2),
    "NonZero": _nonzero,
    "QLinearMatMul": _single(2),
    "QuantizeLinear": _narrow_zero,
    "RNN": _recurrent,
    "Resize": _resize,
    "ScatterElements": _scatter,
    "ScatterND": _scatter,
    "STFT": _transform,
}
"""{ONNX's operator: why its kernel does not say what a node says, or None}."""
