"""Products of rows that stand in a batch, for formats whose product repeats a matrix over the batch by itself.

`a: [B, L, K]` times one matrix `w: [K, N]` is a product of matrices here, with a reshape before and one behind, which
is what compiles best. ONNX's MatMul, as NumPy's, takes `a` as it is: a form for its files, and for no other pipeline.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from xir.ir.dims import Shape
from xir.ir.node import Node, Value
from xir.ir.rewrite import Rewriter
from xir.ops.elementwise import add
from xir.ops.matmul import matmul
from xir.ops.shape import broadcast, reshape
from xir.passes._chains import bare, made_by
from xir.passes._pattern import Match, node_rule


@node_rule("reshape", exact=False)
def rows_in_a_batch(node: Node, rewriter: Rewriter) -> Sequence[Node] | str | None:
    """reshape(matmul(reshape(x, [M, K]), w), [..., N]) == matmul(x, broadcast(w, [..., K, N])); so gemm and its row"""
    product = made_by(node.inputs[0], "matmul", "gemm")
    flat = None if product is None else made_by(product.inputs[0], "reshape")
    if product is None or flat is None or product.outputs[0].rank != 2:
        return None
    x, w = cast("Value", flat.inputs[0]), cast("Value", product.inputs[1])
    shape = node.outputs[0].shape
    if _lead(x, w, shape) is None or (product.op.name == "gemm" and not _is_sum(product)):
        return None
    if rewriter.uses(product.outputs[0]) > 1:
        return "the product has several readers"
    return (node, product, flat)


def _lead(x: Value, w: Value, shape: Shape) -> Shape | None:
    """The axes of the batch, where `x` has them, or is reshaped to them at no cost; else None.

    `shape` is that of the result: the batch, then [N], or what [N] is taken apart to.
    """
    batch = x.shape[:-1]
    if x.rank > 2 and x.shape[-1] == w.shape[0] and shape[: len(batch)] == batch:
        return batch
    return shape[:-1] if len(shape) > 2 and shape[-1] == w.shape[1] else None


def _is_sum(product: Node) -> bool:
    """Whether a gemm is the product plus one row for all."""
    plain = {"alpha": 1.0, "beta": 1.0, "transpose_a": False, "transpose_b": False}
    row = None if product.inputs[2] is None else bare(product.inputs[2])
    return product.attributes == plain and (row is None or row.shape == product.outputs[0].shape[1:])


@rows_in_a_batch.build
def _(match: Match) -> Value:
    node, product, flat = match.nodes
    x, w, shape = cast("Value", flat.inputs[0]), cast("Value", product.inputs[1]), node.outputs[0].shape
    batch = cast("Shape", _lead(x, w, shape))
    rows = x if x.shape == (*batch, w.shape[0]) else reshape(x, shape=(*batch, w.shape[0]))
    made = matmul(rows, broadcast(w, shape=(*batch[:-1], *w.shape)))
    addend = product.inputs[2] if product.op.name == "gemm" else None
    if addend is not None:
        made = add(made, broadcast(bare(addend), shape=made.shape))
    return made if made.shape == shape else reshape(made, shape=shape)


RULES = (rows_in_a_batch,)
