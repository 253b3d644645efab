"""Models compiled ahead of time: a C program links them, runs them, and gets what the reference computes."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

import xir
from tests.backends.codegen.ahead_programs import FLAGS, called
from tests.backends.codegen.test_winograd import CASES as CONVOLUTIONS
from tests.ops.cases import Case, all_cases
from tests.ops.test_table import compare, graph_of, names
from xir.backends.codegen.ahead._elf import undefined
from xir.backends.codegen.ahead._header import MARK, header_text, parameters, prefix_of
from xir.backends.codegen.ahead._link import link
from xir.backends.codegen.ahead._model import code_of
from xir.backends.codegen.ahead._processors import processors_of
from xir.backends.codegen.ahead._program import Shared
from xir.backends.codegen.ahead.compile import compile_ahead
from xir.backends.codegen.ahead.files import AheadReport, write_ahead
from xir.backends.codegen.llvm._library import LIBRARY
from xir.errors import FileError, MissingExtraError, UnsupportedError, UsageError
from xir.ir.constant import Array, constant_of
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.activation import tanh
from xir.ops.constant import constant
from xir.ops.control import loop
from xir.ops.elementwise import add
from xir.ops.elementwise import cast as converted
from xir.ops.finding import nonzero, unique
from xir.ops.matmul import matmul
from xir.ops.reduce import reduce_sum
from xir.runtime.program import Port

F32 = DType.FLOAT32

OWN = {"memcpy", "memmove", "memset", "memcmp", "aligned_alloc", "free", "syscall", "getpid"}
OWN |= {"sched_getaffinity", "sched_setaffinity", "sched_getcpu"}
OWN |= {"open", "lseek", "close", "mmap", "munmap", "pthread_create", "pthread_join", "pthread_sigmask"}
"""What an object takes from the C library."""

LIBM = {name + end for name in (*LIBRARY, "fma", "fmod", "floor", "ceil", "trunc", "rint", "sqrt") for end in ("", "f")}

EVERY = 80
"""Every so many of the examples of the operator table are compiled."""

CASES = tuple(case for case in all_cases() if case.is_plain)[::EVERY]


def small_net() -> Graph:
    """Outputs that are computed, stand twice, are an input, and are a constant; names that are no C."""
    data = Value(TensorType(F32, (2, 16)))
    weights = constant(value=constant_of(np.random.default_rng(0).standard_normal((16, 40)).astype(np.float32)))
    scores = tanh(matmul(data, weights))
    outputs = (scores, scores, data, weights)
    return Graph("net */ int evil;", (data,), outputs, ("prob", "1 */", "a-b", "a b"), names={data: 'da"ta */ #'})


def whole_numbers() -> Graph:
    """Element types of other widths."""
    a, b = Value(TensorType(DType.INT64, (3, 5))), Value(TensorType(DType.FLOAT16, (3, 5)))
    outputs = (converted(a, dtype=DType.UINT8), converted(b, dtype=DType.BOOL), add(b, b))
    return Graph("types", (a, b), outputs, ("bytes", "holds", "half"), names={a: "int", b: "double"})


def nothing() -> Graph:
    """Arrays without elements."""
    x = Value(TensorType(F32, (0, 4)))
    return Graph("empty", (x,), (tanh(x), reduce_sum(x, axes=(0,), keep_dims=False)), ("y", "sum"), names={x: "x"})


GRAPHS = {"net": small_net, "types": whole_numbers, "nothing": nothing}


@pytest.mark.parametrize("ending", [".so", ".o"])
@pytest.mark.parametrize("beside", [False, True], ids=["embedded", "beside"])
@pytest.mark.parametrize("graph", GRAPHS)
def test_a_c_program_gets_what_the_reference_computes(graph: str, beside: bool, ending: str, tmp_path: Path) -> None:
    made, feeds = GRAPHS[graph](), xir.random_inputs(GRAPHS[graph]())
    report = write_ahead(made, tmp_path / f"model{ending}", beside=beside)
    assert [Path(file).suffix for file in report.files] == [ending, ".h", *([".weights"] if beside else [])]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(Path(file).name for file in report.files)
    found = called(report, made, feeds, tmp_path)
    for array, expected in zip(found, xir.run(made, feeds).values(), strict=True):
        np.testing.assert_allclose(array, expected, rtol=1e-5, atol=1e-6)


def opened(report: AheadReport, *given: object, threads: int = 1) -> tuple[ctypes.CDLL, ctypes.c_void_p, int]:
    """A library, a model of it, and what `init` answered."""
    library, model = ctypes.CDLL(report.files[0]), ctypes.c_void_p()
    code = library[f"{report.name}_init"](ctypes.byref(model), *given, ctypes.c_int(threads))
    return library, model, int(code)


def through_ctypes(report: AheadReport, graph: Graph, feeds: Mapping[str, Array]) -> tuple[Array, ...]:
    """What a library computes, called from this process."""
    library, model, code = opened(report)
    assert code == 0
    inputs = [np.ascontiguousarray(feeds[name]).reshape(np.shape(feeds[name])) for name in graph.input_names]
    outputs = tuple(np.full(array.shape, 77, array.dtype) for array in xir.run(graph, feeds).values())
    run, free = library[f"{report.name}_run"], library[f"{report.name}_free"]
    assert run(model, *(ctypes.c_void_p(each.ctypes.data) for each in (*inputs, *outputs))) == 0
    free(model)
    return outputs


@pytest.mark.parametrize("case", CASES, ids=names(CASES))
def test_libraries_compute_what_the_reference_computes(case: Case, tmp_path: Path) -> None:
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler `cc`: nothing is linked")
    graph, feeds = graph_of(case)
    with suppress(UnsupportedError):
        report = write_ahead(graph, tmp_path / "model.so", cpu="native")
        compare(case, through_ctypes(report, graph, feeds))


@pytest.mark.parametrize("case", CASES[::4], ids=names(CASES[::4]))
def test_objects_need_nothing_but_the_c_library(case: Case) -> None:
    graph, _ = graph_of(case)
    with suppress(UnsupportedError):  # what runs by the reference is refused; another test looks at that
        made = compile_ahead(graph, "model", cpu="x86-64-v3", beside=False)
        assert not set(undefined(made.code)) - OWN - LIBM


def test_two_objects_are_linked_into_one_program(tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler `cc`: nothing is linked")
    for name in ("first", "second"):
        write_ahead(small_net(), tmp_path / f"{name}.o")
    source = tmp_path / "main.c"
    source.write_text(
        '#include "first.h"\n#include "second.h"\n'
        "int main(void) { struct first_model *a; struct second_model *b; if (first_init(&a, 2) || second_init(&b, 1))"
        " return 1; first_free(a); second_free(b); return 0; }\n"
    )
    objects = [tmp_path / "first.o", tmp_path / "second.o"]
    command = [compiler, *FLAGS, source, *objects, "-o", tmp_path / "main", "-lm", "-pthread"]
    subprocess.run(list(map(str, command)), check=True, timeout=300)
    subprocess.run([tmp_path / "main"], check=True, timeout=300)


@pytest.mark.parametrize("harm", ["other", "short", "missing", "damaged", "first"])
def test_a_file_of_other_weights_is_refused(harm: str, tmp_path: Path) -> None:
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler `cc`: nothing is linked")
    report = write_ahead(small_net(), tmp_path / "model.so", beside=True)
    weights = Path(report.files[2])
    library, model, code = opened(report, str(weights).encode())
    assert code == 0
    library.model_free(model)
    whole = weights.read_bytes()
    if harm == "missing":
        weights.unlink()
    else:
        changed = bytearray(whole[:-1] if harm == "short" else whole)
        changed[{"other": 8, "damaged": len(whole) - 70, "first": 64}.get(harm, 0)] ^= 1
        weights.write_bytes(changed)
    _, model, code = opened(report, str(weights).encode())
    assert (code, model.value) == (code_of("FILE" if harm == "missing" else "WEIGHTS"), None)


@pytest.mark.parametrize(("cpu", "register"), [("x86-64-v3", "%ymm"), ("x86-64-v4", "%zmm")])
def test_registers_are_as_wide_as_the_processor_is_said_to_have_them(cpu: str, register: str, tmp_path: Path) -> None:
    tool = shutil.which("objdump")
    if tool is None:
        pytest.skip("there is no objdump: nothing is disassembled")
    report = write_ahead(small_net(), tmp_path / "model.o", cpu=cpu)
    code = subprocess.run([tool, "-d", report.files[0]], capture_output=True, text=True, check=True).stdout
    assert max(re.findall(r"%[xyz]mm", code)) == register


def test_the_object_is_the_same_every_time() -> None:
    first, second = (compile_ahead(small_net(), "m", cpu="native", beside=True) for _ in range(2))
    assert (first.code, first.header, first.shared.identity) == (second.code, second.header, second.shared.identity)


def test_everything_that_the_reference_runs_is_listed() -> None:
    x = Value(TensorType(F32, (4,)))
    outputs = (nonzero(x), nonzero(tanh(x)), unique(x, axis=None, sorted=True)[0])
    graph = Graph("model", (x,), outputs, ("a", "b", "c"), names={x: "x"})
    with pytest.raises(UnsupportedError, match="run by the reference") as caught:
        compile_ahead(graph, "model", cpu="x86-64-v3", beside=False)
    assert [(each.kind, len(each.layers)) for each in caught.value.problems] == [("nonzero", 2), ("unique", 1)]


@pytest.mark.parametrize("cpu", ["x86-64", "znver3", "x86-64-v3,x", ""])
def test_other_processors_are_refused(cpu: str) -> None:
    with pytest.raises(UsageError, match="there is no processor"):
        compile_ahead(small_net(), "model", cpu=cpu, beside=False)


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("lenet", "lenet"),
        ("a b-c.d", "a_b_c_d"),
        ("1st", "model_1st"),
        ("__x", "model_x"),
        ("", "model"),
        ("é", "model"),
        ("x" * 99, "x" * 48),
    ],
)
def test_names_of_files_become_names_of_c(stem: str, name: str) -> None:
    assert prefix_of(stem) == name


def test_only_letters_of_a_models_names_come_into_the_header() -> None:
    type = TensorType(F32, (1,))
    ports = [Port(name, type, 0) for name in ("a*/", "a//", 'a"\n', "int", "é")]
    found = [name for name, _ in parameters(ports, ports[:1])]
    assert found == ["in_a__", "in_a___2", "in_a___3", "in_int", "in__", "out_a__"]
    symbols = (Symbol("*/ n"), Symbol("*/_n"))
    shaped = Port("y", TensorType(F32, (symbols[0] * symbols[1], *symbols)), 0)
    shared = Shared("m", tuple(ports), (shaped,), symbols, (), processors_of("x86-64-v3"), None, b"", 0)
    text = header_text(shared)
    assert text.startswith(MARK)
    assert "a*/" not in text
    assert "int64_t size____n_2;" in text
    assert text.count("*/") == text.count("/*")


def test_a_header_of_somebody_elses_stays(tmp_path: Path) -> None:
    header = tmp_path / "model.h"
    header.write_text("mine")
    with pytest.raises(UsageError, match=r"model\.h is there"):
        write_ahead(small_net(), tmp_path / "model.o")
    assert [path.name for path in tmp_path.iterdir()] == ["model.h"]
    header.unlink()
    for _ in range(2):
        write_ahead(small_net(), tmp_path / "model.o")


def test_without_a_linker_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingExtraError, match="needs a linker") as caught:
        write_ahead(small_net(), tmp_path / "model.so")
    assert "apt install gcc" in str(caught.value.hint)
    write_ahead(small_net(), tmp_path / "model.o")


def test_a_linker_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools, target = tmp_path / "tools", tmp_path / "made"
    tools.mkdir()
    target.mkdir()
    linker = tools / "cc"
    linker.write_text("#!/bin/sh\necho no such thing >&2\nexit 1\n")
    linker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    with pytest.raises(FileError, match="no such thing"):
        write_ahead(small_net(), target / "model.so")
    assert list(target.iterdir()) == []


@pytest.mark.parametrize("tool", ["ld", "ld.lld"])
def test_a_linker_alone_will_do(tool: str, tmp_path: Path) -> None:
    linker = shutil.which(tool)
    if linker is None:
        pytest.skip(f"there is no {tool}")
    source = tmp_path / "model.o"
    write_ahead(small_net(), source)
    link(linker, str(source), str(tmp_path / "model.so"), "model.so")
    assert ctypes.CDLL(str(tmp_path / "model.so")).model_init is not None


def test_other_endings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected the name of a library"):
        write_ahead(small_net(), tmp_path / "model.dll")


def test_a_loop_without_end_is_given_up_with_a_code(tmp_path: Path) -> None:
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler `cc`: nothing is linked")
    step, going, held = (Value(TensorType(dtype, ())) for dtype in (DType.INT64, DType.BOOL, F32))
    on = constant(value=constant_of(np.asarray(True)))
    names = {step: "step", going: "going", held: "held"}
    body = Graph("body", (step, going, held), (on, add(held, held)), ("on", "next"), names=names)
    x = Value(TensorType(F32, ()))
    graph = Graph("endless", (x,), loop(None, None, x, body=body, carried=1), ("y",), names={x: "x"})
    report = write_ahead(graph, tmp_path / "model.so", cpu="native")
    library, model, _ = opened(report)
    given, made = np.ones((), np.float32), np.ones((), np.float32)
    addresses = (ctypes.c_void_p(array.ctypes.data) for array in (given, made))
    assert library.model_run(model, *addresses) == code_of("LOOP_STEPS")


def test_exact_sums_are_taken_product_by_product() -> None:
    graph = CONVOLUTIONS["whole tiles"].graph()
    fewer, plain = (
        compile_ahead(graph, "m", cpu="x86-64-v3", beside=True, exact=exact).weights.size for exact in (False, True)
    )
    assert fewer > 3 * plain, "F(4x4, 3x3) has 36 products where there are 9 weights"
