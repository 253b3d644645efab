"""Moving elements about: reshape, broadcast, transpose, concatenation, slices, padding."""

from __future__ import annotations

from typing import Literal, cast

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.dims import Dim, Shape, bounds, ceil_divide, equal, product
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops._checks import require_axes, require_axis, require_dtype, require_rank_at_least, require_size
from xir.ops._define import op

PadMode = Literal["constant", "edge", "reflect", "wrap"]


def _require_vector(operand: Value | None, length: int) -> None:
    """Checks a run-time operand: `length` integers."""
    if operand is None:
        return
    require_dtype(operand, DType.INT32, DType.INT64)
    if operand.rank != 1:
        raise InvalidModelError(f"sizes at run time are a vector of integers, got {operand.type!r}")
    require_size(operand.shape[0], length, "the number of run-time sizes")


def _integers(operand: Array) -> list[int]:
    return [int(item) for item in cast("list[int]", operand.tolist())]


@op
def reshape(x: Value, target: Value | None = None, *, shape: Shape) -> TensorType:
    """The elements of `x` in row-major order in another shape (ONNX Reshape, Caffe Reshape and Flatten).

    x: any tensor; result: `shape`, as many elements. `target`: i64[rank of the result] gives the sizes at run time
    (one of them may be -1: what is left); `shape` then holds what is known of them.
    """
    _require_vector(target, len(shape))
    if equal(product(shape), x.tensor.elements) is False:
        raise InvalidModelError(f"{x.type!r} cannot take the shape {list(shape)}: the numbers of elements differ")
    return x.tensor.with_shape(shape)


@reshape.reference
def _reshape_reference(x: Array, target: Array | None, *, shape: tuple[int, ...]) -> Array:
    sizes = shape if target is None else tuple(_integers(target))
    try:
        return x.reshape(sizes)
    except ValueError:
        raise InvalidModelError(f"{list(x.shape)} cannot be reshaped to {list(sizes)}") from None


@op
def broadcast(x: Value, target: Value | None = None, *, shape: Shape) -> TensorType:
    """`x` repeated along axes of size 1 and new leading axes (ONNX Expand; NumPy's trailing alignment).

    x: any tensor whose sizes, aligned at the end, are 1 or those of `shape`; result: `shape`. `target`: i64[rank of
    the result] gives the sizes at run time; a 1 there keeps the size of `x`, as ONNX Expand says.
    """
    _require_vector(target, len(shape))
    if x.rank > len(shape):
        raise InvalidModelError(f"{x.type!r} has more axes than the shape {list(shape)}")
    for have, want in zip(x.shape, shape[len(shape) - x.rank :], strict=True):
        if have != 1 and equal(have, want) is False:
            raise InvalidModelError(f"{x.type!r} cannot be broadcast to {list(shape)}")
    return x.tensor.with_shape(shape)


@broadcast.reference
def _broadcast_reference(x: Array, target: Array | None, *, shape: tuple[int, ...]) -> Array:
    wanted = shape if target is None else tuple(_integers(target))
    try:
        return np.broadcast_to(x, wanted if target is None else np.broadcast_shapes(x.shape, wanted))
    except ValueError:
        raise InvalidModelError(f"{list(x.shape)} cannot be broadcast to {list(wanted)}") from None


@op
def transpose(x: Value, *, perm: tuple[int, ...]) -> TensorType:
    """`x` with its axes reordered: result axis i is axis perm[i] of `x` (ONNX Transpose, SSD Permute).

    x: any tensor; perm: each axis once; result: `[x.shape[p] for p in perm]`.
    """
    if len(perm) != x.rank:
        raise InvalidModelError(f"a permutation of {x.rank} axes is needed, got {list(perm)}")
    require_axes(x, perm)
    return x.tensor.with_shape(tuple(x.shape[axis] for axis in perm))


@transpose.reference
def _transpose_reference(x: Array, *, perm: tuple[int, ...]) -> Array:
    return np.transpose(x, perm)


@op
def concat(*values: Value, axis: int) -> TensorType:
    """The operands one after another along `axis` (ONNX Concat, Caffe Concat).

    values: one or more tensors of one dtype, all sizes but that of `axis` equal; result: the sizes of `axis` summed.
    """
    if not values:
        raise InvalidModelError("at least one operand is needed, got none")
    first = values[0]
    require_axis(first, axis)
    total: Dim = 0
    for value in values:
        if value.dtype is not first.dtype or value.rank != first.rank:
            raise InvalidModelError(f"one dtype and rank are needed, got {first.type!r} and {value.type!r}")
        for index, size in enumerate(value.shape):
            if index != axis:
                require_size(size, first.shape[index], f"size {index} of each operand")
        total = total + value.shape[axis]
    sizes = list(first.shape)
    for value in values:  # a known size tells more than a symbol
        sizes = [have if isinstance(have, int) else other for have, other in zip(sizes, value.shape, strict=True)]
    sizes[axis] = total
    return first.tensor.with_shape(tuple(sizes))


