"""Parts of tensors, padding around them, and blocks between space and batch."""

from __future__ import annotations

from typing import Literal

from xir.frontends._handlers import Handlers
from xir.frontends.tflite.handlers.shape import length_of
from xir.frontends.tflite.site import Handler, Site, literal, unknown_sizes, whole
from xir.ir.dims import Dim, Shape, Symbol, bounds, floor_divide, maximum, minimum
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import compare
from xir.ops._build import scalar_like
from xir.ops.elementwise import add, select, sub
from xir.ops.elementwise import maximum as larger
from xir.ops.elementwise import minimum as smaller
from xir.ops.index import gather
from xir.ops.late import slice_late
from xir.ops.places import scatter_nd
from xir.ops.shape import broadcast, concat, iota, pad, reshape, reverse, shape_of, slice_, split, transpose

handlers: Handlers[Handler] = Handlers("tflite")
moving: Handlers[Handler] = Handlers("tflite")
raw: Handlers[Handler] = Handlers("tflite")


@moving.layer("SLICE")
def cut(site: Site, x: Value, begin: Value, size: Value) -> Value:
    """SLICE: `size` elements from `begin` on, all that are left where it is -1."""
    starts, sizes = site.sizes(begin), site.sizes(size)
    axes = tuple(range(x.rank))
    if starts is None or sizes is None:
        if sizes is None or any(isinstance(each, int) and each < 0 for each in sizes):
            return _cut_late(x, whole(begin), whole(size), starts, sizes, axes)
        last = add(whole(begin), whole(size))
        firsts = unknown_sizes(x.rank)
        stops = tuple(first + each for first, each in zip(firsts, sizes, strict=True))
        return slice_(x, whole(begin), last, axes=axes, starts=firsts, stops=stops, steps=(1,) * x.rank)
    if len(starts) != x.rank or len(sizes) != x.rank:
        site.invalid(f"{len(starts)} starts and {len(sizes)} sizes for {x.type!r}")
    stops = tuple(
        all_ if each == -1 else start + each for all_, start, each in zip(x.shape, starts, sizes, strict=True)
    )
    for start, stop, extent in zip(starts, stops, x.shape, strict=True):
        if any(isinstance(end, int) and end < 0 for end in (start, stop)) or _is_above(stop, extent):
            site.invalid(f"[{start!r}, {stop!r}) is no part of {extent!r} elements")
    return slice_(x, axes=axes, starts=starts, stops=stops, steps=(1,) * x.rank)


def _is_above(stop: Dim, extent: Dim) -> bool:
    return isinstance(stop, int) and isinstance(extent, int) and stop > extent


def _cut_late(
    x: Value, begin: Value, size: Value, starts: Shape | None, sizes: Shape | None, axes: tuple[int, ...]
) -> Value:
    """A part of which the run tells how large it is; -1 is all that is left."""
    is_rest = compare.less(size, scalar_like(size, 0))
    last = select(is_rest, shape_of(x), add(begin, size))
    spans = tuple(Symbol(maximum=bounds(extent)[1]) for extent in x.shape)
    firsts = unknown_sizes(x.rank) if starts is None else starts
    stops = tuple(first + span for first, span in zip(firsts, spans, strict=True))
    return slice_(x, begin, last, axes=axes, starts=firsts, stops=stops, steps=(1,) * x.rank)


