"""What ONNX's own operators cannot say, brought about by others: right under onnxruntime, and back again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.backends.export.onnx.shared import Net, by_onnxruntime, checked, meaning
from xir.backends.export.onnx import legalize
from xir.backends.export.onnx._form import Forms
from xir.backends.export.onnx._plan import Plan
from xir.backends.export.onnx._tables import FORMS
from xir.backends.export.onnx.export import plan_onnx
from xir.errors import InvalidModelError, UnsupportedError
from xir.frontends.onnx import import_onnx
from xir.ir.constant import constant_of
from xir.ir.dims import Symbol, maximum, minimum
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import table
from xir.ops.activation import hard_swish, leaky_relu, relu
from xir.ops.constant import constant, identity
from xir.ops.conv import conv, conv_transpose
from xir.ops.elementwise import add, clip
from xir.ops.norm import layer_norm, mean_variance_normalize
from xir.ops.pool import average_pool, lp_pool, max_pool, max_pool_with_indices
from xir.ops.reduce import reduce_l1, reduce_sum, reduce_sum_square
from xir.ops.resize import resize
from xir.ops.shape import broadcast, iota, pad, reshape, reverse, slice_, split
from xir.reference import random_inputs, run

ONES = {"strides": (1, 1), "dilation": (1, 1)}
NONE = ((0, 0), (0, 0))
H = Symbol("h", minimum=4)


def _gaps(net: Net) -> Value:
    x, w = net.input("x", 1, 2, H, 5), net.normal("w", 3, 2, 2, 2)
    return conv(x, w, padding=((1, 0), (0, -1)), input_dilation=(2, 3), groups=1, **ONES)  # type: ignore[arg-type]


def _transposed(net: Net, padding: object, extra: tuple[int, int], bias: bool) -> Value:
    x, w = net.input("x", 1, 2, 4, 5), net.normal("w", 2, 3, 2, 2)
    b = net.normal("b", 3) if bias else None
    return conv_transpose(x, w, b, padding=padding, output_padding=extra, groups=1, **ONES)  # type: ignore[arg-type]


def _pool(kind: Callable[..., Value], padding: object, **more: object) -> Callable[[Net], Value]:
    return lambda net: kind(net.input("x", 1, 2, 5, 5), window=(2, 2), padding=padding, **ONES, **more)


def _least(net: Net) -> Value:
    n, m = Symbol("n", minimum=1), Symbol("m", minimum=1)
    x, y = net.input("x", n), net.input("z", m)
    one = slice_(x, axes=(0,), starts=(0,), stops=(1,), steps=(1,))
    wide = broadcast(reshape(one, shape=()), shape=(minimum(n, m), maximum(n, m + 1)))
    return add(
        wide, broadcast(reshape(slice_(y, axes=(0,), starts=(0,), stops=(1,), steps=(1,)), shape=()), shape=wide.shape)
    )


CASES: dict[str, Callable[[Net], Value]] = {
    "gaps and cuts of a convolution": _gaps,
    "transposed convolution that grows": lambda net: _transposed(net, ((-1, 0), (0, -2)), (0, 0), True),
    "transposed convolution without bias": lambda net: _transposed(net, ((-1, 0), (0, 0)), (0, 0), False),
    "transposed convolution with much output padding": lambda net: _transposed(net, NONE, (2, 1), True),
    "counted padding as large as the window": _pool(average_pool, ((2, 2), (2, 2)), counted_padding=((2, 2), (2, 2))),
    "uncounted padding as large as the window": _pool(average_pool, ((1, 2), (1, 1)), counted_padding=((1, 1), (1, 1))),
    "norm of padded windows": _pool(lp_pool, ((2, 0), (0, 0)), p=2.0),
    "maximum behind a pad with zeros": lambda net: max_pool(
        identity(pad(net.input("x", 1, 1, 4, 4), padding=((0, 0), (0, 0), (1, 1), (1, 1)))),
        window=(1, 1),
        padding=NONE,
        **ONES,  # type: ignore[arg-type]
    ),
    "mean behind a pad with zeros": lambda net: average_pool(
        pad(net.input("x", 1, 1, 4, 4), padding=((0, 0), (0, 0), (1, 1), (1, 1))),
        window=(1, 1),
        padding=NONE,
        counted_padding=NONE,
        **ONES,  # type: ignore[arg-type]
    ),
    "slice of no axis": lambda net: slice_(net.input("x", 3), axes=(), starts=(), stops=(), steps=()),
    "reverse of no axis": lambda net: reverse(net.input("x", 3), axes=()),
    "pad of nothing": lambda net: pad(net.input("x", 3), padding=((0, 0),)),
    "edge pad that cuts": lambda net: pad(net.input("x", 5), padding=((-1, 2),), mode="edge"),
    "sum over no axis": lambda net: reduce_sum(net.input("x", 3), axes=(), keep_dims=True),
    "absolute sum over no axis": lambda net: reduce_l1(net.input("x", 3), axes=(), keep_dims=True),
    "squares over no axis": lambda net: reduce_sum_square(net.input("x", 3), axes=(), keep_dims=True),
    "numbers along an axis": lambda net: add(net.input("x", 2, 3), iota(shape=(2, 3), axis=0, dtype=DType.FLOAT32)),
    "broadcast of one shape": lambda net: broadcast(net.input("x", 3), shape=(3,)),
    "layer norm without scale": lambda net: layer_norm(net.input("x", 2, 4), axis=1, epsilon=1e-5),
    "mean and variance with ONNX's own epsilon": lambda net: mean_variance_normalize(
        net.input("x", 2, 3, 4, 4), axes=(0, 2, 3), normalize_variance=True, epsilon=1e-9, outside=True
    ),
    "mean and variance with epsilon under the root": lambda net: mean_variance_normalize(
        net.input("x", 2, 3, 4, 4), axes=(1,), normalize_variance=True, epsilon=1e-3, outside=False
    ),
    "scales that do not make the sizes": lambda net: resize(
        net.input("x", 1, 1, 5, 5), sizes=(9, 9), mode="linear", coordinates="half_pixel", scales=(1.9, 1.9)
    ),
    "run-time reshape by a literal": lambda net: reshape(
        net.input("x", 2, 6), constant(value=constant_of(np.array([4, -1], np.int64))), shape=(4, 3)
    ),
    "the smaller and the larger of two sizes": _least,
    "hard swish": lambda net: hard_swish(net.input("x", 5)),
}


@pytest.mark.parametrize("opset", [11, 13, 18, 21, 26])
@pytest.mark.parametrize("name", CASES)
def test_it_is_right_under_onnxruntime_and_comes_back(name: str, opset: int, tmp_path: Path) -> None:
    net = Net()
    graph = net.graph(y=CASES[name](net))
    checked(graph, tmp_path / "m.onnx", opset=opset)
    if not (opset == 11 and "two sizes" in name):  # there the choice is a comparison, which the importer keeps
        assert meaning(import_onnx(tmp_path / "m.onnx")) == meaning(legalize(graph, opset))
    feeds = random_inputs(graph, seed=3)
    for want, have in zip(run(graph, feeds).values(), by_onnxruntime(tmp_path / "m.onnx", feeds), strict=True):
        np.testing.assert_allclose(have, want, rtol=1e-4, atol=1e-5)


def test_legal_graphs_stay_as_they_are() -> None:
    net = Net()
    graph = net.graph(y=leaky_relu(net.input("x", 3), alpha=0.1))
    legal = legalize(graph, 21)
    assert legal.nodes[0].attributes["alpha"] == float(np.float32(0.1))
    assert legalize(legal, 21).nodes == legal.nodes


def test_doubles_lose_nothing_to_attributes_of_32_bits() -> None:
    net = Net()
    exact = leaky_relu(net.input("x", 3, dtype=DType.FLOAT64), alpha=0.1)
    assert "leaky_relu" not in [node.op.name for node in legalize(net.graph(y=exact), 21).nodes]
    fitting = leaky_relu(net.inputs[0], alpha=0.25)
    assert [node.op.name for node in legalize(net.graph(y=fitting), 21).nodes] == ["leaky_relu"]


def test_a_norm_over_channels_is_seven_operators(tmp_path: Path) -> None:
    net = Net()
    x = net.input("x", 2, 3, 4, 4)
    graph = net.graph(y=mean_variance_normalize(x, axes=(1,), normalize_variance=True, epsilon=1e-3, outside=False))
    made = checked(graph, tmp_path / "m.onnx").operators
    assert made == {"ReduceMean": 2, "Sub": 1, "Mul": 1, "Add": 1, "Sqrt": 1, "Div": 1}


def test_equal_broadcasts_become_one() -> None:
    net = Net()
    x, b = net.input("x", 2, 3), net.normal("b", 3)
    y = add(add(x, broadcast(b, shape=(2, 3))), broadcast(b, shape=(2, 3)))
    assert [node.op.name for node in legalize(net.graph(y=y), 21).nodes] == ["broadcast", "add", "add"]


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda net: clip(net.input("x", 2, dtype=DType.INT32), minimum=0.5, maximum=None), "the bound 0.5 is no i32"),
        (
            lambda net: max_pool_with_indices(
                net.input("x", 1, 1, 3, 3),
                window=(1, 1),
                padding=((1, 0), (0, 0)),
                **ONES,  # type: ignore[arg-type]
            )[0],
            "may cover padding alone",
        ),
        (
            lambda net: lp_pool(net.input("x", 1, 1, 3, 3), window=(2, 2), padding=NONE, p=2.5, **ONES),  # type: ignore[arg-type]
            "",
        ),
    ],
)
def test_what_is_refused_says_why(build: Callable[[Net], Value], text: str) -> None:
    net = Net()
    graph = net.graph(y=build(net))
    if not text:  # it has pieces of its own
        assert legalize(graph, 21).nodes
        return
    with pytest.raises(UnsupportedError, match=text) as caught:
        legalize(graph, 21)
    assert caught.value.problems[0].layers == ("y",)


def test_split_into_unknown_pieces_needs_opset_13() -> None:
    net = Net()
    n = Symbol("n")
    pieces = split(net.input("x", n + 2), axis=0, sizes=(n, 2))
    graph = net.graph(a=pieces[0], b=pieces[1])
    assert legalize(graph, 13).nodes
    assert [node.op.name for node in legalize(graph, 11).nodes] == ["slice", "slice"]


def test_an_illegal_graph_cannot_be_planned() -> None:
    net = Net()
    graph = net.graph(y=slice_(net.input("x", 3), axes=(), starts=(), stops=(), steps=()))
    with pytest.raises(InvalidModelError, match="slice is not legal at opset 21: legalize the graph first"):
        Plan(graph, 21).build()


def test_a_plan_says_what_would_be_written() -> None:
    net = Net()
    plan = plan_onnx(net.graph(y=relu(relu(net.input("x", 2)))))
    assert (plan.opset, plan.ir_version, plan.nodes, plan.operators) == (21, 10, 2, {"Relu": 2})


def test_two_forms_of_one_operator_are_an_error() -> None:
    forms = Forms()
    forms.same(relu, "Relu")
    with pytest.raises(TypeError, match="'relu' has two forms"):
        forms.of(relu)(lambda node, opset: relu(node.outputs[0]))
    with pytest.raises(TypeError, match="'relu' has two forms"):
        Forms(forms, forms)


FORMLESS = [
    *("example_feature", "string_hash", "string_strip", "string_length", "substring", "string_join", "string_pieces"),
    "tokenize",
    "regex_replace",
]
"""Operators that no file is written with: `onnx.defs` has nothing like them (and knows no com.microsoft Tokenizer)."""


def test_every_form_is_of_an_operator_and_every_operator_has_a_form_or_pieces() -> None:
    operators = table()
    assert set(FORMS.names()) <= set(operators)
    without = [name for name, each in operators.items() if FORMS.get(name) is None and each.decompose_rule is None]
    assert without == FORMLESS
