"""ONNX files whose structure asks for too much: nests, endless loops, calls that multiply, chains, images, trees."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.frontends.caffe.encoding import field_bytes
from tests.hostile.case import Case, case
from tests.hostile.onnx_files import OPSET, model, value

ML = helper.make_opsetid("ai.onnx.ml", 3)
MOST = 2**63 - 1

PATTERNS = ("(a*)*b", "(a|a)*b", "((a{1,1000}){1,1000}){1,1000}", "a{1000000000}", "[" * 5000, "(" * 5000, "(?=a)",
            "\\1", "(?P<x>a)(?P=x)", "a" * 5000, "\\p{Greek}", "[[:evil:]]", "x{2,1}", "\\")  # fmt: skip


def structures() -> Iterator[Case]:
    """All of them."""
    for name, made, refused in (*_loops(), *_calls(), *_work(), *_texts(), *_trees(), *_opsets()):
        yield case(name, "m.onnx", made.SerializeToString(), refused=refused)
    for depth in (5, 30, 41, 1000):
        yield case(f"If in If {depth}", "m.onnx", _branches(depth), refused=depth > 40)
    for name, length in (("Relu", 20_000), ("Add", 20_000), ("Reshape", 5_000), ("If", 3_000)):
        yield case(f"{length} {name}s in a row", "m.onnx", _chain(name, length).SerializeToString())
    for name, content in _images():
        yield case(f"image: {name}", "m.onnx", content)


Made = tuple[str, onnx.ModelProto, bool]


def _whole(number: int, name: str) -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(number, np.int64), name)


def _loop(most: int, *, steps: str = "", inner: onnx.NodeProto | None = None) -> onnx.NodeProto:
    """`c`, increased by itself `most` times."""
    inputs = [value("i", [], 7), value("go", [], 9), value("a", [])]
    outputs = [value("went", [], 9), value("b", []), *([value(steps, [])] if steps else [])]
    nodes = [helper.make_node("Identity", ["go"], ["went"]), inner or helper.make_node("Add", ["a", "a"], ["b"])]
    nodes += [helper.make_node("Identity", ["b"], [steps])] if steps else []
    body = helper.make_graph(nodes, "body", inputs, outputs)
    return helper.make_node("Loop", ["most", "", "c"], ["v", *([f"{steps}s"] if steps else [])], body=body)


def _loops() -> Iterator[Made]:
    weights = [_whole(MOST, "most"), numpy_helper.from_array(np.asarray(1.0, np.float32), "c")]
    tail = helper.make_node("Add", ["v", "x"], ["y"])
    y = value("y", [1])
    for most in (MOST, -1, 0, 1 << 31):
        held = [_whole(most, "most"), weights[1]]
        yield f"a loop of {most} steps", model([_loop(most), tail], [value("x", [1])], [y], held), False
    inner = _loop(MOST)
    for depth in (2, 6, 12, 20):
        nested: onnx.NodeProto | None = None
        for _ in range(depth):
            nested = _named(nested)
        nodes = [nested or inner, tail]
        yield f"{depth} loops in one another", model(nodes, [value("x", [1])], [y], weights), False


def _named(inner: onnx.NodeProto | None) -> onnx.NodeProto:
    """A loop around another one, which widens what it carries at each level."""
    inputs = [value("i", [], 7), value("go", [], 9), value("a", [1])]
    outputs = [value("went", [], 9), value("b", None)]
    nodes = [helper.make_node("Identity", ["go"], ["went"])]
    if inner is None:
        nodes.append(helper.make_node("Concat", ["a", "a"], ["b"], axis=0))
    else:
        node = onnx.NodeProto()
        node.CopyFrom(inner)
        node.input[2], node.output[0] = "a", "b"
        nodes.append(node)
    body = helper.make_graph(nodes, "body", inputs, outputs)
    start = helper.make_node("Loop", ["most", "", "x"], ["v"], body=body)
    return start


def _calls() -> Iterator[Made]:
    x, y, own = value("x", [4]), value("y", [4]), helper.make_opsetid("own", 1)
    sets = [OPSET, own]

    def function(name: str, *nodes: onnx.NodeProto, inputs: tuple[str, ...] = ("x",)) -> onnx.FunctionProto:
        return helper.make_function("own", name, list(inputs), ["y"], list(nodes), sets)

    def call(name: str, operand: str = "x", result: str = "y") -> onnx.NodeProto:
        return helper.make_node(name, [operand], [result], domain="own")

    relu = helper.make_node("Relu", ["x"], ["y"])
    whole: dict[str, tuple[list[onnx.FunctionProto], bool]] = {
        "a function that calls itself": ([function("f", call("f"))], True),
        "functions in a circle": ([function("f", call("g")), function("g", call("h")), function("h", call("f"))], True),
        "a function that makes no output": ([function("f", helper.make_node("Relu", ["x"], ["z"]))], True),
        "a function that reads what is around": ([function("f", helper.make_node("Add", ["x", "w"], ["y"]))], True),
        "a function whose nodes are a circle": ([function("f", call("g", "y", "y"))], True),
        "a function twice": ([function("f", relu), function("f", relu)], True),
        "a function of one input twice": ([function("f", relu, inputs=("x", "x"))], True),
        "a function that makes its output twice": ([function("f", relu, relu)], True),
    }
    for name, (functions, refused) in whole.items():
        yield name, model([call("f")], [x], [y], functions=functions, opsets=sets), refused
    for depth in (8, 14, 39, 45):
        functions = [function("f0", relu)]
        for level in range(1, depth):
            branch = helper.make_graph([call(f"f{level - 1}", "x", "z")], "b", [], [value("z", [4])])
            choose = helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
            condition = helper.make_node("ReduceMax", ["x"], ["m"], keepdims=0)
            cast = helper.make_node("Cast", ["m"], ["c"], to=9)
            functions.append(function(f"f{level}", condition, cast, choose))
        made = model([call(f"f{depth - 1}")], [x], [y], functions=functions, opsets=sets)
        yield f"branches that call {depth} functions", made, depth > 14
    other = helper.make_function("own", "f", ["x"], ["y"], [relu], [helper.make_opsetid("", 1 << 40)])
    yield "a function of a future opset", model([call("f")], [x], [y], functions=[other], opsets=sets), True


def _work() -> Iterator[Made]:
    """What folding must not compute: convolutions, products, recurrent layers of constants, again and again."""
    x, y = value("x", [1]), value("y", None)
    zeros = helper.make_node("ConstantOfShape", ["s"], ["z"])

    def shape(*sizes: int) -> onnx.TensorProto:
        return numpy_helper.from_array(np.array(sizes, np.int64), "s")

    def ended(*nodes: onnx.NodeProto, last: str, weights: list[onnx.TensorProto]) -> onnx.ModelProto:
        total = helper.make_node("ReduceSum", [last], ["t"], keepdims=0)
        return model([*nodes, total, helper.make_node("Add", ["t", "x"], ["y"])], [x], [y], weights)

    square = [helper.make_node("MatMul", ["z", "z"], ["p0"])]
    square += [helper.make_node("MatMul", [f"p{i}", "z"], [f"p{i + 1}"]) for i in range(100)]
    yield "products of zeros", ended(zeros, *square, last="p100", weights=[shape(2000, 2000)]), False
    weights = [numpy_helper.from_array(np.ones((1000, 1000), np.float32), "z")]
    yield "products of a weight", ended(*square, last="p100", weights=weights), False
    kernel = helper.make_node("Conv", ["z", "z"], ["p"], kernel_shape=[64, 64])
    weights = [numpy_helper.from_array(np.ones((64, 64, 64, 64), np.int8).astype(np.float16), "z")]
    yield "a convolution of constants", ended(kernel, last="p", weights=weights), False
    rows = [numpy_helper.from_array(np.ones((200_000, 1, 1), np.float32), "r")]
    rows += [numpy_helper.from_array(np.ones((1, 4, 1), np.float32), "w")]
    lstm = helper.make_node("LSTM", ["r", "w", "w"], ["p"], hidden_size=1)
    yield "a recurrent layer of constants", ended(lstm, last="p", weights=rows), False
    for steps in (100, 390, 391, 100_000):
        nodes = [helper.make_node("LSTM", [f"h{i}", "w", "w"], ["", f"g{i}"], hidden_size=1) for i in range(1)]
        yield (
            f"an LSTM of {steps} steps",
            model(nodes, [value("h0", [steps, 1, 1])], [value("g0", None)], rows[1:]),
            False,
        )
    sums = [helper.make_node("Sin", ["z"], ["p0"])]
    sums += [helper.make_node("Sin", [f"p{i}"], [f"p{i + 1}"]) for i in range(500)]
    weights = [numpy_helper.from_array(np.ones((1 << 20,), np.float32), "z")]
    yield "sines of a weight", ended(*sums, last="p500", weights=weights), False
    boxes = [numpy_helper.from_array(np.random.default_rng(0).random((1, 4000, 4), np.float32), "z")]
    boxes += [numpy_helper.from_array(np.random.default_rng(0).random((1, 1, 4000), np.float32), "r")]
    boxes += [_whole(MOST, "n")]
    kept = helper.make_node("NonMaxSuppression", ["z", "r", "n"], ["p"])
    yield "boxes of constants", model([kept, helper.make_node("Shape", ["p"], ["y"])], [x], [y], boxes), False


def _texts() -> Iterator[Made]:
    words = TensorProto(name="w", data_type=TensorProto.STRING, dims=[2], string_data=[b"a" * 60_000, b"b"])
    for pattern in PATTERNS:
        match = helper.make_node("RegexFullMatch", ["w"], ["y"], pattern=pattern)
        made = model([match], [], [value("y", [2], 9)], [words])
        yield f"pattern {pattern[:20]} {len(pattern)}", made, False
    for equation in ("i" * 60_000, "...." * 1000, "->" * 50, "ij,jk->ik", "i...j->", "ii", ",,,", "aB1", ""):
        node = helper.make_node("Einsum", ["x"], ["y"], equation=equation)
        yield (
            f"equation {equation[:10]} {len(equation)}",
            model([node], [value("x", [2, 2])], [value("y", None)]),
            False,
        )
    node = helper.make_node(
        "StringNormalizer", ["w"], ["y"], case_change_action="LOWER", locale="x" * 5000, stopwords=["a"]
    )
    yield "a locale that is none", model([node], [], [value("y", None, 8)], [words]), False


def _trees() -> Iterator[Made]:
    for name, left, right in (
        ("itself", [0, 0, 0], [0, 0, 0]),
        ("a circle", [1, 2, 0], [1, 2, 0]),
        ("nowhere", [7, 0, 0], [8, 0, 0]),
        ("negative", [-1, 0, 0], [-1, 0, 0]),
    ):
        words: dict[str, Any] = {
            "nodes_treeids": [0, 0, 0],
            "nodes_nodeids": [0, 1, 2],
            "nodes_featureids": [0, 0, 0],
            "nodes_modes": ["BRANCH_LEQ"] * 3,
            "nodes_values": [0.0, 1.0, 2.0],
            "nodes_truenodeids": left,
            "nodes_falsenodeids": right,
            "target_treeids": [0],
            "target_nodeids": [2],
            "target_ids": [0],
            "target_weights": [1.0],
            "n_targets": 1,
        }
        node = helper.make_node("TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml", **words)
        yield f"a tree to {name}", model([node], [value("x", [2, 3])], [value("y", None)], opsets=[OPSET, ML]), True
        words |= {"n_targets": 1 << 40, "target_ids": [1 << 39]}
        node = helper.make_node("TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml", **words)
        yield (
            f"2^40 targets, a tree to {name}",
            model([node], [value("x", [2, 3])], [value("y", None)], opsets=[OPSET, ML]),
            True,
        )


def _opsets() -> Iterator[Made]:
    x, y, relu = value("x", [4]), value("y", [4]), helper.make_node("Relu", ["x"], ["y"])
    for domain, version in (("", -1), ("", 29), ("", MOST), ("ai.onnx.ml", 99), ("ai.onnx.ml", -5), ("evil\0", 1)):
        sets = [helper.make_opsetid(domain, version), *([OPSET] if domain else [])]
        yield f"opset {domain!r} {version}", model([relu], [x], [y], opsets=sets), not domain or version == 99
    both = [OPSET, helper.make_opsetid("ai.onnx", 7)]
    yield "one operator set by two names", model([relu], [x], [y], opsets=both), True
    numbers = {"the least by -1": ("Div", -MOST - 1, -1), "the least modulo -1": ("Mod", -MOST - 1, -1)}
    numbers |= {"by zero": ("Div", 5, 0), "modulo zero": ("Mod", 5, 0), "the least by zero": ("Div", -MOST - 1, 0)}
    for name, (kind, a, b) in numbers.items():
        node = helper.make_node(kind, ["a", "b"], ["v"])
        tail = helper.make_node("Reshape", ["x", "v"], ["y"])
        weights = [numpy_helper.from_array(np.array([number]), name) for number, name in ((a, "a"), (b, "b"))]
        made = model([node, tail], [x], [value("y", None)], weights)
        yield f"shape arithmetic: {name}", made, kind == "Div"
    for kind in ("Neg", "Abs"):
        node = helper.make_node(kind, ["a"], ["v"])
        weights = [numpy_helper.from_array(np.array([-MOST - 1]), "a")]
        tail = helper.make_node("Reshape", ["x", "v"], ["y"])
        yield f"shape arithmetic: {kind} of the least", model([node, tail], [x], [value("y", None)], weights), True
    product = [helper.make_node("Mul", [f"v{i}", f"v{i}"], [f"v{i + 1}"]) for i in range(40)]
    weights = [numpy_helper.from_array(np.array([1 << 40]), "v0")]
    tail = helper.make_node("Expand", ["x", "v40"], ["y"])
    yield "shape arithmetic: squares", model([*product, tail], [x], [value("y", None)], weights), False
    sized = [helper.make_node("Shape", ["x"], ["v0"])]
    sized += [helper.make_node("Mul", [f"v{i}", f"v{i}"], [f"v{i + 1}"]) for i in range(40)]
    for sizes in (["n"], ["n", "m", "k"]):
        made = model([*sized, tail], [value("x", sizes)], [value("y", None)])
        yield f"shape arithmetic: squares of {sizes}", made, False
    sums = [helper.make_node("Shape", ["x"], ["v0"])]
    for i in range(20):
        sums.append(helper.make_node("Add", [f"v{i}", "one"], [f"a{i}"]))
        sums.append(helper.make_node("Div", [f"a{i}", "two"], [f"d{i}"]))
        sums.append(helper.make_node("Mul", [f"a{i}", f"d{i}"], [f"v{i + 1}"]))
    weights = [_whole(1, "one"), _whole(2, "two")]
    tail = helper.make_node("Expand", ["z", "v20"], ["y"])
    made = model([*sums, tail], [value("x", ["n"]), value("z", [1])], [value("y", None)], weights)
    yield "shape arithmetic: quotients of products", made, False


def _branches(depth: int) -> bytes:
    """If in If, well formed, written by hand: protobuf's own writer ends at 100 levels."""
    output = field_bytes(12, field_bytes(1, b"z"))
    leaf = graph = field_bytes(1, field_bytes(1, b"x") + field_bytes(2, b"z") + field_bytes(4, b"Relu")) + output
    for _ in range(depth):
        attributes = b""
        for name, held in ((b"then_branch", graph), (b"else_branch", leaf)):
            attributes += field_bytes(5, field_bytes(1, name) + field_bytes(6, held) + b"\xa0\x01\x05")
        node = field_bytes(1, b"c") + field_bytes(2, b"z") + field_bytes(4, b"If") + attributes
        graph = field_bytes(1, node) + field_bytes(2, b"g") + output
    infos = [value("x", [2]), value("c", [1], TensorProto.BOOL)]
    inputs = b"".join(field_bytes(11, info.SerializeToString()) for info in infos)
    return b"\x08\x0a" + field_bytes(7, graph + inputs) + field_bytes(8, b"\x10\x15")


