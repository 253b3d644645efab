"""Sums of products in register tiles: the schedule of matrix products, convolutions and all that is like them.

One result after another, such a kernel would be bound by loads: each product needs two numbers. A tile of `rows` by
`columns` results shares them: `rows + columns` loads serve `rows * columns` products. The columns lie along the axis
that goes through memory step by step, so they are vectors; the rows along one that the vectors do not depend on.
(Goto, van de Geijn 2008, "Anatomy of High-Performance Matrix Multiplication", for the tile; the sums are taken in the
order of the loops, whatever the tile, so no result depends on it.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from xir.backends.codegen.engine import Machine
from xir.backends.codegen.pack import Packing, packing
from xir.backends.codegen.schedule import step_of
from xir.ir.dims import ceil_divide, floor_divide, multiply, subtract
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
    Scalar,
    Statement,
    Store,
    Variable,
)
from xir.kernel.walk import loads, scalars, statements

WIDE = {8: ((1, 12), (2, 6), (3, 4)), 16: ((1, 24), (2, 12), (3, 8), (4, 6))}
"""{lanes: (vectors of columns, rows) of tiles whose sums, columns and one row's number fit the registers}."""


@dataclass(frozen=True, slots=True)
class Contraction:
    """Parallel loops around a sum of products.

    Attributes:
        loops: the loops over results, outermost first.
        reduced: the loops of the sum, outermost first.
        carried: the register that holds the sum.
        start: what it begins with.
        update: the statement that adds a product.
        ending: what becomes of the sum.
    """

    loops: tuple[For, ...]
    reduced: tuple[For, ...]
    carried: Buffer
    start: Scalar
    update: Store
    ending: tuple[Statement, ...]

    @property
    def factors(self) -> tuple[Scalar, ...]:
        """The two numbers of the product."""
        match self.update.value:
            case Apply("add", (_, Apply("mul", factors))):
                return factors
            case _:
                return ()


def contraction_of(kernel: Kernel) -> Contraction | None:
    """The sum of products that a kernel is, or None."""
    loops: list[For] = []
    body = kernel.body
    while len(body) == 1 and isinstance(body[0], For) and body[0].kind == "parallel":
        loops.append(body[0])
        body = body[0].body
    if not loops or len(body) < 4:
        return None
    allocate, start, nest, *ending = body
    if not (isinstance(allocate, Allocate) and isinstance(start, Store) and start.buffer == allocate.buffer):
        return None
    reduced: list[For] = []
    inner: tuple[Statement, ...] = (nest,)
    while len(inner) == 1 and isinstance(inner[0], For) and inner[0].kind == "serial":
        reduced.append(inner[0])
        inner = inner[0].body
    update = inner[0] if len(inner) == 1 else None
    if not reduced or not isinstance(update, Store) or not _is_sum(update, allocate.buffer):
        return None
    return Contraction(tuple(loops), _in_steps(reduced, update), allocate.buffer, start.value, update, tuple(ending))


def _in_steps(reduced: Sequence[For], update: Store) -> tuple[For, ...]:
    """The loops of a sum, those that go through memory in small steps innermost."""

    def size(loop: For) -> int:
        steps = [step_of(load.indices, loop.axis.name) for load in loads([update]) if load.buffer.space == "global"]
        return max((step for step in steps[:1] if isinstance(step, int)), default=0)

    return tuple(sorted(reduced, key=size, reverse=True))


def _is_sum(update: Store, carried: Buffer) -> bool:
    match update.value:
        case Apply("add", (Load(buffer), Apply("mul", _))):
            return update.buffer == carried and buffer == carried and carried.dtype.is_floating
        case _:
            return False


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


def tiled(kernel: Kernel, machine: Machine, constants: frozenset[str]) -> Tiled | None:
    """The kernel in register tiles, or None if it is no sum of products that gains by them.

    Args:
        kernel: the kernel.
        machine: the processor.
        constants: names of the buffers that hold weights.
    """
    found = contraction_of(kernel)
    if found is None or found.carried.dtype is not DType.FLOAT32:
        return None
    tile = _chosen(found, machine, constants)
    if tile is None:
        return None
    packings = _packings(found, tile, constants)
    body = _written(found, tile, packings)
    made = dict.fromkeys(load.buffer for load in loads(body) if load.buffer.space == "global")
    return Tiled(Kernel(kernel.name, tuple(made), kernel.outputs, body), tuple(each for each in packings if each))


def _packings(found: Contraction, tile: _Tile, constants: frozenset[str]) -> tuple[Packing | None, ...]:
    """How each factor is packed; the columns of one, the rows of the other."""
    others = [loop for loop in found.loops if loop is not tile.column and loop is not tile.row]
    made: list[Packing | None] = []
    for factor in found.factors:
        along = [loop for loop in (tile.column, tile.row) if loop is not None and depends(factor, loop)]
        width = tile.columns if along == [tile.column] else tile.rows
        each = packing(factor, along[0], others, found.reduced, width, constants) if len(along) == 1 else None
        made.append(each if each is None or width > 1 else None)
    return tuple(made)


def depends(scalar: Scalar, loop: For) -> bool:
    """Whether a scalar mentions the loop's axis."""
    return any(isinstance(part, Axis) and part.name == loop.axis.name for part in scalars([scalar]))


def _chosen(found: Contraction, machine: Machine, constants: frozenset[str]) -> _Tile | None:
    column = next((loop for loop in reversed(found.loops) if _is_column(found, loop, constants)), None)
    if column is None:
        return None
    row = _row(found, column)
    width = column.extent if isinstance(column.extent, int) else machine.lanes * 4
    height = 1 if row is None else (row.extent if isinstance(row.extent, int) else 1 << 20)
    best = min(
        WIDE[machine.lanes],
        key=lambda shape: _cost(shape[0] * machine.lanes, min(shape[1], height), width, height, machine.lanes),
    )
    rows = _rows(best[1], height)
    return _Tile(column, row, best[0], rows, machine.lanes)


def _cost(columns: int, rows: int, width: int, height: int, lanes: int) -> float:
    """Loads and products of the whole, in instructions."""
    tiles = -(-width // columns) * -(-height // rows)
    vectors = min(columns, -(-width // lanes) * lanes) // lanes
    return tiles * (rows * vectors / 2 + (rows + vectors) / 2 + 1)


def _rows(most: int, height: int) -> int:
    """The most rows that leave the least over."""
    if height <= most:
        return height
    return min(range(max(most // 2, 1), most + 1), key=lambda rows: (-(-height // rows) * rows - height, -rows))


def _is_column(found: Contraction, loop: For, constants: frozenset[str]) -> bool:
    """Whether loads stay or go to the neighbour along the loop, and stores go; weights are packed so that they do."""
    name = loop.axis.name
    if loop.extent == 1:
        return False
    weights = [each for each in found.factors if isinstance(each, Load) and each.buffer.name in constants]
    for load in loads([found.update, *found.ending]):
        if load.buffer.space == "global" and load not in weights and step_of(load.indices, name) not in (0, 1):
            return False
    for load in weights:
        step = step_of(load.indices, name)
        if not isinstance(step, int) or (step > 1 and not isinstance(loop.extent, int)):
            return False
    stores = [each for each in statements(found.ending) if isinstance(each, Store) and each.buffer.space == "global"]
    return all(step_of(each.indices, name) == 1 for each in stores)


def _row(found: Contraction, column: For) -> For | None:
    """The innermost loop along which one of the factors that the columns read stays."""
    moving = [each for each in found.factors if depends(each, column)]
    for loop in reversed(found.loops):
        if loop is not column and loop.extent != 1 and any(not depends(each, loop) for each in moving):
            return loop
    return None


def _written(found: Contraction, tile: _Tile, packings: Packings) -> tuple[Statement, ...]:
    outer = [loop for loop in found.loops if loop is not tile.column and loop is not tile.row]
    body: tuple[Statement, ...] = tuple(_blocks(found, tile, packings))
    for loop in reversed(outer):
        body = (replace(loop, body=body),)
    return body


def _blocks(found: Contraction, tile: _Tile, packings: Packings) -> Iterator[Statement]:
    """Blocks of columns around blocks of rows: what the columns read stays near while the rows go by."""
    blocks = Axis(tile.column.axis.name + "b")
    first = _Block(blocks, tile.columns)
    full = floor_divide(tile.column.extent, tile.columns)
    rest = subtract(tile.column.extent, multiply(full, tile.columns))
    whole = tuple(_row_blocks(found, tile, packings, first, None, "f"))
    if rest == 0:
        yield For(blocks, full, "parallel", whole)
        return
    limit = Const(tile.column.extent, DType.INT64)
    vectors = -(-rest // tile.lanes) if isinstance(rest, int) else tile.vectors
    last = tuple(_row_blocks(found, replace(tile, vectors=vectors), packings, first, limit, "l"))
    branch = If(build.apply("lt", blocks, build.index(full)), whole, last)
    yield For(blocks, ceil_divide(tile.column.extent, tile.columns), "parallel", last if full == 0 else (branch,))


def _row_blocks(
    found: Contraction, tile: _Tile, packings: Packings, first: _Block, limit: Scalar | None, mark: str
) -> Iterator[Statement]:
    def write(rows: int, start: _Block, letter: str) -> tuple[Statement, ...]:
        return tuple(_tile(_TileWriter(found, replace(tile, rows=rows), packings, first, limit, start, mark + letter)))

    if tile.row is None:
        yield from write(1, _Block(build.index(0), 1), "")
        return
    extent, rows = tile.row.extent, tile.rows
    full = floor_divide(extent, rows)
    rest = subtract(extent, multiply(full, rows))
    block = Axis(tile.row.axis.name + "b" + mark)
    yield For(block, full, "serial", write(rows, _Block(block, rows), ""))
    if isinstance(rest, int):
        if rest:
            yield from write(rest, _Block(Const(full, DType.INT64), rows), "r")
        return
    single = Axis(tile.row.axis.name + "s" + mark)
    place = Apply("add", (Const(multiply(full, rows), DType.INT64), single))
    yield For(single, rest, "serial", write(1, _Block(place, 1), "s"))


def _tile(writer: _TileWriter) -> Iterator[Statement]:
    """One tile: sums in registers, the loops of the sum, and what becomes of the sums."""
    yield Allocate(writer.sums)
    yield writer.vector("z", [Store(writer.sums, (place,), writer.found.start) for place in writer.places("z")])
    body: tuple[Statement, ...] = (writer.vector("k", tuple(writer.products())),)
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
            axes[self.tile.row.axis.name] = Apply("add", (self.start.start, build.index(row)))
        axes.update((loop.axis.name, Axis(loop.axis.name + self.mark)) for loop in self.found.reduced)
        return axes

    def inside(self, vector: int, letter: str) -> Scalar | None:
        """Whether a column is one: the last block of columns may have less."""
        if self.limit is None:
            return None
        ahead = Apply("add", (self.lane(letter), build.index(vector * self.tile.lanes)))
        return Apply("lt", (Apply("add", (self.first.start, ahead)), self.limit))

    def products(self) -> Iterator[Statement]:
        """The sums with one product more; what several cells read is read once."""
        known: dict[tuple[int, int, int], Variable] = {}
        factors = self.found.factors
        row_loop, column_loop = self.tile.row, self.tile.column
        along = [(row_loop is not None and depends(each, row_loop), depends(each, column_loop)) for each in factors]
        for row, vector in self.cells():
            parts: list[Scalar] = []
            for number, factor in enumerate(factors):
                key = (number, row * along[number][0], vector * along[number][1])
                if key not in known:
                    name = f"{self.sums.name}p{number}_{key[1]}_{key[2]}"
                    known[key] = Variable(name, factor.dtype)
                    yield Let(known[key], self.factor(number, row, vector))
                parts.append(known[key])
            mask = self.found.update.mask
            held = self.place(row, vector, "k")
            total = Apply("add", (Load(self.sums, (held,)), Apply("mul", (parts[0], parts[1]))))
            yield Store(self.sums, (held,), total, None if mask is None else self.cell(mask, row, vector, "k"))

    def factor(self, number: int, row: int, vector: int) -> Scalar:
        """A factor of a cell, from where it was packed if it was."""
        packing, factor = self.packings[number], self.found.factors[number]
        if packing is None:
            return self.cell(factor, row, vector, "k")
        named = self.named(row, vector, "k")
        if depends(factor, self.tile.column):
            within = Apply("add", (self.lane("k"), build.index(vector * self.tile.lanes)))
            return Load(packing.target, (packing.index(named, self.first.number, within),))
        return Load(packing.target, (packing.index(named, self.start.number, build.index(row)),))

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
                yield made


def _masked(load: Load, inside: Scalar, lane: Axis) -> Scalar | None:
    """A load that happens only where there is a column; one that is the same for all columns happens anyway."""
    moves = any(isinstance(part, Axis) and part.name == lane.name for part in scalars(load.indices))
    if load.buffer.space != "global" or not moves:
        return None
    return replace(load, mask=inside if load.mask is None else Apply("and", (load.mask, inside)))
