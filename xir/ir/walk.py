"""Walks over graphs: all iterative, all in an order that depends on the graph alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from xir.ir.dims import Symbol, SymbolicDim, symbols_of
from xir.ir.node import Attribute, Node, Value
from xir.ir.types import TensorType, Type, UnrankedType

if TYPE_CHECKING:
    from xir.ir.graph import Graph


def toposort(outputs: Iterable[Value]) -> tuple[Node, ...]:
    """The nodes that `outputs` need, each after those that it needs; operands are visited from first to last.

    A node whose attributes mention a size that another node finds out (the number of boxes that a suppression keeps)
    needs that node too, though no operand leads there: `broadcast(0, shape=[K])` must wait for K.
    """
    ends = tuple(outputs)
    order = _ordered(ends, {})
    makers = _makers(order)
    if not makers:
        return order
    needed = {node: found for node in order if (found := _needed_makers(node, makers))}
    place = {node: index for index, node in enumerate(order)}
    if all(place[maker] < place[node] for node, found in needed.items() for maker in found):
        return order
    return _ordered(ends, needed)


def _ordered(outputs: Iterable[Value], needed: Mapping[Node, Sequence[Node]]) -> tuple[Node, ...]:
    """The nodes in order of depth first, each after its operands' nodes and those that `needed` names for it."""
    order: list[Node] = []
    entered: set[Node] = set()
    finished: set[Node] = set()
    for output in outputs:
        stack: list[tuple[Node, bool]] = [] if output.node is None else [(output.node, False)]
        while stack:
            node, expanded = stack.pop()
            if node in finished:
                continue
            if expanded:
                finished.add(node)
                order.append(node)
                continue
            entered.add(node)
            stack.append((node, True))
            for value in reversed(node.inputs):
                if value is not None and value.node is not None and value.node not in finished:
                    stack.append((value.node, False))
            # Only these edges could close a circle, in a graph that contradicts itself; an entered node ends it.
            stack += [(maker, False) for maker in reversed(needed.get(node, ())) if maker not in entered]
    return tuple(order)


def _symbols(types: Iterable[Type]) -> dict[Symbol, None]:
    """The nameless symbols in the shapes of tensors, by first appearance."""
    found: dict[Symbol, None] = {}
    for type in types:
        if isinstance(type, TensorType):
            for dim in type.shape:
                if not isinstance(dim, int):
                    found.update((symbol, None) for symbol in symbols_of(dim) if symbol.name is None)
    return found


def _mentioned_symbols(node: Node) -> list[Symbol]:
    """The symbols that the node's attributes mention, as often as they do."""
    found: list[Symbol] = []
    pending: list[Attribute] = list(node.attributes.values())
    while pending:
        item = pending.pop()
        if isinstance(item, tuple):
            pending += item
        elif isinstance(item, SymbolicDim):
            found += symbols_of(item)
    return found


def _attribute_symbols(node: Node) -> list[Symbol]:
    """The nameless symbols that the node's attributes mention, as often as they do."""
    return [symbol for symbol in _mentioned_symbols(node) if symbol.name is None]


def free_symbols(outputs: Iterable[Value], leaves: Iterable[Value]) -> tuple[Symbol, ...]:
    """The symbols in attributes that no axis of a leaf, or of what a node makes, tells alone; in order."""
    order = toposort(outputs)
    values = [*leaves, *(value for node in order for value in node.outputs)]
    told = {dim for value in values if isinstance(value.type, TensorType) for dim in value.type.shape}
    mentioned = dict.fromkeys(symbol for node in order for symbol in _mentioned_symbols(node))
    return tuple(symbol for symbol in mentioned if symbol not in told)


def _makers(order: Sequence[Node]) -> dict[Symbol, Node]:
    """For each nameless symbol the node that finds it out: its results have it, its operands do not.

    Its attributes mention it only where an operand after the first brings the sizes at run time (`reshape` with a
    `target`), or where the operand's axes are not known (`assume_shape`), for then they say no more than what the
    result is called.
    """
    makers: dict[Symbol, Node] = {}
    named: dict[Symbol, Node] = {}
    for node in order:
        made = _symbols(value.type for value in node.outputs)
        if made:
            had = _symbols(value.type for value in node.inputs if value is not None)
            mentioned = set(_attribute_symbols(node))
            operands = [value for value in node.inputs if value is not None]
            takes_sizes = len(operands) > 1 or any(isinstance(value.type, UnrankedType) for value in operands)
            for symbol in made:
                if symbol in had:
                    continue
                if symbol not in mentioned:
                    makers.setdefault(symbol, node)
                elif takes_sizes:
                    named.setdefault(symbol, node)
    return named | makers


def _needed_makers(node: Node, makers: Mapping[Symbol, Node]) -> list[Node]:
    found = (makers.get(symbol) for symbol in _attribute_symbols(node))
    return list(dict.fromkeys(maker for maker in found if maker is not None and maker is not node))


def bodies(node: Node) -> Iterator[tuple[str, Graph]]:
    """The (attribute name, graph) pairs of a node's bodies; the items of a tuple are of one kind."""
    from xir.ir.graph import Graph

    for name, attribute in node.attributes.items():
        if isinstance(attribute, Graph):
            yield name, attribute
        elif isinstance(attribute, tuple) and attribute and isinstance(attribute[0], Graph | tuple):
            pending: list[Attribute] = [attribute]
            while pending:
                item = pending.pop()
                if isinstance(item, Graph):
                    yield name, item
                elif isinstance(item, tuple):
                    pending += reversed(item)


def all_graphs(graph: Graph) -> Iterator[Graph]:
    """The graph and every body in it, at any depth, outermost first; a body that stands twice comes once."""
    pending, seen = [graph], {graph}
    while pending:
        current = pending.pop()
        yield current
        inner = [body for node in current.nodes for _, body in bodies(node)]
        for body in reversed(inner):
            if body not in seen:
                seen.add(body)
                pending.append(body)
