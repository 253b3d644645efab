"""The rule language: what patterns match, and why they do not."""

from __future__ import annotations

import pytest

from tests.passes.helpers import I32, Net, literal, operators
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ops.activation import leaky_relu, relu
from xir.ops.compare import less
from xir.ops.elementwise import abs_, add, clip, mul, neg, sub
from xir.ops.index import embedding
from xir.ops.shape import broadcast, split, transpose
from xir.passes import Trace
from xir.passes._pattern import Match, Rule, either, maybe, rule, rule_with
from xir.passes._pipeline import apply_rules


def made(law: Rule) -> Rule:
    """The law with the result `x`."""

    @law.build
    def _(x: Value, **_others: object) -> Value:
        return x

    return law


def applied(law: Rule, net: Net, *outputs: Value) -> tuple[Graph, Trace]:
    trace = Trace()
    return apply_rules(net.graph(*outputs), (law,), trace), trace


def fires(law: Rule, net: Net, *outputs: Value) -> bool:
    return bool(applied(law, net, *outputs)[1].fired)


@rule
def same_slope(x: Value, a: float) -> Value:
    """An attribute variable that stands twice."""
    return leaky_relu(leaky_relu(x, alpha=a), alpha=a)


@pytest.mark.parametrize(("first", "second", "match"), [(0.5, 0.5, True), (0.5, 0.25, False), (0.0, -0.0, False)])
def test_an_attribute_variable_that_stands_twice_matches_equal_attributes(
    first: float, second: float, match: bool
) -> None:
    net = Net()
    y = leaky_relu(leaky_relu(net.input(2), alpha=first), alpha=second)
    assert fires(made(same_slope), net, y) is match


@rule
def half_slope(x: Value) -> Value:
    """An attribute that is given."""
    return leaky_relu(x, alpha=0.5)


@pytest.mark.parametrize(("slope", "match"), [(0.5, True), (0.25, False)])
def test_an_attribute_that_is_given_must_be_equal(slope: float, match: bool) -> None:
    net = Net()
    assert fires(made(half_slope), net, leaky_relu(net.input(2), alpha=slope)) is match


def test_whatever_attributes_match_where_the_pattern_names_none() -> None:
    @rule
    def clipped(x: Value) -> Value:
        """Any clip."""
        return clip.pattern(x)

    net = Net()
    assert fires(made(clipped), net, clip(net.input(2), minimum=None, maximum=6.0))


@rule
def difference_of_one(x: Value) -> Value:
    """A variable that stands twice."""
    return sub(x, x)


def test_a_variable_that_stands_twice_matches_one_value() -> None:
    net = Net()
    x, y = net.input(2), net.input(2)
    assert fires(made(difference_of_one), net, sub(x, x))
    assert not fires(made(difference_of_one), net, sub(x, y))


@rule
def negated_addend(x: Value, y: Value) -> Value:
    """An operand of an operator whose operands may change places."""
    return add(x, neg(y))


@rule
def negated_right(x: Value, y: Value) -> Value:
    """An operand of an operator whose operands may not."""
    return less(x, neg(y))


def test_operands_change_places_where_the_operator_lets_them() -> None:
    net = Net()
    x, y = net.input(2), net.input(2)
    assert fires(made(negated_addend), net, add(x, neg(y)))
    assert fires(made(negated_addend), net, add(neg(y), x))
    assert fires(made(negated_right), net, less(x, neg(y)))
    assert not fires(made(negated_right), net, less(neg(y), x))


def test_repeated_variables_are_found_in_either_order() -> None:
    @rule
    def square_plus(x: Value, y: Value) -> Value:
        """The right order of the inner operands is known by the outer operand alone."""
        return add(x, mul(y, x))

    net = Net()
    x, y = net.input(2), net.input(2)
    assert fires(made(square_plus), net, add(mul(x, y), x))
    assert not fires(made(square_plus), net, add(mul(y, y), x))


