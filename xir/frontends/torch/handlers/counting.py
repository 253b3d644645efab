"""Differences, runs, counts: what follows from several elements at once."""

from __future__ import annotations

import math

from xir.frontends.torch.call import Call
from xir.frontends.torch.handlers.compare import isclose
from xir.frontends.torch.handlers.cutting import cut, diagonal
from xir.frontends.torch.handlers.functions import log_sum
from xir.frontends.torch.handlers.index import places_of
from xir.frontends.torch.handlers.reduce import every, norm_of, summed_type
from xir.frontends.torch.handlers.sorting import back
from xir.frontends.torch.operators import Operators
from xir.frontends.torch.tensor import Computed, Number
from xir.ir.dims import Dim
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import compare, elementwise
from xir.ops._build import scalar_like
from xir.ops.index import gather, scatter_elements
from xir.ops.reduce import reduce_max, reduce_sum
from xir.ops.running import cumsum
from xir.ops.shape import broadcast, concat, reshape, shape_of, slice_

operators = Operators("aten")


@operators.op(
    "allclose(Tensor self, Tensor other, float rtol=1.0000000000000001e-05, float atol=1e-08, bool "
    "equal_nan=False) -> bool",
)
def allclose(call: Call, x: Value, other: Value, relative: float, absolute: float, equal_nan: bool) -> Computed:
    """Whether all elements are close."""
    near = isclose(call, x, other, relative, absolute, equal_nan)
    return call.computed(every(near, tuple(range(near.rank)), False))


@operators.op(
    "is_nonzero(Tensor self) -> bool",
)
def is_nonzero(call: Call, x: Value) -> Computed:
    """Whether the only element is not 0."""
    return call.computed(call.cast(x, DType.BOOL))


@operators.op(
    "trace(Tensor self) -> Tensor",
)
def trace(call: Call, x: Value) -> Value:
    """The sum of a matrix's diagonal."""
    return reduce_sum(call.cast(diagonal(call, x, 0, 0, 1), summed_type(x, None)), axes=(0,), keep_dims=False)


@operators.op(
    "diff(Tensor self, int n=1, int dim=-1, Tensor? prepend=None, Tensor? append=None) -> Tensor",
)
def diff(call: Call, x: Value, count: int, axis: int, before: Value | None, after: Value | None) -> Value:
    """Each element less the one before it, `count` times over."""
    at = call.axis(axis, x.rank)
    if count == 0:
        return x
    pieces = [piece for piece in (before, x, after) if piece is not None]
    x = concat(*pieces, axis=at) if len(pieces) > 1 else x
    size = x.shape[at]
    for _ in range(call.several(min(count, size) if isinstance(size, int) else count)):
        later, earlier = cut(x, at, 1, x.shape[at]), cut(x, at, 0, x.shape[at] - 1)
        apart = compare.logical_xor if x.dtype is DType.BOOL else elementwise.sub
        x = apart(later, earlier)
    return x


def _steps(call: Call, y: Value, spacing: Value | Number, axis: int) -> Value:
    """The areas of the trapezoids between neighbours."""
    at = call.axis(axis, y.rank)
    y = call.real(y)
    size = y.shape[at]
    both = elementwise.add(cut(y, at, 0, size - 1), cut(y, at, 1, size))
    if not isinstance(spacing, Value):
        width = call.filled(spacing, both.dtype, both.shape)
        return elementwise.mul(elementwise.mul(both, width), scalar_like(both, 0.5))
    at_axis = 0 if spacing.rank == 1 else at
    gaps = diff(call, spacing, 1, at_axis, None, None)
    if gaps.rank == 1 and y.rank > 1:
        gaps = reshape(gaps, shape=(gaps.shape[0], *(1,) * (y.rank - at - 1)))
    wide, width = call.promoted(both, gaps)
    return elementwise.mul(elementwise.mul(wide, width), scalar_like(wide, 0.5))


@operators.op(
    "trapezoid.x(Tensor y, Tensor x, *, int dim=-1) -> Tensor",
    "trapezoid.dx(Tensor y, *, Scalar dx=1, int dim=-1) -> Tensor",
    "trapz.x(Tensor y, Tensor x, *, int dim=-1) -> Tensor",
    "trapz.dx(Tensor y, *, float dx=1., int dim=-1) -> Tensor",
)
def trapezoid(call: Call, y: Value, spacing: Value | Number, axis: int) -> Value:
    """The integral along an axis by the trapezoidal rule."""
    return reduce_sum(_steps(call, y, spacing, axis), axes=(call.axis(axis, y.rank),), keep_dims=False)


@operators.op(
    "cumulative_trapezoid.x(Tensor y, Tensor x, *, int dim=-1) -> Tensor",
    "cumulative_trapezoid.dx(Tensor y, *, Scalar dx=1, int dim=-1) -> Tensor",
)
def running_trapezoid(call: Call, y: Value, spacing: Value | Number, axis: int) -> Value:
    """The integral up to each place but the first."""
    return cumsum(_steps(call, y, spacing, axis), axis=call.axis(axis, y.rank))


@operators.op(
    "logcumsumexp(Tensor self, int dim) -> Tensor",
)
def running_log_sum(call: Call, x: Value, axis: int) -> Value:
    """Running `log(sum(exp(x)))` by shifted copies (Hillis and Steele 1986, 'Data Parallel Algorithms')."""
    if not x.rank:
        return x
    at = call.axis(axis, x.rank)
    size = call.known_integer(x.shape[at], "the size of an axis with running sums of powers")
    step = 1
    while step < size:
        x = log_sum(x, back(x, at, step, -math.inf), 1.0)
        step *= 2
    return x


