"""Each rule of the verifier, broken once; the error names the layer where there is one."""

from __future__ import annotations

import numpy as np
import pytest

from tests.ir.helpers import Same, add, full, relu, tensor
from xir.errors import InvalidModelError
from xir.ir.builder import sourced
from xir.ir.constant import constant_of
from xir.ir.dims import Symbol
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Node, Value
from xir.ir.source import Source
from xir.ir.types import DType, MapType, OptionalType, SequenceType, TensorType, Type, UnrankedType
from xir.ir.verify import compatible, verify

LAYER = Source("caffe", "net.prototxt", "sum", "Eltwise")
HELD = constant_of(np.zeros(2, np.float32))


def sound() -> Graph:
    x, weight = Value(tensor(2)), Value(tensor(2))
    body_input = Value(tensor(2))
    body = Graph("body", (body_input,), (relu(body_input),))
    with sourced(LAYER):
        y = add(x, weight, body=body)
    return Graph("g", (x,), (y,), ("out",), (Parameter(weight, HELD),), {x: "x", weight: "w", y: "y"})


def unknown_operand() -> Graph:
    with sourced(LAYER):
        return Graph("g", (), (relu(Value(tensor(2))),))


def foreign_value() -> Graph:
    x = Value(tensor(2))
    forged = Value(tensor(2), relu(x).node, 0)
    with sourced(LAYER):
        return Graph("g", (x,), (relu(forged),))


def unknown_output() -> Graph:
    return Graph("g", (), (Value(tensor(2)),))


def one_input_twice() -> Graph:
    x = Value(tensor(2))
    return Graph("g", (x, x), (x,))


def made_input() -> Graph:
    x = Value(tensor(2))
    y = relu(x)
    return Graph("g", (x, y), (y,))


def wrong_type() -> Graph:
    x = Value(tensor(2))
    return Graph("g", (x,), Node(Same("relu"), (x,), {}, (tensor(3),), (LAYER,)).outputs)


def wrong_number_of_outputs() -> Graph:
    x = Value(tensor(2))
    return Graph("g", (x,), Node(Same("relu"), (x,), {}, (tensor(2), tensor(2)), (LAYER,)).outputs)


def unfit_operands() -> Graph:
    x = Value(tensor(2))
    return Graph("g", (x,), Node(add, (x, full(3)), {}, (tensor(2),), (LAYER,)).outputs)


def wrong_elements() -> Graph:
    weight = Value(tensor(3))
    return Graph("g", (), (weight,), parameters=(Parameter(weight, HELD),), names={weight: "w"})


def one_name_twice() -> Graph:
    x = Value(tensor(2))
    y = relu(x)
    return Graph("g", (x,), (y,), ("out",), names={x: "x", y: "x"})


def empty_name() -> Graph:
    x = Value(tensor(2))
    return Graph("g", (x,), (x,), ("out",), names={x: ""})


def one_output_name_twice() -> Graph:
    x = Value(tensor(2))
    return Graph("g", (x,), (x, x), ("out", "out"), names={x: "x"})


def capturing_body() -> Graph:
    x = Value(tensor(2))
    with sourced(LAYER):
        body = Graph("body", (), (relu(x),))
        return Graph("g", (x,), (relu(x, body=body),))


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (unknown_operand(), r"layer 'sum' \(Eltwise\): G1: relu in graph 'g' reads a value"),
        (foreign_value(), r"layer 'sum' \(Eltwise\): G1: relu in graph 'g' reads a value"),
        (unknown_output(), r"G1: an output of graph 'g' is neither"),
        (one_input_twice(), "G2: inputs and parameters of graph 'g'"),
        (made_input(), "G2: inputs and parameters of graph 'g'"),
        (wrong_type(), r"layer 'sum' \(Eltwise\): G3: relu makes f32\[2\], the graph says f32\[3\]"),
        (wrong_number_of_outputs(), r"layer 'sum' \(Eltwise\): G3: relu makes f32\[2\], the graph says f32\[2\], f32"),
        (unfit_operands(), r"layer 'sum' \(Eltwise\): G3: add: f32\[2\] and f32\[3\] differ"),
        (wrong_elements(), r"G4: 'w' is f32\[3\], its data f32\[2\]"),
        (one_name_twice(), "G5: value name 'x' of graph 'g' is empty or stands twice"),
        (empty_name(), "G5: value name '' of graph 'g' is empty or stands twice"),
        (one_output_name_twice(), "G5: output name 'out' of graph 'g' is empty or stands twice"),
        (capturing_body(), r"layer 'sum' \(Eltwise\): G6: a body breaks a rule: G1: relu in graph 'body'"),
    ],
)
def test_a_broken_rule_is_named(graph: Graph, message: str) -> None:
    with pytest.raises(InvalidModelError, match=message):
        verify(graph)


def test_a_sound_graph_passes() -> None:
    verify(sound())


def test_a_long_graph_passes() -> None:
    x = y = Value(tensor(2))
    for _ in range(20_000):
        y = relu(y)
    verify(Graph("g", (x,), (y,)))


N, M = Symbol("N"), Symbol("M")


@pytest.mark.parametrize(
    ("a", "b", "answer"),
    [
        (tensor(N), tensor(M), True),
        (tensor(N), tensor(N + 1), False),
        (tensor(N), tensor(N, N), False),
        (tensor(N), TensorType(DType.INT8, (N,)), False),
        (SequenceType(tensor(N)), SequenceType(tensor(3)), True),
        (OptionalType(tensor(N)), OptionalType(tensor(3, 3)), False),
        (OptionalType(tensor(N)), SequenceType(tensor(N)), False),
        (MapType(DType.STRING, tensor(N)), MapType(DType.STRING, tensor(3)), True),
        (MapType(DType.STRING, tensor(N)), MapType(DType.INT64, tensor(N)), False),
        (UnrankedType(DType.INT8), UnrankedType(DType.INT8), True),
        (UnrankedType(DType.INT8), TensorType(DType.INT8, ()), False),
    ],
)
def test_types_fit_when_they_cannot_be_told_apart(a: Type, b: Type, answer: bool) -> None:
    assert compatible(a, b) is answer
