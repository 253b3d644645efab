"""Pooling: the largest, the mean, the norm of each window, and the way back from the largest."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Literal, cast

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.dims import Dim, Shape, bounds, equal, product
from xir.ir.dims import maximum as maximum_dim
from xir.ir.node import Node, Value
from xir.ir.types import DType, TensorType, dtype_from_numpy
from xir.kernel import build
from xir.kernel.grammar import Kernel
from xir.ops._build import scalar_like
from xir.ops._carried import pool_with_places
from xir.ops._checks import require_dtype, require_floating, require_rank, require_rank_at_least, require_same_shape
from xir.ops._define import op
from xir.ops._wide import narrow, scalar, wide
from xir.ops._windows import (
    KnownPadding,
    Numbers,
    Padding,
    WindowAttributes,
    cell_slices,
    integer_limits,
    known_sizes,
    narrowed,
    pad_spatial,
    widened,
    window_attributes,
    window_sizes,
)
from xir.ops.compare import less
from xir.ops.conv import conv
from xir.ops.elementwise import abs_, div, maximum, pow_, select
from xir.ops.index import scatter_elements
from xir.ops.padding import pad
from xir.ops.shape import broadcast, reshape


def _pooled(
    x: Value, window: tuple[int, ...], strides: tuple[int, ...], padding: Padding, dilation: tuple[int, ...]
) -> Shape:
    require_rank_at_least(x, 3)
    return (*x.shape[:2], *window_sizes(x.shape[2:], window, strides, padding, dilation))


def _require_comparable(x: Value) -> None:
    if not (x.dtype.is_floating or x.dtype.is_integer):
        raise InvalidModelError(f"a number type is needed, got {x.type!r}")


def lowest(array: Array) -> float | int:
    """What a maximum starts from: -inf, or the least integer."""
    dtype = dtype_from_numpy(array.dtype)
    return -np.inf if dtype.is_floating else integer_limits(dtype)[0]


@op
def max_pool(
    x: Value,
    *,
    window: tuple[int, ...],
    strides: tuple[int, ...],
    padding: tuple[tuple[Dim, Dim], ...],
    dilation: tuple[int, ...],
) -> TensorType:
    """The largest element in each window (ONNX MaxPool, Caffe Pooling MAX).

    x: [N, C, spatial...], numbers; result: [N, C, out...] with
    `out = (size + before + after - (window - 1) * dilation - 1) // stride + 1`. Padding never wins: it counts as -inf
    (the least integer), which is the result where a window covers nothing else (Caffe: -FLT_MAX). A NaN in a window
    is the result, as in PyTorch; Caffe's comparison skips it. A ceil-mode overhang is padding after the end.
    """
    _require_comparable(x)
    return x.tensor.with_shape(_pooled(x, window, strides, padding, dilation))


@max_pool.reference
def _max_pool_reference(
    x: Array, *, window: tuple[int, ...], strides: tuple[int, ...], padding: KnownPadding, dilation: tuple[int, ...]
) -> Array:
    out = known_sizes(x.shape[2:], window, strides, padding, dilation)
    data = pad_spatial(widened(x), padding, lowest(x))
    return narrowed(_separable(np.maximum, data, window, strides, dilation, out), x)


def _separable(
    combine: Callable[..., Numbers],
    x: Numbers,
    window: tuple[int, ...],
    strides: tuple[int, ...],
    dilation: tuple[int, ...],
    out: tuple[int, ...],
) -> Numbers:
    """Combines the cells of each window, axis by axis: sum of the window's sizes passes instead of their product."""
    for axis in range(x.ndim - 1, 1, -1):
        spatial = axis - 2
        before = (slice(None),) * axis
        cells = cell_slices((window[spatial],), (strides[spatial],), (dilation[spatial],), (out[spatial],))
        result = x[(*before, *cells[0])].copy()
        for cell in cells[1:]:
            combine(result, x[(*before, *cell)], out=result)
        x = result
    return x


