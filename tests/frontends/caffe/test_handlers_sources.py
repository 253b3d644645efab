"""Layers whose rules stand in the sources of little forks: against sums written out by hand, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.frontends.caffe.nets import Arrays, Case, declare, layer, one, ours
from xir.errors import UnsupportedError, XirError
from xir.frontends.caffe.load import load_caffe
from xir.frontends.options import Loaded, LoadOptions

Oracle = Callable[[Arrays, dict[str, list[np.ndarray]]], np.ndarray]

IMAGE = {"data": (2, 4, 6, 8)}
STATISTICS = [(4,), (4,), (1,)]
POSITIVE = [("it", 1), ("it", 2)]
FILLERS = "batch_norm_param { scale_filler { type: 'constant' value: 3 } bias_filler { type: 'constant' value: 0.5 } }"


def _crop(*sizes: int) -> str:
    return "crop_center_param { " + " ".join(f"crop_size: {size}" for size in sizes) + " }"


def _column(vector: np.ndarray) -> np.ndarray:
    return vector.reshape(1, -1, 1, 1)


def _of_the_batch(x: np.ndarray) -> np.ndarray:
    return (x - x.mean((0, 2, 3), keepdims=True)) / np.sqrt(x.var((0, 2, 3), keepdims=True) + 1e-5)


def _learned(x: np.ndarray, blobs: list[np.ndarray]) -> np.ndarray:
    return (x - _column(blobs[0] / blobs[2])) / np.sqrt(_column(blobs[1] / blobs[2]) + 1e-5)


def _conv_3d(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    views = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], axis=(2, 3, 4))
    return np.moveaxis(np.tensordot(views, w, axes=((1, 5, 6, 7), (1, 2, 3, 4))), -1, 1)


CASES: list[tuple[Case, Oracle]] = [
    (
        Case("CropCenter", IMAGE, one("CropCenter", _crop(0, 1, 1, 2))),
        lambda f, w: f["data"][:, 1:-1, 1:-1, 2:-2],
    ),
    (Case("CropCenter of nothing", {"data": (2, 4)}, one("CropCenter", _crop(0, 0))), lambda f, w: f["data"]),
    (
        Case(
            "Convolution3D: a filter group reads all channels",
            {"data": (1, 2, 4, 5, 5)},
            one(
                "Convolution3D", "convolution3d_param { num_output: 4 kernel_size: 3 kernel_depth: 2 filter_group: 2 }"
            ),
            {"it": [(4, 2, 2, 3, 3), (1, 1, 1, 1, 4)]},
        ),
        lambda f, w: _conv_3d(f["data"], w["it"][0]) + w["it"][1].reshape(1, 4, 1, 1, 1),
    ),
    (
        Case("BatchNorm with a scale alone", IMAGE, one("BatchNorm"), {"it": [*STATISTICS, (4,)]}, positive=POSITIVE),
        lambda f, w: _learned(f["data"], w["it"]) * _column(w["it"][3]),
    ),
    (
        Case(
            "BatchNorm with scale and bias, unsaid",
            IMAGE,
            one("BatchNorm"),
            {"it": [*STATISTICS, (4,), (4,)]},
            positive=POSITIVE,
        ),
        lambda f, w: _learned(f["data"], w["it"]) * _column(w["it"][3]) + _column(w["it"][4]),
    ),
    (
        Case("BatchNorm filled", IMAGE, one("BatchNorm", FILLERS)),
        lambda f, w: 3 * f["data"] / np.sqrt(1 + 1e-5) + 0.5,
    ),
    (
        Case(
            "BatchNorm filled, of the batch, without bias",
            IMAGE,
            one("MKLBatchNorm", "batch_norm_param { filler { type: 'constant' value: 3 } bias_term: false }"),
            phase="TRAIN",
        ),
        lambda f, w: 3 * _of_the_batch(f["data"]),
    ),
    (
        Case("a layer's own phase", IMAGE, one("BatchNorm").replace("type:", "phase: TRAIN type:")),
        lambda f, w: _of_the_batch(f["data"]),
    ),
    (
        Case(
            "Upsample to a size",
            {"data": (1, 2, 5, 5)},
            layer("pool", "Pooling", "data", "p m", "pooling_param { kernel_size: 2 stride: 2 }")
            + one("Upsample", "upsample_param { scale: 3 upsample_h: 5 upsample_w: 6 }", "p m"),
        ),
        lambda f, w: _unpooled(f["data"], 5, 6),
    ),
    (
        Case(
            "Upsample less a row",
            {"data": (1, 2, 5, 6)},
            layer("pool", "Pooling", "data", "p m", "pooling_param { kernel_size: 2 stride: 2 }")
            + one("Upsample", "upsample_param { pad_out_h: true }", "p m"),
        ),
        lambda f, w: _unpooled(f["data"], 5, 6),
    ),
]


def _unpooled(x: np.ndarray, height: int, width: int) -> np.ndarray:
    """The maxima of windows of 2 x 2 at the flat places that they had in x (upsample_layer.cpp, Forward_cpu)."""
    made = np.zeros((*x.shape[:2], height * width), x.dtype)
    for n, c in np.ndindex(*x.shape[:2]):
        for row in range(0, x.shape[2], 2):
            for column in range(0, x.shape[3], 2):
                window = x[n, c, row : row + 2, column : column + 2]
                at = np.unravel_index(window.argmax(), window.shape)
                made[n, c, (row + at[0]) * x.shape[3] + column + at[1]] = window.max()
    return made.reshape(*x.shape[:2], height, width)


@pytest.mark.parametrize(("case", "oracle"), CASES, ids=[case.id for case, _ in CASES])
def test_agrees_with_what_is_written_out(case: Case, oracle: Oracle, tmp_path: Path) -> None:
    actual = ours(case, tmp_path)["y"]
    np.testing.assert_allclose(actual, oracle(case.feeds(), case.weights()), rtol=1e-4, atol=1e-5)


MASKED = layer("pool", "Pooling", "data", "p m", "pooling_param { kernel_size: 2 stride: 2 }")
REFUSED = [
    ("crop leaves nothing", one("CropCenter", _crop(0, 2, 0, 0)), "leaves nothing of 4"),
    ("depthwise in groups", one("DepthwiseConvolution", "convolution_param { num_output: 4 kernel_size: 1 group: 2 }"),
     "one group a channel"),
    ("pooling over another axis", one("Pooling", "pooling_param { kernel_size: 2 axis: 2 }"), "only channel axis 1"),
    ("half of a size", MASKED + one("Upsample", "upsample_param { upsample_h: 5 }", "p m"), "must both be given"),
    ("two scales", one("Upsample", "upsample_param { scale: 2 scale_h: 2 scale_w: 2 }"), "either scale, or"),
    ("pad_out of scale 3", MASKED + one("Upsample", "upsample_param { scale: 3 pad_out_w: true }", "p m"),
     "need scale 2"),
    ("no scale", one("Upsample"), "scale must be given"),
    ("a size without mask", one("Upsample", "upsample_param { scale: 2 upsample_h: 9 upsample_w: 9 }"),
     "only whole repetitions"),
    ("two unpooled sizes", one("Unpooling", "unpooling_param { kernel_size: 2 unpool_size: 9 unpool_h: 9 }"),
     "either unpool_size"),
    ("half an unpooled size", one("Unpooling", "unpooling_param { kernel_size: 2 unpool_h: 9 }"), "either unpool_size"),
    ("parts of a batch", one("BatchNorm", "batch_norm_param { use_global_stats: false stats_batch_size: 1 }"),
     "parts of a batch"),
    ("fused with a slope", one("ReLU", "relu_param { fuse: true negative_slope: 0.1 }"), "fuse with a negative_slope"),
]  # fmt: skip


def _load(text: str, folder: Path, **options: object) -> Loaded:
    path = folder / "net.prototxt"
    path.write_text(text)
    return load_caffe(str(path), LoadOptions(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "text", "words"), REFUSED, ids=[each[0] for each in REFUSED])
def test_refuses(name: str, text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(XirError) as caught:
        _load(declare(IMAGE) + text, tmp_path)
    said = [caught.value.message]
    if isinstance(caught.value, UnsupportedError):
        said += [problem.reason for problem in caught.value.problems]
    assert any(words in line for line in said)


def test_filter_groups_divide_the_outputs(tmp_path: Path) -> None:
    body = "convolution3d_param { num_output: 3 kernel_size: 1 kernel_depth: 1 filter_group: 2 }"
    with pytest.raises(XirError, match="do not divide into 2 filter groups"):
        _load(declare({"data": (1, 2, 3, 3, 3)}) + one("Convolution3D", body), tmp_path)


@pytest.mark.parametrize("body", ["", "proposal_param { ratio: 1 }", "proposal_param { scale: 8 }"])
def test_proposals_need_anchors(body: str, tmp_path: Path) -> None:
    inputs = declare({"s": (1, 18, 3, 4), "d": (1, 36, 3, 4), "info": (1, 3)})
    with pytest.raises(XirError, match="ratio and scale must be given"):
        _load(inputs + one("Proposal", body, "s d info"), tmp_path)


SAID = [
    ("LRN", one("LRN", "lrn_param { norm_region: WITHIN_CHANNEL k: 2 }"), "k: 2.0 has no meaning"),
    (
        "BatchReduction",
        one("BatchReduction", "batch_reduction_param { reduction_param { coeff: 2 } }"),
        "coeff has no meaning here",
    ),
    (
        "MultinomialLogisticLoss",
        one("MultinomialLogisticLoss", "loss_param { normalization: FULL }", "rows labels"),
        "normalization of loss_param",
    ),
    (
        "SmoothL1Loss",
        one("SmoothL1Loss", "loss_param { normalization: VALID }", "rows rows2"),
        "normalization: VALID has no meaning here",
    ),
]


@pytest.mark.parametrize(("kind", "text", "words"), SAID, ids=[each[0] for each in SAID])
def test_says_aloud_what_the_layer_does_not_read(kind: str, text: str, words: str, tmp_path: Path) -> None:
    inputs = declare({**IMAGE, "rows": (2, 4), "rows2": (2, 4), "labels": (2,)})
    notes = _load(inputs + text, tmp_path, losses="keep").notes
    assert any(words in note and kind in note for note in notes)


@pytest.mark.parametrize(
    ("kind", "body", "blobs", "taken"),
    [
        ("Convolution", "convolution_param { num_output: 2 kernel_size: 1 bias_term: false }", [(2, 4, 1, 1), (2,)], 1),
        ("ReLU", "", [(4,)], 0),
        ("BatchNorm", "", [*STATISTICS, (4,), (4,), (4,)], 5),
    ],
)
def test_a_weight_that_nobody_takes_is_an_error(
    kind: str, body: str, blobs: list[tuple[int, ...]], taken: int, tmp_path: Path
) -> None:
    text, model = Case("net", IMAGE, one(kind, body), {"it": blobs}).write(tmp_path)
    with pytest.raises(XirError, match=f"has {len(blobs)} blobs for the layer, which takes {taken}") as caught:
        load_caffe(str(model), LoadOptions(prototxt=str(text)))
    assert caught.value.code == "XIR-E506"


def test_statistics_need_not_be_used(tmp_path: Path) -> None:
    text, model = Case("net", IMAGE, one("BatchNorm"), {"it": STATISTICS}).write(tmp_path)
    assert load_caffe(str(model), LoadOptions(prototxt=str(text), phase="TRAIN")).graph.nodes
