"""Jacobi's rotations: they turn pairs of columns until all are orthogonal (Golub and Van Loan, sections 8.5, 8.6.3).

All columns are paired at once, half of them with the other half, and go on to other partners as in a tournament
(Brent and Luk 1985, 'The solution of singular-value and symmetric eigenvalue problems on multiprocessor arrays'): a
step is the same for all, a sweep has one step fewer than there are columns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from xir.ir.constant import constant_of
from xir.ir.dims import Shape
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops._build import scalar_like
from xir.ops.compare import equal, greater, greater_equal, less
from xir.ops.constant import constant
from xir.ops.control import loop
from xir.ops.elementwise import abs_, add, cast, div, mul, neg, reciprocal, select, sqrt, sub
from xir.ops.index import gather, gather_elements
from xir.ops.matmul import matmul
from xir.ops.reduce import arg_max, reduce_max, reduce_sum, top_k
from xir.ops.shape import broadcast, concat, pad, reshape, slice_, transpose

SWEEPS = 40
"""At most; matrices of a thousand rows take about ten (Golub and Van Loan, section 8.5.4)."""

_PRECISION = 2.0**-52
NEARLY = 1 - 1e-6
"""Of a vector's largest element: what is not below this share of it may be as large but for rounding."""

Pair = tuple[Value, Value]


def turned(x: Value) -> Value:
    """Each matrix with its axes exchanged."""
    return transpose(x, perm=(*range(x.rank - 2), x.rank - 1, x.rank - 2))


def along(x: Value, shape: Shape, axis: int) -> Value:
    """A tensor without an axis (counted from the last, -1) repeated along it."""
    at = len(shape) + axis
    return broadcast(reshape(x, shape=(*shape[:at], 1, *shape[at + 1 :])), shape=shape)


def _cut(x: Value, axis: int, start: int, stop: int) -> Value:
    return slice_(x, axes=(x.rank + axis,), starts=(start,), stops=(stop,), steps=(1,))


def _table(held: object, dtype: DType) -> Value:
    return constant(value=constant_of(np.asarray(held, dtype.dtype)))


def _sum(x: Value, *axes: int) -> Value:
    return reduce_sum(x, axes=tuple(x.rank + axis for axis in axes), keep_dims=False)


def _partners(size: int) -> list[int]:
    """Where each column comes from in the next step: all but the first go round, down one half and up the other."""
    half = size // 2
    ring = [*range(1, half), *range(size - 1, half - 1, -1)]
    before = dict(zip(ring, [*ring[-1:], *ring[:-1]], strict=True))
    return [before.get(place, place) for place in range(size)]


def _rotation(first: Value, second: Value, product: Value) -> Pair:
    """Cosine and sine that make two columns orthogonal (Golub and Van Loan, algorithm 8.5.1; the smaller angle).

    Args:
        first: the diagonal elements `[..., pairs]` of the one half; or the squares of its columns' lengths.
        second: those of the other.
        product: the elements between them.
    """
    zero, one = scalar_like(product, 0), scalar_like(product, 1)
    is_none = equal(product, zero)
    ratio = div(sub(second, first), select(is_none, one, add(product, product)))
    size = reciprocal(add(abs_(ratio), sqrt(add(mul(ratio, ratio), one))))
    tangent = select(is_none, zero, select(less(ratio, zero), neg(size), size))
    cosine = reciprocal(sqrt(add(mul(tangent, tangent), one)))
    return cosine, mul(tangent, cosine)


def _rotated(x: Value, rotation: Pair, order: Value) -> Value:
    """Columns after their rotation, beside their next partners."""
    half = rotation[0].shape[-1]
    size = x.shape[-1]
    if not isinstance(half, int) or not isinstance(size, int):
        raise TypeError("columns are counted before they are paired")
    left, right = _cut(x, -1, 0, half), _cut(x, -1, half, size)
    cosine, sine = (along(each, left.shape, -2) for each in rotation)
    made = concat(sub(mul(left, cosine), mul(right, sine)), add(mul(left, sine), mul(right, cosine)), axis=x.rank - 1)
    return gather(made, order, axis=x.rank - 1)


