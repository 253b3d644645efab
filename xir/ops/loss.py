"""Losses over classes, as Caffe computes them; distances stand in `distance`, all are reached from here."""

from __future__ import annotations

from typing import Literal, cast

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.dims import equal as equal_sizes
from xir.ir.dims import product
from xir.ir.node import Node, Value
from xir.ir.types import DType, TensorType
from xir.ops import elementwise
from xir.ops._build import scalar_like
from xir.ops._define import op
from xir.ops._targets import (
    Normalization,
    ScoreValues,
    counted,
    normalizer_of,
    normalizer_value,
    require_labels,
    require_same_elements,
    scalar_array,
    score_values,
    scores_of,
    size_value,
    total,
    whole_numbers,
    whole_values,
)
from xir.ops._wide import narrow, wide
from xir.ops._windows import Numbers
from xir.ops.activation import sigmoid, softplus
from xir.ops.compare import greater_equal, less, not_equal
from xir.ops.distance import contrastive_loss as contrastive_loss
from xir.ops.distance import euclidean_loss as euclidean_loss
from xir.ops.distance import l1_loss as l1_loss
from xir.ops.distance import smooth_l1_loss as smooth_l1_loss
from xir.ops.elementwise import abs_, add, div, log, maximum, mul, neg, select, sub
from xir.ops.index import gather
from xir.ops.norm import softmax
from xir.ops.reduce import reduce_sum
from xir.ops.shape import broadcast, reshape, transpose

SMALLEST_PROBABILITY = float(np.finfo(np.float32).tiny)
"""FLT_MIN: what softmax_loss_layer.cpp takes at least as a probability, in double precision too."""

LOG_THRESHOLD = 1e-20
"""kLOG_THRESHOLD of caffe/layers/loss_layer.hpp: what the other losses take at least as a probability."""


def _probabilities(x: Numbers) -> Numbers:
    """The softmax over axis 1."""
    raised = np.exp(x - x.max(axis=1, keepdims=True))
    return cast("Numbers", raised / raised.sum(axis=1, keepdims=True))


def _operands(node: Node) -> tuple[Value, ...]:
    return cast("tuple[Value, ...]", node.inputs)


def _class_attributes(node: Node) -> tuple[int, int | None, Normalization]:
    held = node.attributes
    return cast("tuple[int, int | None, Normalization]", (held["axis"], held["ignore_label"], held["normalization"]))


def _weighted(scores: ScoreValues, gradient: Value, dy: Value, normalization: Normalization) -> Value:
    """A gradient [outer, classes, inner] times `dy / normalizer`, as the scores came in."""
    factor = div(wide(dy), scores.normalizer(normalization))
    return scores.returned(mul(gradient, broadcast(factor, shape=gradient.shape)))


@op
def softmax_cross_entropy(
    x: Value, labels: Value, *, axis: int, ignore_label: int | None, normalization: Normalization
) -> TensorType:
    """The mean of `-log(max(softmax(x)[label], FLT_MIN))` (Caffe SoftmaxWithLoss, softmax_loss_layer.cpp).

    x: scores [outer..., C, inner...], C along `axis`; labels: a whole number in [0, C) for each position, in any shape
    with as many elements, cut to an integer where floating; result: a scalar of x's dtype. Labels equal to
    `ignore_label` do not count. The sum is divided by the number of labels (full), of those that count (valid), by
    outer (batch_size), or by 1 (none); never by less than 1.
    """
    require_labels(x, labels, axis)
    return x.tensor.with_shape(())


@softmax_cross_entropy.reference
def _softmax_cross_entropy_reference(
    x: Array, labels: Array, *, axis: int, ignore_label: int | None, normalization: Normalization
) -> Array:
    scores = scores_of(x, labels, axis, ignore_label)
    terms = np.log(np.maximum(_probabilities(scores.x)[scores.picked], SMALLEST_PROBABILITY))
    loss = -np.sum(np.where(scores.valid, terms, 0.0))
    return scalar_array(loss / normalizer_of(normalization, scores.valid), x)


@softmax_cross_entropy.decompose
def _softmax_cross_entropy_decompose(
    x: Value, labels: Value, *, axis: int, ignore_label: int | None, normalization: Normalization
) -> Value:
    scores = score_values(x, labels, axis, ignore_label)
    probability = reduce_sum(mul(softmax(scores.x, axis=1), scores.picked()), axes=(1,), keep_dims=False)
    terms = log(maximum(probability, scalar_like(probability, SMALLEST_PROBABILITY)))
    return scores.divided(neg(total(scores.masked(terms))), normalization)


