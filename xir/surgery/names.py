"""Finding values by what people call them: the name of a value, of an output, or of the layer that makes it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from xir.errors import UsageError
from xir.frontends._near import SHOWN_NAMES, did_you_mean
from xir.ir.graph import Graph
from xir.ir.node import Node, Value


class Names:
    """The values of a graph by name. A layer's name stands for what the last node of the layer makes."""

    def __init__(self, graph: Graph) -> None:
        """Reads the names of `graph`: of values first, then of outputs, then of layers."""
        self.graph = graph
        self._values: dict[str, Value] = {}
        leaves = [*graph.inputs, *(parameter.value for parameter in graph.parameters)]
        for value in (*leaves, *(value for node in graph.nodes for value in node.outputs)):
            self._values.setdefault(graph.name_of(value), value)
        self._values.update(zip(graph.output_names, graph.outputs, strict=True))
        self._layers: dict[str, Node] = {}
        for node in graph.nodes:
            last = last_layer(node)
            if last is not None:
                self._layers[last] = node

    @property
    def known(self) -> frozenset[str]:
        """Everything that `find` answers."""
        return frozenset((*self._values, *self._layers))

    def find(self, name: str) -> tuple[Value, ...]:
        """The value of that name, or all results of the layer of that name.

        Raises:
            UsageError: if there is neither; the error proposes names that are spelt alike.
        """
        if name in self._values:
            return (self._values[name],)
        if name in self._layers:
            return self._layers[name].outputs
        raise UsageError(
            f"{self.graph.name!r} has no value and no layer called {name!r}",
            hint=did_you_mean(name, self.known) or "xir inspect --names lists the names",
        )


def last_layer(node: Node) -> str | None:
    """The name of the last foreign layer that a node stands for, or None."""
    return max(node.source, key=lambda source: source.order).layer if node.source else None


def listed(names: Iterable[str]) -> str:
    """Some names in words, the first few of them."""
    found = list(dict.fromkeys(names))
    more = f" and {len(found) - SHOWN_NAMES} more" if len(found) > SHOWN_NAMES else ""
    return ", ".join(repr(name) for name in found[:SHOWN_NAMES]) + more


def fresh(wanted: str, taken: set[str]) -> str:
    """The name, or the name with the first number that is not taken; it is taken from then on."""
    name, number = wanted, 2
    while name in taken:
        name, number = f"{wanted}_{number}", number + 1
    taken.add(name)
    return name


def readers_of(graph: Graph, values: Sequence[Value]) -> dict[Value, Node]:
    """For each of some values that a node reads the first node that does."""
    wanted = set(values)
    found: dict[Value, Node] = {}
    for node in graph.nodes:
        for value in node.inputs:
            if value is not None and value in wanted:
                found.setdefault(value, node)
    return found
