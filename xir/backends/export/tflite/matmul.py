"""Forms of matrix products: FULLY_CONNECTED where the second operand is one matrix, else BATCH_MATMUL."""

from __future__ import annotations

from xir.backends.export.tflite._form import (
    Answer,
    Call,
    Forms,
    Free,
    Laid,
    Operand,
    Permutation,
    again,
    bare,
    identity_of,
    operand,
    real,
    whole,
)
from xir.backends.export.tflite.elementwise import like
from xir.ir.dims import equal
from xir.ir.node import Node, Value
from xir.ops.elementwise import add, mul
from xir.ops.matmul import gemm, matmul
from xir.ops.shape import broadcast, reshape

forms = Forms()

_REPEATED = 5
"""Axes up to which BATCH_MATMUL repeats a batch (batch_matmul.cc)."""


def matrix_behind(value: Value) -> Value | None:
    """The one matrix that all of a batch is, or None."""
    value = bare(value)
    while value.rank > 2 and value.node is not None and value.node.op.name == "reshape":
        source = operand(value.node)
        if value.node.inputs[1] is not None or source.shape != value.shape[value.rank - source.rank :]:
            return None
        value = bare(source)
    return value if value.rank == 2 else None


def _connected(x: Operand, weights: Laid, bias: Value | None, keep: bool) -> Call:
    fields = {"keep_num_dims": True} if keep else {}
    operands: tuple[Operand, ...] = (x, weights) if bias is None else (x, weights, bias)
    return Call("FULLY_CONNECTED", operands, ("FullyConnectedOptions", fields))


@forms.of(matmul)
def _matmul(node: Node) -> Answer:
    """The orders of the last two axes are the operator's own business."""
    x, y = operand(node), operand(node, 1)
    matrix = matrix_behind(y)
    if matrix is not None:
        return _connected(x, Laid(matrix, (1, 0)), None, x.rank > 2)
    y = _bare_batch(y)
    plain = identity_of(y.rank)
    turned = (*plain[:-2], plain[-1], plain[-2])

    def make(perm: Permutation) -> Call:
        adjoint = perm == turned
        operands = (_bare_batch(x), Laid(y, turned if adjoint else plain))
        return Call("BATCH_MATMUL", operands, ("BatchMatMulOptions", {"adj_y": True} if adjoint else {}))

    return Free((y,), make)


def _bare_batch(value: Value) -> Value:
    """The operand without a broadcast of its batch, which the kernel makes itself."""
    source = bare(value)
    return source if source.shape[-2:] == value.shape[-2:] and value.rank <= _REPEATED else value


@forms.of(gemm)
def _gemm(node: Node) -> Answer:
    """FULLY_CONNECTED where nothing is scaled; what is no row is added behind it."""
    a, b, c = operand(node), operand(node, 1), node.inputs[2]
    alpha, beta = real(node, "alpha"), real(node, "beta")
    if c is not None and beta != 1.0:
        return again(node, (a, b, mul(c, like(c, beta))), beta=1.0)
    if alpha != 1.0:
        return again(node, (mul(a, like(a, alpha)), b, c), alpha=1.0)
    row = None if c is None else _row(c)
    if c is not None and row is None and bare(c).shape[0] == 1 and isinstance(c.shape[1], int):
        flat = reshape(broadcast(bare(c), shape=(1, c.shape[1])), shape=(c.shape[1],))
        return again(node, (a, b, broadcast(reshape(flat, shape=(1, c.shape[1])), shape=c.shape)))
    if c is not None and row is None:
        (product,) = again(node, (a, b, None))
        return add(product, c)
    first = Laid(a, (1, 0) if whole(node, "transpose_a") else (0, 1))
    weights = Laid(b, (0, 1) if whole(node, "transpose_b") else (1, 0))
    return _connected(first, weights, row, False)


def _row(c: Value) -> Value | None:
    """The vector whose rows all are, where it is a value of the graph."""
    value = bare(c)
    node = value.node
    if node is not None and node.op.name == "reshape" and operand(node).rank == 1:
        source = operand(node)
        return source if equal(source.shape[0], c.shape[1]) is True else None
    return None
