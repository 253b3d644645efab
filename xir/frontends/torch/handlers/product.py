"""Products of matrices and vectors (aten/src/ATen/native/LinearAlgebra.cpp)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

from xir.frontends.torch.call import Call
from xir.frontends.torch.operators import Operators
from xir.frontends.torch.tensor import Number
from xir.ir.broadcasting import join
from xir.ir.dims import product
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops.arithmetic import select
from xir.ops.compare import greater_equal, less, logical_and
from xir.ops.einsum import einsum as einsum_of
from xir.ops.elementwise import add, mul
from xir.ops.matmul import matmul as product_of
from xir.ops.reduce import reduce_sum
from xir.ops.shape import concat, iota, reshape, slice_, transpose

operators = Operators("aten")


def turned(x: Value) -> Value:
    """The last two axes exchanged."""
    return transpose(x, perm=(*range(x.rank - 2), x.rank - 1, x.rank - 2))


@operators.op(
    "mm(Tensor self, Tensor mat2) -> Tensor",
    "bmm(Tensor self, Tensor mat2) -> Tensor",
    "matmul(Tensor self, Tensor other) -> Tensor",
    "mv(Tensor self, Tensor vec) -> Tensor",
    "dot(Tensor self, Tensor tensor) -> Tensor",
    "linalg_matmul(Tensor self, Tensor other) -> Tensor",
)
def matmul(call: Call, x: Value, y: Value) -> Value:
    """Products of the last two axes, leading ones broadcast; vectors are rows at the left, columns at the right."""
    if not x.rank or not y.rank:
        call.invalid(f"both need an axis, got {x.type!r} and {y.type!r}")
    left = reshape(x, shape=(1, *x.shape)) if x.rank == 1 else x
    right = reshape(y, shape=(*y.shape, 1)) if y.rank == 1 else y
    z = _multiplied(call, left, right)
    if x.rank == 1:
        z = reshape(z, shape=(*z.shape[:-2], z.shape[-1]))
    return reshape(z, shape=z.shape[:-1]) if y.rank == 1 else z


def _multiplied(call: Call, x: Value, y: Value) -> Value:
    """Matrices, or batches of them; many rows by one matrix are one product."""
    if x.rank > 2 and y.rank == 2:
        flat = reshape(x, shape=(product(x.shape[:-1]), x.shape[-1]))
        return reshape(product_of(flat, y), shape=(*x.shape[:-1], y.shape[-1]))
    batch = join([x.shape[:-2], y.shape[:-2]])
    left, right = (call.repeated(each, (*batch, *each.shape[-2:])) for each in (x, y))
    return product_of(left, right)


@operators.op("linear(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor")
def linear(call: Call, x: Value, w: Value, bias: Value | None) -> Value:
    """`x w^T + bias`; w: [O, I], or [I] for one result."""
    y = matmul(call, x, w if w.rank == 1 else turned(w))
    return y if bias is None else add(*call.aligned(y, bias))


@operators.op(
    "addmm(Tensor self, Tensor mat1, Tensor mat2, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
    "baddbmm(Tensor self, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
    "addmv(Tensor self, Tensor mat, Tensor vec, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
)
def added(call: Call, addend: Value, x: Value, y: Value, beta: Number, alpha: Number) -> Value:
    """`beta * addend + alpha * x y`; with beta 0 the addend is not looked at, NaN in it does not count."""
    return combined(call, addend, matmul(call, x, y), beta, alpha)


def combined(call: Call, addend: Value, z: Value, beta: Number, alpha: Number) -> Value:
    """`beta * addend + alpha * z`."""
    scaled = times(call, z, alpha)
    if not isinstance(beta, complex) and beta == 0:
        return scaled
    return add(scaled, call.repeated(times(call, addend, beta), z.shape))


def times(call: Call, x: Value, factor: Number) -> Value:
    """`x * factor` in the type of x."""
    return x if factor == 1 else mul(x, call.repeated(call.scalar(factor, x.dtype), x.shape))


@operators.op("addbmm(Tensor self, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) -> Tensor")
def added_batch(call: Call, addend: Value, x: Value, y: Value, beta: Number, alpha: Number) -> Value:
    """`beta * addend + alpha * sum over the batch of x y`."""
    return combined(call, addend, reduce_sum(matmul(call, x, y), axes=(0,), keep_dims=False), beta, alpha)


@operators.op("vdot(Tensor self, Tensor other) -> Tensor")
def vdot(call: Call, x: Value, y: Value) -> Value:
    """The sum of products, of the conjugate of x where it is complex."""
    if x.dtype in (DType.COMPLEX64, DType.COMPLEX128):
        call.refuse("vdot of complex vectors", "write it as (x.conj() * y).sum()")
    return matmul(call, x, y)


@operators.op(
    "outer(Tensor self, Tensor vec2) -> Tensor",
    "ger(Tensor self, Tensor vec2) -> Tensor",
)
def outer(call: Call, x: Value, y: Value) -> Value:
    """`x[i] * y[j]`."""
    left, right = call.promoted(reshape(x, shape=(*x.shape, 1)), reshape(y, shape=(1, *y.shape)))
    return mul(left, right)


@operators.op("addr(Tensor self, Tensor vec1, Tensor vec2, *, Scalar beta=1, Scalar alpha=1) -> Tensor")
def added_outer(call: Call, addend: Value, x: Value, y: Value, beta: Number, alpha: Number) -> Value:
    """`beta * addend + alpha * x[i] * y[j]`."""
    return combined(call, addend, outer(call, x, y), beta, alpha)


@operators.op("inner(Tensor self, Tensor other) -> Tensor")
def inner(call: Call, x: Value, y: Value) -> Value:
    """Sums of products over the last axes of both; a number where one has no axis."""
    if not x.rank or not y.rank:
        return mul(*call.promoted(x, y))
    return contracted(x, y, (x.rank - 1,), (y.rank - 1,))


@operators.op("tensordot(Tensor self, Tensor other, int[] dims_self, int[] dims_other) -> Tensor")
def tensordot(call: Call, x: Value, y: Value, axes: Sequence[int], others: Sequence[int]) -> Value:
    """Sums of products over pairs of axes."""
    if len(axes) != len(others):
        call.invalid(f"{len(axes)} axes go with {len(others)}")
    left = tuple(call.axis(axis, x.rank) for axis in axes)
    return contracted(x, y, left, tuple(call.axis(axis, y.rank) for axis in others))


def contracted(x: Value, y: Value, axes: Sequence[int], others: Sequence[int]) -> Value:
    """One matrix product: the free axes of x and y, the named ones summed in pairs."""
    rows = [axis for axis in range(x.rank) if axis not in axes]
    columns = [axis for axis in range(y.rank) if axis not in others]
    height, width = (tuple(v.shape[axis] for axis in kept) for v, kept in ((x, rows), (y, columns)))
    depth = product(tuple(x.shape[axis] for axis in axes))
    left = reshape(_moved(x, (*rows, *axes)), shape=(product(height), depth))
    right = reshape(_moved(y, (*others, *columns)), shape=(depth, product(width)))
    return reshape(product_of(left, right), shape=(*height, *width))


def _moved(x: Value, perm: tuple[int, ...]) -> Value:
    return x if perm == tuple(range(x.rank)) else transpose(x, perm=perm)


@operators.op("einsum(str equation, Tensor[] tensors, *, int[]? path=None) -> Tensor", unused=("path",))
def einsum(call: Call, equation: str, tensors: Sequence[Value]) -> Value:
    """Sums of products over labelled axes; xir chooses the order of the products."""
    dtype = reduce(lambda held, value: value.dtype if value.dtype.bits > held.bits else held, tensors, tensors[0].dtype)
    return einsum_of(*(call.cast(value, dtype) for value in tensors), equation=equation.replace(" ", ""))


@operators.op("chain_matmul(Tensor[] matrices) -> Tensor", "linalg_multi_dot(Tensor[] tensors) -> Tensor")
def chained(call: Call, matrices: Sequence[Value]) -> Value:
    """The product of all, from the left."""
    if not matrices:
        call.invalid("there is nothing to multiply")
    return reduce(lambda left, right: matmul(call, left, right), matrices)


@operators.op("bilinear(Tensor input1, Tensor input2, Tensor weight, Tensor? bias=None) -> Tensor")
def bilinear(call: Call, x: Value, y: Value, w: Value, bias: Value | None) -> Value:
    """`sum over i, j of x[i] * w[o, i, j] * y[j] + bias[o]`."""
    held = contracted(x, w, (x.rank - 1,), (1,))  # [rows..., o, j]
    spread = reshape(y, shape=(*y.shape[:-1], 1, y.shape[-1]))
    z = reduce_sum(mul(*call.aligned(held, spread)), axes=(held.rank - 1,), keep_dims=False)
    return z if bias is None else add(*call.aligned(z, bias))


@operators.op(
    "_grouped_mm(Tensor self, Tensor mat2, Tensor? offs=None, Tensor? bias=None, ScalarType? out_dtype=None) -> Tensor"
)
def grouped(call: Call, x: Value, w: Value, ends: Value | None, bias: Value | None, dtype: DType | None) -> Value:
    """Rows [S, I] by the matrix [E, I, O] of their group: `ends` [E] says where each group of rows ends."""
    if x.rank != 2 or w.rank != 3 or ends is None or bias is not None:
        call.refuse("groups of other than the rows of a matrix", "write them as matrix products")
    made = grouped_rows(call, x, w, ends)
    return made if dtype is None else call.cast(made, dtype)


def grouped_rows(call: Call, x: Value, w: Value, ends: Value) -> Value:
    """One product: each row stands at its group's place among zeros. Rows behind the last group are 0."""
    if x.rank != 2 or w.rank != 3 or ends.rank != 1:
        call.invalid(f"groups of {x.type!r}, {w.type!r} and {ends.type!r}")
    (rows, width), (groups, _, count) = x.shape, w.shape
    lasts = call.cast(ends, DType.INT64)
    firsts = concat(
        call.filled(0, DType.INT64, (1,)),
        slice_(lasts, axes=(0,), starts=(0,), stops=(groups - 1,), steps=(1,)),
        axis=0,
    )
    places = iota(shape=(rows, groups), axis=0, dtype=DType.INT64)
    own = logical_and(
        greater_equal(places, call.repeated(firsts, places.shape)), less(places, call.repeated(lasts, places.shape))
    )
    shape = (rows, groups, width)
    spread = select(
        call.repeated(reshape(own, shape=(rows, groups, 1)), shape),
        call.repeated(reshape(x, shape=(rows, 1, width)), shape),
        call.filled(0, x.dtype, shape),
    )
    return product_of(reshape(spread, shape=(rows, groups * width)), reshape(w, shape=(groups * width, count)))


