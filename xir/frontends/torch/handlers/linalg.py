"""Factors of matrices and what they solve (aten/src/ATen/native/BatchLinearAlgebra.cpp, LinearAlgebra.cpp).

Factors are found a column a step, by masks, so that a step is the same for all: small matrices get their steps written
down, larger ones a loop. A matrix for which PyTorch raises gives numbers that are none, `check_errors` or not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce

import numpy as np

from xir.frontends.torch.call import Call
from xir.frontends.torch.handlers.product import matmul, turned
from xir.frontends.torch.operators import Operators
from xir.ir.dims import Dim, Shape
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops import compare, elementwise
from xir.ops._build import scalar_like
from xir.ops.control import loop
from xir.ops.elementwise import add, div, mul, select, sub
from xir.ops.index import gather
from xir.ops.linalg import determinant
from xir.ops.reduce import arg_max, reduce_l1, reduce_max, reduce_prod, reduce_sum
from xir.ops.shape import broadcast, concat, iota, reshape, slice_, transpose
from xir.ops.triangle import trilu

operators = Operators("aten")
MAX_WRITTEN = 8
"""Up to so many columns the steps are written down one by one."""

Step = Callable[[Value, Sequence[Value]], tuple[Value, ...]]
"""(the column, what is carried) -> what is carried on, then what the step tells."""


def _repeated(call: Call, count: int, values: Sequence[Value], step: Step) -> tuple[Value, ...]:
    """What is carried after the steps 0, 1, ..., then what they told, stacked along a first axis."""
    carried = len(values)
    if count <= MAX_WRITTEN:
        held, told = tuple(values), list[tuple[Value, ...]]()
        for place in range(count):
            made = step(call.literal(place, DType.INT64), held)
            held = made[:carried]
            told.append(made[carried:])
        return *held, *(concat(*(_row(each) for each in told_of), axis=0) for told_of in zip(*told, strict=True))
    inputs = Value(TensorType(DType.INT64, ())), Value(TensorType(DType.BOOL, ())), *(Value(v.type) for v in values)
    body = Graph("steps", inputs, (inputs[1], *step(inputs[0], inputs[2:])))
    return loop(call.literal(count, DType.INT64), None, *values, body=body, carried=carried)


def _row(x: Value) -> Value:
    return reshape(x, shape=(1, *x.shape))


def square(call: Call, x: Value) -> int:
    """The size of square matrices, which must be known."""
    if x.rank < 2 or x.shape[-1] != x.shape[-2]:
        call.invalid(f"square matrices are needed, got {x.type!r}")
    return call.known_integer(x.shape[-1], "the size of a matrix to be solved")


def _pick(x: Value, place: Value, axis: int) -> Value:
    """The line at a place, without the axis (counted from the last, -1)."""
    return gather(x, place, axis=x.rank + axis)


def spread(x: Value, shape: Shape, axis: int) -> Value:
    """A tensor without an axis (counted from the last, -1) repeated along it."""
    at = len(shape) + axis
    return broadcast(reshape(x, shape=(*shape[:at], 1, *shape[at + 1 :])), shape=shape)


def _mask(call: Call, x: Value, axis: int, test: Callable[[Value, Value], Value], place: Value) -> Value:
    """Where the places along an axis stand in a relation to one."""
    places = iota(shape=(x.shape[axis],), axis=0, dtype=DType.INT64)
    held = test(places, broadcast(place, shape=places.shape))
    return broadcast(reshape(held, shape=(*held.shape, *(1,) * (-1 - axis))), shape=x.shape)


def _outer(x: Value, y: Value, shape: Shape) -> Value:
    return mul(spread(x, shape, -1), spread(y, shape, -2))


def _factored(call: Call, x: Value, columns: int) -> tuple[Value, Value]:
    """L below the diagonal and U on and above it of the first columns, rows swapped to the largest pivots (getrf).

    What stands in further columns is taken along: `L^-1 P B`.

    Returns:
        The factors, and the row that each column's pivot came from, i64 [columns, ...].
    """

    def step(place: Value, held: Sequence[Value]) -> tuple[Value, ...]:
        (m,) = held
        column = _pick(m, place, -1)
        size = elementwise.abs_(column)
        size = select(_mask(call, column, -1, compare.less, place), scalar_like(size, -1), size)
        best = arg_max(size, axis=size.rank - 1, keep_dims=False)
        places = broadcast(iota(shape=(m.shape[-2],), axis=0, dtype=DType.INT64), shape=column.shape)
        chosen = spread(compare.equal(spread(best, column.shape, -1), places), m.shape, -1)
        pivots = reduce_sum(select(chosen, m, scalar_like(m, 0)), axes=(m.rank - 2,), keep_dims=False)
        swapped = select(chosen, spread(_pick(m, place, -2), m.shape, -2), m)
        swapped = select(_mask(call, m, -2, compare.equal, place), spread(pivots, m.shape, -2), swapped)
        pivot = _pick(pivots, place, -1)
        none = compare.equal(pivot, scalar_like(pivot, 0))
        factors = div(_pick(swapped, place, -1), spread(select(none, scalar_like(pivot, 1), pivot), column.shape, -1))
        below = _mask(call, column, -1, compare.greater, place)
        factors = select(below, factors, scalar_like(factors, 0))
        later = _mask(call, m, -1, compare.greater, place)
        less = sub(swapped, _outer(factors, pivots, m.shape))
        here = compare.logical_and(_mask(call, m, -1, compare.equal, place), _mask(call, m, -2, compare.greater, place))
        return select(here, spread(factors, m.shape, -1), select(later, less, swapped)), best

    if not columns:
        return x, call.filled(0, DType.INT64, (0, *x.shape[:-2]))
    made, rows = _repeated(call, columns, (x,), step)
    return made, rows


def _substituted(call: Call, a: Value, b: Value, upper: bool) -> Value:
    """`A^-1 B` of a triangular matrix by substitution; what lies on its other side is not read."""
    count = square(call, a)

    def step(place: Value, held: Sequence[Value]) -> tuple[Value, ...]:
        a, b = held
        at = sub(call.literal(count - 1, DType.INT64), place) if upper else place
        column = _pick(a, at, -1)
        row = div(_pick(b, at, -2), spread(_pick(column, at, -1), (*b.shape[:-2], b.shape[-1]), -1))
        others = _mask(call, column, -1, compare.less if upper else compare.greater, at)
        factors = select(others, column, scalar_like(column, 0))
        less = sub(b, _outer(factors, row, b.shape))
        return a, select(_mask(call, b, -2, compare.equal, at), spread(row, b.shape, -2), less)

    return _repeated(call, count, (a, b), step)[1]


def _both(call: Call, a: Value, b: Value) -> tuple[Value, Value]:
    """Two stacks of matrices of one type, with the same leading axes."""
    dtype = a.dtype if a.dtype.bits >= b.dtype.bits else b.dtype
    lead = call.aligned(*(call.filled(0, DType.BOOL, (*each.shape[:-2], 1)) for each in (a, b)))[0].shape[:-1]
    left, right = (call.repeated(call.cast(each, dtype), (*lead, *each.shape[-2:])) for each in (a, b))
    return left, right


def _part(x: Value, axis: int, start: Dim, stop: Dim) -> Value:
    return slice_(x, axes=(x.rank + axis,), starts=(start,), stops=(stop,), steps=(1,))


def _solved(call: Call, a: Value, b: Value, left: bool) -> Value:
    """`X` with `A X = B`, or `X A = B`; a vector B is one column."""
    a, b = call.real(a), call.real(b)
    is_vector = b.rank == 1 or (a.rank - 1 == b.rank and b.shape == a.shape[:-1])
    b = reshape(b, shape=(*b.shape, 1)) if is_vector else b
    if not left:
        a, b = turned(a), turned(b)
    a, b = _both(call, a, b)
    size = square(call, a)
    if not size:
        return b
    made, _ = _factored(call, concat(a, b, axis=a.rank - 1), size)
    x = _substituted(call, _part(made, -1, 0, size), _part(made, -1, size, made.shape[-1]), True)
    x = x if left else turned(x)
    return reshape(x, shape=x.shape[:-1]) if is_vector else x


def _identity(call: Call, x: Value) -> Value:
    size = square(call, x)
    return call.repeated(call.literal(np.eye(size), x.dtype), x.shape)


def _info(call: Call, x: Value) -> Value:
    """Where PyTorch says that it found no solution: it did."""
    return call.filled(0, DType.INT32, x.shape[:-2])


@operators.op("inverse(Tensor self) -> Tensor", "linalg_inv(Tensor A) -> Tensor")
def inverse(call: Call, x: Value) -> Value:
    """The inverse of each matrix."""
    x = call.real(x)
    return _solved(call, x, _identity(call, x), True)


@operators.op(
    "linalg_inv_ex(Tensor A, *, bool check_errors=False) -> (Tensor inverse, Tensor info)", unused=("check_errors",)
)
def inverse_checked(call: Call, x: Value) -> tuple[Value, Value]:
    """The inverse, and that it was found."""
    return inverse(call, x), _info(call, x)


@operators.op("linalg_solve(Tensor A, Tensor B, *, bool left=True) -> Tensor")
def solve(call: Call, a: Value, b: Value, left: bool) -> Value:
    """`X` with `A X = B`."""
    return _solved(call, a, b, left)


@operators.op(
    "linalg_solve_ex(Tensor A, Tensor B, *, bool left=True, bool check_errors=False) -> (Tensor result, Tensor info)",
    unused=("check_errors",),
)
def solve_checked(call: Call, a: Value, b: Value, left: bool) -> tuple[Value, Value]:
    """The same, and that it was found."""
    return _solved(call, a, b, left), _info(call, a)


@operators.op(
    "_linalg_solve_ex(Tensor A, Tensor B, *, bool left=True, bool check_errors=False)"
    " -> (Tensor result, Tensor LU, Tensor pivots, Tensor info)",
    unused=("check_errors",),
)
def solve_factored(call: Call, a: Value, b: Value, left: bool) -> tuple[Value, ...]:
    """The same with the factors."""
    return _solved(call, a, b, left), *factors(call, a, True), _info(call, a)


@operators.op("linalg_lu_factor(Tensor A, *, bool pivot=True) -> (Tensor LU, Tensor pivots)")
def factors(call: Call, x: Value, pivoted: bool) -> tuple[Value, Value]:
    """L and U in one matrix, and from which row, counted from 1, each pivot came."""
    if not pivoted:
        call.refuse("factors without pivots")
    x = call.real(x)
    made, rows = _factored(call, x, square(call, x))
    counted = add(rows, call.filled(1, DType.INT64, rows.shape))
    return made, call.cast(transpose(counted, perm=(*range(1, rows.rank), 0)), DType.INT32)


@operators.op(
    "linalg_lu_factor_ex(Tensor A, *, bool pivot=True, bool check_errors=False)"
    " -> (Tensor LU, Tensor pivots, Tensor info)",
    unused=("check_errors",),
)
def factors_checked(call: Call, x: Value, pivoted: bool) -> tuple[Value, ...]:
    """The same, and that they were found."""
    return *factors(call, x, pivoted), _info(call, x)


@operators.op("det(Tensor self) -> Tensor", "linalg_det(Tensor A) -> Tensor")
def determined(call: Call, x: Value) -> Value:
    """The determinant of each matrix."""
    return determinant(call.real(x))


@operators.op("_linalg_det(Tensor A) -> (Tensor result, Tensor LU, Tensor pivots)")
def determined_factored(call: Call, x: Value) -> tuple[Value, ...]:
    """The same with the factors: of the transpose, as PyTorch has them of a tensor whose rows lie one after another."""
    return determined(call, x), *factors(call, turned(x), True)


@operators.op(
    "slogdet(Tensor self) -> (Tensor sign, Tensor logabsdet)",
    "linalg_slogdet(Tensor A) -> (Tensor sign, Tensor logabsdet)",
)
def log_determined(call: Call, x: Value) -> tuple[Value, Value]:
    """The sign of the determinant, and the logarithm of its size."""
    return log_determined_factored(call, x)[:2]


@operators.op("_linalg_slogdet(Tensor A) -> (Tensor sign, Tensor logabsdet, Tensor LU, Tensor pivots)")
def log_determined_factored(call: Call, x: Value) -> tuple[Value, Value, Value, Value]:
    """The same with the factors: the product of U's diagonal, negative for each pair of swapped rows."""
    made, rows = factors(call, turned(x), True)
    size = square(call, made)
    held = select(call.repeated(call.literal(np.eye(size), DType.BOOL), made.shape), made, scalar_like(made, 0))
    line = reduce_sum(held, axes=(made.rank - 1,), keep_dims=False)
    kept = compare.equal(rows, call.repeated(call.literal(np.arange(1, size + 1), DType.INT32), rows.shape))
    signs = mul(elementwise.sign(line), select(kept, scalar_like(line, 1), scalar_like(line, -1)))
    logs = elementwise.log(elementwise.abs_(line))
    axes = (line.rank - 1,)
    return reduce_prod(signs, axes=axes, keep_dims=False), reduce_sum(logs, axes=axes, keep_dims=False), made, rows


