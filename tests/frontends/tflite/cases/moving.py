"""Elements moved, chosen and put somewhere."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.frontends.tflite.models import Case, Fed, Held, Out, single

BLOCK = np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4)
ROW = np.array([3.0, 1.0, 3.0, 2.0, 1.0], np.float32)


def ints(*numbers: Any) -> Held:
    """A constant of 32-bit integers."""
    return Held(np.array(numbers[0] if len(numbers) == 1 else numbers, np.int32))


def _shapes() -> list[Case]:
    return [
        single("RESHAPE", Fed(BLOCK), ints([4, -1]), options={"ReshapeOptions": {}}),
        single("RESHAPE", Fed(BLOCK), options={"ReshapeOptions": {"new_shape": (6, 4)}}, name="option"),
        single("RESHAPE", Fed(BLOCK), Fed(np.array([3, -1], np.int32)), name="run time"),
        single("SQUEEZE", Fed(BLOCK[None, :, :1]), options={"SqueezeOptions": {"squeeze_dims": (0, -2)}}),
        single("SQUEEZE", Fed(BLOCK[None, :, :1]), options={"SqueezeOptions": {}}, name="all"),
        single("EXPAND_DIMS", Fed(BLOCK), ints(-2)),
        single("TRANSPOSE", Fed(BLOCK), ints([2, 0, 1])),
        single("CONCATENATION", Fed(BLOCK), Held(BLOCK), options={"ConcatenationOptions": {"axis": -1}}),
        single("PACK", Fed(BLOCK), Held(BLOCK), options={"PackOptions": {"values_count": 2, "axis": -1}}),
        single("UNPACK", Fed(BLOCK), options={"UnpackOptions": {"num": 3, "axis": 1}}, results=[Out()] * 3),
        single("TILE", Fed(BLOCK), ints([1, 2, 3])),
        single("BROADCAST_TO", Fed(BLOCK[:, :1]), ints([2, 2, 3, 4])),
        single("BROADCAST_ARGS", Fed(np.array([3, 1], np.int32)), ints([2, 1, 4]), results=[Out("int32")]),
        single("SHAPE", Fed(BLOCK), options={"ShapeOptions": {"out_type": "INT32"}}, results=[Out("int32")]),
        single("RANK", Fed(BLOCK), results=[Out("int32")]),
        single("REVERSE_V2", Fed(BLOCK), ints([2])),
    ]


def _cuts() -> list[Case]:
    made = [
        single("SLICE", Fed(BLOCK), ints([0, 1, 2]), ints([2, -1, 1])),
        single("SLICE", Fed(BLOCK), Fed(np.array([0, 1, 2], np.int32)), ints([1, 2, 2]), name="run time"),
        single("SPLIT", ints(2), Fed(BLOCK), options={"SplitOptions": {"num_splits": 2}}, results=[Out()] * 2),
        single(
            "SPLIT_V",
            Fed(BLOCK),
            ints([1, -1]),
            ints(1),
            options={"SplitVOptions": {"num_splits": 2}},
            results=[Out()] * 2,
        ),
        single("PAD", Fed(BLOCK), ints([[0, 1], [2, 0], [1, 1]])),
        single("PADV2", Fed(BLOCK), ints([[0, 1], [2, 0], [1, 1]]), Held(np.float32(-3))),
        single(
            "MIRROR_PAD", Fed(BLOCK), ints([[1, 1], [2, 0], [1, 3]]), options={"MirrorPadOptions": {"mode": "REFLECT"}}
        ),
        single(
            "MIRROR_PAD",
            Fed(BLOCK),
            ints([[1, 2], [3, 0], [1, 4]]),
            options={"MirrorPadOptions": {"mode": "SYMMETRIC"}},
            name="symmetric",
        ),
        single("DYNAMIC_UPDATE_SLICE", Fed(BLOCK), Held(-BLOCK[:1, :2, :2]), ints([1, 0, 3])),
        single(
            "DYNAMIC_UPDATE_SLICE",
            Fed(BLOCK),
            Held(-BLOCK[:1, :2, :2]),
            Fed(np.array([1, 9, 1], np.int32)),
            name="run time",
        ),
    ]
    image = np.arange(2 * 4 * 6 * 3, dtype=np.float32).reshape(2, 4, 6, 3)
    made.append(single("SPACE_TO_BATCH_ND", Fed(image), ints([2, 3]), ints([[1, 1], [0, 3]])))
    batch = np.arange(6 * 2 * 2 * 3, dtype=np.float32).reshape(6, 2, 2, 3)
    made.append(single("BATCH_TO_SPACE_ND", Fed(batch), ints([2, 3]), ints([[0, 1], [2, 1]])))
    for name, begin, end, steps, masks in (
        ("plain", [0, 1, 0], [2, 3, 4], [1, 1, 2], {}),
        ("negative", [-1, -2, -1], [-3, -4, -5], [-1, -1, -2], {}),
        ("masks", [1, 1, 1], [2, 2, 3], [1, 1, 1], {"begin_mask": 1, "end_mask": 4}),
        ("shrink", [1, -1, 0], [2, 0, 4], [1, 1, 1], {"shrink_axis_mask": 3}),
        ("ellipsis", [0, 1], [0, 3], [1, 1], {"ellipsis_mask": 1}),
        ("new axis", [0, 0, 1], [0, 2, 3], [1, 1, 1], {"new_axis_mask": 1}),
        ("offset", [0, 1, 1], [2, 1, 2], [1, 1, 1], {"offset": True}),
    ):
        words = {"StridedSliceOptions": masks}
        made.append(single("STRIDED_SLICE", Fed(BLOCK), ints(begin), ints(end), ints(steps), options=words, name=name))
    moving = [Fed(np.array(each, np.int32)) for each in ([0, 1, 1], [2, 2, 3])]
    words = {"StridedSliceOptions": {"shrink_axis_mask": 2, "end_mask": 1}}
    made.append(single("STRIDED_SLICE", Fed(BLOCK), *moving, ints([1, 1, 1]), options=words, name="run time"))
    return made


def _places() -> list[Case]:
    batch = {"GatherOptions": {"axis": 2, "batch_dims": 1}}
    segments = ints([0, 0, 1])
    rows = Fed(np.arange(6, dtype=np.float32).reshape(3, 2) - 2)
    ids = ints([2, 0, 2])
    made = [
        single("GATHER", Fed(BLOCK), ints([[0, 2], [1, 1]]), options={"GatherOptions": {"axis": 1}}),
        single("GATHER", Fed(BLOCK), ints([[0, 2], [3, 1]]), options=batch, name="batch"),
        single("GATHER_ND", Fed(BLOCK), ints([[0, 2], [1, 1]])),
        single("EMBEDDING_LOOKUP", ints([1, 0, 1]), Fed(BLOCK)),
        single("SCATTER_ND", Fed(np.array([[1], [3], [1]], np.int32)), Fed(ROW[:3]), ints([5])),
        single("SPARSE_TO_DENSE", ints([[0, 1], [2, 0]]), ints([3, 2]), Fed(ROW[:2]), Held(np.float32(9))),
        single(
            "ONE_HOT",
            Fed(np.array([0, 2, -1], np.int32)),
            ints(3),
            Held(np.float32(5)),
            Held(np.float32(-1)),
            options={"OneHotOptions": {"axis": -1}},
        ),
        single(
            "ONE_HOT",
            Fed(np.array([0, 2], np.int32)),
            ints(3),
            Held(np.float32(1)),
            Held(np.float32(0)),
            options={"OneHotOptions": {"axis": 0}},
            name="first",
        ),
        single("WHERE", Fed(BLOCK > 20), results=[Out("int64")]),
        single("UNIQUE", Fed(ROW), options={"UniqueOptions": {"idx_out_type": "INT32"}}, results=[Out(), Out("int32")]),
        single("RANGE", Fed(np.float32(1)), Held(np.float32(4)), Held(np.float32(0.75))),
        single("RANGE", ints(2), Fed(np.int32(9)), ints(3), results=[Out("int32")], name="int32"),
        single(
            "REVERSE_SEQUENCE",
            Fed(BLOCK),
            ints([2, 3]),
            options={"ReverseSequenceOptions": {"seq_dim": 1, "batch_dim": 0}},
        ),
        single(
            "REVERSE_SEQUENCE",
            Fed(BLOCK),
            ints([1, 2, 2, 0]),
            options={"ReverseSequenceOptions": {"seq_dim": 1, "batch_dim": 2}},
            name="last",
        ),
        single("MATRIX_DIAG", Fed(BLOCK[0])),
        single("MATRIX_SET_DIAG", Fed(BLOCK), Held(-BLOCK[:, 0, :3])),
        single("SEGMENT_SUM", rows, segments),
    ]
    for kind in ("SUM", "PROD", "MAX", "MIN"):
        made.append(single(f"UNSORTED_SEGMENT_{kind}", rows, ids, ints(4)))
    return made


CASES = (*_shapes(), *_cuts(), *_places())
"""The cases of this family."""
