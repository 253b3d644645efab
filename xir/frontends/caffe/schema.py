"""The messages of Caffe and its forks as one table: what a name means in text, what a number means in a dialect.

The facts stand in `fields.tsv` and `enums.tsv` beside this file: field numbers, names, types, labels and defaults of
the `caffe.proto` of BVLC/caffe, weiliu89/caffe (branch ssd), intel/caffe, NVIDIA/caffe, hszhao/PSPNet, yjxiong/caffe,
daijifeng001/caffe-rfcn and rbgirshick/caffe-fast-rcnn, and what deployed prototxts of still other forks use. In text
the names never clash, so one superset serves. In binary files over sixty numbers mean different things in different
forks, so binary parameters are read by one `Dialect` at a time.
"""

from __future__ import annotations

import difflib
import functools
import importlib.resources
import math
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, get_args

from xir.errors import UsageError

Dialect = Literal["bvlc", "ssd", "intel", "nvidia", "pspnet", "yjxiong", "rfcn", "fast-rcnn", "deployed"]
"""A fork of Caffe; `deployed` holds what is known only from prototxts (and has hardly any numbers)."""

DIALECTS: tuple[Dialect, ...] = get_args(Dialect)
"""All dialects, BVLC's first: where several readings are equal, the first one is named."""

LETTERS: Mapping[str, Dialect] = MappingProxyType(dict(zip("bsinpyrfx", DIALECTS, strict=True)))
"""The one-letter names that the tables use."""

Category = Literal["integer", "number", "boolean", "text", "bytes", "enum", "message"]
"""What a field holds, as the accessors of `Message` name it."""

_CATEGORIES: Mapping[str, Category] = MappingProxyType(
    {
        "int32": "integer",
        "int64": "integer",
        "uint32": "integer",
        "uint64": "integer",
        "float": "number",
        "double": "number",
        "bool": "boolean",
        "string": "text",
        "bytes": "bytes",
    }
)
_LABELS = {"o": "optional", "r": "repeated", "p": "repeated", "q": "required"}

