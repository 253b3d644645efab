"""Small nets, one behaviour each, that the real Caffe or OpenCV can judge."""

from __future__ import annotations

import numpy as np

from tests.frontends.caffe.nets import Case, layer, one

IMAGE = {"data": (2, 4, 7, 9)}
ROWS = {"data": (3, 6)}


def _labels(shape: tuple[int, ...], classes: int, seed: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, classes, shape).astype(np.float32)


def _pooling(id: str, body: str, *, cv2: bool = True, tops: str = "y", size: tuple[int, int] = (7, 9)) -> Case:
    return Case(
        f"pooling {id}", {"data": (2, 3, *size)}, one("Pooling", f"pooling_param {{ {body} }}", tops=tops), cv2=cv2
    )


def _filtered(
    id: str, kind: str, body: str, weight: tuple[int, ...], bias: int | None, inputs: dict[str, tuple[int, ...]] = IMAGE
) -> Case:
    shapes = [weight] + ([(bias,)] if bias is not None else [])
    return Case(f"{kind} {id}", inputs, one(kind, f"convolution_param {{ {body} }}"), {"it": shapes}, cv2=True)


CONVOLUTION = (
    _filtered("plain", "Convolution", "num_output: 5 kernel_size: 3", (5, 4, 3, 3), 5),
    _filtered(
        "h and w",
        "Convolution",
        "num_output: 6 kernel_h: 3 kernel_w: 2 stride_h: 2 stride_w: 3 pad_h: 1 pad_w: 2 group: 2 bias_term: false",
        (6, 2, 3, 2),
        None,
    ),
    _filtered("dilated", "Convolution", "num_output: 2 kernel_size: 3 dilation: 2 pad: 2 stride: 2", (2, 4, 3, 3), 2),
    _filtered("depthwise", "Convolution", "num_output: 4 kernel_size: 3 group: 4 pad: 1", (4, 1, 3, 3), 4),
    _filtered("plain", "Deconvolution", "num_output: 3 kernel_size: 4 stride: 2 pad: 1", (4, 3, 4, 4), 3),
    _filtered(
        "grouped",
        "Deconvolution",
        "num_output: 4 kernel_size: 3 stride: 2 group: 4 bias_term: false",
        (4, 1, 3, 3),
        None,
    ),
    Case(
        "Convolution of three axes",
        {"data": (1, 2, 4, 5, 6)},
        one("Convolution", "convolution_param { num_output: 3 kernel_size: 2 kernel_size: 3 kernel_size: 3 pad: 1 }"),
        {"it": [(3, 2, 2, 3, 3), (3,)]},
    ),
    Case(
        "Convolution of two bottoms",
        {"a": (1, 2, 5, 5), "b": (1, 2, 5, 5)},
        one("Convolution", "convolution_param { num_output: 3 kernel_size: 3 }", "a b", "y z"),
        {"it": [(3, 2, 3, 3), (3,)]},
    ),
    Case("Im2col", IMAGE, one("Im2col", "convolution_param { kernel_size: 3 stride: 2 pad: 1 }")),
    Case("Im2col dilated", IMAGE, one("Im2col", "convolution_param { kernel_h: 2 kernel_w: 3 dilation: 2 }")),
)

