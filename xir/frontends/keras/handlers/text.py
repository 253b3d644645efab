"""Text: hashed into buckets, or cut into words and numbered (keras/src/layers/preprocessing)."""

from __future__ import annotations

import numpy as np

from xir.frontends._crossing import crossed
from xir.frontends._handlers import Handlers
from xir.frontends.keras.config import plain, whole
from xir.frontends.keras.handlers._sequences import compacted
from xir.frontends.keras.handlers.lookup import MODES, encoded, numbers_of, vocabulary
from xir.frontends.keras.inputs import DTYPES
from xir.frontends.keras.site import Handler, Site
from xir.ir.constant import constant_of
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import compare, elementwise
from xir.ops._build import scalar_like
from xir.ops.cast import number_to_text
from xir.ops.constant import constant
from xir.ops.hashing import string_hash
from xir.ops.labels import lookup
from xir.ops.letters import Cut, string_case, string_pieces
from xir.ops.shape import broadcast, concat, iota, reshape, slice_
from xir.ops.strings import regex_replace, string_concat

handlers: Handlers[Handler] = Handlers("keras")

_PUNCTUATION = r"""[!"#$%&()\*\+,-\./:;<=>?@\[\\\]^_`{|}~\']"""
"""What `strip_punctuation` takes away (text_vectorization.py, `_preprocess`); `,-\\.` is a range of three signs."""

_WORD = 1 << 64

_CROSSING = 0xDECAFCAFFE
"""What crossed features begin with (tensorflow/python/ops/sparse_ops.py, `_DEFAULT_HASH_KEY`)."""

MAX_TOGETHER = 64
"""Words that are numbered together."""


def _text(value: str, like: Value) -> Value:
    return broadcast(constant(value=constant_of(np.asarray(value, object))), shape=like.shape)


@handlers.layer("Hashing")
def hashed(site: Site, x: Value) -> Value:
    """Hashing: the bucket of each text, or of the digits of each whole number; 0 is for the mask's value."""
    config = site.config
    buckets, marked, salt = config.positive("num_bins", 1)[0], config.raw("mask_value"), plain(config.raw("salt"))
    mode = config.word("output_mode", "int", *MODES[:4])
    found = x if x.dtype is DType.STRING or not x.dtype.is_floating else elementwise.cast(x, dtype=DType.INT64)
    words = found if found.dtype is DType.STRING else number_to_text(found)
    key: tuple[int, ...] = ()
    if salt is not None:
        listed = salt if isinstance(salt, list) else [salt, salt]
        key = tuple(whole(each, "salt") % _WORD for each in listed)
    rest = buckets - 1 if marked is not None and buckets > 1 else buckets
    made = string_hash(words, buckets=rest, method="sip" if key else "farm", key=key)
    if rest < buckets:
        made = elementwise.add(made, scalar_like(made, 1))
        is_marked = _equals(site, x, marked)
        made = elementwise.select(is_marked, scalar_like(made, 0), made)
    return _bucketed(site, made, mode, buckets)


def _equals(site: Site, x: Value, marked: object) -> Value:
    """Whether elements are the mask's value."""
    if x.dtype is not DType.STRING:
        return compare.equal(x, scalar_like(x, whole(site.config.raw("mask_value"), "mask_value")))
    if not isinstance(marked, str):
        site.invalid(f"the mask's value {marked!r} is no text")
    one, other = constant_of(np.asarray([1], np.int64)), constant_of(np.asarray(0, np.int64))
    found = lookup(x, keys=constant_of(np.asarray([marked], object)), values=one, default=other)
    return compare.equal(found, scalar_like(found, 1))


def _bucketed(site: Site, buckets: Value, mode: str, count: int) -> Value:
    """Numbers of buckets in the way and the type that the layer says.

    Keras 2 makes 64 bits of whole numbers whose type is a real one (of every layer, before TensorFlow 2.6).
    """
    found = encoded(site, buckets, mode, count, DType.INT64)
    held = site.layer.config.get("dtype")
    inner = held.get("config") if isinstance(held, dict) else None
    name = inner.get("name") if isinstance(inner, dict) else held
    told = found.dtype if name is None else DTYPES.get(str(name))
    if told is None or told is DType.STRING:
        site.refuse(f"results of the type {str(name)[:40]!r}")
    is_left = told is found.dtype or (mode == "int" and site.generation < 3 and told.is_floating)
    return found if is_left else elementwise.cast(found, dtype=told)


@handlers.layer("HashedCrossing")
def crossed_features(site: Site, *columns: Value) -> Value:
    """HashedCrossing: the bucket of what stands together in several features (preprocessing/hashed_crossing.py)."""
    mode, buckets = site.config.word("output_mode", "int", "int", "one_hot"), site.config.positive("num_bins", 1)[0]
    shape = columns[0].shape
    if len(columns) < 2 or len(shape) > 2 or (len(shape) == 2 and shape[1] != 1):
        site.invalid(f"{[column.type for column in columns]} are crossed, expected two or more [N] or [N, 1]")
    if not all(column.dtype is DType.STRING or column.dtype.is_integer for column in columns):
        site.invalid("features are crossed that are neither texts nor whole numbers")
    return _bucketed(site, crossed(site.aligned(*columns), key=_CROSSING, buckets=buckets), mode, buckets)


