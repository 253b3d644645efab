"""What is done to a model before its ranges are found: products and their biases become one layer."""

from __future__ import annotations

from collections.abc import Sequence

from xir.ir.builder import sourced
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.rewrite import Rewriter, rewrite
from xir.ops.matmul import gemm
from xir.precision.static import vector_behind


def with_gemms(graph: Graph) -> Graph:
    """The graph with `x w + b` as one gemm, whose bias can be an integer too (onnxruntime's QGemm).

    x: [M, K] a product that nobody else reads; w: [K, N] and b: [N] constant.
    """
    return rewrite(graph, _joined)


def _joined(node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
    if node.op.name != "add":
        return None
    for place in (0, 1):
        product, bias = node.inputs[place], node.inputs[1 - place]
        if product is None or bias is None or product.node is None or product.node.op.name != "matmul":
            continue
        x, w = product.node.inputs
        if x is None or w is None or x.rank != 2 or rewriter.constant_of(w) is None or rewriter.uses(product) != 1:
            continue
        vector = vector_behind(bias)
        if vector is bias or rewriter.constant_of(vector) is None:
            continue
        with sourced(*product.node.source, *node.source):
            return (gemm(x, w, bias, alpha=1.0, beta=1.0, transpose_a=False, transpose_b=False),)
    return None
