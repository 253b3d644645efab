"""Constant folding: what is folded, what stays, where the results lie and what they are called."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.passes.helpers import I32, Net, literal, operators
from xir.files import FileSlice
from xir.ir.constant import constant_of
from xir.ir.dims import Dim, Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.compare import equal
from xir.ops.constant import constant, identity
from xir.ops.control import loop
from xir.ops.elementwise import add, cast, mul, neg
from xir.ops.matmul import matmul
from xir.ops.prior import prior_box
from xir.ops.reduce import reduce_sum
from xir.ops.shape import broadcast, iota, reshape, shape_of, split, tile, transpose
from xir.passes import Trace, folding, optimize
from xir.passes.folding import fold_constants
from xir.reference import random_inputs, run
from xir.text import load_xir, save_xir


def folded(net: Net, *outputs: Value) -> tuple[Graph, dict[str, int]]:
    trace = Trace()
    graph = net.graph(*outputs)
    after = fold_constants(graph, trace)
    for name, array in run(graph, {}).items() if not graph.inputs else ():
        assert run(after, {})[name].tobytes() == array.tobytes()
    return after, trace.fired


def test_a_chain_of_weights_is_computed() -> None:
    net = Net()
    after, fired = folded(net, mul(add(net.weight(3, name="w"), literal(1, 2, 3)), literal(2, 2, 2)))
    assert (operators(after), fired) == ([], {"fold_constants": 2})
    assert after.name_of(after.outputs[0]) == "w"


def test_what_an_input_feeds_stays() -> None:
    net = Net()
    graph = net.graph(add(net.input(3), literal(1, 2, 3)))
    assert fold_constants(graph, Trace()) is graph


@pytest.mark.parametrize(
    ("repeat", "left"), [(1000, ["broadcast"]), (1, [])], ids=["larger than its operand", "as large"]
)
def test_a_broadcast_is_not_written_out(repeat: int, left: list[str]) -> None:
    net = Net()
    assert operators(folded(net, broadcast(net.weight(1, 3), shape=(repeat, 3)))[0]) == left


def test_what_is_repeated_as_often_as_the_run_says_is_not_computed() -> None:
    net = Net()
    rows = Symbol("N")
    repeated = broadcast(literal(2.0), shape=(rows, 3))
    kept = mul(reduce_sum(repeated, axes=(0,), keep_dims=False), net.weight(3))
    after, _ = folded(net, kept, add(net.input(rows, 3), repeated))
    assert "reduce_sum" in operators(after)


def test_a_tile_is_not_written_out() -> None:
    net = Net()
    assert operators(folded(net, tile(net.weight(3), repeats=(2,)))[0]) == ["tile"]


@pytest.mark.parametrize(("size", "left"), [(8, []), (65_536, ["iota"])])
def test_results_larger_than_their_operands_are_small(size: int, left: list[str]) -> None:
    net = Net()
    after, _ = folded(net, iota(shape=(size,), axis=0, dtype=DType.INT64))
    assert [name for name in operators(after) if name != "constant"] == left


def test_results_above_the_limit_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folding, "MAX_FOLDED_BYTES", 1000)
    net = Net()
    assert operators(folded(net, neg(net.weight(250)))[0]) == []
    assert operators(folded(net, neg(net.weight(251)))[0]) == ["neg"]


@pytest.mark.parametrize(("repeat", "left"), [(10, []), (100_000, ["add", "broadcast", "broadcast"])])
def test_what_is_repeated_is_known(repeat: int, left: list[str]) -> None:
    net = Net()
    made = add(broadcast(literal(1, 2, 3), shape=(repeat, 3)), broadcast(net.weight(repeat, 1), shape=(repeat, 3)))
    after, _ = folded(net, made)
    assert sorted(name for name in operators(after) if name != "constant") == left


def test_a_weight_takes_a_number_in() -> None:
    net = Net()
    after, _ = folded(net, mul(net.weight(200, 200), broadcast(literal(2.0), shape=(200, 200))))
    assert operators(after) == []


def test_what_is_repeated_and_reshaped_stays_where_it_is_large() -> None:
    net = Net()
    wide = reshape(broadcast(net.weight(1, 3), shape=(100_000, 3)), shape=(3, 100_000))
    assert operators(folded(net, wide)[0]) == ["broadcast", "reshape"]


def test_unknown_sizes_stay() -> None:
    net = Net()
    n = Symbol("N")
    x = net.input(n)
    graph = net.graph(add(x, broadcast(literal(1.0), shape=(n,))))
    assert fold_constants(graph, Trace()) is graph


@pytest.mark.parametrize(("shape", "left"), [((2, 3), "constant"), ((2, Symbol("N")), "shape_of")])
def test_sizes_are_folded_when_they_are_known(shape: tuple[Dim, ...], left: str) -> None:
    net = Net()
    graph = net.graph(shape_of(net.input(*shape)))
    after = fold_constants(graph, Trace())
    assert operators(after) == [left]
    assert run(after, random_inputs(graph))["out0"].tolist() == run(graph, random_inputs(graph))["out0"].tolist()


def boxes(net: Net, *shape: Dim, image: tuple[Dim, ...] = (1, 3, 30, 30)) -> Value:
    return prior_box(
        net.input(*shape), net.input(*image), min_sizes=(10.0,), max_sizes=(20.0,), aspect_ratios=(2.0, 0.5),
        clip=False, variances=(0.1, 0.1, 0.2, 0.2), step_h=0.0, step_w=0.0, offset=0.5,
    )  # fmt: skip


def test_prior_boxes_are_folded_whatever_the_batch() -> None:
    net = Net()
    graph = net.graph(boxes(net, Symbol("N"), 4, 5, 6))
    after = fold_constants(graph, Trace())
    assert operators(after) == []
    (parameter,) = after.parameters
    assert not parameter.trainable
    feeds = random_inputs(graph)
    assert run(after, feeds)["out0"].tobytes() == run(graph, feeds)["out0"].tobytes()


def test_prior_boxes_of_unknown_sizes_stay() -> None:
    net = Net()
    graph = net.graph(boxes(net, 1, 4, 5, 6, image=(1, 3, Symbol("H"), 30)))
    assert fold_constants(graph, Trace()) is graph


def test_a_model_grows_by_a_bounded_number_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folding, "GROWTH_BYTES", 1000)
    net = Net()
    lines = [iota(shape=(100 + step,), axis=0, dtype=DType.FLOAT32) for step in range(4)]
    graph = net.graph(*lines)
    trace = Trace()
    after = optimize(graph, trace=trace)
    assert operators(after) == ["iota", "iota"]
    assert optimize(after, passes=["algebra"]) is after
    assert trace.grown == 400 + 404


def test_a_large_weight_that_others_read_is_not_there_twice() -> None:
    net = Net()
    w = net.weight(200, 100)
    x = net.input(200, 100)
    assert operators(folded_with_inputs(net, add(x, w), add(x, neg(w)))) == ["add", "neg", "add"]
    net = Net()
    w, x = net.weight(20, 10), net.input(20, 10)
    assert operators(folded_with_inputs(net, add(x, w), add(x, neg(w)))) == ["add", "add"]


def test_a_table_is_made_of_small_weights_that_others_read() -> None:
    net = Net()
    grid, x = net.weight(1, 50), net.input(1, 50)
    table = add(broadcast(net.weight(500, 1), shape=(500, 50)), broadcast(grid, shape=(500, 50)))
    assert operators(folded_with_inputs(net, table, add(x, grid))) == ["add"]


def folded_with_inputs(net: Net, *outputs: Value) -> Graph:
    return fold_constants(net.graph(*outputs), Trace())


def test_frozen_weights_stay_frozen() -> None:
    net = Net()
    graph = net.graph(add(net.input(3), neg(net.weight(3))))
    (parameter,) = graph.parameters
    frozen = replace(graph, parameters=(replace(parameter, trainable=False),))
    assert [each.trainable for each in fold_constants(graph, Trace()).parameters] == [True]
    assert [each.trainable for each in fold_constants(frozen, Trace()).parameters] == [False]


def test_a_reshaped_weight_stays_in_its_file(tmp_path: Path) -> None:
    net = Net()
    save_xir(net.graph(reshape(net.weight(20, 30, name="w"), shape=(600,))), tmp_path / "net.xir")
    after = fold_constants(load_xir(tmp_path / "net.xir"), Trace())
    (parameter,) = after.parameters
    assert isinstance(parameter.constant.data, FileSlice)
    assert (parameter.constant.shape, after.names[parameter.value], operators(after)) == ((600,), "w", [])


def test_a_reshape_is_folded_whatever_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folding, "MAX_FOLDED_BYTES", 8)
    net = Net()
    assert operators(folded(net, reshape(net.weight(6), shape=(2, 3)))[0]) == []


def test_operators_with_several_results() -> None:
    net = Net()
    left, right = split(net.weight(5, name="w"), axis=0, sizes=(2, 3))
    after, fired = folded(net, left, right)
    assert (operators(after), fired) == ([], {"fold_constants": 1})
    assert [after.name_of(value) for value in after.outputs] == ["w", "w_2"]


def test_small_results_of_literals_are_literals_and_large_ones_weights() -> None:
    net = Net()
    after, _ = folded(net, neg(literal(1, 2)), neg(literal(*range(65))))
    assert operators(after) == ["constant"]
    assert after.name_of(after.outputs[1]) == "neg_3.neg"  # the layer's name, and the operator's


def test_literals_are_not_folded_again() -> None:
    net = Net()
    graph = net.graph(add(net.input(2), literal(1, 2)))
    trace = Trace()
    assert fold_constants(graph, trace) is graph
    assert not trace.fired


def test_a_weight_that_others_read_keeps_its_name() -> None:
    net = Net()
    w = net.weight(3, name="w")
    x = net.input(3)
    after = fold_constants(net.graph(add(x, w), add(x, neg(w)), add(x, add(w, w))), Trace())
    assert sorted(after.names[each.value] for each in after.parameters) == ["w", "w_2", "w_3"]


def test_text_stays() -> None:
    net = Net()
    words = net.held(np.array(["a", "b"], object), "words")
    assert operators(folded(net, reshape(words, shape=(2, 1)))[0]) == ["reshape"]


def test_results_have_the_sources_of_what_they_stand_for() -> None:
    net = Net()
    after, _ = folded(net, transpose(cast(literal(1, 2), dtype=I32), perm=(0,)))
    (node,) = after.nodes
    assert [source.layer for source in node.source] == ["constant_0", "cast_1", "transpose_2"]


def test_comparisons_give_bools() -> None:
    net = Net()
    after, _ = folded(net, equal(net.weight(2), net.weight(2)))
    assert after.outputs[0].dtype is DType.BOOL


@pytest.mark.parametrize("shape", [(1 << 62,), (1 << 40, 1 << 22)])
def test_the_sizes_of_an_impossible_tensor_are_left_alone(shape: tuple[int, ...]) -> None:
    x = Value(TensorType(DType.FLOAT32, shape))
    graph = Graph("g", (x,), (shape_of(x),), ("y",), (), {x: "x"})
    assert fold_constants(graph, Trace()) is graph


@pytest.mark.parametrize(("name", "number", "left"), [
    ("MAX_WORK", 999, ["matmul"]), ("MAX_WORK", 1000, []), ("FREE_WORK", 999, ["matmul"]),
])  # fmt: skip
def test_work_is_bounded(name: str, number: int, left: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A product of 10 x 10 by 10 x 10 takes 1000 multiplications."""
    monkeypatch.setattr(folding, "WORK_PER_ELEMENT", 0)
    monkeypatch.setattr(folding, name, number)
    net = Net()
    after, _ = folded(net, matmul(net.weight(10, 10), net.weight(10, 10)))
    assert operators(after) == left


def test_a_loop_of_constants_stays() -> None:
    step, going, held = (Value(TensorType(dtype, ())) for dtype in (DType.INT64, DType.BOOL, DType.FLOAT32))
    body = Graph("body", (step, going, held), (identity(going), identity(held)), ("went", "kept"))
    net = Net()
    x = net.input()
    made = loop(constant(value=constant_of(np.asarray((1 << 63) - 1))), None, net.weight(), body=body, carried=1)
    after, _ = folded(net, add(made[0], x))
    assert operators(after) == ["constant", "loop", "add"]
