"""Branches and loops as subgraphs of a TFLite file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import xir
from tests.backends.export.tflite.test_export import Net, image, kinds, round_trip
from xir.backends.export.tflite import export_tflite, plan_tflite
from xir.errors import UnsupportedError
from xir.ir.constant import Array, constant_of
from xir.ir.dims import Dim, Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops import control, elementwise
from xir.ops._gates import GateFunction
from xir.ops.compare import less
from xir.ops.constant import constant
from xir.ops.lstm import lstm
from xir.ops.reduce import reduce_sum
from xir.ops.shape import reshape
from xir.passes import tidied
from xir.reference import run


def same(one: Array, other: Array) -> None:
    np.testing.assert_allclose(one.astype(np.float64), other.astype(np.float64), rtol=1e-5)


def body(inputs: tuple[Value, ...], *outputs: Value) -> Graph:
    names = tuple(f"r{index}" for index in range(len(outputs)))
    return Graph("body", inputs, outputs, names, (), {value: f"i{index}" for index, value in enumerate(inputs)})


@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
def test_a_recurrent_layer_is_a_loop_of_any_length(direction: str, tmp_path: Path) -> None:
    x = image(Symbol("T"), 2, 3)
    net, ways = Net(x), 2 if direction == "bidirectional" else 1
    gates: tuple[GateFunction, ...] = (("sigmoid", 0.0, 0.0), ("tanh", 0.0, 0.0), ("tanh", 0.0, 0.0))
    made = lstm(
        x,
        net.weight(ways, 16, 3),
        net.weight(ways, 16, 4),
        net.weight(ways, 32),
        direction="bidirectional" if ways == 2 else "forward",
        functions=gates * ways,
        clip=None,
        coupled=False,
    )
    graph = net.graph(*made)
    plan = plan_tflite(graph, tidied)
    assert kinds(plan).count("WHILE") == ways
    assert len(plan.module) == 1 + 2 * ways
    step = next(part for part in plan.module if "DYNAMIC_UPDATE_SLICE" in kinds(part))
    weights = [tensor for tensor in step.tensors if tensor.constant is not None and tensor.dtype is DType.FLOAT32]
    assert ways == 2 or any(sorted(tensor.shape, key=str) == [16, 4] for tensor in weights)
    round_trip(graph, tmp_path / "net.tflite")


@pytest.mark.parametrize("value", [2.0, -2.0])
def test_a_branch_has_two_subgraphs(value: float, tmp_path: Path) -> None:
    x = image(2, 3)
    net = Net(x)
    zero = constant(value=constant_of(np.zeros((1,), np.float32)))
    test = less(zero, reshape(reduce_sum(x, axes=(0, 1), keep_dims=False), shape=(1,)))
    one, other, weight = image(2, 3), image(2, 3), image(2, 3)
    own = Net(other)
    less_own = elementwise.sub(other, own.weight(2, 3))
    rest = Graph("rest", (other, weight), (less_own,), ("r",), tuple(own.weights), {other: "a", weight: "b"})
    then = body((one, weight), elementwise.mul(one, weight))
    (result,) = control.if_(test, x, net.weight(2, 3), then_body=then, else_body=rest)
    graph, path = net.graph(result), tmp_path / "net.tflite"
    export_tflite(graph, path)
    feeds = {"x0": np.full((2, 3), value, np.float32)}
    again = run(xir.load(path), feeds)
    same(again["y0"], run(graph, feeds)["y0"])


def looped(stacks: bool, rows: Dim = 2) -> Graph:
    """X doubled until its sum passes a hundred, as often as is fed at most."""
    x, count = image(rows), Value(TensorType(DType.INT64, ()))
    step, going, held = Value(TensorType(DType.INT64, ())), Value(TensorType(DType.BOOL, ())), image(rows)
    new = elementwise.add(held, held)
    limit = constant(value=constant_of(np.array(100.0, np.float32)))
    more = less(reduce_sum(new, axes=(0,), keep_dims=False), limit)
    results = (more, new, new) if stacks else (more, new)
    made = control.loop(count, None, x, body=body((step, going, held), *results), carried=1)
    return Net(x, count).graph(*made)


@pytest.mark.parametrize("stacks", [False, True])
@pytest.mark.parametrize(("start", "count", "steps"), [(0.001, 12, 12), (7.0, 12, 3), (7.0, 2, 2), (7.0, 0, 0)])
def test_a_loop_ends_by_its_condition_or_its_count(
    stacks: bool, start: float, count: int, steps: int, tmp_path: Path
) -> None:
    """What is stacked has a row for each step, none where there was none."""
    path = tmp_path / "net.tflite"
    export_tflite(looped(stacks), path)
    feeds = {"x0": np.array([start, start], np.float32), "x1": np.array(count, np.int64)}
    again, wanted = run(xir.load(path), feeds), run(looped(stacks), feeds)
    assert wanted["y0"][0] == np.float32(start) * 2.0**steps
    assert [each.shape for each in again.values()] == ([(2,), (steps, 2)] if stacks else [(2,)])
    for name, array in wanted.items():
        same(again[name], array)


def test_what_loops_cannot_do_is_told() -> None:
    with pytest.raises(UnsupportedError, match="stacks results whose sizes are not known"):
        plan_tflite(looped(True, Symbol("N")))
