"""Where every node of a graph comes from: the layers, modules and lines that it stands for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from xir.ir.graph import Graph
from xir.ir.node import Node
from xir.ir.source import Source, Sources
from xir.ir.walk import bodies
from xir.limits import MAX_NESTING, check_nesting


@dataclass(frozen=True, slots=True)
class Origin:
    """Where one node comes from.

    Attributes:
        name: of the node's first result.
        operator: what it computes.
        sources: the foreign layers that it stands for.
        inside: the bodies that it stands in (`if "then"`), outermost first.
    """

    name: str
    operator: str
    sources: Sources
    inside: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """The origin as plain data."""
        return {
            "name": self.name,
            "operator": self.operator,
            "inside": list(self.inside),
            "sources": [_to_dict(source) for source in self.sources],
        }


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the nodes of a graph come from.

    Attributes:
        nodes: in order, those of bodies after the node that they belong to.
    """

    nodes: tuple[Origin, ...]

    def share(self, tells: Callable[[Source], bool] = lambda source: True) -> tuple[int, int]:
        """Of how many nodes a source tells something, and of how many."""
        return sum(any(map(tells, node.sources)) for node in self.nodes), len(self.nodes)

    def to_dict(self) -> dict[str, object]:
        """The map as plain data, as `--json` prints it."""
        return {
            "nodes": [node.to_dict() for node in self.nodes],
            "with_source": self.share()[0],
            "with_module": self.share(has_module)[0],
            "with_line": self.share(has_line)[0],
        }


def has_module(source: Source) -> bool:
    """Whether a source says in which module it is: one inside the model by its path, the model itself by its class."""
    return bool(source.path) or source.module is not None


def has_line(source: Source) -> bool:
    """Whether a source says the place in the model's own code or text."""
    return source.location is not None


def provenance(graph: Graph) -> Provenance:
    """Where every node of a graph and of its bodies comes from.

    Raises:
        UnsafeError: if bodies are nested deeper than `MAX_NESTING`.
    """
    return Provenance(tuple(_origins(graph, ())))


def _origins(graph: Graph, inside: tuple[str, ...]) -> Iterator[Origin]:
    check_nesting(len(inside), what="the graph", limit=MAX_NESTING)
    for node in graph.nodes:
        yield Origin(_name(graph, node), node.op.name, node.source, inside)
        for key, body in bodies(node):
            yield from _origins(body, (*inside, f"{node.op.name} {key!r}"))


def _name(graph: Graph, node: Node) -> str:
    return graph.name_of(node.outputs[0]) if node.outputs else node.op.name


def _to_dict(source: Source) -> dict[str, object]:
    return {
        "framework": source.framework,
        "file": source.file,
        "layer": source.layer,
        "operator": source.kind,
        "path": ".".join(source.path),
        "class": source.module,
        "line": source.location,
    }
