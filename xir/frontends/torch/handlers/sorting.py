"""What orders elements: sorting, the largest ones, medians, running extremes; and softmax and running sums."""

from __future__ import annotations

import math
from collections.abc import Callable

from xir.frontends.torch.call import Call
from xir.frontends.torch.handlers._numbers import compared
from xir.frontends.torch.handlers.reduce import summed_type
from xir.frontends.torch.handlers.views import permuted, with_axis
from xir.frontends.torch.operators import Operators
from xir.frontends.torch.tensor import Number
from xir.ir.dims import Dim
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops import compare, elementwise, norm, running
from xir.ops._build import scalar_like
from xir.ops.bitwise import bitwise_not
from xir.ops.control import loop
from xir.ops.index import gather, gather_elements
from xir.ops.reduce import arg_max, reduce_max, reduce_sum, top_k
from xir.ops.shape import broadcast, iota, pad, reshape, slice_

operators = Operators("aten")
Pair = tuple[Value, Value]


def lined(call: Call, x: Value, axis: int, work: Callable[[Value, int], Value]) -> Value:
    """What `work` makes of `x` along an axis; a tensor without axes gets one for it."""
    at = call.axis(axis, x.rank)
    return work(x, at) if x.rank else reshape(work(reshape(x, shape=(1,)), 0), shape=())


def _softmax(call: Call, x: Value, axis: int, dtype: DType | None, function: Callable[..., Value]) -> Value:
    x = call.cast(x, dtype or x.dtype)
    return lined(call, x, axis, lambda line, at: function(line, axis=at))


@operators.op(
    "softmax.int(Tensor self, int dim, ScalarType? dtype=None) -> Tensor",
    "special_softmax(Tensor self, int dim, ScalarType? dtype=None) -> Tensor",
)
def softmax(call: Call, x: Value, axis: int, dtype: DType | None) -> Value:
    """`exp(x) / sum(exp(x))` along an axis."""
    return _softmax(call, x, axis, dtype, norm.softmax)


@operators.op(
    "log_softmax.int(Tensor self, int dim, ScalarType? dtype=None) -> Tensor",
    "special_log_softmax(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor",
)
def log_softmax(call: Call, x: Value, axis: int, dtype: DType | None) -> Value:
    """`x - log(sum(exp(x)))` along an axis."""
    return _softmax(call, x, axis, dtype, norm.log_softmax)


@operators.op(
    "_softmax(Tensor self, int dim, bool half_to_float) -> Tensor",
    "_log_softmax(Tensor self, int dim, bool half_to_float) -> Tensor",
)
def softmax_core(call: Call, x: Value, axis: int, half_to_float: bool) -> Value:
    """The same; half precision becomes single where it says so."""
    function = norm.softmax if call.kind.startswith("aten._softmax") else norm.log_softmax
    return _softmax(call, x, axis, DType.FLOAT32 if half_to_float else None, function)


@operators.op(
    "_safe_softmax(Tensor self, int dim, ScalarType? dtype=None) -> Tensor",
)
def safe_softmax(call: Call, x: Value, axis: int, dtype: DType | None) -> Value:
    """The softmax; 0 along a line that is -inf all along (aten/src/ATen/native/SoftMax.cpp, `_safe_softmax`)."""
    made = softmax(call, x, axis, dtype)
    line = (call.axis(axis, x.rank),) if x.rank else ()
    empty = compare.equal(reduce_max(x, axes=line, keep_dims=True), call.filled(-math.inf, x.dtype, _one(x, line)))
    return elementwise.select(call.repeated(empty, made.shape), scalar_like(made, 0), made)


def _one(x: Value, axes: tuple[int, ...]) -> tuple[Dim, ...]:
    return tuple(1 if axis in axes else size for axis, size in enumerate(x.shape))


@operators.op(
    "cumsum(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor",
    "cumprod(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor",
)
def running_total(call: Call, x: Value, axis: int, dtype: DType | None) -> Value:
    """Running sums or products along an axis."""
    function = running.cumsum if call.kind.startswith("aten.cumsum") else running.cumprod
    return lined(call, call.cast(x, summed_type(x, dtype)), axis, lambda line, at: function(line, axis=at))


