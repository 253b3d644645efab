"""`xir.compile_to`: files appear only if the code that is in them computes what the graph does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import xir
from tests.backends.codegen.ahead_programs import tool
from xir.backends.codegen.ahead import _entry
from xir.backends.codegen.ahead._body import Body
from xir.backends.codegen.ahead._weights import Weights
from xir.errors import MismatchError, UnsupportedError, UsageError
from xir.ir.constant import constant_of
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.activation import tanh
from xir.ops.constant import constant
from xir.ops.finding import nonzero
from xir.ops.matmul import matmul


def net() -> Graph:
    x = Value(TensorType(DType.FLOAT32, (Symbol("N"), 16)))
    weights = constant(value=constant_of(np.random.default_rng(0).standard_normal((16, 40), np.float32)))
    return Graph("net", (x,), (tanh(matmul(x, weights)),), ("y",), names={x: "x"})


@pytest.mark.parametrize("weights", ["embedded", "beside"])
@pytest.mark.parametrize("ending", [".so", ".o"])
def test_what_is_written_was_compared_with_the_reference(ending: str, weights: str, tmp_path: Path) -> None:
    tool("cc")
    report = xir.compile_to(net(), tmp_path / f"net{ending}", weights=weights)
    assert list(report.certificates) == ["x86-64-v3"]
    assert report.certificates["x86-64-v3"].passed
    assert report.unverified == {}
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(Path(f).name for f in report.written.files)


def test_what_this_machine_cannot_run_is_written_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = xir.compile_to(net(), tmp_path / "net.o", cpu="aarch64")
    assert (list(report.certificates), list(report.unverified)) == ([], ["aarch64"])
    monkeypatch.setenv("PATH", str(tmp_path))
    report = xir.compile_to(net(), tmp_path / "net.o", cpu="x86-64-v3,x86-64-v4")
    assert list(report.certificates) == []
    assert all("needs a linker" in reason for reason in report.unverified.values())


def test_another_processor_is_no_mismatch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool("cc")
    never = Body("internal i1 @fits(i64 %level)")
    never.end("false")
    best = Body("internal i64 @best()")
    best.end(-1)
    monkeypatch.setattr(_entry, "choice_text", lambda processors: never.text() + best.text())
    report = xir.compile_to(net(), tmp_path / "net.so")
    assert list(report.certificates) == []
    assert "does not run it (init answers 5)" in report.unverified["x86-64-v3"]


def damaged(self: Weights) -> list[bytes]:
    return [np.full(self.size // 4, 0.5, np.float32).tobytes()]


def test_code_that_computes_something_else_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool("cc")
    monkeypatch.setattr(Weights, "parts", damaged)
    with pytest.raises(MismatchError, match="the machine code computes something else") as caught:
        xir.compile_to(net(), tmp_path / "net.so")
    assert caught.value.exit_code == 6
    assert list(tmp_path.iterdir()) == []
    xir.compile_to(net(), tmp_path / "net.so", verify=False)
    assert len(list(tmp_path.iterdir())) == 2


WRONG = {
    "it crashes": (["call void @llvm.trap()"], 0, r"died of the model: SIG"),
    "it refuses": ([], 4, r"run answers 4"),
}


@pytest.mark.parametrize("case", WRONG)
def test_code_that_does_not_run_leaves_nothing(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool("cc")
    instructions, code, said = WRONG[case]

    def wrong(ports: int) -> str:
        body = Body("internal i32 @compute(ptr %model, ptr %ports)")
        for each in instructions:
            body.do(each)
        body.end(code)
        return body.text() + "declare void @llvm.trap()\n"

    monkeypatch.setattr(_entry, "_compute", wrong)
    with pytest.raises(MismatchError, match=said):
        xir.compile_to(net(), tmp_path / "net.so")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_compiled_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    x = Value(TensorType(DType.FLOAT32, (4,)))
    hosted = Graph("hosted", (x,), (nonzero(x),), ("y",), names={x: "x"})
    with pytest.raises(UnsupportedError, match="run by the reference: nonzero"):
        xir.compile_to(hosted, tmp_path / "net.o")
    with pytest.raises(UsageError, match="'embedded' or 'beside'"):
        xir.compile_to(net(), tmp_path / "net.o", weights="somewhere")
    assert list(tmp_path.iterdir()) == []
