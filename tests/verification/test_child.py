"""onnxruntime in its own process: arrays of every kind pass through, and its death is an error, not ours."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import xir
from tests.hostile.onnx_files import graphs, small_model, value
from tests.hostile.onnx_files import model as onnx_model
from xir.errors import MismatchError, UnsafeError
from xir.ir.types import DType
from xir.verification import OnnxRuntimeRunner
from xir.verification._child import Result, receive, send, serve

RUNNERS = import_module("xir.verification.runners")
PROCESSES = import_module("xir.verification._process")


def through(*results: Result) -> list[Result]:
    stream = io.BytesIO()
    send(stream, {"told": 1}, results)
    stream.seek(0)
    header, back = receive(stream)
    assert header["told"] == 1
    assert stream.read() == b""
    return back


@pytest.mark.parametrize("dtype", [dtype for dtype in DType if dtype is not DType.STRING], ids=str)
def test_arrays_of_every_type_pass_through_a_frame(dtype: DType) -> None:
    array = np.arange(6).reshape(2, 3).astype(dtype.dtype)
    (back,) = through(array.T)
    assert isinstance(back, np.ndarray)
    assert back.dtype == array.dtype
    assert back.tobytes() == np.ascontiguousarray(array.T).tobytes()


def test_text_sequences_and_absent_results_pass_through_a_frame() -> None:
    text = np.array([["a", "sch\u00f6n"], [b"bytes", "\n"]], object)
    back = through(text, [np.zeros((0, 3), np.float32), [np.array(7)]], None)
    assert isinstance(back[0], np.ndarray)
    assert back[0].tolist() == [["a", "sch\u00f6n"], ["bytes", "\n"]]
    assert isinstance(back[1], list)
    first, inner = back[1]
    assert np.asarray(first).shape == (0, 3)
    assert np.asarray(inner).tolist() == [7]
    assert back[2] is None


def test_maps_pass_through_a_frame() -> None:
    back = through({"a": 0.5, "b": np.asarray(1.5)}, {7: "text"})
    assert [repr(result) for result in back] == [repr({"a": np.array(0.5), "b": np.array(1.5)}), repr({7: TEXT})]


TEXT = np.array("text", object)


@pytest.mark.parametrize("end", [0, 5, -1, -20])
def test_a_frame_that_breaks_off_is_the_end(end: int) -> None:
    stream = io.BytesIO()
    send(stream, {}, [np.ones(9)])
    with pytest.raises(EOFError):
        receive(io.BytesIO(stream.getvalue()[:end]))


def ask(*frames: tuple[dict[str, object], list[Result]]) -> list[tuple[dict[str, object], list[Result]]]:
    """What the child's loop answers, run in this process."""
    stream, answers = io.BytesIO(), io.BytesIO()
    for header, results in frames:
        send(stream, header, results)
    stream.seek(0)
    with suppress(EOFError):
        serve(stream, answers)
    answers.seek(0)
    told: list[tuple[dict[str, object], list[Result]]] = []
    while answers.tell() < len(answers.getvalue()):
        told.append(receive(answers))
    return told


def test_the_child_runs_the_model_and_tells_what_fails() -> None:
    content = np.frombuffer(small_model().SerializeToString(), np.uint8)
    right, wrong = np.ones((1, 3, 8, 8), np.float32), np.ones((1, 3, 8, 7), np.float32)
    opened, first, second = ask(({"path": ""}, [content]), ({"feeds": ["x"]}, [right]), ({"feeds": ["x"]}, [wrong]))
    assert opened[0]["inputs"] == ["x"]
    assert opened[0]["outputs"] == ["y"]
    assert np.asarray(first[1][0]).shape == (1, 5)
    assert "invalid dimensions" in str(second[0]["error"])


def test_the_child_tells_that_a_model_is_refused() -> None:
    ((header, _),) = ask(({"path": ""}, [np.zeros(5, np.uint8)]))
    assert header["error"]
    assert str(header["runtime"]).startswith("onnxruntime ")


def test_a_runner_opens_runs_and_refuses() -> None:
    runner = OnnxRuntimeRunner(small_model().SerializeToString())
    assert runner.runtime.startswith("onnxruntime 1.")
    assert runner.run({"x": np.ones((1, 3, 8, 8), np.float32)})["y"].shape == (1, 5)
    with pytest.raises(MismatchError, match="invalid dimensions"):
        runner.run({"x": np.ones((1, 3, 8, 7), np.float32)})
    with pytest.raises(MismatchError, match="refuses the file"):
        OnnxRuntimeRunner(onnx_model([], [], [value("y", [1])]).SerializeToString())


def test_a_model_that_kills_onnxruntime_is_an_error() -> None:
    (case,) = [each for each in graphs() if each.name == "graph: zero divisor"]
    content = case.files["m.onnx"]
    assert isinstance(content, bytes)
    with pytest.raises(MismatchError, match="died of the model: SIG"):
        OnnxRuntimeRunner(content)


def idle() -> subprocess.Popen[bytes]:
    """A child that never answers, as onnxruntime was seen to do."""
    return subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(3600)"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def test_a_child_that_does_not_open_the_model_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []
    monkeypatch.setattr(PROCESSES, "_start", lambda module: started.append(idle()) or started[0])
    with pytest.raises(UnsafeError, match=r"needs more than 0 s to open the file, and was ended") as caught:
        OnnxRuntimeRunner(b"x" * 1000, seconds=0.2)
    assert caught.value.code == "XIR-E811"
    assert started[0].poll() == -signal.SIGKILL


def test_a_child_that_does_not_read_its_inputs_or_run_the_model_is_ended() -> None:
    runner = OnnxRuntimeRunner(small_model().SerializeToString(), seconds=60)
    child = idle()
    runner._process._process, runner._seconds = child, 0.2
    with pytest.raises(UnsafeError, match="to run the model"):
        runner.run({"x": np.ones((64, 3, 64, 64), np.float32)}, peer_seconds=0.001)
    assert child.poll() == -signal.SIGKILL


def test_a_slow_reference_gives_the_child_more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[float] = []
    ask = OnnxRuntimeRunner._ask

    def noted(self, header, arrays, limit, what):
        limits.append(limit)
        return ask(self, header, arrays, limit, what)

    monkeypatch.setattr(OnnxRuntimeRunner, "_ask", noted)
    runner = OnnxRuntimeRunner(small_model().SerializeToString())
    for peer in (0.0, 1.0, 10.0):
        runner.run({"x": np.ones((1, 3, 8, 8), np.float32)}, peer_seconds=peer)
    assert limits == [60, 60, 60, 500]


def test_a_conversion_whose_file_keeps_onnxruntime_busy_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m.onnx").write_bytes(small_model().SerializeToString())
    (tmp_path / "out.onnx").write_bytes(b"old")
    monkeypatch.setattr(PROCESSES, "_start", lambda module: idle())
    monkeypatch.setattr(RUNNERS, "FOREIGN_SECONDS", 0.2)
    with pytest.raises(UnsafeError, match="open the file") as caught:
        xir.convert(tmp_path / "m.onnx", tmp_path / "out.onnx")
    assert caught.value.exit_code == 8
    assert (tmp_path / "out.onnx").read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.onnx", "out.onnx"]


def test_the_child_imports_nothing_of_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit('taken from the current folder')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    assert OnnxRuntimeRunner(small_model().SerializeToString()).input_names == ["x"]
