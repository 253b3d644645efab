"""Reductions: sums, extremes, places of extremes, statistics, norms."""

from __future__ import annotations

import math
from collections.abc import Callable

from xir.frontends.torch.call import Call
from xir.frontends.torch.handlers._numbers import compared
from xir.frontends.torch.operators import Operators
from xir.frontends.torch.tensor import Computed, Number
from xir.ir.dims import Dim, product
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import compare, elementwise, reduce
from xir.ops._build import scalar_like

operators = Operators("aten")
Reducer = Callable[..., Value]
Axes = tuple[int, ...]


def summed_type(x: Value, dtype: DType | None) -> DType:
    """The type of a sum or product: integers and bool are summed in i64."""
    return dtype or (x.dtype if x.dtype.is_floating else DType.INT64)


def _over(call: Call, x: Value, axes: int | Axes | None) -> Axes:
    return call.axes((axes,) if isinstance(axes, int) else axes, x.rank)


@operators.op(
    "sum(Tensor self, *, ScalarType? dtype=None) -> Tensor",
    "sum.dim_IntList(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
    "nansum(Tensor self, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
)
def sum_(
    call: Call, x: Value, axes: Axes | DType | None = None, keep: bool = False, dtype: DType | None = None
) -> Value:
    """The sum over axes, or all of them; `nansum` counts NaN as 0."""
    if isinstance(axes, DType):
        axes, dtype = None, axes
    if "nansum" in call.kind and x.dtype.is_floating:
        x = elementwise.select(elementwise.is_nan(x), scalar_like(x, 0), x)
    return reduce.reduce_sum(call.cast(x, summed_type(x, dtype)), axes=_over(call, x, axes), keep_dims=keep)


@operators.op(
    "mean(Tensor self, *, ScalarType? dtype=None) -> Tensor",
    "mean.dim(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
)
def mean(
    call: Call, x: Value, axes: Axes | DType | None = None, keep: bool = False, dtype: DType | None = None
) -> Value:
    """The mean over axes, or all of them."""
    if isinstance(axes, DType):
        axes, dtype = None, axes
    x = call.cast(x, dtype or x.dtype)
    if not x.dtype.is_floating:
        call.invalid(f"the mean of {x.dtype}: PyTorch takes that of real numbers alone")
    return reduce.reduce_mean(x, axes=_over(call, x, axes), keep_dims=keep)


@operators.op(
    "nanmean(Tensor self, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
)
def nanmean(call: Call, x: Value, axes: Axes | None, keep: bool, dtype: DType | None) -> Value:
    """The mean of what is a number."""
    x = call.real(call.cast(x, dtype or x.dtype))
    known = compare.logical_not(elementwise.is_nan(x))
    over = _over(call, x, axes)
    total = reduce.reduce_sum(elementwise.select(known, x, scalar_like(x, 0)), axes=over, keep_dims=keep)
    return elementwise.div(total, reduce.reduce_sum(call.cast(known, x.dtype), axes=over, keep_dims=keep))


@operators.op(
    "prod(Tensor self, *, ScalarType? dtype=None) -> Tensor",
    "prod.dim_int(Tensor self, int dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
)
def prod(
    call: Call, x: Value, axis: int | DType | None = None, keep: bool = False, dtype: DType | None = None
) -> Value:
    """The product over an axis, or all of them."""
    if isinstance(axis, DType):
        axis, dtype = None, axis
    return reduce.reduce_prod(call.cast(x, summed_type(x, dtype)), axes=_over(call, x, axis), keep_dims=keep)


def _extreme(call: Call, x: Value, axes: Axes, keep: bool, reducer: Reducer) -> Value:
    if any(x.shape[axis] == 0 for axis in axes):
        call.invalid(f"{x.type!r} has no extreme over axes {list(axes)}: an axis is empty")
    return call.cast(reducer(compared(x), axes=axes, keep_dims=keep), x.dtype)


@operators.op(
    "amax(Tensor self, int[1] dim=[], bool keepdim=False) -> Tensor",
    "max(Tensor self) -> Tensor",
)
def amax(call: Call, x: Value, axes: Axes = (), keep: bool = False) -> Value:
    """The largest element over axes, or all of them."""
    return _extreme(call, x, _over(call, x, axes), keep, reduce.reduce_max)


