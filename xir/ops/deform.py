"""Convolution whose window is bent by data."""

from __future__ import annotations

from math import prod

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import Array, constant_of
from xir.ir.dims import Dim, Shape, equal, product
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops._build import channelwise
from xir.ops._checks import require_floating, require_rank, require_rank_at_least, require_same_dtype, require_size
from xir.ops._define import op
from xir.ops._sampling import Sampling, sample_arrays, sample_values
from xir.ops._wide import narrow, wide
from xir.ops._windows import Numbers, Padding, known_sizes, narrowed, widened, window_sizes
from xir.ops.constant import constant
from xir.ops.elementwise import add, mul
from xir.ops.matmul import matmul
from xir.ops.shape import broadcast, iota, reshape, slice_

_SAMPLING = Sampling("linear", "zeros", False)


@op
def deform_conv(
    x: Value,
    w: Value,
    offset: Value,
    bias: Value | None = None,
    mask: Value | None = None,
    *,
    strides: tuple[int, ...],
    padding: tuple[tuple[Dim, Dim], ...],
    dilation: tuple[int, ...],
    groups: int,
    offset_groups: int,
) -> TensorType:
    """A convolution that reads each cell of its window at an offset (ONNX DeformConv; Dai et al. 2017, Zhu 2018).

    x: [N, C, spatial...], r spatial axes; w: [O, C / groups, window...]; offset: [N, offset_groups * cells * r,
    out...], in elements, by group, then cell, then axis; bias: [O]; mask: [N, offset_groups * cells, out...], a factor
    for each cell; all floating, of one dtype; result: [N, O, out...] with `out` as `conv` says. Between elements
    linear, outside `x` zero; C / offset_groups channels share one set of offsets.
    """
    given = [value for value in (x, w, offset, bias, mask) if value is not None]
    require_floating(*given)
    require_same_dtype(*given)
    require_rank_at_least(x, 3)
    for value in (w, offset, *(() if mask is None else (mask,))):
        require_rank(value, x.rank)
    out = window_sizes(x.shape[2:], w.shape[2:], strides, padding, dilation)
    cells = _window(w)
    if groups < 1 or offset_groups < 1 or not _divisible(x.shape[1], (groups, offset_groups)):
        raise InvalidModelError(f"{x.type!r} in {groups} groups and {offset_groups} groups of offsets")
    require_size(w.shape[1], x.shape[1] // groups, "the number of channels of the weights")
    if not _divisible(w.shape[0], (groups,)):
        raise InvalidModelError(f"the {w.shape[0]!r} results do not fall into {groups} groups")
    _require_places(offset, x.shape[0], offset_groups * prod(cells) * len(cells), out, "offsets")
    if mask is not None:
        _require_places(mask, x.shape[0], offset_groups * prod(cells), out, "factors")
    if bias is not None:
        require_rank(bias, 1)
        require_size(bias.shape[0], w.shape[0], "the length of the bias")
    return x.tensor.with_shape((x.shape[0], w.shape[0], *out))


def _divisible(size: Dim, divisors: tuple[int, ...]) -> bool:
    return not isinstance(size, int) or all(size % divisor == 0 for divisor in divisors)


def _window(w: Value) -> tuple[int, ...]:
    cells = tuple(size for size in w.shape[2:] if isinstance(size, int))
    if len(cells) != w.rank - 2:
        raise InvalidModelError(f"the window must be known, got {w.type!r}")
    return cells


def _require_places(value: Value, n: Dim, channels: int, out: Shape, what: str) -> None:
    wanted = (n, channels, *out)
    if any(equal(have, want) is False for have, want in zip(value.shape, wanted, strict=True)):
        raise InvalidModelError(f"{what} of {list(wanted)} are needed, got {value.type!r}")


@deform_conv.reference
def _deform_conv_reference(
    x: Array,
    w: Array,
    offset: Array,
    bias: Array | None,
    mask: Array | None,
    *,
    strides: tuple[int, ...],
    padding: tuple[tuple[int, int], ...],
    dilation: tuple[int, ...],
    groups: int,
    offset_groups: int,
) -> Array:
    n, channels, *spatial = x.shape
    window, axes = w.shape[2:], x.ndim - 2
    out = known_sizes(tuple(spatial), window, strides, padding, dilation)
    cells = prod(window)
    bent = widened(offset).reshape(n * offset_groups, cells, axes, *out)
    positions = [
        (bent[:, :, axis] + _base(axis, window, out, strides, padding, dilation)).reshape(n * offset_groups, -1)
        for axis in range(axes)
    ]
    data = widened(x).reshape(n * offset_groups, channels // offset_groups, *spatial)
    found = sample_arrays(data, positions, _SAMPLING).reshape(n, offset_groups, -1, cells, prod(out))
    if mask is not None:
        found = found * widened(mask).reshape(n, offset_groups, 1, cells, prod(out))
    columns = found.reshape(n, groups, channels // groups * cells, prod(out))
    rows = widened(w).reshape(groups, w.shape[0] // groups, -1)
    result: Numbers = np.matmul(rows, columns).reshape(n, w.shape[0], *out)
    if bias is not None:
        result = result + widened(bias).reshape(-1, *(1,) * axes)
    return narrowed(result, x)


def _base(
    axis: int,
    window: tuple[int, ...],
    out: tuple[int, ...],
    strides: tuple[int, ...],
    padding: tuple[tuple[int, int], ...],
    dilation: tuple[int, ...],
) -> Numbers:
    """Where a straight window reads along `axis`: [cells, out...]."""
    cell = np.indices(window)[axis].reshape(-1, *(1,) * len(out)) * dilation[axis]
    places: Numbers = (cell + np.indices(out)[axis] * strides[axis] - padding[axis][0]).astype(np.float32)
    return places


@deform_conv.decompose
def _deform_conv_decompose(
    x: Value,
    w: Value,
    offset: Value,
    bias: Value | None = None,
    mask: Value | None = None,
    *,
    strides: tuple[int, ...],
    padding: tuple[tuple[Dim, Dim], ...],
    dilation: tuple[int, ...],
    groups: int,
    offset_groups: int,
) -> Value:
    n, channels, *spatial = x.shape
    window, axes = _window(w), x.rank - 2
    out = window_sizes(tuple(spatial), w.shape[2:], strides, padding, dilation)
    cells, points, sets = prod(window), product(out), n * offset_groups
    bent = reshape(wide(offset), shape=(sets, cells, axes, *out))
    positions: list[Value] = []
    for axis in range(axes):
        own = slice_(bent, axes=(2,), starts=(axis,), stops=(axis + 1,), steps=(1,))
        straight = _straight(axis, window, out, strides, padding, dilation, own.dtype)
        moved = add(reshape(own, shape=(sets, cells, *out)), broadcast(straight, shape=(sets, cells, *out)))
        positions.append(reshape(moved, shape=(sets, points * cells)))
    data = reshape(wide(x), shape=(sets, channels // offset_groups, *spatial))
    found = sample_values(data, positions, _SAMPLING)
    found = reshape(found, shape=(n, offset_groups, channels // offset_groups, cells, points))
    if mask is not None:
        factor = reshape(wide(mask), shape=(n, offset_groups, 1, cells, points))
        found = mul(found, broadcast(factor, shape=found.shape))
    columns = reshape(found, shape=(n, groups, channels // groups * cells, points))
    rows = reshape(wide(w), shape=(1, groups, w.shape[0] // groups, w.shape[1] * cells))
    made = matmul(broadcast(rows, shape=(n, *rows.shape[1:])), columns)
    result = reshape(made, shape=(n, w.shape[0], *out))
    if bias is not None:
        result = add(result, channelwise(wide(bias), result))
    return narrow(result, x.dtype)


def _straight(
    axis: int,
    window: tuple[int, ...],
    out: Shape,
    strides: tuple[int, ...],
    padding: Padding,
    dilation: tuple[int, ...],
    dtype: DType,
) -> Value:
    """Where a straight window reads along `axis`: [1, cells, out...]."""
    before = padding[axis][0]
    if not isinstance(before, int):
        raise InvalidModelError(f"the padding of a bent window must be known, got {before!r}")
    cell = np.indices(window)[axis].reshape(1, -1, *(1,) * len(out)) * dilation[axis] - before
    shape = (1, prod(window), *out)
    index = iota(shape=out, axis=axis, dtype=dtype)
    step = broadcast(constant(value=constant_of(np.asarray(strides[axis]), dtype)), shape=out)
    lines = broadcast(reshape(mul(index, step), shape=(1, 1, *out)), shape=shape)
    return add(lines, broadcast(constant(value=constant_of(cell, dtype)), shape=shape))
