"""Passes of neighbouring rows run at once, and every row is what it is alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.backends.codegen.c_compiler import Library
from tests.backends.codegen.test_next_row import kernels_of, softmax_of
from xir.backends.codegen.compile import compile_graph
from xir.backends.codegen.lowering.schedules.schedule import schedule
from xir.backends.codegen.lowering.schedules.skewed import FEWEST, LONGEST, SHARES, TOGETHER
from xir.backends.codegen.math.expand import expand_kernel
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.kernel import build
from xir.kernel.grammar import Allocate, Apply, Axis, Buffer, For, Kernel, Load, Statement, Store
from xir.kernel.interpret import interpret
from xir.kernel.verify import verify
from xir.kernel.walk import statements
from xir.ops.norm import layer_norm

FLOAT = DType.FLOAT32
FEW = FEWEST * SHARES


def layer_norm_of(shape: tuple[int, ...]) -> Graph:
    """A normalization of rows."""
    x = Value(TensorType(FLOAT, shape))
    return Graph("g", (x,), (layer_norm(x, None, None, axis=1, epsilon=1e-5),), names={x: "x"})


def at_once(kernel: Kernel) -> int:
    """The most vector loops beside each other in a loop over the blocks of a row."""
    loops = (each for each in statements(kernel.body) if isinstance(each, For) and each.kind == "serial")
    inner = ([isinstance(one, For) and one.kind == "vector" for one in loop.body] for loop in loops)
    return max((len(each) for each in inner if all(each)), default=0)


@pytest.mark.parametrize("lanes", [8, 16])
@pytest.mark.parametrize(
    ("rows", "passes"),
    [(FEW, 3), (FEW + SHARES, 3), (TOGETHER * SHARES, 3), (FEW - 1, 1), (FEW + 1, 1), (67 * 2, 1)],
    ids=str,
)
def test_three_passes_run_at_once_where_rows_come_in_shares(rows: int, passes: int, lanes: int) -> None:
    for graph in (softmax_of((rows, 200)), layer_norm_of((rows, 200))):
        (kernel,) = kernels_of(graph, lanes)
        verify(kernel)
        assert at_once(kernel) == passes


@pytest.mark.parametrize(("length", "passes"), [(LONGEST, 3), (LONGEST + 64, 1)])
def test_rows_that_a_first_cache_does_not_hold_go_by_alone(length: int, passes: int) -> None:
    (kernel,) = kernels_of(softmax_of((FEW, length)), 16)
    assert at_once(kernel) == passes


@pytest.mark.parametrize("length", [16, 64, 77, 200])
@pytest.mark.parametrize("lanes", [8, 16])
def test_the_interpreter_finds_each_row_as_it_is_alone(length: int, lanes: int) -> None:
    x = np.random.default_rng(length).standard_normal((FEW, length), np.float32)
    for make in (softmax_of, layer_norm_of):
        (together,), (alone,) = kernels_of(make((FEW, length)), lanes), kernels_of(make((2, length)), lanes)
        (made,) = interpret(together, (x.reshape(-1),))
        rows = [interpret(alone, (x[place : place + 2].reshape(-1),))[0] for place in range(0, FEW, 2)]
        np.testing.assert_array_equal(made, np.concatenate(rows))


@pytest.mark.parametrize("shape", [(FEW, 33), (FEW * 2 + SHARES, 64), (256, 77), (256, 1000), (96, 2048)], ids=str)
@pytest.mark.parametrize("of", [softmax_of, layer_norm_of])
def test_machine_code_finds_each_row_as_it_is_alone(
    shape: tuple[int, int], of: Callable[[tuple[int, int]], Graph]
) -> None:
    x = np.random.default_rng(shape[1]).standard_normal(shape, np.float32)
    x[3, 5], x[7, 2], x[-1, -1] = np.nan, np.inf, -np.inf
    alone = compile_graph(of((2, shape[1])))
    rows = [alone(x[place : place + 2])[0] for place in range(0, shape[0], 2)]
    for threads in (1, 2, 3):
        (made,) = compile_graph(of(shape), threads=threads)(x)
        np.testing.assert_array_equal(made, np.concatenate(rows))


def test_c_finds_what_the_interpreter_finds(tmp_path: Path) -> None:
    shape = (FEW, 77)
    kernels = {f"k{n}": expand_kernel(kernels_of(of(shape), 16)[0]) for n, of in enumerate((softmax_of, layer_norm_of))}
    library = Library(kernels, tmp_path)
    x = np.random.default_rng(0).standard_normal(shape[0] * shape[1], np.float32)
    for name, kernel in kernels.items():
        (wanted,), (found,) = interpret(kernel, (x,)), library.run(name, (x,))
        assert found.tobytes() == wanted.tobytes()


def _kernel(third: str) -> Kernel:
    """Sums of rows, sums of squares of differences, and something with one of both, kept in a row of their own."""
    x, y = Buffer("s0", FLOAT, (FEW * 96,)), Buffer("s1", FLOAT, (FEW * 96,))
    first, second = (Buffer(name, FLOAT, (), "register") for name in ("first", "second"))
    found = {each: Buffer(f"{each.name}w", FLOAT, (), "register") for each in (first, second)}
    row = Axis("i")

    def at(axis: Axis) -> Load:
        return Load(x, (Apply("add", (Apply("mul", (row, build.index(96))), axis)),))

    def total(buffer: Buffer, letter: str, *factors: Load) -> list[Statement]:
        axis = Axis(letter)
        value = Apply("mul", (at(axis), factors[0])) if factors else at(axis)
        step = Store(buffer, (), Apply("add", (Load(buffer, ()), value)))
        start, end = Store(buffer, (), build.number(0, FLOAT)), Store(found[buffer], (), Load(buffer, ()))
        return [Allocate(buffer), Allocate(found[buffer]), start, For(axis, 96, "serial", (step,)), end]

    last = Axis("k")
    kept = Load(found[{"first": first, "second": second}[third]], ())
    place = at(last).indices
    body = [
        *total(first, "r"),
        *total(second, "s", Load(found[first], ())),
        For(last, 96, "parallel", (Store(y, place, Apply("mul", (at(last), kept))),)),
    ]
    return Kernel("k", (x,), (y,), (For(row, FEW, "parallel", tuple(body)),))


@pytest.mark.parametrize(("third", "passes"), [("second", 3), ("first", 1)])
def test_what_a_pass_needs_of_the_one_before_the_last_keeps_rows_apart(third: str, passes: int) -> None:
    kernel = _kernel(third)
    scheduled = schedule(kernel, 16)
    verify(scheduled)
    assert at_once(scheduled) == passes
    x = np.random.default_rng(0).integers(-3, 4, FEW * 96).astype(np.float32)
    np.testing.assert_array_equal(interpret(scheduled, (x,))[0], interpret(kernel, (x,))[0])
