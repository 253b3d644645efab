"""Hostile ONNX files: damaged ones, external data that reaches outside, tensors that lie, graphs that are none."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.frontends.caffe.encoding import field_bytes
from tests.hostile.caffe_nets import HUGE, NAMES
from tests.hostile.case import REFUSALS, Case, Content, case
from tests.hostile.mutate import flips, splices, truncations

OPSET = helper.make_opsetid("", 21)


def small_model() -> onnx.ModelProto:
    """A convolution, a pooling, a matrix product, and shape arithmetic."""
    generator = np.random.default_rng(0)
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], "conv", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"], "relu"),
        helper.make_node("MaxPool", ["r"], ["p"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Reshape", ["p", "shape"], ["f"], "reshape"),
        helper.make_node("Gemm", ["f", "m"], ["g"], "gemm", transB=1),
        helper.make_node("Softmax", ["g"], ["y"], "softmax", axis=1),
    ]
    weights = [
        numpy_helper.from_array(generator.random((4, 3, 3, 3), np.float32), "w"),
        numpy_helper.from_array(generator.random(4, np.float32), "b"),
        numpy_helper.from_array(np.array([1, 64], np.int64), "shape"),
        numpy_helper.from_array(generator.random((5, 64), np.float32), "m"),
    ]
    return model(nodes, [value("x", [1, 3, 8, 8])], [value("y", [1, 5])], weights)


def value(name: str, shape: Sequence[int | str | None] | None, kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    """A typed name."""
    return helper.make_tensor_value_info(name, kind, shape)


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    weights: Sequence[onnx.TensorProto] = (),
    functions: Sequence[onnx.FunctionProto] = (),
    opsets: Sequence[onnx.OperatorSetIdProto] = (OPSET,),
) -> onnx.ModelProto:
    """A model of these parts, unchecked."""
    graph = helper.make_graph(list(nodes), "g", list(inputs), list(outputs), list(weights))
    return helper.make_model(graph, opset_imports=list(opsets), functions=list(functions), ir_version=10)


def damaged() -> Iterator[Case]:
    """Hundreds of damaged forms of a small model."""
    data = small_model().SerializeToString()
    yield case("whole", "m.onnx", data)
    for name, content in (*truncations(data, 100, 31), *flips(data, 250, 32), *splices(data, 150, 33)):
        yield case(name, "m.onnx", content)
    for name, content in flips(data, 30, 34):
        yield case(f"{name}, called a caffemodel", "m.caffemodel", content)


REACHING_OUT = frozenset(
    (
        *("parent", "parent below", "absolute", "device", "nul", "backslash", "drive"),
        *("symbolic link", "symbolic link inside", "linked folder", "hard link", "pipe"),
    )
)
"""Places outside the model's folder, or reached through links: refused as unsafe before anything is read there."""


