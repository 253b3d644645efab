"""ONNX files at the borders of the format: text that is none, numbers that overflow, names that hide names.

Written by hand where onnx's own classes would refuse to write it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.frontends.caffe.encoding import field_bytes, tag, varint
from tests.hostile.case import Case, case
from tests.hostile.onnx_files import model, value

RIGHT = np.ones(20, np.float32).tobytes()
NO_TEXT = b"a\xff\xfe\x80"
"""Bytes that are no UTF-8."""

MOST = 2**63 - 1


def borders() -> Iterator[Case]:
    """All of them."""
    for name, data, refused in (*_sparse(), *_texts(), *_types(), *_tensors(), *_quantized()):
        yield case(name, "m.onnx", data, refused=refused)


Made = tuple[str, bytes, bool]


def _sparse() -> Iterator[Made]:
    """Sparse initializers: places outside, twice, unsorted, of other types; shapes that overflow."""

    def made(
        dims: Sequence[int],
        places: object,
        *,
        values: np.ndarray | None = None,
        index: type[np.generic] = np.int64,
        name: str = "w",
    ) -> bytes:
        tensor = onnx.SparseTensorProto(dims=dims)
        tensor.values.CopyFrom(numpy_helper.from_array(np.ones(2, np.float32) if values is None else values, name))
        tensor.indices.CopyFrom(numpy_helper.from_array(np.asarray(places, index), "i"))
        return _with_sparse(tensor)

    yield "sparse: right", made([3, 4], [1, 5]), False
    yield "sparse: right by coordinates", made([3, 4], [[0, 1], [2, 3]]), False
    wrong: dict[str, bytes] = {
        "place at the end": made([3, 4], [1, 12]),
        "place below 0": made([3, 4], [-1, 5]),
        "place of 63 bits": made([3, 4], [1, MOST]),
        "the least place": made([3, 4], [-MOST - 1, 5]),
        "places backwards": made([3, 4], [5, 1]),
        "a place twice": made([3, 4], [5, 5]),
        "coordinate outside": made([3, 4], [[0, 1], [2, 4]]),
        "coordinate below 0": made([3, 4], [[0, -1], [2, 3]]),
        "coordinates of 63 bits": made([3, 4], [[0, MOST], [MOST, 3]]),
        "coordinates of one axis more": made([3, 4], [[0, 1, 0], [2, 3, 0]]),
        "coordinates of one axis": made([3, 4], [[1], [5]]),
        "more places than values": made([3, 4], [1, 2, 3]),
        "no places": made([3, 4], np.zeros(0)),
        "a cube of places": made([3, 4], [[[0, 1], [2, 3]]]),
        "places of 32 bits": made([3, 4], [1, 5], index=np.int32),
        "places that are no whole numbers": made([3, 4], [1.0, 5.0], index=np.float32),
        "values in a table": made([3, 4], [1, 5], values=np.ones((2, 1), np.float32)),
        "one value without an axis": made([3, 4], 1, values=np.ones((), np.float32)),
        "dims that overflow": made([1 << 32, 1 << 32], [1, 5]),
        "dims that overflow to 0": made([1 << 32, 1 << 31, 2], [[0, 0, 0], [1, 1, 1]]),
        "dims of 2^62": made([1 << 62], [1, 5]),
        "dims of 8 GB": made([1 << 31], [1, 5]),
        "dims below 0": made([-3, 4], [1, 5]),
        "no dims": made([], [1, 5]),
        "a dim of 0": made([0, 4], [1, 5]),
        "a dim of 0, coordinates": made([0, 4], [[0, 1], [0, 3]]),
        "a hundred dims": made([1] * 100, [[0] * 100, [0] * 100]),
        "no name": made([3, 4], [1, 5], name=""),
    }
    yield from ((f"sparse: {name}", data, True) for name, data in wrong.items())
    only = onnx.SparseTensorProto(dims=[3, 4], values=numpy_helper.from_array(np.ones(2, np.float32), "w"))
    yield "sparse: no indices at all", _with_sparse(only), True
    yield "sparse: nothing at all", _with_sparse(onnx.SparseTensorProto()), True
    text = onnx.SparseTensorProto(dims=[3, 4])
    text.values.CopyFrom(TensorProto(name="w", data_type=TensorProto.STRING, dims=[2], string_data=[b"a", b"b"]))
    text.indices.CopyFrom(numpy_helper.from_array(np.array([1, 5]), "i"))
    yield "sparse: of text", _with_sparse(text), False
    twice = onnx.ModelProto.FromString(made([3, 4], [1, 5]))
    twice.graph.sparse_initializer.append(twice.graph.sparse_initializer[0])
    yield "sparse: twice", twice.SerializeToString(), True


def _with_sparse(tensor: onnx.SparseTensorProto) -> bytes:
    nodes = [helper.make_node("Shape", ["w"], ["s"]), helper.make_node("Add", ["s", "x"], ["y"])]
    held = model(nodes, [value("x", [2], 7)], [value("y", None, 7)])
    held.graph.sparse_initializer.append(tensor)
    return held.SerializeToString()


def _texts() -> Iterator[Made]:
    """Strings that are no UTF-8, in every place where a string may stand."""
    relu = field_bytes(1, b"x") + field_bytes(2, b"y") + field_bytes(4, b"Relu")
    info = {name: value(name, [4]).SerializeToString() for name in ("x", "y")}
    ends = field_bytes(11, info["x"]) + field_bytes(12, info["y"])
    graph = field_bytes(1, relu) + field_bytes(2, b"g") + ends

    def whole(graph: bytes = graph, *, more: bytes = b"", opset: bytes = b"\x10\x15") -> bytes:
        return b"\x08\x0a" + field_bytes(7, graph) + field_bytes(8, opset) + more

    def with_node(node: bytes) -> bytes:
        return whole(field_bytes(1, node) + field_bytes(2, b"g") + ends)

    shape = field_bytes(1, field_bytes(2, NO_TEXT))
    named = field_bytes(1, b"x") + field_bytes(2, field_bytes(1, tag(1, 0) + varint(1) + field_bytes(2, shape)))
    places: dict[str, tuple[bytes, bool]] = {
        "the name of the graph": (whole(field_bytes(1, relu) + field_bytes(2, NO_TEXT) + ends), True),
        "the name of a node": (with_node(relu + field_bytes(3, NO_TEXT)), True),
        "an operator": (with_node(relu + field_bytes(4, NO_TEXT)), True),
        "a domain": (with_node(relu + field_bytes(7, NO_TEXT)), True),
        "an overload": (with_node(relu + field_bytes(8, NO_TEXT)), True),
        "an operand": (with_node(relu + field_bytes(1, NO_TEXT)), True),
        "a result": (with_node(relu + field_bytes(2, NO_TEXT)), True),
        "an attribute's name": (with_node(relu + field_bytes(5, field_bytes(1, NO_TEXT) + tag(20, 0) + b"\x02")), True),
        "the key of a node's metadata": (with_node(relu + field_bytes(9, field_bytes(1, NO_TEXT))), True),
        "a node's metadata": (with_node(relu + field_bytes(9, field_bytes(1, b"k") + field_bytes(2, NO_TEXT))), False),
        "a description": (with_node(relu + field_bytes(6, NO_TEXT)), False),
        "the name of an input": (whole(graph + field_bytes(11, field_bytes(1, NO_TEXT))), True),
        "the name of a size": (whole(field_bytes(1, relu) + field_bytes(11, named) + field_bytes(12, info["y"])), True),
        "the name of a weight": (whole(graph + field_bytes(5, field_bytes(8, NO_TEXT))), True),
        "the producer": (whole(more=field_bytes(2, NO_TEXT)), True),
        "the key of metadata": (whole(more=field_bytes(14, field_bytes(1, NO_TEXT))), True),
        "metadata": (whole(more=field_bytes(14, field_bytes(1, b"k") + field_bytes(2, NO_TEXT))), False),
        "an operator set": (whole(more=field_bytes(8, field_bytes(1, NO_TEXT) + b"\x10\x01")), True),
        "the name of a function": (whole(more=field_bytes(25, field_bytes(1, NO_TEXT))), True),
    }
    for name, (data, refused) in places.items():
        yield f"no UTF-8: {name}", data, refused
    for number, what in ((3, "VARINT"), (4, "group"), (6, "unknown"), (7, "unknown")):
        yield f"a field of wire type {number} ({what})", whole(more=tag(14, number) + b"\0"), True
    yield "an unknown field of the model", whole(more=field_bytes(99, b"")), True
    yield "an unknown field of a node", with_node(relu + field_bytes(99, b"")), True
    twice = field_bytes(5, field_bytes(1, b"alpha") + tag(2, 5) + bytes(4) + tag(20, 0) + b"\x01")
    yield "an attribute twice", with_node(relu + field_bytes(4, b"LeakyRelu") + twice + twice), True
    yield "two graphs", whole(more=field_bytes(7, graph)), True


def _types() -> Iterator[Made]:
    """Types in types, types of nothing, sizes that lie."""
    tensor = field_bytes(1, tag(1, 0) + b"\x01")
    for depth in (1, 20, 48, 60, 5000):
        for field in (4, 9):
            held = tensor
            for _ in range(depth):
                held = field_bytes(field, field_bytes(1, held))
            yield f"{depth} types {field} in one another", _with_type(held), True
        held = tensor
        for _ in range(depth):
            held = field_bytes(5, tag(1, 0) + b"\x07" + field_bytes(2, held))
        yield f"{depth} maps in one another", _with_type(held), True
    for name, held in {
        "nothing": b"",
        "a sequence of nothing": field_bytes(4, b""),
        "a map of nothing": field_bytes(5, b""),
        "a map with text of floats": field_bytes(5, tag(1, 0) + b"\x01" + field_bytes(2, tensor)),
        "a tensor of nothing": field_bytes(1, b""),
        "opaque": field_bytes(7, b""),
        "a sparse tensor": field_bytes(8, b""),
        "a tensor and a sequence": tensor + field_bytes(4, field_bytes(1, tensor)),
    }.items():
        yield f"type: {name}", _with_type(held), True
    relu = [helper.make_node("Relu", ["w"], ["y"])]
    weight = [numpy_helper.from_array(np.ones(4, np.float32), "w")]
    for name, info in {
        "another shape": value("w", [5]),
        "another rank": value("w", [2, 2]),
        "another type": value("w", [4], TensorProto.INT64),
    }.items():
        yield f"a weight declared with {name}", model(relu, [info], [value("y", [4])], weight).SerializeToString(), True


def _with_type(held: bytes) -> bytes:
    info = field_bytes(1, b"x") + field_bytes(2, held)
    node = field_bytes(1, b"x") + field_bytes(2, b"y") + field_bytes(4, b"Relu")
    graph = field_bytes(1, node) + field_bytes(2, b"g") + field_bytes(11, info) + field_bytes(12, field_bytes(1, b"y"))
    return b"\x08\x0a" + field_bytes(7, graph) + field_bytes(8, b"\x10\x15")


def _tensors() -> Iterator[Made]:
    """Weights whose parts contradict one another."""
    for name, tensor, refused in (
        ("in raw bytes and outside", outside([("location", "m.onnx")], raw=RIGHT), True),
        ("of text, outside", outside([("location", "m.onnx")], kind=TensorProto.STRING), True),
        ("outside, nowhere", outside([]), True),
        ("at an unknown place", outside([], place=7), True),
        ("in segments", onnx.TensorProto(name="w", data_type=1, dims=[20], segment=onnx.TensorProto.Segment()), True),
        ("with floats for whole numbers", onnx.TensorProto(name="w", data_type=7, dims=[1], float_data=[1.5]), True),
        ("with whole numbers for floats", onnx.TensorProto(name="w", data_type=1, dims=[1], int32_data=[1]), True),
        ("with text for floats", onnx.TensorProto(name="w", data_type=1, dims=[1], string_data=[b"a"]), True),
        ("of 8 bits, a number of 32", onnx.TensorProto(name="w", data_type=3, dims=[1], int32_data=[70_000]), True),
        ("of truths that are none", onnx.TensorProto(name="w", data_type=9, dims=[1], raw_data=b"\x07"), False),
    ):
        yield f"a weight {name}", holding(tensor), refused
    relu = helper.make_node("Relu", ["x"], ["y"])
    x, y = value("x", [4]), value("y", [4])
    weight = numpy_helper.from_array(np.ones(4, np.float32), "y")
    yield "a weight that a node makes, too", model([relu], [x], [y], [weight]).SerializeToString(), True
    nameless = numpy_helper.from_array(np.ones(4, np.float32), "")
    yield "a weight without a name", model([relu], [x], [y], [nameless]).SerializeToString(), True


def outside(
    entries: Sequence[tuple[str, str]], *, raw: bytes = b"", kind: int = TensorProto.FLOAT, place: int = 1
) -> onnx.TensorProto:
    """A weight of 20 elements with these entries of external data."""
    tensor = onnx.TensorProto(name="w", data_type=kind, dims=[20])
    if raw:
        tensor.raw_data = raw
    for key, content in entries:
        tensor.external_data.add(key=key, value=content)
    if place == 1:
        tensor.data_location = TensorProto.EXTERNAL
        return tensor
    return onnx.TensorProto.FromString(tensor.SerializeToString() + tag(14, 0) + varint(place))


def holding(tensor: onnx.TensorProto) -> bytes:
    """A model that needs the shape of a weight."""
    nodes = [helper.make_node("Shape", ["w"], ["s"]), helper.make_node("Add", ["s", "x"], ["y"])]
    return model(nodes, [value("x", [1], 7)], [value("y", [1], 7)], [tensor]).SerializeToString()


def _quantized() -> Iterator[Made]:
    """Axes and blocks of quantization that are none."""
    x, y = value("x", [2, 4]), value("y", None)
    weights = [numpy_helper.from_array(np.ones(4, np.float32), "s"), numpy_helper.from_array(np.zeros(4, np.int8), "z")]
    table = [
        numpy_helper.from_array(np.ones((2, 2), np.float32), "s"),
        numpy_helper.from_array(np.zeros((2, 2), np.int8), "z"),
    ]
    for axis in (1, -1, 2, -3, 64, MOST, -MOST - 1):
        node = helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"], axis=axis)
        back = helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"], axis=axis)
        yield (
            f"quantization along axis {axis}",
            model([node, back], [x], [y], weights).SerializeToString(),
            axis not in (1, -1),
        )
    for size in (2, 0, -1, 3, 5, MOST, -MOST - 1):
        node = helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"], axis=1, block_size=size)
        back = helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"], axis=1, block_size=size)
        made = model([node, back], [x], [y], table).SerializeToString()
        yield f"quantization in blocks of {size}", made, size not in (2, 3)
