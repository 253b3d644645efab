"""New weights are called like those that they take the place of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tests.passes.helpers import Net, literal
from xir.ir.constant import constant_of
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.rewrite import Rewriter, rewrite
from xir.ops.elementwise import add, mul, neg


def doubled(graph: Graph, wanted: str | None = None) -> Graph:
    """Every negated weight replaced by a new one."""

    def replace(node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
        value = node.inputs[0] if node.inputs else None
        held = None if value is None or node.op is not neg else rewriter.constant_of(value)
        if held is None or value is None:
            return None
        name = wanted or rewriter.name_of(value) or "made"
        made = rewriter.parameter(constant_of(np.negative(held.array())), name, trainable=False)
        assert rewriter.constant_of(made) is not None
        assert rewriter.name_of(made) == name
        return (made,)

    return rewrite(graph, replace)


def names(graph: Graph) -> list[str]:
    return [graph.names[parameter.value] for parameter in graph.parameters]


def test_a_weight_takes_the_name_of_the_one_that_nobody_reads_any_more() -> None:
    net = Net()
    after = doubled(net.graph(add(net.input(2), neg(net.weight(2, name="w")))))
    assert names(after) == ["w"]
    assert not after.parameters[0].trainable


def test_a_name_that_is_still_read_gets_a_number() -> None:
    net = Net()
    w = net.weight(2, name="w")
    assert names(doubled(net.graph(add(w, neg(w))))) == ["w", "w_2"]


def test_numbers_go_on_over_names_that_are_taken() -> None:
    net = Net()
    w, other = net.weight(2, name="w"), net.weight(2, name="w_2")
    assert names(doubled(net.graph(mul(add(w, neg(w)), other)))) == ["w", "w_2", "w_3"]


def test_a_weight_that_is_an_output_keeps_its_name() -> None:
    net = Net()
    w = net.weight(2, name="w")
    assert names(doubled(net.graph(neg(w), w))) == ["w", "w_2"]


def test_a_new_weight_that_nobody_reads_has_no_name() -> None:
    net = Net()
    graph = net.graph(neg(net.weight(2, name="w")))

    def useless(node: Node, rewriter: Rewriter) -> None:
        rewriter.parameter(constant_of(np.zeros(1, np.float32)), "useless")

    assert "useless" not in rewrite(graph, useless).names.values()


def test_new_weights_of_literals_are_called_as_asked() -> None:
    net = Net()
    assert names(doubled(net.graph(neg(literal(1))), "asked")) == ["asked"]
    net = Net()
    assert names(doubled(net.graph(neg(literal(1))))) == ["made"]
