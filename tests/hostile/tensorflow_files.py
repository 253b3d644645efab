"""Hostile files of TensorFlow: damaged bytes, operators that touch the machine, sizes and graphs without end."""

from __future__ import annotations

import json
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.frontends.tensorflow import test_tfjs as javascript
from tests.frontends.tensorflow.graphs import literal, node, placeholder, scalar
from tests.frontends.tensorflow.programs import unpack as unpack_program
from tests.frontends.tensorflow.saved import unpack as unpack_saved
from tests.hostile.case import REFUSALS, Case, Content, case
from tests.hostile.mutate import flips, splices, tokens, truncations
from xir.frontends.tensorflow._outputs import UNSAFE

PROGRAMS = ("frames nested_loops", "frames array_of_rows", "functions branch_in_loop", "functions choices")
F, I = "DT_FLOAT", "DT_INT32"  # noqa: E741
HUGE = (1 << 31) - 1


def text(*nodes: str) -> bytes:
    """A graph of these nodes."""
    return ("\n".join(nodes) + "\nversions { producer: 27 }\n").encode()


def damaged() -> Iterator[Case]:
    """Graphs with damaged bytes, and graphs as text with other words."""
    for seed, name in enumerate(PROGRAMS):
        with tempfile.TemporaryDirectory() as folder:
            data = unpack_program(name, Path(folder)).read_bytes()
        for mutate, count in ((truncations, 10), (flips, 40), (splices, 15)):
            for label, content in mutate(data, count, seed):
                yield case(f"{name} {label}", "m.pb", content)
    small = text(
        placeholder("x", 2, 3),
        literal("sizes", [3, -1], (2,), I),
        node("Reshape", "r", "x", "sizes", T=F, Tshape=I),
        scalar("axis", -1),
        node("Sum", "s", "r", "axis", T=F, Tidx=I, keep_dims=True),
        node("Tile", "t", "s", "sizes", T=F),
        node("ConcatV2", "y", "r", "s", "axis", T=F, N=2),
    )
    for label, content in tokens(small, 150, 3):
        yield case(f"text {label}", "m.pbtxt", content)


def machine() -> Iterator[Case]:
    """Operators that touch files or run code, in the graph and in a function that nothing calls."""
    for kind in UNSAFE:
        plain = [placeholder("x", 2), node("Square", "y", "x", T=F)]
        yield case(f"{kind} in the graph", "m.pbtxt", text(*plain, node(kind, "bad", "^x")), refused=True)
        hidden = f'library {{ function {{ signature {{ name: "f" }} node_def {{ name: "bad" op: "{kind}" }} }} }}'
        yield case(f"{kind} in a function", "m.pbtxt", text(*plain, hidden), refused=True)


def _bombs() -> Iterator[tuple[str, list[str]]]:
    x, huge = placeholder("x", 2), literal("n", [HUGE, HUGE], (2,), I)
    one = scalar("one", 1.0, F)
    for name, dtype, told in (("a constant", F, "float_val: 1"), ("a constant of strings", "DT_STRING", "")):
        shape = f"tensor_shape {{ dim {{ size: {HUGE} }} dim {{ size: 9 }} }}"
        held = f"{{tensor {{ dtype: {dtype} {shape} {told} }}}}"
        yield name, [node("Const", "c", dtype=dtype, value=held), node("Identity", "y", "c", T=dtype)]
    yield "Fill", [huge, one, node("Fill", "f", "n", "one", T=F), node("Cos", "y", "f", T=F)]
    yield "Tile", [x, literal("n", [HUGE], (1,), I), node("Tile", "y", "x", "n", T=F)]
    yield "Range", [scalar("a", 0), scalar("b", HUGE), scalar("s", 1), node("Range", "y", "a", "b", "s", Tidx=I)]
    yield "LinSpace", [one, scalar("n", HUGE), node("LinSpace", "y", "one", "one", "n", T=F)]
    yield "OneHot", [
        placeholder("x", 9, dtype=I), scalar("n", HUGE), one,
        node("OneHot", "y", "x", "n", "one", "one", T=F, TI=I, axis=-1),
    ]  # fmt: skip
    yield "Unpack", [x, node("Unpack", "y", "x", T=F, num=HUGE, axis=0)]
    yield "Split", [x, scalar("a", 0), node("Split", "y", "a", "x", T=F, num_split=HUGE)]
    yield "Pad", [x, literal("p", [HUGE, HUGE], (1, 2), I), node("Pad", "y", "x", "p", T=F)]
    yield "MatrixDiag", [placeholder("x", 1 << 20), node("MatrixDiag", "y", "x", T=F)]
    yield "LSTM", [
        placeholder("s", dtype="DT_INT64"), placeholder("x", HUGE, 1, 1), placeholder("h", 1, 1),
        placeholder("w", 2, 4), placeholder("p", 1), placeholder("b", 4),
        node("BlockLSTM", "y", "s", "x", "h", "h", "w", "p", "p", "p", "b", T=F),
    ]  # fmt: skip
    yield "TensorListReserve", [
        scalar("n", HUGE), literal("e", [HUGE], (1,), I), node("TensorListReserve", "l", "e", "n", element_dtype=F),
        node("TensorListStack", "y", "l", "e", element_dtype=F),
    ]  # fmt: skip
    yield "ranks", [literal("n", [1, 1] * 2500, (5000,), I), x, node("Reshape", "y", "x", "n", T=F)]


