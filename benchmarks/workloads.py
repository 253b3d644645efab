"""What the runtimes are compared on: kernels, networks, and the published models of the corpus."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from peers import Workload, installed

import xir

Array = NDArray[np.generic]
GOALS: Mapping[str, float] = {
    "ResNet-50": 1.15,
    "MobileNetV2": 1.1,
    "SqueezeNet 1.1": 1.2,
    "VGG-16": 1.6,
    "BERT-base, 128 tokens": 1.05,
    "GPT-2, 128 tokens": 1.05,
    "GPT-2, one step after 128": 1.0,
    "LSTM 2x512, 100 steps": 1.1,
}
"""How many times as fast as the best other runtime xir has to be, by network."""
SLOWEST = 0.9
"""The same for every model of the corpus, beside onnxruntime."""


def kernels(folder: Path) -> Iterator[Workload]:
    """One operator each, or a few that belong together."""
    rng = np.random.default_rng(0)

    def floats(*shape: int) -> Array:
        return rng.standard_normal(shape, np.float32)

    def made(
        name: str, nodes: Sequence[onnx.NodeProto], shape: tuple[int, ...], goal: float | None, **weights: Array
    ) -> Workload:
        path = folder / f"{name.replace(' ', '_').replace('>', '')}.onnx"
        _write(path, nodes, shape, weights)
        return Workload(name, path, {"x": floats(*shape)}, None if goal is None else 1 / goal)

    for rows, columns, inner in ((1024, 1024, 1024), (128, 3072, 768), (128, 768, 3072), (196, 256, 2304)):
        node = helper.make_node("MatMul", ["x", "w"], ["y"])
        yield made(f"matmul {rows}x{inner} {inner}x{columns}", [node], (rows, inner), 1.0, w=floats(inner, columns))
    conv = helper.make_node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1, 1, 1])
    relu = helper.make_node("Relu", ["c"], ["y"])
    weights = {"w": floats(64, 64, 3, 3) * np.float32(0.05), "b": floats(64)}
    yield made("conv 3x3 64->64 @56", [conv, relu], (1, 64, 56, 56), 2.0, **weights)
    depthwise = helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1], group=144)
    yield made("depthwise 3x3 144 @56", [depthwise], (1, 144, 56, 56), None, w=floats(144, 1, 3, 3))
    softmax = helper.make_node("Softmax", ["x"], ["y"], axis=-1)
    yield made("softmax 512x1024", [softmax], (512, 1024), 1.3)
    norm = helper.make_node("LayerNormalization", ["x", "w", "b"], ["y"])
    yield made("layer_norm 512x1024", [norm], (512, 1024), 1.3, w=floats(1024), b=floats(1024))
    yield made("gelu 512x1024", [helper.make_node("Gelu", ["x"], ["y"])], (512, 1024), None)
    yield made("chain of 10 on 16 M floats", _chain(), (16, 1024, 1024), 2.5)


def _chain() -> list[onnx.NodeProto]:
    steps = ["Relu:x", "Mul:a x", "Add:b x", "Abs:c", "Sub:d x", "Mul:e a", "Neg:f", "Add:g b", "Max:h x", "Min:i c"]
    names = [*"abcdefghi", "y"]
    pairs = [step.split(":") for step in steps]
    return [helper.make_node(op, given.split(), [name]) for (op, given), name in zip(pairs, names, strict=True)]


def _write(path: Path, nodes: Sequence[onnx.NodeProto], shape: tuple[int, ...], weights: Mapping[str, Array]) -> None:
    given = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]
    made = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    held = [numpy_helper.from_array(array, key) for key, array in weights.items()]
    graph = helper.make_graph(list(nodes), "g", given, made, held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    path.write_bytes(onnx.shape_inference.infer_shapes(model).SerializeToString())


def nets(folder: Path) -> Iterator[Workload]:
    """The networks, written by torch; none without torch."""
    if not installed("torch"):
        return
    from networks import NETWORKS, network

    for name in NETWORKS:
        made = network(name)
        path = folder / f"{name.replace(' ', '_').replace(',', '')}.onnx"
        made.write(path)
        yield Workload(name, path, made.inputs, 1 / GOALS[name], name)
        path.unlink()


def published() -> Iterator[Workload]:
    """Every model of the corpus that `make models` fetched, on random inputs."""
    folder = Path(os.environ.get("XIR_CORPUS_CACHE") or "~/.cache/xir-corpus").expanduser() / "onnx"
    for path in sorted(folder.rglob("*.onnx")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            feeds = xir.random_inputs(xir.load(path))
        yield Workload(str(path.relative_to(folder).with_suffix("")), path, feeds, 1 / SLOWEST)
