"""Files beside the result: opened before the work, written with it, and what a failure says of them."""

from __future__ import annotations

import errno
import json
import os

import pytest

import xir
from tests.cli.commands import call, small
from xir.errors import FileError, XirError
from xir.files import staged_write


@pytest.mark.parametrize(
    ("command", "option"),
    [("convert", "--certificate"), ("convert", "--map"), ("optimize", "--certificate"), ("verify", "--certificate")],
)
def test_a_side_file_that_cannot_be_written_stops_the_work(tmp_path, capsys, monkeypatch, command, option):
    monkeypatch.setattr("xir.api.load_model", lambda *_: pytest.fail("nothing is to be read"))
    monkeypatch.setattr("xir._loading.load_model", lambda *_: pytest.fail("nothing is to be read"))
    source, out = small(tmp_path), tmp_path / "a.onnx"
    where = [source] if command == "verify" else ["-o", out]
    done = call(capsys, command, source, *where, option, tmp_path / "nowhere" / "c.json")
    assert done.code == 9
    assert not out.exists()
    assert ("Nothing written." in done.err) is (command != "verify")


def test_all_of_them_are_written(tmp_path, capsys):
    proof, layers = tmp_path / "c.json", tmp_path / "m.json"
    done = call(capsys, "convert", small(tmp_path), "-o", tmp_path / "a.onnx", "--certificate", proof, "--map", layers)
    assert done.code == 0, done.err
    assert json.loads(proof.read_text())["passed"] is True
    assert json.loads(layers.read_text())["layers"]


def test_a_mismatch_leaves_the_certificate_alone(tmp_path, capsys):
    proof, layers, out = tmp_path / "c.json", tmp_path / "m.json", tmp_path / "a.onnx"
    how = ["--rtol", "0", "--atol", "0", "--certificate", proof, "--map", layers]
    done = call(capsys, "convert", small(tmp_path), "-o", out, *how)
    assert done.code == 6
    assert json.loads(proof.read_text())["passed"] is False
    assert (layers.exists(), out.exists()) == (False, False)
    assert done.err.splitlines()[-1] == f"Written: {proof}; nothing else."


def test_a_plan_writes_no_side_file(tmp_path, capsys):
    done = call(
        capsys, "convert", small(tmp_path), "-o", tmp_path / "a.onnx", "--map", tmp_path / "m.json", "--dry-run"
    )
    assert done.code == 0, done.err
    assert not (tmp_path / "m.json").exists()


def test_a_failure_after_the_result_says_that_it_stands(tmp_path, capsys, monkeypatch):
    def full(report):
        raise FileError("cannot write the file: No space left on device", file="m.json")

    monkeypatch.setattr("xir_cli.convert._map", full)
    out = tmp_path / "a.onnx"
    done = call(capsys, "convert", small(tmp_path), "-o", out, "--map", tmp_path / "m.json")
    assert done.code == 9
    assert out.exists()
    assert done.err.splitlines()[-1] == f"Written: {out}; nothing else."


def test_no_output_is_written_where_one_cannot_be(tmp_path, capsys):
    text = small(tmp_path)
    folder = tmp_path / "results"
    graph = xir.load(text)
    name = graph.output_names[-1]
    (folder / f"{name}.npy").mkdir(parents=True)
    done = call(capsys, "run", text, "--random", "--out", folder)
    assert done.code == 9
    assert [entry for entry in os.listdir(folder) if (folder / entry).is_file()] == []


@pytest.mark.parametrize("weights", ["net.caffemodel", "net.caffemodel.h5"])
@pytest.mark.parametrize("order", [1, -1])
def test_structure_and_weights_in_a_row(tmp_path, capsys, weights, order):
    models = [tmp_path / "net.prototxt", tmp_path / weights][::order]
    done = call(capsys, "convert", *models, "-o", "a.onnx")
    assert done.code == 2
    assert f"hint: xir convert {tmp_path / weights} --prototxt {tmp_path / 'net.prototxt'} -o a.onnx" in done.err


def test_two_models_need_a_folder(tmp_path, capsys):
    done = call(capsys, "convert", tmp_path / "a.onnx", tmp_path / "b.onnx", "-o", "c.onnx")
    assert (done.code, "use --out-dir FOLDER" in done.err) == (2, True)


@pytest.mark.parametrize("command", ["convert", "optimize"])
def test_a_folder_is_no_name_of_a_file(tmp_path, capsys, command):
    (tmp_path / "d").mkdir()
    for word in (f"{tmp_path}/d", f"{tmp_path}/new/"):
        done = call(capsys, command, small(tmp_path), "-o", word)
        assert done.code == 2
        assert f"-o {word} is a folder" in done.err
        assert ("--out-dir" in done.err) is (command == "convert")


def test_a_name_without_an_ending(tmp_path, capsys):
    done = call(capsys, "convert", small(tmp_path), "-o", tmp_path / "a")
    assert done.code == 2
    assert "has no ending that tells the format" in done.err


@pytest.mark.parametrize("beside", [False, True])
def test_an_error_names_the_target_not_its_stage(tmp_path, beside):
    target = tmp_path / "a.onnx"

    def fail():
        with staged_write(target) as staged:
            name = os.path.join(os.path.dirname(staged), "a.data") if beside else staged
            raise FileError(os.strerror(errno.ENOSPC), file=name)

    with pytest.raises(FileError) as caught:
        fail()
    assert caught.value.source.file == str(tmp_path / "a.data" if beside else target)


def test_an_error_of_another_file_keeps_its_name(tmp_path):
    def fail():
        with staged_write(tmp_path / "a.onnx"):
            raise XirError("broken", file="/elsewhere/b.onnx")

    with pytest.raises(XirError) as caught:
        fail()
    assert caught.value.source.file == "/elsewhere/b.onnx"
