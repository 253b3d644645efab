"""Compiled programs from the cache: the same bits, and nothing is compiled again unless something changed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.backends.codegen.borders import window
from tests.backends.codegen.test_flow import body_of, model, tensor
from tests.runtime.models import WIDTH, feed, layered
from xir.backends.codegen import cached
from xir.backends.codegen import compile as compiler
from xir.backends.codegen.cached import compile_optimized
from xir.ir.constant import Array, constant_of
from xir.ir.dims import Symbol
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.control import if_
from xir.ops.elementwise import add, mul
from xir.ops.finding import nonzero
from xir.ops.index import gather
from xir.ops.matmul import matmul
from xir.ops.shape import concat, reshape, transpose
from xir.runtime import digests, store
from xir.text import load_xir, save_xir

ROOT = Path(__file__).resolve().parents[3]
N = Symbol("N", minimum=1)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XIR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "programs"


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the graphs that were compiled, and not read."""
    done: list[str] = []
    whole = compiler.compiled

    def counted(graph: Graph, **options: bool) -> compiler.Compiled:
        done.append(graph.name)
        return whole(graph, **options)

    monkeypatch.setattr(compiler, "compiled", counted)
    return done


def symbolic() -> Graph:
    """Sizes that are sums, products, quotients and extrema of symbols."""
    m = Symbol("M", minimum=2)
    x, y = tensor(N, 4), tensor(m, 4)
    rows = concat(x, y, axis=0)
    flat = reshape(rows, shape=((N + m) * 4,))
    return replace(model((x, y), (rows, flat, transpose(rows, perm=(1, 0)))), name="symbolic")


def found_by_the_host() -> Graph:
    """Sizes that only the run tells."""
    x = tensor(N)
    places = nonzero(x)
    return model((x,), (places, add(places, places), gather(x, reshape(places, shape=places.shape[1:]), axis=0)))


def branching() -> Graph:
    """Branches in Python, which are not stored."""
    flag, x = Value(TensorType(DType.BOOL, ())), tensor(4)
    results = if_(
        flag,
        x,
        then_body=body_of(lambda x: (nonzero(x),), x),
        else_body=body_of(lambda x: (nonzero(add(x, x)),), x),
    )
    return model((flag, x), results)


def table() -> Graph:
    """A weight that is read as it lies, and one that is packed, twice."""
    random = np.random.default_rng(1)
    places = Value(TensorType(DType.INT64, (5,)))
    weight, other = (Value(TensorType(DType.FLOAT32, (WIDTH, WIDTH))) for _ in range(2))
    arrays = [random.standard_normal((WIDTH, WIDTH), np.float32) for _ in range(2)]
    x = gather(weight, places, axis=0)
    made = matmul(x, other)
    parameters = tuple(Parameter(v, constant_of(a)) for v, a in zip((weight, other), arrays, strict=True))
    return Graph("table", (places,), (made,), ("y",), parameters, {places: "places", weight: "w", other: "o"})


Case = tuple[Callable[[], Graph], tuple[Array, ...]]
ONES = np.ones((3, 4), np.float32)
CASES: dict[str, Case] = {
    "products": (layered, (feed(),)),
    "symbolic batch": (lambda: layered(rows=N), (feed(9),)),
    "sizes": (symbolic, (ONES, np.zeros((5, 4), np.float32))),
    "table": (table, (np.array([3, 1, 95, 0, 3]),)),
    "convolution": (
        lambda: window(64, 64, 20, 1, 3, 1, DType.FLOAT32).graph,
        tuple(np.asarray(each) for each in window(64, 64, 20, 1, 3, 1, DType.FLOAT32).feeds.values()),
    ),
    "hosted": (found_by_the_host, (np.array([0, 2, 0, 3, 4], np.float32),)),
}


def results(graph: Graph, arrays: tuple[Array, ...]) -> list[bytes]:
    with compile_optimized(graph, threads=1) as made:
        return [each.tobytes() for each in made(*arrays)]


@pytest.mark.parametrize("name", CASES)
def test_a_hit_is_a_miss_in_bits(name, compiled, monkeypatch):
    make, arrays = CASES[name]
    missed = results(make(), arrays)
    assert len(compiled) == 1
    assert [results(make(), arrays) for _ in range(2)] == [missed] * 2
    assert len(compiled) == 1
    monkeypatch.setenv("XIR_CACHE", "off")
    assert results(make(), arrays) == missed
    assert len(compiled) == 2


def test_an_executable_tells_the_same(compiled):
    one, two = (compile_optimized(symbolic(), threads=1) for _ in range(2))
    assert repr(one) == repr(two)
    assert one.get_outputs() == two.get_outputs()
    assert one.program.sizes == two.program.sizes
    assert one.program.slots == two.program.slots
    assert len(compiled) == 1


def test_branches_in_python_are_compiled_each_time(compiled, folder):
    arrays = (np.array(True), np.array([0, 1, 0, 1], np.float32))
    assert results(branching(), arrays) == results(branching(), arrays)
    assert len(compiled) == 2
    assert not list(folder.glob("*.xp"))


