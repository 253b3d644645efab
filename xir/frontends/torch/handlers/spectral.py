"""What follows from eigenvalues and singular values (aten/src/ATen/native/BatchLinearAlgebra.cpp, LinearAlgebra.cpp).

Vectors are determined but for their sign, those of equal values but for a rotation: `symmetric_eigen` and `svd` choose.
"""

from __future__ import annotations

import math

import numpy as np

from xir.frontends.torch.call import Call
from xir.frontends.torch.handlers.linalg import inverse, spread
from xir.frontends.torch.handlers.product import matmul, turned
from xir.frontends.torch.handlers.vectors import matrix_norm, singular_values
from xir.frontends.torch.operators import Operators
from xir.frontends.torch.tensor import Number
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import compare
from xir.ops._build import scalar_like
from xir.ops.elementwise import abs_, div, maximum, mul, select, sub
from xir.ops.reduce import reduce_max, reduce_sum
from xir.ops.shape import reshape, slice_
from xir.ops.spectral import svd, symmetric_eigen

operators = Operators("aten")


@operators.op(
    'linalg_eigh(Tensor self, str UPLO="L") -> (Tensor eigenvalues, Tensor eigenvectors)',
    '_linalg_eigh(Tensor A, str UPLO="L", bool compute_v=True) -> (Tensor eigenvalues, Tensor eigenvectors)',
)
def eigen(call: Call, x: Value, triangle: str, wanted: bool = True) -> tuple[Value, Value]:
    """Eigenvalues in ascending order and vectors of symmetric matrices, read off one triangle."""
    if triangle.upper() not in ("L", "U"):
        call.invalid(f"UPLO {triangle!r}, expected 'L' or 'U'")
    values, vectors = symmetric_eigen(turned(x) if triangle.upper() == "U" else x)
    return values, vectors if wanted else call.filled(0, x.dtype, (0,))


@operators.op('linalg_eigvalsh(Tensor self, str UPLO="L") -> Tensor')
def eigenvalues(call: Call, x: Value, triangle: str) -> Value:
    """The eigenvalues."""
    return eigen(call, x, triangle)[0]


@operators.op(
    "linalg_svd(Tensor A, bool full_matrices=True, *, str? driver=None) -> (Tensor U, Tensor S, Tensor Vh)",
    "_linalg_svd(Tensor A, bool full_matrices=False, bool compute_uv=True, *, str? driver=None)"
    " -> (Tensor U, Tensor S, Tensor Vh)",
    unused=("driver",),
)
def decomposed(call: Call, x: Value, full: bool, vectors: bool = True) -> tuple[Value, Value, Value]:
    """Singular values from large to small, with their vectors as columns at the left and rows at the right."""
    if not vectors:
        none = call.filled(0, x.dtype, (0,))
        return none, singular_values(x), none
    u, s, vh = svd(x, full=full)
    return u, s, vh


@operators.op("svd(Tensor self, bool some=True, bool compute_uv=True) -> (Tensor U, Tensor S, Tensor V)")
def decomposed_old(call: Call, x: Value, some: bool, vectors: bool) -> tuple[Value, Value, Value]:
    """The same as older programs call it, the vectors at the right as columns; zeros where none are wanted."""
    if vectors:
        u, s, vh = svd(x, full=not some)
        return u, s, turned(vh)
    lead, (rows, columns) = x.shape[:-2], x.shape[-2:]
    zeros = (call.filled(0, x.dtype, (*lead, size, size)) for size in (rows, columns))
    return next(zeros), singular_values(x), next(zeros)


@operators.op("linalg_svdvals(Tensor A, *, str? driver=None) -> Tensor", unused=("driver",))
def only_values(call: Call, x: Value) -> Value:
    """The singular values."""
    return singular_values(x)


