"""Operations of `keras.ops` that move elements about (keras/src/ops/numpy.py)."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends._operands import product_of
from xir.frontends.keras.config import plain, whole
from xir.frontends.keras.handlers._slots import axes_of, axis_of, slots_of
from xir.frontends.keras.owners import OPERATION
from xir.frontends.keras.site import Handler, Site
from xir.ir.broadcasting import join
from xir.ir.constant import constant_of
from xir.ir.dims import Dim, floor_divide
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops.constant import constant
from xir.ops.elementwise import cast
from xir.ops.index import gather, gather_elements
from xir.ops.padding import pad
from xir.ops.reduce import top_k
from xir.ops.running import cumsum
from xir.ops.shape import broadcast, concat, reshape, reverse, slice_, split, tile, transpose

handlers: Handlers[Handler] = Handlers("keras")


@handlers.layer(OPERATION + "Concatenate")
def joined(site: Site, *operands: Value) -> Value:
    """Concatenate."""
    return concat(*operands, axis=axis_of(site, operands[0].rank, 0))


@handlers.layer(OPERATION + "Stack")
def stacked(site: Site, *operands: Value) -> Value:
    """Stack."""
    axis = axis_of(site, operands[0].rank + 1, 0)
    return concat(*(_widened(value, axis) for value in operands), axis=axis)


def _widened(x: Value, axis: int) -> Value:
    return reshape(x, shape=(*x.shape[:axis], 1, *x.shape[axis:]))


@handlers.layer(OPERATION + "ExpandDims")
def expanded(site: Site, x: Value) -> Value:
    """ExpandDims."""
    axes = [whole(axis, "axis") for axis in site.config.listed("axis")]
    for axis in sorted(site.axes(axes, x.rank + len(axes))):
        x = _widened(x, axis)
    return x


@handlers.layer(OPERATION + "Squeeze")
def squeezed(site: Site, x: Value) -> Value:
    """Squeeze."""
    listed = [whole(axis, "axis") for axis in site.config.listed("axis")]
    axes = site.axes(listed, x.rank) if listed else tuple(axis for axis in range(x.rank) if x.shape[axis] == 1)
    if any(x.shape[axis] != 1 for axis in axes):
        site.invalid(f"the axes {list(axes)} of {x.type!r} are not all of size 1")
    return reshape(x, shape=tuple(size for axis, size in enumerate(x.shape) if axis not in axes))


@handlers.layer(OPERATION + "Reshape")
def shaped(site: Site, x: Value) -> Value:
    """Reshape; sizes may be -1 or None: what is left."""
    target: list[Dim] = [-1 if size is None else whole(size, "newshape") for size in site.config.listed("newshape")]
    if -1 in target:
        rest = product_of([size for size in target if size != -1])
        target[target.index(-1)] = floor_divide(product_of(x.shape), rest)
    return reshape(x, shape=tuple(target))


@handlers.layer(OPERATION + "Transpose")
def transposed(site: Site, x: Value) -> Value:
    """Transpose."""
    listed = [whole(axis, "axes") for axis in site.config.listed("axes")]
    return transpose(x, perm=site.axes(listed, x.rank) if listed else tuple(reversed(range(x.rank))))


@handlers.layer(OPERATION + "Swapaxes")
def swapped(site: Site, x: Value) -> Value:
    """Swapaxes."""
    first, second = (site.axis(site.config.integer(name), x.rank) for name in ("axis1", "axis2"))
    perm = list(range(x.rank))
    perm[first], perm[second] = second, first
    return transpose(x, perm=tuple(perm))


@handlers.layer(OPERATION + "Flip")
def flipped(site: Site, x: Value) -> Value:
    """Flip."""
    return reverse(x, axes=axes_of(site, x))


@handlers.layer(OPERATION + "BroadcastTo")
def widened(site: Site, x: Value) -> Value:
    """BroadcastTo; sizes that are open are those of the operand."""
    listed = site.config.listed("shape")
    first = len(listed) - x.rank
    sizes = [x.shape[place - first] if size is None else whole(size, "shape") for place, size in enumerate(listed)]
    return site.repeated(x, tuple(sizes))


@handlers.layer(OPERATION + "Tile")
def tiled(site: Site, x: Value) -> Value:
    """Tile."""
    counts = [whole(count, "repeats") for count in site.config.listed("repeats")]
    rank = max(x.rank, len(counts))
    wide = reshape(x, shape=((1,) * (rank - x.rank) + x.shape))
    return tile(wide, repeats=tuple([1] * (rank - len(counts)) + counts))


@handlers.layer(OPERATION + "Pad")
def padded(site: Site, *operands: Value) -> Value:
    """Pad: amounts before and behind along each axis; the number to pad with is the second argument."""
    slots = slots_of(site, operands)
    reflected = site.config.word("mode", "constant", "constant", "reflect") == "reflect"
    if not isinstance(slots[0], Value) or (len(slots) > 1 and not isinstance(slots[1], int | float)):
        site.refuse("a padding with elements that are computed")
    amounts: list[tuple[int, int]] = []
    for pair in site.config.listed("pad_width"):
        before, after = pair if isinstance(pair, list) and len(pair) == 2 else (pair, pair)
        amounts.append((whole(before, "pad_width"), whole(after, "pad_width")))
    fill = slots[1] if len(slots) > 1 and isinstance(slots[1], int | float) else 0.0
    return pad(slots[0], padding=tuple(amounts), mode="reflect" if reflected else "constant", value=float(fill))


@handlers.layer(OPERATION + "Repeat")
def repeated(site: Site, x: Value) -> Value:
    """Repeat: each element so many times, along one axis."""
    count, axis = site.config.integer("repeats"), axis_of(site, x.rank, 0)
    wide = broadcast(_widened(x, axis + 1), shape=(*x.shape[: axis + 1], count, *x.shape[axis + 1 :]))
    return reshape(wide, shape=(*x.shape[:axis], x.shape[axis] * count, *x.shape[axis + 1 :]))


@handlers.layer(OPERATION + "Split")
def parts(site: Site, x: Value) -> tuple[Value, ...]:
    """Split into equal parts, or at places."""
    axis = axis_of(site, x.rank, 0)
    held = site.config.raw("indices_or_sections")
    if isinstance(held, list):
        places: list[Dim] = [0, *(whole(place, "indices_or_sections") for place in held), x.shape[axis]]
        sizes = tuple(after - before for before, after in pairwise(places))
        return split(x, axis=axis, sizes=sizes)
    count = whole(held, "indices_or_sections")
    return split(x, axis=axis, sizes=(floor_divide(x.shape[axis], count),) * count)


@handlers.layer(OPERATION + "Take")
def taken(site: Site, *operands: Value) -> Value:
    """Take: elements along an axis by their places, which may be numbers of the configuration."""
    slots = slots_of(site, operands)
    if len(slots) != 2 or not isinstance(slots[0], Value):
        site.invalid("a tensor and places are needed")
    x, places = slots
    if not isinstance(x, Value):
        site.invalid("a tensor is needed")
    if not isinstance(places, Value):
        places = constant(value=constant_of(np.asarray(places, np.int32)))
    if site.config.raw("axis") is None:
        x = reshape(x, shape=(product_of(x.shape),))
    return gather(x, places, axis=axis_of(site, x.rank, 0))


@handlers.layer(OPERATION + "TopK")
def largest(site: Site, x: Value) -> tuple[Value, Value]:
    """TopK: the largest elements along the last axis and their places, i32."""
    site.config.ignore("sorted")
    values, places = top_k(x, k=site.config.integer("k"), axis=x.rank - 1)
    return values, cast(places, dtype=DType.INT32)


@handlers.layer(OPERATION + "Cumsum")
def running(site: Site, x: Value) -> Value:
    """Cumsum."""
    if site.config.raw("dtype") is not None:
        site.refuse("a sum in numbers of another type", "cast its operand")
    if site.config.raw("axis") is None:
        x = reshape(x, shape=(product_of(x.shape),))
    return cumsum(x, axis=axis_of(site, x.rank, 0))


@handlers.layer(OPERATION + "TakeAlongAxis")
def picked(site: Site, *operands: Value) -> Value:
    """TakeAlongAxis: for each place of the result the element of that line, at the place that the indices say."""
    x, places = (slot for slot in slots_of(site, operands) if isinstance(slot, Value))
    axis = axis_of(site, x.rank, -1)
    sizes = join([(*x.shape[:axis], 1, *x.shape[axis + 1 :]), (*places.shape[:axis], 1, *places.shape[axis + 1 :])])
    x, places = (site.repeated(value, (*sizes[:axis], value.shape[axis], *sizes[axis + 1 :])) for value in (x, places))
    return gather_elements(x, places, axis=axis)


@handlers.layer(OPERATION + "GetItem")
def item(site: Site, x: Value) -> Value:
    """GetItem: numbers, slices, new axes and an ellipsis, as Python indexes."""
    key = plain(site.argument("argument 1"))
    listed = key if isinstance(key, list) else [key]
    drop: list[int] = []
    for axis, entry in enumerate(listed):
        if isinstance(entry, int) and not isinstance(entry, bool):
            last = None if entry == -1 else entry + 1
            x = _sliced(x, axis, entry, last, 1)
            drop.append(axis)
        elif isinstance(entry, dict) and entry.get("class_name") == "__slice__":
            config = entry.get("config")
            if not isinstance(config, dict):
                site.invalid("a slice has no configuration")
            start, stop, step = (config.get(name) for name in ("start", "stop", "step"))
            x = _sliced(
                x,
                axis,
                0 if start is None else whole(start, "start"),
                None if stop is None else whole(stop, "stop"),
                1 if step is None else whole(step, "step"),
            )
        else:
            site.refuse(f"an index {str(entry)[:60]!r}")
    return reshape(x, shape=tuple(size for place, size in enumerate(x.shape) if place not in drop)) if drop else x


def _sliced(x: Value, axis: int, start: int, stop: int | None, step: int) -> Value:
    if step < 1:
        raise ValueError(f"the step {step} of a slice is not positive")
    size = x.shape[axis]
    first: Dim = size + start if start < 0 else start
    last: Dim = size if stop is None else size + stop if stop < 0 else stop
    if isinstance(size, int) and isinstance(last, int):
        last = min(last, size)
    return slice_(x, axes=(axis,), starts=(first,), stops=(last,), steps=(step,))