def external_data() -> Iterator[Case]:
    """External data: right, outside the folder, through links, outside the file."""
    right = np.ones(20, np.float32).tobytes()
    places: dict[str, tuple[dict[str, str], dict[str, Content], bool]] = {
        "right": ({"location": "w.bin"}, {"w.bin": right}, False),
        "with offset": ({"location": "w.bin", "offset": "16", "length": "80"}, {"w.bin": bytes(16) + right}, False),
        "in a folder": ({"location": "sub/w.bin"}, {"sub/w.bin": right}, False),
        "parent": ({"location": "../w.bin"}, {}, True),
        "parent below": ({"location": "sub/../../w.bin"}, {"sub/x": b""}, True),
        "absolute": ({"location": "/etc/passwd"}, {}, True),
        "device": ({"location": "/dev/zero"}, {}, True),
        "empty": ({"location": ""}, {}, True),
        "no location": ({"offset": "0"}, {}, True),
        "itself": ({"location": "."}, {}, True),
        "folder": ({"location": "sub"}, {"sub/x": b""}, True),
        "nul": ({"location": "w.bin\0x"}, {"w.bin": right}, True),
        "backslash": ({"location": "..\\w.bin"}, {}, True),
        "drive": ({"location": "C:w.bin"}, {}, True),
        "symbolic link": ({"location": "w.bin"}, {"w.bin": _symbolic("/etc/passwd")}, True),
        "symbolic link inside": ({"location": "w.bin"}, {"v.bin": right, "w.bin": _symbolic("v.bin")}, True),
        "linked folder": ({"location": "sub/passwd"}, {"sub": _symbolic("/etc")}, True),
        "hard link": ({"location": "w.bin"}, {"v.bin": right, "w.bin": _hard("v.bin")}, True),
        "pipe": ({"location": "w.bin"}, {"w.bin": os.mkfifo}, True),
        "too short": ({"location": "w.bin"}, {"w.bin": right[:-1]}, True),
        "too long": ({"location": "w.bin", "length": "84"}, {"w.bin": right + bytes(4)}, True),
        "offset behind": ({"location": "w.bin", "offset": "100"}, {"w.bin": right}, True),
        "offset huge": ({"location": "w.bin", "offset": str(1 << 63)}, {"w.bin": right}, True),
        "offset negative": ({"location": "w.bin", "offset": "-80"}, {"w.bin": right}, True),
        "length huge": ({"location": "w.bin", "length": str(1 << 64)}, {"w.bin": right}, True),
        "length negative": ({"location": "w.bin", "length": "-1"}, {"w.bin": right}, True),
        "not a number": ({"location": "w.bin", "offset": "0x10"}, {"w.bin": right}, True),
        "digits": ({"location": "w.bin", "offset": "1" * 10_000}, {"w.bin": right}, True),
        "unknown key": ({"location": "w.bin", "__class__": "x"}, {"w.bin": right}, True),
        "the model": ({"location": "m.onnx", "offset": "0", "length": "80"}, {}, False),
        "long": ({"location": "x/" * 30_000}, {}, True),
        "missing": ({"location": "w.bin"}, {}, True),
    }
    for name, (entries, files, refused) in places.items():
        tensor = onnx.TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[20])
        tensor.data_location = TensorProto.EXTERNAL
        for key, content in entries.items():
            tensor.external_data.add(key=key, value=content)
        held = model([helper.make_node("Add", ["x", "w"], ["y"])], [value("x", [20])], [value("y", [20])], [tensor])
        endings = (REFUSALS | {9}) if refused else frozenset((0, *REFUSALS)) if name == "the model" else frozenset((0,))
        endings = frozenset((8,)) if name in REACHING_OUT else endings
        yield Case(f"external: {name}", "m.onnx", {**files, "m.onnx": held.SerializeToString()}, endings)


