"""Matrices in the last two axes: diagonals, bands, determinants."""

from __future__ import annotations

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends._operands import product_of
from xir.frontends.tensorflow._site import Handler, Site
from xir.ir.constant import constant_of
from xir.ir.dims import Dim, minimum
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import compare
from xir.ops._build import scalar_like
from xir.ops.constant import constant
from xir.ops.elementwise import abs_, add, div, log, mul, select, sign, sqrt, sub
from xir.ops.index import gather_elements
from xir.ops.linalg import MAX_EXPANDED, determinant
from xir.ops.matmul import matmul
from xir.ops.reduce import reduce_sum
from xir.ops.shape import broadcast, concat, iota, pad, reshape, slice_, transpose
from xir.ops.spectral import svd, symmetric_eigen

handlers: Handlers[Handler] = Handlers("tensorflow")


def _distance(rows: Dim, columns: Dim) -> Value:
    """The column less the row of each place [rows, columns], i64."""
    across = iota(shape=(rows, columns), axis=1, dtype=DType.INT64)
    return sub(across, iota(shape=(rows, columns), axis=0, dtype=DType.INT64))


def _on_diagonal(x: Value) -> Value:
    """Whether each place of matrices is on the diagonal."""
    distance = _distance(*x.shape[-2:])
    is_on = compare.equal(distance, scalar_like(distance, 0))
    return broadcast(is_on, shape=x.shape)


@handlers.layer("MatrixDiag")
def diagonal_matrix(site: Site, x: Value) -> Value:
    """Matrices with these diagonals."""
    wide = broadcast(reshape(x, shape=(*x.shape, 1)), shape=(*x.shape, x.shape[-1]))
    return select(_on_diagonal(wide), wide, scalar_like(wide, 0))


@handlers.layer("Diag")
def diagonal_tensor(site: Site, x: Value) -> Value:
    """Diag: a tensor [sizes, sizes] with the elements where both places agree."""
    flat = reshape(x, shape=(product_of(x.shape),))
    wide = broadcast(reshape(flat, shape=(*flat.shape, 1)), shape=(*flat.shape, *flat.shape))
    made = select(_on_diagonal(wide), wide, scalar_like(wide, 0))
    return reshape(made, shape=(*x.shape, *x.shape))


def diagonal(x: Value) -> Value:
    """The diagonals of matrices."""
    count = minimum(*x.shape[-2:])
    square = slice_(x, axes=(x.rank - 2, x.rank - 1), starts=(0, 0), stops=(count, count), steps=(1, 1))
    places = iota(shape=(*square.shape[:-1], 1), axis=x.rank - 2, dtype=DType.INT64)
    return reshape(gather_elements(square, places, axis=x.rank - 1), shape=square.shape[:-1])


@handlers.layer("MatrixDiagPart")
def diagonal_part(site: Site, x: Value) -> Value:
    """The diagonals of matrices."""
    return diagonal(x)