@operators.op("logdet(Tensor self) -> Tensor")
def logdet(call: Call, x: Value) -> Value:
    """The logarithm of the determinant, NaN below 0."""
    sign, size = log_determined(call, x)
    return select(compare.less(sign, scalar_like(sign, 0)), scalar_like(size, math.nan), size)


@operators.op(
    "linalg_solve_triangular(Tensor self, Tensor B, *, bool upper, bool left=True, bool unitriangular=False) -> Tensor"
)
def triangular(call: Call, a: Value, b: Value, upper: bool, left: bool, unit: bool) -> Value:
    """`X` with `A X = B`, or `X A = B`, of a triangular matrix."""
    a, b = _both(call, a, b)
    if unit:
        eye = call.repeated(call.literal(np.eye(square(call, a)), DType.BOOL), a.shape)
        a = select(eye, scalar_like(a, 1), a)
    return _substituted(call, a, b, upper) if left else turned(_substituted(call, turned(a), turned(b), not upper))


@operators.op(
    "triangular_solve(Tensor self, Tensor A, bool upper=True, bool transpose=False, bool unitriangular=False)"
    " -> (Tensor solution, Tensor cloned_coefficient)"
)
def triangular_old(call: Call, b: Value, a: Value, upper: bool, transposed: bool, unit: bool) -> tuple[Value, Value]:
    """The same as older programs call it, and the matrix."""
    given = turned(a) if transposed else a
    return triangular(call, given, b, upper is not transposed, True, unit), a