@max_pool.gradient
def _max_pool_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    x = node.inputs[0]
    if x is None:
        raise InvalidModelError("max_pool: the operand is missing")
    given = window_attributes(node)
    _, indices = max_pool_with_indices(
        x, window=given.window, strides=given.strides, padding=given.padding, dilation=given.dilation
    )
    return (_put_back(dy, indices, x.shape, _covers_padding(given)),)


@max_pool.lower
def _max_pool_lower(node: Node) -> Kernel:
    given = window_attributes(node)
    return build.window(
        node,
        build.Window(given.window, given.strides, given.padding, given.dilation),
        start=build.extreme(node.outputs[0].dtype, highest=False),
        step=lambda top, element: build.apply("max", top, element),
    )


def _covers_padding(given: WindowAttributes) -> bool:
    """Whether a window may lie in the padding alone, where its index is -1."""
    reach = [(cells - 1) * gap + 1 for cells, gap in zip(given.window, given.dilation, strict=True)]
    inside = [
        equal(maximum_dim(size, span - 1), span - 1)
        for span, pair in zip(reach, given.padding, strict=True)
        for size in pair
    ]
    return not all(answer is True for answer in inside)


def _put_back(dy: Value, indices: Value, shape: Shape, covers_padding: bool) -> Value:
    """A tensor of `shape` with each element of `dy` added at its index; those at -1 are dropped."""
    if covers_padding:
        zero = scalar_like(indices, 0)
        dy = select(less(indices, zero), scalar_like(dy, 0), dy)
        indices = maximum(indices, zero)
    return _scattered(dy, indices, shape, "add")


def _scattered(x: Value, indices: Value, shape: Shape, reduction: Literal["none", "add"]) -> Value:
    """A tensor of `shape`, zero but for the elements of `x` at `indices` into each plane."""
    n, channels, *spatial = shape
    flat = (*x.shape[:2], product(x.shape[2:]))
    zeros = broadcast(scalar(x.dtype, 0), shape=(n, channels, product(tuple(spatial))))
    planes = scatter_elements(zeros, reshape(indices, shape=flat), reshape(x, shape=flat), axis=2, reduction=reduction)
    return reshape(planes, shape=shape)


@op
def max_pool_with_indices(
    x: Value,
    *,
    window: tuple[int, ...],
    strides: tuple[int, ...],
    padding: tuple[tuple[Dim, Dim], ...],
    dilation: tuple[int, ...],
) -> tuple[TensorType, TensorType]:
    """`max_pool` and where each maximum lies (Caffe Pooling with two tops, ONNX MaxPool with Indices).

    x: [N, C, spatial...], numbers; results: the maxima [N, C, out...] and, as i64, their row-major positions within
    the plane of x (`h * W + w`, Caffe's mask). Of equals the first in row-major order is named, of NaNs the first;
    -1 where a window covers padding alone.
    """
    _require_comparable(x)
    shape = _pooled(x, window, strides, padding, dilation)
    return x.tensor.with_shape(shape), TensorType(DType.INT64, shape)


@max_pool_with_indices.reference
def _max_pool_with_indices_reference(
    x: Array, *, window: tuple[int, ...], strides: tuple[int, ...], padding: KnownPadding, dilation: tuple[int, ...]
) -> tuple[Array, Array]:
    spatial = x.shape[2:]
    out = known_sizes(spatial, window, strides, padding, dilation)
    data = pad_spatial(widened(x), padding, lowest(x))
    plane = np.arange(prod(spatial), dtype=np.int64).reshape(1, 1, *spatial)
    positions = pad_spatial(cast("Numbers", plane), padding, -1)
    best = np.full((*x.shape[:2], *out), lowest(x), data.dtype)
    where = np.full(best.shape, -1, np.int64)
    for cell in cell_slices(window, strides, dilation, out):
        value = data[(slice(None), slice(None), *cell)]
        position = positions[(slice(None), slice(None), *cell)]
        better = ((value > best) | ((value != value) & (best == best)) | (where < 0)) & (position >= 0)
        np.copyto(best, value, where=better)
        np.copyto(where, position, where=better, casting="unsafe")
    return narrowed(best, x), where