@operators.op(
    "amin(Tensor self, int[1] dim=[], bool keepdim=False) -> Tensor",
    "min(Tensor self) -> Tensor",
)
def amin(call: Call, x: Value, axes: Axes = (), keep: bool = False) -> Value:
    """The smallest element over axes, or all of them."""
    return _extreme(call, x, _over(call, x, axes), keep, reduce.reduce_min)


@operators.op(
    "aminmax(Tensor self, *, int? dim=None, bool keepdim=False) -> (Tensor min, Tensor max)",
)
def aminmax(call: Call, x: Value, axis: int | None, keep: bool) -> tuple[Value, Value]:
    """The smallest and the largest element over an axis, or all of them."""
    over = _over(call, x, axis)
    return _extreme(call, x, over, keep, reduce.reduce_min), _extreme(call, x, over, keep, reduce.reduce_max)


def _place(call: Call, x: Value, axis: int | None, keep: bool, finder: Reducer) -> Value:
    """The place of the extreme along an axis; without one, in the elements in row-major order."""
    if axis is None or not x.rank:
        found = finder(compared(call.flat_to(x, (product(x.shape),))), axis=0, keep_dims=False)
        return call.flat_to(found, (1,) * x.rank) if keep else found
    return finder(compared(x), axis=call.axis(axis, x.rank), keep_dims=keep)


@operators.op(
    "argmax(Tensor self, int? dim=None, bool keepdim=False) -> Tensor",
)
def argmax(call: Call, x: Value, axis: int | None, keep: bool) -> Value:
    """Where the largest element is: the first of equal ones, and of NaN."""
    return _place(call, x, axis, keep, reduce.arg_max)


@operators.op(
    "argmin(Tensor self, int? dim=None, bool keepdim=False) -> Tensor",
)
def argmin(call: Call, x: Value, axis: int | None, keep: bool) -> Value:
    """Where the smallest element is: the first of equal ones, and of NaN."""
    return _place(call, x, axis, keep, reduce.arg_min)


@operators.op(
    "max.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)",
)
def max_along(call: Call, x: Value, axis: int, keep: bool) -> tuple[Value, Value]:
    """The largest element along an axis, and its place."""
    return amax(call, x, (axis,), keep), argmax(call, x, axis, keep)


@operators.op(
    "min.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)",
)
def min_along(call: Call, x: Value, axis: int, keep: bool) -> tuple[Value, Value]:
    """The smallest element along an axis, and its place."""
    return amin(call, x, (axis,), keep), argmin(call, x, axis, keep)


def every(x: Value, axes: Axes, keep: bool) -> Value:
    """Whether all hold over axes. x: bool."""
    return elementwise.cast(reduce.reduce_min(compared(x), axes=axes, keep_dims=keep), dtype=DType.BOOL)


def some(x: Value, axes: Axes, keep: bool) -> Value:
    """Whether one holds over axes. x: bool."""
    return elementwise.cast(reduce.reduce_max(compared(x), axes=axes, keep_dims=keep), dtype=DType.BOOL)


def _hold(
    call: Call, x: Value, axes: int | Axes | None, keep: bool, reducer: Callable[[Value, Axes, bool], Value]
) -> Value:
    over = () if axes == () else _over(call, x, axes)  # an empty list means no axis here, not all of them
    dtype = DType.UINT8 if x.dtype is DType.UINT8 else DType.BOOL
    return call.cast(reducer(call.cast(x, DType.BOOL), over, keep), dtype)


@operators.op(
    "any(Tensor self) -> Tensor",
    "any.dim(Tensor self, int dim, bool keepdim=False) -> Tensor",
    "any.dims(Tensor self, int[]? dim=None, bool keepdim=False) -> Tensor",
)
def any_(call: Call, x: Value, axes: int | Axes | None = None, keep: bool = False) -> Value:
    """Whether an element is not 0; bool, but of bytes a byte."""
    return _hold(call, x, axes, keep, some)


@operators.op(
    "all(Tensor self) -> Tensor",
    "all.dim(Tensor self, int dim, bool keepdim=False) -> Tensor",
    "all.dims(Tensor self, int[]? dim=None, bool keepdim=False) -> Tensor",
)
def all_(call: Call, x: Value, axes: int | Axes | None = None, keep: bool = False) -> Value:
    """Whether no element is 0; bool, but of bytes a byte."""
    return _hold(call, x, axes, keep, every)


