"""Examples for the laws that hold nearly."""

from __future__ import annotations

from tests.passes.helpers import F64, I32, Example, Net, literal
from xir.ir.node import Value
from xir.ops.activation import gelu
from xir.ops.elementwise import div, mul, sub
from xir.ops.shape import broadcast

APART = 5e-4 * 2 / 2**-52
"""5e-4 in halves of a unit in the last place of f64."""


def with_itself(net: Net, op: object, *, whole: bool = False) -> Value:
    x = net.input(2, 3, dtype=I32) if whole else net.input(2, 3)
    assert op in (sub, div)
    return sub(x, x) if op is sub else div(x, x)


def by_erf(net: Net) -> Value:
    return gelu(net.input(64, dtype=F64), approximation="none")


def factor(net: Net, number: float) -> Value:
    return mul(net.input(2, 3), broadcast(literal(number), shape=(2, 3)))


EXAMPLES = [
    Example(
        "gelu_is_nearly_tanh", lambda net: gelu(net.input(64, dtype=F64), approximation="none"), "gelu", bound=APART
    ),
    Example("product_with_zero", lambda net: factor(net, 0.0), "constant broadcast", bound=0.0),
    Example("product_with_zero", lambda net: factor(net, 1.0), None, label="one"),
    Example("difference_with_itself", lambda net: with_itself(net, sub), "constant broadcast", bound=0.0),
    Example("difference_with_itself", lambda net: with_itself(net, sub, whole=True), None, label="whole numbers"),
    Example("quotient_with_itself", lambda net: with_itself(net, div), "constant broadcast", bound=0.0),
    Example("quotient_with_itself", lambda net: with_itself(net, div, whole=True), None, label="whole numbers"),
]
