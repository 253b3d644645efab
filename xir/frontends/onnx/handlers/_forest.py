"""Tables of decision trees as ONNX writes them, brought to the one form of `xir.ops.trees`.

Nodes and leaves are numbered in the order in which one meets them going through the trees, 'true' first; what no tree
reaches is left out; 'differs' becomes 'equals' with the branches exchanged. So a file that is written and read again
has the same tables.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from xir.frontends.onnx._site import Site
from xir.ir.constant import Array, Constant, constant_of
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops.elementwise import cast
from xir.ops.trees import EQUAL, MEMBER, Aggregate, tree_ensemble

DIFFERS = 5
"""ONNX's mode BRANCH_NEQ, which `xir.ops.trees` does not have."""


@dataclass(slots=True)
class Table:
    """Trees on their way; a reference to leaf `i` is `-1 - i`.

    Attributes:
        modes: what each node asks.
        features: the column that it looks at.
        splits: the number that it compares with.
        missing: whether NaN goes the way of 'true'.
        true_nodes: where 'true' leads.
        false_nodes: where 'false' leads.
        roots: where each tree begins.
        votes: {leaf: its votes, indices of `targets` and `weights`}.
        targets: what each vote is for.
        weights: the votes.
        members: {node: what it looks for}.
    """

    modes: list[int]
    features: Sequence[int]
    splits: Array
    missing: list[bool]
    true_nodes: list[int]
    false_nodes: list[int]
    roots: Sequence[int]
    votes: dict[int, list[int]]
    targets: Sequence[int]
    weights: Array
    members: dict[int, Array] = field(default_factory=dict[int, Array])

    def without_differs(self) -> None:
        """Exchanges the branches of nodes that ask whether two numbers differ; NaN goes where it went."""
        for node, mode in enumerate(self.modes):
            if mode == DIFFERS:
                ways = (self.true_nodes[node], self.false_nodes[node])
                self.modes[node], self.missing[node] = EQUAL, not self.missing[node]
                self.false_nodes[node], self.true_nodes[node] = ways

    def order(self) -> tuple[list[int], list[int]]:
        """Nodes and leaves in the order in which one meets them."""
        nodes: dict[int, None] = {}
        leaves: dict[int, None] = {}
        stack = list(reversed(self.roots))
        while stack:
            place = stack.pop()
            if place < 0:
                leaves.setdefault(-1 - place)
            elif place not in nodes:
                nodes[place] = None
                stack += (self.false_nodes[place], self.true_nodes[place])
        return list(nodes), list(leaves)


def ensemble(x: Value, table: Table, targets: int, aggregate: Aggregate) -> Value:
    """What the trees say of the rows: [N, targets] of the element type of the votes.

    Raises:
        InvalidModelError: the tables contradict themselves (`xir.ops.trees`).
    """
    table.without_differs()
    nodes, leaves = table.order()
    new_node = {old: new for new, old in enumerate(nodes)}
    new_leaf = {old: -1 - new for new, old in enumerate(leaves)}

    def place(old: int) -> int:
        return new_node[old] if old >= 0 else new_leaf[-1 - old]

    votes = [(new, vote) for new, old in enumerate(leaves) for vote in table.votes.get(old, ())]
    picked = [vote for _, vote in votes]
    lists = [np.append(table.members[node], np.nan) for node in nodes if table.modes[node] == MEMBER]
    wide = x
    if table.splits.dtype == np.float64 and x.dtype is not DType.FLOAT64:
        wide = cast(x, dtype=DType.FLOAT64)
    return tree_ensemble(
        wide,
        modes=_whole([table.modes[node] for node in nodes]),
        features=_whole([table.features[node] for node in nodes]),
        splits=constant_of(table.splits[nodes]),
        missing=constant_of(np.asarray([table.missing[node] for node in nodes], np.bool_)),
        true_nodes=_whole([place(table.true_nodes[node]) for node in nodes]),
        false_nodes=_whole([place(table.false_nodes[node]) for node in nodes]),
        members=constant_of(np.concatenate(lists)) if lists else None,
        roots=_whole([place(root) for root in table.roots]),
        vote_leaves=_whole([leaf for leaf, _ in votes]),
        vote_targets=_whole([table.targets[vote] for vote in picked]),
        vote_weights=constant_of(table.weights[picked]),
        targets=targets,
        aggregate=aggregate,
    )


def _whole(numbers: list[int]) -> Constant:
    return constant_of(np.asarray(numbers, np.int64))


def column(site: Site, name: str, count: int, default: int | None = None) -> tuple[int, ...]:
    """An INTS attribute with one entry a node; `default` for all where it is missing."""
    numbers = site.integers(name, () if default is not None else None)
    if not numbers and default is not None:
        return (default,) * count
    if len(numbers) != count:
        site.invalid(f"attribute {name!r} has {len(numbers)} entries for {count}")
    return numbers


def reals_or_tensor(site: Site, name: str) -> Array | None:
    """A FLOATS attribute, or the tensor that may stand in its place (ai.onnx.ml 3), or None."""
    held = site.tensor(f"{name}_as_tensor")
    if held is not None:
        if held.dtype not in (DType.FLOAT32, DType.FLOAT64):
            site.invalid(f"attribute '{name}_as_tensor' has elements of {held.dtype}, expected f32 or f64")
        return held.array().reshape(-1)
    numbers = site.reals(name)
    return None if numbers is None else np.asarray(numbers, np.float32)


def looked_up(site: Site, table: dict[tuple[int, int], int], what: str) -> Callable[[int, int], int]:
    """A lookup of (tree, node) that tells what is missing."""

    def find(tree: int, node: int) -> int:
        if (tree, node) not in table:
            site.invalid(f"{what} names node {node} of tree {tree}, which does not exist")
        return table[tree, node]

    return find
