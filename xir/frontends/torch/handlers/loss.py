"""Losses (aten/src/ATen/native/Loss.cpp, LossNLL.cpp): reduction 0 keeps every element, 1 is the mean, 2 the sum."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from xir.autodiff import pullback
from xir.frontends.torch.call import Call
from xir.frontends.torch.operators import Operators
from xir.ir.dims import Dim, product
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops._build import channelwise
from xir.ops.activation import softplus
from xir.ops.compare import equal, greater, less
from xir.ops.elementwise import abs_, add, clip, div, exp, log, maximum, mul, neg, pow_, select, sqrt, sub
from xir.ops.index import gather, gather_elements
from xir.ops.norm import log_softmax
from xir.ops.reduce import reduce_max, reduce_mean, reduce_min, reduce_sum
from xir.ops.shape import reshape

operators = Operators("aten")

_NONE, _MEAN, _SUM = range(3)
"""torch.nn._reduction.get_enum."""


def reduced(call: Call, each: Value, reduction: int) -> Value:
    """The losses themselves, their mean or their sum."""
    if reduction not in (_NONE, _MEAN, _SUM):
        call.invalid(f"reduction {reduction}, expected 0 to 2")
    if reduction == _NONE:
        return each
    made = reduce_mean if reduction == _MEAN else reduce_sum
    return made(each, axes=tuple(range(each.rank)), keep_dims=False)


def like(call: Call, number: float, x: Value) -> Value:
    """The number in the type and shape of x."""
    return call.repeated(call.literal(number, x.dtype), x.shape)


def _difference(call: Call, x: Value, y: Value) -> Value:
    return sub(*call.promoted(x, y))


@operators.op("mse_loss(Tensor self, Tensor target, int reduction=1) -> Tensor")
def squared(call: Call, x: Value, y: Value, reduction: int) -> Value:
    """`(x - y)^2`."""
    difference = _difference(call, x, y)
    return reduced(call, mul(difference, difference), reduction)


@operators.op("mse_loss_backward(Tensor grad_output, Tensor self, Tensor target, int reduction) -> Tensor")
def squared_backward(call: Call, dy: Value, x: Value, y: Value, reduction: int) -> Value:
    """The derivative of `mse_loss`."""

    def build(a: Value, b: Value) -> Value:
        return squared(call, a, b, reduction)

    return pullback(build, (x, y), dy)[0]


@operators.op("l1_loss(Tensor self, Tensor target, int reduction=1) -> Tensor")
def absolute(call: Call, x: Value, y: Value, reduction: int) -> Value:
    """`|x - y|`."""
    return reduced(call, abs_(_difference(call, x, y)), reduction)


@operators.op("smooth_l1_loss(Tensor self, Tensor target, int reduction=1, float beta=1.) -> Tensor")
def smooth(call: Call, x: Value, y: Value, reduction: int, beta: float) -> Value:
    """`d^2 / (2 beta)` where |d| < beta, else `|d| - beta / 2`."""
    if beta == 0:
        return absolute(call, x, y, reduction)
    far = abs_(_difference(call, x, y))
    near = mul(mul(far, far), like(call, 0.5 / beta, far))
    each = select(less(far, like(call, beta, far)), near, sub(far, like(call, beta / 2, far)))
    return reduced(call, each, reduction)


@operators.op("huber_loss(Tensor self, Tensor target, int reduction=1, float delta=1.) -> Tensor")
def huber(call: Call, x: Value, y: Value, reduction: int, delta: float) -> Value:
    """`d^2 / 2` where |d| <= delta, else `delta * (|d| - delta / 2)` (Huber 1964)."""
    far = abs_(_difference(call, x, y))
    near = mul(mul(far, far), like(call, 0.5, far))
    line = mul(like(call, delta, far), sub(far, like(call, delta / 2, far)))
    return reduced(call, select(greater(far, like(call, delta, far)), line, near), reduction)


@operators.op("binary_cross_entropy(Tensor self, Tensor target, Tensor? weight=None, int reduction=1) -> Tensor")
def binary(call: Call, x: Value, y: Value, weight: Value | None, reduction: int) -> Value:
    """`-(y log x + (1 - y) log(1 - x))`, logarithms at least -100."""
    least = like(call, -100.0, x)
    one = like(call, 1.0, x)
    yes, no = (maximum(log(each), least) for each in (x, sub(one, x)))
    each = sub(mul(sub(y, one), no), mul(y, yes))
    return reduced(call, each if weight is None else mul(each, call.repeated(weight, each.shape)), reduction)


@operators.op(
    "binary_cross_entropy_with_logits(Tensor self, Tensor target, Tensor? weight=None, Tensor? pos_weight=None,"
    " int reduction=1) -> Tensor"
)
def binary_of_scores(
    call: Call, x: Value, y: Value, weight: Value | None, positive: Value | None, reduction: int
) -> Value:
    """`binary_cross_entropy` of the sigmoid of x, without overflow."""
    rest = softplus(neg(x))  # -log(sigmoid(x))
    one = like(call, 1.0, x)
    factor = one if positive is None else add(mul(sub(call.repeated(positive, x.shape), one), y), one)
    each = add(mul(sub(one, y), x), mul(factor, rest))
    return reduced(call, each if weight is None else mul(each, call.repeated(weight, each.shape)), reduction)


@operators.op("kl_div(Tensor self, Tensor target, int reduction=1, *, bool log_target=False) -> Tensor")
def divergence(call: Call, x: Value, y: Value, reduction: int, is_log: bool) -> Value:
    """`y (log y - x)`, 0 where y is 0 (Kullback and Leibler 1951)."""
    if is_log:
        return reduced(call, mul(exp(y), sub(y, x)), reduction)
    zero = like(call, 0.0, y)
    some = greater(y, zero)
    product_ = select(some, mul(y, log(select(some, y, like(call, 1.0, y)))), zero)
    return reduced(call, sub(product_, mul(y, x)), reduction)


@operators.op("soft_margin_loss(Tensor self, Tensor target, int reduction=1) -> Tensor")
def soft_margin(call: Call, x: Value, y: Value, reduction: int) -> Value:
    """`log(1 + exp(-y x))`."""
    return reduced(call, softplus(neg(mul(*call.promoted(x, y)))), reduction)


@operators.op("hinge_embedding_loss(Tensor self, Tensor target, float margin=1., int reduction=1) -> Tensor")
def hinge(call: Call, x: Value, y: Value, margin: float, reduction: int) -> Value:
    """X where y is 1, `max(0, margin - x)` where it is -1."""
    x, y = call.promoted(x, y)
    zero, one = like(call, 0.0, x), like(call, 1.0, x)
    far = maximum(sub(like(call, margin, x), x), zero)
    each = add(select(equal(y, one), zero, far), select(equal(y, neg(one)), zero, x))
    return reduced(call, each, reduction)


@operators.op(
    "margin_ranking_loss(Tensor input1, Tensor input2, Tensor target, float margin=0., int reduction=1) -> Tensor"
)
def ranking(call: Call, x: Value, other: Value, y: Value, margin: float, reduction: int) -> Value:
    """`max(0, -y (x - other) + margin)`."""
    signs, difference = call.promoted(neg(y), _difference(call, x, other))
    each = add(mul(signs, difference), like(call, margin, difference))
    return reduced(call, clip(each, minimum=0.0, maximum=None), reduction)


@operators.op(
    "poisson_nll_loss(Tensor input, Tensor target, bool log_input, bool full, float eps, int reduction) -> Tensor"
)
def poisson(call: Call, x: Value, y: Value, is_log: bool, full: bool, epsilon: float, reduction: int) -> Value:
    """`exp(x) - y x`, or `x - y log(x + eps)`; with `full` plus Stirling's approximation of log(y!)."""
    x, y = call.promoted(x, y)
    each = sub(exp(x), mul(y, x)) if is_log else sub(x, mul(y, log(add(x, like(call, epsilon, x)))))
    if full:
        one, half = like(call, 1.0, y), like(call, 0.5, y)
        roots = mul(half, log(mul(like(call, 2 * math.pi, y), y)))
        stirling = add(sub(mul(y, log(y)), y), roots)
        each = add(each, select(greater(y, one), stirling, like(call, 0.0, y)))
    return reduced(call, each, reduction)


