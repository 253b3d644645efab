"""Categories: numbers of words and of ranges, and what is made of them (keras/src/layers/preprocessing)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends.keras.config import whole
from xir.frontends.keras.model import Json
from xir.frontends.keras.site import Handler, Site
from xir.ir.constant import Array, constant_of
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import compare, elementwise
from xir.ops._build import scalar_like
from xir.ops.constant import constant
from xir.ops.index import one_hot
from xir.ops.labels import lookup
from xir.ops.reduce import reduce_max, reduce_sum
from xir.ops.shape import reshape

handlers: Handlers[Handler] = Handlers("keras")

MODES = ("int", "one_hot", "multi_hot", "count", "tf_idf")


def encoded(site: Site, x: Value, mode: str, depth: int, dtype: DType, known: Value | None = None) -> Value:
    """Numbers of categories as they are, or as ones and counts (keras/src/utils/numerical_utils.py).

    Args:
        site: the layer's site.
        x: the numbers.
        mode: as what.
        depth: how many categories there are.
        dtype: of the numbers as they are.
        known: which of the numbers count, bool of the shape of `x`; None: all do.
    """
    if site.config.flag("sparse"):
        site.refuse("sparse results")
    if mode == "int":
        return elementwise.cast(x, dtype=dtype)
    if mode == "one_hot":
        flat = reshape(x, shape=x.shape[:-1]) if x.rank > 1 and x.shape[-1] == 1 else x
        return one_hot(flat, depth=depth, axis=flat.rank, dtype=DType.FLOAT32)
    if x.rank < 2:
        site.refuse(f"the mode {mode!r} of {x.type!r}: rows of categories are needed")
    ones = one_hot(x, depth=depth, axis=x.rank, dtype=DType.FLOAT32)
    if known is not None:
        wide = site.repeated(reshape(known, shape=(*known.shape, 1)), ones.shape)
        ones = elementwise.select(wide, ones, scalar_like(ones, 0))
    found = (reduce_max if mode == "multi_hot" else reduce_sum)(ones, axes=(1,), keep_dims=False)
    return found if mode != "tf_idf" else elementwise.mul(*site.aligned(found, _rarities(site, depth)))


def _rarities(site: Site, depth: int) -> Value:
    """What each category weighs, [depth]: of the configuration, with the mean for unknown ones, or of the weights."""
    listed = site.config.listed("idf_weights")
    if site.cursor.left:
        return site.weight("idf_weights", (depth,))
    if not listed:
        site.invalid("the file lacks its weight 'idf_weights'")
    known = np.asarray([float(str(each)) for each in listed], np.float32)
    held = np.concatenate([known.mean(keepdims=True), known])
    if len(held) > depth:
        site.invalid(f"{len(known)} weights of words for {depth} categories")
    return constant(value=constant_of(np.pad(held, (0, depth - len(held)))))


@handlers.layer("CategoryEncoding")
def categories(site: Site, x: Value) -> Value:
    """CategoryEncoding: ones, or counts, at the places of the numbers."""
    mode = site.config.word("output_mode", "multi_hot", *MODES[1:4])
    whole_numbers = x if not x.dtype.is_floating else elementwise.cast(x, dtype=DType.INT32)
    return encoded(site, whole_numbers, mode, site.config.integer("num_tokens"), DType.INT32)


@handlers.layer("Discretization")
def ranges(site: Site, x: Value) -> Value:
    """Discretization: how many of the boundaries are at most the number."""
    listed = site.config.listed("bin_boundaries")
    if not listed:
        site.invalid("it has no boundaries: it was saved before `adapt`")
    site.config.ignore("num_bins", "epsilon")
    mode = site.config.word("output_mode", "int", *MODES[:4])
    ends = constant(value=constant_of(np.asarray([float(str(end)) for end in listed], np.float32)))
    real = x if x.dtype is DType.FLOAT32 else elementwise.cast(x, dtype=DType.FLOAT32)
    wide, limits = site.aligned(reshape(real, shape=(*x.shape, 1)), ends)
    above = elementwise.cast(compare.greater_equal(wide, limits), dtype=DType.INT32)
    count = reduce_sum(above, axes=(x.rank,), keep_dims=False)
    return encoded(site, count, mode, len(listed) + 1, DType.INT32)


def vocabulary(site: Site, numbers: bool, special: int, marks: Sequence[Json]) -> list[Json]:
    """The words of the configuration or of the archive's assets, without the special ones (`marks`) in front."""
    held = site.config.raw("vocabulary")
    if isinstance(held, list):
        return held[special:] if held[:1] and special and held[0] in marks else held
    text = site.cursor.weights.text
    if text is None:
        site.refuse("a table of words that the file does not hold", "save the model as .keras")
    lines = text.splitlines()
    while lines and not lines[-1]:
        lines.pop()
    return [int(line) if numbers else line for line in lines[special:]]


