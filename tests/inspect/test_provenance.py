"""Where nodes come from: of exported models every node tells its module and its line, whatever happens to it."""

from __future__ import annotations

from pathlib import Path

import pytest

import xir
from tests.frontends.torch.script.test_recorded import NAMES, recorded
from xir.inspect.provenance import has_line, has_module, provenance
from xir.ir.builder import sourced
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.source import Source
from xir.ir.types import DType, TensorType
from xir.ops.elementwise import neg

FIXTURES = Path(__file__).parents[1] / "frontends" / "torch" / "fixtures"


def untold(graph):
    """The nodes that do not say their module and line."""
    nodes = provenance(graph).nodes
    assert nodes
    return [node for node in nodes if not any(map(has_line, node.sources)) or not any(map(has_module, node.sources))]


def assert_all_told(graph, folder):
    """As it was read, optimized, and written as ONNX or text and read again."""
    assert untold(graph) == []
    optimized = xir.optimize(graph)
    assert untold(optimized) == []
    # ONNX says an output that is a weight alone by an Identity, which stands for nothing that was computed.
    held = {name for name, value in zip(optimized.output_names, optimized.outputs, strict=True) if value.node is None}
    for file in ("model.onnx", "model.xir"):
        xir.export(optimized, folder / file)
        left = untold(xir.load(folder / file))
        assert [node for node in left if node.operator != "identity" or node.name not in held] == []


@pytest.mark.parametrize("name", ["net", "norm_core", "steps"])
def test_every_node_of_exported_programs(name, tmp_path):
    pytest.importorskip("onnx")
    assert_all_told(xir.load(FIXTURES / f"{name}.pt2"), tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_every_node_of_scripts(name, tmp_path):
    pytest.importorskip("onnx")
    assert_all_told(recorded(name)[0], tmp_path)


def modules():
    """{name: (module, inputs)}: modules in modules, branches, views that are written to, what is taken apart."""
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4)

        def forward(self, x):
            return torch.relu(self.norm(self.conv(x))) + x

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks, self.head = nn.Sequential(Block(), Block()), nn.Linear(4, 5)
            self.register_buffer("scale", torch.arange(4.0) + 1)

        def forward(self, x):
            y = self.blocks(x)
            y[:, 0] += 1
            y = y * (self.scale * 2).reshape(1, 4, 1, 1)
            return torch.softmax(self.head(nn.functional.hardswish(y).mean((2, 3))), -1), y.shape[0] * 2

    class Branch(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x):
            return torch.cond(x.sum() > 0, lambda x: self.a(x).relu(), lambda x: self.b(x).tanh() * 2, (x,))

    class Count(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("count", torch.ones(3))

        def forward(self, x):
            self.count.add_(x)
            return self.count * 2

    encoder = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    return {
        "net": (Net(), torch.randn(2, 4, 6, 6)),
        "branch": (Branch(), torch.randn(3, 4)),
        "count": (Count(), torch.ones(3)),
        "encoder": (encoder, torch.randn(2, 5, 8)),
        "recurrent": (nn.LSTM(4, 5, bidirectional=True), torch.randn(3, 2, 4)),
    }


@pytest.mark.parametrize("is_core", [False, True], ids=["as it is", "core ATen"])
@pytest.mark.parametrize("name", ["net", "branch", "count", "encoder", "recurrent"])
def test_every_node_of_programs_that_torch_exports(name, is_core, tmp_path):
    torch = pytest.importorskip("torch", reason="torch exports the programs")
    module, x = modules()[name]
    exported = torch.export.export(module.eval(), (x,))
    exported = exported.run_decompositions() if is_core else exported
    torch.export.save(exported, tmp_path / "model.pt2")
    graph = xir.load(tmp_path / "model.pt2")
    assert_all_told(graph, tmp_path)
    assert untold(xir.load(exported)) == []
    own = {source.location for node in provenance(graph).nodes for source in node.sources}
    assert name in ("encoder", "recurrent") or all(Path(__file__).name in place for place in own)


def test_a_node_of_several_says_all_of_them(tmp_path):
    sources = [Source("torch", "m.pt2", name, "aten.neg", ("part",), f"m.py:{place}", place, module="m.Part")
               for place, name in enumerate(("a", "b"), 1)]  # fmt: skip
    x = Value(TensorType(DType.FLOAT32, (2,)))
    with sourced(*sources):
        y = neg(x)
    origins = provenance(Graph("g", (x,), (y,), ("y",)))
    (node,) = origins.nodes
    assert node.sources == tuple(sources)
    assert origins.to_dict() == {
        "nodes": [
            {
                "name": "1",
                "operator": "neg",
                "inside": [],
                "sources": [
                    {"framework": "torch", "file": "m.pt2", "layer": name, "operator": "aten.neg", "path": "part",
                     "class": "m.Part", "line": f"m.py:{place}"}
                    for place, name in enumerate(("a", "b"), 1)
                ],
            }
        ],
        "with_source": 1,
        "with_module": 1,
        "with_line": 1,
    }  # fmt: skip


def test_what_is_not_told_counts(tmp_path):
    x = Value(TensorType(DType.FLOAT32, (2,)))
    with sourced(Source("onnx", "m.onnx", "n", "Neg")):
        y = neg(x)
    origins = provenance(Graph("g", (x,), (neg(y),)))
    assert [origins.share(), origins.share(has_module), origins.share(has_line)] == [(1, 2), (0, 2), (0, 2)]


def test_bodies_are_told_of(tmp_path):
    nodes = provenance(xir.load(FIXTURES / "steps.pt2")).nodes
    assert {"if 'then_body'", "if 'else_body'"} <= {each for node in nodes for each in node.inside}
