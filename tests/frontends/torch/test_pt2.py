"""Exported programs end to end, made without torch."""

from __future__ import annotations

import numpy as np
import pytest

import xir
from tests.frontends.torch.programs import meta, node, program, tensor, write
from xir.frontends.load import recognize

W = np.arange(12, dtype=np.float32).reshape(3, 4) / 10
BATCH = "Symbol('s0', positive=True, integer=True)"


def linear(**changes):
    """`relu(x @ W.T)` with a symbolic batch."""
    made = {
        "inputs": {"p_w": meta("float32", (3, 4)), "x": meta("float32", (BATCH, 4))},
        "nodes": [
            node(
                "aten.linear.default",
                [tensor("x"), tensor("p_w")],
                "linear",
                metadata={
                    "nn_module_stack": "L__self__,,net.Net;L__self__f,f.0,torch.nn.modules.linear.Linear",
                    "stack_trace": 'File "/src/net.py", line 7, in forward\n    y = self.f(x)\n'
                    '  File "/lib/site-packages/torch/nn/modules/linear.py", line 134, in forward',
                },
            ),
            node("aten.relu.default", [tensor("linear")], "relu"),
        ],
        "outputs": [tensor("relu")],
        "weights": {"p_w": "f.0.weight"},
        "ranges": {"s0": (1, 64)},
    }
    return program(**{**made, **changes})


@pytest.fixture
def path(tmp_path):
    return write(tmp_path / "model.pt2", linear(), {"f.0.weight": W})


def test_a_program_with_a_symbolic_batch_runs(path):
    graph = xir.load(path)
    assert recognize(str(path)).name == "pt2"
    assert (graph.input_names, graph.output_names) == (("x",), ("relu",))
    batch = graph.inputs[0].shape[0]
    assert (repr(batch), batch.minimum, batch.maximum) == ("s0", 1, 64)
    x = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)
    np.testing.assert_allclose(xir.run(graph, {"x": x})["relu"], np.maximum(x @ W.T, 0), rtol=1e-5)


def test_weights_are_mapped_and_named_as_in_the_model(path):
    graph = xir.load(path)
    (weight,) = graph.parameters
    assert graph.name_of(weight.value) == "f.0.weight"
    assert weight.trainable
    assert not isinstance(weight.constant.data, np.ndarray)


def test_nodes_know_their_module_and_line(path):
    (source,) = xir.load(path).nodes[0].source
    assert (source.layer, source.kind, source.path) == ("linear", "aten.linear.default", ("f", "0"))
    assert source.location == "/src/net.py:7"
