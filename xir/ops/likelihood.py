"""Losses over classes as ONNX computes them: negative log-likelihood and cross-entropy, weighted and reduced."""

from __future__ import annotations

from typing import Literal

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.dims import Shape
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops._build import scalar_like
from xir.ops._checks import (
    require_dtype,
    require_floating,
    require_rank,
    require_rank_at_least,
    require_same_dtype,
    require_same_shape,
    require_size,
)
from xir.ops._define import op
from xir.ops._targets import total
from xir.ops._wide import narrow, wide
from xir.ops._windows import Numbers, narrowed, widened
from xir.ops.compare import equal
from xir.ops.elementwise import div, mul, neg, select
from xir.ops.index import gather, gather_elements
from xir.ops.norm import log_softmax
from xir.ops.reduce import reduce_mean
from xir.ops.shape import reshape

Reduction = Literal["none", "sum", "mean"]


def _require(x: Value, target: Value, weight: Value | None, reduction: Reduction) -> Shape:
    """Checks [N, C, d...], [N, d...] and [C]; the shape of the loss."""
    require_floating(x)
    require_rank_at_least(x, 2)
    require_dtype(target, DType.INT32, DType.INT64)
    require_same_shape((x.shape[0], *x.shape[2:]), target.shape)
    if weight is not None:
        require_same_dtype(x, weight)
        require_rank(weight, 1)
        require_size(weight.shape[0], x.shape[1], "the number of classes of the weights")
    return target.shape if reduction == "none" else ()


@op
def negative_log_likelihood(
    x: Value, target: Value, weight: Value | None = None, *, reduction: Reduction, ignore_index: int | None
) -> TensorType:
    """`-weight[t] * x[t]` at the target t of each place (ONNX NegativeLogLikelihoodLoss).

    x: log-probabilities [N, C, d...], floating; target: [N, d...], i32 or i64, in [0, C) or `ignore_index`, whose
    places count nothing; weight: [C], ones where absent; result: [N, d...], or a scalar: the sum, or the sum divided by
    the sum of the weights that count (no number where none does).
    """
    return x.tensor.with_shape(_require(x, target, weight, reduction))


def _loss(x: Numbers, target: Array, weight: Numbers | None, reduction: Reduction, ignore_index: int | None) -> Numbers:
    places = target.astype(np.int64)
    ignored = np.asarray(places == ignore_index) if ignore_index is not None else np.zeros(places.shape, np.bool_)
    classes = x.shape[1]
    index = np.where(ignored, 0, places)
    if index.size and (int(index.min()) < 0 or int(index.max()) >= classes):
        raise InvalidModelError(f"targets lie in [0, {classes}), got {int(index.min())} to {int(index.max())}")
    picked: Numbers = (
        np.take_along_axis(x, index[:, np.newaxis], axis=1)[:, 0] if classes else np.zeros_like(index, x.dtype)
    )
    factor = np.ones(index.shape, x.dtype) if weight is None else weight[index]
    factor = np.where(ignored, 0, factor).astype(x.dtype)
    loss: Numbers = np.where(ignored, 0, -picked * factor).astype(x.dtype)
    if reduction == "none":
        return loss
    summed: Numbers = np.asarray(np.sum(loss))
    return summed if reduction == "sum" else np.asarray(summed / np.sum(factor))


@negative_log_likelihood.reference
def _negative_log_likelihood_reference(
    x: Array, target: Array, weight: Array | None, *, reduction: Reduction, ignore_index: int | None
) -> Array:
    factor = None if weight is None else widened(weight)
    return narrowed(_loss(widened(x), target, factor, reduction, ignore_index), x)


@negative_log_likelihood.decompose
def _negative_log_likelihood_decompose(
    x: Value, target: Value, weight: Value | None = None, *, reduction: Reduction, ignore_index: int | None
) -> Value:
    data = wide(x)
    ignored = None if ignore_index is None else equal(target, scalar_like(target, ignore_index))
    index = target if ignored is None else select(ignored, scalar_like(target, 0), target)
    column = reshape(index, shape=(index.shape[0], 1, *index.shape[1:]))
    loss = neg(reshape(gather_elements(data, column, axis=1), shape=target.shape))
    factor = None if weight is None else gather(wide(weight), index, axis=0)
    if ignored is not None:
        zero = scalar_like(loss, 0.0)
        factor = select(ignored, zero, scalar_like(loss, 1.0) if factor is None else factor)
        loss = select(ignored, zero, loss)
    if factor is not None and (weight is not None or reduction != "mean"):
        loss = mul(loss, factor)
    match reduction:
        case "none":
            result = loss
        case "sum":
            result = total(loss)
        case "mean":
            axes = tuple(range(loss.rank))
            mean = reduce_mean(loss, axes=axes, keep_dims=False)
            result = mean if factor is None else div(total(loss), total(factor))
    return narrow(result, x.dtype)


@op
def cross_entropy(
    x: Value, target: Value, weight: Value | None = None, *, reduction: Reduction, ignore_index: int | None
) -> tuple[TensorType, TensorType]:
    """`negative_log_likelihood` of the log-softmax over the classes, and that (ONNX SoftmaxCrossEntropyLoss).

    x: scores [N, C, d...], floating; target: [N, d...], i32 or i64; weight: [C]; results: the loss, [N, d...] or a
    scalar, and the log-probabilities, the type of `x`.
    """
    return x.tensor.with_shape(_require(x, target, weight, reduction)), x.tensor


@cross_entropy.reference
def _cross_entropy_reference(
    x: Array, target: Array, weight: Array | None, *, reduction: Reduction, ignore_index: int | None
) -> tuple[Array, Array]:
    data = widened(x)
    raised = data - np.max(data, axis=1, keepdims=True, initial=-np.inf)
    logs: Numbers = raised - np.log(np.sum(np.exp(raised), axis=1, keepdims=True))
    factor = None if weight is None else widened(weight)
    loss = _loss(logs, target, factor, reduction, ignore_index)
    return narrowed(loss, x), narrowed(logs, x)


@cross_entropy.decompose
def _cross_entropy_decompose(
    x: Value, target: Value, weight: Value | None = None, *, reduction: Reduction, ignore_index: int | None
) -> tuple[Value, Value]:
    logs = log_softmax(wide(x), axis=1)
    factor = None if weight is None else wide(weight)
    loss = negative_log_likelihood(logs, target, factor, reduction=reduction, ignore_index=ignore_index)
    return narrow(loss, x.dtype), narrow(logs, x.dtype)
