"""What moves elements about; operands that are known before the run become attributes."""

from __future__ import annotations

from typing import Literal

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends.onnx._site import Site, product_of
from xir.frontends.onnx._versions import Handler, versions
from xir.ir.broadcasting import join
from xir.ir.constant import Constant, constant_of
from xir.ir.dims import Dim, Shape, Symbol, bounds, floor_divide, maximum, minimum
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import blocks, compare
from xir.ops.constant import constant, identity
from xir.ops.elementwise import add, mul, select
from xir.ops.shape import broadcast, concat, iota, pad, reshape, reverse, shape_of, slice_, split, tile, transpose

handlers: Handlers[Handler] = Handlers("onnx")


def _length(site: Site, operand: Value, what: str) -> int:
    """How many numbers a vector operand holds; without that the result has no rank."""
    size = operand.shape[0] if operand.rank == 1 else None
    if not isinstance(size, int):
        site.refuse(f"{what} of a length that is not known before the run")
    return size


def _unknown(count: int) -> Shape:
    return tuple(Symbol() for _ in range(count))


@handlers.layer(*versions("Reshape", 5, 13, 14, 19, 21, 23, 24, 25))
def reshaped(site: Site, x: Value, target: Value) -> Value:
    """Reshape: 0 copies the size at the same place (unless `allowzero`), -1 is what is left."""
    literal_zero = site.flag("allowzero", False)
    wanted = site.sizes(target)
    if wanted is None:
        return _reshaped_at_run_time(site, x, target, literal_zero)
    sizes: list[Dim] = []
    for index, size in enumerate(wanted):
        if size == 0 and not literal_zero:
            if index >= x.rank:
                site.invalid(f"size {index} is copied from an axis that {x.type!r} has not")
            size = x.shape[index]
        sizes.append(size)
    if sizes.count(-1) > 1:
        site.invalid(f"the target {list(wanted)} has two sizes -1")
    if -1 in sizes:
        rest = product_of([size for size in sizes if size != -1])
        if rest == 0:
            site.invalid(f"what is left for -1 in {list(wanted)} cannot be told: another size is 0")
        sizes[sizes.index(-1)] = floor_divide(product_of(x.shape), rest)
    return reshape(x, shape=tuple(sizes))


def _reshaped_at_run_time(site: Site, x: Value, target: Value, literal_zero: bool) -> Value:
    count = _length(site, target, "a target shape")
    if not literal_zero:
        own = shape_of(x)
        if count <= x.rank:
            own = slice_(own, axes=(0,), starts=(0,), stops=(count,), steps=(1,))
        else:
            own = pad(own, padding=((0, count - x.rank),))
        zero = constant(value=constant_of(np.zeros(1, np.int64)))
        is_zero = compare.equal(target, broadcast(zero, shape=(count,)))
        target = select(is_zero, own, target)
    return reshape(x, target, shape=_unknown(count))


@handlers.layer(*versions("Flatten", 1, 9, 11, 13, 21, 23, 24, 25))
def flattened(site: Site, x: Value) -> Value:
    """Flatten: two axes, cut before `axis`."""
    axis = site.integer("axis", 1)
    if not -x.rank <= axis <= x.rank:
        site.invalid(f"axis {axis} does not exist in {x.type!r}")
    axis = axis + x.rank if axis < 0 else axis
    return reshape(x, shape=(product_of(x.shape[:axis]), product_of(x.shape[axis:])))


def _squeezed(site: Site, x: Value, axes: tuple[int, ...] | None) -> Value:
    if axes is None:
        if any(not isinstance(size, int) for size in x.shape):
            site.refuse(f"removing all axes of size 1 from {x.type!r}", "name the axes")
        chosen = {index for index, size in enumerate(x.shape) if size == 1}
    else:
        chosen = set(site.axes(axes, x.rank))
    for index in sorted(chosen):
        if isinstance(x.shape[index], int) and x.shape[index] != 1:
            site.invalid(f"axis {index} of {x.type!r} is not 1")
    return reshape(x, shape=tuple(size for index, size in enumerate(x.shape) if index not in chosen))


@handlers.layer(*versions("Squeeze", 1, 11))
def squeezed_by_attribute(site: Site, x: Value) -> Value:
    """Squeeze with axes as an attribute."""
    return _squeezed(site, x, site.integers("axes") if site.has("axes") else None)