@operators.op(
    "count_nonzero(Tensor self, int? dim=None) -> Tensor",
    "count_nonzero.dim_IntList(Tensor self, int[] dim) -> Tensor",
)
def count_nonzero(call: Call, x: Value, axes: int | Axes | None) -> Value:
    """How many elements are not 0."""
    held = call.cast(call.cast(x, DType.BOOL), DType.INT64)
    return reduce.reduce_sum(held, axes=_over(call, x, axes), keep_dims=False)


def variance(call: Call, x: Value, axes: Axes | None, correction: Number | None, keep: bool) -> tuple[Value, Value]:
    """The variance over axes, divided by their number less the correction (1 without one), and the mean.

    (aten/src/ATen/native/ReduceOps.cpp, `std_var_kernel`: a divisor below 0 counts as 0)
    """
    if not x.dtype.is_floating:
        call.invalid(f"the variance of {x.dtype}: PyTorch takes that of real numbers alone")
    over = _over(call, x, axes)
    middle = reduce.reduce_mean(x, axes=over, keep_dims=True)
    apart = elementwise.sub(x, call.repeated(middle, x.shape))
    total = reduce.reduce_sum_square(apart, axes=over, keep_dims=keep)
    count: Dim = product(tuple(x.shape[axis] for axis in over))
    less: Number = 1 if correction is None else correction
    divisor = _divisor(call, count, less, x.dtype)
    spread = elementwise.div(total, call.repeated(divisor, total.shape))
    return spread, middle if keep else call.flat_to(middle, total.shape)


def _divisor(call: Call, count: Dim, less: Number, dtype: DType) -> Value:
    if isinstance(count, int) and isinstance(less, int | float):
        return call.scalar(max(count - less, 0), dtype)
    difference = elementwise.sub(call.scalar(count, dtype), call.scalar(less, dtype))
    return elementwise.maximum(difference, call.scalar(0, dtype))


@operators.op(
    "var.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> Tensor",
    "var_mean.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> "
    "(Tensor, Tensor)",
    "std.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> Tensor",
    "std_mean.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> "
    "(Tensor, Tensor)",
)
def var_corrected(
    call: Call, x: Value, axes: Axes | None, correction: Number | None, keep: bool
) -> Value | tuple[Value, Value]:
    """The variance, or its root, the standard deviation; where the name says so with the mean."""
    spread, middle = variance(call, x, axes, correction, keep)
    spread = elementwise.sqrt(spread) if ".std" in call.kind else spread
    return (spread, middle) if "_mean" in call.kind else spread


@operators.op(
    "var(Tensor self, bool unbiased=True) -> Tensor",
    "var_mean(Tensor self, bool unbiased=True) -> (Tensor, Tensor)",
    "std(Tensor self, bool unbiased=True) -> Tensor",
    "std_mean(Tensor self, bool unbiased=True) -> (Tensor, Tensor)",
)
def var(call: Call, x: Value, unbiased: bool) -> Value | tuple[Value, Value]:
    """The same of all elements."""
    return var_corrected(call, x, None, int(unbiased), False)


@operators.op(
    "var.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> Tensor",
    "var_mean.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> (Tensor, Tensor)",
    "std.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> Tensor",
    "std_mean.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> (Tensor, Tensor)",
)
def var_along(call: Call, x: Value, axes: Axes | None, unbiased: bool, keep: bool) -> Value | tuple[Value, Value]:
    """The same over axes."""
    return var_corrected(call, x, axes, int(unbiased), keep)


def norm_of(call: Call, x: Value, order: Number | None, axes: Axes | None, keep: bool) -> Value:
    """The length of vectors over axes: the root of the sum of powers, the extremes at infinities, a count at 0.

    (aten/src/ATen/native/LinearAlgebra.cpp, `linalg_vector_norm_impl`)
    """
    x = call.real(x)
    over = _over(call, x, axes)
    if isinstance(order, Computed):
        call.refuse("a norm whose order is computed in the run")
    match 2 if order is None else order:
        case 0:
            held = call.cast(compare.not_equal(x, scalar_like(x, 0)), x.dtype)
            return reduce.reduce_sum(held, axes=over, keep_dims=keep)
        case 1:
            return reduce.reduce_l1(x, axes=over, keep_dims=keep)
        case 2:
            return reduce.reduce_l2(x, axes=over, keep_dims=keep)
        case math.inf:
            return reduce.reduce_max(elementwise.abs_(x), axes=over, keep_dims=keep)
        case float() as least if least == -math.inf:
            return reduce.reduce_min(elementwise.abs_(x), axes=over, keep_dims=keep)
        case int() | float() as power:
            powers = elementwise.pow_(elementwise.abs_(x), scalar_like(x, power))
            total = reduce.reduce_sum(powers, axes=over, keep_dims=keep)
            return elementwise.pow_(total, scalar_like(total, 1 / power))
        case other:
            call.refuse(f"a norm of the order {other!r}")


