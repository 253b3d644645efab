"""`xir inspect --map`: where nodes come from, as a table and as JSON."""

from __future__ import annotations

import pytest

import xir
from tests.cli.commands import call, small
from tests.frontends.torch.programs import meta, node, program, tensor, write

TRACE = 'File "/home/someone/projects/with/a/long/name/of/its/own/model.py", line 12, in forward\n    x\n'


def exported(folder):
    """A program of two calls: one in a module, one in the model itself."""
    inner = {"nn_module_stack": "L__self__,,net.Net;L__self__part,part,net.Part", "stack_trace": TRACE}
    calls = [
        node("aten.neg.default", [tensor("x")], "y", metadata=inner),
        node("aten.relu.default", [tensor("y")], "z", metadata={"nn_module_stack": "L__self__,,net.Net"}),
    ]
    held = {name: meta("float32", [2]) for name in ("y", "z")}
    text = program({"x": meta("float32", [2])}, calls, [tensor("z")])
    text["graph_module"]["graph"]["tensor_values"] |= held
    return write(folder / "net.pt2", text)


def test_the_table_names_modules_and_lines(tmp_path, capsys):
    done = call(capsys, "inspect", exported(tmp_path), "--map")
    assert done.code == 0, done.err
    first, second = (line.split() for line in done.out.splitlines()[2:4])
    assert first[:6] == ["y", "neg", "y", "aten.neg.default", "part:", "Part"]
    assert first[6].startswith("...")
    assert first[6].endswith("its/own/model.py:12")
    assert second == ["z", "relu", "z", "aten.relu.default", "Net"]
    assert done.out.splitlines()[-1] == "2 nodes: 2 with a source, 2 with a module, 1 with a line"


def test_the_document_has_it_whole(tmp_path, capsys):
    told = call(capsys, "inspect", exported(tmp_path), "--map", "--json").document["map"]
    assert [told["with_source"], told["with_module"], told["with_line"]] == [2, 2, 1]
    (source,) = told["nodes"][0]["sources"]
    assert source["path"] == "part"
    assert source["class"] == "net.Part"
    assert source["line"] == "/home/someone/projects/with/a/long/name/of/its/own/model.py:12"


def test_optimized_nodes_say_all_that_they_stand_for(tmp_path, capsys):
    pytest.importorskip("onnx")
    made = tmp_path / "small.onnx"
    assert call(capsys, "convert", small(tmp_path), "-o", made, "--level", 0, "--no-verify").code == 0
    whole = call(capsys, "inspect", made, "--map", "--json").document["map"]["nodes"]
    least = call(capsys, "inspect", made, "--map", "--optimized", "--json").document["map"]["nodes"]
    layers = [{source["layer"] for item in nodes for source in item["sources"]} for nodes in (whole, least)]
    assert len(least) <= len(whole)
    assert layers[0] >= layers[1] >= {"conv1", "relu1", "pool1", "fc", "prob"}
    caffe = [source for item in least for source in item["sources"] if source["framework"] == "caffe"]
    assert all(source["line"] for source in caffe)


def test_a_node_without_a_source_has_an_empty_line(tmp_path, capsys):
    from xir.ir.graph import Graph
    from xir.ir.node import Value
    from xir.ir.types import DType, TensorType
    from xir.ops.elementwise import neg

    x = Value(TensorType(DType.FLOAT32, (2,)))
    xir.export(Graph("g", (x,), (neg(x),), ("y",)), tmp_path / "g.xir")
    done = call(capsys, "inspect", tmp_path / "g.xir", "--map", "--placement")
    assert done.out.splitlines()[-1] == "1 node: 0 with a source, 0 with a module, 0 with a line"


def test_optimized_alone_is_refused(tmp_path, capsys):
    done = call(capsys, "inspect", exported(tmp_path), "--optimized")
    assert done.code == 2
    assert "--map" in done.err
