"""Softmaxes whose results are the weights of a sum: they stay one kernel, so that the sums around are found."""

from __future__ import annotations

from collections.abc import Iterator

from xir.ir.graph import Graph
from xir.ir.node import Node
from xir.ir.types import DType
from xir.kernel import build
from xir.kernel.grammar import Allocate, Apply, Axis, Buffer, For, Kernel, Load, Scalar, Statement, Store

MASKS = frozenset({"add", "sub", "mul", "div", "select", "tanh"})
"""Operators that scale, cap and mask scores."""

MAX_MASKS = 8
"""Of so many of them one after another: a scale, a cap of two, a mask, a choice of rows, and some more."""


def is_weights(graph: Graph, node: Node) -> bool:
    """Whether a softmax stands in an attention: it alone reads what is made of products, and a product reads it."""
    (result,) = node.outputs
    readers = graph.users.get(result, ())
    if result.dtype not in (DType.FLOAT32, DType.FLOAT64) or node.attributes["axis"] != result.rank - 1:
        return False
    if len(readers) != 1 or result in graph.outputs or result.rank < 2:
        return False
    reader = readers[0][0]
    return reader.op.name == "matmul" and reader.inputs[0] is result and _of_products(graph, node)


def _of_products(graph: Graph, node: Node) -> bool:
    """Whether the operand of a softmax is a product, scaled and masked."""
    level = [node]
    for _ in range(MAX_MASKS):
        makers = [maker for each in level for maker in _makers(graph, each)]
        if any(maker.op.name == "matmul" for maker in makers):
            return True
        level = [maker for maker in makers if maker.op.name in MASKS]
    return False


def _makers(graph: Graph, node: Node) -> Iterator[Node]:
    """What makes the operands that the node alone reads."""
    for value in node.inputs:
        if value is not None and value.node is not None and len(graph.users[value]) == 1 and value not in graph.outputs:
            yield value.node


def softmax_of_rows(node: Node) -> Kernel:
    """The kernel of a softmax along the last axis, in the order of its pieces (`xir.ops.norm.softmax`)."""
    source = build.present(build.operand_buffers(node)[0])
    (result,) = build.result_buffers(node)
    *extents, count = source.shape
    axes = build.axes_of("i", len(extents))
    most, total, part = (Buffer(name, result.dtype, (), "register") for name in ("most", "total", "part"))

    def loop(name: str, store: Store, kind: str) -> For:
        return For(Axis(name), count, "parallel" if kind == "each" else "serial", (store,))

    def at(buffer: Buffer, name: str) -> Scalar:
        return Load(buffer, (*axes, Axis(name)))

    def held(buffer: Buffer) -> Scalar:
        return Load(buffer, ())

    power = Apply("exp", (Apply("sub", (at(source, "p"), held(most))),))
    body: list[Statement] = [
        Allocate(most),
        Store(most, (), build.extreme(result.dtype, highest=False)),
        loop("m", Store(most, (), Apply("max", (held(most), at(source, "m")))), "all"),
        loop("p", Store(result, (*axes, Axis("p")), power), "each"),
        Allocate(total),
        Store(total, (), build.number(0.0, result.dtype)),
        loop("t", Store(total, (), Apply("add", (held(total), at(result, "t")))), "all"),
        Allocate(part),
        Store(part, (), Apply("div", (build.number(1.0, result.dtype), held(total)))),
        loop("w", Store(result, (*axes, Axis("w")), Apply("mul", (at(result, "w"), held(part)))), "each"),
    ]
    return build.kernel(node, build.nest(axes, extents, "parallel", body))
