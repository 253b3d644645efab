"""Reductions over axes, and the places of the largest elements; running sums are reached from here."""

from __future__ import annotations

import math
import typing

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.dims import Dim, Shape, bounds, product
from xir.ir.node import Node, Value
from xir.ir.types import DType, TensorType
from xir.kernel import build
from xir.kernel.grammar import Const, Kernel
from xir.ops._build import scalar_like
from xir.ops._carried import extreme_place, top_k_nest
from xir.ops._checks import only_element, require_axes, require_axis, require_dtype, require_floating
from xir.ops._define import op
from xir.ops._numeric import Numbers, integer_range, require_number
from xir.ops._wide import narrow, wide
from xir.ops._windows import widened
from xir.ops.compare import equal
from xir.ops.elementwise import abs_, add, cast, div, exp, is_inf, log, mul, select, sqrt, sub
from xir.ops.running import cumsum as cumsum
from xir.ops.shape import broadcast, reshape

Axes = tuple[int, ...]


def _reduced(x: Value, axes: Axes, keep_dims: bool) -> TensorType:
    require_axes(x, axes)
    return x.tensor.with_shape(_reduced_shape(x.shape, axes, keep_dims))


def _reduced_shape(shape: Shape, axes: Axes, keep_dims: bool) -> Shape:
    if keep_dims:
        return tuple(1 if axis in axes else dim for axis, dim in enumerate(shape))
    return tuple(dim for axis, dim in enumerate(shape) if axis not in axes)


def spread(y: Value, x: Value, axes: Axes) -> Value:
    """The result of a reduction of `x` repeated along the axes that it lost."""
    kept = reshape(y, shape=_reduced_shape(x.shape, axes, True))
    return broadcast(kept, shape=x.shape)


@op
def reduce_sum(x: Value, *, axes: tuple[int, ...], keep_dims: bool) -> TensorType:
    """The sum (ONNX ReduceSum).

    x: numbers; result: the same element type, `axes` of size 1 or, without `keep_dims`, gone.
    """
    require_number(x)
    return _reduced(x, axes, keep_dims)


@reduce_sum.reference
def _reduce_sum_reference(x: Numbers, *, axes: Axes, keep_dims: bool) -> Array:
    wide = widened(x)
    return np.asarray(np.sum(wide, axis=axes, keepdims=keep_dims)).astype(x.dtype)


@reduce_sum.gradient
def _reduce_sum_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    x, axes = _reduction(node)
    return (spread(dy, x, axes),)


@reduce_sum.lower
def _reduce_sum_lower(node: Node) -> Kernel:
    x, axes = _reduction(node)
    kept = build.sum_type(x.dtype)
    return build.reduce(
        node,
        axes,
        start=build.number(0, kept),
        step=lambda total, element: build.apply("add", total, build.cast(element, kept)),
    )


@op
def reduce_mean(x: Value, *, axes: tuple[int, ...], keep_dims: bool) -> TensorType:
    """The mean; integers round toward zero (ONNX ReduceMean).

    x: numbers; result: the same element type, `axes` of size 1 or, without `keep_dims`, gone.
    """
    require_number(x)
    return _reduced(x, axes, keep_dims)


@reduce_mean.reference
def _reduce_mean_reference(x: Numbers, *, axes: Axes, keep_dims: bool) -> Array:
    wide = widened(x)
    return np.asarray(_mean(wide, axes, keep_dims)).astype(x.dtype)


@reduce_mean.gradient
def _reduce_mean_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    x, axes = _reduction(node)
    total = reduce_sum(scalar_like(x, 1.0), axes=axes, keep_dims=True)
    return (div(spread(dy, x, axes), broadcast(total, shape=x.shape)),)


@reduce_mean.lower
def _reduce_mean_lower(node: Node) -> Kernel:
    """The sum, kept as wide as the reference keeps it, over the count; of no integers 0, as `div` by 0 is."""
    x, axes = _reduction(node)
    kept = build.sum_type(x.dtype)
    if x.dtype.is_integer:
        kept = DType.INT64 if x.dtype.is_signed else DType.UINT64
    count = Const(product(tuple(x.shape[axis] for axis in axes)), kept)
    return build.reduce(
        node,
        axes,
        start=build.number(0, kept),
        step=lambda total, element: build.apply("add", total, build.cast(element, kept)),
        finish=lambda total: build.apply("div", total, count),
    )


