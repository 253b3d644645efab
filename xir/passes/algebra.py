"""Laws of operators that move elements about; every one is bit-exact."""

from __future__ import annotations

from xir.ir.dims import Shape
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops.elementwise import cast
from xir.ops.shape import broadcast, concat, pad, reshape, reverse, slice_, split, tile, transpose
from xir.passes._pattern import NOT_NEAR, Match, rule, rule_with

Perm = tuple[int, ...]


@rule_with(single_use=False)
def double_transpose(x: Value, p: Perm, q: Perm) -> Value:
    """transpose(transpose(x, p), q) == transpose(x, p[q])"""
    return transpose(transpose(x, perm=p), perm=q)


@double_transpose.build
def _(x: Value, p: Perm, q: Perm) -> Value:
    return transpose(x, perm=tuple(p[axis] for axis in q))


@rule
def transpose_nothing(x: Value, p: Perm) -> Value:
    """transpose(x, (0, 1, 2, ...)) == x"""
    return transpose(x, perm=p)


@transpose_nothing.condition
def _(match: Match) -> str | None:
    perm = match.attributes["p"]
    rank = match.values["x"].rank
    return None if perm == tuple(range(rank)) else NOT_NEAR


@transpose_nothing.build
def _(x: Value, p: Perm) -> Value:
    return x


@rule
def transpose_of_ones_is_reshape(x: Value, p: Perm) -> Value:
    """transpose(x, p) == reshape(x, p's shape) when p keeps the order of the axes that are longer than 1"""
    return transpose(x, perm=p)


@transpose_of_ones_is_reshape.condition
def _(match: Match) -> str | None:
    perm, shape = match.attributes["p"], match.values["x"].shape
    long = [axis for axis in perm if isinstance(axis, int) and shape[axis] != 1] if isinstance(perm, tuple) else []
    if perm == tuple(range(len(shape))):
        return NOT_NEAR
    if sum(not isinstance(size, int) for size in shape) > 1:
        return NOT_NEAR  # formats tell at most one size of a reshape by the number of elements
    return None if long == sorted(long) else NOT_NEAR


@transpose_of_ones_is_reshape.build
def _(x: Value, p: Perm) -> Value:
    return reshape(x, shape=tuple(x.shape[axis] for axis in p))


@rule_with(single_use=False)
def double_reshape(x: Value, a: Shape, b: Shape) -> Value:
    """reshape(reshape(x, a), b) == reshape(x, b)"""
    return reshape(reshape(x, shape=a), shape=b)


@double_reshape.build
def _(x: Value, a: Shape, b: Shape) -> Value:
    return reshape(x, shape=b)


@rule
def reshape_nothing(x: Value, a: Shape) -> Value:
    """reshape(x, x.shape) == x"""
    return reshape(x, shape=a)


@reshape_nothing.condition
def _(match: Match) -> str | None:
    return None if match.attributes["a"] == match.values["x"].shape else NOT_NEAR


@reshape_nothing.build
def _(x: Value, a: Shape) -> Value:
    return x


@rule_with(single_use=False)
def double_broadcast(x: Value, a: Shape, b: Shape) -> Value:
    """broadcast(broadcast(x, a), b) == broadcast(x, b)"""
    return broadcast(broadcast(x, shape=a), shape=b)


@double_broadcast.build
def _(x: Value, a: Shape, b: Shape) -> Value:
    return broadcast(x, shape=b)


@rule
def broadcast_nothing(x: Value, a: Shape) -> Value:
    """broadcast(x, x.shape) == x"""
    return broadcast(x, shape=a)


@broadcast_nothing.condition
def _(match: Match) -> str | None:
    return None if match.attributes["a"] == match.values["x"].shape else NOT_NEAR


@broadcast_nothing.build
def _(x: Value, a: Shape) -> Value:
    return x


@rule_with(single_use=False)
def double_reverse(x: Value, a: Perm, b: Perm) -> Value:
    """reverse(reverse(x, a), b) == reverse(x, the axes that stand in only one of a and b)"""
    return reverse(reverse(x, axes=a), axes=b)


@double_reverse.build
def _(x: Value, a: Perm, b: Perm) -> Value:
    return reverse(x, axes=tuple(axis for axis in range(x.rank) if (axis in a) != (axis in b)))


@rule
def reverse_nothing(x: Value, axes: Perm) -> Value:
    """reverse(x, axes of one element) == x"""
    return reverse(x, axes=axes)


