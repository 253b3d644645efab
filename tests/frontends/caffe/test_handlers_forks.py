"""Layers of the forks, and what the real Caffe's build cannot judge: against OpenCV or sums written out by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.frontends.caffe.nets import Arrays, Case, layer, one, opencv, ours

Oracle = Callable[[Arrays, dict[str, list[np.ndarray]]], np.ndarray]

IMAGE = {"data": (2, 4, 6, 8)}


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _conv(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """A valid convolution of any number of axes, written out."""
    window = w.shape[2:]
    views = np.lib.stride_tricks.sliding_window_view(x, window, axis=tuple(range(2, x.ndim)))
    axes = tuple(range(-len(window), 0))
    return np.moveaxis(np.tensordot(views, w, axes=((1, *axes), (1, *range(2, w.ndim)))), -1, 1)


def _interp(x: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear with aligned corners, written out (interp.cpp)."""
    for axis, size in ((2, height), (3, width)):
        at = np.linspace(0, x.shape[axis] - 1, size)
        low = np.minimum(at.astype(int), x.shape[axis] - 1)
        high = np.minimum(low + 1, x.shape[axis] - 1)
        part = (at - low).reshape([-1 if i == axis else 1 for i in range(4)])
        x = np.take(x, low, axis) * (1 - part) + np.take(x, high, axis) * part
    return x


def _normal(x: np.ndarray, axes: tuple[int, ...], epsilon: float) -> np.ndarray:
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + epsilon)


def _column(vector: np.ndarray) -> np.ndarray:
    return vector.reshape(1, -1, 1, 1)


_BN = [(1, 4, 1, 1)] * 4