class _Picked:
    """The losses and weights of the targets of `nll_loss`: x [N, C, d...] or [C], target [N, d...] or []."""

    def __init__(self, call: Call, x: Value, target: Value, weight: Value | None, ignored: Dim) -> None:
        self.shape = target.shape
        batch = x if x.rank > 1 else reshape(x, shape=(1, *x.shape))
        labels = call.cast(target if x.rank > 1 else reshape(target, shape=(1,)), DType.INT64)
        skipped = equal(labels, call.repeated(call.scalar(ignored, DType.INT64), labels.shape))
        safe = select(skipped, call.repeated(call.literal(0, DType.INT64), labels.shape), labels)
        column = reshape(safe, shape=(safe.shape[0], 1, *safe.shape[1:]))
        scores = reshape(gather_elements(batch, column, axis=1), shape=labels.shape)
        zero = like(call, 0.0, scores)
        table = like(call, 1.0, batch) if weight is None else channelwise(weight, batch)
        held = reshape(gather_elements(table, column, axis=1), shape=labels.shape)
        self.weights = select(skipped, zero, held)
        self.losses = mul(neg(scores), self.weights)
        self.losses = select(skipped, zero, self.losses)


def _likelihood(
    call: Call, x: Value, target: Value, weight: Value | None, reduction: int, ignored: Dim
) -> tuple[Value, Value]:
    """The loss and the sum of the weights that count."""
    found = _Picked(call, x, target, weight, ignored)
    axes = tuple(range(found.losses.rank))
    if reduction == _NONE:
        return reshape(found.losses, shape=found.shape), call.literal(0.0, x.dtype)
    count = reduce_sum(found.weights, axes=axes, keep_dims=False)
    total = reduce_sum(found.losses, axes=axes, keep_dims=False)
    return (div(total, count) if reduction == _MEAN else total), count