@operators.op(
    "linalg_cholesky(Tensor self, *, bool upper=False) -> Tensor", "cholesky(Tensor self, bool upper=False) -> Tensor"
)
def cholesky(call: Call, x: Value, upper: bool) -> Value:
    """L with `L L^T = A`, read off the lower triangle, or its transpose."""
    x = turned(x) if upper else x
    count = square(call, x)

    def step(place: Value, held: Sequence[Value]) -> tuple[Value, ...]:
        a, made = held
        column = _pick(a, place, -1)
        pivot = elementwise.sqrt(_pick(column, place, -1))
        below = _mask(call, column, -1, compare.greater_equal, place)
        line = select(below, div(column, spread(pivot, column.shape, -1)), scalar_like(column, 0))
        here = _mask(call, a, -1, compare.equal, place)
        return sub(a, _outer(line, line, a.shape)), select(here, spread(line, a.shape, -1), made)

    made = _repeated(call, count, (x, call.filled(0, x.dtype, x.shape)), step)[1]
    return turned(made) if upper else made


@operators.op(
    "linalg_cholesky_ex(Tensor self, *, bool upper=False, bool check_errors=False) -> (Tensor L, Tensor info)",
    unused=("check_errors",),
)
def cholesky_checked(call: Call, x: Value, upper: bool) -> tuple[Value, Value]:
    """The same, and that it was found."""
    return cholesky(call, x, upper), _info(call, x)


