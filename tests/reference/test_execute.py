"""The reference runtime: what it accepts, what it frees, what it says when a node cannot compute."""

from __future__ import annotations

import weakref

import numpy as np
import pytest

from xir.errors import InvalidModelError, UsageError
from xir.ir.builder import sourced
from xir.ir.constant import constant_of
from xir.ir.constraints import Constraint
from xir.ir.dims import Dim, Symbol, product
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Node, Value
from xir.ir.source import Source
from xir.ir.types import DType, TensorType, UnrankedType
from xir.ops.activation import relu
from xir.ops.constant import constant
from xir.ops.elementwise import add, mul
from xir.ops.index import compress, gather
from xir.ops.reduce import reduce_sum
from xir.ops.shape import broadcast, reshape, split
from xir.reference import run

F32 = DType.FLOAT32
N = Symbol("n", minimum=1, maximum=8, divisor=2)


def graph_of(*outputs: Value, inputs: tuple[Value, ...], parameters: tuple[Parameter, ...] = ()) -> Graph:
    names = {value: f"in{index}" for index, value in enumerate(inputs)}
    return Graph("test", inputs, outputs, tuple(f"out{i}" for i in range(len(outputs))), parameters, names)


def vector(*shape: Dim, dtype: DType = F32) -> Value:
    return Value(TensorType(dtype, shape))


def test_outputs_come_by_name_in_their_order() -> None:
    x = vector(3)
    result = run(graph_of(relu(x), add(x, x), inputs=(x,)), {"in0": np.array([-1, 0, 2], np.float32)})
    assert list(result) == ["out0", "out1"]
    np.testing.assert_array_equal(result["out0"], [0, 0, 2])
    np.testing.assert_array_equal(result["out1"], [-2, 0, 4])


def test_plain_lists_take_the_type_of_the_input() -> None:
    x = vector(2)
    assert run(graph_of(relu(x), inputs=(x,)), {"in0": [1, -1]})["out0"].dtype == np.float32


@pytest.mark.parametrize(
    ("feeds", "words"),
    [
        ({}, "missing ['in0']"),
        ({"in0": np.zeros(3, np.float32), "other": 1}, "unknown ['other']"),
        ({"in0": np.zeros(3)}, "float64"),
        ({"in0": np.zeros((3, 1), np.float32)}, "2 axes"),
        ({"in0": np.zeros(4, np.float32)}, "axis 0 must be 3"),
    ],
)
def test_wrong_feeds_are_refused(feeds: dict[str, np.ndarray], words: str) -> None:
    x = vector(3)
    with pytest.raises(UsageError, match=r".*") as caught:
        run(graph_of(relu(x), inputs=(x,)), feeds)
    assert words in str(caught.value)


@pytest.mark.parametrize("size", [0, 3, 10])
def test_a_size_outside_its_symbol_is_refused(size: int) -> None:
    x = vector(N)
    with pytest.raises(UsageError, match="2 divides it"):
        run(graph_of(relu(x), inputs=(x,)), {"in0": np.zeros(size, np.float32)})


def test_one_symbol_has_one_size() -> None:
    x, y = vector(N), vector(N)
    graph = graph_of(add(x, y), inputs=(x, y))
    with pytest.raises(UsageError, match="in1"):
        run(graph, {"in0": np.zeros(2, np.float32), "in1": np.zeros(4, np.float32)})


def test_assumptions_are_checked_at_entry() -> None:
    a, b = Symbol("a"), Symbol("b")
    x, y = vector(a), vector(b)
    graph = Graph("g", (x, y), (x, y), ("p", "q"), (), {x: "x", y: "y"}, (Constraint(a, b, "they are added"),))
    with pytest.raises(UsageError, match="3 is not 4"):
        run(graph, {"x": np.zeros(3, np.float32), "y": np.zeros(4, np.float32)})


def test_attributes_with_symbols_get_their_sizes() -> None:
    x = vector(N, 3)
    graph = graph_of(reshape(x, shape=(N * 3,)), inputs=(x,))
    assert run(graph, {"in0": np.zeros((4, 3), np.float32)})["out0"].shape == (12,)


M, L = Symbol("m"), Symbol("l")

