"""Differences: each kind is found where it is, and nothing else; whatever the names; fast."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest

import xir
from tests.surgery.nets import chain, diamond, layer, tensor, weight
from xir.ir.constant import constant_of
from xir.ir.dims import Symbol
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Value
from xir.ir.training import TrainingStep
from xir.ir.types import DType
from xir.ops.activation import leaky_relu, relu, sigmoid, tanh
from xir.ops.arithmetic import add, mul, neg
from xir.ops.constant import constant
from xir.ops.control import if_
from xir.ops.shape import reshape, split, transpose
from xir.surgery.difference import words_of
from xir.surgery.fingerprint import Keys


def unary(build, shape=(2, 3), name="net"):
    x = Value(tensor(*shape))
    y = build(x)
    return Graph(name, (x,), (y,), ("y",), (), {x: "x"})


def weighted(array, name="w", literal=False):
    """The product of x with a weight."""
    x, held = Value(tensor(2, 3)), constant_of(array)
    w = constant(value=held) if literal else Value(held.type)
    parameters = () if literal else (Parameter(w, held),)
    names = {x: "x"} if name is None else {x: "x", w: name}
    return Graph("net", (x,), (relu(mul(x, w)),), ("y",), parameters, names)


def ones(*shape, dtype=np.float32):
    return np.ones(shape, dtype)


def changes(found):
    return [(node.kind, node.layer, node.op, [(c.field, c.a, c.b) for c in node.changes]) for node in found.operators]


@pytest.mark.parametrize("options", [{}, {"sources": False}, {"named": False}, {"sources": False, "named": False}])
def test_equal_models(options):
    found = xir.diff(chain(50, **options), chain(50, **options))
    assert found.equal
    assert (found.nodes, found.same_operators) == ((50, 50), 50)


@pytest.mark.parametrize("options", [{}, {"sources": False, "named": False}])
def test_an_operator_that_was_replaced(options):
    found = xir.diff(chain(50, **options), chain(50, special=(20,), **options))
    assert [(node.kind, node.op, node.changes[0].field) for node in found.operators] == [
        ("changed", "tanh", "operator")
    ]
    assert found.operators[0].changes[0].to_dict() == {"field": "operator", "a": "tanh", "b": "relu"}
    assert found.same_operators == 49


def test_an_attribute_that_changed():
    found = xir.diff(unary(lambda x: leaky_relu(x, alpha=0.1)), unary(lambda x: leaky_relu(x, alpha=0.2)))
    assert changes(found) == [("changed", "y", "leaky_relu", [("attribute alpha", "0.1", "0.2")])]


def test_an_operator_that_was_added_and_its_reader():
    found = xir.diff(unary(lambda x: neg(tanh(x))), unary(lambda x: neg(relu(tanh(x)))))
    assert [(kind, op) for kind, _, op, _ in changes(found)] == [("changed", "neg"), ("added", "relu")]
    assert changes(found)[0][3] == [("operand 0", "0", "1")]


def test_an_operator_that_was_removed():
    found = xir.diff(unary(lambda x: neg(relu(tanh(x)))), unary(lambda x: neg(tanh(x))))
    assert [(kind, op) for kind, _, op, _ in changes(found)] == [("removed", "relu"), ("changed", "neg")]


def test_operands_that_changed_places():
    def built(swapped):
        x = Value(tensor(2, 3))
        a, b = tanh(x), relu(x)
        y = add(b, a) if swapped else add(a, b)
        return Graph("net", (x,), (y,), ("y",), (), {x: "x", a: "a", b: "b"})

    found = xir.diff(built(False), built(True))
    assert changes(found) == [("changed", "y", "add", [("operand 0", "a", "b"), ("operand 1", "b", "a")])]


def test_types_of_results_are_consequences():
    found = xir.diff(unary(lambda x: relu(tanh(x))), unary(lambda x: relu(tanh(x)), shape=(4, 3)))
    assert [(c.field, c.a, c.b) for c in found.inputs] == [("x", "f32[2,3]", "f32[4,3]")]
    assert [(c.field, c.a, c.b) for c in found.outputs] == [("y", "f32[2,3]", "f32[4,3]")]
    assert [(node.is_consequence, node.changes[0].field) for node in found.operators] == [(True, "result 0")] * 2


def test_a_size_in_an_attribute():
    found = xir.diff(
        unary(lambda x: reshape(x, shape=(Symbol("n") * 3,)), (Symbol("n"), 3)),
        unary(lambda x: reshape(x, shape=(Symbol("m") * 3,)), (Symbol("m"), 3)),
    )
    assert ("attribute shape", "[3*n]", "[3*m]") in changes(found)[0][3]


def test_sizes_without_a_name_are_alike():
    assert xir.diff(unary(relu, (Symbol(),)), unary(relu, (Symbol(),))).equal


def test_a_value_that_was_renamed():
    def built(name):
        x = Value(tensor(2, 3))
        with layer(1):
            h = tanh(x)
        return Graph("net", (x,), (relu(h),), ("y",), (), {x: "x", h: name})

    found = xir.diff(built("h"), built("hidden"))
    assert changes(found) == [("changed", "layer1", "tanh", [("name", "h", "hidden")])]
    assert not found.equal


def test_inputs_and_outputs_that_came_went_moved_and_were_renamed():
    def built(inputs, outputs):
        values = {name: Value(tensor(2, 3)) for name in inputs}
        results = {name: relu(values[inputs[0]]) for name in outputs}
        named = {value: name for name, value in values.items()}
        return Graph("net", tuple(values.values()), tuple(results.values()), tuple(results), (), named)

    found = xir.diff(built("abc", "pq"), built("adbe", "q"))
    assert [(c.field, c.a, c.b) for c in found.inputs] == [
        ("place of b", "1", "2"),
        ("c", "f32[2,3]", None),
        ("d", None, "f32[2,3]"),
        ("e", None, "f32[2,3]"),
    ]
    assert [(c.field, c.a is None, c.b is None) for c in found.outputs] == [
        ("p", False, True),
        ("place of q", False, False),
    ]
    renamed = xir.diff(built("a", "p"), built("b", "p"))
    assert [(c.field, c.a, c.b) for c in renamed.inputs] == [("a -> b", "f32[2,3]", "f32[2,3]")]


def test_a_weight_that_changed():
    array = ones(2, 3)
    array[1, 2] = 1.5
    (found,) = xir.diff(weighted(ones(2, 3)), weighted(array)).weights
    assert (found.kind, found.a, found.max_absolute, found.max_relative, found.changed_elements) == (
        "changed",
        "w",
        0.5,
        0.5,
        1,
    )
    assert found.changed_bytes == 1
    assert xir.diff(weighted(ones(2, 3)), weighted(array)).same_structure


def test_a_zero_of_another_sign_is_a_changed_bit():
    (found,) = xir.diff(weighted(np.zeros((2, 3), np.float32)), weighted(-np.zeros((2, 3), np.float32))).weights
    assert (found.max_absolute, found.changed_bytes) == (0.0, 6)


def test_a_weight_that_was_renamed_is_found_by_its_content():
    (found,) = xir.diff(weighted(ones(2, 3), "w"), weighted(ones(2, 3), "weight")).weights
    assert (found.kind, found.a, found.b, found.changed_bytes) == ("renamed", "w", "weight", 0)


def test_a_weight_that_was_renamed_and_changed_is_found_by_its_reader():
    (found,) = xir.diff(weighted(ones(2, 3), "w"), weighted(2 * ones(2, 3), "weight")).weights
    assert (found.kind, found.max_absolute) == ("renamed, changed", 1.0)


def test_a_weight_of_another_type():
    half = Value(tensor(2, 3))
    a, b = weight((2, 3)), weight((3, 2))
    one = Graph("net", (half,), (mul(half, a.value),), ("y",), (a,), {half: "x", a.value: "w"})
    other = Graph(
        "net", (half,), (mul(half, transpose(b.value, perm=(1, 0))),), ("y",), (b,), {half: "x", b.value: "w"}
    )
    found = xir.diff(one, other)
    assert [(w.kind, w.a_type, w.b_type, w.max_absolute) for w in found.weights] == [
        ("changed", "f32[2,3]", "f32[3,2]", None)
    ]
    assert [(kind, op) for kind, _, op, _ in changes(found)] == [("changed", "mul"), ("added", "transpose")]


def test_weights_that_came_and_went():
    one, other = diamond(), unary(tanh)
    assert [(w.kind, w.a, w.b) for w in xir.diff(one, other).weights] == [("removed", "w", None)]
    assert [(w.kind, w.a, w.b) for w in xir.diff(other, one).weights] == [("added", None, "w")]


def test_a_literal_without_a_name_is_a_weight_too():
    assert xir.diff(weighted(ones(2, 3)), weighted(ones(2, 3), None, literal=True)).equal
    (found,) = xir.diff(weighted(ones(2, 3)), weighted(2 * ones(2, 3), None, literal=True)).weights
    assert (found.kind, found.a, found.max_absolute) == ("changed", "w", 1.0)


def test_text_as_weights():
    def built(*words):
        held = constant_of(np.array(words, object), DType.STRING)
        w = Value(held.type)
        return Graph("net", (), (w,), ("y",), (Parameter(w, held),), {w: "w"})

    (found,) = xir.diff(built("a", "b"), built("a", "cd")).weights
    assert (found.changed_elements, found.max_absolute) == (1, None)
    assert xir.diff(built("a", "b"), built("a", "b")).equal


def test_bodies_are_compared_inside():
    def built(op):
        c, x = Value(tensor().with_dtype(DType.BOOL)), Value(tensor(2))
        a, b = Value(tensor(2)), Value(tensor(2))
        then = Graph("then", (a,), (op(a),), ("y",))
        other = Graph("other", (b,), (neg(b),), ("y",))
        with layer(0, "If"):
            (y,) = if_(c, x, then_body=then, else_body=other)
        return Graph("net", (c, x), (y,), ("y",), (), {c: "c", x: "x"})

    assert xir.diff(built(relu), built(relu)).equal
    assert changes(xir.diff(built(relu), built(sigmoid))) == [
        ("changed", "layer0/then_body/y", "relu", [("operator", "relu", "sigmoid")])
    ]


def onnx_file(path, opset, **head):
    node = onnx.helper.make_node("Relu", ["x"], ["y"], name="r")
    info = [onnx.helper.make_tensor_value_info(name, 1, [2]) for name in "xy"]
    graph = onnx.helper.make_graph([node], "g", info[:1], info[1:])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=8, **head)
    onnx.helper.set_model_props(model, {"note": str(opset)})
    path.write_bytes(model.SerializeToString())
    return path


def test_the_heads_of_two_onnx_files(tmp_path):
    a, b = onnx_file(tmp_path / "a.onnx", 14), onnx_file(tmp_path / "b.onnx", 17, producer_name="me")
    found = xir.diff(a, b)
    assert [(c.field, c.a, c.b) for c in found.model] == [
        ("opset ai.onnx", "14", "17"),
        ("metadata note", "14", "17"),
        ("producer", None, "me"),
    ]
    assert found.same_structure
    assert (found.a, found.b) == ("a.onnx", "b.onnx")
    assert xir.diff(a, a).equal


def test_a_caffe_model_and_its_conversion(corpus, tmp_path):
    prototxt, weights = corpus / "caffe/lenet/lenet.prototxt", corpus / "caffe/lenet/lenet_iter_10000.caffemodel"
    graph = xir.load(weights, prototxt=prototxt)
    xir.export(graph, tmp_path / "lenet.onnx")
    assert xir.diff(graph, tmp_path / "lenet.onnx").equal


def test_a_model_whose_names_are_all_others_aligns():
    a, b = chain(30, special=(4, 17)), chain(30, special=(4,), sources=False)
    renamed = Graph(b.name, b.inputs, b.outputs, ("out",), (), {v: f"t{i}" for i, v in enumerate(b.names)})
    found = xir.diff(a, renamed)
    operators = [node.layer for node in found.operators if any(c.field == "operator" for c in node.changes)]
    assert operators == ["layer17"]


def test_twenty_thousand_operators_without_names():
    """What were quadratic here would take hours."""
    few = {"named": False, "sources": False}
    found = xir.diff(chain(20_000, **few), chain(19_990, special=(100,), **few))
    assert found.same_operators > 19_900


@pytest.mark.parametrize("dtype", [dtype for dtype in DType if dtype is not DType.STRING])
def test_weights_of_every_type(dtype):
    def built(*numbers):
        held = constant_of(np.array(numbers).astype(dtype.dtype))
        w = Value(held.type)
        return Graph("net", (), (w,), ("y",), (Parameter(w, held),), {w: "w"})

    (found,) = xir.diff(built(1, 1, 1), built(1, 0, 1)).weights
    assert (found.kind, found.changed_elements) == ("changed", 1)
    assert found.changed_bytes >= 1
    assert xir.diff(built(1, 0), built(1, 0)).equal


def test_the_document_is_plain_data():
    import json

    document = xir.diff(diamond(), diamond(2.0)).to_dict()
    assert json.loads(json.dumps(document)) == document
    assert (document["equal"], len(document["weights"])) == (False, 1)


def test_bodies_that_take_other_inputs():
    def built(double):
        c, x = Value(tensor().with_dtype(DType.BOOL)), Value(tensor(2))
        a, b = Value(tensor(2)), Value(tensor(2))
        more = (Value(tensor(2)), Value(tensor(2))) if double else ()
        then = Graph("then", (a, *more[:1]), (relu(a),), ("y",))
        other = Graph("other", (b, *more[1:]), (neg(b),), ("y",))
        with layer(0, "If"):
            (y,) = if_(c, x, *([x] if double else []), then_body=then, else_body=other)
        return Graph("net", (c, x), (y,), ("y",), (), {c: "c", x: "x"})

    found = xir.diff(built(False), built(True))
    assert [c.field for node in found.operators for c in node.changes if node.op == "if"] == ["operand 2"]
    assert [(node.layer, node.op) for node in found.operators if node.op == "body"] == [
        ("layer0/then_body", "body"),
        ("layer0/else_body", "body"),
    ]


def test_results_that_are_more():
    found = xir.diff(
        unary(lambda x: split(x, sizes=(1, 1, 1), axis=1)[0]), unary(lambda x: split(x, sizes=(1, 2), axis=1)[0])
    )
    assert [c.to_dict() for c in found.operators[0].changes] == [
        {"field": "attribute sizes", "a": "[1, 1, 1]", "b": "[1, 2]"},
        {"field": "results", "a": "3", "b": "2"},
        {"field": "result 1", "a": "f32[2,1]", "b": "f32[2,2]"},
    ]


@pytest.mark.parametrize(
    ("attribute", "words"),
    [
        (tuple(range(20)), "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, ... 20 items]"),
        (constant_of(np.arange(2)), "i64[2] [0, 1]"),
        (constant_of(np.zeros(20, np.int8)), "i8[20] de47c9b27eb8"),
        (Symbol("n") * 2, "2*n"),
        (True, "True"),
        (Graph("b", (), ()), "a body of 0 operators"),
        (None, "None"),
    ],
)
def test_attributes_in_words(attribute, words):
    assert words_of(attribute) == words


def test_constants_in_attributes_are_compared_by_content():
    keys = Keys()
    one, same, other = (constant_of(np.full(3, number)) for number in (1, 1, 2))
    assert keys.attribute(one) == keys.attribute(same) != keys.attribute(other)


def with_training(graph, value=1.0, output="w_new", begins=True, build=mul):
    """The graph and a step that changes its weight `w`."""
    w, by = Value(tensor(2, 3)), constant_of(np.full((2, 3), value, np.float32))
    factor = Value(by.type)
    (held,) = graph.parameters
    parameters = (Parameter(w, held.constant), Parameter(factor, by))
    algorithm = Graph("step", (), (build(w, factor),), (output,), parameters, {w: "w", factor: "factor"})
    begin = Graph("begin", (), (constant(value=by),), ("w_0",)) if begins else None
    step = TrainingStep(begin, algorithm, (("w", "w_0"),) if begins else (), (("w", output),))
    return replace(graph, training=(step,))


def test_steps_of_training():
    plain = weighted(ones(2, 3))
    found = xir.diff(with_training(plain), with_training(plain))
    assert found.equal
    assert found.same_operators == 3
    lost = xir.diff(with_training(plain), plain)
    assert [(change.field, change.b) for change in lost.training] == [
        ("training 1/initialization", None),
        ("training 1/initialization w", None),
        ("training 1/algorithm", None),
        ("training 1/algorithm w", None),
    ]
    assert not lost.equal
    assert not lost.same_structure
    other = xir.diff(with_training(plain), with_training(plain, output="new"))
    assert [(change.field, change.a, change.b) for change in other.training] == [
        ("training 1/algorithm w", "w_new", "new")
    ]
    assert other.to_dict()["training"] == [{"field": "training 1/algorithm w", "a": "w_new", "b": "new"}]


def test_operators_and_weights_of_steps_of_training():
    plain = weighted(ones(2, 3))
    found = xir.diff(with_training(plain), with_training(plain, value=2.0, build=add))
    assert [(node.kind, node.layer.split("/")[:2]) for node in found.operators] == [
        ("changed", ["training 1", "algorithm"])
    ]
    assert any("factor" in (change.a or "") for change in found.weights)
