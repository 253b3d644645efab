"""Resizing to sizes that only a run tells: each axis by tables of indices and weights that the program computes first.

Where sizes are known the operator's own pieces are used, in which the tables are weights. The formulas are those of
`xir.ops.resize` (`source_points`, `nearest`, `weight_matrix`), on vectors as long as the new axis.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import cast

import numpy as np

from xir.ir.constant import constant_of
from xir.ir.dims import Dim, Shape
from xir.ir.node import Node, Value
from xir.ir.types import DType
from xir.ops import definition
from xir.ops._build import scalar_like
from xir.ops._wide import narrow, wide
from xir.ops._windows import integer_limits
from xir.ops.arithmetic import abs_, add, div, maximum, minimum, mul, select, sub
from xir.ops.compare import equal, greater, less, less_equal, logical_and
from xir.ops.constant import constant
from xir.ops.elementwise import cast as converted
from xir.ops.elementwise import ceil as rounded_up
from xir.ops.elementwise import clip, floor, round_
from xir.ops.index import gather
from xir.ops.resize import Coordinates, Mode, Rounding
from xir.ops.shape import broadcast, iota, reshape, shape_of, slice_

MAX_TAPS = 16
"""Elements that one result may take along an axis; more are what the reference's matrix product is for."""

EXACT: tuple[Coordinates, ...] = ("half_pixel", "asymmetric", "tf_half_pixel_for_nn", "pytorch_half_pixel")
"""Coordinates without sums of products, which machine code may round once where the reference rounds twice."""


def tabled(node: Node) -> Sequence[Value] | None:
    """A resize as simpler operators, or None where the reference runs it."""
    (x,) = (value for value in node.inputs if value is not None)
    given = node.attributes
    sizes, scales = cast("Shape", given["sizes"]), cast("tuple[float, ...] | None", given["scales"])
    if all(isinstance(size, int) for size in (*x.shape[2:], *sizes)):
        rule = cast("Callable[..., Value]", definition(node).decompose_rule)
        return (rule(x, **given),)
    mode, coordinates = cast("Mode", given["mode"]), cast("Coordinates", given["coordinates"])
    if coordinates == "half_pixel_symmetric" and scales is None:
        coordinates = "half_pixel"
    if mode == "nearest" and coordinates not in EXACT:
        return None
    stretches = _stretches(cast("bool", given["antialias"]), scales, len(sizes))
    reach = 2 if mode == "cubic" else 1
    if stretches is None or any(ceil(reach * stretch) * 2 > MAX_TAPS for stretch in stretches):
        return None
    result = wide(x) if x.dtype.is_floating or mode == "nearest" else converted(x, dtype=DType.FLOAT64)
    for axis, size in enumerate(sizes, 2):
        line = _Line(x, axis, size, None if scales is None else scales[axis - 2])
        points = line.points(coordinates)
        if mode == "nearest":
            result = gather(result, line.nearest(points, cast("Rounding", given["rounding"])), axis=axis)
            continue
        kernel = _Kernel(
            reach,
            stretches[axis - 2],
            cast("float", given["cubic_coefficient"]),
            cast("bool", given["exclude_outside"]),
            cast("bool", given["antialias"]),
        )
        result = _sampled(result, line.taps(points, kernel), axis)
    if x.dtype.is_integer and result.dtype is not x.dtype:
        low, high = integer_limits(x.dtype)
        result = clip(round_(result), minimum=float(low), maximum=float(high))
    return (narrow(result, x.dtype),)


def _stretches(antialias: bool, scales: tuple[float, ...] | None, axes: int) -> list[float] | None:
    """How much wider the filter is along each axis; None where only the run tells."""
    if not antialias:
        return [1.0] * axes
    return None if scales is None else [max(1.0, 1 / scale) for scale in scales]


@dataclass(frozen=True, slots=True)
class _Kernel:
    """A filter: how far it reaches, how much it is stretched, and what its weights are."""

    reach: int
    stretch: float
    coefficient: float
    exclude_outside: bool
    antialias: bool

    @property
    def taps(self) -> int:
        return ceil(self.reach * self.stretch) * 2


