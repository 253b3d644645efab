"""Reductions of neighbours in lanes: partial results in vectors, which are joined in the end.

A loop that makes a row and a reduction over that row become one loop, so that what is made is reduced while it is
still in a register: the powers of a softmax and their sum, the differences of a normalization and their squares.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from xir.ir.dims import Dim, floor_divide, multiply, subtract
from xir.kernel import build
from xir.kernel._simplify import simplify
from xir.kernel._substitute import substitute
from xir.kernel.grammar import (
    Allocate,
    Apply,
    Axis,
    Buffer,
    Combine,
    Const,
    For,
    Let,
    Load,
    Scalar,
    Statement,
    Store,
    Variable,
)
from xir.kernel.strides import in_order
from xir.kernel.walk import loads, rewrite_blocks, statements

CHAINS = 4
"""Vectors of partial results of a reduction: as many as hide the latency of an addition (4 cycles, 2 a cycle)."""

SHORT = 512
"""Elements of a row beside which it takes long to join partial results: 6 steps that wait for each other."""

COMBINED: Mapping[str, Combine] = {"add": "add", "mul": "mul", "min": "min", "max": "max"}
"""Functions whose partial results may be joined in any order."""


def in_lanes(body: tuple[Statement, ...], lanes: int) -> tuple[Statement, ...]:
    """The block with every reduction of neighbours as vectors of partial results.

    Args:
        body: what one worker does.
        lanes: elements of 32 bits in a vector register.
    """
    whole = (part for each in _together(_without_single(body)) for part in _nested(each, lanes))
    return rewrite_blocks(tuple(whole), lambda statement: _laned(statement, lanes))


def _without_single(body: Sequence[Statement]) -> tuple[Statement, ...]:
    """The block without loops of one iteration; their index is 0."""
    made: list[Statement] = []
    for each in body:
        if isinstance(each, For) and each.extent == 1:
            inner = (substitute(part, {each.axis.name: build.index(0)}) for part in each.body)
            made += _without_single(tuple(inner))
        else:
            made.append(each)
    return tuple(made)


# A row that is made and then reduced


@dataclass(frozen=True, slots=True)
class _Made:
    """A loop that stores one element of a buffer in each iteration."""

    loop: For
    store: Store

    @classmethod
    def of(cls, statement: Statement) -> _Made | None:
        if not isinstance(statement, For) or len(statement.body) != 1 or statement.kind not in ("parallel", "vector"):
            return None
        (store,) = statement.body
        return cls(statement, store) if isinstance(store, Store) and store.mask is None else None


def _together(body: tuple[Statement, ...]) -> tuple[Statement, ...]:
    """The block with reductions put into the loops that make what they reduce."""
    block = list(body)
    place = 0
    while place < len(block):
        made = _Made.of(block[place])
        reader = None if made is None else _reader(block, place, made)
        if made is not None and reader is not None:
            block[reader] = _joined(made, block[reader])
            del block[place]
        else:
            place += 1
    return tuple(block)


def _reader(block: Sequence[Statement], place: int, made: _Made) -> int | None:
    """Where a reduction stands that reads the row element by element, nothing in between having to do with either."""
    needed = {load.buffer.name for load in loads([made.loop])}
    for number in range(place + 1, len(block)):
        each = block[number]
        if isinstance(each, For):
            return number if _reduces(each, made, needed) else None
        written = isinstance(each, Store) and (each.buffer.space == "global" or each.buffer.name in needed)
        read = any(load.buffer.name == made.store.buffer.name for load in loads([each]))
        if written or read or not isinstance(each, Store | Allocate):
            return None
    return None


def _reduces(loop: For, made: _Made, needed: set[str]) -> bool:
    update = loop.body[0] if len(loop.body) == 1 and loop.kind == "serial" and loop.extent == made.loop.extent else None
    if not isinstance(update, Store) or _carried(update) is None or update.mask is not None:
        return False
    if update.buffer.name in needed or update.buffer.name == made.store.buffer.name:
        return False
    own = tuple(substitute(index, {made.loop.axis.name: loop.axis}) for index in made.store.indices)
    read = [load for load in loads([update]) if load.buffer.name == made.store.buffer.name]
    around = {loop.axis.name: loop.extent}
    return bool(read) and all(load.mask is None and _same(load.indices, own, around) for load in read)


def _same(left: Sequence[Scalar], right: Sequence[Scalar], extents: Mapping[str, Dim]) -> bool:
    return all(simplify(a, extents) == simplify(b, extents) for a, b in zip(left, right, strict=True))


def _joined(made: _Made, reader: Statement) -> For:
    """The reduction's loop, which makes each element before it reduces it."""
    if not isinstance(reader, For):
        raise TypeError(reader)
    held = Variable(f"{made.store.buffer.name}{reader.axis.name}", made.store.buffer.dtype)
    store = substitute(made.store, {made.loop.axis.name: reader.axis})
    if not isinstance(store, Store):
        raise TypeError(store)

    def known(load: Load) -> Scalar | None:
        return held if load.buffer.name == made.store.buffer.name else None

    update = (substitute(each, {}, known) for each in reader.body)
    return replace(reader, body=(Let(held, store.value), replace(store, value=held), *update))


# Partial results


def _nested(statement: Statement, lanes: int) -> Sequence[Statement]:
    """Loops around a reduction of a short row, whose partial results are joined behind all of them."""
    around: list[For] = []
    inner = statement
    while isinstance(inner, For) and inner.kind == "serial" and len(inner.body) == 1 and isinstance(inner.body[0], For):
        around.append(inner)
        (inner,) = inner.body
    short = isinstance(inner, For) and isinstance(inner.extent, int) and inner.extent <= SHORT
    return _laned(inner, lanes, around) if around and short and len(_laned(inner, lanes)) > 1 else [statement]


