"""Picking and placing by index: against onnxruntime, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from tests.ops.evaluate import Operator, decomposed, evaluate, onnx_results
from xir.errors import InvalidModelError, UsageError
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops import index
from xir.reference import run

X = np.random.default_rng(0).normal(size=(3, 3, 4)).astype(np.float32)
PLACES = np.array([[0, 2, -1], [1, 1, -3]])
COLUMNS = np.array([[[0, 1, -1]], [[2, 0, 1]]])


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_gather_as_in_onnxruntime(axis: int) -> None:
    np.testing.assert_array_equal(
        evaluate(index.gather, X, PLACES, axis=axis), onnx_results("Gather", [X, PLACES], axis=axis)[0]
    )


@pytest.mark.parametrize("axis", [0, 2])
def test_gather_elements_as_in_onnxruntime(axis: int) -> None:
    (theirs,) = onnx_results("GatherElements", [X, COLUMNS], axis=axis)
    np.testing.assert_array_equal(evaluate(index.gather_elements, X, COLUMNS, axis=axis), theirs)


@pytest.mark.parametrize("reduction", ["none", "add", "mul", "max", "min"])
def test_scatter_elements_as_in_onnxruntime(reduction: str) -> None:
    x, updates = X[0], X[1, :2, :3]
    places = np.array([[0, 2, -2], [1, 1, 0]]) if reduction == "none" else PLACES
    (theirs,) = onnx_results("ScatterElements", [x, places, updates], axis=0, reduction=reduction)
    ours = evaluate(index.scatter_elements, x, places, updates, axis=0, reduction=reduction)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


@pytest.mark.parametrize("form", [lambda op: op, decomposed], ids=["reference", "decomposition"])
@pytest.mark.parametrize(
    ("places", "batch_axes"),
    [
        (np.array([[0, 1], [2, -1]]), 0),
        (np.array([[[0, 1, 2]], [[1, -1, 3]]]), 0),
        (np.array([[2], [0], [1]]), 1),
        (np.array([[[2, 0], [1, 1]], [[0, -1], [0, 0]], [[1, 3], [2, 2]]]), 1),
        (np.zeros((3, 3, 1), np.int64), 2),
    ],
)
def test_gather_nd_as_in_onnxruntime(form: Operator, places: np.ndarray, batch_axes: int) -> None:
    (theirs,) = onnx_results("GatherND", [X, places], batch_dims=batch_axes)
    np.testing.assert_array_equal(evaluate(form(index.gather_nd), X, places, batch_axes=batch_axes), theirs)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_one_hot_as_in_onnxruntime(axis: int) -> None:
    places = np.array([[0, 2, -1], [3, -4, 1]])
    (theirs,) = onnx_results("OneHot", [places, np.array(3), np.array([0, 1], np.float32)], axis=axis)
    ours = evaluate(index.one_hot, places, depth=3, axis=axis, dtype=DType.FLOAT32)
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("condition", [[True, False, True], [False, True], [False, False, False]])
def test_compress_as_in_onnxruntime(condition: list[bool]) -> None:
    held = np.array(condition)
    np.testing.assert_array_equal(
        evaluate(index.compress, X, held, axis=1), onnx_results("Compress", [X, held], axis=1)[0]
    )


def test_embedding_adds_the_bias_to_the_rows() -> None:
    found = evaluate(index.embedding, np.array([1, 0]), np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([10.0, 20.0]))
    assert found.tolist() == [[13.0, 24.0], [11.0, 22.0]]


@pytest.mark.parametrize("form", [lambda op: op, decomposed], ids=["reference", "decomposition"])
def test_places_and_depth_may_be_known_only_at_run_time(form: Operator) -> None:
    n, d = Symbol("N"), Symbol("D")
    places, x = Value(TensorType(DType.INT64, (n, 2))), Value(TensorType(DType.FLOAT32, (n, d)))
    names = {places: "places", x: "x"}
    hot = form(index.one_hot)(places, depth=d, axis=2, dtype=DType.FLOAT32)
    picked = form(index.gather_nd)(x, places, batch_axes=0)
    assert isinstance(hot, Value)
    assert isinstance(picked, Value)
    graph = Graph("g", (places, x), (hot, picked), ("hot", "picked"), names=names)
    table = np.arange(6, dtype=np.float32).reshape(2, 3)
    found = run(graph, {"places": np.array([[0, 2], [-1, 1]]), "x": table})
    np.testing.assert_array_equal(found["hot"], [[[1, 0, 0], [0, 0, 1]], [[0, 0, 1], [0, 1, 0]]])
    np.testing.assert_array_equal(found["picked"], [2.0, 4.0])


@pytest.mark.parametrize(
    ("operator", "operands", "attributes"),
    [
        (index.gather, (X, np.array([3])), {"axis": 0}),
        (index.gather, (X, np.array([-4])), {"axis": 0}),
        (index.gather_elements, (X, np.full((1, 1, 1), 9)), {"axis": 2}),
        (index.scatter_elements, (X[0], np.array([[7]]), X[0, :1, :1]), {"axis": 0, "reduction": "add"}),
        (index.gather_nd, (X, np.array([[0, 3]])), {}),
        (index.embedding, (np.array([5]), X[0], None), {}),
    ],
)
def test_an_index_beyond_the_axis_is_refused(
    operator: Operator, operands: tuple[np.ndarray | None, ...], attributes: dict[str, object]
) -> None:
    with pytest.raises(InvalidModelError, match="does not exist on an axis of"):
        evaluate(operator, *operands, **attributes)


def value(dtype: DType, *shape: int | Symbol) -> Value:
    return Value(TensorType(dtype, shape))


F32, I64, BOOL = DType.FLOAT32, DType.INT64, DType.BOOL


@pytest.mark.parametrize(
    ("operator", "operands", "attributes", "words"),
    [
        (index.gather, [value(F32, 2), value(F32, 2)], {"axis": 0}, "i32 or i64"),
        (index.gather, [value(F32, 2), value(I64, 2)], {"axis": 1}, "axis 1 does not exist"),
        (index.gather_elements, [value(F32, 2, 2), value(I64, 2)], {"axis": 0}, "2 axes are needed"),
        (index.gather_elements, [value(F32, 2, 2), value(I64, 1, 3)], {"axis": 0}, "reach beyond"),
        (
            index.scatter_elements,
            [value(F32, 2), value(I64, 1), value(F32, 2)],
            {"axis": 0, "reduction": "none"},
            "differ",
        ),
        (
            index.scatter_elements,
            [value(BOOL, 2), value(I64, 1), value(BOOL, 1)],
            {"axis": 0, "reduction": "add"},
            "needs numbers",
        ),
        (index.gather_nd, [value(F32, 2), value(I64, 1, 2)], {}, "too many"),
        (index.gather_nd, [value(F32, 2), value(I64, 1, Symbol("K"))], {}, "must be known"),
        (index.gather_nd, [value(F32, 2), value(I64, 1)], {"batch_axes": -1}, "too many"),
        (index.one_hot, [value(I64, 2)], {"depth": 3, "axis": 2, "dtype": F32}, r"must lie in \[0, 1\]"),
        (index.one_hot, [value(I64, 2)], {"depth": 3, "axis": 0, "dtype": DType.STRING}, "got str"),
        (index.compress, [value(F32, 2), value(BOOL, 3)], {"axis": 0}, "longer than axis"),
        (index.compress, [value(F32, 2), value(I64, 2)], {"axis": 0}, "bool"),
        (index.embedding, [value(I64, 2), value(F32, 2, 3), value(F32, 2)], {}, "size of the bias must be 3"),
        (index.embedding, [value(I64, 2), value(I64, 2, 3)], {}, "floating-point"),
    ],
)
def test_operands_that_do_not_fit_are_refused(
    operator: Operator, operands: list[Value], attributes: dict[str, object], words: str
) -> None:
    with pytest.raises(InvalidModelError, match=words):
        operator(*operands, **attributes)


@pytest.mark.parametrize(
    ("operator", "other", "attributes"),
    [
        (index.gather_elements, np.zeros((2, 9), np.int64), {"axis": 0}),
        (index.compress, np.zeros(9, bool), {"axis": 1}),
    ],
)
def test_what_only_the_run_shows_to_be_too_long_is_refused(
    operator: Operator, other: np.ndarray, attributes: dict[str, object]
) -> None:
    unknown = tuple(Symbol(f"s{axis}") for axis in range(other.ndim))
    x, y = value(F32, 2, 4), Value(TensorType(I64 if other.dtype == np.int64 else BOOL, unknown))
    made = operator(x, y, **attributes)
    assert isinstance(made, Value)
    graph = Graph("g", (x, y), (made,), ("z",), names={x: "x", y: "y"})
    with pytest.raises((InvalidModelError, UsageError), match=r"reach beyond|longer than axis"):
        run(graph, {"x": np.zeros((2, 4), np.float32), "y": other})
