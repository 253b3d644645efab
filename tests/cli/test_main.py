"""The frame around every command: laziness, global options, exit codes, signals, pipes, bugs."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.commands import NET, UNSUPPORTED, call, command_line, environment, small, spawn
from xir_cli.main import COMMANDS, main

HEAVY = {"numpy", "onnx", "onnxruntime", "rich", "google.protobuf", "importlib.metadata", "ml_dtypes"}


def loaded_by(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint('\\n' + ' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], env=environment(), capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_help_loads_nothing_heavy():
    assert HEAVY & loaded_by("from xir_cli.main import main\nassert main(['--help']) == 0") == set()


def test_import_xir_loads_nothing_heavy():
    assert HEAVY & loaded_by("import xir") == set()


def test_inspecting_a_caffe_model_does_not_load_onnx(tmp_path):
    net = small(tmp_path)
    modules = loaded_by(f"from xir_cli.main import main\nassert main(['inspect', {str(net)!r}]) == 0")
    assert {"onnx", "onnxruntime", "rich"} & modules == set()


@pytest.mark.parametrize(
    "name", ["convert", "run", "inspect", "verify", "optimize", "diff", "extract", "merge", "reduce"]
)
def test_examples_stand_on_lines_of_their_own(capsys, name):
    lines = call(capsys, name, "--help").out.splitlines()
    assert "\\b" not in "".join(lines)
    assert len([line for line in lines if line.startswith(f"  xir {name} ")]) >= 2


def test_help_lists_every_command(capsys):
    done = call(capsys, "--help")
    assert done.code == 0
    assert [name for name in COMMANDS if not re.search(rf"^  {name}  ", done.out, re.MULTILINE)] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(capsys, name):
    done = call(capsys, name, "--help")
    assert done.code == 0
    assert done.out.startswith(f"Usage: xir {name} ")
    assert "Global options" in done.out


def test_version(capsys):
    assert call(capsys, "--version").out == "xir 0.1.0\n"


def test_nothing_asked_for_is_a_wrong_command_line(capsys):
    done = call(capsys)
    assert (done.code, done.out) == (2, "")
    assert "Usage: xir" in done.err


@pytest.mark.parametrize("arguments", [("--json", "formats"), ("formats", "--json")])
def test_global_options_stand_before_and_after_the_command(capsys, arguments):
    done = call(capsys, *arguments)
    assert (done.document["version"], done.document["command"]) == (1, "formats")


def test_a_wrong_command_line_is_answered_in_json_too(capsys):
    done = call(capsys, "--json", "convert", "--no-such-option")
    assert done.code == 2
    assert done.document["error"]["code"] == "XIR-E201"


def exit_code_cases(folder: Path) -> dict[int, list[object]]:
    good, bad = small(folder), small(folder, UNSUPPORTED, "odd.prototxt")
    invalid = small(folder, NET.replace('bottom: "fc"', 'bottom: "nowhere"'), "invalid.prototxt")
    unknown = folder / "noise.bin"
    unknown.write_bytes(b"\x00\x01\x02 nothing that anybody knows")
    other = folder / "other.prototxt"
    other.write_text(NET)
    os.mkfifo(folder / "pipe")
    return {
        0: ["convert", good, "-o", folder / "good.onnx"],
        2: ["convert", good],
        3: ["inspect", unknown],
        4: ["convert", bad, "-o", folder / "bad.onnx"],
        5: ["convert", invalid, "-o", folder / "invalid.onnx"],
        6: ["--seed", 1, "verify", other, folder / "good.onnx"],
        8: ["inspect", folder / "pipe"],
        9: ["inspect", folder / "absent.onnx"],
    }


@pytest.mark.parametrize("code", [0, 2, 3, 4, 5, 6, 8, 9])
def test_every_exit_code_is_provoked_by_a_real_command(tmp_path, capsys, code):
    cases = exit_code_cases(tmp_path)
    if code == 6:
        assert call(capsys, *cases[0]).code == 0
    done = call(capsys, *cases[code])
    assert done.code == code, done.err
    assert "Traceback" not in done.err
    if code not in (0, 6):
        assert re.match(rf"error XIR-E{code}\d\d: ", done.err)


def test_a_missing_extra_is_7_and_names_the_pip_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    picture = tmp_path / "a.png"
    picture.write_bytes(b"")
    done = call(capsys, "run", small(tmp_path), "--feed", f"data={picture}")
    assert done.code == 7
    assert "hint: pip install pillow" in done.err


def test_a_bug_leaves_a_bundle_and_no_traceback(tmp_path, capsys, monkeypatch):
    def broken(version: str) -> None:
        raise ZeroDivisionError("surprise")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("xir.inspect.environment.diagnose", broken)
    done = call(capsys, "doctor")
    assert done.code == 70
    assert "Traceback" not in done.err
    (bundle,) = tmp_path.glob("xir-bug-*.txt")
    assert str(bundle) in done.err
    text = bundle.read_text()
    assert "'xir' 'doctor'" in text
    assert "ZeroDivisionError: surprise" in text


def test_a_bug_is_a_document_too(tmp_path, capsys, monkeypatch):
    def broken(version: str) -> None:
        raise ZeroDivisionError("surprise")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("xir.inspect.environment.diagnose", broken)
    done = call(capsys, "--json", "doctor")
    assert done.document["error"]["code"] == "XIR-BUG"


@pytest.mark.parametrize(("error", "number"), [(MemoryError(), "XIR-E809"), (RecursionError(), "XIR-E804")])
def test_exhaustion_is_a_limit_and_no_bug(capsys, monkeypatch, error, number):
    def exhausted(version: str) -> None:
        raise error

    monkeypatch.setattr("xir.inspect.environment.diagnose", exhausted)
    done = call(capsys, "doctor")
    assert done.code == 8
    assert done.err.startswith(f"error {number}: ")


def test_ctrl_c_is_130(capsys, monkeypatch):
    def interrupted(version: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("xir.inspect.environment.diagnose", interrupted)
    done = call(capsys, "doctor")
    assert (done.code, done.err.strip()) == (130, "interrupted.")


def test_a_reader_that_stops_reading_is_no_error():
    with subprocess.Popen(
        command_line("ops", "--json"), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_behind_standard_output_is_9():
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            command_line("formats"), env=environment(), stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 9
    assert done.stderr.startswith("error XIR-E901: standard output: cannot write the answer")


SLOW = """
import sys, time
import xir._job as job
from xir_cli.main import main

def slow(*arguments, **keywords):
    print("writing", flush=True)
    time.sleep(60)

job.verify_runners = slow
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_the_old_file_and_nothing_else(tmp_path, number, code):
    net, target = small(tmp_path), tmp_path / "out.onnx"
    target.write_bytes(b"old")
    command = [sys.executable, "-c", SLOW, "convert", str(net), "-o", str(target)]
    with subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "writing\n"
        time.sleep(0.05)
        process.send_signal(number)
        assert process.wait() == code
        assert process.stderr.read().endswith("Nothing written.\n")
    assert target.read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.onnx", "small.prototxt"]


def test_hostile_names_do_not_reach_the_terminal(tmp_path, capsys):
    net = small(tmp_path, NET.replace('"conv1"', r'"c\033[31m\n1"'))
    done = call(capsys, "inspect", net)
    assert done.code == 0
    assert "\x1b" not in done.out + done.err
    assert "\\x1b[31m\\n1" in done.out


def test_main_returns_what_the_process_exits_with(tmp_path):
    assert spawn("inspect", tmp_path / "absent").code == main(["inspect", str(tmp_path / "absent")]) == 9
