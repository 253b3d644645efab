"""Text that is wrong earns one clear error that says where and what was expected."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xir.errors import FormatError, InvalidModelError, UnsafeError, XirError
from xir.ir.constant import Constant
from xir.ir.source import Source
from xir.ir.types import DType, TensorType
from xir.text import parse_graph, parse_graphs, print_graph

GOLDEN = (Path(__file__).parent / "small_net.xir").read_text(encoding="utf-8")


def text_of(*lines: str) -> str:
    return "\n".join(["xir 1", 'graph "g" {', *lines, "}"])


def node(call: str, type_: str = "f32[2,3]") -> str:
    return text_of("input %x: f32[2,3]", f"%0: {type_} = {call}", 'output "y" = %0')


def literal(constant: str, type_: str = "f32[2]") -> str:
    return text_of(f"%0: {type_} = constant() {{value={constant}}}", 'output "y" = %0')


SYNTAX = [
    ("", "line 1, column 1: expected 'xir 1' as the first words, got the end of the text"),
    ("onnx 1", "expected 'xir 1'"),
    ("xir 2", "line 1, column 5: expected version 1, got '2'"),
    ("xir 1 weights 3", "expected the name of the weights file, got '3'"),
    ('xir 1\ngraph "g" {', "line 2, column 12: expected a node, an output or '}', got the end of the text"),
    ("xir 1 graph g {}", "expected the graph's name, got 'g'"),
    ("xir 1\n  $", "line 2, column 3: unexpected character '\\$'"),
    ('xir 1 graph "g\n" {}', "line 1, column 13: a string does not end on its line"),
    (r'xir 1 graph "\q" {}', r"unknown escape '\\\\q' in a string"),
    (r'xir 1 graph "\u{110000}" {}', "unknown escape"),
    (text_of("symbol N", "symbol N"), "line 4, column 8: symbol 'N' is declared twice"),
    (text_of("symbol ?1", "symbol ?1"), "symbol \\?1 is declared twice"),
    (text_of("symbol min"), "expected a symbol"),
    (text_of("symbol N {size=3}"), "expected one of minimum, maximum, divisor"),
    (text_of("symbol N {minimum=1, minimum=2}"), "each once"),
    (text_of("symbol N {minimum=1.5}"), "expected a whole number, got '1.5'"),
    (text_of("symbol N {minimum=1 maximum=2}"), "expected ','"),
    (text_of("input x: f32[1]"), "expected a value such as %1 or %name, got 'x'"),
    (text_of("input %x f32[1]"), "expected ':'"),
    (text_of("input %x: f33[1]"), "unknown element type 'f33'"),
    (text_of("input %x: f32[N]"), "line 3, column 15: symbol 'N' is not declared"),
    (text_of("input %x: f32[?3]"), "symbol \\?3 is not declared"),
    (text_of("input %x: f32[1.5]"), "expected a whole number"),
    (text_of("input %x: f32[(1]"), "expected '\\)'"),
    (text_of(f"input %x: f32[{'1,' * 65}1]"), "more than 64 axes"),
    (text_of(f"input %x: f32[{'1' * 2000}]"), "more than 1000 digits"),
    (text_of("input %x: sequence<f32[1]"), "expected '>'"),
    (text_of("input %x: map<f32, f32[1]>"), "a map cannot have keys of f32"),
    (text_of("input %x: map<str f32[1]>"), "expected ','"),
    (text_of("input %x: f32[1]", "input %x: f32[1]"), "line 4, column 7: %x is defined twice"),
    (text_of("input %x: f32[1]", 'input %"x": f32[1]'), "is defined twice"),
    (text_of('input %"": f32[1]'), "the name of a value is empty"),
    (text_of("parameter %x f32[1](1)"), "expected '='"),
    (text_of('constraint 1 = 1 "x"'), "expected '=='"),
    (text_of("constraint 1 == 1"), "expected the reason as a string"),
    (text_of('output "y" = %1'), "line 3, column 14: %1 is not defined above"),
    (text_of("input %x: f32[1]", 'output "y" = %x', 'output "y" = %x'), "output name 'y' is empty or stands twice"),
    (text_of("input %x: f32[1]", 'output "" = %x'), "output name '' is empty"),
    (text_of("input %x: f32[1]", 'output "y" = %x', "input %z: f32[1]"), "expected an output or '}', got 'input'"),
    (text_of("input %x: f32[1]", "%0: f32[1] = identity(%x)"), "no output of the graph needs this identity"),
    (node("no_such(%x)"), "line 4, column 16: unknown operator 'no_such'"),
    (node("%x(%x)"), "expected an operator"),
    (node("identity(%y)"), "%y is not defined above"),
    (node("identity(%0)"), "%0 is not defined above"),
    (node("identity(_)"), "expected a value: operand 0 of identity must be present"),
    (node("concat(%x, _) {axis=0}"), "operand 1 of concat must be present"),
    (node("identity(%x, %x)"), "identity takes 1 operands, got 2"),
    (node("identity()"), "identity takes 1 operands, got 0"),
    (node("identity(%x %x)"), "expected ','"),
    (node("identity(%x) {axis=1}"), "expected an attribute of identity, each once, got 'axis'"),
    (node("transpose(%x) {perm=[1], perm=[1]}"), "expected an attribute of transpose, each once"),
    (node("transpose(%x) {perm=[1 0]}"), "expected ','"),
    (node("transpose(%x) {perm=1}"), "expected '\\['"),
    (node("transpose(%x) {perm=[1.0, 0]}"), "expected a whole number, got '1.0'"),
    (node("concat(%x) {axis=true}"), "expected a whole number"),
    (node('pad(%x) {padding=[[1]], mode="edge"}'), "got 1 items"),
    (node("pad(%x) {padding=[[1, 2, 3]]}"), "expected '\\]'"),
    (node('pad(%x) {padding=[[0, 0], [0, 0]], mode="odd"}'), "expected one of 'constant', .* got 'odd'"),
    (node("pad(%x) {padding=[[0, 0], [0, 0]], mode=1}"), "expected a string, got '1'"),
    (node("pad(%x) {padding=[[0, 0], [0, 0]], value=big}"), "expected a number, got 'big'"),
    (node("pad(%x) {padding=[[0, 0], [0, 0]], value=1e999}"), "outside the range of a 64-bit float"),
    (node("pad(%x) {padding=[[0, 0], [0, 0]], value=0x0}"), "the bits of a number are 16 digits"),
    (node("iota() {shape=[2], axis=0, dtype=3}"), "expected an element type such as f32"),
    (node("broadcast(%x) {shape=3}"), "expected '\\['"),
    (node("reverse(%x) {axes=[0]} source()"), "expected the framework as a string"),
    (node('identity(%x) source("a", "b")'), "expected ','"),
    (node('identity(%x) source("a", "b", 1)'), "expected the layer as a string"),
    (node('identity(%x) source("a", "b", "c", order=1, order=2)'), "each once, got 'order'"),
    (node('identity(%x) source("a", "b", "c", color=1)'), "expected one of path, module, location, order, layout"),
    (node('identity(%x) source("a", "b", "c", "d", path=["e" "f"])'), "expected ','"),
    (node('identity(%x) source("a", "b", "c", "d", layout=[1] order=2)'), "expected ','"),
    (literal("3"), "expected an element type"),
    (literal("f32[*](1)"), "a constant needs a tensor type of known shape"),
    (literal("sequence<f32[1]>(1)"), "a constant needs a tensor type of known shape"),
    (literal("f32[2](1)"), "f32\\[2\\] has 2 numbers or strings, got 1"),
    (literal("f32[2](1, 2, 3)"), "there are more elements than the type has"),
    (literal("f32[4000000000000](1)"), "has 4000000000000 numbers"),
    (literal("f32[2](1 2)"), "expected ','"),
    (literal("f32[2](1, x)"), "expected a number, true, false"),
    (literal("f32[2](1, true)"), "'true' is no element of f32"),
    (literal("f32[2](1, 1e39)"), "1e39 is outside the range of f32"),
    (literal("f16[1](65520)"), "outside the range of f16"),
    (literal("f4e2m1[1](nan)"), "outside the range of f4e2m1"),
    (literal("f32[1](0x100000000)"), "has more than the 32 bits of f32"),
    (literal("f32[1](0xABCD)"), "is no bit pattern"),
    (literal("i8[1](128)"), "'128' is no element of i8"),
    (literal("u8[1](-1)"), "no element of u8"),
    (literal("u64[1](18446744073709551616)"), "no element of u64"),
    (literal("i32[1](1.0)"), "no element of i32"),
    (literal("bool[1](1)"), "no element of bool"),
    (literal("c64[1](1)"), "expected '\\('"),
    (literal("str[1](1)"), "expected a string"),
    (literal('str[1]("a", "b")'), "more elements"),
    (literal('str[2]("a" "b")'), "expected ','"),
    (literal('str[2]("a")'), "got 1"),
    (literal(r'str[1](b"\n")'), "unknown escape"),
    (literal('str[1](b"ü")'), "not ASCII"),
    (literal('f32[2] weight("w", "12")'), "line 3, column .*: a SHA-256 has 64 digits"),
    (literal(f'f32[2] weight("w", "{"0" * 64}")'), "line 3, column .*: the text refers to weights, and none"),
    ("xir 1", "expected one graph, got 0"),
    (text_of() + ' graph "h" {}', "expected one graph, got 2"),
    (text_of("symbol N").replace("symbol N", "input %x: f32[1] symbol N"), "the order is|expected a node"),
]


@pytest.mark.parametrize(("text", "message"), SYNTAX)
def test_wrong_text_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(FormatError, match=message) as caught:
        parse_graph(text, file="net.xir")
    assert caught.value.source.file == "net.xir"


CONTRADICTIONS = [
    (node("identity(%x)", "f32[2,4]"), "line 4, column 1: identity makes f32\\[2,3\\], the text says f32\\[2,4\\]"),
    (node("identity(%x)", "f16[2,3]"), "the text says f16"),
    (node("identity(%x)", "f32[2,3], %1: f32[2,3]"), "identity makes f32\\[2,3\\], the text says f32\\[2,3\\], f32"),
    (node("transpose(%x)"), "line 4, column 16: transpose: attribute 'perm' is missing"),
    (node("transpose(%x) {perm=[0, 0]}"), "line 4, column 1: transpose"),
    (node("reverse(%x) {axes=[7]}"), "axis 7 does not exist"),
    (text_of("input %x: f32[-1]"), "line 3, column 11: .*sizes are >= 0"),
    (text_of("symbol N {minimum=5, maximum=4}"), "line 3, column 8: size 'N' cannot lie"),
    (text_of("symbol N", "input %x: f32[N//0]"), "divided by zero"),
]


@pytest.mark.parametrize(("text", "message"), CONTRADICTIONS)
def test_contradictions_are_refused_with_their_place(text: str, message: str) -> None:
    with pytest.raises(InvalidModelError, match=message) as caught:
        parse_graph(text, file="net.xir")
    assert caught.value.source.file == "net.xir"


HOSTILE = [
    ("deep maps", text_of("input %x: " + "map<str, " * 100_000)),
    ("deep types", text_of("input %x: " + "sequence<" * 100_000)),
    ("deep sizes", text_of("input %x: f32[" + "(" * 100_000)),
    ("deep extrema", text_of("input %x: f32[" + "min(" * 100_000)),
    ("long name", text_of(f"input %{'x' * 70_000}: f32[1]")),
    ("long symbol", text_of(f'symbol "{"x" * 70_000}"')),
    ("huge constant", literal("f32[9223372036854775807,9](1)")),
]


@pytest.mark.parametrize("text", [text for _, text in HOSTILE], ids=[name for name, _ in HOSTILE])
def test_text_beyond_the_limits_is_refused(text: str) -> None:
    with pytest.raises(UnsafeError):
        parse_graph(text)


def test_large_formulas_end_in_an_error() -> None:
    symbols = [f"s{i}" for i in range(60)]
    formula = "*".join(f"({a} + {b})" for a, b in zip(symbols[::2], symbols[1::2], strict=True))
    with pytest.raises(XirError, match="line 63"):
        parse_graph(text_of(*(f"symbol {s}" for s in symbols), f"input %x: f32[{formula}]"))


def test_an_unclosed_string_of_a_megabyte_costs_one_pass() -> None:
    with pytest.raises(FormatError, match="does not end"):
        parse_graph('xir 1 graph "' + "a\\" * 500_000)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_damaged_text_is_a_graph_or_one_xir_error(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(GOLDEN) - 1))
    kind = data.draw(st.integers(0, 3))
    junk = data.draw(st.sampled_from(['"', "{", "}", "%", "0", "-1", ",", "[", "nan", "\0", "(", "999999999999999999"]))
    length = data.draw(st.integers(1, 30))
    damaged = [
        GOLDEN[:at],
        GOLDEN[:at] + junk + GOLDEN[at:],
        GOLDEN[:at] + GOLDEN[at + length :],
        GOLDEN[:at] + junk + GOLDEN[at + length :],
    ][kind]
    try:
        graphs = parse_graphs(damaged)
    except (FormatError, InvalidModelError, UnsafeError):
        return
    for graph in graphs:
        assert print_graph(graph)


def test_defaults_may_be_left_out_and_comments_stand_anywhere() -> None:
    graph = parse_graph(
        '# a net\nxir 1 graph "g" { # begin\n input %x: f32[2] %0: f32[4] = pad(%x) {padding=[[1, 1]]} output "y"=%0 }#'
    )
    assert graph.nodes[0].attributes == {"padding": ((1, 1),), "mode": "constant", "value": 0.0}


@pytest.mark.parametrize(
    ("formula", "printed"),
    [
        ("2*n//2", "n"),
        ("n - n", "0"),
        ("n-1 + 1", "n"),
        ("min(3, 5, 4)", "3"),
        ("-(-n)", "n"),
        ("-n//2 + 3*m*n", "3*m*n + n//2 - n"),
        ("7//2", "3"),
        ("max(n)", "n"),
    ],
)
def test_handwritten_formulas_are_brought_to_normal_form(formula: str, printed: str) -> None:
    graph = parse_graph(text_of("symbol n", "symbol m", f'constraint {formula} == 0 ""'))
    assert printed in repr(graph.constraints[0].left)


def test_a_source_may_lack_its_kind() -> None:
    graph = parse_graph(node('identity(%x) source("a", "b", "c", order=1, layout=[])'))
    assert graph.nodes[0].source == (Source("a", "b", "c", "", order=1, layout=()),)


def test_weights_come_from_the_source_that_is_given() -> None:
    asked: list[object] = []

    def source(companion: str | None, name: str, sha256: str, type: TensorType) -> Constant:
        asked.append((companion, name, sha256, type))
        raise FormatError("gone")

    text = literal(f'f32[2] weight("w", "{"0" * 64}")').replace("xir 1", 'xir 1 weights "w.safetensors"')
    with pytest.raises(FormatError, match="line 3, column 32: gone"):
        parse_graph(text, weights=source)
    assert asked == [("w.safetensors", "w", "0" * 64, TensorType(DType.FLOAT32, (2,)))]


def test_a_text_that_nests_deeper_than_the_callers_stack_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def overflow(self: object) -> bool:
        raise RecursionError

    monkeypatch.setattr("xir.text.parser._GraphParser._head", overflow)
    with pytest.raises(UnsafeError, match="line 2, column 12: the text nests deeper than the stack"):
        parse_graph('xir 1\ngraph "g" {}')