def _standardized(site: Site, x: Value) -> Value:
    how = site.config.raw("standardize", "lower_and_strip_punctuation")
    if how not in (None, "lower", "strip_punctuation", "lower_and_strip_punctuation"):
        site.refuse("text that a function of a person's own standardizes", "standardize it before the model")
    words = str(how).split("_and_")
    if "lower" in words:
        x = string_case(x, case="lower", ascii=True)
    return regex_replace(x, pattern=_PUNCTUATION, rewrite="", everywhere=True) if "strip_punctuation" in words else x


def _cut(site: Site, x: Value) -> tuple[Value, Value]:
    """The pieces of texts [N] or [N, 1], and which of them are there: str and bool [N, most pieces]."""
    how = site.config.raw("split", "whitespace")
    if how is None:
        found = x if x.rank == 2 else reshape(x, shape=(*x.shape, 1))
        return found, broadcast(constant(value=constant_of(np.asarray(True))), shape=found.shape)
    if how not in ("whitespace", "character"):
        site.refuse("text that a function of a person's own cuts", "cut it before the model")
    if x.rank == 2 and x.shape[1] != 1:
        site.invalid(f"texts {x.type!r} are cut, expected one in a row")
    rows = reshape(x, shape=x.shape[:1])
    at: Cut = "spaces" if how == "whitespace" else "characters"
    pieces, counts = string_pieces(rows, at=at, signs="", keep_empty=True, limit=None)
    return pieces, _below(pieces, counts)


def _below(pieces: Value, counts: Value) -> Value:
    """Which places [N, M] come before how many there are [N]."""
    line = iota(shape=pieces.shape, axis=1, dtype=DType.INT64)
    return compare.less(line, broadcast(reshape(counts, shape=(*counts.shape, 1)), shape=pieces.shape))


def _widths(site: Site) -> tuple[int, ...]:
    """How many words stand together, in the order in which they are numbered; none where no more than one does."""
    held = plain(site.config.raw("ngrams"))
    if held is None:
        return ()
    listed = [whole(each, "ngrams") for each in (held if isinstance(held, list) else [held])]
    if not listed or min(listed) < 1 or max(listed) > MAX_TOGETHER:
        site.invalid(f"{str(held)[:60]} words together, expected 1 to {MAX_TOGETHER}")
    return tuple(listed) if isinstance(held, list) else tuple(range(1, listed[0] + 1))


def _together(pieces: Value, there: Value, width: int) -> tuple[Value, Value]:
    """`width` pieces that follow each other, joined by spaces: str and bool [N, M], as many as there are pieces."""
    if width == 1:
        return pieces, there
    ends = (pieces.shape[0], width - 1)
    longer = concat(pieces, broadcast(constant(value=constant_of(np.asarray("", object))), shape=ends), axis=1)
    known = concat(there, broadcast(constant(value=constant_of(np.asarray(False))), shape=ends), axis=1)

    def from_place(value: Value, place: int) -> Value:
        stop = pieces.shape[1] + place
        return slice_(value, axes=(1,), starts=(place,), stops=(stop,), steps=(1,))

    made = from_place(longer, 0)
    for place in range(1, width):
        made = string_concat(string_concat(made, _text(" ", made)), from_place(longer, place))
    return made, from_place(known, width - 1)


@handlers.layer("TextVectorization")
def vectorized(site: Site, x: Value) -> Value:
    """TextVectorization: texts as the numbers of their words, 0 behind the last one, or as ones and counts of words."""
    config = site.config
    mode = config.word("output_mode", "int", "int", "multi_hot", "count", "tf_idf")
    if config.flag("ragged"):
        site.refuse("ragged results", "say output_sequence_length")
    if x.dtype is not DType.STRING or x.rank not in (1, 2):
        site.refuse(f"{x.type!r} as texts: expected str [N] or [N, 1]")
    pieces, there = _cut(site, _standardized(site, x))
    widths = _widths(site)
    if widths and config.raw("split") is None:
        site.refuse("n-grams of words that are given apart")
    words = vocabulary(site, False, 2 if mode == "int" else 1, ("", "[UNK]"))
    made = [_together(pieces, there, width) for width in widths] or [(pieces, there)]
    numbers = [numbers_of(site, each, words, mode == "int") for each, _ in made]
    known = concat(*(held for _, held in made), axis=1)
    found = concat(*numbers, axis=1)
    if config.flag("sparse"):
        site.refuse("sparse results")
    config.ignore("vocabulary_size", "encoding", "has_input_vocabulary")
    most = config.optional_integer("max_tokens")
    padded = config.flag("pad_to_max_tokens")
    if mode != "int":
        return encoded(site, found, mode, most if padded and most is not None else len(words) + 1, DType.INT64, known)
    config.ignore("idf_weights")
    if len(made) > 1:
        steps = compacted(known)
        front = steps.front(reshape(found, shape=(*found.shape, 1)))
        there = _below(found, elementwise.cast(steps.lengths, dtype=DType.INT64))
        found = elementwise.select(there, reshape(front, shape=found.shape), scalar_like(found, 0))
    else:
        found = elementwise.select(known, found, scalar_like(found, 0))
    return _of_length(found, config.optional_integer("output_sequence_length"))


def _of_length(numbers: Value, length: int | None) -> Value:
    """Rows of a length: cut off, or with 0 behind."""
    if length is None:
        return numbers
    zeros = broadcast(constant(value=constant_of(np.asarray(0, np.int64))), shape=(numbers.shape[0], length))
    longer = concat(numbers, zeros, axis=1)
    return slice_(longer, axes=(1,), starts=(0,), stops=(length,), steps=(1,))