def _laned(statement: Statement, lanes: int, around: Sequence[For] = ()) -> Sequence[Statement]:
    if not (isinstance(statement, For) and statement.kind == "serial" and statement.body):
        return [statement]
    *before, update = statement.body
    carried = _carried(update)
    if carried is None or not isinstance(update, Store) or not all(isinstance(each, Let | Store) for each in before):
        return [statement]
    function, value = carried
    if _uses(before, update.buffer):
        return [statement]
    if not in_order([*before, replace(update, value=value)], statement.axis.name):
        return [statement]
    return replace(_Partial.of(statement, update, function, value, lanes), around=tuple(around)).statements()


def _uses(block: Sequence[Statement], buffer: Buffer) -> bool:
    """Whether statements read or write a buffer: a running sum is read as it is so far."""
    written = (each.buffer.name for each in block if isinstance(each, Store))
    return buffer.name in {*written, *(load.buffer.name for load in loads(block))}


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


@dataclass(frozen=True, slots=True)
class _Partial:
    """A reduction in lanes.

    Attributes:
        loop: the loop; its last statement is `update`.
        update: `register = function(register, value)`.
        function: what joins results.
        value: what is reduced.
        held: the partial results.
        lanes: elements of a vector.
        around: loops around it that reduce, too, outermost first.
    """

    loop: For
    update: Store
    function: Combine
    value: Scalar
    held: Buffer
    lanes: int
    around: tuple[For, ...] = ()

    @classmethod
    def of(cls, loop: For, update: Store, function: Combine, value: Scalar, lanes: int) -> _Partial:
        count = lanes * CHAINS
        while isinstance(loop.extent, int) and count // 2 >= max(loop.extent, 1):
            count //= 2
        held = Buffer(f"{update.buffer.name}{loop.axis.name}p", update.buffer.dtype, (count,), "register")
        return cls(loop, update, function, value, held, lanes)

    def statements(self) -> list[Statement]:
        """The loops: over all chains, over what is left of them, and over pairs of partial results."""
        (count,) = self.held.shape
        start = {"add": 0, "mul": 1}.get(self.function)
        highest = self.function == "min"
        dtype = self.held.dtype
        neutral = build.extreme(dtype, highest=highest) if start is None else build.number(start, dtype)
        lane = self._axis("l")
        full = floor_divide(self.loop.extent, count)
        whole = Apply(self.function, (Load(self.update.buffer, ()), Load(self.held, (build.index(0),))))
        row: tuple[Statement, ...] = (*self._blocks("b", "v", 0, full, count), *self._rest(multiply(full, count)))
        for loop in reversed(self.around):
            row = (replace(loop, body=row),)
        return [
            Allocate(self.held),
            For(lane, count, "vector", (Store(self.held, (lane,), neutral),)),
            *row,
            *self._halved(),
            replace(self.update, value=whole, mask=None),
        ]

    def _axis(self, letter: str) -> Axis:
        return Axis(f"{self.update.buffer.name}{self.loop.axis.name}{letter}")

    def _blocks(self, letter: str, inner: str, start: Dim, blocks: Dim, count: Dim) -> Iterator[Statement]:
        """Blocks of neighbours, each element with the partial result of its place in the block."""
        if blocks == 0:
            return
        block, lane = self._axis(letter), self._axis(inner)
        along = Apply("add", (Apply("mul", (block, build.index(count))), lane))
        yield For(block, blocks, "serial", (For(lane, count, "vector", self._step(lane, _after(start, along))),))

    def _rest(self, start: Dim) -> Iterator[Statement]:
        """What is left behind whole blocks: as vectors, and where their number is not known then one by one."""
        left = subtract(self.loop.extent, start)
        if isinstance(left, int):
            if left:
                lane = self._axis("t")
                yield For(lane, left, "vector", self._step(lane, _after(start, lane)))
            return
        groups = floor_divide(left, self.lanes)
        yield from self._blocks("g", "w", start, groups, self.lanes)
        end = start + multiply(groups, self.lanes)
        last = self._axis("t")
        ending = (substitute(each, {self.loop.axis.name: _after(end, last)}) for each in self.loop.body)
        yield For(last, subtract(self.loop.extent, end), "serial", named(tuple(ending), last))

    def _step(self, lane: Axis, along: Scalar) -> tuple[Statement, ...]:
        """One iteration of the loop at a place, with the partial result of a lane."""
        joined = Apply(self.function, (Load(self.held, (lane,)), self.value))
        update = replace(self.update, buffer=self.held, indices=(lane,), value=joined)
        body = (substitute(each, {self.loop.axis.name: along}) for each in (*self.loop.body[:-1], update))
        return named(tuple(body), lane)

    def _halved(self) -> Iterator[Statement]:
        """The partial results joined in pairs until the first one is all of them."""
        (count,) = self.held.shape
        half = count // 2 if isinstance(count, int) else 0
        while half:
            place = self._axis(f"h{half}")
            other = Load(self.held, (Apply("add", (place, build.index(half))),))
            pair = Apply(self.function, (Load(self.held, (place,)), other))
            yield For(place, half, "vector", (Store(self.held, (place,), pair),))
            half //= 2


def _after(start: Dim, along: Scalar) -> Scalar:
    return along if start == 0 else Apply("add", (along, Const(start, build.index(0).dtype)))


def named(body: tuple[Statement, ...], axis: Axis) -> tuple[Statement, ...]:
    """The statements with names of their own for what they bind."""
    bound = [each.variable for each in statements(body) if isinstance(each, Let)]
    names = {each.name: Variable(f"{each.name}{axis.name}", each.dtype) for each in bound}
    return tuple(substitute(each, {}, variables=names) for each in body)
