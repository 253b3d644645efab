"""What readers see of a value, and the ranges that follow from it."""

import numpy as np
import pytest

from tests.precision.models import OPS, Model, convolution, random
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ops.conv import conv
from xir.ops.matmul import gemm, matmul
from xir.precision import Quantization, quantize
from xir.precision.ranges import ranges_of
from xir.precision.readers import FLATTENING, seen_end, sight_of
from xir.reference.execute import run_node


def read_by(*names: str, result: bool = False) -> tuple[Graph, Value]:
    made = Model()
    x = made.input("x", 4, 500)
    ends = {f"y{number}": OPS[name](x) for number, name in enumerate(names)}
    return made.graph(**ends, **({"x_out": x} if result else {})), x


def range_of(*names: str, result: bool = False, low: float = -50.0) -> tuple[float, float]:
    graph, x = read_by(*names, result=result)
    numbers = np.linspace(low, 10.0, 2000, dtype=np.float32).reshape(4, 500)
    return ranges_of(graph, [x], [{"x": numbers}], Quantization())[0][x]


@pytest.mark.parametrize("name", ["hard_swish", "relu"])
def test_what_a_reader_does_not_see_is_cut_off(name):
    low, high = range_of(name)
    assert -4.0 < low <= 0.0
    assert high > 9.5


@pytest.mark.parametrize(
    ("names", "result"),
    [(("neg",), False), (("hard_swish", "neg"), False), (("hard_swish",), True)],
    ids=["another reader alone", "another reader too", "the model's result"],
)
def test_what_somebody_sees_is_kept(names, result):
    assert range_of(*names, result=result)[0] < -40.0


def test_other_methods_know_no_readers():
    graph, x = read_by("hard_swish")
    numbers = np.linspace(-50, 10, 2000, dtype=np.float32).reshape(4, 500)
    for method in ("minmax", "percentile"):
        assert ranges_of(graph, [x], [{"x": numbers}], Quantization(method=method))[0][x][0] < -49


def test_each_way_of_seeing_counts_once():
    graph, x = read_by("relu", "relu", "tanh", "neg", "abs")
    assert len(sight_of(graph, x).views) == 3


@pytest.mark.parametrize("name", ["hard_swish", "mish", "relu", "sigmoid", "softplus", "softsign", "tanh"])
def test_views_are_the_functions_themselves(name):
    assert name in FLATTENING
    numbers = np.array([-100.0, -1.0, 0.0, 2.0])
    made = Model()
    x = made.input("x", 4)
    graph = made.graph(y=OPS[name](x))
    (view,) = sight_of(graph, x).views
    (node,) = graph.nodes
    np.testing.assert_allclose(view(numbers), run_node(node, (numbers.astype(np.float32),))[0], rtol=1e-6, atol=1e-12)


def test_views_have_the_attributes_of_their_reader():
    made = Model()
    x = made.input("x", 3)
    graph = made.graph(y=OPS["clip"](x, minimum=-1.0, maximum=2.0), z=OPS["clip"](x, minimum=0.0, maximum=None))
    found = [view(np.array([-5.0, 1.0, 5.0])).tolist() for view in sight_of(graph, x).views]
    assert found == [[-1, 1, 2], [0, 1, 5]]


def weighed(build) -> tuple[np.ndarray | None, int]:
    made = Model()
    x, y = build(made)
    sight = sight_of(made.graph(y=y), x)
    return sight.weights, sight.axis


def convolved(made: Model, groups: int) -> tuple[Value, Value]:
    x = made.input("x", 1, 4, 5, 5)
    w = np.zeros((4, 4 // groups, 1, 1), np.float32)
    w[:, 0], w[2] = 1.0, 3.0
    y = conv(
        x,
        made.weight("w", w),
        strides=(1, 1),
        padding=((0, 0), (0, 0)),
        dilation=(1, 1),
        input_dilation=(1, 1),
        groups=groups,
    )
    return x, y


@pytest.mark.parametrize(
    ("groups", "expected"),
    [(1, [12, 9, 9, 9]), (2, [2, 0, 10, 9]), (4, [1, 1, 9, 1])],
)
def test_channels_of_convolutions_count_by_the_squares_of_their_weights(groups, expected):
    weights, axis = weighed(lambda made: convolved(made, groups))
    assert axis == 1
    np.testing.assert_allclose(weights, np.array(expected) / np.mean(expected))


@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("transpose_b", [False, True])
def test_channels_of_products_with_bias(transpose_a, transpose_b):
    w = np.array([[1, 1], [3, 0], [0, 0]], np.float32)

    def build(made: Model):
        x = made.input("x", *((3, 4) if transpose_a else (4, 3)))
        held = made.weight("w", w.T.copy() if transpose_b else w)
        words = {"alpha": 1.0, "beta": 1.0, "transpose_a": transpose_a, "transpose_b": transpose_b}
        return x, gemm(x, held, None, **words)

    weights, axis = weighed(build)
    assert axis == (0 if transpose_a else 1)
    np.testing.assert_allclose(weights, np.array([2, 9, 0]) * 3 / 11)


def test_channels_of_plain_products():
    def build(made: Model):
        x = made.input("x", 2, 3)
        return x, matmul(x, made.weight("w", np.array([[1, 1], [3, 0], [0, 0]], np.float32)))

    weights, axis = weighed(build)
    assert axis == 1
    np.testing.assert_allclose(weights, np.array([2, 9, 0]) * 3 / 11)


@pytest.mark.parametrize("value", [0.0, np.inf])
def test_weights_of_no_size_weigh_nothing(value):
    def build(made: Model):
        x = made.input("x", 2, 3)
        return x, matmul(x, made.weight("w", np.full((3, 2), value, np.float32)))

    assert weighed(build)[0] is None


def test_a_reader_without_weights_lets_all_channels_count_alike():
    made = Model()
    x, y = convolved(made, 1)
    assert sight_of(made.graph(y=y, z=OPS["neg"](x)), x).weights is None


def test_arrays_without_the_channels_count_alike():
    made = Model()
    x, y = convolved(made, 4)
    sight = sight_of(made.graph(y=y), x)
    assert sight.weights_like(np.zeros(4)) is None
    assert sight.weights_like(np.zeros((1, 3, 5, 5))) is None
    like = sight.weights_like(np.zeros((2, 4, 1, 1)))
    assert like is not None
    np.testing.assert_allclose(like[0, :, 0, 0] * 3, [1, 1, 9, 1])


def test_the_end_behind_functions_that_alone_read():
    made = Model()
    x = made.input("x", 3)
    y = OPS["relu"](x)
    z = OPS["tanh"](y)
    assert seen_end(made.graph(z=z), x) is z
    assert seen_end(made.graph(z=z, y=y), x) is y
    assert seen_end(made.graph(z=OPS["neg"](y)), x) is y


def test_the_error_of_a_layer_is_that_of_what_its_reader_sees():
    """A convolution whose results lie far below 0 but for a few, behind a hard swish: the rest is not looked at."""
    made = Model()
    x = made.input("x", 1, 4, 8, 8)
    y = OPS["hard_swish"](convolution(made, x, "conv", 4))
    graph = made.graph(y=y)
    data = [{"x": random(1, 4, 8, 8, seed=seed, scale=30.0)} for seed in range(3)]
    report = quantize(graph, data).report
    (layer,) = report.layers
    assert layer.total is not None
    assert layer.total.relative == pytest.approx(report.outputs[0].relative)
