"""Borders of zeros that sums of products need not go through.

A convolution reads an operand with zeros around it, so that its inner loops ask for no borders. But where all rows of
a tile lie beside the image, their products are zeros, and the weights of a cell are read for nothing: of an image of
one pixel that is so for eight of the nine cells of a window. A tile leaves such cells out. No bit of a sum depends on
it, for zeros that are added change nothing; only zeros times infinite weights are no longer NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod

from xir.backends.codegen.lowering.products.sums import Border, Contraction, depends
from xir.backends.codegen.lowering.products.tiles import LONG, Tile
from xir.ir.dims import Dim, subtract
from xir.kernel import build
from xir.kernel._affine import affine
from xir.kernel._simplify import simplify, value_range
from xir.kernel.grammar import For, Load, Scalar


@dataclass(frozen=True, slots=True)
class Inside:
    """Where products count: those of an operand that lies at `place`, from `low` on and before `high`.

    Attributes:
        place: a place along one axis, which does not fall from row to row.
        low: the first element that is no border.
        high: the first behind them.
        loop: the innermost loop of the sum that moves it.
    """

    place: Scalar
    low: int
    high: Dim
    loop: For


def insides(found: Contraction, tile: Tile) -> Iterator[Inside]:
    """Where the products of a tile count, as far as it pays to leave out the others.

    Args:
        found: sums of products.
        tile: how they are grouped.
    """
    for factor in found.factors:
        if isinstance(factor, Load) and factor.buffer.name in found.borders and not found.together:
            yield from _insides(found, tile, factor, found.borders[factor.buffer.name])


def _insides(found: Contraction, tile: Tile, load: Load, border: Border) -> Iterator[Inside]:
    places = build.unflatten(load.indices[0], border.shape)
    for place, size, (before, after) in zip(places, border.shape, border.sides, strict=True):
        known = simplify(place, found.extents) if before or after else build.index(0)
        moving = [number for number, loop in enumerate(found.reduced) if depends(known, loop)]
        if not moving or not _grows(known, tile):
            continue
        high = subtract(size, after)
        least, most = value_range(known, found.extents)
        within = isinstance(least, int) and least >= before and most is not None and subtract(high, most) == 1
        if not within and _is_long(found.reduced[moving[-1] + 1 :]):
            yield Inside(known, before, high, found.reduced[moving[-1]])


def _grows(place: Scalar, tile: Tile) -> bool:
    """Whether a place is the same for all columns, and does not fall from row to row."""
    form = affine(place)
    if form is None or depends(place, tile.column):
        return False
    step = 0 if tile.row is None else form.coefficients.get(tile.row.axis.name, 0)
    return isinstance(step, int) and step >= 0


def _is_long(loops: Sequence[For]) -> bool:
    """Whether so much is left out at once that it pays to ask."""
    return prod(loop.extent if isinstance(loop.extent, int) else LONG for loop in loops) >= LONG


def counting(inside: Sequence[Inside], loop: For, cell: Callable[[Scalar, int], Scalar], rows: int) -> Scalar | None:
    """Whether an iteration of a loop of the sum counts for any row of a tile; None where every one does.

    Args:
        inside: where products count.
        loop: the loop.
        cell: (scalar, row) -> the scalar as it is in that row of the tile.
        rows: rows of the tile.
    """
    conditions: list[Scalar] = []
    for each in inside:
        if each.loop is loop:
            conditions.append(build.apply("ge", cell(each.place, rows - 1), build.index(each.low)))
            conditions.append(build.apply("lt", cell(each.place, 0), build.index(each.high)))
    return build.every(*conditions)