@concat.reference
def _concat_reference(*values: Array, axis: int) -> Array:
    return np.concatenate(values, axis=axis)


@op
def slice_(
    x: Value,
    start: Value | None = None,
    stop: Value | None = None,
    *,
    axes: tuple[int, ...],
    starts: Shape,
    stops: Shape,
    steps: tuple[int, ...],
) -> TensorType:
    """Every steps[i]-th element of axis axes[i] from starts[i] up to, not with, stops[i] (ONNX Slice, Caffe Crop).

    x: any tensor; 0 <= starts[i] <= stops[i] <= size, steps[i] > 0; result: ceil((stops - starts) / steps) along the
    sliced axes. `start`, `stop`: i64[number of axes] give the bounds at run time, read as ONNX Slice does (negative
    ones count from the end, all are clamped); the attributes then hold what is known of them.
    """
    require_axes(x, axes)
    if not len(axes) == len(starts) == len(stops) == len(steps):
        raise InvalidModelError(f"one start, stop and step an axis is needed, got {axes}, {starts}, {stops}, {steps}")
    _require_vector(start, len(axes))
    _require_vector(stop, len(axes))
    sizes = list(x.shape)
    for axis, first, last, step in zip(axes, starts, stops, steps, strict=True):
        if step < 1:
            raise InvalidModelError(f"steps must be positive, got {step}", hint="reverse the axis first")
        _require_ordered(0, first, axis, x)
        _require_ordered(first, last, axis, x)
        _require_ordered(last, sizes[axis], axis, x)
        sizes[axis] = ceil_divide(last - first, step)
    return x.tensor.with_shape(tuple(sizes))


def _require_ordered(low: Dim, high: Dim, axis: int, x: Value) -> None:
    most = bounds(high - low)[1]
    if most is not None and most < 0:
        raise InvalidModelError(f"0 <= start <= stop <= size fails on axis {axis} of {x.type!r}: {low!r} > {high!r}")


@slice_.reference
def _slice_reference(
    x: Array,
    start: Array | None,
    stop: Array | None,
    *,
    axes: tuple[int, ...],
    starts: tuple[int, ...],
    stops: tuple[int, ...],
    steps: tuple[int, ...],
) -> Array:
    firsts = starts if start is None else tuple(_integers(start))
    lasts = stops if stop is None else tuple(_integers(stop))
    index = [slice(None)] * x.ndim
    for axis, first, last, step in zip(axes, firsts, lasts, steps, strict=True):
        index[axis] = slice(first, last, step)
    return x[tuple(index)]


@op
def reverse(x: Value, *, axes: tuple[int, ...]) -> TensorType:
    """`x` with the elements of each of `axes` in the opposite order. Shape and dtype of `x` (StableHLO reverse)."""
    require_axes(x, axes)
    return x.tensor


@reverse.reference
def _reverse_reference(x: Array, *, axes: tuple[int, ...]) -> Array:
    return np.flip(x, axes)


@op
def pad(
    x: Value,
    amounts: Value | None = None,
    *,
    padding: tuple[tuple[Dim, Dim], ...],
    mode: PadMode = "constant",
    value: float = 0.0,
) -> TensorType:
    """`x` with padding[i] = (before, after) elements added to axis i; negative amounts cut off (ONNX Pad).

    x: any tensor; result: before + size + after along each axis. Modes: constant (`value`), edge (the last element),
    reflect (mirrored without the last element), wrap (around). Cutting comes first, so modes see what is left.
    `amounts`: i64[2 * rank], all befores and then all afters, gives the padding at run time.
    """
    if len(padding) != x.rank:
        raise InvalidModelError(f"a (before, after) pair an axis is needed, got {len(padding)} for {x.type!r}")
    _require_vector(amounts, 2 * x.rank)
    sizes: list[Dim] = []
    for size, (before, after) in zip(x.shape, padding, strict=True):
        padded = size + before + after
        most = bounds(padded)[1]
        if most is not None and most < 0:
            raise InvalidModelError(f"padding {before!r}, {after!r} cuts more than the size {size!r} of {x.type!r}")
        sizes.append(padded)
    return x.tensor.with_shape(tuple(sizes))


