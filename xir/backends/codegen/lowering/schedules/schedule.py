"""Schedules: which loops of a kernel run at once, which become vectors, and what a worker gets at a time.

A schedule never changes what is computed: the interpreter gives the same numbers before and after, but for the order
of sums that are taken in lanes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from xir.backends.codegen.lowering.schedules.ahead import with_next_row
from xir.backends.codegen.lowering.schedules.columns import COLUMNS, column_by_column, walks_rows
from xir.backends.codegen.lowering.schedules.lanes import in_lanes
from xir.backends.codegen.lowering.schedules.skewed import skewed
from xir.backends.codegen.lowering.schedules.squares import in_squares
from xir.ir.dims import Dim, ceil_divide, floor_divide, multiply, subtract
from xir.kernel import build
from xir.kernel._simplify import simplify_statements
from xir.kernel._substitute import substitute
from xir.kernel.grammar import (
    Accumulate,
    Apply,
    Axis,
    Const,
    For,
    If,
    Kernel,
    LoopKind,
    Statement,
    Store,
)
from xir.kernel.strides import goes_along, step_of, unit_steps
from xir.kernel.walk import divisions, loads, parallel_loops, statements

CHUNK = 8192
"""Elements of a loop over a whole tensor that one worker takes at a time: 32 KiB of f32, what a first cache holds."""

CELLS, NEAR = 15, 4
"""Cells of a window along an axis, and elements from one window to the next, for which lanes gather what they reduce.

