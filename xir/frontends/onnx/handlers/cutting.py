"""Cutting, padding and repeating; what is known before the run becomes an attribute."""

from __future__ import annotations

from typing import Literal

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.frontends.onnx.handlers._vectors import length, numbers, unknown
from xir.ir.constant import constant_of
from xir.ir.dims import Dim, Shape, Symbol, bounds, floor_divide, maximum, minimum
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops.compare import equal
from xir.ops.constant import constant
from xir.ops.elementwise import cast, select
from xir.ops.late import slice_late
from xir.ops.shape import broadcast, iota, pad, range_, reshape, reverse, shape_of, slice_, split, tile

handlers: Handlers[Handler] = Handlers("onnx")


def _equal_pieces(site: Site, x: Value, axis: int, count: int) -> tuple[Value, ...]:
    """`count` pieces of one size, the last one smaller where they do not come out even."""
    size = x.shape[axis]
    if count < 1:
        site.invalid(f"{count} pieces are asked for")
    piece = -(-size // count) if isinstance(size, int) else floor_divide(size, count)
    sizes = (*((piece,) * (count - 1)), size - piece * (count - 1))
    if any((bounds(each)[1] or 0) < 0 for each in sizes if isinstance(each, int)):
        site.invalid(f"axis {axis} of {x.type!r} has no {count} pieces")
    return split(x, axis=axis, sizes=sizes)


def _axis(site: Site, x: Value) -> int:
    return site.axis(site.integer("axis", 0), x.rank)


@handlers.layer(*versions("Split", 1))
def split_of_the_first_opset(site: Site, x: Value, sizes: Value | None = None) -> tuple[Value, ...]:
    """Split with sizes as an attribute, or as an operand that has the element type of `x`."""
    if sizes is None:
        return split_by_attribute(site, x)
    if site.has("split"):
        site.invalid("sizes are given as an attribute and as an operand")
    held = site.scope.constant_of(sizes)
    if held is not None:
        known = tuple(int(size) for size in held.array().astype(np.int64).reshape(-1).tolist())
        return split(x, axis=_axis(site, x), sizes=known)
    return _split_at_run_time(site, x, cast(sizes, dtype=DType.INT64))


@handlers.layer(*versions("Split", 2, 11))
def split_by_attribute(site: Site, x: Value) -> tuple[Value, ...]:
    """Split with sizes as an attribute, equal ones by default."""
    if site.has("split"):
        return split(x, axis=_axis(site, x), sizes=site.integers("split"))
    return _equal_pieces(site, x, _axis(site, x), len(site.node.outputs))


@handlers.layer(*versions("Split", 13, 18))
def split_by_operand(site: Site, x: Value, sizes: Value | None = None) -> tuple[Value, ...]:
    """Split with sizes as an operand; `num_outputs` (opset 18) makes the last piece smaller."""
    count = site.integer("num_outputs") if site.has("num_outputs") else None
    if sizes is None:
        return _equal_pieces(site, x, _axis(site, x), len(site.node.outputs) if count is None else count)
    if count is not None:
        site.invalid("the number of pieces and their sizes are given")
    known = site.sizes(sizes)
    return _split_at_run_time(site, x, sizes) if known is None else split(x, axis=_axis(site, x), sizes=known)


def _split_at_run_time(site: Site, x: Value, sizes: Value) -> tuple[Value, ...]:
    count = length(sizes) or len(site.node.outputs)
    return split(x, sizes, axis=_axis(site, x), sizes=unknown(count))


@handlers.layer(*versions("Tile", 1))
def tiled_along_one_axis(site: Site, x: Value, count: Value, axis: Value) -> Value:
    """Tile of the first opset: one axis is repeated; both operands have the element type of `x`."""
    known = [site.scope.constant_of(operand) for operand in (count, axis)]
    if known[0] is not None and known[1] is not None:
        repeats = [1] * x.rank
        repeats[site.axis(int(site.scalar(axis, "an axis")), x.rank)] = int(site.scalar(count, "a count"))
        return tile(x, repeats=tuple(repeats))
    line = iota(shape=(x.rank,), axis=0, dtype=DType.INT64)
    wanted, times = (
        broadcast(reshape(cast(operand, dtype=DType.INT64), shape=()), shape=(x.rank,)) for operand in (axis, count)
    )
    once = broadcast(constant(value=constant_of(np.asarray(1, np.int64))), shape=(x.rank,))
    return tile(x, select(equal(line, wanted), times, once), repeats=unknown(x.rank))


@handlers.layer(*versions("Tile", 6, 13))
def tiled(site: Site, x: Value, repeats: Value) -> Value:
    """Tile."""
    known = site.sizes(repeats)
    return tile(x, repeats, repeats=unknown(x.rank)) if known is None else tile(x, repeats=known)


_MODES = ("constant", "reflect", "edge", "wrap")
_EXACT = 1 << 53
"""Integers up to this are held by a float exactly."""


@handlers.layer(*versions("Pad", 1))
def padded_of_the_first_opset(site: Site, x: Value) -> Value:
    """Pad of the first opset, which calls the amounts `paddings`."""
    mode, pads = site.choice("mode", _MODES[:3], "constant"), site.integers("paddings")
    return _padded(site, x, pads, mode, site.real("value", 0.0))


@handlers.layer(*versions("Pad", 2))
def padded_by_attributes(site: Site, x: Value) -> Value:
    """Pad before opset 11: amounts and value as attributes."""
    mode, pads = site.choice("mode", _MODES[:3], "constant"), site.integers("pads")
    return _padded(site, x, pads, mode, site.real("value", 0.0))


@handlers.layer(*versions("Pad", 11, 13))
def padded_by_operands(site: Site, x: Value, pads: Value, value: Value | None = None) -> Value:
    """Pad with its amounts and value as operands."""
    return _padded_by_operands(site, x, pads, value, None, _MODES[:3])


@handlers.layer(*versions("Pad", 18))
def padded_along_axes(
    site: Site, x: Value, pads: Value, value: Value | None = None, axes: Value | None = None
) -> Value:
    """Pad with the axes that it pads."""
    return _padded_by_operands(site, x, pads, value, axes, _MODES[:3])


@handlers.layer(*versions("Pad", 19, 21, 23, 24, 25))
def padded(site: Site, x: Value, pads: Value, value: Value | None = None, axes: Value | None = None) -> Value:
    """Pad with the mode `wrap`."""
    return _padded_by_operands(site, x, pads, value, axes, _MODES)


def _padded_by_operands(
    site: Site, x: Value, pads: Value, value: Value | None, axes: Value | None, modes: tuple[str, ...]
) -> Value:
    mode = site.choice("mode", modes, "constant")
    if value is None or mode != "constant":
        value, fill = None, 0.0
    else:
        found = _number(site, value)
        value, fill = (value, 0.0) if found is None else (None, found)
    known = site.sizes(pads)
    chosen = None if axes is None else numbers(site, axes)
    if known is None or (axes is not None and chosen is None):
        return _padded_at_run_time(site, x, pads, value, axes, mode, fill)
    if chosen is None:
        return _padded(site, x, known, mode, fill, value)
    chosen = site.axes(chosen, x.rank)
    if len(known) != 2 * len(chosen):
        site.invalid(f"{len(known)} pads for {len(chosen)} axes")
    every: list[Dim] = [0] * (2 * x.rank)
    for index, axis in enumerate(chosen):
        every[axis], every[x.rank + axis] = known[index], known[len(chosen) + index]
    return _padded(site, x, tuple(every), mode, fill, value)


def _number(site: Site, value: Value) -> float | None:
    """A padding value that is known and that a float holds exactly; for text the empty one, which is the default."""
    held = site.scope.constant_of(value)
    if held is not None and held.dtype is DType.STRING and held.array().reshape(-1).tolist() == [""]:
        return 0.0
    if held is None or not (held.dtype.is_floating or held.dtype.is_integer or held.dtype is DType.BOOL):
        return None
    found = site.scalar(value, "a padding value")
    return None if held.dtype.is_integer and abs(found) > _EXACT else found


def _padded(site: Site, x: Value, pads: Shape, mode: str, fill: float, value: Value | None = None) -> Value:
    if len(pads) != 2 * x.rank:
        site.invalid(f"{len(pads)} pads for {x.type!r}, expected {2 * x.rank}")
    pairs = tuple(zip(pads[: x.rank], pads[x.rank :], strict=True))
    return pad(x, None, value, padding=pairs, mode=_mode(mode), value=fill)


def _padded_at_run_time(
    site: Site, x: Value, pads: Value, value: Value | None, axes: Value | None, mode: str, fill: float
) -> Value:
    """Of the amounts only what they make of each size is told: a fresh one, on the axes that may be padded."""
    chosen = None if axes is None else numbers(site, axes)
    free = range(x.rank) if chosen is None else site.axes(chosen, x.rank)
    pairs = tuple((0, Symbol() - size if axis in free else 0) for axis, size in enumerate(x.shape))
    return pad(x, pads, value, axes, padding=pairs, mode=_mode(mode), value=fill)


def _mode(mode: str) -> Literal["constant", "edge", "reflect", "wrap"]:
    match mode:
        case "reflect" | "edge" | "wrap":
            return mode
        case _:
            return "constant"


@handlers.layer(*versions("Slice", 1))
def sliced_by_attributes(site: Site, x: Value) -> Value:
    """Slice before opset 10: everything is an attribute."""
    starts, ends = site.integers("starts"), site.integers("ends")
    axes = site.integers("axes", tuple(range(len(starts))))
    return _sliced(site, x, starts, ends, axes, (1,) * len(starts))


@handlers.layer(*versions("Slice", 10, 11, 13))
def sliced(
    site: Site, x: Value, starts: Value, ends: Value, axes: Value | None = None, steps: Value | None = None
) -> Value:
    """Slice with everything as operands."""
    if axes is None and all(each is None or length(each) is None for each in (starts, ends, steps)):
        return slice_late(x, starts, ends, _first_axes(starts), steps, axes=())
    chosen = _slice_axes(site, starts, ends, axes, steps)
    jumps = None if chosen is None else (1,) * len(chosen) if steps is None else numbers(site, steps)
    if chosen is None or jumps is None:
        return _sliced_late(site, x, (starts, ends, axes, steps), chosen)
    known_starts, known_ends = site.sizes(starts), site.sizes(ends)
    if known_starts is not None and known_ends is not None and _can_turn(known_starts, known_ends, jumps):
        return _sliced(site, x, known_starts, known_ends, chosen, jumps)
    if any(step < 1 for step in jumps):
        return _sliced_late(site, x, (starts, ends, axes, steps), chosen)
    return _sliced_at_run_time(site, x, (starts, known_starts), (ends, known_ends), chosen, jumps)


def _slice_axes(
    site: Site, starts: Value, ends: Value, axes: Value | None, steps: Value | None
) -> tuple[int, ...] | None:
    """The axes that are cut: without an operand the first ones, as many as there are starts; None where unknown."""
    if axes is not None:
        return numbers(site, axes)
    counts = (length(operand) for operand in (starts, ends, steps) if operand is not None)
    return tuple(range(next(count for count in counts if count is not None)))


def _first_axes(starts: Value) -> Value:
    """0, 1, 2 ... as many as there are starts, which only the run tells."""
    zero, one = (constant(value=constant_of(np.asarray(number, np.int64))) for number in (0, 1))
    return range_(zero, reshape(shape_of(starts), shape=()), one)


def _can_turn(starts: Shape, ends: Shape, steps: tuple[int, ...]) -> bool:
    """Whether backward slices have bounds that are numbers."""
    if not len(starts) == len(ends) == len(steps):
        return True
    pairs = zip(starts, ends, steps, strict=True)
    return all(step > 0 or (isinstance(start, int) and isinstance(end, int)) for start, end, step in pairs)


def _sliced_late(
    site: Site,
    x: Value,
    operands: tuple[Value, Value, Value | None, Value | None],
    chosen: tuple[int, ...] | None,
) -> Value:
    starts, ends, axes, steps = operands
    if chosen is not None:
        return slice_late(x, starts, ends, None, steps, axes=site.axes(chosen, x.rank))
    return slice_late(x, starts, ends, axes, steps, axes=())


def _sliced(site: Site, x: Value, starts: Shape, ends: Shape, axes: tuple[int, ...], steps: tuple[int, ...]) -> Value:
    if not len(starts) == len(ends) == len(axes) == len(steps):
        site.invalid(f"{len(starts)} starts, {len(ends)} ends, {len(axes)} axes and {len(steps)} steps")
    axes = site.axes(axes, x.rank)
    firsts: list[Dim] = []
    lasts: list[Dim] = []
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        size = x.shape[axis]
        if step == 0:
            site.invalid("a step of 0")
        if step < 0:
            start, end = _mirrored(start, size), _mirrored(end, size)
        first = _clamped(start, size)
        firsts.append(first)
        lasts.append(maximum(_clamped(end, size), first))
    turned = tuple(axis for axis, step in zip(axes, steps, strict=True) if step < 0)
    if turned:
        x = reverse(x, axes=turned)
    jumps = tuple(abs(step) for step in steps)
    everything = all(
        first == 0 and last == x.shape[axis] and step == 1
        for first, last, axis, step in zip(firsts, lasts, axes, jumps, strict=True)
    )
    if turned and everything:
        return x
    return slice_(x, axes=axes, starts=tuple(firsts), stops=tuple(lasts), steps=jumps)


def _mirrored(place: Dim, size: Dim) -> Dim:
    """A place of the turned axis: `size - 1 - place`, ends below the first element being behind the last."""
    if not isinstance(place, int):
        raise TypeError("backward slices at places that are not known are sliced late")
    if place >= 0:
        return maximum(size - 1 - place, 0)
    if isinstance(size, int):
        return min(-1 - place, size)
    return minimum(-1 - place, size)


def _clamped(place: Dim, size: Dim) -> Dim:
    """A start or end within [0, size]; negative ones count from the end."""
    if isinstance(place, int) and place < 0:
        return maximum(size + place, 0)
    if isinstance(place, int) and place >= 1 << 31:
        return size
    return minimum(place, size)


def _sliced_at_run_time(
    site: Site,
    x: Value,
    start: tuple[Value, Shape | None],
    end: tuple[Value, Shape | None],
    axes: tuple[int, ...],
    steps: tuple[int, ...],
) -> Value:
    """Each size of the result is a fresh one; a bound that is known stays as it is."""
    chosen = site.axes(axes, x.rank)
    spans = [Symbol(maximum=bounds(x.shape[axis])[1]) * step for axis, step in zip(chosen, steps, strict=True)]
    firsts, lasts = (None if known is None else _told(x, known, chosen) for _, known in (start, end))
    if firsts is None and lasts is None:
        firsts = unknown(len(chosen))
    if firsts is None:
        firsts = tuple(last - span for last, span in zip(lasts or (), spans, strict=True))
    elif lasts is None:
        lasts = tuple(first + span for first, span in zip(firsts, spans, strict=True))
    return slice_(
        x,
        start[0] if start[1] is None else None,
        end[0] if end[1] is None else None,
        axes=chosen,
        starts=firsts,
        stops=lasts or (),
        steps=steps,
    )


def _told(x: Value, known: Shape, axes: tuple[int, ...]) -> Shape:
    """What is known of the bounds."""
    return tuple(_clamped(place, x.shape[axis]) for place, axis in zip(known, axes, strict=True))
