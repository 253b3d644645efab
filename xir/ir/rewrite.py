"""The only way to change a graph: one memoised bottom-up rebuild.

Nodes that nothing changed stay the same objects; a replaced value hands its name on; nodes built while a node is
being replaced carry its sources.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from xir.errors import InvalidModelError
from xir.ir.builder import apply, sourced
from xir.ir.constant import Constant
from xir.ir.constraints import Collected, Constraint, collecting, substituted
from xir.ir.dims import Dim, Extremum, Polynomial, Quotient, Symbol, evaluate
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Attribute, Node, Value
from xir.ir.types import TensorType, substitute
from xir.ir.walk import bodies, toposort
from xir.limits import MAX_NESTING

_trains: ContextVar[bool] = ContextVar("xir_trains", default=False)


@contextmanager
def keeping_trainable() -> Generator[None]:
    """Inside, weights that training may change are no constants: rebuilds leave them as they are."""
    token = _trains.set(True)
    try:
        yield
    finally:
        _trains.reset(token)


def changing_weights(graph: Graph) -> frozenset[Value]:
    """The weights of which nobody knows what they will hold: those that a step of training of the model changes.

    Within `keeping_trainable`, all those that training may change.
    """
    if not _trains.get():
        return graph.mutable
    return graph.mutable | {parameter.value for parameter in graph.parameters if parameter.trainable}


class Rewriter:
    """One bottom-up rebuild of a graph, with what rules may ask while it runs.

    Attributes:
        graph: the old graph.
        current: the node of the old graph that is being rebuilt.
        new: {value of the old graph: what stands for it}.
    """

    def __init__(self, graph: Graph) -> None:
        """Starts a rebuild of `graph`."""
        self.graph = graph
        self.current: Node | None = None
        self.new: dict[Value, Value] = {}
        self._sizes: dict[Symbol, Dim] = {}
        self._uses: dict[Value, int] = {}
        self._added: dict[Value, tuple[Parameter, str]] = {}
        self._frozen: set[Value] | None = None
        self._mutable = changing_weights(graph)
        self._old_uses = {value: len(readers) for value, readers in graph.users.items()}
        for value in graph.outputs:
            self._old_uses[value] = self._old_uses.get(value, 0) + 1

    def uses(self, value: Value) -> int:
        """How many operands and graph outputs read what the new `value` stands for."""
        return self._uses.get(value, 0)

    def constant_of(self, value: Value) -> Constant | None:
        """The elements of a parameter or literal, of the old graph or made while rebuilding.

        What training changes is no constant, see `changing_weights`.
        """
        added = self._added.get(value)
        if added is not None:
            return added[0].constant
        return None if value in self._mutable else self.graph.constant_of(value)

    def parameter(self, constant: Constant, name: str, *, trainable: bool = True) -> Value:
        """A new weight, called `name` where the one that had the name is not read any more, else with a number.

        Args:
            constant: the elements.
            name: the wanted name, mostly that of the weight it takes the place of.
            trainable: whether training may change it.
        """
        value = Value(constant.type)
        self._added[value] = (Parameter(value, constant, trainable), name)
        return value

    def name_of(self, value: Value) -> str | None:
        """The name of a weight of the old graph or of a new one, or None."""
        added = self._added.get(value)
        return self.graph.names.get(value) if added is None else added[1]

    def is_trainable(self, value: Value) -> bool:
        """Whether training may change the weight `value`; True for what is no weight."""
        added = self._added.get(value)
        if added is not None:
            return added[0].trainable
        if self._frozen is None:
            self._frozen = {parameter.value for parameter in self.graph.parameters if not parameter.trainable}
        return value not in self._frozen

    def map(self, old: Value, new: Value) -> None:
        """Records that `new` stands for `old`, and its sizes for the nameless symbols that `old` has.

        Such a symbol (the number of boxes that a suppression keeps) is a fresh one whenever a type is inferred again,
        and the attributes of later nodes mention it: they follow.
        """
        self.new[old] = new
        self._uses[new] = self._uses.get(new, 0) + self._old_uses.get(old, 0)
        if old is new:
            return
        if isinstance(old.type, TensorType) and isinstance(new.type, TensorType) and old.type.rank == new.type.rank:
            for before, after in zip(old.type.shape, new.type.shape, strict=True):
                if isinstance(before, Symbol) and before.name is None and before != after:
                    self._sizes.setdefault(before, after)

    def run(
        self,
        replace: Callable[[Node, Rewriter], Sequence[Value] | None],
        *,
        leaves: Mapping[Value, Value] | None = None,
        constraints: tuple[Constraint, ...] | None = None,
    ) -> Graph:
        """The rebuilt graph; the graph itself when nothing changed.

        Args:
            replace: gets each node with its operands already rebuilt and answers the values that take the place of
                its outputs, or None to keep it. What it builds carries the node's sources.
            leaves: new inputs and parameters for old ones; those that are not named stay.
            constraints: what takes the place of the graph's own constraints; what the rebuild assumes is added.

        Raises:
            InvalidModelError: if a replacement has another number of values.
        """
        for value in _leaves(self.graph):
            self.map(value, (leaves or {}).get(value, value))
        with collecting(self.graph.constraints if constraints is None else constraints) as assumed:
            self.rebuild_nodes(replace)
        return self._finish(assumed)

    def rebuild_nodes(self, replace: Callable[[Node, Rewriter], Sequence[Value] | None] | None = None) -> None:
        """Builds every node on what stands for its operands, or what `replace` answers for it; see `run`."""
        for node in self.graph.nodes:
            self.current = node
            rebuilt = self._rebuild(node)
            with sourced(*node.source):
                replaced = None if replace is None else replace(rebuilt, self)
            outputs = rebuilt.outputs if replaced is None else tuple(replaced)
            if len(outputs) != len(node.outputs):
                raise InvalidModelError(f"{node.op.name}: replaced {len(node.outputs)} outputs by {len(outputs)}")
            for old, new in zip(node.outputs, outputs, strict=True):
                self.map(old, new)

    def _rebuild(self, node: Node) -> Node:
        inputs = tuple(None if value is None else self.new[value] for value in node.inputs)
        if self._sizes:
            attributes = {name: evaluate_attribute(value, self._sizes) for name, value in node.attributes.items()}
            if attributes != node.attributes:
                with sourced(*node.source):
                    return apply(node.op, inputs, attributes)
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

    def _finish(self, assumed: Collected) -> Graph:
        graph = self.graph
        outputs = tuple(self.new[value] for value in graph.outputs)
        unchanged = outputs == graph.outputs and all(self.new[value] is value for value in _leaves(graph))
        if unchanged and tuple(assumed) == graph.constraints:
            return graph
        inputs = tuple(self.new[value] for value in graph.inputs)
        parameters = (
            *(Parameter(self.new[p.value], p.constant, p.trainable) for p in graph.parameters),
            *(parameter for parameter, _ in self._added.values()),
        )
        constraints = substituted(assumed, self._sizes) if self._sizes else tuple(assumed)
        names = self._names(outputs)
        return Graph(graph.name, inputs, outputs, graph.output_names, parameters, names, constraints, graph.training)

    def _names(self, outputs: tuple[Value, ...]) -> dict[Value, str]:
        """Old names on the values that live on; a value that stands for several has the name of the first."""
        old_values = [*_leaves(self.graph), *(value for node in self.graph.nodes for value in node.outputs)]
        alive = {value for node in toposort(outputs) for value in node.outputs}
        alive.update(self.new[value] for value in _leaves(self.graph))
        names: dict[Value, str] = {}
        for old in old_values:
            name, new = self.graph.names.get(old), self.new[old]
            if name is not None and new in alive:
                names.setdefault(new, name)
        return self._name_added(names, outputs) if self._added else names

    def _name_added(self, names: dict[Value, str], outputs: tuple[Value, ...]) -> dict[Value, str]:
        """Names for the new weights; the weights that they replace give theirs up when nothing reads them."""
        read = {value for node in toposort(outputs) for value in node.inputs if value is not None} | set(outputs)
        unread = {self.new[p.value] for p in self.graph.parameters if p.value not in self._mutable} - read
        kept = {value: name for value, name in names.items() if value not in unread}
        taken, numbers = set(kept.values()), dict[str, int]()
        for value, (_, wanted) in self._added.items():
            if value not in read:
                continue
            name, number = wanted, numbers.get(wanted, 1)
            while name in taken:
                number += 1
                name = f"{wanted}_{number}"
            numbers[wanted] = number
            taken.add(name)
            kept[value] = name
        return kept


def inlined(graph: Graph, operands: Sequence[Value]) -> tuple[Value, ...]:
    """The results of a graph without parameters, its nodes built again on `operands` in place of its inputs."""
    rewriter = Rewriter(graph)
    for old, new in zip(graph.inputs, operands, strict=True):
        rewriter.map(old, new)
    rewriter.rebuild_nodes()
    return tuple(rewriter.new[value] for value in graph.outputs)


def _leaves(graph: Graph) -> tuple[Value, ...]:
    return (*graph.inputs, *(parameter.value for parameter in graph.parameters))


Replace = Callable[[Node, Rewriter], Sequence[Value] | None]
"""What a rewrite asks for each node: gets it with its operands rebuilt, answers what takes the place of its outputs."""


def rewrite(graph: Graph, replace: Replace) -> Graph:
    """The graph with every node offered to `replace`, bodies first, each body once; see `Rewriter.run`.

    Parameters that nothing reads any more are dropped.

    Raises:
        InvalidModelError: if bodies are nested too deep.
    """
    return _rewrite(graph, replace, {}, 0)


def _rewrite(graph: Graph, replace: Replace, done: dict[Graph, Graph], depth: int) -> Graph:
    if depth > MAX_NESTING:
        raise InvalidModelError(f"bodies are nested more than {MAX_NESTING} deep")

    def with_bodies(node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
        if not any(True for _ in bodies(node)):
            return replace(node, rewriter)
        attributes = {name: _map_graphs(value, inner) for name, value in node.attributes.items()}
        if all(attributes[name] is node.attributes[name] for name in attributes):
            return replace(node, rewriter)
        rebuilt = apply(node.op, node.inputs, attributes)
        replaced = replace(rebuilt, rewriter)
        return rebuilt.outputs if replaced is None else replaced

    def inner(body: Graph) -> Graph:
        if body not in done:
            done[body] = _rewrite(body, replace, done, depth + 1)
        return done[body]

    return drop_unused_parameters(Rewriter(graph).run(with_bodies))


def _map_graphs(attribute: Attribute, change: Callable[[Graph], Graph]) -> Attribute:
    if isinstance(attribute, Graph):
        return change(attribute)
    if isinstance(attribute, tuple) and any(isinstance(item, Graph | tuple) for item in attribute):
        items = tuple(_map_graphs(item, change) for item in attribute)
        return attribute if all(a is b for a, b in zip(items, attribute, strict=True)) else items
    return attribute


def drop_unused_parameters(graph: Graph) -> Graph:
    """The graph without the parameters that no node and no output reads, and that no step of training changes."""
    read = {*graph.outputs, *graph.users, *graph.mutable}
    kept = tuple(parameter for parameter in graph.parameters if parameter.value in read)
    if len(kept) == len(graph.parameters):
        return graph
    dropped = {parameter.value for parameter in graph.parameters if parameter.value not in read}
    names = {value: name for value, name in graph.names.items() if value not in dropped}
    return graph.with_weights(kept, names)


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
    leaves: dict[Value, Value] = {}
    for value in _leaves(graph):
        type = substitute(value.type, sizes)
        if type != value.type:
            leaves[value] = Value(type)

    def replace(node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
        attributes = {name: evaluate_attribute(value, sizes) for name, value in node.attributes.items()}
        return None if attributes == node.attributes else apply(node.op, node.inputs, attributes).outputs

    made = Rewriter(graph).run(replace, leaves=leaves, constraints=substituted(graph.constraints, sizes))
    training = tuple(step.map(lambda each: specialize(each, sizes)) for step in graph.training)
    return dataclasses.replace(made, training=training) if training else made
