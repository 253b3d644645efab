"""Joined graphs: what computes what, names, types, sizes."""

from __future__ import annotations

import numpy as np
import pytest

import xir
from tests.surgery.nets import chain, diamond, layer, tensor
from xir.errors import InvalidModelError, UsageError
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, SequenceType, TensorType
from xir.ops.activation import relu
from xir.ops.arithmetic import add
from xir.ops.constant import identity
from xir.ops.shape import reshape


def unary(*shape, op=relu, names=("x", "y"), name="unary", dtype=DType.FLOAT32):
    x = Value(TensorType(dtype, shape))
    return Graph(name, (x,), (op(x),), (names[1],), (), {x: names[0]})


def test_the_second_runs_on_what_the_first_gives():
    first, second = diamond(), chain(3)
    whole = xir.merge(first, second, connect={"y": "x"})
    feeds = xir.random_inputs(first)
    between = xir.run(first, feeds)["y"]
    expected = xir.run(second, {"x": between})["y"]
    np.testing.assert_array_equal(xir.run(whole, feeds)["y"], expected)
    assert whole.input_names == ("x",)


def test_a_graph_is_merged_with_itself():
    graph = diamond()
    whole = xir.merge(graph, graph, connect={"y": "x"})
    feeds = xir.random_inputs(graph)
    expected = xir.run(graph, {"x": xir.run(graph, feeds)["y"]})["y"]
    np.testing.assert_array_equal(xir.run(whole, feeds)["y"], expected)
    assert sorted(whole.names[parameter.value] for parameter in whole.parameters) == ["diamond_w", "w"]


def test_what_is_not_connected_stays():
    x, y = Value(tensor(2, 3)), Value(tensor(2, 3))
    second = Graph("sum", (x, y), (add(x, y),), ("total",), (), {x: "p", y: "x"})
    first = xir.extract(diamond(), outputs=["left", "right"])
    whole = xir.merge(first, second, connect={"left": "p"})
    assert whole.input_names == ("x", "sum_x")
    assert whole.output_names == ("right", "total")


def test_one_output_feeds_several_inputs():
    x, y = Value(tensor(2, 3)), Value(tensor(2, 3))
    second = Graph("sum", (x, y), (add(x, y),), ("total",), (), {x: "p", y: "q"})
    whole = xir.merge(chain(2), second, connect={"y": ["p", "q"]})
    feeds = xir.random_inputs(whole)
    np.testing.assert_array_equal(xir.run(whole, feeds)["total"], 2 * xir.run(chain(2), feeds)["y"])


def test_an_inner_value_and_a_layer_may_give():
    for source in ("v1", "layer1"):
        whole = xir.merge(chain(4), unary(2, 3, names=("in", "out")), connect={source: "in"})
        assert whole.output_names == ("y", "out")


def test_same_names_are_connected_without_being_told():
    assert xir.merge(chain(1), unary(2, 3, names=("y", "z"))).output_names == ("z",)


def test_the_only_output_and_the_only_input_are_connected_without_being_told():
    assert xir.merge(chain(1), unary(2, 3)).output_names == ("y",)


def test_names_that_clash_get_a_prefix_and_others_stay():
    whole = xir.merge(chain(3), chain(2), connect={"v1": "x"}, prefix=None)
    assert {"v0", "v1", "v2", "chain_v0", "chain_v1"} <= set(whole.names.values())
    assert whole.output_names == ("y", "chain_y")


def test_a_prefix_stands_before_every_name_of_the_second():
    whole = xir.merge(chain(2), unary(2, 3, names=("in", "out")), connect={"v0": "in"}, prefix="b/")
    assert whole.output_names == ("y", "b/out")


def test_an_output_that_clashes_in_spite_of_the_prefix_is_refused():
    with pytest.raises(UsageError, match="both models have an output called 'by'"):
        xir.merge(unary(2, 3, names=("x", "by")), chain(1), connect={"x": "x"}, prefix="b")


def test_the_first_takes_a_size_that_the_second_knows():
    whole = xir.merge(unary(Symbol("n"), 3), unary(2, 3), connect={"y": "x"})
    assert whole.inputs[0].type == tensor(2, 3)


def test_the_second_takes_a_size_that_the_first_knows():
    whole = xir.merge(unary(2, 3), unary(Symbol("n"), 3), connect={"y": "x"})
    assert whole.outputs[0].type == tensor(2, 3)


def test_two_symbols_become_one_with_the_bounds_of_both():
    whole = xir.merge(unary(Symbol("n", minimum=2), 3), unary(Symbol("m", maximum=8, divisor=2), 3), connect={"y": "x"})
    (size,) = {dim for value in (*whole.inputs, *whole.outputs) for dim in value.shape if isinstance(dim, Symbol)}
    assert size.name == "n"


