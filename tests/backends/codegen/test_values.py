"""No numbers make machine code trap or leave its buffers: what they give is defined."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from tests.backends.codegen.guarded import guarded_run
from tests.ops.evaluate import placeholders
from xir.backends.codegen.compile import compile_graph
from xir.errors import XirError
from xir.ir.constant import Array
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.types import DType, dtype_from_numpy
from xir.ops import table
from xir.reference import run
from xir.runtime.executable import Executable

WHOLE = (DType.INT8, DType.INT16, DType.INT32, DType.INT64, DType.UINT8, DType.UINT16, DType.UINT32, DType.UINT64)
FLOATS = (DType.FLOAT16, DType.BFLOAT16, DType.FLOAT32, DType.FLOAT64)


def extremes(dtype: DType) -> Array:
    """Numbers at the ends of a whole number type's range, around zero, and counts of bits."""
    held = np.iinfo(dtype.dtype)
    wanted = [held.min, held.min + 1, -64, -1, 0, 1, 2, 7, 8, 31, 32, 63, 64, 65, held.max - 1, held.max]
    return np.array([each for each in wanted if held.min <= each <= held.max], dtype.dtype)


def strange(dtype: DType) -> Array:
    """Floats that no whole number type holds, and those next to the borders of each."""
    borders = [sign * 2.0**bits for bits in (7, 8, 15, 16, 31, 32, 63, 64) for sign in (1, -1)]
    numbers = [np.nan, np.inf, -np.inf, 0.0, -0.0, 0.5, -0.5, 1e38, -1e38, 300.0, -300.0, *borders]
    with np.errstate(all="ignore"):
        held = np.array(numbers).astype(dtype.dtype)
        near = [np.nextafter(held, held.dtype.type(way)) for way in (np.inf, -np.inf)] if dtype.bits > 16 else []
    return np.concatenate([held, *near])


@dataclass(frozen=True)
class Hostile:
    """An operator with operands that might break it."""

    op: str
    inputs: tuple[Array, ...]
    attributes: dict[str, object]

    def __str__(self) -> str:
        """Its operator, types and attributes."""
        types = ",".join(str(dtype_from_numpy(array.dtype)) for array in self.inputs)
        return f"{self.op}({types}){''.join(f' {value}' for value in self.attributes.values())}"

    def graph(self, symbolic: bool = False) -> Graph:
        """Its graph; with `symbolic` the first axis of all operands of the first one's length is of unknown size."""
        values = placeholders(*self.inputs)
        if symbolic:
            size = self.inputs[0].shape[0]
            for place, value in enumerate(values):
                if value is not None and value.rank and value.shape[0] == size:
                    values[place] = type(value)(value.tensor.with_shape((Symbol("N"), *value.shape[1:])))
        made = table()[self.op](*values, **self.attributes)
        outputs = made if isinstance(made, tuple) else (made,)
        names = {value: f"x{place}" for place, value in enumerate(values) if value is not None}
        return Graph("hostile", tuple(names), outputs, tuple(f"y{n}" for n in range(len(outputs))), names=names)

    @property
    def feeds(self) -> dict[str, Array]:
        """What it is fed."""
        return {f"x{place}": array for place, array in enumerate(self.inputs)}


def hostile(op: str, *inputs: object, **attributes: object) -> Hostile:
    """An entry of the table."""
    return Hostile(op, tuple(np.asarray(each) for each in inputs), attributes)


def pairs(op: str, dtypes: Sequence[DType], **attributes: object) -> list[Hostile]:
    """Every extreme with every other."""
    made: list[Hostile] = []
    for dtype in dtypes:
        left, right = (np.array(side) for side in zip(*itertools.product(extremes(dtype), repeat=2), strict=True))
        made.append(hostile(op, left.astype(dtype.dtype), right.astype(dtype.dtype), **attributes))
    return made


