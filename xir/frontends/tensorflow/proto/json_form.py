"""Protobuf's JSON form against the table of messages.

Source: protobuf's 'ProtoJSON Format': fields by their own names or in camel case, numbers of 64 bits as text, bytes in
Base64 of either alphabet, values of enumerations by name or number, maps as objects, null for what is not set.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

import numpy as np

from xir.frontends._json import Json
from xir.frontends.tensorflow.proto.message import Item, Message
from xir.frontends.tensorflow.proto.schema import Field, load_schema
from xir.limits import check_nesting

_ENTRY = "Entry"
_NUMBERS = {"integer": object, "real": np.float64, "flag": np.bool_, "enum": np.int64}
_URL = str.maketrans("-_", "+/")


def message_of(found: Json, type: str, depth: int = 1) -> Message:
    """The message of `type` that an object holds.

    Raises:
        InvalidModelError: a field or a value is none of the message's.
        UnsafeError: it is nested too deep.
    """
    check_nesting(depth, file=found.file)
    names = {_camel(name): field for name, field in load_schema().names[type].items()}
    names |= load_schema().names[type]
    values: dict[str, list[Item]] = {}
    for name, held in found.entries():
        field = names.get(name)
        if field is None:
            found.invalid(f"{type} has no field {name[:60]!r}")
        if held.value is None:
            continue
        if field.name in values:
            found.invalid(f"{type}.{field.name} is set twice")
        items: list[Item] = list(_items(held, field, depth))
        if field.is_repeated and field.category in _NUMBERS:
            items[:] = [np.asarray(items, _NUMBERS[field.category])]
        values[field.name] = items
    return Message(type, values)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


def _items(held: Json, field: Field, depth: int) -> Iterator[Item]:
    if not field.is_repeated:
        yield _item(held, field, depth)
    elif field.category == "message" and field.type.endswith(_ENTRY):
        value = load_schema().names[field.type]["value"]
        for key, inner in held.entries():
            yield Message(field.type, {"key": [key], "value": [_item(inner, value, depth + 1)]})
    else:
        for inner in held.items():
            yield _item(inner, field, depth)


def _item(held: Json, field: Field, depth: int) -> Item:
    match field.category:
        case "message":
            return message_of(held, field.type, depth + 1)
        case "text":
            return held.long_text()
        case "bytes":
            return _bytes(held)
        case "flag":
            return held.boolean()
        case "real":
            return held.number()
        case "enum" if isinstance(held.value, str):
            names = load_schema().enums[field.type]
            return names[held.value] if held.value in names else held.invalid(f"no {field.type}: {held.value[:60]!r}")
        case _:
            return _integer(held)


def _bytes(held: Json) -> bytes:
    text = held.long_text().translate(_URL)
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        held.invalid("no Base64")


def _integer(held: Json) -> int:
    text = held.value
    if not isinstance(text, str):
        return held.integer()
    if not text.removeprefix("-").isdecimal() or len(text) > 20:
        held.invalid(f"expected a whole number, got {text[:40]!r}")
    return Json(int(text), held.place, held.file).integer()
