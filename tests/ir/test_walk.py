"""Order and rewriting of graphs in which a node finds out a size that others mention in their attributes."""

from __future__ import annotations

import numpy as np

from xir.ir.constant import constant_of
from xir.ir.dims import Dim, Symbol
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.rewrite import Rewriter, rewrite, specialize
from xir.ir.types import DType, TensorType
from xir.ir.walk import toposort
from xir.ops._build import scalar_like
from xir.ops.constant import constant
from xir.ops.elementwise import add, mul
from xir.ops.index import compress
from xir.ops.shape import broadcast
from xir.reference import run


def tensor(*shape: Dim, dtype: DType = DType.FLOAT32) -> Value:
    return Value(TensorType(dtype, shape))


def found_out(rows: Dim = 4) -> Graph:
    """A graph whose first operand is a literal of a size that only a later operand finds out."""
    x, keep = tensor(rows), tensor(rows, dtype=DType.BOOL)
    some = compress(x, keep, axis=0)
    ten = broadcast(constant(value=constant_of(np.float32(10))), shape=some.shape)
    y = add(mul(ten, scalar_like(some, 2)), some)
    return Graph("found out", (x, keep), (y,), names={x: "x", keep: "keep"}, output_names=("y",))


FEEDS = {"x": np.arange(4, dtype=np.float32), "keep": np.array([True, False, True, True])}
EXPECTED = [20, 22, 23]


def test_a_node_that_mentions_a_size_comes_after_the_node_that_finds_it_out() -> None:
    order = [node.op.name for node in found_out().nodes]
    assert order.index("compress") < order.index("broadcast")
    assert run(found_out(), FEEDS)["y"].tolist() == EXPECTED


def test_nodes_that_wait_for_nothing_keep_their_order() -> None:
    x = tensor(Symbol("n"))
    y = add(mul(scalar_like(x, 2), x), scalar_like(x, 1))
    names = [node.op.name for node in toposort([y])]
    assert names == ["constant", "broadcast", "mul", "constant", "broadcast", "add"]


def test_sizes_follow_when_their_node_is_inferred_again() -> None:
    graph = specialize(found_out(Symbol("n")), {Symbol("n"): 4})
    assert graph.inputs[0].shape == (4,)
    assert run(graph, FEEDS)["y"].tolist() == EXPECTED


def test_sizes_follow_when_their_node_is_replaced() -> None:
    def replace(node: Node, rewriter: Rewriter) -> tuple[Value, ...] | None:
        if node.op.name != "compress":
            return None
        x, keep = node.inputs
        assert x is not None
        assert keep is not None
        return (compress(add(x, scalar_like(x, 1)), keep, axis=0),)

    graph = rewrite(found_out(), replace)
    assert run(graph, FEEDS)["y"].tolist() == [value + 1 for value in EXPECTED]


def test_a_graph_that_contradicts_itself_still_has_an_order() -> None:
    size = Symbol()
    early = broadcast(constant(value=constant_of(np.float32(1))), shape=(size,))
    middle = Node(add, (early, early), {}, (TensorType(DType.FLOAT32, (4,)),))
    maker = Node(
        compress, (middle.outputs[0], tensor(4, dtype=DType.BOOL)), {"axis": 0}, (TensorType(DType.FLOAT32, (size,)),)
    )
    assert [node.op.name for node in toposort(maker.outputs)] == ["constant", "broadcast", "add", "compress"]
