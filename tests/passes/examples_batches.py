"""Examples for the law of products over a batch."""

from __future__ import annotations

from tests.passes.helpers import Example, Net
from xir.ir.dims import Dim, Symbol
from xir.ir.node import Value
from xir.ops.activation import relu
from xir.ops.matmul import gemm, matmul
from xir.ops.shape import broadcast, reshape, transpose

N = Symbol("N")


def linear(net: Net, shape: tuple[Dim, ...], *made: Dim, rows: Dim = 6, width: int = 5) -> Value:
    flat = reshape(net.input(*shape), shape=(rows, 4))
    return reshape(matmul(flat, net.weight(4, width)), shape=made)


def with_addend(net: Net, *, row: bool = True, alpha: float = 1.0, absent: bool = False) -> Value:
    flat = reshape(net.input(2, 3, 4), shape=(6, 4))
    addend = broadcast(net.weight(5), shape=(6, 5)) if row else net.weight(6, 5)
    made = gemm(
        flat, net.weight(4, 5), None if absent else addend, alpha=alpha, beta=1.0, transpose_a=False, transpose_b=False
    )
    return reshape(made, shape=(2, 3, 5))


def read_twice(net: Net) -> tuple[Value, ...]:
    product = matmul(reshape(net.input(2, 3, 4), shape=(6, 4)), net.weight(4, 5))
    return reshape(product, shape=(2, 3, 5)), relu(product)


def of_heads(net: Net) -> Value:
    flat = reshape(transpose(net.input(2, 2, 3, 2), perm=(0, 2, 1, 3)), shape=(6, 4))
    return reshape(matmul(flat, net.weight(4, 5)), shape=(2, 3, 5))


RULE = "rows_in_a_batch"
EXAMPLES: list[Example] = [
    Example(RULE, lambda net: linear(net, (2, 3, 4), 2, 3, 5), "broadcast matmul"),
    Example(RULE, lambda net: linear(net, (N, 3, 4), N, 3, 5, rows=3 * N), "broadcast matmul", label="symbol"),
    Example(RULE, lambda net: linear(net, (2, 3, 4), 2, 3, 3, 2, width=6), "broadcast matmul reshape", label="split"),
    Example(RULE, of_heads, "transpose reshape broadcast matmul", label="heads"),
    Example(RULE, with_addend, "broadcast matmul broadcast add", label="addend"),
    Example(RULE, lambda net: with_addend(net, absent=True), "broadcast matmul", label="no addend"),
    Example(RULE, lambda net: with_addend(net, row=False), None, label="an addend of its own for each row"),
    Example(RULE, lambda net: with_addend(net, alpha=2.0), None, label="factor"),
    Example(RULE, lambda net: linear(net, (2, 3, 4), 3, 2, 5, 1), None, label="other axes"),
    Example(RULE, lambda net: linear(net, (6, 2, 2), 30), None, label="one row"),
    Example(RULE, read_twice, None, "the product has several readers"),
]
