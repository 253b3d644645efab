"""Reductions, running sums, places of the largest: against onnxruntime, and over nothing, ties and infinities."""

from __future__ import annotations

import numpy as np
import pytest

from tests.ops.evaluate import Operator, decomposed, evaluate, evaluate_all, onnx_results
from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.dims import Symbol
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops import OpDef, reduce

X = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
REDUCTIONS = [
    (reduce.reduce_sum, "ReduceSum"),
    (reduce.reduce_mean, "ReduceMean"),
    (reduce.reduce_max, "ReduceMax"),
    (reduce.reduce_min, "ReduceMin"),
    (reduce.reduce_prod, "ReduceProd"),
    (reduce.reduce_l1, "ReduceL1"),
    (reduce.reduce_l2, "ReduceL2"),
    (reduce.reduce_sum_square, "ReduceSumSquare"),
    (reduce.reduce_log_sum_exp, "ReduceLogSumExp"),
]


@pytest.mark.parametrize("axes", [(0,), (1, 2), (0, 1, 2)])
@pytest.mark.parametrize("keep_dims", [False, True])
@pytest.mark.parametrize(("operator", "kind"), REDUCTIONS)
def test_reductions_as_in_onnxruntime(operator: Operator, kind: str, axes: tuple[int, ...], keep_dims: bool) -> None:
    (theirs,) = onnx_results(kind, [X, np.array(axes)], keepdims=int(keep_dims))
    ours = evaluate(operator, X, axes=axes, keep_dims=keep_dims)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=2e-6)


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        (reduce.reduce_sum, 0.0),
        (reduce.reduce_mean, np.nan),
        (reduce.reduce_max, -np.inf),
        (reduce.reduce_min, np.inf),
        (reduce.reduce_prod, 1.0),
        (reduce.reduce_log_sum_exp, -np.inf),
    ],
)
def test_over_nothing_stands_what_changes_nothing(operator: Operator, expected: float) -> None:
    found = evaluate(operator, np.zeros((2, 0), np.float32), axes=(1,), keep_dims=False)
    np.testing.assert_array_equal(found, [expected, expected])


def test_over_no_integers_the_largest_is_the_lowest_of_the_type() -> None:
    empty = np.zeros((1, 0), np.int8)
    assert evaluate(reduce.reduce_max, empty, axes=(1,), keep_dims=False).tolist() == [-128]
    assert evaluate(reduce.reduce_min, empty, axes=(1,), keep_dims=False).tolist() == [127]
    assert evaluate(reduce.reduce_mean, empty, axes=(1,), keep_dims=False).tolist() == [0]


def test_a_mean_of_integers_is_exact_and_rounds_toward_zero() -> None:
    x = np.array([[2**60, 2**60 + 1], [-3, 0]])
    assert evaluate(reduce.reduce_mean, x, axes=(1,), keep_dims=False).tolist() == [2**60, -1]


def test_sums_of_halves_are_taken_in_single_precision() -> None:
    x = np.full((1, 4096), 0.1, np.float16)
    found = evaluate(reduce.reduce_sum, x, axes=(1,), keep_dims=False)
    assert float(found[0]) == pytest.approx(4096 * float(np.float16(0.1)), rel=1e-3)


@pytest.mark.parametrize("form", [lambda op: op, decomposed], ids=["reference", "decomposition"])
@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ([1000.0, 1000.0], 1000 + np.log(2)),
        ([-1000.0, -1000.0], -1000 + np.log(2)),
        ([-np.inf, 3.0], 3.0),
        ([-np.inf, -np.inf], -np.inf),
        ([np.inf, 1.0], np.inf),
        ([np.nan, 1.0], np.nan),
    ],
)
def test_the_sum_of_exponentials_does_not_overflow(form: Operator, row: list[float], expected: float) -> None:
    found = evaluate(form(reduce.reduce_log_sum_exp), np.array(row), axes=(0,), keep_dims=False)
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("axis", [0, 2])
def test_running_sums_as_in_onnxruntime(axis: int, exclusive: bool, reverse: bool) -> None:
    (theirs,) = onnx_results("CumSum", [X, np.array(axis)], exclusive=int(exclusive), reverse=int(reverse))
    ours = evaluate(reduce.cumsum, X, axis=axis, exclusive=exclusive, reverse=reverse)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


