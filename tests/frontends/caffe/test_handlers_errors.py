"""What each handler refuses, and in which words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.frontends.caffe.encoding import encode_blob
from tests.frontends.caffe.nets import declare, layer, one
from xir.errors import InvalidModelError, UnsupportedError, XirError
from xir.frontends.caffe.handlers import HANDLERS
from xir.frontends.caffe.load import load_caffe
from xir.frontends.options import LoadOptions
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.types import DType, TensorType

X = {"data": (2, 4, 6, 8)}
ROWS = {"data": (3, 6)}
TWO = {"data": (2, 4), "b": (2, 5)}


def load(tmp_path: Path, text: str, **options: object) -> Graph:
    path = tmp_path / "net.prototxt"
    path.write_text(text)
    return load_caffe(str(path), LoadOptions(**options)).graph  # type: ignore[arg-type]


REFUSED = [
    (
        "axis",
        X,
        one("Convolution", "convolution_param { num_output: 1 kernel_size: 1 axis: 2 }"),
        "only channel axis 1",
    ),
    (
        "rank",
        {"data": (2, 4)},
        one("Convolution", "convolution_param { num_output: 1 kernel_size: 1 }"),
        "at least 3 axes",
    ),
    (
        "groups",
        X,
        one("Convolution", "convolution_param { num_output: 3 kernel_size: 1 group: 2 }"),
        "do not divide into 2 groups",
    ),
    ("no kernel", X, one("Convolution", "convolution_param { num_output: 3 }"), "kernel_size stands 0 times"),
    (
        "two kernels",
        X,
        one("Convolution", "convolution_param { num_output: 3 kernel_size: 1 kernel_h: 2 }"),
        "exclude kernel_size",
    ),
    ("half a kernel", X, one("Convolution", "convolution_param { num_output: 3 kernel_h: 2 }"), "must both be given"),
    (
        "stride 0",
        X,
        one("Convolution", "convolution_param { num_output: 3 kernel_size: 1 stride: 0 }"),
        "must be positive",
    ),
    ("no outputs", X, one("Convolution", "convolution_param { kernel_size: 1 }"), "'num_output'"),
    (
        "3d rank",
        X,
        one("Convolution3D", "convolution3d_param { num_output: 1 kernel_size: 1 kernel_depth: 1 }"),
        "[N, C, L, H, W] is needed",
    ),
    ("pool rank", ROWS, one("Pooling", "pooling_param { kernel_size: 1 }"), "4 axes are needed"),
    ("pool both", X, one("Pooling", "pooling_param { kernel_size: 1 kernel_h: 1 kernel_w: 1 }"), "not both"),
    ("pool half", X, one("Pooling", "pooling_param { kernel_size: 1 stride_h: 1 }"), "stride_h and stride_w must both"),
    ("pool none", X, one("Pooling"), "must be given"),
    ("pool pad", X, one("Pooling", "pooling_param { kernel_size: 2 pad: 2 }"), "must be smaller than the kernel"),
    (
        "pool global",
        X,
        one("Pooling", "pooling_param { kernel_size: 2 global_pooling: true }"),
        "no kernel size may be given",
    ),
    (
        "pool global pad",
        X,
        one("Pooling", "pooling_param { pad: 1 global_pooling: true }"),
        "pad must be 0 and stride 1",
    ),
    (
        "pool behind",
        {"data": (1, 1, 4, 4)},
        one("Pooling", "pooling_param { kernel_size: 1 stride: 4 }"),
        "lies behind the 4 elements",
    ),
    (
        "pool stochastic pad",
        X,
        one("Pooling", "pooling_param { pool: STOCHASTIC kernel_size: 2 pad: 1 }"),
        "only for average and max",
    ),
    (
        "pool 3d sizes",
        {"data": (1, 1, 4, 4, 4)},
        one("Pooling", "pooling_param { kernel_size_3d: 2 kernel_size_3d: 2 }"),
        "once for each of 3 axes",
    ),
    (
        "pool3d pad",
        {"data": (1, 1, 4, 4, 4)},
        one("Pooling3D", "pooling3d_param { kernel_size: 2 kernel_depth: 2 pad: 2 }"),
        "must be smaller",
    ),
    ("spp height", X, one("SPP", "spp_param { pyramid_height: 0 }"), "must lie in [1, 16]"),
    ("spp small", {"data": (1, 1, 3, 3)}, one("SPP", "spp_param { pyramid_height: 4 }"), "too small for 4 x 4 bins"),
    ("prelu", {"data": (3,)}, one("PReLU"), "a channel axis is needed"),
    ("exp base", X, one("Exp", "exp_param { base: -2 }"), "must be positive, or -1"),
    ("log base", X, one("Log", "log_param { base: 1 }"), "must not be 1"),
    ("scale axes", X, one("Scale", "scale_param { axis: 2 num_axes: 3 }"), "reaches outside"),
    (
        "scale fits",
        {"data": (2, 3), "b": (2, 3)},
        one("Scale", "scale_param { axis: 1 }", "data b"),
        "does not fit into",
    ),
    ("eltwise one", X, one("Eltwise"), "at least 2 bottoms"),
    ("eltwise shapes", TWO, one("Eltwise", "", "data b"), "differ"),
    (
        "eltwise coeff",
        {"data": (2,), "b": (2,)},
        one("Eltwise", "eltwise_param { operation: PROD coeff: 1 coeff: 2 }", "data b"),
        "coeff needs operation SUM",
    ),
    ("axpy rank", {"s": (2, 3), "x": (2, 3), "z": (2, 3)}, one("Axpy", "", "s x z"), "4 axes are needed"),
    ("bn relu", X, one("BatchNorm", "batch_norm_param { relu: true }"), "relu: true inside BatchNorm"),
    ("lrn even", X, one("LRN", "lrn_param { local_size: 4 }"), "must be odd"),
    ("axis outside", X, one("Softmax", "softmax_param { axis: 4 }"), "axis 4 does not exist"),
    ("concat both", X, one("Concat", "concat_param { axis: 1 concat_dim: 1 }"), "not both"),
    (
        "slice points",
        X,
        one("Slice", "slice_param { slice_point: 3 slice_point: 2 }", tops="y z w"),
        "growing slice points",
    ),
    ("slice parts", X, one("Slice", tops="y z w"), "does not divide into 3"),
    ("flatten", X, one("Flatten", "flatten_param { axis: 2 end_axis: 1 }"), "lies before axis"),
    ("reshape axes", X, one("Reshape", "reshape_param { shape { dim: 1 } axis: 5 }"), "reach outside"),
    ("reshape -1", X, one("Reshape", "reshape_param { shape { dim: -1 dim: -1 } }"), "may hold one -1"),
    ("reshape 0", ROWS, one("Reshape", "reshape_param { shape { dim: 3 dim: 6 dim: 0 } }"), "0 copies axis 2"),
    ("reshape rest", ROWS, one("Reshape", "reshape_param { shape { dim: 5 dim: -1 } }"), "do not divide by 5"),
    ("permute", X, one("Permute", "permute_param { order: 0 order: 0 }"), "names an axis twice"),
    ("tile", X, one("Tile", "tile_param { tiles: 0 }"), "must be positive"),
    ("crop rank", {"data": (2, 3), "b": (2,)}, one("Crop", "crop_param { axis: 0 }", "data b"), "need as many axes"),
    (
        "crop offsets",
        {"data": (2, 3, 4), "b": (2, 3, 4)},
        one("Crop", "crop_param { axis: 0 offset: 0 offset: 0 }", "data b"),
        "2 offsets for 3 axes",
    ),
    (
        "crop outside",
        {"data": (2, 3), "b": (2, 3)},
        one("Crop", "crop_param { axis: 1 offset: 1 }", "data b"),
        "offset and size reach",
    ),
    ("crop center", X, one("CropCenter", "crop_center_param { crop_size: 1 }"), "1 times crop_size for 4 axes"),
    ("filter", {"data": (3, 2), "on": (3, 2)}, one("Filter", "", "data on"), "one number an item"),
    ("argmax k", ROWS, one("ArgMax", "argmax_param { top_k: 7 }"), "top_k must lie in [1, 6]"),
    ("reduction", X, one("Reduction", "reduction_param { operation: TOPK }"), "operation: TOPK is not taken"),
    ("batch reduction", X, one("BatchReduction", "batch_reduction_param { pos: true }"), "pos, or operation"),
    ("batch levels", ROWS, one("BatchReduction", "batch_reduction_param { level: 2 }"), "need 4 items along axis 0"),
    ("lstm bottoms", {"data": (2, 2, 3)}, one("LSTM", "recurrent_param { num_output: 2 }"), "continuation marks"),
    (
        "lstm rank",
        {"data": (2,), "c": (2, 2)},
        one("LSTM", "recurrent_param { num_output: 2 }", "data c"),
        "[time, streams, ...]",
    ),
    ("rnn outputs", {"data": (2, 2, 3), "c": (2, 2)}, one("RNN", "", "data c"), "num_output must be positive"),
    (
        "unit steps",
        {"c": (2, 2, 3), "g": (2, 2, 12), "m": (2, 2)},
        one("LSTMUnit", "", "c g m", "x y"),
        "one step is needed",
    ),
    ("interp pad", X, one("Interp", "interp_param { pad_beg: 1 zoom_factor: 2 }"), "must not be positive"),
    ("interp none", X, one("Interp"), "must be given"),
    ("interp zero", X, one("Interp", "interp_param { height: 0 width: 3 }"), "must be positive"),
    ("upsample half", X, one("Upsample", "upsample_param { scale_h: 2 }"), "must both be given"),
    ("upsample mode", X, one("Upsample", 'upsample_param { scale: 2 mode: "bilinear" }'), "only whole repetitions"),
    ("unpool pad", X, one("Unpooling", "unpooling_param { kernel_size: 2 pad: 1 }"), "only pad 0"),
    (
        "unpool small",
        X,
        one("Unpooling", "unpooling_param { unpool: TILE kernel_size: 2 stride: 2 unpool_size: 4 }"),
        "cuts windows",
    ),
    (
        "prior fields",
        {"data": (1, 1, 2, 2), "i": (1, 1, 8, 8)},
        one("PriorBox", "prior_box_param { min_size: 2 width: 3 }", "data i"),
        "are not taken",
    ),
    (
        "prior steps",
        {"data": (1, 1, 2, 2), "i": (1, 1, 8, 8)},
        one("PriorBox", "prior_box_param { min_size: 2 step: 3 step_h: 2 }", "data i"),
        "either step",
    ),
    (
        "prior step",
        {"data": (1, 1, 2, 2), "i": (1, 1, 8, 8)},
        one("PriorBox", "prior_box_param { min_size: 2 step_h: 2 }", "data i"),
        "step must be positive",
    ),
    (
        "prior image",
        {"data": (1, 1, 2, 2), "i": (1, 1, 8, 8)},
        one("PriorBox", "prior_box_param { min_size: 2 img_size: 3 img_h: 2 }", "data i"),
        "either img_size",
    ),
    (
        "prior size",
        {"data": (1, 1, 2, 2), "i": (1, 1, 8, 8)},
        one("PriorBox", "prior_box_param { min_size: 2 img_h: 2 }", "data i"),
        "must be positive, for height and width",
    ),
    (
        "boxes in pixels",
        {"l": (1, 8), "c": (1, 4), "p": (1, 2, 8)},
        one("DetectionOutput", "detection_output_param { num_classes: 2 normalized_bbox: false }", "l c p"),
        "normalized_bbox: false",
    ),
    (
        "yolo biases",
        {"data": (1, 6, 2, 2)},
        one("YoloDetectionOutput", "yolo_detection_output_param { num_classes: 1 biases: 1 }"),
        "must be pairs",
    ),
    (
        "yolo coords",
        {"data": (1, 6, 2, 2)},
        one("YoloDetectionOutput", "yolo_detection_output_param { coords: 5 biases: 1 biases: 1 }"),
        "coords must be 4",
    ),
    (
        "yolo boxes",
        {"data": (1, 6, 2, 2)},
        one("YoloDetectionOutput", "yolo_detection_output_param { biases: 1 biases: 1 }"),
        "num_box 5 needs",
    ),
    (
        "yolo square",
        {"data": (1, 6, 2, 3)},
        one("YoloDetectionOutput", "yolo_detection_output_param { num_box: 1 num_classes: 1 biases: 1 biases: 1 }"),
        "not square",
    ),
    (
        "yolo nothing",
        {"data": (1, 6, 2, 3)},
        one("YoloDetectionOutput", "yolo_detection_output_param { num_box: 1 biases: 1 biases: 1 }", "")
        + one("ReLU", name="r"),
        "one bottom or more",
    ),
    (
        "yolo3 groups",
        {"data": (1, 6, 2, 2)},
        one("Yolov3DetectionOutput", "yolov3_detection_output_param { biases: 1 biases: 1 }"),
        "do not fit 1 bottoms",
    ),
    (
        "yolo3 mask",
        {"data": (1, 6, 2, 2)},
        one(
            "Yolov3DetectionOutput",
            (
                "yolov3_detection_output_param { mask_group_num: 1 "
                "num_box: 1 anchors_scale: 8 mask: 4 biases: 1 biases: 1 }"
            ),
        ),
        "does not choose 1 of 1",
    ),
    (
        "roi sizes",
        {"data": (1, 1, 4, 4), "r": (1, 5)},
        one("ROIPooling", "roi_pooling_param { pooled_size: 1 pooled_size: 1 pooled_size: 1 }", "data r"),
        "stands 3 times",
    ),
    (
        "roi both",
        {"data": (1, 1, 4, 4), "r": (1, 5)},
        one("ROIPooling", "roi_pooling_param { pooled_size: 1 pooled_h: 1 }", "data r"),
        "either pooled_size",
    ),
    (
        "roi align",
        {"data": (1, 1, 4, 4), "r": (1, 5)},
        one("ROIAlign", "roi_pooling_param { pooled_h: 1 pooled_w: 1 }", "data r"),
        "forks mean different things",
    ),
    (
        "product",
        {"data": (1, 2, 3, 3), "m": (1, 2, 3, 3)},
        one("SpatialProduct", "", "data m"),
        "a map with one channel",
    ),
    ("gather", {"a": (2,), "b": (2,)}, one("Gather", "", "a b"), "2 bottoms and 1 tops"),
    ("nodes", ROWS, one("MnActivation", "mn_activation_param { model_parts_in: 2 }"), "split over several nodes"),
    ("arity", {"a": (2,), "b": (2,)}, one("Softmax", "", "a b"), "the layer has 2 bottoms; its type takes x"),
    ("tops", X, one("Softmax", tops="y z"), "has 2 tops, its type makes 1"),
    ("unread", X, one("ReLU", "permute_param { order: 0 }"), "not understood: permute_param"),
    (
        "python",
        ROWS,
        one("Python", 'python_param { module: "m" layer: "L" }'),
        "the Python layer m.L is not part of the model",
    ),
    ("unknown", ROWS, one("Relu"), "this layer type is not known"),
    ("crf", ROWS, one("DenseCRF"), "random field"),
    ("sizes", ROWS, one("Resize"), "differ from fork to fork"),
]


@pytest.mark.parametrize(("id", "inputs", "text", "words"), REFUSED, ids=[row[0] for row in REFUSED])
def test_says_what_is_wrong(id: str, inputs: dict[str, tuple[int, ...]], text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(XirError) as caught:
        load(tmp_path, declare(inputs) + text)
    error = caught.value
    told = [error.message, *(problem.reason for problem in getattr(error, "problems", ()))]
    assert any(words in one for one in told), told
    layers = [error.source.layer, *(name for problem in getattr(error, "problems", ()) for name in problem.layers)]
    assert "it" in layers


KEPT = [
    ("smoothing", one("SoftmaxWithLoss", "loss_param { label_smoothing: 0.1 }", "data l"), "label_smoothing"),
    ("fixed", one("SoftmaxWithLoss", "loss_param { normalization: PRE_FIXED }", "data l"), "PRE_FIXED"),
    ("gain", one("InfogainLoss", "", "data l"), "the matrix must be"),
    ("gain normalize", one("InfogainLoss", "loss_param { normalize: true }", "data l"), "use normalization"),
    ("accuracy", one("Accuracy", "accuracy_param { top_k: 0 }", "data l"), "top_k must be positive"),
    ("multibox", one("MultiBoxLoss", "", "data l"), "it matches predictions with labels"),
    ("segments", one("SegAccuracy", "", "data l"), "it gathers its result"),
]


@pytest.mark.parametrize(("id", "text", "words"), KEPT, ids=[row[0] for row in KEPT])
def test_says_what_is_wrong_with_a_kept_loss(id: str, text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises((InvalidModelError, UnsupportedError)) as caught:
        load(tmp_path, declare({"data": (3, 4), "l": (3,)}) + text, losses=True)
    problems = getattr(caught.value, "problems", ())
    assert words in caught.value.message or any(words in problem.reason for problem in problems)


def test_stochastic_pooling_is_not_trained(tmp_path: Path) -> None:
    text = declare(X) + one("Pooling", "pooling_param { pool: STOCHASTIC kernel_size: 2 }")
    with pytest.raises(UnsupportedError) as caught:
        load(tmp_path, text, phase="TRAIN")
    assert "draws random numbers" in caught.value.problems[0].reason


SETTINGS = [
    ("'feat_stride': 16", 16),
    ("{'feat_stride': 8, 'scales': (4, 8), \"ratios\": [0.5, 1]}", 8),
    ("feat_stride: 4\nscales: [8, 16.5, 3e1]", 4),
]
PROPOSALS = {"s": (1, 18, 3, 4), "d": (1, 36, 3, 4), "info": (1, 3)}
ANCHORS = "proposal_param { post_nms_topn: 7 ratio: 0.5 ratio: 1 ratio: 2 scale: 8 scale: 16 scale: 32 }"


def _python(settings: str, tops: str = "rois") -> str:
    body = f'python_param {{ module: "rpn.proposal_layer" layer: "ProposalLayer" param_str: "{settings}" }}'
    return one("Python", body, "s d info", tops)


@pytest.mark.parametrize(("settings", "stride"), SETTINGS)
@pytest.mark.parametrize("phase", ["TEST", "TRAIN"])
def test_python_proposals(settings: str, stride: int, phase: str, tmp_path: Path) -> None:
    escaped = settings.replace('"', "'").replace("\n", "\\n")
    shapes = dict(PROPOSALS)
    count = 3 * 3 if "scales" not in settings else (2 * 2 if "ratios" in settings else 3 * 3)
    shapes["s"], shapes["d"] = (1, 2 * count, 3, 4), (1, 4 * count, 3, 4)
    graph = load(tmp_path, declare(shapes) + _python(escaped), phase=phase)
    (node,) = (node for node in graph.nodes if node.op.name == "proposal")
    assert node.attributes["feature_stride"] == stride
    assert node.attributes["post_nms_top_n"] == (2000 if phase == "TRAIN" else 300)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("import os", "not understood"),
        ("'scales': 3", "feat_stride"),
        ("'feat_stride': 1.5", "one whole number"),
        ("'feat_stride': 16, 'x': 1", "param_str holds x"),
        ("'a': 1," * 200, "at most 1000"),
    ],
)
def test_python_settings_are_not_run(settings: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(XirError) as caught:
        load(tmp_path, declare(PROPOSALS) + _python(settings))
    problems = getattr(caught.value, "problems", ())
    assert words in caught.value.message or any(words in problem.reason for problem in problems)


def test_proposal_layer(tmp_path: Path) -> None:
    text = declare(PROPOSALS) + one("Proposal", ANCHORS, "s d info", "rois scores")
    graph = load(tmp_path, text)
    assert graph.output_names == ("rois", "scores")
    assert graph.nodes[0].attributes["post_nms_top_n"] == 7


def test_roi_align(tmp_path: Path) -> None:
    body = "roi_align_param { pooled_h: 2 pooled_w: 3 spatial_scale: 0.25 sampling_ratio: 2 }"
    graph = load(tmp_path, declare({"data": (1, 3, 8, 8), "r": (4, 5, 1, 1)}) + one("ROIAlign", body, "data r"))
    assert graph.outputs[0].shape == (4, 3, 2, 3)


@pytest.mark.parametrize(
    ("kind", "body", "inputs"),
    [
        ("YoloDetectionOutput", "yolo_detection_output_param { num_classes: 1 num_box: 1 biases: 1 biases: 2 }", 2),
        (
            "Yolov3DetectionOutput",
            "yolov3_detection_output_param { num_classes: 1 num_box: 1 biases: 8 biases: 9 biases: 3 biases: 4 "
            "mask: 1 mask: 0 mask_group_num: 2 anchors_scale: 16 anchors_scale: 8 }",
            2,
        ),
    ],
)
def test_yolo_outputs(kind: str, body: str, inputs: int, tmp_path: Path) -> None:
    shapes = {f"m{index}": (1, 6, index + 2, index + 2) for index in range(inputs)}
    graph = load(tmp_path, declare(shapes) + one(kind, body, " ".join(shapes)))
    assert graph.outputs[0].shape[3] == 7
    assert [node.op.name for node in graph.nodes].count("yolo_boxes") == inputs


def test_notes_tell_what_has_no_meaning(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    shapes = {"data": (1, 1, 2, 2), "i": (1, 1, 8, 8), "l": (1, 32), "c": (1, 16)}
    prior = "prior_box_param { min_size: 2.5 max_size: 4 }"
    found = 'detection_output_param { num_classes: 2 save_output_param { output_directory: "x" } }'
    path.write_text(
        declare(shapes)
        + layer("p", "PriorBox", "data i", "p", prior)
        + one("DetectionOutput", found, "l c p")
        + layer("m", "Eltwise", "l l", "m", "eltwise_param { operation: MAX coeff: 1 coeff: 2 }")
    )
    notes = " ".join(load_caffe(str(path), LoadOptions()).notes)
    assert "cuts fractions off" in notes
    assert "writes its detections to files" in notes
    assert "no meaning with operation MAX" in notes


@pytest.mark.parametrize("kind", [kind for kind in HANDLERS if not kind.startswith("Python:")])
def test_any_rank_and_number_of_bottoms_ends_in_a_graph_or_one_clear_error(kind: str, tmp_path: Path) -> None:
    """No other exception escapes, whatever the bottoms are."""
    for rank in range(6):
        for bottoms in range(4):
            names = [f"b{index}" for index in range(bottoms)]
            text = declare({name: (2,) * rank for name in names} | {"z": (1,)})
            text += one(kind, "", " ".join(names)) + layer("r", "ReLU", "z", "r")
            try:
                load(tmp_path, text, losses=True)
            except XirError:
                continue


def _matrix(tmp_path: Path, shape: tuple[int, ...]) -> str:
    (tmp_path / "h.binaryproto").write_bytes(encode_blob(np.arange(np.prod(shape), dtype=np.float32).reshape(shape)))
    loss = one("InfogainLoss", 'infogain_loss_param { source: "h.binaryproto" }', "data l")
    return declare({"data": (3, 4), "l": (3,)}) + loss


def test_a_gain_matrix_of_a_file(tmp_path: Path) -> None:
    graph = load(tmp_path, _matrix(tmp_path, (1, 1, 4, 4)), losses=True)
    (literal,) = (node for node in graph.nodes if node.op.name == "constant")
    assert literal.outputs[0].shape == (1, 1, 4, 4)


def test_a_gain_matrix_of_another_size(tmp_path: Path) -> None:
    with pytest.raises(InvalidModelError, match="expected 4 x 4 numbers"):
        load(tmp_path, _matrix(tmp_path, (3, 3)), losses=True)


def test_a_gain_matrix_for_unknown_classes(tmp_path: Path) -> None:
    inputs = {"data": TensorType(DType.FLOAT32, (3, Symbol("C")))}
    with pytest.raises(InvalidModelError, match="the number of classes is"):
        load(tmp_path, _matrix(tmp_path, (4, 4)), losses=True, inputs=inputs)


def test_a_weight_that_nobody_can_make_up(tmp_path: Path) -> None:
    plugin = tmp_path / "plugin.py"
    plugin.write_text(
        'from xir.frontends._handlers import Handlers\nhandlers = Handlers("caffe")\n'
        '@handlers.layer("Mine")\ndef mine(site, x):\n    return site.weight(0, "w", x.shape)\n'
    )
    text = declare({"data": (2, 3)}) + one("Mine")
    with pytest.raises(InvalidModelError, match="cannot be made up"):
        load(tmp_path, text, plugins=[str(plugin)])
    with pytest.raises(InvalidModelError, match="depends on an unknown size"):
        load(tmp_path, text, plugins=[str(plugin)], inputs={"data": TensorType(DType.FLOAT32, (Symbol("N"), 3))})
