"""Laws of single elements: operators applied twice, neutral elements, choices that are no choice."""

from __future__ import annotations

import numpy as np

from xir.ir.builder import apply
from xir.ir.constant import Constant
from xir.ir.node import Value
from xir.ops.activation import relu
from xir.ops.compare import logical_and, logical_not, logical_or
from xir.ops.elementwise import abs_, add, ceil, div, floor, maximum, minimum, mul, neg, round_, select, sign, sub
from xir.ops.shape import broadcast
from xir.passes._pattern import NOT_NEAR, Match, Rule, either, rule, rule_with

SMALL_BYTES = 64 * 1024
"""Constants up to this size are looked into."""

IDEMPOTENT = (relu, abs_, floor, ceil, round_, sign)
"""Operators that change nothing the second time."""


@rule_with(single_use=False)
def twice_is_once(x: Value) -> Value:
    """f(f(x)) == f(x) for relu, abs, floor, ceil, round and sign"""
    return either(*(each.pattern(each.pattern(x)) for each in IDEMPOTENT))


@twice_is_once.build
def _(x: Value, match: Match) -> Value:
    return apply(match.nodes[0].op, (x,), match.nodes[0].attributes).outputs[0]


@rule_with(single_use=False)
def twice_is_nothing(x: Value) -> Value:
    """f(f(x)) == x for neg and logical_not"""
    return either(neg(neg(x)), logical_not(logical_not(x)))


@twice_is_nothing.build
def _(x: Value) -> Value:
    return x


@rule
def same_operands(x: Value) -> Value:
    """f(x, x) == x for minimum, maximum, logical_and and logical_or"""
    return either(minimum(x, x), maximum(x, x), logical_and(x, x), logical_or(x, x))


@same_operands.build
def _(x: Value) -> Value:
    return x


@rule
def select_same(c: Value, x: Value) -> Value:
    """select(c, x, x) == x"""
    return select(c, x, x)


@select_same.build
def _(c: Value, x: Value) -> Value:
    return x


@rule
def select_known(c: Value, x: Value, y: Value) -> Value:
    """select(true, x, y) == x and select(false, x, y) == y"""
    return select(either(broadcast.pattern(c), c), x, y)


@select_known.condition
def _(match: Match) -> str | None:
    if match.values["x"].type != match.values["y"].type:
        return NOT_NEAR
    return None if _all(match.constant("c"), True) or _all(match.constant("c"), False) else NOT_NEAR


@select_known.build
def _(c: Value, x: Value, y: Value, match: Match) -> Value:
    return x if _all(match.constant("c"), True) else y


def _all(held: Constant | None, number: float) -> bool:
    """Whether every element of a small constant is `number`, zeros of either sign told apart."""
    if held is None or held.nbytes > SMALL_BYTES or not held.elements:
        return False
    array = held.array()
    same = array == array.dtype.type(number)
    if held.dtype.is_floating:
        same &= np.signbit(array.astype(np.float64)) == np.signbit(number)
    return bool(same.all())


def _neutral(law: Rule, number: float) -> Rule:
    """Gives a law that leaves `c` away its condition and its result."""

    @law.condition
    def _(match: Match) -> str | None:
        held = match.constant("c")
        wanted = 0.0 if held is not None and held.dtype.is_integer and number == 0 else number
        return None if _all(held, wanted) else NOT_NEAR

    @law.build
    def _(x: Value, c: Value) -> Value:
        return x

    return law


@rule
def factor_one(x: Value, c: Value) -> Value:
    """X * 1 == x"""
    return mul(x, either(broadcast.pattern(c), c))


@rule
def divisor_one(x: Value, c: Value) -> Value:
    """X / 1 == x"""
    return div(x, either(broadcast.pattern(c), c))


@rule
def subtrahend_zero(x: Value, c: Value) -> Value:
    """X - 0 == x"""
    return sub(x, either(broadcast.pattern(c), c))


@rule
def addend_negative_zero(x: Value, c: Value) -> Value:
    """X + -0 == x, and x + 0 == x for whole numbers"""
    return add(x, either(broadcast.pattern(c), c))


@rule_with(exact=False)
def addend_zero(x: Value, c: Value) -> Value:
    """X + 0 == x; only the sign of a zero changes"""
    return add(x, either(broadcast.pattern(c), c))


@rule
def conjunct_true(x: Value, c: Value) -> Value:
    """logical_and(x, true) == x"""
    return logical_and(x, either(broadcast.pattern(c), c))


@rule
def disjunct_false(x: Value, c: Value) -> Value:
    """logical_or(x, false) == x"""
    return logical_or(x, either(broadcast.pattern(c), c))


RULES = (
    twice_is_once,
    twice_is_nothing,
    same_operands,
    select_same,
    select_known,
    _neutral(factor_one, 1.0),
    _neutral(divisor_one, 1.0),
    _neutral(subtrahend_zero, 0.0),
    _neutral(addend_negative_zero, -0.0),
    _neutral(addend_zero, 0.0),
    _neutral(conjunct_true, True),
    _neutral(disjunct_false, False),
)