Of f32, 16 neighbours are read from at most 4 lines of a cache then.
"""

FEWEST = 8
"""Windows of a line that pay for being reduced in lanes."""


def schedule(kernel: Kernel, lanes: int) -> Kernel:
    """The kernel with its loops arranged for a processor.

    Args:
        kernel: loops over results are parallel, loops of reductions serial, as the builders make them; its buffers
            have one axis.
        lanes: elements of 32 bits in a vector register.
    """
    return replace(kernel, body=tuple(_phase(statement, lanes) for statement in kernel.body))


@dataclass(frozen=True, slots=True)
class _Nest:
    """Parallel loops, outermost first, around a body."""

    loops: tuple[For, ...]
    body: tuple[Statement, ...]

    @classmethod
    def of(cls, statement: Statement) -> _Nest:
        loops, body = parallel_loops((statement,))
        return cls(loops, body)

    @classmethod
    def alike(cls, loop: For) -> _Nest:
        """A loop and those of its kind that alone stand in one another."""
        loops, body = [loop], loop.body
        while loop.kind in ("serial", "parallel") and len(body) == 1:
            (inner,) = body
            if not isinstance(inner, For) or inner.kind != loop.kind:
                break
            loops.append(inner)
            body = inner.body
        return cls(tuple(loops), body)

    @property
    def extents(self) -> dict[str, Dim]:
        return {loop.axis.name: loop.extent for loop in self.loops}


def _phase(statement: Statement, lanes: int) -> Statement:
    nest = _Nest.of(statement)
    if any(isinstance(each, For) and each.kind == "vector" for each in statements([statement])):  # it is arranged
        return _around(nest.loops, in_lanes(nest.body, lanes)) if nest.loops else statement
    nest = _collapsed(nest, {})
    if not nest.loops:
        return statement
    body = _inside(nest.body, nest.extents)
    nest = replace(nest, body=body)
    if any(isinstance(each, For) and each.kind == "vector" for each in statements(body)):
        return _by_rows(nest, lanes)
    squares = in_squares(nest.loops, nest.body, lanes)
    if squares is not None:
        return squares
    chosen = _vector_axis(nest)
    if chosen is None:
        return _by_rows(nest, lanes)
    return _vectorized(nest, chosen, lanes)


def _by_rows(nest: _Nest, lanes: int) -> Statement:
    """Row by row, what is reduced in lanes: the passes of neighbouring rows at once, or else the next row fetched."""
    *around, row = nest.loops
    body = in_lanes(nest.body, lanes)
    return _around(around, (skewed(row, body) or replace(row, body=with_next_row(row, body)),))


def _around(loops: Sequence[For], body: tuple[Statement, ...]) -> Statement:
    for loop in reversed(loops):
        body = (replace(loop, body=body),)
    return body[0]


def _inside(body: Sequence[Statement], around: Mapping[str, Dim]) -> tuple[Statement, ...]:
    """What one worker does, loops that no index tells apart made one; parallel loops run on it, the last as vectors.

    Args:
        body: one block.
        around: {axis: extent} of the loops around it.
    """
    made: list[Statement] = []
    for each in body:
        match each:
            case For():
                nest = _collapsed(_Nest.alike(each), around)
                inner = {**around, **nest.extents}
                made.append(_on_one_worker(replace(nest, body=_inside(nest.body, inner))))
            case If():
                made.append(replace(each, then=_inside(each.then, around), otherwise=_inside(each.otherwise, around)))
            case _:
                made.append(each)
    return tuple(made)


def _on_one_worker(nest: _Nest) -> Statement:
    last = nest.loops[-1]
    if last.kind != "parallel":
        return _around(nest.loops, nest.body)
    kind: LoopKind = "vector" if _goes_in_lanes(nest.body, last) else "serial"
    loops = (*(replace(loop, kind="serial") for loop in nest.loops[:-1]), replace(last, kind=kind))
    return _around(loops, nest.body)


def _collapsed(nest: _Nest, around: Mapping[str, Dim]) -> _Nest:
    """Neighbouring loops made one wherever no index tells them apart; `around`: the loops outside, {axis: extent}."""
    place = len(nest.loops) - 2
    while place >= 0:
        made = _joined(nest, place, around)
        if made is not None:
            nest = made
        place = min(place, len(nest.loops) - 1) - 1
    return nest


def _joined(nest: _Nest, place: int, around: Mapping[str, Dim]) -> _Nest | None:
    outer, inner = nest.loops[place], nest.loops[place + 1]
    axis = outer.axis
    count = Const(inner.extent, build.index(0).dtype)
    parts = {
        outer.axis.name: Apply("floor_div", (axis, count)),
        inner.axis.name: Apply("mod", (axis, count)),
    }
    loops = (
        *nest.loops[:place],
        replace(outer, extent=multiply(outer.extent, inner.extent)),
        *nest.loops[place + 2 :],
    )
    extents = {**around, **{loop.axis.name: loop.extent for loop in loops}}
    before = divisions(nest.body)
    body = simplify_statements(tuple(substitute(each, parts) for each in nest.body), extents)
    return _Nest(loops, body) if divisions(body) <= before else None


def _vector_axis(nest: _Nest) -> int | None:
    """The innermost loop, if all loads and stores of the body go along with it or stay."""
    if not nest.loops or nest.loops[-1].extent in (0, 1):
        return None
    reduced = [each for each in statements(nest.body) if isinstance(each, For) and each.kind == "serial"]
    if goes_along(nest.loops[-1], reduced, nest.body):
        return None
    steps = unit_steps(nest.body, nest.loops[-1].axis.name)
    if steps is None and not any(isinstance(each, For) for each in nest.body):
        return len(nest.loops) - 1  # nothing is reduced: lanes gather what they need
    return len(nest.loops) - 1 if steps or (steps is None and _has_windows(nest.body, nest.loops[-1])) else None


def _goes_in_lanes(body: Sequence[Statement], loop: For) -> bool:
    """Whether lanes of a loop have what they need side by side, or near."""
    return unit_steps(body, loop.axis.name) is not None or _has_windows(body, loop)


def _has_windows(body: Sequence[Statement], loop: For) -> bool:
    """Whether each iteration reduces a few elements near those of the next: lanes gather them."""
    inner = [each for each in statements(body) if isinstance(each, For)]
    few = all(each.kind == "serial" and isinstance(each.extent, int) and each.extent <= CELLS for each in inner)
    if not inner or not few or loop.extent in range(FEWEST):
        return False
    stores = [each for each in statements(body) if isinstance(each, Store | Accumulate) and each.indices]
    steps = [step_of(load.indices, loop.axis.name) for load in loads(body) if load.indices]
    near = all(isinstance(step, int) and 0 <= step <= NEAR for step in steps)
    return near and all(step_of(each.indices, loop.axis.name) == 1 for each in stores)


def _vectorized(nest: _Nest, place: int, lanes: int) -> Statement:
    loop = nest.loops[place]
    if walks_rows(nest.body):
        return _around(nest.loops[:-1], (column_by_column(_chunked(loop, nest.body, COLUMNS * lanes)),))
    if len(nest.loops) > 1:
        return _around(nest.loops[:-1], (replace(loop, kind="vector", body=nest.body),))
    return _chunked(loop, nest.body, CHUNK)


def _chunked(loop: For, body: tuple[Statement, ...], size: int) -> For:
    """One long loop in chunks, so that workers share it; the last chunk is what is left."""
    extent = loop.extent
    if isinstance(extent, int) and extent <= size:
        return replace(loop, kind="vector", body=body)
    part, chunk = loop.axis, Axis(loop.axis.name + "c")
    full = floor_divide(extent, size)
    place = Apply("add", (Apply("mul", (chunk, build.index(size))), part))
    moved = tuple(substitute(each, {part.name: place}) for each in body)
    whole = For(part, size, "vector", moved)
    rest = subtract(extent, multiply(full, size))
    if rest == 0:
        return For(chunk, full, "parallel", (whole,))
    last = For(Axis(part.name + "r"), rest, "vector", _renamed(moved, part, Axis(part.name + "r")))
    branch = If(build.apply("lt", chunk, build.index(full)), (whole,), (last,))
    return For(chunk, ceil_divide(extent, size), "parallel", (branch,))


def _renamed(body: tuple[Statement, ...], old: Axis, new: Axis) -> tuple[Statement, ...]:
    return tuple(substitute(each, {old.name: new}) for each in body)
