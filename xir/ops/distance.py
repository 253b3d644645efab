"""Losses that compare numbers with numbers, as Caffe computes them."""

from __future__ import annotations

from typing import Literal, cast

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.dims import equal as equal_sizes
from xir.ir.dims import product
from xir.ir.node import Node, Value
from xir.ir.types import TensorType
from xir.ops._build import scalar_like
from xir.ops._checks import require_floating, require_rank_at_least, require_same_type
from xir.ops._define import op
from xir.ops._targets import require_same_elements, scalar_array, size_value, total, whole_numbers, whole_values
from xir.ops._wide import narrow, wide
from xir.ops._windows import Numbers
from xir.ops.compare import greater, less, not_equal
from xir.ops.elementwise import abs_, add, div, maximum, mul, neg, select, sqrt, sub
from xir.ops.reduce import reduce_sum
from xir.ops.shape import broadcast, reshape

Divisor = Literal["batch_size", "none"]


def _difference(x: Array, y: Array) -> Numbers:
    return x.astype(np.float64) - y.astype(np.float64).reshape(x.shape)


def _difference_value(x: Value, y: Value) -> Value:
    return sub(wide(x), reshape(wide(y), shape=x.shape))


def _scaled(x: Value, factor: float) -> Value:
    return mul(x, scalar_like(x, factor))


def _over_batch(loss: Value, x: Value, factor: float = 1.0) -> Value:
    """The scalar `factor * loss / N` in the element type of x: [N, ...]."""
    return narrow(div(_scaled(loss, factor), size_value(x.shape[0], loss.dtype)), x.dtype)


@op
def euclidean_loss(x: Value, y: Value) -> TensorType:
    """`sum((x - y)^2) / (2 N)` (Caffe EuclideanLoss, euclidean_loss_layer.cpp).

    x: [N, ...], floating; y: x's dtype, as many elements; result: a scalar.
    """
    require_same_elements(x, y)
    return x.tensor.with_shape(())


@euclidean_loss.reference
def _euclidean_loss_reference(x: Array, y: Array) -> Array:
    return scalar_array(np.sum(_difference(x, y) ** 2) / x.shape[0] / 2, x)


@euclidean_loss.decompose
def _euclidean_loss_decompose(x: Value, y: Value) -> Value:
    difference = _difference_value(x, y)
    return _over_batch(total(mul(difference, difference)), x, 0.5)


@op
def l1_loss(x: Value, y: Value) -> TensorType:
    """`sum(|x - y|) / N` (L1Loss of NVIDIA's fork, l1_loss_layer.cpp).

    x: [N, ...], floating; y: x's dtype, as many elements; result: a scalar.
    """
    require_same_elements(x, y)
    return x.tensor.with_shape(())


@l1_loss.reference
def _l1_loss_reference(x: Array, y: Array) -> Array:
    return scalar_array(np.sum(np.abs(_difference(x, y))) / x.shape[0], x)


@l1_loss.decompose
def _l1_loss_decompose(x: Value, y: Value) -> Value:
    return _over_batch(total(abs_(_difference_value(x, y))), x)


@op
def smooth_l1_loss(
    x: Value,
    y: Value,
    inside: Value | None = None,
    outside: Value | None = None,
    *,
    sigma: float = 1.0,
    normalization: Divisor = "batch_size",
) -> TensorType:
    """`sum(outside * f(inside * (x - y)))` over N, or over 1 (Girshick 2015, Fast R-CNN, equation 3).

    f(d) = d^2 sigma^2 / 2 where |d| < 1 / sigma^2, |d| - 1 / (2 sigma^2) elsewhere. x: [N, ...], floating; y, inside,
    outside: x's dtype, as many elements; result: a scalar. (smooth_L1_loss_layer.cpp: SSD has `inside` alone and sigma
    1; intel/caffe has both, and the divisor 1 with normalization NONE.)
    """
    require_same_elements(x, y, *(weight for weight in (inside, outside) if weight is not None))
    if sigma <= 0:
        raise InvalidModelError(f"sigma must be positive, got {sigma}")
    return x.tensor.with_shape(())


@smooth_l1_loss.reference
def _smooth_l1_loss_reference(
    x: Array, y: Array, inside: Array | None, outside: Array | None, *, sigma: float, normalization: Divisor
) -> Array:
    difference = _difference(x, y)
    if inside is not None:
        difference = difference * inside.astype(np.float64).reshape(x.shape)
    size, square = np.abs(difference), sigma * sigma
    terms = np.where(size < 1 / square, 0.5 * square * difference**2, size - 0.5 / square)
    if outside is not None:
        terms = terms * outside.astype(np.float64).reshape(x.shape)
    return scalar_array(np.sum(terms) / (x.shape[0] if normalization == "batch_size" else 1), x)


