"""Forms of what moves elements without computing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xir.backends.export.tflite._amounts import write_broadcast, write_pad, write_slice, write_split, write_tile
from xir.backends.export.tflite._form import (
    Answer,
    Call,
    Fixed,
    Forms,
    Free,
    Laid,
    Late,
    Operand,
    Permutation,
    Refusal,
    Reordered,
    Reshaped,
    Sizes,
    Steps,
    again,
    identity_of,
    ints,
    operand,
    ordered,
    pairs,
    places,
    real,
    scalar,
    shape_in,
    vector,
    whole,
)
from xir.ir.constant import constant_of
from xir.ir.dims import Dim, Shape, bounds, equal
from xir.ir.node import Node, Value
from xir.ir.types import DType
from xir.ops import shape as ops
from xir.ops.constant import constant, identity
from xir.ops.control import assume_shape
from xir.ops.elementwise import cast
from xir.ops.running import cumsum

forms = Forms()

_SLICED = 5
"""Axes that STRIDED_SLICE, PADV2 and MIRROR_PAD take (kernels/strided_slice.cc, pad.cc)."""


@forms.of(identity)
def _identity(node: Node) -> Answer:
    x = operand(node)
    return Reordered(x, identity_of(x.rank))


@forms.of(assume_shape)
def _assume_shape(node: Node) -> Answer:
    return Reordered(operand(node), identity_of(node.outputs[0].rank))


@forms.of(constant)
def _constant(node: Node) -> Answer:
    return Late(None)


@forms.of(ops.reshape)
def _reshape(node: Node) -> Answer:
    """RESHAPE; sizes of the run time are i32."""
    x, target = operand(node), node.inputs[1]
    if target is None:
        return Reshaped(x)
    if target.dtype is not DType.INT32:
        return ops.reshape(x, cast(target, dtype=DType.INT32), shape=shape_in(node, "shape"))
    return Call("RESHAPE", (x, target), ("ReshapeOptions", {}))


@forms.of(ops.broadcast)
def _broadcast(node: Node) -> Answer:
    """BROADCAST_TO, written where something reads the repeated elements themselves."""
    x, shape = operand(node), node.outputs[0].shape
    if x.rank < len(shape):
        wide = ops.reshape(x, shape=(*(1,) * (len(shape) - x.rank), *x.shape))
        return again(node, (wide, node.inputs[1]))
    if node.inputs[1] is not None:
        return Steps(write_broadcast)
    if x.shape == shape:
        return x
    return Late(
        Free(
            (x,),
            lambda perm: Call(
                "BROADCAST_TO", (Laid(x, perm), Sizes(ordered(perm, shape))), ("BroadcastToOptions", {}), perm
            ),
        )
    )


@forms.of(ops.transpose)
def _transpose(node: Node) -> Answer:
    return Reordered(operand(node), ints(node, "perm"))


@forms.of(ops.concat)
def _concat(node: Node) -> Answer:
    values = tuple(operand(node, index) for index in range(len(node.inputs)))
    axis = whole(node, "axis")

    def make(perm: Permutation) -> Call:
        fields = {"axis": perm.index(axis)}
        return Call(
            "CONCATENATION", tuple(Laid(value, perm) for value in values), ("ConcatenationOptions", fields), perm
        )

    return values[0] if len(values) == 1 else Free(values, make)


@forms.of(ops.slice_)
def _slice(node: Node) -> Answer:
    """STRIDED_SLICE, the axes that are not cut masked."""
    x = operand(node)
    if node.inputs[1] is not None or node.inputs[2] is not None:
        return Steps(write_slice) if x.rank <= _SLICED else Refusal(f"a slice of {x.rank} axes: TFLite takes {_SLICED}")
    axes, steps = ints(node, "axes"), ints(node, "steps")
    if x.rank > _SLICED:
        return _cut_by_two(node, x, axes)
    cuts = dict(zip(axes, zip(shape_in(node, "starts"), shape_in(node, "stops"), strict=True), strict=True))
    bounds: list[tuple[Dim, Dim]] = [cuts.get(axis, (0, size)) for axis, size in enumerate(x.shape)]
    strides = dict(zip(axes, steps, strict=True))

    def make(perm: Permutation) -> Call:
        first, last = ordered(perm, [a for a, _ in bounds]), ordered(perm, [b for _, b in bounds])
        open_ends = [equal(last[index], x.shape[axis]) is True for index, axis in enumerate(perm)]
        known = tuple(0 if is_open else size for is_open, size in zip(open_ends, last, strict=True))
        fields = {"end_mask": sum(1 << index for index, is_open in enumerate(open_ends) if is_open)}
        operands = (Laid(x, perm), Sizes(first), Sizes(known), vector([strides.get(axis, 1) for axis in perm]))
        return Call("STRIDED_SLICE", operands, ("StridedSliceOptions", fields), perm)

    return Free((x,), make)


def _joined(shape: Shape, axes: Sequence[int]) -> tuple[Shape, tuple[int, ...]]:
    """The shape with neighbours joined but for these axes, and where these are then: of two axes, within five."""
    sizes: list[Dim] = []
    for axis, size in enumerate(shape):
        if axis in axes or axis - 1 in axes or not axis:
            sizes.append(size)
        else:
            sizes[-1] = sizes[-1] * size
    where = tuple(
        len([0 for each in range(axis + 1) if each in axes or each - 1 in axes or not each]) - 1 for axis in axes
    )
    return tuple(sizes), where


def _cut_by_two(node: Node, x: Value, axes: Sequence[int]) -> Value:
    """A slice of more axes than the kernel takes, two at a time, the others joined."""
    bounds = list(zip(axes, shape_in(node, "starts"), shape_in(node, "stops"), ints(node, "steps"), strict=True))
    for first in range(0, len(bounds), 2):
        cut, starts, stops, steps = zip(*bounds[first : first + 2], strict=True)
        shape, where = _joined(x.shape, cut)
        made = ops.slice_(ops.reshape(x, shape=shape), axes=where, starts=starts, stops=stops, steps=steps)
        sizes = dict(zip(cut, (made.shape[place] for place in where), strict=True))
        x = ops.reshape(made, shape=tuple(sizes.get(axis, size) for axis, size in enumerate(x.shape)))
    return x


def _padded_by_two(node: Node, x: Value, padding: Sequence[tuple[int, int]]) -> Value:
    """Padding of more axes than the kernel takes, two at a time, the others joined."""
    axes = [axis for axis, pair in enumerate(padding) if any(pair)]
    for first in range(0, len(axes), 2):
        grown = axes[first : first + 2]
        shape, where = _joined(x.shape, grown)
        amounts = dict(zip(where, (padding[axis] for axis in grown), strict=True))
        joined = ops.reshape(x, shape=shape)
        (made,) = again(
            node, (joined, *node.inputs[1:]), padding=tuple(amounts.get(at, (0, 0)) for at in range(len(shape)))
        )
        sizes = dict(zip(grown, (made.shape[place] for place in where), strict=True))
        x = ops.reshape(made, shape=tuple(sizes.get(axis, size) for axis, size in enumerate(x.shape)))
    return x


@forms.of(ops.pad)
def _pad(node: Node) -> Answer:
    """PAD and PADV2, MIRROR_PAD; negative amounts are cut off first, edges are gathered."""
    x, mode = operand(node), str(node.attributes["mode"])
    if any(value is not None for value in node.inputs[1:]):
        if mode not in ("constant", "reflect") or node.inputs[1] is None or node.inputs[3] is not None:
            return Refusal(f"padding by {mode}, or of axes, that are computed at run time")
        return Steps(write_pad) if x.rank <= _SLICED else Refusal(f"padding of {x.rank} axes: TFLite takes {_SLICED}")
    known = [(a, b) for a, b in pairs(node) if isinstance(a, int) and isinstance(b, int)]
    if len(known) != x.rank:
        return _padded_late(node, x, mode)
    if min((min(pair) for pair in known), default=0) < 0:
        return _cut(node, x, known)
    if set(known) <= {(0, 0)}:
        return x
    if x.rank > _SLICED:
        return _padded_by_two(node, x, known)
    return _picked(x, known, mode) if mode in ("edge", "wrap") else _padded(x, known, mode, real(node, "value"))


def _padded_late(node: Node, x: Value, mode: str) -> Answer:
    """Amounts that follow from sizes of the run time, of which none may be negative."""
    padding = pairs(node)
    least = [bounds(amount)[0] for pair in padding for amount in pair]
    if mode in ("edge", "wrap") or x.rank > _SLICED or any(low is None or low < 0 for low in least):
        return Refusal("amounts of padding that are not known before the run")
    return _padded(x, padding, mode, real(node, "value"))


def _padded(x: Value, padding: Sequence[tuple[Dim, Dim]], mode: str, value: float) -> Free:
    def make(perm: Permutation) -> Call:
        flat = tuple(amount for axis in perm for amount in padding[axis])
        known = [amount for amount in flat if isinstance(amount, int)]
        amounts: Operand = Sizes(flat, paired=True)
        if len(known) == len(flat):
            amounts = Fixed(np.array(known, np.int32).reshape(-1, 2))
        if mode == "reflect":
            return Call("MIRROR_PAD", (Laid(x, perm), amounts), ("MirrorPadOptions", {"mode": "REFLECT"}), perm)
        if value == 0:
            return Call("PAD", (Laid(x, perm), amounts), ("PadOptions", {}), perm)
        fill = Fixed(constant_of(np.array([value]), x.dtype).array())
        return Call("PADV2", (Laid(x, perm), amounts, fill), ("PadV2Options", {}), perm)

    return Free((x,), make)


def _cut(node: Node, x: Value, padding: list[tuple[int, int]]) -> Answer:
    """What is cut off first, then what is added."""
    axes = tuple(axis for axis, (a, b) in enumerate(padding) if a < 0 or b < 0)
    rest = ops.slice_(
        x,
        axes=axes,
        starts=tuple(max(-padding[axis][0], 0) for axis in axes),
        stops=tuple(x.shape[axis] + min(padding[axis][1], 0) for axis in axes),
        steps=(1,) * len(axes),
    )
    more = tuple((max(a, 0), max(b, 0)) for a, b in padding)
    return again(node, (rest, *node.inputs[1:]), padding=more)


def _picked(x: Value, padding: list[tuple[int, int]], mode: str) -> Answer:
    """Elements picked axis by axis."""
    from xir.ops.index import gather

    for axis, (before, after) in enumerate(padding):
        if not before and not after:
            continue
        size = x.shape[axis]
        if not isinstance(size, int) or not size:
            return Refusal(f"padding by {mode} of sizes that are not known before the run")
        numbers = np.arange(-before, size + after)
        numbers = numbers % size if mode == "wrap" else numbers.clip(0, size - 1)
        x = gather(x, constant(value=constant_of(numbers.astype(np.int32))), axis=axis)
    return x


@forms.of(ops.tile)
def _tile(node: Node) -> Answer:
    x = operand(node)
    if node.inputs[1] is not None:
        return Steps(write_tile)
    repeats = shape_in(node, "repeats")
    return Free(
        (x,), lambda perm: Call("TILE", (Laid(x, perm), Sizes(ordered(perm, repeats))), ("TileOptions", {}), perm)
    )


@forms.of(ops.split)
def _split(node: Node) -> Answer:
    """SPLIT_V."""
    x, axis = operand(node), whole(node, "axis")
    if node.inputs[1] is not None:
        return Steps(write_split)
    sizes: Shape = shape_in(node, "sizes")

    def make(perm: Permutation) -> Call:
        operands: tuple[Operand, ...] = (Laid(x, perm), Sizes(sizes), scalar(perm.index(axis)))
        return Call("SPLIT_V", operands, ("SplitVOptions", {"num_splits": len(sizes)}), perm)

    return Free((x,), make)


@forms.of(ops.reverse)
def _reverse(node: Node) -> Answer:
    x, axes = operand(node), ints(node, "axes")
    if len(axes) != 1:  # the kernel takes neighbours alone
        for axis in axes:
            x = ops.reverse(x, axes=(axis,))
        return x
    return Free(
        (x,),
        lambda perm: Call("REVERSE_V2", (Laid(x, perm), vector(places(perm, axes))), ("ReverseV2Options", {}), perm),
    )


@forms.of(ops.shape_of)
def _shape_of(node: Node) -> Answer:
    return Call("SHAPE", (operand(node),), ("ShapeOptions", {"out_type": "INT64"}))


@forms.of(ops.iota)
def _iota(node: Node) -> Answer:
    """Known numbers, or a running sum of ones."""
    result, axis = node.outputs[0], whole(node, "axis")
    size, rank = result.shape[axis], result.rank
    row = tuple(size if index == axis else 1 for index in range(rank))
    if isinstance(size, int):
        numbers = constant_of(
            np.arange(size).reshape([1 if index != axis else -1 for index in range(rank)]), result.dtype
        )
        column = constant(value=numbers)
    else:
        computed = result.dtype if result.dtype in (DType.INT32, DType.INT64, DType.FLOAT32) else DType.INT64
        one = constant(value=constant_of(np.ones((1,) * rank), computed))
        column = cumsum(ops.broadcast(one, shape=row), axis=axis, exclusive=True)
        column = column if computed is result.dtype else cast(column, dtype=result.dtype)
    return column if row == result.shape else ops.broadcast(column, shape=result.shape)


@forms.of(ops.range_)
def _range(node: Node) -> Answer:
    """RANGE of scalars."""
    values = [operand(node, index) for index in range(3)]
    if any(value.rank for value in values):
        return again(node, tuple(ops.reshape(value, shape=()) for value in values))
    return Call("RANGE", tuple(values), ("RangeOptions", {}))


@forms.of(cumsum)
def _cumsum(node: Node) -> Answer:
    """CUMSUM."""
    x, axis = operand(node), whole(node, "axis")
    if node.inputs[1] is not None:
        return Refusal("an axis that is computed at run time")
    fields = {"exclusive": bool(whole(node, "exclusive")), "reverse": bool(whole(node, "reverse"))}
    return Free(
        (x,),
        lambda perm: Call("CUMSUM", (Laid(x, perm), scalar(perm.index(axis))), ("CumsumOptions", fields), perm),
    )