def back(x: Value, axis: int, step: int, fill: float) -> Value:
    """`x` moved back along an axis, `fill` in front."""
    size = x.shape[axis]
    kept = slice_(x, axes=(axis,), starts=(0,), stops=(size - step,), steps=(1,))
    return pad(kept, padding=tuple((step if each == axis else 0, 0) for each in range(x.rank)), value=fill)


def running_most(call: Call, x: Value, axis: int) -> Value:
    """Running maxima by shifted copies (Hillis and Steele 1986, 'Data Parallel Algorithms')."""
    size = x.shape[axis]
    if not isinstance(size, int):
        return _running_most_of_any(call, x, axis)
    least = -math.inf if x.dtype.is_floating else float(-(1 << (x.dtype.bits - 1)) if x.dtype.is_signed else 0)
    step = 1
    while step < size:
        x = elementwise.maximum(x, back(x, axis, step, least))
        step *= 2
    return x


def _running_most_of_any(call: Call, x: Value, axis: int) -> Value:
    """The same for a size that is not known: in a loop that doubles the step."""
    step, going, held = Value(TensorType(DType.INT64, ())), Value(TensorType(DType.BOOL, ())), Value(x.type)
    one, size = call.literal(1, DType.INT64), call.scalar(x.shape[axis], DType.INT64)
    apart, whole = Value(one.type), Value(size.type)
    places = iota(shape=(x.shape[axis],), axis=0, dtype=DType.INT64)
    before = elementwise.maximum(elementwise.sub(places, broadcast(apart, shape=places.shape)), scalar_like(places, 0))
    wider = elementwise.add(apart, apart)
    made = elementwise.maximum(held, gather(held, before, axis=axis))
    body = Graph("running", (step, going, held, apart, whole), (compare.less(wider, whole), made, wider))
    return loop(None, compare.less(one, size), x, one, size, body=body, carried=2)[0]


@operators.op(
    "cummax(Tensor self, int dim) -> (Tensor values, Tensor indices)",
    "cummin(Tensor self, int dim) -> (Tensor values, Tensor indices)",
)
def running_extreme(call: Call, x: Value, axis: int) -> Pair:
    """Running extremes along an axis and their places: the last of equal ones, and of NaN."""
    at = call.axis(axis, x.rank)
    line = compared(x if x.rank else reshape(x, shape=(1,)))
    turned = call.kind.startswith("aten.cummin")
    line = _opposite(line) if turned else line
    most = running_most(call, line, at)
    held = compare.equal(line, most)
    if x.dtype.is_floating:
        held = compare.logical_or(held, elementwise.is_nan(line))
    places = iota(shape=line.shape, axis=at, dtype=DType.INT64)
    last = running_most(call, elementwise.select(held, places, scalar_like(places, 0)), at)
    values = call.cast(_opposite(most) if turned else most, x.dtype)
    return call.flat_to(values, x.shape), call.flat_to(last, x.shape)


def _opposite(x: Value) -> Value:
    """Numbers in the opposite order: the negation of reals, every bit turned over of integers."""
    return elementwise.neg(x) if x.dtype.is_floating else bitwise_not(x)


def ordered(call: Call, x: Value, axis: int, largest: bool, count: Dim | None = None) -> Pair:
    """The first elements of an axis in order, with their places; equal ones in their order, NaN above all numbers."""
    at = call.axis(axis, x.rank)
    line = compared(x if x.rank else reshape(x, shape=(1,)))
    size = line.shape[at] if count is None else count
    values, places = top_k(line, k=size, axis=at, largest=largest)
    values = call.cast(values, x.dtype)
    if x.rank:
        return values, places
    return call.flat_to(values, ()), call.flat_to(places, ())


