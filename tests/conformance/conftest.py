"""A suite of three small cases, and a plug-in with runtimes that misbehave, as a distribution of its own."""

from __future__ import annotations

import textwrap

import numpy as np
import pytest
from onnx import TensorProto, helper

from xir_conformance.cases import DataSet, read_case, write_case
from xir_conformance.suites import Suite

MODULE = """
import ctypes, os, time
import numpy as np
from xir.errors import MissingExtraError, UnsupportedError
from xir_conformance.runtimes import BindingError, Prepared, RefusedError, Runtime


class Doing(Prepared):
    note = "done with care"

    def __init__(self, path, run):
        self.path, self._run = path, run

    def run(self, inputs):
        return self._run(self, inputs)


def runtime(run, *, peer=False, prepare=Doing, start=lambda: None):
    def made():
        start()
        return type("Made", (Runtime,), {"version": "made 1", "peer": peer,
                                         "prepare": lambda self, path: prepare(path, run)})()
    return made


def raising(error):
    def run(*_):
        raise error
    return run


def on_second(harm):
    # Harm is done by the case called 'double' alone.
    def run(prepared, inputs):
        if "double" in prepared.path:
            harm()
        return right(prepared, inputs)
    return run


def right(prepared, inputs):
    (x,) = inputs
    return [x * 2 if "double" in prepared.path else -x]


def chatter():
    print("hello", flush=True)
    os.write(1, b'{"status": "passed", "seconds": 0}\\n')


Right = runtime(right)
Peer = runtime(lambda prepared, inputs: [inputs[0]], peer=True)
Crash = runtime(on_second(lambda: ctypes.string_at(0)))
Exit = runtime(on_second(lambda: (os.write(2, b"out of ideas"), os._exit(3))))
Hang = runtime(on_second(lambda: time.sleep(1000)))
Greedy = runtime(on_second(lambda: bytearray(1 << 40)))
Chatty = runtime(on_second(chatter))
Wrong = runtime(lambda prepared, inputs: [right(prepared, inputs)[0] + np.float32(1)])
Short = runtime(lambda prepared, inputs: [])
Wide = runtime(lambda prepared, inputs: [right(prepared, inputs)[0].astype(np.float64)])
Failing = runtime(raising(RuntimeError("no luck")))
Refusing = runtime(right, prepare=raising(ValueError("too odd")))
Late = runtime(raising(UnsupportedError("only now")))
Closed = runtime(raising(RefusedError("closed")))
Bound = runtime(raising(BindingError("no such dtype")))
Absent = runtime(right, start=raising(MissingExtraError("gizmo is not installed", hint="pip install gizmo")))
Broken = runtime(right, start=raising(OSError("no device")))
Stillborn = runtime(right, start=lambda: os._exit(9))
Idle = runtime(right, start=lambda: time.sleep(1000))


def Nothing():
    return 7


_once = []


def weary():
    _once.append(1)
    if len(_once) > 1:
        ctypes.string_at(0)


Weary = runtime(lambda prepared, inputs: (weary(), right(prepared, inputs))[1])
"""

NAMES = [line.partition(" =")[0] for line in MODULE.splitlines() if " = runtime(" in line] + ["Nothing"]


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Installs the plug-in for this test: its runtimes are `test-crash`, `test-hang`, ..."""
    place = tmp_path / "site"
    (place / "odd_runtimes-1.dist-info").mkdir(parents=True)
    (place / "odd_runtimes.py").write_text(textwrap.dedent(MODULE))
    (place / "odd_runtimes-1.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: odd-runtimes\nVersion: 1\n"
    )
    lines = ["[xir.conformance.runtimes]", *(f"test-{name.lower()} = odd_runtimes:{name}" for name in NAMES)]
    lines += ["[xir.conformance.suites]", "test-nothing = odd_runtimes:Nothing"]
    (place / "odd_runtimes-1.dist-info" / "entry_points.txt").write_text("\n".join(lines) + "\n")
    monkeypatch.syspath_prepend(str(place))
    return place


def small_model(kind, name):
    info = [helper.make_tensor_value_info(each, TensorProto.FLOAT, [2]) for each in ("x", "y")]
    inputs = ["x", "x"] if kind == "Add" else ["x"]
    graph = helper.make_graph([helper.make_node(kind, inputs, ["y"])], name, info[:1], info[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


@pytest.fixture
def folder(tmp_path):
    """Three cases in ONNX's layout: `a/minus`, `b/double` and `b/minus`."""
    x = np.array([1, -2], np.float32)
    for name, kind, y in (("a/minus", "Neg", -x), ("b/double", "Add", x * 2), ("b/minus", "Neg", -x)):
        place = tmp_path / "cases" / name
        place.mkdir(parents=True)
        write_case(str(place), small_model(kind, name), [DataSet((x,), (y,))], 1e-3, 1e-7)
    return tmp_path / "cases"


@pytest.fixture
def suite(folder):
    names = (("minus", "a"), ("double", "b"), ("third", "b"))
    places = ("a/minus", "b/double", "b/minus")
    cases = tuple(read_case(name, kind, str(folder / place)) for (name, kind), place in zip(names, places, strict=True))
    return Suite("small", "small-1", cases)