def test_sizes_of_one_name_that_are_not_connected_stay_two():
    x, y = Value(tensor(4)), Value(tensor(Symbol("n")))
    second = Graph("two", (x, y), (relu(x), relu(y)), ("a", "b"), (), {x: "p", y: "q"})
    whole = xir.merge(unary(Symbol("n")), second, connect={"y": "p"})
    assert [repr(value.type) for value in whole.inputs] == ["f32[4]", "f32[two_n]"]


def test_a_size_that_cannot_be_told_is_assumed():
    n = Symbol("n")
    whole = xir.merge(unary(2 * n), unary(3 * Symbol("m")), connect={"y": "x"})
    assert len(whole.constraints) == 1
    xir.run(whole, {"x": np.ones(6, np.float32)})
    with pytest.raises(UsageError):
        xir.run(whole, {"x": np.ones(4, np.float32)})


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (unary(2, 4), r"f32\[2,3\].*f32\[2,4\]"),
        (unary(2, 3, 1), r"f32\[2,3\].*f32\[2,3,1\]"),
        (unary(2, 3, dtype=DType.FLOAT16), r"f32\[2,3\].*f16\[2,3\]"),
    ],
)
def test_types_that_do_not_fit_are_refused(second, words):
    with pytest.raises(UsageError, match=words):
        xir.merge(unary(2, 3), second, connect={"y": "x"})


def test_a_size_out_of_range_is_refused():
    with pytest.raises(UsageError, match=r"f32\[3,3\].*f32\[n,3\]"):
        xir.merge(unary(3, 3), unary(Symbol("n", divisor=2), 3), connect={"y": "x"})
    with pytest.raises(UsageError, match=r"f32\[a\].*f32\[b\]"):
        xir.merge(unary(Symbol("a", maximum=3)), unary(Symbol("b", minimum=4)), connect={"y": "x"})


@pytest.mark.parametrize(
    ("connect", "words"),
    [
        ({"nothing": "x"}, "no value and no layer called 'nothing'"),
        ({"y": "nothing"}, r"no input 'nothing'; the first gives y: f32\[2,3\]; the second takes x: f32\[2,3\]"),
        ({"y": ["x", "x"]}, "connected twice"),
    ],
)
def test_wrong_connections_are_refused(connect, words):
    with pytest.raises(UsageError, match=words):
        xir.merge(unary(2, 3), unary(2, 3), connect=connect)


def test_nothing_to_connect_is_refused_with_both_signatures():
    first = xir.extract(diamond(), outputs=["left", "right"])
    with pytest.raises(UsageError, match="nothing is connected: the first gives left"):
        xir.merge(first, unary(2, 3))


def test_a_layer_of_several_results_must_be_told_which():
    from xir.ops.reduce import top_k

    x = Value(tensor(2, 3))
    with layer(0, "TopK"):
        values, indices = top_k(x, k=2, axis=1, largest=True, sorted=True)
    first = Graph("top", (x,), (values, indices), ("v", "i"), (), {x: "x"})
    with pytest.raises(UsageError, match="layer 'layer0' gives 2 values"):
        xir.merge(first, unary(2, 2), connect={"layer0": "x"})


def test_one_size_that_two_connections_tell_differently_is_refused():
    x, y = Value(tensor(2)), Value(tensor(3))
    first = Graph("first", (x, y), (relu(x), relu(y)), ("a", "b"), (), {x: "x", y: "y"})
    u, v = Value(tensor(Symbol("n"))), Value(tensor(Symbol("n")))
    second = Graph("second", (u, v), (relu(u), relu(v)), ("p", "q"), (), {u: "u", v: "v"})
    with pytest.raises(UsageError, match="b -> v: size 3 cannot be 2"):
        xir.merge(first, second, connect={"a": "u", "b": "v"})


def test_a_size_that_the_model_cannot_have_is_told_with_the_layer():
    x = Value(tensor(Symbol("n")))
    with layer(4, "Reshape"):
        y = reshape(x, shape=(4, 2))
    second = Graph("second", (x,), (y,), ("y",), (), {x: "x"})
    with pytest.raises(InvalidModelError, match=r"layer4.*the sizes of what is connected do not fit the model"):
        xir.merge(unary(6), second, connect={"y": "x"})


def test_what_has_no_sizes_is_connected_as_it_is():
    kind = SequenceType(tensor(2))
    x, u = Value(kind), Value(kind)
    first = Graph("first", (x,), (identity(x),), ("y",), (), {x: "x"})
    second = Graph("second", (u,), (identity(u),), ("z",), (), {u: "u"})
    assert xir.merge(first, second).output_names == ("z",)


def test_a_formula_takes_the_size_of_the_other_side():
    whole = xir.merge(unary(2 * Symbol("n")), unary(Symbol("m")), connect={"y": "x"})
    assert repr(whole.outputs[0].type) == "f32[2*n]"
    whole = xir.merge(unary(Symbol("n")), unary(2 * Symbol("m")), connect={"y": "x"})
    assert repr(whole.inputs[0].type) == "f32[2*m]"
