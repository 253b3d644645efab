"""Moving elements about: reshape, broadcast, transpose, concatenation, slices, tiles, pixel shuffles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import numpy as np

from xir.errors import InvalidModelError, UnsupportedError
from xir.ir.constant import Array
from xir.ir.dims import Dim, Shape, Symbol, bounds, ceil_divide, equal, product
from xir.ir.node import Node, Value
from xir.ir.types import DType, TensorType
from xir.kernel import build
from xir.kernel.grammar import Kernel, Load
from xir.ops._checks import only_element, require_axes, require_axis, require_same_dtype, require_scalar, require_size
from xir.ops._define import op
from xir.ops._nests import broadcast_nest, concat_nest, reverse_nest, sizes_nest, slice_nest
from xir.ops.padding import integers, require_vector
from xir.ops.padding import pad as pad


@op
def reshape(x: Value, target: Value | None = None, *, shape: Shape) -> TensorType:
    """The elements of `x` in row-major order in another shape (ONNX Reshape, Caffe Reshape and Flatten).

    x: any tensor; result: `shape`, as many elements. `target`: i64[rank of the result] gives the sizes at run time
    (one of them may be -1: what is left); `shape` then holds what is known of them.
    """
    require_vector(target, len(shape))
    if equal(product(shape), x.tensor.elements) is False:
        raise InvalidModelError(f"{x.type!r} cannot take the shape {list(shape)}: the numbers of elements differ")
    return x.tensor.with_shape(shape)


@reshape.reference
def _reshape_reference(x: Array, target: Array | None, *, shape: tuple[int, ...]) -> Array:
    sizes = shape if target is None else tuple(integers(target))
    try:
        return x.reshape(sizes)
    except ValueError:
        raise InvalidModelError(f"{list(x.shape)} cannot be reshaped to {list(sizes)}") from None


@reshape.gradient
def _reshape_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    return reshape(dy, shape=_operand(node).shape), None


@reshape.lower
def _reshape_lower(node: Node) -> Kernel:
    x = build.present(build.operand_buffers(node)[0])
    shape = node.outputs[0].shape
    return build.gather(node, lambda axes: Load(x, build.unflatten(build.flatten(axes, shape), x.shape)))


def _operand(node: Node) -> Value:
    x = node.inputs[0]
    if x is None:
        raise InvalidModelError(f"{node.op.name}: the operand is missing")
    return x


@op
def broadcast(x: Value, target: Value | None = None, *, shape: Shape) -> TensorType:
    """`x` repeated along axes of size 1 and new leading axes (ONNX Expand; NumPy's trailing alignment).

    x: any tensor whose sizes, aligned at the end, are 1 or those of `shape`; result: `shape`. `target`: i64[rank of
    the result] gives the sizes at run time; a 1 there keeps the size of `x`, as ONNX Expand says.
    """
    require_vector(target, len(shape))
    if x.rank > len(shape):
        raise InvalidModelError(f"{x.type!r} has more axes than the shape {list(shape)}")
    for have, want in zip(x.shape, shape[len(shape) - x.rank :], strict=True):
        if have != 1 and equal(have, want) is False:
            raise InvalidModelError(f"{x.type!r} cannot be broadcast to {list(shape)}")
    return x.tensor.with_shape(shape)


@broadcast.reference
def _broadcast_reference(x: Array, target: Array | None, *, shape: tuple[int, ...]) -> Array:
    wanted = shape if target is None else tuple(integers(target))
    try:
        return np.broadcast_to(x, wanted if target is None else np.broadcast_shapes(x.shape, wanted))
    except ValueError:
        raise InvalidModelError(f"{list(x.shape)} cannot be broadcast to {list(wanted)}") from None


@broadcast.gradient
def _broadcast_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    from xir.ops.reduce import reduce_sum  # reductions build on these operators

    x = _operand(node)
    new = dy.rank - x.rank
    repeated = [axis for axis, size in enumerate(x.shape, new) if size == 1 and dy.shape[axis] != 1]
    for axis, size in enumerate(x.shape, new):
        if size != 1 and equal(size, dy.shape[axis]) is not True:
            raise UnsupportedError(
                f"whether axis {axis} of {x.type!r} was repeated to {dy.type!r} cannot be told before the model runs",
                hint="give the model's input sizes with --input",
            )
    axes = (*range(new), *repeated)
    return reshape(reduce_sum(dy, axes=axes, keep_dims=False) if axes else dy, shape=x.shape), None


broadcast.lower(broadcast_nest)


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


@transpose.gradient
def _transpose_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    perm = cast("tuple[int, ...]", node.attributes["perm"])
    return (transpose(dy, perm=tuple(perm.index(axis) for axis in range(len(perm)))),)


@transpose.lower
def _transpose_lower(node: Node) -> Kernel:
    x = build.present(build.operand_buffers(node)[0])
    perm = cast("tuple[int, ...]", node.attributes["perm"])
    return build.gather(node, lambda axes: Load(x, tuple(axes[perm.index(axis)] for axis in range(len(perm)))))


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


@concat.gradient
def _concat_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    axis = cast("int", node.attributes["axis"])
    pieces: list[Value | None] = []
    start: Dim = 0
    for value in node.inputs:
        stop = start + (0 if value is None else value.shape[axis])
        pieces.append(slice_(dy, axes=(axis,), starts=(start,), stops=(stop,), steps=(1,)))
        start = stop
    return tuple(pieces)


concat.lower(concat_nest)


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
    require_vector(start, len(axes))
    require_vector(stop, len(axes))
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
    firsts = starts if start is None else tuple(integers(start))
    lasts = stops if stop is None else tuple(integers(stop))
    index = [slice(None)] * x.ndim
    for axis, first, last, step in zip(axes, firsts, lasts, steps, strict=True):
        index[axis] = slice(first, last, step)
    return x[tuple(index)]


@slice_.gradient
def _slice_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    x, start, stop = _operand(node), *node.inputs[1:]
    if start is not None or stop is not None:
        raise UnsupportedError(
            "the gradient of slice needs bounds that are known before the model runs",
            hint="fold the bounds to constants by giving the model's input sizes with --input",
        )
    held = node.attributes
    axes, steps = cast("tuple[int, ...]", held["axes"]), cast("tuple[int, ...]", held["steps"])
    padding: list[tuple[Dim, Dim]] = [(0, 0)] * x.rank
    for axis, first, step in zip(axes, cast("Shape", held["starts"]), steps, strict=True):
        dy = _with_gaps(dy, axis, step)
        padding[axis] = (first, x.shape[axis] - first - dy.shape[axis])
    return pad(dy, padding=tuple(padding)), None, None


slice_.lower(slice_nest)


def _with_gaps(x: Value, axis: int, step: int) -> Value:
    """`x` with `step - 1` zeros after each element along `axis`."""
    if step == 1:
        return x
    front, size, back = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
    apart = reshape(x, shape=(*front, size, 1, *back))
    padding = tuple((0, step - 1 if index == axis + 1 else 0) for index in range(x.rank + 1))
    return reshape(pad(apart, padding=padding), shape=(*front, size * step, *back))


@op
def reverse(x: Value, *, axes: tuple[int, ...]) -> TensorType:
    """`x` with the elements of each of `axes` in the opposite order. Shape and dtype of `x` (StableHLO reverse)."""
    require_axes(x, axes)
    return x.tensor


@reverse.reference
def _reverse_reference(x: Array, *, axes: tuple[int, ...]) -> Array:
    return np.flip(x, axes)


@reverse.gradient
def _reverse_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    return (reverse(dy, axes=cast("tuple[int, ...]", node.attributes["axes"])),)


reverse.lower(reverse_nest)


@op
def tile(x: Value, counts: Value | None = None, *, repeats: tuple[Dim, ...]) -> TensorType:
    """`x` repeated repeats[i] times along axis i (ONNX Tile, Caffe Tile).

    x: any tensor; result: size * repeat along each axis. `counts`: i64[rank] gives the repeats at run time.
    """
    if len(repeats) != x.rank:
        raise InvalidModelError(f"one repeat an axis is needed, got {len(repeats)} for {x.type!r}")
    require_vector(counts, x.rank)
    for repeat in repeats:
        if isinstance(repeat, int) and repeat < 0:
            raise InvalidModelError(f"repeats must be >= 0, got {repeat}")
    return x.tensor.with_shape(tuple(size * repeat for size, repeat in zip(x.shape, repeats, strict=True)))


@tile.reference
def _tile_reference(x: Array, counts: Array | None, *, repeats: tuple[int, ...]) -> Array:
    return np.tile(x, repeats if counts is None else tuple(integers(counts)))


@tile.decompose
def _tile_decompose(x: Value, counts: Value | None = None, *, repeats: tuple[Dim, ...]) -> Value:
    apart = reshape(x, shape=tuple(size for each in x.shape for size in (1, each)))
    both = tuple(size for pair in zip(repeats, x.shape, strict=True) for size in pair)
    result = tuple(size * repeat for size, repeat in zip(x.shape, repeats, strict=True))
    if counts is None:
        return reshape(broadcast(apart, shape=both), shape=result)
    from xir.ops.elementwise import cast as cast_op  # elementwise operators build on these
    from xir.ops.elementwise import mul

    rank, counts = x.rank, cast_op(counts, dtype=DType.INT64)
    sizes = shape_of(x)
    columns = [reshape(vector, shape=(rank, 1)) for vector in (counts, sizes)]
    pairs = reshape(concat(*columns, axis=1), shape=(2 * rank,))
    return reshape(broadcast(apart, pairs, shape=both), mul(counts, sizes), shape=result)


@op
def split(x: Value, lengths: Value | None = None, *, axis: int, sizes: Shape) -> tuple[TensorType, ...]:
    """`x` cut along `axis` into pieces of `sizes` (ONNX Split, Caffe Slice).

    x: any tensor, its size along `axis` the sum of `sizes`; results: one tensor a piece. `lengths`: i64[number of
    pieces] gives the sizes at run time; `sizes` then holds what is known of them.
    """
    require_axis(x, axis)
    if not sizes:
        raise InvalidModelError("at least one piece is needed, got none")
    require_vector(lengths, len(sizes))
    total: Dim = 0
    for size in sizes:
        total = total + size
    if lengths is None:
        require_size(total, x.shape[axis], f"the sum of the pieces of axis {axis}")
    return tuple(x.tensor.with_shape((*x.shape[:axis], size, *x.shape[axis + 1 :])) for size in sizes)


@split.reference
def _split_reference(x: Array, lengths: Array | None, *, axis: int, sizes: tuple[int, ...]) -> tuple[Array, ...]:
    pieces = sizes if lengths is None else tuple(integers(lengths))
    if sum(pieces) != x.shape[axis] or min(pieces) < 0:
        raise InvalidModelError(f"pieces of {list(pieces)} do not make up an axis of {x.shape[axis]}")
    return tuple(np.split(x, np.cumsum(pieces)[:-1], axis=axis))


@split.decompose
def _split_decompose(x: Value, lengths: Value | None = None, *, axis: int, sizes: Shape) -> tuple[Value, ...]:
    pieces: list[Value] = []
    start: Dim = 0
    if lengths is not None:
        return tuple(_split_at_run_time(x, lengths, axis, sizes))
    for size in sizes:
        pieces.append(slice_(x, axes=(axis,), starts=(start,), stops=(start + size,), steps=(1,)))
        start = start + size
    return tuple(pieces)


def _split_at_run_time(x: Value, lengths: Value, axis: int, sizes: Shape) -> Iterator[Value]:
    from xir.ops.elementwise import cast as cast_op  # these build on the operators of this room
    from xir.ops.elementwise import sub
    from xir.ops.running import cumsum

    whole = cast_op(lengths, dtype=DType.INT64)
    ends = cumsum(whole, axis=0)
    firsts = sub(ends, whole)
    for index, size in enumerate(sizes):
        start, stop = (
            slice_(vector, axes=(0,), starts=(index,), stops=(index + 1,), steps=(1,)) for vector in (firsts, ends)
        )
        first = Symbol()
        yield slice_(x, start, stop, axes=(axis,), starts=(first,), stops=(first + size,), steps=(1,))


@op
def shape_of(x: Value) -> TensorType:
    """The sizes of `x`. x: any tensor; result: i64[rank of x] (ONNX Shape)."""
    return TensorType(DType.INT64, (x.rank,))


@shape_of.reference
def _shape_of_reference(x: Array) -> Array:
    return np.array(x.shape, np.int64)


shape_of.no_gradient("sizes are integers and do not depend on the elements")
shape_of.lower(sizes_nest)


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


@iota.lower
def _iota_lower(node: Node) -> Kernel:
    axis = cast("int", node.attributes["axis"])
    return build.gather(node, lambda places: build.cast(places[axis], node.outputs[0].dtype))


@op
def range_(start: Value, limit: Value, delta: Value, *, stash: DType = DType.FLOAT32) -> TensorType:
    """start, start + delta, start + 2 delta ... up to, not with, limit (ONNX Range).

    start, limit, delta: scalars (or one element) of one number type, delta not 0; result: the same type,
    [max(ceil((limit - start) / delta), 0)]. f16 and bf16 are computed in `stash`, f32 or f64.
    """
    require_same_dtype(start, limit, delta)
    require_scalar(start, start.dtype)
    require_scalar(limit, start.dtype)
    require_scalar(delta, start.dtype)
    if not (start.dtype.is_floating or start.dtype.is_integer):
        raise InvalidModelError(f"a number type is needed, got {start.dtype}")
    if stash not in (DType.FLOAT32, DType.FLOAT64):
        raise InvalidModelError(f"ranges are computed in f32 or f64, got {stash}")
    return TensorType(start.dtype, (Symbol(),))


@range_.reference
def _range_reference(start: Array, limit: Array, delta: Array, *, stash: DType) -> Array:
    dtype = start.dtype
    if dtype.kind in "iu":
        first, last, step = (int(only_element(each)) for each in (start, limit, delta))
        return np.arange(first, last, step, dtype=np.int64).astype(dtype)
    kept = np.dtype(np.float64) if dtype == np.float64 else stash.dtype if dtype.itemsize < 4 else dtype
    origin, end, by = (only_element(each).reshape(-1)[0].astype(np.float64) for each in (start, limit, delta))
    ratio = (end - origin) / by
    if not np.isfinite(ratio):
        raise InvalidModelError(f"a range from {origin} to {end} in steps of {by}")
    count = max(int(np.ceil(ratio)), 0)
    line = np.arange(count).astype(kept) * by.astype(kept) + origin.astype(kept)
    return np.asarray(line).astype(dtype)


range_.no_gradient("how many elements there are is data")
range_.host("the size of the result depends on the data")
