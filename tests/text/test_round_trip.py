"""Everything that a graph holds survives printing and parsing."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xir.errors import FormatError, UnsafeError
from xir.ir.builder import apply, sourced
from xir.ir.constant import Constant, constant_of
from xir.ir.dims import Dim, Symbol, add, evaluate, floor_divide, maximum, minimum, multiply
from xir.ir.graph import Constraint, Graph, Parameter
from xir.ir.node import Node, Value
from xir.ir.source import Source
from xir.ir.types import DType, MapType, OptionalType, SequenceType, TensorType, Type, UnrankedType
from xir.ops import OpDef, table
from xir.ops.constant import constant, identity
from xir.ops.shape import concat, reshape, split, transpose
from xir.text import first_difference, held_weights, parse_graph, parse_graphs, print_graph, print_graphs

GOLDEN = sorted(Path(__file__).parent.glob("*.xir"))
F32 = TensorType(DType.FLOAT32, (2, 3))
HOSTILE = st.one_of(
    st.text(min_size=1, max_size=12),
    st.sampled_from(
        ['"', "\\", "\n", "\0", "%1", "1", "a b", "min", "none", "?0", "inf", "\u202e", "\ud800", "#", "}"]
    ),
)


def kitchen_sink(  # every kind of attribute that `xir.ops` admits
    x: Value,
    *rest: Value,
    number: int,
    real: float,
    flag: bool,
    text: str,
    mode: Literal["one", "two words"],
    dtype: DType,
    size: Dim,
    table_: tuple[tuple[Dim, Dim], ...],
    fixed: tuple[int, float] | None,
    data: Constant,
    maybe: Constant | None = None,
    body: Graph | None = None,
    bodies: tuple[Graph, ...] = (),
) -> TensorType:
    """Its first operand."""
    return x.tensor


SINK = OpDef(kitchen_sink)
PLAIN: dict[str, object] = {
    "number": -3,
    "real": 0.1,
    "flag": True,
    "text": "x",
    "mode": "two words",
    "dtype": DType.BFLOAT16,
    "size": 4,
    "table_": (),
    "fixed": None,
    "data": constant_of(np.arange(3)),
}


@pytest.fixture(autouse=True)
def _sink(monkeypatch: pytest.MonkeyPatch) -> None:
    operators = {**table(), "kitchen_sink": SINK}
    monkeypatch.setattr("xir.text.parser.table", lambda: operators)


def sink(x: Value, *rest: Value, **attributes: object) -> Value:
    return apply(SINK, (x, *rest), SINK.attributes({**PLAIN, **attributes})).outputs[0]


def graph_of(output: Value, *inputs: Value, **more: object) -> Graph:
    return Graph("g", inputs, (output,), ("out",), **more)  # type: ignore[arg-type]


def assert_survives(graph: Graph) -> Graph:
    text = print_graph(graph)
    back = parse_graph(text, weights=held_weights(graph))
    assert first_difference(graph, back) is None
    assert print_graph(back) == text
    return back


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden_files_print_as_they_stand(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert print_graph(parse_graph(text, file=path.name)) == text


def test_every_finite_bit_pattern_of_small_types_survives() -> None:
    x = Value(F32)
    for dtype in DType:
        if dtype is DType.STRING or dtype.dtype.itemsize != 1:
            continue
        patterns = np.arange(256, dtype=np.uint8)
        for start in range(0, 256, 64):
            held = constant_of(patterns[start : start + 64].view(dtype.dtype))
            assert_survives(graph_of(sink(x, data=held), x))


@pytest.mark.parametrize("dtype", [dtype for dtype in DType if dtype is not DType.STRING], ids=str)
def test_random_bits_of_every_type_survive(dtype: DType) -> None:
    rng = np.random.default_rng(0)
    raw = rng.integers(0, 256, size=60 * dtype.dtype.itemsize, dtype=np.uint8)
    x = Value(F32)
    assert_survives(graph_of(sink(x, data=constant_of(raw.view(dtype.dtype).reshape(5, 1, 12))), x))


@pytest.mark.parametrize(
    "dtype", [DType.FLOAT16, DType.FLOAT32, DType.FLOAT64, DType.BFLOAT16, DType.COMPLEX64], ids=str
)
def test_special_numbers_survive(dtype: DType) -> None:
    numbers = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, -np.nan, 0.1, 1 / 3, 1e-7, 65504.0]).astype(dtype.dtype)
    x = Value(F32)
    assert_survives(graph_of(sink(x, data=constant_of(numbers)), x))


def test_large_constants_stand_beside_the_text_once() -> None:
    x = Value(F32)
    weights = np.arange(65, dtype=np.float32)
    first, second = constant_of(weights), constant_of(weights.copy())
    wide = constant_of(weights.astype(">f8"))
    graph = graph_of(sink(x, data=first, maybe=second, fixed=(1, 2.0)), x)
    text = print_graph(assert_survives(graph))
    assert text.count("weight(") == 2
    assert len(set(held_weights(graph)._found)) == 1
    assert_survives(graph_of(sink(x, data=wide), x))


def test_strings_of_any_number_stand_in_the_text() -> None:
    words = np.array(["ü", b'\xff\\"', '"', "\0"] * 20, dtype=object).reshape(2, 40)
    x = Value(F32)
    back = assert_survives(graph_of(sink(x, data=constant_of(words)), x))
    value = back.nodes[0].attributes["data"]
    assert isinstance(value, Constant)
    assert value.array().tolist() == words.tolist()


@pytest.mark.parametrize(
    "type_",
    [
        UnrankedType(DType.FLOAT32),
        SequenceType(OptionalType(TensorType(DType.STRING, ()))),
        OptionalType(SequenceType(UnrankedType(DType.INT4))),
        SequenceType(MapType(DType.INT64, SequenceType(TensorType(DType.FLOAT32, (2,))))),
        TensorType(DType.COMPLEX128, (0, 7)),
    ],
    ids=repr,
)
def test_every_type_survives(type_: Type) -> None:
    value = Value(type_)
    assert_survives(graph_of(value, value))


def test_types_of_any_depth_below_the_limit_survive() -> None:
    type_: Type = UnrankedType(DType.FLOAT32)
    for _ in range(90):
        type_ = SequenceType(type_)
    value = Value(type_)
    assert_survives(graph_of(value, value))


def test_absent_and_variadic_operands_and_plural_results_survive() -> None:
    x = Value(F32)
    left, right = split(x, axis=1, sizes=(1, 2))
    joined = concat(right, left, right, axis=1)
    assert_survives(graph_of(sink(reshape(joined, shape=(10,)), left, right), x))


def test_one_value_may_be_several_outputs_and_an_input_may_be_one() -> None:
    x = Value(F32)
    y = identity(x)
    graph = Graph("g", (x,), (y, x, y), ("a", "b", "c"), (), {x: "x"})
    back = assert_survives(graph)
    assert back.outputs[0] is back.outputs[2]
    assert back.outputs[1] is back.inputs[0]


def test_numbers_are_those_that_the_graph_gives() -> None:
    x, y = Value(F32), Value(F32)
    out = identity(x)
    graph = Graph("g", (x, y), (out,), ("out",), (), {y: "0"})
    assert f"%{graph.name_of(out)}: f32[2,3] = identity(%{graph.name_of(x)})" in print_graph(graph)
    assert_survives(graph)


def test_a_data_dependent_size_takes_the_printed_symbol() -> None:
    fresh = Symbol()
    x = Value(TensorType(DType.FLOAT32, (fresh, 2)))
    back = assert_survives(graph_of(reshape(x, shape=(fresh * 2,)), x))
    (size,) = back.inputs[0].type.shape[:1]  # type: ignore[union-attr]
    assert back.outputs[0].type == TensorType(DType.FLOAT32, (size * 2,))


def nested(depth: int) -> Graph:
    body = graph_of((x := Value(F32)), x)
    for _ in range(depth):
        x = Value(F32)
        body = graph_of(sink(x, body=body, bodies=(body,) if depth < 4 else ()), x)
    return body


def test_bodies_survive_with_symbols_shared_between_levels() -> None:
    size = Symbol()
    inner_x, x = (Value(TensorType(DType.FLOAT32, (size,))) for _ in range(2))
    inner = Graph("in\n", (inner_x,), (identity(inner_x),), ("o",), (), {inner_x: "x"})
    back = assert_survives(graph_of(sink(x, body=inner, bodies=(inner, inner)), x))
    body = back.nodes[0].attributes["body"]
    assert isinstance(body, Graph)
    assert body.inputs[0].type == back.inputs[0].type
    assert_survives(nested(3))


def test_bodies_nest_up_to_the_limit_and_not_deeper() -> None:
    assert_survives(nested(99))
    with pytest.raises(UnsafeError, match="nested deeper than 100"):
        print_graph(nested(100))
    line = '%0: f32[2,3] = kitchen_sink(%x) {body=graph "g" { input %x: f32[2,3] '
    with pytest.raises(UnsafeError, match="nested deeper than 100"):
        parse_graph('xir 1 graph "g" { input %x: f32[2,3] ' + line * 101)


def test_long_chains_survive() -> None:
    value = x = Value(F32)
    for _ in range(20_000):
        value = identity(value)
    assert_survives(graph_of(value, x))


def test_several_graphs_share_a_text_but_not_their_symbols() -> None:
    def of(minimum: int) -> Graph:
        x = Value(TensorType(DType.FLOAT32, (Symbol("N", minimum=minimum),)))
        return graph_of(identity(x), x)

    text = print_graphs([of(1), of(2)])
    first, second = parse_graphs(text)
    assert first_difference(first, of(1)) is None
    assert first_difference(second, of(2)) is None


SYMBOLS = [Symbol("N", minimum=1), Symbol("a b", maximum=8), Symbol("max", divisor=4), Symbol(), Symbol(minimum=2)]
DIMS = st.recursive(
    st.one_of(st.integers(-40, 40), st.sampled_from(SYMBOLS)),
    lambda inner: st.one_of(
        st.builds(add, inner, inner),
        st.builds(multiply, inner, inner),
        st.builds(floor_divide, inner, st.integers(1, 9)),
        st.builds(lambda a, s: floor_divide(a, s), inner, st.sampled_from(SYMBOLS)),
        st.builds(minimum, inner, inner),
        st.builds(maximum, inner, inner),
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(DIMS)
def test_formulas_come_back_in_normal_form(dim: Dim) -> None:
    x = Value(TensorType(DType.FLOAT32, tuple(SYMBOLS)))
    back = assert_survives(graph_of(sink(x, size=dim, table_=((dim, 0),)), x))
    twins = dict(zip(SYMBOLS, back.inputs[0].shape, strict=True))
    assert back.nodes[0].attributes["size"] == evaluate(dim, twins)


SOURCES = st.builds(
    Source,
    framework=HOSTILE,
    file=HOSTILE,
    layer=st.text(max_size=5),
    kind=st.text(max_size=3),
    path=st.lists(HOSTILE, max_size=2).map(tuple),
    location=st.none() | HOSTILE,
    order=st.integers(-2, 10**6),
    layout=st.none() | st.permutations(range(3)).map(tuple),
    module=st.none() | HOSTILE,
)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    shape = (draw(st.sampled_from([2, SYMBOLS[0], SYMBOLS[1], SYMBOLS[3]])), 3)
    inputs = [Value(TensorType(DType.FLOAT32, shape)) for _ in range(draw(st.integers(1, 3)))]
    numbers = np.array(draw(st.lists(st.floats(width=32), min_size=3, max_size=3)), np.float32)
    parameter = Parameter(Value(TensorType(DType.FLOAT32, (3,))), constant_of(numbers), draw(st.booleans()))
    values = [*inputs, parameter.value]
    for _ in range(draw(st.integers(0, 8))):
        with sourced(*draw(st.lists(SOURCES, max_size=2))):
            x = draw(st.sampled_from(values))
            match draw(st.integers(0, 4)):
                case 0:
                    values.append(identity(x))
                case 1:
                    values.append(transpose(x, perm=tuple(draw(st.permutations(range(x.rank))))))
                case 2:
                    values += [identity(x), identity(x)]
                case 3:
                    values.append(constant(value=parameter.constant))
                case _:
                    attributes = {
                        "number": draw(st.integers(-(2**63), 2**63 - 1)),
                        "real": draw(st.floats()),
                        "flag": draw(st.booleans()),
                        "text": draw(HOSTILE),
                        "dtype": draw(st.sampled_from(DType)),
                        "fixed": draw(st.none() | st.tuples(st.integers(-(2**63), 2**63 - 1), st.floats())),
                    }
                    values.append(sink(x, *draw(st.lists(st.sampled_from(values), max_size=3)), **attributes))
    outputs = tuple(draw(st.lists(st.sampled_from(values), min_size=1, max_size=4)))
    words = draw(st.lists(HOSTILE, min_size=len(values) + len(outputs), max_size=len(values) + 4, unique=True))
    names = {value: word for value, word in zip(values, words, strict=False) if draw(st.booleans())}
    constraint = Constraint(SYMBOLS[0], add(SYMBOLS[3], 1), draw(HOSTILE))
    return Graph(
        draw(HOSTILE), tuple(inputs), outputs, tuple(words[: len(outputs)]), (parameter,), names, (constraint,)
    )


@settings(max_examples=200, deadline=None)
@given(graphs())
def test_random_graphs_survive(graph: Graph) -> None:
    assert_survives(graph)


@pytest.mark.parametrize(
    ("attribute", "message"),
    [("body=3", "expected a graph, got '3'"), ("flag=1", "expected true or false, got '1'"), ("number=1.5", "whole")],
)
def test_attributes_of_another_kind_are_refused(attribute: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        parse_graph(f'xir 1 graph "g" {{ input %x: f32[2,3] %0: f32[2,3] = kitchen_sink(%x) {{{attribute}}} }}')


def test_operands_that_must_be_present_are_told() -> None:
    with pytest.raises(FormatError, match="kitchen_sink takes at least 1 operands, got 0"):
        parse_graph('xir 1 graph "g" { %0: f32[2,3] = kitchen_sink() }')


def test_attributes_are_printed_in_the_order_of_the_signature() -> None:
    x = Value(F32)
    attributes = dict(reversed(SINK.attributes(PLAIN).items()))
    node = Node(SINK, (x,), attributes, (F32,))
    assert_survives(graph_of(node.outputs[0], x))


@pytest.mark.parametrize("number", [float("nan"), -float("nan"), float("inf"), -float("inf"), -0.0, 5e-324, 1e308])
def test_numbers_of_attributes_keep_every_bit(number: float) -> None:
    x = Value(F32)
    assert_survives(graph_of(sink(x, real=number, fixed=(0, number)), x))
