"""The kinds of attributes: what an operator's annotation admits, checked and brought to one form."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args, get_origin

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import Constant
from xir.ir.dims import Dim, Extremum, Polynomial, Quotient, Symbol
from xir.ir.graph import Graph
from xir.ir.node import Attribute
from xir.ir.types import DType

Base = Literal["int", "float", "bool", "text", "choice", "dtype", "dim", "constant", "graph", "tuple"]
_SIMPLE: Mapping[object, Base] = {
    int: "int",
    float: "float",
    bool: "bool",
    str: "text",
    DType: "dtype",
    Constant: "constant",
    Graph: "graph",
    Dim: "dim",
}
_Class = bool | int | str | DType | Constant | Graph | Symbol | Quotient | Extremum | Polynomial
_CLASSES: Mapping[Base, tuple[type[_Class], ...]] = {
    "int": (int,),
    "bool": (bool,),
    "text": (str,),
    "dtype": (DType,),
    "dim": (int, Symbol, Quotient, Extremum, Polynomial),
    "constant": (Constant,),
    "graph": (Graph,),
}

MAX_INTEGER = (1 << 63) - 1
"""The largest whole number that an attribute may be: ONNX's attributes and all sizes are signed 64-bit numbers."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What an attribute may be.

    Attributes:
        base: the kind of value.
        optional: whether None is one too.
        items: of a tuple, the kinds of its items: one for any length (`repeated`), else one an item.
        repeated: whether a tuple has any length.
        choices: the words of a choice.
    """

    base: Base
    optional: bool = False
    items: tuple[Kind, ...] = ()
    repeated: bool = False
    choices: tuple[str, ...] = ()

    def check(self, value: object) -> Attribute:
        """`value` in its one form (lists become tuples, NumPy numbers become Python's).

        Raises:
            InvalidModelError: if it is not of this kind.
        """
        if value is None:
            if self.optional:
                return None
            raise InvalidModelError(f"must be {self}, got nothing")
        if self.base == "tuple":
            return self._check_tuple(value)
        plain = typing.cast("object", value.item()) if isinstance(value, np.generic) else value
        checked = _check_simple(self, plain)
        if checked is None:
            raise InvalidModelError(f"must be {self}, got {value!r}")
        return checked

    def _check_tuple(self, value: object) -> Attribute:
        if not isinstance(value, tuple | list | np.ndarray):
            raise InvalidModelError(f"must be {self}, got {value!r}")
        items = list(typing.cast("list[object]", value))
        kinds = self.items * len(items) if self.repeated else self.items
        if len(items) != len(kinds):
            raise InvalidModelError(f"must be {self}, got {len(items)} items")
        return tuple(kind.check(item) for kind, item in zip(kinds, items, strict=True))

    def __str__(self) -> str:
        """The kind in words."""
        match self.base:
            case "choice":
                text = "one of " + ", ".join(repr(choice) for choice in self.choices)
            case "tuple" if self.repeated:
                text = f"a list of ({self.items[0]})"
            case "tuple":
                text = "(" + ", ".join(str(item) for item in self.items) + ")"
            case _:
                text = self.base
        return text + (" or nothing" if self.optional else "")


def _check_simple(kind: Kind, value: object) -> Attribute:
    if kind.base == "float":
        return _check_float(value)
    if kind.base == "choice":
        return value if isinstance(value, str) and value in kind.choices else None
    if isinstance(value, bool) and kind.base != "bool":
        return None
    if isinstance(value, int) and not -MAX_INTEGER - 1 <= value <= MAX_INTEGER:
        return None
    return value if isinstance(value, _CLASSES[kind.base]) else None


def _check_float(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, float | int):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def kind_of(annotation: object) -> Kind:
    """The kind that a type annotation stands for.

    Raises:
        TypeError: if attributes cannot have such a type; this is a mistake in the operator's definition.
    """
    if annotation in _SIMPLE:
        return Kind(_SIMPLE[annotation])
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return Kind("choice", choices=tuple(str(argument) for argument in arguments))
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return Kind("tuple", items=(kind_of(arguments[0]),), repeated=True)
    if origin is tuple:
        return Kind("tuple", items=tuple(kind_of(argument) for argument in arguments))
    if origin in (typing.Union, types.UnionType) and types.NoneType in arguments:
        rest = tuple(argument for argument in arguments if argument is not types.NoneType)
        inner = kind_of(rest[0] if len(rest) == 1 else typing.Union[rest])  # noqa: UP007  built from a tuple
        return Kind(inner.base, True, inner.items, inner.repeated, inner.choices)
    raise TypeError(f"an attribute cannot be annotated {annotation!r}")
