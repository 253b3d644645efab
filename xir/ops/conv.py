"""Convolution in its general form, the transposed one, and the columns that both are made of."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import cast

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import Array, constant_of
from xir.ir.dims import Dim, Shape, product
from xir.ir.node import Node, Value
from xir.ir.types import TensorType
from xir.kernel import build
from xir.kernel.grammar import Buffer, Kernel, Load, Scalar
from xir.ops._checks import require_floating, require_rank, require_rank_at_least, require_same_dtype, require_size
from xir.ops._columns import convolve, scatter_columns
from xir.ops._define import op
from xir.ops._windows import (
    KnownPadding,
    Numbers,
    Padding,
    cell_slices,
    dilate_spatial,
    dilated,
    known_sizes,
    narrowed,
    pad_spatial,
    require_window,
    widened,
    window_attributes,
    window_sizes,
)
from xir.ops.constant import constant
from xir.ops.reduce import reduce_sum
from xir.ops.shape import reshape, reverse, transpose


def _require_groups(channels: Dim, groups: int, what: str) -> None:
    if groups < 1 or (isinstance(channels, int) and channels % groups):
        raise InvalidModelError(f"{what} must be divisible by the number of groups {groups}, got {channels!r}")


def _require_operands(x: Value, w: Value, bias: Value | None, outputs: Dim) -> None:
    require_same_dtype(x, w, *(() if bias is None else (bias,)))
    require_floating(x)
    require_rank_at_least(x, 3)
    require_rank(w, x.rank)
    if bias is not None:
        require_rank(bias, 1)
        require_size(bias.shape[0], outputs, "the size of the bias")


@op
def conv(
    x: Value,
    w: Value,
    bias: Value | None = None,
    *,
    strides: tuple[int, ...],
    padding: tuple[tuple[Dim, Dim], ...],
    dilation: tuple[int, ...],
    input_dilation: tuple[int, ...],
    groups: int,
) -> TensorType:
    """The cross-correlation of `x` with `w`, plus `bias` (ONNX Conv, Caffe Convolution, XLA ConvWithGeneralPadding).

    x: [N, C, spatial...], 1 or more spatial axes, floating; w: [O, C / groups, window...]; bias: [O]; result:
    [N, O, out...] with `out = (dilated size + before + after - (window - 1) * dilation - 1) // stride + 1`.
    `input_dilation - 1` zeros are put between neighbours of `x` first, then `padding` (before, after) adds zeros or,
    when negative, cuts off. Both gradients of a convolution are convolutions of this form.
    """
    _require_operands(x, w, bias, w.shape[0] if w.rank else 0)
    _require_groups(x.shape[1], groups, "the number of input channels")
    _require_groups(w.shape[0], groups, "the number of output channels")
    require_size(w.shape[1] * groups, x.shape[1], "the channels of the weights times the groups")
    if len(input_dilation) != x.rank - 2 or any(step < 1 for step in input_dilation):
        raise InvalidModelError(f"a positive input dilation for each spatial axis is needed, got {input_dilation}")
    spatial = tuple(map(dilated, x.shape[2:], input_dilation))
    out = window_sizes(spatial, w.shape[2:], strides, padding, dilation)
    return x.tensor.with_shape((x.shape[0], w.shape[0], *out))


@conv.reference
def _conv_reference(
    x: Array,
    w: Array,
    bias: Array | None,
    *,
    strides: tuple[int, ...],
    padding: KnownPadding,
    dilation: tuple[int, ...],
    input_dilation: tuple[int, ...],
    groups: int,
) -> Array:
    data = pad_spatial(dilate_spatial(widened(x), input_dilation), padding)
    result = convolve(data, widened(w), strides, dilation, groups)
    if bias is not None:
        result += widened(bias).reshape(-1, *(1,) * (x.ndim - 2))
    return narrowed(result, x)


def _transposed_weights(w: Value, groups: int) -> Value:
    """[G * A, B, window...] to [G * B, A, window...], each window turned around."""
    first, second, *window = w.shape
    cut = reshape(w, shape=(groups, first // groups, second, *window))
    moved = transpose(cut, perm=(0, 2, 1, *range(3, w.rank + 1)))
    joined = reshape(moved, shape=(groups * second, first // groups, *window))
    return reverse(joined, axes=tuple(range(2, w.rank)))


def _spread(
    y: Value,
    w: Value,
    spatial: Shape,
    *,
    strides: tuple[int, ...],
    padding: Padding,
    dilation: tuple[int, ...],
    input_dilation: tuple[int, ...],
    groups: int,
) -> Value:
    """The transpose, in its operand, of the convolution with these attributes that made `y` of a `spatial` plane."""
    pairs: list[tuple[Dim, Dim]] = []
    for axis, size in enumerate(spatial):
        reach = (w.shape[axis + 2] - 1) * dilation[axis]
        before = reach - padding[axis][0]
        after = dilated(size, input_dilation[axis]) + reach - dilated(y.shape[axis + 2], strides[axis]) - before
        pairs.append((before, after))
    return conv(
        y,
        _transposed_weights(w, groups),
        strides=input_dilation,
        padding=tuple(pairs),
        dilation=dilation,
        input_dilation=strides,
        groups=groups,
    )


def _weight_gradient(
    x: Value,
    dy: Value,
    window: Shape,
    *,
    strides: tuple[int, ...],
    padding: Padding,
    dilation: tuple[int, ...],
    input_dilation: tuple[int, ...],
    groups: int,
) -> Value:
    """`x` convolved with `dy`: batch and channels change places, strides and dilation too."""
    n, channels, *spatial = x.shape
    inputs = channels // groups
    cut = transpose(reshape(x, shape=(n, groups, inputs, *spatial)), perm=(2, 1, 0, *range(3, x.rank + 1)))
    pairs: list[tuple[Dim, Dim]] = []
    for axis, size in enumerate(spatial):
        before = padding[axis][0]
        reach = (window[axis] - 1) * dilation[axis]
        grown = dilated(dy.shape[axis + 2], strides[axis])
        pairs.append((before, grown + reach - dilated(size, input_dilation[axis]) - before))
    result = conv(
        reshape(cut, shape=(inputs, groups * n, *spatial)),
        transpose(dy, perm=(1, 0, *range(2, x.rank))),
        strides=dilation,
        padding=tuple(pairs),
        dilation=strides,
        input_dilation=input_dilation,
        groups=groups,
    )
    return transpose(result, perm=(1, 0, *range(2, x.rank)))


@conv.gradient
def _conv_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    x, w, bias = node.inputs
    if x is None or w is None:
        raise InvalidModelError("conv: an operand is missing")
    given = window_attributes(node)
    rest = {"strides": given.strides, "dilation": given.dilation, "input_dilation": given.input_dilation}
    dx = _spread(dy, w, x.shape[2:], padding=given.padding, groups=given.groups, **rest)
    dw = _weight_gradient(x, dy, w.shape[2:], padding=given.padding, groups=given.groups, **rest)
    summed = None if bias is None else reduce_sum(dy, axes=(0, *range(2, x.rank)), keep_dims=False)
    return dx, dw, summed


@conv.lower
def _conv_lower(node: Node) -> Kernel:
    x, w = (build.present(buffer) for buffer in build.operand_buffers(node)[:2])
    bias = build.operand_buffers(node)[2]

    def finish(places: build.Indices, total: Scalar) -> Scalar:
        if bias is None:
            return total
        return build.apply("add", total, build.cast(Load(bias, (places[1],)), total.dtype))

    return convolved(node, x, w, finish=finish)


def _itself(places: build.Indices, element: Scalar) -> Scalar:
    return element


def convolved(
    node: Node,
    x: Buffer,
    w: Buffer,
    *,
    left: Callable[[build.Indices, Scalar], Scalar] = _itself,
    right: Callable[[build.Indices, Scalar], Scalar] = _itself,
    finish: Callable[[build.Indices, Scalar], Scalar] = _itself,
) -> Kernel:
    """The nest of a convolution.

    Args:
        node: has the attributes of `conv`.
        x: the image; `w` the weights.
        w: see `x`.
        left: (result's indices, element of the image) -> factor; `right` the same of the weights.
        right: see `left`.
        finish: (result's indices, sum) -> the result's element.
    """
    given = window_attributes(node)
    window = build.Window(w.shape[2:], given.strides, given.padding, given.dilation, given.input_dilation)

    def channel(places: build.Indices, reduced: build.Indices) -> Scalar:
        if given.groups == 1:
            return reduced[0]
        group = build.apply("floor_div", places[1], build.index(w.shape[0] // given.groups))
        return build.apply("add", build.apply("mul", group, build.index(w.shape[1])), reduced[0])

    def element(places: build.Indices, reduced: build.Indices) -> Scalar:
        cells, inside = window.cells(places[2:], reduced[1:], x.shape[2:])
        return Load(x, (places[0], channel(places, reduced), *cells), inside)

    return build.contraction(
        node,
        w.shape[1:],
        left=lambda places, reduced: left(places, element(places, reduced)),
        right=lambda places, reduced: right(places, Load(w, (places[1], *reduced))),
        valid=lambda places, reduced: window.cells(places[2:], reduced[1:], x.shape[2:])[1],
        finish=finish,
    )


def transposed_size(size: Dim, window: Dim, stride: int, padding: tuple[Dim, Dim], dilation: int, extra: int) -> Dim:
    """`(size - 1) * stride + (window - 1) * dilation + 1 + extra - before - after` (ONNX ConvTranspose)."""
    return (size - 1) * stride + (window - 1) * dilation + 1 + extra - padding[0] - padding[1]


@op
def conv_transpose(
    x: Value,
    w: Value,
    bias: Value | None = None,
    *,
    strides: tuple[int, ...],
    padding: tuple[tuple[Dim, Dim], ...],
    dilation: tuple[int, ...],
    output_padding: tuple[int, ...],
    groups: int,
) -> TensorType:
    """The transposed convolution: each element of `x` adds its multiple of the window (ONNX ConvTranspose).

    Also Caffe Deconvolution. x: [N, C, spatial...], floating; w: [C, O / groups, window...]; bias: [O]; result:
    [N, O, out...] with `out = (size - 1) * stride + (window - 1) * dilation + 1 + output_padding - before - after`;
    `padding` cuts the result (negative: adds zeros), `output_padding` adds at its end.
    """
    outputs = w.shape[1] * groups if w.rank > 1 else 0
    _require_operands(x, w, bias, outputs)
    _require_groups(x.shape[1], groups, "the number of input channels")
    require_size(w.shape[0], x.shape[1], "the first size of the weights")
    require_window(x.rank - 2, w.shape[2:], strides, padding, dilation)
    if len(output_padding) != x.rank - 2 or any(extra < 0 for extra in output_padding):
        raise InvalidModelError(f"an output padding >= 0 for each spatial axis is needed, got {output_padding}")
    if any(step < 1 for step in (*strides, *dilation)):
        raise InvalidModelError(f"strides {strides} and dilation {dilation} must be positive")
    out = tuple(map(transposed_size, x.shape[2:], w.shape[2:], strides, padding, dilation, output_padding))
    if any(isinstance(size, int) and size < 1 for size in out):
        raise InvalidModelError(f"padding {list(padding)} cuts everything off: the result would be {list(out)}")
    return x.tensor.with_shape((x.shape[0], outputs, *out))


@conv_transpose.reference
def _conv_transpose_reference(
    x: Array,
    w: Array,
    bias: Array | None,
    *,
    strides: tuple[int, ...],
    padding: KnownPadding,
    dilation: tuple[int, ...],
    output_padding: tuple[int, ...],
    groups: int,
) -> Array:
    data, weights = widened(x), widened(w)
    full = scatter_columns(data, weights, strides, dilation, groups)
    cut: KnownPadding = tuple((-b, extra - a) for (b, a), extra in zip(padding, output_padding, strict=True))
    result = pad_spatial(full, cut)
    if bias is not None:
        result = result + widened(bias).reshape(-1, *(1,) * (x.ndim - 2))
    return narrowed(result, x)


@conv_transpose.decompose
def _conv_transpose_decompose(
    x: Value,
    w: Value,
    bias: Value | None = None,
    *,
    strides: tuple[int, ...],
    padding: tuple[tuple[Dim, Dim], ...],
    dilation: tuple[int, ...],
    output_padding: tuple[int, ...],
    groups: int,
) -> Value:
    pairs: list[tuple[Dim, Dim]] = []
    for cells, gap, (before, after), extra in zip(w.shape[2:], dilation, padding, output_padding, strict=True):
        reach = (cells - 1) * gap
        pairs.append((reach - before, reach - after + extra))
    return conv(
        x,
        _transposed_weights(w, groups),
        bias,
        strides=(1,) * len(strides),
        padding=tuple(pairs),
        dilation=dilation,
        input_dilation=strides,
        groups=groups,
    )


@op
def im2col(
    x: Value,
    *,
    window: tuple[int, ...],
    strides: tuple[int, ...],
    padding: tuple[tuple[Dim, Dim], ...],
    dilation: tuple[int, ...],
) -> TensorType:
    """What each window covers, stacked along the channels (Caffe Im2col, util/im2col.cpp).

    x: [N, C, spatial...], floating; result: [N, C * cells of the window, out...], the cells in row-major order
    within each channel.
    """
    require_floating(x)
    require_rank_at_least(x, 3)
    out = window_sizes(x.shape[2:], window, strides, padding, dilation)
    return x.tensor.with_shape((x.shape[0], x.shape[1] * product(window), *out))


@im2col.reference
def _im2col_reference(
    x: Array, *, window: tuple[int, ...], strides: tuple[int, ...], padding: KnownPadding, dilation: tuple[int, ...]
) -> Array:
    data = pad_spatial(cast("Numbers", x), padding)
    out = known_sizes(x.shape[2:], window, strides, padding, dilation)
    cells = cell_slices(window, strides, dilation, out)
    stacked = np.stack([data[(slice(None), slice(None), *cell)] for cell in cells], axis=2)
    return stacked.reshape(x.shape[0], -1, *out)


def _cells(x: Value, window: tuple[int, ...]) -> Value:
    """Weights [cells of the window, 1, window...] of which each picks one cell."""
    cells = prod(window)
    return constant(value=constant_of(np.eye(cells).reshape(cells, 1, *window), x.dtype))


@im2col.decompose
def _im2col_decompose(
    x: Value,
    *,
    window: tuple[int, ...],
    strides: tuple[int, ...],
    padding: tuple[tuple[Dim, Dim], ...],
    dilation: tuple[int, ...],
) -> Value:
    n, channels, *spatial = x.shape
    planes = reshape(x, shape=(n * channels, 1, *spatial))
    columns = conv(
        planes,
        _cells(x, window),
        strides=strides,
        padding=padding,
        dilation=dilation,
        input_dilation=(1,) * len(window),
        groups=1,
    )
    return reshape(columns, shape=(n, channels * prod(window), *columns.shape[2:]))


@im2col.gradient
def _im2col_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    x = node.inputs[0]
    if x is None:
        raise InvalidModelError("im2col: the operand is missing")
    given = window_attributes(node)
    dx = col2im(
        dy,
        spatial=x.shape[2:],
        window=given.window,
        strides=given.strides,
        padding=given.padding,
        dilation=given.dilation,
    )
    return (dx,)


@op
def col2im(
    x: Value,
    *,
    spatial: Shape,
    window: tuple[int, ...],
    strides: tuple[int, ...],
    padding: tuple[tuple[Dim, Dim], ...],
    dilation: tuple[int, ...],
) -> TensorType:
    """The transpose of `im2col`: every column is added where it came from (ONNX Col2Im, whose last axis is flat).

    x: [N, C * cells of the window, out...], floating, where `out` says how often the window fits into the padded
    `spatial`; result: [N, C, spatial...].
    """
    require_floating(x)
    require_rank(x, 2 + len(spatial))
    out = window_sizes(spatial, window, strides, padding, dilation)
    for have, want in zip(x.shape[2:], out, strict=True):
        require_size(have, want, "the number of windows along an axis")
    cells = product(window)
    channels = x.shape[1]
    if isinstance(channels, int) and isinstance(cells, int) and channels % cells:
        raise InvalidModelError(f"{channels} channels are not a multiple of the {cells} cells of the window")
    return x.tensor.with_shape((x.shape[0], channels // cells, *spatial))


@col2im.reference
def _col2im_reference(
    x: Array,
    *,
    spatial: tuple[int, ...],
    window: tuple[int, ...],
    strides: tuple[int, ...],
    padding: KnownPadding,
    dilation: tuple[int, ...],
) -> Array:
    data = widened(x)
    out = x.shape[2:]
    cells = cell_slices(window, strides, dilation, out)
    columns = data.reshape(x.shape[0], -1, len(cells), *out)
    sizes = [size + before + after for size, (before, after) in zip(spatial, padding, strict=True)]
    result = np.zeros((*columns.shape[:2], *sizes), data.dtype)
    for index, cell in enumerate(cells):
        result[(slice(None), slice(None), *cell)] += columns[:, :, index]
    return narrowed(pad_spatial(result, tuple((-before, -after) for before, after in padding)), x)


@col2im.decompose
def _col2im_decompose(
    x: Value,
    *,
    spatial: Shape,
    window: tuple[int, ...],
    strides: tuple[int, ...],
    padding: tuple[tuple[Dim, Dim], ...],
    dilation: tuple[int, ...],
) -> Value:
    n, channels, *out = x.shape
    cells = prod(window)
    result = _spread(
        reshape(x, shape=(n * (channels // cells), cells, *out)),
        _cells(x, window),
        spatial,
        strides=strides,
        padding=padding,
        dilation=dilation,
        input_dilation=(1,) * len(window),
        groups=1,
    )
    return reshape(result, shape=(n, channels // cells, *spatial))


@col2im.gradient
def _col2im_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    given = window_attributes(node)
    dx = im2col(dy, window=given.window, strides=given.strides, padding=given.padding, dilation=given.dilation)
    return (dx,)