def _symbolic(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def _hard(target: str) -> Callable[[Path], None]:
    return lambda path: os.link(path.with_name(target), path)


def tensors() -> Iterator[Case]:
    """Tensors whose shape, type and bytes do not belong together."""
    for size in HUGE[:-1]:
        for dims in ([size], [size, size], [0, size, size]):
            yield _tensor(f"dims {dims}", dims, b"\0" * 80, refused=False)
        made = model([helper.make_node("Relu", ["x"], ["y"])], [value("x", [1, size])], [value("y", None)])
        yield case(f"input of {size}", "m.onnx", made.SerializeToString())
    yield _tensor("too short", [20], b"\0" * 79)
    yield _tensor("too long", [20], b"\0" * 81)
    yield _tensor("nothing", [20], b"")
    yield _tensor("a thousand dims", [1] * 1000, b"\0" * 4)
    for kind in (0, 8, 14, 16, 17, 22, 23, 99, -1, 1 << 30):
        yield _tensor(f"type {kind}", [20], b"\0" * 80, kind=kind, refused=kind in (0, 99, -1, 1 << 30))
    both = onnx.TensorProto(name="w", data_type=1, dims=[2], raw_data=bytes(8), float_data=[1, 2])
    yield case("raw and typed", "m.onnx", _with(both), refused=True)
    other = onnx.TensorProto(name="w", data_type=1, dims=[2], int64_data=[1, 2])
    yield case("typed as another", "m.onnx", _with(other), refused=True)


def _tensor(name: str, dims: list[int], raw: bytes, *, kind: int = 1, refused: bool = True) -> Case:
    tensor = onnx.TensorProto(name="w", dims=dims, raw_data=raw)
    tensor.data_type = kind
    return case(f"tensor: {name}", "m.onnx", _with(tensor), refused=refused)


def _with(tensor: onnx.TensorProto) -> bytes:
    nodes = [helper.make_node("Identity", ["w"], ["v"]), helper.make_node("Shape", ["v"], ["y"])]
    return model(nodes, [value("x", [1])], [value("y", None, 7)], [tensor]).SerializeToString()


SOUND = frozenset(
    ("no nodes", "no outputs", "zero divisor", "huge range", "huge expand", "huge fill", "huge tile", "huge pad")
) | {"huge one hot"}
"""Graphs that only a run refuses, if anything."""


def graphs() -> Iterator[Case]:
    """Graphs that are none: cycles, names twice or nowhere, operators and sizes from nowhere."""
    x, y = value("x", [4]), value("y", [4])
    made: dict[str, onnx.ModelProto] = {
        "cycle": model([_node("Add", "x b", "a"), _node("Relu", "a", "b"), _node("Relu", "b", "y")], [x], [y]),
        "self loop": model([_node("Add", "x y", "y")], [x], [y]),
        "missing input": model([_node("Relu", "nowhere", "y")], [x], [y]),
        "missing output": model([_node("Relu", "x", "z")], [x], [y]),
        "out of order": model([_node("Relu", "a", "y"), _node("Relu", "x", "a")], [x], [y]),
        "same output twice": model([_node("Relu", "x", "y"), _node("Abs", "x", "y")], [x], [y]),
        "two inputs of one name": model([_node("Relu", "x", "y")], [x, x], [y]),
        "two outputs of one name": model([_node("Relu", "x", "y")], [x], [y, y]),
        "unknown operator": model([_node("Evil", "x", "y")], [x], [y]),
        "unknown domain": model([helper.make_node("Relu", ["x"], ["y"], domain="evil")], [x], [y]),
        "unknown attribute": model([helper.make_node("Relu", ["x"], ["y"], evil=1)], [x], [y]),
        "opset 0": model([_node("Relu", "x", "y")], [x], [y], opsets=[helper.make_opsetid("", 0)]),
        "opset of the future": model([_node("Relu", "x", "y")], [x], [y], opsets=[helper.make_opsetid("", 1 << 40)]),
        "opset twice": model([_node("Relu", "x", "y")], [x], [y], opsets=[OPSET, helper.make_opsetid("", 7)]),
        "no opset": model([_node("Relu", "x", "y")], [x], [y], opsets=[]),
        "no nodes": model([], [x], [x]),
        "no outputs": model([_node("Relu", "x", "y")], [x], []),
        "too many operands": model([_node("Relu", "x x x", "y")], [x], [y]),
        "many operands": model([_node("Concat", "x " * 50_000, "y")], [x], [y]),
        "too many results": model([_node("Relu", "x", "y z w")], [x], [y]),
        "wrong type": model([helper.make_node("Concat", ["x", "x"], ["y"], axis="zero")], [x], [y]),
        "undeclared axis": model([helper.make_node("Concat", ["x", "x"], ["y"], axis=1 << 40)], [x], [y]),
        "zero divisor": _constants("Div", np.array(-(2**63)), np.array(-1)),
        "zero modulus": _constants("Mod", np.array(5), np.array(0)),
        "huge range": _constants("Range", np.array(0), np.array(1 << 62), np.array(1)),
        "no step": _constants("Range", np.array(0), np.array(10), np.array(0)),
        "huge expand": _constants("Expand", np.array(1.0, np.float32), np.array([1 << 40])),
        "huge fill": _constants("ConstantOfShape", np.array([1 << 20, 1 << 20])),
        "huge tile": _constants("Tile", np.array([1.0], np.float32), np.array([1 << 45])),
        "huge pad": _constants("Pad", np.array([1.0], np.float32), np.array([1 << 45, 1 << 45])),
        "huge one hot": _constants("OneHot", np.array([1]), np.array(1 << 45), np.array([0.0, 1.0])),
        "huge top k": _constants("TopK", np.array([1.0], np.float32), np.array([1 << 45])),
        "doubling": _doubling(60),
    }
    for name, held in made.items():
        yield case(f"graph: {name}", "m.onnx", held.SerializeToString(), refused=name not in SOUND)
    for depth in (30, 101, 2000):
        yield case(f"graph: bodies in bodies {depth}", "m.onnx", _nested(depth), refused=True)
    for title, name in NAMES.items():
        nodes = [helper.make_node("Relu", [name], [f"{name}2"], name)]
        held = model(nodes, [value(name, [4])], [value(f"{name}2", [4])])
        held.graph.name = name
        yield case(f"name: {title}", "m.onnx", held.SerializeToString())
    for depth in (10, 40):
        yield case(f"functions {depth}", "m.onnx", _functions(depth), refused=depth > 10)


def _node(kind: str, inputs: str, outputs: str) -> onnx.NodeProto:
    return helper.make_node(kind, inputs.split(), outputs.split())


def _constants(kind: str, *operands: np.ndarray) -> onnx.ModelProto:
    """A node of constants, which folding would compute, added to the input."""
    weights = [numpy_helper.from_array(array, f"c{index}") for index, array in enumerate(operands)]
    results = ["v", "i"] if kind == "TopK" else ["v"]
    nodes = [helper.make_node(kind, [tensor.name for tensor in weights], results), _node("Shape", "v", "y")]
    return model(nodes, [value("x", [1])], [value("y", None, 7)], weights)


def _doubling(count: int) -> onnx.ModelProto:
    """A constant that is joined with itself again and again: 2^count elements."""
    weights = [numpy_helper.from_array(np.ones(8, np.float32), "v0")]
    nodes = [helper.make_node("Concat", [f"v{i}", f"v{i}"], [f"v{i + 1}"], axis=0) for i in range(count)]
    return model([*nodes, _node("Shape", f"v{count}", "y")], [value("x", [1])], [value("y", None, 7)], weights)


def _functions(depth: int) -> bytes:
    """5 kB of functions that each call the next one twice: 2^depth nodes."""
    functions: list[onnx.FunctionProto] = []
    for level in range(depth):
        kind = "Relu" if level == depth - 1 else f"f{level + 1}"
        domain = "" if level == depth - 1 else "own"
        nodes = [
            helper.make_node(kind, ["x"], ["a"], domain=domain),
            helper.make_node(kind, ["a"], ["y"], domain=domain),
        ]
        opsets = [OPSET, helper.make_opsetid("own", 1)]
        functions.append(helper.make_function("own", f"f{level}", ["x"], ["y"], nodes, opsets))
    held = model(
        [helper.make_node("f0", ["x"], ["y"], domain="own")],
        [value("x", [4])],
        [value("y", [4])],
        functions=functions,
        opsets=[OPSET, helper.make_opsetid("own", 1)],
    )
    return held.SerializeToString()


def _nested(depth: int) -> bytes:
    """Graphs in attributes of nodes of graphs, written by hand: protobuf's own writer ends at 100 levels."""
    graph = field_bytes(2, b"g")
    for _ in range(depth):
        attribute = field_bytes(1, b"body") + field_bytes(6, graph) + b"\xa0\x01\x05"
        node = field_bytes(1, b"x") + field_bytes(2, b"y") + field_bytes(4, b"If") + field_bytes(5, attribute)
        graph = field_bytes(1, node) + field_bytes(2, b"g")
    return b"\x08\x0a" + field_bytes(7, graph) + field_bytes(8, b"\x10\x15")
