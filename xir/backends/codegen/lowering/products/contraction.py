"""Sums of products in register tiles: the schedule of matrix products, convolutions and all that is like them.

One result after another, such a kernel would be bound by loads: each product needs two numbers. A tile of `rows` by
`columns` results shares them: `rows + columns` loads serve `rows * columns` products. The columns lie along the axis
that goes through memory step by step, so they are vectors; the rows along one that the vectors do not depend on.
(Goto, van de Geijn 2008, "Anatomy of High-Performance Matrix Multiplication", for the tile; the sums are taken in the
order of the loops, whatever the tile, so no result depends on it.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TypeAlias

from xir.backends.codegen.engine import Machine
from xir.backends.codegen.lowering.products.borders import counting, insides
from xir.backends.codegen.lowering.products.pack import Packing, cast, packing, plain
from xir.backends.codegen.lowering.products.panels import packable
from xir.backends.codegen.lowering.products.sums import Border, Contraction, bytes_of, contraction_of, depends, prepared
from xir.backends.codegen.lowering.products.tiles import FEW, NEAR, Tile, tiles_of
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
from xir.kernel.strides import goes_along
from xir.kernel.walk import loads, scalars, statements


@dataclass(frozen=True, slots=True)
class Tiled:
    """A kernel in register tiles, and the operands that it wants packed."""

    kernel: Kernel
    packings: tuple[Packing, ...]


Packings: TypeAlias = Sequence[Packing | None]
"""How each factor is packed, None where it is read as it lies."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block of rows or columns: its number, and how many there are in a block."""

    number: Scalar
    width: int

    @property
    def start(self) -> Scalar:
        """The first row or column."""
        return Apply("mul", (self.number, build.index(self.width)))


Pick: TypeAlias = Callable[[Kernel, Sequence[Kernel]], int]
"""`pick(kernel, variants)` is the number of the variant to take; all give the same bits."""


def tiled(
    kernel: Kernel,
    machine: Machine,
    constants: frozenset[str],
    borders: Mapping[str, Border] = MappingProxyType({}),
    pick: Pick | None = None,
) -> Tiled | None:
    """The kernel in register tiles, or None if it is no sum of products that gains by them.

    Args:
        kernel: the kernel.
        machine: the processor.
        constants: names of the buffers that hold weights.
        borders: {buffer: the zeros around what it holds}, which sums need not go through.
        pick: chooses among tiles; without it the cost model does.
    """
    found = contraction_of(kernel)
    if found is None or found.carried.dtype not in (DType.FLOAT32, DType.INT32):
        return None
    body: list[Statement] = []
    packings: dict[Packing, None] = {}
    for number, part in enumerate(prepared(replace(found, borders=borders), constants)):
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
        if form is None:
            continue
        weights = constants if form.together else constants | packable(form, constants)
        tiles = [] if _is_reduction(form, constants) else tiles_of(form, machine, weights)[: None if every else 1]
        made = [_part(kernel, form, tile, _packings(form, tile, constants, weights, number)) for tile in tiles]
        if made and (form is part or made[0].packings):  # words of weights are there when they are packed
            return made
    return []


def _is_reduction(form: Contraction, constants: frozenset[str]) -> bool:
    """Whether lanes go through operands along a sum, as there are few results side by side."""
    known = any(isinstance(each, Load) and each.buffer.name in constants for each in map(plain, form.factors))
    return not known and goes_along(form.loops[-1], form.reduced, [form.update])


def _part(kernel: Kernel, part: Contraction, tile: Tile, used: Packings) -> Tiled:
    """The kernel of one part of the sums, in that tile."""
    return Tiled(_reading(kernel, _written(part, tile, used)), tuple(each for each in used if each))


def _reading(kernel: Kernel, body: Sequence[Statement]) -> Kernel:
    """The kernel with that body: it is given what the body reads."""
    made = dict.fromkeys(load.buffer for load in loads(body) if load.buffer.space == "global")
    return Kernel(kernel.name, tuple(made), kernel.outputs, tuple(body))


def _packings(
    found: Contraction, tile: Tile, constants: frozenset[str], weights: frozenset[str], number: int
) -> Packings:
    """How each factor is packed; the columns of one, the rows of the other, if they are known before the run."""
    others = [loop for loop in found.loops if loop is not tile.column and loop is not tile.row]
    made: list[Packing | None] = []
    for factor in found.factors:
        along = [loop for loop in (tile.column, tile.row) if loop is not None and depends(factor, loop)]
        width, names = (tile.columns, weights) if along == [tile.column] else (tile.rows, constants)
        each = None
        if len(along) == 1:
            each = packing(factor, along[0], others, found.reduced, width, names, found.together)
        if each is not None and number:  # each phase of a kernel has weights of its own
            each = replace(each, target=replace(each.target, name=f"{each.target.name}{number}"))
        made.append(each if each is None or width > 1 or found.together else None)
    return tuple(made)


