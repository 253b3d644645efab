"""Derivatives as graphs, compared with finite differences in f64 (central, step 1e-5: errors about 1e-9 relative)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from xir.autodiff import grad
from xir.errors import InvalidModelError, UnsupportedError, UsageError
from xir.ir.builder import sourced
from xir.ir.constant import constant_of
from xir.ir.dims import Symbol
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Value
from xir.ir.source import Source
from xir.ir.types import DType, TensorType
from xir.ir.verify import verify
from xir.ops import OpDef
from xir.ops.activation import leaky_relu, relu, sigmoid, swish, tanh
from xir.ops.compare import less
from xir.ops.conv import conv
from xir.ops.elementwise import add, cast, div, exp, floor, mul, select, sub
from xir.ops.matmul import gemm, matmul
from xir.ops.norm import batch_norm, log_softmax, softmax
from xir.ops.pool import average_pool, max_pool
from xir.ops.reduce import arg_max, reduce_mean, reduce_sum
from xir.ops.shape import concat, reshape, slice_, split, transpose
from xir.reference.execute import run

Floats = NDArray[np.float64]


def value(*shape: int | Symbol) -> Value:
    return Value(TensorType(DType.FLOAT64, shape))


def total(x: Value) -> Value:
    return reduce_sum(x, axes=tuple(range(x.rank)), keep_dims=False)


def graph_of(build: Callable[..., Value], shapes: Sequence[tuple[int, ...]]) -> Graph:
    inputs = tuple(value(*shape) for shape in shapes)
    names = {each: f"x{number}" for number, each in enumerate(inputs)}
    return Graph("g", inputs, (build(*inputs),), ("loss",), names=names)


def feeds_of(graph: Graph, seed: int = 0) -> dict[str, Floats]:
    generator = np.random.default_rng(seed)
    return {
        name: generator.uniform(-1, 1, each.tensor.static_shape) + 0.05
        for name, each in zip(graph.input_names, graph.inputs, strict=True)
    }


def check(graph: Graph) -> None:
    """Compares every derivative with central differences."""
    feeds = feeds_of(graph)
    derivative = grad(graph, "loss", graph.input_names)
    verify(derivative)
    found = run(derivative, feeds)
    assert list(found) == [f"grad_{name}" for name in graph.input_names]
    step = 1e-5
    for name, array in feeds.items():
        expected = np.zeros_like(array)
        for place in np.ndindex(array.shape):
            sides: list[float] = []
            for sign in (1, -1):
                moved = array.copy()
                moved[place] += sign * step
                sides.append(np.asarray(run(graph, feeds | {name: moved})["loss"]).item())
            expected[place] = (sides[0] - sides[1]) / (2 * step)
        np.testing.assert_allclose(found[f"grad_{name}"], expected, rtol=1e-6, atol=1e-8)


CASES: dict[str, tuple[Callable[..., Value], list[tuple[int, ...]]]] = {
    "read twice": (lambda x: total(mul(x, x)), [(3,)]),
    "read by many": (lambda x: total(add(mul(x, exp(x)), sub(tanh(x), x))), [(2, 2)]),
    "quotient": (lambda x, y: total(div(x, exp(y))), [(2, 3), (2, 3)]),
    "products": (lambda x, y: total(tanh(matmul(x, y))), [(2, 2, 3), (2, 3, 2)]),
    "by decomposition": (lambda x: total(mul(x, swish(leaky_relu(x, alpha=0.1), beta=1.5))), [(2, 4)]),
    "softmax": (lambda x, y: total(mul(softmax(x, axis=1), y)), [(2, 4), (2, 4)]),
    "log of softmax": (lambda x, y: total(mul(log_softmax(x, axis=-1 + 2), y)), [(2, 4), (2, 4)]),
    "mean": (lambda x: reduce_mean(mul(sigmoid(x), x), axes=(0, 1), keep_dims=False), [(2, 3)]),
    "layout": (
        lambda x: total(
            mul(
                concat(
                    transpose(reshape(x, shape=(3, 2)), perm=(1, 0)),
                    slice_(x, axes=(1,), starts=(1,), stops=(2,), steps=(1,)),
                    axis=1,
                ),
                concat(x, slice_(x, axes=(1,), starts=(0,), stops=(1,), steps=(2,)), axis=1),
            )
        ),
        [(2, 3)],
    ),
    "one of several outputs": (lambda x: total(exp(split(x, axis=0, sizes=(1, 2, 1))[1])), [(4, 2)]),
    "choice": (lambda x, y: total(select(less(x, y), mul(x, x), exp(y))), [(5,), (5,)]),
    "pooling": (
        lambda x: total(
            mul(
                max_pool(x, window=(2, 2), strides=(1, 1), padding=((0, 0), (1, 0)), dilation=(1, 1)),
                average_pool(
                    x,
                    window=(2, 2),
                    strides=(1, 1),
                    padding=((0, 0), (1, 0)),
                    counted_padding=((0, 0), (0, 0)),
                    dilation=(1, 1),
                ),
            )
        ),
        [(1, 2, 3, 3)],
    ),
    "convolution": (
        lambda x, w, b: total(
            tanh(
                conv(
                    x,
                    w,
                    b,
                    strides=(2, 1),
                    padding=((1, 0), (-1, 2)),
                    dilation=(1, 2),
                    input_dilation=(2, 1),
                    groups=2,
                )
            )
        ),
        [(1, 2, 3, 4), (4, 1, 2, 2), (4,)],
    ),
    "normalization": (
        lambda x, scale, shift, mean: total(exp(batch_norm(x, scale, shift, mean, exp(mean), epsilon=1e-3))),
        [(2, 2, 2), (2,), (2,), (2,)],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_derivatives_agree_with_finite_differences(name: str) -> None:
    build, shapes = CASES[name]
    check(graph_of(build, shapes))


def lenet(x: Value, target: Value, w1: Value, b1: Value, w2: Value, b2: Value, w3: Value) -> Value:
    """Convolution, pooling, ReLU, two products, cross entropy."""
    pool = {"window": (2, 2), "strides": (2, 2), "padding": ((0, 0), (0, 0)), "dilation": (1, 1)}
    y = conv(x, w1, b1, strides=(1, 1), padding=((1, 1),) * 2, dilation=(1, 1), input_dilation=(1, 1), groups=1)
    y = relu(max_pool(y, **pool))
    y = reshape(y, shape=(2, 2 * 3 * 3))
    y = tanh(gemm(y, w2, b2, alpha=1.0, beta=1.0, transpose_a=False, transpose_b=True))
    y = gemm(y, w3, alpha=1.0, beta=0.0, transpose_a=False, transpose_b=True)
    return total(mul(log_softmax(y, axis=1), target))


LENET_SHAPES = [(2, 1, 6, 6), (2, 3), (2, 1, 3, 3), (2,), (4, 18), (2, 4), (3, 4)]


def test_a_small_lenet() -> None:
    check(graph_of(lenet, LENET_SHAPES))


def test_a_value_that_the_result_does_not_need_has_the_derivative_zero() -> None:
    x, y = value(2), value(Symbol("n"), 2)
    graph = Graph("g", (x, y), (total(x), add(y, y)), ("loss", "other"), names={x: "x", y: "y"})
    found = run(grad(graph, "loss", ["y", "other"]), {"x": np.ones(2), "y": np.ones((3, 2))})
    np.testing.assert_array_equal(found["grad_y"], np.zeros((3, 2)))
    np.testing.assert_array_equal(found["grad_other"], np.zeros((3, 2)))


def test_values_inside_parameters_and_the_result_itself() -> None:
    x, weight = value(2), value(2)
    hidden = mul(x, weight)
    loss = total(swish(hidden, beta=1.0))
    held = constant_of(np.array([2.0, 3.0]))
    graph = Graph("g", (x,), (loss,), ("loss",), (Parameter(weight, held),), {x: "x", weight: "w", hidden: "h"})
    made = grad(graph, loss, ["w", hidden, "loss"], with_value=True)
    found = run(made, {"x": np.array([0.5, -1.0])})
    assert list(found) == ["loss", "grad_w", "grad_h", "grad_loss"]
    np.testing.assert_allclose(found["grad_w"], found["grad_h"] * np.array([0.5, -1.0]))
    assert found["grad_loss"] == 1
    assert made.name == "grad_g"


def test_a_chain_of_ten_thousand_nodes() -> None:
    x = y = value()
    for _ in range(5_000):
        y = add(y, tanh(y))
    graph = Graph("g", (x,), (y,), ("loss",), names={x: "x"})
    assert len(grad(graph, "loss", ["x"]).nodes) < 100_000


def test_derivatives_carry_the_sources_of_their_layers() -> None:
    layer = Source("caffe", "a", "act", "TanH")
    x = value(2)
    with sourced(layer):
        y = tanh(x)
    made = grad(Graph("g", (x,), (total(y),), ("loss",), names={x: "x"}), "loss", ["x"])
    assert sum(node.source == (layer,) for node in made.nodes) > 1


def test_what_only_decides_needs_no_derivative() -> None:
    x = value(3)
    index = cast(arg_max(x, axis=0, keep_dims=True, last=False), dtype=DType.FLOAT64)
    graph = Graph("g", (x,), (add(total(x), total(index)),), ("loss",), names={x: "x"})
    np.testing.assert_array_equal(run(grad(graph, "loss", ["x"]), {"x": np.zeros(3)})["grad_x"], np.ones(3))


def test_operators_without_a_derivative_are_listed_at_once() -> None:
    x = value(3)
    with sourced(Source("caffe", "a", "step", "Floor")):
        y = floor(x)
    with sourced(Source("caffe", "a", "step2", "Floor")):
        y = floor(y)
    graph = Graph("g", (x,), (total(y),), ("loss",), names={x: "x"})
    with pytest.raises(UnsupportedError, match="no derivative exists through: floor") as caught:
        grad(graph, "loss", ["x"])
    (problem,) = caught.value.problems
    assert (problem.kind, problem.layers) == ("floor", ("step2",))


@pytest.mark.parametrize(
    ("of", "wrt", "message"),
    [
        ("nothing", ["x"], "the graph has no value 'nothing'"),
        ("loss", ["nothing"], "the graph has no value 'nothing'"),
        ("loss", [value(1)], "is no value of the graph"),
        ("loss", ["x", "x"], "a name stands twice"),
        ("loss", ["i"], "only floating-point values have derivatives"),
        ("y", ["x"], "the value to derive has one element"),
    ],
)
def test_impossible_requests_are_refused(of: str, wrt: list[str | Value], message: str) -> None:
    x, i = value(3), Value(TensorType(DType.INT64, ()))
    y = exp(x)
    graph = Graph("g", (x, i), (total(y),), ("loss",), names={x: "x", i: "i", y: "y"})
    with pytest.raises(UsageError, match=message):
        grad(graph, of, wrt)


def odd(x: Value) -> TensorType:
    """An operator whose rules are wrong, for the tests below."""
    return x.tensor


def derived_by(slot: str, rule: Callable[..., object]) -> None:
    operator = OpDef(odd)
    getattr(operator, slot)(lambda *given: rule(operator, *given))
    x = value(2)
    grad(Graph("g", (x,), (total(operator(x)),), ("loss",), names={x: "x"}), "loss", ["x"])


@pytest.mark.parametrize(
    ("slot", "rule", "message"),
    [
        ("gradient", lambda operator, node, dy: (dy, dy), "odd: 2 gradients for 1 operands"),
        ("gradient", lambda operator, node, dy: (total(dy),), r"odd: the gradient of f64\[2\] is f64\[\]"),
        ("decompose", lambda operator, x: operator(x), "operators decompose into each other more than 100 times"),
    ],
)
def test_wrong_rules_are_found(slot: str, rule: Callable[..., object], message: str) -> None:
    with pytest.raises(InvalidModelError, match=message):
        derived_by(slot, rule)