@op
def reduce_max(x: Value, *, axes: tuple[int, ...], keep_dims: bool) -> TensorType:
    """The largest element; -inf (or the lowest integer) where there is none (ONNX ReduceMax).

    x: numbers; result: the same element type, `axes` of size 1 or, without `keep_dims`, gone.
    """
    require_number(x)
    return _reduced(x, axes, keep_dims)


@reduce_max.reference
def _reduce_max_reference(x: Numbers, *, axes: Axes, keep_dims: bool) -> Array:
    wide = widened(x)
    return np.asarray(np.max(wide, axis=axes, keepdims=keep_dims, initial=_lowest(wide))).astype(x.dtype)


@reduce_max.gradient
def _reduce_max_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    x, axes = _reduction(node)
    y = spread(node.outputs[0], x, axes)
    chosen = cast(equal(x, y), dtype=x.dtype)
    ties = reduce_sum(chosen, axes=axes, keep_dims=True)
    return (mul(spread(dy, x, axes), div(chosen, broadcast(ties, shape=x.shape))),)


@reduce_max.lower
def _reduce_max_lower(node: Node) -> Kernel:
    x, axes = _reduction(node)
    least = build.extreme(x.dtype, highest=False)
    return build.reduce(node, axes, start=least, step=lambda top, element: build.apply("max", top, element))


@op
def reduce_min(x: Value, *, axes: tuple[int, ...], keep_dims: bool) -> TensorType:
    """The smallest element; inf (or the highest integer) where there is none (ONNX ReduceMin).

    x: numbers; result: the same element type, `axes` of size 1 or, without `keep_dims`, gone.
    """
    require_number(x)
    return _reduced(x, axes, keep_dims)


@reduce_min.reference
def _reduce_min_reference(x: Numbers, *, axes: Axes, keep_dims: bool) -> Array:
    wide = widened(x)
    return np.asarray(np.min(wide, axis=axes, keepdims=keep_dims, initial=_highest(wide))).astype(x.dtype)


@reduce_min.gradient
def _reduce_min_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    x, axes = _reduction(node)
    y = spread(node.outputs[0], x, axes)
    chosen = cast(equal(x, y), dtype=x.dtype)
    ties = reduce_sum(chosen, axes=axes, keep_dims=True)
    return (mul(spread(dy, x, axes), div(chosen, broadcast(ties, shape=x.shape))),)


@reduce_min.lower
def _reduce_min_lower(node: Node) -> Kernel:
    x, axes = _reduction(node)
    most = build.extreme(x.dtype, highest=True)
    return build.reduce(node, axes, start=most, step=lambda least, element: build.apply("min", least, element))


@op
def reduce_prod(x: Value, *, axes: tuple[int, ...], keep_dims: bool) -> TensorType:
    """The product (ONNX ReduceProd).

    x: numbers; result: the same element type, `axes` of size 1 or, without `keep_dims`, gone.
    """
    require_number(x)
    return _reduced(x, axes, keep_dims)


@reduce_prod.reference
def _reduce_prod_reference(x: Numbers, *, axes: Axes, keep_dims: bool) -> Array:
    wide = widened(x)
    return np.asarray(np.prod(wide, axis=axes, keepdims=keep_dims)).astype(x.dtype)


@reduce_prod.gradient
def _reduce_prod_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    """The product of the other elements: the whole over x; where x is the only 0, the product of the rest."""
    x, axes = _reduction(node)
    zero, one = scalar_like(x, 0.0), scalar_like(x, 1.0)
    is_zero = equal(x, zero)
    others = select(is_zero, one, x)
    product = broadcast(reduce_prod(others, axes=axes, keep_dims=True), shape=x.shape)
    zeros = broadcast(reduce_sum(cast(is_zero, dtype=x.dtype), axes=axes, keep_dims=True), shape=x.shape)
    at_zero = select(equal(zeros, one), product, zero)
    elsewhere = select(equal(zeros, zero), div(product, others), zero)
    return (mul(spread(dy, x, axes), select(is_zero, at_zero, elsewhere)),)


