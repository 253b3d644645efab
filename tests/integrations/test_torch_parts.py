"""Graphs of torch in parts, on a stand-in of torch."""

from __future__ import annotations

import operator
from types import SimpleNamespace

import numpy as np
import pytest

from tests.frontends.torch.live import standin
from tests.frontends.torch.live.standin import HigherOrder, Node, Number, Operator, Tag, Tensor
from xir.integrations.torch_parts import Part, draws, split

X = np.zeros((2, 3), np.float32)
ADD = Operator("aten.add.Tensor")
ODD = Operator("aten.special_hermite_polynomial_h.default")
VIEW = Operator("aten.t.default", is_view=True)
DRAW = Operator("aten.bernoulli.p", tags=(Tag.nondeterministic_seeded,))
WRITE = Operator("aten.copy_.default", writes=True)
SIZE = Operator("aten.sym_size.int")
ATTENTION = Operator("aten._scaled_dot_product_flash_attention_for_cpu.default", tags=(Tag.nondeterministic_seeded,))


@pytest.fixture(autouse=True)
def _torch(monkeypatch: pytest.MonkeyPatch) -> None:
    standin.install(monkeypatch)


class Net:
    """A graph with values that are named as they are made."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []

    def __call__(self, target: object, *items: object, value: object = None) -> Node:
        kind = "placeholder" if target is None else "get_attr" if isinstance(target, str) else "call_function"
        node = Node(kind, f"v{len(self.nodes)}", target, items, meta={"val": Tensor(X) if value is None else value})
        self.nodes.append(node)
        return node

    def parts(self, *results: object, staying: tuple[Node, ...] = ()) -> list[Part]:
        self.nodes.append(Node("output", "output", args=(results,)))
        kept = {*staying, *(node for node in self.nodes if node.op == "call_function" and draws(node))}
        return split(SimpleNamespace(graph=SimpleNamespace(nodes=self.nodes)), kept)


def told(parts: list[Part]) -> list[tuple[str, str, str, str]]:
    """Who runs which calls, what they read and what comes out."""
    return [
        ("xir" if part.is_compiled else "torch", *(" ".join(node.name for node in each) for each in
         (part.inputs, part.calls.values(), part.outputs)))
        for part in parts
    ]  # fmt: skip


def test_what_can_be_computed_is_one_part() -> None:
    net = Net()
    x = net(None)
    assert told(net.parts(net(ADD, x, net(ADD, x, x)), x)) == [("xir", "v0", "v1 v2", "v2")]


def test_a_call_that_stays_cuts_only_what_depends_on_it() -> None:
    net = Net()
    x = net(None)
    before, aside = net(ADD, x, x), net(ADD, x, 1)
    odd = net(ODD, before)
    late = net(ADD, x, 2)
    after = net(ADD, odd, aside)
    assert told(net.parts(after, late, staying=(odd,))) == [
        ("xir", "v0", "v1 v2 v4", "v1 v2 v4"),
        ("torch", "v1", "v3", "v3"),
        ("xir", "v2 v3", "v5", "v5"),
    ]


def test_numbers_are_drawn_first_and_in_order() -> None:
    net = Net()
    x = net(None)
    first = net(DRAW, 2)
    y = net(ADD, x, first)
    second = net(DRAW, 3)
    assert [row[:3:2] for row in told(net.parts(net(ADD, y, second)))] == [("torch", "v1 v3"), ("xir", "v2 v4")]
    net = Net()
    x = net(None)
    late = net(DRAW, net(ADD, x, x))
    assert [row[2] for row in told(net.parts(late, net(DRAW, 2)))] == ["v1", "v2 v3"]


def test_views_that_are_results_are_views_and_others_are_computed_where_they_are_read() -> None:
    net = Net()
    x = net(None)
    base = net(ADD, x, x)
    view = net(VIEW, base)
    result, odd = net(ADD, view, 1), net(ODD, net(VIEW, x))
    assert told(net.parts(result, view, base, net(ADD, odd, view), staying=(odd,))) == [
        ("torch", "v0", "v4 v5", "v5"),
        ("xir", "v0 v5", "v1 v2 v3 v6", "v1 v3 v6"),
        ("torch", "v1", "v2", "v2"),
    ]


def test_a_view_whose_memory_nobody_else_sees_is_made_by_xir() -> None:
    net = Net()
    x = net(None)
    alone, twice = net(VIEW, net(VIEW, net(ADD, x, x))), net(ADD, x, 1)
    one, other = net(VIEW, twice), net(VIEW, net(VIEW, twice))
    assert told(net.parts(alone, one, other, net(VIEW, x))) == [
        ("torch", "v0", "v8", "v8"),
        ("xir", "v0", "v1 v2 v3 v4", "v3 v4"),
        ("torch", "v4", "v5 v6 v7", "v5 v7"),
    ]


def test_views_that_xir_does_not_know_stay() -> None:
    net = Net()
    view = net(VIEW, net(None))
    assert told(net.parts(net(ADD, view, view), staying=(view,))) == [
        ("torch", "v0", "v1", "v1"), ("xir", "v1", "v2", "v2"),
    ]  # fmt: skip


def test_sizes_are_computed_in_every_part_and_symbols_come_along() -> None:
    net = Net()
    n, x = net(None, value=Number("s0")), net(None)
    x.meta["val"].shape = (Number("s0"), 3)
    size = net(SIZE, x, value=Number("s0"))
    y = net(ADD, x, size)
    y.meta["val"].shape = (Number("s0"), 3)
    assert n.name == "v0"
    assert told(net.parts(y, size)) == [("torch", "v1", "v2", "v2"), ("xir", "v0 v1", "v2 v3", "v3")]


def test_numbers_that_the_run_finds_are_no_sizes() -> None:
    class Expression:
        free_symbols = ("u0",)

    net = Net()
    number = Number("u0")
    number.node.expr = Expression()
    assert [row[0] for row in told(net.parts(net(SIZE, net(None), value=number)))] == ["xir"]


def test_items_are_where_their_call_is() -> None:
    net = Net()
    x = net(None)
    pair = net(ODD, x, value=[Tensor(X), Tensor(X)])
    item = net(operator.getitem, pair, 1)
    pieces = net(VIEW, item, value=[Tensor(X)])
    piece = net(operator.getitem, pieces, 0)
    assert told(net.parts(net(ADD, piece, 1), piece, staying=(pair,))) == [
        ("torch", "v0", "v1 v2 v3 v4", "v2 v4"), ("xir", "v2", "v3 v4 v5", "v5"),
    ]  # fmt: skip


def test_effects_keep_their_order() -> None:
    net = Net()
    x = net(None)
    late = net(WRITE, x, net(ADD, x, 1))
    early = net(WRITE, x, 2)
    assert [row[2] for row in told(net.parts(late, early, staying=(late, early)))] == ["v1", "v2 v3"]


def test_constants_belong_to_every_part_that_reads_them() -> None:
    net = Net()
    constant = net("held")
    (part,) = net.parts(net(ADD, constant, constant))
    assert (part.inputs, [node.op for node in part.module.graph.nodes]) == (
        (), ["get_attr", "call_function", "output"],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("target", "items", "is_random"),
    [
        (ADD, (), False),
        (DRAW, (), True),
        (HigherOrder(), (), False),
        (ATTENTION, (1, 2, 3), False),
        (ATTENTION, (1, 2, 3, 0.0), False),
        (ATTENTION, (1, 2, 3, 0.5), True),
    ],
)
def test_what_draws_numbers(target: object, items: tuple[object, ...], is_random: bool) -> None:
    assert draws(Node("call_function", "y", target, items)) is is_random
    checkpoint = HigherOrder()
    checkpoint.__name__ = "run_with_rng_state"
    assert draws(Node("call_function", "y", checkpoint))
