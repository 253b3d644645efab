"""The kernels of a convolution by minimal filtering: elements are turned, multiplied, and the products turned back.

A block of tiles goes through all three while what it makes is near: only the elements, the weights and the results
are in memory far away. Where weights are many and tiles few, the elements of all tiles are turned first (in a kernel
of its own), and each block of results goes through its weights once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xir.backends.codegen.lowering.winograd.forms import turned_elements, turned_results
from xir.backends.codegen.lowering.winograd.plan import Plan, Sizes
from xir.ir.dims import Dim, add, ceil_divide, multiply, subtract
from xir.ir.types import DType
from xir.kernel import build
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
    LoopKind,
    Scalar,
    Statement,
    Store,
    Variable,
)

SKEW = 48
"""Elements between the products of one kind and the next: without, they would share few lines of a first cache."""


def _plus(*parts: Scalar) -> Scalar:
    total = parts[0]
    for part in parts[1:]:
        total = part if total == build.index(0) else Apply("add", (total, part))
    return total


def _times(part: Scalar, factor: Dim) -> Scalar:
    return Apply("mul", (part, Const(factor, DType.INT64)))


def _less(part: Scalar, size: Dim) -> Scalar:
    return Apply("lt", (part, Const(size, DType.INT64)))


@dataclass(slots=True)
class _Names:
    """Statements that name values, one after another."""

    prefix: str
    made: list[Statement]

    def __call__(self, value: Scalar) -> Scalar:
        variable = Variable(f"{self.prefix}{len(self.made)}", value.dtype)
        self.made.append(Let(variable, value))
        return variable


@dataclass(frozen=True, slots=True)
class _Tile:
    """Where a tile lies: its image, and its first line and pixel, counted in tiles."""

    image: Scalar
    line: Scalar
    pixel: Scalar


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes the kernels of one convolution.

    Attributes:
        sizes: the convolution.
        plan: how its work is cut.
        number: makes the names of its loops and registers its own.
    """

    sizes: Sizes
    plan: Plan
    number: int

    @property
    def _blocks(self) -> Dim:
        """Blocks of tiles; the last one may have less."""
        return ceil_divide(self.sizes.tiles(self.plan.form), self.plan.tiles)

    @property
    def _partial(self) -> bool:
        """Whether the last block has less, as far as sizes tell."""
        return subtract(multiply(self._blocks, self.plan.tiles), self.sizes.tiles(self.plan.form)) != 0

    @property
    def _depth(self) -> int:
        """Channels of the turned elements: whole vectors."""
        return -(-self.sizes.channels // self.plan.lanes) * self.plan.lanes

    def _stride(self, rows: Dim) -> Dim:
        """Elements between the products of one kind and the next, where so many tiles are turned."""
        return add(multiply(rows, self._depth), SKEW)

    @property
    def turned_elements(self) -> Dim:
        """How many turned elements there are of all tiles."""
        return multiply(self._stride(multiply(self._blocks, self.plan.tiles)), self.plan.form.products)

    @property
    def turned_weights(self) -> int:
        """How many turned weights there are."""
        return self.plan.columns(self.sizes) * self.plan.form.products * self.sizes.channels * self.plan.width

    def _axis(self, name: str) -> Axis:
        return Axis(f"{name}_{self.number}")

    def _names(self, letter: str) -> _Names:
        return _Names(f"{letter}{self.number}_", [])

    def _loop(self, name: str, extent: Dim, kind: LoopKind, body: Sequence[Statement]) -> For:
        return For(self._axis(name), extent, kind, tuple(body))

    def fused(self, x: Buffer, weights: Buffer, bias: Sequence[Buffer], y: Buffer) -> Kernel:
        """All in one: each block of tiles from its elements to its results."""
        tiles, form = self.plan.tiles, self.plan.form
        stride = self._stride(tiles)
        turned = Buffer(f"e_{self.number}", DType.FLOAT32, (multiply(stride, form.products),), "register")
        row = self._axis("r")
        tile = _plus(_times(self._axis("b"), tiles), row)
        body: list[Statement] = [
            Allocate(turned),
            self._loop("r", tiles, "serial", self._gathered(x, turned, stride, row, tile)),
            self._loop(
                "w", self.plan.columns(self.sizes), "serial", self._finished(turned, stride, None, weights, bias, y)
            ),
        ]
        return Kernel("conv", (x, weights, *bias), (y,), (self._loop("b", self._blocks, "parallel", body),))

    def first(self, x: Buffer, turned: Buffer) -> Kernel:
        """The elements of all tiles, turned."""
        rows = multiply(self._blocks, self.plan.tiles)
        tile = self._axis("r")
        body = self._gathered(x, turned, self._stride(rows), tile, tile)
        return Kernel("conv", (x,), (turned,), (self._loop("r", rows, "parallel", body),))

    def second(self, turned: Buffer, weights: Buffer, bias: Sequence[Buffer], y: Buffer) -> Kernel:
        """The results, of elements that were turned before."""
        tiles = self.plan.tiles
        stride = self._stride(multiply(self._blocks, tiles))
        body = self._finished(turned, stride, _times(self._axis("b"), tiles), weights, bias, y)
        inner = self._loop("b", self._blocks, "parallel", body)
        whole = self._loop("w", self.plan.columns(self.sizes), "parallel", [inner])
        return Kernel("conv", (turned, weights, *bias), (y,), (whole,))

    def _finished(
        self,
        turned: Buffer,
        stride: Dim,
        first: Scalar | None,
        weights: Buffer,
        bias: Sequence[Buffer],
        y: Buffer,
    ) -> list[Statement]:
        """A block of tiles and columns: its products, and the results that they make."""
        count = self.plan.form.products * self.plan.tiles * self.plan.width
        products = Buffer(f"m_{self.number}", DType.FLOAT32, (count,), "register")
        return [
            Allocate(products),
            self._multiplied(turned, stride, first, weights, products),
            self._loop("t", self.plan.tiles, "serial", self._scattered(products, bias, y)),
        ]

    # Elements

    def _located(self, tile: Scalar, named: _Names) -> _Tile:
        """Where a tile lies."""
        _, high, wide = self.sizes.grid(self.plan.form)
        place = named(tile)
        pixel = named(Apply("mod", (place, build.index(wide))))
        line = named(Apply("floor_div", (place, build.index(wide))))
        if self.sizes.batch == 1:
            return _Tile(build.index(0), line, pixel)
        image = named(Apply("floor_div", (line, build.index(high))))
        return _Tile(image, named(Apply("mod", (line, build.index(high)))), pixel)

    def _gathered(self, x: Buffer, turned: Buffer, stride: Dim, row: Scalar, tile: Scalar) -> list[Statement]:
        """The elements of a tile, turned and stored as a row; behind the last tile it is the last one once more."""
        sizes, form = self.sizes, self.plan.form
        if self._partial:
            last = Const(subtract(sizes.tiles(form), 1), DType.INT64)
            tile = Apply("min", (tile, last))
        named = self._names("g")
        at = self._located(tile, named)
        starts = [
            named(build.offset(each, form.results, -before))
            for each, (before, _) in zip((at.line, at.pixel), sizes.padding, strict=True)
        ]
        start = named(_times(build.flatten((at.image, *starts), (sizes.batch, *sizes.given)), sizes.channels))
        reaching = self._reaching(starts)
        plain = self._channels(x, turned, stride, row, start, None)
        if reaching is None:
            return [*named.made, *plain]
        inside = self._names("v")
        lines, pixels = (
            [inside(build.within(build.offset(first, 1, place), size)) for place in range(form.elements)]
            for first, size in zip(starts, sizes.given, strict=True)
        )
        border = [*inside.made, *self._channels(x, turned, stride, row, start, (lines, pixels))]
        return [*named.made, If(reaching, tuple(plain), tuple(border))]

    def _reaching(self, starts: Sequence[Scalar]) -> Scalar | None:
        """Whether all elements of a tile are elements of the image; None where those of every tile are."""
        form = self.plan.form
        conditions: list[Scalar] = []
        for first, size, (before, _), count in zip(
            starts, self.sizes.given, self.sizes.padding, self.sizes.grid(form)[1:], strict=True
        ):
            if before:
                conditions.append(Apply("ge", (first, build.index(0))))
            if (count - 1) * form.results - before + form.elements > size:
                conditions.append(Apply("le", (first, build.index(size - form.elements))))
        return build.every(*conditions)

    def _channels(
        self,
        x: Buffer,
        turned: Buffer,
        stride: Dim,
        row: Scalar,
        start: Scalar,
        masks: tuple[Sequence[Scalar], Sequence[Scalar]] | None,
    ) -> list[Statement]:
        """The loop over the channels of a tile."""
        mark = "" if masks is None else "m"
        form, lanes, channels = self.plan.form, self.plan.lanes, self.sizes.channels
        channel = _plus(_times(self._axis(f"c{mark}"), lanes), self._axis(f"l{mark}"))
        there = _less(channel, channels) if channels % lanes else None
        named = self._names(f"d{mark}")

        def element(line: int, pixel: int) -> Scalar:
            offset = (line * self.sizes.given[1] + pixel) * channels
            mask = build.every(there, *(() if masks is None else (masks[0][line], masks[1][pixel])))
            return named(Load(x, (_plus(start, build.index(offset), channel),), mask))

        size = range(form.elements)
        half = [turned_elements(form, [element(line, pixel) for line in size], named) for pixel in size]
        for line in size:
            for pixel, value in enumerate(turned_elements(form, [each[line] for each in half], named)):
                which = Const(multiply(stride, line * form.elements + pixel), DType.INT64)
                place = _plus(_times(row, self._depth), which, channel)
                named.made.append(Store(turned, (place,), value))
        vector = self._loop(f"l{mark}", lanes, "vector", named.made)
        return [self._loop(f"c{mark}", self._depth // lanes, "serial", [vector])]

    # Products

    def _multiplied(
        self, turned: Buffer, stride: Dim, first: Scalar | None, weights: Buffer, products: Buffer
    ) -> Statement:
        """The products of a block of tiles and columns, in register tiles."""
        plan, channels = self.plan, self.sizes.channels
        which, block, step = self._axis("p"), self._axis("h"), self._axis("k")
        start = _times(block, plan.rows)
        sums = Buffer(f"s_{self.number}", DType.FLOAT32, (plan.rows * plan.width,), "register")
        cells = [(row, vector) for row in range(plan.rows) for vector in range(plan.vectors)]

        def lane(letter: str, vector: int) -> Scalar:
            return _plus(self._axis(letter), build.index(vector * plan.lanes))

        def held(letter: str, row: int, vector: int) -> Scalar:
            return _plus(self._axis(letter), build.index(row * plan.width + vector * plan.lanes))

        named = self._names("f")
        base = _times(
            _plus(_times(_plus(_times(self._axis("w"), plan.form.products), which), channels), step), plan.width
        )
        columns = [named(Load(weights, (_plus(base, lane("lk", vector)),))) for vector in range(plan.vectors)]
        place = start if first is None else _plus(first, start)
        source = _plus(_times(which, stride), _times(place, self._depth), step)
        for row in range(plan.rows):
            element = named(Load(turned, (_plus(source, build.index(row * self._depth)),)))
            for vector in range(plan.vectors):
                at = held("lk", row, vector)
                total = Apply("add", (Load(sums, (at,)), Apply("mul", (element, columns[vector]))))
                named.made.append(Store(sums, (at,), total))
        target = _times(_plus(_times(which, plan.tiles), start), plan.width)
        zero = build.number(0.0, DType.FLOAT32)
        body: list[Statement] = [
            Allocate(sums),
            self._loop("lz", plan.lanes, "vector", [Store(sums, (held("lz", *cell),), zero) for cell in cells]),
            self._loop("k", channels, "serial", [self._loop("lk", plan.lanes, "vector", named.made)]),
            self._loop(
                "le",
                plan.lanes,
                "vector",
                [
                    Store(products, (_plus(target, held("le", *cell)),), Load(sums, (held("le", *cell),)))
                    for cell in cells
                ],
            ),
        ]
        rows = self._loop("h", plan.tiles // plan.rows, "serial", body)
        return self._loop("p", plan.form.products, "serial", [rows])

    # Results

    def _scattered(self, products: Buffer, bias: Sequence[Buffer], y: Buffer) -> list[Statement]:
        """The products of a tile turned back, and what becomes of the results stored."""
        plan, sizes = self.plan, self.sizes
        form = plan.form
        tile = _plus(_times(self._axis("b"), plan.tiles), self._axis("t"))
        located = self._names("y")
        at = self._located(tile, located)
        within = _plus(_times(self._axis("v"), plan.lanes), self._axis("lo"))
        column = _plus(_times(self._axis("w"), plan.width), within)
        named = self._names("q")

        def part(line: int, pixel: int) -> Scalar:
            which = (line * form.elements + pixel) * plan.tiles * plan.width
            return named(Load(products, (_plus(_times(self._axis("t"), plan.width), build.index(which), within),)))

        size = range(form.elements)
        done = Buffer(f"o_{self.number}", DType.FLOAT32, (form.results**2,), "register")
        half = [turned_results(form, [part(line, pixel) for line in size], named) for pixel in size]
        for line in range(form.results):
            for pixel, value in enumerate(turned_results(form, [each[line] for each in half], named)):
                named.made.append(Store(done, (build.index(line * form.results + pixel),), value))
        body: Sequence[Statement] = [Allocate(done), *named.made, self._kept(done, at, column, bias, y)]
        if sizes.outputs % plan.width:
            body = [If(_less(column, sizes.outputs), tuple(body))]
        vector = self._loop("lo", plan.lanes, "vector", body)
        whole = [*located.made, self._loop("v", plan.vectors, "serial", [vector])]
        if self._partial:
            return [If(_less(tile, sizes.tiles(form)), tuple(whole))]
        return whole

    def _kept(self, done: Buffer, at: _Tile, column: Scalar, bias: Sequence[Buffer], y: Buffer) -> Statement:
        """One store for all results of a tile, so that what follows a convolution may follow here."""
        sizes, count = self.sizes, self.plan.form.results
        row, pixel = self._axis("i"), self._axis("j")
        places = [_plus(_times(first, count), each) for first, each in ((at.line, row), (at.pixel, pixel))]
        value: Scalar = Load(done, (build.flatten((row, pixel), (count, count)),))
        for each in bias:
            value = Apply("add", (value, Load(each, (column,))))
        place = build.flatten((at.image, *places, column), (sizes.batch, *sizes.image, sizes.outputs))
        store: Statement = Store(y, (place,), value)
        inside = build.every(
            *(_less(each, size) for each, size in zip(places, sizes.image, strict=True) if size % count)
        )
        if inside is not None:
            store = If(inside, (store,))
        return self._loop("i", count, "unrolled", [self._loop("j", count, "unrolled", [store])])
