"""Pipelines end, repeat themselves only as long as something changes, and tell what they did."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tests.passes.examples_fusions import mean, plus, spread
from tests.passes.helpers import Example, Net, convolved, literal, operators
from tests.passes.test_laws import EXAMPLES
from xir.api import load
from xir.errors import UsageError
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.rewrite import Rewriter
from xir.ir.verify import verify
from xir.ops.activation import gelu, relu
from xir.ops.constant import identity
from xir.ops.elementwise import abs_, add, mul, neg, reciprocal, sqrt, sub
from xir.ops.norm import batch_norm
from xir.ops.shape import broadcast, concat, transpose
from xir.passes import Pass, Trace, optimize, passes
from xir.passes._pattern import Match, Rule, rule
from xir.passes._pipeline import MAX_CHAIN, MAX_ROUNDS, apply_rules, rules_pass, run_pipeline
from xir.reference import random_inputs, run
from xir.text import load_xir, print_graph

TEXT = Path(__file__).resolve().parent.parent / "text"


def chain(length: int) -> Graph:
    net = Net()
    value = net.input(2, 3)
    for step in range(length // 4):
        value = transpose(relu(transpose(identity(value), perm=(1, 0))), perm=(1, 0)) if step % 2 else neg(neg(value))
    return net.graph(value)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: each.rule)
def test_a_second_optimization_changes_nothing(example: Example) -> None:
    after = optimize(example.graph())
    assert optimize(after) is after


def test_level_0_returns_the_very_graph() -> None:
    graph = chain(8)
    assert optimize(graph, level=0) is graph
    assert optimize(graph, passes=()) is graph


def folding_net() -> Graph:
    net = Net()
    y = convolved(net.input(1, 2, 3, 3), net.weight(4, 2, 3, 3, name="w"))
    s, t, m, v = (net.weight(4, name=name, low=0.5) for name in ("s", "t", "mean", "v"))
    return net.graph(identity(batch_norm(y, s, t, m, v, epsilon=1e-5)))


def test_level_1_leaves_weights_alone_and_level_2_does_not() -> None:
    assert operators(optimize(folding_net(), level=1)) == ["conv", "batch_norm"]
    assert operators(optimize(folding_net(), level=2)) == ["conv"]


def test_exact_runs_only_laws_that_keep_every_bit() -> None:
    trace = Trace()
    assert operators(optimize(folding_net(), exact=True, trace=trace)) == ["conv", "batch_norm"]
    assert trace.fired == {"identity_is_nothing": 1}
    net = Net()
    graph = net.graph(add(net.input(2), literal(0.0, 0.0)))
    assert optimize(graph, exact=True) is graph
    assert operators(optimize(graph)) == []


def test_passes_run_by_name() -> None:
    names = [each.name for each in passes() if each.name.startswith("batch_norm")]
    assert operators(optimize(folding_net(), passes=names)) == ["conv", "identity"]
    assert operators(optimize(folding_net(), passes=["identities"])) == ["conv", "batch_norm"]


def test_an_unknown_pass_is_refused_and_all_are_named() -> None:
    with pytest.raises(UsageError, match="no pass 'speed'") as caught:
        optimize(chain(4), passes=["speed"])
    assert all(each.name in str(caught.value.hint) for each in passes())


def test_a_layer_norm_with_channels_last_is_seen_before_its_sums_take_the_layout_of_a_convolution() -> None:
    net = Net()
    x = transpose(convolved(net.input(1, 4, 5, 6), net.weight(3, 4, 1, 1)), perm=(0, 2, 3, 1))
    d = sub(x, spread(mean(x, 3), x))
    y = mul(d, spread(reciprocal(sqrt(plus(mean(mul(d, d), 3), 1e-5))), x))
    after = optimize(net.graph(y))
    assert operators(after) == ["conv", "transpose", "layer_norm"]


def test_names_of_passes_are_unique_and_each_has_a_law() -> None:
    assert len({each.name for each in passes()}) == len(passes())
    assert all(each.law for each in passes())


@rule
def there(x: Value) -> Value:
    """neg(x) == abs(x), and back: a pair of laws that never ends"""
    return neg(x)


@there.build
def _(x: Value) -> Value:
    return abs_(x)


@rule
def back(x: Value) -> Value:
    """abs(x) == neg(x)"""
    return abs_(x)


@back.build
def _(x: Value) -> Value:
    return neg(x)


def test_laws_that_undo_each_other_end() -> None:
    net = Net()
    graph = net.graph(neg(net.input(2)))
    trace = Trace()
    run_pipeline(graph, rules_pass("circle", "", (there, back)), trace)
    assert sum(trace.fired.values()) == MAX_ROUNDS * MAX_CHAIN


def test_rounds_repeat_until_nothing_changes() -> None:
    calls: list[int] = []

    def run(graph: Graph, trace: Trace) -> Graph:
        calls.append(len(graph.nodes))
        return apply_rules(graph, (there,), trace)

    net = Net()
    run_pipeline(net.graph(neg(net.input(2))), (Pass("once", "", run),), Trace())
    assert calls == [1, 1]


@rule
def once_read(x: Value) -> Value:
    """relu(neg(x)) == x, for the sake of the test"""
    return relu(neg(x))


@once_read.build
def _(x: Value) -> Value:
    return x


@rule
def one(x: Value) -> Value:
    """abs(x) == 1, for the sake of the test"""
    return abs_(x)


@one.build
def _(x: Value) -> Value:
    return literal(1.0, 1.0)


def test_near_misses_that_fire_in_a_later_round_are_not_told() -> None:
    net = Net()
    inner = neg(net.input(2))
    graph = net.graph(add(relu(inner), abs_(inner)))
    trace = Trace(misses={("older", "reason"): {"layer": None}})
    run_pipeline(graph, (*rules_pass("first", "", (once_read,)), *rules_pass("second", "", (one,))), trace)
    assert trace.fired == {"one": 1, "once_read": 1}
    assert list(trace.misses) == [("older", "reason")]


def test_a_trace_says_the_law_the_reason_and_the_layers() -> None:
    net = Net()
    outputs: list[Value] = []
    for _ in range(5):
        y = convolved(net.input(2, 2, 5, 5), net.weight(4, 2, 3, 3))
        outputs += [mul(y, broadcast(net.weight(4, 1, 1), shape=y.shape)), y]
    outputs.append(neg(neg(net.input(2))))
    trace = Trace()
    optimize(net.graph(*outputs), trace=trace)
    assert trace.fired == {"twice_is_nothing": 1}
    ((miss, layers),) = trace.misses.items()
    assert miss == ("factor_into_layer", "the result of conv has 2 readers")
    assert len(layers) == 5
    assert all(layer.startswith("mul_") for layer in layers)


def test_transposes_that_are_left_are_counted() -> None:
    net = Net()
    trace = Trace()
    turned = [transpose(relu(net.input(2, size)), perm=(1, 0)) for size in (3, 4)]
    optimize(net.graph(*turned), trace=trace)
    assert trace.transposes == 2


def nhwc_block(net: Net, x: Value) -> Value:
    """A residual block as a framework with channels last writes it: each convolution between two transposes."""

    def channels_last(y: Value) -> Value:
        w, b = net.weight(3, 3, 1, 1), net.weight(3)
        made = transpose(convolved(transpose(y, perm=(0, 3, 1, 2)), w), perm=(0, 2, 3, 1))
        return add(mul(made, broadcast(net.weight(3), shape=y.shape)), broadcast(b, shape=y.shape))

    return relu(add(x, channels_last(relu(channels_last(x)))))


def test_a_net_with_channels_last_keeps_no_transpose_inside() -> None:
    net = Net()
    y = transpose(net.input(1, 3, 4, 4), perm=(0, 2, 3, 1))
    for _ in range(25):
        y = nhwc_block(net, y)
    graph = net.graph(y)
    trace = Trace()
    after = optimize(graph, trace=trace)
    assert Counter(operators(after)) == {"conv": 50, "relu": 50, "add": 25, "transpose": 1}
    assert trace.transposes == 1
    assert optimize(after) is after


def test_a_node_without_a_source_is_told_by_its_operator() -> None:
    trace = Trace()
    net = Net()
    node = neg(net.input(2)).node
    assert isinstance(node, Node)
    trace.miss("law", "reason", node)
    assert trace.misses == {("law", "reason"): {"neg": None}}


@pytest.mark.parametrize("length", [2_000, 20_000])
def test_rules_are_tried_a_bounded_number_of_times_a_node(length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: Counter[str] = Counter()
    real = Rule.match

    def counted(self: Rule, node: Node, rewriter: Rewriter) -> Match | str | None:
        tried[self.name] += 1
        return real(self, node, rewriter)

    monkeypatch.setattr(Rule, "match", counted)
    net = Net()
    value = net.input(2, 3)
    for _ in range(length // 4):
        value = relu(transpose(identity(transpose(value, perm=(1, 0))), perm=(1, 0)))
    after = optimize(net.graph(value))
    assert set(operators(after)) == {"relu"}
    assert tried.total() < 12 * length


@pytest.mark.parametrize("first", [True, False])
def test_a_chain_of_concats_is_joined_at_once(first: bool) -> None:
    net, trace = Net(), Trace()
    x = value = net.input(1, 2)
    for _ in range(3_000):
        value = concat(value, x, axis=0) if first else concat(x, value, axis=0)
    after = optimize(net.graph(value), trace=trace)
    assert trace.fired == {"concat_of_concats": 1}
    assert [len(node.inputs) for node in after.nodes] == [3_001]


@pytest.mark.parametrize("path", sorted(TEXT.glob("pass_*_before.xir")), ids=lambda path: path.stem)
def test_graphs_of_text_become_what_is_written(path: Path) -> None:
    after = path.with_name(path.name.replace("_before", "_after"))
    assert print_graph(optimize(load_xir(path))) == print_graph(load_xir(after))


def test_there_are_graphs_of_text() -> None:
    assert len(list(TEXT.glob("pass_*_before.xir"))) >= 3


def test_a_real_model_gets_small_and_stays_small(open_nsfw: Path) -> None:
    graph = load(open_nsfw / "resnet_50_1by2_nsfw.caffemodel")
    trace = Trace()
    after = optimize(graph, trace=trace)
    assert not {"batch_norm", "mul", "transpose"} & set(operators(after))
    assert len(after.nodes) == 123
    assert trace.transposes == 0
    assert optimize(after) is after
    _compare(graph, after)


MODELS = ("mtcnn/det1", "mtcnn/det2", "mtcnn/det3", "wechat_qrcode/detect", "wechat_qrcode/sr")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", MODELS)
def test_real_models_compute_the_same(corpus: Path, name: str) -> None:
    graph = load(corpus / "caffe" / f"{name}.caffemodel", inputs=SMALLER.get(name))
    after = optimize(graph)
    verify(after)
    assert not {"batch_norm", "prior_box", "identity"} & set(operators(after))
    assert optimize(after) is after
    _compare(graph, after)


SMALLER = {"wechat_qrcode/sr": {"data": "f32[1,1,24,24]"}}
"""Inputs for nets whose own are large."""


def _compare(graph: Graph, after: Graph) -> None:
    """Results agree to 1e-4 of the largest, what 150 layers of f32 with other roundings come to."""
    feeds = random_inputs(graph)
    wanted, got = run(graph, feeds), run(after, feeds)
    assert list(got) == list(wanted)
    for name, array in wanted.items():
        room = 1e-4 * float(np.abs(array).max(initial=1e-30))
        np.testing.assert_allclose(got[name], array, rtol=1e-4, atol=room)


def nearly_net() -> Graph:
    net = Net()
    x = net.input(2, 3)
    return net.graph(gelu(sub(add(x, x), mul(x, x)), approximation="none"))


def test_approximations_are_made_only_where_they_are_asked_for() -> None:
    graph = nearly_net()
    assert optimize(graph) is graph
    assert optimize(graph, fast_math=True).nodes[-1].attributes["approximation"] == "tanh"
    assert optimize(graph, passes=["fast_math_nearly"]).nodes[-1].attributes["approximation"] == "tanh"


def test_exact_results_by_fast_math_are_refused() -> None:
    with pytest.raises(UsageError, match="contradict each other"):
        optimize(nearly_net(), exact=True, fast_math=True)
