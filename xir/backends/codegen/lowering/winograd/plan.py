"""Which convolutions are taken by minimal filtering, and how their work is cut: a function of sizes and processor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from xir.backends.codegen.engine import Machine
from xir.backends.codegen.lowering.winograd.forms import LARGE, SMALL, Form
from xir.ir.dims import Dim, product

TILES = {4: (2, 12), 8: (2, 6), 16: (2, 12)}
"""{lanes: (vectors of columns, rows at most)} of products in registers: `tiles.WIDE` has the reasons."""

SCRATCH = 512 << 10
"""Bytes on a worker's stack for what a block makes: half of a second cache of 1 MB, a sixteenth of a thread's stack."""

WORKERS = 2
"""Workers that should have as much to do each; more share the blocks of more tiles or results."""

LATENCY = 4
"""Cycles until a sum may be added to again; two are added to in one."""

FIRST = 36 << 10
"""Bytes of the products of a block that stay in a first cache of 48 KB; each vector beyond costs `SPILLED` cycles."""

SPILLED = 6

NEAR, AFAR = 256 << 10, 4 << 20
"""Bytes of weights that stay in a second cache beside all else, and in a third one beside those of other layers."""

THIRD, MEMORY = 24, 4
"""Bytes a cycle that come to a worker from a third cache, and from memory when both of two workers read.

Measured: 37.7 MB of weights in 1.9 ms at 4.1 GHz, by one worker or two.
"""

EXPOSED = 1 / 8
"""The part of the time in which weights come that no product hides."""

DIRECT = 1.1
"""What a direct product costs, against its share of a processor's peak."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes of a convolution of 3 x 3 cells.

    Attributes:
        batch: images.
        channels: channels of an image.
        outputs: channels of a result.
        given: lines and pixels of an image.
        padding: (before, after) of lines and of pixels: zeros around.
        image: lines and pixels of a result.
    """

    batch: Dim
    channels: int
    outputs: int
    given: tuple[int, int]
    padding: tuple[tuple[int, int], tuple[int, int]]
    image: tuple[int, int]

    def grid(self, form: Form) -> tuple[Dim, int, int]:
        """Images, lines of tiles, and tiles of a line."""
        high, wide = self.image
        return self.batch, -(-high // form.results), -(-wide // form.results)

    def tiles(self, form: Form) -> Dim:
        """Tiles of all images."""
        return product(self.grid(form))


@dataclass(frozen=True, slots=True)
class Plan:
    """How the work is cut.

    Attributes:
        form: the way to filter.
        tiles: tiles of a block.
        rows: tiles of a register tile; a block has whole ones.
        vectors: vectors of columns of a register tile.
        lanes: elements of a vector.
        fused: whether a block goes through all in one kernel.
    """

    form: Form
    tiles: int
    rows: int
    vectors: int
    lanes: int
    fused: bool

    @property
    def width(self) -> int:
        """Columns of a block."""
        return self.vectors * self.lanes

    def columns(self, sizes: Sizes) -> int:
        """Blocks of columns."""
        return -(-sizes.outputs // self.width)


def plan(sizes: Sizes, machine: Machine) -> Plan | None:
    """The plan that takes the least time; None where a sum of all products takes less, as far as can be told.

    Args:
        sizes: the convolution; of an unknown number of images one is reckoned with.
        machine: the processor.
    """
    known = replace(sizes, batch=sizes.batch if isinstance(sizes.batch, int) else 1)
    if min(sizes.channels, sizes.outputs) < machine.lanes or known.batch == 0:
        return None
    best = min(_plans(known, machine), key=lambda each: cycles(each, known))
    return best if cycles(best, known) < direct_cycles(known, machine) else None


def direct_cycles(sizes: Sizes, machine: Machine) -> float:
    """What a sum of all products takes, in cycles; how many images there are is known."""
    weights = 9 * sizes.channels * sizes.outputs
    vectors = weights / machine.lanes * _count(sizes.batch) * sizes.image[0] * sizes.image[1]
    return vectors / 2 * DIRECT + _stream(4 * weights)


def _count(dim: Dim) -> int:
    return dim if isinstance(dim, int) else 1


def _stream(count: int) -> float:
    """Cycles in which so many bytes of weights come."""
    return 0 if count <= NEAR else count / (THIRD if count <= AFAR else MEMORY)


def _plans(sizes: Sizes, machine: Machine) -> Iterator[Plan]:
    vectors, most = TILES[machine.lanes]
    for form in (LARGE, SMALL):
        known = _count(sizes.tiles(form))
        for rows in range(1, min(most, known) + 1):
            for times in range(1, 9):
                for fused in (True, False):
                    made = Plan(form, rows * times, rows, vectors, machine.lanes, fused)
                    if rows * (times - 1) < known and _fits(made, sizes):
                        yield made


def _fits(made: Plan, sizes: Sizes) -> bool:
    """Whether what lies on the stack is little."""
    channels = sizes.channels if made.fused else 0
    return 4 * made.form.products * made.tiles * (channels + made.width) <= SCRATCH


def cycles(made: Plan, sizes: Sizes) -> float:
    """What a plan takes, in cycles of a processor with two products of vectors in each; the number of images is known.

    Work is shared by blocks; weights are read once for each block of tiles, and the turned elements that are not
    turned where they are used come from afar.
    """
    form = made.form
    blocks, columns = -(-_count(sizes.tiles(form)) // made.tiles), made.columns(sizes)
    step = max(made.rows * made.vectors / 2, LATENCY) + (made.rows + made.vectors) / 8
    register = sizes.channels * step + made.rows * made.vectors * 1.5 + 10
    before, after = (work / 2 for work in form.work)
    products = form.products * (made.tiles // made.rows) * register
    far = SPILLED if 4 * form.products * made.tiles * made.width > FIRST else 0
    results = made.tiles * made.vectors * (after + far * form.products)
    gathered = made.tiles * -(-sizes.channels // made.lanes) * before
    weights = _stream(4 * form.products * sizes.channels * made.width * columns) / columns
    each = max(products, weights) + EXPOSED * weights + results
    if made.fused:
        return WORKERS * -(-blocks // WORKERS) * (gathered + columns * each)
    between = 2 * 4 * form.products * blocks * made.tiles * sizes.channels / THIRD
    return WORKERS * -(-blocks * columns // WORKERS) * each + blocks * gathered + between
