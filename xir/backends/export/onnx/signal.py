"""ONNX forms of Fourier transforms and windows (opset 17; DFT's axis is an operand since 20)."""

from __future__ import annotations

from collections.abc import Mapping

from xir.backends.export.onnx._form import (
    Answer,
    Call,
    Forms,
    OnnxAttribute,
    Operand,
    Refusal,
    Sizes,
    literal,
    onnx_value,
    operand,
    whole,
)
from xir.ir.dims import as_dim
from xir.ir.node import Node
from xir.ir.types import DType
from xir.ops.signal import cosine_window, dft, mel_weight_matrix, stft

forms = Forms()


def _number(node: Node, index: int, name: str) -> Operand:
    """The run-time operand at `index`, else the attribute `name` as a scalar."""
    held = node.inputs[index]
    return held if held is not None else Sizes((as_dim(node.attributes[name]),), scalar=True)


@forms.of(dft)
def _dft(node: Node, opset: int) -> Answer:
    """DFT; without a length where the axis is as long by itself."""
    x, axis, place = operand(node), node.attributes["axis"], node.inputs[2]
    attributes: dict[str, OnnxAttribute] = {name: whole(node, name) for name in ("inverse", "onesided")}
    length: Operand = node.inputs[1]
    if length is None and isinstance(axis, int):
        size, have = as_dim(node.attributes["size"]), x.shape[axis]
        natural = (have - 1) * 2 if attributes["inverse"] and attributes["onesided"] else have
        length = None if size == natural else Sizes((size,), scalar=True)
    if opset >= 20:
        where: Operand = place if not isinstance(axis, int) else literal(axis, DType.INT64)
        return Call("DFT", (x, length, where), attributes)
    if not isinstance(axis, int):
        return Refusal("DFT with an axis that is computed at run time", 20)
    return Call("DFT", (x, length), {**attributes, "axis": axis})


@forms.of(stft)
def _stft(node: Node, opset: int) -> Answer:
    """STFT; the window tells the length of a frame where there is one."""
    window = node.inputs[1]
    length = _number(node, 3, "frame_length") if window is None or node.inputs[3] is not None else None
    inputs = (operand(node), _number(node, 2, "frame_step"), window, length)
    return Call("STFT", inputs, {"onesided": whole(node, "onesided")})


_WINDOWS: Mapping[str, str] = {"hann": "HannWindow", "hamming": "HammingWindow", "blackman": "BlackmanWindow"}


@forms.of(cosine_window)
def _cosine_window(node: Node, opset: int) -> Answer:
    """HannWindow, HammingWindow or BlackmanWindow."""
    attributes = {"periodic": whole(node, "periodic"), "output_datatype": onnx_value(node, "dtype")}
    return Call(_WINDOWS[str(node.attributes["kind"])], (_number(node, 0, "size"),), attributes)


forms.same(mel_weight_matrix, "MelWeightMatrix", output_datatype="dtype")