@reduce_prod.lower
def _reduce_prod_lower(node: Node) -> Kernel:
    x, axes = _reduction(node)
    kept = build.sum_type(x.dtype)
    return build.reduce(
        node,
        axes,
        start=build.number(1, kept),
        step=lambda whole, element: build.apply("mul", whole, build.cast(element, kept)),
    )


@op
def reduce_l1(x: Value, *, axes: tuple[int, ...], keep_dims: bool) -> TensorType:
    """The sum of absolute values (ONNX ReduceL1).

    x: numbers; result: the same element type, `axes` of size 1 or, without `keep_dims`, gone.
    """
    require_number(x)
    return _reduced(x, axes, keep_dims)


@reduce_l1.reference
def _reduce_l1_reference(x: Numbers, *, axes: Axes, keep_dims: bool) -> Array:
    wide = widened(x)
    return np.asarray(np.sum(np.abs(wide), axis=axes, keepdims=keep_dims)).astype(x.dtype)


@reduce_l1.decompose
def _reduce_l1_decompose(x: Value, *, axes: Axes, keep_dims: bool) -> Value:
    return narrow(reduce_sum(abs_(wide(x)), axes=axes, keep_dims=keep_dims), x.dtype)


@op
def reduce_sum_square(x: Value, *, axes: tuple[int, ...], keep_dims: bool) -> TensorType:
    """The sum of squares (ONNX ReduceSumSquare).

    x: numbers; result: the same element type, `axes` of size 1 or, without `keep_dims`, gone.
    """
    require_number(x)
    return _reduced(x, axes, keep_dims)


@reduce_sum_square.reference
def _reduce_sum_square_reference(x: Numbers, *, axes: Axes, keep_dims: bool) -> Array:
    wide = widened(x)
    return np.asarray(np.sum(wide * wide, axis=axes, keepdims=keep_dims)).astype(x.dtype)


@reduce_sum_square.decompose
def _reduce_sum_square_decompose(x: Value, *, axes: Axes, keep_dims: bool) -> Value:
    return narrow(reduce_sum(mul(wide(x), wide(x)), axes=axes, keep_dims=keep_dims), x.dtype)


@op
def reduce_l2(x: Value, *, axes: tuple[int, ...], keep_dims: bool) -> TensorType:
    """The square root of the sum of squares (ONNX ReduceL2).

    x: floating-point numbers; result: the same element type, `axes` of size 1 or, without `keep_dims`, gone.
    """
    require_floating(x)
    return _reduced(x, axes, keep_dims)


@reduce_l2.reference
def _reduce_l2_reference(x: Numbers, *, axes: Axes, keep_dims: bool) -> Array:
    wide = widened(x)
    return np.asarray(np.sqrt(np.sum(wide * wide, axis=axes, keepdims=keep_dims))).astype(x.dtype)


@reduce_l2.decompose
def _reduce_l2_decompose(x: Value, *, axes: Axes, keep_dims: bool) -> Value:
    return narrow(sqrt(reduce_sum_square(wide(x), axes=axes, keep_dims=keep_dims)), x.dtype)


@reduce_l2.gradient
def _reduce_l2_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    """The element over the norm; 0 where the norm is, and has no derivative."""
    x, axes = _reduction(node)
    norm = spread(node.outputs[0], x, axes)
    zero = scalar_like(x, 0.0)
    return (mul(spread(dy, x, axes), select(equal(norm, zero), zero, div(x, norm))),)


@op
def reduce_log_sum_exp(x: Value, *, axes: tuple[int, ...], keep_dims: bool) -> TensorType:
    """log(sum(exp(x))), without overflow (ONNX ReduceLogSumExp).

    x: floating-point numbers; result: the same element type, `axes` of size 1 or, without `keep_dims`, gone.
    """
    require_floating(x)
    return _reduced(x, axes, keep_dims)


