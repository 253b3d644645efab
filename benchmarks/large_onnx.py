"""ONNX files of 3 GB and of 100,000 nodes."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import onnx
from measure import Figure, Samples, command, watch
from onnx import TensorProto, helper

SIZES = (10_000, 20_000, 50_000, 100_000)
ROUNDS = 3
GOAL_LOADING = 30.0
"""Seconds for 100,000 nodes."""

GOAL_GROWTH = 1.5
"""Most that a node among 100,000 may cost, against a node among 20,000."""

WEIGHTS = 48
WEIGHT_SHAPE = (4096, 4096)
GOAL_INSPECT = 2.0
"""Seconds to inspect 3 GB of weights."""

GOAL_MEMORY = 300.0
"""MiB of anonymous memory, inspecting and converting."""


def large_onnx() -> list[Figure]:
    """Chains of nodes are loaded; 48 weights of 64 MiB in a sparse data file are inspected and converted."""
    with tempfile.TemporaryDirectory(prefix="xir-bench-") as name:
        return [*_chains(Path(name)), *_three_gigabytes(Path(name))]


def _chains(folder: Path) -> list[Figure]:
    figures: list[Figure] = []
    per_node: dict[int, float] = {}
    for count in SIZES:
        path = folder / f"chain{count}.onnx"
        path.write_bytes(_chain(count).SerializeToString())
        load = [sys.executable, "-c", "import sys, xir; xir.load(sys.argv[1])", str(path)]
        samples = Samples([watch(load).seconds for _ in range(ROUNDS)])
        per_node[count] = samples.median / count
        goal = GOAL_LOADING if count == SIZES[-1] else None
        detail = f"{samples.spread}; {per_node[count] * 1e6:.0f} us a node"
        figures.append(Figure(f"loading an ONNX file of {count:,} nodes", samples.median, "s", goal, detail))
    growth = per_node[100_000] / per_node[20_000]
    figures.append(Figure("time per node, 100,000 / 20,000 nodes", growth, "x", GOAL_GROWTH, "linear growth is 1"))
    return figures


def _chain(count: int) -> onnx.ModelProto:
    nodes = [helper.make_node("Neg" if i % 2 else "Relu", [f"v{i}"], [f"v{i + 1}"], name=f"n{i}") for i in range(count)]
    inputs = [helper.make_tensor_value_info("v0", TensorProto.FLOAT, ["N", 4])]
    outputs = [helper.make_tensor_value_info(f"v{count}", TensorProto.FLOAT, ["N", 4])]
    graph = helper.make_graph(nodes, "chain", inputs, outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def _three_gigabytes(folder: Path) -> list[Figure]:
    path = folder / "large.onnx"
    size = WEIGHT_SHAPE[0] * WEIGHT_SHAPE[1] * 4
    with open(folder / "large.data", "wb") as data:
        data.truncate(WEIGHTS * size)
    weights = [_external(f"w{i}", i * size, size) for i in range(WEIGHTS)]
    nodes = [helper.make_node("MatMul", ["x", f"w{i}"], [f"y{i}"]) for i in range(WEIGHTS)]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", WEIGHT_SHAPE[0]])]
    outputs = [
        helper.make_tensor_value_info(f"y{i}", TensorProto.FLOAT, ["N", WEIGHT_SHAPE[1]]) for i in range(WEIGHTS)
    ]
    graph = helper.make_graph(nodes, "large", inputs, outputs, initializer=weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    path.write_bytes(model.SerializeToString())
    gigabytes = WEIGHTS * size / 1e9
    looks = [watch(command("inspect", str(path))) for _ in range(ROUNDS)]
    seconds = Samples([process.seconds for process in looks])
    conversion = watch(command("convert", str(path), "-o", str(folder / "out.onnx"), "--no-verify"))
    peak = Samples([process.anonymous / (1 << 20) for process in looks])
    what = f"an ONNX file with {gigabytes:.1f} GB of weights"
    written = f"1 round of {conversion.seconds:.0f} s"
    return [
        Figure(f"inspecting {what}", seconds.median, "s", GOAL_INSPECT, seconds.spread),
        Figure(f"inspecting {what}, peak anonymous memory", peak.median, "MiB", GOAL_MEMORY, peak.spread),
        Figure(
            f"converting {what}, peak anonymous memory", conversion.anonymous / (1 << 20), "MiB", GOAL_MEMORY, written
        ),
    ]


def _external(name: str, offset: int, length: int) -> TensorProto:
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=WEIGHT_SHAPE, data_location=1)
    for key, value in {"location": "large.data", "offset": str(offset), "length": str(length)}.items():
        tensor.external_data.add(key=key, value=value)
    return tensor
