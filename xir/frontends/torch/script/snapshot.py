"""What all that may change holds at one moment, so that a branch or a step can be followed and undone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias, cast

from xir.errors import UnsupportedError
from xir.frontends.torch.script.objects import Object
from xir.frontends.torch.tensor import Computed, Mark, Tensor
from xir.ir.node import Value

Thing: TypeAlias = "Tensor | Object | list[object] | dict[object, object]"
"""What may change: a place of a tensor, an object, a list, a dictionary or the variables of a call."""


@dataclass(frozen=True, slots=True, eq=False)
class Slot:
    """A part of a thing that has one value.

    Attributes:
        thing: of which it is a part.
        key: the attribute, key or variable; None for the elements of a tensor and for all items of a list.
    """

    thing: Thing
    key: object

    @property
    def identity(self) -> tuple[int, object]:
        """What tells it from other slots."""
        return id(self.thing), self.key

    @property
    def value(self) -> object:
        """What it holds now: a list's items as a tuple, a tensor's elements as a place of their own."""
        match self.thing:
            case Tensor():
                return Tensor(self.thing.value)
            case Object():
                return self.thing.attributes.get(cast("str", self.key), MISSING)
            case list():
                return tuple(self.thing)
            case dict():
                return self.thing.get(self.key, MISSING)

    def set(self, value: object) -> None:
        """Gives it another value of the same kind; MISSING takes it away."""
        match self.thing:
            case Tensor():
                if isinstance(value, Tensor):
                    self.thing.write(value.value)
            case Object():
                _put(cast("dict[object, object]", self.thing.attributes), self.key, value)
            case list():
                self.thing[:] = cast("tuple[object, ...]", value)
            case dict():
                _put(self.thing, self.key, value)


class _Missing:
    """Stands for what is not there."""


MISSING = _Missing()


def _put(table: dict[object, object], key: object, value: object) -> None:
    if value is MISSING:
        table.pop(key, None)
    else:
        table[key] = value


@dataclass(frozen=True, slots=True)
class Change:
    """A slot that holds something else than it did.

    Attributes:
        slot: where.
        before: what it held.
        after: what it holds.
    """

    slot: Slot
    before: object
    after: object


class Snapshot:
    """What everything that can be reached holds."""

    def __init__(self, roots: Iterable[object]) -> None:
        """Looks at all that can be reached from `roots`."""
        self._seen: dict[int, object] = {}
        self._tensors: list[tuple[Tensor, Mark]] = []
        self._objects: list[tuple[Object, dict[str, object]]] = []
        self._lists: list[tuple[list[object], tuple[object, ...]]] = []
        self._tables: list[tuple[dict[object, object], dict[object, object]]] = []
        self._numbers: list[Value] = []
        pending = list(roots)
        while pending:
            item = pending.pop()
            if id(item) not in self._seen and _holds(item):
                self._seen[id(item)] = item
                pending += self._enter(item)

    def _enter(self, item: object) -> Iterable[object]:
        match item:
            case Tensor():
                self._tensors.append((item, item.mark()))
                return () if item.base is None else (item.base,)
            case Object():
                self._objects.append((item, dict(item.attributes)))
                return item.attributes.values()
            case list():
                held = tuple(cast("list[object]", item))
                self._lists.append((cast("list[object]", item), held))
                return held
            case dict():
                table = cast("dict[object, object]", item)
                self._tables.append((table, dict(table)))
                return table.values()
            case Computed():
                self._numbers.append(item.value)
                return ()
            case _:
                return cast("tuple[object, ...]", item)

    def __len__(self) -> int:
        """How many things it has looked at."""
        return len(self._seen)

    def __contains__(self, item: object) -> bool:
        """Whether this very thing was there."""
        return id(item) in self._seen

    def values(self) -> Iterator[Value]:
        """The values of the graph that were known."""
        yield from self._numbers
        for _, mark in self._tensors:
            yield mark[0]

    def restore(self) -> None:
        """Gives everything back what it held."""
        for tensor, mark in self._tensors:
            tensor.reset(mark)
        for each, attributes in self._objects:
            each.attributes.clear()
            each.attributes.update(attributes)
        for items, held in self._lists:
            items[:] = held
        for table, content in self._tables:
            table.clear()
            table.update(content)

    def changes(self) -> list[Change]:
        """What holds something else now; views are left out, for they change with what they are views of."""
        found: list[Change] = []
        for tensor, mark in self._tensors:
            if mark[3] is not None and mark[3] is not tensor.base:
                raise UnsupportedError("a view that is turned in place in a branch or a loop")
            if mark[3] is None and (tensor.base is not None or tensor.writes != mark[1]):
                found.append(Change(Slot(tensor, None), Tensor(mark[0]), Tensor(tensor.value)))
        for each, attributes in self._objects:
            now = cast("dict[object, object]", each.attributes)
            found += _differences(each, cast("dict[object, object]", attributes), now)
        for items, held in self._lists:
            if len(items) != len(held) or any(a is not b for a, b in zip(items, held, strict=True)):
                found.append(Change(Slot(items, None), held, tuple(items)))
        for table, content in self._tables:
            found += _differences(table, content, table)
        return found


def _holds(item: object) -> bool:
    """Whether it may change, or hold what may."""
    return isinstance(item, Tensor | Object | list | dict | tuple | Computed)


def _differences(thing: Thing, before: dict[object, object], now: dict[object, object]) -> Iterator[Change]:
    for key in dict.fromkeys((*before, *now)):
        old, new = before.get(key, MISSING), now.get(key, MISSING)
        if old is not new:
            yield Change(Slot(thing, key), old, new)
