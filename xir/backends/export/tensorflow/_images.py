"""Operators of images and matrix products in TensorFlow's words: images [N, h, w, C], weights [h, w, I, O]."""

from __future__ import annotations

from collections.abc import Mapping

from xir.backends.export.tensorflow._nodes import Attribute, Nodes, Rule, fields_of, number_in, real_in
from xir.backends.export.tflite._plan import Record
from xir.ir.types import DType

_F32, _I32 = DType.FLOAT32, DType.INT32


def _padding(record: Record) -> str:
    return str(fields_of(record)["padding"])


def _steps(record: Record, what: str, axes: str, default: int = 1) -> list[int]:
    return [1, *(number_in(record, what.format(axis), default) for axis in axes), 1]


def _biased(nodes: Nodes, record: Record, index: int, made: str) -> str:
    """The result with its bias; one of zeros is left out."""
    if len(record.inputs) <= index:
        return made
    held = nodes.tensor(record.inputs[index]).constant
    if held is not None and not held.array().any():
        return made
    return nodes.node("BiasAdd", (made, nodes.read(record.inputs[index])), T=_F32)


def _conv(nodes: Nodes, record: Record) -> str:
    x, w = record.inputs[:2]
    made = nodes.node(
        "Conv2D",
        (nodes.read(x), nodes.read(w, (1, 2, 3, 0))),
        T=_F32,
        strides=_steps(record, "stride_{}", "hw"),
        padding=_padding(record),
        dilations=_steps(record, "dilation_{}_factor", "hw"),
    )
    return _biased(nodes, record, 2, made)


def _depthwise(nodes: Nodes, record: Record) -> str:
    """Weights [1, h, w, C * m] as [h, w, C, m]."""
    x, w = record.inputs[:2]
    _, height, width, made = nodes.tensor(w).shape
    multiplier = number_in(record, "depth_multiplier", 1)
    channels = made // multiplier if isinstance(made, int) else made
    sizes = [size for size in (height, width, channels, multiplier) if isinstance(size, int)]
    weights = nodes.node("Reshape", (nodes.read(w), nodes.numbers(sizes)), T=_F32, Tshape=_I32)
    strides, dilations = _steps(record, "stride_{}", "hw"), _steps(record, "dilation_{}_factor", "hw")
    attributes: dict[str, Attribute] = {"strides": strides, "padding": _padding(record), "dilations": dilations}
    return _biased(
        nodes, record, 2, nodes.node("DepthwiseConv2dNative", (nodes.read(x), weights), T=_F32, **attributes)
    )


def _conv_3d(nodes: Nodes, record: Record) -> str:
    inputs = [nodes.read(number) for number in record.inputs[:2]]
    strides = _steps(record, "stride_{}", "dhw")
    made = nodes.node("Conv3D", inputs, T=_F32, strides=strides, padding=_padding(record))
    return _biased(nodes, record, 2, made)


def _transpose_conv(nodes: Nodes, record: Record) -> str:
    """Weights [O, h, w, I] as [h, w, O, I]."""
    sizes, w, x = record.inputs[:3]
    inputs = (nodes.read(sizes), nodes.read(w, (1, 2, 0, 3)), nodes.read(x))
    strides = _steps(record, "stride_{}", "hw")
    made = nodes.node("Conv2DBackpropInput", inputs, T=_F32, strides=strides, padding=_padding(record))
    return _biased(nodes, record, 3, made)


def _pool(op: str) -> Rule:
    def rule(nodes: Nodes, record: Record) -> str:
        window = [1, number_in(record, "filter_height"), number_in(record, "filter_width"), 1]
        attributes: dict[str, Attribute] = {"ksize": window, "strides": _steps(record, "stride_{}", "hw")}
        return nodes.node(op, (nodes.read(record.inputs[0]),), T=_F32, padding=_padding(record), **attributes)

    return rule


def _resize(op: str) -> Rule:
    def rule(nodes: Nodes, record: Record) -> str:
        inputs = [nodes.read(number) for number in record.inputs]
        flags = {name: bool(fields_of(record).get(name)) for name in ("align_corners", "half_pixel_centers")}
        return nodes.node(op, inputs, T=_F32, **flags)

    return rule


def _blocks(op: str) -> Rule:
    def rule(nodes: Nodes, record: Record) -> str:
        return nodes.node(op, (nodes.read(record.inputs[0]),), T=_F32, block_size=number_in(record, "block_size"))

    return rule


def _lrn(nodes: Nodes, record: Record) -> str:
    reals = {name: real_in(record, name) for name in ("bias", "alpha", "beta")}
    x = nodes.read(record.inputs[0])
    return nodes.node("LRN", (x,), T=_F32, depth_radius=number_in(record, "radius"), **reals)


def _fully_connected(nodes: Nodes, record: Record) -> str:
    """Weights [O, I], which are turned around where the product is taken."""
    x, w = record.inputs[:2]
    inputs = (nodes.read(x), nodes.read(w))
    if len(nodes.tensor(x).shape) == 2:
        made = nodes.node("MatMul", inputs, T=_F32, transpose_b=True)
    else:
        made = nodes.node("BatchMatMulV2", inputs, T=_F32, adj_y=True)
    return _biased(nodes, record, 2, made)


def _batch_matmul(nodes: Nodes, record: Record) -> str:
    inputs = [nodes.read(number) for number in record.inputs]
    return nodes.node("BatchMatMulV2", inputs, T=_F32, adj_y=bool(fields_of(record).get("adj_y")))


IMAGES: Mapping[str, Rule] = {
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise,
    "CONV_3D": _conv_3d,
    "TRANSPOSE_CONV": _transpose_conv,
    "MAX_POOL_2D": _pool("MaxPool"),
    "AVERAGE_POOL_2D": _pool("AvgPool"),
    "RESIZE_BILINEAR": _resize("ResizeBilinear"),
    "RESIZE_NEAREST_NEIGHBOR": _resize("ResizeNearestNeighbor"),
    "DEPTH_TO_SPACE": _blocks("DepthToSpace"),
    "SPACE_TO_DEPTH": _blocks("SpaceToDepth"),
    "LOCAL_RESPONSE_NORMALIZATION": _lrn,
    "FULLY_CONNECTED": _fully_connected,
    "BATCH_MATMUL": _batch_matmul,
}
"""{operator of the plan: its nodes}."""
