"""What handlers refuse: one message for each, and nothing computed instead."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import xir
from tests.frontends.tensorflow.cases import Case, Fixed, fixed, real, text, whole
from tests.frontends.tensorflow.graphs import write
from xir.errors import XirError

X = real(2, 3, 4)
PICTURE = real(1, 4, 4, 2)
LATE = np.array([1], np.int32)
NONE = fixed([], "float32")
ENDS = (fixed(-1, "float32"), fixed(1, "float32"))
WINDOWS = {"ksizes": [1, 2, 2, 1], "strides": [1, 1, 1, 1], "rates": [1, 1, 1, 1], "padding": "SAME"}
BOXES, SCORES = real(3, 4), real(3)


def case(kind: str, *operands: np.ndarray | Fixed, **attributes: object) -> Case:
    return Case(kind, kind, operands, attributes)


def of_arrays() -> list[tuple[str, Case]]:
    """(what the message says, the case)."""
    return [
        ("two sizes -1", case("Reshape", X, fixed([-1, -1]))),
        ("is not 1", case("Squeeze", X, squeeze_dims=[0])),
        ("no 2 equal pieces", case("Split", fixed(1), X, num_split=2)),
        ("computed at run time", case("BroadcastArgs", np.array([1, 2], np.int32), np.array([2, 1], np.int32))),
        ("0 numbers", case("LinSpace", real(), real(), fixed(0))),
        ("classes that is computed", case("OneHot", whole(3), np.array(3, np.int32), real(), real(), TI="DT_INT32")),
        ("no tensor of the shape", case("EnsureShape", X, shape=(2, 3))),
        ("2 axes are given", case("ExpandDims", X, fixed([0, 1]))),
        ("along examples or channels", case("MaxPool", PICTURE, ksize=[2, 1, 1, 1], strides=[1, 1, 1, 1])),
        ("paddings that are computed", case("SpaceToBatchND", PICTURE, fixed([2, 2]), np.zeros((2, 2), np.int32))),
        ("do not come apart", case("SpaceToBatchND", PICTURE, fixed([3, 3]), fixed([[0, 0], [0, 0]]))),
        ("do not come together", case("BatchToSpaceND", PICTURE, fixed([2, 2]), fixed([[0, 0], [0, 0]]))),
        ("along examples or channels", case("ExtractImagePatches", PICTURE, **WINDOWS | {"ksizes": [2, 1, 1, 1]})),
        ("at most 65536", case("Split", fixed(0), X, num_split=1 << 20)),
        ("'num' is -1", case("Unpack", X, num=-1)),
        ("a step is 0", case("StridedSlice", X, fixed([0]), fixed([1]), fixed([0]))),
        ("no axis for entry 3", case("StridedSlice", X, fixed([0] * 4), fixed([1] * 4), fixed([1] * 4))),
        ("towards the front", case("StridedSlice", X, LATE, LATE, fixed([-1]))),
        ("padding of i32", case("Pad", X, np.zeros((2, 2), np.int32))),
        ("padding that are computed", case("MirrorPad", X, np.zeros((3, 2), np.int32), mode="REFLECT")),
        ("expected one of REFLECT", case("MirrorPad", X, fixed([[0, 0]] * 3), mode="ODD")),
        ("size that is computed", case("ResizeBilinear", PICTURE, np.array([3, 3], np.int32))),
        ("exclude each other",
         case("ResizeBilinear", PICTURE, fixed([3, 3]), align_corners=True, half_pixel_centers=True)),
        ("boxes that is computed", case("NonMaxSuppression", BOXES, SCORES, np.array(2, np.int32))),
        ("a shape that is computed", case("SparseToDense", fixed([0]), LATE, real(1), real())),
    ]  # fmt: skip


def of_layers() -> list[tuple[str, Case]]:
    """The same of matrices, numbers of few bits, strings, sparse tensors and layers."""
    return [
        ("other diagonals", case("MatrixDiagPartV3", X, fixed(1), fixed(0, "float32"))),
        ("larger than their diagonal",
         case("MatrixDiagV3", real(3), fixed(0), fixed(5), fixed(-1), fixed(0, "float32"))),
        ("rows are taken", case("Cholesky", real(2, 3))),
        ("32 bits", case("Dequantize", Fixed(whole(3), "DT_QINT32"), *ENDS)),
        ("range that the elements decide", case("QuantizeAndDequantizeV2", real(3), *ENDS)),
        ("bins that is computed", case("Bincount", whole(3), np.array(3, np.int32), NONE)),
        ("counts of rows", case("DenseBincount", whole(3), fixed(3), NONE, binary_output=True)),
        ("expected one of", case("StringLower", text("a"), encoding="latin")),
        ("into no pieces", case("StringSplitV2", text("a"), fixed(",", "object"), maxsplit=0)),
        ("into single bytes", case("StringSplit", text("a"), fixed("", "object"))),
        ("a pattern that is computed", case("RegexReplace", text("a"), np.array("a", object), fixed("", "object"))),
        ("no regular expression", case("StaticRegexReplace", text("a"), pattern="(", rewrite="")),
        ("those of whole numbers", case("AsString", real(3))),
        ("100000 steps", case("BlockLSTM", fixed(1, "int64"), np.zeros((100_000, 1, 1), np.float32),
                              *(real(1, 1),) * 2, real(2, 4), *(real(1),) * 3, real(4))),
        ("holds", case("LeakyRelu", real(3), alpha="much")),
        ("'DstT' is missing", case("Cast", real(3))),
        ("there is no element type", case("Cast", real(3), DstT="DT_VARIANT")),
        ("of the size 9", case("Conv2DBackpropInput", fixed([1, 9, 9, 2]), real(3, 3, 2, 2), real(1, 2, 2, 2),
                             strides=[1, 2, 2, 1], padding="VALID")),
        ("ragged ranges of real numbers", case("RaggedRange", real(2), real(2), real(2))),
        ("axes of one size", case("RaggedTensorToSparse", fixed([0, 2], "int64"), real(2, 3), RAGGED_RANK=1)),
        ("rows that are told by", case("RaggedTensorToTensor", fixed(-1), real(2), real(), fixed([0, 2]),
                                       num_row_partition_tensors=1, row_partition_types=["VALUE_ROWIDS"])),
        ("shape that is told", case("RaggedTensorToTensor", fixed([3, 3]), real(2), real(), fixed([0, 2]),
                                    num_row_partition_tensors=1, row_partition_types=["ROW_SPLITS"])),
        ("an input or a constant", case("Real", Fixed(real(2), "DT_FLOAT"))),
        ("scores that overlapping boxes lower",
         case("NonMaxSuppressionV5", BOXES, SCORES, fixed(2), ENDS[1], ENDS[0], fixed(0.5, "float32"))),
        ("joined with 'Cube'", case("_FusedMatMul", real(2, 2), real(2, 2), fused_ops=["Cube"])),
        ("too few operands", case("_FusedMatMul", real(2, 2), real(2, 2), fused_ops=["BiasAdd"])),
        ("what it hands out is an input", case("IteratorV2", output_types=["DT_FLOAT"], output_shapes=[(1,)])),
        ("no rows of sets", case("DenseToDenseSetOperation", whole(2), whole(2), set_operation="union")),
        ("the operation 'xor' of sets",
         case("DenseToDenseSetOperation", whole(1, 2), whole(1, 2), set_operation="XOR")),
        ("of sets of 1 and 2 axes",
         case("DenseToDenseSetOperation", whole(1, 2), whole(1, 1, 2), set_operation="union")),
        ("no places of rows", case("SparseToSparseSetOperation", *(whole(1, 1, dtype="int64"), whole(1),
                                   np.array([1])) * 2, set_operation="union")),
        ("boxes of 2 kinds for 3 classes", case("CombinedNonMaxSuppression", real(1, 2, 2, 4), real(1, 2, 3), fixed(2),
                                                fixed(2), *ENDS)),
        ("size that is computed", case("ResizeArea", PICTURE, np.array([3, 3], np.int32))),
        ("shifts that are computed", case("Roll", real(3), np.array(1, np.int32), fixed(0))),
    ]  # fmt: skip


def of_examples() -> list[tuple[str, Case]]:
    """The same of features: crossed ones, and those of serialized examples."""
    crossed = {"N": 0, "sparse_types": [], "dense_types": ["DT_STRING"]}
    return [
        ("are crossed, expected rows", case("SparseCrossV2", text("a"), fixed("+", "object"), **crossed)),
        ("columns of sparse features", case("SparseCrossV2", fixed("+", "object"), **crossed | {"dense_types": []})),
        ("of other numbers of elements", case("ParseExample", text("a"), text("b"), text("k"), Nsparse=1, Ndense=0,
                                              sparse_types=["DT_INT64"], Tdense=[], dense_shapes=[])),
        ("of other numbers of elements", case("ParseExampleV2", *(text("a"),) * 5, num_sparse=0, sparse_types=[],
             ragged_value_types=["DT_INT64"], ragged_split_types=["DT_INT64"], Tdense=[], dense_shapes=[])),
        ("of other numbers of elements", case("ParseSingleExample", np.array("a", object), num_sparse=1, dense_keys=[],
             sparse_keys=["k"], sparse_types=["DT_INT64"], Tdense=[], dense_shapes=[])),
        ("1 keys, 1 defaults, 0 shapes",
         case("ParseSingleExample", np.array("a", object), real(1), num_sparse=0, sparse_keys=[], dense_keys=["k"],
              sparse_types=[], Tdense=["DT_FLOAT"], dense_shapes=[])),
        ("of which examples decide how long",
         case("ParseSingleExample", np.array("a", object), real(1), num_sparse=0, sparse_keys=[], dense_keys=["k"],
              sparse_types=[], Tdense=["DT_FLOAT"], dense_shapes=[(-1,)])),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("told", "case"),
    of_arrays() + of_layers() + of_examples(),
    ids=lambda each: each if isinstance(each, str) else each.kind,
)
def test_refused(told: str, case: Case, tmp_path: Path) -> None:
    with pytest.raises(XirError) as error:
        xir.load(write(tmp_path, *case.graph()), outputs=case.names())
    problems = [problem.reason for problem in getattr(error.value, "problems", ())]
    assert told in "\n".join([error.value.message, *problems])
