"""`xir quantize`, `xir convert --dtype`, and the samples that both take."""

import numpy as np
import pytest

import xir
from tests.cli.commands import call, small
from xir.errors import FileError, UsageError
from xir.ir.types import DType
from xir_cli.samples import SampleFiles

RANDOM = np.random.default_rng(0)
PICTURES = RANDOM.standard_normal((5, 3, 8, 8)).astype(np.float32)


@pytest.fixture
def model(tmp_path):
    """A small net with the weights that its fillers make up, as an ONNX file."""
    path = tmp_path / "model.onnx"
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        xir.export(xir.load(small(tmp_path)), path)
    return path


@pytest.fixture
def samples(tmp_path):
    path = tmp_path / "samples.npy"
    np.save(path, PICTURES)
    return path


def test_a_static_model_is_written(capsys, tmp_path, model, samples):
    done = call(capsys, "quantize", model, "-o", tmp_path / "q.onnx", "--calibration", samples)
    assert done.code == 0, done.err
    assert "2 of 2 layers with weights quantised" in done.out
    assert "made up" not in done.err
    assert any(node.op.name == "quantize" for node in xir.load(tmp_path / "q.onnx").nodes)


def test_made_up_samples_are_told(capsys, tmp_path, model):
    done = call(capsys, "quantize", model, "-o", tmp_path / "q.onnx")
    assert done.code == 0
    assert "the samples were made up" in done.err


@pytest.mark.parametrize(
    "words",
    [
        ("--mode", "dynamic"),
        ("--mode", "weights", "--weights", "int4", "--block", "16", "--max-error", "1"),
        ("--symmetric", "--per-tensor", "--calibration-method", "percentile", "--percentile", "99.9"),
        ("--calibration-method", "entropy", "--no-bias-correction", "--level", "0", "--target", "ort==1.31"),
        ("--exclude", "conv1", "-v"),
    ],
)
def test_every_mode_and_option(capsys, tmp_path, model, samples, words):
    done = call(capsys, "quantize", model, "-o", tmp_path / "q.onnx", "--calibration", samples, *words)
    assert done.code == 0, done.err
    xir.run(xir.load(tmp_path / "q.onnx"), {"data": PICTURES[:1]})


def test_an_xir_file_is_written_too(capsys, tmp_path, model, samples):
    assert call(capsys, "quantize", model, "-o", tmp_path / "q.xir", "--calibration", samples).code == 0
    assert (tmp_path / "q.xir").is_file()


def test_the_document_has_every_layer(capsys, tmp_path, model, samples):
    done = call(capsys, "--json", "quantize", model, "-o", tmp_path / "q.onnx", "--calibration", samples)
    document = done.document
    assert document["samples"] == 5
    assert [layer["quantized"] for layer in document["layers"]] == [True, True]
    assert document["export"]["path"].endswith("q.onnx")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--exclude", "nonsense"), "no layer 'nonsense'"),
        (("--weights", "int4"), "int4 is for weights alone"),
        (("--calibration", "model.txt"), ".npy or .npz"),
    ],
)
def test_contradictions_are_refused(capsys, tmp_path, model, words, said):
    done = call(capsys, "quantize", model, "-o", tmp_path / "q.onnx", *words)
    assert done.code == 2
    assert said in done.err
    assert not (tmp_path / "q.onnx").exists()


def test_the_model_is_not_written_over(capsys, model):
    assert call(capsys, "quantize", model, "-o", model).code == 2


@pytest.mark.parametrize("dtype", ["f16", "bf16"])
def test_a_narrow_model_is_written_and_verified(capsys, tmp_path, model, dtype):
    done = call(capsys, "convert", model, "-o", tmp_path / "n.onnx", "--dtype", dtype)
    assert done.code == 0, done.err
    assert "verified on 3 random inputs" in done.out
    assert "the layers that moved most, on made-up inputs:" in done.out
    assert str(xir.load(tmp_path / "n.onnx").inputs[0].dtype) == dtype


