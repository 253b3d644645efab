"""Whole files: data layers as inputs, caffemodels alone, the prototxts of the corpus."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.frontends.caffe.encoding import encode_text
from tests.frontends.caffe.nets import caffemodel, declare, layer, one
from xir.errors import FormatError, InvalidModelError
from xir.frontends.caffe import site
from xir.frontends.caffe.load import load_caffe
from xir.frontends.caffe.net import phases
from xir.frontends.caffe.reader import read_net
from xir.frontends.options import Loaded, LoadOptions
from xir.ir.dims import Symbol
from xir.ir.types import DType, TensorType
from xir.ir.verify import verify
from xir.reference import run

INNER = "inner_product_param { num_output: 2 }"
CONV = "convolution_param { num_output: 3 kernel_size: 3 group: 2 }"


def _load(path: Path, **options: object) -> Loaded:
    loaded = load_caffe(str(path), LoadOptions(**options))  # type: ignore[arg-type]
    verify(loaded.graph)
    return loaded


def _write(folder: Path, text: str) -> Path:
    path = folder / "net.prototxt"
    path.write_text(text)
    return path


def _model(folder: Path, text: str, weights: dict[str, list[np.ndarray]]) -> Path:
    path = folder / "net.caffemodel"
    path.write_bytes(caffemodel(text, weights, whole=True))
    return path


def _shape(loaded: Loaded, name: str = "data") -> list[object]:
    graph = loaded.graph
    value = graph.inputs[graph.input_names.index(name)]
    return ["N" if isinstance(dim, Symbol) else dim for dim in value.shape]


# --- data layers ---------------------------------------------------------------------------------------------------

FOUND = [
    ("Data", "transform_param { crop_size: 7 }", [3, 2, 3, 3], ["N", 4, 7, 7]),
    ("Data", "transform_param { crop_size: 7 force_gray: true }", [3, 1, 3, 3], ["N", 1, 7, 7]),
    ("Data", "transform_param { crop_h: 5 crop_w: 6 }", [3, 2, 3, 3], ["N", 4, 5, 6]),
    ("AnnotatedData", "transform_param { resize_param { height: 6 width: 5 } }", [3, 2, 3, 3], ["N", 4, 6, 5]),
    ("Data", "data_param { crop_size: 5 }", [3, 2, 3, 3], ["N", 4, 5, 5]),
    ("ImageData", "image_data_param { new_height: 5 new_width: 6 }", [3, 2, 3, 3], ["N", 4, 5, 6]),
    ("MemoryData", "memory_data_param { channels: 4 height: 5 width: 6 batch_size: 9 }", [3, 2, 3, 3], ["N", 4, 5, 6]),
    ("WindowData", "transform_param { crop_size: 8 }", [3, 2, 3, 3], ["N", 4, 8, 8]),
    ("DummyData", "dummy_data_param { shape { dim: 2 dim: 4 dim: 5 dim: 5 } }", [3, 2, 3, 3], [2, 4, 5, 5]),
    ("DummyData", "dummy_data_param { num: 2 channels: 4 height: 5 width: 6 }", [3, 2, 3, 3], [2, 4, 5, 6]),
]


@pytest.mark.parametrize(("kind", "body", "weight", "shape"), FOUND)
def test_shapes_of_data_layers(kind: str, body: str, weight: list[int], shape: list[object], tmp_path: Path) -> None:
    group = 4 // weight[1] if weight[1] > 1 else 1
    conv = f"convolution_param {{ num_output: 4 kernel_size: 3 group: {group} bias_term: false }}"
    text = layer("d", kind, "", "data", body) + layer("r", "ReLU", "data", "r") + one("Convolution", conv, "r")
    _write(tmp_path, text)
    weights = {"it": [np.ones((4, *weight[1:]), np.float32)]}
    path = tmp_path / "net.caffemodel"
    path.write_bytes(caffemodel(text, weights))
    loaded = _load(path)
    assert _shape(loaded) == shape


def test_channels_of_an_inner_product(tmp_path: Path) -> None:
    text = layer("d", "Data", "", "data label", "transform_param { crop_size: 4 }") + one("InnerProduct", INNER)
    weights = {"it": [np.ones((2, 48), np.float32), np.ones(2, np.float32)]}
    assert _shape(_load(_model(tmp_path, text, weights))) == ["N", 3, 4, 4]


def test_channels_of_mean_values(tmp_path: Path) -> None:
    body = "transform_param { crop_size: 4 mean_value: 1 mean_value: 2 mean_value: 3 }"
    assert _shape(_load(_write(tmp_path, layer("d", "Data", "", "data", body) + one("ReLU")))) == ["N", 3, 4, 4]


def test_the_batch_of_labels_is_that_of_the_data(tmp_path: Path) -> None:
    text = layer("d", "Data", "", "data label") + one("SoftmaxWithLoss", "", "data label")
    loaded = _load(_write(tmp_path, text), losses=True, inputs={"data": TensorType(DType.FLOAT32, (8, 5))})
    assert _shape(loaded, "label") == [8]


def test_unread_labels_are_no_inputs(tmp_path: Path) -> None:
    text = layer("d", "Data", "", "data label", "transform_param { crop_size: 4 mean_value: 1 mean_value: 2 }")
    assert _load(_write(tmp_path, text + one("ReLU"))).graph.input_names == ("data",)


def test_what_labels_alone_make_is_no_output(tmp_path: Path) -> None:
    text = layer("d", "Data", "", "data label") + one("ReLU") + layer("s", "Split", "label", "a b")
    loaded = _load(_write(tmp_path, text), inputs={"data": TensorType(DType.FLOAT32, (8, 5))})
    assert loaded.graph.output_names == ("y",)


def test_a_python_data_layer(tmp_path: Path) -> None:
    text = layer("d", "Python", "", "data info", 'python_param { module: "m" layer: "L" }') + one("ReLU")
    loaded = _load(_write(tmp_path, text), inputs={"data": TensorType(DType.FLOAT32, (1, 3, 6, 6))})
    assert _shape(loaded) == [1, 3, 6, 6]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (layer("d", "DummyData", "", "data", "dummy_data_param { num: 1 num: 2 channels: 1 }"), "equally often"),
        (
            layer("d", "DummyData", "", "data b", "dummy_data_param { " + "shape { dim: 1 } " * 3 + "}"),
            "2 tops and 3 shapes",
        ),
        (layer("d", "Input", "", "data b c", "input_param { " + "shape { dim: 1 } " * 2 + "}"), "3 tops and 2 shapes"),
    ],
)
def test_contradicting_shapes(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidModelError, match=words):
        _load(_write(tmp_path, text + one("ReLU")))


# --- caffemodels alone ---------------------------------------------------------------------------------------------


def test_lenet_alone_proposes_the_line_that_works(corpus: Path) -> None:
    path = corpus / "caffe" / "lenet" / "lenet_iter_10000.caffemodel"
    with pytest.raises(InvalidModelError, match="the shape of input 'data' is not in the file") as caught:
        _load(path)
    assert "add --input data=f32[N,1,28,28]" in str(caught.value.hint)
    assert str(corpus / "caffe" / "lenet" / "lenet.prototxt") in str(caught.value.hint)
    assert caught.value.source.layer == "mnist"


def test_lenet_alone_with_that_line(corpus: Path) -> None:
    path = corpus / "caffe" / "lenet" / "lenet_iter_10000.caffemodel"
    batch = Symbol("N", minimum=1)
    loaded = _load(path, inputs={"data": TensorType(DType.FLOAT32, (batch, 1, 28, 28))})
    assert loaded.graph.output_names == ("ip2",)
    assert loaded.graph.outputs[0].shape == (batch, 10)
    assert any("of another phase or stage tells the input 'data'" in note for note in loaded.notes)
    described = _load(path, prototxt=str(corpus / "caffe" / "lenet" / "lenet.prototxt"))
    feed = np.random.default_rng(0).standard_normal((64, 1, 28, 28)).astype(np.float32)
    (scores,) = run(loaded.graph, {"data": feed}).values()
    (chances,) = run(described.graph, {"data": feed}).values()
    raised = np.exp(np.asarray(scores))
    np.testing.assert_allclose(raised / raised.sum(1, keepdims=True), np.asarray(chances), rtol=1e-4, atol=1e-6)


def test_a_training_net_alone_with_its_losses(tmp_path: Path) -> None:
    train = "include { phase: TRAIN } transform_param { crop_size: 4 }"
    text = layer("d", "Data", "", "data label", train) + one("InnerProduct", INNER)
    text += layer("l", "SoftmaxWithLoss", "y label", "l")
    weights = {"it": [np.ones((2, 48), np.float32), np.ones(2, np.float32)]}
    path = _model(tmp_path, text, weights)
    assert _load(path).graph.output_names == ("y",)
    kept = _load(path, losses=True)
    assert kept.graph.output_names == ("l",)
    assert _shape(kept) == ["N", 3, 4, 4]
    assert _shape(kept, "label") == ["N"]


PROPOSED = [
    ({"it": [(2, 3)]}, one("InnerProduct", INNER), "f32[N,3]"),
    ({"it": [(2, 75)]}, one("InnerProduct", INNER), "f32[N,75]"),
    ({"it": [(2, 3072)]}, one("InnerProduct", INNER), "f32[N,3,32,32]"),
    (
        {"it": [(4, 5, 3, 3)]},
        one("Convolution", "convolution_param { num_output: 4 kernel_size: 3 }"),
        "f32[N,5,224,224]",
    ),
    ({}, one("Convolution", "convolution_param { num_output: 4 kernel_size: 3 }"), "f32[N,3,224,224]"),
]


@pytest.mark.parametrize(("blobs", "text", "line"), PROPOSED)
def test_proposals(blobs: dict[str, list[tuple[int, ...]]], text: str, line: str, tmp_path: Path) -> None:
    weights = {name: [np.ones(shape, np.float32) for shape in shapes] for name, shapes in blobs.items()}
    for arrays in weights.values():
        arrays.append(np.ones(arrays[0].shape[0], np.float32))
    whole = layer("d", "Data", "", "data label") + text
    path = _model(tmp_path, whole, weights) if weights else _write(tmp_path, whole)
    with pytest.raises(InvalidModelError) as caught:
        _load(path)
    assert caught.value.hint == f"add --input data={line}"


def test_an_old_input_without_a_size(tmp_path: Path) -> None:
    path = tmp_path / "net.caffemodel"
    path.write_bytes(encode_text('input: "data" ' + one("ReLU")))
    with pytest.raises(InvalidModelError, match="the shape of input 'data'"):
        _load(path)
    assert _shape(_load(path, inputs={"data": TensorType(DType.FLOAT32, (2, 3))})) == [2, 3]


def test_files_and_layers_are_told(tmp_path: Path) -> None:
    text = declare({"data": (2, 3)}) + one("InnerProduct", INNER)
    weights = {"it": [np.ones((2, 3), np.float32), np.ones(2, np.float32)]}
    path = _model(tmp_path, text, weights)
    (tmp_path / "net.prototxt").write_text(text)
    loaded = _load(path)
    assert loaded.files == (str(tmp_path / "net.prototxt"), str(path))
    assert loaded.layers == 2


def test_an_hdf5_snapshot_has_no_training_net(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "net.caffemodel.h5"
    with h5py.File(path, "w") as file:
        held = file.create_group("data").create_group("it")
        held["0"], held["1"] = np.ones((2, 3), np.float32), np.ones(2, np.float32)
    (tmp_path / "net.prototxt").write_text(declare({"data": (2, 3)}) + one("InnerProduct", INNER))
    assert any("nothing to preprocess" in note for note in _load(path, preprocess=True).notes)


# --- the corpus ----------------------------------------------------------------------------------------------------

INPUTS = {
    "mnist_siamese_train_test": {"pair_data": (2, 2, 28, 28)},
    "imagenet_val": {"data": (1, 3, 227, 227)},
    "nonlinear_auto_test": {"data": (2, 4)},
    "nonlinear_auto_train": {"data": (2, 4)},
    "nonlinear_train_val": {"data": (2, 4)},
    "hdf5_classification/train_val": {"data": (2, 4)},
    "cifar10": {"data": (1, 3, 32, 32)},
    "lenet_train_test": {"data": (1, 1, 28, 28)},
    "mnist_autoencoder": {"data": (1, 1, 28, 28)},
    "pascal_finetune_trainval_test": {"data": (1, 3, 227, 227)},
    "bvlc_googlenet/train_val": {"data": (1, 3, 224, 224)},
    "train_val": {"data": (1, 3, 227, 227)},
}
"""Part of a path -> what to give for data layers, whose files are not here; the first that fits."""


@pytest.fixture(scope="module")
def prototxts(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("prototxts")
    with zipfile.ZipFile(corpus / "caffe_prototxts.zip") as archive:
        for name in archive.namelist():
            if not name.endswith("/"):
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.read(name))
    return sorted(folder.rglob("*.prototxt"))


@pytest.fixture
def empty_fillers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Zeros instead of random numbers: hundreds of megabytes that nobody looks at."""

    def zeros(filler: object, shape: tuple[int, ...], generator: object) -> np.ndarray:
        return np.broadcast_to(np.float32(0), shape)

    monkeypatch.setattr(site, "fill", zeros)