def sizes() -> Iterator[Case]:
    """Nodes that ask for more than there is."""
    for name, nodes in _bombs():
        yield case(name, "m.pbtxt", text(*nodes))
        yield case(f"{name}, folded", "m.pbtxt", text(*nodes, node("Shape", "z", "y", T=F)))


def _function(name: str, body: str) -> str:
    signature = f'name: "{name}" input_arg {{ name: "a" type: {F} }} output_arg {{ name: "r" type: {F} }}'
    return f"function {{ signature {{ {signature} }} {body} }}"


def endless() -> Iterator[Case]:
    """Graphs that go in circles, functions that call one another, loops in loops."""
    chain = 'node_def {{ name: "s" op: "{0}" input: "a" }} ret {{ key: "r" value: "s:r:0" }}'
    x, call = placeholder("x", 2), node("f0", "y", "x")
    for count in (1, 2, 50):
        bodies = [_function(f"f{at}", chain.format(f"f{(at + 1) % count}")) for at in range(count)]
        yield case(
            f"{count} functions in a circle",
            "m.pbtxt",
            text(x, call, f"library {{ {' '.join(bodies)} }}"),
            refused=True,
        )
    deep = [_function(f"f{at}", chain.format(f"f{at + 1}")) for at in range(3000)]
    yield case("functions without end", "m.pbtxt", text(x, call, f"library {{ {' '.join(deep)} }}"), refused=True)
    twice = 'node_def {{ name: "b" op: "{0}" input: "a" }} node_def {{ name: "s" op: "{0}" input: "b:r:0" }}'
    wide = [_function(f"f{at}", twice.format(f"f{at + 1}") + ' ret { key: "r" value: "s:r:0" }') for at in range(40)]
    last = _function("f40", 'node_def { name: "s" op: "Square" input: "a" } ret { key: "r" value: "s:y:0" }')
    yield case(
        "functions that double", "m.pbtxt", text(x, call, f"library {{ {' '.join(wide)} {last} }}"), refused=True
    )
    circle = [node("Neg", f"n{at}", f"n{(at + 1) % 2000}", T=F) for at in range(2000)]
    yield case("nodes in a circle", "m.pbtxt", text(*circle, node("Neg", "y", "n0", T=F)), refused=True)
    loops = [node("While", "y", "x", cond='{func { name: "f0" }}', body='{func { name: "f0" }}', T=[F])]
    body = 'node_def { name: "s" op: "While" input: "a" attr { key: "body" value { func { name: "f0" } } } '
    body += 'attr { key: "cond" value { func { name: "f0" } } } } ret { key: "r" value: "s:output:0" }'
    yield case("a loop in itself", "m.pbtxt", text(x, *loops, f"library {{ {_function('f0', body)} }}"), refused=True)
    frames = [node("Enter", f"e{at}", f"e{at + 1}" if at < 400 else "x", T=F, frame_name=f"f{at}") for at in range(401)]
    yield case("frames without loops", "m.pbtxt", text(x, *frames, node("Exit", "y", "e0", T=F)), refused=True)
    merges = [
        x,
        node("Merge", "m", "n", "x", T=F, N=2),
        node("NextIteration", "n", "m", T=F),
        node("Exit", "y", "m", T=F),
    ]
    yield case("a loop without a condition", "m.pbtxt", text(*merges), refused=True)
    nest = 'attr { key: "a" value { list { func { name: "f" ' * 300 + "} } } }" * 300
    yield case("attributes in attributes", "m.pbtxt", text(f'node {{ name: "y" op: "NoOp" {nest} }}'), refused=True)


