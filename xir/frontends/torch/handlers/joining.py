"""Tensors put together, repeated, padded, turned about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from xir.frontends.torch.call import Call
from xir.frontends.torch.handlers.cutting import cut
from xir.frontends.torch.handlers.reduce import summed_type
from xir.frontends.torch.handlers.views import permuted, with_axis
from xir.frontends.torch.operators import Operators
from xir.frontends.torch.promotion import result_type
from xir.frontends.torch.tensor import Computed, Number
from xir.ir.dims import Dim, bounds, product
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import compare, elementwise, shape
from xir.ops.blocks import channel_shuffle as shuffle_channels
from xir.ops.index import gather
from xir.ops.reduce import reduce_sum
from xir.ops.running import cumsum
from xir.ops.shape import broadcast, concat, iota, range_, reshape, reverse, transpose

operators = Operators("aten")
Values = Sequence[Value]
Mode = Literal["constant", "reflect", "edge", "wrap"]


@operators.op(
    "cat(Tensor[] tensors, int dim=0) -> Tensor",
    "concat(Tensor[] tensors, int dim=0) -> Tensor",
    "concatenate(Tensor[] tensors, int dim=0) -> Tensor",
)
def cat(call: Call, values: Values, axis: int) -> Value:
    """Tensors one after another; empty vectors among them count nothing (PyTorch's legacy rule)."""
    if not values:
        call.invalid("there is nothing to join")
    dtype = result_type(values)
    kept = [value for value in values if value.shape != (0,)]
    if not kept:
        return call.cast(values[0], dtype)
    axis = call.axis(axis, kept[0].rank)
    joined = [call.cast(value, dtype) for value in kept]
    return joined[0] if len(joined) == 1 else concat(*joined, axis=axis)


@operators.op(
    "stack(Tensor[] tensors, int dim=0) -> Tensor",
    "_stack(Tensor[] tensors, int dim=0) -> Tensor",
)
def stack(call: Call, values: Values, axis: int) -> Value:
    """Tensors of one shape along a new axis."""
    if not values:
        call.invalid("there is nothing to join")
    axis = call.axis(axis, values[0].rank + 1)
    return cat(call, [with_axis(value, axis) for value in values], axis)


@operators.op(
    "hstack(Tensor[] tensors) -> Tensor",
    "vstack(Tensor[] tensors) -> Tensor",
    "row_stack(Tensor[] tensors) -> Tensor",
    "dstack(Tensor[] tensors) -> Tensor",
)
def stack_along(call: Call, values: Values) -> Value:
    """Tensors one after another along the second axis (the first of vectors), the first, or the third."""
    rank = {"h": 1, "v": 2, "r": 2, "d": 3}[call.kind.removeprefix("aten.")[0]]
    raised = [_raised(value, rank) for value in values]
    axis = {1: min(1, raised[0].rank - 1), 2: 0, 3: 2}[rank]
    return cat(call, raised, axis)


def _raised(x: Value, rank: int) -> Value:
    """New axes up to a rank as `atleast_1d`, `atleast_2d` and `atleast_3d` make them."""
    behind = 1 if rank == 3 and x.rank in (1, 2) else 0
    return x if x.rank >= rank else reshape(x, shape=(*(1,) * (rank - x.rank - behind), *x.shape, *(1,) * behind))


@operators.op(
    "column_stack(Tensor[] tensors) -> Tensor",
)
def column_stack(call: Call, values: Values) -> Value:
    """Columns, and matrices, side by side."""
    return cat(call, [reshape(x, shape=(x.tensor.elements, 1)) if x.rank < 2 else x for x in values], 1)


@operators.op(
    "meshgrid(Tensor[] tensors) -> Tensor[]",
    "meshgrid.indexing(Tensor[] tensors, *, str indexing) -> Tensor[]",
)
def meshgrid(call: Call, values: Values, indexing: str = "ij") -> tuple[Value, ...]:
    """Each vector along an axis of its own of one grid; with "xy" the first two axes are exchanged."""
    if indexing not in ("ij", "xy"):
        call.invalid(f"indexing={indexing!r}, expected 'ij' or 'xy'")
    order = list(range(len(values)))
    if indexing == "xy" and len(values) > 1:
        order[0], order[1] = 1, 0
    vectors = [reshape(value, shape=(value.tensor.elements,)) for value in values]
    sizes = tuple(vectors[place].shape[0] for place in order)
    made: list[Value] = []
    for place, vector in enumerate(vectors):
        at = order.index(place)
        line = reshape(vector, shape=tuple(vector.shape[0] if axis == at else 1 for axis in range(len(order))))
        made.append(call.repeated(line, sizes))
    return tuple(made)


@operators.op(
    "block_diag(Tensor[] tensors) -> Tensor",
)
def block_diag(call: Call, values: Values) -> Value:
    """Matrices along a diagonal, zeros elsewhere."""
    dtype = result_type(values)
    blocks = [call.cast(x if x.rank == 2 else reshape(x, shape=(1, x.tensor.elements)), dtype) for x in values]
    width = sum((block.shape[1] for block in blocks), 0)
    rows: list[Value] = []
    before: Dim = 0
    for block in blocks:
        behind = width - before - block.shape[1]
        rows.append(shape.pad(block, padding=((0, 0), (before, behind))))
        before = before + block.shape[1]
    return concat(*rows, axis=0)


@operators.op(
    "repeat(Tensor self, SymInt[] repeats) -> Tensor",
)
def repeat(call: Call, x: Value, repeats: Sequence[Number]) -> Value:
    """The whole again and again along each axis, new ones in front."""
    if len(repeats) < x.rank:
        call.invalid(f"{len(repeats)} repeats for {x.type!r}")
    x = call.flat_to(x, (*(1,) * (len(repeats) - x.rank), *x.shape))
    if any(call.is_computed(each) for each in repeats):
        known, counts = call.shape(repeats)
        return shape.tile(x, counts, repeats=known)
    known = call.known_shape(repeats)
    return x if all(each == 1 for each in known) else shape.tile(x, repeats=known)


@operators.op(
    "tile(Tensor self, SymInt[] dims) -> Tensor",
)
def tile(call: Call, x: Value, repeats: Sequence[Number]) -> Value:
    """The same; the last axes where there are fewer repeats than axes."""
    return repeat(call, x, (*(1,) * (x.rank - len(repeats)), *repeats))


@operators.op(
    "repeat_interleave.self_int(Tensor self, SymInt repeats, int? dim=None, *, SymInt? output_size=None) -> Tensor",
    unused=("output_size",),
)
def repeat_each(call: Call, x: Value, times: Number, axis: int | None) -> Value:
    """Each slice of an axis, or each element, so many times."""
    if axis is None:
        x, axis = reshape(x, shape=(x.tensor.elements,)), 0
    x = call.flat_to(x, x.shape or (1,))
    axis = call.axis(axis, x.rank)
    (count,) = call.known_shape((times,))
    apart = with_axis(x, axis + 1)
    wide = call.repeated(apart, (*x.shape[: axis + 1], count, *x.shape[axis + 1 :]))
    return reshape(wide, shape=(*x.shape[:axis], x.shape[axis] * count, *x.shape[axis + 1 :]))


@operators.op(
    "repeat_interleave.Tensor(Tensor repeats, *, SymInt? output_size=None) -> Tensor",
)
def repeated_places(call: Call, repeats: Value, size: Number | None) -> Value:
    """Each place so often as the element there says."""
    held = call.scope.constant_of(repeats)
    if held is not None:
        counts = held.array().astype(np.int64)
        if (counts < 0).any():
            call.invalid("repeats must be 0 or more")
        call.bounded(int(counts.sum(dtype=np.float64)))
        return call.cast(call.literal(np.repeat(np.arange(counts.size), counts), DType.INT64), repeats.dtype)
    ends = cumsum(call.cast(repeats, DType.INT64), axis=0)
    total = reduce_sum(call.cast(repeats, DType.INT64), axes=(0,), keep_dims=False)
    if size is not None and not isinstance(size, Computed):
        (known,) = call.known_shape((size,))
        line = iota(shape=(known,), axis=0, dtype=DType.INT64)
    else:
        line = range_(call.scalar(0, DType.INT64), total, call.scalar(1, DType.INT64))
    places, borders = with_axis(line, 1), with_axis(ends, 0)
    table = (line.shape[0], ends.shape[0])
    passed = compare.greater_equal(broadcast(places, shape=table), broadcast(borders, shape=table))
    found = reduce_sum(call.cast(passed, DType.INT64), axes=(1,), keep_dims=False)
    return call.cast(found, repeats.dtype)


@operators.op(
    "repeat_interleave.self_Tensor(Tensor self, Tensor repeats, int? dim=None, *, SymInt? output_size=None) -> Tensor",
)
def repeat_each_by(call: Call, x: Value, repeats: Value, axis: int | None, size: Number | None) -> Value:
    """Each slice of an axis so often as its number says."""
    if axis is None:
        x, axis = reshape(x, shape=(x.tensor.elements,)), 0
    x = call.flat_to(x, x.shape or (1,))
    axis = call.axis(axis, x.rank)
    if not repeats.rank or repeats.shape == (1,):
        repeats = broadcast(reshape(repeats, shape=(1,)), shape=(x.shape[axis],))
    return gather(x, call.cast(repeated_places(call, repeats, size), DType.INT64), axis=axis)


@operators.op(
    "flip(Tensor self, int[] dims) -> Tensor",
)
def flip(call: Call, x: Value, axes: Sequence[int]) -> Value:
    """The elements of the axes in the opposite order."""
    over = call.axes(axes, x.rank) if axes else ()
    return reverse(x, axes=over) if over else x


@operators.op(
    "fliplr(Tensor self) -> Tensor",
    "flipud(Tensor self) -> Tensor",
)
def flip_named(call: Call, x: Value) -> Value:
    """The second axis, or the first, in the opposite order."""
    return reverse(x, axes=(1 if "fliplr" in call.kind else 0,))


@operators.op(
    "roll(Tensor self, SymInt[1] shifts, int[1] dims=[]) -> Tensor",
)
def roll(call: Call, x: Value, shifts: Sequence[Number], axes: Sequence[int]) -> Value:
    """Elements moved along axes, the last ones to the front; without axes along all elements in order."""
    if not axes:
        flat = reshape(x, shape=(x.tensor.elements,))
        return reshape(roll(call, flat, shifts, (0,)), shape=x.shape)
    if len(shifts) != len(axes):
        call.invalid(f"{len(shifts)} shifts for {len(axes)} axes")
    for shift, axis in zip(shifts, axes, strict=True):
        x = _rolled(x, call.known_integer(shift, "a shift"), call.axis(axis, x.rank))
    return x


def _rolled(x: Value, shift: int, axis: int) -> Value:
    size = x.shape[axis] if x.rank else 1
    if isinstance(size, int):
        shift = shift % size if size else 0
    if not shift or not x.rank:
        return x
    place: Dim = size - shift if shift > 0 else -shift
    return concat(cut(x, axis, place, size), cut(x, axis, 0, place), axis=axis)


@operators.op(
    "rot90(Tensor self, int k=1, int[] dims=[0, 1]) -> Tensor",
)
def rot90(call: Call, x: Value, times: int, axes: Sequence[int]) -> Value:
    """Quarter turns from the first axis toward the second."""
    first, second = (call.axis(axis, x.rank) for axis in axes)
    perm = list(range(x.rank))
    perm[first], perm[second] = second, first
    match times % 4:
        case 1:
            return transpose(reverse(x, axes=(second,)), perm=tuple(perm))
        case 2:
            return reverse(x, axes=(first, second))
        case 3:
            return reverse(transpose(x, perm=tuple(perm)), axes=(second,))
        case _:
            return x


def _padded(call: Call, x: Value, amounts: Sequence[Number], mode: Mode, value: Number = 0) -> Value:
    """(before, after) of the last axis first, then that of the one before it."""
    known = call.known_shape(amounts)
    if len(known) % 2 or len(known) > 2 * x.rank:
        call.invalid(f"{len(known)} amounts of padding for {x.type!r}")
    pairs = [(known[place], known[place + 1]) for place in range(0, len(known), 2)]
    padding = (*((0, 0),) * (x.rank - len(pairs)), *reversed(pairs))
    if all(pair == (0, 0) for pair in padding):
        return x
    if mode == "edge" and any((bounds(each)[0] or 0) < 0 for pair in padding for each in pair):
        return _clamped(call, x, padding)
    if mode == "constant" and (isinstance(value, Computed) or value != value):
        return shape.pad(x, None, call.scalar(value, x.dtype), padding=padding)
    return shape.pad(x, padding=padding, mode=mode, value=float(value) if isinstance(value, int | float) else 0.0)


def _clamped(call: Call, x: Value, padding: Sequence[tuple[Dim, Dim]]) -> Value:
    """The border repeated where axes are cut, too: each place shows the nearest element that there was."""
    for axis, (before, after) in enumerate(padding):
        if (before, after) == (0, 0):
            continue
        shape = (x.shape[axis] + before + after,)
        line = elementwise.sub(iota(shape=shape, axis=0, dtype=DType.INT64), call.filled(before, DType.INT64, shape))
        line = elementwise.maximum(line, call.filled(0, DType.INT64, shape))
        x = gather(x, elementwise.minimum(line, call.filled(x.shape[axis] - 1, DType.INT64, shape)), axis=axis)
    return x


@operators.op(
    "constant_pad_nd(Tensor self, SymInt[] pad, Scalar value=0) -> Tensor",
)
def constant_pad(call: Call, x: Value, amounts: Sequence[Number], value: Number) -> Value:
    """`value` around; negative amounts cut off."""
    return _padded(call, x, amounts, "constant", value)


@operators.op(
    "reflection_pad1d(Tensor self, SymInt[2] padding) -> Tensor",
    "reflection_pad2d(Tensor self, SymInt[4] padding) -> Tensor",
    "reflection_pad3d(Tensor self, SymInt[6] padding) -> Tensor",
)
def reflection_pad(call: Call, x: Value, amounts: Sequence[Number]) -> Value:
    """The elements mirrored at the border, which is not repeated."""
    return _padded(call, x, amounts, "reflect")


@operators.op(
    "replication_pad1d(Tensor self, SymInt[2] padding) -> Tensor",
    "replication_pad2d(Tensor self, SymInt[4] padding) -> Tensor",
    "replication_pad3d(Tensor self, SymInt[6] padding) -> Tensor",
)
def replication_pad(call: Call, x: Value, amounts: Sequence[Number]) -> Value:
    """The border repeated."""
    return _padded(call, x, amounts, "edge")


@operators.op(
    "_pad_circular(Tensor self, SymInt[] pad) -> Tensor",
)
def circular_pad(call: Call, x: Value, amounts: Sequence[Number]) -> Value:
    """The elements of the other end."""
    return _padded(call, x, amounts, "wrap")


_MODES: dict[str, Mode] = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


@operators.op(
    "pad(Tensor self, SymInt[] pad, str mode='constant', float? value=None) -> Tensor",
)
def pad(call: Call, x: Value, amounts: Sequence[Number], mode: str, value: float | None) -> Value:
    """Padding of any mode."""
    if mode not in _MODES:
        call.invalid(f"mode {mode!r}, expected one of {', '.join(_MODES)}")
    return _padded(call, x, amounts, _MODES[mode], 0 if value is None else value)


@operators.op(
    "_pad_enum(Tensor self, SymInt[] pad, int mode, float? value=None) -> Tensor",
)
def pad_enum(call: Call, x: Value, amounts: Sequence[Number], mode: int, value: float | None) -> Value:
    """The same with the number of the mode (aten/src/ATen/native/PadNd.h, `padding_mode`)."""
    names = ("reflect", "replicate", "circular", "constant")
    if not 0 <= mode < len(names):
        call.invalid(f"mode {mode}, expected one below {len(names)}")
    return pad(call, x, amounts, names[mode], value)


@operators.op(
    "pixel_shuffle(Tensor self, int upscale_factor) -> Tensor",
)
def pixel_shuffle(call: Call, x: Value, factor: int) -> Value:
    """[..., C * r^2, H, W] as [..., C, H * r, W * r]."""
    *outer, channels, height, width = x.shape
    apart = reshape(x, shape=(*outer, channels // (factor * factor), factor, factor, height, width))
    at = len(outer)
    moved = permuted(apart, [*range(at + 1), at + 3, at + 1, at + 4, at + 2])
    return reshape(moved, shape=(*outer, channels // (factor * factor), height * factor, width * factor))


@operators.op(
    "pixel_unshuffle(Tensor self, int downscale_factor) -> Tensor",
)
def pixel_unshuffle(call: Call, x: Value, factor: int) -> Value:
    """[..., C, H * r, W * r] as [..., C * r^2, H, W]."""
    *outer, channels, height, width = x.shape
    apart = reshape(x, shape=(*outer, channels, height // factor, factor, width // factor, factor))
    at = len(outer)
    moved = permuted(apart, [*range(at + 1), at + 2, at + 4, at + 1, at + 3])
    return reshape(moved, shape=(*outer, channels * factor * factor, height // factor, width // factor))


@operators.op(
    "channel_shuffle(Tensor self, SymInt groups) -> Tensor",
    "native_channel_shuffle(Tensor self, SymInt groups) -> Tensor",
)
def channel_shuffle(call: Call, x: Value, groups: Number) -> Value:
    """Channels of the groups in turn."""
    return shuffle_channels(x, groups=call.known_integer(groups, "a number of groups"))


@operators.op(
    "sum_to_size(Tensor self, SymInt[] size) -> Tensor",
)
def sum_to_size(call: Call, x: Value, sizes: Sequence[Number]) -> Value:
    """The sum over the axes that a tensor of these sizes would be repeated along."""
    known = call.known_shape(sizes)
    new = x.rank - len(known)
    over = [*range(new), *(axis + new for axis, size in enumerate(known) if size == 1 and x.shape[axis + new] != 1)]
    if known and not over:
        return x
    return call.flat_to(reduce_sum(call.cast(x, summed_type(x, None)), axes=tuple(over), keep_dims=False), known)


@operators.op(
    "cartesian_prod(Tensor[] tensors) -> Tensor",
)
def cartesian_prod(call: Call, values: Values) -> Value:
    """Every combination of elements, the last one changing first."""
    if len(values) == 1:
        return values[0]
    grid = meshgrid(call, values)
    return stack(call, [reshape(each, shape=(product(each.shape),)) for each in grid], 1)


@operators.op(
    "pad_sequence(Tensor[] sequences, bool batch_first=False, float padding_value=0., str padding_side='right') "
    "-> Tensor",
)
def pad_sequence(call: Call, values: Values, batch_first: bool, value: float, side: str) -> Value:
    """Sequences [T, ...] filled to the longest one, as [T, N, ...] or [N, T, ...]."""
    lengths = [call.known_integer(each.shape[0], "the length of a sequence") for each in values]
    longest = max(lengths)
    filled: list[Value] = []
    for each, length in zip(values, lengths, strict=True):
        gap = (longest - length, 0) if side == "left" else (0, longest - length)
        filled.append(shape.pad(each, padding=(gap, *((0, 0),) * (each.rank - 1)), value=value))
    return stack(call, filled, 0 if batch_first else 1)


@operators.op(
    "kron(Tensor self, Tensor other) -> Tensor",
)
def kron(call: Call, x: Value, other: Value) -> Value:
    """Every product of an element of each, `other` whole for every element of `x` (Kronecker)."""
    rank = max(x.rank, other.rank)
    left, right = (call.flat_to(each, (*(1,) * (rank - each.rank), *each.shape)) for each in (x, other))
    wide = reshape(left, shape=tuple(size for each in left.shape for size in (each, 1)))
    tall = reshape(right, shape=tuple(size for each in right.shape for size in (1, each)))
    made = elementwise.mul(*call.promoted(wide, tall))
    return reshape(made, shape=tuple(m * n for m, n in zip(left.shape, right.shape, strict=True)))
