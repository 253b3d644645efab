"""Where ONNX files keep their bytes: other files that they must not name, and fields of 100 MB that are holes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from tests.frontends.caffe.encoding import field_bytes, tag, varint
from tests.hostile.case import ANY, REFUSALS, Case, Content
from tests.hostile.onnx_borders import MOST, RIGHT, holding, outside
from tests.hostile.onnx_files import OPSET, model, value

HOLE = 100 << 20
"""Bytes of a field whose zeros take no room on the disk."""


def storage() -> Iterator[Case]:
    """All of them."""
    yield from _external()
    yield from _holes()


def _external() -> Iterator[Case]:
    """External data in every place where a tensor may stand; keys twice; more files than may be open."""
    entries: dict[str, tuple[list[tuple[str, str]], Mapping[str, Content], bool]] = {
        "location twice": ([("location", "w.bin"), ("location", "v.bin")], {"w.bin": RIGHT, "v.bin": RIGHT}, True),
        "offset twice": ([("location", "w.bin"), ("offset", "4"), ("offset", "0")], {"w.bin": RIGHT}, True),
        "offset of 20 digits": ([("location", "w.bin"), ("offset", str(1 << 64))], {"w.bin": RIGHT}, True),
        "offset and length of 63 bits": (
            [("location", "w.bin"), ("offset", str(MOST)), ("length", str(MOST))],
            {"w.bin": RIGHT},
            True,
        ),
        "offset with a sign": ([("location", "w.bin"), ("offset", "+0")], {"w.bin": RIGHT}, True),
        "offset in other digits": ([("location", "w.bin"), ("offset", "\u0660")], {"w.bin": RIGHT}, True),
        "offset with a space": ([("location", "w.bin"), ("offset", " 0")], {"w.bin": RIGHT}, True),
        "no offset": ([("location", "w.bin"), ("offset", "")], {"w.bin": RIGHT}, True),
        "length 0": ([("location", "w.bin"), ("length", "0")], {"w.bin": RIGHT}, True),
        "a folder's file under a file": ([("location", "w.bin/x")], {"w.bin": RIGHT}, True),
        "control characters": ([("location", "w\x1b[31m.bin")], {}, True),
        "a folder twice": ([("location", ".//./w.bin")], {"w.bin": RIGHT}, False),
        "a link to a link": ([("location", "w.bin")], {"v.bin": _link("/etc/passwd"), "w.bin": _link("v.bin")}, True),
        "a link to itself": ([("location", "w.bin")], {"w.bin": _link("w.bin")}, True),
        "a link to nothing": ([("location", "w.bin")], {"w.bin": _link("nothing")}, True),
    }
    for name, (held, files, refused) in entries.items():
        endings = REFUSALS | {9} if refused else frozenset((0,))
        yield Case(f"outside: {name}", "m.onnx", {**files, "m.onnx": holding(outside(held))}, endings)
    broken = holding(outside([("location", "w.bin")])).replace(b"w.bin", b"w\xff\xfe.b")
    yield Case("outside: no UTF-8", "m.onnx", {"m.onnx": broken}, REFUSALS)
    bad = outside([("location", "../../../etc/passwd")])
    for name, data in _everywhere(bad):
        yield Case(f"outside: {name}", "m.onnx", {"m.onnx": data}, frozenset((8,)))
    many = [outside([("location", f"{number}.bin")]) for number in range(1500)]
    for number, tensor in enumerate(many):
        tensor.name = f"w{number}"
    total = helper.make_node("Sum", [tensor.name for tensor in many], ["y"])
    data = model([total], [], [value("y", [20])], many).SerializeToString()
    files = {"m.onnx": data, **{f"{number}.bin": RIGHT for number in range(1500)}}
    yield Case("outside: 1,500 files", "m.onnx", files, ANY | {9})


def _link(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def _everywhere(bad: onnx.TensorProto) -> Iterator[tuple[str, bytes]]:
    """Models that hold the tensor elsewhere than among the weights of their graph."""
    x, y = value("x", [20]), value("y", [20])
    tail = helper.make_node("Add", ["x", "w"], ["y"])
    constant = helper.make_node("Constant", [], ["w"], value=bad)
    yield "a constant", model([constant, tail], [x], [y]).SerializeToString()
    sparse = onnx.SparseTensorProto(dims=[40])
    sparse.values.CopyFrom(bad)
    sparse.indices.CopyFrom(numpy_helper.from_array(np.arange(20), "i"))
    held = model([helper.make_node("Shape", ["w"], ["y"])], [x], [value("y", [1], 7)])
    held.graph.sparse_initializer.append(sparse)
    yield "values of a sparse weight", held.SerializeToString()
    node = helper.make_node("Constant", [], ["w"])
    node.attribute.append(helper.make_attribute("sparse_value", sparse))
    shape = helper.make_node("Shape", ["w"], ["y"])
    yield "a sparse constant", model([node, shape], [x], [value("y", [1], 7)]).SerializeToString()
    branch = helper.make_graph([helper.make_node("Add", ["x", "w"], ["z"])], "b", [], [value("z", [20])], [bad])
    choose = helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
    yield "a weight of a branch", model([choose], [x, value("c", [], 9)], [y]).SerializeToString()
    sets = [OPSET, helper.make_opsetid("own", 1)]
    function = helper.make_function("own", "f", ["x"], ["y"], [constant, tail], sets)
    call = helper.make_node("f", ["x"], ["y"], domain="own")
    yield "a constant of a function", model([call], [x], [y], functions=[function], opsets=sets).SerializeToString()


def _holes() -> Iterator[Case]:
    """Fields of 100 MB that take no room on the disk: numbers, text, metadata."""
    relu = field_bytes(1, b"x") + field_bytes(2, b"y") + field_bytes(4, b"Relu")
    info = {name: value(name, [4]).SerializeToString() for name in ("x", "y")}
    ends = field_bytes(2, b"g") + field_bytes(11, info["x"]) + field_bytes(12, info["y"])
    graph = field_bytes(1, relu) + ends
    start = b"\x08\x0a" + field_bytes(8, b"\x10\x15")
    whole = start + field_bytes(7, graph)

    def attribute(field: int, kind: int) -> list[bytes]:
        """An attribute whose one field is the hole."""
        return [
            start + tag(7, 2),
            ends + tag(1, 2),
            relu + tag(5, 2),
            field_bytes(1, b"a") + tag(20, 0) + varint(kind) + tag(field, 2),
        ]

    def tensor(field: int, kind: int) -> list[bytes]:
        head = field_bytes(8, b"w") + tag(2, 0) + varint(kind)
        return [start + tag(7, 2), graph + tag(5, 2), head + tag(field, 2)]

    for name, parts in {
        "floats of an attribute": attribute(7, 6),
        "numbers of an attribute": attribute(8, 7),
        "text of an attribute": attribute(4, 3),
        "item of an attribute's texts": attribute(9, 8),
        "dims": tensor(1, 1),
        "floats": tensor(4, 1),
        "numbers of 32 bits": tensor(5, 6),
        "text": tensor(6, 8),
        "numbers of 64 bits": tensor(7, 7),
        "doubles": tensor(10, 11),
        "unsigned numbers": tensor(11, 13),
        "raw bytes": tensor(9, 2),
        "a weight's description": tensor(12, 1),
        "metadata of the model": [whole + tag(14, 2), field_bytes(1, b"k") + tag(2, 2)],
        "the key of metadata": [whole + tag(14, 2), tag(1, 2)],
        "metadata of a node": [start + tag(7, 2), ends + tag(1, 2), relu + tag(9, 2), field_bytes(1, b"k") + tag(2, 2)],
        "the description of the model": [whole + tag(6, 2)],
        "the producer": [whole + tag(2, 2)],
        "the name of the graph": [start + tag(7, 2), field_bytes(1, relu) + ends + tag(2, 2)],
        "the name of a node": [start + tag(7, 2), ends + tag(1, 2), relu + tag(3, 2)],
    }.items():
        yield Case(f"100 MB: {name}", "m.onnx", {"m.onnx": _hole(parts)}, ANY)


def _hole(parts: list[bytes]) -> Callable[[Path], None]:
    """Writes messages in one another, each part ending with the tag of the next one; the last one is the hole."""
    head = b""
    for part in reversed(parts):
        head = part + varint(len(head) + HOLE) + head

    def write(path: Path) -> None:
        with path.open("wb") as file:
            file.write(head)
            file.truncate(len(head) + HOLE)

    return write
