"""Images as TensorFlow's family lays them out (channels last) and as our operators do (channels second)."""

from __future__ import annotations

from xir.ir.dims import Dim, Shape, ceil_divide, floor_divide, maximum
from xir.ir.node import Value
from xir.ops.shape import transpose

Padding = tuple[tuple[Dim, Dim], ...]


def channels_second(x: Value) -> Value:
    """[N, spatial..., C] as [N, C, spatial...]."""
    return transpose(x, perm=(0, x.rank - 1, *range(1, x.rank - 1)))


def channels_last(x: Value) -> Value:
    """[N, C, spatial...] as [N, spatial..., C]."""
    return transpose(x, perm=(0, *range(2, x.rank), 1))


def padding_for(
    mode: str, spatial: Shape, window: tuple[int, ...], strides: tuple[int, ...], dilation: tuple[int, ...]
) -> Padding:
    """The padding that SAME or VALID says; of an odd number the larger half comes last (kernels/padding.h)."""
    if mode == "VALID":
        return ((0, 0),) * len(spatial)
    found: list[tuple[Dim, Dim]] = []
    for size, extent, step, gap in zip(spatial, window, strides, dilation, strict=True):
        span = (extent - 1) * gap + 1
        total = maximum((ceil_divide(size, step) - 1) * step + span - size, 0)
        half = floor_divide(total, 2)
        found.append((half, total - half))
    return tuple(found)