def changed_weight(graph: Graph) -> Graph:
    first, *rest = graph.parameters
    array = first.constant.array().copy()
    array[0, 0] += 1
    return graph.with_weights((replace(first, constant=constant_of(array)), *rest), graph.names)


CHANGES: dict[str, Callable[[Graph], Graph]] = {
    "a weight": changed_weight,
    "an operator": lambda graph: replace(graph, outputs=(mul(graph.outputs[0], graph.outputs[0]),)),
    "a size": lambda graph: layered(rows=62),
    "a name": lambda graph: replace(graph, output_names=("z",)),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_another_graph_is_compiled(change, compiled):
    compile_optimized(layered())
    compile_optimized(change(layered()))
    assert len(compiled) == 2
    compile_optimized(change(layered()))
    assert len(compiled) == 2


def test_options_machine_and_source_decide(compiled, monkeypatch):
    graph, machine = layered(layers=1), cached.host()
    ways: list[Callable[[], object]] = [
        lambda: compile_optimized(graph),
        lambda: compile_optimized(graph, exact=True),
        lambda: monkeypatch.setattr(cached, "host", lambda: replace(machine, features=machine.features + ",-bmi2")),
        lambda: monkeypatch.setattr(cached, "version", lambda: "0.0.0"),
        lambda: monkeypatch.setattr(cached, "_source", lambda: "other"),
    ]
    for number, way in enumerate(ways, 1):
        way()
        compile_optimized(graph, exact=number == 2)
        assert len(compiled) == number
    assert len({cached._source() for _ in range(2)}) == 1


@pytest.mark.parametrize("aged", [False, True])
def test_a_changed_file_of_weights_is_another_model(aged, tmp_path, compiled, monkeypatch):
    if aged:  # hashes are remembered
        monkeypatch.setattr(digests, "STILL", -1)
        monkeypatch.setattr(digests, "SMALL", 0)
    save_xir(layered(), tmp_path / "model.xir")
    weights = next(tmp_path.glob("*.safetensors"))
    before = [results(load_xir(tmp_path / "model.xir"), (feed(),)) for _ in range(2)]
    assert before[0] == before[1]
    assert len(compiled) == 1
    status, data = weights.stat(), bytearray(weights.read_bytes())
    data[-2] ^= 0x10
    weights.write_bytes(data)
    os.utime(weights, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert results(load_xir(tmp_path / "model.xir"), (feed(),)) != before[0]
    assert len(compiled) == 2


POISONS: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda data: data[:-1],
    "a weight": lambda data: b"\xff" + data[1:],
    "the program": lambda data: data.replace(b'"slots"', b'"slits"'),
}


@pytest.mark.parametrize("poison", POISONS.values(), ids=POISONS)
def test_a_poisoned_entry_is_made_anew(poison, compiled, folder):
    expected = results(layered(), (feed(),))
    (path,) = folder.glob("*.xp")
    path.write_bytes(poison(path.read_bytes()))
    for _ in range(2):
        assert results(layered(), (feed(),)) == expected
        assert len(compiled) == 2


def test_without_its_object_a_program_is_made_anew(compiled, folder):
    expected = results(layered(), (feed(),))
    for path in (folder.parent / "objects").iterdir():
        path.unlink()
    assert results(layered(), (feed(),)) == expected
    assert len(compiled) == 2


@pytest.mark.parametrize("why", ["disk", "room"])
def test_without_room_weights_are_packed_in_memory(why, compiled, folder, monkeypatch):
    expected = results(layered(), (feed(),))
    for path in folder.iterdir():
        path.unlink()

    def refuses(*_: object) -> None:
        raise store.FileError("no space")

    if why == "disk":
        monkeypatch.setattr(store.Writer, "write", refuses)
    else:
        monkeypatch.setattr(store, "_free", lambda folder: 0)
    assert results(layered(), (feed(),)) == expected
    assert not list(folder.glob("*.xp"))


def test_weights_are_mapped_once(compiled):
    graph = layered()
    for _ in range(2):
        made = compile_optimized(graph)
        held = [made.program.constants[slot].data for slot in made.program.constants]
        assert held
        assert {type(each).__name__ for each in held} == {"FileSlice"}
    assert len(compiled) == 1


CHILD = """
import sys
sys.path[:0] = {paths!r}
from tests.runtime.models import feed, layered
from xir.backends.codegen.cached import compile_optimized
import hashlib
print(hashlib.sha256(compile_optimized(layered(), threads=1)(feed())[0].tobytes()).hexdigest())
"""


def test_two_processes_at_once(folder):
    command = [sys.executable, "-c", CHILD.format(paths=[str(ROOT)])]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = {process.communicate(timeout=120)[0] for process in running}
    assert len(answers) == 1
    assert len(answers.pop()) == 65
    assert len(list(folder.glob("*.xp"))) == 1


LIGHT = """
import sys
from tests.runtime.models import layered
import xir
xir.compile(layered(), threads=1)
print(*(name for name in sys.modules if name.startswith("xir.backends.codegen.lowering")))
"""


def test_a_hit_loads_no_compiler(folder):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = [
        subprocess.run(
            [sys.executable, "-c", LIGHT], env=environment, capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    ]
    assert "lowering.schedule" in run[0]
    assert run[1] == "\n"
