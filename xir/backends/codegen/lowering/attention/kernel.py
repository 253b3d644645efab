"""Attention as one kernel: scores of a block of queries and keys, their powers, and sums of values, all near.

Scores never lie in memory as a matrix. A block of queries goes by the keys block by block; with each row lie the
largest score so far, the sum of the powers of all scores so far less that, and the values summed by these powers.
Where a block has a larger score, both sums are made smaller by what that is in powers. In the end the values are
divided by the sum. (Milakov and Gimelshein 2018, "Online normalizer calculation for softmax"; Rabe and Staats 2021,
"Self-attention Does Not Need O(n^2) Memory"; Dao et al. 2022, "FlashAttention", algorithm 1)

The results are those of the three steps up to rounding. NaN goes everywhere in its row; a row of -infinity alone is
NaN, as it is there. Sums of powers times values are divided last, so values beyond the largest number divided by the
number of keys may overflow. Blocks of keys that a mask hides from a whole block of queries are passed over: what is
not finite in them does no harm, where the three steps multiply it by 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

import numpy as np

from xir.backends.codegen.engine import Machine
from xir.backends.codegen.lowering.products.contraction import Block, row_blocks
from xir.backends.codegen.lowering.products.sums import Contraction
from xir.backends.codegen.lowering.products.tiles import FEW, WIDE, Tile, cost
from xir.backends.codegen.lowering.winograd.plan import SCRATCH
from xir.ir.dims import Dim, ceil_divide, floor_divide, multiply, subtract
from xir.ir.types import DType
from xir.kernel import build
from xir.kernel._simplify import simplify_statements
from xir.kernel._substitute import substitute
from xir.kernel.grammar import (
    Allocate,
    Apply,
    Axis,
    Buffer,
    Const,
    For,
    If,
    Kernel,
    Let,
    Load,
    LoopKind,
    Scalar,
    Select,
    Statement,
    Store,
    Variable,
)
from xir.kernel.strides import unit_steps
from xir.kernel.walk import loads

QUERIES = 48
"""Rows of a block: a multiple of the rows of every tile; by so many what is read of keys and values is shared."""

LOWEST = {DType.FLOAT32: -float(np.finfo(np.float32).max), DType.FLOAT64: -float(np.finfo(np.float64).max)}
"""The least numbers: rows begin with them, for -infinity less itself is no number."""

KEYS = 128
"""Keys of a block, about: scores of a block, 24 KiB, lie in a first cache."""


@dataclass(frozen=True, slots=True)
class Attention:
    """What is computed.

    Attributes:
        scores: sums over loops [..., queries, keys], scaled and masked behind.
        values: sums over loops [..., queries, columns]; all but the last loop are called as those of the scores.
        weights: the buffer from which `values` reads the softmax of the scores.
    """

    scores: Contraction
    values: Contraction
    weights: Buffer

    @property
    def rows(self) -> For:
        """The loop of the queries."""
        return self.scores.loops[-2]

    @property
    def keys(self) -> For:
        """The loop of the keys."""
        return self.scores.loops[-1]

    @property
    def columns(self) -> For:
        """The loop of a value's numbers."""
        return self.values.loops[-1]


def fits(found: Attention, machine: Machine) -> bool:
    """Whether the kernel pays: few queries share too little, and what is summed has to lie on a worker's stack."""
    width, rows, keys = found.columns.extent, found.rows.extent, found.keys.extent
    if not isinstance(width, int) or (isinstance(rows, int) and rows < FEW) or keys == 0:
        return False
    elements = QUERIES * (2 * KEYS + width + machine.lanes)
    return elements * found.weights.dtype.bits // 8 <= SCRATCH


def written(found: Attention, reader: Kernel, machine: Machine) -> Kernel:
    """The kernel.

    Args:
        found: what is computed; it `fits`.
        reader: the kernel of the sums of values, whose results it makes.
        machine: the processor.
    """
    lanes = machine.lanes * 32 // found.weights.dtype.bits
    body: tuple[Statement, ...] = _Writer(found, lanes, machine.lanes, _block_of(found.keys.extent, lanes)).block()
    for loop in reversed(found.scores.loops[:-2]):
        body = (replace(loop, body=body),)
    body = simplify_statements(body, {})
    given = dict.fromkeys(load.buffer for load in loads(body) if load.buffer.space == "global")
    return Kernel("attention", tuple(given), reader.outputs, body)


