"""Any nodes of a graph as a graph."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import xir
from tests.surgery.nets import chain, diamond, nonzero_net, tensor
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.verify import verify
from xir.ops.arithmetic import neg
from xir.ops.shape import reshape
from xir.surgery.subset import Case, Recording, Subset


def cases():
    chained, joined, found = chain(5), diamond(), nonzero_net()
    yield chained, xir.random_inputs(chained)
    yield joined, xir.random_inputs(joined)
    yield found, {"x": np.array([1, 0, 2, 3], np.float32)}


@pytest.mark.parametrize("limit", [1 << 30, 0])
@pytest.mark.parametrize("fixed", [True, False])
def test_every_subset_computes_what_the_whole_does(limit, fixed):
    for graph, feeds in itertools.islice(cases(), 3 if fixed else 2):
        case = Case(graph, feeds)
        recording = Recording(case, limit=limit)
        whole = Recording(case)
        every = {graph.name_of(v): a for node in graph.nodes for v, a in whole.arrays(node.outputs).items()}
        every.update(xir.run(graph, feeds))
        for size in range(1, len(case.nodes) + 1):
            for kept in itertools.combinations(case.nodes, size):
                part = Subset(recording, kept, fixed=fixed).case()
                verify(part.graph)
                assert len(part.nodes) == size
                for name, array in xir.run(part.graph, part.feeds).items():
                    np.testing.assert_array_equal(array, every[name])


def test_recorded_sizes_become_numbers():
    graph = nonzero_net()
    case = Case(graph, {"x": np.array([1, 0, 2, 3], np.float32)})
    part = Subset(Recording(case), case.nodes[1:], fixed=True).case()
    assert [repr(value.type) for value in (*part.graph.inputs, *part.graph.outputs)] == [
        "i64[1,3]",
        "i64[3]",
        "f32[3]",
    ]


def test_a_size_inside_a_formula_is_solved():
    n = Symbol("n")
    x = Value(tensor(2 * n))
    graph = Graph("even", (x,), (neg(reshape(x, shape=(2, n))),), ("y",), (), {x: "x"})
    part = Subset(case := Recording(Case(graph, {"x": np.zeros(6, np.float32)})), graph.nodes, fixed=True).case()
    assert repr(part.graph.outputs[0].type) == "f32[2,3]"
    assert case.sizes[n] == 3
