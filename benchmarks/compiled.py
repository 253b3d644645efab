"""Machine code against onnxruntime: the same graph, the same threads, alternating in one process.

A figure is the quotient of times, below 1 where xir is faster: the smallest time of each, of calls that alternate in
groups, so that what else the machine does meets both. The goals are the floors of the CPU compiler's design.
"""

from __future__ import annotations

import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import onnx
from measure import Figure
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

import xir

ROUNDS = 7
CALLS = 3
SECONDS = 1.5
"""What the calls of one side may take in a round; slower models are called once."""

Array = NDArray[np.generic]
Weights = Sequence[tuple[str, Array]]


@dataclass(frozen=True, slots=True)
class Workload:
    """A file to run.

    Attributes:
        name: what it is.
        path: the ONNX file.
        goal: the quotient to stay at or below, or None.
    """

    name: str
    path: Path
    goal: float | None = None


def compiled() -> list[Figure]:
    """Kernels that onnx.helper builds, then every model of the corpus, on one thread and on two."""
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="xir-bench-") as folder:
        for workload in (*_kernels(Path(folder)), *_models()):
            figures += _compared(workload)
    return figures


def _models() -> Iterator[Workload]:
    folder = Path(os.environ.get("XIR_CORPUS_CACHE") or "~/.cache/xir-corpus").expanduser() / "onnx"
    for path in sorted(folder.rglob("*.onnx")):
        yield Workload(str(path.relative_to(folder).with_suffix("")), path, 1 / 0.9)


def _kernels(folder: Path) -> Iterator[Workload]:
    rng = np.random.default_rng(0)

    def floats(*shape: int) -> Array:
        return rng.standard_normal(shape).astype(np.float32)

    for rows, columns, inner in ((1024, 1024, 1024), (128, 3072, 768), (128, 768, 3072), (196, 256, 2304)):
        node = helper.make_node("MatMul", ["x", "w"], ["y"])
        name = f"matmul {rows}x{inner} {inner}x{columns}"
        yield _written(folder, name, [node], (rows, inner), [("w", floats(inner, columns))], 1.0)
    conv = helper.make_node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1, 1, 1])
    relu = helper.make_node("Relu", ["c"], ["y"])
    weights = [("w", floats(64, 64, 3, 3) * np.float32(0.05)), ("b", floats(64))]
    yield _written(folder, "conv 3x3 64->64 @56", [conv, relu], (1, 64, 56, 56), weights, 1 / 2.0)
    depthwise = helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1], group=144)
    yield _written(folder, "depthwise 3x3 144 @56", [depthwise], (1, 144, 56, 56), [("w", floats(144, 1, 3, 3))])
    softmax = helper.make_node("Softmax", ["x"], ["y"], axis=-1)
    yield _written(folder, "softmax 512x1024", [softmax], (512, 1024), [], 1 / 1.3)
    norm = helper.make_node("LayerNormalization", ["x", "s", "b"], ["y"])
    yield _written(
        folder, "layer_norm 512x1024", [norm], (512, 1024), [("s", floats(1024)), ("b", floats(1024))], 1 / 1.3
    )
    gelu = helper.make_node("Gelu", ["x"], ["y"])
    yield _written(folder, "gelu 512x1024", [gelu], (512, 1024), [])
    yield _written(folder, "chain of 10 on 16 M floats", _chain(), (16, 1024, 1024), [], 1 / 2.5)


def _chain() -> list[onnx.NodeProto]:
    steps = ["Relu:x", "Mul:a x", "Add:b x", "Abs:c", "Sub:d x", "Mul:e a", "Neg:f", "Add:g b", "Max:h x", "Min:i c"]
    names = [*"abcdefghi", "y"]
    pairs = [step.split(":") for step in steps]
    return [helper.make_node(op, given.split(), [name]) for (op, given), name in zip(pairs, names, strict=True)]


def _written(
    folder: Path,
    name: str,
    nodes: list[onnx.NodeProto],
    shape: tuple[int, ...],
    weights: Weights,
    goal: float | None = None,
) -> Workload:
    given = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]
    made = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    held = [numpy_helper.from_array(array, key) for key, array in weights]
    graph = helper.make_graph(nodes, "g", given, made, held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    path = folder / f"{name.replace(' ', '_').replace('>', '')}.onnx"
    path.write_bytes(onnx.shape_inference.infer_shapes(model).SerializeToString())
    return Workload(name, path, goal)


def _compared(workload: Workload) -> Iterator[Figure]:
    """The quotient on one thread and on two; nothing where onnxruntime does not run the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        graph = xir.optimize(xir.load(workload.path))
        feeds = xir.random_inputs(graph)
    for threads in (1, 2):
        theirs = _session(workload.path, feeds, threads)
        if theirs is None:
            return
        started = time.process_time()
        executable = xir.compile(graph, threads=threads)
        compiling = time.process_time() - started
        ours = _bound(executable.run, feeds)
        mine, other = _alternating(ours, theirs)
        hosted = f"; {len(executable.hosted)} steps on the host" if executable.hosted else ""
        detail = f"xir {mine * 1e3:.3g} ms, onnxruntime {other * 1e3:.3g} ms; compiled in {compiling:.1f} s CPU{hosted}"
        name = f"{workload.name}, {threads} thread{'s' * (threads > 1)}: time of xir / onnxruntime"
        yield Figure(name, mine / other, "x", workload.goal, detail)


def _bound(run: Callable[[None, Mapping[str, Array]], object], feeds: Mapping[str, Array]) -> Callable[[], object]:
    return lambda: run(None, feeds)


def _session(path: Path, feeds: Mapping[str, Array], threads: int) -> Callable[[], object] | None:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(str(path), options)
        session.run(None, cast("dict[str, Array]", dict(feeds)))
    except Exception:  # onnxruntime's errors have no common base
        return None
    return _bound(session.run, feeds)


def _alternating(ours: Callable[[], object], theirs: Callable[[], object]) -> tuple[float, float]:
    """The smallest seconds of each."""
    best = [float("inf"), float("inf")]
    for _ in range(ROUNDS):
        for side, call in enumerate((ours, theirs)):
            call()
            spent = 0.0
            for _ in range(CALLS):
                started = time.perf_counter()
                call()
                taken = time.perf_counter() - started
                best[side], spent = min(best[side], taken), spent + taken
                if spent > SECONDS:
                    break
    return best[0], best[1]