@max_pool_with_indices.gradient
def _max_pool_with_indices_gradient(node: Node, dy: Value, dindices: Value | None) -> tuple[Value | None, ...]:
    x = node.inputs[0]
    if x is None:
        raise InvalidModelError("max_pool_with_indices: the operand is missing")
    return (_put_back(dy, node.outputs[1], x.shape, _covers_padding(window_attributes(node))),)


max_pool_with_indices.lower(lambda node: pool_with_places(node, window_attributes(node)))


@op
def max_unpool(x: Value, indices: Value, *, spatial: Shape) -> TensorType:
    """Each element put at its index, zero elsewhere (ONNX MaxUnpool; Zeiler & Fergus 2014).

    x: [N, C, in...], floating; indices: i64 of that shape, row-major positions in the plane of the result; result:
    [N, C, spatial...]. Of elements with one index the last in row-major order stays.
    """
    require_floating(x)
    require_rank_at_least(x, 3)
    require_dtype(indices, DType.INT64)
    require_same_shape(x.shape, indices.shape)
    require_rank(x, len(spatial) + 2)
    return x.tensor.with_shape((*x.shape[:2], *spatial))


@max_unpool.reference
def _max_unpool_reference(x: Array, indices: Array, *, spatial: tuple[int, ...]) -> Array:
    planes, cells = prod(x.shape[:2]), prod(spatial)
    flat = cast("np.ndarray[tuple[int, ...], np.dtype[np.int64]]", indices).reshape(planes, -1)
    if flat.size and not 0 <= int(flat.min()) <= int(flat.max()) < cells:
        raise InvalidModelError(f"indices must lie in [0, {cells}), got {int(flat.min())} to {int(flat.max())}")
    result = np.zeros((planes, cells), x.dtype)
    result[np.arange(planes)[:, None], flat] = x.reshape(planes, -1)
    return result.reshape(*x.shape[:2], *spatial)


@max_unpool.decompose
def _max_unpool_decompose(x: Value, indices: Value, *, spatial: Shape) -> Value:
    return _scattered(x, indices, (*x.shape[:2], *spatial), "none")


@op
def average_pool(
    x: Value,
    *,
    window: tuple[int, ...],
    strides: tuple[int, ...],
    padding: tuple[tuple[Dim, Dim], ...],
    counted_padding: tuple[tuple[Dim, Dim], ...],
    dilation: tuple[int, ...],
) -> TensorType:
    """The mean of each window (ONNX AveragePool, Caffe Pooling AVE).

    x: [N, C, spatial...], floating; result: [N, C, out...] with
    `out = (size + before + after - (window - 1) * dilation - 1) // stride + 1`. The divisor is the number of the
    window's cells that lie in the input or in its first `counted_padding` (at most `padding`) cells around: zeros
    exclude the padding, `padding` includes it, and (p, p) of a padding (p, p + overhang) is Caffe's rule, whose
    `pool_size` ends at `size + pad` (pooling_layer.cpp), as ONNX's does in ceil mode. A window over nothing that counts
    is 0 / 0.
    """
    require_floating(x)
    if len(counted_padding) != len(padding):
        raise InvalidModelError(f"counted padding {list(counted_padding)} does not fit padding {list(padding)}")
    for pair, counted in zip(padding, counted_padding, strict=True):
        for size, part in zip(pair, counted, strict=True):
            least = bounds(size - part)[1]
            if (isinstance(part, int) and part < 0 and part != size) or (least is not None and least < 0):
                raise InvalidModelError(f"counted padding {list(counted)} must lie within padding {list(pair)}")
    return x.tensor.with_shape(_pooled(x, window, strides, padding, dilation))


@average_pool.reference
def _average_pool_reference(
    x: Array,
    *,
    window: tuple[int, ...],
    strides: tuple[int, ...],
    padding: KnownPadding,
    counted_padding: KnownPadding,
    dilation: tuple[int, ...],
) -> Array:
    out = known_sizes(x.shape[2:], window, strides, padding, dilation)
    data = pad_spatial(widened(x), padding)
    total = _separable(np.add, data, window, strides, dilation, out)
    for axis, size in enumerate(x.shape[2:]):
        count = _counts(
            size, window[axis], strides[axis], padding[axis], counted_padding[axis], dilation[axis], out[axis]
        )
        total /= count.astype(data.dtype).reshape(-1, *(1,) * (len(out) - 1 - axis))
    return narrowed(total, x)


