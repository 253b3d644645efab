"""What a pickle may consist of here: plain data, and objects that are nothing but names and their parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, cast, runtime_checkable

from xir.errors import InvalidModelError
from xir.limits import check_nesting

MAX_KEY_ITEMS = 64
"""Items of a tuple that is a key."""

MAX_KEY_INTEGER = (1 << 61) - 1
"""Whole numbers that are keys stay below: from here on different ones have the same hash (sys.hash_info.modulus), and
a table of 100,000 such takes minutes."""


@dataclass(frozen=True, slots=True, eq=False)
class Constructor:
    """An allowed name that may be called.

    Attributes:
        name: the full name, for messages.
        call: makes the object from the arguments that the file gives; it checks them, and raises XirError.
        takes_one: whether one argument may stand there itself, without a tuple around it.
    """

    name: str
    call: Callable[[tuple[object, ...]], object]
    takes_one: bool = False


@dataclass(frozen=True, slots=True)
class Names:
    """What the names in a pickle may mean.

    Attributes:
        find: for a full name (`collections.OrderedDict`) a `Constructor`, a value, or None where it is refused: the
            `get` of a table, so that the list is exact.
        persistent: for a persistent id the object that it stands for; None where the file may have none.
        purpose: what is being read, for messages.
    """

    find: Callable[[str], object]
    persistent: Callable[[object], object] | None = None
    purpose: str = "the checkpoint"


@runtime_checkable
class Buildable(Protocol):
    """What takes a state after it was made (the operation BUILD)."""

    def build(self, state: object, /) -> None:
        """Takes the state; raises XirError where it is not of the right kind."""
        ...


class Table(dict[object, object]):
    """An OrderedDict, or another dictionary with attributes of its own.

    Attributes:
        state: what was set on it (torch's `_metadata`, the versions of modules), or None.
    """

    __slots__ = ("state",)

    def __init__(self) -> None:
        """An empty one."""
        super().__init__()
        self.state: object = None

    def build(self, state: object, /) -> None:
        """Keeps the state, which is data like everything else."""
        self.state = state


@dataclass(slots=True, eq=False, repr=False)
class Instance:
    """An object of a class that is nothing but a name here: what it was made from, and its state.

    Attributes:
        name: the full name of the class.
        arguments: what it was made from.
        state: its attributes, or None.
    """

    name: str
    arguments: tuple[object, ...] = ()
    state: object = None

    def build(self, state: object, /) -> None:
        """Keeps the state."""
        self.state = state


def instance_of(name: str, *, takes_one: bool = False) -> Constructor:
    """The constructor of inert objects of the class `name`."""
    return Constructor(name, lambda arguments: Instance(name, arguments), takes_one)


def kind_of(value: object) -> str:
    """What a value is, in a word, for messages; never its content, which may be endless."""
    if isinstance(value, Instance | Constructor):
        return value.name
    return "None" if value is None else type(value).__name__


def as_list(value: object) -> list[object] | None:
    """A list as a list of anything; None for other values."""
    return cast("list[object]", value) if isinstance(value, list) else None


def as_tuple(value: object) -> tuple[object, ...] | None:
    """A tuple as a tuple of anything; None for other values."""
    return cast("tuple[object, ...]", value) if isinstance(value, tuple) else None


def as_table(value: object) -> dict[object, object] | None:
    """A dict or `Table` with keys and values of any kind; None for other values."""
    return cast("dict[object, object]", value) if isinstance(value, dict) else None


def is_key(value: object) -> bool:
    """Whether a value may be a key: text, a number or a short tuple of such; others cost endless time to hash."""
    if isinstance(value, tuple):
        items = cast("tuple[object, ...]", value)
        return len(items) <= MAX_KEY_ITEMS and all(not isinstance(item, tuple) and is_key(item) for item in items)
    if isinstance(value, int):
        return abs(value) < MAX_KEY_INTEGER
    return value is None or isinstance(value, str | bytes | float | Enum)


def has_weak_hash(key: object) -> bool:
    """Whether somebody can choose many such keys of one hash: tuples of numbers (their hashes are not seeded)."""
    return isinstance(key, tuple) and any(not isinstance(item, str | bytes) for item in cast("tuple[object, ...]", key))


def check_depth(value: object, file: str) -> None:
    """Refuses what is nested too deep or contains itself, so that whoever walks it may recurse.

    Parts that stand in several places are looked at once.

    Raises:
        UnsafeError: it is nested deeper than `MAX_NESTING`.
        InvalidModelError: it contains itself.
    """
    heights: dict[int, int] = {}
    path: list[tuple[object, Iterator[object]]] = [(value, _parts(value))]
    inside = {id(value)}
    tallest = [0]
    while path:
        part = next(path[-1][1], None)
        if part is None:
            done, _ = path.pop()
            inside.discard(id(done))
            height = tallest.pop() + 1
            heights[id(done)] = height
            if tallest:
                tallest[-1] = max(tallest[-1], height)
            continue
        if id(part) in inside:
            raise InvalidModelError(f"{kind_of(part)} in the pickle contains itself", number=504, file=file)
        known = heights.get(id(part))
        check_nesting(len(path) + (known or 1), what="the pickle", file=file)
        if known is None:
            path.append((part, _parts(part)))
            inside.add(id(part))
            tallest.append(0)
        else:
            tallest[-1] = max(tallest[-1], known)


def _parts(value: object) -> Iterator[object]:
    """What a container holds that may hold something itself; keys and sets cannot."""
    held: list[object] = []
    if (table := as_table(value)) is not None:
        held = list(table.values())
        if isinstance(value, Table):
            held.append(value.state)
    elif isinstance(value, Instance):
        held = [value.arguments, value.state]
    else:
        held = list(as_list(value) or as_tuple(value) or ())
    return iter([part for part in held if _is_container(part)])


def _is_container(value: object) -> bool:
    return isinstance(value, dict | list | tuple | Instance)