def test_either_matches_each_of_its_options() -> None:
    @rule
    def positive(x: Value) -> Value:
        """Either relu or abs, of neg."""
        return either(relu(neg(x)), abs_(neg(x)))

    assert positive.roots == ("relu", "abs")
    net = Net()
    x = net.input(2)
    for operator, match in ((relu, True), (abs_, True), (neg, False)):
        assert fires(made(positive), net, operator(neg(x))) is match


def test_maybe_matches_with_and_without() -> None:
    @rule
    def activated(x: Value, y: Value) -> Value:
        """A sum with or without a relu before it."""
        return mul(maybe(relu, add(x, y)), x)

    net = Net()
    x, y = net.input(2), net.input(2)
    assert fires(made(activated), net, mul(relu(add(x, y)), x))
    assert fires(made(activated), net, mul(add(x, y), x))
    assert not fires(made(activated), net, mul(abs_(add(x, y)), x))


@rule
def relu_of_neg(x: Value) -> Value:
    """The inner value must have no other reader."""
    return relu(neg(x))


def test_a_value_with_other_readers_is_not_matched_and_the_trace_says_so() -> None:
    net = Net()
    inner = neg(net.input(2))
    _, trace = applied(made(relu_of_neg), net, relu(inner), abs_(inner))
    assert not trace.fired
    assert {key: list(layers) for key, layers in trace.misses.items()} == {
        ("relu_of_neg", "the result of neg has 2 readers"): ["relu_1"]
    }


def test_a_graph_output_is_a_reader() -> None:
    net = Net()
    inner = neg(net.input(2))
    assert not fires(made(relu_of_neg), net, relu(inner), inner)


def test_readers_do_not_matter_where_the_rule_says_so() -> None:
    @rule_with(single_use=False)
    def relu_of_read_neg(x: Value) -> Value:
        """The inner value may have other readers."""
        return relu(neg(x))

    net = Net()
    inner = neg(net.input(2))
    assert fires(made(relu_of_read_neg), net, relu(inner), inner)


def test_what_hangs_on_constants_alone_may_have_other_readers() -> None:
    @rule
    def plus_broadcast(x: Value, c: Value) -> Value:
        """A broadcast operand."""
        return add(x, broadcast.pattern(c))

    net = Net()
    x = net.input(2, 3)
    shared = broadcast(net.weight(3), shape=(2, 3))
    assert fires(made(plus_broadcast), net, add(x, shared), mul(x, shared))
    read = broadcast(net.input(3), shape=(2, 3))
    assert not fires(made(plus_broadcast), net, add(x, read), mul(x, read))


def test_literals_and_weights_are_constants_and_inputs_are_not() -> None:
    seen: list[bool] = []

    @rule
    def looked_at(x: Value) -> Value:
        """Any neg."""
        return neg(x)

    @looked_at.condition
    def _(match: Match) -> str | None:
        seen.append(match.constant("x") is not None)
        return "looked at"

    net = Net()
    applied(made(looked_at), net, neg(literal(1.0)), neg(net.weight(2)), neg(net.input(2)))
    assert seen == [True, True, False]


def test_absent_operands_match_absent_ones_only() -> None:
    @rule
    def without_bias(i: Value, x: Value) -> Value:
        """An embedding without a bias."""
        return embedding.pattern(i, x)

    @rule
    def with_bias(i: Value, w: Value, x: Value) -> Value:
        """An embedding with one."""
        return embedding.pattern(i, w, x)

    net = Net()
    indices, w = net.input(3, dtype=I32), net.weight(10, 4)
    plain, biased = embedding(indices, w), embedding(indices, w, net.weight(4))
    for law, y, match in (
        (without_bias, plain, True),
        (without_bias, biased, False),
        (with_bias, plain, False),
        (with_bias, biased, True),
    ):

        @law.condition
        def _(match: Match) -> str | None:
            return "only whether it matches counts"

        assert bool(applied(law, net, y)[1].misses) is match


