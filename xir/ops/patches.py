"""Patches put back into an image, and images cut or padded around their centre."""

from __future__ import annotations

from math import prod

import numpy as np

from xir.errors import InvalidModelError, UnsupportedError
from xir.ir.constant import Array
from xir.ir.dims import Dim, Shape, Symbol, floor_divide, maximum
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops._checks import require_axes, require_rank, require_size
from xir.ops._define import op
from xir.ops._numeric import require_number
from xir.ops._wide import narrow
from xir.ops._windows import KnownPadding, cell_slices, known_sizes, pad_spatial, widened, window_sizes
from xir.ops.conv import col2im
from xir.ops.elementwise import cast
from xir.ops.padding import integers, pad, padded, require_vector
from xir.ops.shape import reshape


@op
def fold(
    x: Value,
    image: Value | None = None,
    block: Value | None = None,
    *,
    spatial: Shape,
    window: Shape,
    strides: tuple[int, ...],
    padding: tuple[tuple[Dim, Dim], ...],
    dilation: tuple[int, ...],
) -> TensorType:
    """Columns of blocks added where they came from in an image (ONNX Col2Im; PyTorch Fold).

    x: [N, C * cells of the window, blocks], numbers, the blocks in row-major order of their places; result:
    [N, C, spatial...]. `image`, `block`: i64, one number a spatial axis, give `spatial` and `window` at run time.
    """
    require_number(x)
    require_rank(x, 3)
    require_vector(image, len(spatial))
    require_vector(block, len(spatial))
    if image is None and block is None:
        blocks = window_sizes(spatial, window, strides, padding, dilation)
        count: Dim = 1
        for each in blocks:
            count = count * each
        require_size(x.shape[2], count, "the number of blocks")
    cells: Dim = 1
    for each in window:
        cells = cells * each
    channels = x.shape[1]
    if isinstance(channels, int) and isinstance(cells, int) and (cells < 1 or channels % cells):
        raise InvalidModelError(f"{channels} channels are not a multiple of the {cells} cells of the window")
    made = Symbol() if block is not None else floor_divide(channels, cells)
    return x.tensor.with_shape((x.shape[0], made, *spatial))


@fold.reference
def _fold_reference(
    x: Array,
    image: Array | None,
    block: Array | None,
    *,
    spatial: tuple[int, ...],
    window: tuple[int, ...],
    strides: tuple[int, ...],
    padding: KnownPadding,
    dilation: tuple[int, ...],
) -> Array:
    sizes = spatial if image is None else tuple(integers(image))
    cells = window if block is None else tuple(integers(block))
    out = known_sizes(sizes, cells, strides, padding, dilation)
    if x.shape[1] % prod(cells) or x.shape[2] != prod(out):
        raise InvalidModelError(f"{list(x.shape)} are not the blocks {list(cells)} of an image {list(sizes)}")
    data = widened(x)
    places = cell_slices(cells, strides, dilation, out)
    columns = data.reshape(x.shape[0], -1, len(places), *out)
    grown = [size + before + after for size, (before, after) in zip(sizes, padding, strict=True)]
    result = np.zeros((*columns.shape[:2], *grown), data.dtype)
    for index, place in enumerate(places):
        result[(slice(None), slice(None), *place)] += columns[:, :, index]
    return pad_spatial(result, tuple((-before, -after) for before, after in padding)).astype(x.dtype)


fold.host("sizes that come at run time are data; else it comes apart")


@fold.decompose
def _fold_decompose(
    x: Value,
    image: Value | None = None,
    block: Value | None = None,
    *,
    spatial: Shape,
    window: Shape,
    strides: tuple[int, ...],
    padding: tuple[tuple[Dim, Dim], ...],
    dilation: tuple[int, ...],
) -> Value:
    cells = tuple(each for each in window if isinstance(each, int))
    if image is not None or block is not None or len(cells) != len(window):
        raise UnsupportedError(
            "blocks whose size is computed at run time do not come apart", hint="fold the sizes into constants"
        )
    out = window_sizes(spatial, window, strides, padding, dilation)
    data = x if x.dtype.is_floating else cast(x, dtype=DType.FLOAT64)
    made = col2im(
        reshape(data, shape=(*x.shape[:2], *out)),
        spatial=spatial,
        window=cells,
        strides=strides,
        padding=padding,
        dilation=dilation,
    )
    return narrow(made, x.dtype)


@op
def center_crop_pad(x: Value, sizes: Value | None = None, *, axes: tuple[int, ...], shape: Shape) -> TensorType:
    """The centre of `x` along `axes`, with zeros around where `x` is smaller (ONNX CenterCropPad).

    x: any tensor; result: the sizes `shape` along `axes`. What is left over of an odd difference is cut, or padded, at
    the end. `sizes`: integers, one an axis, give `shape` at run time.
    """
    require_axes(x, axes)
    require_vector(sizes, len(axes))
    if len(shape) != len(axes):
        raise InvalidModelError(f"one size an axis is needed, got {list(shape)} for {list(axes)}")
    result = list(x.shape)
    for axis, size in zip(axes, shape, strict=True):
        result[axis] = size
    return x.tensor.with_shape(tuple(result))


@center_crop_pad.reference
def _center_crop_pad_reference(
    x: Array, sizes: Array | None, *, axes: tuple[int, ...], shape: tuple[int, ...]
) -> Array:
    wanted = shape if sizes is None else tuple(integers(sizes))
    if any(size < 0 for size in wanted):
        raise InvalidModelError(f"sizes must be >= 0, got {list(wanted)}")
    amounts = [(0, 0)] * x.ndim
    for axis, size in zip(axes, wanted, strict=True):
        missing = size - x.shape[axis]
        before = missing // 2 if missing > 0 else -(-missing // 2)
        amounts[axis] = (before, missing - before)
    result = padded(x, tuple(amounts))
    if x.dtype.kind == "O":
        result = np.where(result == 0, "", result).astype(object)
    return result


center_crop_pad.host("sizes that come at run time are data; else it comes apart")


@center_crop_pad.decompose
def _center_crop_pad_decompose(x: Value, sizes: Value | None = None, *, axes: tuple[int, ...], shape: Shape) -> Value:
    if sizes is not None or x.dtype is DType.STRING:
        raise UnsupportedError(
            "a centre whose size is computed at run time, or of strings, does not come apart",
            hint="fold the sizes into constants",
        )
    amounts: list[tuple[Dim, Dim]] = [(0, 0)] * x.rank
    for axis, size in zip(axes, shape, strict=True):
        missing = size - x.shape[axis]
        before = floor_divide(maximum(missing, 0), 2) - floor_divide(maximum(missing * -1, 0), 2)
        amounts[axis] = (before, missing - before)
    return pad(x, padding=tuple(amounts))
