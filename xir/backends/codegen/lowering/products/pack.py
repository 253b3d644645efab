"""Weights in the order in which tiles read them: packed once, when a model is compiled.

A tile of `width` rows or columns reads `width` neighbours for each step of the sum. Packed, they lie next to each
other, and the next step's behind them: [whatever else moves the factor, blocks, steps of the sum, width], zeros where
the last block has no element. (Goto, van de Geijn 2008, section 4)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np
from numpy.lib.stride_tricks import as_strided

from xir.ir.constant import Array
from xir.ir.dims import Dim, subtract
from xir.ir.types import DType
from xir.kernel import build
from xir.kernel._affine import affine
from xir.kernel.grammar import Apply, Axis, Buffer, Cast, For, Load, Scalar

PARTS = 16
"""Blocks of rows that fetch the next block of columns between them: few steps of theirs fetch a line twice."""

MANY = 64
"""Blocks of rows among which it is lost that the first one waits for its columns."""

PIECE_BYTES = 1 << 23
"""Bytes of the source that are packed at a time, so that little lies in memory twice."""


@dataclass(frozen=True, slots=True)
class Packing:
    """How one factor is packed.

    Attributes:
        source: the weight as it lies.
        target: the weight as it is packed.
        outer: (extent, step) of each loop around that moves the factor.
        along: (extent, step) of the loop that is cut into blocks.
        reduced: (extent, step) of each loop of the sum.
        width: elements of a block.
        offset: where the first element lies.
        names: the loops of `outer`, then those of `reduced`.
        together: the step between the four bytes that make one element, a word; 0 where elements stay as they are.
    """

    source: Buffer
    target: Buffer
    outer: tuple[tuple[int, int], ...]
    along: tuple[int, int]
    reduced: tuple[tuple[int, int], ...]
    width: int
    offset: int
    names: tuple[str, ...]
    together: int = 0

    def index(self, named: Mapping[str, Scalar], block: Scalar, within: Scalar) -> Scalar:
        """Where an element is packed."""
        blocks = -(-self.along[0] // self.width)
        outer = [named.get(name, Axis(name)) for name in self.names[: len(self.outer)]]
        steps = [named.get(name, Axis(name)) for name in self.names[len(self.outer) :]]
        extents = [extent for extent, _ in (*self.outer, (blocks, 0), *self.reduced, (self.width, 0))]
        return build.flatten((*outer, block, *steps, within), tuple(extents))

    def pieces(self, array: Array) -> Iterator[Array]:
        """The elements in their new order, in pieces."""
        array = np.ascontiguousarray(array)  # not for each piece
        (extent, step), bytes = self.along, array.itemsize * prod(size for size, _ in (*self.outer, *self.reduced))
        if bytes * extent <= PIECE_BYTES:
            yield self.packed(array)
        elif self.outer:
            (extent, step), *rest = self.outer
            for number in range(extent):
                yield from replace(self, outer=tuple(rest), offset=self.offset + number * step).pieces(array)
        else:
            count = max(PIECE_BYTES // (bytes * self.width), 1) * self.width
            for first in range(0, extent, count):
                part = (min(count, extent - first), step)
                yield replace(self, along=part, offset=self.offset + first * step).packed(array)

    def ahead(self, named: Mapping[str, Scalar], block: Scalar, row: Scalar, rows: Dim) -> tuple[Scalar, Scalar] | None:
        """Where a part of the next block begins, and how far each step of the sum goes in it; all parts are the block.

        Args:
            named: what the loops of the sum are.
            block: the block that is used.
            row: which use of it this is.
            rows: how many uses it has; None is answered where there is nothing to gain.
        """
        if isinstance(rows, int) and not 1 < rows <= MANY:
            return None
        parts = min(rows, PARTS) if isinstance(rows, int) else PARTS
        part = row if rows == parts else Apply("min", (row, build.index(parts - 1)))
        length, share = prod(extent for extent, _ in self.reduced), -(-self.width // parts)
        steps = self.names[len(self.outer) :]
        here = self.index({**named, **dict.fromkeys(steps, build.index(0))}, block, build.index(0))
        moved = Apply("mul", (part, build.index(length * share)))
        start = Apply("add", (Apply("add", (here, build.index(length * self.width))), moved))
        last = build.index(subtract(self.target.shape[0], length * share))  # the last block has none behind it
        step = build.flatten(
            tuple(named.get(name, Axis(name)) for name in steps), tuple(extent for extent, _ in self.reduced)
        )
        return Apply("min", (start, last)), Apply("mul", (step, build.index(share)))

    def packed(self, array: Array) -> Array:
        """The elements in their new order."""
        extent, step = self.along
        flat = np.ascontiguousarray(array).reshape(-1)
        item = flat.itemsize
        full, rest = divmod(extent, self.width)
        blocks = full + (rest > 0)
        outer, inner = [size for size, _ in self.outer], [size for size, _ in self.reduced]
        word = (4,) if self.together else ()
        made = np.zeros((*outer, blocks, *inner, self.width, *word), flat.dtype)
        strides = [step * item for _, step in self.outer], [step * item for _, step in self.reduced]
        for first, count, width in ((0, full, self.width), (full, blocks - full, rest)):
            start = flat[self.offset + first * self.width * step :]
            view = as_strided(
                start,
                (*outer, count, *inner, width, *word),
                (*strides[0], self.width * step * item, *strides[1], step * item, *(self.together for _ in word)),
                writeable=False,
            )
            part = made[(slice(None),) * len(outer) + (slice(first, first + count),)]
            part[(slice(None),) * (part.ndim - len(word) - 1) + (slice(width),)] = view
        return made.reshape(-1).view(np.int32) if word else made.reshape(-1)


def plain(factor: Scalar) -> Scalar:
    """What a factor is before it is cast."""
    while isinstance(factor, Cast):
        factor = factor.value
    return factor


def cast(scalar: Scalar, like: Scalar) -> Scalar:
    """A scalar cast as a factor is."""
    return Cast(cast(scalar, like.value), like.dtype) if isinstance(like, Cast) else scalar


def packing(
    factor: Scalar,
    along: For,
    loops: Sequence[For],
    reduced: Sequence[For],
    width: int,
    constants: frozenset[str],
    together: int = 0,
) -> Packing | None:
    """How a factor is packed; None if it is no weight, or its elements lie otherwise than in steps.

    Args:
        factor: the factor; it is packed as it lies and cast where it is read.
        along: the loop of the rows or columns that share it.
        loops: the other loops over results.
        reduced: the loops of the sum.
        width: rows or columns of a tile.
        constants: names of the buffers that may be packed.
        together: the step between the bytes of a word, if words are packed.
    """
    factor = plain(factor)
    if not isinstance(factor, Load) or factor.mask is not None or factor.buffer.name not in constants:
        return None
    form = affine(factor.indices[0])
    if form is None or not isinstance(form.constant, int):
        return None
    steps = {name: step for name, step in form.coefficients.items() if step != 0}
    outer = [loop for loop in loops if loop.axis.name in steps]
    used = [*outer, along, *reduced]
    if steps.keys() - {loop.axis.name for loop in used}:
        return None
    sized = [(loop.extent, steps.get(loop.axis.name, 0)) for loop in used]
    known = [(extent, step) for extent, step in sized if isinstance(extent, int) and isinstance(step, int)]
    if len(known) != len(sized) or any(extent == 0 for extent, _ in known):
        return None
    count = len(outer)
    blocks = -(-known[count][0] // width)
    size = prod(extent for extent, _ in (*known[:count], *known[count + 1 :])) * blocks * width
    return Packing(
        factor.buffer,
        Buffer(f"{factor.buffer.name}p", DType.INT32 if together else factor.buffer.dtype, (size,)),
        tuple(known[:count]),
        known[count],
        tuple(known[count + 1 :]),
        width,
        form.constant,
        tuple(loop.axis.name for loop in (*outer, *reduced)),
        together,
    )
