"""Slices and padding; what is known before the run becomes an attribute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends.tensorflow._site import Handler, Site
from xir.frontends.tensorflow.handlers._sizes import entries, whole
from xir.ir.constant import constant_of
from xir.ir.dims import Dim, Shape, Symbol, equal, maximum, minimum
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops._targets import size_value
from xir.ops.arithmetic import select
from xir.ops.compare import equal as equal_to
from xir.ops.constant import constant, identity
from xir.ops.elementwise import add
from xir.ops.index import gather
from xir.ops.shape import concat, pad, reshape, reverse, slice_, transpose

handlers: Handlers[Handler] = Handlers("tensorflow")

_END = (1 << 31) - 1


@handlers.layer("Slice")
def cut(site: Site, x: Value, begin: Value, size: Value) -> Value:
    """Slice: a size of -1 reaches to the end."""
    starts, sizes = entries(site, begin, x.rank), entries(site, size, x.rank)
    axes, ones = tuple(range(x.rank)), (1,) * x.rank
    known = tuple(Symbol() if start is None else start for start in starts)
    stops = tuple(
        Symbol() if length is None else whole_size if length == -1 else start + length
        for start, length, whole_size in zip(known, sizes, x.shape, strict=True)
    )
    if None not in starts and None not in sizes:
        return slice_(x, axes=axes, starts=known, stops=stops, steps=ones) if axes else identity(x)
    first, lengths = whole(site, begin), whole(site, size)
    ends = [_end(first, lengths, axis, length, x.shape[axis]) for axis, length in enumerate(sizes)]
    stop = concat(*ends, axis=0) if len(ends) > 1 else ends[0]
    return slice_(x, first, stop, axes=axes, starts=known, stops=stops, steps=ones)


def _end(first: Value, lengths: Value, axis: int, length: Dim | None, whole_size: Dim) -> Value:
    """Where a slice ends along an axis, i64[1]; its length may be told by the run, a -1 too."""
    size = reshape(size_value(whole_size, DType.INT64), shape=(1,))
    if length == -1:
        return size
    start, given = (slice_(each, axes=(0,), starts=(axis,), stops=(axis + 1,), steps=(1,)) for each in (first, lengths))
    if length is not None:
        return add(start, given)
    to_end = equal_to(given, constant(value=constant_of(np.full(1, -1, np.int64))))
    return select(to_end, size, add(start, given))


@dataclass(slots=True)
class _Cut:
    """A strided slice, entry by entry (strided_slice_op.cc, ValidateStridedSliceOp).

    Attributes:
        x: what is cut.
        begins: where each entry begins, as far as it is known.
        ends: where it ends.
        steps: its steps.
        first: `begins` at run time.
        last: `ends` at run time.
    """

    site: Site
    x: Value
    begins: Sequence[Dim | None]
    ends: Sequence[Dim | None]
    steps: Sequence[int]
    first: Value
    last: Value
    axis: int = 0
    shape: list[Dim] = field(default_factory=list[Dim])

    def keep(self) -> None:
        """An axis that stays whole."""
        self.shape.append(self.x.shape[self.axis])
        self.axis += 1

    def shrink(self, entry: int) -> None:
        """An axis of which one element is taken; the axis goes away."""
        begin, size = self.begins[entry], self.x.shape[self.axis]
        if begin is None or (not isinstance(begin, int) and isinstance(size, int)):
            self.x = gather(self.x, reshape(self._at(self.first, entry), shape=()), axis=self.axis)
            return
        if isinstance(begin, int) and begin < 0:
            begin = begin + size
        rest = (*self.x.shape[: self.axis], *self.x.shape[self.axis + 1 :])
        row = slice_(self.x, axes=(self.axis,), starts=(begin,), stops=(begin + 1,), steps=(1,))
        self.x = reshape(row, shape=rest)

    def _at(self, numbers: Value, entry: int) -> Value:
        return whole(self.site, slice_(numbers, axes=(0,), starts=(entry,), stops=(entry + 1,), steps=(1,)))

    def range(self, entry: int, from_start: bool, to_end: bool) -> None:
        """A range of an axis."""
        step, size = self.steps[entry], self.x.shape[self.axis]
        begin = (0 if step > 0 else -1) if from_start else self.begins[entry]
        end = None if to_end else self.ends[entry]
        if begin is None or (end is None and not to_end):
            self._late(entry, from_start, to_end, step)
        elif step < 0:
            self._backwards(begin, None if to_end else end, step, size)
        else:
            low = _clamped(begin, size)
            high = size if end is None else _clamped(end, size)
            self._take(low, maximum(low, high), step)
        self.shape.append(self.x.shape[self.axis])
        self.axis += 1

    def _take(self, low: Dim, high: Dim, step: int) -> None:
        if not (low == 0 and equal(high, self.x.shape[self.axis]) is True and step == 1):
            self.x = slice_(self.x, axes=(self.axis,), starts=(low,), stops=(high,), steps=(step,))

    def _backwards(self, begin: Dim, end: Dim | None, step: int, size: Dim) -> None:
        """Steps towards the front: the axis is turned round first."""
        if not isinstance(begin, int) or (end is not None and not isinstance(end, int)):
            self.site.refuse("steps towards the front between ends that are computed at run time")
        self.x = reverse(self.x, axes=(self.axis,))
        low = minimum(maximum(size - 1 - (begin if begin >= 0 else size + begin), 0), size)
        high = size if end is None else minimum(maximum(size - 1 - (end if end >= 0 else size + end), 0), size)
        self._take(low, maximum(low, high), -step)

    def _late(self, entry: int, from_start: bool, to_end: bool, step: int) -> None:
        if step < 0:
            self.site.refuse("steps towards the front between ends that are computed at run time")
        zero = constant(value=constant_of(np.zeros(1, np.int64)))
        far = constant(value=constant_of(np.full(1, _END, np.int64)))
        start = zero if from_start else self._at(self.first, entry)
        stop = far if to_end else self._at(self.last, entry)
        low: Dim = Symbol()
        self.x = slice_(self.x, start, stop, axes=(self.axis,), starts=(low,), stops=(Symbol(),), steps=(step,))


def _clamped(place: Dim, size: Dim) -> Dim:
    """A place between 0 and the size; negative ones count from the end."""
    if isinstance(place, int) and place < 0:
        return maximum(size + place, 0)
    return minimum(place, size)


@handlers.layer("StridedSlice")
def strided(site: Site, x: Value, begin: Value, end: Value, strides: Value) -> Value:
    """StridedSlice with its five masks."""
    steps = site.numbers(strides, "steps")
    count = len(steps)
    begins, ends = entries(site, begin, count), entries(site, end, count)
    names = ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")
    first, last, dots, new, gone = (site.integer(name) for name in names)
    if 0 in steps:
        site.invalid("a step is 0")
    made = _Cut(site, x, begins, ends, steps, begin, end)
    after = [entry for entry in range(count) if not dots >> entry & 1 and not new >> entry & 1]
    for entry in range(count):
        if dots >> entry & 1:
            behind = sum(1 for other in after if other > entry)
            while made.x.rank - made.axis > behind:
                made.keep()
        elif new >> entry & 1:
            made.shape.append(1)
        elif made.axis >= made.x.rank:
            site.invalid(f"{x.type!r} has no axis for entry {entry}")
        elif gone >> entry & 1:
            made.shrink(entry)
        else:
            made.range(entry, bool(first >> entry & 1), bool(last >> entry & 1))
    while made.axis < made.x.rank:
        made.keep()
    shape: Shape = tuple(made.shape)
    return made.x if made.x is not x and made.x.shape == shape else reshape(made.x, shape=shape)


@handlers.layer("Pad", "PadV2")
def padded(site: Site, x: Value, amounts: Value, fill: Value | None = None) -> Value:
    """Pad and PadV2: `amounts` [rank, 2]; of those that are computed only what they make of each size is told."""
    if tuple(amounts.shape) != (x.rank, 2):
        site.invalid(f"padding of {amounts.type!r} for {x.type!r}")
    known = site.sizes(amounts)
    if known is None:
        ends = reshape(transpose(whole(site, amounts), perm=(1, 0)), shape=(2 * x.rank,))
        return pad(x, ends, fill, padding=tuple((0, Symbol() - size) for size in x.shape))
    padding = tuple((known[2 * axis], known[2 * axis + 1]) for axis in range(x.rank))
    return pad(x, None, fill, padding=padding)


@handlers.layer("MirrorPad")
def mirrored(site: Site, x: Value, amounts: Value) -> Value:
    """MirrorPad: REFLECT leaves out the edge, SYMMETRIC repeats it."""
    known = site.numbers(amounts, "padding")
    padding = tuple((known[2 * axis], known[2 * axis + 1]) for axis in range(x.rank))
    if site.choice("mode", "REFLECT", "SYMMETRIC") == "REFLECT":
        return pad(x, padding=padding, mode="reflect")
    for axis, (before, after) in enumerate(padding):
        size = x.shape[axis]
        pieces = [x]
        if before:
            pieces.insert(0, reverse(_piece(x, axis, 0, before), axes=(axis,)))
        if after:
            pieces.append(reverse(_piece(x, axis, size - after, size), axes=(axis,)))
        x = concat(*pieces, axis=axis) if len(pieces) > 1 else x
    return identity(x)


def _piece(x: Value, axis: int, start: Dim, stop: Dim) -> Value:
    return slice_(x, axes=(axis,), starts=(start,), stops=(stop,), steps=(1,))


@handlers.layer("ReverseV2")
def reversed_along(site: Site, x: Value, axes: Value) -> Value:
    """ReverseV2: axes by number."""
    return reverse(x, axes=site.axes(site.numbers(axes, "axes"), x.rank))


@handlers.layer("Reverse")
def reversed_where(site: Site, x: Value, flags: Value) -> Value:
    """Reverse: a truth value an axis."""
    chosen = site.array(flags, "axes").reshape(-1).tolist()
    return reverse(x, axes=tuple(axis for axis, flag in enumerate(chosen) if flag))


@handlers.layer("Roll")
def rolled(site: Site, x: Value, shifts: Value, axes: Value) -> Value:
    """Roll: elements that fall off the end come in at the front."""
    for shift, axis in zip(site.numbers(shifts, "shifts"), site.axes(site.numbers(axes, "axes"), x.rank), strict=True):
        size = x.shape[axis]
        if isinstance(size, int) and size:
            place = (size - shift) % size
            x = concat(_piece(x, axis, place, size), _piece(x, axis, 0, place), axis=axis)
        elif not isinstance(size, int):
            site.refuse("a shift along an axis of unknown size")
    return identity(x)
