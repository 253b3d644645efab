"""Convolutions of 3 x 3 by Winograd's minimal filtering F(4 x 4, 3 x 3): 36 products where 144 would be.

Each tile of 4 x 4 results comes from a tile of 6 x 6 elements: Y = A^T ((G w G^T) * (B^T d B)) A, with the products
summed over the channels: 36 products of matrices. (Lavin, Gray 2016, "Fast Algorithms for Convolutional Neural
Networks", section 4.1 and equation 8; the matrices for F(4, 3) stand in section 4.3.)

Sums are rounded otherwise than one product after another: within 5e-5 of the largest result for numbers of like size,
where the direct sum is within 1e-5. A caller who wants the direct sum asks for `exact`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xir.backends.codegen.lowering.lowered import Lowered
from xir.backends.codegen.lowering.made import Made
from xir.backends.codegen.lowering.stage import Layout, Stage, name_of
from xir.ir.dims import Dim, Shape, product
from xir.ir.node import Node
from xir.ir.types import DType, TensorType
from xir.kernel import build
from xir.kernel.grammar import (
    Allocate,
    Apply,
    Axis,
    Buffer,
    For,
    If,
    Kernel,
    Let,
    Load,
    LoopKind,
    Scalar,
    Statement,
    Store,
    Variable,
)
from xir.ops._windows import window_attributes

OUT = 4
"""Results of a tile, along each axis."""

IN = 6
"""Elements that they are computed from, and products in their place."""

Matrix = tuple[tuple[float, ...], ...]

ELEMENTS: Matrix = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
"""B^T."""

WEIGHTS: Matrix = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
"""G."""

RESULTS: Matrix = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))
"""A^T."""

CHANNELS = 32
"""Fewer channels, in or out, do not pay for turning tiles."""

TURNED = 350
"""What turning the tile of one channel costs, in products: loads, stores and additions."""

STREAMED = 6
"""What reading one weight from afar costs, in products; every one is read once."""


@dataclass(frozen=True, slots=True)
class _Sizes:
    """Sizes of a convolution in tiles, and the places of its buffers."""

    batch: Dim
    channels: int
    outputs: int
    padded: tuple[int, int]
    image: tuple[int, int]

    @property
    def tiles(self) -> tuple[Dim, int, int]:
        high, wide = self.image
        return self.batch, -(-high // OUT), -(-wide // OUT)

    @property
    def count(self) -> Dim:
        return product(self.tiles)

    @property
    def pays(self) -> bool:
        """Whether the products that are saved are more than what the turning costs."""
        both = self.channels * self.outputs
        batch = self.batch if isinstance(self.batch, int) else 1
        tiles = batch * self.tiles[1] * self.tiles[2]
        direct = 9 * batch * self.image[0] * self.image[1] * both
        turned = 36 * tiles * both + TURNED * tiles * (self.channels + self.outputs) + STREAMED * 36 * both
        return min(self.channels, self.outputs) >= CHANNELS and turned * 1.15 < direct


LAST: Layout = (0, 2, 3, 1)
"""Channels last, in images of two axes."""


def winograd(made: Lowered, node: Node, number: int) -> list[Stage] | None:
    """The three stages of a convolution; None where it is none of those, or they would not pay.

    Args:
        made: the program; it gets the turned weights, and buffers for the turned elements and the products.
        node: any node.
        number: makes the names of its loops and registers its own.
    """
    sizes = _sizes(made, node)
    if sizes is None or not sizes.pays:
        return None
    x, w, *bias = (made.slot(value) for value in node.inputs if value is not None)
    y = made.slot(node.outputs[0])
    elements = made.fresh(TensorType(DType.FLOAT32, (product((36, sizes.count, sizes.channels)),)))
    products = made.fresh(TensorType(DType.FLOAT32, (product((36, sizes.count, sizes.outputs)),)))
    turned = TensorType(DType.FLOAT32, (36 * sizes.channels * sizes.outputs,))
    weights = made.fresh(turned)
    made.constants[weights] = Made(turned, made.constants[w], lambda array: [_turned_weights(array)])
    write = _Writer(sizes, number)
    return [
        Stage(
            write.turned(write.buffer(x, _padded(sizes)), write.buffer(elements, made.slots[elements].shape)), (node,)
        ),
        Stage(
            write.multiplied(*(write.buffer(slot, made.slots[slot].shape) for slot in (elements, weights, products))),
            (node,),
        ),
        Stage(
            write.finished(
                write.buffer(products, made.slots[products].shape),
                [write.buffer(slot, (sizes.outputs,)) for slot in bias],
                write.buffer(y, _whole(sizes)),
            ),
            (node,),
        ),
    ]


def _padded(sizes: _Sizes) -> Shape:
    return (product((sizes.batch, *sizes.padded, sizes.channels)),)


def _whole(sizes: _Sizes) -> Shape:
    return (product((sizes.batch, *sizes.image, sizes.outputs)),)


def _sizes(made: Lowered, node: Node) -> _Sizes | None:
    if node.op.name != "conv" or made.exact:
        return None
    x, w = node.inputs[:2]
    y = node.outputs[0]
    if x is None or w is None or made.slot(w) not in made.constants or x.dtype is not DType.FLOAT32:
        return None
    given = window_attributes(node)
    sides = {side for pair in given.padding for side in pair}
    plain = given.strides == given.dilation == given.input_dilation == (1, 1) and given.groups == 1 and sides == {0}
    last = made.layouts.get(made.slot(x)) == made.layouts.get(made.slot(y)) == LAST
    known = [dim for dim in (*x.shape[1:], *y.shape[1:]) if isinstance(dim, int)]
    if not (plain and last and w.shape[2:] == (3, 3) and len(known) == 6):
        return None
    return _Sizes(x.shape[0], known[0], known[3], (known[1], known[2]), (known[4], known[5]))


def _turned_weights(w: NDArray[np.generic]) -> NDArray[np.float32]:
    """G w G^T in double precision, rounded once: [6 * 6, channels, outputs]."""
    turn = np.array(WEIGHTS)
    turned = np.einsum("ai,ocij,bj->abco", turn, w.astype(np.float64), turn, optimize=True)
    return np.ascontiguousarray(turned.astype(np.float32)).reshape(-1)


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


def _turned(matrix: Matrix, tile: Sequence[Sequence[Scalar]], name: str) -> tuple[list[Statement], list[list[Scalar]]]:
    """`matrix tile matrix^T`, as names."""
    made: list[Statement] = []

    def named(value: Scalar, place: str) -> Scalar:
        variable = Variable(f"{name}{place}", DType.FLOAT32)
        made.append(Let(variable, value))
        return variable

    columns = [[line[column] for line in tile] for column in range(len(tile[0]))]
    half = [[named(_sum(row, each), f"h{r}_{c}") for r, row in enumerate(matrix)] for c, each in enumerate(columns)]
    lines = [[each[r] for each in half] for r in range(len(matrix))]
    return made, [[named(_sum(row, line), f"w{r}_{c}") for c, row in enumerate(matrix)] for r, line in enumerate(lines)]


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes the kernels of one convolution."""

    sizes: _Sizes
    number: int

    def axis(self, name: str) -> Axis:
        return Axis(f"{name}_{self.number}")

    def buffer(self, slot: int, shape: Shape) -> Buffer:
        return Buffer(name_of(slot), DType.FLOAT32, shape)

    def register(self, name: str, count: int) -> Buffer:
        return Buffer(f"{name}_{self.number}", DType.FLOAT32, (count,), "register")

    def loops(self, names: str, extents: Shape, kind: LoopKind, body: Sequence[Statement]) -> Statement:
        """Loops of axes that are called by single letters."""
        return build.nest([self.axis(name) for name in names], tuple(extents), kind, body)[0]

    def turned(self, x: Buffer, elements: Buffer) -> Kernel:
        """The tiles of the elements, turned."""
        sizes, channel = self.sizes, self.axis("c")
        held = self.register("d", IN * IN)
        row, column = self.axis("i"), self.axis("j")
        line = Apply("add", (Apply("mul", (self.axis("y"), build.index(OUT))), row))
        pixel = Apply("add", (Apply("mul", (self.axis("x"), build.index(OUT))), column))
        _, high, wide = sizes.tiles
        beyond = [
            Apply("lt", (place, build.index(size)))
            for place, size, tiles in ((line, sizes.padded[0], high), (pixel, sizes.padded[1], wide))
            if tiles * OUT + IN - OUT > size
        ]
        place = build.flatten((self.axis("n"), line, pixel, channel), (sizes.batch, *sizes.padded, sizes.channels))
        read = Store(held, (build.flatten((row, column), (IN, IN)),), Load(x, (place,), build.every(*beyond)))
        tile = [[Load(held, (build.index(r * IN + c),)) for c in range(IN)] for r in range(IN)]
        made, results = _turned(ELEMENTS, tile, f"t{self.number}")
        done, which = self.register("r", IN * IN), self.axis("p")
        kept = [
            Store(done, (build.index(r * IN + c),), value)
            for r, values in enumerate(results)
            for c, value in enumerate(values)
        ]
        tile_of = build.flatten(tuple(self.axis(name) for name in "nyx"), sizes.tiles)
        target = build.flatten((which, tile_of, channel), (36, sizes.count, sizes.channels))
        body = [
            Allocate(held),
            Allocate(done),
            self.loops("ij", (IN, IN), "unrolled", [read]),
            *made,
            *kept,
            self.loops("p", (36,), "unrolled", [Store(elements, (target,), Load(done, (which,)))]),
        ]
        whole = self.loops("nyxc", (*sizes.tiles, sizes.channels), "parallel", body)
        return Kernel("conv", (x,), (elements,), (whole,))

    def multiplied(self, elements: Buffer, weights: Buffer, products: Buffer) -> Kernel:
        """The 36 products of matrices."""
        sizes = self.sizes
        which, row, column, channel = (self.axis(name) for name in "ptok")
        total = Buffer(f"s_{self.number}", DType.FLOAT32, (), "register")
        left = Load(elements, (build.flatten((which, row, channel), (36, sizes.count, sizes.channels)),))
        right = Load(weights, (build.flatten((which, channel, column), (36, sizes.channels, sizes.outputs)),))
        update = Store(total, (), Apply("add", (Load(total, ()), Apply("mul", (left, right)))))
        place = build.flatten((which, row, column), (36, sizes.count, sizes.outputs))
        body: list[Statement] = [
            Allocate(total),
            Store(total, (), build.number(0.0, DType.FLOAT32)),
            For(channel, sizes.channels, "serial", (update,)),
            Store(products, (place,), Load(total, ())),
        ]
        whole = self.loops("pto", (36, sizes.count, sizes.outputs), "parallel", body)
        return Kernel("conv", (elements, weights), (products,), (whole,))

    def finished(self, products: Buffer, bias: Sequence[Buffer], y: Buffer) -> Kernel:
        """The tiles of the results, turned back."""
        sizes, channel = self.sizes, self.axis("o")
        row, column, which = self.axis("i"), self.axis("j"), self.axis("p")
        held, done = self.register("m", IN * IN), self.register("r", OUT * OUT)
        tile = build.flatten(tuple(self.axis(name) for name in "nyx"), sizes.tiles)
        source = build.flatten((which, tile, channel), (36, sizes.count, sizes.outputs))
        read = Store(held, (which,), Load(products, (source,)))
        parts = [[Load(held, (build.index(r * IN + c),)) for c in range(IN)] for r in range(IN)]
        made, results = _turned(RESULTS, parts, f"t{self.number}")
        kept = [
            Store(done, (build.index(r * OUT + c),), value)
            for r, values in enumerate(results)
            for c, value in enumerate(values)
        ]
        line = Apply("add", (Apply("mul", (self.axis("y"), build.index(OUT))), row))
        pixel = Apply("add", (Apply("mul", (self.axis("x"), build.index(OUT))), column))
        value: Scalar = Load(done, (build.flatten((row, column), (OUT, OUT)),))
        for each in bias:
            value = Apply("add", (value, Load(each, (channel,))))
        place = build.flatten((self.axis("n"), line, pixel, channel), (sizes.batch, *sizes.image, sizes.outputs))
        store: Statement = Store(y, (place,), value)
        inside = build.every(
            *(
                Apply("lt", (at, build.index(size)))
                for at, size in ((line, sizes.image[0]), (pixel, sizes.image[1]))
                if size % OUT
            )
        )
        if inside is not None:
            store = If(inside, (store,))
        body = [
            Allocate(held),
            Allocate(done),
            self.loops("p", (36,), "unrolled", [read]),
            *made,
            *kept,
            self.loops("ij", (OUT, OUT), "unrolled", [store]),
        ]
        whole = self.loops("nyxo", (*sizes.tiles, sizes.outputs), "parallel", body)
        return Kernel("conv", (products, *bias), (y,), (whole,))
