"""The language of a TorchScript archive: the restricted Python that torch's printer writes, as a tree.

What is written (torch/csrc/jit/serialization/python_print.cpp): classes with typed attributes and methods, functions;
assignments, also to attributes and of several at once; if, while, for over a range, with, return, pass; calls,
attributes, items, literals, lists, tuples, dictionaries. There is no arithmetic: `a + b` is `torch.add(a, b)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Name:
    """A variable, or the head of a dotted name."""

    text: str


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, a text, True, False or None."""

    value: int | float | complex | str | bool | None


@dataclass(frozen=True, slots=True)
class Attribute:
    """`of.name`."""

    of: Expression
    name: str


@dataclass(frozen=True, slots=True)
class Item:
    """`of[index]`."""

    of: Expression
    index: Expression


@dataclass(frozen=True, slots=True)
class Invocation:
    """`function(items, name=item)`."""

    function: Expression
    items: tuple[Expression, ...]
    named: tuple[tuple[str, Expression], ...]


@dataclass(frozen=True, slots=True)
class Group:
    """`[a, b]` or `(a, b)`."""

    items: tuple[Expression, ...]
    is_list: bool


@dataclass(frozen=True, slots=True)
class Pairs:
    """`{a: b}`."""

    items: tuple[tuple[Expression, Expression], ...]


Expression: TypeAlias = Name | Literal | Attribute | Item | Invocation | Group | Pairs


@dataclass(frozen=True, slots=True)
class Assign:
    """`a, b = value`; one target takes the value itself, several take it apart; none drops it."""

    targets: tuple[Expression, ...]
    unpacks: bool
    value: Expression
    line: int


@dataclass(frozen=True, slots=True)
class If:
    """`if condition: then else: other`."""

    condition: Expression
    then: Block
    other: Block
    line: int


@dataclass(frozen=True, slots=True)
class While:
    """`while condition: body`."""

    condition: Expression
    body: Block
    line: int


@dataclass(frozen=True, slots=True)
class For:
    """`for name in range(count): body`."""

    name: str
    count: Expression
    body: Block
    line: int


@dataclass(frozen=True, slots=True)
class With:
    """`with item: body`."""

    item: Expression
    body: Block
    line: int


@dataclass(frozen=True, slots=True)
class Return:
    """`return value`."""

    value: Expression
    line: int


Statement: TypeAlias = Assign | If | While | For | With | Return
Block: TypeAlias = tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a function: its name, its type as it is written, and its default, or None."""

    name: str
    type: Expression | None
    default: Expression | None


@dataclass(frozen=True, slots=True)
class Function:
    """A function or method."""

    name: str
    parameters: tuple[Parameter, ...]
    body: Block
    line: int


@dataclass(frozen=True, slots=True)
class ClassDefinition:
    """A class.

    Attributes:
        name: its name in its file.
        kind: what it is made of: `Module`, `NamedTuple`, `Enum`, `Interface`, or "".
        attributes: {attribute: its type as it is written}, in order.
        values: {attribute: the value that the class gives it} (`Final`, members of an enumeration).
        methods: by name.
    """

    name: str
    kind: str
    attributes: dict[str, Expression]
    values: dict[str, Expression]
    methods: dict[str, Function]
    line: int


@dataclass(frozen=True, slots=True)
class File:
    """One file of the archive: its classes and functions by name."""

    path: str
    classes: dict[str, ClassDefinition]
    functions: dict[str, Function]
