"""Convolution as matrix products: columns of windows, made in pieces of bounded size."""

from __future__ import annotations

from math import prod

import numpy as np

from xir.ops._windows import SCRATCH_BYTES, Numbers, cell_slices, window_view

# Up to so many cells a channel-wise window is cheaper cell by cell than as one small matrix product a channel.
_CELLS = 64

_WIDE_BYTES = 8
"""Of the widest number that is summed."""


def convolve(x: Numbers, w: Numbers, strides: tuple[int, ...], dilation: tuple[int, ...], groups: int) -> Numbers:
    """The cross-correlation of padded `x: [N, C, spatial...]` with `w: [O, C / groups, window...]`; a new array.

    Matrix products of f32 are taken in f64 and rounded once: BLAS sums the rows of one product in different orders,
    so that equal channels would get different results.
    """
    n = x.shape[0]
    outputs, inputs, *rest = w.shape
    window = tuple(rest)
    reach = [(cells - 1) * gap + 1 for cells, gap in zip(window, dilation, strict=True)]
    out = tuple((size - span) // step + 1 for size, span, step in zip(x.shape[2:], reach, strides, strict=True))
    data = x.reshape(n, groups, inputs, *x.shape[2:])
    weights = w.reshape(groups, outputs // groups, inputs, *window)
    if 0 in (*x.shape, *w.shape):
        result = np.zeros((n, groups, outputs // groups, *out), x.dtype)
    elif inputs == 1 and prod(window) <= _CELLS:
        result = _channel_wise(data, weights, strides, dilation, out)
    elif prod(window) == 1:
        stepped = tuple(slice(0, (size - 1) * step + 1, step) for size, step in zip(out, strides, strict=True))
        points = data[(slice(None), slice(None), slice(None), *stepped)].reshape(n, groups, inputs, -1)
        result = _by_points(points, weights.reshape(groups, -1, inputs))
    else:
        result = _by_columns(data, weights, strides, dilation, out)
    return result.reshape(n, outputs, *out)


def _by_points(x: Numbers, w: Numbers) -> Numbers:
    """[N, G, C, points] and [G, O, C] to [N, G, O, points], in pieces that fit the scratch memory."""
    n, groups, inputs, points = x.shape
    result = np.zeros((n, groups, w.shape[1], points), x.dtype)
    size = max(1, SCRATCH_BYTES // (inputs * _WIDE_BYTES))
    for image in range(n):
        for group in range(groups):
            weights = _wide(w[group])
            for first in range(0, points, size):
                piece = _wide(x[image, group, :, first : first + size])
                result[image, group, :, first : first + size] = np.matmul(weights, piece)
    return result


def _wide(x: Numbers) -> Numbers:
    return x.astype(np.float64) if x.dtype == np.float32 else x


def _channel_wise(
    x: Numbers, w: Numbers, strides: tuple[int, ...], dilation: tuple[int, ...], out: tuple[int, ...]
) -> Numbers:
    """One input channel a group: [N, G, 1, spatial...] and [G, O, 1, window...] to [N, G, O, out...]."""
    groups, outputs, _, *window = w.shape
    result = np.zeros((x.shape[0], groups, outputs, *out), x.dtype)
    weights = w.reshape(groups, outputs, -1, *(1,) * len(out))
    for index, cell in enumerate(cell_slices(tuple(window), strides, dilation, out)):
        result += x[(slice(None), slice(None), slice(None), *cell)] * weights[:, :, index]
    return result


def _by_columns(
    x: Numbers, w: Numbers, strides: tuple[int, ...], dilation: tuple[int, ...], out: tuple[int, ...]
) -> Numbers:
    """[N, G, C, spatial...] and [G, O, C, window...] to [N, G, O, points], in pieces that fit the scratch memory."""
    n, groups, inputs = x.shape[:3]
    outputs, window = w.shape[1], w.shape[3:]
    cells, line = prod(window), prod(out[1:])
    result = np.zeros((n, groups, outputs, prod(out)), x.dtype)
    item = cells * line * _WIDE_BYTES
    channels = min(inputs, max(1, SCRATCH_BYTES // item))
    rows = min(out[0], max(1, SCRATCH_BYTES // (item * channels)))
    views = window_view(x.reshape(n, groups * inputs, *x.shape[3:]), window, strides, dilation, out)
    axes = len(out)
    order = (0, *range(1 + axes, 1 + 2 * axes), *range(1, 1 + axes))
    for image in range(n):
        for group in range(groups):
            for top in range(0, out[0], rows):
                total: Numbers | None = None
                for first in range(0, inputs, channels):
                    last = min(first + channels, inputs)
                    piece = views[image, group * inputs + first : group * inputs + last, top : top + rows]
                    columns = _wide(piece.transpose(order)).reshape((last - first) * cells, -1)
                    part = np.matmul(_wide(w[group, :, first:last]).reshape(outputs, -1), columns)
                    total = part if total is None else total + part
                result[image, group, :, top * line : (top + rows) * line] = total
    return result


def scatter_columns(
    x: Numbers, w: Numbers, strides: tuple[int, ...], dilation: tuple[int, ...], groups: int
) -> Numbers:
    """The transpose of `convolve` without padding; a new array.

    x: [N, C, spatial...]; w: [C, O / groups, window...]; result: [N, O, (size - 1) * stride + reach of the window...].
    Each cell of the window is one batched product, so scratch memory is that of one cell's contribution.
    """
    n, channels, *rest = x.shape
    spatial, outputs, window = tuple(rest), w.shape[1], w.shape[2:]
    inputs = channels // groups
    sizes = [
        (size - 1) * step + (cells - 1) * gap + 1
        for size, step, cells, gap in zip(spatial, strides, window, dilation, strict=True)
    ]
    result = np.zeros((n, groups, outputs, *sizes), x.dtype)
    data = x.reshape(n, groups, inputs, -1)
    weights = w.reshape(groups, inputs, outputs, -1)
    for index, cell in enumerate(cell_slices(window, strides, dilation, spatial)):
        factor = weights[..., index].transpose(0, 2, 1)
        added = factor * data if inputs == 1 else np.matmul(factor, data)
        result[(slice(None), slice(None), slice(None), *cell)] += added.reshape(n, groups, outputs, *spatial)
    return result.reshape(n, groups * outputs, *sizes)