def _any(needed: Value) -> Value:
    flat = reshape(cast(needed, dtype=DType.UINT8), shape=(needed.tensor.elements,))
    return greater(
        reduce_max(concat(_table([0], DType.UINT8), flat, axis=0), axes=(0,), keep_dims=False), _table(0, DType.UINT8)
    )


def _until(values: Sequence[Value], size: int, step: Callable[..., tuple[Value, ...]]) -> tuple[Value, ...]:
    """What is carried after the steps: (carried) -> (whether another one is needed, what is carried on)."""
    inputs = Value(TensorType(DType.INT64, ())), Value(TensorType(DType.BOOL, ())), *(Value(v.type) for v in values)
    body = Graph("rotations", inputs, step(*inputs[2:]))
    most, begun = _table(SWEEPS * (size - 1), DType.INT64), _table(True, DType.BOOL)
    return loop(most, begun, *values, body=body, carried=len(values))


def _even(x: Value, *axes: int) -> Value:
    """Matrices of an even size: with zeros behind."""
    size = x.shape[x.rank + axes[0]]
    odd = isinstance(size, int) and size % 2
    return pad(x, padding=tuple((0, int(axis - x.rank in axes)) for axis in range(x.rank))) if odd else x


def _identity(x: Value, size: int) -> Value:
    return broadcast(_table(np.eye(size), x.dtype), shape=(*x.shape[:-2], size, size))


def _picked(x: Value, places: Value) -> Value:
    """The columns at places `[..., count]`, another for each matrix."""
    shape = (*x.shape[:-1], places.shape[-1])
    return gather_elements(x, along(places, shape, -2), axis=x.rank - 1)


def signed(v: Value) -> Value:
    """What each column is multiplied by so that the first of its largest elements is positive, `[..., columns]`."""
    size = abs_(v)
    most = reduce_max(size, axes=(v.rank - 2,), keep_dims=False)
    held = greater_equal(size, along(mul(most, scalar_like(most, NEARLY)), size.shape, -2))
    place = arg_max(cast(held, dtype=DType.UINT8), axis=v.rank - 2, keep_dims=True)
    first = reshape(gather_elements(v, place, axis=v.rank - 2), shape=most.shape)
    one = scalar_like(first, 1)
    return select(less(first, scalar_like(first, 0)), neg(one), one)


def eigen(x: Value, size: int) -> Pair:
    """Eigenvalues in ascending order and vectors, as columns, of symmetric matrices of f64, `size` rows each.

    x: [..., size, size]; results: [..., size] and [..., size, size].
    """
    a = _even(x, -1, -2)
    whole = size + size % 2
    half = whole // 2
    order = _table(_partners(whole), DType.INT64)
    eye, off = _table(np.eye(half), x.dtype), _table(1 - np.eye(whole), x.dtype)
    allowed = mul(_sum(mul(a, a), -1, -2), scalar_like(_sum(a, -1, -2), (whole * _PRECISION) ** 2))

    def diagonal(block: Value) -> Value:
        return _sum(mul(block, broadcast(eye, shape=block.shape)), -1)

    def step(a: Value, v: Value, allowed: Value) -> tuple[Value, ...]:
        upper, lower = _cut(a, -2, 0, half), _cut(a, -2, half, whole)
        parts = _cut(upper, -1, 0, half), _cut(lower, -1, half, whole), _cut(upper, -1, half, whole)
        first, second, product = map(diagonal, parts)
        rotation = _rotation(first, second, product)
        a = _rotated(turned(_rotated(a, rotation, order)), rotation, order)
        rest = mul(a, broadcast(off, shape=a.shape))
        return _any(greater(_sum(mul(rest, rest), -1, -2), allowed)), a, _rotated(v, rotation, order), allowed

    made, v, _ = _until((a, _identity(a, whole), allowed), whole, step)
    values = _sum(mul(made, broadcast(_table(np.eye(whole), x.dtype), shape=made.shape)), -1)
    added = _added(v, size)
    values = values if added is None else select(added, scalar_like(values, np.inf), values)
    values, places = top_k(values, k=size, axis=values.rank - 1, largest=False)
    v = _cut(_picked(v, places), -2, 0, size)
    return values, mul(v, along(signed(v), v.shape, -2))