WRITTEN_OUT: list[tuple[Case, Oracle]] = [
    (Case("ReLU6", IMAGE, one("ReLU6")), lambda f, w: np.clip(f["data"], 0, 6)),
    (Case("Swish", IMAGE, one("Swish", "swish_param { beta: 2 }")), lambda f, w: f["data"] * _sigmoid(2 * f["data"])),
    (Case("Clip", IMAGE, one("Clip", "clip_param { min: -0.5 max: 1 }")), lambda f, w: np.clip(f["data"], -0.5, 1)),
    (
        Case("ELU with lambda", IMAGE, one("ELU", "elu_param { lambda: 1.5 }")),
        lambda f, w: 1.5 * np.where(f["data"] > 0, f["data"], np.expm1(f["data"])),
    ),
    (
        Case("Dropout scaled", IMAGE, one("Dropout", "dropout_param { dropout_ratio: 0.2 scale_train: false }")),
        lambda f, w: 0.8 * f["data"],
    ),
    (
        Case("SpatialDropout", IMAGE, one("SpatialDropout", "spatial_dropout_param { dropout_ratio: 0.2 }")),
        lambda f, w: f["data"],
    ),
    (
        Case("BN", IMAGE, one("BN"), {"it": _BN}, positive=[("it", 3)]),
        lambda f, w: (f["data"] - w["it"][2]) / np.sqrt(w["it"][3] + 1e-5) * w["it"][0] + w["it"][1],
    ),
    (
        Case("BN in training", IMAGE, one("BN"), {"it": _BN}, phase="TRAIN"),
        lambda f, w: _normal(f["data"], (0, 2, 3), 1e-5) * w["it"][0] + w["it"][1],
    ),
    (
        Case(
            "SyncBN frozen",
            IMAGE,
            one("SyncBN", "bn_param { frozen: true }"),
            {"it": [(4,)] * 4},
            positive=[("it", 3)],
            phase="TRAIN",
        ),
        lambda f, w: (
            (f["data"] - _column(w["it"][2])) / np.sqrt(_column(w["it"][3]) + 1e-5) * _column(w["it"][0])
            + _column(w["it"][1])
        ),
    ),
    (
        Case(
            "BatchNorm of the batch",
            IMAGE,
            one("BatchNorm", "batch_norm_param { use_global_stats: false }"),
            {"it": [(4,), (4,), (1,)]},
        ),
        lambda f, w: _normal(f["data"], (0, 2, 3), 1e-5),
    ),
    (
        Case(
            "BatchNorm scaled",
            IMAGE,
            one("BatchNorm", "batch_norm_param { scale_bias: true }"),
            {"it": [(4,), (4,), (1,), (4,), (4,)]},
            positive=[("it", 1), ("it", 2)],
        ),
        lambda f, w: (
            (f["data"] - _column(w["it"][0] / w["it"][2]))
            / np.sqrt(_column(w["it"][1] / w["it"][2]) + 1e-5)
            * _column(w["it"][3])
            + _column(w["it"][4])
        ),
    ),
    (
        Case(
            "BatchNorm scaled of the batch",
            IMAGE,
            one("BatchNorm", "batch_norm_param { scale_bias: true use_global_stats: false }"),
            {"it": [(4,), (4,), (1,), (4,), (4,)]},
        ),
        lambda f, w: _normal(f["data"], (0, 2, 3), 1e-5) * _column(w["it"][3]) + _column(w["it"][4]),
    ),
    (
        Case(
            "BatchNorm of numbers",
            {"data": (5,)},
            one("BatchNorm"),
            {"it": [(1,), (1,), (1,)]},
            positive=[("it", 1), ("it", 2)],
        ),
        lambda f, w: (f["data"] - w["it"][0] / w["it"][2]) / np.sqrt(w["it"][1] / w["it"][2] + 1e-5),
    ),
    (
        Case(
            "Normalize by channel",
            IMAGE,
            one("Normalize", "norm_param { across_spatial: false channel_shared: false }"),
            {"it": [(4,)]},
        ),
        lambda f, w: f["data"] / np.sqrt((f["data"] ** 2).sum(1, keepdims=True) + 1e-10) * _column(w["it"][0]),
    ),
    (
        Case("Normalize all", IMAGE, one("Normalize", "norm_param { }"), {"it": [()]}),
        lambda f, w: f["data"] / np.sqrt((f["data"] ** 2).sum((1, 2, 3), keepdims=True) + 1e-10) * w["it"][0],
    ),
    (
        Case("Axpy", {"s": (2, 4), "x": (2, 4, 3, 3), "y0": (2, 4, 3, 3)}, one("Axpy", "", "s x y0")),
        lambda f, w: f["s"][:, :, None, None] * f["x"] + f["y0"],
    ),
    (
        Case(
            "Axpy of four axes", {"s": (2, 4, 1, 1), "x": (2, 4, 3, 3), "y0": (2, 4, 3, 3)}, one("Axpy", "", "s x y0")
        ),
        lambda f, w: f["s"] * f["x"] + f["y0"],
    ),
    (
        Case("SpatialProduct", {"x": (2, 4, 3, 5), "m": (2, 1, 3, 5)}, one("SpatialProduct", "", "x m")),
        lambda f, w: f["x"] * f["m"],
    ),
    (
        Case("Permute", {"data": (2, 3, 4, 5)}, one("Permute", "permute_param { order: 0 order: 2 order: 3 }")),
        lambda f, w: f["data"].transpose(0, 2, 3, 1),
    ),
    (
        Case("ShuffleChannel", {"data": (1, 6, 2, 2)}, one("ShuffleChannel", "shuffle_channel_param { group: 3 }")),
        lambda f, w: f["data"].reshape(1, 3, 2, 2, 2).swapaxes(1, 2).reshape(1, 6, 2, 2),
    ),
    (
        Case("PixelShuffle", {"data": (1, 8, 2, 3)}, one("PixelShuffle", "pixel_shuffle_param { upscale_factor: 2 }")),
        lambda f, w: f["data"].reshape(1, 2, 2, 2, 2, 3).transpose(0, 1, 4, 2, 5, 3).reshape(1, 2, 4, 6),
    ),
    (
        Case("Reshape shuffles", {"data": (1, 8, 2, 3)}, one("Reshape", "reshape_param { pixelshuffler: 2 }")),
        lambda f, w: f["data"].reshape(1, 2, 2, 2, 2, 3).transpose(0, 1, 4, 2, 5, 3).reshape(1, 2, 4, 6),
    ),
    (Case("Gather", {"data": (2, 3)}, one("Gather")), lambda f, w: f["data"]),
    (Case("Scatter", {"data": (2, 3)}, one("Scatter")), lambda f, w: f["data"]),
    (
        Case("MnActivation", {"data": (2, 3)}, one("MnActivation", "mn_activation_param { num_nodes_in: 2 }")),
        lambda f, w: f["data"],
    ),
    (
        Case("Interp size", IMAGE, one("Interp", "interp_param { height: 9 width: 5 }")),
        lambda f, w: _interp(f["data"], 9, 5),
    ),
    (
        Case("Interp zoom", IMAGE, one("Interp", "interp_param { zoom_factor: 3 }")),
        lambda f, w: _interp(f["data"], 16, 22),
    ),
    (
        Case("Interp shrink", IMAGE, one("Interp", "interp_param { shrink_factor: 2 }")),
        lambda f, w: _interp(f["data"], 3, 4),
    ),
    (
        Case("Interp both", IMAGE, one("Interp", "interp_param { shrink_factor: 2 zoom_factor: 2 }")),
        lambda f, w: _interp(f["data"], 5, 7),
    ),
    (
        Case("Interp crops", IMAGE, one("Interp", "interp_param { height: 6 width: 6 pad_beg: -1 pad_end: -2 }")),
        lambda f, w: _interp(f["data"][:, :, 1:-2, 1:-2], 6, 6),
    ),
    (Case("Interp same", IMAGE, one("Interp", "interp_param { height: 6 width: 8 }")), lambda f, w: f["data"]),
    (
        Case("Upsample", IMAGE, one("Upsample", "upsample_param { scale: 3 }")),
        lambda f, w: f["data"].repeat(3, 2).repeat(3, 3),
    ),
    (
        Case("Upsample h and w", IMAGE, one("Upsample", "upsample_param { scale_h: 2 scale_w: 1 }")),
        lambda f, w: f["data"].repeat(2, 2),
    ),
    (
        Case(
            "BatchReduction",
            {"data": (6, 3)},
            one("BatchReduction", "batch_reduction_param { reduction_param { operation: MEAN } }"),
        ),
        lambda f, w: f["data"].mean(0),
    ),
    (
        Case(
            "BatchReduction levels",
            {"data": (2, 5, 3)},
            one("BatchReduction", "batch_reduction_param { level: 1 level: 2 reduction_param { axis: 1 } }"),
        ),
        lambda f, w: np.stack([f["data"][:, 0], f["data"][:, 1:].sum(1)], 1),
    ),
    (
        Case(
            "BatchReduction of one level", {"data": (4, 3)}, one("BatchReduction", "batch_reduction_param { level: 2 }")
        ),
        lambda f, w: f["data"].sum(0, keepdims=True),
    ),
    (
        Case(
            "Convolution3D",
            {"data": (1, 2, 4, 5, 5)},
            one("Convolution3D", "convolution3d_param { num_output: 3 kernel_size: 3 kernel_depth: 2 }"),
            {"it": [(3, 2, 2, 3, 3), (3,)]},
        ),
        lambda f, w: _conv(f["data"], w["it"][0]) + w["it"][1].reshape(1, 3, 1, 1, 1),
    ),
    (
        Case(
            "Pooling3D",
            {"data": (1, 2, 4, 4, 4)},
            one("Pooling3D", "pooling3d_param { kernel_size: 2 kernel_depth: 2 stride: 2 temporal_stride: 2 }"),
        ),
        lambda f, w: f["data"].reshape(1, 2, 2, 2, 2, 2, 2, 2).max((3, 5, 7)),
    ),
    (
        Case(
            "Pooling of three axes",
            {"data": (1, 2, 4, 4, 4)},
            one("Pooling", "pooling_param { pool: AVE kernel_size_3d: 2 stride_3d: 2 stride_3d: 2 stride_3d: 2 }"),
        ),
        lambda f, w: f["data"].reshape(1, 2, 2, 2, 2, 2, 2, 2).mean((3, 5, 7)),
    ),
    (
        Case(
            "Pooling without padding",
            {"data": (1, 1, 4, 4)},
            one("Pooling", "pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 avg_include_pad: false }"),
        ),
        lambda f, w: _average_without_padding(f["data"]),
    ),
    (
        Case(
            "Pooling down",
            {"data": (1, 2, 5, 5)},
            one("Pooling", "pooling_param { pool: MAX kernel_size: 2 stride: 2 round_mode: FLOOR }"),
        ),
        lambda f, w: f["data"][:, :, :4, :4].reshape(1, 2, 2, 2, 2, 2).max((3, 5)),
    ),
    (
        Case(
            "Pooling as torch",
            {"data": (1, 2, 5, 5)},
            one("Pooling", "pooling_param { pool: MAX kernel_size: 2 stride: 2 ceil_mode: false }"),
        ),
        lambda f, w: f["data"][:, :, :4, :4].reshape(1, 2, 2, 2, 2, 2).max((3, 5)),
    ),
    (
        Case(
            "Pooling stochastic",
            {"data": (1, 1, 4, 4)},
            one("Pooling", "pooling_param { pool: STOCHASTIC kernel_size: 2 stride: 2 }"),
        ),
        lambda f, w: _stochastic(f["data"]),
    ),
    (
        Case(
            "Convolution with relu",
            IMAGE,
            one("Convolution", "convolution_param { num_output: 3 kernel_size: 1 relu: true }"),
            {"it": [(3, 4, 1, 1), (3,)]},
        ),
        lambda f, w: np.maximum(_conv(f["data"], w["it"][0]) + _column(w["it"][1]), 0),
    ),
    *(
        (
            Case(
                kind,
                IMAGE,
                one(kind, "convolution_param { num_output: 4 kernel_size: 1 bias_term: false }"),
                {"it": [(4, 1, 1, 1)]},
            ),
            lambda f, w: f["data"] * w["it"][0].reshape(1, 4, 1, 1),
        )
        for kind in ("ConvolutionDepthwise", "DepthwiseConvolution")
    ),
    (
        Case("L1Loss", {"a": (3, 4), "b": (3, 4)}, one("L1Loss", "", "a b"), losses=True),
        lambda f, w: np.abs(f["a"] - f["b"]).sum() / 3,
    ),
    (
        Case(
            "SmoothL1Loss",
            {"a": (3, 4), "b": (3, 4), "i": (3, 4), "o": (3, 4)},
            one("SmoothL1Loss", "", "a b i o"),
            losses=True,
        ),
        lambda f, w: (f["o"] * _huber(f["i"] * (f["a"] - f["b"]))).sum() / 3,
    ),
    (
        Case(
            "SmoothL1Loss over 1",
            {"a": (3, 4), "b": (3, 4)},
            one("SmoothL1Loss", "loss_param { normalization: NONE }", "a b"),
            losses=True,
        ),
        lambda f, w: _huber(f["a"] - f["b"]).sum(),
    ),
    (
        Case(
            "Unpooling by mask",
            {"data": (1, 2, 4, 4)},
            layer("p", "Pooling", "data", "p m", "pooling_param { pool: MAX kernel_size: 2 stride: 2 }")
            + one("Unpooling", "unpooling_param { kernel_size: 2 stride: 2 unpool_size: 4 }", "p m"),
        ),
        lambda f, w: np.where(
            f["data"] == f["data"].reshape(1, 2, 2, 2, 2, 2).max((3, 5)).repeat(2, 2).repeat(2, 3), f["data"], 0
        ),
    ),
    (
        Case(
            "Upsample by mask",
            {"data": (1, 2, 4, 4)},
            layer("p", "Pooling", "data", "p m", "pooling_param { pool: MAX kernel_size: 2 stride: 2 }")
            + one("Upsample", "upsample_param { scale: 2 }", "p m"),
        ),
        lambda f, w: np.where(
            f["data"] == f["data"].reshape(1, 2, 2, 2, 2, 2).max((3, 5)).repeat(2, 2).repeat(2, 3), f["data"], 0
        ),
    ),
    (
        Case(
            "Unpooling tiles",
            {"data": (1, 2, 3, 2)},
            one("Unpooling", "unpooling_param { unpool: TILE kernel_size: 2 stride: 2 unpool_h: 6 unpool_w: 4 }"),
        ),
        lambda f, w: f["data"].repeat(2, 2).repeat(2, 3),
    ),
    (
        Case(
            "Unpooling averages",
            {"data": (1, 2, 3, 2)},
            one("Unpooling", "unpooling_param { unpool: AVE kernel_size: 2 stride: 2 }"),
        ),
        lambda f, w: np.pad(f["data"].repeat(2, 2).repeat(2, 3) / 4, ((0, 0), (0, 0), (0, 1), (0, 1))),
    ),
    (
        Case(
            "Unpooling to corners",
            {"data": (1, 1, 2, 2)},
            one("Unpooling", "unpooling_param { kernel_size: 2 stride: 2 }"),
        ),
        lambda f, w: np.pad(np.kron(f["data"][0, 0], [[1, 0], [0, 0]]), ((0, 1), (0, 1)))[None, None],
    ),
]