@operators.op(
    "linalg_vector_norm(Tensor self, Scalar ord=2, int[1]? dim=None, bool keepdim=False, *, ScalarType? "
    "dtype=None) -> Tensor",
)
def vector_norm(call: Call, x: Value, order: Number, axes: Axes | None, keep: bool, dtype: DType | None) -> Value:
    """The length of vectors over axes."""
    return norm_of(call, call.cast(x, dtype or x.dtype), order, axes, keep)


@operators.op(
    "norm.Scalar(Tensor self, Scalar p=2) -> Tensor",
)
def norm(call: Call, x: Value, order: Number) -> Value:
    """The length of all elements as one vector."""
    return norm_of(call, x, order, None, False)


@operators.op(
    "norm.ScalarOpt_dim(Tensor self, Scalar? p, int[1] dim, bool keepdim=False) -> Tensor",
    "norm.ScalarOpt_dim_dtype(Tensor self, Scalar? p, int[1] dim, bool keepdim, *, ScalarType dtype) -> Tensor",
)
def norm_along(call: Call, x: Value, order: Number | None, axes: Axes, keep: bool, dtype: DType | None = None) -> Value:
    """The length of vectors over axes."""
    return norm_of(call, call.cast(x, dtype or x.dtype), order, axes, keep)


@operators.op(
    "norm.ScalarOpt_dtype(Tensor self, Scalar? p, *, ScalarType dtype) -> Tensor",
)
def norm_in(call: Call, x: Value, order: Number | None, dtype: DType) -> Value:
    """The length of all elements as one vector, in an element type."""
    return norm_of(call, call.cast(x, dtype), order, None, False)


@operators.op(
    "frobenius_norm.dim(Tensor self, int[1] dim, bool keepdim=False) -> Tensor",
)
def frobenius_norm(call: Call, x: Value, axes: Axes, keep: bool) -> Value:
    """The root of the sum of squares over axes."""
    return norm_of(call, x, 2, axes, keep)


@operators.op(
    "dist(Tensor self, Tensor other, Scalar p=2) -> Tensor",
)
def dist(call: Call, x: Value, other: Value, order: Number) -> Value:
    """The length of the difference."""
    return norm_of(call, elementwise.sub(*call.promoted(x, other)), order, None, False)


@operators.op(
    "logsumexp(Tensor self, int[1] dim, bool keepdim=False) -> Tensor",
    "special_logsumexp(Tensor self, int[1] dim, bool keepdim=False) -> Tensor",
)
def logsumexp(call: Call, x: Value, axes: Axes, keep: bool) -> Value:
    """`log(sum(exp(x)))` over axes."""
    x = call.real(x)
    return reduce.reduce_log_sum_exp(x, axes=_over(call, x, axes), keep_dims=keep)


@operators.op(
    "_is_all_true(Tensor self) -> Tensor",
    "_is_any_true(Tensor self) -> Tensor",
)
def hold_everywhere(call: Call, x: Value) -> Value:
    """Whether all, or some, elements hold."""
    return (every if "_all_" in call.kind else some)(x, tuple(range(x.rank)), False)


@operators.op(
    "norm_except_dim(Tensor v, int pow=2, int dim=0) -> Tensor",
)
def norm_except(call: Call, v: Value, order: int, axis: int) -> Value:
    """The length of each slice of an axis, the other axes of size 1; of all elements for the axis -1."""
    if axis == -1:
        return norm_of(call, v, order, None, False)
    at = call.axis(axis, v.rank)
    return norm_of(call, v, order, tuple(each for each in range(v.rank) if each != at), True)


@operators.op(
    "_weight_norm_interface(Tensor v, Tensor g, int dim=0) -> (Tensor, Tensor)",
)
def weight_norm(call: Call, v: Value, g: Value, axis: int) -> tuple[Value, Value]:
    """`v * g / |v|`, and the lengths (Salimans and Kingma 2016; aten/src/ATen/native/WeightNorm.cpp)."""
    length = norm_except(call, v, 2, axis)
    return elementwise.mul(v, call.repeated(elementwise.div(g, length), v.shape)), length