def numbers_of(site: Site, x: Value, words: Sequence[Json], masked: bool) -> Value:
    """The places of words behind 1 for unknown ones and, `masked`, 0 for the empty one; else behind 0."""
    first = 1 if masked else 0
    keys = np.asarray([*words, *([""] if masked else [])], object)
    if any(not isinstance(word, str) for word in words):
        site.invalid("its vocabulary holds more than texts")
    places = np.append(np.arange(first + 1, first + 1 + len(words)), [0] * first).astype(np.int64)
    unknown = constant_of(np.asarray(first, np.int64))
    return lookup(x, keys=constant_of(keys), values=constant_of(places), default=unknown)


@handlers.layer("StringLookup", "IntegerLookup")
def numbered(site: Site, x: Value) -> Value:
    """StringLookup, IntegerLookup: the place of a word in the vocabulary, behind 0 for the mask and 1 for others."""
    config, numbers = site.config, site.layer.kind == "IntegerLookup"
    mode = config.word("output_mode", "int", *MODES)
    masked, others = config.raw("mask_token"), config.integer("num_oov_indices", 1)
    config.ignore("oov_token", "vocabulary_dtype", "vocabulary_size", "salt", "oov_method", "encoding")
    config.ignore("has_input_vocabulary", *([] if mode == "tf_idf" else ["idf_weights"]))
    if others > 1:
        site.refuse(f"{others} places for unknown words, chosen by a hash", "use one: num_oov_indices=1")
    if mode == "tf_idf" and others != 1:
        site.refuse("the mode 'tf_idf' without a place for unknown words", "use one: num_oov_indices=1")
    first = 1 if masked is not None and mode == "int" else 0
    words = vocabulary(site, numbers, first + others, (masked, config.raw("oov_token")))
    dtype = np.int64 if numbers else np.object_
    keys = np.asarray([*words, *([] if masked is None else [masked])], dtype)
    places = np.arange(first + others, first + others + len(words), dtype=np.int64)
    places = places if masked is None else np.append(places, 0)
    if numbers and x.dtype is not DType.INT64:
        x = elementwise.cast(x, dtype=DType.INT64)
    if config.flag("invert"):
        config.ignore("sparse", "pad_to_max_tokens", "max_tokens")
        return _words(site, x, keys, places)
    if others == 0:
        site.note(f"the layer {site.layer.name!r} stops at unknown words in Keras; here they are number -1")
    unknown = constant_of(np.asarray(first if others else -1, np.int64))
    found = lookup(x, keys=constant_of(keys), values=constant_of(places), default=unknown)
    most = config.optional_integer("max_tokens")
    size = most if config.flag("pad_to_max_tokens") else None
    return encoded(site, found, mode, len(words) + first + others if size is None else size, DType.INT64)


def _words(site: Site, x: Value, words: Array, places: Array) -> Value:
    """The words of places."""
    if x.dtype is not DType.INT64:
        x = elementwise.cast(x, dtype=DType.INT64)
    unknown = site.layer.config.get("oov_token")
    other: str | int = unknown if isinstance(unknown, str) else whole(unknown, "oov_token")
    return lookup(
        x, keys=constant_of(places), values=constant_of(words), default=constant_of(np.asarray(other, words.dtype))
    )