def _written(found: Contraction, tile: Tile, packings: Packings) -> tuple[Statement, ...]:
    """The loops over blocks, all of them parallel: what the columns read stays near while the rows go by."""
    blocks = Axis(tile.column.axis.name + "b")
    first = Block(blocks, tile.columns)
    full = floor_divide(tile.column.extent, tile.columns)
    rest = subtract(tile.column.extent, multiply(full, tile.columns))
    rows = Axis((tile.row or tile.column).axis.name + "b")
    body = tuple(row_blocks(found, tile, first, rows, "f", None, packings))
    if rest != 0:
        limit = Const(tile.column.extent, DType.INT64)
        vectors = -(-rest // tile.lanes) if isinstance(rest, int) else tile.vectors
        last = tuple(row_blocks(found, replace(tile, vectors=vectors), first, rows, "l", limit, packings))
        body = last if full == 0 else (If(build.apply("lt", blocks, build.index(full)), body, last),)
    if tile.row is not None:
        body = (For(rows, ceil_divide(tile.row.extent, tile.rows), "parallel", body),)
    outer = [loop for loop in found.loops if loop is not tile.column and loop is not tile.row]
    inside = [loop for loop in outer if not _moves_columns(found, tile, loop)] if _goes_by(found, tile, outer) else []
    around = For(blocks, ceil_divide(tile.column.extent, tile.columns), "parallel", ())
    for loop in reversed([*(loop for loop in outer if loop not in inside), around, *inside]):
        body = (replace(loop, body=body),)
    return body


def _moves_columns(found: Contraction, tile: Tile, loop: For) -> bool:
    """Whether another iteration of the loop reads other numbers along the columns."""
    return any(depends(each, loop) for each in found.factors if depends(each, tile.column))


def _goes_by(found: Contraction, tile: Tile, outer: Sequence[For]) -> bool:
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


def row_blocks(
    found: Contraction,
    tile: Tile,
    first: Block,
    number: Scalar,
    mark: str,
    limit: Scalar | None = None,
    packings: Packings = (None, None),
) -> Iterator[Statement]:
    """A block of rows; the last one may have less. Where only the run knows how many, one, half or all are made.

    Args:
        found: sums of products.
        tile: how results are grouped.
        first: the block of columns.
        number: which block of rows it is.
        mark: makes the names of its loops and registers its own.
        limit: the columns that there are, where the block may reach beyond; None where it does not.
        packings: how each factor is packed.
    """

    def write(rows: int, start: Block, letter: str, most: Scalar | None = None) -> tuple[Statement, ...]:
        part = replace(tile, rows=rows)
        return tuple(_tile(_TileWriter(found, part, packings, first, limit, start, mark + letter, most)))

    if tile.row is None:
        yield from write(1, Block(build.index(0), 1), "")
        return
    extent, rows = tile.row.extent, tile.rows
    full = floor_divide(extent, rows)
    rest = subtract(extent, multiply(full, rows))
    block = Block(number, rows)
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
    yield writer.vector("z", writer.beginnings())
    ahead = writer.ahead()
    yield from ahead[:1]
    body: tuple[Statement, ...] = (*ahead[1:], writer.vector("k", tuple(writer.products())))
    inside = list(insides(writer.found, writer.tile))
    for loop in reversed(writer.found.reduced):
        counts = counting(inside, loop, writer.in_row, writer.tile.rows)
        body = body if counts is None else (If(counts, body),)
        body = (replace(loop, axis=Axis(loop.axis.name + writer.mark), body=body),)
    yield from body
    yield writer.vector("e", tuple(writer.endings()))


@dataclass(frozen=True, slots=True)
class _TileWriter:
    """Writes the parts of one tile."""

    found: Contraction
    tile: Tile
    packings: Packings
    first: Block
    limit: Scalar | None
    start: Block
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

    def beginnings(self) -> list[Statement]:
        """The sums before the first product."""
        start = self.found.start
        return [Store(self.sums, (self.place(*each, "z"),), self.cell(start, *each, "z")) for each in self.cells()]

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

    def in_row(self, scalar: Scalar, row: int) -> Scalar:
        """A scalar that is the same for all columns, as it is in a row."""
        return substitute(scalar, self.named(row, 0, "k"))

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
