"""Cases of sparse and ragged tensors, of colours and of boxes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.frontends.tensorflow.cases import Case, fixed, real, text, whole


def _segments() -> Iterator[Case]:
    x, places, numbers = real(5, 2), np.array([4, 0, 2, 1], np.int32), np.array([0, 0, 2, 3], np.int32)
    for kind in ("Sum", "Mean", "SqrtN"):
        name = f"SparseSegment{kind}"
        yield Case(name, name, (x, places, numbers))
        for count in (fixed(6), np.array(6, np.int32)):
            late = isinstance(count, np.ndarray)
            yield Case(f"{name} of {'late' if late else 6}", f"{name}WithNumSegments", (x, places, numbers, count))
    for dtype in ("float32", "int32", "float64"):
        yield Case(f"Bucketize {dtype}", "Bucketize", (whole(7, dtype=dtype),), {"boundaries": [-2.0, 0.5, 3.0]})


def _sparse() -> Iterator[Case]:
    places = np.array([[0, 1, 2], [1, 0, 3], [1, 2, 0]], np.int64)
    sizes = np.array([2, 3, 4], np.int64)
    for target in ([6, 4], [-1], [2, -1, 2]):
        operands = (places, sizes, np.array(target, np.int64))
        yield Case(f"SparseReshape {target}", "SparseReshape", operands, {}, (0, 1))
    matrix = (np.array([[0, 1], [2, 0], [2, 3]], np.int64), real(3), fixed([3, 4], "int64"))
    product = "SparseTensorDenseMatMul"
    yield Case(product, product, (*matrix, real(4, 2)))
    yield Case(f"{product} adjoint", product, (*matrix, real(2, 3)), {"adjoint_a": True, "adjoint_b": True})
    late = (*matrix[:2], np.array([3, 4], np.int64), real(4, 2))
    yield Case(f"{product} late", product, late)
    rows = np.array([[1, 0], [1, 2], [3, 1]], np.int64)
    for name, count in (("", fixed([6, 4], "int64")), (" late", np.array([6, 4], np.int64))):
        operands = (rows, real(3), count, real())
        yield Case(f"SparseFillEmptyRows{name}", "SparseFillEmptyRows", operands, {}, (0, 1, 2, 3))
    line = (rows[:, :1], real(3), fixed([5], "int64"), real())
    yield Case("SparseFillEmptyRows line", "SparseFillEmptyRows", line, {}, (0, 1, 2, 3))


def _ragged() -> Iterator[Case]:
    starts, limits, deltas = (np.array(each, np.int32) for each in ([0, 5, 8, 3], [3, 0, 8, 9], [1, -2, 1, 4]))
    yield Case("RaggedRange", "RaggedRange", (starts, limits, deltas), {}, (0, 1))
    yield Case("RaggedRange one", "RaggedRange", (np.array(2, np.int64), np.array(9, np.int64), np.array(3, np.int64)),
               {"Tsplits": "DT_INT32"}, (0, 1))  # fmt: skip
    outer, inner = np.array([0, 2, 2, 3], np.int64), np.array([0, 1, 4, 6], np.int64)
    for name, splits in (("", [inner]), (" deep", [outer, inner])):
        sparse = (*splits, real(6))
        yield Case(
            f"RaggedTensorToSparse{name}", "RaggedTensorToSparse", sparse, {"RAGGED_RANK": len(splits)}, (0, 1, 2)
        )
        for shape in ((4,), (2, 3), (0,)):
            indices = np.resize(np.array([1, 0, 2, 1, 1, 0]), shape).astype(np.int64) % (len(splits[0]) - 1)
            ranks = {"PARAMS_RAGGED_RANK": len(splits), "OUTPUT_RAGGED_RANK": len(splits) + len(shape) - 1}
            outputs = tuple(range(len(splits) + len(shape)))
            told = {**ranks, "Tsplits": "DT_INT64"}
            yield Case(f"RaggedGather{name} {shape}", "RaggedGather", (*splits, real(6, 2), indices), told, outputs)
        for tail in ((), (2,)):
            dense = (fixed(-1, "int64"), real(6, *tail), real(), *splits)
            kinds = {"row_partition_types": ["ROW_SPLITS"] * len(splits), "num_row_partition_tensors": len(splits)}
            more = {"Tindex": "DT_INT64", "Tshape": "DT_INT64", **kinds}
            yield Case(f"RaggedTensorToTensor{name} {tail}", "RaggedTensorToTensor", dense, more)


def _colours() -> Iterator[Case]:
    grey = np.array([[[0, 0, 0], [0.5, 0.5, 0.5], [1, 0, 0]]], np.float32)
    x = np.concatenate((real(1, 7, 3, low=0, high=1), grey), 1)
    yield Case("RGBToHSV", "RGBToHSV", (x,))
    yield Case("HSVToRGB", "HSVToRGB", (real(5, 3, low=0, high=1),))
    for scale in (0.3, 1.7):
        yield Case(f"AdjustSaturation {scale}", "AdjustSaturation", (x, np.array(scale, np.float32)))
    for delta in (0.25, -0.6):
        yield Case(f"AdjustHue {delta}", "AdjustHue", (x, np.array(delta, np.float32)))


def _boxes() -> Iterator[Case]:
    corners = np.array([[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, 10, 1, 11], [0, 10.1, 1, 11.1]], np.float32)
    scores = np.array([0.9, 0.75, 0.95, 0.3], np.float32)
    ends = (fixed(0.5, "float32"), fixed(0.4, "float32"), fixed(0, "float32"))
    for pad in (False, True):
        operands = (corners, scores, fixed(3), *ends)
        flags = {"pad_to_max_output_size": pad}
        yield Case(f"NonMaxSuppressionV5 {pad}", "NonMaxSuppressionV5", operands, flags, (0, 1, 2))


def _combined() -> Iterator[Case]:
    kind = "CombinedNonMaxSuppression"
    counts = (fixed(2), fixed(5), fixed(0.3, "float32"), fixed(0.2, "float32"))
    for classes in (1, 3):
        corners = real(2, 6, classes, 4, low=-0.1, high=0.6) + np.array([0, 0, 0.5, 0.5], np.float32)
        scores = real(2, 6, 3, low=0, high=1, seed=5)
        for flags in ({}, {"pad_per_class": True, "clip_boxes": False}):
            yield Case(f"{kind} {classes} {len(flags)}", kind, (corners, scores, *counts), flags, (0, 1, 2, 3))
    few = (real(1, 2, 1, 4, low=0, high=1), real(1, 2, 1, low=0, high=1), fixed(2), fixed(4), *counts[2:])
    yield Case(f"{kind} few", kind, few, {}, (0, 1, 2, 3))


def _decoded() -> Iterator[Case]:
    x, kind = np.round(real(7, 3, 4), 2), "CTCGreedyDecoder"
    for name, rules in (("", {}), (" merged", {"merge_repeated": True}), (" first", {"blank_index": 0})):
        yield Case(f"{kind}{name}", kind, (np.repeat(x, 2, 0), np.array([14, 5, 0], np.int32)), rules, (0, 1, 2, 3))


def _areas() -> Iterator[Case]:
    for size in ([3, 4], [10, 7], [1, 9]):
        for corners in (False, True):
            name = f"ResizeArea {size} {corners}"
            yield Case(name, "ResizeArea", (real(2, 5, 9, 3), fixed(size)), {"align_corners": corners})


def _sets() -> Iterator[Case]:
    a, b = whole(2, 3, 5, low=-3, high=4), whole(2, 3, 4, low=-3, high=4, seed=9)
    b[1, 2] = a[1, 2, :4]
    words, others = text("b", "é", "a", "b", "", "c").reshape(2, 3), text("é", "b", "c", "d").reshape(2, 2)
    places = np.array([[0, 1, 0], [0, 1, 3], [1, 0, 0], [1, 2, 2], [1, 2, 3]], np.int64)
    sparse = (places, whole(5, low=-3, high=4, seed=4), np.array([2, 3, 4], np.int64))
    fewer = (places[1:4], whole(3, low=-3, high=4), np.array([2, 3, 7], np.int64))
    nothing = (np.zeros((0, 3), np.int64), whole(0), np.array([2, 3, 1], np.int64))
    pairs = {
        "DenseToDense": {"": (a, b), " small": (a.astype(np.int8), b.astype(np.int8)), " text": (words, others)},
        "DenseToSparse": {"": (a, *sparse), " nothing": (a, *nothing)},
        "SparseToSparse": {"": (*sparse, *fewer), " nothing": (*sparse, *nothing), " none": (*nothing, *nothing)},
    }
    for operation in ("a-b", "b-a", "intersection", "union"):
        for kind, held in pairs.items():
            for name, operands in held.items():
                flags = {"set_operation": operation, "validate_indices": operation != "union"}
                yield Case(f"{kind} {operation}{name}", f"{kind}SetOperation", operands, flags, (0, 1, 2))


def _crops() -> Iterator[Case]:
    """Crops that cannot be but one: the whole picture, or one of its size; and attempts of which none fits."""
    size, kind = np.array([12, 8, 3], np.int32), "SampleDistortedBoundingBox"
    boxes = np.array([[[0.1, 0.2, 0.6, 0.9], [0.5, 0.5, 0.5, 0.5]]], np.float32)
    one, none = {"area_range": [1.0, 1.0]}, np.zeros((1, 0, 4), np.float32)
    exact = {**one, "aspect_ratio_range": [2 / 3, 2 / 3], "min_object_covered": 1.0}
    yield Case(f"{kind} exact", kind, (size, boxes), exact, (0, 1, 2))
    never = {"min_object_covered": 1.5, "max_attempts": 3}
    yield Case(f"{kind} never", kind, (size.astype(np.int64), boxes), never, (0, 1, 2))
    alone = {"min_object_covered": 1.0, "use_image_if_no_bounding_boxes": True}
    yield Case(f"{kind} alone", kind, (size, none), alone, (0, 1, 2))
    for share in (0.0, 1.0):
        late = (size, boxes, np.array(share, np.float32))
        yield Case(f"{kind}V2 {share}", f"{kind}V2", late, {**one, "aspect_ratio_range": [3.0, 3.0]}, (0, 1, 2))


def cases_sparse() -> Iterator[Case]:
    """All of them."""
    for family in (_segments, _sparse, _ragged, _colours, _boxes, _combined, _decoded, _areas, _sets, _crops):
        yield from family()