DIVISIONS = [
    *pairs("div", WHOLE),
    *pairs("mod", WHOLE, floored=True),
    *pairs("mod", WHOLE, floored=False),
]
SHIFTS = [*pairs("shift_left", WHOLE), *pairs("shift_right", WHOLE)]
OVERFLOWS = [case for op in ("add", "sub", "mul", "minimum", "maximum", "pow") for case in pairs(op, WHOLE)]
ALONE = [
    hostile(op, extremes(dtype)) for op in ("neg", "abs", "sign") for dtype in WHOLE if op != "neg" or dtype.is_signed
]
CASTS = [
    hostile("cast", strange(source), dtype=target)
    for source in FLOATS
    for target in (*WHOLE, DType.BOOL, DType.FLOAT16, DType.FLOAT32)
]
WIDENED = [hostile("cast", extremes(source), dtype=target) for source in WHOLE for target in (*WHOLE, *FLOATS)]

X = np.arange(40, dtype=np.float32).reshape(10, 4)
BAD: tuple[tuple[int, ...], ...] = (
    (10,),
    (-11,),
    (1 << 40,),
    (-(1 << 63),),
    ((1 << 63) - 1,),
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 1 << 61),
)
"""Indices of which one is not there: an axis has ten elements."""


def indexed(places: tuple[int, ...]) -> list[Hostile]:
    """Everything that takes indices."""
    at = np.array(places, np.int64)
    column = np.repeat(at[:, None], 4, axis=1)
    pair = np.stack([at, np.zeros_like(at)], axis=1)
    updates = np.ones(column.shape, np.float32)
    rows = np.ones((len(places), 4), np.float32)
    return [
        hostile("gather", X, at, axis=0),
        hostile("gather", X.T.copy(), at, axis=1),
        hostile("gather_elements", X, column, axis=0),
        hostile("gather_nd", X, pair, batch_axes=0),
        hostile("gather_nd", X, at[:, None], batch_axes=0),
        hostile("scatter_elements", X, column, updates, axis=0, reduction="none"),
        hostile("scatter_elements", X, column, updates, axis=0, reduction="add"),
        hostile("scatter_nd", X, at[:, None], rows, reduction="none"),
        hostile("scatter_nd", X, at[:, None], rows, reduction="add"),
        hostile("embedding", at, X),
        hostile("one_hot", at, depth=10, axis=1, dtype=DType.FLOAT32),
    ]


INDICES = [each for places in BAD for each in indexed(places)]
LIMITS = tuple(itertools.product((0, -1, -20, 20, 1 << 40, -(1 << 63), (1 << 63) - 1), repeat=2))


def outcome(make: object) -> object:
    """What a function gives, or the kind of its error."""
    try:
        return make()  # type: ignore[operator]
    except XirError as error:
        return type(error).__name__


def wanted(case: Hostile, graph: Graph) -> object:
    """What the reference gives; where it refuses operands, what machine code promises."""
    with np.errstate(all="ignore"):
        found = outcome(lambda: list(run(graph, case.feeds).values()))
        return _promised(case) if found == "InvalidModelError" else found


def _promised(case: Hostile) -> object:
    """Divided by 0 makes 0, a negative power what the loop IR says; a place that is not there is 0 and not written."""
    if case.op in ("div", "mod"):
        x, y = case.inputs
        spared = hostile(case.op, x, np.where(y == 0, 1, y).astype(y.dtype), **case.attributes)
        (made,) = run(spared.graph(), spared.feeds).values()
        return [np.where(y == 0, 0, made).astype(made.dtype)]
    if case.op == "pow":
        return [_power(*case.inputs)]
    at = 0 if case.op == "embedding" else 1
    indices = case.inputs[at]
    there = (indices >= -10) & (indices < 10)
    rows = there.reshape(len(indices), -1).all(axis=1)
    if case.op.startswith("scatter"):
        spared = replace(case, inputs=(case.inputs[0], indices[rows], case.inputs[2][rows]))
        return list(run(spared.graph(), spared.feeds).values())
    inputs = list(case.inputs)
    inputs[at] = np.where(there, indices, 0)
    (made,) = run(replace(case, inputs=tuple(inputs)).graph(), replace(case, inputs=tuple(inputs)).feeds).values()
    if case.attributes.get("axis") == 1:
        return [np.where(rows[None, :], made, 0).astype(made.dtype)]
    return [np.where(rows.reshape(-1, *(1,) * (made.ndim - 1)), made, 0).astype(made.dtype)]