@reduce_log_sum_exp.reference
def _reduce_log_sum_exp_reference(x: Numbers, *, axes: Axes, keep_dims: bool) -> Array:
    wide = widened(x)
    return np.asarray(_log_sum_exp(wide, axes, keep_dims)).astype(x.dtype)


@reduce_log_sum_exp.decompose
def _reduce_log_sum_exp_decompose(x: Value, *, axes: Axes, keep_dims: bool) -> Value:
    data = wide(x)
    most = reduce_max(data, axes=axes, keep_dims=True)
    # An infinity minus itself is no number: with one among the elements, the plain formula is right.
    top = select(is_inf(most), scalar_like(most, 0.0), most)
    total = reduce_sum(exp(sub(data, broadcast(top, shape=x.shape))), axes=axes, keep_dims=True)
    y = narrow(add(log(total), top), x.dtype)
    return y if keep_dims else reshape(y, shape=_reduced_shape(x.shape, axes, False))


@reduce_log_sum_exp.gradient
def _reduce_log_sum_exp_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    """The softmax."""
    x, axes = _reduction(node)
    return (mul(spread(dy, x, axes), exp(sub(x, spread(node.outputs[0], x, axes)))),)


@op
def reduce_log_sum(x: Value, *, axes: tuple[int, ...], keep_dims: bool) -> TensorType:
    """The logarithm of the sum (ONNX ReduceLogSum).

    x: floating-point numbers; result: the same element type, `axes` of size 1 or, without `keep_dims`, gone.
    """
    require_floating(x)
    return _reduced(x, axes, keep_dims)


@reduce_log_sum.reference
def _reduce_log_sum_reference(x: Numbers, *, axes: Axes, keep_dims: bool) -> Array:
    return np.asarray(np.log(np.sum(widened(x), axis=axes, keepdims=keep_dims))).astype(x.dtype)


@reduce_log_sum.decompose
def _reduce_log_sum_decompose(x: Value, *, axes: Axes, keep_dims: bool) -> Value:
    return narrow(log(reduce_sum(wide(x), axes=axes, keep_dims=keep_dims)), x.dtype)


def _reduction(node: Node) -> tuple[Value, Axes]:
    """The operand and the axes of a reduction node."""
    return typing.cast("Value", node.inputs[0]), typing.cast("Axes", node.attributes["axes"])


def _mean(x: Numbers, axes: Axes, keep_dims: bool) -> Array:
    """The mean; of nothing 0 / 0, or 0 for integers."""
    count = math.prod(x.shape[axis] for axis in axes)
    if x.dtype.kind not in "iu":
        return np.asarray(np.sum(x, axis=axes, keepdims=keep_dims) / np.asarray(count, x.dtype))
    widest = np.int64 if x.dtype.kind == "i" else np.uint64
    total = typing.cast("Numbers", np.sum(x, axis=axes, keepdims=keep_dims, dtype=widest))
    floor = total // max(count, 1)
    return np.asarray(floor + ((floor < 0) & (floor * count != total)))


def _log_sum_exp(x: Numbers, axes: Axes, keep_dims: bool) -> Array:
    top = np.max(x, axis=axes, keepdims=True, initial=-np.inf)
    safe = np.where(np.isfinite(top), top, 0).astype(x.dtype)
    total = np.log(np.sum(np.exp(x - safe), axis=axes, keepdims=True)) + safe
    return np.asarray(total if keep_dims else np.squeeze(total, axis=axes))


def _lowest(x: Array) -> float | int:
    return integer_range(x)[0] if x.dtype.kind in "iu" else -np.inf


def _highest(x: Array) -> float | int:
    return integer_range(x)[1] if x.dtype.kind in "iu" else np.inf


@op
def arg_max(x: Value, *, axis: int, keep_dims: bool, last: bool = False) -> TensorType:
    """The place of the largest element along an axis; of equal ones the first, or the last (ONNX ArgMax).

    x: numbers, at least one along the axis; result: i64, the axis of size 1 or gone.
    """
    require_number(x)
    require_axis(x, axis)
    return _reduced(x, (axis,), keep_dims).with_dtype(DType.INT64)