@softmax_cross_entropy.gradient
def _softmax_cross_entropy_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    """Probability minus 1 at the label, whatever the clamp says (Backward_cpu)."""
    axis, ignore_label, normalization = _class_attributes(node)
    x, labels = _operands(node)
    scores = score_values(x, labels, axis, ignore_label)
    ones = scores.along_classes(scores.masked(scalar_like(_flat(scores), 1.0)))
    gradient = sub(mul(softmax(scores.x, axis=1), ones), scores.picked())
    return _weighted(scores, gradient, dy, normalization), None


def _flat(scores: ScoreValues) -> Value:
    """Something [outer, inner] in the element type of the scores."""
    return elementwise.cast(scores.labels, dtype=scores.x.dtype)


@op
def infogain_loss(
    x: Value, labels: Value, gain: Value, *, axis: int, ignore_label: int | None, normalization: Normalization
) -> TensorType:
    """The mean of `-sum over l of gain[label, l] * log(max(softmax(x)[l], 1e-20))` (Caffe, infogain_loss_layer.cpp).

    x, labels, ignore_label, normalization: as in `softmax_cross_entropy`; gain: the information gain matrix, C * C
    elements in any shape, x's dtype; result: a scalar. (The release of 2014 took probabilities instead of scores.)
    """
    require_labels(x, labels, axis)
    classes = x.shape[axis]
    if gain.dtype is not x.dtype or equal_sizes(gain.tensor.elements, product((classes, classes))) is False:
        raise InvalidModelError(f"a matrix of {classes!r} x {classes!r} {x.dtype} is needed, got {gain.type!r}")
    return x.tensor.with_shape(())


@infogain_loss.reference
def _infogain_loss_reference(
    x: Array, labels: Array, gain: Array, *, axis: int, ignore_label: int | None, normalization: Normalization
) -> Array:
    scores = scores_of(x, labels, axis, ignore_label)
    classes = x.shape[axis]
    rows = np.moveaxis(gain.astype(np.float64).reshape(classes, classes)[scores.labels], 2, 1)
    terms = np.sum(rows * np.log(np.maximum(_probabilities(scores.x), LOG_THRESHOLD)), axis=1)
    loss = -np.sum(np.where(scores.valid, terms, 0.0))
    return scalar_array(loss / normalizer_of(normalization, scores.valid), x)


def _gain_rows(scores: ScoreValues, gain: Value) -> Value:
    """The row of the matrix for each label: [outer, classes, inner]."""
    classes = scores.x.shape[1]
    rows = gather(reshape(wide(gain), shape=(classes, classes)), scores.labels, axis=0)
    return transpose(rows, perm=(0, 2, 1))


@infogain_loss.decompose
def _infogain_loss_decompose(
    x: Value, labels: Value, gain: Value, *, axis: int, ignore_label: int | None, normalization: Normalization
) -> Value:
    scores = score_values(x, labels, axis, ignore_label)
    probability = softmax(scores.x, axis=1)
    logs = log(maximum(probability, scalar_like(probability, LOG_THRESHOLD)))
    terms = reduce_sum(mul(_gain_rows(scores, gain), logs), axes=(1,), keep_dims=False)
    return scores.divided(neg(total(scores.masked(terms))), normalization)


@infogain_loss.gradient
def _infogain_loss_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    """Probability times the sum of the label's row, minus the row (Backward_cpu); nothing flows into the matrix."""
    axis, ignore_label, normalization = _class_attributes(node)
    x, labels, gain = _operands(node)
    scores = score_values(x, labels, axis, ignore_label)
    rows = _gain_rows(scores, gain)
    sums = reduce_sum(rows, axes=(1,), keep_dims=False)
    gradient = sub(mul(softmax(scores.x, axis=1), scores.along_classes(sums)), rows)
    if scores.valid is not None:
        ones = scores.masked(scalar_like(_flat(scores), 1.0))
        gradient = mul(gradient, scores.along_classes(ones))
    return _weighted(scores, gradient, dy, normalization), None, None


@op
def multinomial_logistic_loss(x: Value, labels: Value) -> TensorType:
    """The mean over the batch of `-log(max(x[label], 1e-20))` (Caffe, multinomial_logistic_loss_layer.cpp).

    x: probabilities [N, C...], the axes after the first taken as one; labels: N whole numbers in any shape, cut to
    integers where floating; result: a scalar of x's dtype.
    """
    _require_rows(x, labels)
    return x.tensor.with_shape(())


def _require_rows(x: Value, labels: Value) -> None:
    """Checks [N, C...] and N labels."""
    require_same_elements(x)
    if not (labels.dtype.is_floating or labels.dtype.is_integer):
        raise InvalidModelError(f"labels are numbers, got {labels.type!r}")
    if equal_sizes(labels.tensor.elements, x.shape[0]) is False:
        raise InvalidModelError(f"{x.type!r} needs {x.shape[0]!r} labels, got {labels.type!r}")