@operators.op("cholesky_solve(Tensor self, Tensor input2, bool upper=False) -> Tensor")
def cholesky_solve(call: Call, b: Value, x: Value, upper: bool) -> Value:
    """`A^-1 B` of a matrix whose factor is given."""
    lower, b = _both(call, turned(x) if upper else x, b)
    return _substituted(call, turned(lower), _substituted(call, lower, b, False), True)


@operators.op("cholesky_inverse(Tensor self, bool upper=False) -> Tensor")
def cholesky_inverse(call: Call, x: Value, upper: bool) -> Value:
    """The inverse of a matrix whose factor is given."""
    return cholesky_solve(call, _identity(call, x), x, upper)


@operators.op('linalg_qr(Tensor A, str mode="reduced") -> (Tensor Q, Tensor R)')
def qr(call: Call, x: Value, mode: str) -> tuple[Value, Value]:
    """Orthogonal Q and upper R with `Q R = A` by reflections, with LAPACK's signs (geqrf, larfg)."""
    if mode not in ("reduced", "complete", "r"):
        call.invalid(f"mode {mode!r}, expected 'reduced', 'complete' or 'r'")
    rows, columns = (call.known_integer(size, "the size of a matrix to be factored") for size in x.shape[-2:])
    least = min(rows, columns)
    eye = call.repeated(call.literal(np.eye(rows), x.dtype), (*x.shape[:-2], rows, rows))

    def step(place: Value, held: Sequence[Value]) -> tuple[Value, ...]:
        a, q = held
        column = _pick(a, place, -1)
        rest = select(_mask(call, column, -1, compare.greater, place), column, scalar_like(column, 0))
        first = _pick(column, place, -1)
        tail = reduce_sum(mul(rest, rest), axes=(rest.rank - 1,), keep_dims=False)
        length = elementwise.sqrt(add(mul(first, first), tail))
        negative = compare.less(first, scalar_like(first, 0))
        moved = add(first, select(negative, elementwise.neg(length), length))
        v = select(_mask(call, column, -1, compare.equal, place), spread(moved, column.shape, -1), rest)
        idle = compare.equal(tail, scalar_like(tail, 0))
        size = add(mul(moved, moved), tail)
        factor = div(select(idle, scalar_like(tail, 0), scalar_like(tail, 2)), select(idle, scalar_like(size, 1), size))
        scaled = mul(v, spread(factor, v.shape, -1))
        along = reduce_sum(mul(a, spread(v, a.shape, -1)), axes=(a.rank - 2,), keep_dims=False)
        across = reduce_sum(mul(q, spread(v, q.shape, -2)), axes=(q.rank - 1,), keep_dims=False)
        return sub(a, _outer(scaled, along, a.shape)), sub(q, _outer(across, scaled, q.shape))

    r, q = _repeated(call, least, (x, eye), step)
    r = trilu(r, diagonal=0, upper=True)
    if mode == "complete":
        return q, r
    r = _part(r, -2, 0, least)
    return call.filled(0, x.dtype, (0,)) if mode == "r" else _part(q, -1, 0, least), r


