"""Graphs: derived nodes, names, walks that are linear and never recurse."""

from __future__ import annotations

import gc
import subprocess
import sys

import numpy as np
import pytest

from tests.ir.helpers import Same, add, full, neg, relu, tensor
from xir.errors import InvalidModelError
from xir.ir.builder import apply, sourced
from xir.ir.constant import constant_of
from xir.ir.dims import Symbol
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Value
from xir.ir.source import Source, unite
from xir.ir.types import OptionalType
from xir.ir.walk import all_graphs, bodies, toposort


def chain(length: int) -> tuple[Value, Value]:
    x = y = Value(tensor(2))
    for _ in range(length):
        y = relu(y)
    return x, y


def test_nodes_are_those_that_the_outputs_need() -> None:
    x = Value(tensor(2))
    used, _dead = relu(x), neg(x)
    graph = Graph("g", (x,), (used,))
    assert graph.nodes == (used.node,)
    assert graph.nodes is graph.nodes


def test_operands_come_first_and_from_left_to_right() -> None:
    x = Value(tensor(2))
    a, b = relu(x), neg(x)
    total = add(a, None, b, a)
    assert toposort((total, b)) == (a.node, b.node, total.node)


def test_a_diamond_of_ten_thousand_storeys_is_walked_once() -> None:
    x = y = Value(tensor(2))
    for _ in range(10_000):
        y = add(y, y)
    graph = Graph("g", (x,), (y,))
    assert len(graph.nodes) == 10_000
    assert [len(readers) for readers in graph.users.values()] == [2] * 10_000
    assert len(repr(y)) < 50
    assert len(repr(y.node)) < 50


@pytest.mark.parametrize("first", [True, False])
def test_deeply_nested_operands_are_walked(first: bool) -> None:
    x = y = Value(tensor(2))
    for _ in range(20_000):
        y = add(y, x) if first else add(x, y)
    assert len(Graph("g", (x,), (y,)).nodes) == 20_000


