"""Losses and metrics, which are kept only when a person asks for them (loss_layer.cpp and its kin)."""

from __future__ import annotations

from typing import Literal, cast

from xir.errors import InvalidModelError
from xir.frontends._handlers import Handlers
from xir.frontends.caffe.handlers._geometry import batch_size, canonical_axis, count, require_positive
from xir.frontends.caffe.message import Message
from xir.frontends.caffe.site import Handler, Site, constant_from_blob
from xir.ir.constant import Constant
from xir.ir.dims import Dim
from xir.ir.node import Value
from xir.ops.constant import constant
from xir.ops.distance import contrastive_loss, euclidean_loss, l1_loss, smooth_l1_loss
from xir.ops.loss import (
    accuracy,
    hinge_loss,
    infogain_loss,
    multinomial_logistic_loss,
    sigmoid_cross_entropy,
    softmax_cross_entropy,
)
from xir.ops.norm import softmax
from xir.ops.shape import reshape

handlers: Handlers[Handler] = Handlers("caffe")

Normalization = Literal["full", "valid", "batch_size", "none"]


def _normalization(site: Site, loss: Message, default: Normalization) -> Normalization:
    """By what a loss is divided: `normalization`, else the older `normalize`, else the layer's own default.

    (softmax_loss_layer.cpp and sigmoid_cross_entropy_loss_layer.cpp, LayerSetUp)
    """
    if (loss.optional_number("label_smoothing") or 0) != 0:
        raise site.unsupported("label_smoothing is not taken", "drop the losses, or add a handler with --plugin MODULE")
    loss.ignore("pre_fixed_normalizer")
    given = loss.optional_enum("normalization")
    old = loss.optional_boolean("normalize")
    if given is not None:
        if given == "PRE_FIXED":
            raise site.unsupported("normalization: PRE_FIXED is not taken", "it is for training on several devices")
        return cast("Normalization", given.lower())
    if old is not None:
        return "valid" if old else "batch_size"
    return default


def _unused(site: Site, *names: str) -> None:
    """Says aloud which fields of loss_param the layer itself does not read."""
    loss = site.param("loss_param")
    loss.ignore(*names)
    given = [name for name in names if loss.has(name)]
    if given:
        site.note(f"{', '.join(given)} of loss_param: the layer itself does not read them, so they change nothing")


def _outputs(site: Site, loss: Value, more: Value | None) -> list[Value]:
    return [loss] if more is None or site.top_count < 2 else [loss, more]


@handlers.layer("SoftmaxWithLoss")
def softmax_with_loss(site: Site, x: Value, labels: Value) -> list[Value]:
    """The cross entropy of softmax(x) and labels; a second top gets the probabilities (softmax_loss_layer.cpp)."""
    axis = canonical_axis(x, site.param("softmax_param").integer("axis"))
    site.param("softmax_param").ignore("engine")
    loss = site.param("loss_param")
    made = softmax_cross_entropy(
        x,
        labels,
        axis=axis,
        ignore_label=loss.optional_integer("ignore_label"),
        normalization=_normalization(site, loss, "valid"),
    )
    return _outputs(site, made, softmax(x, axis=axis) if site.top_count > 1 else None)


@handlers.layer("InfogainLoss")
def infogain(site: Site, x: Value, labels: Value, gain: Value | None = None) -> list[Value]:
    """A cross entropy weighted by a matrix, the third bottom or a `.binaryproto` (infogain_loss_layer.cpp)."""
    param, loss = site.param("infogain_loss_param"), site.param("loss_param")
    axis = canonical_axis(x, param.integer("axis"))
    source = param.optional_text("source")
    if loss.has("normalize"):
        raise InvalidModelError("normalize is not for this layer: use normalization (infogain_loss_layer.cpp)")
    if gain is None:
        if not source:
            raise InvalidModelError("the matrix must be the third bottom, or infogain_loss_param.source")
        gain = constant(value=_matrix(site, source, x.shape[axis]))
    made = infogain_loss(
        x,
        labels,
        gain,
        axis=axis,
        ignore_label=loss.optional_integer("ignore_label"),
        normalization=_normalization(site, loss, "valid"),
    )
    return _outputs(site, made, softmax(x, axis=axis) if site.top_count > 1 else None)


