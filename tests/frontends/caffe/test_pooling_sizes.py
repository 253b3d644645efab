"""Pooling of unknown sizes: one graph and one ONNX file for every size, against the real Caffe, OpenCV and numbers."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest

from tests.frontends.caffe.nets import Arrays, Case, declare, job, one, opencv, real_caffe
from xir.api import export
from xir.errors import InvalidModelError
from xir.frontends.caffe.load import load_caffe
from xir.frontends.options import LoadOptions
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.types import DType, TensorType
from xir.passes import optimize
from xir.reference import run

BODIES = {
    "max 2 by 2": "pool: MAX kernel_size: 2 stride: 2",
    "max 3 by 2": "pool: MAX kernel_size: 3 stride: 2",
    "max 3 by 2 pad 1": "pool: MAX kernel_size: 3 stride: 2 pad: 1",
    "max 5 by 4 pad 3": "pool: MAX kernel_size: 5 stride: 4 pad: 3",
    "max 2 by 3 pad 1": "pool: MAX kernel_size: 2 stride: 3 pad: 1",
    "max uneven": "pool: MAX kernel_h: 3 kernel_w: 2 stride_h: 1 stride_w: 3 pad_h: 1 pad_w: 0",
    "ave 2 by 2": "pool: AVE kernel_size: 2 stride: 2",
    "ave 3 by 2": "pool: AVE kernel_size: 3 stride: 2",
    "ave 3 by 2 pad 1": "pool: AVE kernel_size: 3 stride: 2 pad: 1",
    "ave 5 by 4 pad 3": "pool: AVE kernel_size: 5 stride: 4 pad: 3",
    "ave 3 by 4 pad 2": "pool: AVE kernel_size: 3 stride: 4 pad: 2",
}
SIZES = ((7, 8), (8, 9), (9, 7), (10, 11), (11, 10), (12, 13))


def _case(name: str, size: tuple[int, int]) -> Case:
    return Case(
        f"{name} {size[0]} {size[1]}", {"data": (1, 2, *size)}, one("Pooling", f"pooling_param {{ {BODIES[name]} }}")
    )


def _free(text: Path) -> Graph:
    free = TensorType(DType.FLOAT32, (1, 2, Symbol("H", minimum=1), Symbol("W", minimum=1)))
    return load_caffe(str(text), LoadOptions(inputs={"data": free})).graph


def _everywhere(name: str, folder: Path) -> dict[tuple[int, int], tuple[Arrays, Arrays]]:
    """For each size what the reference and onnxruntime compute, through one graph and one file."""
    text, _ = _case(name, SIZES[0]).write(folder)
    graph = _free(text)
    path = folder / "free.onnx"
    export(graph, path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found: dict[tuple[int, int], tuple[Arrays, Arrays]] = {}
    for size in SIZES:
        feeds = _case(name, size).feeds()
        reference = {key: np.asarray(value) for key, value in run(graph, feeds).items()}
        found[size] = reference, {"y": np.asarray(session.run(["y"], feeds)[0])}
    return found


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Arrays | str]:
    folder = tmp_path_factory.mktemp("caffe")
    return real_caffe([job(_case(name, size), folder) for name in BODIES for size in SIZES], folder)


@pytest.mark.parametrize("name", BODIES)
def test_every_size_agrees_with_caffe(name: str, judged: dict[str, Arrays | str], tmp_path: Path) -> None:
    for size, made in _everywhere(name, tmp_path).items():
        expected = judged[_case(name, size).id]
        assert not isinstance(expected, str), f"Caffe failed: {expected}"
        for arrays in made:
            np.testing.assert_allclose(arrays["y"], expected["y"], rtol=1e-5, atol=1e-6, err_msg=str(size))


# OpenCV counts the elements of a clipped window otherwise than Caffe where a pad stands, and keeps windows in the pad.
@pytest.mark.parametrize("name", ["max 2 by 2", "max 3 by 2", "max 3 by 2 pad 1", "ave 2 by 2", "ave 3 by 2"])
def test_every_size_agrees_with_opencv(name: str, tmp_path: Path) -> None:
    for size, made in _everywhere(name, tmp_path).items():
        case = _case(name, size)
        expected = opencv(*case.write(tmp_path), case.feeds(), ["y"])
        for arrays in made:
            np.testing.assert_allclose(arrays["y"], expected["y"], rtol=1e-5, atol=1e-6, err_msg=str(size))


def test_a_known_size_gives_the_same_as_an_unknown_one(tmp_path: Path) -> None:
    for name in BODIES:
        for size, (reference, written) in _everywhere(name, tmp_path).items():
            case = _case(name, size)
            known = run(load_caffe(str(case.write(tmp_path)[0]), LoadOptions()).graph, case.feeds())["y"]
            for made in (reference, written):
                np.testing.assert_allclose(made["y"], np.asarray(known), rtol=1e-6, atol=1e-7, err_msg=case.id)


def test_gaps_between_windows_of_an_unknown_size_are_refused(tmp_path: Path) -> None:
    text = tmp_path / "net.prototxt"
    text.write_text(declare({"data": (1, 2, 8, 8)}) + one("Pooling", "pooling_param { kernel_size: 2 stride: 3 }"))
    with pytest.raises(InvalidModelError, match="lies behind the unknown size") as caught:
        _free(text)
    assert "--input" in str(caught.value.hint)


def test_mtcnn_takes_pictures_of_every_size(corpus: Path, tmp_path: Path) -> None:
    text, weights = (corpus / "caffe" / "mtcnn" / f"det1.{ending}" for ending in ("prototxt", "caffemodel"))
    free = TensorType(DType.FLOAT32, (1, 3, Symbol("H", minimum=12), Symbol("W", minimum=12)))
    graph = load_caffe(str(weights), LoadOptions(prototxt=str(text), inputs={"data": free})).graph
    path = tmp_path / "det1.onnx"
    export(optimize(graph), path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for size in ((12, 12), (13, 20), (31, 24), (48, 47)):
        feeds = {"data": np.random.default_rng(size[0]).standard_normal((1, 3, *size)).astype(np.float32)}
        net = cv2.dnn.readNetFromCaffe(str(text), str(weights))
        net.setInput(feeds["data"], "data")
        expected = net.forward(["conv4-2", "prob1"])
        for array, actual in zip(expected, session.run(["conv4-2", "prob1"], feeds), strict=True):
            np.testing.assert_allclose(actual, array, rtol=1e-3, atol=1e-4, err_msg=str(size))
