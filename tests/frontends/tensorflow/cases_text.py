"""Cases of operators on strings."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.frontends.tensorflow.cases import Case, fixed, text, whole

WORDS = text("Ünder the sea ", "", " a-b, CÉ;d")


def _letters() -> Iterator[Case]:
    yield Case("StringJoin", "StringJoin", (text("a", "b"), text("c", "d")), {"separator": "-"})
    yield Case("StringJoin bare", "StringJoin", (text("a", "b"), text("c", "d")))
    for kind in ("StringLower", "StringUpper"):
        for encoding in ("", "utf-8"):
            yield Case(f"{kind} {encoding}", kind, (WORDS.reshape(3, 1),), {"encoding": encoding})
    yield Case("StringStrip", "StringStrip", (text("\t a b\n", ""),))
    for unit in ("BYTE", "UTF8_CHAR"):
        yield Case(f"StringLength {unit}", "StringLength", (WORDS,), {"unit": unit})
        for name, start, size in (
            ("", np.array(-2, np.int32), fixed(2)),
            (" each", fixed([1, 0, 2]), fixed([2, 1, 9])),
        ):
            yield Case(f"Substr{name} {unit}", "Substr", (text("Ünder", "éa", "abc"), start, size), {"unit": unit})
    yield Case("StringToNumber", "StringToNumber", (text("1.5", "-2"),))
    yield Case("AsString", "AsString", (whole(3),))
    table = np.array([["a", "b", "c"], ["d", "e", "f"]], object)
    for axes in ([0, 1], [1, 0], [-1], []):
        for kept in (False, True):
            rules = {"keep_dims": kept, "separator": "+"}
            yield Case(f"ReduceJoin {axes} {kept}", "ReduceJoin", (table, fixed(axes)), rules)


def _patterns() -> Iterator[Case]:
    yield Case("StaticRegexFullMatch", "StaticRegexFullMatch", (text("aab", "c"),), {"pattern": "a+b"})
    yield Case("RegexFullMatch", "RegexFullMatch", (text("aab", "c"), fixed("a+b", "object")))
    for every in (True, False):
        rules = {"pattern": "([a-e]+)( |$)", "rewrite": "<\\\\1>", "replace_global": every}
        yield Case(f"StaticRegexReplace {every}", "StaticRegexReplace", (WORDS,), rules)
        operands = (WORDS, fixed("[!-/:;]|a*?", "object"), fixed("_", "object"))
        yield Case(f"RegexReplace {every}", "RegexReplace", operands, {"replace_global": every})


def _buckets() -> Iterator[Case]:
    phrases = text("", "a", "hello", "a longer phrase", "one of more than thirty-two bytes: ü", "x" * 100)
    for kind, key in (("", {}), ("Fast", {}), ("Strong", {"key": [5, -3]})):
        yield Case(
            f"StringToHashBucket{kind}", f"StringToHashBucket{kind}", (phrases,), {"num_buckets": 1 << 40, **key}
        )


def _pieces() -> Iterator[Case]:
    lines = text("a,b,,c", "", "d", " e f,g  h ")
    for name, separator, most in (("", ",", -1), (" some", ",", 1), (" space", "", -1), (" some space", "", 1)):
        operands = (lines, fixed(separator, "object"))
        yield Case(f"StringSplitV2{name}", "StringSplitV2", operands, {"maxsplit": most}, (0, 1, 2))
    for skip in (True, False):
        operands = (lines, fixed(", ", "object"))
        yield Case(f"StringSplit {skip}", "StringSplit", operands, {"skip_empty": skip}, (0, 1, 2))


def cases_text() -> Iterator[Case]:
    """All of them."""
    for family in (_letters, _patterns, _buckets, _pieces):
        yield from family()