transformers = Operators("transformers")
"""Operators that transformers registers (transformers/integrations/moe.py)."""


@transformers.op("grouped_mm_fallback(Tensor input, Tensor weight, Tensor offs) -> Tensor")
def grouped_fallback(call: Call, x: Value, w: Value, ends: Value) -> Value:
    """The experts' products, each for the rows that chose it."""
    return grouped_rows(call, x, w, ends)


# Products in other types than their operands


@operators.op(
    "mm.dtype(Tensor self, Tensor mat2, ScalarType out_dtype) -> Tensor",
    "bmm.dtype(Tensor self, Tensor mat2, ScalarType out_dtype) -> Tensor",
)
def matmul_in(call: Call, x: Value, y: Value, dtype: DType) -> Value:
    """The product in a wider type."""
    return matmul(call, call.cast(x, dtype), call.cast(y, dtype))


@operators.op(
    "addmm.dtype(Tensor self, Tensor mat1, Tensor mat2, ScalarType out_dtype, *, Scalar beta=1, Scalar alpha=1)"
    " -> Tensor",
    "baddbmm.dtype(Tensor self, Tensor batch1, Tensor batch2, ScalarType out_dtype, *, Scalar beta=1, Scalar alpha=1)"
    " -> Tensor",
)
def added_in(call: Call, addend: Value, x: Value, y: Value, dtype: DType, beta: Number, alpha: Number) -> Value:
    """The sum and the product in a wider type."""
    return combined(call, call.cast(addend, dtype), matmul_in(call, x, y, dtype), beta, alpha)


