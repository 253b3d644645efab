"""ONNX forms of decision trees: TreeEnsemble from ai.onnx.ml 5 (opset 21) on, TreeEnsembleRegressor before."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xir.backends.export.onnx._form import Answer, Call, Forms, OnnxAttribute, Refusal, again, decomposed, operand
from xir.errors import UnsafeError
from xir.ir.constant import Array, Constant, constant_of
from xir.ir.node import Node, Value
from xir.ir.types import DType
from xir.ops.constant import constant
from xir.ops.elementwise import cast
from xir.ops.index import gather
from xir.ops.shape import reshape
from xir.ops.trees import MEMBER, Aggregate, aggregated, tree_ensemble, votes_by_leaf

forms = Forms()

DOMAIN = "ai.onnx.ml"
_TREES_SINCE = 21
"""The opset that came with ai.onnx.ml 5 (onnx docs/Versioning.md)."""

_MOST_ROWS = 10_000_000
"""Rows of TreeEnsembleRegressor, in which trees cannot share nodes as they can in TreeEnsemble."""

_NUMBERS = {"average": 0, "sum": 1, "minimum": 2, "maximum": 3}
_WORDS = {"average": "AVERAGE", "sum": "SUM", "minimum": "MIN", "maximum": "MAX"}
_MODES = ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ")


def _held(node: Node, name: str) -> Array:
    value = node.attributes[name]
    if not isinstance(value, Constant):
        raise TypeError(f"{node.op.name}: attribute {name!r} is no constant")
    return value.array()


def _ints(node: Node, name: str) -> NDArray[np.int64]:
    return _held(node, name).astype(np.int64)


def _plain(numbers: NDArray[np.int64] | NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(int(number) for number in numbers.tolist())


def _aggregate(node: Node) -> Aggregate:
    for known in ("sum", "average", "minimum"):
        if node.attributes["aggregate"] == known:
            return known
    return "maximum"


@forms.of(tree_ensemble)
def _tree_ensemble(node: Node, opset: int) -> Answer:
    """The tables, as the operator of the opset wants them."""
    if opset < _TREES_SINCE:
        return _regressor(node)
    leaves = _ints(node, "vote_leaves")
    if not np.array_equal(leaves, np.arange(_leaf_count(node))):
        return _by_leaf(node)
    widened = _of_one_type(node)
    return _by_tables(node) if widened is None else widened


def _leaf_count(node: Node) -> int:
    places = np.concatenate([_ints(node, name) for name in ("roots", "true_nodes", "false_nodes")])
    return max(-int(places.min(initial=0)), int(_ints(node, "vote_leaves").max(initial=-1)) + 1)


def _of_one_type(node: Node) -> Value | None:
    """The same with operand, splits and votes in the widest of their types; None where they are of one.

    Half precision, of which runtimes have no kernel, goes through double precision, so that it is rounded once.
    """
    x = operand(node)
    types = {x.dtype, *(DTYPE_OF[_held(node, name).dtype.name] for name in ("splits", "vote_weights"))}
    widest = DType.FLOAT64 if DType.FLOAT16 in types else max(types, key=lambda dtype: dtype.bits)
    if types == {widest}:
        return None
    tables = {name: constant_of(_held(node, name), widest) for name in ("splits", "vote_weights")}
    wide = x if x.dtype is widest else cast(x, dtype=widest)
    (result,) = again(node, (wide,), **tables)
    wanted = node.outputs[0].dtype
    return result if wanted is widest else cast(result, dtype=wanted)


DTYPE_OF = {dtype.dtype.name: dtype for dtype in (DType.FLOAT16, DType.FLOAT32, DType.FLOAT64)}


def _by_tables(node: Node) -> Call:
    """TreeEnsemble; a tree of a leaf alone is a node both of whose branches lead to it."""
    roots, ways = _ints(node, "roots"), [_ints(node, "true_nodes"), _ints(node, "false_nodes")]
    count = len(ways[0])
    alone = roots[roots < 0]
    places = np.array(roots)
    places[roots < 0] = np.arange(count, count + len(alone))
    tables = [np.concatenate((way, alone)) for way in ways]
    nothing = np.zeros(len(alone), np.int64)
    splits = _held(node, "splits")
    modes = np.concatenate((_ints(node, "modes"), nothing)).astype(np.uint8)
    missing = np.concatenate((_held(node, "missing").astype(np.int64), nothing))
    attributes: dict[str, OnnxAttribute] = {
        "tree_roots": _plain(places),
        "nodes_modes": constant_of(modes),
        "nodes_featureids": _plain(np.concatenate((_ints(node, "features"), nothing))),
        "nodes_splits": constant_of(np.concatenate((splits, nothing.astype(splits.dtype)))),
        "leaf_targetids": _plain(_ints(node, "vote_targets")),
        "leaf_weights": constant_of(_held(node, "vote_weights")),
        "n_targets": node.outputs[0].shape[1] if isinstance(node.outputs[0].shape[1], int) else 1,
        "aggregate_function": _NUMBERS[_aggregate(node)],
    }
    for word, table in zip(("true", "false"), tables, strict=True):
        attributes[f"nodes_{word}nodeids"] = _plain(np.where(table < 0, -1 - table, table))
        attributes[f"nodes_{word}leafs"] = _plain(table < 0)
    if missing.any():
        attributes["nodes_missing_value_tracks_true"] = _plain(missing)
    members = node.attributes["members"]
    if isinstance(members, Constant):
        attributes["membership_values"] = constant_of(members.array(), operand(node).dtype)
    return Call("TreeEnsemble", (operand(node),), attributes, domain=DOMAIN)


def _by_leaf(node: Node) -> Answer:
    """Leaves with several votes: the trees answer with the numbers of their leaves, a table has the votes.

    Numbers of leaves are exact in f32 up to 2^24.
    """
    roots, leaves = _ints(node, "roots"), _leaf_count(node)
    trees = len(roots)
    owner = _owners(node, leaves)
    numbering = DType.FLOAT32 if leaves < 1 << 24 else DType.FLOAT64
    if owner is None:
        return decomposed(node) if node.attributes["members"] is None else Refusal("trees that share leaves")
    (found,) = again(
        node,
        node.inputs,
        vote_leaves=constant_of(np.arange(leaves)),
        vote_targets=constant_of(owner),
        vote_weights=constant_of(np.arange(leaves), numbering),
        targets=trees,
        aggregate="sum",
    )
    targets = node.outputs[0].shape[1]
    width = targets if isinstance(targets, int) else 1
    held = {name: node.attributes[name] for name in ("vote_leaves", "vote_targets", "vote_weights")}
    constants = {name: value for name, value in held.items() if isinstance(value, Constant)}
    table = votes_by_leaf(**constants, targets=width, aggregate=_aggregate(node))
    fill = {"minimum": np.inf, "maximum": -np.inf}.get(_aggregate(node), 0.0)
    padded = np.full((leaves, width), fill).astype(table.dtype)
    padded[: len(table)] = table
    rows = operand(node).shape[0]
    flat = reshape(cast(found, dtype=DType.INT64), shape=(rows * trees,))
    votes = gather(constant(value=constant_of(padded)), flat, axis=0)
    return aggregated(reshape(votes, shape=(rows, trees, width)), _aggregate(node))


def _owners(node: Node, leaves: int) -> NDArray[np.int64] | None:
    """The tree of each leaf, or None where trees share one."""
    ways = [_ints(node, "true_nodes"), _ints(node, "false_nodes")]
    owner = np.full(leaves, -1, np.int64)
    for tree, root in enumerate(_ints(node, "roots").tolist()):
        level = np.asarray([root], np.int64)
        while level.size:
            reached = -1 - level[level < 0]
            if ((owner[reached] >= 0) & (owner[reached] != tree)).any():
                return None
            owner[reached] = tree
            inner = np.unique(level[level >= 0])
            level = np.concatenate([way[inner] for way in ways])
    return np.where(owner < 0, 0, owner)


def _regressor(node: Node) -> Answer:
    """TreeEnsembleRegressor, whose leaves are nodes; it answers in f32 alone and asks for no membership."""
    modes = _ints(node, "modes")
    if (modes == MEMBER).any():
        return Refusal("decision trees that look for members of a list", _TREES_SINCE)
    x = operand(node)
    narrow = all(_held(node, name).dtype == np.float32 for name in ("splits", "vote_weights"))
    if not narrow or x.dtype is DType.FLOAT16:
        return decomposed(node)
    return _RegressorRows(node).call(x)


class _RegressorRows:
    """The rows of TreeEnsembleRegressor: each tree's nodes and leaves, numbered from its root on."""

    def __init__(self, node: Node) -> None:
        """Goes through the trees."""
        self.node = node
        self.ways = (_ints(node, "true_nodes").tolist(), _ints(node, "false_nodes").tolist())
        self.places: list[int] = []
        self.trees: list[int] = []
        self.ids: list[int] = []
        self.branches: tuple[list[int], list[int]] = ([], [])
        self.rows_of_leaf: dict[int, list[int]] = {}
        for tree, root in enumerate(_ints(node, "roots").tolist()):
            self._tree(tree, root)

    def _tree(self, tree: int, root: int) -> None:
        begin = len(self.places)
        if begin > _MOST_ROWS:
            raise UnsafeError(
                f"trees that share nodes become more than {_MOST_ROWS} rows", hint="write them with --opset 21"
            )
        number: dict[int, int] = {}
        stack = [root]
        while stack:
            place = stack.pop()
            if place in number:
                continue
            number[place] = len(number)
            self.places.append(place)
            if place < 0:
                self.rows_of_leaf.setdefault(-1 - place, []).append(len(self.places) - 1)
            else:
                stack += (self.ways[1][place], self.ways[0][place])
        for row in range(begin, len(self.places)):
            place = self.places[row]
            self.trees.append(tree)
            self.ids.append(row - begin)
            for way, branches in zip(self.ways, self.branches, strict=True):
                branches.append(number[way[place]] if place >= 0 else 0)

    def call(self, x: Value) -> Call:
        """The operator."""
        node, places = self.node, np.asarray(self.places, np.int64)
        inner, at = places >= 0, np.maximum(places, 0)

        def column(name: str) -> Array:
            table = _held(node, name)
            return np.where(inner, table[at], 0) if table.size else np.zeros(len(places))

        modes, inside = _plain(column("modes").astype(np.int64)), _plain(inner)
        words = tuple(_MODES[mode] if here else "LEAF" for mode, here in zip(modes, inside, strict=True))
        votes = [
            (row, vote)
            for vote, leaf in enumerate(_ints(node, "vote_leaves").tolist())
            for row in self.rows_of_leaf.get(leaf, ())
        ]
        weights, chosen = _held(node, "vote_weights").tolist(), _ints(node, "vote_targets").tolist()
        attributes: dict[str, OnnxAttribute] = {
            "nodes_treeids": tuple(self.trees),
            "nodes_nodeids": tuple(self.ids),
            "nodes_modes": words,
            "nodes_featureids": _plain(column("features").astype(np.int64)),
            "nodes_values": tuple(float(split) for split in column("splits").tolist()),
            "nodes_truenodeids": tuple(self.branches[0]),
            "nodes_falsenodeids": tuple(self.branches[1]),
            "target_treeids": tuple(self.trees[row] for row, _ in votes),
            "target_nodeids": tuple(self.ids[row] for row, _ in votes),
            "target_ids": tuple(int(chosen[vote]) for _, vote in votes),
            "target_weights": tuple(float(weights[vote]) for _, vote in votes),
            "n_targets": node.outputs[0].shape[1] if isinstance(node.outputs[0].shape[1], int) else 1,
            "aggregate_function": _WORDS[_aggregate(node)],
        }
        missing = column("missing").astype(np.int64)
        if missing.any():
            attributes["nodes_missing_value_tracks_true"] = _plain(missing)
        return Call("TreeEnsembleRegressor", (x,), attributes, domain=DOMAIN)