POOLING = (
    _pooling("max", "pool: MAX kernel_size: 3 stride: 2"),
    _pooling("max rounds up", "pool: MAX kernel_size: 2 stride: 2"),
    _pooling("max padded clips", "pool: MAX kernel_size: 3 stride: 2 pad: 1", size=(6, 8)),
    _pooling("max padded drops a window", "pool: MAX kernel_size: 2 stride: 2 pad: 1", size=(5, 6)),
    _pooling("max mixed pad", "pool: MAX kernel_h: 2 kernel_w: 3 stride: 3 pad_h: 0 pad_w: 1", size=(6, 6), cv2=False),
    _pooling("average", "pool: AVE kernel_size: 3 stride: 2"),
    _pooling("average overhang", "pool: AVE kernel_size: 3 stride: 2", size=(6, 8)),
    _pooling("average padded", "pool: AVE kernel_size: 3 stride: 2 pad: 1"),
    _pooling("average padded overhang", "pool: AVE kernel_size: 3 stride: 2 pad: 1", size=(6, 8)),
    _pooling("average large pad", "pool: AVE kernel_size: 5 stride: 3 pad: 4", size=(6, 8), cv2=False),
    _pooling(
        "average h and w", "pool: AVE kernel_h: 2 kernel_w: 4 stride_h: 1 stride_w: 3 pad_h: 1 pad_w: 2", cv2=False
    ),
    _pooling("one window", "pool: AVE kernel_size: 8 stride: 2", size=(7, 7), cv2=False),
    _pooling("global max", "pool: MAX global_pooling: true"),
    _pooling("global average", "pool: AVE global_pooling: true"),
    _pooling("with a mask", "pool: MAX kernel_size: 3 stride: 2 pad: 1", tops="y mask", cv2=False),
    _pooling("global with a mask", "pool: MAX global_pooling: true", tops="y mask", cv2=False),
    _pooling("kernel larger than input", "pool: MAX kernel_size: 4 stride: 2", size=(3, 3), cv2=False),
    Case("SPP max", IMAGE, one("SPP", "spp_param { pyramid_height: 3 pool: MAX }")),
    Case("SPP average", {"data": (2, 3, 8, 8)}, one("SPP", "spp_param { pyramid_height: 3 pool: AVE }")),
    Case("SPP one level", IMAGE, one("SPP", "spp_param { pyramid_height: 1 pool: MAX }")),
)

ACTIVATION = (
    Case("ReLU", IMAGE, one("ReLU"), cv2=True),
    Case("ReLU leaky", IMAGE, one("ReLU", "relu_param { negative_slope: 0.1 }"), cv2=True),
    Case("PReLU", IMAGE, one("PReLU"), {"it": [(4,)]}, cv2=True),
    Case("PReLU shared", IMAGE, one("PReLU", "prelu_param { channel_shared: true }"), {"it": [()]}),
    Case("ELU", IMAGE, one("ELU", "elu_param { alpha: 0.7 }")),
    Case("Sigmoid", IMAGE, one("Sigmoid"), cv2=True),
    Case("TanH", IMAGE, one("TanH"), cv2=True),
    Case("AbsVal", IMAGE, one("AbsVal"), cv2=True),
    Case("BNLL", IMAGE, one("BNLL"), cv2=True),
    Case("Threshold", IMAGE, one("Threshold", "threshold_param { threshold: 0.3 }")),
    Case("Power", IMAGE, one("Power", "power_param { power: 2 scale: 0.5 shift: 0.25 }"), cv2=True),
    Case("Power of 1", IMAGE, one("Power", "power_param { scale: 0.5 shift: 0.25 }"), cv2=True),
    Case("Power of nothing", IMAGE, one("Power")),
    Case("Power of 0", IMAGE, one("Power", "power_param { power: 0 scale: 2 shift: 1 }")),
    Case("Exp", IMAGE, one("Exp")),
    Case("Exp base 2", IMAGE, one("Exp", "exp_param { base: 2 scale: 0.5 shift: 1 }")),
    Case("Log", IMAGE, one("Log", "log_param { base: 10 scale: 0.1 shift: 5 }")),
    Case("Dropout", IMAGE, one("Dropout"), cv2=True),
    Case("Split", IMAGE, one("Split", tops="y z")),
)

