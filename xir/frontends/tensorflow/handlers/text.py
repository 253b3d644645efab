"""Strings."""

from __future__ import annotations

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends.tensorflow._site import Handler, Site
from xir.ir.constant import constant_of
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops.cast import number_to_text, text_to_number
from xir.ops.constant import constant, identity
from xir.ops.hashing import Hash, string_hash
from xir.ops.letters import Unit, string_case, string_join, string_length, string_strip, substring
from xir.ops.shape import broadcast, reshape
from xir.ops.strings import regex_full_match, regex_replace, string_concat

handlers: Handlers[Handler] = Handlers("tensorflow")


@handlers.layer("StringJoin")
def joined(site: Site, first: Value, *rest: Value) -> Value:
    """Strings behind each other, with a separator between them."""
    separator = site.text("separator")
    values = site.aligned(first, *rest)
    made = values[0]
    for value in values[1:]:
        if separator:
            literal = constant(value=constant_of(np.array(separator, object)))
            made = string_concat(made, broadcast(literal, shape=made.shape))
        made = string_concat(made, value)
    return made if rest else identity(first)


@handlers.layer("ReduceJoin")
def joined_along(site: Site, x: Value, axes: Value) -> Value:
    """Strings along axes behind each other, along the first of the axes first (reduce_join_op.cc)."""
    chosen = site.axes([int(axis) for axis in site.array(axes, "axes").reshape(-1).tolist()], x.rank)
    made, separator = identity(x), site.text("separator")
    for place, axis in enumerate(chosen):
        gone = sum(1 for before in chosen[:place] if before < axis)
        made = string_join(made, axis=axis - gone, separator=separator)
    kept = tuple(1 if axis in chosen else size for axis, size in enumerate(x.shape))
    return reshape(made, shape=kept) if site.flag("keep_dims") else made


@handlers.layer("StringLower", "StringUpper")
def cased(site: Site, x: Value) -> Value:
    """Strings in small or capital letters; without an encoding only those of ASCII change."""
    encoding = site.choice("encoding", "", "utf-8")
    return string_case(x, case="lower" if site.node.kind == "StringLower" else "upper", ascii=not encoding)


@handlers.layer("StringStrip")
def stripped(site: Site, x: Value) -> Value:
    """Strings without white space at their ends."""
    return string_strip(x)


def _unit(site: Site) -> Unit:
    return "bytes" if site.choice("unit", "BYTE", "UTF8_CHAR") == "BYTE" else "characters"


@handlers.layer("StringLength")
def measured(site: Site, x: Value) -> Value:
    """How long strings are."""
    return site.cast(string_length(x, unit=_unit(site)), DType.INT32)


@handlers.layer("Substr")
def part(site: Site, x: Value, start: Value, size: Value) -> Value:
    """Parts of strings; a size below 0 is an error when it runs (substr_op.cc makes of it what C++ makes of it)."""
    first, count = (site.cast(each, DType.INT64) for each in (start, size))
    return substring(*site.aligned(x, first, count), unit=_unit(site))


_HASHES: dict[str, Hash] = {
    "StringToHashBucket": "murmur",
    "StringToHashBucketFast": "farm",
    "StringToHashBucketStrong": "sip",
}


@handlers.layer(*_HASHES)
def hashed(site: Site, x: Value) -> Value:
    """The buckets of strings."""
    method = _HASHES[site.node.kind]
    key = site.integers("key") if method == "sip" else ()
    return string_hash(x, buckets=site.integer("num_buckets"), method=method, key=key)


@handlers.layer("StringToNumber")
def parsed(site: Site, x: Value) -> Value:
    """The numbers that strings spell."""
    return text_to_number(x, dtype=site.dtype("out_type"))


@handlers.layer("AsString")
def spelled(site: Site, x: Value) -> Value:
    """Whole numbers as strings."""
    if not x.dtype.is_integer or site.integer("width") != -1 or site.text("fill"):
        site.refuse("other strings than those of whole numbers")
    site.ignore("precision", "scientific", "shortest")
    return number_to_text(x)


def _literal(site: Site, operand: Value, what: str) -> str:
    """The one string that an operand is."""
    return str(site.array(operand, what).reshape(-1)[0])


@handlers.layer("StaticRegexFullMatch")
def matched(site: Site, x: Value) -> Value:
    """Whether a pattern is the whole of each string."""
    return regex_full_match(x, pattern=site.text("pattern"))


@handlers.layer("RegexFullMatch")
def matched_late(site: Site, x: Value, pattern: Value) -> Value:
    """The same with a pattern that is an operand."""
    return regex_full_match(x, pattern=_literal(site, pattern, "a pattern"))


@handlers.layer("StaticRegexReplace")
def replaced(site: Site, x: Value) -> Value:
    """Strings whose matches are rewritten."""
    return _replaced(site, x, site.text("pattern"), site.text("rewrite"))


@handlers.layer("RegexReplace")
def replaced_late(site: Site, x: Value, pattern: Value, rewrite: Value) -> Value:
    """The same with a pattern and a rewrite that are operands."""
    return _replaced(site, x, _literal(site, pattern, "a pattern"), _literal(site, rewrite, "a rewrite"))


def _replaced(site: Site, x: Value, pattern: str, rewrite: str) -> Value:
    return regex_replace(x, pattern=pattern, rewrite=rewrite, everywhere=site.flag("replace_global"))
