"""The table that every frontend keeps: the kind of a foreign layer -> the function that turns it into operators.

A family's file makes its own `Handlers`; the frontend's `__init__` merges them by name. Nothing registers itself by
being imported, a second handler of one kind is an error, and a kind without a handler is absent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar, cast

H = TypeVar("H", bound=Callable[..., object])
F = TypeVar("F", bound=Callable[..., object])


class Handlers(Generic[H]):
    """Handlers of one framework's layers, by the layers' kinds: `handlers: Handlers[Handler] = Handlers("onnx")`.

    Attributes:
        framework: the framework's name, for messages.
    """

    __slots__ = ("_table", "framework")

    def __init__(self, framework: str, *parts: Handlers[H]) -> None:
        """An empty table, or the union of `parts`.

        Raises:
            TypeError: two parts have a handler of one kind.
        """
        self.framework = framework
        self._table: dict[str, H] = {}
        self.merge(*parts)

    def layer(self, *kinds: str) -> Callable[[F], F]:
        """Enters the decorated function as the handler of each of `kinds`.

        Raises:
            TypeError: one of them has a handler already.
        """

        def enter(handler: F) -> F:
            for kind in kinds:
                self.add(kind, handler)
            return handler

        return enter

    def add(self, kind: str, handler: Callable[..., object]) -> None:
        """Enters the handler of `kind`.

        Raises:
            TypeError: it has one already; one kind, one place.
        """
        if kind in self._table:
            held = self._table[kind]
            raise TypeError(
                f"{self.framework}: {kind!r} has two handlers, {_place(held)} and {_place(handler)}: keep one"
            )
        self._table[kind] = cast("H", handler)

    def merge(self, *others: Handlers[H]) -> Handlers[H]:
        """Takes in the handlers of `others` and returns the table itself.

        Raises:
            TypeError: a kind has a handler in two of them.
        """
        for other in others:
            for kind, handler in other.items():
                self.add(kind, handler)
        return self

    def get(self, kind: str) -> H | None:
        """The handler of `kind`, or None."""
        return self._table.get(kind)

    def kinds(self) -> tuple[str, ...]:
        """Every kind that has a handler, in alphabetical order."""
        return tuple(sorted(self._table))

    def items(self) -> Iterable[tuple[str, H]]:
        """The (kind, handler) pairs in the order of their entry."""
        return self._table.items()

    def __contains__(self, kind: object) -> bool:
        """Whether `kind` has a handler."""
        return kind in self._table

    def __iter__(self) -> Iterator[str]:
        """The kinds in alphabetical order."""
        return iter(self.kinds())

    def __len__(self) -> int:
        """How many kinds have a handler."""
        return len(self._table)


def _place(handler: Callable[..., object]) -> str:
    return f"{handler.__module__}.{getattr(handler, '__qualname__', repr(handler))}"