def _rows(x: Array) -> Array:
    """[N, C...] as [N, C]."""
    return x.reshape(x.shape[0], int(np.prod(x.shape[1:], dtype=np.int64)))


def _row_values(x: Value, labels: Value) -> ScoreValues:
    """[N, C...] and its labels as [N, C, 1] and [N, 1]."""
    flat = reshape(x, shape=(x.shape[0], product(x.shape[1:])))
    return score_values(flat, labels, 1, None)


@multinomial_logistic_loss.reference
def _multinomial_logistic_loss_reference(x: Array, labels: Array) -> Array:
    scores = scores_of(_rows(x), labels, 1, None)
    return scalar_array(-np.sum(np.log(np.maximum(scores.x[scores.picked], LOG_THRESHOLD))) / x.shape[0], x)


@multinomial_logistic_loss.decompose
def _multinomial_logistic_loss_decompose(x: Value, labels: Value) -> Value:
    scores = _row_values(x, labels)
    probability = reduce_sum(mul(scores.x, scores.picked()), axes=(1,), keep_dims=False)
    terms = log(maximum(probability, scalar_like(probability, LOG_THRESHOLD)))
    return narrow(div(neg(total(terms)), size_value(x.shape[0], terms.dtype)), x.dtype)


@op
def hinge_loss(x: Value, labels: Value, *, norm: Literal["l1", "l2"]) -> TensorType:
    """The mean over the batch of `sum of max(0, 1 + s * x)`, s -1 at the label, else 1 (Caffe, hinge_loss_layer.cpp).

    x: scores [N, C...], the axes after the first taken as one; labels: N whole numbers in any shape, cut to integers
    where floating; norm: "l2" squares each term; result: a scalar of x's dtype.
    """
    _require_rows(x, labels)
    return x.tensor.with_shape(())


@hinge_loss.reference
def _hinge_loss_reference(x: Array, labels: Array, *, norm: Literal["l1", "l2"]) -> Array:
    scores = scores_of(_rows(x), labels, 1, None)
    signed = scores.x.copy()
    signed[scores.picked] *= -1
    terms = np.maximum(0.0, 1 + signed)
    return scalar_array(np.sum(terms if norm == "l1" else terms * terms) / x.shape[0], x)


@hinge_loss.decompose
def _hinge_loss_decompose(x: Value, labels: Value, *, norm: Literal["l1", "l2"]) -> Value:
    scores = _row_values(x, labels)
    one = scalar_like(scores.x, 1.0)
    signs = sub(one, mul(scalar_like(scores.x, 2.0), scores.picked()))
    terms = maximum(scalar_like(scores.x, 0.0), add(one, mul(scores.x, signs)))
    loss = total(terms if norm == "l1" else mul(terms, terms))
    return narrow(div(loss, size_value(x.shape[0], loss.dtype)), x.dtype)


@op
def sigmoid_cross_entropy(
    x: Value, targets: Value, *, ignore_label: int | None, normalization: Normalization
) -> TensorType:
    """The mean of `-t * log(sigmoid(x)) - (1 - t) * log(1 - sigmoid(x))` (Caffe, sigmoid_cross_entropy_loss_layer.cpp).

    x: scores [N, ...]; targets: probabilities, x's dtype, as many; result: a scalar. Targets that, cut to an integer,
    equal `ignore_label` do not count. Normalization: as in `softmax_cross_entropy`, outer being N.
    """
    require_same_elements(x, targets)
    return x.tensor.with_shape(())


@sigmoid_cross_entropy.reference
def _sigmoid_cross_entropy_reference(
    x: Array, targets: Array, *, ignore_label: int | None, normalization: Normalization
) -> Array:
    score, target = x.astype(np.float64), targets.astype(np.float64).reshape(x.shape)
    terms = np.maximum(score, 0) - score * target + np.log1p(np.exp(-np.abs(score)))
    valid = counted(whole_numbers(target), ignore_label)
    return scalar_array(np.sum(np.where(valid, terms, 0)) / normalizer_of(normalization, valid), x)


def _valid_targets(target: Value, ignore_label: int | None) -> Value | None:
    if ignore_label is None:
        return None
    whole = whole_values(target)
    return not_equal(whole, scalar_like(whole, ignore_label))


