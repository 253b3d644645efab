"""Decision trees of ai.onnx.ml in all versions: by hand, and against onnxruntime where it follows the words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.frontends.onnx.ml import Ml, assert_same, tensor
from tests.frontends.onnx.models import saved
from xir.errors import InvalidModelError, UnsafeError, UnsupportedError, XirError
from xir.frontends.onnx import import_onnx
from xir.ir.constant import Array

F32 = np.float32
X = np.array([[-1.0], [1.0], [np.nan]], F32)


def stump(votes: str, *ids: tuple[int, int, float], **more: Any) -> dict[str, Any]:
    """A node that asks x0 <= 0, a leaf 1 and a leaf 2; `ids` are (leaf, class or target, weight)."""
    held = {
        "nodes_treeids": [0] * 3,
        "nodes_nodeids": [0, 1, 2],
        "nodes_featureids": [0] * 3,
        "nodes_values": [0.0] * 3,
        "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"],
        "nodes_truenodeids": [1, 0, 0],
        "nodes_falsenodeids": [2, 0, 0],
        f"{votes}_treeids": [0] * len(ids),
        f"{votes}_nodeids": [leaf for leaf, _, _ in ids],
        f"{votes}_ids": [target for _, target, _ in ids],
        f"{votes}_weights": [weight for _, _, weight in ids],
    }
    return {key: value for key, value in {**held, **more}.items() if value is not None}


def regressor(version: int = 1, x: Array = X, note: str = "", **more: Any) -> Ml:
    held = {"n_targets": 1, **stump("target", (1, 0, 2.0), (2, 0, 5.0)), **more}
    return Ml("TreeEnsembleRegressor", version, [x], {k: v for k, v in held.items() if v is not None}, note=note)


def two_trees(votes: str, *ids: tuple[int, int, int, float], **more: Any) -> dict[str, Any]:
    """Tree 0 asks x0 <= 0, tree 7 is a leaf alone; `ids` are (tree, leaf, target, weight)."""
    held = {
        "nodes_treeids": [0, 0, 0, 7],
        "nodes_nodeids": [0, 1, 2, 0],
        "nodes_featureids": [0] * 4,
        "nodes_values": [0.0] * 4,
        "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF", "LEAF"],
        "nodes_truenodeids": [1, 0, 0, 0],
        "nodes_falsenodeids": [2, 0, 0, 0],
        f"{votes}_treeids": [tree for tree, _, _, _ in ids],
        f"{votes}_nodeids": [leaf for _, leaf, _, _ in ids],
        f"{votes}_ids": [target for _, _, target, _ in ids],
        f"{votes}_weights": [weight for _, _, _, weight in ids],
    }
    return {**held, **more}


VOTES = ((0, 1, 0, 2.0), (0, 2, 0, 5.0), (0, 2, 1, 1.0), (7, 0, 0, 4.0), (7, 0, 1, -3.0))


def regressors() -> Iterator[tuple[Ml, list[object]]]:
    yield regressor(), [[[2.0], [5.0], [5.0]]]
    yield regressor(nodes_missing_value_tracks_true=[1, 0, 0]), [[[2.0], [5.0], [2.0]]]
    yield regressor(base_values=[10.0]), [[[12.0], [15.0], [15.0]]]
    yield regressor(x=X[0], note="a vector"), [[[2.0]]]
    yield regressor(x=np.array([[-1], [1]]), note="whole numbers"), [[[2.0], [5.0]]]
    modes = {"LEQ": (1, 0, 0), "LT": (1, 0, 0), "GTE": (0, 1, 1), "GT": (0, 1, 1), "EQ": (0, 0, 0), "NEQ": (1, 1, 0)}
    for word, holds in modes.items():
        wanted = [[2.0] if answer else [5.0] for answer in (holds[0], holds[1], 0)]
        made = regressor(nodes_modes=[f"BRANCH_{word}", "LEAF", "LEAF"], note=word)
        yield made, [wanted]
        tracks = regressor(
            nodes_modes=[f"BRANCH_{word}", "LEAF", "LEAF"],
            nodes_missing_value_tracks_true=[1, 0, 0],
            note=f"{word} NaN",
        )
        yield tracks, [[*wanted[:2], [2.0]]]
    for word, wanted in {
        "SUM": [[6.0, -3.0], [9.0, -2.0]],
        "AVERAGE": [[3.0, -1.5], [4.5, -1.0]],
        "MIN": [[2.0, -3.0], [4.0, -3.0]],
        "MAX": [[4.0, -3.0], [5.0, 1.0]],
    }.items():
        attributes = two_trees("target", *VOTES, n_targets=2, aggregate_function=word, base_values=[100.0, 0.0])
        based = [[row[0] + 100, row[1]] for row in wanted]
        yield Ml("TreeEnsembleRegressor", 1, [X[:2]], attributes, note=word), [based]
    doubles = {
        "nodes_values": None,
        "target_weights": None,
        "nodes_values_as_tensor": tensor(np.array([0.1, 0, 0])),
        "target_weights_as_tensor": tensor(np.array([0.1, 0.2])),
        "base_values_as_tensor": tensor(np.array([1.0])),
    }
    edge = np.array([[0.1], [np.nextafter(0.1, 1)]])
    yield regressor(3, edge, "in double precision", **doubles), [[[F32(1.1)], [F32(1.2)]]]
    silent = stump("target", (1, 1, 2.0), (2, 0, 5.0), n_targets=2, aggregate_function="MIN")
    yield Ml("TreeEnsembleRegressor", 1, [X[:2]], silent, note="a silent target"), [[[0.0, 2.0], [5.0, 0.0]]]


REGRESSORS = list(regressors())


@pytest.mark.parametrize(("case", "wanted"), REGRESSORS, ids=[f"{i}-{case}" for i, (case, _) in enumerate(REGRESSORS)])
def test_regressors_by_hand(case: Ml, wanted: list[object], tmp_path: Path) -> None:
    got = case.computed(tmp_path)
    assert_same(got, wanted)
    assert got[0].dtype == F32
    # onnxruntime sends NaN the way of 'true' at NEQ, whatever the file says, and has no kernels for whole numbers.
    if "NEQ" not in case.note and case.note != "whole numbers":
        assert_same(got, case.by_onnxruntime())


SIGMOID = 1 / (1 + np.exp(-np.array([2.0, 5.0])))


@pytest.mark.parametrize(
    ("transform", "wanted"),
    [("LOGISTIC", SIGMOID), ("SOFTMAX", np.ones(2)), ("SOFTMAX_ZERO", np.ones(2))],
)
def test_transforms_of_one_target(transform: str, wanted: Array, tmp_path: Path) -> None:
    (got,) = regressor(x=X[:2], post_transform=transform).computed(tmp_path)
    assert_same([got[:, 0]], [wanted])


def classifier(*ids: tuple[int, int, float], labels: Any = (10, 20), x: Array = X[:2], **more: Any) -> Ml:
    words = {"classlabels_strings" if isinstance(labels[0], str) else "classlabels_int64s": list(labels)}
    return Ml("TreeEnsembleClassifier", 1, [x], stump("class", *ids, **words, **more), outputs=2)


def odds(*scores: float) -> list[list[float]]:
    return [[1 / (1 + np.exp(score)), 1 / (1 + np.exp(-score))] for score in scores]


ONE = ((1, 0, -0.25), (2, 0, 0.5))
SHARES = ((1, 0, 0.25), (2, 0, 0.75))
BOTH = ((1, 0, 0.25), (1, 1, 0.75), (2, 0, 0.75), (2, 1, 0.25))
THREE = ((1, 0, 0.25), (1, 1, 1.0), (2, 0, 2.0), (2, 2, 0.25))

CLASSIFIERS: list[tuple[Ml, list[object], bool]] = [
    (classifier(*ONE), [[10, 20], [[0.25, -0.25], [-0.5, 0.5]]], True),
    (classifier(*ONE, labels=("a", "b")), [["a", "b"], [[0.25, -0.25], [-0.5, 0.5]]], True),
    (classifier(*SHARES), [[10, 20], [[0.75, 0.25], [0.25, 0.75]]], True),
    (classifier(*ONE, post_transform="LOGISTIC"), [[10, 20], odds(-0.25, 0.5)], True),
    (classifier(*ONE, post_transform="SOFTMAX"), [[10, 20], odds(-0.5, 1.0)], False),
    (classifier(*ONE, base_values=[0.5]), [[20, 20], [[-0.25, 0.25], [-1.0, 1.0]]], True),
    (classifier(*SHARES, post_transform="LOGISTIC"), [[20, 20], odds(0.25, 0.75)], False),
    (classifier(*ONE, base_values=[0.5, 1.0]), [[20, 10], [[0.25, 1.0], [1.0, 1.0]]], False),
    (classifier(*BOTH), [[20, 10], [[0.25, 0.75], [0.75, 0.25]]], False),
    (classifier(*ONE, labels=(1,)), [[0, 1], [[-0.25], [0.5]]], True),
    (classifier(*THREE, labels=(5, 6, 7)), [[6, 5], [[0.25, 1.0, 0.0], [2.0, 0.0, 0.25]]], True),
    (
        classifier(*THREE, labels=(5, 6, 7), base_values=[0.0, 0.0, 3.0]),
        [[7, 7], [[0.25, 1.0, 3.0], [2.0, 0.0, 3.25]]],
        True,
    ),
]


@pytest.mark.parametrize(("case", "wanted", "agrees"), CLASSIFIERS, ids=range(len(CLASSIFIERS)))
def test_classifiers_by_hand(case: Ml, wanted: list[object], agrees: bool, tmp_path: Path) -> None:
    got = case.computed(tmp_path)
    assert_same(got, wanted)
    if agrees:
        assert_same(got, case.by_onnxruntime())


@pytest.mark.parametrize("transform", ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT"])
def test_transforms_of_three_classes(transform: str, tmp_path: Path) -> None:
    votes = ((1, 0, 0.125), (1, 1, 0.75), (1, 2, 0.25), (2, 0, 0.5), (2, 1, 0.25), (2, 2, 0.375))
    case = classifier(*votes, labels=(0, 1, 2), post_transform=transform)
    assert_same(case.computed(tmp_path), case.by_onnxruntime(), 1e-4)


def test_nothing_voted_for_is_one_half_of_softmax_zero(tmp_path: Path) -> None:
    case = classifier((1, 2, 0.0), labels=(0, 1, 2), post_transform="SOFTMAX_ZERO")
    assert case.computed(tmp_path)[1].tolist() == [[0.5] * 3] * 2


def leaves(**more: Any) -> dict[str, Any]:
    """Tree 0 asks x0 <= 0 and then, where not, whether x0 is 3 or 4; tree 1 is leaf 3 alone."""
    held: dict[str, Any] = {
        "tree_roots": [0, 2],
        "nodes_modes": tensor(np.array([0, 6, 0], np.uint8)),
        "nodes_featureids": [0, 0, 0],
        "nodes_splits": tensor(np.array([0, 0, 0], F32)),
        "nodes_truenodeids": [0, 1, 3],
        "nodes_trueleafs": [1, 1, 1],
        "nodes_falsenodeids": [1, 2, 3],
        "nodes_falseleafs": [0, 1, 1],
        "leaf_targetids": [0, 1, 0, 1],
        "leaf_weights": tensor(np.array([1, 2, 3, 10], F32)),
        "membership_values": tensor(np.array([3, 4, np.nan], F32)),
        "n_targets": 2,
    }
    return {key: value for key, value in {**held, **more}.items() if value is not None}


FIVE = np.array([[-1.0], [3.0], [4.0], [5.0], [np.nan]], F32)
SUMS = np.array([[1.0, 10.0], [0.0, 12.0], [0.0, 12.0], [3.0, 10.0], [3.0, 10.0]])


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ({}, SUMS),
        ({"nodes_missing_value_tracks_true": [1, 0, 0]}, [*SUMS[:4], SUMS[0]]),
        ({"nodes_missing_value_tracks_true": [0, 1, 0]}, [*SUMS[:4], SUMS[1]]),
        ({"aggregate_function": 0}, SUMS / 2),
        ({"aggregate_function": 2}, [[1, 10], [0, 2], [0, 2], [3, 10], [3, 10]]),
        ({"aggregate_function": 3}, [[1, 10], [0, 10], [0, 10], [3, 10], [3, 10]]),
        ({"post_transform": 2}, 1 / (1 + np.exp(-SUMS))),
    ],
)
def test_leaves_of_their_own(more: dict[str, Any], wanted: object, tmp_path: Path) -> None:
    assert_same(Ml("TreeEnsemble", 5, [FIVE], leaves(**more)).computed(tmp_path), [wanted])


def test_targets_are_counted_where_they_are_not_told(tmp_path: Path) -> None:
    assert_same(Ml("TreeEnsemble", 5, [FIVE], leaves(n_targets=None)).computed(tmp_path), [SUMS])


WRONG: list[tuple[Ml, type[XirError], str]] = [
    (regressor(nodes_modes=None), InvalidModelError, "'nodes_treeids' has 3 entries for 0"),
    (Ml("TreeEnsembleRegressor", 1, [X], {}), InvalidModelError, "'nodes_treeids' is missing"),
    (regressor(nodes_nodeids=[0, 1, 1]), InvalidModelError, "node 1 of tree 0 stands twice"),
    (regressor(nodes_modes=["BRANCH_ODD", "LEAF", "LEAF"]), InvalidModelError, "'nodes_modes' has 'BRANCH_ODD'"),
    (regressor(nodes_truenodeids=[9, 0, 0]), InvalidModelError, "a branch names node 9 of tree 0"),
    (regressor(nodes_truenodeids=[0, 0, 0]), InvalidModelError, "leads back to itself"),
    (regressor(nodes_values=[0.0]), InvalidModelError, "'nodes_values' has 1 entries for 3"),
    (regressor(nodes_values=None), InvalidModelError, "'nodes_values' has 0 entries for 3"),
    (regressor(target_weights=None), InvalidModelError, "'target_weights' is missing"),
    (regressor(target_nodeids=[1, 8]), InvalidModelError, "'target_nodeids' names node 8"),
    (regressor(target_ids=[0, 1]), InvalidModelError, "target 1 does not exist"),
    (regressor(nodes_featureids=[1, 0, 0]), InvalidModelError, "feature 1 does not exist"),
    (regressor(nodes_featureids=[-1, 0, 0]), InvalidModelError, "feature -1 does not exist"),
    (regressor(base_values=[1.0, 2.0]), InvalidModelError, "'base_values' has 2 entries for 1"),
    (regressor(aggregate_function="MEDIAN"), InvalidModelError, "expected one of SUM"),
    (regressor(post_transform="TANH"), InvalidModelError, "'post_transform' is 'TANH'"),
    (regressor(n_targets=0), InvalidModelError, "there must be a target"),
    (regressor(x=X[None]), InvalidModelError, "features are"),
    (
        regressor(3, target_weights=None, target_weights_as_tensor=tensor(np.array([1, 2]))),
        InvalidModelError,
        "expected f32 or f64",
    ),
    (classifier(*ONE, labels=("a",)), UnsupportedError, "a single label of text"),
    (classifier(*ONE, classlabels_strings=["a", "b"]), InvalidModelError, "one of 'classlabels_int64s'"),
    (Ml("TreeEnsemble", 5, [FIVE], leaves(leaf_weights=None)), InvalidModelError, "must be given"),
    (Ml("TreeEnsemble", 5, [FIVE], leaves(nodes_truenodeids=[0, 4, 3])), InvalidModelError, "has 4, of 4 leaves"),
    (Ml("TreeEnsemble", 5, [FIVE], leaves(tree_roots=[3])), InvalidModelError, "'tree_roots' has 3"),
    (Ml("TreeEnsemble", 5, [FIVE], leaves(nodes_falsenodeids=[0, 2, 3])), InvalidModelError, "back to itself"),
    (Ml("TreeEnsemble", 5, [FIVE], leaves(membership_values=None)), InvalidModelError, "1 nodes ask for members"),
    (
        Ml("TreeEnsemble", 5, [FIVE], leaves(membership_values=tensor(np.array([3, np.nan, 4], F32)))),
        InvalidModelError,
        "lists that end with NaN",
    ),
    (Ml("TreeEnsemble", 5, [FIVE], leaves(aggregate_function=4)), InvalidModelError, "aggregate_function 4"),
    (Ml("TreeEnsemble", 5, [FIVE], leaves(post_transform=-1)), InvalidModelError, "post_transform -1"),
    (
        Ml("TreeEnsemble", 5, [FIVE], leaves(nodes_splits=tensor(np.zeros(2, F32)))),
        InvalidModelError,
        "2 nodes_splits do not fit",
    ),
]


@pytest.mark.parametrize(("case", "error", "message"), WRONG, ids=[message for _, _, message in WRONG])
def test_tables_that_contradict_themselves_are_refused(
    case: Ml, error: type[XirError], message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        import_onnx(saved(case.model(), tmp_path))


def chain(depth: int) -> dict[str, Any]:
    """A tree that goes down one side."""
    count = 2 * depth + 1
    inner = list(range(depth))
    return {
        "nodes_treeids": [0] * count,
        "nodes_nodeids": list(range(count)),
        "nodes_featureids": [0] * count,
        "nodes_values": [float(node) for node in inner] + [0.0] * (depth + 1),
        "nodes_modes": ["BRANCH_LEQ"] * depth + ["LEAF"] * (depth + 1),
        "nodes_truenodeids": [depth + node for node in inner] + [0] * (depth + 1),
        "nodes_falsenodeids": [*inner[1:], 2 * depth] + [0] * (depth + 1),
        "target_treeids": [0] * (depth + 1),
        "target_nodeids": list(range(depth, count)),
        "target_ids": [0] * (depth + 1),
        "target_weights": [float(leaf) for leaf in range(depth + 1)],
        "n_targets": 1,
    }


def test_deep_trees_work_up_to_the_limit(tmp_path: Path) -> None:
    x = np.array([[-1.0], [1499.5], [1e9]], F32)
    assert_same(Ml("TreeEnsembleRegressor", 1, [x], chain(3000)).computed(tmp_path), [[[0.0], [1500.0], [3000.0]]])
    with pytest.raises(UnsafeError, match="deeper than 10000 levels"):
        import_onnx(saved(Ml("TreeEnsembleRegressor", 1, [x], chain(10_001)).model(), tmp_path))
