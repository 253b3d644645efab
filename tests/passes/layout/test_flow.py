"""The cut that is found is the cheapest, with as few nodes on the sink's side as can be."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xir.passes.layout import _flow
from xir.passes.layout._flow import Network

Pipes = list[tuple[int, int, int]]


def _network(count: int, pipes: Pipes) -> Network:
    network = Network()
    for _ in range(count):
        network.node()
    for start, end, room in pipes:
        network.pipe(start, end, room)
    return network


def _cost(pipes: Pipes, side: set[int]) -> int:
    return sum(room for start, end, room in pipes if start not in side and end in side)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(1, 9)), max_size=14))
def test_the_cheapest_cut_is_found(pipes: Pipes) -> None:
    side = _network(4, pipes).sink_side()
    assert side is not None
    assert 1 in side
    assert 0 not in side
    sides = [{1, *(node for node, chosen in zip(range(2, 6), each, strict=True) if chosen)}
             for each in product((False, True), repeat=4)]  # fmt: skip
    least = min(_cost(pipes, each) for each in sides)
    assert _cost(pipes, side) == least
    assert all(side <= each for each in sides if _cost(pipes, each) == least)


def test_a_long_chain_needs_no_recursion() -> None:
    pipes = [(0, 2, 3), *((node, node + 1, 2) for node in range(2, 5_001)), (5_001, 1, 1)]
    assert _network(5_000, pipes).sink_side() == {1}


def test_what_takes_too_long_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_flow, "MAX_WORK", 3)
    assert _network(2, [(0, 2, 1), (2, 3, 1), (3, 1, 1)]).sink_side() is None
