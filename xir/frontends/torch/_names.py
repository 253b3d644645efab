"""Names of values and outputs: each once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

from xir.frontends.torch.program import Output, Reference
from xir.ir.node import Value
from xir.ir.walk import toposort


class NameTable:
    """Names of the values of one graph."""

    def __init__(self) -> None:
        """An empty table."""
        self._names: dict[Value, str] = {}
        self._taken: set[str] = set()

    def enter(self, value: Value, name: str) -> str:
        """Names an input or weight; the name gets a number where it is taken."""
        self._names[value] = _free(name, self._taken)
        self._taken.add(self._names[value])
        return self._names[value]

    def rename(self, name: str, value: Value) -> None:
        """Gives the name of an input or weight to a value that stands in its place."""
        self._names = {held: text for held, text in self._names.items() if text != name}
        self._names[value] = name

    def offer(self, value: Value, name: str) -> None:
        """Names a value that has no name yet, if the name is free."""
        if value not in self._names and name and name not in self._taken:
            self._names[value] = name
            self._taken.add(name)

    def of(self, value: Value) -> str:
        """The name of an input or weight."""
        return self._names[value]

    def live(self, outputs: Iterable[Value], leaves: Iterable[Value] = ()) -> dict[Value, str]:
        """The names of these leaves, and of what the outputs need."""
        held = [*leaves, *(value for node in toposort(outputs) for value in node.outputs)]
        return {value: self._names[value] for value in held if value in self._names}


def unique(names: Iterable[str]) -> tuple[str, ...]:
    """The names, each once: a number follows those that stand there already."""
    found: dict[str, None] = {}
    for name in names:
        found[_free(name, found.keys())] = None
    return tuple(found)


def _free(name: str, taken: Iterable[str]) -> str:
    held = taken if isinstance(taken, set) else set(taken)
    chosen, number = name or "value", 0
    while chosen in held:
        number += 1
        chosen = f"{name}_{number}"
    return chosen


def child_keys(context: object, count: int) -> tuple[str | int, ...]:
    """What the children of a container are called, from what it says of itself beside them; else their places.

    Dictionaries say their keys, defaultdicts [class, keys] (torch/utils/_pytree.py); other classes as they like:
    transformers' outputs their fields, its caches [keys, layout] (transformers/utils/generic.py,
    integrations/executorch.py).
    """
    for found in (context, *_items(context)):
        keys = tuple(key for key in _items(found) if isinstance(key, str | int))
        if count and len(keys) == count == len(_items(found)):
            return keys
    return tuple(range(count))


def _items(value: object) -> tuple[object, ...]:
    return tuple(cast("list[object] | tuple[object, ...]", value)) if isinstance(value, list | tuple) else ()


def output_names(outputs: Sequence[Output], paths: Sequence[tuple[str | int, ...]]) -> tuple[str, ...]:
    """What the outputs that a caller gets are called.

    Outputs that stand in dictionaries or named tuples are called by their keys (`loss`, `hidden.0`), others by the
    call that makes them.
    """
    if len(paths) != len(outputs):
        paths = [()] * len(outputs)
    named = any(isinstance(key, str) for path in paths for key in path)
    found: list[str] = []
    for place, (output, path) in enumerate(zip(outputs, paths, strict=True)):
        made_by = output.argument.name if isinstance(output.argument, Reference) else f"output_{place}"
        found.append(".".join(map(str, path)) if named and path else made_by)
    return unique(found)
