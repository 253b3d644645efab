"""Inputs and outputs in another order of axes, and under other names."""

from __future__ import annotations

import numpy as np
import pytest

from tests.passes.helpers import Net
from xir.errors import UsageError
from xir.frontends.adjust import Wanted, adjusted, with_nchw_inputs, with_nchw_outputs
from xir.frontends.options import Loaded
from xir.ir.constant import constant_of
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ops.activation import relu
from xir.ops.elementwise import neg
from xir.passes import optimize
from xir.reference import random_inputs, run

SHAPES = [(2, 3, 4, 5), (Symbol("N"), 6, 3), (1, 2, 3, 4, 5)]


def graph(*shape) -> Graph:
    net = Net()
    x = net.input(*shape)
    y = relu(x)
    made = net.graph(y, neg(y))
    made.names[made.outputs[0]] = "out0"  # type: ignore[index]  # as readers call a value that is an output
    return made


def second(array):
    return np.moveaxis(array, -1, 1)


@pytest.mark.parametrize("shape", SHAPES, ids=["image", "line", "volume"])
def test_channels_go_from_the_end_to_the_second_place(shape) -> None:
    before = graph(*shape)
    after = with_nchw_outputs(with_nchw_inputs(before, ["x0"]), ["out0"])
    assert after.inputs[0].shape == (shape[0], shape[-1], *shape[1:-1])
    assert after.outputs[0].shape == (shape[0], shape[-1], *shape[1:-1])
    assert after.output_names == before.output_names
    assert after.outputs[0].node is not None
    assert after.outputs[0].node.source == before.outputs[0].node.source  # type: ignore[union-attr]  # it is a relu
    feeds = random_inputs(before)
    wanted, got = run(before, feeds), run(after, {"x0": second(feeds["x0"])})
    assert got["out0"].tobytes() == np.ascontiguousarray(second(wanted["out0"])).tobytes()
    assert got["out1"].tobytes() == wanted["out1"].tobytes()
    names = [after.name_of(value) for node in after.nodes for value in node.outputs]
    assert len(set(names)) == len(names)


def test_nothing_is_done_where_nothing_is_asked_for() -> None:
    before = graph(1, 2, 3)
    assert with_nchw_outputs(with_nchw_inputs(before, ()), ()) is before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda made: with_nchw_outputs(made, ["no"]), r"no output 'no'; it has \['out0', 'out1'\]"),
        (lambda made: with_nchw_inputs(made, ["no"]), "no input 'no'"),
        (lambda made: with_nchw_outputs(made, ["out1"]), "output 'out1' is f32.*three axes or more"),
        (lambda made: with_nchw_inputs(made, ["x0"]), "input 'x0' is f32.*three axes or more"),
    ],
)
def test_what_is_not_there_or_has_no_channels_is_refused(change, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        change(graph(2, 3))


def test_all_wishes_are_granted_together() -> None:
    loaded = Loaded(graph(1, 2, 3), "graph", ("g",), 2, state={"x0": constant_of(np.zeros((1, 3, 2), np.float32))})
    made = adjusted(loaded, Wanted({"x0": "image"}, ["x0"], ["out1"]))
    assert made.graph.input_names == ("image",)
    assert [value.shape for value in (*made.graph.inputs, *made.graph.outputs)] == [(1, 3, 2), (1, 2, 3), (1, 3, 2)]
    assert list(made.state) == ["image"]
    assert [node.op.name for node in optimize(made.graph).nodes].count("transpose") == 1
