"""Recurrent layers as machine code: loops whose weights lie packed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.thinning import pairwise_by_day
from xir.backends.codegen.compile import compile_graph
from xir.backends.codegen.engine import host
from xir.backends.codegen.llvm.kernel import phases
from xir.backends.codegen.lowering.lower import expand, lower
from xir.backends.codegen.steps import Hosted, Repeat, Run, Step, kernels
from xir.ir.constant import constant_of
from xir.ir.dims import Symbol
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops._gates import Direction, GateFunction
from xir.ops.lstm import lstm
from xir.ops.rnn import gru, rnn
from xir.reference import run

Kind = Literal["rnn", "gru", "linear gru", "lstm"]
GATES: dict[Kind, int] = {"rnn": 1, "gru": 3, "linear gru": 3, "lstm": 4}
FUNCTIONS: tuple[GateFunction, GateFunction] = ("sigmoid", 0.0, 0.0), ("tanh", 0.0, 0.0)
SIGMOID, TANH = FUNCTIONS


def numbers(*shape: int) -> NDArray[np.float32]:
    return (np.random.default_rng(3).standard_normal(shape) / 3).astype(np.float32)


def layer(
    kind: Kind, direction: Direction, steps: int | Symbol, rows: int, *, lengths: bool = False, hidden: int = 20
) -> Graph:
    ways, gates = 2 if direction == "bidirectional" else 1, GATES[kind]
    x = Value(TensorType(DType.FLOAT32, (steps, rows, 7)))
    ends = Value(TensorType(DType.INT32, (rows,))) if lengths else None
    shapes = ((ways, gates * hidden, 7), (ways, gates * hidden, hidden), (ways, 2 * gates * hidden))
    weights = [Parameter(Value(TensorType(DType.FLOAT32, s)), constant_of(numbers(*s))) for s in shapes]
    w, r, b = (each.value for each in weights)
    made: Sequence[Value]
    if kind == "lstm":
        functions = (SIGMOID, TANH, TANH) * ways
        made = lstm(x, w, r, b, ends, direction=direction, functions=functions, clip=None, coupled=False)
    elif kind == "rnn":
        made = rnn(x, w, r, b, ends, direction=direction, functions=(TANH,) * ways, clip=None)
    else:
        linear, functions = kind == "linear gru", (SIGMOID, TANH) * ways
        made = gru(x, w, r, b, ends, direction=direction, functions=functions, clip=None, linear_before_reset=linear)
    inputs = (x,) if ends is None else (x, ends)
    names = {value: name for value, name in zip(inputs, ("x", "lengths"), strict=False)}
    names |= {each.value: name for each, name in zip(weights, "wrb", strict=True)}
    return Graph("layer", inputs, tuple(made), tuple(f"y{n}" for n in range(len(made))), tuple(weights), names)


def program(graph: Graph) -> list[Step]:
    return lower(expand(graph), host()).steps


@pytest.mark.parametrize(
    ("kind", "direction", "length", "lengths"),
    pairwise_by_day(
        tuple(GATES),
        ("forward", "reverse", "bidirectional"),
        ((1, False), (3, True), (9, False), (9, True)),
        (False, True),
    ),
)
def test_layers_are_what_the_reference_makes(
    kind: Kind, direction: Direction, length: tuple[int, bool], lengths: bool
) -> None:
    steps, known = length
    graph = layer(kind, direction, steps if known else Symbol("T"), 3, lengths=lengths)
    feeds = {"x": numbers(steps, 3, 7)} | ({"lengths": np.asarray([0, steps, 1], np.int32)} if lengths else {})
    expected = run(graph, feeds)
    for name, made in zip(expected, compile_graph(graph).run(None, feeds), strict=True):
        wanted = cast("NDArray[np.float32]", expected[name])
        assert made.shape == wanted.shape
        assert np.allclose(cast("NDArray[np.float32]", made), wanted, 1e-5, 1e-6)


@pytest.mark.parametrize("kind", GATES)
def test_weights_of_steps_lie_ready_before_the_first_call(kind: Kind) -> None:
    """Nothing of the size of a weight is moved when the program runs, and what steps multiply with is packed."""
    steps = program(layer(kind, "bidirectional", Symbol("T"), 2))
    assert not any(isinstance(step, Hosted) for step in steps)
    loops = [step for step in steps if isinstance(step, Repeat)]
    assert len(loops) == 2
    for loop in loops:
        read = [buffer.name for step in loop.body if isinstance(step, Run) for buffer in step.kernel.inputs]
        assert any(name.endswith("p") for name in read)


@pytest.mark.parametrize(("steps", "loops"), [(2, 0), (3, 0), (4, 1), (50, 1)])
def test_many_steps_are_a_loop(steps: int, loops: int) -> None:
    made = program(layer("lstm", "forward", steps, 1))
    assert sum(isinstance(step, Repeat) for step in made) == loops


def test_the_inputs_of_all_steps_are_multiplied_at_once() -> None:
    steps = program(layer("lstm", "forward", Symbol("T"), 1))
    (loop,) = (step for step in steps if isinstance(step, Repeat))
    products = [step for step in loop.body if isinstance(step, Run) and any(n.op.name == "matmul" for n in step.nodes)]
    assert len(products) == 1


@pytest.mark.parametrize("steps", [4, 7])
def test_every_other_step_goes_by_large_weights_the_other_way_round(steps: int) -> None:
    graph = layer("lstm", "forward", Symbol("T"), 1, hidden=208)
    feeds = {"x": numbers(steps, 1, 7)}
    made = [compile_graph(graph, threads=threads).run(None, feeds) for threads in (1, 2)]
    for name, first, second in zip(graph.output_names, *made, strict=True):
        wanted = cast("NDArray[np.float32]", run(graph, feeds)[name])
        assert np.allclose(cast("NDArray[np.float32]", first), wanted, 1e-5, 1e-6)
        assert np.array_equal(cast("NDArray[np.float32]", first), cast("NDArray[np.float32]", second))


@pytest.mark.parametrize(("hidden", "turns"), [(20, 0), (208, 1)])
def test_only_kernels_in_loops_that_read_much_turn_around(hidden: int, turns: int) -> None:
    for kernel in kernels(program(layer("lstm", "forward", Symbol("T"), 1, hidden=hidden))):
        assert not any(phase.turns for phase in phases(kernel, host()))
    (loop,) = (s for s in program(layer("lstm", "forward", Symbol("T"), 1, hidden=hidden)) if isinstance(s, Repeat))
    found = [phase.turns for kernel in kernels(loop.body) for phase in phases(kernel, host(), again=True)]
    assert sum(found) == turns