@operators.op("qr(Tensor self, bool some=True) -> (Tensor Q, Tensor R)")
def qr_old(call: Call, x: Value, some: bool) -> tuple[Value, Value]:
    """The same as older programs call it."""
    return qr(call, x, "reduced" if some else "complete")


@operators.op("matrix_power(Tensor self, int n) -> Tensor", "linalg_matrix_power(Tensor self, int n) -> Tensor")
def matrix_power(call: Call, x: Value, count: int) -> Value:
    """The matrix times itself, by squares; its inverse for a negative power."""
    if not count:
        return _identity(call, x)
    x, count = (inverse(call, x), -count) if count < 0 else (x, count)
    made: list[Value] = []
    while count:
        made = [*made, x] if count % 2 else made
        count //= 2
        x = matmul(call, x, x) if count else x
    return reduce(lambda left, right: matmul(call, left, right), made)


_TERMS = 12
"""Terms of the exponential's series: the first one left out is below 2^-30 for norms up to 1/2."""


@operators.op("matrix_exp(Tensor self) -> Tensor", "linalg_matrix_exp(Tensor self) -> Tensor")
def matrix_exp(call: Call, x: Value) -> Value:
    """`sum of A^n / n!` of the matrix divided by a power of 2, then squared as often (Higham 2005)."""
    eye = _identity(call, x)
    size = reduce_max(reduce_l1(x, axes=(x.rank - 2,), keep_dims=False), axes=tuple(range(x.rank - 1)), keep_dims=False)
    least = elementwise.maximum(size, scalar_like(size, 0.5))
    steps = elementwise.ceil(mul(elementwise.log(add(least, least)), scalar_like(size, 1 / math.log(2))))
    x = div(x, call.repeated(elementwise.pow_(scalar_like(steps, 2), steps), x.shape))
    made = eye
    for term in range(_TERMS + 4 * (x.dtype is DType.FLOAT64), 0, -1):
        made = add(eye, mul(matmul(call, x, made), scalar_like(made, 1 / term)))
    inputs = Value(TensorType(DType.INT64, ())), Value(TensorType(DType.BOOL, ())), Value(made.type)
    body = Graph("squares", inputs, (inputs[1], matmul(call, inputs[2], inputs[2])))
    (squared,) = loop(call.cast(steps, DType.INT64), None, made, body=body, carried=1)
    return squared