@operators.op(
    "sort(Tensor self, int dim=-1, bool descending=False) -> (Tensor values, Tensor indices)",
    "sort.stable(Tensor self, *, bool? stable, int dim=-1, bool descending=False) -> (Tensor values, Tensor indices)",
    unused=("stable",),
)
def sort(call: Call, x: Value, axis: int, descending: bool) -> Pair:
    """The elements in order along an axis, and their places; always stable."""
    return ordered(call, x, axis, descending)


@operators.op(
    "argsort(Tensor self, int dim=-1, bool descending=False) -> Tensor",
    "argsort.stable(Tensor self, *, bool stable, int dim=-1, bool descending=False) -> Tensor",
    unused=("stable",),
)
def argsort(call: Call, x: Value, axis: int, descending: bool) -> Value:
    """The places of the elements in order along an axis; always stable."""
    return sort(call, x, axis, descending)[1]


@operators.op(
    "msort(Tensor self) -> Tensor",
)
def msort(call: Call, x: Value) -> Value:
    """The elements in order along the first axis."""
    return ordered(call, x, 0, False)[0]


@operators.op(
    "topk(Tensor self, SymInt k, int dim=-1, bool largest=True, bool sorted=True) -> (Tensor values, Tensor indices)",
    unused=("sorted",),
)
def topk(call: Call, x: Value, count: Number, axis: int, largest: bool) -> Pair:
    """The largest or smallest elements of an axis and their places, always in order."""
    (size,) = call.known_shape((count,))
    return ordered(call, x, axis, largest, size)


def _at(call: Call, pair: Pair, axis: int, place: Dim, keep: bool) -> Pair:
    """What stands at one place of an axis, of values and places."""

    def cut(x: Value) -> Value:
        if not x.rank:
            return x
        one = slice_(x, axes=(axis,), starts=(place,), stops=(place + 1,), steps=(1,))
        return one if keep else reshape(one, shape=(*x.shape[:axis], *x.shape[axis + 1 :]))

    return cut(pair[0]), cut(pair[1])


@operators.op(
    "kthvalue(Tensor self, SymInt k, int dim=-1, bool keepdim=False) -> (Tensor values, Tensor indices)",
)
def kthvalue(call: Call, x: Value, count: Number, axis: int, keep: bool) -> Pair:
    """The element that has count - 1 smaller ones before it along an axis, and its place."""
    (size,) = call.known_shape((count,))
    at = call.axis(axis, x.rank)
    return _at(call, ordered(call, x, axis, False, size), at, size - 1, keep)


def _nan_first(call: Call, x: Value, axis: int, pair: Pair, keep: bool) -> Pair:
    """NaN and its first place where there is one along the axis."""
    if not x.dtype.is_floating or not x.rank:
        return pair
    unknown = call.cast(elementwise.is_nan(x), DType.UINT8)
    has = call.cast(reduce_max(unknown, axes=(axis,), keep_dims=keep), DType.BOOL)
    first = arg_max(unknown, axis=axis, keep_dims=keep)
    return elementwise.select(has, scalar_like(pair[0], math.nan), pair[0]), elementwise.select(has, first, pair[1])