@operators.op(
    "nll_loss(Tensor self, Tensor target, Tensor? weight=None, int reduction=1, SymInt ignore_index=-100) -> Tensor",
    "nll_loss2d(Tensor self, Tensor target, Tensor? weight=None, int reduction=1, SymInt ignore_index=-100) -> Tensor",
    "nll_loss_nd(Tensor self, Tensor target, Tensor? weight=None, int reduction=1, SymInt ignore_index=-100) -> Tensor",
)
def likelihood(call: Call, x: Value, target: Value, weight: Value | None, reduction: int, ignored: Dim) -> Value:
    """`-weight[t] x[t]` at the target t of each place; the mean is weighted."""
    return _likelihood(call, x, target, weight, reduction, ignored)[0]


@operators.op(
    "nll_loss_forward(Tensor self, Tensor target, Tensor? weight, int reduction, SymInt ignore_index)"
    " -> (Tensor output, Tensor total_weight)",
    "nll_loss2d_forward(Tensor self, Tensor target, Tensor? weight, int reduction, SymInt ignore_index)"
    " -> (Tensor output, Tensor total_weight)",
)
def likelihood_and_count(
    call: Call, x: Value, target: Value, weight: Value | None, reduction: int, ignored: Dim
) -> tuple[Value, Value]:
    """`nll_loss`, and the sum of the weights that count."""
    return _likelihood(call, x, target, weight, reduction, ignored)


@operators.op(
    "nll_loss_backward(Tensor grad_output, Tensor self, Tensor target, Tensor? weight, int reduction,"
    " SymInt ignore_index, Tensor total_weight) -> Tensor",
    "nll_loss2d_backward(Tensor grad_output, Tensor self, Tensor target, Tensor? weight, int reduction,"
    " SymInt ignore_index, Tensor total_weight) -> Tensor",
    unused=("total_weight",),
)
def likelihood_backward(
    call: Call, dy: Value, x: Value, target: Value, weight: Value | None, reduction: int, ignored: Dim
) -> Value:
    """The derivative of `nll_loss` by its input."""
    rest = (target,) if weight is None else (target, weight)

    def build(scores: Value, labels: Value, weights: Value | None = None) -> Value:
        return likelihood(call, scores, labels, weights, reduction, ignored)

    return pullback(build, (x, *rest), dy)[0]


