"""The TFLite schema as one table: which fields a table has, where they stand in its vtable, what they hold.

The facts stand in `tflite_fields.tsv` and `tflite_enums.tsv` beside this file (TensorFlow's schema.fbs). A field's type
is a number (`i8` ... `f32`, `bool`), `string`, a vector of numbers (`[i32]`), the name of a table, a vector of tables
(`[Tensor]`), or `union E`, whose table is the one that the enumeration E names; its number stands in the field of the
same name with `_type` behind it.
"""

from __future__ import annotations

import functools
import importlib.resources
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

FORMATS: Mapping[str, str] = MappingProxyType(
    {
        "bool": "?",
        "i8": "b",
        "u8": "B",
        "i16": "h",
        "u16": "H",
        "i32": "i",
        "u32": "I",
        "i64": "q",
        "u64": "Q",
        "f32": "f",
    }
)
"""How `struct` writes each type of number; all are little-endian (flatbuffers' internals.md)."""

IDENTIFIER = b"TFL3"
"""Bytes 4 to 8 of a TFLite file (schema.fbs, file_identifier)."""


ELEMENTS: Mapping[str, str] = MappingProxyType(
    {
        "FLOAT32": "f32",
        "FLOAT16": "f16",
        "INT32": "i32",
        "UINT8": "u8",
        "INT64": "i64",
        "STRING": "str",
        "BOOL": "bool",
        "INT16": "i16",
        "COMPLEX64": "c64",
        "INT8": "i8",
        "FLOAT64": "f64",
        "COMPLEX128": "c128",
        "UINT64": "u64",
        "UINT32": "u32",
        "UINT16": "u16",
        "INT4": "i4",
        "BFLOAT16": "bf16",
        "INT2": "i2",
        "UINT4": "u4",
        "FLOAT8_E4M3FN": "f8e4m3fn",
        "FLOAT8_E5M2": "f8e5m2",
    }
)
"""{name in TensorType: our short name of the element type}; RESOURCE and VARIANT are no tensors of ours."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a table.

    Attributes:
        name: its name.
        slot: the offset of its entry in the vtable, in bytes.
        type: what it holds, as the module says.
        enum: the enumeration that its number is of, or an empty text.
        default: what it is where the file leaves it out; 0 for anything but numbers.
    """

    name: str
    slot: int
    type: str
    enum: str
    default: float

    @property
    def is_number(self) -> bool:
        """Whether it holds one number, which stands in the table itself."""
        return self.type in FORMATS

    @property
    def item(self) -> str:
        """Of a vector, the type of its items; else an empty text."""
        return self.type[1:-1] if self.type.startswith("[") else ""

    @property
    def union(self) -> str:
        """Of a union, the enumeration of its tables; else an empty text."""
        return self.type.removeprefix("union ") if self.type.startswith("union ") else ""


@dataclass(frozen=True, slots=True)
class Schema:
    """All tables and enumerations.

    Attributes:
        tables: {table: {field's name: field}}; a table without fields is absent.
        names: {enumeration: {number: name}}.
        numbers: {enumeration: {name: number}}.
    """

    tables: Mapping[str, Mapping[str, Field]]
    names: Mapping[str, Mapping[int, str]]
    numbers: Mapping[str, Mapping[str, int]]

    def fields(self, table: str) -> Mapping[str, Field]:
        """The fields of a table by name; none for tables that are known to have none."""
        return self.tables.get(table, {})


def _lines(name: str) -> list[list[str]]:
    text = importlib.resources.files("xir.flatbuffer").joinpath(name).read_text("utf-8")
    return [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]


@functools.cache
def tflite_schema() -> Schema:
    """The schema of TFLite, read once."""
    tables: dict[str, dict[str, Field]] = {}
    for table, name, slot, type, enum, default in _lines("tflite_fields.tsv"):
        tables.setdefault(table, {})[name] = Field(name, int(slot), type, enum, float(default or 0))
    names: dict[str, dict[int, str]] = {}
    numbers: dict[str, dict[str, int]] = {}
    for enum, name, number in _lines("tflite_enums.tsv"):
        names.setdefault(enum, {})[int(number)] = name
        numbers.setdefault(enum, {})[name] = int(number)
    return Schema(tables, names, numbers)
