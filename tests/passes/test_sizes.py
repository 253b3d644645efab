"""Sizes that are known after all leave no trace of the symbols that stood for them."""

from __future__ import annotations

import numpy as np
import pytest

from tests.passes.helpers import Net, operators
from xir.errors import InvalidModelError
from xir.ir.constant import constant_of
from xir.ir.constraints import collecting
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ops.constant import constant
from xir.ops.elementwise import add
from xir.ops.shape import reshape
from xir.passes import optimize


def reshaped_and_added(*sizes: int) -> Graph:
    net = Net()
    with collecting() as assumed:
        target = constant(value=constant_of(np.array(sizes, np.int64)))
        y = add(reshape(net.input(12), target, shape=(Symbol(), Symbol())), net.input(3, 4))
        graph = net.graph(y)
    assert len(tuple(assumed)) == 2
    return Graph(graph.name, graph.inputs, graph.outputs, graph.output_names, (), graph.names, tuple(assumed))


def test_assumptions_about_them_are_settled() -> None:
    after = optimize(reshaped_and_added(3, -1))
    assert operators(after) == ["reshape", "add"]
    assert after.constraints == ()
    assert after.outputs[0].shape == (3, 4)


def test_assumptions_that_turn_out_wrong_are_told() -> None:
    with pytest.raises(InvalidModelError, match="2"):
        optimize(reshaped_and_added(2, 6))
