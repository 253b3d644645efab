"""The command line on hostile files, on a full disk and on Ctrl-C: one error, its exit code, no traceback, no harm."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.commands import unmeasured
from tests.hostile.batches import BATCHES, cases
from tests.hostile.caffe_files import SMALL, small_caffemodel
from tests.hostile.case import Case
from tests.hostile.worker import OLD, OUTPUT, lay_out

REPOSITORY = Path(__file__).resolve().parent.parent.parent
MEMORY = 2 << 30
"""Bytes of address space, with all that the interpreter and the libraries map; the in-process batches are stricter."""

FULL = 20_000
"""Bytes that a file may have where the disk is "full" (setrlimit(2), RLIMIT_FSIZE: the write fails with EFBIG)."""

SAMPLED = (
    *("caffemodel", "prototxt", "numbers", "structures", "names", "blobs", "other files", "hdf5", "onnx"),
    *("onnx external data", "onnx graphs", "onnx structures", "onnx operators", "xir", "xir companions"),
    *("onnx borders", "onnx storage", "onnx scopes", "weights", "weights that run code", "weights that ask for much"),
    *("exported programs", "archives of programs", "tflite", "tflite fields", "tflite tables"),
    *("tensorflow graphs", "tensorflow sizes", "tensorflow without end", "tensorflow that touches the machine"),
    *("tensorflow checkpoints", "tensorflow saved models", "tensorflow.js"),
)
PER_BATCH = 3
WEIGHTS = "old.safetensors"
"""What is written of files that hold weights alone."""


def sample(batch: str) -> list[Case]:
    """Some cases of a batch, spread over it."""
    made = list(cases(batch))
    step = len(made) // PER_BATCH
    return made[step // 2 :: step]


def start(folder: Path, *arguments: str, limit: Callable[[], None] | None = None) -> subprocess.Popen[str]:
    """The command in a process of its own."""
    paths = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "cli")])
    return subprocess.Popen(
        [sys.executable, "-m", "xir_cli", *arguments],
        cwd=folder,
        env=unmeasured({**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        preexec_fn=limit,
    )


def limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def limit_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (FULL, FULL))


def check_error(case: str, code: int, errors: str, endings: frozenset[int]) -> None:
    assert code in endings, f"{case}: {code}: {errors}"
    assert "Traceback" not in errors, case
    if code:
        assert len(re.findall(r"XIR-E\d{3}", errors)) == 1, errors
        assert f"XIR-E{code}" in errors
        assert "\x1b" not in errors


@pytest.mark.parametrize("batch", SAMPLED)
def test_a_hostile_file_ends_the_command_with_one_error(batch: str, tmp_path: Path) -> None:
    for number, case in enumerate(sample(batch)):
        folder = tmp_path / str(number)
        folder.mkdir()
        lay_out(case, folder)
        output, options = (WEIGHTS, ()) if batch.startswith("weights") else (OUTPUT, ("--no-verify",))
        (folder / output).write_bytes(OLD)
        before = sorted(os.listdir(folder))
        process = start(folder, "convert", case.model, "-o", output, *options, limit=limit_memory)
        _, errors = process.communicate(timeout=120)
        check_error(case.name, process.returncode, errors, case.endings)
        if process.returncode:
            assert (folder / output).read_bytes() == OLD, case.name
            assert sorted(os.listdir(folder)) == before, case.name


def few_open_files() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def test_a_model_in_more_files_than_may_be_open_at_first_is_read(tmp_path: Path) -> None:
    case = next(each for each in cases("onnx storage") if each.name == "outside: 1,500 files")
    lay_out(case, tmp_path)
    process = start(tmp_path, "inspect", case.model, limit=few_open_files)
    _, errors = process.communicate(timeout=120)
    check_error(case.name, process.returncode, errors, frozenset((0,)))


def test_every_batch_is_sampled_but_the_real_models() -> None:
    others = {name for name in BATCHES if not name.startswith(("every ", "real "))}
    assert others - set(SAMPLED) == {"companions", "onnx tensors"}


def model_in(folder: Path) -> list[str]:
    """A model that takes more room than `FULL` when it is written."""
    text = SMALL.replace(b"num_output: 5", b"num_output: 500")
    lay_out(Case("", "m.prototxt", {"m.prototxt": text}), folder)
    return sorted(os.listdir(folder))


@pytest.mark.parametrize("format", ["onnx", "xir"])
def test_a_full_disk_leaves_the_old_file(format: str, tmp_path: Path) -> None:
    before = model_in(tmp_path)
    process = start(tmp_path, "convert", "m.prototxt", "-o", OUTPUT, "--to", format, "--no-verify", limit=limit_files)
    _, errors = process.communicate(timeout=120)
    check_error("full disk", process.returncode, errors, frozenset((9,)))
    assert (tmp_path / OUTPUT).read_bytes() == OLD
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.parametrize(("signal_", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_the_old_file(signal_: signal.Signals, code: int, tmp_path: Path) -> None:
    """The net is large enough to be still at work when the signal comes, right after NumPy was loaded."""
    lines = [f'layer {{ name: "r{i}" type: "ReLU" bottom: "r{i - 1}" top: "r{i}" }}' for i in range(1, 20_000)]
    head = 'layer { name: "r0" type: "Input" top: "r0" input_param { shape { dim: [1, 3, 8, 8] } } }\n'
    lay_out(Case("", "m.prototxt", {"m.prototxt": (head + "\n".join(lines)).encode()}), tmp_path)
    before = sorted(os.listdir(tmp_path))
    process = start(tmp_path, "convert", "m.prototxt", "-o", OUTPUT)
    wait_for_import(process.pid)
    process.send_signal(signal_)
    _, errors = process.communicate(timeout=120)
    assert process.returncode in (code, -int(signal_)), errors
    assert "Traceback" not in errors
    assert (tmp_path / OUTPUT).read_bytes() == OLD
    assert sorted(os.listdir(tmp_path)) == before


def wait_for_import(process: int) -> None:
    """Returns when the process has mapped NumPy: the command is past its start."""
    for _ in range(2000):
        if "_multiarray_umath" in Path(f"/proc/{process}/maps").read_text(encoding="ascii", errors="replace"):
            return
        time.sleep(0.01)
    pytest.fail("the command did not get to work")


def test_a_right_file_replaces_the_old_one(tmp_path: Path) -> None:
    files = {"m.caffemodel": small_caffemodel(), "m.prototxt": SMALL}
    lay_out(Case("", "m.caffemodel", files), tmp_path)
    process = start(tmp_path, "convert", "m.caffemodel", "-o", OUTPUT, limit=None)
    _, errors = process.communicate(timeout=120)
    check_error("right", process.returncode, errors, frozenset((0,)))
    assert (tmp_path / OUTPUT).read_bytes() != OLD
