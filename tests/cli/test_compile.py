"""`xir compile`: what it writes, what it says, and what it refuses."""

from __future__ import annotations

import ctypes
import shutil

import pytest

from tests.cli.commands import call, small


def test_a_library_its_header_and_its_weights(tmp_path, capsys):
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler `cc`: nothing is linked")
    model, target = small(tmp_path), tmp_path / "net.so"
    done = call(capsys, "compile", model, "-o", target, "--weights", "beside", "--json")
    assert done.code == 0, done.err
    files = [str(tmp_path / name) for name in ("net.so", "net.h", "net.weights")]
    assert done.document["files"] == files
    assert done.document["functions"] == ["net_init", "net_run", "net_free"]
    assert done.document["certificates"]["x86-64-v3"]["passed"] is True
    init, model = ctypes.CDLL(str(target)).net_init, ctypes.c_void_p()
    assert init(ctypes.byref(model), files[2].encode(), 1) == 0
    assert init(ctypes.byref(model), files[1].encode(), 1) != 0


def test_an_object_needs_no_linker(tmp_path, capsys, monkeypatch):
    model = small(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    done = call(capsys, "compile", model, "-o", tmp_path / "net.o", "--cpu", "x86-64-v4", "--exact")
    assert done.code == 0, done.err
    assert "net_init, net_run, net_free" in done.out
    assert "x86-64-v4 was not run: a shared library needs a linker" in done.err
    assert (tmp_path / "net.o").read_bytes()[:4] == b"\x7fELF"
    done = call(capsys, "compile", model, "-o", tmp_path / "net.so")
    assert done.code == 7
    assert "apt install gcc" in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["-o", "net.dll"], 2, "expected the name of a library"),
        (["-o", "net.o", "--cpu", "x86-64-v3,sparc"], 2, "there is no processor 'sparc'"),
        (["-o", "net.o", "--cpu", "native,aarch64"], 2, "code for one architecture"),
        (["-o", "missing/net.o"], 9, "missing"),
    ],
)
def test_what_is_refused_writes_nothing(arguments, code, said, tmp_path, capsys, monkeypatch):
    small(tmp_path)
    monkeypatch.chdir(tmp_path)
    done = call(capsys, "compile", "small.prototxt", *arguments)
    assert done.code == code
    assert said in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["small.prototxt"]


def test_a_header_of_somebody_elses_stays(tmp_path, capsys):
    model, header = small(tmp_path), tmp_path / "net.h"
    header.write_text("mine")
    done = call(capsys, "compile", model, "-o", tmp_path / "net.o")
    assert done.code == 2
    assert "not written by xir compile" in done.err
    assert header.read_text() == "mine"


def test_sizes_that_are_not_known_come_into_the_header(tmp_path, capsys):
    model = small(tmp_path)
    arguments = ("--input", "data=f32[N,3,8,8]", "--cpu", "aarch64", "--json")
    done = call(capsys, "compile", model, "-o", tmp_path / "net.o", *arguments)
    assert done.code == 0, done.err
    assert done.document["functions"] == ["net_init", "net_run", "net_shapes", "net_workspace", "net_free"]
    assert "int64_t size_N; /* at least" in (tmp_path / "net.h").read_text()
    assert done.document["unverified"] == {"aarch64": "this machine is no AArch64"}
