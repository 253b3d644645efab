"""Loops over the same rows become one: what a stage makes of a row is still near when the next one reads it.

A softmax is five stages over rows (the largest, differences and powers, their sum, quotients); as one it reads memory
once and writes it once. The law: iteration `p` of the loops around the reader reads, of what the maker makes, nothing
but what iteration `p` of the same loops around the maker wrote.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from xir.backends.codegen.lowering.products.sums import contraction_of
from xir.backends.codegen.lowering.stage import MAX_BUFFERS, Stage, slot_of
from xir.ir.dims import Dim, product
from xir.kernel import build
from xir.kernel._simplify import simplify, simplify_statements, value_range
from xir.kernel._substitute import substitute
from xir.kernel.grammar import Accumulate, Allocate, Apply, Buffer, For, Kernel, Load, Scalar, Statement, Store
from xir.kernel.walk import loads, parallel_loops, rewrite_blocks, statements

MAX_SCRATCH = 4096
"""Elements of a row that are kept on a worker's stack."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """The outermost parallel loops of a stage, and what is inside of them."""

    loops: tuple[For, ...]

    @classmethod
    def of(cls, stage: Stage) -> _Rows:
        return cls(parallel_loops(stage.kernel.body)[0])

    def inside(self, count: int) -> tuple[Statement, ...]:
        """What is inside of the first loops."""
        return self.loops[count - 1].body


def joined(maker: Stage, reader: Stage, kept: frozenset[int]) -> Stage | None:
    """Both stages as one, or None where the law does not hold or nothing is gained.

    Args:
        maker: the stage that is first.
        reader: a later one that reads what it makes.
        kept: slots that others read, which must be made in memory.
    """
    if contraction_of(maker.kernel) is not None or contraction_of(reader.kernel) is not None:
        return None
    first, second = _Rows.of(maker), _Rows.of(reader)
    pairs = zip(first.loops, second.loops, strict=False)
    count = next(
        (n for n, (a, b) in enumerate(pairs) if a.extent != b.extent), min(len(first.loops), len(second.loops))
    )
    while count:
        made = _joined(maker, reader, first, second, count, kept)
        if made is not None:
            return made
        count -= 1
    return None


def _joined(maker: Stage, reader: Stage, first: _Rows, second: _Rows, count: int, kept: frozenset[int]) -> Stage | None:
    loops = first.loops[:count]
    rows = product(tuple(loop.extent for loop in loops))
    inner = _inside(first, second, count)
    if inner is None or not (isinstance(rows, int) and rows >= 2) or _inner_work(inner) is False:
        return None
    own, theirs = inner
    shared = [b for b in maker.kernel.outputs if slot_of(b) in reader.reads]
    extents = {each.axis.name: each.extent for each in [*loops, *_loops(own), *_loops(theirs)]}
    if not all(_stays(buffer, loops, extents, own, theirs) for buffer in shared):
        return None
    body: tuple[Statement, ...] = (*own, *theirs)
    local = [b for b in shared if slot_of(b) not in kept and (_length(b, loops) or 0) <= MAX_SCRATCH]
    for buffer in local:
        body = _on_stack(buffer, loops, extents, body)
    for loop in reversed(loops):
        body = (replace(loop, body=body),)
    outputs = tuple(b for b in (*maker.kernel.outputs, *reader.kernel.outputs) if b not in local)
    made = {b.name for b in (*maker.kernel.outputs, *reader.kernel.outputs)}
    given = dict.fromkeys(b for b in (*maker.kernel.inputs, *reader.kernel.inputs) if b.name not in made)
    if len(given) + len(outputs) > MAX_BUFFERS:
        return None
    body = simplify_statements(body, {})
    return Stage(Kernel(reader.kernel.name, tuple(given), outputs, body), (*maker.nodes, *reader.nodes))


def _inside(first: _Rows, second: _Rows, count: int) -> tuple[tuple[Statement, ...], tuple[Statement, ...]] | None:
    """The bodies of both, the axes of the second called as those of the first."""
    axes = {b.axis.name: a.axis for a, b in zip(first.loops[:count], second.loops[:count], strict=True)}
    return first.inside(count), tuple(substitute(each, axes) for each in second.inside(count))


def _inner_work(bodies: tuple[tuple[Statement, ...], tuple[Statement, ...]]) -> bool:
    """Whether the bodies have loops: single elements are joined by other laws."""
    return any(isinstance(each, For) for body in bodies for each in body)


def _loops(body: Sequence[Statement]) -> list[For]:
    return [each for each in statements(body) if isinstance(each, For)]


def _row(loops: Sequence[For]) -> Scalar:
    return build.flatten(tuple(loop.axis for loop in loops), tuple(loop.extent for loop in loops))


def _length(buffer: Buffer, loops: Sequence[For]) -> int | None:
    """Elements of a buffer for each iteration of the loops, if they are as many for each."""
    rows, size = product(tuple(loop.extent for loop in loops)), buffer.shape[0]
    if not isinstance(rows, int) or not isinstance(size, int) or rows == 0 or size % rows:
        return None
    return size // rows


def _stays(
    buffer: Buffer,
    loops: Sequence[For],
    extents: Mapping[str, Dim],
    own: Sequence[Statement],
    theirs: Sequence[Statement],
) -> bool:
    """Whether every iteration touches its own elements of a buffer alone."""
    length = _length(buffer, loops)
    if length is None:
        return False
    places = [load.indices[0] for load in loads([*own, *theirs]) if load.buffer.name == buffer.name]
    for each in statements(own):
        if isinstance(each, Store | Accumulate) and each.buffer.name == buffer.name:
            places.append(each.indices[0])
    masked = any(load.mask is not None and load.buffer.name == buffer.name for load in loads(theirs))
    return not masked and all(_within(place, loops, length, extents) for place in places)


def _within(place: Scalar, loops: Sequence[For], length: int, extents: Mapping[str, Dim]) -> bool:
    low, high = value_range(_inner_place(place, loops, length), extents)
    return isinstance(low, int) and isinstance(high, int) and low >= 0 and high < length


def _inner_place(place: Scalar, loops: Sequence[For], length: int) -> Scalar:
    """The place within the elements of a row."""
    start = Apply("mul", (_row(loops), build.index(length)))
    return Apply("sub", (place, start))


def _on_stack(
    buffer: Buffer, loops: Sequence[For], extents: Mapping[str, Dim], body: tuple[Statement, ...]
) -> tuple[Statement, ...]:
    """The body with a row of the buffer on the stack."""
    length = _length(buffer, loops) or 0
    row = Buffer(f"{buffer.name}w", buffer.dtype, (length,) if length > 1 else (), "register")

    def place(index: Scalar) -> tuple[Scalar, ...]:
        return (simplify(_inner_place(index, loops, length), extents),) if length > 1 else ()

    def read(load: Load) -> Scalar | None:
        return Load(row, place(load.indices[0]), load.mask) if load.buffer.name == buffer.name else None

    def write(statement: Statement) -> Sequence[Statement]:
        if isinstance(statement, Store | Accumulate) and statement.buffer.name == buffer.name:
            return [replace(statement, buffer=row, indices=place(statement.indices[0]))]
        return [statement]

    changed = tuple(substitute(each, {}, read) for each in body)
    return (Allocate(row), *rewrite_blocks(changed, write))
