"""ONNX forms of lookups in tables, and of maps (ai.onnx.ml)."""

from __future__ import annotations

from collections.abc import Mapping

from xir.backends.export.onnx._form import Answer, Call, Forms, OnnxAttribute, Refusal, whole
from xir.ir.constant import Constant
from xir.ir.node import Node
from xir.ir.types import DType
from xir.ops.labels import lookup, one_hot_categories
from xir.ops.maps import cast_map, dict_vectorizer, zip_map

forms = Forms()

DOMAIN = "ai.onnx.ml"
_TENSORS_SINCE = 20
"""The opset that came with ai.onnx.ml 4, whose LabelEncoder takes tensors (onnx docs/Versioning.md)."""

_LISTS: Mapping[DType, tuple[str, str]] = {
    DType.INT64: ("int64s", "int64"),
    DType.FLOAT32: ("floats", "float"),
    DType.STRING: ("strings", "string"),
}
"""The ends of LabelEncoder's attributes: lists, and their default."""


def _constant(node: Node, name: str) -> Constant:
    value = node.attributes[name]
    if not isinstance(value, Constant):
        raise TypeError(f"{node.op.name}: attribute {name!r} is no constant")
    return value


def entries(table: Constant) -> tuple[int, ...] | tuple[float, ...] | tuple[str, ...]:
    """The elements of a vector as ONNX attributes hold them."""
    items = table.array().reshape(-1).tolist()
    if table.dtype is DType.STRING:
        return tuple(str(item) for item in items)
    return tuple(float(item) for item in items) if table.dtype.is_floating else tuple(int(item) for item in items)


@forms.of(lookup)
def _lookup(node: Node, opset: int) -> Answer:
    """LabelEncoder: lists where it has them, else tensors."""
    keys, values, default = (_constant(node, name) for name in ("keys", "values", "default"))
    if not keys.elements:
        return Refusal("a lookup in an empty table")
    if keys.dtype in _LISTS and values.dtype in _LISTS:
        plural, singular = _LISTS[values.dtype]
        attributes: dict[str, OnnxAttribute] = {
            f"keys_{_LISTS[keys.dtype][0]}": entries(keys),
            f"values_{plural}": entries(values),
            f"default_{singular}": entries(default)[0],
        }
    elif opset < _TENSORS_SINCE:
        return Refusal(f"a lookup from {keys.dtype} to {values.dtype}", _TENSORS_SINCE)
    else:
        attributes = {"keys_tensor": keys, "values_tensor": values, "default_tensor": default.reshaped((1,))}
    return Call("LabelEncoder", node.inputs, attributes, domain=DOMAIN)


@forms.of(one_hot_categories)
def _one_hot_categories(node: Node, opset: int) -> Answer:
    """OneHotEncoder."""
    categories = _constant(node, "categories")
    if not categories.elements:
        return Refusal("places among no categories")
    name = "cats_strings" if categories.dtype is DType.STRING else "cats_int64s"
    attributes: dict[str, OnnxAttribute] = {name: entries(categories), "zeros": whole(node, "allow_unknown")}
    return Call("OneHotEncoder", node.inputs, attributes, domain=DOMAIN)


def _keyed(table: Constant, words: str, numbers: str) -> dict[str, OnnxAttribute]:
    return {words if table.dtype is DType.STRING else numbers: entries(table)}


@forms.of(zip_map)
def _zip_map(node: Node, opset: int) -> Answer:
    """ZipMap."""
    keys = _keyed(_constant(node, "keys"), "classlabels_strings", "classlabels_int64s")
    return Call("ZipMap", node.inputs, keys, domain=DOMAIN)


@forms.of(dict_vectorizer)
def _dict_vectorizer(node: Node, opset: int) -> Answer:
    """DictVectorizer."""
    vocabulary = _keyed(_constant(node, "vocabulary"), "string_vocabulary", "int64_vocabulary")
    return Call("DictVectorizer", node.inputs, vocabulary, domain=DOMAIN)


_CASTS = {DType.FLOAT32: "TO_FLOAT", DType.STRING: "TO_STRING", DType.INT64: "TO_INT64"}


@forms.of(cast_map)
def _cast_map(node: Node, opset: int) -> Answer:
    """CastMap."""
    dtype, size = node.attributes["dtype"], node.attributes["size"]
    if not isinstance(dtype, DType):
        return Refusal("a map without an element type")
    attributes: dict[str, OnnxAttribute] = {"cast_to": _CASTS[dtype]}
    if isinstance(size, int):
        attributes |= {"map_form": "SPARSE", "max_map": size}
    return Call("CastMap", node.inputs, attributes, domain=DOMAIN)
