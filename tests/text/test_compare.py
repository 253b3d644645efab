"""Each thing that a graph holds makes a difference, and the difference is told in words."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from xir.errors import InvalidModelError
from xir.ir.builder import sourced
from xir.ir.constant import Constant, constant_of
from xir.ir.dims import Symbol
from xir.ir.graph import Constraint, Graph, Parameter
from xir.ir.node import Node, Value
from xir.ir.source import Source
from xir.ir.types import DType, TensorType
from xir.ops import OpDef
from xir.ops.constant import constant, identity
from xir.ops.shape import concat, reverse, split
from xir.text import first_difference, print_graph, same_graph

SOURCE = Source("caffe", "net", "layer", "Kind")


def holder(x: Value, *, body: Graph, real: float = 0.0) -> TensorType:
    """Its operand."""
    return x.tensor


HOLDER = OpDef(holder)


def build(**change: object) -> Graph:
    """A graph that holds one of everything; `change` replaces single things."""
    given: dict[str, object] = {
        "name": "g",
        "size": Symbol("N"),
        "elements": [1.0, 2.0],
        "trainable": True,
        "value_name": "x",
        "reason": "r",
        "axes": (0,),
        "source": SOURCE,
        "output": "o",
        "operand": 0,
        "literal": constant_of(np.arange(2)),
        "real": 0.0,
        "body": "b",
        "parameter_type": np.float32,
        **change,
    }
    size = given["size"]
    x, y = (Value(TensorType(DType.FLOAT32, (size, 2))) for _ in range(2))
    held = constant_of(np.array(given["elements"], given["parameter_type"]))
    parameter = Parameter(Value(held.type), held, bool(given["trainable"]))
    with sourced(given["source"]):
        turned = reverse((x, y)[given["operand"]], axes=given["axes"])
    inner = Value(x.type)
    body = Graph(str(given["body"]), (inner,), (inner,), ("o",))
    (out,) = HOLDER(turned, body=body, real=given["real"]).node.outputs
    literal = constant(value=given["literal"])
    return Graph(
        str(given["name"]),
        (x, y),
        (out, literal, parameter.value),
        (str(given["output"]), "literal", "p"),
        (parameter,),
        {x: str(given["value_name"])},
        (Constraint(size, 4, str(given["reason"])),),
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "h"}, "graph names 'g' and 'h'"),
        ({"size": Symbol("M")}, "symbols differ: symbol N and symbol M"),
        ({"size": Symbol()}, "symbols differ: symbol N and symbol ?0"),
        ({"size": Symbol("N", minimum=1)}, "symbols differ: symbol N and symbol N {minimum=1}"),
        ({"elements": [1.0, 3.0]}, "has other elements"),
        ({"elements": [1.0, 2.0, 3.0]}, "is f32[2] and f32[3]"),
        ({"parameter_type": np.float16}, "is f32[2] and f16[2]"),
        ({"trainable": False}, "is trainable in one graph only"),
        ({"value_name": "z"}, "value names 'x' and 'z'"),
        ({"reason": "s"}, "constraints"),
        ({"axes": (1,)}, "has another axes: (0,) and (1,)"),
        ({"axes": (0, 1)}, "has another axes"),
        ({"source": Source("caffe", "net", "other", "Kind")}, "comes from"),
        ({"output": "q"}, "output names"),
        ({"operand": 1}, "reads other operands"),
        ({"literal": constant_of(np.arange(3))}, "has another value"),
        ({"literal": constant_of(np.array(["a", "b"], dtype=object))}, "has another value"),
        ({"real": -0.0}, "has another real: 0.0 and -0.0"),
        ({"body": "c"}, "body: graph names 'b' and 'c'"),
    ],
    ids=lambda item: next(iter(item)) if isinstance(item, dict) else None,
)
def test_each_difference_is_told(change: dict[str, object], words: str) -> None:
    found = first_difference(build(), build(**change))
    assert found is not None
    assert words in found
    assert not same_graph(build(), build(**change))
    assert print_graph_or_none(build()) != print_graph_or_none(build(**change))


def print_graph_or_none(graph: Graph) -> str:
    return print_graph(graph).replace("\n", " ") if graph else ""


@pytest.fixture(autouse=True)
def _known_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xir.text.parser.table", lambda: {"holder": HOLDER})


def test_equal_graphs_are_the_same() -> None:
    assert first_difference(build(), build()) is None
    assert same_graph(build(real=float("nan")), build(real=float("nan")))


X = TensorType(DType.FLOAT32, (2, 2))


def of(make: Callable[[Value], tuple[Value, ...]], inputs: int = 1) -> Graph:
    values = tuple(Value(X) for _ in range(inputs))
    return Graph("g", values, make(values[0]), ())


def test_shapes_of_the_web_are_told() -> None:
    one = of(lambda x: (identity(x),))
    assert first_difference(one, of(lambda x: (identity(x),), 2)) == "1 and 2 inputs"
    assert first_difference(one, of(lambda x: (identity(identity(x)),))) == "1 and 2 nodes"
    assert "is reverse" in str(first_difference(one, of(lambda x: (reverse(x, axes=(0,)),))))
    two = of(lambda x: split(x, axis=0, sizes=(1, 1)))
    swapped = Graph("g", two.inputs, two.outputs[::-1], two.output_names)
    assert first_difference(two, swapped) == "output '1' is another value"
    assert "reads other operands" in str(
        first_difference(of(lambda x: (concat(x, axis=0),)), of(lambda x: (concat(x, x, axis=0),)))
    )


def test_parameters_constraints_and_attributes_are_counted() -> None:
    graph = build()
    fewer = Graph(graph.name, graph.inputs, graph.outputs[:2], graph.output_names[:2], (), graph.names)
    assert first_difference(graph, fewer) == "1 and 0 parameters"
    x = Value(X)
    stranger = Node(HOLDER, (x,), {}, (X, X))
    known = Node(HOLDER, (x,), {"real": 1.0}, (X,))
    found = first_difference(
        Graph("g", (x,), (stranger.outputs[0],), ("o",)), Graph("g", (x,), (known.outputs[0],), ("o",))
    )
    assert found == "node '1' (holder) has the attributes [] and ['real']"
    other = Node(HOLDER, (x,), {"real": 1.0}, (X, X))
    found = first_difference(
        Graph("g", (x,), (other.outputs[0],), ("o",)), Graph("g", (x,), (known.outputs[0],), ("o",))
    )
    assert found == "node '1' (holder) has 2 and 1 outputs"


BROKEN: list[tuple[str, Callable[[Value], Graph]]] = [
    ("G1: ", lambda x: Graph("g", (), (identity(x),), ("o",))),
    ("G1: ", lambda x: Graph("g", (), (x,), ("o",))),
    ("G2: .*twice", lambda x: Graph("g", (x, x), (x,), ("o",))),
    ("G2: .*made by a node", lambda x: Graph("g", (identity(x),), (x,), ("o",))),
    ("G4: ", lambda x: Graph("g", (), (x,), ("o",), (Parameter(x, constant_of([1])),))),
    ("G5: ", lambda x: Graph("g", (x, y := Value(X)), (x,), ("o",), (), {x: "a", y: "a"})),
]


@pytest.mark.parametrize(("message", "make"), BROKEN)
def test_graphs_that_no_text_can_say_are_refused(message: str, make: Callable[[Value], Graph]) -> None:
    with pytest.raises(InvalidModelError, match=message):
        print_graph(make(Value(X)))


def test_symbols_of_one_name_with_different_limits_are_refused() -> None:
    values = tuple(Value(TensorType(DType.FLOAT32, (Symbol("N", minimum=low),))) for low in (0, 1))
    with pytest.raises(InvalidModelError, match="size 'N' is declared with"):
        print_graph(Graph("g", values, values, ("a", "b")))


def test_symbols_inside_formulas_are_numbered_by_their_formulas() -> None:
    def made(flip: bool) -> Graph:
        a, b = Symbol(), Symbol()
        formulas = (a + b, 2 * a) if not flip else (b + a, 2 * b)
        value = Value(TensorType(DType.FLOAT32, formulas))
        return Graph("g", (value,), (value,), ("o",))

    assert print_graph(made(False)) == print_graph(made(True))
    assert "f32[?0 + ?1,2*?1]" in print_graph(made(False))


def test_elements_that_are_no_strings_are_refused() -> None:
    strange = constant_of(np.array([1.5, None], dtype=object))
    assert isinstance(strange, Constant)
    with pytest.raises(InvalidModelError, match="expected text or bytes"):
        print_graph(Graph("g", (), (constant(value=strange),), ("o",)))