SHAPES: list[tuple[str, tuple[tuple[Dim, ...], ...], tuple[tuple[int, ...], ...], dict[str, int]]] = [
    ("alone", ((2 * N + 1,),), ((9,),), {"n": 4}),
    ("falling", ((10 - N,),), ((4,),), {"n": 6}),
    ("after a size that tells it", ((N,), (2 * N + 1,)), ((4,), (9,)), {"n": 4}),
    ("before a size that tells it", ((2 * N + 1,), (N,)), ((9,), (4,)), {"n": 4}),
    ("through another size", ((N + 3 * M,), (2 * M,)), ((16,), (8,)), {"n": 4, "m": 4}),
    ("what cannot be solved waits", ((N // 2 + 1, N * M), (M,), (N + 1,)), ((3, 12), (3,), (5,)), {"n": 4, "m": 3}),
    ("a chain backwards", ((N + M,), (M + L,), (3 * L,)), ((7,), (4,), (3,)), {"n": 4, "m": 3, "l": 1}),
]


@pytest.mark.parametrize(("types", "shapes", "told"), [row[1:] for row in SHAPES], ids=[row[0] for row in SHAPES])
@pytest.mark.parametrize("backwards", [False, True])
def test_sizes_are_solved_in_any_order(
    types: tuple[tuple[Dim, ...], ...], shapes: tuple[tuple[int, ...], ...], told: dict[str, int], backwards: bool
) -> None:
    order = slice(None, None, -1 if backwards else 1)
    inputs = tuple(vector(*shape) for shape in types[order])
    wanted = {name: {"n": N, "m": M, "l": L}[name] for name in told}
    flat = reshape(inputs[0], shape=(product(inputs[0].shape),))
    tiles = [broadcast(reduce_sum(flat, axes=(0,), keep_dims=True), shape=(size,)) for size in wanted.values()]
    feeds = {f"in{index}": np.zeros(shape, np.float32) for index, shape in enumerate(shapes[order])}
    results = run(graph_of(*tiles, inputs=inputs), feeds)
    assert [array.shape[0] for array in results.values()] == list(told.values())


@pytest.mark.parametrize(
    ("types", "shapes", "words"),
    [
        (((2 * N + 1,),), ((8,),), ["input 'in0'", "axis 0 must be 2*n + 1", "not 8", "n in [1, 8], a multiple of 2"]),
        (((2 * N + 1,),), ((7,),), ["input 'in0'", "axis 0 must be 2*n + 1", "not 7"]),
        (((2 * N + 1,),), ((25,),), ["axis 0 must be 2*n + 1", "not 25"]),
        (((3, 2 * N + 1), (N,)), ((3, 11), (4,)), ["input 'in0'", "axis 1 must be 9 = 2*n + 1", "not 11"]),
        (((N,), (3, 2 * N + 1)), ((4,), (3, 11)), ["input 'in1'", "axis 1 must be 9 = 2*n + 1", "not 11"]),
        (((2 * N + 1,), (3 * N,)), ((9,), (18,)), ["input 'in1'", "axis 0 must be 12 = 3*n", "not 18"]),
        (((N // 2,),), ((5,),), ["axis 0 must be n//2 with n in [1, 8]", "not 5"]),
        (((M * M, M * M),), ((4, 9),), ["axis 1 must be 4, as axis 0 of input 'in0'", "not 9"]),
        (((M // L,), (L,), (M,)), ((3,), (0,), (4,)), ["input 'in0'", "divided by zero"]),
    ],
)
def test_sizes_that_contradict_a_formula_are_refused(
    types: tuple[tuple[Dim, ...], ...], shapes: tuple[tuple[int, ...], ...], words: list[str]
) -> None:
    inputs = tuple(vector(*shape) for shape in types)
    feeds = {f"in{index}": np.zeros(shape, np.float32) for index, shape in enumerate(shapes)}
    with pytest.raises(UsageError) as caught:
        run(graph_of(*(relu(each) for each in inputs), inputs=inputs), feeds)
    for each in words:
        assert each in str(caught.value)


def test_a_size_that_nothing_tells_is_an_error_only_where_it_is_needed() -> None:
    x = vector(N // 2)
    feeds = {"in0": np.zeros(2, np.float32)}
    assert run(graph_of(relu(x), inputs=(x,)), feeds)["out0"].shape == (2,)
    needs = broadcast(reduce_sum(x, axes=(0,), keep_dims=True), shape=(N,))
    with pytest.raises(UsageError, match=r"input 'in0' .* axis 0 is 2, expected n//2, which does not tell n"):
        run(graph_of(needs, inputs=(x,)), feeds)


def test_a_fresh_size_that_nothing_tells_is_named() -> None:
    x = vector(1)
    with pytest.raises(InvalidModelError, match="broadcast needs the sizes lost, which nothing tells"):
        run(graph_of(broadcast(x, shape=(Symbol("lost"),)), inputs=(x,)), {"in0": [1]})


def test_sizes_that_depend_on_data_are_learned() -> None:
    x, keep = vector(4), vector(4, dtype=DType.BOOL)
    kept = compress(x, keep, axis=0)
    graph = graph_of(reshape(kept, shape=(kept.shape[0], 1)), inputs=(x, keep))
    feeds = {"in0": np.arange(4, dtype=np.float32), "in1": np.array([True, False, True, True])}
    np.testing.assert_array_equal(run(graph, feeds)["out0"], [[0], [2], [3]])


def test_dead_intermediates_are_freed() -> None:
    x = vector(5)
    y = x
    for _ in range(6):
        y = relu(y)
    alive: list[weakref.ref[np.ndarray]] = []
    most = 0

    def observe(node: Node, results: tuple[np.ndarray, ...]) -> None:
        nonlocal most
        alive.extend(weakref.ref(array) for array in results)
        most = max(most, sum(ref() is not None for ref in alive))

    run(graph_of(y, inputs=(x,)), {"in0": np.zeros(5, np.float32)}, observe=observe)
    assert most <= 2


def test_outputs_that_nobody_reads_do_not_stay() -> None:
    x = vector(6)
    first, _ = split(x, axis=0, sizes=(2, 4))
    assert run(graph_of(first, inputs=(x,)), {"in0": np.arange(6, dtype=np.float32)})["out0"].tolist() == [0, 1]


def test_an_input_that_is_an_output_is_a_copy() -> None:
    x = vector(2)
    fed = np.ones(2, np.float32)
    result = run(graph_of(x, inputs=(x,)), {"in0": fed})["out0"]
    result[0] = 5
    assert fed[0] == 1


def test_parameters_and_literals_are_read() -> None:
    x, w = vector(2), vector(2)
    two = constant(value=constant_of(np.full(2, 2, np.float32)))
    parameter = Parameter(w, constant_of(np.array([3, 4], np.float32)))
    graph = graph_of(mul(add(x, w), two), inputs=(x,), parameters=(parameter,))
    np.testing.assert_array_equal(run(graph, {"in0": [1, 1]})["out0"], [8, 10])


def test_a_value_from_nowhere_is_named() -> None:
    x = vector(2)
    with pytest.raises(InvalidModelError, match="neither fed"):
        run(graph_of(add(x, vector(2)), inputs=(x,)), {"in0": [1, 1]})


def test_an_unranked_input_takes_any_shape() -> None:
    x = Value(UnrankedType(F32))
    graph = Graph("g", (x,), (x,), ("y",), (), {x: "x"})
    assert run(graph, {"x": [[1]]})["y"].shape == (1, 1)
    assert run(graph, {"x": 1.0})["y"].shape == ()
    with pytest.raises(UsageError, match="float64"):
        run(graph, {"x": np.zeros(1, np.float64)})


def test_an_error_names_the_layer() -> None:
    x, at = vector(3), vector(1, dtype=DType.INT64)
    with sourced(Source("caffe", "net.prototxt", "pick", "BatchReindex")):
        y = gather(x, at, axis=0)
    with pytest.raises(InvalidModelError) as caught:
        run(graph_of(y, inputs=(x, at)), {"in0": [1, 2, 3], "in1": [7]})
    assert caught.value.source.layer == "pick"


def test_a_long_chain_needs_no_stack() -> None:
    x = vector(1)
    y = x
    for _ in range(20_000):
        y = relu(y)
    assert run(graph_of(y, inputs=(x,)), {"in0": [3]})["out0"].tolist() == [3]
