"""Which register tiles a sum of products is taken in: a function of sizes and of the processor."""

from __future__ import annotations

from dataclasses import dataclass

from xir.backends.codegen.engine import Machine
from xir.backends.codegen.lowering.products.pack import plain
from xir.backends.codegen.lowering.products.sums import Contraction, depends
from xir.kernel.grammar import For, Load, Store
from xir.kernel.strides import step_of
from xir.kernel.walk import loads, statements

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

UNEVEN = 0.25
"""What columns that the last block lacks cost beside the time of whole ones: workers' shares differ by them.

196 x 2304 x 256 in blocks of 48 columns: of two workers one takes 0.56 ms, the other 0.46; in blocks of 32 both 0.5.
"""

FEW = 6
"""Rows of a tile of which half take surely less time than all."""

LONG = 16
"""Products of a sum beside which it matters little that its result is stored alone."""


@dataclass(frozen=True, slots=True)
class Tile:
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
        """Columns of a tile."""
        return self.vectors * self.lanes


def tiles_of(found: Contraction, machine: Machine, constants: frozenset[str]) -> list[Tile]:
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
        key=lambda shape: cost(shape[0], _rows(shape[1], height), width, height, machine.lanes, length),
    )
    tiles = [Tile(column, row, vectors, _rows(rows, height), machine.lanes) for vectors, rows in shapes]
    return list(dict.fromkeys(tiles))


def cost(vectors: int, rows: int, width: int, height: int, lanes: int, length: int) -> float:
    """Loads and products of the whole, in cycles of a step of the sums, two of either at a time.

    Weights of a block of columns that a second cache does not hold come from farther away for every block of rows.
    """
    columns = vectors * lanes
    tiles = -(-width // columns) * -(-height // rows)
    used = min(vectors, -(-width // lanes))
    far = length * columns * 4 > NEAR
    cycles = tiles * (max(rows * used / 2, LATENCY, far * used * FAR) + (rows + used) / 2 + 1)
    lacked = -width % columns / width if width > columns else 0.0
    return cycles * (1 + UNEVEN * lacked)


def _rows(most: int, height: int) -> int:
    """The most rows that leave the least over."""
    if height <= most:
        return height
    return min(range(max(most // 2, 1), most + 1), key=lambda rows: (-(-height // rows) * rows - height, -rows))


def _column(found: Contraction, constants: frozenset[str]) -> For | None:
    """The loop whose neighbours are vectors: one that stores go along; where there is none, stores may be apart."""
    for strict in (True, False):
        for loop in reversed(found.loops):
            if is_column(found, loop, constants, strict):
                return loop
    return None


def is_column(found: Contraction, loop: For, constants: frozenset[str], strict: bool) -> bool:
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
