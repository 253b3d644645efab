"""Operands that only the run tells: sizes, amounts, starts, counts."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.frontends.tflite.cases.moving import BLOCK, ints
from tests.frontends.tflite.models import Case, Fed, Held, Out, single


def fed(*numbers: Any) -> Fed:
    """32-bit integers that are fed."""
    return Fed(np.array(numbers[0] if len(numbers) == 1 else numbers, np.int32))


def _strided() -> list[Case]:
    made = []
    for name, masks in (
        ("begin masked", {"begin_mask": 7}),
        ("end masked", {"end_mask": 7}),
        ("both masked", {"begin_mask": 3, "end_mask": 3}),
        ("free", {}),
        ("new axis", {"new_axis_mask": 1}),
    ):
        words = {"StridedSliceOptions": masks}
        begin, end = fed(0, 1, 1), fed(2, 3, 3)
        made.append(
            single("STRIDED_SLICE", Fed(BLOCK), begin, end, ints([1, 1, 1]), options=words, name=f"late {name}")
        )
    return made


CASES = (
    *_strided(),
    single("STRIDED_SLICE", Fed(BLOCK), fed(0, -2, 1), fed(2, 9, 4), ints([1, 1, 2]),
           options={"StridedSliceOptions": {}}, name="late by steps"),
    single("SPLIT_V", Fed(BLOCK), fed(1, 2), ints(1), results=[Out(), Out()],
           options={"SplitVOptions": {"num_splits": 2}}, name="late"),
    *(
        single(f"UNSORTED_SEGMENT_{kind}", Fed(BLOCK[0]), segments, ints(4), name=name)
        for kind in ("SUM", "PROD", "MAX", "MIN")
        for name, segments in (("late", fed(2, -1, 0)), ("negative", ints([2, -1, 2])))
    ),
    single("SLICE", Fed(BLOCK), fed(0, 1, 2), fed(2, -1, 1), name="late sizes"),
    single("SLICE", Fed(BLOCK), ints([0, 1, 2]), fed(2, -1, 1), name="late sizes alone"),
    single("TILE", Fed(BLOCK), fed(1, 2, 3), name="late"),
    single("BROADCAST_TO", Fed(BLOCK), fed(2, 2, 3, 4), name="late"),
    single("FILL", fed(2, 3), Fed(np.float32(1.5)), name="late"),
    single("PAD", Fed(BLOCK), fed([[0, 1], [2, 0], [1, 1]]), name="late"),
    single("PADV2", Fed(BLOCK), fed([[0, 1], [2, 0], [1, 1]]), Fed(np.float32(4)), name="late"),
    single("TOPK_V2", Fed(BLOCK), fed(2), results=[Out(), Out("int32")], name="late"),
    single("SCATTER_ND", Fed(np.array([[1], [3]], np.int32)), Fed(BLOCK[0, 0, :2]), fed([5]), name="late"),
    single("ONE_HOT", Fed(np.array([0, 2], np.int32)), fed(3), Held(np.float32(1)), Held(np.float32(0)),
           options={"OneHotOptions": {"axis": -1}}, name="late"),
    single("RANGE", fed(2), fed(9), fed(3), results=[Out("int32")], name="late"),
    single("BROADCAST_ARGS", fed([3, 1]), fed([2, 1, 4]), results=[Out("int32")], name="late"),
)  # fmt: skip
"""The cases of this family."""