class _Line:
    """One axis: vectors of f64, as long as it becomes."""

    def __init__(self, x: Value, axis: int, size: Dim, scale: float | None) -> None:
        self.size = size
        self.index = iota(shape=(size,), axis=0, dtype=DType.FLOAT64)
        sizes = slice_(shape_of(x), axes=(0,), starts=(axis,), stops=(axis + 1,), steps=(1,))
        self.old = self.spread(converted(sizes, dtype=DType.FLOAT64))
        self.new = self.spread(converted(shape_of(self.index), dtype=DType.FLOAT64))
        self.scale = div(self.new, self.old) if scale is None else self.number(scale)

    def spread(self, one: Value) -> Value:
        return broadcast(one, shape=(self.size,))

    def number(self, value: float) -> Value:
        return self.spread(constant(value=constant_of(np.asarray([value], np.float64))))

    def points(self, coordinates: Coordinates) -> Value:
        """Where each result lies (`source_points`)."""
        half, one, nothing = self.number(0.5), self.number(1.0), self.number(0.0)
        middle = div(add(self.index, half), self.scale)
        match coordinates:
            case "half_pixel":
                return sub(middle, half)
            case "pytorch_half_pixel":
                return select(greater(self.new, one), sub(middle, half), nothing)
            case "align_corners":
                width = mul(self.old, self.scale)
                near = less(abs_(sub(width, self.new)), mul(self.number(1e-6), self.new))
                width = select(near, self.new, width)
                ratio = div(sub(self.old, one), sub(width, one))
                return select(equal(width, one), nothing, mul(self.index, ratio))
            case "asymmetric":
                return div(self.index, self.scale)
            case "tf_half_pixel_for_nn":
                return middle
            case "half_pixel_symmetric":
                shift = mul(mul(self.old, half), sub(one, div(self.new, mul(self.scale, self.old))))
                return sub(add(shift, middle), half)

    def inside(self, index: Value) -> Value:
        """The index of the element that is nearest to it."""
        last = sub(self.old, self.number(1.0))
        return converted(maximum(minimum(index, last), self.number(0.0)), dtype=DType.INT64)

    def nearest(self, points: Value, rounding: Rounding) -> Value:
        """The index that each result takes (`nearest`)."""
        half = self.number(0.5)
        match rounding:
            case "floor":
                return self.inside(floor(points))
            case "ceil":
                return self.inside(rounded_up(points))
            case "round_prefer_floor":
                return self.inside(rounded_up(sub(points, half)))
            case "round_prefer_ceil":
                return self.inside(floor(add(points, half)))

    def taps(self, points: Value, kernel: _Kernel) -> list[tuple[Value, Value]]:
        """(indices, weights) of what each result takes (`weight_matrix`)."""
        first = sub(floor(points), self.number(kernel.taps // 2 - 1.0))
        found: list[tuple[Value, Value]] = []
        total = self.number(0.0)
        for tap in range(kernel.taps):
            index = add(first, self.number(float(tap)))
            weight = self.weight(div(abs_(sub(points, index)), self.number(kernel.stretch)), kernel)
            if kernel.exclude_outside:
                within = logical_and(less_equal(self.number(0.0), index), less(index, self.old))
                weight = select(within, weight, self.number(0.0))
            total = add(total, weight)
            found.append((self.inside(index), weight))
        if not (kernel.exclude_outside or kernel.antialias):
            return found
        total = select(equal(total, self.number(0.0)), self.number(1.0), total)
        return [(index, div(weight, total)) for index, weight in found]

    def weight(self, distance: Value, kernel: _Kernel) -> Value:
        """What an element at a distance counts; the cubic one is equation (4) of Keys 1981."""
        nothing, one, a = self.number(0.0), self.number(1.0), kernel.coefficient
        if kernel.reach == 1:
            return maximum(sub(one, distance), nothing)
        square = mul(distance, distance)
        near = add(mul(sub(mul(self.number(a + 2), distance), self.number(a + 3)), square), one)
        far = mul(
            add(mul(sub(mul(self.number(a), distance), self.number(5 * a)), distance), self.number(8 * a)), distance
        )
        far = sub(far, self.number(4 * a))
        return select(less_equal(distance, one), near, select(less(distance, self.number(2.0)), far, nothing))


def _sampled(x: Value, taps: Sequence[tuple[Value, Value]], axis: int) -> Value:
    """The sum of elements along an axis, each times its weight; one that weighs nothing does not count."""
    total: Value | None = None
    for index, weight in taps:
        part = gather(x, index, axis=axis)
        weight = narrow(weight, part.dtype)
        aligned = reshape(weight, shape=(*weight.shape, *(1,) * (part.rank - axis - 1)))
        aligned = broadcast(aligned, shape=part.shape)
        part = select(equal(aligned, scalar_like(part, 0.0)), scalar_like(part, 0.0), mul(part, aligned))
        total = part if total is None else add(total, part)
    return x if total is None else total
