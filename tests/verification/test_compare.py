"""Differences of sequences, maps and absent results; those of tensors are in `test_verify.py`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import xir
from tests.ops.cases.control import body
from tests.ops.cases.labels import words
from xir.ir.graph import Graph
from xir.ir.types import DType, TensorType
from xir.ops.maps import zip_map
from xir.ops.sequence import sequence_construct
from xir.verification.compare import compare, tensors_of

A, B = np.array([1.0, 2.0]), np.array([1.0, 2.5])


@pytest.mark.parametrize(
    ("expected", "actual", "mismatches", "reason"),
    [
        ([A, B], [A, B], 0, None),
        ([A, B], [A, A], 1, None),
        ([[A], [B]], [[B], [A]], 2, None),
        ([], [], 0, None),
        ([A], [A, A], 0, "the result: a sequence of 1 and a sequence of 2"),
        ([A, [A]], [A, A], 0, "[1]: a sequence of 1 and a tensor [2]"),
        ({"x": 0.5}, {"x": np.float32(0.5)}, 0, None),
        ({"x": 0.5, "y": "a"}, {"x": 0.75, "y": "b"}, 2, None),
        ([{"x": 0.5}], [{"y": 0.5}], 0, "[0]: a map of ['x'] and a map of ['y']"),
        (None, None, 0, None),
        (None, A, 0, "the result: nothing and a tensor [2]"),
        ([A], {0: A}, 0, "the result: a sequence of 1 and a map of ['0']"),
        ([A], [np.zeros(3)], 0, "shapes [2] and [3] differ"),
    ],
)
def test_forms_are_compared_piece_by_piece(
    expected: object, actual: object, mismatches: int, reason: str | None
) -> None:
    found = compare("y", expected, actual)
    assert (found.mismatches, found.reason) == (mismatches, reason)
    assert found.equal == (not mismatches and reason is None)


def test_the_largest_difference_of_all_pieces_counts() -> None:
    found = compare("y", [A, A], [A, B])
    assert (found.shape, found.max_absolute) == ((2,), 0.5)


def test_the_tensors_of_a_result_come_in_order() -> None:
    assert [array.tolist() for array in tensors_of([A, {"k": 1.0, "l": [B, None]}])] == [A.tolist(), 1.0, B.tolist()]


ROWS = TensorType(DType.FLOAT32, (2, 2))


def sequences() -> Graph:
    return body([ROWS, ROWS], lambda x, y: (sequence_construct(x, y),))


def maps() -> Graph:
    return body([ROWS], lambda x: (zip_map(x, keys=words("a", "b")),))


def texts() -> Graph:
    return body([ROWS.with_dtype(DType.STRING)], lambda x: (sequence_construct(x, x),))


@pytest.mark.parametrize("build", [sequences, maps, texts])
def test_results_that_are_no_tensors_agree_with_onnxruntime(build: Callable[[], Graph], tmp_path: Path) -> None:
    graph = build()
    xir.export(graph, tmp_path / "m.onnx")
    certificate = xir.verify(graph, str(tmp_path / "m.onnx"))
    assert certificate.passed
