"""Sizes that a C program gives in every call: arrays of any of them, memory that grows, and what is refused."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

import xir
from tests.backends.codegen.ahead_programs import answered, built, c_program, tool
from tests.backends.codegen.guarded import Guards
from xir.backends.codegen.ahead._model import code_of
from xir.backends.codegen.ahead.files import AheadReport, write_ahead
from xir.ir.constant import Array, constant_of
from xir.ir.constraints import Constraint
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.activation import tanh
from xir.ops.constant import constant
from xir.ops.elementwise import add
from xir.ops.matmul import matmul
from xir.ops.norm import softmax
from xir.ops.shape import concat, reshape

F32 = DType.FLOAT32
N, M = Symbol("N", minimum=1, maximum=64), Symbol("rows */", divisor=2)


def two_sizes() -> Graph:
    """Products, sums along a row, arrays joined: sizes that are formulas, an output that is an input, and a pair."""
    x, y = Value(TensorType(F32, (N, 16))), Value(TensorType(F32, (M, 16)))
    weights = constant(value=constant_of(np.random.default_rng(0).standard_normal((16, 40), np.float32)))
    both = concat(tanh(matmul(x, weights)), matmul(y, weights), axis=0)
    halves = reshape(y, shape=(M // 2, 32))
    outputs = (softmax(both, axis=1), halves, x, both, both)
    return Graph("sizes", (x, y), outputs, ("p", "halves", "x again", "both", "twice"), names={x: "x", y: "y"})


def bound() -> Graph:
    """A sum of arrays whose sizes are assumed to be one."""
    x, y = Value(TensorType(F32, (Symbol("A"),))), Value(TensorType(F32, (Symbol("B"),)))
    held = (Constraint(Symbol("A"), Symbol("B"), "add"),)
    return Graph("bound", (x, y), (add(x, y),), ("z",), names={x: "x", y: "y"}, constraints=held)


class Model:
    """A library's model, called from this process."""

    def __init__(self, report: AheadReport, threads: int = 1) -> None:
        self.library, self.handle = ctypes.CDLL(report.files[0]), ctypes.c_void_p()
        assert self.library.model_init(ctypes.byref(self.handle), threads) == 0
        self.library.model_workspace.restype = ctypes.c_int64

    def run(self, sizes: Sequence[int], arrays: Sequence[Array]) -> int:
        places = (ctypes.c_void_p(array.ctypes.data) for array in arrays)
        return int(self.library.model_run(self.handle, (ctypes.c_int64 * len(sizes))(*sizes), *places))

    def workspace(self, sizes: Sequence[int]) -> int:
        return int(self.library.model_workspace(self.handle, (ctypes.c_int64 * len(sizes))(*sizes)))

    def shapes(self, sizes: Sequence[int], count: int) -> tuple[int, list[int]]:
        found = (ctypes.c_int64 * count)()
        return int(self.library.model_shapes((ctypes.c_int64 * len(sizes))(*sizes), found)), list(found)

    def free(self) -> None:
        self.library.model_free(self.handle)


def fed(n: int, m: int) -> Mapping[str, Array]:
    rng = np.random.default_rng(n * 100 + m)
    return {"x": rng.standard_normal((n, 16), np.float32), "y": rng.standard_normal((m, 16), np.float32)}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> AheadReport:
    tool("cc")
    return write_ahead(two_sizes(), tmp_path_factory.mktemp("sizes") / "model.so", cpu="native")


@pytest.mark.parametrize("threads", [1, 3])
def test_one_model_serves_any_sizes(threads: int, library: AheadReport) -> None:
    model = Model(library, threads)
    for n, m in [(1, 2), (64, 30), (3, 0), (64, 30), (2, 200), (1, 2)]:
        feeds = fed(n, m)
        expected = list(xir.run(two_sizes(), feeds).values())
        guards = Guards("end" if n % 2 else "begin")
        inputs = [guards.array(array, filled=True, constant=True) for array in feeds.values()]
        made = [guards.array(array, filled=False) for array in expected]
        assert model.run((n, m), [*inputs, *made]) == 0
        for array, other in zip(made, expected, strict=True):
            np.testing.assert_allclose(array, other, rtol=1e-5, atol=1e-5)
        guards.free()
    model.free()


def test_bits_do_not_depend_on_the_number_of_threads(library: AheadReport) -> None:
    feeds = fed(60, 1000)
    results: list[bytes] = []
    for threads in (1, 2, 5, 0):
        model = Model(library, threads)
        made = [np.zeros_like(array) for array in xir.run(two_sizes(), feeds).values()]
        assert model.run((60, 1000), [*feeds.values(), *made]) == 0
        results.append(b"".join(array.tobytes() for array in made))
        model.free()
    assert len(set(results)) == 1


