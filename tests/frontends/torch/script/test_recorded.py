"""Archives that torch made: equal to what it answered, in a process without torch, on the reference and compiled."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import xir
from xir.frontends.load import load_model
from xir.frontends.options import LoadOptions
from xir.frontends.type_spec import parse_type

RECORDED = Path(__file__).parent / "recorded"
NAMES = sorted(path.stem for path in RECORDED.glob("*.pt"))
SHORT = {"float32": "f32", "int64": "i64"}


def recorded(name):
    """The graph with its state, what it is fed, and what torch answered."""
    held = np.load(RECORDED / f"{name}.npz")
    inputs = [held[key] for key in held.files if key.startswith("in")]
    types = (
        {} if name.endswith("_trace") else {"x": parse_type(f"{SHORT[inputs[0].dtype.name]}{list(inputs[0].shape)}")}
    )
    loaded = load_model(str(RECORDED / f"{name}.pt"), LoadOptions(inputs=types))
    feeds = dict(zip(loaded.graph.input_names, inputs, strict=False))
    feeds |= {key: constant.array() for key, constant in loaded.state.items()}
    return loaded.graph, feeds, [held[key] for key in held.files if key.startswith("out")]


@pytest.mark.parametrize("name", NAMES)
def test_equal_to_torch(name):
    graph, feeds, expected = recorded(name)
    for made in (xir.run(graph, feeds), xir.compile(graph).run(None, feeds)):
        results = list(made.values()) if isinstance(made, dict) else made
        assert len(results) >= len(expected)
        for got, want in zip(results, expected, strict=False):
            np.testing.assert_allclose(np.asarray(got), want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_every_node_names_its_module_and_line(name):
    graph, _, _ = recorded(name)
    for node in graph.nodes:
        assert node.source
        assert all(source.location and ".py:" in source.location and source.module for source in node.source)


def test_nothing_needs_torch():
    code = "import sys; sys.modules['torch'] = None; import xir; print(len(xir.load(sys.argv[1]).nodes))"
    path = str(RECORDED / "conv_trace.pt")
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 5