def _huber(x: np.ndarray) -> np.ndarray:
    return np.where(np.abs(x) < 1, x * x / 2, np.abs(x) - 0.5)


def _average_without_padding(x: np.ndarray) -> np.ndarray:
    result = np.zeros((1, 1, 3, 3))
    for row in range(3):
        for column in range(3):
            top, left = max(row * 2 - 1, 0), max(column * 2 - 1, 0)
            result[0, 0, row, column] = x[0, 0, top : row * 2 + 2, left : column * 2 + 2].mean()
    return result


def _stochastic(x: np.ndarray) -> np.ndarray:
    windows = x.reshape(1, 1, 2, 2, 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(1, 1, 2, 2, 4)
    total = windows.sum(-1)
    return np.where(total > 0, (windows**2).sum(-1) / np.where(total > 0, total, 1), 0)


@pytest.mark.parametrize(("case", "oracle"), WRITTEN_OUT, ids=[case.id for case, _ in WRITTEN_OUT])
def test_agrees_with_the_sum_written_out(case: Case, oracle: Oracle, tmp_path: Path) -> None:
    (actual,) = ours(case, tmp_path).values()
    expected = np.asarray(oracle(case.feeds(), case.weights()))
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


_PRIOR = (
    "prior_box_param { min_size: 20 max_size: 40 aspect_ratio: 2 flip: "
    "true clip: false variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2 step: 8 }"
)
_HEADS = {"data": (1, 3, 32, 32), "map": (1, 2, 4, 4), "loc": (1, 4 * 4 * 4 * 4), "conf": (1, 4 * 4 * 4 * 3)}

OPENCV = (
    Case("PriorBox", {"map": (1, 2, 3, 4), "data": (1, 3, 32, 32)}, one("PriorBox", _PRIOR, "map data")),
    Case(
        "PriorBox without step",
        {"map": (1, 2, 3, 4), "data": (1, 3, 30, 40)},
        one(
            "PriorBox",
            "prior_box_param { min_size: 20 aspect_ratio: 3 flip: true clip: true variance: 0.1 }",
            "map data",
        ),
    ),
    Case(
        "DetectionOutput",
        _HEADS,
        layer("prior", "PriorBox", "map data", "prior", _PRIOR)
        + layer("soft", "Reshape", "conf", "c3", "reshape_param { shape { dim: 0 dim: -1 dim: 3 } }")
        + layer("softmax", "Softmax", "c3", "p3", "softmax_param { axis: 2 }")
        + layer("flat", "Flatten", "p3", "p")
        + one(
            "DetectionOutput",
            (
                "detection_output_param { num_classes: 3 share_location: true "
                "background_label_id: 0 code_type: CENTER_SIZE keep_top_k: 20 "
                "confidence_threshold: 0.3 nms_param { nms_threshold: 0.45 top_k: 30 } }"
            ),
            "loc p prior",
        ),
    ),
    Case(
        "Normalize",
        {"data": (1, 4, 3, 3)},
        one("Normalize", "norm_param { across_spatial: false channel_shared: false }"),
        {"it": [(4,)]},
    ),
    Case("Permute", {"data": (2, 3, 4, 5)}, one("Permute", "permute_param { order: 0 order: 2 order: 3 order: 1 }")),
    Case(
        "Convolution without bias",
        IMAGE,
        one("Convolution", "convolution_param { num_output: 3 kernel_size: 3 bias_term: false }"),
        {"it": [(3, 4, 3, 3)]},
    ),
    Case(
        "ROIPooling",
        {"data": (1, 3, 8, 8), "rois": (4, 5)},
        one("ROIPooling", "roi_pooling_param { pooled_h: 2 pooled_w: 3 spatial_scale: 0.5 }", "data rois"),
        make={"rois": np.array([[0, 0, 0, 7, 7], [0, 2, 4, 15, 11], [0, 3, 3, 3, 3], [0, 1, 2, 9, 14]], np.float32)},
    ),
    Case(
        "PSROIPooling",
        {"data": (1, 12, 8, 8), "rois": (3, 5)},
        one("PSROIPooling", "psroi_pooling_param { output_dim: 3 group_size: 2 spatial_scale: 0.5 }", "data rois"),
        make={"rois": np.array([[0, 0, 0, 7, 7], [0, 2, 4, 15, 11], [0, 1, 2, 9, 14]], np.float32)},
    ),
)


@pytest.mark.parametrize("case", OPENCV, ids=lambda case: case.id)
def test_agrees_with_opencv(case: Case, tmp_path: Path) -> None:
    actual = ours(case, tmp_path)
    text, model = case.write(tmp_path)
    expected = opencv(text, model, case.feeds(), list(actual))
    for name, array in expected.items():
        if case.id == "DetectionOutput":
            array = array[:, :, np.abs(array[0, 0]).sum(axis=1) > 0]
            order = [np.lexsort(rows[0, 0].T[[3, 2, 1]]) for rows in (array, actual[name])]
            array, actual[name] = array[:, :, order[0]], actual[name][:, :, order[1]]
        np.testing.assert_allclose(actual[name].reshape(-1), array.reshape(-1), rtol=1e-3, atol=1e-4)
