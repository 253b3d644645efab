"""The only way to change a graph: one memoised bottom-up rebuild.

Nodes that nothing changed stay the same objects; a replaced value hands its name on; nodes built while a node is
being replaced carry its sources.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from xir.errors import InvalidModelError
from xir.ir.builder import apply, sourced
from xir.ir.dims import Dim, Extremum, Polynomial, Quotient, Symbol, evaluate
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Attribute, Node, Value
from xir.ir.types import substitute
from xir.ir.walk import users
from xir.limits import MAX_NESTING


class Rewriter:
    """One bottom-up rebuild of a graph, with what rules may ask while it runs."""

    def __init__(self, graph: Graph) -> None:
        """Starts a rebuild of `graph`."""
        self.graph = graph
        self.new: dict[Value, Value] = {}
        self._uses: dict[Value, int] = {}
        self._old_uses = {value: len(readers) for value, readers in users(graph).items()}
        for value in graph.outputs:
            self._old_uses[value] = self._old_uses.get(value, 0) + 1

    def uses(self, value: Value) -> int:
        """How many operands and graph outputs read what the new `value` stands for."""
        return self._uses.get(value, 0)

    def map(self, old: Value, new: Value) -> None:
        """Records that `new` stands for `old`."""
        self.new[old] = new
        self._uses[new] = self._uses.get(new, 0) + self._old_uses.get(old, 0)

    def run(
        self,
        replace: Callable[[Node, Rewriter], Sequence[Value] | None],
        *,
        leaves: Mapping[Value, Value] | None = None,
    ) -> Graph:
        """The rebuilt graph.

        Args:
            replace: gets each node with its operands already rebuilt and answers the values that take the place of
                its outputs, or None to keep it. What it builds carries the node's sources.
            leaves: new inputs and parameters for old ones; those that are not named stay.

        Raises:
            InvalidModelError: if a replacement has another number of values.
        """
        graph = self.graph
        for value in (*graph.inputs, *(parameter.value for parameter in graph.parameters)):
            self.map(value, (leaves or {}).get(value, value))
        for node in graph.nodes:
            rebuilt = self._rebuild(node)
            with sourced(*node.source):
                replaced = replace(rebuilt, self)
            outputs = rebuilt.outputs if replaced is None else tuple(replaced)
            if len(outputs) != len(node.outputs):
                raise InvalidModelError(f"{node.op.name}: replaced {len(node.outputs)} outputs by {len(outputs)}")
            for old, new in zip(node.outputs, outputs, strict=True):
                self.map(old, new)
        return self._finish()

    def _rebuild(self, node: Node) -> Node:
        inputs = tuple(None if value is None else self.new[value] for value in node.inputs)
        if all(new is old for new, old in zip(inputs, node.inputs, strict=True)):
            return node
        same = all(
            new is None or old is None or new.type == old.type for new, old in zip(inputs, node.inputs, strict=True)
        )
        if same:
            types = tuple(value.type for value in node.outputs)
            return Node(node.op, inputs, node.attributes, types, node.source)
        with sourced(*node.source):
            return apply(node.op, inputs, node.attributes)

    def _finish(self) -> Graph:
        graph = self.graph
        outputs = tuple(self.new[value] for value in graph.outputs)
        names: dict[Value, str] = {}
        for old, name in graph.names.items():
            new = self.new.get(old)
            if new is not None:
                names.setdefault(new, name)
        inputs = tuple(self.new[value] for value in graph.inputs)
        parameters = tuple(Parameter(self.new[p.value], p.constant, p.trainable) for p in graph.parameters)
        return Graph(graph.name, inputs, outputs, graph.output_names, parameters, names, graph.constraints)


def rewrite(graph: Graph, replace: Callable[[Node, Rewriter], Sequence[Value] | None]) -> Graph:
    """The graph with every node offered to `replace`, bodies first; see `Rewriter.run`."""
    return _rewrite(graph, replace, 0)


def _rewrite(graph: Graph, replace: Callable[[Node, Rewriter], Sequence[Value] | None], depth: int) -> Graph:
    if depth > MAX_NESTING:
        raise InvalidModelError(f"bodies are nested more than {MAX_NESTING} deep")

    def with_bodies(node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
        attributes = {name: _map_graphs(value, inner) for name, value in node.attributes.items()}
        if all(attributes[name] is node.attributes[name] for name in attributes):
            return replace(node, rewriter)
        rebuilt = apply(node.op, node.inputs, attributes)
        replaced = replace(rebuilt, rewriter)
        return rebuilt.outputs if replaced is None else replaced

    def inner(body: Graph) -> Graph:
        return _rewrite(body, replace, depth + 1)

    return drop_unused_parameters(Rewriter(graph).run(with_bodies))


def _map_graphs(attribute: Attribute, change: Callable[[Graph], Graph]) -> Attribute:
    if isinstance(attribute, Graph):
        return change(attribute)
    if isinstance(attribute, tuple) and any(isinstance(item, Graph | tuple) for item in attribute):
        items = tuple(_map_graphs(item, change) for item in attribute)
        return attribute if all(a is b for a, b in zip(items, attribute, strict=True)) else items
    return attribute


def drop_unused_parameters(graph: Graph) -> Graph:
    """The graph without the parameters that no node and no output reads."""
    read = set(graph.outputs)
    for node in graph.nodes:
        read.update(value for value in node.inputs if value is not None)
    kept = tuple(parameter for parameter in graph.parameters if parameter.value in read)
    if len(kept) == len(graph.parameters):
        return graph
    dropped = {parameter.value for parameter in graph.parameters} - {parameter.value for parameter in kept}
    names = {value: name for value, name in graph.names.items() if value not in dropped}
    return Graph(graph.name, graph.inputs, graph.outputs, graph.output_names, kept, names, graph.constraints)


def evaluate_attribute(attribute: Attribute, sizes: Mapping[Symbol, Dim]) -> Attribute:
    """The attribute with symbolic sizes replaced by `sizes`; bodies keep their own symbols."""
    match attribute:
        case Symbol() | Quotient() | Extremum() | Polynomial():
            return evaluate(attribute, sizes)
        case tuple():
            return tuple(evaluate_attribute(item, sizes) for item in attribute)
        case _:
            return attribute


def specialize(graph: Graph, sizes: Mapping[Symbol, Dim]) -> Graph:
    """The graph with symbolic sizes replaced, every type inferred again.

    Raises:
        InvalidModelError: if the sizes do not fit the model; the error names the layer.
    """
    if not sizes:
        return graph
    leaves = {
        value: Value(substitute(value.type, sizes))
        for value in (*graph.inputs, *(parameter.value for parameter in graph.parameters))
        if substitute(value.type, sizes) != value.type
    }

    def replace(node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
        attributes = {name: evaluate_attribute(value, sizes) for name, value in node.attributes.items()}
        return None if attributes == node.attributes else apply(node.op, node.inputs, attributes).outputs

    return Rewriter(graph).run(replace, leaves=leaves)