@operators.op(
    "unique_consecutive(Tensor self, bool return_inverse=False, bool return_counts=False, int? dim=None) -> "
    "(Tensor, Tensor, Tensor)",
    unused=("return_inverse", "return_counts"),
)
def unique_consecutive(call: Call, x: Value, axis: int | None) -> tuple[Value, Value, Value]:
    """The first of each run of equal elements, or slices; which run each belongs to; how long each is.

    All three are there whether they are asked for or not: what nobody reads is no part of a graph.
    """
    if axis is None:
        found, inverse, counts = _runs(call, reshape(x, shape=(x.tensor.elements,)), 0)
        return found, call.flat_to(inverse, x.shape), counts
    return _runs(call, x, call.axis(axis, x.rank))


@operators.op(
    "unique_dim_consecutive(Tensor self, int dim, bool return_inverse=False, bool return_counts=False) -> "
    "(Tensor, Tensor, Tensor)",
    unused=("return_inverse", "return_counts"),
)
def unique_slices(call: Call, x: Value, axis: int) -> tuple[Value, Value, Value]:
    """The same of slices along an axis."""
    return _runs(call, x, call.axis(axis, x.rank))


def _runs(call: Call, x: Value, axis: int) -> tuple[Value, Value, Value]:
    """The first of each run of equal slices, which run each belongs to, how long each is."""
    size = x.shape[axis]
    if size == 0:
        return x, call.filled(0, DType.INT64, (0,)), call.filled(0, DType.INT64, (0,))
    differs = compare.not_equal(cut(x, axis, 1, size), cut(x, axis, 0, size - 1))
    others = tuple(each for each in range(x.rank) if each != axis)
    if others:
        differs = call.cast(reduce_max(call.cast(differs, DType.UINT8), axes=others, keep_dims=False), DType.BOOL)
    starts = concat(call.filled(True, DType.BOOL, (1,)), differs, axis=0)
    (places,) = places_of(call, starts)
    count: Dim = places.shape[0]
    inverse = elementwise.sub(cumsum(call.cast(starts, DType.INT64), axis=0), call.filled(1, DType.INT64, (size,)))
    whole = slice_(shape_of(x), axes=(0,), starts=(axis,), stops=(axis + 1,), steps=(1,))
    ends = concat(cut(places, 0, 1, count), whole, axis=0)
    return gather(x, places, axis=axis), inverse, elementwise.sub(ends, places)


@operators.op(
    "bincount(Tensor self, Tensor? weights=None, SymInt minlength=0) -> Tensor",
)
def bincount(call: Call, x: Value, weights: Value | None, least: Number) -> Value:
    """How often each number from 0 on comes, or the sum of the weights of its places."""
    places = call.cast(x, DType.INT64)
    dtype = DType.INT64 if weights is None else weights.dtype if weights.dtype.is_floating else DType.FLOAT64
    shares = call.filled(1, dtype, x.shape) if weights is None else call.cast(weights, dtype)
    first = call.filled(-1, DType.INT64, (1,))
    most = reduce_max(concat(first, places, axis=0), axes=(0,), keep_dims=False)
    needed = elementwise.maximum(elementwise.add(most, call.scalar(1, DType.INT64)), call.scalar(least, DType.INT64))
    shape, target = call.shape((Computed(needed),))
    zeros = broadcast(call.scalar(0, dtype), target, shape=shape)
    return scatter_elements(zeros, places, shares, axis=0, reduction="add")


@operators.op(
    "histc(Tensor self, int bins=100, Scalar min=0, Scalar max=0) -> Tensor",
)
def histc(call: Call, x: Value, bins: int, low: Number, high: Number) -> Value:
    """How many elements lie in each of the equal parts of [low, high]; of the elements' own range where both are 0."""
    if not (isinstance(low, int | float) and isinstance(high, int | float)) or low >= high:
        call.refuse("a histogram over the range of the elements", "give min and max")
    flat = reshape(x, shape=(x.tensor.elements,))
    inside = compare.logical_and(
        compare.greater_equal(flat, scalar_like(flat, low)), compare.less_equal(flat, scalar_like(flat, high))
    )
    part = elementwise.mul(elementwise.sub(flat, scalar_like(flat, low)), scalar_like(flat, bins / (high - low)))
    part = elementwise.clip(elementwise.floor(part), minimum=0, maximum=bins - 1)
    places = call.cast(elementwise.select(inside, part, scalar_like(part, 0)), DType.INT64)
    zeros = call.filled(0, x.dtype, (call.bounded(bins),))
    return scatter_elements(zeros, places, call.cast(inside, x.dtype), axis=0, reduction="add")


@operators.op(
    "isreal(Tensor self) -> Tensor",
)
def isreal(call: Call, x: Value) -> Value:
    """Whether each number has no imaginary part."""
    if x.dtype in (DType.COMPLEX64, DType.COMPLEX128):
        call.refuse("complex numbers")
    return call.filled(True, DType.BOOL, x.shape)


@operators.op(
    "renorm(Tensor self, Scalar p, int dim, Scalar maxnorm) -> Tensor",
)
def renorm(call: Call, x: Value, order: Number, axis: int, most: Number) -> Value:
    """Each slice of an axis scaled down to a norm of `most` (aten/src/ATen/native/Normalization.cpp, `renorm`)."""
    at = call.axis(axis, x.rank)
    length = norm_of(call, x, order, tuple(each for each in range(x.rank) if each != at), True)
    bound = call.filled(most, x.dtype, length.shape)
    factor = elementwise.div(bound, elementwise.add(length, scalar_like(length, 1e-7)))
    factor = elementwise.select(compare.greater(length, bound), factor, scalar_like(length, 1))
    return elementwise.mul(x, call.repeated(factor, x.shape))
