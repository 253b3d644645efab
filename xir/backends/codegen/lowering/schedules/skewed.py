"""Rows that go by in several passes: the passes of neighbouring rows run at once.

A softmax goes by a row three times: for the largest element, for the powers and their sum, for the quotients. Each pass
begins with what the one before it found last, so a processor waits: for the row from a far cache, for lanes to be
joined, for lines to write to. Here one loop over blocks makes the last pass of one row, the middle one of the next row
and the first one of the row behind that. They need nothing of each other, so each fills the waits of the others
(software pipelining: M. Lam, 1988; rows are its iterations). What becomes of a row does not depend on its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from xir.backends.codegen.lowering.schedules.lanes import named
from xir.ir.dims import Dim, floor_divide
from xir.kernel import build
from xir.kernel._simplify import simplify, simplify_statements, value_range
from xir.kernel._substitute import substitute
from xir.kernel.grammar import Allocate, Apply, Axis, Buffer, For, If, Let, Load, Scalar, Statement, Store, Variable
from xir.kernel.walk import loads, scalars, statements

TOGETHER = 16
"""Rows of a share: the first of them begin, and the last of them end, with fewer passes beside them."""
SHARES = 16
"""Shares that there are at least, so that workers are busy alike."""
FEWEST = 4
"""Rows of a share that pays."""
LONGEST = 2048
"""Elements of a row: what passes at once read and write of four rows is 32 KiB of f32, what a first cache holds."""


@dataclass(frozen=True, slots=True)
class _Pass:
    """What is done with a row: `before` reads nothing, `after` is all behind the whole blocks of the row."""

    before: tuple[Statement, ...]
    loop: For
    after: tuple[Statement, ...]

    @property
    def parts(self) -> tuple[tuple[Statement, ...], ...]:
        return self.before, self.loop.body, self.after


@dataclass(frozen=True, slots=True)
class _Blocks:
    """How rows are cut: so many blocks, each of so many elements, one vector loop each; a rest is no block."""

    blocks: int
    size: int

    @property
    def full(self) -> int:
        return self.blocks * self.size

    def lanes(self, statement: Statement) -> For | None:
        """The vector loop over a block, if the statement is a loop over blocks."""
        if not isinstance(statement, For) or statement.kind != "serial" or statement.extent != self.blocks:
            return None
        inner = statement.body[0] if len(statement.body) == 1 else None
        vector = isinstance(inner, For) and inner.kind == "vector" and inner.extent == self.size
        return inner if vector and isinstance(inner, For) else None


def skewed(row: For, body: Sequence[Statement]) -> For | None:
    """The loop over rows with the passes of neighbours at once; None where passes need more of each other than that.

    Args:
        row: a parallel loop over rows.
        body: what is done with a row, reductions in lanes.
    """
    together = _together(row.extent)
    cut = next((each for each in _cuts(body) if each.full <= LONGEST), None)
    passes = [] if cut is None or together is None else _passes(body, cut)
    if cut is None or together is None or not 2 <= len(passes) <= together or not _is_apart(passes, cut):
        return None
    share = Axis(f"{row.axis.name}s")
    steps: list[Statement] = [each for each in body if isinstance(each, Allocate)]
    ends = (*range(len(passes)), *range(together, together + len(passes)))
    for begin, end in pairwise(ends):
        running = [(number, each) for number, each in enumerate(passes) if 0 <= begin - number < together]
        step = Axis(f"{row.axis.name}t{begin}")
        first = Apply("add", (Apply("mul", (share, build.index(together))), Apply("add", (step, build.index(begin)))))
        steps.append(For(step, end - begin, "serial", _step(row, first, cut, running[::-1])))
    return replace(row, axis=share, extent=floor_divide(row.extent, together), body=tuple(steps))


def _together(rows: Dim) -> int | None:
    """How many rows a share has, so that none is left over."""
    if not isinstance(rows, int):
        return None
    most = min(TOGETHER, rows // SHARES)
    return next((each for each in range(most, FEWEST - 1, -1) if rows % each == 0), None)


def _step(row: For, first: Scalar, cut: _Blocks, running: Sequence[tuple[int, _Pass]]) -> tuple[Statement, ...]:
    """Passes at once, the last of them first: the one of number n by the row n before the first."""
    block = Axis(f"{row.axis.name}k")
    parts: tuple[list[Statement], ...] = ([], [], [])
    for number, each in running:
        own = Apply("sub", (first, build.index(number)))
        names: Mapping[str, Scalar] = {row.axis.name: own, each.loop.axis.name: block}
        for made, part in zip(parts, each.parts, strict=True):
            made += [substitute(one, names) for one in part]
    before, inside, after = parts
    body = (*before, For(block, cut.blocks, "serial", tuple(inside)), *after)
    return simplify_statements(body, {})


def _cuts(body: Sequence[Statement]) -> Iterator[_Blocks]:
    for each in body:
        if isinstance(each, For) and each.kind == "serial" and isinstance(each.extent, int) and len(each.body) == 1:
            (inner,) = each.body
            if isinstance(inner, For) and inner.kind == "vector" and isinstance(inner.extent, int):
                yield _Blocks(each.extent, inner.extent)


def _passes(body: Sequence[Statement], cut: _Blocks) -> list[_Pass]:
    """The passes of a row; none where what reads stands before the first, or what does not behind the last."""
    made: list[_Pass] = []
    before: list[Statement] = []
    for each in body:
        loop, rest = (each, ()) if cut.lanes(each) is not None else _in_blocks(each, cut)
        if isinstance(loop, For):
            made.append(_Pass(tuple(before), loop, rest))
            before = []
        elif made and _reads(each):
            made[-1] = replace(made[-1], after=(*made[-1].after, each))
        elif _reads(each):
            return []
        elif not isinstance(each, Allocate):
            before.append(each)
    return [] if before else made


def _reads(statement: Statement) -> bool:
    """Whether a statement needs another, or another needs what it binds."""
    return isinstance(statement, Let) or any(isinstance(each, Load | Variable) for each in scalars([statement]))


def _in_blocks(statement: Statement, cut: _Blocks) -> tuple[For | None, tuple[Statement, ...]]:
    """A vector loop over a row as a loop over blocks, and the loop over what is left; (None, ()) if it is none."""
    if not isinstance(statement, For) or statement.kind != "vector" or not _reads(statement):
        return None, ()
    left = statement.extent - cut.full if isinstance(statement.extent, int) else -1
    if not 0 <= left < cut.size:
        return None, ()
    name = statement.axis.name
    block, lane, last = (Axis(f"{name}{letter}") for letter in "bvr")

    def at(axis: Axis, start: Scalar) -> For:
        place = Apply("add", (start, axis))
        moved = tuple(substitute(each, {name: place}) for each in statement.body)
        return For(axis, cut.size if axis is lane else left, "vector", named(moved, axis))

    whole = For(block, cut.blocks, "serial", (at(lane, Apply("mul", (block, build.index(cut.size)))),))
    return whole, (at(last, build.index(cut.full)),) if left else ()


# What passes need of each other

_LOOP, _AFTER = 1, 2


@dataclass(frozen=True, slots=True)
class _Access:
    """Where memory of a worker is read or written: in which pass, in which part of it, and at which place."""

    number: int
    part: int
    buffer: Buffer
    indices: tuple[Scalar, ...]


def _is_apart(passes: Sequence[_Pass], cut: _Blocks) -> bool:
    """Whether each pass needs of others only what the one before it found behind its loop, or block by block.

    In one step the parts of a later pass stand before those of an earlier one, which is at a later row.
    """
    extents: dict[str, Dim] = {}
    written: dict[str, list[_Access]] = {}
    read: list[_Access] = []
    for number, each in enumerate(passes):
        for part, block in enumerate(each.parts):
            bound = {one.variable for one in statements(block) if isinstance(one, Let)}
            if any(isinstance(one, Variable) and one not in bound for one in scalars(block)):
                return False
            for statement in statements(block):
                if isinstance(statement, For):
                    extents[statement.axis.name] = statement.extent
                elif isinstance(statement, Store):
                    written.setdefault(statement.buffer.name, []).append(
                        _Access(number, part, statement.buffer, statement.indices)
                    )
                elif not isinstance(statement, Let | If):
                    return False
            read += [_Access(number, part, load.buffer, load.indices) for load in loads(block)]
    local = [access for access in read if access.buffer.space == "register"]
    return all(
        _is_met(each, writer, passes, cut, extents) for each in local for writer in written.get(each.buffer.name, ())
    )


def _is_met(
    reader: _Access, writer: _Access, passes: Sequence[_Pass], cut: _Blocks, extents: Mapping[str, Dim]
) -> bool:
    """Whether what is read is still what was written for the same row."""
    if reader.number == writer.number:
        return True
    if reader.number != writer.number + 1:
        return False
    if writer.part == _AFTER:
        return True
    if writer.part != _LOOP or not _is_own(writer, passes, cut):
        return False
    if reader.part == _LOOP:
        return _is_own(reader, passes, cut)
    low, _ = value_range(reader.indices[0], extents) if reader.indices else (None, None)
    return isinstance(low, int) and low >= cut.full


def _is_own(access: _Access, passes: Sequence[_Pass], cut: _Blocks) -> bool:
    """Whether the place is that of the element in the row."""
    loop = passes[access.number].loop
    lanes = cut.lanes(loop)
    if lanes is None or len(access.indices) != 1:
        return False
    around = {loop.axis.name: loop.extent, lanes.axis.name: lanes.extent}
    place = Apply("add", (Apply("mul", (loop.axis, build.index(cut.size))), lanes.axis))
    return simplify(access.indices[0], around) == simplify(place, around)