@arg_max.reference
def _arg_max_reference(x: Numbers, *, axis: int, keep_dims: bool, last: bool) -> Array:
    if not last:
        return np.asarray(np.argmax(x, axis=axis, keepdims=keep_dims)).astype(np.int64)
    place = x.shape[axis] - 1 - np.argmax(np.flip(x, axis), axis=axis, keepdims=keep_dims)
    return np.asarray(place).astype(np.int64)


arg_max.no_gradient("the result is a place, not a number")
arg_max.lower(lambda node: extreme_place(node, largest=True))


@op
def arg_min(x: Value, *, axis: int, keep_dims: bool, last: bool = False) -> TensorType:
    """The place of the smallest element along an axis; of equal ones the first, or the last (ONNX ArgMin).

    x: numbers, at least one along the axis; result: i64, the axis of size 1 or gone.
    """
    require_number(x)
    require_axis(x, axis)
    return _reduced(x, (axis,), keep_dims).with_dtype(DType.INT64)


@arg_min.reference
def _arg_min_reference(x: Numbers, *, axis: int, keep_dims: bool, last: bool) -> Array:
    if not last:
        return np.asarray(np.argmin(x, axis=axis, keepdims=keep_dims)).astype(np.int64)
    place = x.shape[axis] - 1 - np.argmin(np.flip(x, axis), axis=axis, keepdims=keep_dims)
    return np.asarray(place).astype(np.int64)


arg_min.no_gradient("the result is a place, not a number")
arg_min.lower(lambda node: extreme_place(node, largest=False))


@op
def top_k(
    x: Value, count: Value | None = None, *, k: Dim, axis: int, largest: bool = True, sorted: bool = True
) -> tuple[TensorType, ...]:
    """The k largest (or smallest) elements along an axis and their places; equal ones in their order (ONNX TopK).

    x: numbers; results: the elements and, as i64, their places, the axis of size k. `count`: i64[1] gives k at run
    time. They are always in order, which `sorted=False` allows too.
    """
    require_number(x)
    require_axis(x, axis)
    if count is not None:
        require_dtype(count, DType.INT64)
    low, _ = bounds(x.shape[axis] - k)
    size = x.shape[axis]
    if isinstance(k, int) and isinstance(size, int) and (k < 0 or (low is not None and low < 0)):
        raise InvalidModelError(f"k = {k!r} elements cannot be taken from {x.shape[axis]!r}")
    type = x.tensor.with_shape((*x.shape[:axis], k, *x.shape[axis + 1 :]))
    return type, type.with_dtype(DType.INT64)


@top_k.reference
def _top_k_reference(
    x: Numbers, count: Numbers | None, *, k: int, axis: int, largest: bool, sorted: bool
) -> tuple[Array, ...]:
    size = k if count is None else int(only_element(count))
    if not 0 <= size <= x.shape[axis]:
        raise InvalidModelError(f"k = {size} elements cannot be taken from {x.shape[axis]}")
    if largest:
        flipped = np.argsort(np.flip(x, axis), axis=axis, kind="stable")
        order = np.flip(x.shape[axis] - 1 - flipped, axis)
    else:
        order = np.argsort(x, axis=axis, kind="stable")
    places = np.take(order, np.arange(size), axis=axis)
    return np.take_along_axis(x, places, axis), places.astype(np.int64)


@top_k.gradient
def _top_k_gradient(node: Node, dy: Value, d_places: Value) -> tuple[Value | None, ...]:
    """The gradients go back to the places that the elements came from."""
    from xir.ops.index import scatter_elements  # picking by index builds on reductions

    x, axis = typing.cast("Value", node.inputs[0]), typing.cast("int", node.attributes["axis"])
    return scatter_elements(scalar_like(x, 0.0), node.outputs[1], dy, axis=axis, reduction="add"), None


top_k.lower(top_k_nest)