def _chain(kind: str, length: int) -> onnx.ModelProto:
    weights = [numpy_helper.from_array(np.ones(4, np.float32), "w")]
    nodes: list[onnx.NodeProto] = []
    for index in range(length):
        before, after = f"v{index}", f"v{index + 1}"
        match kind:
            case "Add":
                nodes.append(helper.make_node("Add", [before, before if index % 2 else "w"], [after]))
            case "Reshape":
                nodes.append(helper.make_node("Shape", [before], [f"s{index}"]))
                nodes.append(helper.make_node("Reshape", [before, f"s{index}"], [after]))
            case "If":
                branch = helper.make_graph([helper.make_node("Relu", [before], ["z"])], "b", [], [value("z", [4])])
                nodes.append(helper.make_node("If", ["c"], [after], then_branch=branch, else_branch=branch))
            case _:
                nodes.append(helper.make_node(("Relu", "Neg", "Sigmoid")[index % 3], [before], [after]))
    inputs = [value("v0", [4]), *([value("c", [], 9)] if kind == "If" else [])]
    return model(nodes, inputs, [value(f"v{length}", [4])], weights)


def _images() -> Iterator[tuple[str, bytes]]:
    """Pictures in constants: a bomb, headers that lie, noise."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    def png(width: int, height: int, rows: bytes) -> bytes:
        head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
        body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
        return b"\x89PNG\r\n\x1a\n" + body

    for name, data in {
        "bomb": png(20_000, 20_000, bytes(60_000_000)),
        "huge": png(2**31 - 1, 2**31 - 1, b"\0"),
        "empty": b"",
        "short": png(100, 100, b"\0")[:40],
        "noise": bytes(range(256)) * 10,
        "bitmap that lies": b"BM" + struct.pack("<IIIIiiHH", 54, 0, 54, 40, 2**31 - 1, -(2**31), 1, 24) + bytes(24),
        "gif of 65535": b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0) + b",",
    }.items():
        held = numpy_helper.from_array(np.frombuffer(data, np.uint8), "d")
        node = helper.make_node("ImageDecoder", ["d"], ["v"], pixel_format="RGB")
        made = model([node, helper.make_node("Shape", ["v"], ["y"])], [], [value("y", None, 7)], [held])
        yield name, made.SerializeToString()