def _folder(name: str) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        root = unpack_saved(name, Path(folder))
        return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def saved() -> Iterator[Case]:
    """SavedModels with damaged graphs, tables and weights."""
    for seed, name in enumerate(("loop", "images")):
        files = _folder(name)
        for place, data in files.items():
            whole: dict[str, Content] = dict(files)
            counts = (6, 25, 8) if place.endswith(".pb") else (4, 12, 4)
            for mutate, count in zip((truncations, flips, splices), counts, strict=True):
                for label, content in mutate(data, min(count, max(len(data) - 1, 1)), seed):
                    yield Case(f"{name} {place} {label}", "saved_model.pb", {**whole, place: content})


def checkpoints() -> Iterator[Case]:
    """Checkpoints of both versions with damaged bytes: every flipped bit of a table is found."""
    files = _folder("old")
    first = {name.rpartition("/")[2]: data for name, data in files.items() if name.startswith("first/")}
    for seed, name in enumerate(name for name in first if "meta" not in name):
        model = "version1.ckpt" if name.startswith("version1") else "version2.ckpt.index"
        for mutate, count in ((truncations, 12), (flips, 40), (splices, 15)):
            for label, content in mutate(first[name], count, seed):
                made = Case(f"{name} {label}", model, {**first, name: content})
                yield replace(made, weights=True, endings=REFUSALS | {0})


def scripts() -> Iterator[Case]:
    """Graph models of TensorFlow.js with other words, numbers and shards."""
    with tempfile.TemporaryDirectory() as name:
        weights = [
            javascript.weight("w", "float32", 2),
            javascript.weight("q", "float32", 2, dtype="uint8", scale=1, min=0),
        ]
        nodes = [*javascript.X, javascript.constant("q", "float32", 2), javascript.node("Mul", "z", "y", "q")]
        path = Path(javascript.write(Path(name), nodes, weights, np.ones(2, np.float32).tobytes() + b"\1\2"))
        model, shard = path.read_bytes(), (path.parent / "shard0.bin").read_bytes()
    files: dict[str, Content] = {"shard0.bin": shard}
    for label, content in tokens(model, 200, 7):
        yield Case(f"words {label}", "model.json", {**files, "model.json": content})
    for label, content in flips(model, 60, 8):
        yield Case(f"bytes {label}", "model.json", {**files, "model.json": content})
    for size in (0, 1, 9, 11, 1 << 20):
        yield Case(f"a shard of {size} bytes", "model.json", {"model.json": model, "shard0.bin": bytes(size)}, REFUSALS)
    told = json.loads(model)
    for other in ("/etc/passwd", "../shard0.bin", "https://x.invalid/a", "a\0b", "."):
        told["weightsManifest"][0]["paths"] = [other]
        endings = REFUSALS | {9}
        yield Case(f"a shard {other!r}", "model.json", {**files, "model.json": json.dumps(told).encode()}, endings)
    told["weightsManifest"] = [{"paths": ["shard0.bin"] * 4000, "weights": weights}]
    yield Case("a shard many times", "model.json", {**files, "model.json": json.dumps(told).encode()}, REFUSALS)
    texts = [javascript.weight("t", "string", 1 << 30)]
    told["weightsManifest"] = [{"paths": ["shard0.bin"], "weights": texts}]
    data = struct.pack("<I", HUGE) + b"abc"
    yield Case("strings", "model.json", {"model.json": json.dumps(told).encode(), "shard0.bin": data}, REFUSALS)
