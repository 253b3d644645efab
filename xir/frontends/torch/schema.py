"""Schemas of PyTorch's operators: the text that PyTorch gives each of them, taken apart.

`add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor` (aten/src/ATen/native/README.md, "func"): a name
with its overload, arguments with types and defaults, `*` before those that are given by name alone, results.
`Tensor(a)` says which arguments and results share memory, `Tensor(a!)` which are written.
"""

from __future__ import annotations

import re
from ast import literal_eval
from dataclasses import dataclass
from functools import cache
from typing import Final, cast

Default = int | float | bool | str | None | tuple[int, ...]


class Required:
    """Stands for the default of an argument that has none."""


REQUIRED: Final = Required()


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of an operator.

    Attributes:
        name: as callers write it.
        kind: the type's name without what the other attributes say (`Tensor`, `int`, `SymInt`, `Scalar`, ...).
        is_list: whether it takes several.
        holds_none: whether items of the list may be absent (`Tensor?[]`).
        length: of a list, the number that one item alone is repeated to (`int[2]`), or None.
        is_optional: whether None may be given.
        default: what it is when it is not given; `REQUIRED` where it must be.
        by_name: whether it is given by its name alone.
        alias: the letter of the memory that it shares, or "".
        is_written: whether the operator changes it.
    """

    name: str
    kind: str
    is_list: bool = False
    holds_none: bool = False
    length: int | None = None
    is_optional: bool = False
    default: Default | Required = REQUIRED
    by_name: bool = False
    alias: str = ""
    is_written: bool = False


@dataclass(frozen=True, slots=True)
class Schema:
    """One overload of an operator.

    Attributes:
        name: the operator's name without its namespace.
        overload: of the operator; `default` where the text names none.
        arguments: in order.
        results: in order, each as an argument that may have no name.
    """

    name: str
    overload: str
    arguments: tuple[Argument, ...]
    results: tuple[Argument, ...]

    @property
    def full_name(self) -> str:
        """`add.Tensor`."""
        return f"{self.name}.{self.overload}"

    @property
    def view_of(self) -> str | None:
        """The name of the argument whose memory the results share without its being written, or None."""
        shared = {argument.alias: argument.name for argument in self.arguments if argument.alias}
        letters = [result.alias for result in self.results if result.alias and not result.is_written]
        return shared.get(letters[0]) if letters else None


_HEAD = re.compile(r"(\w+)(?:\.(\w+))?\((.*)\)\s*->\s*(.+)", re.DOTALL)
_TYPE = re.compile(r"(\w+)(?:\((?:[a-z]\|)*([a-z])(?:\s*->\s*\*)?(!)?(?:\s*->\s*\*)?\))?(\?)?(?:(\[\d*\])(\?)?)?")
_NAMED = re.compile(r"\s*(\w+)\s*(?:=\s*(.+))?", re.DOTALL)
_WORDS: Final = {"None": None, "True": True, "False": False}


@cache
def parse(text: str) -> Schema:
    """The schema that the text says.

    Raises:
        ValueError: it is no schema; the texts are xir's own, so this is a mistake in xir.
    """
    head = _HEAD.fullmatch(text.strip())
    if head is None:
        raise ValueError(f"no schema: {text!r}")
    name, overload, inside, after = head.groups()
    arguments: list[Argument] = []
    by_name = False
    for piece in _pieces(inside):
        if piece == "*":
            by_name = True
        else:
            arguments.append(_argument(piece, by_name))
    return Schema(name, overload or "default", tuple(arguments), _results(after.strip()))


def _results(text: str) -> tuple[Argument, ...]:
    inside = text[1:-1] if text.startswith("(") else text
    return tuple(_argument(piece, False) for piece in _pieces(inside))


def _pieces(text: str) -> list[str]:
    """The parts between commas that stand in no bracket and no quotes."""
    pieces: list[str] = []
    depth, start, quoted = 0, 0, False
    for place, character in enumerate(text):
        if character in "'\"":
            quoted = not quoted
        elif not quoted:
            depth += (character in "([") - (character in ")]")
            if character == "," and depth == 0:
                pieces.append(text[start:place].strip())
                start = place + 1
    return [piece for piece in (*pieces, text[start:].strip()) if piece]


def _argument(text: str, by_name: bool) -> Argument:
    typed = _TYPE.match(text)
    named = _NAMED.fullmatch(text[typed.end() :]) if typed is not None else None
    if typed is None or (named is None and text[typed.end() :].strip()):
        raise ValueError(f"no argument: {text!r}")
    kind, alias, written, question, brackets, optional_list = typed.groups()
    name, default = named.groups() if named is not None else ("", None)
    length = brackets[1:-1] if brackets else ""
    return Argument(
        name,
        kind,
        is_list=bool(brackets),
        holds_none=bool(brackets and question),
        length=int(length) if length else None,
        is_optional=bool(optional_list if brackets else question),
        default=REQUIRED if default is None else _default(default.strip()),
        by_name=by_name,
        alias=alias or "",
        is_written=bool(written),
    )


def _default(text: str) -> Default:
    if text in _WORDS:
        return _WORDS[text]
    if re.fullmatch(r"[A-Za-z_]\w*", text):
        return text  # Mean, contiguous_format, long: names of enumerations
    value: object = literal_eval(text)
    if isinstance(value, list):
        return tuple(item for item in cast("list[object]", value) if isinstance(item, int))
    if not isinstance(value, int | float | str):
        raise ValueError(f"no default: {text!r}")
    return value
