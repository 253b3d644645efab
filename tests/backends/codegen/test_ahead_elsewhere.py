"""Code for other processors: AArch64 under an emulator, several versions in one library, and what refuses to run."""

from __future__ import annotations

import ctypes
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import xir
from tests.backends.codegen.ahead_programs import answered, built, c_program, tool
from tests.backends.codegen.test_ahead_of_time import GRAPHS
from tests.backends.codegen.test_winograd import CASES as CONVOLUTIONS
from tests.ops.cases import all_cases
from tests.ops.test_table import compare, graph_of, names
from xir.backends.codegen.ahead._elf import undefined
from xir.backends.codegen.ahead._model import code_of
from xir.backends.codegen.ahead._processors import WORDS, processors_of
from xir.backends.codegen.ahead.compile import compile_ahead
from xir.backends.codegen.ahead.files import AheadReport, write_ahead
from xir.backends.codegen.engine import host
from xir.errors import UnsupportedError
from xir.ir.constant import Array
from xir.ir.graph import Graph

LEVELS = "x86-64-v3,x86-64-v4"
EVERY = 300
"""Every so many of the examples of the operator table are compiled for AArch64."""
CASES = tuple(case for case in all_cases() if case.is_plain)[::EVERY]
CROSS_FLAGS = ("-std=c11", "-Wall", "-Wextra", "-Werror", "-static")
SUMS = {
    **GRAPHS,
    "convolution": CONVOLUTIONS["whole tiles"].graph,
}


def emulated(report: AheadReport, graph: Graph, feeds: dict[str, Array], folder: Path, threads: int) -> list[Array]:
    """What an AArch64 program gets from the model."""
    compiler, emulator = tool("aarch64-linux-gnu-gcc"), tool("qemu-aarch64", "qemu-aarch64-static")
    inputs = [np.ascontiguousarray(feeds[name]) for name in graph.input_names]
    expected = tuple(xir.run(graph, feeds).values())
    text = c_program(report, inputs, expected, threads=threads)
    program = built(compiler, report, text, folder, CROSS_FLAGS)
    return list(answered([emulator, program], inputs, expected, folder))