def _block_of(keys: Dim, lanes: int) -> int:
    """Keys of a block: blocks are about as long as one another, and whole vectors."""
    if not isinstance(keys, int):
        return KEYS
    blocks = max(round(keys / KEYS), 1)
    return -(-keys // (blocks * lanes)) * lanes


@dataclass(frozen=True, slots=True)
class _Keys:
    """A block of keys.

    Attributes:
        number: which one.
        count: how many there are in it.
        mark: makes names its own.
        partial: whether there are fewer than in a whole block.
    """

    number: Scalar
    count: Dim
    mark: str
    partial: bool


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes the kernel.

    Attributes:
        found: what is computed.
        lanes: elements of a vector.
        wide: elements of 32 bits of a vector, which says how many registers there are.
        size: keys of a block.
    """

    found: Attention
    lanes: int
    wide: int
    size: int

    # Names

    def _axis(self, name: str) -> Axis:
        return Axis(f"{self.found.weights.name}{name}")

    def _local(self, name: str, *shape: int) -> Buffer:
        dtype = self.found.weights.dtype
        return Buffer(f"{self.found.weights.name}{name}", dtype, shape, "register")

    def _loop(self, name: str, extent: Dim, kind: LoopKind, *body: Statement) -> For:
        return For(self._axis(name), extent, kind, body)

    @property
    def _height(self) -> int:
        """Rows of a block."""
        rows = self.found.rows.extent
        return min(rows, QUERIES) if isinstance(rows, int) else QUERIES

    @property
    def _width(self) -> int:
        """Columns of a value."""
        extent = self.found.columns.extent
        return extent if isinstance(extent, int) else 0

    @property
    def _line(self) -> int:
        """Sums of a row as they lie: those of whole tiles."""
        columns = self._tile(self.found.values, self._width, "v").columns
        return -(-self._width // columns) * columns

    @property
    def _scores(self) -> Buffer:
        """The scores of a block, and then their powers."""
        return self._local("p", self._height * self.size)

    @property
    def _sums(self) -> Buffer:
        """The sums of values."""
        return self._local("y", self._height * self._line)

    @property
    def _most(self) -> Buffer:
        """The largest score of each row."""
        return self._local("m", self._height)

    @property
    def _totals(self) -> Buffer:
        """The sum of the powers of each row."""
        return self._local("t", self._height)

    @property
    def _shares(self) -> Buffer:
        """The largest score of each row with this block, and then by what its sums are multiplied."""
        return self._local("c", self._height)

    @property
    def _first(self) -> Scalar:
        """The first row of the block."""
        return Apply("mul", (self._axis("b"), build.index(self._height)))

    def _row(self, name: str) -> Scalar:
        return Apply("add", (self._first, self._axis(name)))

    def _within(self, row: Scalar, *body: Statement) -> tuple[Statement, ...]:
        """What is done for a row, where there is one: the last block may have less."""
        extent = self.found.rows.extent
        if isinstance(extent, int) and extent % self._height == 0:
            return body
        return (If(Apply("lt", (row, Const(extent, DType.INT64))), body),)

    # The whole

    def block(self) -> tuple[Statement, ...]:
        """The loop over blocks of rows."""
        keys, lowest = self.found.keys.extent, LOWEST[self._scores.dtype]
        full = floor_divide(keys, self.size)
        rest = subtract(keys, multiply(full, self.size))
        start, zero = (build.number(value, self._scores.dtype) for value in (lowest, 0.0))
        row = self._axis("i")
        body: list[Statement] = [
            *map(Allocate, (self._scores, self._sums, self._most, self._totals, self._shares)),
            self._loop("z", self._height * self._line, "vector", Store(self._sums, (self._axis("z"),), zero)),
            self._loop(
                "i",
                self._height,
                "vector",
                Store(self._most, (row,), start),
                Store(self._shares, (row,), start),
                Store(self._totals, (row,), zero),
            ),
        ]
        if full != 0:
            block = _Keys(self._axis("k"), self.size, "f", partial=False)
            body.append(self._loop("k", full, "serial", *self._keys(block)))
        if rest != 0:
            body += self._keys(_Keys(Const(full, DType.INT64), rest, "l", partial=True))
        body.append(self._finished())
        return (self._loop("b", ceil_divide(self.found.rows.extent, self._height), "parallel", *body),)

    def _keys(self, block: _Keys) -> list[Statement]:
        """What is done with a block of keys."""
        body = [*self._scored(block), *self._powers(block), self._summed(block)]
        hidden = None if self.size == self.found.keys.extent else self._hidden(block)
        if hidden is None:
            return body
        seen, checked = hidden
        return [*checked, If(Apply("gt", (Load(seen, ()), build.number(0.0, seen.dtype))), tuple(body))]

    # Scores

    def _tile(self, found: Contraction, width: int, mark: str) -> Tile:
        """The tile that the cost model prefers; a block of keys is whole tiles."""
        length = found.length if isinstance(found.length, int) else self.size
        shapes = [each for each in WIDE[self.wide] if width % (each[0] * self.lanes) == 0 or mark == "v"]
        vectors, rows = min(shapes, key=lambda each: cost(each[0], each[1], width, self._height, self.lanes, length))
        return Tile(found.loops[-1], found.loops[-2], vectors, rows, self.lanes)

    def _tiles(self, found: Contraction, tile: Tile, first: Scalar, count: Dim, limit: Scalar | None, mark: str) -> For:
        """Every tile of the block of rows and of `count` columns, the first of which is that of a number."""
        column, row = self._axis(f"{mark}h"), self._axis(f"{mark}r")
        blocks = -(-self._height // tile.rows)
        number = Apply("add", (Apply("mul", (self._axis("b"), build.index(blocks))), row))
        block = Block(Apply("add", (first, column)), tile.columns)
        body = row_blocks(found, tile, block, number, mark, limit)
        around = self._within(Apply("mul", (number, build.index(tile.rows))), *body)
        return For(column, ceil_divide(count, tile.columns), "serial", (For(row, blocks, "serial", around),))

    def _local_row(self, stride: int, along: Scalar) -> Scalar:
        """Where an element of the block lies, in rows of `stride`."""
        row = Apply("sub", (self.found.rows.axis, self._first))
        return Apply("add", (Apply("mul", (row, build.index(stride))), along))

    def _scored(self, block: _Keys) -> list[Statement]:
        """The scores of the block; behind the last key they are -infinity."""
        scores, keys = self.found.scores, self.found.keys
        *lets, store = scores.ending
        if not isinstance(store, Store):
            raise TypeError(store)
        along = Apply("sub", (keys.axis, Apply("mul", (block.number, build.index(self.size)))))
        local = replace(store, buffer=self._scores, indices=(self._local_row(self.size, along),))
        tile = self._tile(scores, self.size, "s")
        first = Apply("mul", (block.number, build.index(self.size // tile.columns)))
        limit = Const(keys.extent, DType.INT64) if block.partial else None
        found = replace(scores, ending=(*lets, local))
        made = self._tiles(found, tile, first, block.count, limit, f"s{block.mark}")
        if not block.partial:
            return [made]
        lowest, place = build.extreme(self._scores.dtype, highest=False), self._axis("n")
        return [self._loop("n", self._height * self.size, "vector", Store(self._scores, (place,), lowest)), made]

    def _hidden(self, block: _Keys) -> tuple[Buffer, list[Statement]] | None:
        """A register that is 0 if a mask hides the block of keys from all rows, and how it becomes so."""
        test = masking(self.found.scores)
        row, key = self._axis(f"w{block.mark}"), self._axis(f"x{block.mark}")
        if test is None:
            return None
        place = Apply("add", (Apply("mul", (block.number, build.index(self.size))), key))
        rows = self._row(f"w{block.mark}")
        test = substitute(test, {self.found.rows.axis.name: rows, self.found.keys.axis.name: place})
        seen = self._local(f"s{block.mark}")
        no, yes = (build.number(value, seen.dtype) for value in (0.0, 1.0))
        update = Store(seen, (), Apply("max", (Load(seen, ()), Select(test, no, yes))))
        if unit_steps([update], key.name) is None:
            return None
        inner = self._within(rows, For(key, block.count, "serial", (update,)))
        return seen, [Allocate(seen), Store(seen, (), no), For(row, self._height, "serial", inner)]

    # The softmax

    def _powers(self, block: _Keys) -> list[Statement]:
        """The powers of the scores less the largest so far, their sum, and by what the sums so far get smaller."""
        mark, scores, dtype = block.mark, self._scores, self._scores.dtype
        row, top, total = self._axis(f"j{mark}"), self._local(f"q{mark}"), self._local(f"o{mark}")
        count = multiply(ceil_divide(block.count, self.lanes), self.lanes)

        def at(axis: Axis) -> Scalar:
            return Apply("add", (Apply("mul", (row, build.index(self.size))), axis))

        def held(buffer: Buffer, *place: Scalar) -> Scalar:
            return Load(buffer, place)

        key = self._axis(f"g{mark}")
        largest = self._within(
            self._row(f"j{mark}"),
            Allocate(top),
            Store(top, (), held(self._most, row)),
            For(key, count, "serial", (Store(top, (), Apply("max", (held(top), held(scores, at(key))))),)),
            Store(self._shares, (row,), held(top)),
        )
        new, each = Variable(f"{self._most.name}{mark}", dtype), self._axis(f"e{mark}")
        less = Apply("sub", (held(self._most, each), new))
        shares = (
            Let(new, held(self._shares, each)),
            Store(self._shares, (each,), Apply("exp", (less,))),
            Store(self._most, (each,), new),
        )
        power, key = Variable(f"{scores.name}{mark}", dtype), self._axis(f"a{mark}")
        summed = (
            Let(power, Apply("exp", (Apply("sub", (held(scores, at(key)), held(self._most, row))),))),
            Store(scores, (at(key),), power),
            Store(total, (), Apply("add", (held(total), power))),
        )
        before = Apply("mul", (held(self._totals, row), held(self._shares, row)))
        powers = self._within(
            self._row(f"j{mark}"),
            Allocate(total),
            Store(total, (), build.number(0.0, dtype)),
            For(key, count, "serial", summed),
            Store(self._totals, (row,), Apply("add", (before, held(total)))),
        )
        return [
            For(row, self._height, "serial", largest),
            For(each, self._height, "vector", shares),
            For(row, self._height, "serial", powers),
        ]

    # Values

    def _summed(self, block: _Keys) -> Statement:
        """The sums of values with those of the block."""
        found = self.found.values
        (keys,) = found.reduced
        sums, mark = self._sums, f"v{block.mark}"
        place = self._local_row(self._line, self.found.columns.axis)
        share = Load(self._shares, (self._local_row(1, build.index(0)),))

        def power(load: Load) -> Scalar | None:
            if load.buffer != self.found.weights:
                return None
            return Load(self._scores, (self._local_row(self.size, keys.axis),))

        along = Apply("add", (Apply("mul", (block.number, build.index(self.size))), keys.axis))

        def factor(each: Scalar) -> Scalar:
            if isinstance(each, Load) and each.buffer == self.found.weights:
                return power(each) or each
            return substitute(each, {keys.axis.name: along})

        total = found.added(Load(found.carried, ()), [factor(each) for each in found.factors])
        moved = replace(
            found,
            reduced=(replace(keys, extent=block.count),),
            start=Apply("mul", (Load(sums, (place,)), share)),
            update=replace(found.update, value=total),
            ending=(Store(sums, (place,), Load(found.carried, ())),),
        )
        tile = self._tile(found, self._width, "v")
        limit = build.index(self._width) if self._width % tile.columns else None
        return self._tiles(moved, tile, build.index(0), self._width, limit, mark)

    def _finished(self) -> Statement:
        """What becomes of the sums of values, divided by those of the powers."""
        row, column, keys = self._axis("d"), self._axis("u"), self.found.keys.extent
        part = Variable(f"{self._totals.name}d", self._totals.dtype)
        one, zero = (build.number(value, part.dtype) for value in (1.0, 0.0))
        value: Scalar = Apply("div", (one, Load(self._totals, (row,))))
        if not isinstance(keys, int):  # the sum of no values at all is 0
            value = Select(Apply("eq", (Const(keys, DType.INT64), build.index(0))), zero, value)
        place = Apply("add", (Apply("mul", (row, build.index(self._line))), column))
        axes = {self.found.rows.axis.name: self._row("d"), self.found.columns.axis.name: column}

        def read(load: Load) -> Scalar | None:
            if load.buffer != self.found.values.carried:
                return None
            return Apply("mul", (Load(self._sums, (place,)), part))

        ending = tuple(substitute(each, axes, read) for each in self.found.values.ending)
        inner = For(column, self._width, "vector" if unit_steps(ending, column.name) is not None else "serial", ending)
        return For(row, self._height, "serial", self._within(self._row("d"), Let(part, value), inner))


def masking(scores: Contraction) -> Scalar | None:
    """Whether a score is -infinity whatever number its sum is; None where nothing says so."""
    known: dict[str, Scalar] = {}
    for each in scores.ending:
        match each:
            case Let(variable, value):
                known[variable.name] = substitute(value, {}, variables=known)
            case Store(_, _, value):
                found = _is_lowest(substitute(value, {}, variables=known), scores.carried)
                return None if isinstance(found, Const) else found
            case _:
                return None
    return None


def _is_lowest(value: Scalar, carried: Buffer) -> Scalar:
    never = Const(value=False, dtype=DType.BOOL)
    if not any(load.buffer == carried for load in loads([value])):
        if isinstance(value, Const):
            return Const(value.value == -inf, DType.BOOL)
        return Apply("eq", (value, build.extreme(value.dtype, highest=False)))
    match value:
        case Apply("add", (left, right)):
            found = [each for each in (_is_lowest(left, carried), _is_lowest(right, carried)) if each != never]
            return never if not found else found[0] if len(found) == 1 else Apply("or", tuple(found))
        case Select(condition, then, otherwise):
            parts = _is_lowest(then, carried), _is_lowest(otherwise, carried)
            free = not any(load.buffer == carried for load in loads([condition]))
            return Select(condition, *parts) if free and parts != (never, never) else never
        case _:
            return never
