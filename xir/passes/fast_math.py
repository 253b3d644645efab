"""Laws that hold nearly: only where a person asks for fast math.

`gelu_is_nearly_tanh` is off by less than 5e-4 (the largest difference of the two formulas, at |x| = 2.3, is 4.74e-4);
the others are wrong for infinities and for numbers that are none, and exact for all else.
"""

from __future__ import annotations

import numpy as np

from xir.ir.constant import constant_of
from xir.ir.node import Value
from xir.ops.activation import gelu
from xir.ops.constant import constant
from xir.ops.elementwise import div, mul, sub
from xir.ops.shape import broadcast
from xir.passes._chains import bare, scalar
from xir.passes._pattern import NOT_NEAR, Match, either, rule_with


def _filled(x: Value, number: float) -> Value:
    """`number` in the shape and type of `x`."""
    return broadcast(constant(value=constant_of(np.asarray(number), x.dtype)), shape=x.shape)


def _floating(match: Match) -> str | None:
    return None if match.values["x"].dtype.is_floating else NOT_NEAR


@rule_with(approximate=True)
def gelu_is_nearly_tanh(x: Value) -> Value:
    """gelu(x) == gelu(x) {approximation=tanh}, nearly: it is off by less than 5e-4"""
    return gelu(x, approximation="none")


@gelu_is_nearly_tanh.build
def _(x: Value) -> Value:
    return gelu(x, approximation="tanh")


@rule_with(approximate=True)
def product_with_zero(x: Value, c: Value) -> Value:
    """X * 0 == 0 where x is finite"""
    return mul(x, either(broadcast.pattern(c), c))


@product_with_zero.condition
def _(match: Match) -> str | None:
    zero = scalar(match.values["c"], match.rewriter) == 0
    filled = zero and scalar(bare(match.values["x"]), match.rewriter) is None
    return None if filled else NOT_NEAR


@product_with_zero.build
def _(x: Value, c: Value) -> Value:
    return _filled(x, 0.0)


@rule_with(approximate=True)
def difference_with_itself(x: Value) -> Value:
    """X - x == 0 where x is finite"""
    return sub(x, x)


@difference_with_itself.build
def _(x: Value) -> Value:
    return _filled(x, 0.0)


@rule_with(approximate=True)
def quotient_with_itself(x: Value) -> Value:
    """X / x == 1 where x is finite and not 0"""
    return div(x, x)


@quotient_with_itself.build
def _(x: Value) -> Value:
    return _filled(x, 1.0)


for _rule in (difference_with_itself, quotient_with_itself):
    _rule.condition(_floating)

RULES = (gelu_is_nearly_tanh, product_with_zero, difference_with_itself, quotient_with_itself)