@pytest.mark.parametrize("graph", SUMS)
@pytest.mark.parametrize(("beside", "threads"), [(False, 1), (True, 3)], ids=["embedded", "beside, threads"])
def test_aarch64_computes_what_the_reference_computes(graph: str, beside: bool, threads: int, tmp_path: Path) -> None:
    made = SUMS[graph]()
    feeds = xir.random_inputs(made)
    report = write_ahead(made, tmp_path / "model.o", cpu="aarch64", beside=beside)
    found = emulated(report, made, feeds, tmp_path, threads)
    for array, expected in zip(found, xir.run(made, feeds).values(), strict=True):
        np.testing.assert_allclose(array, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("case", CASES, ids=names(CASES))
def test_operators_on_aarch64(case, tmp_path: Path) -> None:
    graph, feeds = graph_of(case)
    try:
        report = write_ahead(graph, tmp_path / "model.o", cpu="aarch64")
    except UnsupportedError:
        pytest.skip("it runs by the reference")
    compare(case, tuple(emulated(report, graph, feeds, tmp_path, 1)))


def test_an_object_for_aarch64_says_so_and_has_nothing_of_another_processor() -> None:
    made = compile_ahead(GRAPHS["net"](), "model", cpu="aarch64", beside=False)
    assert int.from_bytes(made.code[18:20], "little") == 183, "e_machine: EM_AARCH64"
    assert "syscall" in undefined(made.code)
    assert "Linux on AArch64" in made.header


def opened(report: AheadReport, level: int) -> tuple[ctypes.CDLL, ctypes.c_void_p, int]:
    library, model = ctypes.CDLL(report.files[0]), ctypes.c_void_p()
    return library, model, int(library.model_init_level(ctypes.byref(model), 1, level))


def test_a_library_holds_code_of_several_levels_and_each_computes_the_same(tmp_path: Path) -> None:
    tool("cc")
    graph = GRAPHS["net"]()
    report = write_ahead(graph, tmp_path / "model.so", cpu=LEVELS)
    assert report.cpus == ("x86-64-v3", "x86-64-v4")
    (data,) = xir.random_inputs(graph).values()
    expected = list(xir.run(graph, {graph.input_names[0]: data}).values())
    for level in range(1 + (host().lanes > 8)):
        library, model, code = opened(report, level)
        assert code == 0
        made = [np.zeros(array.shape, array.dtype) for array in expected]
        assert library.model_run(model, *(ctypes.c_void_p(each.ctypes.data) for each in (data, *made))) == 0
        for array, other in zip(made, expected, strict=True):
            np.testing.assert_allclose(array, other, rtol=1e-5, atol=1e-6)
        library.model_free(model)


@pytest.mark.parametrize("level", [-1, 2, 99])
def test_a_level_that_is_not_there_is_refused_with_a_code(level: int, tmp_path: Path) -> None:
    tool("cc")
    _, model, code = opened(write_ahead(GRAPHS["net"](), tmp_path / "model.so", cpu=LEVELS), level)
    assert (code, model.value) == (code_of("PROCESSOR"), None)


def test_each_level_has_the_registers_of_its_processor(tmp_path: Path) -> None:
    report = write_ahead(GRAPHS["net"](), tmp_path / "model.o", cpu=LEVELS)
    text = subprocess.run([tool("objdump"), "-d", report.files[0]], capture_output=True, text=True, check=True).stdout
    widest: dict[str, str] = {}
    for function in text.split("\n\n"):
        name = function.split("<", 1)[-1].split(">", 1)[0]
        for width in "zyx":
            if f"%{width}mm" in function:
                widest[name] = width
                break
    kernels = {level: {w for name, w in widest.items() if name.startswith(level)} for level in ("v0_", "v1_")}
    assert max(kernels["v0_"]) == "y"
    assert max(kernels["v1_"]) == "z"
    others = {width for name, width in widest.items() if not name.startswith(("v0_", "v1_"))}
    assert others <= {"x"}, "what runs before the processor is asked must run everywhere"


UNSET = {"7 EDX": 0, "7 ECX": 29, "7.1 EAX": 31, "80000001 ECX": 31, "XCR0": 31}
"""Bits that are reserved: no processor sets them."""


@pytest.mark.parametrize("word", UNSET)
def test_a_processor_without_a_bit_is_refused(word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool("cc")
    (plain,) = processors_of("x86-64-v3")
    more = [(each == word) << UNSET[word] for each in WORDS]
    needs = tuple(need | bit for need, bit in zip(plain.needs, more, strict=True))
    asked = (replace(plain, needs=needs),)
    monkeypatch.setattr("xir.backends.codegen.ahead.compile.processors_of", lambda cpu: asked)
    report = write_ahead(GRAPHS["net"](), tmp_path / "model.so")
    library, model = ctypes.CDLL(report.files[0]), ctypes.c_void_p()
    assert library.model_init(ctypes.byref(model), 1) == code_of("PROCESSOR")


def test_an_older_processor_is_refused_with_a_code_and_not_by_a_signal(tmp_path: Path) -> None:
    emulator = tool("qemu-x86_64", "qemu-x86_64-static")
    report = write_ahead(GRAPHS["net"](), tmp_path / "model.o", cpu=LEVELS)
    text = f'#include "{report.files[1]}"\nint main(void) {{ struct model_model *m; return model_init(&m, 1); }}\n'
    program = built(tool("cc"), report, text, tmp_path, ("-std=c11", "-static"))
    for cpu in ("qemu64", "Nehalem", "SandyBridge"):
        done = subprocess.run([emulator, "-cpu", cpu, program], timeout=60, check=False)
        assert done.returncode == code_of("PROCESSOR"), cpu


def test_a_processor_of_the_lower_level_runs_its_code(tmp_path: Path) -> None:
    """The emulator has AVX2 and FMA, and no AVX-512."""
    emulator, graph = tool("qemu-x86_64", "qemu-x86_64-static"), GRAPHS["net"]()
    feeds = xir.random_inputs(graph)
    inputs, expected = list(feeds.values()), tuple(xir.run(graph, feeds).values())
    report = write_ahead(graph, tmp_path / "model.o", cpu=LEVELS)
    program = built(tool("cc"), report, c_program(report, inputs, expected, threads=2), tmp_path, CROSS_FLAGS)
    made = answered([emulator, "-cpu", "max", program], inputs, expected, tmp_path)
    for array, other in zip(made, expected, strict=True):
        np.testing.assert_allclose(array, other, rtol=1e-5, atol=1e-6)


def test_code_for_this_machine_asks_for_all_that_it_uses() -> None:
    least, native = processors_of("native,x86-64-v3")
    assert (least.name, native.name) == ("x86-64-v3", "native"), "the better one last, as init looks for the last"
    assert all(need & more == need for need, more in zip(least.needs, native.needs, strict=True))
    used = [feature for feature in native.machine.features.split(",") if feature]
    assert sum(bits.bit_count() for bits in native.needs) >= sum(bits.bit_count() for bits in least.needs) + len(used)
    assert set(used) <= set(host().features.split(","))
