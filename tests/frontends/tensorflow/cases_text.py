"""Cases of operators on strings."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.frontends.tensorflow.cases import Case, fixed, text, whole
from tests.ops.cases.examples import serialized

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


def _crossed() -> Iterator[Case]:
    words, more = text("a", "é", "", "b c").reshape(2, 2), text("x", "y").reshape(2, 1)
    numbers = whole(2, 3, dtype="int64")
    for name, columns in (("", (words, numbers, more)), (" text", (more, words)), (" one", (numbers,))):
        types = ["DT_INT64" if each.dtype == np.int64 else "DT_STRING" for each in columns]
        told = {"N": 0, "sparse_types": [], "dense_types": types}
        kind = "DT_INT64" if "DT_INT64" in types else "DT_STRING"
        plain = {**told, "hashed_output": False, "num_buckets": 0, "hash_key": 5, "out_type": "DT_STRING"}
        yield Case(f"SparseCross{name}", "SparseCross", columns, {**plain, "internal_type": kind}, (0, 1, 2))
        for buckets, key in ((1000, 0xDECAFCAFFE), (0, -3)):
            hashed = {"hashed_output": True, "num_buckets": buckets, "hash_key": key, "out_type": "DT_INT64"}
            rules = {**told, **hashed, "internal_type": kind}
            yield Case(f"SparseCross{name} {buckets}", "SparseCross", columns, rules, (0, 1, 2))
        operands = (*columns, fixed("+", "object"))
        yield Case(f"SparseCrossV2{name}", "SparseCrossV2", operands, told, (0, 1, 2))


def _examples() -> Iterator[Case]:
    """Features of one size: packed or not, twice, without a list, and those that an example lacks."""
    first = serialized(("a", [1.5, -2.0]), ("n", [-7]), ("s", [b"\xff", b"\xc3\xa9"]), ("d", [5]), ("é", [1.0]))
    second = serialized(("n", [1]), ("n", [1 << 40]), ("s", [b"", b"c"]), ("a", [0.0, 0.25]), ("d", None), packed=False)
    data = np.array([first, second], object)
    keys = {"a": (2, 1), "n": (), "s": (2,), "d": (1,), "é": (1,)}
    types = ["DT_FLOAT", "DT_INT64", "DT_STRING", "DT_INT64", "DT_FLOAT"]
    none = (fixed([], "float32"), fixed([], "int64"), fixed([], "object"))
    defaults = (*none, np.array([9], np.int64), fixed([0.5], "float32"))
    told = {"Tdense": types, "dense_shapes": list(keys.values()), "sparse_types": []}
    nothing, names = fixed([], "object"), fixed(list(keys), "object")
    outputs = tuple(range(len(keys)))
    single = tuple(fixed(key, "object") for key in keys)
    counted = {**told, "Nsparse": 0, "Ndense": len(keys)}
    yield Case("ParseExample", "ParseExample", (data, nothing, *single, *defaults), counted, outputs)
    ragged = {**told, "num_sparse": 0, "ragged_value_types": [], "ragged_split_types": []}
    for shape in ((2,), ()):
        operands = (data[:1].reshape(()) if shape == () else data, nothing, nothing, names, nothing, *defaults)
        yield Case(f"ParseExampleV2 {shape}", "ParseExampleV2", operands, ragged, outputs)
    alone = {**told, "num_sparse": 0, "sparse_keys": [], "dense_keys": list(keys)}
    yield Case("ParseSingleExample", "ParseSingleExample", (data[1:].reshape(()), *defaults), alone, outputs)


def cases_text() -> Iterator[Case]:
    """All of them."""
    for family in (_letters, _patterns, _buckets, _pieces, _crossed, _examples):
        yield from family()
