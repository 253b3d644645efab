"""Tables of trees that contradict themselves, and bounds of memory; values by hand stand with the handlers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.ops.cases.labels import one
from tests.ops.cases.trees import forest, membership, rows, tables, whole
from tests.ops.evaluate import evaluate
from xir.errors import InvalidModelError, UnsupportedError
from xir.ir.constant import constant_of
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops import trees
from xir.ops.labels import lookup, one_hot_categories
from xir.ops.svm import svm_regressor
from xir.ops.trees import tree_ensemble

F32 = np.float32
NAN = np.nan


def test_members_are_looked_for() -> None:
    x = np.array([[1, 0], [2, 9], [3, 7], [3, 8], [NAN, 7], [NAN, NAN]], F32)
    assert evaluate(tree_ensemble, x, **membership()).tolist() == [[1, 0], [1, 0], [0, 10], [0, 100], [0, 10], [0, 10]]


def test_members_have_no_simpler_form() -> None:
    rule = tree_ensemble.decompose_rule
    assert rule is not None
    with pytest.raises(UnsupportedError, match="membership"):
        rule(Value(TensorType(DType.FLOAT32, (2, 2))), **tree_ensemble.attributes(membership()))


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    held, x = forest(1, votes=2), rows(40)
    wanted = evaluate(tree_ensemble, x, **held)
    monkeypatch.setattr(trees, "_BLOCK", 5)
    np.testing.assert_array_equal(evaluate(tree_ensemble, x, **held), wanted)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"modes": whole(5)}, "modes must be of"),
        ({"modes": constant_of(np.zeros(1, F32))}, "modes must be i64"),
        ({"features": whole(1, 1)}, "1 modes, 2 features"),
        ({"features": whole(2)}, "feature 2 does not exist"),
        ({"true_nodes": whole(1)}, "node 1 does not exist"),
        ({"true_nodes": whole(0)}, "leads back to itself"),
        ({"true_nodes": whole(-9)}, "leaf 8 does not exist among 1 nodes"),
        ({"roots": whole()}, "0 roots"),
        ({"roots": whole(1)}, "node 1 does not exist"),
        ({"vote_leaves": whole(1, 0)}, "in the order of the leaves"),
        ({"vote_leaves": whole(-1, 0)}, "leaf -1 does not exist"),
        ({"vote_targets": whole(0, 2)}, "target 2 does not exist"),
        ({"vote_targets": whole(0)}, "2 leaves that vote, 1 targets"),
        ({"vote_weights": constant_of(np.ones(3, F32))}, "vote_weights must be"),
        ({"splits": constant_of(np.ones(1, np.int32))}, "splits must be"),
        ({"splits": constant_of(np.ones(1))}, "wider than"),
        ({"missing": constant_of(np.zeros(1, F32))}, "missing must be bool"),
        ({"members": constant_of(np.array([NAN], F32))}, "0 nodes ask for members of a list, 1 lists"),
        ({"members": constant_of(np.array([1], F32))}, "must end with NaN"),
        ({"members": constant_of(np.array([[NAN]], F32))}, "floating vector"),
        ({"targets": 0}, "there must be a target"),
    ],
)
def test_tables_that_contradict_themselves_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidModelError, match=message):
        evaluate(tree_ensemble, np.zeros((2, 2), F32), **tables(**changes))


def test_columns_are_counted_at_run_time_too() -> None:
    rule = tree_ensemble.reference_rule
    assert rule is not None
    with pytest.raises(InvalidModelError, match="feature 1 does not exist"):
        rule(np.zeros((2, 1), F32), **tree_ensemble.attributes(tables()))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: lookup(x, keys=whole(1), values=whole(1, 2), default=one(0, "i8")), "do not fit"),
        (lambda x: lookup(x, keys=whole(1), values=whole(1), default=one(0.0, "f4")), "do not fit"),
        (lambda x: lookup(x, keys=whole(1), values=whole(1), default=one([0, 1], "i8")), "one default is needed"),
        (lambda x: lookup(x, keys=one(1, "i8"), values=whole(1), default=one(0, "i8")), "keys must be a vector"),
        (lambda x: one_hot_categories(x, categories=one([1.0], "f4"), allow_unknown=True), "categories must be"),
        (
            lambda x: svm_regressor(
                x,
                vectors=one([1.0], "f4"),
                coefficients=one([1.0], "f4"),
                offset=0.0,
                kernel="rbf",
                gamma=1.0,
                shift=0.0,
                degree=1.0,
            ),
            "f32 or f64",
        ),
        (
            lambda x: svm_regressor(
                Value(TensorType(DType.FLOAT32, (2, 1))),
                vectors=one([1.0], "f4"),
                coefficients=one([1.0], "f4"),
                offset=0.0,
                kernel="rbf",
                gamma=1.0,
                shift=0.0,
                degree=1.0,
            ),
            "vectors must be f32 of two axes",
        ),
    ],
)
def test_tables_of_labels_and_vectors_are_checked(function: Any, message: str) -> None:
    with pytest.raises(InvalidModelError, match=message):
        function(Value(TensorType(DType.INT64, (2, 2))))