def test_siblings_of_one_application_match_together() -> None:
    @rule
    def halves(x: Value, axis: int, sizes: tuple[int, ...]) -> Value:
        """The sum of both halves in their order."""
        parts = split(x, axis=axis, sizes=sizes)
        return sub(parts[0], parts[1])

    @halves.build
    def _(x: Value, axis: int, sizes: tuple[int, ...], match: Match) -> Value:
        return match.nodes[0].outputs[0]

    @halves.condition
    def _(match: Match) -> str | None:
        return "matched"

    net = Net()
    x = net.input(4)
    left, right = split(x, axis=0, sizes=(2, 2))
    assert applied(halves, net, sub(left, right))[1].misses
    assert not applied(halves, net, sub(right, left))[1].misses


def test_outputs_of_two_applications_are_no_siblings() -> None:
    @rule
    def both(x: Value) -> Value:
        """Two outputs of one split, wherever it cuts."""
        parts = split(x, axis=0)  # type: ignore[call-arg]  # required attributes that are left out match anything
        return sub(parts[0], parts[1])

    net = Net()
    x = net.input(4)
    first, second = split(x, axis=0, sizes=(2, 2)), split(x, axis=0, sizes=(1, 2, 1))
    assert not fires(made(both), net, sub(first[0], second[1]))
    assert not applied(both, net, sub(first[1], first[0]))[1].fired


def test_an_operator_that_stands_twice_is_matched_once_and_its_readers_are_counted() -> None:
    @rule
    def doubled(x: Value) -> Value:
        """A sum of one value with itself."""
        inner = neg(x)
        return add(inner, inner)

    net = Net()
    x = net.input(2)
    inner = neg(x)
    assert fires(made(doubled), net, add(inner, inner))
    assert not fires(made(doubled), net, add(inner, neg(x)))
    assert not fires(made(doubled), net, add(inner, inner), inner)


def test_a_rule_may_replace_several_outputs() -> None:
    @rule
    def sorted_negation(x: Value) -> Value:
        """top_k of neg."""
        return split(neg(x), axis=0, sizes=(1, 1))[0]

    @sorted_negation.build
    def _(x: Value) -> tuple[Value, ...]:
        parts = split(x, axis=0, sizes=(1, 1))
        return neg(parts[0]), neg(parts[1])

    net = Net()
    left, right = split(neg(net.input(2)), axis=0, sizes=(1, 1))
    after, trace = applied(sorted_negation, net, left, right)
    assert trace.fired == {"sorted_negation": 1}
    assert operators(after) == ["split", "neg", "neg"]


def test_a_condition_that_refuses_one_order_leaves_the_other() -> None:
    @rule
    def with_weight(x: Value, c: Value) -> Value:
        """One operand is constant."""
        return add(x, c)

    @with_weight.condition
    def _(match: Match) -> str | None:
        return "it is not constant" if match.constant("c") is None else None

    net = Net()
    x, w = net.input(2), net.weight(2)
    assert fires(made(with_weight), net, add(w, x))
    _, trace = applied(made(with_weight), net, add(x, net.input(2)))
    assert list(trace.misses) == [("with_weight", "it is not constant")]


def test_a_rule_without_a_result_is_a_mistake_in_the_rule() -> None:
    @rule
    def unfinished(x: Value) -> Value:
        """Nothing is said of what takes its place."""
        return transpose.pattern(x)

    net = Net()
    with pytest.raises(TypeError, match="no build function"):
        fires(unfinished, net, transpose(net.input(2), perm=(0,)))


def test_an_unknown_attribute_in_a_pattern_is_a_mistake_in_the_rule() -> None:
    def wrong(x: Value) -> Value:
        return leaky_relu(x, slope=0.5)  # type: ignore[call-arg]  # the mistake

    with pytest.raises(TypeError, match="slope"):
        rule(wrong)
