"""Examples of operators whose axes come at run time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case, normal
from tests.ops.cases.arithmetic import FLOATS
from xir.ops.late import (
    REDUCTIONS,
    broadcast_late,
    reduce_late,
    reshape_late,
    slice_late,
    squeeze_late,
    unsqueeze_late,
)

X = normal(2, 3, 4, away=0.1)


def cases() -> Iterator[Case]:
    for kind in REDUCTIONS:
        for keep in (False, True):
            yield case(reduce_late, X, np.array([-1, 0]), kind=kind, keep_dims=keep, all_if_empty=True)
    for keep, whole in ((False, False), (False, True), (True, False), (True, True)):
        words = {"kind": "l1", "keep_dims": keep, "all_if_empty": whole}
        yield case(reduce_late, X, np.zeros(0, np.int32), **words).noted("no axes")
    for dtype in FLOATS:
        x = normal(2, 3, dtype=dtype)
        yield case(reduce_late, x, np.array([1]), kind="mean", keep_dims=False, all_if_empty=False)
    for dtype in (np.uint8, np.int64):
        x = np.array([[1, 2], [3, 4]], dtype)
        yield case(reduce_late, x, np.array([1]), kind="sum", keep_dims=False, all_if_empty=False)
    yield from _slices()
    yield case(squeeze_late, normal(1, 3, 1), np.array([-1]))
    yield case(squeeze_late, normal(1, 3, 1), np.array([0, 2], np.int32))
    yield case(squeeze_late, normal(3, 1, 1)).noted("all of size 1")
    yield case(unsqueeze_late, normal(3, 4), np.array([-1, 0]))
    yield case(unsqueeze_late, normal(3, 4), np.array([1], np.int32))
    yield case(reshape_late, X, np.array([0, -1]), copies_zero=True)
    yield case(reshape_late, normal(0, 3), np.array([3, 0], np.int32), copies_zero=False)
    yield case(broadcast_late, normal(3, 1), np.array([2, 1, 4]))
    yield case(broadcast_late, normal(2, 3), np.array([3], np.int32)).noted("fewer axes")


def _slices() -> Iterator[Case]:
    x = normal(4, 5)
    yield case(slice_late, x, np.array([1]), np.array([-1]), np.array([-1]), None, axes=())
    yield case(slice_late, x, np.array([-1, 9]), np.array([-99, 0]), np.array([1, 0]), np.array([-2, -1]), axes=())
    yield case(slice_late, x, np.array([3]), np.array([-9]), None, np.array([-2]), axes=(1,)).noted("known axes")
    yield case(slice_late, x, np.array([3], np.int32), np.array([1]), None, np.array([1]), axes=(0,)).noted("nothing")
    yield case(slice_late, normal(0, 2), np.array([-1]), np.array([-9]), None, np.array([-1]), axes=(0,))
