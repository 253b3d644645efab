"""Ensembles of decision trees, all rows at once and level by level.

A node compares one feature of a row with a number and sends the row on to one of two nodes or leaves; a leaf votes for
one or more targets. Nodes are rows of a table; a reference to leaf `i` is written `-1 - i`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from xir.errors import InvalidModelError, UnsafeError, UnsupportedError
from xir.ir.constant import Array, Constant, constant_of
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops import compare, elementwise
from xir.ops._build import scalar_like
from xir.ops._checks import require_dtype, require_rank
from xir.ops._define import op
from xir.ops._windows import Numbers
from xir.ops.constant import constant
from xir.ops.index import gather, gather_elements
from xir.ops.reduce import reduce_max, reduce_mean, reduce_min, reduce_sum
from xir.ops.shape import broadcast, reshape

Integers = NDArray[np.int64]
Aggregate = Literal["sum", "average", "minimum", "maximum"]

LESS_EQUAL, LESS, GREATER_EQUAL, GREATER, EQUAL, MEMBER = 0, 1, 2, 3, 4, 6
"""What a node asks (ONNX TreeEnsemble-5, nodes_modes). 5, 'differs', is 'equals' with the branches exchanged."""

MODES = (LESS_EQUAL, LESS, GREATER_EQUAL, GREATER, EQUAL, MEMBER)

MAX_DEPTH = 10_000
"""Levels of one tree. Libraries that train trees end far below (onnxruntime's tree_ensemble_common.h names 1000)."""

_BLOCK = 1 << 20
"""Rows times trees times votes that are in memory at once."""

_TYPES = (DType.FLOAT16, DType.FLOAT32, DType.FLOAT64)


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """The tables of an ensemble.

    Attributes:
        modes: [nodes] what each node asks.
        features: [nodes] the column that it looks at.
        splits: [nodes] the number that it compares with.
        missing: [nodes] whether NaN goes the way of 'true'.
        true_nodes: [nodes] where 'true' leads.
        false_nodes: [nodes] where 'false' leads.
        members: what each node with the mode `MEMBER` looks for, in the nodes' order.
        roots: [trees] where each tree begins.
        starts: [leaves + 1] where the votes of each leaf begin.
        vote_targets: [votes] what is voted for.
        vote_weights: [votes] the votes.
        depth: levels of nodes.
    """

    modes: Integers
    features: Integers
    splits: Numbers
    missing: NDArray[np.bool_]
    true_nodes: Integers
    false_nodes: Integers
    members: tuple[Numbers, ...]
    roots: Integers
    starts: Integers
    vote_targets: Integers
    vote_weights: Numbers
    depth: int


def _whole(table: Constant, what: str) -> Integers:
    if table.dtype is not DType.INT64 or len(table.shape) != 1:
        raise InvalidModelError(f"{what} must be i64 of one axis, got {table.type!r}")
    return table.array().astype(np.int64)


def _require_within(numbers: Integers, low: int, high: int, what: str) -> None:
    wrong: Integers = numbers[(numbers < low) | (numbers >= high)]
    if wrong.size:
        raise InvalidModelError(f"{what} {int(wrong[0])} does not exist: expected {low} to {high - 1}")


def _table(table: Constant, count: int, dtypes: Sequence[DType], what: str) -> Numbers:
    if table.dtype not in dtypes or table.shape != (count,):
        names = " or ".join(map(str, dtypes))
        raise InvalidModelError(f"{what} must be {names} of {count} elements, got {table.type!r}")
    return cast("Numbers", table.array())


def _depth(true_nodes: Integers, false_nodes: Integers) -> int:
    """The number of levels.

    Raises:
        InvalidModelError: a node leads back to itself.
        UnsafeError: there are more than `MAX_DEPTH`.
    """
    count = len(true_nodes)
    below = np.concatenate((true_nodes, false_nodes))
    incoming = np.bincount(below[below >= 0], minlength=count)
    level: Integers = np.flatnonzero(incoming == 0)
    seen = depth = 0
    while level.size:
        seen, depth = seen + level.size, depth + 1
        if depth > MAX_DEPTH:
            raise UnsafeError(f"a tree is deeper than {MAX_DEPTH} levels", hint="the file is damaged or hostile")
        children = np.concatenate((true_nodes[level], false_nodes[level]))
        children = children[children >= 0]
        np.subtract.at(incoming, children, 1)
        reached = np.unique(children)
        level = reached[incoming[reached] == 0]
    if seen != count:
        raise InvalidModelError("a node of a tree leads back to itself", hint="the file is damaged or hostile")
    return depth


def _members(members: Constant | None, modes: Integers) -> tuple[Numbers, ...]:
    """The numbers between the NaNs, one list for each node that needs one."""
    wanted = int((modes == MEMBER).sum())
    if members is None:
        found: tuple[Numbers, ...] = ()
    else:
        if members.dtype not in _TYPES or len(members.shape) != 1:
            raise InvalidModelError(f"members must be a floating vector, got {members.type!r}")
        flat = cast("Numbers", members.array())
        ends: Integers = np.flatnonzero(np.isnan(flat))
        if (int(ends[-1]) + 1 if ends.size else 0) != flat.size:
            raise InvalidModelError("the last list of members must end with NaN")
        begins = (0, *(ends[:-1] + 1).tolist())
        found = tuple(flat[start:end] for start, end in zip(begins, ends.tolist(), strict=False))
    if len(found) != wanted:
        raise InvalidModelError(f"{wanted} nodes ask for members of a list, {len(found)} lists are given")
    return found


def forest_of(
    *,
    modes: Constant,
    features: Constant,
    splits: Constant,
    missing: Constant,
    true_nodes: Constant,
    false_nodes: Constant,
    members: Constant | None,
    roots: Constant,
    vote_leaves: Constant,
    vote_targets: Constant,
    vote_weights: Constant,
    targets: int,
    aggregate: Aggregate,
) -> Forest:
    """The tables of the attributes of `tree_ensemble`, checked.

    Raises:
        InvalidModelError: tables of different lengths, nodes or targets that do not exist, a node that leads back to
            itself, lists of members that are missing or too many.
        UnsafeError: a tree of more than `MAX_DEPTH` levels.
    """
    kinds = _whole(modes, "modes")
    count = len(kinds)
    if not set(np.unique(kinds).tolist()) <= set(MODES):
        raise InvalidModelError(f"modes must be of {MODES}, got {sorted(set(kinds.tolist()))}")
    columns = _whole(features, "features")
    ways = [_whole(true_nodes, "true_nodes"), _whole(false_nodes, "false_nodes")]
    if any(len(table) != count for table in (columns, *ways)):
        raise InvalidModelError(f"{count} modes, {len(columns)} features, {len(ways[0])} and {len(ways[1])} branches")
    beginnings, leaves = _whole(roots, "roots"), _whole(vote_leaves, "vote_leaves")
    if targets < 1 or (leaves.size and (np.diff(leaves) < 0).any()):
        raise InvalidModelError(f"there must be a target, and votes in the order of the leaves; got {targets} targets")
    everything = np.concatenate((beginnings, *ways))
    leaf_count = max(-int(everything.min(initial=0)), int(leaves.max(initial=-1)) + 1)
    if leaf_count > 2 * count + len(beginnings):
        raise InvalidModelError(f"leaf {leaf_count - 1} does not exist among {count} nodes")
    _require_within(leaves, 0, leaf_count, "leaf")
    _require_within(everything, -leaf_count, count, "node")
    _require_within(columns, 0, max(int(columns.max(initial=0)) + 1, 1), "feature")
    chosen = _whole(vote_targets, "vote_targets")
    _require_within(chosen, 0, targets, "target")
    if len(chosen) != len(leaves) or not len(beginnings):
        raise InvalidModelError(f"{len(beginnings)} roots, {len(leaves)} leaves that vote, {len(chosen)} targets")
    return Forest(
        kinds,
        columns,
        _table(splits, count, _TYPES, "splits"),
        _table(missing, count, (DType.BOOL,), "missing").astype(np.bool_),
        ways[0],
        ways[1],
        _members(members, kinds),
        beginnings,
        np.concatenate(([0], np.cumsum(np.bincount(leaves, minlength=leaf_count)))).astype(np.int64),
        chosen,
        _table(vote_weights, len(leaves), _TYPES, "vote_weights"),
        _depth(*ways),
    )


@op
def tree_ensemble(
    x: Value,
    *,
    modes: Constant,
    features: Constant,
    splits: Constant,
    missing: Constant,
    true_nodes: Constant,
    false_nodes: Constant,
    members: Constant | None,
    roots: Constant,
    vote_leaves: Constant,
    vote_targets: Constant,
    vote_weights: Constant,
    targets: int,
    aggregate: Aggregate,
) -> TensorType:
    """What the leaves that each row reaches vote for each target (ONNX TreeEnsemble, TreeEnsembleRegressor).

    x: [N, F], f16, f32 or f64; result: [N, targets] of the element type of `vote_weights`. modes, features, splits,
    missing, true_nodes, false_nodes: one entry a node; a negative node `-1 - i` is leaf i. A NaN goes where `missing`
    says, whatever the node asks. members: the lists of the nodes that ask for membership, each ended by NaN. roots:
    one a tree. vote_leaves (ascending), vote_targets, vote_weights: one entry a vote. aggregate: what becomes of the
    votes for one target; the average is over the trees. A target that no leaf votes for gets 0, whatever the aggregate
    (onnxruntime, tree_ensemble_aggregator.h; ONNX does not say). Votes are added in double precision.
    """
    require_dtype(x, *_TYPES)
    require_rank(x, 2)
    if splits.dtype.bits > x.dtype.bits:
        raise InvalidModelError(f"splits of {splits.dtype} are wider than {x.type!r}", hint="cast the operand")
    forest = forest_of(
        modes=modes,
        features=features,
        splits=splits,
        missing=missing,
        true_nodes=true_nodes,
        false_nodes=false_nodes,
        members=members,
        roots=roots,
        vote_leaves=vote_leaves,
        vote_targets=vote_targets,
        vote_weights=vote_weights,
        targets=targets,
        aggregate=aggregate,
    )
    width = x.shape[1]
    if isinstance(width, int):
        _require_within(forest.features, 0, max(width, 1), "feature")
    return TensorType(vote_weights.dtype, (x.shape[0], targets))


def _answers(forest: Forest, x: Numbers, nodes: Integers, lists: Integers) -> NDArray[np.bool_]:
    """Whether each row goes the way of 'true' at its node; rows and nodes: [R]."""
    values = x[np.arange(len(nodes)), forest.features[nodes]]
    splits, modes = forest.splits[nodes], forest.modes[nodes]
    answer = np.zeros(len(nodes), np.bool_)
    for mode, holds in (
        (LESS_EQUAL, np.less_equal),
        (LESS, np.less),
        (GREATER_EQUAL, np.greater_equal),
        (GREATER, np.greater),
        (EQUAL, np.equal),
    ):
        at = modes == mode
        if at.any():
            answer[at] = holds(values[at], splits[at])
    for node in np.unique(nodes[modes == MEMBER]).tolist():
        at = nodes == node
        answer[at] = np.isin(values[at], forest.members[int(lists[node])])
    return np.where(np.isnan(values), forest.missing[nodes], answer)


def _leaves(forest: Forest, x: Numbers, roots: Integers) -> Integers:
    """The leaf that each row reaches in each of some trees: [N, trees]."""
    rows = np.repeat(np.arange(len(x)), len(roots))
    places = np.tile(roots, len(x))
    lists = np.cumsum(forest.modes == MEMBER) - 1
    active: Integers = np.flatnonzero(places >= 0)
    while active.size:
        nodes = places[active]
        answer = _answers(forest, x[rows[active]], nodes, lists)
        places[active] = np.where(answer, forest.true_nodes[nodes], forest.false_nodes[nodes])
        active = active[places[active] >= 0]
    return (-1 - places).reshape(len(x), len(roots))


def _blocks(forest: Forest, rows: int) -> Iterator[tuple[slice, slice]]:
    """Ranges of rows and of trees that bound the memory."""
    votes = max(int(np.diff(forest.starts).max(initial=1)), 1)
    trees = min(len(forest.roots), max(_BLOCK // votes, 1))
    step = max(_BLOCK // (votes * trees), 1)
    for start in range(0, rows, step):
        for tree in range(0, len(forest.roots), trees):
            yield slice(start, min(start + step, rows)), slice(tree, tree + trees)


_JOINS = {"sum": np.add, "average": np.add, "minimum": np.minimum, "maximum": np.maximum}
_NEUTRAL = {"sum": 0.0, "average": 0.0, "minimum": np.inf, "maximum": -np.inf}


@tree_ensemble.reference
def _tree_ensemble_reference(
    x: Numbers, *, targets: int, aggregate: Aggregate, vote_weights: Constant, **tables: Constant
) -> Array:
    forest = forest_of(**tables, vote_weights=vote_weights, targets=targets, aggregate=aggregate)
    _require_within(forest.features, 0, max(x.shape[1], 1), "feature")
    result = np.full((len(x), targets), _NEUTRAL[aggregate], np.float64)
    voted = np.zeros((len(x), targets), np.bool_)
    for rows, trees in _blocks(forest, len(x)):
        leaves = _leaves(forest, x[rows], forest.roots[trees])
        counts = (forest.starts[1:] - forest.starts[:-1])[leaves.reshape(-1)]
        first: Integers = np.arange(rows.start, rows.stop, dtype=np.int64)
        row = np.repeat(np.repeat(first, leaves.shape[1]), counts)
        ends = np.cumsum(counts)
        within = np.arange(int(ends[-1]) if ends.size else 0) - np.repeat(ends - counts, counts)
        vote = np.repeat(forest.starts[leaves.reshape(-1)], counts) + within
        place = (row, forest.vote_targets[vote])
        _JOINS[aggregate].at(result, place, forest.vote_weights[vote].astype(np.float64))
        voted[place] = True
    if aggregate == "average":
        result /= len(forest.roots)
    return np.where(voted, result, 0.0).astype(vote_weights.dtype.dtype)


tree_ensemble.no_gradient("the result does not change with the operand, except where it jumps")


def _looked_up(table: Array, places: Value) -> Value:
    """table[places]."""
    return gather(constant(value=constant_of(table)), places, axis=0)


def _step(forest: Forest, x: Value, places: Value) -> Value:
    """Where each row of each tree goes from `places` [N, trees]; leaves stand behind the nodes and stay."""
    count, leaves = len(forest.modes), len(forest.starts) - 1
    stay = np.arange(count, count + leaves)

    def extended(table: Array, at_leaf: Array) -> Value:
        return _looked_up(np.concatenate((table, at_leaf.astype(table.dtype))), places)

    nothing = np.zeros(leaves, np.int64)
    values = gather_elements(x, extended(forest.features, nothing), axis=1)
    splits = extended(forest.splits.astype(x.dtype.dtype), nothing)
    answers: list[Value] = []
    for mode, ask in (
        (LESS_EQUAL, compare.less_equal),
        (LESS, compare.less),
        (GREATER_EQUAL, compare.greater_equal),
        (GREATER, compare.greater),
        (EQUAL, compare.equal),
    ):
        at = forest.modes == mode
        if not at.any():
            continue
        answer = ask(values, splits)
        if not at.all():
            answer = compare.logical_and(answer, extended(at, nothing))
        answers.append(answer)
    missing = extended(forest.missing, nothing)
    lost = compare.logical_and(elementwise.is_nan(values), missing)  # NaN answers every question with no
    goes = compare.logical_or(reduce(compare.logical_or, answers), lost)
    ways = [
        extended(np.where(table < 0, count - 1 - table, table), stay)
        for table in (forest.true_nodes, forest.false_nodes)
    ]
    return elementwise.select(goes, *ways)


def votes_by_leaf(
    *, vote_leaves: Constant, vote_targets: Constant, vote_weights: Constant, targets: int, aggregate: Aggregate
) -> Array:
    """The votes as a table [leaves, targets]; where nothing is voted for stands what changes no aggregate."""
    leaves = vote_leaves.array().astype(np.int64)
    shape = (int(leaves.max(initial=-1)) + 1, targets)
    table = np.full(shape, _NEUTRAL[aggregate], np.float64)
    places = (leaves, vote_targets.array().astype(np.int64))
    _JOINS[aggregate].at(table, places, vote_weights.array().astype(np.float64))
    return table.astype(vote_weights.dtype.dtype)


def aggregated(votes: Value, aggregate: Aggregate) -> Value:
    """The votes [N, trees, targets] of all trees joined: [N, targets]."""
    if aggregate == "sum":
        return reduce_sum(votes, axes=(1,), keep_dims=False)
    if aggregate == "average":
        return reduce_mean(votes, axes=(1,), keep_dims=False)
    join = reduce_min if aggregate == "minimum" else reduce_max
    joined = join(votes, axes=(1,), keep_dims=False)
    return elementwise.select(elementwise.is_inf(joined), scalar_like(joined, 0.0), joined)


@tree_ensemble.decompose
def _tree_ensemble_decompose(
    x: Value,
    *,
    vote_leaves: Constant,
    vote_targets: Constant,
    vote_weights: Constant,
    targets: int,
    aggregate: Aggregate,
    **tables: Constant,
) -> Value:
    """A lookup of where to go for each level, as often as there are levels; then the votes of the leaves."""
    votes = {"vote_leaves": vote_leaves, "vote_targets": vote_targets, "vote_weights": vote_weights}
    forest = forest_of(**tables, **votes, targets=targets, aggregate=aggregate)
    if forest.members:
        raise UnsupportedError("tree_ensemble: nodes that ask for membership in a list have no simpler form")
    count, leaves = len(forest.modes), len(forest.starts) - 1
    roots = np.where(forest.roots < 0, count - 1 - forest.roots, forest.roots)
    first = constant(value=constant_of(roots.reshape(1, -1)))
    places = broadcast(first, shape=(x.shape[0], len(roots)))
    for _ in range(forest.depth):
        places = _step(forest, x, places)
    table = np.full((count + leaves, targets), _NEUTRAL[aggregate]).astype(vote_weights.dtype.dtype)
    dense = votes_by_leaf(**votes, targets=targets, aggregate=aggregate)
    table[count : count + len(dense)] = dense
    found = _looked_up(table, reshape(places, shape=(x.shape[0] * len(roots),)))
    return aggregated(reshape(found, shape=(x.shape[0], len(roots), targets)), aggregate)
