"""Decision trees of ai.onnx.ml: regressors, classifiers, and the operator that replaced both."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.frontends.onnx.handlers._forest import DIFFERS, Table, column, ensemble, looked_up, reals_or_tensor
from xir.frontends.onnx.handlers._scores import (
    DOMAIN,
    TRANSFORMS,
    Labels,
    along_rows,
    beyond,
    labels_of,
    pair,
    rows_of,
    single,
    top,
    transform_of,
    transformed,
)
from xir.ir.constant import Array
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops.elementwise import add
from xir.ops.trees import EQUAL, GREATER, GREATER_EQUAL, LESS, LESS_EQUAL, MEMBER, Aggregate

handlers: Handlers[Handler] = Handlers("onnx")

_MODES = {
    "BRANCH_LEQ": LESS_EQUAL,
    "BRANCH_LT": LESS,
    "BRANCH_GTE": GREATER_EQUAL,
    "BRANCH_GT": GREATER,
    "BRANCH_EQ": EQUAL,
    "BRANCH_NEQ": DIFFERS,
}
_AGGREGATES: dict[str, Aggregate] = {"SUM": "sum", "AVERAGE": "average", "MIN": "minimum", "MAX": "maximum"}
_NUMBERED: tuple[Aggregate, ...] = ("average", "sum", "minimum", "maximum")
"""TreeEnsemble-5, aggregate_function."""


class _Nodes(NamedTuple):
    """What stands in the attributes nodes_* of versions 1 and 3; leaves are rows too.

    Attributes:
        names: {(tree, node): row}.
        modes: one word a row.
        first: the row of each tree that stands first: its root.
    """

    names: dict[tuple[int, int], int]
    modes: tuple[str, ...]
    first: list[int]


def _nodes(site: Site) -> _Nodes:
    modes = site.strings("nodes_modes") or ()
    count = len(modes)
    trees, ids = column(site, "nodes_treeids", count), column(site, "nodes_nodeids", count)
    names: dict[tuple[int, int], int] = {}
    roots: dict[int, int] = {}
    for row, key in enumerate(zip(trees, ids, strict=True)):
        if key in names:
            site.invalid(f"node {key[1]} of tree {key[0]} stands twice")
        names[key] = row
        roots.setdefault(key[0], row)
    if not roots:
        site.invalid("there are no trees: attribute 'nodes_modes' is missing or empty")
    for mode in dict.fromkeys(modes):
        if mode != "LEAF" and mode not in _MODES:
            site.invalid(f"attribute 'nodes_modes' has {mode!r}, expected LEAF, {', '.join(_MODES)}")
    return _Nodes(names, modes, list(roots.values()))


def _table(site: Site, votes: str) -> Table:
    """The trees of the attributes; those of the votes begin with `votes`, `class` or `target`."""
    nodes = _nodes(site)
    count = len(nodes.modes)
    site.ignore("nodes_hitrates", "nodes_hitrates_as_tensor")
    keys = list(nodes.names)
    find = looked_up(site, nodes.names, "a branch")
    ways: list[list[int]] = []
    for name in ("nodes_truenodeids", "nodes_falsenodeids"):
        ids = column(site, name, count)
        reached = (find(tree, ids[row]) if nodes.modes[row] != "LEAF" else row for row, (tree, _) in enumerate(keys))
        ways.append([-1 - row if nodes.modes[row] == "LEAF" else row for row in reached])
    splits = reals_or_tensor(site, "nodes_values")
    if splits is None or splits.size != count:
        site.invalid(f"attribute 'nodes_values' has {0 if splits is None else splits.size} entries for {count}")
    weights, held = _votes(site, votes, nodes)
    return Table(
        [_MODES.get(mode, 0) for mode in nodes.modes],
        column(site, "nodes_featureids", count),
        splits,
        [bool(flag) for flag in column(site, "nodes_missing_value_tracks_true", count, 0)],
        ways[0],
        ways[1],
        [-1 - row if nodes.modes[row] == "LEAF" else row for row in nodes.first],
        held,
        column(site, f"{votes}_ids", len(weights)),
        weights,
    )


def _votes(site: Site, votes: str, nodes: _Nodes) -> tuple[Array, dict[int, list[int]]]:
    weights = reals_or_tensor(site, f"{votes}_weights")
    if weights is None:
        site.invalid(f"attribute '{votes}_weights' is missing")
    find = looked_up(site, nodes.names, f"'{votes}_nodeids'")
    held: dict[int, list[int]] = {}
    trees, ids = (column(site, f"{votes}_{name}", len(weights)) for name in ("treeids", "nodeids"))
    for vote, (tree, node) in enumerate(zip(trees, ids, strict=True)):
        held.setdefault(find(tree, node), []).append(vote)
    return weights, held


def _based(site: Site, scores: Value, base: Array | None) -> Value:
    if base is None or not base.size:
        return scores
    if base.size != scores.shape[1]:
        site.invalid(f"attribute 'base_values' has {base.size} entries for {scores.shape[1]} targets")
    return add(scores, along_rows(base, scores))


@handlers.layer(*versions("TreeEnsembleRegressor", 1, 3, domain=DOMAIN))
def regressor(site: Site, x: Value) -> Value:
    """TreeEnsembleRegressor: the aggregated votes, then the base values, then the transform."""
    table = _table(site, "target")
    targets = site.integer("n_targets", 1)
    aggregate = _AGGREGATES[site.choice("aggregate_function", list(_AGGREGATES), "SUM")]
    scores = ensemble(rows_of(site, x), table, targets, aggregate)
    based = _based(site, scores, reals_or_tensor(site, "base_values"))
    return single(transformed(based, transform_of(site)))


@handlers.layer(*versions("TreeEnsembleClassifier", 1, 3, domain=DOMAIN))
def classifier(site: Site, x: Value) -> tuple[Value, ...]:
    """TreeEnsembleClassifier: a label and the scores of all classes.

    Votes for the first of two classes alone are those of the second: they count how much is said for the 'true' class
    (onnxruntime, tree_ensemble_aggregator.h, binary_case_).
    """
    table = _table(site, "class")
    labels = labels_of(site, "classlabels_int64s", "classlabels_strings")
    base = reals_or_tensor(site, "base_values")
    alone = not any(table.targets)
    few = base is None or base.size <= 1
    if alone and len(labels) <= 2 and few:
        scores = ensemble(rows_of(site, x), table, 1, "sum")
        return _binary(site, _based(site, scores, base), labels, not bool(np.less(table.weights, 0).any()))
    scores = ensemble(rows_of(site, x), table, len(labels), "sum")
    based = _based(site, scores, base)
    return labels.chosen(top(based)), single(transformed(based, transform_of(site)))


def _binary(site: Site, scores: Value, labels: Labels, positive: bool) -> tuple[Value, ...]:
    """The label and scores of two classes, or of one and its absence, from the one score [N, 1] of the second.

    Votes that are all positive are shares of 1 unless a transform makes shares of them; what is above one half wins.
    Otherwise the score is a margin around 0. A single label stands for 1, its absence for 0 (onnxruntime).
    """
    transform = transform_of(site)
    if len(labels) == 1:
        if labels.array.dtype != np.int64:
            site.refuse("a single label of text", "name both classes")
        return beyond(scores, 0.0), single(transformed(scores, transform))
    shares = transform == "PROBIT" or (transform == "NONE" and positive)
    both = transformed(pair(scores, complement=shares), transform)
    return labels.chosen(beyond(scores, 0.5 if shares else 0.0)), single(both)


@handlers.layer(*versions("TreeEnsemble", 5, domain=DOMAIN))
def trees(site: Site, x: Value) -> Value:
    """TreeEnsemble: nodes and leaves in tables of their own; each leaf votes for one target."""
    table = _table_of_leaves(site)
    aggregate, transform = site.integer("aggregate_function", 1), site.integer("post_transform", 0)
    if not 0 <= aggregate < len(_NUMBERED) or not 0 <= transform < len(TRANSFORMS):
        site.invalid(f"aggregate_function {aggregate} or post_transform {transform} is unknown")
    targets = site.integer("n_targets", max(table.targets, default=0) + 1)
    return transformed(ensemble(x, table, targets, _NUMBERED[aggregate]), TRANSFORMS[transform])


def _table_of_leaves(site: Site) -> Table:
    modes_tensor, splits, weights = (site.tensor(name) for name in ("nodes_modes", "nodes_splits", "leaf_weights"))
    if modes_tensor is None or splits is None or weights is None:
        site.invalid("nodes_modes, nodes_splits and leaf_weights must be given")
    site.ignore("nodes_hitrates")
    if modes_tensor.dtype is not DType.UINT8:
        site.invalid(f"attribute 'nodes_modes' is {modes_tensor.type!r}, expected u8")
    modes = [int(mode) for mode in modes_tensor.array().reshape(-1).tolist()]
    count, leaves = len(modes), weights.elements
    if splits.elements != count or not set(modes) <= set(range(MEMBER + 1)):
        site.invalid(f"{count} nodes_modes of 0 to {MEMBER} and {splits.elements} nodes_splits do not fit")
    ways: list[list[int]] = []
    for word in ("true", "false"):
        ids, flags = column(site, f"nodes_{word}nodeids", count), column(site, f"nodes_{word}leafs", count)
        for place, flag in zip(ids, flags, strict=True):
            if not 0 <= place < (leaves if flag else count):
                site.invalid(f"'nodes_{word}nodeids' has {place}, of {leaves} leaves and {count} nodes")
        ways.append([-1 - place if flag else place for place, flag in zip(ids, flags, strict=True)])
    roots = site.integers("tree_roots")
    for root in roots:
        if not 0 <= root < count:
            site.invalid(f"'tree_roots' has {root}, of {count} nodes")
    table = Table(
        modes,
        column(site, "nodes_featureids", count),
        splits.array().reshape(-1),
        [bool(flag) for flag in column(site, "nodes_missing_value_tracks_true", count, 0)],
        ways[0],
        ways[1],
        [_root(root, ways) for root in roots],
        {leaf: [leaf] for leaf in range(leaves)},
        column(site, "leaf_targetids", leaves),
        weights.array().reshape(-1),
    )
    table.members = _members(site, modes)
    return table


def _root(root: int, ways: list[list[int]]) -> int:
    """A node whose branches are one leaf is how a tree of a leaf alone is written."""
    both = ways[0][root]
    return both if both < 0 and both == ways[1][root] else root


def _members(site: Site, modes: list[int]) -> dict[int, Array]:
    """What nodes look for: lists that end with NaN, in the order of the nodes that need them."""
    held = site.tensor("membership_values")
    if held is not None and not held.dtype.is_floating:
        site.invalid(f"attribute 'membership_values' is {held.type!r}, expected floating-point numbers")
    flat = np.zeros(0, np.float32) if held is None else held.array().reshape(-1)
    ends = [int(end) for end in np.flatnonzero(np.isnan(flat.astype(np.float64))).tolist()]
    nodes = [node for node, mode in enumerate(modes) if mode == MEMBER]
    if len(ends) != len(nodes) or (ends[-1] + 1 if ends else 0) != flat.size:
        site.invalid(f"{len(nodes)} nodes ask for members, 'membership_values' has {len(ends)} lists that end with NaN")
    begins = [0, *(end + 1 for end in ends[:-1])]
    return {node: flat[begin:end] for node, begin, end in zip(nodes, begins, ends, strict=False)}