def test_a_narrow_model_with_wide_borders_and_samples(capsys, tmp_path, model, samples):
    words = ("--dtype", "f16", "--keep-io", "--keep-ops", "softmax", "--keep-layers", "conv1", "--samples", samples)
    done = call(capsys, "--json", "convert", model, "-o", tmp_path / "n.onnx", *words)
    assert done.code == 0, done.err
    document = done.document
    assert document["precision"]["made_up"] is False
    assert document["certificate"] is not None
    assert xir.load(tmp_path / "n.onnx").inputs[0].dtype is DType.FLOAT32


def test_a_plan_of_a_narrow_model(capsys, tmp_path, model):
    done = call(capsys, "convert", model, "-o", tmp_path / "n.onnx", "--dtype", "f16", "--dry-run")
    assert done.code == 0
    assert not (tmp_path / "n.onnx").exists()


def test_no_operator_is_kept_on_request(capsys, tmp_path, model):
    done = call(capsys, "convert", model, "-o", tmp_path / "n.onnx", "--dtype", "f16", "--keep-ops", "")
    assert done.code == 0
    assert "0 stay" in done.out


@pytest.mark.parametrize("words", [("--keep-io",), ("--keep-ops", "softmax"), ("--overflow", "clamp")])
def test_options_without_a_type_are_refused(capsys, tmp_path, model, words):
    done = call(capsys, "convert", model, "-o", tmp_path / "n.onnx", *words)
    assert done.code == 2
    assert "says nothing without --dtype" in done.err


def graph_of(tmp_path, *words):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return xir.load(small(tmp_path), inputs=dict(word.split("=") for word in words))


@pytest.mark.parametrize(
    ("type", "shape", "batches"),
    [
        ("f32[1,3,8,8]", (3, 8, 8), [1]),
        ("f32[1,3,8,8]", (1, 3, 8, 8), [1]),
        ("f32[1,3,8,8]", (3, 3, 8, 8), [1, 1, 1]),
        ("f32[2,3,8,8]", (5, 3, 8, 8), [2, 2]),
        ("f32[N,3,8,8]", (5, 3, 8, 8), [5]),
        ("f32[N,3,8,8]", (20, 3, 8, 8), [8, 8, 4]),
    ],
)
def test_arrays_are_cut_into_batches(tmp_path, type, shape, batches):
    np.save(tmp_path / "a.npy", np.zeros(shape, np.float64))
    files = SampleFiles(graph_of(tmp_path, f"data={type}"), [str(tmp_path / "a.npy")])
    assert [len(sample["data"]) for sample in files] == batches
    assert [sample["data"].dtype for sample in files] == [np.float32] * len(batches)


def test_folders_are_read_in_order(tmp_path):
    folder = tmp_path / "samples"
    folder.mkdir()
    np.savez(folder / "b.npz", data=np.ones((1, 3, 8, 8), np.float32))
    np.save(folder / "a.npy", np.zeros((1, 3, 8, 8), np.float32))
    files = SampleFiles(graph_of(tmp_path), [str(folder)])
    assert [float(sample["data"].max()) for sample in files] == [0.0, 1.0]


def test_an_empty_folder_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileError):
        SampleFiles(graph_of(tmp_path), [str(tmp_path / "empty")])


@pytest.mark.parametrize("shape", [(1, 4, 8, 8), (0, 3, 8, 8), (8, 8), ()])
def test_arrays_that_do_not_fit_are_refused(tmp_path, shape):
    np.save(tmp_path / "a.npy", np.zeros(shape, np.float32))
    with pytest.raises(UsageError, match="the model takes"):
        list(SampleFiles(graph_of(tmp_path), [str(tmp_path / "a.npy")]))


def test_names_that_do_not_fit_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", other=np.zeros((1, 3, 8, 8), np.float32))
    with pytest.raises(UsageError, match="holds"):
        list(SampleFiles(graph_of(tmp_path), [str(tmp_path / "a.npz")]))
