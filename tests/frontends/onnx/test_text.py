"""Operators on text as ONNX files have them, against onnxruntime and by the words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.frontends.onnx.ml import Ml, assert_same, text
from tests.frontends.onnx.models import saved
from xir.errors import InvalidModelError, UnsupportedError, XirError
from xir.frontends.onnx import import_onnx

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
