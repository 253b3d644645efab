"""Schedules: which loops of a kernel run at once, which become vectors, and what a worker gets at a time.

A schedule never changes what is computed: the interpreter gives the same numbers before and after, but for the order
of sums that are taken in lanes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from xir.ir.dims import Dim, ceil_divide, floor_divide, multiply, subtract
from xir.kernel import build
from xir.kernel._simplify import simplify_statements
from xir.kernel._substitute import substitute
from xir.kernel.grammar import (
    Accumulate,
    Allocate,
    Apply,
    Axis,
    Buffer,
    Combine,
    Const,
    For,
    If,
    Kernel,
    Load,
    LoopKind,
    Scalar,
    Statement,
    Store,
)
from xir.kernel.walk import divisions, loads, parallel_loops, rewrite_blocks, scalars, statements

CHUNK = 8192
"""Elements of a loop over a whole tensor that one worker takes at a time: 32 KiB of f32, what a first cache holds."""

CHAINS = 4
"""Vectors of partial results of a reduction: as many as hide the latency of an addition (4 cycles, 2 a cycle)."""

COMBINED: Mapping[str, Combine] = {"add": "add", "mul": "mul", "min": "min", "max": "max"}
"""Functions whose partial results may be joined in any order."""


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

    @property
    def extents(self) -> dict[str, Dim]:
        return {loop.axis.name: loop.extent for loop in self.loops}


def _phase(statement: Statement, lanes: int) -> Statement:
    nest = _collapsed(_Nest.of(statement))
    if not nest.loops:
        return statement
    body = rewrite_blocks(nest.body, lambda inner: _inner(inner, lanes))
    nest = replace(nest, body=body)
    if any(isinstance(each, For) and each.kind == "vector" for each in statements(body)):
        return _around(nest.loops, _in_lanes(nest.body, lanes))
    chosen = _vector_axis(nest)
    if chosen is None:
        return _around(nest.loops, _in_lanes(nest.body, lanes))
    return _vectorized(nest, chosen)


def _around(loops: Sequence[For], body: tuple[Statement, ...]) -> Statement:
    for loop in reversed(loops):
        body = (replace(loop, body=body),)
    return body[0]


def _inner(statement: Statement, lanes: int) -> Sequence[Statement]:
    """A parallel loop inside of others runs on one worker: its innermost one as vectors."""
    if not (isinstance(statement, For) and statement.kind == "parallel"):
        return [statement]
    nest = _collapsed(_Nest.of(statement))
    inner = nest.loops[-1]
    kind: LoopKind = "vector" if _unit_steps(nest.body, inner.axis.name) is not None else "serial"
    made: tuple[Statement, ...] = (replace(inner, kind=kind, body=nest.body),)
    for loop in reversed(nest.loops[:-1]):
        made = (replace(loop, kind="serial", body=made),)
    return made


def _collapsed(nest: _Nest) -> _Nest:
    """Neighbouring loops made one wherever no index tells them apart."""
    place = len(nest.loops) - 2
    while place >= 0:
        made = _joined(nest, place)
        if made is not None:
            nest = made
        place = min(place, len(nest.loops) - 1) - 1
    return nest


def _joined(nest: _Nest, place: int) -> _Nest | None:
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
    extents = {loop.axis.name: loop.extent for loop in loops}
    before = divisions(nest.body)
    body = simplify_statements(tuple(substitute(each, parts) for each in nest.body), extents)
    return _Nest(loops, body) if divisions(body) <= before else None


def _unit_steps(body: Sequence[Statement], axis: str) -> int | None:
    """How many loads and stores move to the neighbour with the axis; None where one moves elsewhere."""
    steps = 0
    for indices in accesses(body):
        step = step_of(indices, axis)
        if step is None or step not in (0, 1):
            return None
        steps += step == 1
    return steps


def accesses(body: Sequence[Statement]) -> Iterator[Sequence[Scalar]]:
    """The indices of every load from and store to a buffer of more than one element."""
    for load in loads(body):
        if load.indices:
            yield load.indices
    for each in statements(body):
        if isinstance(each, Store | Accumulate) and each.indices:
            yield each.indices


def step_of(indices: Sequence[Scalar], axis: str) -> Dim | None:
    """By how many elements a flat index moves with an axis; None where it jumps."""
    total: Dim = 0
    for index in indices:
        step = _step(index, axis)
        if step is None:
            return None
        total = total + step
    return total


def _step(index: Scalar, axis: str) -> Dim | None:
    match index:
        case Axis(name):
            return 1 if name == axis else 0
        case Apply("add" | "sub" as word, (left, right)):
            a, b = _step(left, axis), _step(right, axis)
            return None if a is None or b is None else (a + b if word == "add" else subtract(a, b))
        case Apply("mul", (left, Const(value, _))) if not isinstance(value, float):
            a = _step(left, axis)
            return None if a is None else multiply(a, value)
        case _:
            return None if any(isinstance(part, Axis) and part.name == axis for part in scalars([index])) else 0


def _vector_axis(nest: _Nest) -> int | None:
    """The innermost loop, if all loads and stores of the body go along with it or stay."""
    if not nest.loops or nest.loops[-1].extent in (0, 1):
        return None
    steps = _unit_steps(nest.body, nest.loops[-1].axis.name)
    if steps is None and not any(isinstance(each, For) for each in nest.body):
        return len(nest.loops) - 1  # nothing is reduced: lanes gather what they need
    return len(nest.loops) - 1 if steps else None


def _vectorized(nest: _Nest, place: int) -> Statement:
    loop = nest.loops[place]
    if len(nest.loops) > 1:
        return _around(nest.loops[:-1], (replace(loop, kind="vector", body=nest.body),))
    return _chunked(loop, nest.body)


def _chunked(loop: For, body: tuple[Statement, ...]) -> Statement:
    """One long loop in chunks, so that workers share it; the last chunk is what is left."""
    extent = loop.extent
    if isinstance(extent, int) and extent <= CHUNK:
        return replace(loop, kind="vector", body=body)
    part, chunk = loop.axis, Axis(loop.axis.name + "c")
    full = floor_divide(extent, CHUNK)
    place = Apply("add", (Apply("mul", (chunk, build.index(CHUNK))), part))
    moved = tuple(substitute(each, {part.name: place}) for each in body)
    whole = For(part, CHUNK, "vector", moved)
    rest = subtract(extent, multiply(full, CHUNK))
    if rest == 0:
        return For(chunk, full, "parallel", (whole,))
    last = For(Axis(part.name + "r"), rest, "vector", _renamed(moved, part, Axis(part.name + "r")))
    branch = If(build.apply("lt", chunk, build.index(full)), (whole,), (last,))
    return For(chunk, ceil_divide(extent, CHUNK), "parallel", (branch,))


def _renamed(body: tuple[Statement, ...], old: Axis, new: Axis) -> tuple[Statement, ...]:
    return tuple(substitute(each, {old.name: new}) for each in body)


def _in_lanes(body: tuple[Statement, ...], lanes: int) -> tuple[Statement, ...]:
    """Reductions of neighbours as vectors of partial results, which are joined in the end."""
    return rewrite_blocks(body, lambda statement: _laned(statement, lanes))


def _laned(statement: Statement, lanes: int) -> Sequence[Statement]:
    if not (isinstance(statement, For) and statement.kind == "serial" and len(statement.body) == 1):
        return [statement]
    (update,) = statement.body
    carried = _carried(update)
    if carried is None or not isinstance(update, Store):
        return [statement]
    function, value = carried
    if not _unit_steps([replace(update, value=value)], statement.axis.name):
        return [statement]
    return _partial(statement, update, function, value, lanes)


def _carried(update: Statement) -> tuple[Combine, Scalar] | None:
    """(function, value) of `register = function(register, value)`, where partial results may be joined."""
    if not (isinstance(update, Store) and update.buffer.space == "register" and update.indices == ()):
        return None
    match update.value:
        case Apply(function, (Load(buffer, ()), value)) | Apply(function, (value, Load(buffer, ()))) if (
            buffer.name == update.buffer.name and function in COMBINED
        ):
            reads_itself = any(load.buffer.name == buffer.name for load in loads([replace(update, value=value)]))
            return None if reads_itself else (COMBINED[function], value)
        case _:
            return None


def _partial(loop: For, update: Store, function: Combine, value: Scalar, lanes: int) -> Sequence[Statement]:
    name, count = f"{update.buffer.name}{loop.axis.name}", lanes * CHAINS
    held = Buffer(name + "p", update.buffer.dtype, (count,), "register")
    lane, rest, block = Axis(name + "l"), Axis(name + "t"), Axis(name + "b")
    full = floor_divide(loop.extent, count)
    start = {"add": 0, "mul": 1}.get(function)
    neutral = build.extreme(held.dtype, highest=function == "min") if start is None else build.number(start, held.dtype)
    along = Apply("add", (Apply("mul", (block, build.index(count))), lane))
    step = Store(
        held,
        (lane,),
        Apply(function, (Load(held, (lane,)), substitute(value, {loop.axis.name: along}))),
        None if update.mask is None else substitute(update.mask, {loop.axis.name: along}),
    )
    last = Apply("add", (rest, Const(multiply(full, count), build.index(0).dtype)))
    ending = substitute(replace(update), {loop.axis.name: last})
    whole = Apply(function, (Load(update.buffer, ()), Load(held, (build.index(0),))))
    return [
        Allocate(held),
        For(lane, count, "vector", (Store(held, (lane,), neutral),)),
        For(
            block,
            full,
            "serial",
            (For(Axis(name + "v"), count, "vector", (_renamed((step,), lane, Axis(name + "v"))[0],)),),
        ),
        For(rest, subtract(loop.extent, multiply(full, count)), "serial", (ending,)),
        *_halved(held, function, name, lanes),
        replace(update, value=whole, mask=None),
    ]


def _halved(held: Buffer, function: Combine, name: str, lanes: int) -> Iterator[Statement]:
    """The partial results joined in pairs until the first one is all of them."""
    (count,) = held.shape
    half = count // 2 if isinstance(count, int) else 0
    while half:
        place = Axis(f"{name}h{half}")
        pair = Apply(function, (Load(held, (place,)), Load(held, (Apply("add", (place, build.index(half))),))))
        yield For(place, half, "vector" if half >= lanes else "unrolled", (Store(held, (place,), pair),))
        half //= 2