@operators.op(
    "cross_entropy_loss(Tensor self, Tensor target, Tensor? weight=None, int reduction=1,"
    " SymInt ignore_index=-100, float label_smoothing=0.) -> Tensor"
)
def cross_entropy(
    call: Call, x: Value, target: Value, weight: Value | None, reduction: int, ignored: Dim, smoothing: float
) -> Value:
    """The negative log-likelihood of the log-softmax over the classes; targets are indices or probabilities."""
    axis = 0 if x.rank == 1 else 1
    scores = log_softmax(x, axis=axis)
    if target.dtype.is_floating:
        return _of_probabilities(call, scores, target, weight, reduction, smoothing, axis)
    loss, count = _likelihood(call, scores, target, weight, reduction, ignored)
    if not smoothing:
        return loss
    weighed = scores if weight is None else mul(scores, channelwise(weight, scores, axis))
    each = neg(reduce_sum(weighed, axes=(axis,), keep_dims=False))
    skipped = equal(target, call.repeated(call.scalar(ignored, target.dtype), target.shape))
    each = select(skipped, like(call, 0.0, each), each)
    spread = each if reduction == _NONE else reduced(call, each, _SUM)
    if reduction == _MEAN:
        spread = div(spread, count)
    share = smoothing / call.known_integer(x.shape[axis], "the number of classes")
    return add(mul(loss, like(call, 1 - smoothing, loss)), mul(spread, like(call, share, spread)))


def _of_probabilities(
    call: Call, scores: Value, target: Value, weight: Value | None, reduction: int, smoothing: float, axis: int
) -> Value:
    if smoothing:
        share = smoothing / call.known_integer(target.shape[axis], "the number of classes")
        target = add(mul(target, like(call, 1 - smoothing, target)), like(call, share, target))
    weighed = scores if weight is None else mul(scores, channelwise(weight, scores, axis))
    each = neg(reduce_sum(mul(weighed, target), axes=(axis,), keep_dims=False))
    if reduction != _MEAN:
        return reduced(call, each, reduction)
    total = reduced(call, each, _SUM)
    places = call.scalar(product(each.shape), total.dtype)
    return div(total, places)


@operators.op("cosine_similarity(Tensor x1, Tensor x2, int dim=1, float eps=1e-08) -> Tensor")
def cosine(call: Call, x: Value, y: Value, dim: int, epsilon: float) -> Value:
    """`x y / (max(|x|, eps) max(|y|, eps))` along an axis."""
    x, y = call.promoted(x, y, floating=True)
    axis = call.axis(dim, x.rank)

    def total(a: Value, b: Value) -> Value:
        return reduce_sum(mul(a, b), axes=(axis,), keep_dims=False)

    lengths = [clip(sqrt(total(each, each)), minimum=epsilon, maximum=None) for each in (x, y)]
    return div(total(x, y), mul(*lengths))


@operators.op(
    "cosine_embedding_loss(Tensor input1, Tensor input2, Tensor target, float margin=0., int reduction=1) -> Tensor"
)
def cosine_embedding(call: Call, x: Value, other: Value, y: Value, margin: float, reduction: int) -> Value:
    """`1 - cos` where y is 1, `max(0, cos - margin)` where it is -1."""
    epsilon = call.literal(1e-12, x.dtype)
    axes = (x.rank - 1,)

    def total(a: Value, b: Value) -> Value:
        return reduce_sum(mul(a, b), axes=axes, keep_dims=False)

    squares = [add(total(each, each), call.repeated(epsilon, x.shape[:-1])) for each in (x, other)]
    cos = div(total(x, other), sqrt(mul(*squares)))
    zero, one = like(call, 0.0, cos), like(call, 1.0, cos)
    y = call.repeated(call.cast(y, cos.dtype), cos.shape)
    far = clip(sub(cos, like(call, margin, cos)), minimum=0.0, maximum=None)
    each = add(select(equal(y, one), sub(one, cos), zero), select(equal(y, neg(one)), far, zero))
    return reduced(call, each, reduction)