TIES = np.array([[3.0, 1.0, 3.0, 1.0], [0.0, 0.0, 0.0, 0.0]], np.float32)


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("keep_dims", [False, True])
@pytest.mark.parametrize(("operator", "kind"), [(reduce.arg_max, "ArgMax"), (reduce.arg_min, "ArgMin")])
def test_places_of_ties_as_in_onnxruntime(operator: Operator, kind: str, keep_dims: bool, last: bool) -> None:
    (theirs,) = onnx_results(kind, [TIES], axis=1, keepdims=int(keep_dims), select_last_index=int(last))
    np.testing.assert_array_equal(evaluate(operator, TIES, axis=1, keep_dims=keep_dims, last=last), theirs)


@pytest.mark.parametrize("largest", [False, True])
@pytest.mark.parametrize(("x", "axis", "k"), [(X, 1, 2), (X, 2, 4), (TIES, 1, 3)])
def test_the_k_largest_as_in_onnxruntime(x: Array, axis: int, k: int, largest: bool) -> None:
    theirs = onnx_results("TopK", [x, np.array([k])], 2, axis=axis, largest=int(largest), sorted=1)
    ours = evaluate_all(reduce.top_k, x, None, k=k, axis=axis, largest=largest)
    np.testing.assert_array_equal(ours[0], theirs[0])
    np.testing.assert_array_equal(ours[1], theirs[1])


def test_k_may_be_known_only_at_run_time() -> None:
    values, places = evaluate_all(reduce.top_k, TIES, np.array([2]), k=Symbol(), axis=1)
    assert values.tolist() == [[3.0, 3.0], [0.0, 0.0]]
    assert places.tolist() == [[0, 2], [0, 1]]


def test_more_than_there_are_at_run_time_is_refused() -> None:
    with pytest.raises(InvalidModelError, match="k = 5 elements"):
        evaluate_all(reduce.top_k, TIES, np.array([5]), k=Symbol(), axis=1)


def value(dtype: DType, *shape: int | Symbol) -> Value:
    return Value(TensorType(dtype, shape))


F32 = DType.FLOAT32


@pytest.mark.parametrize(
    ("operator", "operands", "attributes", "words"),
    [
        (reduce.reduce_sum, [value(F32, 2, 3)], {"axes": (2,), "keep_dims": True}, "axis 2 does not exist"),
        (reduce.reduce_sum, [value(F32, 2, 3)], {"axes": (0, 0), "keep_dims": True}, "name one axis twice"),
        (reduce.reduce_sum, [value(F32, 2, 3)], {"axes": (-1,), "keep_dims": True}, "axis -1 does not exist"),
        (reduce.reduce_max, [value(DType.BOOL, 2)], {"axes": (0,), "keep_dims": True}, "numbers are needed"),
        (reduce.reduce_l2, [value(DType.INT32, 2)], {"axes": (0,), "keep_dims": True}, "floating-point"),
        (reduce.cumsum, [value(F32, 2)], {"axis": 1}, "axis 1 does not exist"),
        (reduce.arg_max, [value(F32)], {"axis": 0, "keep_dims": True}, "axis 0 does not exist"),
        (reduce.top_k, [value(F32, 3)], {"k": 4, "axis": 0}, "cannot be taken"),
        (reduce.top_k, [value(F32, 3)], {"k": -1, "axis": 0}, "cannot be taken"),
        (reduce.top_k, [value(F32, 3), value(F32, 1)], {"k": 1, "axis": 0}, "i64"),
    ],
)
def test_operands_that_do_not_fit_are_refused(
    operator: Operator, operands: list[Value], attributes: dict[str, object], words: str
) -> None:
    with pytest.raises(InvalidModelError, match=words):
        operator(*operands, **attributes)


@pytest.mark.parametrize("operator", [operator for operator, _ in REDUCTIONS], ids=lambda op: op.name)
def test_sizes_may_be_unknown(operator: OpDef[..., Value]) -> None:
    made = operator(value(F32, Symbol("N"), 3), axes=(1,), keep_dims=True)
    assert made.type == TensorType(F32, (Symbol("N"), 1))
