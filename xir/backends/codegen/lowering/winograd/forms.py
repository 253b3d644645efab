"""Minimal filtering of 3 x 3 cells: tiles of results in fewer products than one a cell and result.

A tile of m x m results comes from (m + 2) x (m + 2) elements: Y = A^T ((G w G^T) * (B^T d B)) A, where * multiplies
element by element. (Lavin, Gray 2016, "Fast Algorithms for Convolutional Neural Networks", sections 4.1 to 4.3, has
the matrices.) The rows of B^T, and the columns of A^T, come in pairs that differ in signs alone, so both are a sparse
matrix and sums and differences of pairs: B^T = pairs E, A^T = R pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xir.ir.types import DType
from xir.kernel import build
from xir.kernel.grammar import Apply, Scalar

Matrix = tuple[tuple[float, ...], ...]

CELLS = 3
"""Cells of the window along each axis."""


def _steps(row: Sequence[float]) -> int:
    """Instructions of a sum of multiples: the first is free where it is not multiplied."""
    return sum(factor != 0 for factor in row) - (1 in row)


@dataclass(frozen=True, slots=True)
class Form:
    """A way to filter.

    Attributes:
        results: results of a tile along each axis, m.
        before: E, what elements become before sums and differences are taken.
        after: R, what results are of sums and differences.
        weights: G.
    """

    results: int
    before: Matrix
    after: Matrix
    weights: Matrix

    @property
    def elements(self) -> int:
        """Elements that a tile is computed from, along each axis."""
        return self.results + CELLS - 1

    @property
    def products(self) -> int:
        """Products of one tile and channel."""
        return self.elements**2

    @property
    def work(self) -> tuple[int, int]:
        """Instructions that turn the elements of one tile and channel, and the products back: loads and stores too."""
        lines, rest = self.elements, self.elements - 2
        sums = [sum(_steps(row) for row in matrix) for matrix in (self.before, self.after)]
        before = 2 * lines * (sums[0] + rest) + 2 * self.products
        after = (lines + self.results) * (sums[1] + rest) + self.products + self.results**2
        return before, after


SMALL = Form(
    2,
    ((1, 0, -1, 0), (0, 0, 1, 0), (0, 1, 0, 0), (0, 1, 0, -1)),
    ((1, 1, 0, 0), (0, 0, 1, -1)),
    ((1, 0, 0), (1 / 2, 1 / 2, 1 / 2), (1 / 2, -1 / 2, 1 / 2), (0, 0, 1)),
)
"""F(2 x 2, 3 x 3): 16 products where 36 would be."""

LARGE = Form(
    4,
    (
        (225 / 256, 0, -169 / 64, 0, 1, 0),
        (0, 0, -9 / 4, 0, 1, 0),
        (0, -45 / 32, 0, 5 / 8, 0, 0),
        (0, 0, -25 / 64, 0, 1, 0),
        (0, -75 / 128, 0, 3 / 2, 0, 0),
        (0, 225 / 256, 0, -169 / 64, 0, 1),
    ),
    (
        (1, 1, 0, 1, 0, 0),
        (0, 0, 5 / 8, 0, 3 / 2, 0),
        (0, 25 / 64, 0, 9 / 4, 0, 0),
        (0, 0, 125 / 512, 0, 27 / 8, 1),
    ),
    (
        (256 / 225, 0, 0),
        (-2048 / 2975, -256 / 595, -32 / 119),
        (-2048 / 2975, 256 / 595, -32 / 119),
        (128 / 1071, 64 / 357, 32 / 119),
        (128 / 1071, -64 / 357, 32 / 119),
        (0, 0, 1),
    ),
)
"""F(4 x 4, 3 x 3): 36 products where 144 would be.

Its points are 0, 5/8, -5/8, 3/2, -3/2 and infinity: of the pairs of eighths those that round the least. On normal
numbers of 64 channels the error is 1.9 times that of the direct sum in f32, where the usual 0, 1, -1, 2, -2 have 4.4,
for one product more in nine. (Barabasz, Anderson, Soodhalter, Gregg 2020, "Error Analysis and Improving the Accuracy of
Winograd Convolution for Deep Neural Networks", section 5, on the choice of points.)
"""

Named = Callable[[Scalar], Scalar]
"""Gives a value a name, so that it is computed once."""


def _sum(row: Sequence[float], parts: Sequence[Scalar]) -> Scalar:
    """The sum of multiples of parts; those that are not multiplied come first."""
    total: Scalar | None = None
    for factor, part in sorted(zip(row, parts, strict=True), key=lambda each: each[0] != 1):
        if factor == 0:
            continue
        if total is None:
            total = part if factor == 1 else Apply("mul", (part, build.number(factor, DType.FLOAT32)))
        elif abs(factor) == 1:
            total = Apply("add" if factor > 0 else "sub", (total, part))
        else:
            total = Apply("add", (total, Apply("mul", (part, build.number(factor, DType.FLOAT32)))))
    return build.number(0.0, DType.FLOAT32) if total is None else total


def _pairs(line: Sequence[Scalar], named: Named) -> list[Scalar]:
    """Sums and differences of all pairs between the first element and the last."""
    made = [line[0]]
    for place in range(1, len(line) - 1, 2):
        pair = (line[place], line[place + 1])
        made += [named(Apply("add", pair)), named(Apply("sub", pair))]
    return [*made, line[-1]]


def turned_elements(form: Form, line: Sequence[Scalar], named: Named) -> list[Scalar]:
    """B^T line."""
    return _pairs([named(_sum(row, line)) for row in form.before], named)


def turned_results(form: Form, line: Sequence[Scalar], named: Named) -> list[Scalar]:
    """A^T line."""
    pairs = _pairs(line, named)
    return [named(_sum(row, pairs)) for row in form.after]


def turned_weights(form: Form, weights: NDArray[np.generic], width: int) -> Iterator[NDArray[np.float32]]:
    """G w G^T in double precision, rounded once: [blocks of results, products, channels, width], block by block.

    Args:
        form: the way to filter.
        weights: [results, channels, 3, 3].
        width: results of a block; the last block is filled up with zeros.
    """
    turn = np.array(form.weights)
    outputs, channels = weights.shape[:2]
    for start in range(0, outputs, width):
        part = weights[start : start + width].astype(np.float64)
        made = np.zeros((form.products, channels, width), np.float32)
        each = np.einsum("ai,ocij,bj->abco", turn, part, turn, optimize=True)
        made[:, :, : part.shape[0]] = each.reshape(form.products, channels, -1)
        yield made