RANGES: Mapping[str, tuple[int, int]] = MappingProxyType(
    {
        "int32": (-(1 << 31), (1 << 31) - 1),
        "uint32": (0, (1 << 32) - 1),
        "int64": (-(1 << 63), (1 << 63) - 1),
        "uint64": (0, (1 << 64) - 1),
    }
)
"""Smallest and largest value of each integer type (protobuf encoding guide, section 'Scalar value types')."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of one message.

    Attributes:
        message: the message that has the field.
        number: its number on the wire; 0 where only the text form is known.
        name: its name in text.
        type: `int32`, `float`, `string` ..., or the name of a message or an enumeration.
        category: which accessor reads it.
        repeated: several values; packed and unpacked forms are both read.
        required: proto2's `required`.
        default: the declared default in text form, or None.
        dialects: the forks that have it.
    """

    message: str
    number: int
    name: str
    type: str
    category: Category
    repeated: bool
    required: bool
    default: str | None
    dialects: tuple[Dialect, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Schema:
    """All messages and enumerations, found by name (text) or by number and dialect (binary).

    `ambiguous` holds the (message, number) pairs that mean different things in different forks.
    """

    fields: tuple[Field, ...]
    names: Mapping[str, Mapping[str, Field]]
    numbers: Mapping[str, Mapping[int, tuple[Field, ...]]]
    enums: Mapping[str, Mapping[str, int]]
    enum_numbers: Mapping[tuple[str, Dialect], Mapping[int, str]]
    ambiguous: frozenset[tuple[str, int]]

    def field(self, message: str, name: str) -> Field | None:
        """The field of `message` called `name` in any dialect, or None."""
        return self.names[message].get(name)

    def numbered(self, message: str, number: int, dialect: Dialect) -> Field | None:
        """The field of `message` that has `number` in `dialect`, or None."""
        for field in self.numbers[message].get(number, ()):
            if dialect in field.dialects:
                return field
        return None

    def required(self, message: str) -> tuple[Field, ...]:
        """The required fields of `message`."""
        return tuple(field for field in self.names[message].values() if field.required)

    def closest(self, message: str, name: str) -> str | None:
        """The field name of `message` that is most like `name`, or None where nothing is like it."""
        found = difflib.get_close_matches(name, self.names[message], n=1)
        return found[0] if found else None

    def owners(self, name: str) -> tuple[str, ...]:
        """The messages that have a field called `name`, in the order of the table."""
        return tuple(message for message, fields in self.names.items() if name in fields)

    def extended(self, fields: Iterable[Field]) -> Schema:
        """This schema with more fields, for a user's own layers: `fields` may make new messages too.

        Raises:
            UsageError: a field names a type that no message, enumeration or scalar has, or one that exists otherwise.
        """
        more = tuple(fields)
        messages = set(self.names) | {field.message for field in more}
        for field in more:
            known = field.type in messages or field.type in self.enums or field.type in _CATEGORIES
            there = self.names.get(field.message, {}).get(field.name)
            if not known or there is not None:
                problem = f"has the unknown type {field.type!r}" if not known else "is there already"
                raise UsageError(
                    f"the extra field {field.message}.{field.name} {problem}",
                    hint="name a scalar type of protobuf, or declare the fields of its message too",
                )
        return _build((*self.fields, *more), self.enums, self.enum_numbers)


def make_field(
    message: str,
    name: str,
    type: str,
    *,
    number: int = 0,
    repeated: bool = False,
    default: str | None = None,
) -> Field:
    """A field of a user's own layer, known in every dialect: `make_field("MyParameter", "gain", "float")`.

    A type that is no scalar is taken for a message.
    """
    category = _CATEGORIES.get(type, "message")
    return Field(message, number, name, type, category, repeated, False, default, DIALECTS)


def _lines(name: str) -> list[list[str]]:
    text = importlib.resources.files("xir.frontends.caffe").joinpath(name).read_text("utf-8")
    return [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]


def _dialects(letters: str) -> tuple[Dialect, ...]:
    return tuple(LETTERS[letter] for letter in letters)


@functools.cache
def load_schema() -> Schema:
    """The schema of this package, read once."""
    enums: dict[str, dict[str, int]] = {}
    enum_numbers: dict[tuple[str, Dialect], dict[int, str]] = {}
    for enum, name, number, letters in _lines("enums.tsv"):
        enums.setdefault(enum, {}).setdefault(name, int(number))
        for dialect in _dialects(letters):
            enum_numbers.setdefault((enum, dialect), {})[int(number)] = name
    fields = tuple(_field(line, enums) for line in _lines("fields.tsv"))
    return _build(fields, enums, enum_numbers)


def _field(line: list[str], enums: Mapping[str, object]) -> Field:
    message, number, name, type_, label, default, letters = line
    category: Category = "enum" if type_ in enums else _CATEGORIES.get(type_, "message")
    wire = 0 if number == "-" else int(number)
    kind = _LABELS[label]
    return Field(
        message,
        wire,
        name,
        type_,
        category,
        kind == "repeated",
        kind == "required",
        default or None,
        _dialects(letters),
    )


def _build(
    fields: tuple[Field, ...],
    enums: Mapping[str, Mapping[str, int]],
    enum_numbers: Mapping[tuple[str, Dialect], Mapping[int, str]],
) -> Schema:
    names: dict[str, dict[str, Field]] = {}
    numbers: dict[str, dict[int, tuple[Field, ...]]] = {}
    for field in fields:
        mine = names.setdefault(field.message, {})
        mine[field.name] = _merged(mine.get(field.name), field)
        if field.number:
            at = numbers.setdefault(field.message, {})
            at[field.number] = (*at.get(field.number, ()), field)
    for field in fields:
        if field.category == "message":
            names.setdefault(field.type, {})
    for message in names:
        numbers.setdefault(message, {})
    return Schema(
        fields,
        MappingProxyType({message: MappingProxyType(mine) for message, mine in names.items()}),
        MappingProxyType({message: MappingProxyType(mine) for message, mine in numbers.items()}),
        enums,
        enum_numbers,
        _ambiguous(numbers),
    )


def _ambiguous(numbers: Mapping[str, Mapping[int, tuple[Field, ...]]]) -> frozenset[tuple[str, int]]:
    """The (message, number) pairs that mean different things in different forks (another name or type)."""
    return frozenset(
        (message, number)
        for message, mine in numbers.items()
        for number, candidates in mine.items()
        if len({(field.name, field.type) for field in candidates}) > 1
    )


def _merged(old: Field | None, new: Field) -> Field:
    """One field for the text form: repeated where any dialect repeats it, BVLC's default where BVLC has it."""
    if old is None:
        return new
    first, second = (old, new) if DIALECTS.index(old.dialects[0]) <= DIALECTS.index(new.dialects[0]) else (new, old)
    both = tuple(dialect for dialect in DIALECTS if dialect in old.dialects or dialect in new.dialects)
    repeated = old.repeated or new.repeated
    return replace(first, repeated=repeated, required=first.required and second.required, dialects=both)


def round_to_single(value: float) -> float:
    """The nearest IEEE single, as protobuf stores `float` fields; too large a number becomes an infinity."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


def default_value(field: Field) -> int | float | bool | str | None:
    """The declared default of a field as a value, or None."""
    text = field.default
    if text is None:
        return None
    if field.category == "integer":
        return int(text)
    if field.category == "number":
        return round_to_single(float(text)) if field.type == "float" else float(text)
    return text == "true" if field.category == "boolean" else text