def _added(v: Value, size: int) -> Value | None:
    """Which column stands for the one that was added to make their number even."""
    if size % 2 == 0:
        return None
    last = _sum(_cut(v, -2, size, size + 1), -2)
    return greater(abs_(last), scalar_like(last, 0.5))


def singular(x: Value, size: int) -> tuple[Value, Value, Value]:
    """`x v` with orthogonal columns, their lengths from large to small, and `v`; f64, `size` columns each.

    x: [..., rows, size], rows >= size; results: [..., rows, size], [..., size] and [..., size, size].
    """
    a, whole = _even(x, -1), size + size % 2
    half = whole // 2
    order = _table(_partners(whole), DType.INT64)
    square = mul(_sum(mul(a, a), -1, -2), scalar_like(_sum(a, -1, -2), _PRECISION**2))
    least = mul(square, square)
    idle = _table(0, DType.INT64)

    def step(a: Value, v: Value, idle: Value, least: Value) -> tuple[Value, ...]:
        left, right = _cut(a, -1, 0, half), _cut(a, -1, half, whole)
        first, second, product = (_sum(mul(*each), -2) for each in ((left, left), (right, right), (left, right)))
        bound = mul(mul(first, second), scalar_like(first, (whole * _PRECISION) ** 2))
        needed = greater(mul(product, product), add(bound, along(least, bound.shape, -1)))
        rotation = _rotation(first, second, product)
        one = _table(1, DType.INT64)
        idle = select(_any(needed), _table(0, DType.INT64), add(idle, one))
        again = less(idle, _table(whole - 1, DType.INT64))
        return again, _rotated(a, rotation, order), _rotated(v, rotation, order), idle, least

    made, v, _, _ = _until((a, _identity(a, whole), idle, least), whole, step)
    lengths = sqrt(_sum(mul(made, made), -2))
    added = _added(v, size)
    keys = lengths if added is None else select(added, scalar_like(lengths, -1), lengths)
    lengths, places = top_k(keys, k=size, axis=keys.rank - 1, largest=True)
    v = _cut(_picked(v, places), -2, 0, size)
    signs = signed(v)
    made = _picked(made, places)
    return mul(made, along(signs, made.shape, -2)), lengths, mul(v, along(signs, v.shape, -2))


def basis(made: Value, lengths: Value, rows: int) -> Value:
    """All `rows` orthonormal columns that begin with those of `made`, which are orthogonal, in units of their lengths.

    What of them is missing or has no length are the eigenvectors of what is orthogonal to them all (value 1).
    """
    size = made.shape[-1]
    none = scalar_like(lengths, 0)
    most = along(reduce_max(lengths, axes=(lengths.rank - 1,), keep_dims=False), lengths.shape, -1)
    held = greater(lengths, mul(most, scalar_like(most, rows * _PRECISION)))
    factor = select(held, reciprocal(select(held, lengths, scalar_like(lengths, 1))), none)
    u = mul(made, along(factor, made.shape, -2))
    _, rest = eigen(sub(_identity(u, rows), matmul(u, turned(u))), rows)
    if rows != size and isinstance(size, int):
        u = pad(u, padding=(*((0, 0),) * (u.rank - 1), (0, rows - size)))
        held = pad(cast(held, dtype=DType.UINT8), padding=(*((0, 0),) * (held.rank - 1), (0, rows - size)))
        held = cast(held, dtype=DType.BOOL)
    return select(along(held, u.shape, -2), u, rest)
