"""Parts of graphs: what they take, give and hold, and what they refuse to lack."""

from __future__ import annotations

import numpy as np
import pytest

import xir
from tests.surgery.nets import chain, diamond, layer, named, nonzero_net, tensor, weight
from xir.errors import UsageError
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.verify import verify
from xir.ops.activation import relu
from xir.ops.reduce import top_k
from xir.ops.shape import broadcast


def recorded(graph, feeds):
    """Every named value of a graph, by the reference."""
    found = dict(feeds)

    def observe(node, results):
        found.update(zip((graph.name_of(value) for value in node.outputs), results, strict=True))

    from xir.reference import run

    run(graph, feeds, observe=observe)
    return found


def test_a_part_between_two_values_computes_what_the_whole_does():
    graph = chain(6)
    feeds = xir.random_inputs(graph)
    arrays = recorded(graph, feeds)
    part = xir.extract(graph, inputs=["v1"], outputs=["v4"])
    assert (part.input_names, part.output_names) == (("v1",), ("v4",))
    assert len(part.nodes) == 3
    np.testing.assert_array_equal(xir.run(part, {"v1": arrays["v1"]})["v4"], arrays["v4"])


def test_without_names_the_part_is_the_whole():
    graph = diamond()
    part = xir.extract(graph)
    feeds = xir.random_inputs(graph)
    assert part.input_names == graph.input_names
    for name, array in xir.run(graph, feeds).items():
        np.testing.assert_array_equal(xir.run(part, feeds)[name], array)


def test_only_the_inputs_and_weights_that_are_needed_go_along():
    part = xir.extract(diamond(), outputs=["left"])
    assert part.input_names == ("x",)
    assert [part.names[parameter.value] for parameter in part.parameters] == ["w"]


def test_a_layer_stands_for_what_it_makes():
    part = xir.extract(chain(5), inputs=["layer1"], outputs=["layer3"])
    assert (part.input_names, part.output_names) == (("v1",), ("layer3",))


def test_a_weight_can_become_an_input():
    part = xir.extract(diamond(), inputs=["x", "w"], outputs=["left"])
    assert part.input_names == ("x", "w")
    assert part.parameters == ()
    verify(part)


def test_the_order_of_inputs_and_outputs_is_the_one_asked_for():
    part = xir.extract(diamond(), inputs=["right", "left"], outputs=["y", "left"])
    assert (part.input_names, part.output_names) == (("right", "left"), ("y", "left"))


def test_an_input_that_nothing_reads_stays_when_it_is_asked_for():
    assert xir.extract(chain(4), inputs=["v2", "x"], outputs=["v3"]).input_names == ("v2", "x")


def test_a_missing_input_is_named_with_its_reader():
    with pytest.raises(UsageError, match=r"the part needs 'x' too; .* reads 'x': f32\[2,3\]") as raised:
        xir.extract(diamond(), inputs=["left"], outputs=["y"])
    assert raised.value.hint == "add it: --inputs left,x"


def test_an_unknown_name_is_answered_with_names_alike():
    with pytest.raises(UsageError, match="no value and no layer called 'lefd'") as raised:
        xir.extract(diamond(), outputs=["lefd"])
    assert raised.value.hint == "did you mean 'left'?"


@pytest.mark.parametrize(("inputs", "outputs"), [([], ["y"]), (["x"], [])])
def test_no_names_at_all_are_refused(inputs, outputs):
    with pytest.raises(UsageError, match="put is named"):
        xir.extract(diamond(), inputs=inputs, outputs=outputs)


def test_a_name_twice_is_refused():
    with pytest.raises(UsageError, match="named twice"):
        xir.extract(diamond(), outputs=["y", "y"])


def test_a_size_that_only_a_cut_off_value_tells_is_refused_with_the_values_that_tell_it():
    with pytest.raises(UsageError, match="the size that is found at run time") as raised:
        xir.extract(nonzero_net(), inputs=["x"], outputs=["filled"])
    assert "'places'" in raised.value.hint


def test_a_part_that_finds_the_size_out_stands():
    part = xir.extract(nonzero_net(), inputs=["x"], outputs=["flat", "filled"])
    assert len(part.nodes) == 4
    part = xir.extract(nonzero_net(), inputs=["places"], outputs=["filled"])
    np.testing.assert_array_equal(xir.run(part, {"places": np.zeros((1, 3), np.int64)})["filled"], np.ones(3))


def test_constraints_about_what_was_cut_off_go():
    graph = named("n", "m")
    assert len(graph.constraints) == 1
    assert xir.extract(graph, inputs=["sum"], outputs=["y"]).constraints == ()
    assert len(xir.extract(graph, outputs=["y"]).constraints) == 1


def test_an_output_that_is_an_input_stays_one():
    part = xir.extract(chain(3), inputs=["x"], outputs=["x", "v0"])
    assert part.outputs[0] is part.inputs[0]


def test_an_input_that_only_tells_a_size_goes_along():
    x, w = Value(tensor(Symbol("n"))), weight((1,))
    wide = broadcast(w.value, shape=(Symbol("n"),))
    graph = Graph("wide", (x,), (relu(x), wide), ("y", "wide"), (w,), {x: "x"})
    part = xir.extract(graph, outputs=["wide"])
    assert part.input_names == ("x",)
    assert xir.run(part, {"x": np.ones(3, np.float32)})["wide"].shape == (3,)


def test_a_missing_input_that_is_an_output_itself():
    with pytest.raises(UsageError, match="the part needs 'x' too; an output is that input itself"):
        xir.extract(chain(3), inputs=["v1"], outputs=["x"])


def test_what_a_layer_of_several_results_makes_is_all_given():
    x = Value(tensor(2, 3))
    with layer(0, "TopK"):
        values, indices = top_k(x, k=2, axis=1)
    graph = Graph("top", (x,), (values, indices), ("v", "i"), (), {x: "x", values: "best", indices: "where"})
    assert xir.extract(graph, outputs=["layer0"]).output_names == ("best", "where")


def test_many_names_are_told_in_few_words():
    from xir.surgery.names import listed

    assert listed("abcdefg") == "'a', 'b', 'c', 'd', 'e' and 2 more"


def test_long_graphs_are_cut_without_recursion():
    part = xir.extract(chain(20_000), inputs=["v100"], outputs=["v19000"])
    assert len(part.nodes) == 18_900