LINEAR = (
    Case(
        "InnerProduct",
        IMAGE,
        one("InnerProduct", "inner_product_param { num_output: 5 }"),
        {"it": [(5, 252), (5,)]},
        cv2=True,
    ),
    Case(
        "InnerProduct axis 2",
        IMAGE,
        one("InnerProduct", "inner_product_param { num_output: 5 axis: 2 bias_term: false }"),
        {"it": [(5, 63)]},
    ),
    Case(
        "InnerProduct transposed",
        ROWS,
        one("InnerProduct", "inner_product_param { num_output: 5 transpose: true }"),
        {"it": [(6, 5), (5,)]},
    ),
    Case(
        "Embed",
        {"data": (2, 3)},
        one("Embed", "embed_param { num_output: 4 input_dim: 7 }"),
        {"it": [(7, 4), (4,)]},
        make={"data": _labels((2, 3), 7)},
    ),
    Case("Scale", IMAGE, one("Scale", "scale_param { bias_term: true }"), {"it": [(4,), (4,)]}, cv2=True),
    Case("Scale of all", IMAGE, one("Scale", "scale_param { axis: 1 num_axes: -1 }"), {"it": [(4, 7, 9)]}),
    Case("Scale scalar", IMAGE, one("Scale", "scale_param { num_axes: 0 }"), {"it": [()]}),
    Case(
        "Scale by a bottom",
        {"data": (2, 3, 4), "s": (2, 3)},
        one("Scale", "scale_param { axis: 0 bias_term: true }", "data s"),
        {"it": [(2, 3)]},
    ),
    Case("Bias", IMAGE, one("Bias", "bias_param { axis: 1 num_axes: 2 }"), {"it": [(4, 7)]}),
    Case("Bias by a bottom", {"data": (2, 3, 4), "s": (3, 4)}, one("Bias", "bias_param { axis: 1 }", "data s")),
    Case(
        "Eltwise sum",
        {"a": (2, 3), "b": (2, 3), "c": (2, 3)},
        one("Eltwise", "eltwise_param { coeff: 1 coeff: -1 coeff: 0.5 }", "a b c"),
        cv2=True,
    ),
    Case(
        "Eltwise product",
        {"a": (2, 3), "b": (2, 3)},
        one("Eltwise", "eltwise_param { operation: PROD }", "a b"),
        cv2=True,
    ),
    Case(
        "Eltwise maximum",
        {"a": (2, 3), "b": (2, 3)},
        one("Eltwise", "eltwise_param { operation: MAX }", "a b"),
        cv2=True,
    ),
)

NORM = (
    Case("BatchNorm", IMAGE, one("BatchNorm"), {"it": [(4,), (4,), (1,)]}, positive=[("it", 1), ("it", 2)], cv2=True),
    Case(
        "BatchNorm of rows",
        ROWS,
        one("BatchNorm", "batch_norm_param { eps: 0.01 }"),
        {"it": [(6,), (6,), (1,)]},
        positive=[("it", 1), ("it", 2)],
    ),
    Case("LRN", IMAGE, one("LRN", "lrn_param { local_size: 3 alpha: 0.5 beta: 0.7 k: 2 }")),
    Case("LRN of three", IMAGE, one("LRN", "lrn_param { local_size: 3 alpha: 0.5 beta: 0.7 }"), cv2=True),
    Case("LRN default", IMAGE, one("LRN")),
    Case(
        "LRN within", IMAGE, one("LRN", "lrn_param { local_size: 3 alpha: 0.5 beta: 0.7 norm_region: WITHIN_CHANNEL }")
    ),
    Case("MVN", IMAGE, one("MVN"), cv2=True),
    Case("MVN across", IMAGE, one("MVN", "mvn_param { across_channels: true eps: 0.1 }")),
    Case("MVN mean only", IMAGE, one("MVN", "mvn_param { normalize_variance: false }")),
    Case("Softmax", IMAGE, one("Softmax"), cv2=True),
    Case("Softmax axis", IMAGE, one("Softmax", "softmax_param { axis: -1 }")),
)

