"""Images whose brightness is spread, tile by tile (keras/src/layers/preprocessing/image_preprocessing/clahe.py)."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from xir.frontends._handlers import Handlers
from xir.frontends.keras.handlers._images import on_channels_second
from xir.frontends.keras.site import Handler, Site
from xir.ir.constant import constant_of
from xir.ir.node import Value
from xir.ir.types import DType
from xir.limits import element_count
from xir.ops import compare, elementwise
from xir.ops._build import scalar_like
from xir.ops.constant import constant
from xir.ops.index import gather, gather_elements, scatter_elements
from xir.ops.reduce import reduce_min, reduce_sum
from xir.ops.running import cumsum
from xir.ops.shape import broadcast, reshape, slice_

handlers: Handlers[Handler] = Handlers("keras")

_LEVELS = 256

_Places: TypeAlias = NDArray[np.int64]
_Reals: TypeAlias = NDArray[np.float32]


def _scaled(x: Value, scale: float, offset: float) -> Value:
    """X * scale + offset."""
    scaled = elementwise.mul(x, scalar_like(x, scale))
    return elementwise.add(scaled, scalar_like(scaled, offset))


@handlers.layer("ContrastLimitedAdaptiveHistogramEqualization")
def spread_by_tiles(site: Site, x: Value) -> Value:
    """CLAHE (Zuiderveld 1994): levels mapped by the limited histograms of the four tiles around, interpolated."""
    config = site.config
    low, high = _range(site)
    grid = config.positive("tile_grid_size", 2)
    limit = config.number("clip_limit", 4.0)
    if x.rank != 4:
        site.refuse(f"an equalization of {x.type!r}, which is no batch of images")

    def compute(image: Value) -> Value:
        real = image if image.dtype is DType.FLOAT32 else elementwise.cast(image, dtype=DType.FLOAT32)
        plain = (low, high) == (0, _LEVELS - 1)
        scale = (_LEVELS - 1) / (high - low)
        found = _Tiles(site, real if plain else _scaled(real, scale, -low * scale), grid).spread(limit)
        found = found if plain else _scaled(found, 1 / scale, low)
        return found if image.dtype is DType.FLOAT32 else elementwise.cast(found, dtype=image.dtype)

    return on_channels_second(site, x, compute)


def _range(site: Site) -> tuple[float, float]:
    listed = site.config.listed("value_range") or [0, _LEVELS - 1]
    low, high = (float(str(end)) for end in listed)
    if not low < high:
        site.invalid(f"the range of values is {listed}")
    return low, high


class _Tiles:
    """Images [N, C, h, w] of levels 0 to 255 in a grid of tiles; what lies outside of them is mirrored."""

    def __init__(self, site: Site, image: Value, grid: tuple[int, ...]) -> None:
        """The images, whose sizes are known."""
        channels, height, width = image.shape[1:]
        if not (isinstance(channels, int) and isinstance(height, int) and isinstance(width, int)):
            site.refuse("images whose size is not known before the run", "type the input with its size")
        self.site, self.grid, self.channels = site, grid, channels
        self.sizes = height, width
        self.tile = tuple(-(-size // count) for size, count in zip(self.sizes, grid, strict=True))
        self.whole = tuple(size * count for size, count in zip(self.tile, grid, strict=True))
        element_count((channels, *self.whole, grid[0], grid[1]), what="an image in tiles")
        for axis, (size, full) in enumerate(zip(self.sizes, self.whole, strict=True)):
            if full != size:
                places = constant(value=constant_of(np.pad(np.arange(size), (0, full - size), mode="symmetric")))
                image = gather(image, places, axis=axis + 2)
        held = elementwise.clip(image, minimum=0.0, maximum=_LEVELS - 1.0)
        self.levels = reshape(
            elementwise.cast(held, dtype=DType.INT64), shape=(image.shape[0], channels * _area(self.whole))
        )

    def spread(self, limit: float) -> Value:
        """The images with their levels mapped: [N, C, h, w]."""
        table = self._table(limit)
        (upper, lower, down), (left, right, across) = (self._around(axis) for axis in range(2))
        rows = [
            self._mixed(self._mapped(table, row, left), self._mapped(table, row, right), across[np.newaxis, :])
            for row in (upper, lower)
        ]
        found = self._mixed(rows[0], rows[1], down[:, np.newaxis])
        image = reshape(found, shape=(found.shape[0], self.channels, *self.whole))
        return slice_(image, axes=(2, 3), starts=(0, 0), stops=self.sizes, steps=(1, 1))

    def _table(self, limit: float) -> Value:
        """[N, C * tiles * 256]: what each level becomes in each tile."""
        batch, tiles, pixels = self.levels.shape[0], _area(self.grid), _area(self.tile)
        count = self.channels * tiles * _LEVELS
        base = self._pixels(
            self._places(*(np.arange(size) // part for size, part in zip(self.whole, self.tile, strict=True)))
        )
        zeros, ones = (
            broadcast(constant(value=constant_of(np.asarray(number, np.float32))), shape=(batch, size))
            for number, size in ((0, count), (1, self.levels.shape[1]))
        )
        counts = scatter_elements(zeros, elementwise.add(self.levels, base), ones, axis=1, reduction="add")
        histogram = reshape(counts, shape=(batch, self.channels * tiles, _LEVELS))
        if limit > 0:
            kept = elementwise.clip(histogram, minimum=0.0, maximum=limit * pixels / _LEVELS)
            excess = reduce_sum(elementwise.sub(histogram, kept), axes=(2,), keep_dims=True)
            share = elementwise.mul(excess, scalar_like(excess, 1 / _LEVELS))
            histogram = elementwise.add(*self.site.aligned(kept, share))
        running = cumsum(histogram, axis=2, exclusive=False, reverse=False)
        least = reduce_min(running, axes=(2,), keep_dims=True)
        above = elementwise.sub(*self.site.aligned(running, least))
        span = elementwise.sub(scalar_like(least, pixels), least)
        one = elementwise.select(compare.equal(span, scalar_like(span, 0)), scalar_like(span, 1), span)
        part = elementwise.div(*self.site.aligned(elementwise.mul(above, scalar_like(above, _LEVELS - 1.0)), one))
        return reshape(elementwise.clip(part, minimum=0.0, maximum=_LEVELS - 1.0), shape=(batch, count))

    def _around(self, axis: int) -> tuple[_Places, _Places, _Reals]:
        """For each row or column: the tiles before and behind it, and how near the second one is."""
        at = (np.arange(self.whole[axis], dtype=np.float32) - self.tile[axis] / 2) / self.tile[axis]
        first = np.floor(at)
        ends = (np.clip(first + step, 0, self.grid[axis] - 1).astype(np.int64) for step in (0, 1))
        before, behind = ends
        return before, behind, (at - first).astype(np.float32)

    def _places(self, rows: _Places, columns: _Places) -> _Places:
        """[C, H, W]: where the table of the tile (row, column) of each pixel begins."""
        tiles = rows[:, np.newaxis] * self.grid[1] + columns
        channels = np.arange(self.channels)[:, np.newaxis, np.newaxis] * _area(self.grid)
        return (channels + tiles) * _LEVELS

    def _pixels(self, held: _Places | _Reals) -> Value:
        """Numbers of pixels [C or 1, H or 1, W or 1] for all images: [N, C * H * W]."""
        whole = np.ascontiguousarray(np.broadcast_to(held, (self.channels, *self.whole))).reshape(1, -1)
        return broadcast(constant(value=constant_of(whole)), shape=self.levels.shape)

    def _mapped(self, table: Value, rows: _Places, columns: _Places) -> Value:
        places = elementwise.add(self.levels, self._pixels(self._places(rows, columns)))
        return gather_elements(table, places, axis=1)

    def _mixed(self, a: Value, b: Value, nearness: _Reals) -> Value:
        """A * (1 - nearness) + b * nearness."""
        left, right = self._pixels(np.float32(1) - nearness[np.newaxis]), self._pixels(nearness[np.newaxis])
        return elementwise.add(elementwise.mul(a, left), elementwise.mul(b, right))


def _area(sides: tuple[int, ...]) -> int:
    return sides[0] * sides[1]