def _bound(call: Call, x: Value, sizes: Value, atol: Value | float | None, rtol: Value | float | None) -> Value:
    """Up to where values count as 0, repeated to their shape (`get_atol_rtol`)."""
    most = reduce_max(sizes, axes=(sizes.rank - 1,), keep_dims=True)

    def told(number: Value | float) -> Value:
        held = call.tensor(number, sizes.dtype)
        return reshape(held, shape=(*held.shape, 1)) if held.rank else held

    absolute = told(0.0 if atol is None else atol)
    if rtol is not None:
        relative = told(rtol)
    else:
        rows, columns = (call.known_integer(size, "the size of a matrix") for size in x.shape[-2:])
        epsilon = float(np.finfo(np.float64 if x.dtype is DType.FLOAT64 else np.float32).eps)
        zero, default = call.aligned(scalar_like(absolute, 0), told(max(rows, columns) * epsilon))
        relative = select(compare.greater(absolute, zero), zero, default)
    wide, narrow = call.aligned(relative, most)
    return call.repeated(maximum(*call.aligned(absolute, mul(wide, narrow))), sizes.shape)


Tolerance = Value | float | None


def _sizes(x: Value, symmetric: bool) -> Value:
    """Singular values; of symmetric matrices what eigenvalues are but for the sign."""
    return abs_(symmetric_eigen(x)[0]) if symmetric else singular_values(x)


def _rank(call: Call, x: Value, atol: Tolerance, rtol: Tolerance, symmetric: bool) -> Value:
    sizes = _sizes(x, symmetric)
    held = compare.greater(sizes, _bound(call, x, sizes, atol, rtol))
    return reduce_sum(call.cast(held, DType.INT64), axes=(sizes.rank - 1,), keep_dims=False)


@operators.op(
    "linalg_matrix_rank(Tensor self, float tol, bool hermitian=False) -> Tensor",
    "linalg_matrix_rank.tol_tensor(Tensor input, Tensor tol, bool hermitian=False) -> Tensor",
)
def rank_above(call: Call, x: Value, tolerance: Tolerance, symmetric: bool) -> Value:
    """How many singular values are above a bound."""
    return _rank(call, x, tolerance, 0.0, symmetric)


@operators.op(
    "linalg_matrix_rank.atol_rtol_tensor(Tensor input, *, Tensor? atol=None, Tensor? rtol=None, bool hermitian=False)"
    " -> Tensor",
    "linalg_matrix_rank.atol_rtol_float(Tensor self, *, float? atol=None, float? rtol=None, bool hermitian=False)"
    " -> Tensor",
)
def rank(call: Call, x: Value, atol: Tolerance, rtol: Tolerance, symmetric: bool) -> Value:
    """The same, above a bound or a share of the largest."""
    return _rank(call, x, atol, rtol, symmetric)


def _inverted(call: Call, values: Value, bound: Value) -> Value:
    """`1 / value` where its size is above the bound, 0 elsewhere."""
    held = compare.greater(abs_(values), bound)
    one = scalar_like(values, 1)
    return select(held, div(one, select(held, values, one)), scalar_like(values, 0))


def _tall_inverse(call: Call, x: Value, atol: Tolerance, rtol: Tolerance) -> Value:
    """The pseudo-inverse of matrices with as many rows as columns at least: `V S^-1 (A V S^-1)^T`."""
    _, s, vh = svd(x, full=False)
    v = turned(vh)
    scaled = mul(v, spread(_inverted(call, s, _bound(call, x, s, atol, rtol)), v.shape, -2))
    left = matmul(call, x, scaled)
    return matmul(call, scaled, turned(left))


def _pseudo_inverse(call: Call, x: Value, atol: Tolerance, rtol: Tolerance, symmetric: bool) -> Value:
    rows, columns = (call.known_integer(size, "the size of a matrix to be inverted") for size in x.shape[-2:])
    if not rows or not columns:
        return call.filled(0, x.dtype, (*x.shape[:-2], columns, rows))
    if symmetric:
        values, v = symmetric_eigen(x)
        factor = _inverted(call, values, _bound(call, x, abs_(values), atol, rtol))
        return matmul(call, mul(v, spread(factor, v.shape, -2)), turned(v))
    if rows < columns:
        return turned(_tall_inverse(call, turned(x), atol, rtol))
    return _tall_inverse(call, x, atol, rtol)