SHAPE = (
    Case("Concat", {"a": (2, 3, 4), "b": (2, 2, 4)}, one("Concat", "", "a b"), cv2=True),
    Case("Concat axis", {"a": (2, 3, 4), "b": (2, 3, 1)}, one("Concat", "concat_param { axis: -1 }", "a b")),
    Case("Concat dim", {"a": (2, 3), "b": (1, 3)}, one("Concat", "concat_param { concat_dim: 0 }", "a b")),
    Case("Concat of one", {"a": (2, 3)}, one("Concat", "", "a")),
    Case("Slice", IMAGE, one("Slice", tops="y z")),
    Case("Slice points", IMAGE, one("Slice", "slice_param { axis: 2 slice_point: 2 slice_point: 3 }", tops="x y z")),
    Case("Slice of one", IMAGE, one("Slice")),
    Case("Flatten", IMAGE, one("Flatten"), cv2=True),
    Case("Flatten axes", IMAGE, one("Flatten", "flatten_param { axis: 0 end_axis: 1 }")),
    Case("Reshape", IMAGE, one("Reshape", "reshape_param { shape { dim: 0 dim: -1 dim: 3 } }")),
    Case("Reshape part", IMAGE, one("Reshape", "reshape_param { shape { dim: 3 dim: -1 } axis: -2 num_axes: 1 }")),
    Case("Reshape inserts", IMAGE, one("Reshape", "reshape_param { shape { dim: 1 } axis: -1 num_axes: 0 }")),
    Case("Tile", {"data": (2, 3, 4)}, one("Tile", "tile_param { axis: 1 tiles: 3 }")),
    Case(
        "Crop",
        {"data": (2, 4, 7, 9), "like": (2, 3, 5, 4)},
        one("Crop", "crop_param { axis: 1 offset: 1 }", "data like"),
    ),
    Case(
        "Crop offsets",
        {"data": (2, 4, 7, 9), "like": (2, 3, 5, 4)},
        one("Crop", "crop_param { offset: 2 offset: 3 }", "data like"),
        cv2=True,
    ),
    Case(
        "BatchReindex",
        {"data": (3, 4), "at": (5,)},
        one("BatchReindex", "", "data at"),
        make={"at": np.array([2, 0, 0, 1, 2], np.float32)},
    ),
    Case(
        "Filter",
        {"data": (4, 3), "on": (4,)},
        one("Filter", "", "data on"),
        make={"on": np.array([1, 0, 1, 1], np.float32)},
    ),
)

REDUCTION = (
    *tuple(
        Case(
            f"Reduction {operation} {axis}",
            IMAGE,
            one("Reduction", f"reduction_param {{ operation: {operation} axis: {axis} coeff: 0.5 }}"),
        )
        for operation in ("SUM", "ASUM", "SUMSQ", "MEAN")
        for axis in (0, 2)
    ),
    Case("ArgMax", IMAGE, one("ArgMax")),
    Case("ArgMax top", ROWS, one("ArgMax", "argmax_param { top_k: 3 out_max_val: true }")),
    Case("ArgMax axis", IMAGE, one("ArgMax", "argmax_param { axis: 1 top_k: 2 }")),
    Case("ArgMax axis value", IMAGE, one("ArgMax", "argmax_param { axis: -1 out_max_val: true }")),
    Case(
        "ArgMax ties",
        ROWS,
        one("ArgMax", "argmax_param { top_k: 2 }"),
        make={"data": np.array([[1, 2, 2, 0, 2, 1]] * 3, np.float32)},
    ),
)

_CONT = np.array([[0, 0], [1, 1], [1, 0], [1, 1]], np.float32)

RECURRENT = (
    Case(
        "LSTM",
        {"x": (4, 2, 3), "cont": (4, 2)},
        one("LSTM", "recurrent_param { num_output: 5 }", "x cont"),
        {"it": [(20, 3), (20,), (20, 5)]},
        make={"cont": _CONT},
    ),
    Case(
        "LSTM static and exposed",
        {"x": (4, 2, 3, 2), "cont": (4, 2), "s": (2, 4), "h": (1, 2, 5), "c": (1, 2, 5)},
        one("LSTM", "recurrent_param { num_output: 5 expose_hidden: true }", "x cont s h c", "y h_end c_end"),
        {"it": [(20, 6), (20,), (20, 4), (20, 5)]},
        make={"cont": _CONT},
    ),
    Case(
        "RNN",
        {"x": (4, 2, 3), "cont": (4, 2)},
        one("RNN", "recurrent_param { num_output: 5 }", "x cont"),
        {"it": [(5, 3), (5,), (5, 5), (5, 5), (5,)]},
        make={"cont": _CONT},
    ),
    Case(
        "RNN static and exposed",
        {"x": (4, 2, 3), "cont": (4, 2), "s": (2, 4), "h": (1, 2, 5)},
        one("RNN", "recurrent_param { num_output: 5 expose_hidden: true }", "x cont s h", "y h_end"),
        {"it": [(5, 3), (5,), (5, 4), (5, 5), (5, 5), (5,)]},
        make={"cont": _CONT},
    ),
    Case(
        "LSTMUnit",
        {"c": (1, 2, 3), "g": (1, 2, 12), "cont": (1, 2)},
        one("LSTMUnit", "", "c g cont", "c1 h1"),
        make={"cont": np.array([[1, 0]], np.float32)},
    ),
    Case(
        "Parameter",
        ROWS,
        one("Parameter", "parameter_param { shape { dim: 3 dim: 6 } }", "", "p")
        + layer("sum", "Eltwise", "data p", "y"),
        {"it": [(3, 6)]},
    ),
)


