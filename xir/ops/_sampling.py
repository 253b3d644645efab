"""Elements between elements: interpolation at positions that are data, in NumPy and as a graph.

Both walk the same way: a position along an axis becomes one, two or four taps (an index, a weight, and whether the
index lies inside), and the taps of all axes are multiplied out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product as combinations
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from xir.ir.dims import Dim, product
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops._build import scalar_like
from xir.ops._targets import size_value
from xir.ops._windows import Numbers
from xir.ops.compare import greater, greater_equal, less, less_equal, logical_and, logical_or
from xir.ops.elementwise import abs_, add, cast, floor, maximum, minimum, mod, mul, round_, select, sub
from xir.ops.index import gather_elements
from xir.ops.shape import broadcast, reshape

Interpolation = Literal["nearest", "linear", "cubic"]
Outside = Literal["zeros", "border", "reflection"]
Integers: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]

CUBIC = -0.75
"""The coefficient of the cubic kernel (Keys 1981) that GridSample takes (onnx reference, op_grid_sample.py)."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to sample.

    Attributes:
        mode: nearest (half to even), linear or cubic along every axis.
        outside: what lies outside: zeros, the element at the border, or the elements mirrored at the border. A position
            beyond the border moves to the element there; one between that element and the border stays, and reads it
            for what lies outside (onnx's op_grid_sample.py; it shows in the cubic mode).
        align_corners: whether the border runs through the centres of the outermost elements, or around them.
    """

    mode: Interpolation
    outside: Outside
    align_corners: bool

    @property
    def offsets(self) -> tuple[int, ...]:
        """The taps, counted from the element below the position."""
        return {"nearest": (0,), "linear": (0, 1), "cubic": (-1, 0, 1, 2)}[self.mode]

    @property
    def margin(self) -> float:
        """How far the border lies before the first element."""
        return 0.0 if self.align_corners else 0.5


@dataclass(frozen=True, slots=True)
class ArrayTap:
    """One tap along one axis: indices, weights, and where the index lies inside the axis."""

    index: Integers
    weight: Numbers
    inside: Bools


def sample_arrays(x: Numbers, positions: Sequence[Numbers], how: Sampling) -> Numbers:
    """`x: [N, C, spatial...]` at `positions` (one [N, P] an axis, in elements): [N, C, P].

    Numbers of at least 32 bits; "nearest" takes any element type.
    """
    n, channels, *spatial = x.shape
    flat = x.reshape(n, channels, -1)
    if not flat.shape[2]:
        return np.zeros((n, channels, positions[0].shape[1]), x.dtype)
    axes = [_array_taps(position, size, how) for position, size in zip(positions, spatial, strict=True)]
    batch: Integers = np.arange(len(x), dtype=np.int64)[:, np.newaxis]
    total: Numbers | None = None
    for taps in combinations(*axes):
        index = np.zeros_like(taps[0].index)
        inside = np.ones(index.shape, np.bool_)
        weight = np.ones_like(taps[0].weight)
        for tap, size in zip(taps, spatial, strict=True):
            index, inside, weight = index * size + tap.index, inside & tap.inside, weight * tap.weight
        found = np.moveaxis(flat[batch, :, index], 2, 1)
        nothing = np.asarray("" if x.dtype.kind == "O" else 0).astype(x.dtype)
        found = np.where(inside[:, np.newaxis], found, nothing).astype(x.dtype, copy=False)
        if how.mode != "nearest":
            found = found * weight[:, np.newaxis].astype(x.dtype)
        total = found if total is None else total + found
    return total if total is not None else np.zeros((n, channels, 0), x.dtype)


def _array_taps(position: Numbers, size: int, how: Sampling) -> list[ArrayTap]:
    low, high = -how.margin, size - 1 + how.margin
    if how.mode == "nearest":
        position = np.rint(position)
    if how.outside == "border":
        beyond = (position < low) | (position > high)
        position = np.where(beyond, np.clip(position, 0, size - 1), position).astype(position.dtype)
    elif how.outside == "reflection":
        position = _reflected_array(position, low, high)
    base = np.floor(position)
    part = position - base
    taps: list[ArrayTap] = []
    for offset in how.offsets:
        index = base + offset
        inside = (
            np.asarray((index >= 0) & (index <= size - 1)) if how.outside == "zeros" else np.full(index.shape, True)
        )
        if how.outside == "reflection":
            index = _reflected_array(index, low, high)
        kept = np.nan_to_num(np.clip(index, 0, size - 1)).astype(np.int64)
        taps.append(ArrayTap(kept, _array_weight(part, offset, how.mode), inside))
    return taps


def _array_weight(part: Numbers, offset: int, mode: Interpolation) -> Numbers:
    distance = np.abs(part - offset)
    if mode == "linear":
        return 1 - distance
    if offset in (0, 1):
        return ((CUBIC + 2) * distance - (CUBIC + 3)) * distance * distance + 1
    return ((CUBIC * distance - 5 * CUBIC) * distance + 8 * CUBIC) * distance - 4 * CUBIC


def _reflected_array(position: Numbers, low: float, high: float) -> Numbers:
    """Mirrored at `low` and `high` until it lies between them; where they are one, there."""
    span = high - low
    if span <= 0:
        return np.full_like(position, low)
    away = np.mod(np.abs(position - low), 2 * span)
    mirrored = high - np.abs(away - span)
    return np.where((position < low) | (position > high), mirrored, position).astype(position.dtype)


@dataclass(frozen=True, slots=True)
class Tap:
    """One tap along one axis, each [N, P]: an i64 index, a weight, and where the index lies inside (None: anywhere)."""

    index: Value
    weight: Value
    inside: Value | None


def sample_values(x: Value, positions: Sequence[Value], how: Sampling) -> Value:
    """The same as a graph; `x` in the element type of the positions unless the mode is "nearest"."""
    n, channels, *spatial = x.shape
    flat = reshape(x, shape=(n, channels, product(tuple(spatial))))
    points = positions[0].shape[1]
    axes = [_taps(position, size, how) for position, size in zip(positions, spatial, strict=True)]
    terms: list[Value] = []
    for taps in combinations(*axes):
        index = taps[0].index
        for tap, size in zip(taps[1:], spatial[1:], strict=True):
            index = add(mul(index, _filled(index, size)), tap.index)
        spread = broadcast(reshape(index, shape=(n, 1, points)), shape=(n, channels, points))
        found = gather_elements(flat, spread, axis=2)
        inside = _joined([tap.inside for tap in taps], logical_and)
        if inside is not None:
            mask = broadcast(reshape(inside, shape=(n, 1, points)), shape=found.shape)
            found = select(mask, found, scalar_like(found, 0.0))
        if how.mode != "nearest":
            weight = _joined([tap.weight for tap in taps], mul)
            if weight is not None:
                found = mul(found, broadcast(reshape(weight, shape=(n, 1, points)), shape=found.shape))
        terms.append(found)
    return _joined(terms, add) or x


def _joined(values: Sequence[Value | None], combine: Callable[[Value, Value], Value]) -> Value | None:
    result: Value | None = None
    for value in values:
        if value is not None:
            result = value if result is None else combine(result, value)
    return result


def _filled(like: Value, size: Dim) -> Value:
    """A size, everywhere in a tensor of the type of `like`."""
    return broadcast(size_value(size, like.dtype), shape=like.shape)


def _taps(position: Value, size: Dim, how: Sampling) -> list[Tap]:
    zero = scalar_like(position, 0.0)
    last = sub(_filled(position, size), scalar_like(position, 1.0))
    low, high = scalar_like(position, -how.margin), add(last, scalar_like(position, how.margin))
    if how.mode == "nearest":
        position = round_(position)
    if how.outside == "border":
        beyond = logical_or(less(position, low), greater(position, high))
        position = select(beyond, minimum(maximum(position, zero), last), position)
    elif how.outside == "reflection":
        position = _reflected(position, low, high)
    base = floor(position)
    part = sub(position, base)
    taps: list[Tap] = []
    for offset in how.offsets:
        index = add(base, scalar_like(base, float(offset))) if offset else base
        inside = logical_and(greater_equal(index, zero), less_equal(index, last)) if how.outside == "zeros" else None
        if how.outside == "reflection":
            index = _reflected(index, low, high)
        kept = cast(minimum(maximum(index, zero), last), dtype=DType.INT64)
        taps.append(Tap(kept, _weight(part, offset, how.mode), inside))
    return taps


def _weight(part: Value, offset: int, mode: Interpolation) -> Value:
    def number(value: float) -> Value:
        return scalar_like(part, value)

    distance = abs_(sub(part, number(float(offset))))
    if mode != "cubic":
        return sub(number(1.0), distance)
    if offset in (0, 1):
        inner = sub(mul(number(CUBIC + 2), distance), number(CUBIC + 3))
        return add(mul(mul(inner, distance), distance), number(1.0))
    inner = add(mul(sub(mul(number(CUBIC), distance), number(5 * CUBIC)), distance), number(8 * CUBIC))
    return sub(mul(inner, distance), number(4 * CUBIC))


def _reflected(position: Value, low: Value, high: Value) -> Value:
    """As in NumPy; a span of nothing is taken as one, and what comes out of that is clamped to the one index."""
    span = sub(high, low)
    span = select(greater(span, scalar_like(span, 0.0)), span, scalar_like(span, 1.0))
    away = mod(abs_(sub(position, low)), add(span, span), floored=False)
    mirrored = sub(high, abs_(sub(away, span)))
    return select(logical_or(less(position, low), greater(position, high)), mirrored, position)


__all__ = ["Interpolation", "Outside", "Sampling", "sample_arrays", "sample_values"]
