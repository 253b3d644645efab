"""Transposes are counted as they were read and as they are left, with the edge at which they stand."""

from __future__ import annotations

import pytest

from tests.passes.helpers import Net, convolved
from xir.inspect.transposes import NO_TRANSPOSES, Left, transposes_of
from xir.ir.graph import Graph
from xir.ir.types import DType
from xir.ops.activation import relu
from xir.ops.elementwise import add, neg
from xir.ops.random import random_uniform
from xir.ops.shape import concat, transpose
from xir_cli.words import transposes_lines

FIRST, LAST = (0, 3, 1, 2), (0, 2, 3, 1)


def network(middle) -> Graph:
    """Channels last, a convolution, `middle`, a convolution, and back."""
    net = Net()
    x = transpose(neg(net.input(1, 4, 4, 3)), perm=FIRST)
    y = middle(net, convolved(x, transpose(net.weight(1, 1, 3, 3), perm=(3, 2, 0, 1))))
    return net.graph(relu(transpose(convolved(y, net.weight(3, 3, 1, 1)), perm=LAST)))


def noisy(net: Net, y):
    noise = random_uniform(shape=(1, 4, 4, 3), low=0.0, high=1.0, seed=1, dtype=DType.FLOAT32)
    return add(y, transpose(noise, perm=FIRST))


def turned(net: Net, y):
    return transpose(convolved(transpose(y, perm=(0, 1, 3, 2)), net.weight(3, 3, 1, 1)), perm=(0, 1, 3, 2))


@pytest.mark.parametrize(
    ("middle", "read", "inside"),
    [(lambda net, y: y, 2, []), (noisy, 2, ["transpose_5"]), (turned, 4, ["transpose_4", "transpose_6"])],
    ids=["plain", "noisy", "turned"],
)
def test_where_transposes_are_left(middle, read, inside) -> None:
    graph = network(middle)
    found = transposes_of(graph, graph)
    assert found.read == read
    places = [each for each in found.left if each.name not in ("transpose_2", "transpose_1")]
    assert sorted(each.name for each in places if each.edge == "inside") == inside
    assert Left("input", "x0") in places
    assert Left("output", "out0") in places


def test_a_value_that_others_read_too_stands_at_no_output() -> None:
    net = Net()
    x = convolved(net.input(1, 3, 4, 4), net.weight(3, 3, 1, 1))
    y = transpose(x, perm=LAST)
    graph = net.graph(concat(y, y, axis=3), convolved(y, net.weight(3, 4, 1, 1)))
    assert [each.edge for each in transposes_of(graph, graph).left] == ["inside"]


def test_the_line_names_the_commonest_places() -> None:
    graph = network(lambda net, y: y)
    found = transposes_of(graph, graph)
    assert found.to_dict()["read"] == 2
    many = type(found)(9, (*[Left("inside", str(number)) for number in range(6)], Left("inside", "5")))
    assert transposes_lines(many, 6) == [
        "layout  9 transposes read, 7 left: 2 at '5', 1 at '0', 1 at '1', 1 at '2', 2 elsewhere"
    ]
    assert transposes_lines(type(found)(1, ()), 4) == ["layout  1 transpose read, none left"]
    assert transposes_lines(NO_TRANSPOSES, 4) == []
