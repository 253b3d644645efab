"""Strings."""

from __future__ import annotations

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends.tensorflow._site import Handler, Site
from xir.ir.constant import constant_of
from xir.ir.node import Value
from xir.ops.cast import number_to_text, text_to_number
from xir.ops.constant import constant, identity
from xir.ops.shape import broadcast
from xir.ops.strings import regex_full_match, string_concat, string_normalize

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


@handlers.layer("StringLower", "StringUpper")
def cased(site: Site, x: Value) -> Value:
    """Strings in small or capital letters; without an encoding only those of ASCII change."""
    if site.text("encoding") not in ("", "utf-8"):
        site.refuse("an encoding that is none of text")
    if x.rank > 1:
        site.refuse("tables of strings")
    lower = site.node.kind == "StringLower"
    return string_normalize(x, stopwords=(), case_sensitive=True, case="lower" if lower else "upper")


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


@handlers.layer("StaticRegexFullMatch")
def matched(site: Site, x: Value) -> Value:
    """Whether a pattern is the whole of each string."""
    return regex_full_match(x, pattern=site.text("pattern"))
