"""Examples of ensembles of trees."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case
from xir.ir.constant import Array, Constant, constant_of
from xir.ops.trees import EQUAL, GREATER, GREATER_EQUAL, LESS, LESS_EQUAL, MEMBER, tree_ensemble

ALL = (LESS_EQUAL, LESS, GREATER_EQUAL, GREATER, EQUAL)


def whole(*numbers: int) -> Constant:
    return constant_of(np.array(numbers, np.int64))


def tables(**changes: object) -> dict[str, object]:
    """One node that asks whether column 1 is at most 0.5; leaf 0 votes 1.5 for target 0, leaf 1 -2 for target 1."""
    held: dict[str, object] = {
        "modes": whole(LESS_EQUAL),
        "features": whole(1),
        "splits": constant_of(np.array([0.5], np.float32)),
        "missing": constant_of(np.array([False])),
        "true_nodes": whole(-1),
        "false_nodes": whole(-2),
        "members": None,
        "roots": whole(0),
        "vote_leaves": whole(0, 1),
        "vote_targets": whole(0, 1),
        "vote_weights": constant_of(np.array([1.5, -2.0], np.float32)),
        "targets": 2,
        "aggregate": "sum",
    }
    return held | changes


def _grow(depth: int, ways: tuple[list[int], list[int]], leaf: int) -> int:
    """Adds a full tree to the branches, nodes and leaves in the order in which one meets them; the next leaf."""
    node = len(ways[0])
    for way in ways:
        way.append(0)
    for way in ways:
        if depth == 1:
            way[node] = -1 - leaf
            leaf += 1
        else:
            way[node] = len(ways[0])
            leaf = _grow(depth - 1, ways, leaf)
    return leaf


def forest(seed: int, depth: int = 3, trees: int = 3, votes: int = 1, **changes: object) -> dict[str, object]:
    """Full trees with random questions about 4 columns of small whole numbers and random votes for 3 targets."""
    random = np.random.default_rng(seed)
    ways: tuple[list[int], list[int]] = ([], [])
    roots: list[int] = []
    leaves = 0
    for _ in range(trees):
        roots.append(len(ways[0]))
        leaves = _grow(depth, ways, leaves)
    if changes.pop("alone", False):
        roots.append(-1 - leaves)
        leaves += 1
    count = len(ways[0])
    dtype = np.dtype(str(changes.pop("dtype", "float32")))
    held: dict[str, object] = {
        "modes": whole(*random.choice(ALL, count).tolist()),
        "features": whole(*random.integers(0, 4, count).tolist()),
        "splits": constant_of(random.integers(-2, 3, count).astype(dtype)),
        "missing": constant_of(random.integers(0, 2, count).astype(bool)),
        "true_nodes": whole(*ways[0]),
        "false_nodes": whole(*ways[1]),
        "members": None,
        "roots": whole(*roots),
        "vote_leaves": whole(*np.repeat(np.arange(leaves), votes).tolist()),
        "vote_targets": whole(*random.integers(0, 3, leaves * votes).tolist()),
        "vote_weights": constant_of(random.normal(size=leaves * votes).astype(dtype)),
        "targets": 3,
        "aggregate": "sum",
    }
    return held | changes


def rows(count: int) -> Array:
    drawn = np.random.default_rng(count).integers(-3, 4, (count, 4)).astype(np.float32)
    drawn[0, :2] = np.nan
    return drawn


def cases() -> Iterator[Case]:
    yield case(tree_ensemble, np.array([[0, 0.5], [0, 0.75], [0, np.nan]], np.float32), **tables())
    for dtype in ("float16", "float32", "float64"):
        yield case(tree_ensemble, rows(7).astype(dtype), **forest(1, dtype=dtype))
    for aggregate in ("sum", "average", "minimum", "maximum"):
        yield case(tree_ensemble, rows(5), **forest(2, aggregate=aggregate)).noted(aggregate)
        yield case(tree_ensemble, rows(5), **forest(3, votes=2, aggregate=aggregate)).noted(f"{aggregate}, two votes")
    yield case(tree_ensemble, rows(4).astype(np.float64), **forest(4)).noted("narrow tables")
    yield case(tree_ensemble, rows(4), **forest(5, trees=2, alone=True)).noted("a tree of a leaf alone")
    silent = {
        "vote_leaves": whole(1),
        "vote_targets": whole(1),
        "vote_weights": constant_of(np.array([3.0], np.float32)),
    }
    for aggregate in ("sum", "minimum"):
        x = np.array([[0, 0], [0, 1]], np.float32)
        yield case(tree_ensemble, x, **tables(**silent, aggregate=aggregate)).noted(f"a silent leaf, {aggregate}")
    shared = tables(roots=whole(0, 0), vote_targets=whole(1, 1))
    yield case(tree_ensemble, rows(4), **shared).noted("shared trees")


def membership() -> dict[str, object]:
    """Two nodes that look for members of a list, which has no decomposition."""
    return tables(
        modes=whole(MEMBER, MEMBER),
        features=whole(0, 1),
        splits=constant_of(np.zeros(2, np.float32)),
        missing=constant_of(np.array([False, True])),
        true_nodes=whole(-1, -2),
        false_nodes=whole(1, -3),
        members=constant_of(np.array([1, 2, np.nan, 7, np.nan], np.float32)),
        vote_leaves=whole(0, 1, 2),
        vote_targets=whole(0, 1, 1),
        vote_weights=constant_of(np.array([1, 10, 100], np.float32)),
    )
