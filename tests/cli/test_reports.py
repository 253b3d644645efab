"""`xir inspect`, `optimize`, `ops`, `formats` and `doctor`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commands import call, small
from xir.ops import table


def test_inspect_shows_layers_and_totals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = call(capsys, "inspect", small(tmp_path))
    assert done.code == 0, done.err
    rows = [line.split() for line in done.out.splitlines()]
    assert ["conv1", "Convolution", "f32[1,4,6,6]", "112", "7.9k"] in rows
    assert done.out.splitlines()[-1].startswith("5 layers, ")


def test_inspect_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call(capsys, "inspect", small(tmp_path), "--svg", tmp_path / "a.svg", "--dot", tmp_path / "a.dot")
    assert (tmp_path / "a.svg").read_text().startswith("<svg ")
    assert (tmp_path / "a.dot").read_text().startswith("digraph ")


def test_inspect_lists_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = call(capsys, "inspect", small(tmp_path), "--names", "--json").document["values"]
    assert {"name": "pool1", "type": "f32[1,4,3,3]"} in values


def test_optimize_writes_and_explains(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = call(capsys, "optimize", small(tmp_path), "-o", tmp_path / "a.xir", "--explain")
    assert done.code == 0, done.err
    assert "operators became" in done.out
    assert "verified on 3 random inputs" in done.out
    assert (tmp_path / "a.xir").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "nothing is asked for"),
        (("--explain", "--passes", "nothing"), "there is no pass 'nothing'"),
        (("--explain", "--certificate", "c"), "--certificate needs a verification"),
    ],
)
def test_optimize_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str], words: Any, said: Any) -> None:
    done = call(capsys, "optimize", small(tmp_path), *words)
    assert done.code == 2
    assert said in done.err


def test_optimize_at_level_0_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = call(capsys, "optimize", small(tmp_path), "--explain", "--level", "0", "--json").document
    assert (document["before"], document["fired"]) == (document["after"], {})


def test_ops_is_the_coverage_table(capsys: pytest.CaptureFixture[str]) -> None:
    found = {each["name"]: each for each in call(capsys, "ops", "--json").document["operators"]}
    assert set(found) == set(table())
    assert found["conv"]["import"]["onnx"] == [
        "Conv",
        "ConvTranspose",
        "com.microsoft.FusedConv",
        "com.microsoft.NhwcConv",
    ]
    assert "Convolution" in found["conv"]["import"]["caffe"]
    assert (found["conv"]["export"]["onnx"], found["prior_box"]["export"]["onnx"]) == ("direct", "pieces")


def test_ops_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "ops").out.splitlines()[0].split() == [
        "operator", "rules", "from", "Caffe", "from", "ONNX", "from", "PyTorch", "from", "TensorFlow", "from", "TFLite",
        "from", "Keras", "to", "ONNX",
    ]  # fmt: skip


def test_ops_of_one_framework(capsys: pytest.CaptureFixture[str]) -> None:
    torch = call(capsys, "ops", "--framework", "torch").out
    assert any(line.split()[:2] == ["aten.convolution.default", "conv,"] for line in torch.splitlines())
    assert "193 of 193 overloads of core ATen" in torch
    assert "Convolution  " in call(capsys, "ops", "--framework", "caffe").out
    assert "264 are read" in call(capsys, "ops", "--framework", "onnx").out
    tensorflow = call(capsys, "ops", "--framework", "tensorflow").out
    assert "PyFunc is refused: it runs code that is not in the graph" in tensorflow
    assert "others that TensorFlow declares are not" in tensorflow
    assert "CONV_2D  " in call(capsys, "ops", "--framework", "tflite").out
    assert "TFSMLayer is refused" in call(capsys, "ops", "--framework", "keras").out


def test_formats(capsys: pytest.CaptureFixture[str]) -> None:
    found = call(capsys, "formats", "--json").document["formats"]
    assert {each["name"]: (each["reads"], each["writes"]) for each in found} == {
        "xir": (True, True),
        "onnx": (True, True),
        "pt2": (True, True),
        "torchscript": (True, False),
        "caffe": (True, False),
        "tensorflow": (True, True),
        "tfjs": (True, False),
        "tfjs_layers": (True, False),
        "saved_model": (True, True),
        "meta_graph": (True, False),
        "tflite": (True, True),
        "keras": (True, False),
        "keras_archive": (True, True),
        "keras_json": (True, False),
        "py": (False, True),
        "pytorch": (True, False),
        "safetensors": (True, True),
        "tensorflow_checkpoint": (True, False),
        "shards": (True, False),
    }
    assert len({each["name"] for each in found}) == len(found)


def _without(missing: str) -> Callable[[str], str | None]:
    def version(name: str) -> str | None:
        return None if name == missing else "1"

    return version


def _refused(folder: str) -> bool:
    return not folder


def test_doctor_names_what_is_missing(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xir.inspect.environment._version", _without("h5py"))
    done = call(capsys, "doctor")
    assert done.code == 0
    assert "pip install h5py" in done.out


def test_doctor_is_7_where_a_needed_library_is_missing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xir.inspect.environment._version", _without("numpy"))
    assert call(capsys, "doctor").code == 7


def test_doctor_is_9_where_a_folder_cannot_be_written(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xir.inspect.environment._writable", _refused)
    assert call(capsys, "doctor").code == 9
