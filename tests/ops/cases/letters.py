"""Examples of operators on the letters of texts and of hashes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case
from tests.ops.cases.strings import text
from xir.ops.hashing import string_hash
from xir.ops.letters import string_case, string_join, string_length, string_pieces, string_strip, substring
from xir.ops.strings import regex_replace


def cases() -> Iterator[Case]:
    phrases = text(" Ünder the\tsea ", "", "é,É;e")
    for letters in ("lower", "upper"):
        for ascii in (False, True):
            yield case(string_case, phrases, case=letters, ascii=ascii).noted(f"{letters}, ASCII {ascii}")
    yield case(string_strip, phrases)
    places = np.array([1, 0, -4], np.int64)
    for unit in ("bytes", "characters"):
        yield case(string_length, phrases, unit=unit).noted(unit)
        yield case(substring, phrases, places, np.array([3, 2, 9], np.int64), unit=unit).noted(unit)
    table = np.array([["a", "b"], ["c", "d"]], object)
    for axis in (0, 1):
        yield case(string_join, table, axis=axis, separator="+")
    yield case(string_join, np.zeros((2, 0), object), axis=1, separator="+").noted("nothing")
    for limit in (None, 1):
        yield case(string_pieces, phrases, at="spaces", signs="", keep_empty=True, limit=limit).noted(f"limit {limit}")
    for keep in (False, True):
        yield case(string_pieces, phrases, at="signs", signs=",;", keep_empty=keep, limit=None).noted(f"keep {keep}")
    yield case(string_pieces, table, at="characters", signs="", keep_empty=True, limit=None)
    for everywhere in (False, True):
        rules = {"pattern": "([a-e])(x)?", "rewrite": r"<\0\2\\>", "everywhere": everywhere}
        yield case(regex_replace, phrases, **rules).noted(f"everywhere {everywhere}")
    for method, key in (("farm", ()), ("sip", (7, -1)), ("murmur", ())):
        yield case(string_hash, phrases, buckets=1000, method=method, key=key).noted(method)
    yield case(string_hash, phrases, buckets=None, method="farm", key=()).noted("whole")
