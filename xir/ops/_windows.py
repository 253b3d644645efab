"""Sliding windows in NumPy: sizes, padding and the columns of a convolution, in bounded scratch memory."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TypeAlias, cast

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.dims import Dim, Shape
from xir.ir.node import Node
from xir.ir.types import DType, dtype_from_numpy
from xir.ops._checks import window_output

# The stubs of NumPy know no arithmetic on arrays of any element type; this name stands for "some number type".
Numbers: TypeAlias = NDArray[np.float64]
Padding: TypeAlias = tuple[tuple[Dim, Dim], ...]
KnownPadding: TypeAlias = tuple[tuple[int, int], ...]

# Above this the columns of a convolution are made in pieces: 64 MiB of f32 and its product stay near the caches
# of a server, and no model makes the reference allocate a multiple of its own tensors.
SCRATCH_BYTES = 64 << 20


def widened(x: Array) -> Numbers:
    """The array in the type in which its sums are taken: f32 for narrower floats, else its own."""
    dtype = dtype_from_numpy(x.dtype)
    return cast("Numbers", x.astype(np.float32) if dtype.is_floating and dtype.bits < 32 else x)


def narrowed(x: Numbers, like: Array) -> Array:
    """The array rounded to the element type of `like`."""
    return x.astype(like.dtype, copy=False)


def integer_limits(dtype: DType) -> tuple[int, int]:
    """The least and the greatest value of an integer type."""
    values = 1 << dtype.bits
    return (-(values >> 1), (values >> 1) - 1) if dtype.is_signed else (0, values - 1)


def dilated(size: Dim, dilation: int) -> Dim:
    """The size of an axis with `dilation - 1` gaps between its elements."""
    return size if dilation == 1 or size == 0 else (size - 1) * dilation + 1


def require_window(
    axes: int, window: Shape, strides: tuple[int, ...], padding: Padding, dilation: tuple[int, ...]
) -> None:
    """Checks that there is one of each for every spatial axis, and that there is a spatial axis."""
    if axes < 1 or not len(window) == len(strides) == len(padding) == len(dilation) == axes:
        raise InvalidModelError(
            f"for {axes} spatial axes, got window {list(window)}, strides {list(strides)}, padding {list(padding)}, "
            f"dilation {list(dilation)}",
            hint="each needs one item for every axis after the first two",
        )


def window_sizes(
    spatial: Shape, window: Shape, strides: tuple[int, ...], padding: Padding, dilation: tuple[int, ...]
) -> Shape:
    """How often the window fits along each spatial axis.

    Raises:
        InvalidModelError: if the lengths differ, a parameter is not positive, or the window does not fit.
    """
    require_window(len(spatial), window, strides, padding, dilation)
    return tuple(map(window_output, spatial, window, strides, padding, dilation))


def pad_spatial(x: Numbers, padding: KnownPadding, value: float | int = 0) -> Numbers:
    """`x: [N, C, spatial...]` with `value` around it; negative amounts cut off; itself when nothing is to do."""
    pairs = ((0, 0),) * (x.ndim - len(padding)) + padding
    cut = tuple(slice(max(-b, 0), max(size - max(-a, 0), 0)) for size, (b, a) in zip(x.shape, pairs, strict=True))
    x = x[cut]
    grown = [(max(before, 0), max(after, 0)) for before, after in pairs]
    if not any(before or after for before, after in grown):
        return x
    result = np.full([size + b + a for size, (b, a) in zip(x.shape, grown, strict=True)], value, x.dtype)
    result[tuple(slice(b, b + size) for size, (b, _) in zip(x.shape, grown, strict=True))] = x
    return result


def dilate_spatial(x: Numbers, dilation: tuple[int, ...]) -> Numbers:
    """`x: [N, C, spatial...]` with `dilation - 1` zeros between neighbours; itself when nothing is to do."""
    if all(step == 1 for step in dilation):
        return x
    sizes = [cast("int", dilated(size, step)) for size, step in zip(x.shape[2:], dilation, strict=True)]
    result = np.zeros((*x.shape[:2], *sizes), x.dtype)
    result[(slice(None), slice(None), *(slice(None, None, step) for step in dilation))] = x
    return result


def window_view(
    x: Numbers, window: tuple[int, ...], strides: tuple[int, ...], dilation: tuple[int, ...], out: tuple[int, ...]
) -> Numbers:
    """A read-only view [N, C, out..., window...] of padded `x: [N, C, spatial...]`; nothing is copied."""
    steps = x.strides[2:]
    shape = (*x.shape[:2], *out, *window)
    jumps = (
        *x.strides[:2],
        *(step * stride for step, stride in zip(steps, strides, strict=True)),
        *(step * gap for step, gap in zip(steps, dilation, strict=True)),
    )
    return as_strided(x, shape, jumps, writeable=False)


def cell_slices(
    window: tuple[int, ...], strides: tuple[int, ...], dilation: tuple[int, ...], out: tuple[int, ...]
) -> list[tuple[slice, ...]]:
    """For each cell of the window, in row-major order, the elements of the padded plane that it visits."""
    return [
        tuple(
            slice(cell * gap, cell * gap + (count - 1) * stride + 1, stride)
            for cell, gap, count, stride in zip(cells, dilation, out, strides, strict=True)
        )
        for cells in product(*map(range, window))
    ]


def known_sizes(
    spatial: tuple[int, ...],
    window: tuple[int, ...],
    strides: tuple[int, ...],
    padding: KnownPadding,
    dilation: tuple[int, ...],
) -> tuple[int, ...]:
    """`window_sizes` where everything is known."""
    return cast("tuple[int, ...]", window_sizes(spatial, window, strides, padding, dilation))


@dataclass(frozen=True, slots=True)
class WindowAttributes:
    """The window attributes of a node with their types; what its operator does not have changes nothing."""

    window: tuple[int, ...]
    strides: tuple[int, ...]
    padding: Padding
    dilation: tuple[int, ...]
    input_dilation: tuple[int, ...]
    groups: int


def window_attributes(node: Node) -> WindowAttributes:
    """Reads them off a node."""
    held = node.attributes
    strides = cast("tuple[int, ...]", held["strides"])
    return WindowAttributes(
        window=cast("tuple[int, ...]", held.get("window", ())),
        strides=strides,
        padding=cast("Padding", held["padding"]),
        dilation=cast("tuple[int, ...]", held["dilation"]),
        input_dilation=cast("tuple[int, ...]", held.get("input_dilation", (1,) * len(strides))),
        groups=cast("int", held.get("groups", 1)),
    )