def _matrix(site: Site, source: str, classes: Dim) -> Constant:
    blob = site.companion_blob(source)
    if not isinstance(classes, int):
        raise InvalidModelError(f"the number of classes is {classes!r}, but must be known")
    flat = tuple(size for size in blob.shape if size != 1)
    if flat != (classes, classes) and classes != 1:
        raise InvalidModelError(f"{source!r} holds {list(blob.shape)}, expected {classes} x {classes} numbers")
    return constant_from_blob(blob, blob.shape, 0)


@handlers.layer("MultinomialLogisticLoss")
def multinomial_logistic(site: Site, x: Value, labels: Value) -> Value:
    """The mean of -log of the probability of the label (multinomial_logistic_loss_layer.cpp)."""
    _unused(site, "ignore_label", "normalization", "normalize")
    return multinomial_logistic_loss(x, labels)


@handlers.layer("SigmoidCrossEntropyLoss")
def sigmoid_cross_entropy_layer(site: Site, x: Value, targets: Value) -> Value:
    """The cross entropy of sigmoid(x) and targets, by default over the batch (sigmoid_cross_entropy_loss_layer.cpp)."""
    loss = site.param("loss_param")
    return sigmoid_cross_entropy(
        x,
        targets,
        ignore_label=loss.optional_integer("ignore_label"),
        normalization=_normalization(site, loss, "batch_size"),
    )


@handlers.layer("EuclideanLoss")
def euclidean(site: Site, x: Value, y: Value) -> Value:
    """Half the mean of squared distances (euclidean_loss_layer.cpp)."""
    return euclidean_loss(x, y)


@handlers.layer("L1Loss")
def l1(site: Site, x: Value, y: Value) -> Value:
    """The mean over the batch of summed absolute differences (l1_loss_layer.cpp of borisgin/nvcaffe, NVIDIA's fork).

    Forward_cpu divides caffe_cpu_asum of the differences by num(), the size of axis 0.
    """
    return l1_loss(x, y)


@handlers.layer("HingeLoss")
def hinge(site: Site, x: Value, labels: Value) -> Value:
    """The one-against-all margin loss, or its square (hinge_loss_layer.cpp)."""
    norm = site.param("hinge_loss_param").enum("norm")
    return hinge_loss(x, labels, norm="l2" if norm == "L2" else "l1")


@handlers.layer("ContrastiveLoss")
def contrastive(site: Site, x: Value, y: Value, similar: Value) -> Value:
    """Pulls pairs together or pushes them `margin` apart (contrastive_loss_layer.cpp)."""
    param = site.param("contrastive_loss_param")
    return contrastive_loss(x, y, similar, margin=param.number("margin"), legacy=param.boolean("legacy_version"))


@handlers.layer("SmoothL1Loss")
def smooth_l1(site: Site, x: Value, y: Value, inside: Value | None = None, outside: Value | None = None) -> Value:
    """Quadratic near 0, linear farther off, weighted inside and outside (smooth_L1_loss_layer.cpp)."""
    given = site.param("loss_param").optional_enum("normalization")
    none = given == "NONE"
    if given not in (None, "NONE"):
        site.note(f"normalization: {given} has no meaning here, the batch's size divides (smooth_L1_loss_layer.cpp)")
    _unused(site, "ignore_label", "normalize", "pre_fixed_normalizer")
    sigma = site.param("smooth_l1_loss_param").number("sigma")
    return smooth_l1_loss(x, y, inside, outside, sigma=sigma, normalization="none" if none else "batch_size")


@handlers.layer("Accuracy")
def accuracy_layer(site: Site, x: Value, labels: Value) -> list[Value]:
    """The share of labels among the best scores; a second top gets it for each class (accuracy_layer.cpp)."""
    param = site.param("accuracy_param")
    axis = canonical_axis(x, param.integer("axis"))
    top_k = param.integer("top_k")
    require_positive("top_k", top_k)
    total, each = accuracy(x, labels, axis=axis, top_k=top_k, ignore_label=param.optional_integer("ignore_label"))
    return _outputs(site, total, each)


def flattened(x: Value) -> Value:
    """[N, ...] as [N, K]."""
    return x if x.rank == 2 else reshape(x, shape=(batch_size(x), count(x.shape[1:])))