def test_sizes_of_arrays_and_of_memory_are_told(library: AheadReport) -> None:
    model = Model(library)
    assert model.shapes((3, 8), 14) == (0, [3, 16, 8, 16, 11, 40, 4, 32, 3, 16, 11, 40, 11, 40])
    small, large = model.workspace((1, 2)), model.workspace((64, 2000))
    assert 0 <= small < large
    feeds = fed(3, 8)
    made = [np.zeros_like(array) for array in xir.run(two_sizes(), feeds).values()]
    assert model.run((3, 8), [*feeds.values(), *made]) == 0, "what was asked between two calls changes nothing"
    model.free()


REFUSED = {
    "below": (0, 2),
    "above": (65, 2),
    "no multiple": (1, 3),
    "negative": (1, -2),
    "more than all memory": (1, 1 << 60),
    "most": (1, (1 << 63) - 2),
}


@pytest.mark.parametrize("case", REFUSED)
def test_sizes_that_the_model_does_not_take_are_refused(case: str, library: AheadReport) -> None:
    model, sizes, nothing = Model(library), REFUSED[case], np.zeros(0, np.float32)
    refused = code_of("SIZES")
    assert model.run(sizes, [nothing] * 7) == refused
    assert model.workspace(sizes) == -refused
    feeds = fed(2, 4)
    made = [np.zeros_like(array) for array in xir.run(two_sizes(), feeds).values()]
    assert model.run((2, 4), [*feeds.values(), *made]) == 0
    model.free()


def test_memory_that_is_not_there_is_refused(library: AheadReport) -> None:
    model = Model(library)
    assert model.run((1, 1 << 38), [np.zeros(1, np.float32)] * 7) == code_of("MEMORY")
    feeds = fed(2, 4)
    made = [np.zeros_like(array) for array in xir.run(two_sizes(), feeds).values()]
    assert model.run((2, 4), [*feeds.values(), *made]) == 0
    model.free()


def test_what_the_graph_assumes_of_sizes_is_checked(tmp_path: Path) -> None:
    tool("cc")
    model = Model(write_ahead(bound(), tmp_path / "model.so"))
    arrays = [np.ones(5, np.float32) for _ in range(3)]
    assert model.run((5, 4), arrays) == code_of("SIZES")
    assert model.shapes((5, 4), 3)[0] == code_of("SIZES")
    assert model.run((5, 5), arrays) == 0
    assert arrays[2].tolist() == [2] * 5
    model.free()


def test_pointers_that_are_missing_are_refused(library: AheadReport) -> None:
    raw, model = ctypes.CDLL(library.files[0]), Model(library)
    sizes, pointer = (ctypes.c_int64 * 2)(1, 2), code_of("POINTER")
    nothing = [None] * 7
    assert raw.model_init(None, 1) == pointer
    assert raw.model_run(None, sizes, *nothing) == pointer
    assert raw.model_run(model.handle, None, *nothing) == pointer
    assert raw.model_run(model.handle, sizes, *nothing) == pointer
    assert raw.model_shapes(sizes, None) == pointer
    assert raw.model_shapes(None, sizes) == pointer
    assert model.workspace((1, 2)) >= 0
    assert raw.model_workspace(None, sizes) & 0xFFFFFFFF == -pointer & 0xFFFFFFFF
    raw.model_free(None)
    model.free()


@pytest.mark.parametrize("threads", [-1, 1025])
def test_a_number_of_threads_that_cannot_be_is_refused(threads: int, library: AheadReport) -> None:
    handle = ctypes.c_void_p()
    assert ctypes.CDLL(library.files[0]).model_init(ctypes.byref(handle), threads) == code_of("THREADS")
    assert handle.value is None


FORKED = """
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include "model.h"
int main(void) {
  struct model_model *model;
  struct model_sizes sizes = { 40, 400 };
  static float x[40 * 16], y[400 * 16], p[440 * 40], h[200 * 32], again[40 * 16], both[440 * 40], twice[440 * 40];
  if (model_init(&model, 4)) return 1;
  for (int turn = 0; turn < 3; turn++)
    if (model_run(model, &sizes, x, y, p, h, again, both, twice)) return 2;
  pid_t child = fork();
  if (!child) {
    int code = model_run(model, &sizes, x, y, p, h, again, both, twice);
    model_free(model);
    _exit(code);
  }
  int state;
  if (waitpid(child, &state, 0) != child || state) return 3;
  if (model_run(model, &sizes, x, y, p, h, again, both, twice)) return 4;
  model_free(model);
  return 0;
}
"""


def test_threads_survive_a_fork_and_end_with_the_model(tmp_path: Path) -> None:
    report = write_ahead(two_sizes(), tmp_path / "model.o", cpu="native")
    program = built(tool("cc"), report, FORKED, tmp_path, ("-std=gnu11", "-Wall", "-Wextra", "-Werror"))
    assert subprocess.run([program], timeout=60, check=False).returncode == 0