@operators.op("_int_mm(Tensor self, Tensor mat2) -> Tensor")
def whole_matmul(call: Call, x: Value, y: Value) -> Value:
    """The product of i8 matrices in i32."""
    return matmul_in(call, x, y, DType.INT32)


@operators.op("_weight_int8pack_mm(Tensor self, Tensor mat2, Tensor scales) -> Tensor")
def weight_matmul(call: Call, x: Value, w: Value, scales: Value) -> Value:
    """`x w^T` with i8 weights [O, I] and a scale for each of their rows."""
    return mul(*call.promoted(matmul(call, x, turned(call.cast(w, x.dtype))), scales))


@dataclass(frozen=True, slots=True)
class _Scales:
    """What the matrices of a product are multiplied with, and its result where that has 8 bits."""

    scale_a: Value
    scale_b: Value
    scale_result: Value | None


@operators.op(
    "_scaled_mm(Tensor self, Tensor mat2, Tensor scale_a, Tensor scale_b, Tensor? bias=None,"
    " Tensor? scale_result=None, ScalarType? out_dtype=None, bool use_fast_accum=False) -> Tensor",
    records=(_Scales,),
    unused=("use_fast_accum",),
)
def scaled_matmul(call: Call, x: Value, y: Value, scales: _Scales, bias: Value | None, dtype: DType | None) -> Value:
    """The product of f8 matrices times a scale of each, or of each row and column, in f32."""
    z = matmul_in(call, x, y, DType.FLOAT32)
    for factor in (scales.scale_a, scales.scale_b):
        z = mul(*call.promoted(z, factor))
    z = z if bias is None else add(*call.promoted(z, call.cast(bias, z.dtype)))
    dtype = dtype or x.dtype
    if scales.scale_result is not None and dtype.bits == 8:
        z = mul(*call.promoted(z, scales.scale_result))
    return call.cast(z, dtype)
