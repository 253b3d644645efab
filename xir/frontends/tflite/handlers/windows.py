"""Elements set apart, windows reduced, products along any axes (dilate.cc, reduce_window.cc; openxla.org/stablehlo)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends.tflite.handlers.cutting import updated as updated_at
from xir.frontends.tflite.site import Handler, Site
from xir.ir.constant import constant_of
from xir.ir.dims import Dim
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import compare, elementwise
from xir.ops.constant import constant
from xir.ops.einsum import einsum
from xir.ops.index import gather
from xir.ops.reduce import reduce_max, reduce_min, reduce_prod, reduce_sum
from xir.ops.shape import broadcast, concat, iota, pad, reshape, slice_

raw: Handlers[Handler] = Handlers("tflite")

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def spaced(x: Value, steps: Sequence[int], fill: Value) -> Value:
    """The elements so many places apart along each axis, `fill` between them."""
    for axis, step in enumerate(steps):
        if step == 1:
            continue
        front, rest = x.shape[: axis + 1], x.shape[axis + 1 :]
        row = reshape(x, shape=(*front, 1, *rest))
        padding = tuple((0, step - 1 if place == axis + 1 else 0) for place in range(row.rank))
        wide = pad(row, None, fill, padding=padding)
        size: Dim = front[-1] * step
        x = reshape(wide, shape=(*front[:-1], size, *rest))
        x = slice_(x, axes=(axis,), starts=(0,), stops=(size - (step - 1),), steps=(1,))
    return x


@raw.layer("DILATE")
def dilated(site: Site, x: Value, steps: Value, fill: Value) -> Value:
    """DILATE."""
    numbers = site.numbers(steps, "steps")
    if len(numbers) != x.rank or min(numbers, default=1) < 1:
        site.invalid(f"steps {list(numbers)} do not fit {x.type!r}")
    return spaced(x, numbers, reshape(fill, shape=()))


_Reduce = Callable[..., Value]
_FUNCTIONS: dict[str, tuple[_Reduce, Callable[[Value, Value], Value]]] = {
    "ADD": (reduce_sum, elementwise.add),
    "MUL": (reduce_prod, elementwise.mul),
    "MINIMUM": (reduce_min, elementwise.minimum),
    "MAXIMUM": (reduce_max, elementwise.maximum),
    "ALL": (reduce_min, elementwise.minimum),
    "ANY": (reduce_max, elementwise.maximum),
}


@raw.layer("REDUCE_WINDOW")
def reduced(site: Site, x: Value, start: Value, window: Value, strides: Value, gaps: Value) -> Value:
    """REDUCE_WINDOW: each window's elements together, and with what a reduction starts with."""
    name = site.word("reduce_function", "UNSUPPORTED")
    if name not in _FUNCTIONS:
        site.refuse(f"the reduction {name}")
    reduce, combine = _FUNCTIONS[name]
    sizes, steps, spaces = (site.numbers(each, "a window") for each in (window, strides, gaps))
    is_truth = x.dtype is DType.BOOL
    data = elementwise.cast(x, dtype=DType.INT32) if is_truth else x
    first = elementwise.cast(start, dtype=DType.INT32) if is_truth else start
    (data,) = windowed(
        site, (data,), sizes, steps, spaces, lambda rows, axis: (reduce(rows[0], axes=(axis,), keep_dims=False),)
    )
    made = combine(broadcast(reshape(first, shape=()), shape=data.shape), data)
    return compare.not_equal(made, broadcast(_zero(made), shape=made.shape)) if is_truth else made


