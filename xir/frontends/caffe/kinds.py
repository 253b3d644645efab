"""Which layer types are data sources, losses and metrics, or only keep books, and which are refused, and why.

(caffe.proto and the layers of the forks)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

DATA = frozenset({
    "Data", "ImageData", "HDF5Data", "MemoryData", "WindowData", "DummyData", "AnnotatedData", "VideoData", "BoxData",
    "ImageSegData", "SegData", "MatRead", "DenseImageData",
})  # fmt: skip
"""Layers that read training data; a graph takes their tops as inputs."""

LOSS = frozenset({
    "SoftmaxWithLoss", "SigmoidCrossEntropyLoss", "EuclideanLoss", "HingeLoss", "InfogainLoss", "ContrastiveLoss",
    "MultinomialLogisticLoss", "SmoothL1Loss", "L1Loss", "MultiBoxLoss", "SmoothL1LossOHEM", "SoftmaxWithLossOHEM",
    "RegionLoss",
})  # fmt: skip
"""Layers that only training needs."""

METRIC = frozenset({"Accuracy", "SegAccuracy", "DetectionEvaluate", "EvalDetection"})
"""Layers that only measure."""

TRAINING = frozenset({"BoxAnnotatorOHEM"})
"""Layers that only choose what losses look at."""

SINK = frozenset({"Silence", "HDF5Output", "MatWrite"})
"""Layers without tops: they swallow blobs, or write them to a file, which a graph does not do."""

_DETECTION = "; a deploy.prototxt brings the detection layer (DetectionOutput) that stands in its place"


def told_dropped(name: str, kind: str, others: Iterable[str]) -> str:
    """The note about a layer that only training needs.

    Args:
        name: the layer's.
        kind: its type.
        others: types of the layers that are left.
    """
    more = _DETECTION if kind == "MultiBoxLoss" and "DetectionOutput" not in frozenset(others) else ""
    return f"layer {name!r} ({kind}) is only for training: dropped{more}"


_MATCHES = "it matches predictions with labels as it trains; a graph has no operator for it"
_GATHERS = "it gathers its result over all batches of a test, which a graph does not do"
_LABELLED = "it needs labels of the picture: weakly supervised training, not inference"
_FILTER = "it is a recursive filter steered by a second picture, for which there is no operator"

REFUSED: Mapping[str, str] = {
    "MultiBoxLoss": _MATCHES,
    "RegionLoss": _MATCHES,
    "SmoothL1LossOHEM": _MATCHES,
    "SoftmaxWithLossOHEM": _MATCHES,
    "BoxAnnotatorOHEM": _MATCHES,
    "SegAccuracy": _GATHERS,
    "DetectionEvaluate": _GATHERS,
    "EvalDetection": _GATHERS,
    "BiasChannel": _LABELLED,
    "AdaptiveBiasChannel": _LABELLED,
    "UniqueLabel": _LABELLED,
    "DomainTransform": _FILTER,
    "DomainTransformForwardOnly": _FILTER,
    "DenseCRF": "it infers a random field over all pairs of pixels, for which there is no operator: run it afterwards",
    "DetectNetTransformation": "it draws augmentations of labelled pictures; a deploy net does not have it",
    "TRT": "it holds an engine of TensorRT, not a network",
    "Resize": "its fields differ from fork to fork, and none of them is known",
}
"""Known types without a handler, and the reason that a person is told."""
