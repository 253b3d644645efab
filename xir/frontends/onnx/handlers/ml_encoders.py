"""Encoders of ai.onnx.ml: labels and categories by tables, maps from and to tensors."""

from __future__ import annotations

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.frontends.onnx.handlers._scores import DOMAIN, labels_of, text_array
from xir.ir.constant import Array, constant_of
from xir.ir.node import Value
from xir.ir.types import DType, MapType, TensorType, dtype_from_numpy
from xir.ops.elementwise import cast
from xir.ops.labels import lookup, one_hot_categories, positions
from xir.ops.maps import cast_map, dict_vectorizer, zip_map

handlers: Handlers[Handler] = Handlers("onnx")

_NO_WORD = "_Unused"
"""The default of all attributes default_string."""


def _looked_up(site: Site, x: Value, keys: Array, values: Array, default: Array) -> Value:
    """The lookup, each key once: the last of equal ones (LabelEncoder-4; older versions do not say)."""
    if keys.size != values.size or not keys.size:
        site.invalid(f"{keys.size} keys and {values.size} values: one value a key is needed")
    last = positions(keys, keys) == np.arange(keys.size)
    return lookup(
        x, keys=constant_of(keys[last]), values=constant_of(values[last]), default=constant_of(default.reshape(()))
    )


def _word(text: str) -> Array:
    return text_array((text,))


@handlers.layer(*versions("LabelEncoder", 1, domain=DOMAIN))
def label_encoder_by_place(site: Site, x: Value) -> Value:
    """LabelEncoder-1: text to its first place among the classes, or a place to its text."""
    classes = text_array(site.strings("classes_strings") or ())
    missing, word = site.integer("default_int64", -1), site.text("default_string", _NO_WORD)
    if x.dtype is DType.STRING:
        first = positions(classes[::-1], classes)
        places = (classes.size - 1 - first).astype(np.int64)
        return _looked_up(site, x, classes, places, np.asarray([missing], np.int64))
    return _looked_up(site, x, np.arange(classes.size, dtype=np.int64), classes, _word(word))


@handlers.layer(*versions("CategoryMapper", 1, domain=DOMAIN))
def category_mapper(site: Site, x: Value) -> Value:
    """CategoryMapper: text to numbers or numbers to text, as the operand wants."""
    numbers = np.asarray(site.integers("cats_int64s", ()), np.int64)
    words = text_array(site.strings("cats_strings") or ())
    missing, word = site.integer("default_int64", -1), site.text("default_string", _NO_WORD)
    if x.dtype is DType.STRING:
        return _looked_up(site, x, words, numbers, np.asarray([missing], np.int64))
    return _looked_up(site, x, numbers, words, _word(word))


def _entries(site: Site, which: str) -> Array:
    """The one of `which`_int64s, _floats, _strings and _tensor that is given."""
    found: list[Array] = []
    numbers, floats, words = (
        site.integers(f"{which}_int64s", ()),
        site.reals(f"{which}_floats"),
        site.strings(f"{which}_strings"),
    )
    if numbers:
        found.append(np.asarray(numbers, np.int64))
    if floats:
        found.append(np.asarray(floats, np.float32))
    if words:
        found.append(text_array(words))
    held = site.tensor(f"{which}_tensor")
    if held is not None:
        found.append(held.array().reshape(-1))
    if len(found) != 1:
        site.invalid(f"one of the attributes {which}_* must be given, got {len(found)}")
    return found[0]


def _default(site: Site, like: Array) -> Array:
    """The default that belongs to values of an element type."""
    held = site.tensor("default_tensor")
    number, real, word = (
        site.integer("default_int64", -1),
        site.real("default_float", -0.0),
        site.text("default_string", _NO_WORD),
    )
    dtype = dtype_from_numpy(like.dtype)
    if held is not None:
        if held.elements != 1 or held.dtype is not dtype:
            site.invalid(f"default_tensor is {held.type!r}, expected one element of {dtype}")
        return held.array()
    if dtype is DType.STRING:
        return _word(word)
    return np.asarray([number if dtype.is_integer else real]).astype(dtype.dtype)


@handlers.layer(*versions("LabelEncoder", 2, 4, domain=DOMAIN))
def label_encoder(site: Site, x: Value) -> Value:
    """LabelEncoder: keys to values.

    Version 2 says that floats are compared bit by bit, so that NaN finds NaN; that -0 and 0 would be two keys then,
    no implementation does, and version 4 has dropped it.
    """
    keys, values = _entries(site, "keys"), _entries(site, "values")
    return _looked_up(site, x, keys, values, _default(site, values))


@handlers.layer(*versions("OneHotEncoder", 1, domain=DOMAIN))
def one_hot_encoder(site: Site, x: Value) -> Value:
    """OneHotEncoder; numbers other than i64 are cast to it first."""
    numbers, words = site.integers("cats_int64s", ()), site.strings("cats_strings") or ()
    allow = site.flag("zeros", True)
    if bool(numbers) == bool(words):
        site.invalid("one of cats_int64s and cats_strings must be given")
    categories = text_array(words) if words else np.asarray(numbers, np.int64)
    whole = x if x.dtype in (DType.INT64, DType.STRING) else cast(x, dtype=DType.INT64)
    return one_hot_categories(whole, categories=constant_of(categories), allow_unknown=allow)


@handlers.layer(*versions("ZipMap", 1, domain=DOMAIN))
def zipped(site: Site, x: Value) -> Value:
    """ZipMap: a map for each row."""
    return zip_map(x, keys=constant_of(labels_of(site, "classlabels_int64s", "classlabels_strings").array))


@handlers.layer(*versions("DictVectorizer", 1, domain=DOMAIN))
def vectorized(site: Site, x: Value) -> Value:
    """DictVectorizer."""
    vocabulary = labels_of(site, "int64_vocabulary", "string_vocabulary").array
    held = x.type.element if isinstance(x.type, MapType) else x.type
    if not isinstance(held, TensorType):
        site.invalid(f"a map is needed, got {x.type!r}")
    return dict_vectorizer(x, vocabulary=constant_of(vocabulary), dtype=held.dtype)


_CASTS = {"TO_FLOAT": DType.FLOAT32, "TO_STRING": DType.STRING, "TO_INT64": DType.INT64}


@handlers.layer(*versions("CastMap", 1, domain=DOMAIN))
def cast_of_map(site: Site, x: Value) -> Value:
    """CastMap."""
    dtype = _CASTS[site.choice("cast_to", list(_CASTS), "TO_FLOAT")]
    size = site.integer("max_map", 1)
    sparse = site.choice("map_form", ("DENSE", "SPARSE"), "DENSE") == "SPARSE"
    return cast_map(x, dtype=dtype, size=size if sparse else None)