@sigmoid_cross_entropy.decompose
def _sigmoid_cross_entropy_decompose(
    x: Value, targets: Value, *, ignore_label: int | None, normalization: Normalization
) -> Value:
    score, target = wide(x), reshape(wide(targets), shape=x.shape)
    positive = maximum(score, scalar_like(score, 0.0))
    terms = add(sub(positive, mul(score, target)), softplus(neg(abs_(score))))
    valid = _valid_targets(target, ignore_label)
    kept = terms if valid is None else select(valid, terms, scalar_like(terms, 0.0))
    divisor = normalizer_value(normalization, x.shape[0], product(x.shape[1:]), valid, score.dtype)
    return narrow(div(total(kept), divisor), x.dtype)


@sigmoid_cross_entropy.gradient
def _sigmoid_cross_entropy_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    """Sigmoid minus target (Backward_cpu); nothing flows into the targets."""
    x, targets = _operands(node)
    ignore_label = cast("int | None", node.attributes["ignore_label"])
    normalization = cast("Normalization", node.attributes["normalization"])
    score, target = wide(x), reshape(wide(targets), shape=x.shape)
    valid = _valid_targets(target, ignore_label)
    divisor = normalizer_value(normalization, x.shape[0], product(x.shape[1:]), valid, score.dtype)
    gradient = sub(sigmoid(score), target)
    kept = gradient if valid is None else select(valid, gradient, scalar_like(gradient, 0.0))
    return narrow(mul(kept, broadcast(div(wide(dy), divisor), shape=x.shape)), x.dtype), None


@op
def accuracy(
    x: Value, labels: Value, *, axis: int, top_k: int = 1, ignore_label: int | None = None
) -> tuple[TensorType, ...]:
    """The share of labels among the `top_k` best scores, over all and for each class (Caffe, accuracy_layer.cpp).

    x: scores [outer..., C, inner...], C along `axis`; labels: as in `softmax_cross_entropy`; results: a scalar and [C],
    x's dtype; 0 where there is no label. A label counts as found when fewer than `top_k` other scores are as high or
    higher: ties are against it.
    """
    require_labels(x, labels, axis)
    classes = x.shape[axis]
    if top_k < 1 or (isinstance(classes, int) and top_k > classes):
        raise InvalidModelError(f"top_k must lie in [1, {classes!r}], got {top_k}")
    return x.tensor.with_shape(()), x.tensor.with_shape((classes,))


@accuracy.reference
def _accuracy_reference(
    x: Array, labels: Array, *, axis: int, top_k: int, ignore_label: int | None
) -> tuple[Array, Array]:
    scores = scores_of(x, labels, axis, ignore_label)
    own = scores.x[scores.picked]
    better = np.sum(scores.x >= own[:, np.newaxis], axis=1) - 1
    found = (better < top_k) & scores.valid
    classes = scores.x.shape[1]
    seen = np.bincount(scores.labels[scores.valid], minlength=classes)
    hits = np.bincount(scores.labels[found], minlength=classes)
    share = int(np.count_nonzero(found)) / max(int(np.count_nonzero(scores.valid)), 1)
    return scalar_array(share, x), (hits / np.maximum(seen, 1)).astype(x.dtype)


@accuracy.decompose
def _accuracy_decompose(
    x: Value, labels: Value, *, axis: int, top_k: int = 1, ignore_label: int | None = None
) -> tuple[Value, Value]:
    scores = score_values(x, labels, axis, ignore_label)
    picked = elementwise.cast(scores.picked(), dtype=DType.INT64)
    # Comparing by selection, not by products: an infinite score times 0 is no number.
    zero = scalar_like(scores.x, 0.0)
    at_label = elementwise.cast(picked, dtype=DType.BOOL)
    own = scores.along_classes(reduce_sum(select(at_label, scores.x, zero), axes=(1,), keep_dims=False))
    as_good = elementwise.cast(greater_equal(scores.x, own), dtype=DType.INT64)
    count = reduce_sum(as_good, axes=(1,), keep_dims=False)
    found = elementwise.cast(less(count, scalar_like(count, top_k + 1)), dtype=DType.INT64)
    hits = mul(picked, scores.along_classes(found))
    both = (0, 2)
    per_class = _share(reduce_sum(hits, axes=both, keep_dims=False), reduce_sum(picked, axes=both, keep_dims=False))
    return narrow(_share(total(hits), total(picked)), x.dtype), narrow(per_class, x.dtype)


def _share(part: Value, whole: Value) -> Value:
    """Part over whole in f64; 0 where the whole is."""
    divisor = maximum(whole, scalar_like(whole, 1))
    return div(elementwise.cast(part, dtype=DType.FLOAT64), elementwise.cast(divisor, dtype=DType.FLOAT64))


accuracy.no_gradient("a count jumps; accuracy_layer.cpp has no backward pass either")