CROWD = """
#include <pthread.h>
#include <string.h>
#include "model.h"
struct result { float p[440 * 40], h[200 * 32], again[40 * 16], both[440 * 40], twice[440 * 40]; };
static float x[40 * 16], y[400 * 16];
static struct result first, others[4];
static int calls(struct result *made, int threads, int turns) {
  struct model_model *model;
  if (model_init(&model, threads)) return 1;
  for (int turn = 0; turn < turns; turn++) {
    struct model_sizes sizes = { turn % 2 ? 40 : 7, turn % 2 ? 400 : 30 };
    if (model_run(model, &sizes, x, y, made->p, made->h, made->again, made->both, made->twice)) return 2;
  }
  model_free(model);
  return 0;
}
static void *work(void *made) { return (void *)(intptr_t)calls(made, 3, 40); }
int main(void) {
  pthread_t threads[4];
  for (int n = 0; n < 640; n++) x[n] = (float)(n % 17) / 8;
  for (int n = 0; n < 6400; n++) y[n] = (float)(n % 23) / 8;
  if (calls(&first, 1, 2)) return 1;
  for (int n = 0; n < 4; n++) if (pthread_create(&threads[n], 0, work, &others[n])) return 2;
  for (int n = 0; n < 4; n++) {
    void *code;
    if (pthread_join(threads[n], &code) || code || memcmp(&first, &others[n], sizeof first)) return 3;
  }
  return 0;
}
"""


def test_threads_of_a_program_have_a_model_each(tmp_path: Path) -> None:
    report = write_ahead(two_sizes(), tmp_path / "model.o", cpu="native")
    program = built(tool("cc"), report, CROWD, tmp_path)
    assert subprocess.run([program], timeout=60, check=False).returncode == 0


LANGUAGES = {
    "C99": ("cc", ("-std=c99",)),
    "C++17": ("c++", ("-std=c++17", "-x", "c++")),
}


@pytest.mark.parametrize("beside", [False, True], ids=["embedded", "beside"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_header_is_pedantic(language: str, beside: bool, tmp_path: Path) -> None:
    compiler, flags = LANGUAGES[language]
    report = write_ahead(two_sizes(), tmp_path / "model.o", beside=beside, cpu="x86-64-v3,x86-64-v4")
    command = [tool(compiler), *flags, "-Wall", "-Wextra", "-pedantic", "-Werror", "-Wno-pragma-once-outside-header"]
    done = subprocess.run(
        [*command, "-fsyntax-only", report.files[1]], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


CPLUSPLUS = """
#include <cstdio>
#include <memory>
#include <vector>
#include "model.h"
int main(int, char **words) {
  model_model *made = nullptr;
  if (model_init(&made, 2) != model_DONE) return 1;
  std::unique_ptr<model_model, decltype(&model_free)> model(made, model_free);
  model_sizes sizes{3, 8};
  model_shapes shapes{};
  if (model_shapes(&sizes, &shapes) != model_DONE) return 2;
  auto room = [](const int64_t (&shape)[2]) { return std::vector<float>(size_t(shape[0] * shape[1])); };
  auto x = room(shapes.in_x), y = room(shapes.in_y), p = room(shapes.out_p), halves = room(shapes.out_halves);
  auto again = room(shapes.out_x_again), both = room(shapes.out_both), twice = room(shapes.out_twice);
  FILE *fed = std::fopen(words[1], "rb"), *given = std::fopen(words[2], "wb");
  for (auto *each : {&x, &y})
    if (std::fread(each->data(), 4, each->size(), fed) != each->size()) return 3;
  int code = model_run(model.get(), &sizes, x.data(), y.data(), p.data(), halves.data(), again.data(), both.data(),
                       twice.data());
  if (code) return 10 + code;
  for (auto *each : {&p, &halves, &again, &both, &twice}) std::fwrite(each->data(), 4, each->size(), given);
  return std::fclose(given) ? 4 : 0;
}
"""


def test_a_program_in_c_plus_plus_asks_for_the_sizes_of_its_arrays(tmp_path: Path) -> None:
    report = write_ahead(two_sizes(), tmp_path / "model.o", cpu="native")
    flags = ("-std=c++17", "-Wall", "-Wextra", "-pedantic", "-Werror")
    text = CPLUSPLUS.replace("model_shapes shapes{}", "struct model_shapes shapes{}")
    program = built(tool("c++"), report, text, tmp_path, flags)
    feeds = fed(3, 8)
    expected = list(xir.run(two_sizes(), feeds).values())
    for array, other in zip(answered([program], list(feeds.values()), expected, tmp_path), expected, strict=True):
        np.testing.assert_allclose(array, other, rtol=1e-5, atol=1e-5)


def test_no_memory_is_lost_or_touched_outside_of_arrays(tmp_path: Path) -> None:
    checker = tool("valgrind")
    report = write_ahead(two_sizes(), tmp_path / "model.o", cpu="x86-64-v3")
    feeds = fed(5, 6)
    expected = list(xir.run(two_sizes(), feeds).values())
    text = c_program(report, list(feeds.values()), expected, sizes=(5, 6), threads=3)
    program = built(tool("cc"), report, text, tmp_path)
    command = [checker, "-q", "--error-exitcode=9", "--leak-check=full", program]
    answered(command, list(feeds.values()), expected, tmp_path)