@pad.reference
def _pad_reference(
    x: Array, amounts: Array | None, *, padding: tuple[tuple[int, int], ...], mode: PadMode, value: float
) -> Array:
    if amounts is not None:
        flat = _integers(amounts)
        padding = tuple(zip(flat[: x.ndim], flat[x.ndim :], strict=True))
    return padded(x, padding, mode, value)


def padded(x: Array, padding: tuple[tuple[int, int], ...], mode: PadMode = "constant", value: float = 0.0) -> Array:
    """The array padded as the operator `pad` says; `x` itself when there is nothing to do.

    Raises:
        InvalidModelError: if an axis is empty and the mode needs an element to repeat.
    """
    cut = tuple(slice(max(-b, 0), size - max(-a, 0)) for size, (b, a) in zip(x.shape, padding, strict=True))
    grown = [(max(before, 0), max(after, 0)) for before, after in padding]
    x = x[cut]
    if not any(before or after for before, after in grown):
        return x
    if mode == "constant":
        result = np.full([size + b + a for size, (b, a) in zip(x.shape, grown, strict=True)], value, x.dtype)
        result[tuple(slice(b, b + size) for size, (b, _) in zip(x.shape, grown, strict=True))] = x
        return result
    if any(size == 0 and (b or a) for size, (b, a) in zip(x.shape, grown, strict=True)):
        raise InvalidModelError(f"an empty axis of {list(x.shape)} cannot be padded in mode {mode!r}")
    return np.pad(x, grown, mode=mode)


@op
def tile(x: Value, counts: Value | None = None, *, repeats: tuple[Dim, ...]) -> TensorType:
    """`x` repeated repeats[i] times along axis i (ONNX Tile, Caffe Tile).

    x: any tensor; result: size * repeat along each axis. `counts`: i64[rank] gives the repeats at run time.
    """
    if len(repeats) != x.rank:
        raise InvalidModelError(f"one repeat an axis is needed, got {len(repeats)} for {x.type!r}")
    _require_vector(counts, x.rank)
    for repeat in repeats:
        if isinstance(repeat, int) and repeat < 0:
            raise InvalidModelError(f"repeats must be >= 0, got {repeat}")
    return x.tensor.with_shape(tuple(size * repeat for size, repeat in zip(x.shape, repeats, strict=True)))


@tile.reference
def _tile_reference(x: Array, counts: Array | None, *, repeats: tuple[int, ...]) -> Array:
    return np.tile(x, repeats if counts is None else tuple(_integers(counts)))


@op
def split(x: Value, *, axis: int, sizes: Shape) -> tuple[TensorType, ...]:
    """`x` cut along `axis` into pieces of `sizes` (ONNX Split, Caffe Slice).

    x: any tensor, its size along `axis` the sum of `sizes`; results: one tensor a piece.
    """
    require_axis(x, axis)
    if not sizes:
        raise InvalidModelError("at least one piece is needed, got none")
    total: Dim = 0
    for size in sizes:
        total = total + size
    require_size(total, x.shape[axis], f"the sum of the pieces of axis {axis}")
    return tuple(x.tensor.with_shape((*x.shape[:axis], size, *x.shape[axis + 1 :])) for size in sizes)


@split.reference
def _split_reference(x: Array, *, axis: int, sizes: tuple[int, ...]) -> tuple[Array, ...]:
    return tuple(np.split(x, np.cumsum(sizes)[:-1], axis=axis))


def _divided(dim: Dim, divisor: int, what: str) -> Dim:
    """`dim // divisor`, checked where the rest is known."""
    if divisor < 1 or (isinstance(dim, int) and dim % divisor):
        raise InvalidModelError(f"{what} must be divisible by {divisor}, got {dim!r}")
    return dim // divisor


@op
def depth_to_space(x: Value, *, block: int, order: Literal["depth_first", "column_first"]) -> TensorType:
    """Channels moved into blocks of pixels (ONNX DepthToSpace; Shi et al. 2016, pixel shuffle).

    x: [N, C * block^2, H, W]; result: [N, C, H * block, W * block]. Channels are read as [block, block, C]
    (depth_first, ONNX DCR) or [C, block, block] (column_first, ONNX CRD, PyTorch PixelShuffle).
    """
    n, c, h, w = _four(x)
    return x.tensor.with_shape((n, _divided(c, block * block, "the number of channels"), h * block, w * block))


def _four(x: Value) -> tuple[Dim, Dim, Dim, Dim]:
    if x.rank != 4:
        raise InvalidModelError(f"[N, C, H, W] is needed, got {x.type!r}")
    n, c, h, w = x.shape
    return n, c, h, w