def _loss(id: str, kind: str, body: str = "", tops: str = "y", labels: int = 4, bottoms: str = "data label") -> Case:
    return Case(
        id,
        {"data": (3, labels, 2), "label": (3, 2)},
        one(kind, body, bottoms, tops),
        make={"label": _labels((3, 2), labels)},
        losses=True,
    )


def _pairs(id: str, kind: str, body: str = "") -> Case:
    return Case(id, {"data": (3, 4), "other": (3, 4)}, one(kind, body, "data other"), losses=True)


LOSS = (
    _loss("SoftmaxWithLoss", "SoftmaxWithLoss"),
    _loss("SoftmaxWithLoss ignores", "SoftmaxWithLoss", "loss_param { ignore_label: 2 }"),
    _loss("SoftmaxWithLoss batch", "SoftmaxWithLoss", "loss_param { normalize: false }"),
    _loss("SoftmaxWithLoss none", "SoftmaxWithLoss", "loss_param { normalization: NONE }"),
    _loss("SoftmaxWithLoss full", "SoftmaxWithLoss", "loss_param { normalization: FULL ignore_label: 1 }"),
    _loss("Accuracy", "Accuracy", "", "y each"),
    _loss("Accuracy top 2", "Accuracy", "accuracy_param { top_k: 2 ignore_label: 1 }"),
    _pairs("EuclideanLoss", "EuclideanLoss"),
    _pairs("SigmoidCrossEntropyLoss", "SigmoidCrossEntropyLoss"),
    _pairs("SigmoidCrossEntropyLoss full", "SigmoidCrossEntropyLoss", "loss_param { normalization: FULL }"),
    Case(
        "HingeLoss",
        {"data": (3, 4), "label": (3,)},
        one("HingeLoss", "", "data label"),
        make={"label": _labels((3,), 4)},
        losses=True,
    ),
    Case(
        "HingeLoss L2",
        {"data": (3, 4), "label": (3,)},
        one("HingeLoss", "hinge_loss_param { norm: L2 }", "data label"),
        make={"label": _labels((3,), 4)},
        losses=True,
    ),
    Case(
        "MultinomialLogisticLoss",
        {"data": (3, 4), "label": (3,)},
        layer("p", "Softmax", "data", "p") + one("MultinomialLogisticLoss", "", "p label"),
        make={"label": _labels((3,), 4)},
        losses=True,
    ),
    Case(
        "InfogainLoss",
        {"data": (3, 4), "label": (3,), "h": (1, 1, 4, 4)},
        one("InfogainLoss", "", "data label h"),
        make={"label": _labels((3,), 4)},
        losses=True,
    ),
    *(
        Case(
            f"ContrastiveLoss {body}",
            {"a": (3, 4), "b": (3, 4), "same": (3,)},
            one("ContrastiveLoss", body, "a b same"),
            make={"same": np.array([1, 0, 0], np.float32)},
            losses=True,
        )
        for body in ("", "contrastive_loss_param { margin: 9 legacy_version: true }")
    ),
)

IN_PLACE = (
    Case(
        "in place",
        {"data": (1, 2, 5, 5)},
        layer("c", "Convolution", "data", "c", "convolution_param { num_output: 3 kernel_size: 3 }")
        + layer("r", "ReLU", "c", "c")
        + layer("s", "Scale", "c", "c")
        + layer("t", "TanH", "c", "c"),
        {"c": [(3, 2, 3, 3), (3,)], "s": [(3,)]},
        cv2=True,
    ),
)

CASES = (
    *CONVOLUTION,
    *POOLING,
    *ACTIVATION,
    *LINEAR,
    *NORM,
    *SHAPE,
    *REDUCTION,
    *RECURRENT,
    *LOSS,
    *IN_PLACE,
)