@operators.op(
    "linalg_pinv(Tensor self, float rcond, bool hermitian=False) -> Tensor",
    "linalg_pinv.rcond_tensor(Tensor self, Tensor rcond, bool hermitian=False) -> Tensor",
    "pinverse(Tensor self, float rcond=1.0000000000000001e-15) -> Tensor",
)
def pseudo_inverse_old(call: Call, x: Value, share: Value | float, symmetric: bool = False) -> Value:
    """The pseudo-inverse without singular values up to a share of the largest."""
    return _pseudo_inverse(call, x, 0.0, share, symmetric)


@operators.op(
    "linalg_pinv.atol_rtol_float(Tensor self, *, float? atol=None, float? rtol=None, bool hermitian=False) -> Tensor",
    "linalg_pinv.atol_rtol_tensor(Tensor self, *, Tensor? atol=None, Tensor? rtol=None, bool hermitian=False)"
    " -> Tensor",
)
def pseudo_inverse(call: Call, x: Value, atol: Tolerance, rtol: Tolerance, symmetric: bool) -> Value:
    """The same, without those up to a bound or a share of the largest."""
    return _pseudo_inverse(call, x, atol, rtol, symmetric)


@operators.op(
    "linalg_cond(Tensor self, Scalar? p=None) -> Tensor",
    "linalg_cond.p_str(Tensor self, str p) -> Tensor",
)
def condition(call: Call, x: Value, order: Number | str | None) -> Value:
    """The norm of each matrix times that of its inverse; of order 2 the largest by the least singular value."""
    if order in (None, 2, -2):
        values = singular_values(x)
        size = values.shape[-1]
        first, last = (
            reshape(
                slice_(values, axes=(values.rank - 1,), starts=(at,), stops=(at + 1,), steps=(1,)), shape=x.shape[:-2]
            )
            for at in (0, size - 1)
        )
        return div(last, first) if order == -2 else div(first, last)
    if not isinstance(order, str | int | float):
        call.refuse("a condition number whose order only the run knows")
    made = mul(*(matrix_norm(call, each, order, (-2, -1), False, None) for each in (x, inverse(call, x))))
    return select(compare.equal(made, made), made, scalar_like(made, math.inf))


@operators.op(
    "linalg_lstsq(Tensor self, Tensor b, float? rcond=None, *, str? driver=None)"
    " -> (Tensor solution, Tensor residuals, Tensor rank, Tensor singular_values)"
)
def least_squares(
    call: Call, a: Value, b: Value, share: float | None, driver: str | None
) -> tuple[Value, Value, Value, Value]:
    """The shortest X for which A X is next to B; the squares that are left, as of full rank, where a driver tells them.

    LAPACK's gelsy, the usual one, tells neither them nor singular values.
    """
    rows, columns = (call.known_integer(size, "the size of a matrix to be solved") for size in a.shape[-2:])
    is_vector = b.rank == a.rank - 1 and b.shape == a.shape[:-1]
    b = reshape(b, shape=(*b.shape, 1)) if is_vector else b
    x = matmul(call, _pseudo_inverse(call, a, 0.0, share, False), b)
    none = call.filled(0, a.dtype, (0,))
    left = none
    if rows > columns and driver in ("gels", "gelsd", "gelss"):
        apart = sub(matmul(call, a, x), call.repeated(b, (*x.shape[:-2], *b.shape[-2:])))
        left = reduce_sum(mul(apart, apart), axes=(apart.rank - 2,), keep_dims=False)
    counted = call.filled(0, DType.INT64, (0,)) if driver == "gels" else _rank(call, a, 0.0, share, False)
    values = singular_values(a) if driver in ("gelsd", "gelss") else none
    return reshape(x, shape=x.shape[:-1]) if is_vector else x, left, counted, values


@operators.op(
    "nuclear_norm(Tensor self, bool keepdim=False) -> Tensor",
    "nuclear_norm.dim(Tensor self, int[2] dim, bool keepdim=False) -> Tensor",
)
def nuclear(call: Call, x: Value, *rest: bool | tuple[int, ...]) -> Value:
    """The sum of the singular values."""
    *axes, keep = rest
    over = axes[0] if axes and isinstance(axes[0], tuple) else (-2, -1)
    return matrix_norm(call, x, "nuc", over, bool(keep), None)
