"""Pooling (aten/src/ATen/native/Pool.h, AdaptiveAveragePooling.cpp, AdaptiveMaxPooling2d.cpp)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from xir.autodiff import pullback
from xir.frontends.overhang import with_overhang
from xir.frontends.torch.call import Call
from xir.frontends.torch.operators import Operators
from xir.ir.dims import Dim, Shape, ceil_divide, floor_divide, product
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import pool
from xir.ops.elementwise import div, mul, round_
from xir.ops.index import gather, gather_elements, scatter_elements
from xir.ops.matmul import matmul
from xir.ops.reduce import arg_max, reduce_max, reduce_mean
from xir.ops.shape import broadcast, concat, reshape, slice_, transpose

operators = Operators("aten")

Numbers = Sequence[int]
Padding = tuple[tuple[Dim, Dim], ...]


@dataclass(frozen=True, slots=True)
class _Window:
    """A window in PyTorch's words: numbers for each spatial axis, or one for all of them.

    Attributes:
        kernel_size: how many elements it covers.
        stride: how far it moves; none: as far as it covers.
        padding: how many cells lie before and after the image.
        ceil_mode: whether windows may hang over the end of the padding.
        dilation: how far the elements that it covers lie apart.
    """

    kernel_size: Numbers
    stride: Numbers
    padding: Numbers
    ceil_mode: bool
    dilation: Numbers = (1,)

    def over(self, call: Call, x: Value, axes: int) -> _Moves:
        """How it goes over the last `axes` axes of an image, with or without a batch axis."""
        if x.rank not in (axes + 1, axes + 2):
            call.invalid(f"a tensor of rank {axes + 1} or {axes + 2} is needed, got {x.type!r}")
        said = (self.kernel_size, self.stride or self.kernel_size, self.padding, self.dilation)
        given = [tuple(each) * (axes if len(each) == 1 else 1) for each in said]
        if any(len(each) != axes for each in given):
            call.invalid(f"for {axes} axes, got {[list(each) for each in given]}")
        window, strides, around, dilation = given
        counted: Padding = tuple((cells, cells) for cells in around)
        padding = counted
        if self.ceil_mode:
            padding = tuple(map(with_overhang, x.shape[-axes:], window, strides, counted, dilation))
        return _Moves(window, strides, padding, counted, dilation)


@dataclass(frozen=True, slots=True)
class _Moves:
    """A window with everything said; `counted` is the padding without the overhang of `ceil_mode`."""

    window: tuple[int, ...]
    strides: tuple[int, ...]
    padding: Padding
    counted: Padding
    dilation: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Divisor:
    """What a sum is divided by.

    Attributes:
        count_include_pad: whether cells of the padding count.
        divisor_override: a number in place of the count, or None.
    """

    count_include_pad: bool = True
    divisor_override: int | None = None


def _axes(call: Call) -> int:
    """How many spatial axes an operator has: 2 of `aten.max_pool2d.default`."""
    return int(call.kind[call.kind.index("pool") + len("pool")])


def _batch(x: Value, axes: int) -> Value:
    return x if x.rank == axes + 2 else reshape(x, shape=(1, *x.shape))


def _as_given(y: Value, x: Value) -> Value:
    return y if y.rank == x.rank else reshape(y, shape=y.shape[1:])


@operators.op(
    "max_pool1d(Tensor self, int[1] kernel_size, int[1] stride=[], int[1] padding=[0], int[1] dilation=[1],"
    " bool ceil_mode=False) -> Tensor",
    "max_pool2d(Tensor self, int[2] kernel_size, int[2] stride=[], int[2] padding=0, int[2] dilation=1,"
    " bool ceil_mode=False) -> Tensor",
    "max_pool3d(Tensor self, int[3] kernel_size, int[3] stride=[], int[3] padding=0, int[3] dilation=1,"
    " bool ceil_mode=False) -> Tensor",
    records=(_Window,),
)
def max_pool(call: Call, x: Value, window: _Window) -> Value:
    """max_pool1d, max_pool2d, max_pool3d."""
    axes = _axes(call)
    moves = window.over(call, x, axes)
    y = pool.max_pool(
        _batch(x, axes), window=moves.window, strides=moves.strides, padding=moves.padding, dilation=moves.dilation
    )
    return _as_given(y, x)


@operators.op(
    "max_pool1d_with_indices(Tensor self, int[1] kernel_size, int[1] stride=[], int[1] padding=[0],"
    " int[1] dilation=[1], bool ceil_mode=False) -> (Tensor, Tensor)",
    "max_pool2d_with_indices(Tensor self, int[2] kernel_size, int[2] stride=[], int[2] padding=0,"
    " int[2] dilation=1, bool ceil_mode=False) -> (Tensor, Tensor)",
    "max_pool3d_with_indices(Tensor self, int[3] kernel_size, int[3] stride=[], int[3] padding=0,"
    " int[3] dilation=1, bool ceil_mode=False) -> (Tensor, Tensor)",
    records=(_Window,),
)
def max_pool_with_indices(call: Call, x: Value, window: _Window) -> tuple[Value, ...]:
    """The maxima, and their row-major places in each plane."""
    axes = _axes(call)
    moves = window.over(call, x, axes)
    y, places = pool.max_pool_with_indices(
        _batch(x, axes), window=moves.window, strides=moves.strides, padding=moves.padding, dilation=moves.dilation
    )
    return _as_given(y, x), _as_given(places, x)


@operators.op(
    "avg_pool1d(Tensor self, int[1] kernel_size, int[1] stride=[], int[1] padding=[0], bool ceil_mode=False,"
    " bool count_include_pad=True) -> Tensor",
    "avg_pool2d(Tensor self, int[2] kernel_size, int[2] stride=[], int[2] padding=0, bool ceil_mode=False,"
    " bool count_include_pad=True, int? divisor_override=None) -> Tensor",
    "avg_pool3d(Tensor self, int[3] kernel_size, int[3] stride=[], int[3] padding=0, bool ceil_mode=False,"
    " bool count_include_pad=True, int? divisor_override=None) -> Tensor",
    records=(_Window, _Divisor),
)
def average_pool(call: Call, x: Value, window: _Window, divisor: _Divisor) -> Value:
    """avg_pool1d, avg_pool2d, avg_pool3d: a window that hangs over counts up to the end of the padding."""
    axes = _axes(call)
    return _as_given(_average(call, _batch(x, axes), axes, window, divisor), x)


def _average(call: Call, x: Value, axes: int, window: _Window, by: _Divisor) -> Value:
    """The means of a batch; those of integers are cut off."""
    moves, divisor = window.over(call, x, axes), by.divisor_override
    if divisor == 0:
        call.invalid("divisor_override is 0")
    counted = moves.counted if by.count_include_pad else ((0, 0),) * axes
    y = pool.average_pool(
        call.cast(x, DType.FLOAT64) if x.dtype.is_integer else x,
        window=moves.window,
        strides=moves.strides,
        padding=moves.padding,
        counted_padding=moves.padding if divisor is not None else counted,
        dilation=moves.dilation,
    )
    if divisor is not None:
        y = mul(y, call.filled(prod(moves.window), y.dtype, y.shape))
        y = round_(y) if x.dtype.is_integer else y
        y = div(y, call.filled(divisor, y.dtype, y.shape))
    return call.cast(y, x.dtype)


@operators.op(
    "adaptive_avg_pool1d(Tensor self, int[1] output_size) -> Tensor",
    "adaptive_avg_pool2d(Tensor self, SymInt[2] output_size) -> Tensor",
    "adaptive_avg_pool3d(Tensor self, SymInt[3] output_size) -> Tensor",
    "_adaptive_avg_pool2d(Tensor self, SymInt[2] output_size) -> Tensor",
    "_adaptive_avg_pool3d(Tensor self, SymInt[3] output_size) -> Tensor",
)
def adaptive_average(call: Call, x: Value, sizes: Sequence[Dim]) -> Value:
    """Means of `sizes` windows that cover each axis: window i from floor(i * n / m) to ceil((i + 1) * n / m)."""
    axes = len(sizes)
    if all(size == 1 for size in sizes):
        return reduce_mean(x, axes=tuple(range(x.rank - axes, x.rank)), keep_dims=True)
    batch = _batch(x, axes)
    steps = _even_steps(batch.shape[2:], sizes)
    if steps is not None:
        return _as_given(_average(call, batch, axes, _Window(steps, (), (0,), ceil_mode=False), _Divisor()), x)
    y = x
    for place, size in enumerate(sizes):
        y = _averaged_axis(call, y, x.rank - axes + place, size)
    return y


def _even_steps(spatial: Shape, sizes: Sequence[Dim]) -> tuple[int, ...] | None:
    """The windows, where all are of one size and lie side by side."""
    known = [(m, n) for m, n in zip(spatial, sizes, strict=True) if isinstance(m, int) and isinstance(n, int) and n]
    even = len(known) == len(spatial) and all(m and m % n == 0 for m, n in known)
    return tuple(m // n for m, n in known) if even else None


def _bounds(size: Dim, count: int) -> list[tuple[Dim, Dim]]:
    """Where each of `count` windows begins and ends."""
    return [(floor_divide(i * size, count), ceil_divide((i + 1) * size, count)) for i in range(count)]


def _known_bounds(length: int, count: int) -> list[tuple[int, int]]:
    return [(i * length // count, -(-(i + 1) * length // count)) for i in range(count)]


def _averaged_axis(call: Call, x: Value, axis: int, size: Dim) -> Value:
    count, length = call.known_integer(size, "the size of the result"), x.shape[axis]
    if length == count:
        return x
    call.bounded(count * (length if isinstance(length, int) else 1))
    if isinstance(length, int) and count:
        weights = np.zeros((count, length))
        for row, (start, end) in enumerate(_known_bounds(length, count)):
            weights[row, start:end] = 1 / (end - start)
        last = transpose(x, perm=(*(a for a in range(x.rank) if a != axis), axis)) if axis != x.rank - 1 else x
        flat = reshape(last, shape=(product(last.shape[:-1]), length))
        y = reshape(matmul(flat, call.literal(weights.T, x.dtype)), shape=(*last.shape[:-1], count))
        back = (*range(axis), x.rank - 1, *range(axis, x.rank - 1))
        return transpose(y, perm=back) if axis != x.rank - 1 else y
    call.several(count)
    parts = [
        reduce_mean(slice_(x, axes=(axis,), starts=(start,), stops=(end,), steps=(1,)), axes=(axis,), keep_dims=True)
        for start, end in _bounds(length, count)
    ]
    return concat(*parts, axis=axis)


@operators.op(
    "adaptive_max_pool1d(Tensor self, int[1] output_size) -> (Tensor, Tensor)",
    "adaptive_max_pool2d(Tensor self, int[2] output_size) -> (Tensor, Tensor)",
    "adaptive_max_pool3d(Tensor self, int[3] output_size) -> (Tensor, Tensor)",
)
def adaptive_max(call: Call, x: Value, sizes: Numbers) -> tuple[Value, ...]:
    """The maxima of windows that cover each axis, and their row-major places in each plane."""
    axes = len(sizes)
    first = x.rank - axes
    lead, spatial = x.shape[:first], tuple(call.known_integer(size, "the image") for size in x.shape[first:])
    call.bounded(
        prod(max(count, 1) * (length // max(count, 1) + 2) for length, count in zip(spatial, sizes, strict=True))
    )
    y, places = x, np.arange(prod(spatial)).reshape(spatial)
    for place, (length, count) in enumerate(zip(spatial, sizes, strict=True)):
        cells = _cells(length, count)
        y = gather(y, call.literal(cells, DType.INT64), axis=first + 2 * place)
        places = np.take(places, cells, axis=2 * place)
    order = (*range(0, 2 * axes, 2), *range(1, 2 * axes, 2))
    width = prod(places.shape[1::2])
    y = transpose(y, perm=(*range(first), *(first + axis for axis in order)))
    y = reshape(y, shape=(*lead, *sizes, width))
    table = call.literal(places.transpose(order).reshape(*sizes, width), DType.INT64)
    best = arg_max(y, axis=y.rank - 1, keep_dims=True)
    found = gather_elements(broadcast(table, shape=y.shape), best, axis=y.rank - 1)
    return reduce_max(y, axes=(y.rank - 1,), keep_dims=False), reshape(found, shape=y.shape[:-1])


def _cells(length: int, count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """The elements that each window covers, [count, the widest]; shorter ones say their last one again."""
    ends = _known_bounds(length, count)
    width = max((end - start for start, end in ends), default=1)
    cells = [[min(start + cell, end - 1) for cell in range(width)] for start, end in ends]
    return np.array(cells, np.int64).reshape(count, width)


@operators.op("_adaptive_avg_pool2d_backward(Tensor grad_output, Tensor self) -> Tensor")
def adaptive_average_backward(call: Call, dy: Value, x: Value) -> Value:
    """The derivative of `adaptive_avg_pool2d`: each mean is spread over its window."""

    def build(image: Value) -> Value:
        return adaptive_average(call, image, dy.shape[-2:])

    return pullback(build, (x,), dy)[0]


@operators.op(
    "avg_pool2d_backward(Tensor grad_output, Tensor self, int[2] kernel_size, int[2] stride, int[2] padding,"
    " bool ceil_mode, bool count_include_pad, int? divisor_override) -> Tensor",
    records=(_Window, _Divisor),
)
def average_backward(call: Call, dy: Value, x: Value, window: _Window, divisor: _Divisor) -> Value:
    """The derivative of `avg_pool2d`."""
    if x.dtype.is_integer:
        return _whole_backward(call, dy, x, window, divisor)
    return _spread(call, dy, x, window, divisor)


def _spread(call: Call, dy: Value, x: Value, window: _Window, divisor: _Divisor) -> Value:
    """The derivative of each mean, spread over its window."""

    def build(image: Value) -> Value:
        return _as_given(_average(call, _batch(image, 2), 2, window, divisor), image)

    return pullback(build, (x,), dy)[0]


def _whole_backward(call: Call, dy: Value, x: Value, window: _Window, by: _Divisor) -> Value:
    """The derivative of integers: the share of each element is cut off before the shares are added."""
    divisor, kernel = by.divisor_override, tuple(window.kernel_size)
    if divisor is None and (window.ceil_mode or (any(window.padding) and not by.count_include_pad)):
        call.refuse("the derivative of means of integers over windows of several sizes")
    count = divisor or prod(kernel * (2 if len(kernel) == 1 else 1))
    share = call.cast(dy, DType.FLOAT64)
    share = call.cast(call.cast(div(share, call.filled(count, share.dtype, share.shape)), dy.dtype), DType.FLOAT64)
    one = replace(by, divisor_override=1)
    return call.cast(round_(_spread(call, share, call.cast(x, DType.FLOAT64), window, one)), x.dtype)


@operators.op(
    "max_pool2d_with_indices_backward(Tensor grad_output, Tensor self, int[2] kernel_size, int[2] stride,"
    " int[2] padding, int[2] dilation, bool ceil_mode, Tensor indices) -> Tensor",
    unused=("kernel_size", "stride", "padding", "dilation", "ceil_mode"),
)
def max_backward(call: Call, dy: Value, x: Value, indices: Value) -> Value:
    """The derivative of `max_pool2d`: each is added where `indices` say that the maximum was, in its plane."""
    plane = call.filled(0, dy.dtype, (*x.shape[:-2], product(x.shape[-2:])))
    planes = (*dy.shape[:-2], product(dy.shape[-2:]))
    given, places = reshape(dy, shape=planes), reshape(indices, shape=planes)
    added = scatter_elements(plane, places, given, axis=x.rank - 2, reduction="add")
    return reshape(added, shape=x.shape)


@operators.op(
    "max_unpool2d(Tensor self, Tensor indices, SymInt[2] output_size) -> Tensor",
    "max_unpool3d(Tensor self, Tensor indices, SymInt[3] output_size, int[3] stride, int[3] padding) -> Tensor",
    unused=("stride", "padding"),
)
def max_unpool(call: Call, x: Value, indices: Value, sizes: Shape) -> Value:
    """Each element put at its place, zero elsewhere."""
    axes = len(sizes)
    y = pool.max_unpool(_batch(x, axes), _batch(indices, axes), spatial=tuple(sizes))
    return _as_given(y, x)
