"""Every law holds: it fires where it should, keeps what it says, and says why where it does not fire."""

from __future__ import annotations

import pytest

from tests.passes import (
    examples_batches,
    examples_fast,
    examples_fusions,
    examples_joins,
    examples_late,
    examples_moves,
    examples_planes,
    examples_pools,
    examples_readers,
    examples_slices,
    examples_values,
    examples_weights,
)
from tests.passes.helpers import Example, Net, check_law, check_miss, operators
from xir.ir.node import Value
from xir.ops.activation import relu
from xir.ops.elementwise import abs_, neg
from xir.passes import passes
from xir.passes._pattern import Rule, rule, rule_with

RULES: dict[str, Rule] = {rule.name: rule for each in passes() for rule in each.rules}
EXAMPLES = (
    *examples_moves.EXAMPLES,
    *examples_joins.EXAMPLES,
    *examples_late.EXAMPLES,
    *examples_slices.EXAMPLES,
    *examples_fusions.EXAMPLES,
    *examples_fast.EXAMPLES,
    *examples_planes.EXAMPLES,
    *examples_pools.EXAMPLES,
    *examples_values.EXAMPLES,
    *examples_weights.EXAMPLES,
    *examples_readers.EXAMPLES,
    *examples_batches.EXAMPLES,
)


def titles(examples: list[Example]) -> list[str]:
    return [f"{each.rule}-{each.label or each.reason or index}" for index, each in enumerate(examples)]


FIRING = [each for each in EXAMPLES if each.left is not None]
NEAR = [each for each in EXAMPLES if each.left is None]


@pytest.mark.parametrize("example", FIRING, ids=titles(FIRING))
def test_laws_hold(example: Example) -> None:
    after = check_law(RULES[example.rule], example.graph(), example.bound)
    assert " ".join(operators(after)) == example.left


@pytest.mark.parametrize("example", NEAR, ids=titles(NEAR))
def test_near_misses_stay_and_say_why(example: Example) -> None:
    check_miss(RULES[example.rule], example.graph(), example.reason)


def test_every_rule_has_an_example_and_a_law() -> None:
    assert {each.rule for each in FIRING} == set(RULES)
    for each in RULES.values():
        assert "==" in each.law


def test_every_conditional_rule_has_a_near_miss() -> None:
    assert {each.rule for each in NEAR} >= {name for name, each in RULES.items() if each.conditions}


@rule
def lying(x: Value) -> Value:
    """abs(x) == x, which is a lie"""
    return abs_(x)


@lying.build
def _(x: Value) -> Value:
    return x


@rule_with(exact=True)
def nearly(x: Value) -> Value:
    """-x == relu(x), which is a lie too"""
    return neg(x)


@nearly.build
def _(x: Value) -> Value:
    return relu(x)


@rule_with(exact=False)
def roughly(x: Value) -> Value:
    """-x == relu(x), with room for rounding"""
    return neg(x)


@roughly.build
def _(x: Value) -> Value:
    return relu(x)


@pytest.mark.parametrize(("law", "operator"), [(lying, abs_), (nearly, neg), (roughly, neg)])
def test_a_rule_that_lies_is_found_out(law: Rule, operator: object) -> None:
    net = Net()
    x = net.input(2, 3)
    graph = net.graph(abs_(x) if operator is abs_ else neg(x))
    with pytest.raises(AssertionError, match=r"changes bits|is off by"):
        check_law(law, graph)


def test_a_rule_that_does_not_fire_is_found_out() -> None:
    net = Net()
    with pytest.raises(AssertionError, match="does not fire"):
        check_law(lying, net.graph(neg(net.input(2))))