@operators.op(
    "median.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)",
)
def median_along(call: Call, x: Value, axis: int, keep: bool) -> Pair:
    """The lower median along an axis and its place; NaN where there is one."""
    at = call.axis(axis, x.rank)
    size = x.shape[at] if x.rank else 1
    middle = _at(call, ordered(call, x, axis, False), at, (size - 1) // 2, keep)
    return _nan_first(call, x, at, middle, keep)


@operators.op(
    "median(Tensor self) -> Tensor",
)
def median(call: Call, x: Value) -> Value:
    """The lower median of all elements; NaN where there is one."""
    return median_along(call, reshape(x, shape=(x.tensor.elements,)), 0, False)[0]


@operators.op(
    "quantile.scalar(Tensor self, float q, int? dim=None, bool keepdim=False, *, str interpolation='linear') -> Tensor",
    "quantile(Tensor self, Tensor q, int? dim=None, bool keepdim=False, *, str interpolation='linear') -> Tensor",
    "nanquantile.scalar(Tensor self, float q, int? dim=None, bool keepdim=False, *, str interpolation='linear')"
    " -> Tensor",
    "nanquantile(Tensor self, Tensor q, int? dim=None, bool keepdim=False, *, str interpolation='linear') -> Tensor",
)
def quantile(call: Call, x: Value, q: Value | float, axis: int | None, keep: bool, interpolation: str) -> Value:
    """Quantiles along an axis, in front for several of them (aten/src/ATen/native/Sorting.cpp, `quantile_impl`)."""
    shape = tuple(1 for _ in x.shape) if axis is None else None
    line = reshape(x, shape=(x.tensor.elements,)) if axis is None or not x.rank else x
    at = 0 if axis is None else call.axis(axis, x.rank)
    odds = call.tensor(q, x.dtype)
    several = odds.rank == 1
    rows = _quantiles(call, line, at, reshape(odds, shape=(odds.tensor.elements,)), interpolation)
    # rows: the axis of the quantiles last, and the axis itself gone.
    kept = (*line.shape[:at], 1, *line.shape[at + 1 :]) if shape is None else shape
    if not x.rank:
        kept = ()
    tail = kept if keep else (*line.shape[:at], *line.shape[at + 1 :])
    front = (odds.tensor.elements, *tail) if several else tail
    rows = permuted(rows, [rows.rank - 1, *range(rows.rank - 1)])
    return call.flat_to(rows, front)


def _quantiles(call: Call, x: Value, axis: int, odds: Value, interpolation: str) -> Value:
    """[..., number of quantiles] of `x` along an axis, which is gone."""
    ordered_values, _ = ordered(call, x, axis, False)
    moved = permuted(ordered_values, [*(each for each in range(x.rank) if each != axis), axis])
    if call.kind.startswith("aten.nanquantile"):
        return _known_quantiles(call, moved, odds, interpolation)
    ranks = elementwise.mul(odds, call.filled(x.shape[axis] - 1, odds.dtype, odds.shape))
    last = moved.rank - 1
    low = _between(call, ranks, interpolation, lambda places: gather(moved, places, axis=last))
    unknown = call.cast(
        reduce_max(call.cast(elementwise.is_nan(x), DType.UINT8), axes=(axis,), keep_dims=False), DType.BOOL
    )
    wide = broadcast(with_axis(unknown, unknown.rank), shape=low.shape)
    return elementwise.select(wide, scalar_like(low, math.nan), low)


def _known_quantiles(call: Call, moved: Value, odds: Value, interpolation: str) -> Value:
    """The same of what is a number: each line `[..., size]`, with NaN at its end, has ranks of its own."""
    last = moved.rank - 1
    count = reduce_sum(call.cast(compare.equal(moved, moved), odds.dtype), axes=(last,), keep_dims=True)
    shape = (*moved.shape[:-1], odds.shape[0])
    highest = broadcast(
        elementwise.maximum(elementwise.sub(count, scalar_like(count, 1)), scalar_like(count, 0)), shape=shape
    )
    ranks = elementwise.mul(broadcast(odds, shape=shape), highest)
    return _between(call, ranks, interpolation, lambda places: gather_elements(moved, places, axis=last))


def _between(call: Call, ranks: Value, interpolation: str, pick: Callable[[Value], Value]) -> Value:
    """What stands at ranks between two places."""
    below = elementwise.floor(ranks)
    places = {
        "lower": below,
        "higher": elementwise.ceil(ranks),
        "nearest": elementwise.round_(ranks),
    }.get(interpolation, below)
    low = pick(call.cast(places, DType.INT64))
    if interpolation in ("linear", "midpoint"):
        high = pick(call.cast(elementwise.ceil(ranks), DType.INT64))
        weight = elementwise.sub(ranks, below) if interpolation == "linear" else scalar_like(ranks, 0.5)
        step = elementwise.mul(elementwise.sub(high, low), call.repeated(weight, low.shape))
        low = elementwise.add(low, step)
    elif interpolation not in ("lower", "higher", "nearest"):
        call.invalid(f"interpolation={interpolation!r}")
    return low
