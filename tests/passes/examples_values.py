"""Examples for the laws of single elements."""

from __future__ import annotations

import numpy as np

from tests.passes.helpers import F64, I32, Example, Net, literal
from xir.ir.dims import Symbol
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops.activation import relu
from xir.ops.compare import greater, logical_and, logical_not, logical_or
from xir.ops.elementwise import abs_, add, ceil, div, floor, maximum, minimum, mul, neg, round_, select, sign, sub
from xir.ops.shape import broadcast

BOOL, N = DType.BOOL, Symbol("N")


def plus(net: Net, *numbers: float, dtype: DType = DType.FLOAT32) -> Value:
    x = net.input(4, 3, dtype=dtype)
    return add(x, broadcast(literal(*numbers, dtype=dtype), shape=x.shape))


def chosen(net: Net, *conditions: bool) -> Value:
    x, y = net.input(2, 2), net.input(2, 2)
    return select(broadcast(literal(*conditions, dtype=BOOL), shape=(2, 2)), x, y)


def many_ones(net: Net) -> Value:
    x = net.input(40_000)
    return mul(x, net.held(np.ones(40_000, np.float32)))


EXAMPLES: tuple[Example, ...] = (
    *(
        Example("twice_is_once", lambda net, f=each: f(f(net.input(3, 5))), each.name, label=each.name)
        for each in (relu, abs_, floor, ceil, round_, sign)
    ),
    Example("twice_is_once", lambda net: floor(floor(floor(net.input(9)))), "floor", label="three times"),
    Example("twice_is_nothing", lambda net: neg(neg(net.input(9))), "", label="neg"),
    Example("twice_is_nothing", lambda net: neg(neg(net.input(9, dtype=I32))), "", label="neg of i32"),
    Example("twice_is_nothing", lambda net: logical_not(logical_not(net.input(9, dtype=BOOL))), "", label="not"),
    Example("same_operands", lambda net: minimum(x := net.input(9), x), "", label="minimum"),
    Example("same_operands", lambda net: maximum(x := net.input(9), x), "", label="maximum"),
    Example("same_operands", lambda net: logical_and(x := net.input(9, dtype=BOOL), x), "", label="and"),
    Example("same_operands", lambda net: logical_or(x := net.input(9, dtype=BOOL), x), "", label="or"),
    Example("select_same", lambda net: select(net.input(9, dtype=BOOL), x := net.input(9), x), ""),
    Example("select_known", lambda net: chosen(net, True), "", label="true"),
    Example("select_known", lambda net: chosen(net, False, False), "", label="false"),
    Example("select_known", lambda net: chosen(net, False, True), None, label="mixed"),
    Example(
        "select_known",
        lambda net: select(greater(x := net.input(4), y := net.input(4)), x, y),
        None,
        label="not constant",
    ),
    Example(
        "select_known",
        lambda net: select(literal(1, 1, dtype=BOOL), net.input(N), net.input(2)),
        None,
        label="of two types",
    ),
    Example("factor_one", lambda net: mul(net.input(4), literal(1, 1, 1, 1)), "", label="whole"),
    Example("factor_one", lambda net: mul(literal(1, 1), net.input(2)), "", label="in front"),
    Example("factor_one", lambda net: mul(net.input(8), broadcast(literal(1), shape=(8,))), "", label="repeated"),
    Example("factor_one", lambda net: mul(net.input(4), literal(1, 1, 1, -1)), None, label="not all ones"),
    Example("factor_one", many_ones, None, label="too many to look at"),
    Example("factor_one", lambda net: mul(net.input(0), net.held(np.ones(0, np.float32))), None, label="none"),
    Example("conjunct_true", lambda net: logical_and(net.input(2, dtype=BOOL), literal(1, 1, dtype=BOOL)), ""),
    Example("conjunct_true", lambda net: logical_and(net.input(2, dtype=BOOL), literal(1, 0, dtype=BOOL)), None),
    Example("disjunct_false", lambda net: logical_or(literal(0, 0, dtype=BOOL), net.input(2, dtype=BOOL)), ""),
    Example("disjunct_false", lambda net: logical_or(net.input(2, dtype=BOOL), literal(0, 1, dtype=BOOL)), None),
    Example("divisor_one", lambda net: div(net.input(8, dtype=F64), literal(*[1] * 8, dtype=F64)), ""),
    Example("divisor_one", lambda net: div(literal(1, 1), net.input(2)), None, label="in front"),
    Example("subtrahend_zero", lambda net: sub(net.input(8), broadcast(literal(0), shape=(8,))), ""),
    Example("subtrahend_zero", lambda net: sub(net.input(8), broadcast(literal(-0.0), shape=(8,))), None, label="-0"),
    Example("addend_negative_zero", lambda net: plus(net, -0.0), ""),
    Example("addend_negative_zero", lambda net: plus(net, 0, dtype=I32), "", label="whole numbers"),
    Example("addend_negative_zero", lambda net: plus(net, 0.0), None, label="-0 + 0 is 0"),
    Example("addend_negative_zero", lambda net: plus(net, -0.0, 0.0, -0.0), None, label="mixed"),
    Example("addend_zero", lambda net: plus(net, 0.0), ""),
    Example("addend_zero", lambda net: plus(net, 1.0), None),
)
