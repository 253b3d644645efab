"""The one rewrite: names kept, sources handed on, unchanged nodes the same objects."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from tests.ir.helpers import Same, add, full, neg, relu, tensor
from xir.errors import InvalidModelError
from xir.ir.builder import sourced
from xir.ir.constant import constant_of
from xir.ir.constraints import Constraint
from xir.ir.dims import Symbol
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Node, Value
from xir.ir.rewrite import Rewriter, drop_unused_parameters, evaluate_attribute, rewrite, specialize
from xir.ir.source import Source
from xir.ir.types import DType

N, M = Symbol("N"), Symbol("M")


def keep(node: Node, rewriter: Rewriter) -> None:
    return None


def swap_relu(node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
    return (neg(*node.inputs),) if node.op.name == "relu" else None


def drop_relu(node: Node, rewriter: Rewriter) -> Sequence[Value | None] | None:
    return node.inputs if node.op.name == "relu" else None


def test_nothing_changes_when_nothing_is_replaced() -> None:
    x = Value(tensor(2))
    y = relu(add(x, x))
    before = Graph("g", (x,), (y,), ("out",), names={x: "x", y: "y"}, constraints=(Constraint(N, M, "test"),))
    assert rewrite(before, keep) is before


def test_what_is_not_replaced_stays() -> None:
    x, z = Value(tensor(2)), Value(tensor(2))
    y = relu(add(x, x))
    before = Graph("g", (x, z), (y, x), ("out", "in"), names={x: "x", y: "y"}, constraints=(Constraint(N, M, "test"),))
    after = rewrite(before, swap_relu)
    assert (after.name, after.inputs, after.output_names) == ("g", (x, z), ("out", "in"))
    assert (after.names, after.constraints) == ({x: "x", after.outputs[0]: "y"}, before.constraints)


def test_only_what_reads_a_change_is_rebuilt() -> None:
    x = Value(tensor(2))
    left, right = add(x, x), relu(x)
    before = Graph("g", (x,), (add(left, right),), names={right: "r"})
    after = rewrite(before, swap_relu)
    assert [node.op.name for node in after.nodes] == ["add", "neg", "add"]
    assert after.nodes[0] is left.node
    assert [after.name_of(node.outputs[0]) for node in after.nodes] == ["1", "r", "2"]


def test_a_replacement_carries_the_source_of_what_it_replaces() -> None:
    layer = Source("caffe", "a", "relu1", "ReLU")
    x = Value(tensor(2))
    with sourced(layer):
        y = relu(x)
    after = rewrite(Graph("g", (x,), (y,)), swap_relu)
    assert after.nodes[0].source == (layer,)


def test_an_input_keeps_its_name_when_another_value_falls_on_it() -> None:
    x = Value(tensor(2))
    y = relu(x)
    after = rewrite(Graph("g", (x,), (y,), names={y: "y", x: "x"}), drop_relu)
    assert (after.input_names, after.output_names, after.outputs) == (("x",), ("y",), (x,))


def test_names_of_dead_values_are_dropped() -> None:
    x = Value(tensor(2))
    first = add(x, x)
    second = relu(first)
    before = Graph("g", (x,), (second,), names={first: "first", second: "second"})
    after = rewrite(before, lambda node, _: (neg(x),) if node.op.name == "relu" else None)
    assert list(after.names.values()) == ["second"]


def test_long_chains_and_diamonds_are_rebuilt_once() -> None:
    x = y = Value(tensor(2))
    for _ in range(10_000):
        y = add(y, relu(y))
    offered: list[Node] = []

    def count(node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
        offered.append(node)
        return swap_relu(node, rewriter)

    after = rewrite(Graph("g", (x,), (y,)), count)
    assert len(offered) == len(after.nodes) == 20_000


def test_another_number_of_outputs_is_refused() -> None:
    x = Value(tensor(2))
    with pytest.raises(InvalidModelError, match="replaced 1 outputs by 2"):
        rewrite(Graph("g", (x,), (relu(x),)), lambda node, _: (x, x))


def test_uses_count_what_a_new_value_stands_for() -> None:
    x = Value(tensor(2))
    y = relu(x)
    graph = Graph("g", (x,), (add(y, y), y))
    seen: dict[str, int] = {}

    def look(node: Node, rewriter: Rewriter) -> None:
        for value in node.inputs:
            assert value is not None
            seen[node.op.name] = rewriter.uses(value)

    rewrite(graph, look)
    assert seen == {"relu": 1, "add": 3}


def test_bodies_are_rewritten_first_and_once() -> None:
    inner = Value(tensor(2))
    body = Graph("body", (inner,), (relu(inner),))
    x = Value(tensor(2))
    before = Graph("g", (x,), (add(add(x, branches=(body, 1)), body=body, axis=(1, 2)),))
    after = rewrite(before, swap_relu)
    first, second = after.nodes
    assert isinstance(first.attributes["branches"], tuple)
    changed = first.attributes["branches"][0]
    assert isinstance(changed, Graph)
    assert [node.op.name for node in changed.nodes] == ["neg"]
    assert second.attributes["body"] is changed
    assert second.attributes["axis"] == (1, 2)
    assert rewrite(before, keep) is before


def test_a_node_with_a_changed_body_is_offered() -> None:
    inner = Value(tensor(2))
    x = Value(tensor(2))
    body = Graph("body", (inner,), (relu(inner),))
    before = Graph("g", (x,), (relu(x, body=body),))
    assert [node.op.name for node in rewrite(before, swap_relu).nodes] == ["neg"]


def test_too_deep_bodies_are_refused() -> None:
    x = Value(tensor(2))
    graph = Graph("g", (x,), (x,))
    for _ in range(150):
        y = Value(tensor(2))
        graph = Graph("g", (y,), (relu(y, body=graph),))
    with pytest.raises(InvalidModelError, match="nested more than 100"):
        rewrite(graph, keep)


def test_unused_parameters_are_dropped_with_their_names() -> None:
    used, unused, x = Value(tensor(2)), Value(tensor(2)), Value(tensor(2))
    held = constant_of(np.zeros(2, np.float32))
    graph = Graph(
        "g",
        (x,),
        (add(x, used),),
        parameters=(Parameter(used, held), Parameter(unused, held)),
        names={used: "used", unused: "unused"},
    )
    after = drop_unused_parameters(graph)
    assert [parameter.value for parameter in after.parameters] == [used]
    assert list(after.names.values()) == ["used"]
    assert drop_unused_parameters(after) is after


def test_attributes_are_evaluated_at_any_depth() -> None:
    attribute = (N, (N // 2, 3), "text", DType.FLOAT32, None)
    assert evaluate_attribute(attribute, {N: 4}) == (4, (2, 3), "text", DType.FLOAT32, None)


def test_specializing_infers_every_type_again() -> None:
    x, kept = Value(tensor(N, 3)), Value(tensor(7))
    y = add(x, full(N, 3), axis=1)
    before = Graph(
        "g",
        (x, kept),
        (relu(y), kept),
        names={x: "x", y: "y"},
        constraints=(Constraint(N, M, "add"), Constraint(N, 2 * Symbol("half"), "concat")),
    )
    after = specialize(before, {N: 4, M: 4})
    assert [value.type for value in after.inputs] == [tensor(4, 3), tensor(7)]
    assert [node.outputs[0].type for node in after.nodes] == [tensor(4, 3)] * 3
    assert after.input_names == ("x", "0")
    assert [repr(constraint) for constraint in after.constraints] == ["4 == 2*half (concat)"]
    assert specialize(before, {}) is before


def test_sizes_that_break_an_assumption_are_refused() -> None:
    x = Value(tensor(N))
    graph = Graph("g", (x,), (x,), constraints=(Constraint(N, 2 * M, "add"),))
    with pytest.raises(InvalidModelError, match=r"the model needs N == 2\*M \(add\); here 3 is not 2\*M"):
        specialize(graph, {N: 3})


def test_what_a_rebuild_assumes_is_recorded() -> None:
    x, y = Value(tensor(N)), Value(tensor(M))
    graph = Graph("g", (x, y), (Same("both")(x, x),))
    after = rewrite(graph, lambda node, _: (add(x, y),))
    assert [repr(constraint) for constraint in after.constraints] == ["N == M (add: operands)"]
