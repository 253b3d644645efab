"""`xir diff`, `extract`, `merge` and `reduce` on the command line."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import xir
from tests.cli.commands import NET, call, small
from tests.surgery.nets import chain

CHECK = """
import sys
sys.path[:0] = {path!r}
import xir
graph = xir.load(sys.argv[1])
sys.exit(3 if any(node.op.name == "softmax" for node in graph.nodes) else 0)
"""


@pytest.fixture
def net(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return small(tmp_path)


def other_net(folder):
    return small(
        folder, NET.replace("stride: 2", "stride: 1").replace("num_output: 5", "num_output: 6"), "other.prototxt"
    )


def test_models_that_are_the_same(net, capsys):
    done = call(capsys, "diff", net, net, "--exit-code")
    assert done.code == 0
    assert done.out.splitlines()[-1].startswith("nothing differs: 7 operators, 4 weights")


def test_every_kind_of_difference_is_told(net, capsys, tmp_path):
    done = call(capsys, "diff", net, other_net(tmp_path))
    assert done.code == 0
    lines = done.out.splitlines()
    assert "      attribute strides: [2, 2] -> [1, 1]" in lines
    assert "  ~ prob: f32[1,5] -> f32[1,6]" in lines
    assert lines[-1] == "weights: 2 the same; 2 changed (--weights lists them)"
    assert any("with other types or names of results: " in line for line in lines)


def test_every_weight_is_listed_when_asked_for(net, capsys, tmp_path):
    lines = call(capsys, "diff", net, other_net(tmp_path), "--weights", "-v").out.splitlines()
    assert any(line.startswith("  ~ fc.bias: f32[5] -> f32[6]") for line in lines)
    assert not any("with other types" in line for line in lines)


def test_the_exit_code_tells_a_difference(net, capsys, tmp_path):
    assert call(capsys, "diff", net, other_net(tmp_path), "--exit-code").code == 1


def test_numbers_of_changed_weights(capsys, tmp_path):
    from tests.surgery.nets import diamond

    for scale, name in ((1.0, "a.xir"), (2.0, "b.xir")):
        xir.export(diamond(scale), tmp_path / name)
    lines = call(capsys, "diff", tmp_path / "a.xir", tmp_path / "b.xir", "--weights").out.splitlines()
    assert lines[-1].startswith("  ~ w: f32[2,3]  max |d| ")
    assert ", max rel 1, 6 elements, " in lines[-1]


def test_the_difference_as_a_document(net, capsys, tmp_path):
    document = call(capsys, "diff", net, other_net(tmp_path), "--json").document
    assert (document["command"], document["equal"], document["nodes"]) == ("diff", False, [7, 7])


def test_a_part_is_written_and_verified(net, capsys):
    done = call(capsys, "extract", net, "-o", "part.onnx", "--inputs", "conv1", "--outputs", "pool1,fc")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0].startswith("takes  conv1: f32[1,4,6,6]")
    assert lines[1] == "gives  pool1: f32[1,4,3,3], fc: f32[1,5]"
    assert lines[-1].startswith("verified on 3 random inputs")
    assert xir.load("part.onnx").output_names == ("pool1", "fc")


def test_a_part_that_lacks_an_input_is_not_written(net, capsys, tmp_path):
    done = call(capsys, "extract", net, "-o", "part.onnx", "--inputs", "prob", "--outputs", "fc")
    assert done.code == 2
    assert "the part needs 'data' too" in done.err
    assert "add it: --inputs prob,data" in done.err
    assert not (tmp_path / "part.onnx").exists()


def test_a_name_with_a_comma_is_one_name(capsys, tmp_path):
    graph = chain(3)
    names = {value: {"v1": "a,b"}.get(name, name) for value, name in graph.names.items()}
    xir.export(type(graph)(graph.name, graph.inputs, graph.outputs, ("y",), (), names), tmp_path / "m.xir")
    done = call(
        capsys, "extract", tmp_path / "m.xir", "-o", tmp_path / "p.onnx", "--inputs", "a,b", "--json", "--no-verify"
    )
    assert done.document["inputs"] == ["a,b"]
    assert done.document["certificate"] is None


def test_two_parts_become_one_again(net, capsys):
    call(capsys, "extract", net, "-o", "front.onnx", "--outputs", "pool1")
    call(capsys, "extract", net, "-o", "back.onnx", "--inputs", "pool1", "--opset", "17")
    done = call(
        capsys, "merge", "front.onnx", "back.onnx", "--connect", "pool1=pool1", "-o", "whole.onnx", "--name", "small"
    )
    assert done.code == 0, done.err
    assert done.out.splitlines()[:2] == ["takes  data: f32[1,3,8,8]", "gives  prob: f32[1,5]"]
    assert call(capsys, "verify", net, "whole.onnx").code == 0


@pytest.mark.parametrize("word", ["pool1", "=x", "x="])
def test_a_connection_of_another_form_is_refused(net, capsys, word):
    done = call(capsys, "merge", net, net, "-o", "m.onnx", "--connect", word)
    assert (done.code, "expected OUT=IN" in done.err) == (2, True)


def test_types_that_do_not_fit_are_a_usage_error(net, capsys):
    done = call(capsys, "merge", net, net, "-o", "m.onnx", "--connect", "prob=data", "--json")
    assert done.code == 2
    assert done.document["error"]["message"].startswith("'prob' of the first model is f32[1,5]")


def test_a_command_that_fails_is_reduced_to_what_it_fails_on(net, capsys, tmp_path):
    (tmp_path / "check.py").write_text(CHECK.format(path=sys.path))
    command = f"{sys.executable} check.py {{}} {{inputs}}"
    done = call(capsys, "reduce", net, "-o", "few.onnx", "--command", command, "--max-tries", "12")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0] == "fails: exit code 3"
    assert lines[-1] == "written: few.onnx, few.inputs.npz"
    assert any(line.startswith("  softmax  ") for line in lines)
    assert len(xir.load("few.onnx").nodes) < 7
    with np.load("few.inputs.npz") as arrays:
        assert sorted(arrays) == sorted(xir.load("few.onnx").input_names)


def test_rounding_is_reduced_to_one_operator(net, capsys):
    pytest.importorskip("onnxruntime")
    done = call(capsys, "reduce", net, "-o", "few.onnx", "--rtol", "0", "--atol", "1e-12", "--json")
    assert done.code == 0, done.err
    document = done.document
    assert document["verdict"] == {"kind": "fails", "detail": "differs"}
    assert document["after"]["nodes"] < document["before"]["nodes"]
    assert document["files"] == ["few.onnx", "few.inputs.npz"]


def test_a_model_that_agrees_has_nothing_to_reduce(net, capsys, tmp_path):
    pytest.importorskip("onnxruntime")
    done = call(capsys, "reduce", net, "-o", "few.onnx")
    assert (done.code, "does not fail" in done.err) == (2, True)
    assert not (tmp_path / "few.onnx").exists()


def test_the_layer_that_two_models_compute_differently_is_cut_out(capsys, tmp_path):
    for name, special in (("a.xir", ()), ("b.xir", (5,))):
        xir.export(chain(9, special=special), tmp_path / name)
    out = tmp_path / "few.onnx"
    done = call(capsys, "reduce", tmp_path / "a.xir", "-o", out, "--against", tmp_path / "b.xir")
    assert done.code == 0, done.err
    assert done.out.startswith("the first layer that differs: layer5, max |d| ")
    assert [n.op.name for n in xir.load(tmp_path / "few.against.onnx").nodes] == ["relu"]
    assert [n.op.name for n in xir.load(out).nodes] == ["neg"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--command", "true"], "{} must stand where the model's file shall"),
        (["--command", "'{}"], "No closing quotation"),
        (["--command", "true {}", "--against", "b.onnx"], "contradict each other"),
        (["--command", "no-such-command-here {}"], "no-such-command-here: No such file"),
    ],
)
def test_wrong_commands_are_refused(net, capsys, words, said):
    done = call(capsys, "reduce", net, "-o", "few.onnx", *words)
    assert done.code == 2
    assert said in done.err
