"""Where layers run: what loops and branches hold, and why the host runs what it runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from xir.frontends.load import load_model
from xir.inspect.placement import Placement, place
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.activation import relu
from xir.ops.matmul import matmul


def graph_of(inputs, outputs):
    names = {value: f"x{number}" for number, value in enumerate(inputs)}
    return Graph("g", tuple(inputs), tuple(outputs), tuple(f"y{n}" for n in range(len(outputs))), (), names)


def floats(*shape):
    return Value(TensorType(DType.FLOAT32, shape))


def test_a_product_takes_its_epilogue_along():
    a, b = floats(4, 5), floats(5, 6)
    placement = place(graph_of([a, b], [relu(matmul(a, b))]))
    assert (placement.kernels, placement.hosted) == (1, 0)
    (step,) = placement.steps
    assert step.operators[0] == "matmul"
    assert step.reason == ""


def test_layers_without_names_are_their_results():
    x = floats(3)
    placement = place(graph_of([x], [relu(x)]))
    assert [(layer.where, layer.steps) for layer in placement.layers] == [("machine code", (0,))] * len(
        placement.layers
    )


def test_plain_data_says_the_same():
    x = floats(3)
    placement = place(graph_of([x], [relu(x)]))
    document = placement.to_dict()
    assert document["kernels"] == 1
    assert document["cpu"] == placement.cpu


def read(folder: Path, text: str) -> Placement:
    """The placement of an ONNX model that `onnx.parser` reads."""
    parser = pytest.importorskip("onnx.parser")
    path = folder / "model.onnx"
    path.write_bytes(parser.parse_model(f'<ir_version: 9, opset_import: ["" : 20]>\n{text}').SerializeToString())
    return place(load_model(str(path)).graph)


IF = """
g (bool c, float[4] x) => (float[4] y) {
  y = If (c) <
    then_branch = t () => (float[4] a) { a = Sin(x) },
    else_branch = e () => (float[4] b) { b = Cos(x) }
  >
}
"""


def test_both_sides_of_a_branch_are_seen(tmp_path):
    placement = read(tmp_path, IF)
    inside = [step for step in placement.steps if step.inside == ("branch",)]
    assert {operator for step in inside for operator in step.operators} >= {"sin", "cos"}
    assert placement.hosted == 0


SCAN = """
g (float[3] s, float[7,3] x) => (float[3] last, float[7,3] all) {
  last, all = Scan <num_scan_inputs = 1, body = b (float[3] a, float[3] e) => (float[3] n, float[3] o) {
    n = Add(a, e)
    o = Tanh(n)
  }> (s, x)
}
"""


def test_the_body_of_a_loop_is_seen_once(tmp_path):
    placement = read(tmp_path, SCAN)
    inside = [operator for step in placement.steps if step.inside == ("loop",) for operator in step.operators]
    assert inside.count("add") == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("g (float[4] x) => (int64[1,n] y) { y = NonZero(x) }", "known only when it has run"),
        ("g (string[4] x) => (bool[4] y) { y = Equal(x, x) }", "the type str"),
        ("g (float[2] x) => (seq(float[2]) y) { y = SequenceConstruct(x, x) }", "no tensor"),
    ],
)
def test_why_the_host_runs_it(tmp_path, text, reason):
    (hosted,) = [step for step in read(tmp_path, text).steps if step.where == "host"]
    assert reason in hosted.reason