@handlers.layer("DiagPart")
def diagonal_of_tensor(site: Site, x: Value) -> Value:
    """DiagPart, the other way of Diag."""
    half = x.shape[: x.rank // 2]
    count = product_of(half)
    return reshape(diagonal(reshape(x, shape=(count, count))), shape=half)


def with_diagonal(x: Value, values: Value) -> Value:
    """Matrices with other diagonals."""
    rows = x.shape[-2]
    missing = rows - values.shape[-1]
    if missing != 0:
        values = pad(values, padding=(*((0, 0),) * (values.rank - 1), (0, missing)))
    return select(_on_diagonal(x), broadcast(reshape(values, shape=(*values.shape, 1)), shape=x.shape), x)


@handlers.layer("MatrixSetDiag")
def diagonal_set(site: Site, x: Value, values: Value) -> Value:
    """Matrices with other diagonals."""
    return with_diagonal(x, values)


def _main(site: Site, k: Value) -> None:
    """Refuses all diagonals but the main one."""
    if set(site.numbers(k, "the number of a diagonal")) != {0}:
        site.refuse("other diagonals than the main one")


@handlers.layer("MatrixDiagV2", "MatrixDiagV3")
def diagonal_matrix_of(site: Site, x: Value, k: Value, rows: Value, columns: Value, fill: Value) -> Value:
    """MatrixDiag of the main diagonal."""
    _main(site, k)
    if site.node.kind == "MatrixDiagV3":
        site.ignore("align")
    size = x.shape[-1]
    for told in (rows, columns):
        if site.numbers(told, "a size")[0] not in (-1, size):
            site.refuse("matrices that are larger than their diagonal")
    wide = broadcast(reshape(x, shape=(*x.shape, 1)), shape=(*x.shape, size))
    return select(_on_diagonal(wide), wide, broadcast(reshape(fill, shape=()), shape=wide.shape))


@handlers.layer("MatrixDiagPartV2", "MatrixDiagPartV3")
def diagonal_part_of(site: Site, x: Value, k: Value, fill: Value) -> Value:
    """MatrixDiagPart of the main diagonal."""
    _main(site, k)
    if site.node.kind == "MatrixDiagPartV3":
        site.ignore("align")
    return diagonal(x)


@handlers.layer("MatrixSetDiagV2", "MatrixSetDiagV3")
def diagonal_set_of(site: Site, x: Value, values: Value, k: Value) -> Value:
    """MatrixSetDiag of the main diagonal."""
    _main(site, k)
    if site.node.kind == "MatrixSetDiagV3":
        site.ignore("align")
    return with_diagonal(x, values)


@handlers.layer("MatrixBandPart")
def band(site: Site, x: Value, lower: Value, upper: Value) -> Value:
    """Matrices with 0 outside of a band; a negative number keeps the whole triangle."""
    (below,), (above,) = site.numbers(lower, "a bound"), site.numbers(upper, "a bound")
    distance = _distance(*x.shape[-2:])
    keep = constant(value=constant_of(np.asarray(True)))
    is_in = broadcast(keep, shape=distance.shape)
    if below >= 0:
        is_in = compare.logical_and(is_in, compare.greater_equal(distance, scalar_like(distance, -below)))
    if above >= 0:
        is_in = compare.logical_and(is_in, compare.less_equal(distance, scalar_like(distance, above)))
    return select(broadcast(is_in, shape=x.shape), x, scalar_like(x, 0))


@handlers.layer("MatrixDeterminant")
def determinants(site: Site, x: Value) -> Value:
    """The determinant of each matrix."""
    return determinant(x)


@handlers.layer("LogMatrixDeterminant")
def log_determinants(site: Site, x: Value) -> tuple[Value, Value]:
    """The sign of each determinant, and the logarithm of its magnitude."""
    found = determinant(x)
    return sign(found), log(abs_(found))


def _triangle(site: Site, x: Value, size: int) -> Value:
    """The lower triangle L with x = L L^T, column by column (Golub and Van Loan, algorithm 4.2.1)."""
    axes = (x.rank - 2, x.rank - 1)
    columns: list[Value] = []
    for place in range(size):
        rest = slice_(x, axes=axes, starts=(place, place), stops=(size, place + 1), steps=(1, 1))
        for column in columns:
            below = slice_(column, axes=axes[:1], starts=(place,), stops=(size,), steps=(1,))
            own = slice_(column, axes=axes[:1], starts=(place,), stops=(place + 1,), steps=(1,))
            rest = sub(rest, mul(below, broadcast(own, shape=below.shape)))
        root = sqrt(slice_(rest, axes=axes[:1], starts=(0,), stops=(1,), steps=(1,)))
        made = div(rest, broadcast(root, shape=rest.shape))
        columns.append(pad(made, padding=(*((0, 0),) * (x.rank - 2), (place, 0), (0, 0))))
    return concat(*columns, axis=axes[1]) if size > 1 else columns[0]


def _size(site: Site, x: Value) -> int:
    """The size of square matrices small enough to be written out."""
    size = x.shape[-1]
    if not isinstance(size, int) or x.shape[-2] != size or not 1 <= size <= MAX_EXPANDED:
        site.refuse(f"matrices of the type {x.type!r}; at most {MAX_EXPANDED} rows are taken")
    return size


@handlers.layer("Cholesky")
def cholesky(site: Site, x: Value) -> Value:
    """Cholesky's triangle of small symmetric matrices."""
    return _triangle(site, x, _size(site, x))


@handlers.layer("MatrixInverse")
def inverse(site: Site, x: Value) -> Value:
    """The inverse of small matrices: from 1 / trace upwards by Faddeev and Le Verrier's steps, in f64."""
    size = _size(site, x)
    data = site.cast(x, DType.FLOAT64)
    if site.flag("adjoint"):
        data = transpose(data, perm=(*range(x.rank - 2), x.rank - 1, x.rank - 2))
    on = _on_diagonal(data)
    nothing, one = scalar_like(data, 0), scalar_like(data, 1)
    identity = select(on, one, nothing)
    made, last = identity, one
    for step in range(1, size + 1):
        product = matmul(data, made)
        trace = reduce_sum(select(on, product, nothing), axes=(x.rank - 2, x.rank - 1), keep_dims=True)
        last = broadcast(mul(trace, scalar_like(trace, -1 / step)), shape=data.shape)
        if step < size:
            made = add(product, mul(last, identity))
    return site.cast(mul(div(made, last), scalar_like(data, -1.0)), x.dtype)


@handlers.layer("Svd", "BatchSvd")
def singular_values(site: Site, x: Value) -> tuple[Value, ...]:
    """Singular values and vectors; those at the right as columns."""
    full, vectors = site.flag("full_matrices"), site.flag("compute_uv")
    u, values, vh = svd(x, full=full and vectors)
    if vectors:
        return values, u, transpose(vh, perm=(*range(x.rank - 2), x.rank - 1, x.rank - 2))
    none = constant(value=constant_of(np.zeros(0), x.dtype))
    return values, none, none


@handlers.layer("SelfAdjointEigV2", "BatchSelfAdjointEigV2")
def symmetric_values(site: Site, x: Value) -> tuple[Value, Value]:
    """Eigenvalues in ascending order and vectors, as columns, of symmetric matrices, read off the lower triangle."""
    values, vectors = symmetric_eigen(x)
    return values, vectors if site.flag("compute_v") else constant(value=constant_of(np.zeros(0), x.dtype))
