"""What is read along another axis than it is stored goes in squares, which are turned in registers."""

from __future__ import annotations

import numpy as np
import pytest

from tests.backends.codegen.guarded import Side, guarded_run
from xir.backends.codegen.ahead._processors import processors_of
from xir.backends.codegen.compile import compile_graph
from xir.backends.codegen.llvm.kernel import phases
from xir.backends.codegen.lowering.lower import expand, lower
from xir.backends.codegen.steps import Run
from xir.ir.dims import Dim, Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.kernel.grammar import For, Kernel
from xir.kernel.interpret import interpret
from xir.kernel.verify import verify
from xir.kernel.walk import statements
from xir.ops.arithmetic import abs_
from xir.ops.padding import pad
from xir.ops.shape import transpose

N = Symbol("N")

SHAPES: dict[str, tuple[tuple[Dim, ...], tuple[int, ...], tuple[int, ...]]] = {
    # shape, permutation, padding before it at each side of the last axis
    "whole squares": ((32, 48), (1, 0), ()),
    "parts of squares": ((2, 19, 37), (0, 2, 1), ()),
    "channels last": ((1, 20, 5, 7), (0, 2, 3, 1), ()),
    "padded": ((3, 17, 18), (0, 2, 1), (1, 2)),
    "unknown rows": ((N, 24), (1, 0), ()),
    "unknown columns": ((2, 33, N), (0, 2, 1), ()),
}


def graph_of(name: str) -> Graph:
    """A permutation, with zeros put around before it, and a function behind."""
    shape, perm, sides = SHAPES[name]
    x = Value(TensorType(DType.FLOAT32, shape))
    value = x
    if sides:
        value = pad(value, padding=(*((0, 0),) * (len(shape) - 1), (sides[0], sides[1])))
    y = transpose(value, perm=perm)
    return Graph("g", (x,), (abs_(y),), names={x: "x"})


def fed(name: str, size: int) -> tuple[np.ndarray, np.ndarray]:
    """What is fed, and what comes out."""
    shape, perm, sides = SHAPES[name]
    array = np.random.default_rng(1).standard_normal([s if isinstance(s, int) else size for s in shape], np.float32)
    value = array
    if sides:
        value = np.pad(value, [(0, 0)] * (array.ndim - 1) + [(sides[0], sides[1])])
    return array, np.abs(value.transpose(perm))


def kernels_of(graph: Graph, cpu: str) -> list[Kernel]:
    """The kernels of a program for a processor."""
    made = lower(expand(graph), processors_of(cpu)[0].machine)
    return [step.kernel for step in made.steps if isinstance(step, Run)]


def squares(kernel: Kernel, lanes: int) -> list[For]:
    """The loops over the rows of squares."""
    loops = [each for each in statements(kernel.body) if isinstance(each, For)]
    return [each for each in loops if each.kind == "unrolled" and each.extent == lanes]


@pytest.mark.parametrize("cpu", ["x86-64-v3", "x86-64-v4"])
@pytest.mark.parametrize("name", SHAPES)
def test_the_interpreter_finds_the_same(name: str, cpu: str) -> None:
    (kernel,) = kernels_of(graph_of(name), cpu)
    lanes = 8 if cpu == "x86-64-v3" else 16
    assert squares(kernel, lanes)
    verify(kernel)
    array, wanted = fed(name, 21)
    (made,) = interpret(kernel, [array.reshape(-1)], {N: 21})
    np.testing.assert_array_equal(made, wanted.reshape(-1))


@pytest.mark.parametrize("size", [0, 1, 16, 45])
@pytest.mark.parametrize("name", SHAPES)
def test_machine_code_computes_the_same(name: str, size: int) -> None:
    if size != 45 and not name.startswith("unknown"):
        return
    array, wanted = fed(name, size)
    np.testing.assert_array_equal(compile_graph(graph_of(name))(array)[0], wanted)


@pytest.mark.parametrize("side", ["begin", "end"])
@pytest.mark.parametrize("name", SHAPES)
def test_nothing_outside_is_touched(name: str, side: Side) -> None:
    array, wanted = fed(name, 21)
    made = guarded_run(compile_graph(graph_of(name), threads=1), {"x": array}, side)
    np.testing.assert_array_equal(next(iter(made.values())), wanted)


def test_squares_are_turned_in_registers() -> None:
    (kernel,) = kernels_of(graph_of("whole squares"), "x86-64-v4")
    (phase,) = phases(kernel, processors_of("x86-64-v4")[0].machine)
    assert phase.text.count("shufflevector") >= 64
    assert "extractelement" not in phase.text


@pytest.mark.parametrize("shape", [(40, 3), (4, 40)])
def test_short_axes_have_no_squares(shape: tuple[int, int]) -> None:
    x = Value(TensorType(DType.FLOAT32, shape))
    (kernel,) = kernels_of(Graph("g", (x,), (transpose(x, perm=(1, 0)),), names={x: "x"}), "x86-64-v4")
    assert not squares(kernel, 16)