@handlers.layer(*versions("Squeeze", 13, 21, 23, 24, 25))
def squeezed(site: Site, x: Value, axes: Value | None = None) -> Value:
    """Squeeze with axes as an operand."""
    return _squeezed(site, x, None if axes is None else site.numbers(axes, "axes"))


def _unsqueezed(site: Site, x: Value, axes: tuple[int, ...]) -> Value:
    rank = x.rank + len(axes)
    chosen = set(site.axes(axes, rank))
    sizes = iter(x.shape)
    return reshape(x, shape=tuple(1 if index in chosen else next(sizes) for index in range(rank)))


@handlers.layer(*versions("Unsqueeze", 1, 11))
def unsqueezed_by_attribute(site: Site, x: Value) -> Value:
    """Unsqueeze with axes as an attribute."""
    return _unsqueezed(site, x, site.integers("axes"))


@handlers.layer(*versions("Unsqueeze", 13, 21, 23, 24, 25))
def unsqueezed(site: Site, x: Value, axes: Value) -> Value:
    """Unsqueeze with axes as an operand."""
    return _unsqueezed(site, x, site.numbers(axes, "axes"))


@handlers.layer(*versions("Expand", 8, 13))
def expanded(site: Site, x: Value, target: Value) -> Value:
    """Expand: x and the target broadcast against each other."""
    wanted = site.sizes(target)
    if wanted is None:
        count = _length(site, target, "a target shape")
        known = x.shape if x.rank > count else ()
        sizes = [*known[: len(known) - count], *_unknown(count)]
        for place, size in enumerate(x.shape, start=len(sizes) - x.rank):
            if isinstance(size, int) and size != 1:
                sizes[place] = size
        return broadcast(x, target, shape=tuple(sizes)) if len(sizes) == count else site.refuse("a shorter target")
    joined = join([x.shape, wanted])
    return site.scope.broadcast(x, joined) if joined != x.shape else identity(x)


@handlers.layer(*versions("Transpose", 1, 13, 21, 23, 24, 25))
def transposed(site: Site, x: Value) -> Value:
    """Transpose; without a permutation all axes turn round."""
    return transpose(x, perm=site.integers("perm", tuple(reversed(range(x.rank)))))


@handlers.layer(*versions("Concat", 4, 11, 13))
def concatenated(site: Site, first: Value, *rest: Value) -> Value:
    """Concat."""
    return concat(first, *rest, axis=site.axis(site.integer("axis"), first.rank))


