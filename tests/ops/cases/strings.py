"""Examples of operators on text."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case
from tests.ops.cases.labels import words
from xir.ir.constant import Array, constant_of
from xir.ops.ngrams import count_ngrams
from xir.ops.strings import regex_full_match, string_concat, string_normalize, string_split, tokenize


def text(*items: str) -> Array:
    return words(*items).array()


def grams(**changes: object) -> dict[str, object]:
    held: dict[str, object] = {
        "pool": constant_of(np.array([2, 3, 5, 4, 5, 6, 7, 8, 6, 7])),
        "starts": (0, 4),
        "places": (0, 1, 2, 3, 4, 5, 6),
        "weights": None,
        "shortest": 1,
        "longest": 2,
        "skips": 0,
        "weighting": "tf",
    }
    return held | changes


ROWS = np.array([[1, 1, 3, 3, 3, 7], [8, 6, 7, 5, 6, 8]])


def cases() -> Iterator[Case]:
    yield case(string_concat, text("a", "", "ü"), text("b", "c", "é"))
    yield case(string_concat, np.array([["x"]], object), np.array([["y"]], object))
    phrases = text("one two  three ", "", "four")
    for limit in (None, 1):
        yield case(string_split, phrases, delimiter="", limit=limit).noted(f"limit {limit}")
    yield case(string_split, np.array([["a,b", ",c,"]], object), delimiter=",", limit=None)
    yield case(string_split, np.zeros((0, 2), object), delimiter=",", limit=None).noted("nothing")
    days = text("Monday", "tuesday", "Monday", "FRIDAY")
    for letters in ("none", "lower", "upper"):
        for sensitive in (False, True):
            rest = {"case_sensitive": sensitive, "case": letters}
            noted = f"{letters}, sensitive {sensitive}"
            yield case(string_normalize, days, stopwords=("monday",) if not sensitive else ("Monday",), **rest).noted(
                noted
            )
    yield case(string_normalize, days.reshape(1, 4), stopwords=(), case_sensitive=True, case="upper")
    yield case(string_normalize, text("a", "a"), stopwords=("a",), case_sensitive=True, case="none").noted(
        "nothing left"
    )
    rules: dict[str, object] = {"token": "", "shortest": 1, "marked": False, "fill": "#"}
    yield case(tokenize, text("Hello World", "I, too, compute"), separators=(" ", ","), **rules).noted("separators")
    yield case(tokenize, text("ab", "é"), separators=("",), **{**rules, "marked": True}).noted("characters")
    yield case(tokenize, np.array([["a1b22", ""]], object), separators=(), **{**rules, "token": "[0-9]+"}).noted(
        "an expression"
    )
    yield case(regex_full_match, text("www.google.com", "www.bbc.co.uk"), pattern=r"www\.[\w.-]+\.\bcom\b")
    yield case(regex_full_match, np.array([["", "a"]], object), pattern="")
    for weighting in ("tf", "idf", "tfidf"):
        weights = constant_of(np.arange(1, 8).astype(np.float32))
        for skips in (0, 5):
            noted = f"{weighting}, {skips} skips"
            yield case(count_ngrams, ROWS, **grams(weighting=weighting, weights=weights, skips=skips)).noted(noted)
    yield case(count_ngrams, ROWS[0].astype(np.int32), **grams(places=(6, 5, 4, 3, 2, 1, 1)))
    pool = words("a", "b", "a", "c")
    phrase = text("a", "c", "b", "a")
    yield case(count_ngrams, phrase, **grams(pool=pool, starts=(0, 2), places=(0, 1, 2), shortest=2, skips=1))