@operators.op("pairwise_distance(Tensor x1, Tensor x2, float p=2., float eps=1e-06, bool keepdim=False) -> Tensor")
def pairwise(call: Call, x: Value, y: Value, p: float, epsilon: float, keep: bool) -> Value:
    """The p-norm of `x - y + eps` along the last axis."""
    difference = _difference(call, x, y)
    shifted = add(difference, like(call, epsilon, difference))
    return length(call, shifted, p, difference.rank - 1, keep)


def length(call: Call, x: Value, p: float, axis: int, keep: bool) -> Value:
    """The p-norm along an axis."""
    if p == 2:
        return sqrt(reduce_sum(mul(x, x), axes=(axis,), keep_dims=keep))
    if p == 1:
        return reduce_sum(abs_(x), axes=(axis,), keep_dims=keep)
    if math.isinf(p):
        return (reduce_max if p > 0 else reduce_min)(abs_(x), axes=(axis,), keep_dims=keep)
    if p == 0:
        zero, one = like(call, 0.0, x), like(call, 1.0, x)
        return reduce_sum(select(equal(x, zero), zero, one), axes=(axis,), keep_dims=keep)
    powers = reduce_sum(pow_(abs_(x), like(call, p, x)), axes=(axis,), keep_dims=keep)
    return pow_(powers, like(call, 1 / p, powers))


@dataclass(frozen=True, slots=True)
class _Margin:
    """How far triplets are to be apart, in PyTorch's words.

    Attributes:
        margin: by how much the far one is to be farther away.
        p: the norm.
        eps: is added to differences.
        swap: whether the far one may be measured from the near one.
    """

    margin: float
    p: float
    eps: float
    swap: bool

    def distance(self, call: Call, x: Value, y: Value) -> Value:
        """How far the rows of two tensors are apart."""
        return pairwise(call, x, y, self.p, self.eps, False)


@operators.op(
    "triplet_margin_loss(Tensor anchor, Tensor positive, Tensor negative, float margin=1., float p=2.,"
    " float eps=1e-06, bool swap=False, int reduction=1) -> Tensor",
    records=(_Margin,),
)
def triplet(call: Call, x: Value, near: Value, far: Value, given: _Margin, reduction: int) -> Value:
    """`max(0, d(x, near) - d(x, far) + margin)` (Schroff et al. 2015); with swap the nearer of both is far."""
    close, wide = (given.distance(call, x, other) for other in (near, far))
    if given.swap:
        other = given.distance(call, near, far)
        wide = select(less(other, wide), other, wide)
    each = add(sub(close, wide), like(call, given.margin, close))
    return reduced(call, clip(each, minimum=0.0, maximum=None), reduction)


@operators.op(
    "_cdist_forward(Tensor x1, Tensor x2, float p, int? compute_mode) -> Tensor",
    "cdist(Tensor x1, Tensor x2, float p=2., int? compute_mode=None) -> Tensor",
    unused=("compute_mode",),
)
def distances(call: Call, x: Value, y: Value, p: float) -> Value:
    """The p-norm of every row of x less every row of y."""
    left = reshape(x, shape=(*x.shape[:-1], 1, x.shape[-1]))
    right = reshape(y, shape=(*y.shape[:-2], 1, *y.shape[-2:]))
    difference = sub(*call.promoted(left, right))
    return length(call, difference, p, difference.rank - 1, False)


@operators.op("_pdist_forward(Tensor self, float p=2.) -> Tensor", "pdist(Tensor self, float p=2.) -> Tensor")
def own_distances(call: Call, x: Value, p: float) -> Value:
    """The p-norm of every row less every later row, in the order of the upper triangle."""
    count = call.known_integer(x.shape[0], "the number of rows")
    rows, others = np.triu_indices(count, 1)
    left, right = (gather(x, call.literal(each, DType.INT64), axis=0) for each in (rows, others))
    return length(call, sub(left, right), p, 1, False)


@operators.op("native_dropout_backward(Tensor grad_output, Tensor mask, float scale) -> Tensor")
def dropout_backward(call: Call, dy: Value, mask: Value, scale: float) -> Value:
    """`dy * mask * scale`."""
    return mul(mul(dy, call.cast(mask, dy.dtype)), like(call, scale, dy))
