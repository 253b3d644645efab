"""FlexAttention with and without bodies, worked out with NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.frontends.onnx.models import normal, saved
from xir.errors import InvalidModelError, UnsupportedError, XirError
from xir.frontends.onnx import import_onnx
from xir.ir.constant import Array
from xir.reference import run

FEEDS = {"q": normal(2, 4, 3, 4), "k": normal(2, 2, 5, 4, seed=1), "v": normal(2, 2, 5, 6, seed=2)}
DOUBLED = helper.make_node("Add", ["s", "s"], ["t"])


def body(nodes: Sequence[onnx.NodeProto], outputs: Sequence[str] = ("t",), weights: Sequence[Array] = ()) -> object:
    """A graph of one tensor `s`; `w0`, `w1` ... are its weights."""
    held = [numpy_helper.from_array(array, f"w{index}") for index, array in enumerate(weights)]
    made = [onnx.ValueInfoProto(name=name) for name in outputs]
    return helper.make_graph(nodes, "body", [onnx.ValueInfoProto(name="s")], made, held)


def model(sizes: Sequence[int | str] = (2, 4, 3, 4), **words: object) -> onnx.ModelProto:
    node = helper.make_node("FlexAttention", ["q", "k", "v"], ["y"], domain="ai.onnx.preview", name="node", **words)
    shapes = {"q": sizes, "k": (2, 2, 5, sizes[3]), "v": (2, 2, 5, 6)}
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    bias = numpy_helper.from_array(np.float32(0.5), "bias")
    graph = helper.make_graph([node], "g", inputs, [onnx.ValueInfoProto(name="y")], [bias])
    opsets = [helper.make_opsetid("", 26), helper.make_opsetid("ai.onnx.preview", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def expected(scale: float, scores_of: object = None, weights_of: object = None) -> Array:
    k, v = (FEEDS[name].repeat(2, axis=1) for name in "kv")
    scores = FEEDS["q"] @ k.swapaxes(2, 3) * scale
    scores = scores_of(scores) if callable(scores_of) else scores
    weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    return (weights_of(weights) if callable(weights_of) else weights) @ v


def test_without_bodies_it_is_attention(tmp_path: Path) -> None:
    graph = import_onnx(saved(model(scale=0.25), tmp_path))
    assert [node.op.name for node in graph.nodes] == ["attention"]
    np.testing.assert_allclose(run(graph, FEEDS)["y"], expected(0.25), rtol=1e-4, atol=1e-5)


def test_bodies_change_scores_and_weights(tmp_path: Path) -> None:
    shifted = body(
        [helper.make_node("Mul", ["s", "w0"], ["u"]), helper.make_node("Add", ["u", "bias"], ["t"])],
        weights=[np.float32([1, 2, 3, 4, 5])],
    )
    made = model(score_mod=shifted, prob_mod=body([DOUBLED]))
    got = run(import_onnx(saved(made, tmp_path)), FEEDS)["y"]
    wanted = expected(0.5, lambda scores: scores * np.float32([1, 2, 3, 4, 5]) + 0.5, lambda weights: 2 * weights)
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


def test_bodies_see_the_type_of_the_softmax(tmp_path: Path) -> None:
    made = model(score_mod=body([DOUBLED]), softmax_precision=TensorProto.DOUBLE)
    graph = import_onnx(saved(made, tmp_path))
    (node,) = (node for node in graph.nodes if node.op.name == "softmax")
    assert str(node.outputs[0].dtype) == "f64"
    np.testing.assert_allclose(run(graph, FEEDS)["y"], expected(0.5, lambda s: 2 * s), rtol=1e-4, atol=1e-5)


REFUSED: list[tuple[dict[str, object], type[XirError], str]] = [
    ({"softmax_precision": 7}, InvalidModelError, "softmax_precision is 7"),
    ({"scale": -1.0}, InvalidModelError, "root of the scale"),
    ({"score_mod": body([DOUBLED], ("t", "s"))}, InvalidModelError, "must take one tensor and make one"),
    (
        {"prob_mod": body([helper.make_node("Cast", ["s"], ["t"], to=TensorProto.DOUBLE)])},
        InvalidModelError,
        "expected the same type",
    ),
    ({"sizes": (2, 4, 3, "d"), "prob_mod": body([DOUBLED])}, UnsupportedError, "heads of an unknown size"),
]


@pytest.mark.parametrize(("words", "kind", "text"), REFUSED)
def test_refusals_name_the_cause(words: dict[str, object], kind: type[XirError], text: str, tmp_path: Path) -> None:
    with pytest.raises(kind, match=text):
        import_onnx(saved(model(**words), tmp_path))