@smooth_l1_loss.decompose
def _smooth_l1_loss_decompose(
    x: Value,
    y: Value,
    inside: Value | None = None,
    outside: Value | None = None,
    *,
    sigma: float = 1.0,
    normalization: Divisor = "batch_size",
) -> Value:
    difference = _difference_value(x, y)
    if inside is not None:
        difference = mul(difference, reshape(wide(inside), shape=x.shape))
    size, square = abs_(difference), sigma * sigma
    near = _scaled(mul(difference, difference), 0.5 * square)
    far = sub(size, scalar_like(size, 0.5 / square))
    terms = select(less(size, scalar_like(size, 1 / square)), near, far)
    if outside is not None:
        terms = mul(terms, reshape(wide(outside), shape=x.shape))
    loss = total(terms)
    return _over_batch(loss, x) if normalization == "batch_size" else narrow(loss, x.dtype)


@op
def contrastive_loss(x: Value, y: Value, similar: Value, *, margin: float, legacy: bool = False) -> TensorType:
    """The mean over pairs of half of `d^2` if similar, of `max(margin - d, 0)^2` if not (Hadsell, Chopra, LeCun 2006).

    d: the Euclidean distance of the rows; x, y: [N, C...] of one type; similar: N numbers in any shape, similar where
    they, cut to an integer, are not 0; result: a scalar. (Caffe, contrastive_loss_layer.cpp; its `legacy_version`
    takes `max(margin - d^2, 0)` for pairs that are not similar.)
    """
    require_floating(x)
    require_rank_at_least(x, 2)
    require_same_type(x, y)
    if not (similar.dtype.is_floating or similar.dtype.is_integer):
        raise InvalidModelError(f"numbers tell which pairs are similar, got {similar.type!r}")
    if equal_sizes(similar.tensor.elements, x.shape[0]) is False:
        raise InvalidModelError(f"{x.type!r} needs {x.shape[0]!r} numbers for its pairs, got {similar.type!r}")
    return x.tensor.with_shape(())


@contrastive_loss.reference
def _contrastive_loss_reference(x: Array, y: Array, similar: Array, *, margin: float, legacy: bool) -> Array:
    if similar.size != x.shape[0]:
        raise InvalidModelError(f"{x.shape[0]} pairs need as many numbers, got {list(similar.shape)}")
    square: Numbers = np.sum(_difference(x, y).reshape(x.shape[0], -1) ** 2, axis=1)
    apart: Numbers = np.maximum(margin - square, 0) if legacy else np.maximum(margin - np.sqrt(square), 0) ** 2
    terms = np.where(whole_numbers(similar).reshape(-1) != 0, square, apart)
    return scalar_array(np.sum(terms) / x.shape[0] / 2, x)


def _pairs(x: Value, y: Value, similar: Value) -> tuple[Value, Value, Value]:
    """The differences [N, C], their sums of squares [N], and which pairs are similar: bool [N]."""
    flat = reshape(sub(wide(x), wide(y)), shape=(x.shape[0], product(x.shape[1:])))
    square = reduce_sum(mul(flat, flat), axes=(1,), keep_dims=False)
    whole = reshape(whole_values(similar), shape=(x.shape[0],))
    return flat, square, not_equal(whole, scalar_like(whole, 0))


@contrastive_loss.decompose
def _contrastive_loss_decompose(x: Value, y: Value, similar: Value, *, margin: float, legacy: bool = False) -> Value:
    _, square, alike = _pairs(x, y, similar)
    lack = sub(scalar_like(square, margin), square if legacy else sqrt(square))
    short = maximum(lack, scalar_like(square, 0.0))
    terms = select(alike, square, short if legacy else mul(short, short))
    return _over_batch(total(terms), x, 0.5)


@contrastive_loss.gradient
def _contrastive_loss_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    """Backward_cpu's own, with its 1e-4 under the distance: the true one has no value for equal rows."""
    x, y, similar = cast("tuple[Value, Value, Value]", node.inputs)
    margin, legacy = cast("float", node.attributes["margin"]), node.attributes["legacy"]
    flat, square, alike = _pairs(x, y, similar)
    zero, one = scalar_like(square, 0.0), scalar_like(square, 1.0)
    distance = sqrt(square)
    lack = sub(scalar_like(square, margin), square if legacy else distance)
    push = one if legacy else div(lack, add(distance, scalar_like(distance, 1e-4)))
    apart = select(greater(lack, zero), neg(push), zero)
    factor = mul(select(alike, one, apart), broadcast(_row_weight(dy, x), shape=square.shape))
    column = broadcast(reshape(factor, shape=(x.shape[0], 1)), shape=flat.shape)
    dx = narrow(reshape(mul(flat, column), shape=x.shape), x.dtype)
    return dx, neg(dx), None


def _row_weight(dy: Value, x: Value) -> Value:
    """The gradient over N, as wide as sums are taken."""
    loss = wide(dy)
    return div(loss, size_value(x.shape[0], loss.dtype))
