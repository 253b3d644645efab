"""A layer's configuration: every setting is asked for by name and type; what nobody asks for is told."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NoReturn

from xir.errors import FormatError, InvalidModelError, UnsafeError
from xir.frontends.keras.model import Json
from xir.limits import MAX_NESTING


def parsed(text: str, file: str, what: str) -> dict[str, Json]:
    """The object that a JSON text holds.

    Raises:
        FormatError: it is no JSON, or no object.
        UnsafeError: it is nested too deeply.
        InvalidModelError: an object has one key twice.
    """

    def unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise InvalidModelError(f"an object of {what} has one key twice", file=file)
        return found

    try:
        value: Json = json.loads(text, object_pairs_hook=unique)
    except RecursionError:
        raise UnsafeError(f"{what} is nested more than {MAX_NESTING} deep", number=805, file=file) from None
    except ValueError as error:
        raise FormatError(f"{what} is no JSON: {str(error)[:200]}", file=file) from error
    if not isinstance(value, dict):
        raise FormatError(f"{what} is no JSON object", file=file)
    _check_depth(value, file, what)
    return value


def _check_depth(value: Json, file: str, what: str) -> None:
    stack: list[tuple[Json, int]] = [(value, 1)]
    while stack:
        item, depth = stack.pop()
        if depth > MAX_NESTING:
            raise UnsafeError(f"{what} is nested more than {MAX_NESTING} deep", number=805, file=file)
        if isinstance(item, dict):
            stack.extend((inner, depth + 1) for inner in item.values())
        elif isinstance(item, list):
            stack.extend((inner, depth + 1) for inner in item)


class Config:
    """The settings of one layer.

    Attributes:
        items: the settings as they stand in the file.
    """

    __slots__ = ("_asked", "items")

    def __init__(self, items: Mapping[str, Json]) -> None:
        """The settings `items`."""
        self.items = items
        self._asked: set[str] = set()

    def unasked(self) -> tuple[str, ...]:
        """Settings that nobody asked for."""
        return tuple(name for name in self.items if name not in self._asked)

    def ignore(self, *names: str) -> None:
        """Passes over settings that change nothing in the result."""
        self._asked.update(names)

    def raw(self, name: str, default: Json = None) -> Json:
        """A setting as it stands."""
        self._asked.add(name)
        return self.items.get(name, default)

    def integer(self, name: str, default: int | None = None) -> int:
        """A whole number."""
        value = self.raw(name, default)
        return whole(value, name)

    def optional_integer(self, name: str) -> int | None:
        """A whole number or nothing."""
        return None if self.raw(name) is None else self.integer(name)

    def number(self, name: str, default: float | None = None) -> float:
        """A number."""
        value = plain(self.raw(name, default))
        if isinstance(value, bool) or not isinstance(value, int | float):
            _refuse(name, value, "a number")
        return float(value)

    def optional_number(self, name: str) -> float | None:
        """A number or nothing."""
        return None if self.raw(name) is None else self.number(name)

    def flag(self, name: str, default: bool = False) -> bool:
        """True or false; Keras 1 wrote 0 and 1 too."""
        value = self.raw(name, default)
        if value is None:
            return default
        if not isinstance(value, bool | int):
            _refuse(name, value, "true or false")
        return bool(value)

    def text(self, name: str, default: str | None = None) -> str:
        """A word."""
        value = self.raw(name, default)
        if not isinstance(value, str):
            _refuse(name, value, "a word")
        return value

    def word(self, name: str, default: str, *choices: str) -> str:
        """One of some words."""
        value = self.text(name, default)
        if value not in choices:
            _refuse(name, value, "one of " + ", ".join(choices))
        return value

    def integers(self, name: str, count: int, default: int | None = None) -> tuple[int, ...]:
        """Whole numbers, one for each of `count` axes; one number is for all."""
        value = plain(self.raw(name, default))
        if isinstance(value, int) and not isinstance(value, bool):
            return (value,) * count
        if not isinstance(value, list) or len(value) != count:
            _refuse(name, value, f"{count} whole numbers")
        return tuple(whole(item, name) for item in value)

    def positive(self, name: str, count: int, default: int | None = None) -> tuple[int, ...]:
        """Whole numbers above zero, one for each of `count` axes."""
        found = self.integers(name, count, default)
        if any(number < 1 for number in found):
            _refuse(name, list(found), "positive numbers")
        return found

    def pairs(self, name: str, count: int) -> tuple[tuple[int, int], ...]:
        """Numbers before and after each of `count` axes; one number stands for both, and for all axes."""
        value = plain(self.raw(name))
        if isinstance(value, int) and not isinstance(value, bool):
            return ((value, value),) * count
        if not isinstance(value, list):
            _refuse(name, value, "pairs of whole numbers")
        if count == 1 and len(value) == 2 and all(isinstance(item, int) for item in value):
            return ((whole(value[0], name), whole(value[1], name)),)
        if len(value) != count:
            _refuse(name, value, f"{count} pairs of whole numbers")
        return tuple(_pair(plain(item), name) for item in value)

    def listed(self, name: str) -> list[Json]:
        """A list; one item that is no list counts as a list of it."""
        value = plain(self.raw(name))
        if value is None:
            return []
        return value if isinstance(value, list) else [value]

    def object(self, name: str) -> dict[str, Json]:
        """An object."""
        value = self.raw(name)
        if not isinstance(value, dict):
            _refuse(name, value, "an object")
        return value


def plain(value: Json) -> Json:
    """A value without the wrapping that Keras writes around tuples (`{"class_name": "__tuple__", "items": [...]}`)."""
    if isinstance(value, dict) and value.get("class_name") in ("__tuple__", "__list__"):
        return value.get("items")
    if isinstance(value, dict) and value.get("class_name") == "__numpy__":
        held = value.get("config")
        return held.get("value") if isinstance(held, dict) else held
    return value


def whole(value: Json, name: str) -> int:
    """A whole number; floats that are whole count, for Keras 1 wrote some so."""
    value = plain(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        _refuse(name, value, "a whole number")
    return value


def _pair(value: Json, name: str) -> tuple[int, int]:
    if isinstance(value, list) and len(value) == 2:
        return whole(value[0], name), whole(value[1], name)
    both = whole(value, name)
    return both, both


def _refuse(name: str, value: Json | Sequence[int], expected: str) -> NoReturn:
    shown = repr(value)
    raise InvalidModelError(f"the setting {name!r} is {shown[:100]}, expected {expected}")
