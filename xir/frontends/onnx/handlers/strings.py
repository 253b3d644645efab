"""Text: joining, splitting, normalizing, matching, counting."""

from __future__ import annotations

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.frontends.onnx.handlers._scores import text_array
from xir.ir.constant import constant_of
from xir.ir.node import Value
from xir.ops.ngrams import Weighting, count_ngrams
from xir.ops.strings import Case, regex_full_match, string_concat, string_normalize, string_split

handlers: Handlers[Handler] = Handlers("onnx")

_CASES: dict[str, Case] = {"NONE": "none", "LOWER": "lower", "UPPER": "upper"}
_WEIGHTINGS: dict[str, Weighting] = {"TF": "tf", "IDF": "idf", "TFIDF": "tfidf"}

_OTHER_CASES = ("tr", "az", "lt")
"""Languages in which letters have other cases than Unicode's general ones (SpecialCasing.txt)."""


@handlers.layer(*versions("StringConcat", 20))
def join(site: Site, x: Value, y: Value) -> Value:
    """StringConcat, which broadcasts."""
    return string_concat(*site.aligned(x, y))


@handlers.layer(*versions("StringSplit", 20))
def split(site: Site, x: Value) -> tuple[Value, ...]:
    """StringSplit; a negative limit is none (as in Python, whose rules onnx's reference evaluator takes)."""
    limit = site.integer("maxsplit", -1)
    return string_split(x, delimiter=site.text("delimiter", ""), limit=limit if limit >= 0 else None)


@handlers.layer(*versions("StringNormalizer", 10))
def normalize(site: Site, x: Value) -> Value:
    """StringNormalizer; letters change case as Unicode says, which is what most locales do."""
    locale = site.text("locale", "en_US")
    case = _CASES[site.choice("case_change_action", list(_CASES), "NONE")]
    if locale.lower().startswith(_OTHER_CASES):
        site.refuse(f"upper and lower case of the locale {locale!r}", "use en_US")
    return string_normalize(
        x,
        stopwords=site.strings("stopwords") or (),
        case_sensitive=site.flag("is_case_sensitive", False),
        case=case,
    )


@handlers.layer(*versions("RegexFullMatch", 20))
def full_match(site: Site, x: Value) -> Value:
    """RegexFullMatch."""
    return regex_full_match(x, pattern=site.text("pattern", ""))


@handlers.layer(*versions("TfIdfVectorizer", 9))
def n_grams(site: Site, x: Value) -> Value:
    """TfIdfVectorizer."""
    numbers, words = site.integers("pool_int64s", ()), site.strings("pool_strings") or ()
    if bool(numbers) == bool(words):
        site.invalid("one of pool_int64s and pool_strings must be given")
    weights = site.reals("weights")
    return count_ngrams(
        x,
        pool=constant_of(text_array(words) if words else np.asarray(numbers, np.int64)),
        starts=site.integers("ngram_counts"),
        places=site.integers("ngram_indexes"),
        weights=constant_of(np.asarray(weights, np.float32)) if weights else None,
        shortest=site.integer("min_gram_length"),
        longest=site.integer("max_gram_length"),
        skips=site.integer("max_skip_count"),
        weighting=_WEIGHTINGS[site.choice("mode", list(_WEIGHTINGS), "")],
    )