def test_a_long_chain_is_deleted_without_overflowing_the_stack() -> None:
    code = (
        "import gc\n"
        "from tests.ir.test_graph import chain, Graph\n"
        "x, y = chain(100_000)\n"
        "graph = Graph('g', (x,), (y,), names={y: 'y'})\n"
        "assert len(graph.nodes) == 100_000\n"
        "del x, y, graph\n"
        "gc.collect()\n"
        "x, y = chain(100_000)\n"
        "gc.disable()\n"
        "y.node.outputs = ()\n"
        "del y\n"
        "gc.collect()\n"
        "print('alive')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr


def test_nodes_are_freed_with_their_graph() -> None:
    x, y = chain(10)
    made = y.node
    assert made is not None
    held = id(made)
    del x, y, made
    gc.collect()
    assert held not in {id(found) for found in gc.get_objects() if type(found).__name__ == "Node"}


def test_values_without_a_name_are_numbered_by_the_graph_alone() -> None:
    x, weight = Value(tensor(2)), Value(tensor(2))
    y = add(x, weight)
    z = relu(y)
    parameter = Parameter(weight, constant_of(np.zeros(2, np.float32)))
    graph = Graph("g", (x,), (z,), parameters=(parameter,), names={z: "0"})
    assert [graph.name_of(value) for value in (x, weight, y, z)] == ["1", "2", "3", "0"]
    assert graph.name_of(Value(tensor())) == "?"
    assert (graph.input_names, graph.output_names) == (("1",), ("0",))


def test_an_output_may_stand_twice_under_two_names() -> None:
    x = Value(tensor(2))
    graph = Graph("g", (x,), (x, x), ("a", "b"), names={x: "x"})
    assert repr(graph) == "<graph 'g' (x: f32[2]) -> (a: f32[2], b: f32[2]), 0 nodes>"


def test_outputs_without_names_get_different_ones_where_a_value_stands_again() -> None:
    x, y = Value(tensor(2)), Value(tensor(2))
    graph = Graph("g", (x, y), (x, y, x, x), names={x: "x", y: "x.2"})
    assert graph.output_names == ("x", "x.2", "x.3", "x.4")


def test_names_and_outputs_must_be_as_many() -> None:
    x = Value(tensor(2))
    with pytest.raises(InvalidModelError, match="1 outputs have 2 names"):
        Graph("g", (x,), (x,), ("a", "b"))


def test_parameters_and_literals_have_elements() -> None:
    from xir.ops.constant import constant

    held = constant_of(np.zeros(2, np.float32))
    x, weight, literal = Value(tensor(2)), Value(tensor(2)), constant(value=held)
    graph = Graph("g", (x,), (add(x, weight, literal),), parameters=(Parameter(weight, held),))
    assert graph.constant_of(weight) is held
    assert graph.constant_of(literal) is held
    assert graph.constant_of(x) is None
    assert graph.constant_of(graph.outputs[0]) is None


def test_bodies_are_found_at_any_depth_and_once() -> None:
    x = Value(tensor(2))
    inner = Graph("inner", (x,), (x,))
    y = Value(tensor(2))
    middle = Graph("middle", (y,), (relu(y, body=inner, other=inner),))
    z = Value(tensor(2))
    outer = Graph("outer", (z,), (relu(z, branches=(middle, (inner,)), axis=1),))
    assert [graph.name for graph in all_graphs(outer)] == ["outer", "middle", "inner"]
    assert outer.outputs[0].node is not None
    assert [name for name, _ in bodies(outer.outputs[0].node)] == ["branches", "branches"]


def test_bodies_that_share_bodies_are_walked_once() -> None:
    x = Value(tensor(2))
    graph = Graph("g", (x,), (x,))
    for _ in range(60):
        y = Value(tensor(2))
        graph = Graph("g", (y,), (relu(relu(y, body=graph), body=graph),))
    assert len(list(all_graphs(graph))) == 61


def test_new_nodes_carry_the_current_source() -> None:
    first, second = (Source("caffe", "a.prototxt", name, "ReLU", order=order) for order, name in enumerate("ab"))
    x = Value(tensor(2))
    with sourced(second, first):
        y = relu(x)
        with sourced():
            z = relu(y)
    assert y.node is not None
    assert z.node is not None
    assert y.node.source == (first, second)
    assert z.node.source == ()
    assert str(first) == "a.prototxt: layer 'a' (ReLU)"
    assert unite([(second,), (first, second)]) == (first, second)


def test_of_very_many_sources_the_ends_are_kept() -> None:
    many = tuple(Source("caffe", "f", f"l{order}", "ReLU", order=order) for order in range(1000))
    kept = unite([many[500:], many[:500]])
    assert kept == (*many[:32], *many[-32:])
    assert unite([kept, many[:1]]) == kept


def test_an_error_names_the_layer() -> None:
    layer = Source("caffe", "a.prototxt", "conv1", "Convolution")
    named = r"a\.prototxt: layer 'conv1' \(Convolution\): add: f32\[2\] and"
    with pytest.raises(InvalidModelError, match=named), sourced(layer):
        add(Value(tensor(2)), Value(tensor(3)))
    with pytest.raises(InvalidModelError, match=r"^add: "), sourced():
        add(Value(tensor(2)), Value(tensor(3)))


def test_only_tensors_of_known_rank_have_shapes() -> None:
    value = Value(OptionalType(tensor(2)))
    with pytest.raises(InvalidModelError, match="a tensor of known rank is needed") as caught:
        _ = value.shape
    assert caught.value.hint is not None
    assert "--input" in caught.value.hint


def test_a_value_prints_its_operator() -> None:
    x = Value(tensor(Symbol("N")))
    node = apply(Same("pair", outputs=2), (x,), {})
    assert [repr(value) for value in node.outputs] == ["<pair#0: f32[N]>", "<pair#1: f32[N]>"]
    assert (repr(x), repr(node)) == ("<input: f32[N]>", "<pair -> f32[N], f32[N]>")
    assert repr(full(2)) == "<full#0: f32[2]>"


def test_other_weights_and_names_leave_the_nodes_as_they_are() -> None:
    x, w = Value(tensor(2)), Value(tensor(2))
    y = add(x, w)
    held = Parameter(w, constant_of(np.zeros(2, np.float32)))
    graph = Graph("g", (x,), (y,), ("y",), (held,), {x: "x", w: "w"})
    nodes, users = graph.nodes, graph.users
    other = graph.with_weights((Parameter(w, constant_of(np.ones(2, np.float32))),), {x: "a", w: "b"})
    assert other.nodes is nodes
    assert other.users is users
    assert other.input_names == ("a",)
    assert graph.input_names == ("x",)
    constant = other.constant_of(w)
    assert constant is not None
    assert constant.array().tolist() == [1, 1]
