"""The data layer's mean and scale as nodes of the graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.frontends.caffe.encoding import encode_blob
from tests.frontends.caffe.nets import caffemodel, declare, layer, one
from xir.errors import FileError, FormatError, InvalidModelError, UnsafeError
from xir.frontends.caffe.load import load_caffe
from xir.frontends.options import Loaded, LoadOptions
from xir.ir.types import DType, TensorType
from xir.ir.verify import verify
from xir.reference import run

X = np.random.default_rng(0).uniform(0, 255, (2, 3, 4, 4)).astype(np.float32)
PICTURE = np.random.default_rng(1).uniform(0, 255, (1, 3, 6, 6)).astype(np.float32)


def _net(transform: str) -> str:
    return layer("d", "Data", "", "data label", f"transform_param {{ crop_size: 4 {transform} }}") + one("AbsVal")


def _load(folder: Path, text: str, **options: object) -> Loaded:
    path = folder / "net.prototxt"
    path.write_text(text)
    inputs = {"data": TensorType(DType.FLOAT32, (2, 3, 4, 4))}
    loaded = load_caffe(str(path), LoadOptions(**{"inputs": inputs, "preprocess": True, **options}))  # type: ignore[arg-type]
    verify(loaded.graph)
    return loaded


def _result(loaded: Loaded) -> np.ndarray:
    (value,) = run(loaded.graph, {"data": X}).values()
    return np.asarray(value)


def _mean(folder: Path, name: str = "mean.binaryproto", picture: np.ndarray = PICTURE) -> Path:
    path = folder / name
    path.write_bytes(encode_blob(picture, old=True))
    return path


@pytest.mark.parametrize(
    ("transform", "expected"),
    [
        ("scale: 0.5", X * 0.5),
        ("mean_value: 100", np.abs(X - 100)),
        ("mean_value: 1 mean_value: 20 mean_value: 100", np.abs(X - np.array([1, 20, 100]).reshape(1, 3, 1, 1))),
        ("mean_value: 100 scale: 0.25", np.abs(X - 100) * 0.25),
        ('mean_file: "mean.binaryproto" scale: 2', np.abs(X - PICTURE[:, :, 1:5, 1:5]) * 2),
        ("mirror: true", X),
    ],
)
def test_mean_and_scale(transform: str, expected: np.ndarray, tmp_path: Path) -> None:
    _mean(tmp_path)
    np.testing.assert_allclose(_result(_load(tmp_path, _net(transform))), expected, rtol=1e-5, atol=1e-4)


def test_the_input_keeps_its_name_and_the_picture_gets_one(tmp_path: Path) -> None:
    graph = _load(tmp_path, _net("mean_value: 1 scale: 2")).graph
    assert graph.input_names == ("data",)
    assert "data_preprocessed" in graph.names.values()


def test_nothing_is_done_unless_asked_for(tmp_path: Path) -> None:
    loaded = _load(tmp_path, _net("mean_value: 1 scale: 2"), preprocess=False)
    assert [node.op.name for node in loaded.graph.nodes] == ["abs"]


def test_arithmetic_that_nobody_asked_for_is_told_to_be_left_out(tmp_path: Path) -> None:
    loaded = _load(tmp_path, _net("mean_value: 100 scale: 0.25 mirror: true"), preprocess=False)
    assert [note for note in loaded.notes if "transform_param" in note] == [
        "input 'data': mean_value, scale of its transform_param are not in the graph; --preprocess adds them"
    ]
    assert not any("transform_param" in note for note in _load(tmp_path, _net(""), preprocess=False).notes)


def test_what_stays_outside_is_told(tmp_path: Path) -> None:
    notes = " ".join(_load(tmp_path, _net("scale: 2 mirror: true force_color: true")).notes)
    assert "crop_size, mirror, force_color concern the reading of pictures" in notes
    assert "BGR" in notes


def test_nothing_to_do_is_told(tmp_path: Path) -> None:
    assert "there is nothing to preprocess" in " ".join(_load(tmp_path, _net("mirror: true")).notes)


def test_a_mean_of_the_person_s_own(tmp_path: Path) -> None:
    mean = _mean(tmp_path, "own.binaryproto")
    loaded = _load(tmp_path, _net("mean_value: 7 scale: 0.5"), mean=str(mean))
    np.testing.assert_allclose(_result(loaded), np.abs(X - PICTURE[:, :, 1:5, 1:5]) * 0.5, rtol=1e-5, atol=1e-4)


def test_an_input_layer_with_a_mean_of_the_person_s_own(tmp_path: Path) -> None:
    loaded = _load(tmp_path, declare({"data": (2, 3, 4, 4)}) + one("AbsVal"), mean=str(_mean(tmp_path)))
    np.testing.assert_allclose(_result(loaded), np.abs(X - PICTURE[:, :, 1:5, 1:5]), rtol=1e-5, atol=1e-4)


def test_a_deploy_net_s_scale_is_told_by_the_training_net_in_the_weights(tmp_path: Path) -> None:
    inner = "inner_product_param { num_output: 2 bias_term: false }"
    data = layer("d", "Data", "", "data label", "transform_param { scale: 0.5 }")
    weights = {"it": [np.ones((2, 48), np.float32)]}
    model = tmp_path / "m.caffemodel"
    model.write_bytes(caffemodel(data + one("InnerProduct", inner), weights, whole=True))
    (tmp_path / "m.prototxt").write_text(declare({"data": (2, 3, 4, 4)}) + one("InnerProduct", inner))
    loaded = load_caffe(str(model), LoadOptions(preprocess=True))
    np.testing.assert_allclose(_result(loaded)[:, 0], 0.5 * X.reshape(2, -1).sum(1), rtol=1e-4)


def test_lenet_s_scale(corpus: Path) -> None:
    path = corpus / "caffe" / "lenet" / "lenet_iter_10000.caffemodel"
    text = corpus / "caffe" / "lenet" / "lenet.prototxt"
    graph = load_caffe(str(path), LoadOptions(prototxt=str(text), preprocess=True)).graph
    assert [node.op.name for node in graph.nodes][:3] == ["constant", "broadcast", "mul"]


@pytest.mark.parametrize(
    ("transform", "error", "words"),
    [
        ('mean_value: 1 mean_file: "mean.binaryproto"', InvalidModelError, "exclude each other"),
        ("mean_value: 1 mean_value: 2", InvalidModelError, "2 mean values do not fit"),
        ('mean_file: "../mean.binaryproto"', UnsafeError, "."),
        ('mean_file: "/etc/passwd"', UnsafeError, "."),
        ('mean_file: "absent.binaryproto"', FileError, "."),
        ('mean_file: "net.prototxt"', FormatError, "not a single blob"),
        ('mean_file: "small.binaryproto"', InvalidModelError, "does not cover 4"),
        ('mean_file: "gray.binaryproto"', InvalidModelError, "does not fit the input"),
    ],
)
def test_says_what_is_wrong(transform: str, error: type[Exception], words: str, tmp_path: Path) -> None:
    _mean(tmp_path)
    _mean(tmp_path, "small.binaryproto", PICTURE[:, :, :3, :3])
    _mean(tmp_path, "gray.binaryproto", PICTURE[:, :1])
    with pytest.raises(error, match=words):
        _load(tmp_path, _net(transform))


def test_a_mean_that_cannot_be_read_points_to_the_option(tmp_path: Path) -> None:
    with pytest.raises(FileError) as caught:
        _load(tmp_path, _net('mean_file: "absent.binaryproto"'))
    assert caught.value.hint == "give the mean with --mean FILE"
