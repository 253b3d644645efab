"""Sums of products in register tiles: the schedule of matrix products, convolutions and all that is like them.

One result after another, such a kernel would be bound by loads: each product needs two numbers. A tile of `rows` by
`columns` results shares them: `rows + columns` loads serve `rows * columns` products. The columns lie along the axis
that goes through memory step by step, so they are vectors; the rows along one that the vectors do not depend on.
(Goto, van de Geijn 2008, "Anatomy of High-Performance Matrix Multiplication", for the tile; the sums are taken in the
order of the loops, whatever the tile, so no result depends on it.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from xir.backends.codegen.engine import Machine
from xir.backends.codegen.lowering.products.pack import Packing, cast, packing, plain
from xir.backends.codegen.lowering.products.sums import Contraction, bytes_of, contraction_of, depends, prepared
from xir.backends.codegen.lowering.products.words import in_words
from xir.backends.codegen.lowering.schedules.schedule import schedule
from xir.ir.dims import Dim, ceil_divide, floor_divide, multiply, subtract
from xir.ir.types import DType
from xir.kernel import build
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
    Prefetch,
    Scalar,
    Statement,
    Store,
    Variable,
)
from xir.kernel.strides import step_of
from xir.kernel.walk import loads, scalars, statements

_MANY = ((1, 24), (2, 12), (3, 8), (4, 6))
WIDE = {4: _MANY, 8: ((1, 12), (2, 6), (3, 4)), 16: _MANY}
"""{lanes: (vectors of columns, rows) of tiles whose sums, columns and one row's number fit the registers}.

Of AVX2 there are 16, of AVX-512 and of NEON 32.
"""

NEAR = 512 << 10
"""Bytes of weights that stay in a second cache, while what is read with them goes by."""

FAR = 2.7
"""Cycles that a vector from a third cache takes: 64 bytes, at 24 a cycle."""

LATENCY = 4.0
"""Cycles until a sum may be added to again."""

FEW = 6
"""Rows of a tile of which half take surely less time than all."""

LONG = 16
"""Products of a sum beside which it matters little that its result is stored alone."""


@dataclass(frozen=True, slots=True)
class _Tile:
    """How results are grouped.

    Attributes:
        column: the loop whose neighbours are vectors.
        row: the loop of the rows, or None.
        vectors: vectors of columns.
        rows: rows.
        lanes: elements of a vector.
    """

    column: For
    row: For | None
    vectors: int
    rows: int
    lanes: int

    @property
    def columns(self) -> int:
        return self.vectors * self.lanes


@dataclass(frozen=True, slots=True)
class Tiled:
    """A kernel in register tiles, and the weights that it wants packed."""

    kernel: Kernel
    packings: tuple[Packing, ...]


Packings: TypeAlias = Sequence[Packing | None]
"""How each factor is packed, None where it is read as it lies."""


@dataclass(frozen=True, slots=True)
class _Block:
    """A block of rows or columns: its number, and how many there are in a block."""

    number: Scalar
    width: int

    @property
    def start(self) -> Scalar:
        return Apply("mul", (self.number, build.index(self.width)))


Pick: TypeAlias = Callable[[Kernel, Sequence[Kernel]], int]
"""`pick(kernel, variants)` is the number of the variant to take; all give the same bits."""


def tiled(kernel: Kernel, machine: Machine, constants: frozenset[str], pick: Pick | None = None) -> Tiled | None:
    """The kernel in register tiles, or None if it is no sum of products that gains by them.

    Args:
        kernel: the kernel.
        machine: the processor.
        constants: names of the buffers that hold weights.
        pick: chooses among tiles; without it the cost model does.
    """
    found = contraction_of(kernel)
    if found is None or found.carried.dtype not in (DType.FLOAT32, DType.INT32):
        return None
    body: list[Statement] = []
    packings: dict[Packing, None] = {}
    for number, part in enumerate(prepared(found, constants)):
        made = _forms(kernel, part, machine, constants, number, every=pick is not None)
        if not made:
            body += schedule(replace(kernel, body=(part.statement,)), machine.lanes).body
            continue
        best = made[pick(replace(kernel, body=(part.statement,)), [each.kernel for each in made]) if pick else 0]
        packings.update(dict.fromkeys(best.packings))
        body += best.kernel.body
    return Tiled(_reading(kernel, body), tuple(packings))


def _forms(
    kernel: Kernel, part: Contraction, machine: Machine, constants: frozenset[str], number: int, *, every: bool
) -> list[Tiled]:
    """One part of the sums in each of the tiles, or in the best alone; of words of bytes where it can be."""
    for form in (in_words(part, constants), part):
        tiles = [] if form is None else _tiles(form, machine, constants)
        made = (
            [] if form is None else [_part(kernel, form, t, constants, number) for t in tiles[: None if every else 1]]
        )
        if made and (form is part or made[0].packings):  # words of weights are there when they are packed
            return made
    return []


def _part(kernel: Kernel, part: Contraction, tile: _Tile, constants: frozenset[str], number: int) -> Tiled:
    """The kernel of one part of the sums, in that tile."""
    used = _packings(part, tile, constants, number)
    return Tiled(_reading(kernel, _written(part, tile, used)), tuple(each for each in used if each))


def _reading(kernel: Kernel, body: Sequence[Statement]) -> Kernel:
    """The kernel with that body: it is given what the body reads."""
    made = dict.fromkeys(load.buffer for load in loads(body) if load.buffer.space == "global")
    return Kernel(kernel.name, tuple(made), kernel.outputs, tuple(body))


def _packings(found: Contraction, tile: _Tile, constants: frozenset[str], number: int) -> tuple[Packing | None, ...]:
    """How each factor is packed; the columns of one, the rows of the other."""
    others = [loop for loop in found.loops if loop is not tile.column and loop is not tile.row]
    made: list[Packing | None] = []
    for factor in found.factors:
        along = [loop for loop in (tile.column, tile.row) if loop is not None and depends(factor, loop)]
        width = tile.columns if along == [tile.column] else tile.rows
        each = None
        if len(along) == 1:
            each = packing(factor, along[0], others, found.reduced, width, constants, found.together)
        if each is not None and number:  # each phase of a kernel has weights of its own
            each = replace(each, target=replace(each.target, name=f"{each.target.name}{number}"))
        made.append(each if each is None or width > 1 or found.together else None)
    return tuple(made)


def _tiles(found: Contraction, machine: Machine, constants: frozenset[str]) -> list[_Tile]:
    """The tiles that may be taken, the one that the cost model prefers first; none if none gains."""
    column = _column(found, constants)
    if column is None:
        return []
    row = _row(found, column)
    width = column.extent if isinstance(column.extent, int) else machine.lanes * 4
    height = 1 if row is None else (row.extent if isinstance(row.extent, int) else 1 << 20)
    length = found.length if isinstance(found.length, int) else 256
    shapes = sorted(
        WIDE[machine.lanes],
        key=lambda shape: _cost(shape[0], _rows(shape[1], height), width, height, machine.lanes, length),
    )
    tiles = [_Tile(column, row, vectors, _rows(rows, height), machine.lanes) for vectors, rows in shapes]
    return list(dict.fromkeys(tiles))


def _cost(vectors: int, rows: int, width: int, height: int, lanes: int, length: int) -> float:
    """Loads and products of the whole, in cycles of a step of the sums, two of either at a time.

    Weights of a block of columns that a second cache does not hold come from farther away for every block of rows.
    """
    columns = vectors * lanes
    tiles = -(-width // columns) * -(-height // rows)
    used = min(vectors, -(-width // lanes))
    far = length * columns * 4 > NEAR
    return tiles * (max(rows * used / 2, LATENCY, far * used * FAR) + (rows + used) / 2 + 1)


def _rows(most: int, height: int) -> int:
    """The most rows that leave the least over."""
    if height <= most:
        return height
    return min(range(max(most // 2, 1), most + 1), key=lambda rows: (-(-height // rows) * rows - height, -rows))


def _column(found: Contraction, constants: frozenset[str]) -> For | None:
    """The loop whose neighbours are vectors: one that stores go along; if sums are long, stores may be apart."""
    for strict in (True, False):
        if strict or not isinstance(found.length, int) or found.length >= LONG:
            for loop in reversed(found.loops):
                if _is_column(found, loop, constants, strict):
                    return loop
    return None


def _is_column(found: Contraction, loop: For, constants: frozenset[str], strict: bool) -> bool:
    """Whether loads stay or go to the neighbour along the loop, and stores go; weights are packed so that they do."""
    name = loop.axis.name
    if loop.extent == 1:
        return False
    weights = [each for each in map(plain, found.factors) if isinstance(each, Load) and each.buffer.name in constants]
    for load in loads([found.update, *(found.ending if strict else ())]):
        if load.buffer.space == "global" and load not in weights and step_of(load.indices, name) not in (0, 1):
            return False
    for load in weights:
        step = step_of(load.indices, name)
        if not isinstance(step, int) or (step not in (0, 1) and not isinstance(loop.extent, int)):
            return False
    stores = [each for each in statements(found.ending) if isinstance(each, Store) and each.buffer.space == "global"]
    steps = [step_of(each.indices, name) for each in stores]
    return all(step == 1 for step in steps) if strict else all(step not in (None, 0) for step in steps)


def _row(found: Contraction, column: For) -> For | None:
    """The innermost loop along which one of the factors stays, if there is any one that the columns read.

    Of those of a known length there are whole tiles, whatever the run brings: one that makes whole tiles comes before
    loops whose length only the run knows.
    """
    moving = [each for each in found.factors if depends(each, column)]
    for factors in (moving, found.factors):
        loops = [
            loop
            for loop in reversed(found.loops)
            if loop is not column and loop.extent != 1 and any(not depends(each, loop) for each in factors)
        ]
        if loops and not isinstance(loops[0].extent, int):
            return next((loop for loop in loops if isinstance(loop.extent, int) and loop.extent >= FEW), loops[0])
        if loops:
            return loops[0]
    return None


def _written(found: Contraction, tile: _Tile, packings: Packings) -> tuple[Statement, ...]:
    """The loops over blocks, all of them parallel: what the columns read stays near while the rows go by."""
    blocks = Axis(tile.column.axis.name + "b")
    first = _Block(blocks, tile.columns)
    full = floor_divide(tile.column.extent, tile.columns)
    rest = subtract(tile.column.extent, multiply(full, tile.columns))
    body = tuple(_row_blocks(found, tile, packings, first, None, "f"))
    if rest != 0:
        limit = Const(tile.column.extent, DType.INT64)
        vectors = -(-rest // tile.lanes) if isinstance(rest, int) else tile.vectors
        last = tuple(_row_blocks(found, replace(tile, vectors=vectors), packings, first, limit, "l"))
        body = last if full == 0 else (If(build.apply("lt", blocks, build.index(full)), body, last),)
    if tile.row is not None:
        body = (For(_row_axis(tile.row), ceil_divide(tile.row.extent, tile.rows), "parallel", body),)
    outer = [loop for loop in found.loops if loop is not tile.column and loop is not tile.row]
    inside = [loop for loop in outer if not _moves_columns(found, tile, loop)] if _goes_by(found, tile, outer) else []
    around = For(blocks, ceil_divide(tile.column.extent, tile.columns), "parallel", ())
    for loop in reversed([*(loop for loop in outer if loop not in inside), around, *inside]):
        body = (replace(loop, body=body),)
    return body


def _moves_columns(found: Contraction, tile: _Tile, loop: For) -> bool:
    """Whether another iteration of the loop reads other numbers along the columns."""
    return any(depends(each, loop) for each in found.factors if depends(each, tile.column))


def _goes_by(found: Contraction, tile: _Tile, outer: Sequence[For]) -> bool:
    """Whether less comes from afar if all rows of all loops around go by one block of columns, and then by the next.

    The other way round, every iteration of those loops goes by all the columns. What a second cache holds comes once.
    """
    again: Dim = 1
    for loop in outer:
        again = again if _moves_columns(found, tile, loop) else multiply(again, loop.extent)
    columns = sum(bytes_of(each) for each in found.factors if depends(each, tile.column))
    rows = sum(bytes_of(each) for each in found.factors if not depends(each, tile.column))
    times = ceil_divide(tile.column.extent, tile.columns)
    if columns <= NEAR:
        return False
    return not (isinstance(again, int) and isinstance(times, int)) or rows <= NEAR or rows * times < columns * again


def _row_axis(row: For) -> Axis:
    return Axis(row.axis.name + "b")


def _row_blocks(
    found: Contraction, tile: _Tile, packings: Packings, first: _Block, limit: Scalar | None, mark: str
) -> Iterator[Statement]:
    """A block of rows; the last one may have less. Where only the run knows how many, one, half or all are made."""

    def write(rows: int, start: _Block, letter: str, most: Scalar | None = None) -> tuple[Statement, ...]:
        part = replace(tile, rows=rows)
        return tuple(_tile(_TileWriter(found, part, packings, first, limit, start, mark + letter, most)))

    if tile.row is None:
        yield from write(1, _Block(build.index(0), 1), "")
        return
    extent, rows = tile.row.extent, tile.rows
    full = floor_divide(extent, rows)
    rest = subtract(extent, multiply(full, rows))
    block = _Block(_row_axis(tile.row), rows)
    whole = write(rows, block, "")
    if rest == 0:
        yield from whole
        return
    if isinstance(rest, int):
        yield If(build.apply("lt", block.number, build.index(full)), whole, write(rest, block, "r"))
        return
    count, left = Const(extent, DType.INT64), Const(rest, DType.INT64)
    last = write(rows, block, "c", count)
    if rows >= FEW:
        last = (If(build.apply("le", left, build.index(rows // 2)), write(rows // 2, block, "h", count), last),)
    last = (If(build.apply("eq", left, build.index(1)), write(1, block, "s"), last),)
    yield If(build.apply("lt", block.number, build.index(full)), whole, last)


def _tile(writer: _TileWriter) -> Iterator[Statement]:
    """One tile: sums in registers, the loops of the sum, and what becomes of the sums."""
    yield Allocate(writer.sums)
    yield writer.vector("z", [Store(writer.sums, (place,), writer.found.start) for place in writer.places("z")])
    ahead = writer.ahead()
    yield from ahead[:1]
    body: tuple[Statement, ...] = (*ahead[1:], writer.vector("k", tuple(writer.products())))
    for loop in reversed(writer.found.reduced):
        body = (replace(loop, axis=Axis(loop.axis.name + writer.mark), body=body),)
    yield from body
    yield writer.vector("e", tuple(writer.endings()))


@dataclass(frozen=True, slots=True)
class _TileWriter:
    """Writes the parts of one tile."""

    found: Contraction
    tile: _Tile
    packings: Packings
    first: _Block
    limit: Scalar | None
    start: _Block
    mark: str
    most: Scalar | None = None

    @property
    def sums(self) -> Buffer:
        carried = self.found.carried
        return replace(carried, name=carried.name + self.mark, shape=(self.tile.rows * self.tile.columns,))

    def vector(self, letter: str, body: Sequence[Statement]) -> Statement:
        return For(self.lane(letter), self.tile.lanes, "vector", tuple(body))

    def lane(self, letter: str) -> Axis:
        return Axis(f"{self.tile.column.axis.name}{self.mark}{letter}")

    def place(self, row: int, vector: int, letter: str) -> Scalar:
        """Where the register of a row and a vector lies."""
        offset = build.index((row * self.tile.vectors + vector) * self.tile.lanes)
        return Apply("add", (self.lane(letter), offset))

    def places(self, letter: str) -> list[Scalar]:
        return [self.place(*each, letter) for each in self.cells()]

    def cells(self) -> list[tuple[int, int]]:
        return [(row, vector) for row in range(self.tile.rows) for vector in range(self.tile.vectors)]

    def named(self, row: int, vector: int, letter: str) -> dict[str, Scalar]:
        """What the axes of row and column are in a cell."""
        ahead = Apply("add", (self.lane(letter), build.index(vector * self.tile.lanes)))
        axes: dict[str, Scalar] = {self.tile.column.axis.name: Apply("add", (self.first.start, ahead))}
        if self.tile.row is not None:
            place = Apply("add", (self.start.start, build.index(row)))
            if self.most is not None:  # rows behind the last are the last once more
                place = Apply("min", (place, Apply("sub", (self.most, build.index(1)))))
            axes[self.tile.row.axis.name] = place
        axes.update((loop.axis.name, Axis(loop.axis.name + self.mark)) for loop in self.found.reduced)
        return axes

    def inside(self, vector: int, letter: str) -> Scalar | None:
        """Whether a column is one: the last block of columns may have less."""
        if self.limit is None:
            return None
        ahead = Apply("add", (self.lane(letter), build.index(vector * self.tile.lanes)))
        return Apply("lt", (Apply("add", (self.first.start, ahead)), self.limit))

    def there(self, row: int) -> Scalar | None:
        """Whether a row is one, where only the run knows."""
        if self.most is None:
            return None
        return Apply("lt", (Apply("add", (self.start.start, build.index(row))), self.most))

    def products(self) -> Iterator[Statement]:
        """The sums with one product more; what several cells read is read once."""
        known: dict[tuple[int, int, int], Variable] = {}
        factors = self.found.factors
        row_loop, column_loop = self.tile.row, self.tile.column
        along = [(row_loop is not None and depends(each, row_loop), depends(each, column_loop)) for each in factors]
        for row, vector in self.cells():
            parts: list[Scalar] = []
            for number in range(len(factors)):
                key = (number, row * along[number][0], vector * along[number][1])
                if key not in known:
                    name = f"{self.sums.name}p{number}_{key[1]}_{key[2]}"
                    value = self.factor(number, row, vector)
                    known[key] = Variable(name, value.dtype)
                    yield Let(known[key], value)
                parts.append(known[key])
            mask = self.found.update.mask
            held = self.place(row, vector, "k")
            total = self.found.added(Load(self.sums, (held,)), parts)
            yield Store(self.sums, (held,), total, None if mask is None else self.cell(mask, row, vector, "k"))

    def ahead(self) -> tuple[Statement, ...]:
        """While rows use a block of weights, the next one comes nearer: what to bind before, and what a step does."""
        row, factors = self.tile.row, zip(self.packings, self.found.factors, strict=True)
        columns = [packing for packing, factor in factors if packing and depends(factor, self.tile.column)]
        if row is None or not columns or columns[0].width > self.tile.columns:
            return ()
        blocks = ceil_divide(row.extent, self.tile.rows)
        found = columns[0].ahead(self.named(0, 0, "k"), self.first.number, self.start.number, blocks)
        held = Variable(f"{self.sums.name}a", DType.INT64)
        if found is None:
            return ()
        return Let(held, found[0]), Prefetch(columns[0].target, (Apply("add", (held, found[1])),))

    def factor(self, number: int, row: int, vector: int) -> Scalar:
        """A factor of a cell, from where it was packed if it was."""
        packing, factor = self.packings[number], self.found.factors[number]
        if packing is None:
            return self.cell(factor, row, vector, "k")
        named = self.named(row, vector, "k")
        if depends(factor, self.tile.column):
            within = Apply("add", (self.lane("k"), build.index(vector * self.tile.lanes)))
            place = packing.index(named, self.first.number, within)
        else:
            place = packing.index(named, self.start.number, build.index(row))
        held = Load(packing.target, (place,))
        return held if self.found.together else cast(held, factor)

    def cell(self, scalar: Scalar, row: int, vector: int, letter: str) -> Scalar:
        """A scalar as it is in a cell; where there is no column nothing is read."""
        inside = self.inside(vector, letter)
        made = substitute(scalar, self.named(row, vector, letter))
        return made if inside is None else substitute(made, {}, lambda load: _masked(load, inside, self.lane(letter)))

    def endings(self) -> Iterator[Statement]:
        for row, vector in self.cells():
            renamed = {
                each.variable.name: Variable(f"{each.variable.name}{self.mark}_{row}_{vector}", each.variable.dtype)
                for each in statements(self.found.ending)
                if isinstance(each, Let)
            }
            inside = self.inside(vector, "e")
            there = self.there(row)
            held = Load(self.sums, (self.place(row, vector, "e"),))
            named = self.named(row, vector, "e")

            def read(load: Load, held: Load = held, inside: Scalar | None = inside) -> Scalar | None:
                if load.buffer == self.found.carried:
                    return held
                return None if inside is None else _masked(load, inside, self.lane("e"))

            for each in self.found.ending:
                made = substitute(each, named, read, variables=renamed)
                if inside is not None and isinstance(made, Store):
                    made = replace(made, mask=inside if made.mask is None else Apply("and", (made.mask, inside)))
                if there is not None and isinstance(made, Store):
                    made = replace(made, mask=there if made.mask is None else Apply("and", (made.mask, there)))
                yield made


def _masked(load: Load, inside: Scalar, lane: Axis) -> Scalar | None:
    """A load that happens only where there is a column; one that is the same for all columns happens anyway."""
    moves = any(isinstance(part, Axis) and part.name == lane.name for part in scalars(load.indices))
    if load.buffer.space != "global" or not moves:
        return None
    return replace(load, mask=inside if load.mask is None else Apply("and", (load.mask, inside)))
