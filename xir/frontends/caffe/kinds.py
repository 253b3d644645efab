"""Which layer types are data sources, losses and metrics, or only keep books (facts: caffe.proto and the forks)."""

from __future__ import annotations

DATA = frozenset({
    "Data", "ImageData", "HDF5Data", "MemoryData", "WindowData", "DummyData", "AnnotatedData", "VideoData", "BoxData",
    "ImageSegData", "SegData", "MatRead",
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

SINK = frozenset({"Silence", "HDF5Output", "MatWrite"})
"""Layers without tops: they swallow blobs, or write them to a file, which a graph does not do."""
