"""Which constants stand beside the text instead of in it, and under what names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from xir.errors import FormatError
from xir.ir.constant import Constant
from xir.ir.graph import Graph
from xir.ir.node import Attribute
from xir.ir.types import DType, TensorType
from xir.ir.walk import all_graphs

MAX_INLINE_ELEMENTS = 64
"""Elements of a constant that still stands in the text; strings, which `.safetensors` cannot hold, always do."""


@dataclass(frozen=True, slots=True)
class StoredWeights:
    """The constants that a text refers to by name and SHA-256.

    Attributes:
        entries: {constant: (name, SHA-256 in hexadecimal)}; equal elements of one type share an entry.
        tensors: {name: the constant that is stored under it}.
        file: the name of the `.safetensors` file beside the text, or None when there is none.
    """

    entries: Mapping[Constant, tuple[str, str]]
    tensors: Mapping[str, Constant]
    file: str | None = None


def is_inline(constant: Constant) -> bool:
    """Whether the elements stand in the text."""
    return constant.dtype is DType.STRING or constant.elements <= MAX_INLINE_ELEMENTS


def plan_weights(
    graphs: Sequence[Graph], hashed: Callable[[Constant], str] = lambda constant: constant.digest()
) -> StoredWeights:
    """Names for all constants of the graphs and their bodies that are too large for the text.

    Args:
        graphs: the graphs.
        hashed: the SHA-256 of a constant's bytes in hexadecimal; it is called once for each.
    """
    entries: dict[Constant, tuple[str, str]] = {}
    tensors: dict[str, Constant] = {}
    known: dict[tuple[str, TensorType], str] = {}
    for name, constant in large_constants(graphs):
        if constant in entries:
            continue
        digest = hashed(constant)
        if (digest, constant.type) not in known:
            free = _free_name(name, tensors)
            known[digest, constant.type] = free
            tensors[free] = constant
        entries[constant] = (known[digest, constant.type], digest)
    return StoredWeights(entries, tensors)


def large_constants(graphs: Iterable[Graph]) -> Iterator[tuple[str, Constant]]:
    """What is too large for the text in graphs and their bodies, with what it is called; some may stand twice."""
    for graph in graphs:
        for name, constant in _constants(graph):
            if not is_inline(constant):
                yield name, constant


def _free_name(name: str, taken: Mapping[str, Constant]) -> str:
    """`name` as `.safetensors` can hold it: Unicode without lone surrogates, not the header's own key, not taken."""
    clean = name.encode("utf-8", "replace").decode("utf-8")
    free, number = clean, 1
    while free in taken or free == "__metadata__":
        number += 1
        free = f"{clean}#{number}"
    return free


def _constants(graph: Graph) -> Iterator[tuple[str, Constant]]:
    parts = (graph, *(part for step in graph.training for part in step.graphs))
    for each in (inner for part in parts for inner in all_graphs(part)):
        for parameter in each.parameters:
            yield each.name_of(parameter.value), parameter.constant
        for node in each.nodes:
            for constant in _attribute_constants(tuple(node.attributes.values())):
                yield each.name_of(node.outputs[0]), constant


def _attribute_constants(attribute: Attribute) -> Iterator[Constant]:
    pending = [attribute]
    while pending:
        item = pending.pop()
        if isinstance(item, Constant):
            yield item
        elif isinstance(item, tuple):
            pending += reversed(item)


class HeldWeights:
    """A source of weights that answers from memory; see `xir.text.parser.WeightSource`."""

    def __init__(self, stored: StoredWeights) -> None:
        """Answers with the constants of `stored`."""
        self._found = {(name, digest): constant for constant, (name, digest) in stored.entries.items()}

    def __call__(self, companion: str | None, name: str, sha256: str, type: TensorType) -> Constant:
        """The constant of that name, hash and type.

        Raises:
            FormatError: there is none.
        """
        constant = self._found.get((name, sha256))
        if constant is None or constant.type != type:
            raise FormatError(f"no weight {name[:60]!r} of type {type!r} with SHA-256 {sha256[:16]}... is at hand")
        return constant


def held_weights(*graphs: Graph) -> HeldWeights:
    """The large constants of graphs in memory: `parse_graph(print_graph(g), weights=held_weights(g))` gives `g`."""
    return HeldWeights(plan_weights(graphs))
