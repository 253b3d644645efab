"""Every layer type of Caffe, its forks and deployed prototxts, and what becomes of it: the table is the answer."""

from __future__ import annotations

import pytest

from xir.frontends.caffe.handlers import HANDLERS
from xir.frontends.caffe.kinds import DATA, LOSS, METRIC, REFUSED, SINK, TRAINING

BVLC = {
    "handled": """
        AbsVal Accuracy ArgMax BNLL BatchNorm BatchReindex Bias Clip Concat ContrastiveLoss Convolution Crop
        Deconvolution Dropout ELU Eltwise Embed EuclideanLoss Exp Filter Flatten HingeLoss Im2col InfogainLoss
        InnerProduct LRN LSTM LSTMUnit Log MVN MultinomialLogisticLoss PReLU Parameter Pooling Power RNN ReLU
        Reduction Reshape SPP Scale Sigmoid SigmoidCrossEntropyLoss Slice Softmax SoftmaxWithLoss Split Swish
        TanH Threshold Tile
    """,
    "input": "Data DummyData HDF5Data ImageData Input MemoryData WindowData",
    "swallowed": "HDF5Output Silence",
    "by module": "Python",
}
"""The 61 types that BVLC master registers."""

FORKS = {
    "handled": """
        Axpy BN BatchReduction DetectionOutput Gather Interp L1Loss MKLBatchNorm MnActivation Normalize
        PSROIPooling Permute PriorBox ROIPooling Reorg Scatter SmoothL1Loss SpatialDropout SpatialProduct
        SyncBN
    """,
    "input": "AnnotatedData BoxData ImageSegData MatRead SegData VideoData",
    "swallowed": "MatWrite",
    "refused": """
        AdaptiveBiasChannel BiasChannel BoxAnnotatorOHEM DenseCRF DetectNetTransformation DetectionEvaluate
        DomainTransform DomainTransformForwardOnly EvalDetection MultiBoxLoss RegionLoss SegAccuracy
        SmoothL1LossOHEM SoftmaxWithLossOHEM TRT UniqueLabel
    """,
}
"""The 43 types that forks add."""

DEPLOYED = {
    "handled": """
        Upsample ShuffleChannel ConvolutionDepthwise DepthwiseConvolution ReLU6 ROIAlign Proposal
        YoloDetectionOutput Yolov3DetectionOutput Convolution3D Pooling3D Unpooling CropCenter PixelShuffle
    """,
    "refused": "Resize",
}
"""Seen only in converters and deployed prototxts."""

ROWS = [(kind, state) for table in (BVLC, FORKS, DEPLOYED) for state, kinds in table.items() for kind in kinds.split()]


def _state(kind: str) -> str:
    if kind in HANDLERS:
        return "handled"
    if kind in DATA or kind == "Input":
        return "input"
    if kind in SINK:
        return "swallowed"
    return "refused" if kind in REFUSED else "by module" if kind == "Python" else "unknown"


@pytest.mark.parametrize(("kind", "state"), ROWS)
def test_is(kind: str, state: str) -> None:
    assert _state(kind) == state


def test_counts() -> None:
    assert sum(len(kinds.split()) for kinds in BVLC.values()) == 61
    assert sum(len(kinds.split()) for kinds in FORKS.values()) == 43


def test_nothing_is_handled_that_the_table_lacks() -> None:
    assert {kind for kind in HANDLERS if not kind.startswith("Python:")} == {
        kind for kind, state in ROWS if state == "handled"
    }


def test_every_reason_is_a_sentence() -> None:
    assert all(reason.startswith("it") and len(reason) > 20 for reason in REFUSED.values())


def test_nothing_is_refused_and_handled() -> None:
    assert not set(REFUSED) & set(HANDLERS)
    assert set(REFUSED) | set(HANDLERS) >= LOSS | METRIC | TRAINING