def _pieces(site: Site, x: Value, sizes: Shape | None, count: int | None) -> tuple[Value, ...]:
    axis = site.axis(site.integer("axis", 0), x.rank)
    if sizes is None:
        count = len(site.node.outputs) if count is None else count
        whole = x.shape[axis]
        if count < 1:
            site.invalid(f"{count} pieces are asked for")
        piece = -(-whole // count) if isinstance(whole, int) else floor_divide(whole, count)
        sizes = (*((piece,) * (count - 1)), whole - piece * (count - 1))
        if any((bounds(size)[1] or 0) < 0 for size in sizes if isinstance(size, int)):
            site.invalid(f"axis {axis} of {x.type!r} has no {count} pieces")
    return split(x, axis=axis, sizes=sizes)


@handlers.layer(*versions("Split", 2, 11))
def split_by_attribute(site: Site, x: Value) -> tuple[Value, ...]:
    """Split with sizes as an attribute, equal ones by default."""
    return _pieces(site, x, site.integers("split") if site.has("split") else None, None)


@handlers.layer(*versions("Split", 13, 18))
def split_by_operand(site: Site, x: Value, sizes: Value | None = None) -> tuple[Value, ...]:
    """Split with sizes as an operand; `num_outputs` (opset 18) makes the last piece smaller."""
    count = site.integer("num_outputs") if site.has("num_outputs") else None
    if sizes is None:
        return _pieces(site, x, None, count)
    known = site.sizes(sizes)
    if known is None:
        known = _unknown(_length(site, sizes, "sizes"))
        site.refuse("pieces of sizes that are computed at run time")
    return _pieces(site, x, known, count)


@handlers.layer(*versions("Tile", 6, 13))
def tiled(site: Site, x: Value, repeats: Value) -> Value:
    """Tile."""
    known = site.sizes(repeats)
    if known is None:
        sizes = _unknown(x.rank)
        return tile(x, repeats, repeats=sizes)
    return tile(x, repeats=known)


@handlers.layer(*versions("Shape", 1, 13))
def measured(site: Site, x: Value) -> Value:
    """Shape."""
    return shape_of(x)


@handlers.layer(*versions("Shape", 15, 19, 21, 23, 24, 25))
def measured_part(site: Site, x: Value) -> Value:
    """Shape, of the axes from `start` to `end`, which are clamped."""
    first, last = site.integer("start", 0), site.integer("end", x.rank)
    chosen = slice(first, last).indices(x.rank)
    whole = shape_of(x)
    if chosen[:2] == (0, x.rank):
        return whole
    return slice_(whole, axes=(0,), starts=(chosen[0],), stops=(max(chosen[:2]),), steps=(1,))


@handlers.layer(*versions("Size", 1, 13, 19, 21, 23, 24, 25))
def counted(site: Site, x: Value) -> Value:
    """Size: the product of the shape."""
    from xir.ops.reduce import reduce_prod

    return reduce_prod(shape_of(x), axes=(0,), keep_dims=False)


@handlers.layer(*versions("DepthToSpace", 1))
def depth_to_space_depth_first(site: Site, x: Value) -> Value:
    """DepthToSpace before opset 11: depth first."""
    return blocks.depth_to_space(x, block=site.integer("blocksize"), order="depth_first")


@handlers.layer(*versions("DepthToSpace", 11, 13, 28))
def depth_to_space(site: Site, x: Value) -> Value:
    """DepthToSpace, modes DCR and CRD."""
    mode = site.choice("mode", ("DCR", "CRD"), "DCR")
    block = site.integer("blocksize")
    return blocks.depth_to_space(x, block=block, order="depth_first" if mode == "DCR" else "column_first")


@handlers.layer(*versions("SpaceToDepth", 1, 13))
def space_to_depth_depth_first(site: Site, x: Value) -> Value:
    """SpaceToDepth before opset 28: depth first."""
    return blocks.space_to_depth(x, block=site.integer("blocksize"))


@handlers.layer(*versions("SpaceToDepth", 28))
def space_to_depth(site: Site, x: Value) -> Value:
    """SpaceToDepth, modes DCR and CRD."""
    mode = site.choice("mode", ("DCR", "CRD"), "DCR")
    block = site.integer("blocksize")
    return blocks.space_to_depth(x, block=block, order="depth_first" if mode == "DCR" else "column_first")


@handlers.layer(*versions("Range", 11))
def ranged(site: Site, start: Value, limit: Value, delta: Value) -> Value:
    """Range: `start + i * delta` for `max(ceil((limit - start) / delta), 0)` elements."""
    if start.dtype.is_integer:
        known = [site.sizes(value) for value in (start, limit, delta)]
        first, last, step = (None if sizes is None or len(sizes) != 1 else sizes[0] for sizes in known)
        if isinstance(step, int) and step != 0 and first is not None and last is not None:
            count = _steps(first, last, step)
            return _progression(iota(shape=(count,), axis=0, dtype=start.dtype), start.dtype, first, step, site)
    values = [site.scope.constant_of(value) for value in (start, limit, delta)]
    if any(value is None for value in values):
        site.refuse("a range whose limits are computed at run time")
    numbers = [value.array() for value in values if value is not None]
    first_, last_, step_ = (float(number.astype(np.float64).reshape(())) for number in numbers)
    if step_ == 0 or not np.isfinite([first_, last_, step_]).all():
        site.invalid(f"a range from {first_} to {last_} in steps of {step_}")
    total = max(int(np.ceil((last_ - first_) / step_)), 0)
    line = iota(shape=(total,), axis=0, dtype=start.dtype)
    factor, offset = (constant(value=constant_of(number.reshape(1))) for number in (numbers[2], numbers[0]))
    return add(mul(line, broadcast(factor, shape=(total,))), broadcast(offset, shape=(total,)))


def _steps(first: Dim, last: Dim, step: int) -> Dim:
    distance = last - first if step > 0 else first - last
    return maximum(floor_divide(distance + (abs(step) - 1), abs(step)), 0)


def _progression(line: Value, dtype: DType, first: Dim, step: int, site: Site) -> Value:
    if step != 1:
        factor = constant(value=constant_of(np.array([step]), dtype))
        line = mul(line, broadcast(factor, shape=line.shape))
    if first == 0:
        return line
    if not isinstance(first, int):
        site.refuse("a range that starts at a size")
    offset = constant(value=constant_of(np.array([first]), dtype))
    return add(line, broadcast(offset, shape=line.shape))


@handlers.layer(*versions("ConstantOfShape", 9, 20, 21, 23, 24, 25))
def filled(site: Site, target: Value) -> Value:
    """ConstantOfShape: one element, repeated."""
    held: Constant = site.tensor("value") or constant_of(np.zeros(1, np.float32))
    if held.elements != 1:
        site.invalid(f"the value has {held.elements} elements, expected one")
    known = site.sizes(target)
    element = constant(value=held)
    if known is None:
        count = _length(site, target, "a shape")
        return broadcast(reshape(element, shape=(1,) * count), target, shape=_unknown(count))
    return broadcast(reshape(element, shape=()), shape=known)


_MODES = ("constant", "reflect", "edge", "wrap")


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
    fill = 0.0 if value is None or mode != "constant" else site.scalar(value, "a padding value")
    known = site.sizes(pads)
    if known is None:
        if axes is not None:
            site.refuse("pads of some axes that are computed at run time")
        return _padded_at_run_time(x, pads, mode, fill)
    if axes is None:
        return _padded(site, x, known, mode, fill)
    chosen = site.axes(site.numbers(axes, "axes"), x.rank)
    if len(known) != 2 * len(chosen):
        site.invalid(f"{len(known)} pads for {len(chosen)} axes")
    every: list[Dim] = [0] * (2 * x.rank)
    for index, axis in enumerate(chosen):
        every[axis], every[x.rank + axis] = known[index], known[len(chosen) + index]
    return _padded(site, x, tuple(every), mode, fill)


def _padded(site: Site, x: Value, pads: Shape, mode: str, fill: float) -> Value:
    if len(pads) != 2 * x.rank:
        site.invalid(f"{len(pads)} pads for {x.type!r}, expected {2 * x.rank}")
    pairs = tuple(zip(pads[: x.rank], pads[x.rank :], strict=True))
    return pad(x, padding=pairs, mode=_mode(mode), value=fill)


def _padded_at_run_time(x: Value, pads: Value, mode: str, fill: float) -> Value:
    pairs = tuple((Symbol(), Symbol()) for _ in range(x.rank))
    return pad(x, pads, padding=pairs, mode=_mode(mode), value=fill)


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
    count = _length(site, starts, "starts")
    chosen = tuple(range(count)) if axes is None else site.numbers(axes, "axes")
    jumps = (1,) * count if steps is None else site.numbers(steps, "steps")
    known_starts, known_ends = site.sizes(starts), site.sizes(ends)
    if known_starts is None or known_ends is None:
        return _sliced_at_run_time(site, x, (starts, known_starts), (ends, known_ends), chosen, jumps)
    return _sliced(site, x, known_starts, known_ends, chosen, jumps)


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
            start, end = _mirrored(site, start, size), _mirrored(site, end, size)
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


def _mirrored(site: Site, place: Dim, size: Dim) -> Dim:
    """A place of the turned axis: `size - 1 - place`, ends below the first element being behind the last."""
    if isinstance(place, int):
        if place >= 0:
            return maximum(size - 1 - place, 0)
        if isinstance(size, int):
            return min(-1 - place, size)
        return minimum(-1 - place, size)
    return site.refuse("backward slices at places that are not known")


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
    if any(step < 1 for step in steps):
        site.refuse("backward slices at places that are computed at run time")
    chosen = site.axes(axes, x.rank)
    firsts, lasts = (_unknown(len(chosen)) if known is None else known for _, known in (start, end))
    return slice_(
        x,
        start[0] if start[1] is None else None,
        end[0] if end[1] is None else None,
        axes=chosen,
        starts=tuple(_clamped(place, x.shape[axis]) for place, axis in zip(firsts, chosen, strict=True))
        if start[1] is not None
        else firsts,
        stops=tuple(_clamped(place, x.shape[axis]) for place, axis in zip(lasts, chosen, strict=True))
        if end[1] is not None
        else lasts,
        steps=steps,
    )