def _power(base: Array, exponent: Array) -> Array:
    """By repeated squaring, wrapped; negative powers truncated: only 1 and -1 have others than 0."""
    bits = base.dtype.itemsize * 8
    made: list[int] = []
    for one, times in zip(base.tolist(), exponent.tolist(), strict=True):
        below = one ** (times % 2) if abs(one) == 1 else 0
        made.append((below if times < 0 else pow(one, times, 1 << bits)) % (1 << bits))
    return np.array(made, np.uint64).astype(f"u{base.dtype.itemsize}").view(base.dtype)


def told(case: Hostile, graph: Graph) -> tuple[object, object, object]:
    """What is right, what machine code gives, and what it gives between forbidden pages."""
    compiled = compile_graph(graph, threads=1)
    return wanted(case, graph), *outcomes(graph, compiled, case.feeds)[1:]


def outcomes(graph: Graph, compiled: Executable, feeds: dict[str, Array]) -> tuple[object, object, object]:
    """What the reference gives, what machine code does, and what it does between forbidden pages."""
    return (
        outcome(lambda: list(run(graph, feeds).values())),
        outcome(lambda: compiled.run(None, feeds)),
        outcome(lambda: list(guarded_run(compiled, feeds, "end").values())),
    )


def same(want: object, have: object) -> bool:
    """Whether both give the same bits, any NaN being as good as another, or both refuse."""
    if isinstance(want, str) or isinstance(have, str):
        return want == have
    assert isinstance(want, list)
    assert isinstance(have, list)
    return all(a.dtype == b.dtype and a.shape == b.shape and _equal(a, b) for a, b in zip(want, have, strict=True))


def _equal(a: Array, b: Array) -> bool:
    if a.dtype.kind not in "fV":
        return bool(np.array_equal(a, b))
    wide = a.astype(np.float64), b.astype(np.float64)
    return bool(np.array_equal(*wide, equal_nan=True))


def check(cases: Sequence[Hostile], symbolic: bool) -> list[str]:
    """The cases in which they differ."""
    wrong: list[str] = []
    for case in cases:
        want, have, guarded = told(case, case.graph(symbolic))
        if not (same(want, have) and same(want, guarded)):
            wrong.append(f"{case}: {want} and {have} and {guarded}")
    return wrong


GROUPS = {
    "divisions": DIVISIONS,
    "shifts": SHIFTS,
    "overflows": OVERFLOWS,
    "one operand": ALONE,
    "casts": CASTS,
    "casts of whole numbers": WIDENED,
    "indices": INDICES,
}


@pytest.mark.parametrize("symbolic", [False, True], ids=["known sizes", "sizes of the run"])
@pytest.mark.parametrize("group", GROUPS)
def test_hostile_operands_give_what_is_defined(group: str, symbolic: bool) -> None:
    assert check(GROUPS[group], symbolic) == []


@pytest.mark.parametrize("step", [1, 3])
def test_slices_of_any_bounds_stay_inside(step: int) -> None:
    size = Symbol("K", minimum=0)
    x = placeholders(X, np.zeros(1, np.int64), np.zeros(1, np.int64))
    made = table()["slice"](*x, axes=(0,), starts=(0,), stops=(size,), steps=(step,))
    names = {value: f"x{place}" for place, value in enumerate(x) if value is not None}
    graph = Graph("slices", tuple(names), (made,), ("y",), names=names)
    compiled = compile_graph(graph, threads=1)
    for bounds in LIMITS:
        feeds = {"x0": X, **{f"x{n + 1}": np.array([bound], np.int64) for n, bound in enumerate(bounds)}}
        want, have, guarded = outcomes(graph, compiled, feeds)
        assert same(want, have), bounds
        assert same(want, guarded), bounds
