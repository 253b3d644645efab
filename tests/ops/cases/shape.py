"""Examples of moving elements about."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case, normal
from xir.ir.types import DType
from xir.ops.blocks import channel_shuffle, depth_to_space, space_to_depth
from xir.ops.padding import pad
from xir.ops.shape import (
    broadcast,
    concat,
    iota,
    range_,
    reshape,
    reverse,
    shape_of,
    slice_,
    split,
    tile,
    transpose,
)


def cases() -> Iterator[Case]:
    x = normal(2, 3, 4)
    yield case(reshape, x, None, shape=(6, 1, 4))
    yield case(reshape, x, np.array([3, -1]), shape=(3, 8)).noted("sizes at run time")
    yield case(broadcast, normal(3, 1), None, shape=(2, 3, 4))
    yield case(broadcast, normal(), None, shape=(2, 3)).noted("a scalar")
    yield case(broadcast, normal(3, 1), np.array([2, 1, 4]), shape=(2, 3, 4)).noted("sizes at run time")
    yield case(transpose, x, perm=(2, 0, 1))
    yield case(concat, x, normal(2, 1, 4), normal(2, 2, 4), axis=1)
    yield from _slices()
    yield case(reverse, x, axes=(0, 2))
    yield from _padding()
    yield case(tile, x, None, repeats=(2, 1, 3))
    yield case(tile, x, np.array([2, 1, 3]), repeats=(2, 1, 3)).noted("counts at run time")
    yield case(split, x, None, axis=1, sizes=(1, 0, 2))
    yield case(split, x, np.array([2, 0, 1], np.int32), axis=1, sizes=(2, 0, 1)).noted("at run time").differenced()
    for order in ("depth_first", "column_first"):
        yield case(depth_to_space, normal(2, 8, 2, 3), block=2, order=order)
    yield case(space_to_depth, normal(2, 2, 4, 6), block=2)
    yield case(space_to_depth, normal(2, 2, 4, 6), block=2, order="column_first").noted("column first")
    yield case(channel_shuffle, normal(1, 6, 2), groups=3)
    yield case(shape_of, x)
    yield case(iota, shape=(2, 3, 2), axis=1, dtype=DType.INT64)
    yield case(iota, shape=(4,), axis=0, dtype=DType.BFLOAT16)
    yield from _ranges()


def _ranges() -> Iterator[Case]:
    for first, last, step in ((1, 8, 3), (5, -3, -2), (3, 1, 1)):
        for dtype in (np.int64, np.int16, np.float32, np.float64):
            limits = (np.asarray(number, dtype) for number in (first, last, step))
            yield case(range_, *limits).noted(f"{first}, {last}, {step} at run time")
    for dtype in (DType.FLOAT16, DType.BFLOAT16):
        for stash in (DType.FLOAT32, DType.FLOAT64):
            limits = (np.asarray(number).astype(dtype.dtype) for number in (1, 9, 2.5))
            yield case(range_, *limits, stash=stash).noted("at run time")
    yield case(range_, *(np.array([number]) for number in (0, 4, 1))).noted("of vectors, at run time")


def _slices() -> Iterator[Case]:
    x = normal(3, 7)
    yield case(slice_, x, None, None, axes=(1,), starts=(2,), stops=(6,), steps=(1,))
    yield case(slice_, x, None, None, axes=(1, 0), starts=(1, 0), stops=(7, 3), steps=(3, 2)).noted("steps")
    yield case(slice_, x, None, None, axes=(1,), starts=(3,), stops=(3,), steps=(2,)).noted("nothing")
    bounds = {"axes": (1,), "starts": (2,), "stops": (6,), "steps": (1,)}
    yield case(slice_, x, np.array([-5]), np.array([-1]), **bounds).noted("bounds at run time").differenced()


def _padding() -> Iterator[Case]:
    x = normal(3, 4)
    yield case(pad, x, None, padding=((1, 0), (2, 3)), value=1.5)
    yield case(pad, x, None, padding=((-1, 1), (2, -2))).noted("negative")
    for mode in ("edge", "reflect", "wrap"):
        yield case(pad, x, None, padding=((1, 2), (0, 3)), mode=mode)
        yield case(pad, x, None, padding=((-1, 1), (1, -2)), mode=mode).noted("negative")
    yield case(pad, x, np.array([1, 0, 0, 2]), padding=((1, 0), (0, 2))).noted("amounts at run time")
    fill = np.asarray(2.5, np.float32)
    yield case(pad, x, None, fill, padding=((1, 0), (0, 2))).noted("a value of its own")
    given = {"padding": ((0, 0), (3, 1))}
    yield case(pad, x, np.array([3, 1]), fill.reshape(1), np.array([-1]), **given).noted("along axes at run time")
    given = {"padding": ((1, -1), (0, 0)), "mode": "edge"}
    yield case(pad, x, np.array([1, -1], np.int32), None, np.array([0]), **given).noted("at run time").differenced()
    yield case(pad, np.array(["a"], object), padding=((1, 0),)).noted("text")