@moving.layer("STRIDED_SLICE")
def strided(site: Site, x: Value, begin: Value, end: Value, strides: Value) -> Value:
    """STRIDED_SLICE with all its masks (strided_slice_logic.h; TensorFlow's tf.strided_slice)."""
    masks = {name: site.integer(f"{name}_mask") for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")}
    if site.flag("offset"):
        end = add(begin, end)
    steps = site.numbers(strides, "steps")
    starts, stops = site.sizes(begin), site.sizes(end)
    spec = _Spec(site, x, len(steps), masks)
    if starts is None or stops is None:
        return _strided_late(site, x, begin, end, steps, spec)
    return _strided(site, x, starts, stops, steps, spec)


class _Spec:
    """Which entry of a strided slice is about which axis.

    Attributes:
        masks: the masks by name.
        places: (entry, axis) of those that cut an axis.
        shape: of each axis of the result, in order, an axis of x, or None for a new one.
    """

    def __init__(self, site: Site, x: Value, count: int, masks: dict[str, int]) -> None:
        """Goes through the entries."""
        self.masks = masks
        self.places: list[tuple[int, int]] = []
        self.shape: list[int | None] = []
        new = sum(self.has("new_axis", entry) and not self.has("ellipsis", entry) for entry in range(count))
        is_elliptic = any(self.has("ellipsis", entry) for entry in range(count))
        axis = 0
        for entry in range(count):
            if self.has("ellipsis", entry):
                for _ in range(x.rank - (count - 1 - new)):
                    self.shape.append(axis)
                    axis += 1
            elif self.has("new_axis", entry):
                self.shape.append(None)
            else:
                if axis >= x.rank:
                    site.invalid(f"{count} entries are too many for {x.type!r}")
                self.places.append((entry, axis))
                if not self.has("shrink_axis", entry):
                    self.shape.append(axis)
                axis += 1
        if not is_elliptic:
            self.shape.extend(range(axis, x.rank))

    def has(self, mask: str, entry: int) -> bool:
        """Whether a mask has the bit of an entry."""
        return bool(self.masks[mask] >> entry & 1)


def _strided(site: Site, x: Value, starts: Shape, stops: Shape, steps: tuple[int, ...], spec: _Spec) -> Value:
    axes: list[int] = []
    firsts: list[Dim] = []
    lasts: list[Dim] = []
    jumps: list[int] = []
    turned: list[int] = []
    for entry, axis in spec.places:
        size, step = x.shape[axis], steps[entry]
        if step == 0:
            site.invalid("a step of 0")
        shrinks = spec.has("shrink_axis", entry)
        first = None if spec.has("begin", entry) and not shrinks else starts[entry]
        last = None if spec.has("end", entry) else stops[entry]
        if shrinks:
            step, last = 1, None if first == -1 else (first or 0) + 1
        if step < 0:
            turned.append(axis)
            first, last = (None if place is None else _mirrored(site, place, size) for place in (first, last))
        start = 0 if first is None else _clamped(first, size)
        axes.append(axis)
        firsts.append(start)
        lasts.append(size if last is None else maximum(_clamped(last, size), start))
        jumps.append(abs(step))
    if turned:
        x = reverse(x, axes=tuple(turned))
    if axes:
        x = slice_(x, axes=tuple(axes), starts=tuple(firsts), stops=tuple(lasts), steps=tuple(jumps))
    sizes = tuple(1 if axis is None else x.shape[axis] for axis in spec.shape)
    return x if sizes == x.shape else reshape(x, shape=sizes)


def _mirrored(site: Site, place: Dim, size: Dim) -> Dim:
    """A place of the turned axis: `size - 1 - place`, ends below the first element being behind the last."""
    if not isinstance(place, int):
        site.refuse("a backward slice at places that are not known before the run")
    if place >= 0:
        return maximum(size - 1 - place, 0)
    return min(-1 - place, size) if isinstance(size, int) else minimum(-1 - place, size)


def _clamped(place: Dim, size: Dim) -> Dim:
    """A start or end within [0, size]; negative ones count from the end."""
    if isinstance(place, int) and place < 0:
        return maximum(size + place, 0)
    if isinstance(place, int) and place >= (1 << 31) - 1:
        return size
    return minimum(place, size)


def _strided_late(site: Site, x: Value, begin: Value, end: Value, steps: tuple[int, ...], spec: _Spec) -> Value:
    """A slice of which the run tells where it begins or ends."""
    if any(step < 1 for step in steps):
        site.refuse("a backward slice at places that are not known before the run")
    result = x
    for entry, axis in spec.places:
        shrinks = spec.has("shrink_axis", entry)
        start, stop = (_entry(whole(each), entry) for each in (begin, end))
        if spec.has("begin", entry) and spec.has("end", entry) and steps[entry] == 1:
            continue
        if shrinks:
            result = gather(result, start, axis=axis)
            continue
        size = result.shape[axis]
        span = Symbol(maximum=bounds(size)[1])
        if spec.has("begin", entry):
            result = slice_(result, None, stop, axes=(axis,), starts=(0,), stops=(span,), steps=(steps[entry],))
        elif spec.has("end", entry):
            stop = _entry(shape_of(result), axis)
            first = Symbol()
            result = slice_(
                result, start, stop, axes=(axis,), starts=(first,), stops=(first + span,), steps=(steps[entry],)
            )
        else:
            result = slice_late(result, start, stop, None, None, axes=(axis,))
            if steps[entry] != 1:
                size = result.shape[axis]
                result = slice_(result, axes=(axis,), starts=(0,), stops=(size,), steps=(steps[entry],))
    sizes = tuple(1 if axis is None else result.shape[axis] for axis in spec.shape)
    return result if sizes == result.shape else reshape(result, shape=sizes)


def _entry(vector: Value, index: int) -> Value:
    return slice_(vector, axes=(0,), starts=(index,), stops=(index + 1,), steps=(1,))


@moving.layer("SPLIT")
def parts(site: Site, axis: Value, x: Value) -> tuple[Value, ...]:
    """SPLIT into equal parts."""
    (place,) = site.numbers(axis, "axes")
    place, count = site.axis(place, x.rank), site.integer("num_splits")
    if count < 1 or count != len(site.results):
        site.invalid(f"{count} parts for {len(site.results)} results")
    return split(x, axis=place, sizes=(floor_divide(x.shape[place], count),) * count)


@moving.layer("SPLIT_V")
def parts_of(site: Site, x: Value, sizes: Value, axis: Value) -> tuple[Value, ...]:
    """SPLIT_V: parts of given sizes, of which one may be -1, what is left."""
    (place,) = site.numbers(axis, "axes")
    place = site.axis(place, x.rank)
    site.ignore("num_splits")
    known = site.sizes(sizes)
    if known is None:
        return split(x, sizes, axis=place, sizes=unknown_sizes(len(site.results)))
    pieces = list(known)
    if -1 in pieces:
        rest: Dim = x.shape[place]
        for size in pieces:
            rest = rest if size == -1 else rest - size
        pieces[pieces.index(-1)] = rest
    return split(x, axis=place, sizes=tuple(pieces))


@moving.layer("UNPACK")
def unpacked(site: Site, x: Value) -> tuple[Value, ...]:
    """UNPACK: the slices along an axis, without it."""
    site.ignore("num")
    axis = site.axis(site.integer("axis"), x.rank)
    shape = (*x.shape[:axis], *x.shape[axis + 1 :])
    pieces = split(x, axis=axis, sizes=(1,) * len(site.results))
    return tuple(reshape(piece, shape=shape) for piece in pieces)


def _pairs(site: Site, x: Value, amounts: Value) -> tuple[tuple[Dim, Dim], ...] | None:
    """(before, after) of each axis, from an operand [rank, 2]; None where only the run tells them."""
    known = site.sizes(amounts)
    if known is None:
        return None
    if len(known) != 2 * x.rank:
        site.invalid(f"{len(known)} amounts for {x.type!r}")
    return tuple(zip(known[::2], known[1::2], strict=True))


def _padded(
    site: Site, x: Value, amounts: Value, fill: Value | None, mode: Literal["constant", "reflect"], value: float = 0.0
) -> Value:
    pairs = _pairs(site, x, amounts)
    fill = None if fill is None else reshape(fill, shape=())
    if pairs is not None:
        return pad(x, None, fill, padding=pairs, mode=mode, value=value)
    flat = reshape(transpose(whole(amounts), perm=(1, 0)), shape=(2 * x.rank,))
    free = tuple((0, Symbol() - size) for size in x.shape)
    return pad(x, flat, fill, padding=free, mode=mode, value=value)


@raw.layer("PAD", "PADV2")
def padded(site: Site, x: Value, amounts: Value, fill: Value | None = None) -> Value:
    """PAD with zeros (in integers: the zero point), PADV2 with a value."""
    quantization = site.operand_quantization(0)
    if quantization != site.result_quantization():
        site.refuse("a result that is quantised in another way than the operand")
    zero = 0 if quantization is None else quantization.zero_points[0]
    return _padded(site, x, amounts, fill, "constant", float(zero))


@moving.layer("MIRROR_PAD")
def mirrored(site: Site, x: Value, amounts: Value) -> Value:
    """MIRROR_PAD: REFLECT leaves out the last element, SYMMETRIC repeats it."""
    if site.word("mode", "REFLECT") == "REFLECT":
        return _padded(site, x, amounts, None, "reflect")
    pairs = _pairs(site, x, amounts)
    if pairs is None:
        site.refuse("mirrored amounts that are computed at run time")
    for axis, (before, after) in enumerate(pairs):
        size = x.shape[axis]
        parts = [x]
        if before != 0:
            parts.insert(0, _turned_part(x, axis, 0, before))
        if after != 0:
            parts.append(_turned_part(x, axis, size - after, size))
        x = concat(*parts, axis=axis) if len(parts) > 1 else x
    return x


def _turned_part(x: Value, axis: int, start: Dim, stop: Dim) -> Value:
    return reverse(slice_(x, axes=(axis,), starts=(start,), stops=(stop,), steps=(1,)), axes=(axis,))


@moving.layer("SPACE_TO_BATCH_ND")
def to_batch(site: Site, x: Value, block: Value, amounts: Value) -> Value:
    """SPACE_TO_BATCH_ND (tf.space_to_batch_nd): [N, spatial..., rest...] padded, its blocks moved into the batch."""
    blocks = site.numbers(block, "blocks")
    pads = site.numbers(amounts, "amounts")
    count = len(blocks)
    if len(pads) != 2 * count or count + 1 > x.rank or any(each < 1 for each in blocks):
        site.invalid(f"blocks {list(blocks)} and amounts {list(pads)} for {x.type!r}")
    quantization = site.operand_quantization(0)
    zero = 0 if quantization is None or x.dtype.is_floating else quantization.zero_points[0]
    around = [(0, 0)] * x.rank
    around[1 : 1 + count] = zip(pads[::2], pads[1::2], strict=True)
    held = pad(x, padding=tuple(around), mode="constant", value=float(zero)) if any(pads) else x
    cells = [floor_divide(size, each) for size, each in zip(held.shape[1:], blocks, strict=False)]
    rest = held.shape[1 + count :]
    inner = [part for pair in zip(cells, blocks, strict=True) for part in pair]
    pieces = reshape(held, shape=(held.shape[0], *inner, *rest))
    own = range(2, 2 + 2 * count, 2)
    perm = (*own, 0, *(axis - 1 for axis in own), *range(1 + 2 * count, pieces.rank))
    batch: Dim = held.shape[0]
    for each in blocks:
        batch = batch * each
    return reshape(transpose(pieces, perm=perm), shape=(batch, *cells, *rest))


@moving.layer("BATCH_TO_SPACE_ND")
def from_batch(site: Site, x: Value, block: Value, amounts: Value) -> Value:
    """BATCH_TO_SPACE_ND (tf.batch_to_space_nd): the blocks back into space, and the crops cut off."""
    blocks = site.numbers(block, "blocks")
    crops = site.numbers(amounts, "amounts")
    count = len(blocks)
    if len(crops) != 2 * count or count + 1 > x.rank or any(each < 1 for each in blocks):
        site.invalid(f"blocks {list(blocks)} and amounts {list(crops)} for {x.type!r}")
    batch: Dim = x.shape[0]
    for each in blocks:
        batch = floor_divide(batch, each)
    pieces = reshape(x, shape=(*blocks, batch, *x.shape[1:]))
    pairs = [axis for index in range(count) for axis in (count + 1 + index, index)]
    perm = (count, *pairs, *range(2 * count + 1, pieces.rank))
    grown = tuple(size * each for size, each in zip(x.shape[1:], blocks, strict=False))
    result = reshape(transpose(pieces, perm=perm), shape=(batch, *grown, *x.shape[1 + count :]))
    if not any(crops):
        return result
    return slice_(
        result,
        axes=tuple(range(1, 1 + count)),
        starts=crops[::2],
        stops=tuple(size - after for size, after in zip(grown, crops[1::2], strict=True)),
        steps=(1,) * count,
    )


@moving.layer("DYNAMIC_UPDATE_SLICE")
def updated(site: Site, x: Value, update: Value, starts: Value) -> Value:
    """DYNAMIC_UPDATE_SLICE: the update at its start, moved so that it fits (dynamic_update_slice.cc)."""
    known = site.known(starts)
    sizes = tuple(size for size in (*x.shape, *update.shape) if isinstance(size, int))
    if length_of(starts) != x.rank or update.rank != x.rank:
        site.refuse("sizes that are not known before the run")
    if known is None or len(sizes) != 2 * x.rank:
        return _updated_late(x, update, starts)
    result = update
    for axis in reversed(range(x.rank)):
        room = sizes[axis] - sizes[x.rank + axis]
        start = min(max(known[axis], 0), room)
        around = [(0, 0)] * x.rank
        around[axis] = (start, room - start)
        result = pad(result, padding=tuple(around))
    return select(_covered(x, update, known), result, x)


def _covered(x: Value, update: Value, starts: tuple[int, ...]) -> Value:
    """Which elements an update at known starts covers."""
    import numpy as np

    shape = tuple(size for size in x.shape if isinstance(size, int))
    extent = tuple(size for size in update.shape if isinstance(size, int))
    covered = np.zeros(shape, bool)
    first = [min(max(start, 0), room - size) for start, room, size in zip(starts, shape, extent, strict=True)]
    covered[tuple(slice(start, start + size) for start, size in zip(first, extent, strict=True))] = True
    return literal(covered, DType.BOOL)


def _updated_late(x: Value, update: Value, starts: Value) -> Value:
    """An update whose start only the run tells: as many rows of coordinates as it has elements."""
    room = sub(shape_of(x), shape_of(update))
    first = whole(starts)
    first = smaller(larger(first, scalar_like(first, 0)), room)
    columns: list[Value] = []
    for axis in range(x.rank):
        place = add(
            iota(shape=update.shape, axis=axis, dtype=DType.INT64),
            broadcast(reshape(_entry(first, axis), shape=()), shape=update.shape),
        )
        columns.append(reshape(place, shape=(*update.shape, 1)))
    return scatter_nd(x, concat(*columns, axis=x.rank), update, reduction="none")