def windowed(
    site: Site,
    values: tuple[Value, ...],
    sizes: Sequence[int],
    strides: Sequence[int],
    spaces: Sequence[int],
    reduce: Callable[[tuple[Value, ...], int], tuple[Value, ...]],
) -> tuple[Value, ...]:
    """The elements of each window of tensors of one shape, combined by `reduce` along one axis after the other."""
    like = values[0]
    if not len(sizes) == len(strides) == len(spaces) == like.rank or min((*sizes, *strides, *spaces), default=1) < 1:
        site.invalid(f"windows {list(sizes)}, {list(strides)}, {list(spaces)} do not fit {like.type!r}")
    for axis, (size, step, space) in reversed([*enumerate(zip(sizes, strides, spaces, strict=True))]):
        extent = like.shape[axis]
        if not isinstance(extent, int):
            site.refuse("windows along an axis of unknown size", "type the inputs: --input")
        count = max((extent - (size - 1) * space - 1) // step + 1, 0)
        places = np.arange(count)[:, None] * step + np.arange(size) * space
        held = constant(value=constant_of(places.astype(np.int64)))
        values = reduce(tuple(gather(value, held, axis=axis) for value in values), axis + 1)
    return values


def _zero(like: Value) -> Value:
    return constant(value=constant_of(np.zeros((), like.dtype.dtype)))


@raw.layer("STABLEHLO_DOT_GENERAL")
def contracted(site: Site, x: Value, y: Value) -> Value:
    """STABLEHLO_DOT_GENERAL: batch axes first, then what is left of each operand."""
    site.ignore("precision_config")
    sides = ("lhs", "rhs")
    batches = [site.integers(f"{side}_batching_dimensions") for side in sides]
    sums = [site.integers(f"{side}_contracting_dimensions") for side in sides]
    fits = len(batches[0]) == len(batches[1]) and len(sums[0]) == len(sums[1]) and x.rank + y.rank <= len(_LETTERS)
    for value, batch, summed in zip((x, y), batches, sums, strict=True):
        axes = (*batch, *summed)
        fits = fits and len(set(axes)) == len(axes) and all(0 <= axis < value.rank for axis in axes)
    if not fits:
        site.invalid(f"axes {batches} and {sums} do not fit {x.type!r} and {y.type!r}")
    first, second = list(_LETTERS[: x.rank]), list(_LETTERS[x.rank : x.rank + y.rank])
    for left, right in zip((*batches[0], *sums[0]), (*batches[1], *sums[1]), strict=True):
        second[right] = first[left]
    result = [first[axis] for axis in batches[0]]
    result += [letter for axis, letter in enumerate(first) if axis not in (*batches[0], *sums[0])]
    result += [letter for axis, letter in enumerate(second) if axis not in (*batches[1], *sums[1])]
    return einsum(x, y, equation=f"{''.join(first)},{''.join(second)}->{''.join(result)}")


@raw.layer("STABLEHLO_DYNAMIC_SLICE")
def cut(site: Site, x: Value, *starts: Value) -> Value:
    """STABLEHLO_DYNAMIC_SLICE: a part of a known size, moved so that it fits."""
    sizes = site.integers("slice_sizes")
    if not len(sizes) == len(starts) == x.rank:
        site.invalid(f"{len(starts)} starts and sizes {list(sizes)} do not fit {x.type!r}")
    for axis, (size, start) in enumerate(zip(sizes, starts, strict=True)):
        extent = x.shape[axis]
        if not isinstance(extent, int) or not 0 <= size <= extent:
            site.invalid(f"{size} elements along axis {axis} of {x.type!r}")
        begin = elementwise.cast(reshape(start, shape=()), dtype=DType.INT64)
        line = iota(shape=(size,), axis=0, dtype=DType.INT64)
        least = elementwise.maximum(begin, _zero(begin))
        begin = elementwise.minimum(least, constant(value=constant_of(np.asarray(extent - size, np.int64))))
        x = gather(x, elementwise.add(line, broadcast(begin, shape=line.shape)), axis=axis)
    return x


@raw.layer("STABLEHLO_DYNAMIC_UPDATE_SLICE")
def updated(site: Site, x: Value, update: Value, *starts: Value) -> Value:
    """STABLEHLO_DYNAMIC_UPDATE_SLICE: another part, moved so that it fits."""
    if len(starts) != x.rank:
        site.invalid(f"{len(starts)} starts do not fit {x.type!r}")
    return updated_at(site, x, update, concat(*(reshape(start, shape=(1,)) for start in starts), axis=0))