def _inputs(path: Path, names: tuple[str, ...]) -> dict[str, TensorType]:
    given = next((shapes for part, shapes in INPUTS.items() if part in str(path)), {})
    return {name: TensorType(DType.FLOAT32, shape) for name, shape in given.items() if name in names}


def _tops(path: Path) -> tuple[str, ...]:
    return tuple(top for one in read_net(path).layers if not one.bottoms for top in one.tops)


def _is_solver(path: Path) -> bool:
    return "solver" in path.name


def test_there_are_72(prototxts: list[Path]) -> None:
    assert len(prototxts) == 72


def test_solvers_are_recognized(prototxts: list[Path]) -> None:
    solvers = [path for path in prototxts if _is_solver(path)]
    assert solvers
    for path in solvers:
        with pytest.raises(FormatError, match="a solver's settings, not a net"):
            _load(path)


def test_each_net_loads_in_each_phase_it_defines(prototxts: list[Path], empty_fillers: None) -> None:
    for path in prototxts:
        if _is_solver(path):
            continue
        for phase in phases(read_net(path)):
            loaded = _load(path, phase=phase, inputs=_inputs(path, _tops(path)), losses=False)
            assert loaded.graph.outputs, path


def test_each_training_net_loads_with_its_losses(prototxts: list[Path], empty_fillers: None) -> None:
    for path in prototxts:
        if _is_solver(path) or "TRAIN" not in phases(read_net(path)) or "linreg" in path.name:
            continue
        loaded = _load(path, phase="TRAIN", inputs=_inputs(path, _tops(path)))
        assert any("loss" in name.lower() for name in loaded.graph.output_names), path
