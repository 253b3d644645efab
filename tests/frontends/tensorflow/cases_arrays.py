"""Cases of operators of shapes, places and blocks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.frontends.tensorflow.cases import Case, Fixed, fixed, real, whole


def _shapes() -> Iterator[Case]:
    x = real(2, 3, 4)
    yield Case("Reshape", "Reshape", (x, fixed([4, -1])))
    yield Case("Reshape late", "Reshape", (x, np.array([4, -1], np.int32)))
    yield Case("Squeeze", "Squeeze", (real(2, 1, 3, 1),))
    yield Case("Squeeze axes", "Squeeze", (real(2, 1, 3, 1),), {"squeeze_dims": [-1]})
    yield Case("ExpandDims", "ExpandDims", (x, fixed(-2)))
    yield Case("Pack", "Pack", (real(2, 3), real(2, 3, seed=7)), {"axis": -1})
    yield Case("Unpack", "Unpack", (x,), {"axis": 1, "num": 3}, (0, 1, 2))
    yield Case("ConcatV2", "ConcatV2", (x, real(2, 1, 4), fixed(1)))
    yield Case("Concat", "Concat", (fixed(1), x, real(2, 1, 4)))
    yield Case("ParallelConcat", "ParallelConcat", (real(1, 2), real(1, 2, seed=3)), {"shape": (2, 2)})
    yield Case("Split", "Split", (fixed(2), x), {"num_split": 2}, (0, 1))
    yield Case("SplitV", "SplitV", (x, fixed([1, -1, 1]), fixed(2)), {"num_split": 3}, (0, 1, 2))
    yield Case("SplitV late", "SplitV", (x, np.array([1, 2, 1], np.int32), fixed(2)), {"num_split": 3}, (0, 1, 2))
    yield Case("SplitV told", "SplitV", (x, fixed([1, 3]), fixed(2)), {"num_split": 2}, (0, 1))
    yield Case("Transpose", "Transpose", (x, fixed([2, 0, 1])))
    yield Case("Shape", "Shape", (x,))
    yield Case("Shape long", "Shape", (x,), {"out_type": "DT_INT64"})
    yield Case("ShapeN", "ShapeN", (x, real(5)), {}, (0, 1))
    yield Case("Size", "Size", (x,))
    yield Case("Rank", "Rank", (x,))
    yield Case("Fill", "Fill", (fixed([2, 3]), real()))
    yield Case("Fill late", "Fill", (np.array([2, 3], np.int32), real()))
    yield Case("BroadcastTo", "BroadcastTo", (real(3, 1), fixed([2, 3, 4])))
    yield Case("BroadcastTo late", "BroadcastTo", (real(3, 1), np.array([2, 3, 4], np.int32)))
    yield Case("BroadcastArgs", "BroadcastArgs", (fixed([3, 1]), fixed([2, 1, 4])))
    yield Case("Tile", "Tile", (real(2, 3), fixed([2, 1])))
    yield Case("Tile late", "Tile", (real(2, 3), np.array([1, 3], np.int32)))
    yield Case("Range", "Range", (fixed(2), fixed(11), fixed(3)))
    yield Case("Range back", "Range", (fixed(5), fixed(0), fixed(-2)))
    yield Case("Range real", "Range", (fixed(0.5, "float32"), real(low=3, high=4), fixed(0.5, "float32")))
    yield Case("LinSpace", "LinSpace", (real(), real(seed=4), fixed(5)))
    yield Case("LinSpace one", "LinSpace", (real(), real(seed=4), fixed(1)))
    yield Case("Range late", "Range", (fixed(0), np.array(5, np.int32), fixed(2)))
    yield Case("Range moved", "Range", (fixed(3), np.array(7, np.int32), fixed(1)))
    yield Case(
        "OneHot", "OneHot", (whole(2, 3, low=-1, high=4), fixed(3), real(), real(seed=2)), {"axis": 1, "TI": "DT_INT32"}
    )
    yield Case("InvertPermutation", "InvertPermutation", (np.array([2, 0, 3, 1], np.int32),))
    yield Case("PlaceholderWithDefault", "PlaceholderWithDefault", (fixed([1, 2], "float32"),), {"shape": (2,)})
    yield Case("EnsureShape", "EnsureShape", (x,), {"shape": (2, -1, 4)})
    yield Case("Slice", "Slice", (x, fixed([0, 1, 1]), fixed([2, -1, 2])))
    yield Case("Slice late", "Slice", (x, np.array([0, 1, 1], np.int32), fixed([-1, 2, 2])))
    yield Case("Slice late size", "Slice", (x, np.array([0, 1, 1], np.int32), np.array([2, 2, 2], np.int32)))
    yield from _cuts(x)


def _cuts(x: np.ndarray) -> Iterator[Case]:
    def cut(name, begin, end, step, **masks):
        return Case(f"StridedSlice {name}", "StridedSlice", (x, fixed(begin), fixed(end), fixed(step)), masks)

    yield cut("plain", [0, 1], [2, -1], [1, 1])
    yield cut("masks", [1, 1], [1, 1], [1, 1], begin_mask=1, end_mask=2)
    yield cut("ellipsis", [0, 1], [0, 3], [1, 1], ellipsis_mask=1)
    yield cut("new axis", [0, 0, 1], [0, 0, 2], [1, 1, 1], new_axis_mask=1, shrink_axis_mask=4)
    yield cut("backwards", [-1, 2, 0], [0, -9, 4], [-1, -2, 3])
    yield cut("backwards whole", [0, 0, 0], [0, 0, 0], [-1, 1, -1], begin_mask=7, end_mask=7)
    yield cut("beyond", [-9, 1], [9, 1], [1, 1])
    late = (x, np.array([1, 0], np.int32), np.array([2, 2], np.int32), fixed([1, 1]))
    yield Case("StridedSlice late", "StridedSlice", late)
    yield Case("StridedSlice late one", "StridedSlice", late, {"shrink_axis_mask": 1, "end_mask": 2})
    yield Case("StridedSlice late end", "StridedSlice", (x, fixed([0, 1]), late[2], fixed([1, 1])), {"begin_mask": 1})
    yield Case("StridedSlice late begin", "StridedSlice", late, {"begin_mask": 1, "end_mask": 2})
    for kind in ("Pad", "PadV2", "MirrorPad"):
        more = {"PadV2": (real(),)}.get(kind, ())
        modes = {"MirrorPad": {"mode": "SYMMETRIC"}}.get(kind, {})
        yield Case(kind, kind, (x, fixed([[0, 0], [1, 2], [0, 1]]), *more), modes)
    amounts = np.array([[0, 0], [1, 2], [0, 1]], np.int32)
    yield Case("Pad late", "Pad", (x, amounts))
    yield Case("PadV2 late", "PadV2", (x, amounts.astype(np.int64), real()))
    yield Case("MirrorPad reflect", "MirrorPad", (x, fixed([[0, 1], [2, 0], [1, 1]])), {"mode": "REFLECT"})
    yield Case("ReverseV2", "ReverseV2", (x, fixed([0, -1])))
    yield Case("Reverse", "Reverse", (x, fixed([True, False, True], "bool")))
    yield Case("Roll", "Roll", (x, fixed([1, -1]), fixed([1, 2])))


def _places() -> Iterator[Case]:
    x = real(4, 3, 2)
    rows = whole(2, 3, low=0, high=4)
    yield Case("Gather", "Gather", (x, rows))
    yield Case("GatherV2", "GatherV2", (x, whole(5, low=0, high=3), fixed(1)))
    yield Case(
        "GatherV2 batch", "GatherV2", (real(2, 3, 4, 5), whole(2, 6, low=0, high=4), fixed(2)), {"batch_dims": 1}
    )
    yield Case("GatherNd", "GatherNd", (x, whole(2, 2, low=0, high=3)))
    yield Case("ScatterNd", "ScatterNd", (np.array([[1], [3], [1]], np.int32), real(3, 2), fixed([4, 2])))
    late = (np.array([[1], [3], [1]], np.int32), real(3, 2), np.array([4, 2], np.int32))
    yield Case("ScatterNd late", "ScatterNd", late)
    places = (x, np.array([[1], [3], [1]], np.int32), real(3, 3, 2, seed=8))
    for kind in ("Add", "Sub", "Max", "Min"):
        yield Case(f"TensorScatter{kind}", f"TensorScatter{kind}", places)
    unique = (x, np.array([[1], [3]], np.int32), real(2, 3, 2, seed=8))
    yield Case("TensorScatterUpdate", "TensorScatterUpdate", unique)
    yield Case("ScatterNdNonAliasingAdd", "ScatterNdNonAliasingAdd", places)
    yield Case("Where", "Where", (whole(3, 4, low=-1, high=2),))
    yield Case("TopKV2", "TopKV2", (real(3, 7), fixed(3)), {}, (0, 1))
    yield Case("TopKV2 late", "TopKV2", (real(3, 7), np.array(2, np.int32)), {}, (0, 1))
    yield Case("NthElement", "NthElement", (real(3, 7), fixed(2)))
    yield Case("NthElement back", "NthElement", (real(3, 7), fixed(2)), {"reverse": True})
    yield Case("InTopKV2", "InTopKV2", (real(4, 5), whole(4, low=0, high=5), fixed(2)))
    yield Case("InTopK", "InTopK", (real(4, 5), whole(4, low=0, high=5)), {"k": 2})
    yield from _rows()


def _rows() -> Iterator[Case]:
    repeated = whole(9, low=0, high=4)
    yield Case("Unique", "Unique", (repeated,), {}, (0, 1))
    yield Case("UniqueWithCounts", "UniqueWithCounts", (repeated,), {}, (0, 1, 2))
    yield Case(
        "DynamicPartition", "DynamicPartition", (real(5, 2), whole(5, low=0, high=3)), {"num_partitions": 3}, (0, 1, 2)
    )
    for kind in ("DynamicStitch", "ParallelDynamicStitch"):
        yield Case(kind, kind, (fixed([0, 2]), fixed([3, 1]), real(2, 2), real(2, 2, seed=5)))
    yield Case(
        "DynamicStitch late",
        "DynamicStitch",
        (np.array([0, 2], np.int32), np.array([3, 1], np.int32), real(2), real(2, seed=5)),
    )
    one = (fixed([2, 0, 1]), real(3, 2))
    yield Case("DynamicStitch one", "DynamicStitch", one, {"N": 1})
    yield Case(
        "ReverseSequence",
        "ReverseSequence",
        (real(2, 3, 4), np.array([4, 2, 1], np.int64)),
        {"seq_dim": 2, "batch_dim": 1},
    )
    yield Case("SparseToDense", "SparseToDense", (fixed([[0, 1], [1, 2]]), fixed([2, 4]), real(2), real()))
    yield Case("SparseToDense one", "SparseToDense", (fixed(2), fixed([4]), real(), real(seed=3)))
    yield Case("SparseToDense line", "SparseToDense", (fixed([2, 3]), fixed([4]), real(2), real(seed=3)))
    sparse = (fixed([[0, 1], [1, 2]], "int64"), real(2), fixed([2, 4], "int64"), real(2, 4))
    yield Case("SparseTensorDenseAdd", "SparseTensorDenseAdd", sparse)
    numbers = np.array([0, 0, 2, 3, 3], np.int32)
    for kind in ("SegmentSum", "SegmentProd", "SegmentMax", "SegmentMin", "SegmentMean"):
        yield Case(kind, kind, (real(5, 2), Fixed(numbers)))
        yield Case(f"{kind} late", kind, (real(5, 2), numbers))
    for kind in ("Sum", "Prod", "Max", "Min"):
        yield Case(
            f"UnsortedSegment{kind}",
            f"UnsortedSegment{kind}",
            (real(5, 2), np.array([3, 0, -1, 3, 1], np.int32), fixed(5)),
        )
    yield Case("UnsortedSegmentSum late", "UnsortedSegmentSum", (real(5), numbers, np.array(4, np.int32)))
    yield Case("Bincount", "Bincount", (whole(9, low=0, high=6), fixed(5), fixed([], "float32")))
    yield Case("Bincount weights", "Bincount", (whole(9, low=0, high=6), fixed(5), real(9)))
    yield Case("DenseBincount", "DenseBincount", (whole(9, low=0, high=6), fixed(5), fixed([], "float32")))
    yield Case("HistogramFixedWidth", "HistogramFixedWidth", (real(20), fixed([-1, 1], "float32"), fixed(4)))


def _blocks() -> Iterator[Case]:
    x = real(2, 4, 6, 8)
    yield Case("DepthToSpace", "DepthToSpace", (x,), {"block_size": 2})
    yield Case("SpaceToDepth", "SpaceToDepth", (x,), {"block_size": 2})
    yield Case("SpaceToBatchND", "SpaceToBatchND", (x, fixed([2, 3]), fixed([[1, 1], [0, 3]])))
    yield Case("BatchToSpaceND", "BatchToSpaceND", (real(8, 2, 3, 2), fixed([2, 2]), fixed([[1, 0], [0, 2]])))
    yield Case("SpaceToBatch", "SpaceToBatch", (x, fixed([[0, 0], [2, 0]])), {"block_size": 2})
    yield Case("BatchToSpace", "BatchToSpace", (real(8, 2, 3, 2), fixed([[0, 1], [1, 0]])), {"block_size": 2})
    patches = {"ksizes": [1, 2, 3, 1], "strides": [1, 2, 1, 1], "rates": [1, 1, 2, 1], "padding": "SAME"}
    yield Case("ExtractImagePatches", "ExtractImagePatches", (x,), patches)
    dilation = {"strides": [1, 1, 2, 1], "rates": [1, 2, 1, 1], "padding": "SAME"}
    yield Case("Dilation2D", "Dilation2D", (x, real(2, 2, 8)), dilation)


def cases_arrays() -> Iterator[Case]:
    """All of them."""
    for family in (
        _shapes,
        _places,
        _blocks,
    ):
        yield from family()
