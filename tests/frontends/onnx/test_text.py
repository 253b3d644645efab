"""Operators on text as ONNX files have them, against onnxruntime and by the words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.frontends.onnx.ml import Ml, assert_same, text
from tests.frontends.onnx.models import saved
from xir.errors import InvalidModelError, UnsupportedError, XirError
from xir.frontends.onnx import import_onnx
from xir.ir.constant import Array

WORDS = text("one two  three ", "four", "a b")
NUMBERS = np.array([[1, 2, 2, 3], [2, 3, 1, 2]])
GRAMS = {
    "ngram_counts": [0, 3],
    "ngram_indexes": [2, 0, 1, 3, 4],
    "pool_int64s": [1, 2, 3, 2, 3, 1, 2],
    "min_gram_length": 1,
    "max_gram_length": 2,
    "max_skip_count": 2,
}

AGREEING = [
    Ml("StringConcat", 20, [WORDS, text("!")], domain="", note="broadcast"),
    Ml("StringConcat", 20, [np.array("a", object), np.array("b", object)], domain="", note="scalars"),
    Ml("StringSplit", 20, [WORDS], {}, 2, domain=""),
    Ml("StringSplit", 20, [WORDS], {"maxsplit": 1}, 2, domain=""),
    Ml("StringSplit", 20, [WORDS], {"maxsplit": -1, "delimiter": "o"}, 2, domain=""),
    Ml("RegexFullMatch", 20, [WORDS], {"pattern": "[a-f ]+r?"}, domain=""),
    Ml("StringNormalizer", 10, [WORDS], {"locale": "C.UTF-8", "case_change_action": "UPPER"}, domain=""),
    Ml(
        "StringNormalizer",
        10,
        [WORDS.reshape(1, 3)],
        {"locale": "C.UTF-8", "stopwords": ["four"], "is_case_sensitive": 1},
        domain="",
    ),
    *(
        Ml("TfIdfVectorizer", 9, [NUMBERS], {**GRAMS, "mode": mode, "weights": [1.0, 2.0, 3.0, 4.0, 5.0]}, domain="")
        for mode in ("TF", "IDF", "TFIDF")
    ),
    Ml("TfIdfVectorizer", 9, [NUMBERS[0].astype(np.int32)], {**GRAMS, "mode": "IDF"}, domain=""),
]


@pytest.mark.parametrize("case", AGREEING, ids=[f"{index}-{case}" for index, case in enumerate(AGREEING)])
def test_it_computes_what_onnxruntime_does(case: Ml, tmp_path: Path) -> None:
    assert_same(case.computed(tmp_path), case.by_onnxruntime())


X = text(*"abcdef").reshape(2, 3)


def shaped(kind: str, version: int, *operands: Array, outputs: int = 1, **attributes: object) -> Ml:
    return Ml(kind, version, [X, *operands], attributes, outputs, domain="")


def whole(*numbers: int) -> Array:
    return np.array(numbers, np.int64)


SHAPED = [
    shaped("Reshape", 14, whole(3, 2)),
    shaped("Expand", 13, whole(2, 2, 3)),
    shaped("Tile", 13, whole(2, 1)),
    shaped("Slice", 13, whole(1), whole(3), whole(1)),
    shaped("Concat", 13, X, axis=1),
    shaped("Split", 13, whole(1, 2), outputs=2, axis=1),
    shaped("Transpose", 13),
    shaped("Gather", 13, whole(1, 0), axis=1),
    shaped("GatherElements", 13, whole(0, 1, 0).reshape(1, 3)),
    shaped("GatherND", 13, whole(0, 1).reshape(1, 2)),
    shaped("ScatterElements", 18, whole(1, 0, 1).reshape(1, 3), text("x", "y", "z").reshape(1, 3)),
    shaped("ScatterND", 18, whole(0, 1).reshape(1, 2), text("q")),
    shaped("Compress", 11, np.array([True, False]), axis=0),
    shaped("ReverseSequence", 10, whole(1, 2, 2), time_axis=0, batch_axis=1),
    shaped("Equal", 19, X[:1]),
    shaped("Unique", 11, outputs=4),
    shaped("Identity", 16),
    shaped("Shape", 15),
    shaped("Size", 13),
    shaped("Flatten", 13),
    shaped("Unsqueeze", 13, whole(0)),
    Ml("Where", 16, [np.array([[True, False, True]]), X, X[::-1]], domain=""),
    Ml("Squeeze", 13, [X[:1], whole(0)], domain=""),
    Ml("OneHot", 11, [whole(0, 2), np.array(3), text("n", "y")], domain=""),
]


@pytest.mark.parametrize("case", SHAPED, ids=str)
def test_text_goes_through_operators_of_any_type(case: Ml, tmp_path: Path) -> None:
    assert_same(case.computed(tmp_path), case.by_onnxruntime())


WRONG: list[tuple[Ml, type[XirError], str]] = [
    (Ml("StringNormalizer", 10, [WORDS], {"locale": "tr_TR"}, domain=""), UnsupportedError, "the locale 'tr_TR'"),
    (Ml("StringNormalizer", 10, [WORDS.reshape(3, 1)], domain=""), InvalidModelError, "the number of rows"),
    (Ml("StringNormalizer", 10, [WORDS], {"case_change_action": "T"}, domain=""), InvalidModelError, "NONE, LOWER"),
    (Ml("RegexFullMatch", 20, [WORDS], {"pattern": "(?=a)"}, domain=""), InvalidModelError, "no regular expression"),
    (Ml("RegexFullMatch", 20, [NUMBERS], {"pattern": "a"}, domain=""), InvalidModelError, "a tensor of str"),
    (
        Ml("TfIdfVectorizer", 9, [NUMBERS], {**GRAMS, "mode": "TF", "pool_strings": ["a"]}, domain=""),
        InvalidModelError,
        "one of pool_int64s",
    ),
    (Ml("TfIdfVectorizer", 9, [NUMBERS], {**GRAMS, "mode": "BM25"}, domain=""), InvalidModelError, "TF, IDF, TFIDF"),
]


@pytest.mark.parametrize(("case", "error", "message"), WRONG, ids=[message for _, _, message in WRONG])
def test_what_does_not_fit_is_refused(case: Ml, error: type[XirError], message: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=message):
        import_onnx(saved(case.model(), tmp_path))
