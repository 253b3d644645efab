"""Letters, pieces and hashes of texts, rewritten matches: what TensorFlow 2.21 makes of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.ops.cases.strings import text
from tests.ops.evaluate import evaluate, evaluate_all
from xir.errors import InvalidModelError
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.hashing import string_hash
from xir.ops.letters import string_case, string_length, string_pieces, substring
from xir.ops.strings import regex_replace, string_concat

TEXTS = Value(TensorType(DType.STRING, (1,)))
SIZE = Value(TensorType(DType.INT64, (1,)))

# How many bytes of 'xir: one graph IR ' * 20 are hashed, and what tf.strings.to_hash_bucket_fast, _strong with the key
# (3, 2**64 - 5) and StringToHashBucket make of them with 2**61 - 1 buckets.
HASHES = [
    (0, 1936946117179621459, 352801046335333825, 105434511174508095),
    (1, 107802420385376264, 1989923674798050268, 1575901355922044919),
    (3, 1611590310025339252, 882762876704612001, 1062327945829128261),
    (4, 13235010097400030, 515658891778035924, 892840819992669549),
    (7, 445764909473890346, 2032366012992912089, 1813615146775971328),
    (8, 2099082201524456130, 962077870441632990, 888709298849726563),
    (16, 1694717953387570105, 1870888388870336282, 940139196474337580),
    (17, 408452468317765200, 1634347957440865466, 46852423986173839),
    (32, 82567201913302599, 564218158684926736, 2263602994668146152),
    (33, 637724131381595223, 1548977386916490403, 107833717450965942),
    (64, 1584259507183034318, 2080742989705077796, 560869718020313692),
    (65, 259224110207323976, 496296716559370965, 426955959432199354),
    (128, 261665477899941285, 952679821173214308, 2171592205663396033),
    (129, 413111569563357677, 1381239978535254011, 603711734538197612),
    (256, 224200792847180059, 587355157975292493, 1337868710891813147),
    (300, 539257927321780656, 2033238660699242433, 1380265401648050816),
]


@pytest.mark.parametrize(("size", "farm", "sip", "murmur"), HASHES)
def test_hashes_are_those_of_tensorflow(size: int, farm: int, sip: int, murmur: int) -> None:
    phrase = text(("xir: one graph IR " * 20)[:size])
    wanted: dict[str, tuple[int, tuple[int, ...]]] = {"farm": (farm, ()), "sip": (sip, (3, -5)), "murmur": (murmur, ())}
    for method, (bucket, key) in wanted.items():
        rules: dict[str, Any] = {"buckets": (1 << 61) - 1, "method": method, "key": key}
        assert evaluate(string_hash, phrase, **rules).tolist() == [bucket]
        whole = evaluate(string_hash, phrase, **rules | {"buckets": None})
        assert whole.dtype == np.uint64
        assert int(whole[0]) % rules["buckets"] == bucket


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ({"buckets": 0, "method": "farm", "key": ()}, "0 buckets"),
        ({"buckets": 5, "method": "sip", "key": ()}, "a key of 0 words"),
        ({"buckets": 5, "method": "farm", "key": (1, 2)}, "a key of 2 words"),
    ],
)
def test_hashes_that_are_none(rules: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidModelError, match=told):
        string_hash(TEXTS, **rules)


@pytest.mark.parametrize(
    ("phrase", "limit", "pieces"),
    [
        (" a\vb\t", None, ["a", "b"]),
        ("a\xa0b", None, ["a\xa0b"]),
        ("a b  c ", 1, ["a", "b  c "]),
        ("a b ", 2, ["a", "b", ""]),
        ("a b", 2, ["a", "b", ""]),
        ("a b", 3, ["a", "b"]),
        (" ", 1, []),
        ("", None, []),
    ],
)
def test_texts_are_cut_at_spaces_as_tensorflow_does(phrase: str, limit: int | None, pieces: list[str]) -> None:
    rules: dict[str, Any] = {"at": "spaces", "signs": "", "keep_empty": True, "limit": limit}
    made, counts = evaluate_all(string_pieces, text(phrase), **rules)
    assert (made.tolist(), counts.tolist()) == ([pieces], [len(pieces)])


@pytest.mark.parametrize(
    "rules",
    [
        {"at": "signs", "signs": "", "limit": None},
        {"at": "spaces", "signs": ",", "limit": None},
        {"at": "signs", "signs": "é", "limit": None},
        {"at": "signs", "signs": ",", "limit": 1},
        {"at": "spaces", "signs": "", "limit": 0},
    ],
)
def test_cuts_that_are_none(rules: dict[str, Any]) -> None:
    with pytest.raises(InvalidModelError, match="string_pieces"):
        string_pieces(TEXTS, keep_empty=True, **rules)


def test_an_empty_text_has_no_pieces_between_signs() -> None:
    rules: dict[str, Any] = {"at": "signs", "signs": ",", "keep_empty": True, "limit": None}
    assert evaluate_all(string_pieces, text("", ","), **rules)[1].tolist() == [0, 2]


def test_case_of_ascii_leaves_other_letters() -> None:
    assert evaluate(string_case, text("ÄaZ"), case="lower", ascii=True).tolist() == ["Äaz"]
    assert evaluate(string_case, text("äßa"), case="upper", ascii=False).tolist() == ["ÄSSA"]


def test_halves_of_a_character_meet_again() -> None:
    one = np.array([1], np.int64)
    halves = [evaluate(substring, text("é"), one * start, one, unit="bytes") for start in (0, 1)]
    assert evaluate(string_length, halves[0], unit="bytes").tolist() == [1]
    assert evaluate(string_concat, *halves).tolist() == ["é"]


@pytest.mark.parametrize(("start", "size"), [(4, 1), (-4, 1), (0, -1)])
def test_parts_that_a_text_has_not(start: int, size: int) -> None:
    places = (np.array([each], np.int64) for each in (start, size))
    with pytest.raises(InvalidModelError, match="of a text of 3"):
        evaluate(substring, text("abc"), *places, unit="characters")


def test_what_is_no_utf_8_is_told() -> None:
    with pytest.raises(InvalidModelError, match="cannot be written"):
        evaluate(string_length, text("\ud800"), unit="bytes")


# What tf.strings.regex_replace makes of it.
REWRITTEN = [
    ("a*", "aab", "-", "-b-"),
    ("a*?", "aab", "-", "-a-a-b-"),
    ("(a|ab)(c|bcd)?", "abcd", r"<\1|\2>", "<a|bcd>"),
    ("(|a)+", "aa", r"<\0>", "<>a<>a<>"),
    ("(a|(b))*", "bab", r"[\1\2]", "[bb]"),
    ("(?U)a+?b", "aab", "x", "x"),
    (r"\bfoo\b", "foo foobar foo", r"\\", "\\ foobar \\"),
    ("^a", "aaa", "b", "baa"),
    ("x{2,3}?", "xxxxx", "y", "yyx"),
]


@pytest.mark.parametrize(("pattern", "given", "rewrite", "wanted"), REWRITTEN)
def test_matches_are_rewritten(pattern: str, given: str, rewrite: str, wanted: str) -> None:
    rules: dict[str, Any] = {"pattern": pattern, "rewrite": rewrite, "everywhere": True}
    assert evaluate(regex_replace, text(given), **rules).tolist() == [wanted]


def test_the_first_match_alone_is_rewritten() -> None:
    rules: dict[str, Any] = {"pattern": "b|$", "rewrite": "-", "everywhere": False}
    assert evaluate(regex_replace, text("abb", "a"), **rules).tolist() == ["a-b", "a-"]


@pytest.mark.parametrize(
    ("pattern", "rewrite", "told"),
    [("a", r"\1", "names group 1, there are 0"), ("a", r"\a", "a backslash before 'a'"), ("a", "\\", "before ''")],
)
def test_rewrites_that_are_none(pattern: str, rewrite: str, told: str) -> None:
    with pytest.raises(InvalidModelError, match=told):
        regex_replace(TEXTS, pattern=pattern, rewrite=rewrite, everywhere=True)


@pytest.mark.parametrize("pattern", ["(a+)+b", "(a|a)*b", "(.*)(.*)(.*)(.*)(.*)(.*)b"])
def test_patterns_that_explode_elsewhere_end_here(pattern: str) -> None:
    rules: dict[str, Any] = {"pattern": pattern, "rewrite": r"\1", "everywhere": False}
    assert evaluate(regex_replace, text("a" * 600), **rules).tolist() == ["a" * 600]
