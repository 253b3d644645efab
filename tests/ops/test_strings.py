"""Operators on text, by hand; text through the operators of shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.ops.cases.labels import words
from tests.ops.cases.strings import grams
from tests.ops.evaluate import evaluate, evaluate_all
from xir.errors import InvalidModelError
from xir.ir.constant import Array, constant_of
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.compare import equal
from xir.ops.elementwise import select
from xir.ops.index import gather, gather_elements
from xir.ops.ngrams import count_ngrams
from xir.ops.shape import broadcast, concat, reshape, reverse, slice_, split, tile, transpose
from xir.ops.strings import regex_full_match, string_concat, string_normalize, string_split, tokenize


def text(*items: str) -> Array:
    return words(*items).array()


def test_texts_are_joined() -> None:
    assert evaluate(string_concat, text("a", ""), text("b", "ü")).tolist() == ["ab", "ü"]


@pytest.mark.parametrize(
    ("phrase", "delimiter", "limit", "pieces"),
    [
        ("a b  c", "", None, ["a", "b", "c"]),
        (" a b  c ", "", 1, ["a", "b  c"]),
        ("a b", "", 0, ["a b"]),
        ("", "", None, []),
        ("", ",", None, [""]),
        (",a,,b", ",", None, ["", "a", "", "b"]),
        ("a,b,c", ",", 1, ["a", "b,c"]),
        ("a||b", "||", None, ["a", "b"]),
    ],
)
def test_texts_are_split(phrase: str, delimiter: str, limit: int | None, pieces: list[str]) -> None:
    made, counts = evaluate_all(string_split, text(phrase), delimiter=delimiter, limit=limit)
    assert made.tolist() == [pieces]
    assert counts.tolist() == [len(pieces)]


def test_pieces_are_filled_to_the_longest() -> None:
    made, counts = evaluate_all(string_split, text("a b c", "d"), delimiter="", limit=None)
    assert made.tolist() == [["a", "b", "c"], ["d", "", ""]]
    assert counts.tolist() == [3, 1]


@pytest.mark.parametrize(
    ("given", "stopwords", "sensitive", "case", "wanted"),
    [
        (["Monday", "x"], ("monday",), False, "none", ["x"]),
        (["Monday", "x"], ("monday",), True, "none", ["Monday", "x"]),
        (["Monday", "X"], ("MONDAY",), False, "lower", ["x"]),
        (["é", "b"], (), False, "upper", ["É", "B"]),
        (["a"], ("A",), False, "upper", [""]),
        ([], (), False, "upper", [""]),
        (["a", "", "a"], ("a",), True, "none", [""]),
    ],
)
def test_texts_are_normalized(
    given: list[str], stopwords: tuple[str, ...], sensitive: bool, case: str, wanted: list[str]
) -> None:
    rules: dict[str, Any] = {"stopwords": stopwords, "case_sensitive": sensitive, "case": case}
    if given:
        assert evaluate(string_normalize, text(*given), **rules).tolist() == wanted
        assert evaluate(string_normalize, text(*given).reshape(1, -1), **rules).tolist() == [wanted]


def test_a_pattern_is_read_before_the_run() -> None:
    with pytest.raises(InvalidModelError, match="regex_full_match: the pattern"):
        regex_full_match(Value(TensorType(DType.STRING, (1,))), pattern="(")


TOKENS: list[tuple[list[str], dict[str, object], list[list[str]]]] = [
    (
        ["Hello World", "I love computer science !"],
        {"separators": (" ",)},
        [["Hello", "World", "#", "#", "#"], ["I", "love", "computer", "science", "!"]],
    ),
    (["abc", "é"], {"separators": ("",)}, [["a", "b", "c"], ["é", "#", "#"]]),
    (["a\nb"], {"token": "."}, [["a", "\n", "b"]]),
    (
        ["abc", ""],
        {"separators": ("",), "marked": True},
        [["\x02", "a", "b", "c", "\x03"], ["\x02", "\x03", "#", "#", "#"]],
    ),
    (
        ["a  b,,c", " x "],
        {"separators": (" ", ","), "marked": True},
        [["\x02", "a", "b", "c", "\x03"], ["\x02", "x", "\x03", "#", "#"]],
    ),
    (["aXYbXc"], {"separators": ("X", "XY")}, [["a", "Yb", "c"]]),
    (["aXYbXc"], {"separators": ("XY", "X")}, [["a", "b", "c"]]),
    (["aXYbXc"], {"separators": ("X|XY",)}, [["a", "b", "c"]]),
    (["a1b22c333"], {"token": "[0-9]+"}, [["1", "22", "333"]]),
    (["a1b22c333"], {"token": "[0-9]+", "shortest": 2}, [["22", "333"]]),
    (["aa b cc"], {"separators": (" ",), "shortest": 2}, [["aa", "cc"]]),
    (["aaa bbb"], {"token": "a|aa"}, [["aa", "a"]]),
    (["xab yab"], {"token": "^x|ab$"}, [["x", "ab"]]),
    (["a-b c_d"], {"separators": (r"\b",)}, []),
    (["ab,cd"], {"separators": ("(b|bcd)?",)}, []),
    (["ab bb"], {"separators": ("^a", "^b")}, [[" bb"]]),
    (["aab"], {"token": "a*b|a"}, [["aab"]]),
    (["", " "], {"separators": (" ",), "marked": True}, [[], []]),
]


@pytest.mark.parametrize(("given", "rules", "wanted"), TOKENS)
def test_texts_are_cut_into_tokens_as_onnxruntime_does(
    given: list[str], rules: dict[str, object], wanted: list[list[str]]
) -> None:
    full = {"separators": (), "token": "", "shortest": 1, "marked": False, "fill": "#"} | rules
    made = evaluate(tokenize, text(*given), **full).tolist()
    assert made == by_onnxruntime(given, full)
    if wanted:
        assert made == wanted


def by_onnxruntime(given: list[str], rules: dict[str, object]) -> list[list[str]]:
    onnxruntime = pytest.importorskip("onnxruntime")
    from onnx import TensorProto, helper

    told = {"mark": int(bool(rules["marked"])), "pad_value": rules["fill"], "mincharnum": rules["shortest"]}
    told |= {"separators": list(rules["separators"])} if rules["separators"] else {"tokenexp": rules["token"]}
    node = helper.make_node("Tokenizer", ["x"], ["y"], domain="com.microsoft", **told)
    fed = helper.make_tensor_value_info("x", TensorProto.STRING, [len(given)])
    graph = helper.make_graph([node], "g", [fed], [helper.make_empty_tensor_value_info("y")])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    session = onnxruntime.InferenceSession(made.SerializeToString())
    return session.run(None, {"x": np.array(given, object)})[0].tolist()


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ({}, "either separators or a token"),
        ({"separators": (" ",), "token": "a"}, "either separators or a token"),
        ({"separators": (" ",), "shortest": 0}, "expected 1 or more"),
        ({"separators": ("",), "shortest": 2}, "or 1 for characters"),
        ({"token": ".", "shortest": 2}, "or 1 for characters"),
        ({"separators": (" ", "")}, "empty beside others"),
        ({"separators": ("(",)}, "the pattern"),
    ],
)
def test_tokens_that_make_no_sense_are_refused(rules: dict[str, object], reason: str) -> None:
    full = {"separators": (), "token": "", "shortest": 1, "marked": False, "fill": "#"} | rules
    with pytest.raises(InvalidModelError, match=reason):
        tokenize(Value(TensorType(DType.STRING, (1,))), **full)


def test_no_texts_have_no_tokens() -> None:
    rules = {"separators": (" ",), "token": "", "shortest": 1, "marked": True, "fill": "#"}
    assert evaluate(tokenize, np.zeros((0,), object), **rules).shape == (0, 0)


WEIGHTS = constant_of(np.array([2, 3, 5, 7, 11, 13, 17], np.float32))
ROW = np.array([1, 1, 3, 3, 3, 7, 8, 6, 7, 5, 6, 8])


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ({"shortest": 2}, [0, 0, 0, 0, 1, 1, 1]),
        ({"shortest": 2, "skips": 5}, [0, 0, 0, 0, 1, 3, 1]),
        ({"skips": 5}, [0, 3, 1, 0, 1, 3, 1]),
        ({"longest": 1}, [0, 3, 1, 0, 0, 0, 0]),
        ({"weighting": "idf", "weights": WEIGHTS}, [0, 3, 5, 0, 11, 13, 17]),
        ({"weighting": "tfidf", "weights": WEIGHTS}, [0, 9, 5, 0, 11, 13, 17]),
        ({"weighting": "idf"}, [0, 1, 1, 0, 1, 1, 1]),
        ({"places": (6, 5, 4, 3, 2, 1, 0)}, [1, 1, 1, 0, 1, 3, 0]),
        ({"places": (0, 1, 1, 0, 0, 0, 2)}, [2, 4, 1]),
    ],
)
def test_n_grams_are_counted(more: dict[str, Any], wanted: list[float]) -> None:
    held = grams(pool=constant_of(np.array([2, 3, 5, 4, 5, 6, 7, 8, 6, 7])), **more)
    assert evaluate(count_ngrams, ROW, **held).tolist() == wanted


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"places": (0,)}, "7 n-grams need as many places"),
        ({"places": (0, 1, 2, 3, 4, 5, -1)}, "from 0 on"),
        ({"weights": constant_of(np.ones(2, np.float32))}, "as many weights"),
        ({"starts": (0, 5)}, "no n-grams of 2 from 5 to 10"),
        ({"starts": (4, 0)}, "no n-grams of 1 from 4 to 0"),
        ({"shortest": 0}, "0 to 2 items"),
        ({"shortest": 3}, "3 to 2 items"),
        ({"skips": -1}, "-1 skips"),
        ({"pool": constant_of(np.ones(10))}, "the pool must be"),
        ({"pool": words(*"abcdefghij")}, "a tensor of str"),
    ],
)
def test_pools_that_contradict_themselves_are_refused(more: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidModelError, match=message):
        evaluate(count_ngrams, ROW, **grams(**more))


X = text(*"abcdef").reshape(2, 3)
PLACES = np.array([[0, 1, 0]])


@pytest.mark.parametrize(
    ("function", "wanted"),
    [
        (lambda x: reshape(x, shape=(3, 2)), X.reshape(3, 2)),
        (lambda x: transpose(x, perm=(1, 0)), X.T),
        (lambda x: concat(x, x, axis=0), np.concatenate((X, X))),
        (lambda x: slice_(x, axes=(1,), starts=(1,), stops=(3,), steps=(1,)), X[:, 1:]),
        (lambda x: reverse(x, axes=(0,)), X[::-1]),
        (lambda x: tile(x, repeats=(1, 2)), np.tile(X, (1, 2))),
        (lambda x: broadcast(x, shape=(2, 2, 3)), np.broadcast_to(X, (2, 2, 3))),
        (lambda x: split(x, axis=1, sizes=(1, 2))[1], X[:, 1:]),
        (lambda x: select(equal(x, x), x, x), X),
    ],
)
def test_text_goes_through_operators_of_shape(function: Callable[[Value], Value], wanted: Array) -> None:
    made = evaluate(function, X)
    assert made.dtype == object
    assert made.tolist() == wanted.tolist()


def test_text_is_picked_by_places() -> None:
    assert evaluate(gather, X, np.array([2, -1]), axis=1).tolist() == X[:, [2, 2]].tolist()
    assert evaluate(gather_elements, X, PLACES, axis=0).tolist() == [["a", "e", "c"]]
