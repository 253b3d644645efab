"""JSON of a stranger: bounded before it is parsed, and every access checked with a message that says where."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import NoReturn, cast

from xir.errors import InvalidModelError, UnsafeError, UnsupportedError
from xir.limits import MEBI, check_name, check_nesting, check_size

MAX_JSON_BYTES = 128 * MEBI
"""Bytes of one JSON text; torch writes about 1.5 kB a node."""

MAX_CONTAINERS = 2_000_000
"""Objects and lists of one text: each takes some 200 bytes in memory. torch writes about 30 a node."""

MAX_ITEMS = 6_000_000
"""Commas of one text: each item takes some 40 bytes in memory."""

_BEYOND = {"Infinity": math.inf, "-Infinity": -math.inf, "NaN": math.nan}
"""Numbers that JSON has not; torch writes them as text (torch/_export/serde/serialize.py, `_dataclass_to_dict`)."""


def parse_json(data: bytes, *, what: str, file: str) -> Json:
    """The JSON text `data`.

    Raises:
        InvalidModelError: it is no JSON, or an object has two fields of one name.
        UnsafeError: it is too large, or nested too deep.
    """
    check_size(len(data), MAX_JSON_BYTES, what=what, file=file)
    if data.count(b"{") + data.count(b"[") > MAX_CONTAINERS or data.count(b",") > MAX_ITEMS:
        raise UnsafeError(f"{what} has too many items", number=806, file=file, hint="the file is damaged or hostile")
    try:
        value = cast("object", json.loads(data.decode("utf-8"), object_pairs_hook=_object, parse_constant=_constant))
    except RecursionError:
        check_nesting(1000, what=what, file=file)
        raise
    except ValueError as error:
        raise InvalidModelError(f"{what} is no JSON: {error}", number=504, file=file) from error
    return Json(value, what, file)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("an object has two fields of one name")
    return made


def _constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")


class Json:
    """A value in a JSON text.

    Attributes:
        value: the value as Python has it.
        place: where it stands, for messages.
        file: the file, for messages.
    """

    __slots__ = ("file", "place", "value")

    def __init__(self, value: object, place: str, file: str) -> None:
        """A value at a place."""
        self.value = value
        self.place = place
        self.file = file

    def invalid(self, message: str) -> NoReturn:
        """Raises InvalidModelError: what stands here cannot be."""
        raise InvalidModelError(f"{self.place[-200:]}: {message}", number=504, file=self.file)

    def refuse(self, message: str, hint: str | None = None) -> NoReturn:
        """Raises UnsupportedError: xir does not read what stands here."""
        raise UnsupportedError(f"{self.place[-200:]}: {message}", file=self.file, hint=hint)

    def _wanted(self, what: str) -> NoReturn:
        shown = f" {str(self.value)[:60]!r}" if isinstance(self.value, str | int | float) else ""
        self.invalid(f"expected {what}, got {type(self.value).__name__}{shown}")

    def _inside(self, value: object, name: object) -> Json:
        return Json(value, f"{self.place}.{name}", self.file)

    def fields(self) -> dict[str, object]:
        """The fields of an object."""
        if not isinstance(self.value, dict):
            self._wanted("an object")
        return cast("dict[str, object]", self.value)

    def field(self, name: str) -> Json:
        """The field `name` of an object; raises InvalidModelError where it is absent."""
        held = self.fields()
        if name not in held:
            self.invalid(f"field {name!r} is missing")
        return self._inside(held[name], name)

    def maybe(self, name: str) -> Json | None:
        """The field `name`, or None where it is absent or null."""
        value = self.fields().get(name)
        return None if value is None else self._inside(value, name)

    def entries(self) -> Iterator[tuple[str, Json]]:
        """The fields of an object that is a table, by name; none where it is null."""
        if self.value is None:
            return
        for name, value in self.fields().items():
            check_name(name, what=f"a key of {self.place[-100:]}", file=self.file)
            yield name, self._inside(value, repr(name))

    def items(self) -> Iterator[Json]:
        """The items of a list."""
        if not isinstance(self.value, list):
            self._wanted("a list")
        for place, value in enumerate(cast("list[object]", self.value)):
            yield self._inside(value, place)

    def union(self) -> tuple[str, Json]:
        """(which one, its value) of an object that has one of several fields."""
        held = self.fields()
        if len(held) != 1:
            self.invalid(f"expected one field that says what this is, got {sorted(held)[:5]}")
        name, value = next(iter(held.items()))
        return name, self._inside(value, name)

    def text(self) -> str:
        """The text; names and formulas, so it is bounded."""
        if not isinstance(self.value, str):
            self._wanted("text")
        check_name(self.value, what=self.place[-100:], file=self.file)
        return self.value

    def long_text(self) -> str:
        """Text of any length."""
        return self.value if isinstance(self.value, str) else self._wanted("text")

    def integer(self) -> int:
        """The whole number, which fits in 64 bits."""
        if isinstance(self.value, bool) or not isinstance(self.value, int):
            self._wanted("a whole number")
        if not -(1 << 63) <= self.value < 1 << 64:
            self.invalid(f"{str(self.value)[:40]} does not fit in 64 bits")
        return self.value

    def number(self) -> float:
        """The number; text stands for those that JSON has not."""
        if isinstance(self.value, str) and self.value in _BEYOND:
            return _BEYOND[self.value]
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            self._wanted("a number")
        return float(self.value) if isinstance(self.value, float) else float(self.integer())

    def boolean(self) -> bool:
        """True or false."""
        return self.value if isinstance(self.value, bool) else self._wanted("true or false")
