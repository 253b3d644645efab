"""Attention as one kernel: what its three steps make, whatever the sizes and masks, and no matrix of scores."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tests.backends.codegen.c_compiler import Library
from tests.backends.codegen.guarded import Side, guarded_run
from tests.backends.codegen.test_contraction import MACHINES
from xir.backends.codegen.compile import compile_graph, compiled
from xir.backends.codegen.engine import Machine
from xir.backends.codegen.llvm.meet import team_for
from xir.backends.codegen.lowering.attention import kernel as writer
from xir.backends.codegen.lowering.lower import expand, lower
from xir.backends.codegen.steps import Run
from xir.ir.constant import Array
from xir.ir.dims import Dim, Shape, Symbol, evaluate
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.kernel.grammar import Kernel
from xir.kernel.interpret import interpret
from xir.kernel.printer import kernel_text
from xir.kernel.verify import verify
from xir.ops.arithmetic import add
from xir.ops.attention import attention
from xir.ops.matmul import matmul
from xir.ops.norm import softmax
from xir.ops.shape import transpose
from xir.reference import run
from xir.runtime.executable import Executable

B, L, T = Symbol("B"), Symbol("L"), Symbol("T")
KEYS = 32
"""Keys of a block in these tests, so that few are several blocks."""

BOUNDS = {DType.FLOAT32: 2e-6, DType.FLOAT64: 1e-14, DType.FLOAT16: 1e-3, DType.BFLOAT16: 8e-3}
"""Of weights that are one together and values up to 4: some units in the last place of the storage type."""

TYPES = tuple(BOUNDS)


@dataclass(frozen=True)
class Heads:
    """Sizes and masks of an attention; `mask` says of what type one is given, and for which axes it is the same."""

    queries: Dim = 61
    keys: Dim = 75
    batch: Dim = 2
    heads: int = 2
    shared: int = 2
    size: int = 8
    width: int = 16
    dtype: DType = DType.FLOAT32
    mask: tuple[DType, int, int, bool] | None = None
    past: bool = False
    softcap: float = 0.0
    causal: bool = False
    left: int | None = None

    def graph(self) -> Graph:
        """The graph of one operator."""
        shapes: dict[str, tuple[Dim, ...]] = {
            "q": (self.batch, self.heads, self.queries, self.size),
            "k": (self.batch, self.shared, self.keys, self.size),
            "v": (self.batch, self.shared, self.keys, self.width),
        }
        values = {name: Value(TensorType(self.dtype, shape)) for name, shape in shapes.items()}
        if self.mask is not None:
            dtype, first, second, long = self.mask
            rows = self.queries if long else 1
            sizes = (self.batch if first else 1, self.heads if second else 1, rows, self.keys)
            values["mask"] = Value(TensorType(dtype, sizes))
        if self.past:
            values["past k"] = Value(TensorType(self.dtype, (self.batch, self.shared, 20, self.size)))
            values["past v"] = Value(TensorType(self.dtype, (self.batch, self.shared, 20, self.width)))
        made = attention(
            values["q"],
            values["k"],
            values["v"],
            values.get("mask"),
            values.get("past k"),
            values.get("past v"),
            scale=None,
            softcap=self.softcap,
            causal=self.causal,
            left=self.left,
            right=None,
            precision=None,
            shown="products",
        )
        return Graph("g", tuple(values.values()), (made[0],), names={value: name for name, value in values.items()})


F32, F64, BOOL = DType.FLOAT32, DType.FLOAT64, DType.BOOL
CASES = {
    "blocks and rests": Heads(),
    "whole blocks, causal": Heads(96, 96, causal=True),
    "one block, odd widths": Heads(7, 30, size=5, width=19, batch=1, heads=1, shared=1),
    "shared keys, causal behind a past": Heads(heads=4, causal=True, past=True),
    "a window, capped": Heads(97, 97, causal=True, left=20, softcap=1.5),
    "a mask of numbers for keys": Heads(mask=(F32, 1, 0, False)),
    "a mask of bools": Heads(mask=(BOOL, 0, 1, True)),
    "doubles with a mask": Heads(dtype=F64, mask=(F64, 1, 0, True)),
    "halves, causal": Heads(dtype=DType.FLOAT16, causal=True),
    "unknown sizes and a mask": Heads(L, T, B, mask=(F32, 1, 0, True)),
}


def feeds(graph: Graph, sizes: Mapping[Symbol, Dim] | None = None) -> dict[str, Array]:
    """What is fed: normal numbers; masks hide a third of the keys, all of some rows, and all of the later ones."""
    rng, made = np.random.default_rng(4), dict[str, Array]()
    for name, value in zip(graph.input_names, graph.inputs, strict=True):
        shape = [int(str(evaluate(dim, sizes or {B: 2, L: 53, T: 75}))) for dim in value.shape]
        array = rng.standard_normal(shape)
        if name == "mask":
            seen = rng.random(shape) > 0.3
            seen[..., :1, :] = seen[..., :1, :] & (value.dtype is not BOOL)
            seen[..., KEYS + 5 :] = False
            array = seen if value.dtype is BOOL else np.where(seen, array, -np.inf)
        made[name] = array.astype(value.dtype.dtype)
    return made


def known(shape: Shape) -> int:
    """How many elements there are, where every size is known."""
    return math.prod(int(str(dim)) for dim in shape)


def attentions(graph: Graph, machine: Machine = MACHINES["wide"]) -> list[Kernel]:
    """The kernels of a graph that are attention."""
    steps = lower(expand(graph), machine).steps
    return [step.kernel for step in steps if isinstance(step, Run) and step.kernel.name == "attention"]


def interpreted(graph: Graph, fed: Mapping[str, Array], machine: Machine) -> Array:
    """The output, kernel by kernel through the interpreter; each kernel keeps the rules and can be printed."""
    made = lower(expand(graph), machine)
    sizes: dict[Symbol, Dim] = {B: 2, L: fed["q"].shape[2], T: fed["k"].shape[2]}
    held: dict[int, Array] = {slot: constant.array().reshape(-1) for slot, constant in made.constants.items()}
    held.update((made.slot(value), fed[graph.name_of(value)].reshape(-1)) for value in graph.inputs)
    for step in made.steps:
        assert isinstance(step, Run)
        verify(step.kernel)
        assert kernel_text(step.kernel)
        count = len(step.kernel.inputs)
        parts = [held.get(slot) for slot in step.slots[count:]]
        results = interpret(step.kernel, [held[slot] for slot in step.slots[:count]], sizes, parts)
        held.update(zip(step.slots[count:], results, strict=True))
    return held[made.slot(made.outputs[0])]


def close(made: Array, wanted: Array, dtype: DType) -> None:
    """Whether results are the same up to rounding, and what is no number is none in both."""
    with np.errstate(invalid="ignore"):
        wide = made.astype(np.float64).reshape(-1), wanted.astype(np.float64).reshape(-1)
    np.testing.assert_allclose(*wide, rtol=0, atol=BOUNDS[dtype] * 4, equal_nan=True)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "KEYS", KEYS)


@pytest.mark.parametrize("case", CASES)
def test_one_kernel_makes_what_three_steps_make(case: str) -> None:
    graph = CASES[case].graph()
    fed = feeds(graph)
    assert len(attentions(graph)) == 1
    program = compiled(graph).in_memory()
    made = [np.asarray(Executable(program, team_for(count), count)(*fed.values())[0]) for count in (1, 2)]
    close(made[0], np.asarray(next(iter(run(graph, fed).values()))), CASES[case].dtype)
    assert made[0].tobytes() == made[1].tobytes()


@pytest.mark.parametrize(
    ("case", "lanes"),
    [
        ("one block, odd widths", "wide"),
        ("a mask of bools", "narrow"),
        ("doubles with a mask", "wide"),
    ],
)
def test_the_interpreter_makes_the_same_of_it(case: str, lanes: str) -> None:
    graph = CASES[case].graph()
    fed = feeds(graph)
    assert len(attentions(graph, MACHINES[lanes])) == 1
    made = interpreted(graph, fed, MACHINES[lanes])
    close(made, np.asarray(next(iter(run(graph, fed).values()))), CASES[case].dtype)


def formula(rows: Dim = L, keys: Dim = T) -> Graph:
    """Attention without an operator for it: a row that is hidden whole is no number."""
    shapes: dict[str, tuple[Dim, ...]] = {"q": (rows, 8), "k": (keys, 8), "v": (keys, 16), "mask": (rows, keys)}
    values = {name: Value(TensorType(F32, shape)) for name, shape in shapes.items()}
    scores = matmul(values["q"], transpose(values["k"], perm=(1, 0)))
    weights = softmax(add(scores, values["mask"]), axis=1)
    y = matmul(weights, values["v"])
    return Graph("g", tuple(values.values()), (y,), names={value: name for name, value in values.items()})


@cache
def formula_program() -> Executable:
    """The formula as machine code."""
    return compile_graph(formula(), threads=1)


def hostile() -> dict[str, dict[str, Array]]:
    """{what is in them: feeds} of the formula, none of them hidden where they are not finite."""
    made: dict[str, dict[str, Array]] = {}
    for name in (
        "hidden rows",
        "hidden blocks",
        "lowest",
        "infinity",
        "minus infinity",
        "nan",
        "huge",
        "no keys",
        "no rows",
    ):
        fed = feeds(formula(), {L: 0 if name == "no rows" else 50, T: 0 if name == "no keys" else 3 * KEYS + 7})
        fed["mask"] = np.zeros_like(fed["mask"])
        made[name] = fed
    made["hidden rows"]["mask"][3::7] = -np.inf
    made["hidden blocks"]["mask"][:, : 2 * KEYS] = -np.inf
    made["hidden blocks"]["mask"][5, :] = -np.inf
    made["lowest"]["mask"][:, KEYS:] = np.finfo(np.float32).min
    made["lowest"]["mask"][7, :] = np.finfo(np.float32).min
    made["infinity"]["mask"][4, KEYS + 3] = np.inf
    made["minus infinity"]["mask"][4, KEYS + 3] = -np.inf
    made["nan"]["q"][9, 2] = np.nan
    made["huge"]["q"][:] = 1e19
    made["huge"]["k"][:] = 1e19
    return made


@pytest.mark.parametrize("lanes", MACHINES)
def test_kernels_of_unknown_sizes_keep_the_rules(lanes: str) -> None:
    (kernel,) = attentions(formula(), MACHINES[lanes])
    verify(kernel)
    assert kernel_text(kernel)


def test_rows_without_numbers_are_as_in_three_steps() -> None:
    program, steps = formula_program(), compile_graph(formula(), threads=1, exact=True)
    for name, fed in hostile().items():
        made, wanted = (np.asarray(each(*fed.values())[0]) for each in (program, steps))
        assert np.array_equal(np.isnan(made), np.isnan(wanted)), name
        close(made, wanted, F32)


@pytest.mark.parametrize("side", ["begin", "end"])
def test_nothing_outside_is_touched(side: Side) -> None:
    graph, program = formula(), formula_program()
    for rows, keys in ((1, 1), (3, 31), (5, 32), (47, 33), (48, 64), (49, 75), (97, 127)):
        fed = feeds(graph, {L: rows, T: keys})
        made = np.asarray(next(iter(guarded_run(program, fed, side).values())))
        assert made.tobytes() == np.asarray(program(*fed.values())[0]).tobytes()


def test_c_computes_the_same(tmp_path: Path) -> None:
    (kernel,) = attentions(formula(50, 2 * KEYS + 7), MACHINES["narrow"])
    rng = np.random.default_rng(2)
    inputs: list[Array] = [rng.standard_normal(known(b.shape)).astype(np.float32) for b in kernel.inputs]
    (made,) = Library({"attention": kernel}, tmp_path).run("attention", inputs)
    (wanted,) = interpret(kernel, inputs)
    assert np.allclose(made, wanted, 1e-6, 1e-6)


def test_no_matrix_of_scores_lies_in_memory() -> None:
    graph = Heads(100, 100, mask=(F32, 1, 0, True)).graph()
    for exact, most in ((False, 2 * 100 * 100), (True, 2 * 2 * 100 * 100)):
        made = lower(expand(graph, exact=exact), MACHINES["wide"], exact=exact)
        touched = {slot for step in made.steps if isinstance(step, Run) for slot in step.slots}
        assert max(known(made.slots[slot].shape) for slot in touched) == most


def test_few_queries_and_scores_that_others_read_are_three_steps() -> None:
    assert attentions(Heads(3, 64).graph()) == []
    q, k, v = (Value(TensorType(F32, (64, 16))) for _ in range(3))
    scores = matmul(q, transpose(k, perm=(1, 0)))
    weights = softmax(scores, axis=1)
    names = {q: "q", k: "k", v: "v"}
    y = matmul(weights, v)
    assert len(attentions(Graph("g", (q, k, v), (y,), names=names))) == 1
    for other in (scores, weights):
        assert attentions(Graph("g", (q, k, v), (y, other), ("y", "other"), names=names)) == []