def _counts(
    size: int,
    window: int,
    stride: int,
    padding: tuple[int, int],
    counted: tuple[int, int],
    dilation: int,
    out: int,
) -> Numbers:
    """How many cells of each window of one axis count."""
    marks = np.zeros(size + padding[0] + padding[1])
    marks[padding[0] - counted[0] : len(marks) - padding[1] + counted[1]] = 1
    counts = np.zeros(out)
    for cell in cell_slices((window,), (stride,), (dilation,), (out,)):
        counts += marks[cell]
    return counts


def _window_sums(
    x: Value, window: tuple[int, ...], strides: tuple[int, ...], padding: Padding, dilation: tuple[int, ...]
) -> Value:
    """The sum of each window, as a convolution of each plane with ones."""
    n, channels, *spatial = x.shape
    ones = broadcast(scalar(x.dtype, 1), shape=(1, 1, *window))
    sums = conv(
        reshape(x, shape=(n * channels, 1, *spatial)),
        ones,
        strides=strides,
        padding=padding,
        dilation=dilation,
        input_dilation=(1,) * len(window),
        groups=1,
    )
    return reshape(sums, shape=(n, channels, *sums.shape[2:]))


@average_pool.decompose
def _average_pool_decompose(
    x: Value,
    *,
    window: tuple[int, ...],
    strides: tuple[int, ...],
    padding: tuple[tuple[Dim, Dim], ...],
    counted_padding: tuple[tuple[Dim, Dim], ...],
    dilation: tuple[int, ...],
) -> Value:
    data = wide(x)
    sums = _window_sums(data, window, strides, padding, dilation)
    plane = broadcast(scalar(data.dtype, 1), shape=(1, 1, *x.shape[2:]))
    counted = pad(plane, padding=((0, 0), (0, 0), *counted_padding), value=1.0)
    rest = tuple(
        (before - counted_before, after - counted_after)
        for (before, after), (counted_before, counted_after) in zip(padding, counted_padding, strict=True)
    )
    counts = _window_sums(counted, window, strides, rest, dilation)
    return narrow(div(sums, broadcast(counts, shape=sums.shape)), x.dtype)


@op
def lp_pool(
    x: Value,
    *,
    window: tuple[int, ...],
    strides: tuple[int, ...],
    padding: tuple[tuple[Dim, Dim], ...],
    dilation: tuple[int, ...],
    p: float,
) -> TensorType:
    """The p-norm of each window, `sum(|x| ** p) ** (1 / p)`, padding zero (ONNX LpPool).

    x: [N, C, spatial...], floating; p > 0; result: [N, C, out...] as `max_pool` says.
    """
    require_floating(x)
    if not p > 0:
        raise InvalidModelError(f"p must be positive, got {p}")
    return x.tensor.with_shape(_pooled(x, window, strides, padding, dilation))


@lp_pool.reference
def _lp_pool_reference(
    x: Array,
    *,
    window: tuple[int, ...],
    strides: tuple[int, ...],
    padding: KnownPadding,
    dilation: tuple[int, ...],
    p: float,
) -> Array:
    out = known_sizes(x.shape[2:], window, strides, padding, dilation)
    data = pad_spatial(np.abs(widened(x)) ** p, padding)
    return narrowed(_separable(np.add, data, window, strides, dilation, out) ** (1 / p), x)


@lp_pool.decompose
def _lp_pool_decompose(
    x: Value,
    *,
    window: tuple[int, ...],
    strides: tuple[int, ...],
    padding: tuple[tuple[Dim, Dim], ...],
    dilation: tuple[int, ...],
    p: float,
) -> Value:
    data = abs_(wide(x))
    sums = _window_sums(pow_(data, scalar_like(data, p)), window, strides, padding, dilation)
    return narrow(pow_(sums, scalar_like(sums, 1 / p)), x.dtype)
