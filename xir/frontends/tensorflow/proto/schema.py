"""The messages of TensorFlow as one table: what a number means on the wire and a name means in text.

The facts stand in `fields.tsv` and `enums.tsv` beside this file: field numbers, names, types and oneofs of the `.proto`
files of TensorFlow 2.21 (tensorflow/core/framework and tensorflow/core/protobuf).
"""

from __future__ import annotations

import functools
import importlib.resources
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Category = Literal["integer", "real", "flag", "text", "bytes", "enum", "message"]
"""What a field holds, as the accessors of `Message` name it."""

_CATEGORIES: Mapping[str, Category] = MappingProxyType(
    {
        "int32": "integer",
        "int64": "integer",
        "uint32": "integer",
        "uint64": "integer",
        "fixed32": "integer",
        "float": "real",
        "double": "real",
        "bool": "flag",
        "string": "text",
        "bytes": "bytes",
    }
)


@dataclass(frozen=True, slots=True)
class Field:
    """One field of one message.

    Attributes:
        message: the message that has it.
        number: its number on the wire.
        name: its name in text.
        type: `int32`, `float`, `string` ..., or the name of a message or an enumeration.
        category: which accessor reads it.
        is_repeated: whether it holds any number of values.
        oneof: the name of the group of which a message sets one field at most, or the empty text.
    """

    message: str
    number: int
    name: str
    type: str
    category: Category
    is_repeated: bool
    oneof: str


@dataclass(frozen=True, slots=True, eq=False)
class Schema:
    """All messages and enumerations.

    Attributes:
        numbers: {message: {number: field}}.
        names: {message: {name: field}}.
        enums: {enumeration: {name: number}}.
    """

    numbers: Mapping[str, Mapping[int, Field]]
    names: Mapping[str, Mapping[str, Field]]
    enums: Mapping[str, Mapping[str, int]]


def _lines(name: str) -> list[list[str]]:
    text = importlib.resources.files(__package__ or "").joinpath(name).read_text("utf-8")
    return [line.split("\t") for line in text.splitlines() if line]


@functools.cache
def load_schema() -> Schema:
    """The schema of this package, read once."""
    enums: dict[str, dict[str, int]] = {}
    for enum, name, number in _lines("enums.tsv"):
        enums.setdefault(enum, {})[name] = int(number)
    numbers: dict[str, dict[int, Field]] = {}
    for message, number, name, type, label, oneof in _lines("fields.tsv"):
        category: Category = "enum" if type in enums else _CATEGORIES.get(type, "message")
        field = Field(message, int(number), name, type, category, label == "r", oneof)
        numbers.setdefault(message, {})[field.number] = field
    names = {message: {field.name: field for field in fields.values()} for message, fields in numbers.items()}
    return Schema(numbers, names, enums)
