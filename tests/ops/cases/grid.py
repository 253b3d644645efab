"""Examples of sampling on grids and with bent windows, of patches and centres."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case, normal
from xir.ir.constant import Array
from xir.ir.dims import Symbol
from xir.ir.types import DType
from xir.ops.deform import deform_conv
from xir.ops.grid import affine_grid, grid_sample
from xir.ops.patches import center_crop_pad, fold


def scaled(factor: float, x: Array) -> Array:
    return np.multiply(x, np.float32(factor))


def cases() -> Iterator[Case]:
    yield from grids()
    yield from samples()
    yield from bent()
    yield from patches()


def grids() -> Iterator[Case]:
    for align in (False, True):
        yield case(affine_grid, normal(2, 2, 3), spatial=(3, 4), align_corners=align).noted(f"plane, {align}")
        yield case(affine_grid, normal(1, 3, 4), spatial=(2, 4, 3), align_corners=align).noted(f"volume, {align}")
    size = np.array([2, 5, 3, 4], np.int64)
    yield case(affine_grid, normal(2, 2, 3), size, spatial=(Symbol("h"), Symbol("w")), align_corners=False).noted(
        "size at run time"
    )


def samples() -> Iterator[Case]:
    x, points = normal(2, 2, 4, 5), 1.6 * np.tanh(normal(2, 3, 2, 2, seed=1))
    for mode in ("nearest", "linear", "cubic"):
        for outside in ("zeros", "border", "reflection"):
            for align in (False, True):
                # Derivatives by the points jump between elements; those by x are sums, whatever the point.
                yield (
                    case(grid_sample, x, points, mode=mode, outside=outside, align_corners=align)
                    .noted(f"{mode}, {outside}, {align}")
                    .differenced(0)
                )
    yield (
        case(
            grid_sample,
            normal(1, 2, 3, 4, 3),
            np.tanh(normal(1, 2, 2, 2, 3)),
            mode="linear",
            outside="zeros",
            align_corners=True,
        )
        .noted("volume")
        .differenced(0)
    )
    yield (
        case(
            grid_sample, normal(1, 1, 4), np.tanh(normal(1, 6, 1)), mode="cubic", outside="border", align_corners=False
        )
        .noted("line")
        .differenced(0)
    )
    yield (
        case(grid_sample, normal(1, 1, 1, 1), points[:1], mode="linear", outside="reflection", align_corners=True)
        .noted("one element")
        .differenced(0)
    )
    whole = np.arange(20).reshape(1, 1, 4, 5)
    for dtype in (DType.UINT8, DType.INT64):
        yield case(
            grid_sample, whole.astype(dtype.dtype), points[:1], mode="linear", outside="border", align_corners=False
        ).differenced()
    yield case(grid_sample, x.astype(np.float16), points, mode="linear", outside="zeros", align_corners=True)
    yield case(grid_sample, whole > 7, points[:1], mode="nearest", outside="zeros", align_corners=True).differenced()


def bent() -> Iterator[Case]:
    def words(**more: object) -> dict[str, object]:
        plain = {"strides": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1, "offset_groups": 1}
        return {**plain, **more}

    x, w = normal(2, 2, 4, 5), normal(3, 2, 2, 2, seed=1)
    offset = scaled(0.7, normal(2, 8, 3, 4, seed=2))
    mask = normal(2, 4, 3, 4, seed=3)
    yield case(deform_conv, x, w, offset, **words()).noted("plain").differenced(0, 1)
    yield case(deform_conv, x, w, offset, normal(3), mask, **words()).noted("bias, mask").differenced(0, 1, 3, 4)
    yield (
        case(
            deform_conv,
            normal(1, 4, 5, 6),
            normal(4, 2, 2, 2),
            scaled(0.4, normal(1, 16, 3, 2)),
            None,
            None,
            **words(strides=(2, 3), padding=((1, 0), (0, 1)), dilation=(1, 2), groups=2, offset_groups=2),
        )
        .noted("groups, strides")
        .differenced(0, 1)
    )
    yield (
        case(
            deform_conv,
            normal(1, 2, 6),
            normal(1, 2, 3),
            scaled(0.4, normal(1, 3, 4)),
            **words(strides=(1,), padding=((0, 0),), dilation=(1,)),
        )
        .noted("line")
        .differenced(0, 1)
    )


def patches() -> Iterator[Case]:
    words = {"strides": (1, 2), "padding": ((1, 0), (0, 0)), "dilation": (1, 2)}
    x = normal(2, 12, 8)
    yield case(fold, x, spatial=(4, 6), window=(2, 2), **words)
    yield case(fold, np.arange(192).reshape(2, 12, 8), spatial=(4, 6), window=(2, 2), **words)
    sizes = {"spatial": (Symbol("h"), Symbol("w")), "window": (Symbol("a"), Symbol("b"))}
    image, block = np.array([4, 6], np.int64), np.array([2, 2], np.int64)
    yield case(fold, x, image, block, **sizes, **words).noted("sizes at run time")
    yield case(affine_grid, normal(1, 2, 3), spatial=(1, 3), align_corners=True).noted("one element wide")
    x = normal(5, 4, 3)
    yield case(center_crop_pad, x, axes=(0, 1), shape=(2, 7))
    yield case(center_crop_pad, x, axes=(2, 0), shape=(6, 8))
    yield case(center_crop_pad, x.astype(np.bool_), axes=(0, 1, 2), shape=(2, 4, 4))
    yield case(center_crop_pad, x, np.array([2, 7], np.int32), axes=(0, 1), shape=(Symbol("a"), Symbol("b"))).noted(
        "sizes at run time"
    )