@reverse_nothing.condition
def _(match: Match) -> str | None:
    axes, shape = match.attributes["axes"], match.values["x"].shape
    ones = isinstance(axes, tuple) and all(isinstance(axis, int) and shape[axis] == 1 for axis in axes)
    return None if ones else NOT_NEAR


@reverse_nothing.build
def _(x: Value, axes: Perm) -> Value:
    return x


@rule
def split_of_one(x: Value, axis: int, sizes: Shape) -> Value:
    """split(x, its size) == x"""
    return split(x, axis=axis, sizes=sizes)[0]


@split_of_one.condition
def _(match: Match) -> str | None:
    return None if len(match.nodes[0].outputs) == 1 else NOT_NEAR


@split_of_one.build
def _(x: Value, axis: int, sizes: Shape) -> Value:
    return x


@rule
def concat_of_one(x: Value, axis: int) -> Value:
    """concat(x) == x"""
    return concat(x, axis=axis)


@concat_of_one.build
def _(x: Value, axis: int) -> Value:
    return x


@rule
def cast_nothing(x: Value, dtype: DType) -> Value:
    """cast(x, x.dtype) == x"""
    return cast(x, dtype=dtype)


@cast_nothing.condition
def _(match: Match) -> str | None:
    return None if match.attributes["dtype"] is match.values["x"].dtype else NOT_NEAR


@cast_nothing.build
def _(x: Value, dtype: DType) -> Value:
    return x


@rule
def slice_nothing(x: Value, axes: Perm, starts: Shape, stops: Shape, steps: Perm) -> Value:
    """slice(x, 0, its size, 1) == x"""
    return slice_(x, axes=axes, starts=starts, stops=stops, steps=steps)


@slice_nothing.condition
def _(match: Match) -> str | None:
    node = match.nodes[0]
    x = match.values["x"]
    steps = match.attributes["steps"]
    whole = node.outputs[0].shape == x.shape and isinstance(steps, tuple) and all(step == 1 for step in steps)
    return None if whole else NOT_NEAR


@slice_nothing.build
def _(x: Value, axes: Perm, starts: Shape, stops: Shape, steps: Perm) -> Value:
    return x


@rule
def tile_nothing(x: Value, repeats: Perm) -> Value:
    """tile(x, 1, 1, ...) == x"""
    return tile(x, repeats=repeats)


@tile_nothing.condition
def _(match: Match) -> str | None:
    repeats = match.attributes["repeats"]
    return None if isinstance(repeats, tuple) and all(count == 1 for count in repeats) else NOT_NEAR


@tile_nothing.build
def _(x: Value, repeats: Perm) -> Value:
    return x


@rule
def tile_of_ones_is_broadcast(x: Value, repeats: Shape) -> Value:
    """tile(x, repeats) == broadcast(x) where only axes of size 1 are repeated"""
    return tile(x, repeats=repeats)


@tile_of_ones_is_broadcast.condition
def _(match: Match) -> str | None:
    x, repeats = match.values["x"], match.attributes["repeats"]
    if not isinstance(repeats, tuple) or all(count == 1 for count in repeats):
        return NOT_NEAR
    return None if all(1 in pair for pair in zip(x.shape, repeats, strict=True)) else NOT_NEAR


@tile_of_ones_is_broadcast.build
def _(x: Value, repeats: Shape, match: Match) -> Value:
    return broadcast(x, shape=match.nodes[0].outputs[0].shape)


@rule
def pad_nothing(x: Value) -> Value:
    """pad(x, 0) == x in every mode"""
    return pad.pattern(x)


@pad_nothing.condition
def _(match: Match) -> str | None:
    padding = match.nodes[0].attributes["padding"]
    return None if isinstance(padding, tuple) and all(pair == (0, 0) for pair in padding) else NOT_NEAR


@pad_nothing.build
def _(x: Value) -> Value:
    return x


RULES = (
    double_transpose,
    transpose_nothing,
    transpose_of_ones_is_reshape,
    double_reshape,
    reshape_nothing,
    double_broadcast,
    broadcast_nothing,
    double_reverse,
    reverse_nothing,
    split_of_one,
    concat_of_one,
    cast_nothing,
    slice_nothing,
    tile_nothing,
    tile_of_ones_is_broadcast,
    pad_nothing,
)
