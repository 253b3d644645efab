"""Examples of picking and placing by index."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case, normal
from tests.ops.cases.arithmetic import FLOATS
from xir.ir.types import DType
from xir.ops.index import compress, embedding, gather, gather_elements, gather_nd, one_hot, scatter_elements

PLACES = np.array([[0, 2, -1], [1, 1, 0]])


def cases() -> Iterator[Case]:
    for axis in (0, 1, 2):
        yield case(gather, normal(3, 3, 4), PLACES, axis=axis).noted(f"axis {axis}")
        yield case(gather_elements, normal(3, 3, 4), np.array([[[0, 1, -1]], [[2, 0, 1]]]), axis=axis)
    yield case(gather, normal(3, 4), np.array(1), axis=1).noted("one index")
    yield case(gather, normal(3, 4), np.zeros((0, 2), np.int32), axis=0).noted("no index")
    yield case(gather, np.array(["a", "b"], object), np.array([1, 0, 1]), axis=0)
    yield from (case(gather, normal(3, 4, dtype=dtype), PLACES.astype(np.int32), axis=0) for dtype in FLOATS)
    yield from _scatters()
    yield from _coordinates()
    yield from _others()


def _scatters() -> Iterator[Case]:
    updates = normal(2, 3, seed=1)
    apart = np.array([[0, 2, -2], [1, 1, 0]])
    yield case(scatter_elements, normal(3, 4), apart, updates, axis=0, reduction="none")
    for reduction in ("add", "mul", "max", "min"):
        for axis in (0, 1):
            yield case(scatter_elements, normal(3, 4), PLACES, updates, axis=axis, reduction=reduction)
        for dtype in FLOATS:
            x, changes = normal(3, 4, dtype=dtype), normal(2, 3, seed=1, dtype=dtype)
            yield case(scatter_elements, x, PLACES, changes, axis=0, reduction=reduction)
        whole = np.arange(6, dtype=np.int32).reshape(2, 3)
        yield case(scatter_elements, np.ones((3, 4), np.int32), PLACES, whole, axis=0, reduction=reduction)
    yield case(scatter_elements, np.zeros(3, bool), np.array([1]), np.array([True]), axis=0, reduction="none")


def _coordinates() -> Iterator[Case]:
    x = normal(2, 3, 4)
    yield case(gather_nd, x, np.array([[0, 1], [1, -1]])).noted("rows")
    yield case(gather_nd, x, np.array([[[0, 1, 2]], [[1, -1, 3]]], np.int32)).noted("elements")
    yield case(gather_nd, x, np.array([[2], [0]]), batch_axes=1).noted("a batch axis")
    yield case(gather_nd, x, np.array([[[2, 0], [1, 1]], [[0, -1], [0, 0]]]), batch_axes=1).noted("places in a batch")
    yield case(gather_nd, x, np.zeros((2, 3, 1), np.int64), batch_axes=2).noted("two batch axes")
    yield case(gather_nd, x, np.zeros((2, 0), np.int64)).noted("no coordinates")
    yield case(gather_nd, x, np.zeros((2, 5, 0), np.int64), batch_axes=1).noted("no coordinates in a batch")
    yield case(gather_nd, x.reshape(-1)[0], np.zeros((2, 0), np.int64)).noted("no coordinates of a scalar")


def _others() -> Iterator[Case]:
    indices = np.array([[0, 2, -1], [3, -4, 1]])
    for axis in (0, 1, 2):
        yield case(one_hot, indices, None, depth=3, axis=axis, dtype=DType.FLOAT32)
        yield case(one_hot, indices, np.array(3), depth=3, axis=axis, dtype=DType.INT64).noted("depth at run time")
    scalar = np.array(1, np.int32)
    yield case(one_hot, scalar, np.array([2], np.int32), depth=2, axis=0, dtype=DType.BOOL).noted("depth at run time")
    yield case(one_hot, np.array(1, np.int32), None, depth=2, axis=0, dtype=DType.BOOL)
    yield case(compress, normal(3, 4), np.array([True, False, True]), axis=0)
    yield case(compress, normal(3, 4), np.array([False, True]), axis=1).noted("a short condition")
    yield case(compress, normal(3, 4), np.zeros(3, bool), axis=0).noted("nothing kept")
    for dtype in FLOATS:
        rows = normal(5, 4, dtype=dtype)
        yield case(embedding, PLACES, rows, None)
        yield case(embedding, PLACES.astype(np.int32), rows, normal(4, seed=1, dtype=dtype))