@depth_to_space.reference
def _depth_to_space_reference(x: Array, *, block: int, order: Literal["depth_first", "column_first"]) -> Array:
    n, c, h, w = x.shape
    rest = c // (block * block)
    if order == "depth_first":
        moved = x.reshape(n, block, block, rest, h, w).transpose(0, 3, 4, 1, 5, 2)
    else:
        moved = x.reshape(n, rest, block, block, h, w).transpose(0, 1, 4, 2, 5, 3)
    return moved.reshape(n, rest, h * block, w * block)


@depth_to_space.decompose
def _depth_to_space_decompose(x: Value, *, block: int, order: Literal["depth_first", "column_first"]) -> Value:
    n, c, h, w = x.shape
    rest = c // (block * block)
    if order == "depth_first":
        moved = transpose(reshape(x, shape=(n, block, block, rest, h, w)), perm=(0, 3, 4, 1, 5, 2))
    else:
        moved = transpose(reshape(x, shape=(n, rest, block, block, h, w)), perm=(0, 1, 4, 2, 5, 3))
    return reshape(moved, shape=(n, rest, h * block, w * block))


@op
def space_to_depth(x: Value, *, block: int) -> TensorType:
    """Blocks of pixels moved into channels, read as [block, block, C] (ONNX SpaceToDepth).

    x: [N, C, H * block, W * block]; result: [N, C * block^2, H, W].
    """
    n, c, h, w = _four(x)
    return x.tensor.with_shape((n, c * (block * block), _divided(h, block, "height"), _divided(w, block, "width")))


@space_to_depth.reference
def _space_to_depth_reference(x: Array, *, block: int) -> Array:
    n, c, h, w = x.shape
    cut = x.reshape(n, c, h // block, block, w // block, block)
    return cut.transpose(0, 3, 5, 1, 2, 4).reshape(n, c * block * block, h // block, w // block)


@space_to_depth.decompose
def _space_to_depth_decompose(x: Value, *, block: int) -> Value:
    n, c, h, w = x.shape
    cut = reshape(x, shape=(n, c, h // block, block, w // block, block))
    moved = transpose(cut, perm=(0, 3, 5, 1, 2, 4))
    return reshape(moved, shape=(n, c * (block * block), h // block, w // block))


@op
def channel_shuffle(x: Value, *, groups: int) -> TensorType:
    """Channels read as [groups, C / groups] and written transposed (ShuffleNet, Zhang et al. 2018, section 3.1).

    x: [N, C, ...], `groups` divides C; result: the shape of `x`.
    """
    require_rank_at_least(x, 2)
    _divided(x.shape[1], groups, "the number of channels")
    return x.tensor


@channel_shuffle.reference
def _channel_shuffle_reference(x: Array, *, groups: int) -> Array:
    n, c, *rest = x.shape
    return x.reshape(n, groups, c // groups, *rest).swapaxes(1, 2).reshape(x.shape)


@channel_shuffle.decompose
def _channel_shuffle_decompose(x: Value, *, groups: int) -> Value:
    n, c, *rest = x.shape
    cut = reshape(x, shape=(n, groups, c // groups, *rest))
    return reshape(transpose(cut, perm=(0, 2, 1, *range(3, x.rank + 1))), shape=x.shape)


@op
def shape_of(x: Value) -> TensorType:
    """The sizes of `x`. x: any tensor; result: i64[rank of x] (ONNX Shape)."""
    return TensorType(DType.INT64, (x.rank,))


@shape_of.reference
def _shape_of_reference(x: Array) -> Array:
    return np.array(x.shape, np.int64)


shape_of.no_gradient("sizes are integers and do not depend on the elements")


@op
def iota(*, shape: Shape, axis: int, dtype: DType) -> TensorType:
    """The index along `axis`: 0, 1, 2 ... result: `shape` of `dtype`, a number type (StableHLO iota, ONNX Range)."""
    if not 0 <= axis < len(shape):
        raise InvalidModelError(f"axis {axis} does not exist in a shape of {len(shape)} axes")
    if not (dtype.is_floating or dtype.is_integer):
        raise InvalidModelError(f"a number type is needed, got {dtype}")
    return TensorType(dtype, shape)


@iota.reference
def _iota_reference(*, shape: tuple[int, ...], axis: int, dtype: DType) -> Array:
    line = np.arange(shape[axis]).astype(dtype.dtype)
    return np.broadcast_to(line.reshape([-1 if index == axis else 1 for index in range(len(shape))]), shape)


iota.no_gradient("there is no operand")
