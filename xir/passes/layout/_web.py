"""A graph as values that are stored in some layout, and readers that want them in some: transposes are what differs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from xir.ir.dims import Dim, evaluate, symbols_of
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.rewrite import changing_weights
from xir.ir.types import TensorType
from xir.limits import MAX_FOLDED_BYTES
from xir.passes.folding import SMALL_BYTES
from xir.passes.layout._perms import Perm, compose, identity, moves_nothing
from xir.passes.layout._rules import RESULT, Ask, Laid

SYMBOL_SIZE = 16
"""What a symbolic size counts as when it is weighed what a transpose moves."""

START_BITS = 8 * 64 * 1024
"""What a transpose costs besides what it moves: a kernel of its own takes as long as 64 KiB that it moves (5 us)."""


@dataclass(frozen=True, slots=True)
class Reader:
    """One reader of a value.

    Attributes:
        node: the node that reads; None for an output of the graph.
        place: the operand.
        perm: the transposes between the value and the operand, as one.
    """

    node: Node | None
    place: int
    perm: Perm


@dataclass(slots=True)
class Web:
    """What is stored how, and who reads it.

    Attributes:
        graph: the graph.
        rules: of the operators that can work in other layouts.
        roots: {value: the value that it is a transpose of, which is none itself; how it is transposed}.
        readers: {value that is no transpose: its readers}.
        states: {node: how it is laid out, where it is not as in the graph}.
    """

    graph: Graph
    rules: Mapping[str, Ask]
    roots: dict[Value, tuple[Value, Perm]] = field(default_factory=dict[Value, "tuple[Value, Perm]"])
    readers: dict[Value, list[Reader]] = field(default_factory=dict[Value, "list[Reader]"])
    states: dict[Node, Laid] = field(default_factory=dict[Node, Laid])
    _depth: dict[Value, int] = field(default_factory=dict[Value, int])
    _costs: dict[Value, int] = field(default_factory=dict[Value, int])
    _deepest: int = 1

    @classmethod
    def of(cls, graph: Graph, rules: Mapping[str, Ask]) -> Web:
        """The web of a graph, nothing moved yet."""
        made = cls(graph, rules)
        for node in graph.nodes:
            made._add(node)
        for value in graph.outputs:
            if isinstance(value.type, TensorType):
                root, perm = made.root(value)
                made.readers.setdefault(root, []).append(Reader(None, 0, perm))
        made._deepest = max(made._depth.values(), default=0) + 1
        made._make_constants_free()
        return made

    def _add(self, node: Node) -> None:
        if node.op.name == "transpose" and node.inputs[0] is not None:
            root, perm = self.root(node.inputs[0])
            held = node.attributes["perm"]
            if isinstance(held, tuple):
                self.roots[node.outputs[0]] = root, tuple(perm[axis] for axis in held if isinstance(axis, int))
            return
        depth = 0
        for place, value in enumerate(node.inputs):
            if value is None or not isinstance(value.type, TensorType):
                continue
            root, perm = self.root(value)
            depth = max(depth, self._depth.get(root, 0) + 1)
            if not _asks_sizes(node):  # sizes are known however the elements lie
                self.readers.setdefault(root, []).append(Reader(node, place, perm))
        self._depth.update((value, depth) for value in node.outputs)

    def _make_constants_free(self) -> None:
        """Constants are transposed once and for all, but for large ones that would be there twice."""
        changing = changing_weights(self.graph)
        for value, readers in self.readers.items():
            held = None if value in changing else self.graph.constant_of(value)
            if held is not None and held.nbytes <= (MAX_FOLDED_BYTES if len(readers) == 1 else SMALL_BYTES):
                self._costs[value] = 0

    def root(self, value: Value) -> tuple[Value, Perm]:
        """The value that `value` is a transpose of, or itself."""
        return self.roots.get(value) or (value, identity(value.rank))

    def stored(self, value: Value, states: Mapping[Node, Laid] | None = None) -> Perm:
        """How a value that is no transpose is stored, in `states` where they say it, else as it is now."""
        node = value.node
        laid = None if node is None else (states or self.states).get(node) or self.states.get(node)
        return identity(value.rank) if laid is None else laid.results[value.index]

    def wanted(self, reader: Reader, states: Mapping[Node, Laid] | None = None) -> Perm:
        """How a reader wants the value stored; see `stored`."""
        node = reader.node
        laid = None if node is None else (states or self.states).get(node) or self.states.get(node)
        own = None if laid is None else laid.operands[reader.place]
        return reader.perm if own is None else compose(reader.perm, own)

    def has_idle(self) -> bool:
        """Whether there are transposes that do nothing: they undo others, or only their sizes are asked for."""
        users, outputs = self.graph.users, frozenset(self.graph.outputs)
        return any(
            perm == identity(len(perm))
            or (turned not in outputs and all(_asks_sizes(node) for node, _ in users[turned]))
            for turned, (_, perm) in self.roots.items()
        )

    def is_constant(self, value: Value) -> bool:
        """Whether a value lies as anybody wants it, for nothing."""
        return self._costs.get(value) == 0

    def _cost(self, value: Value) -> int:
        """What one transpose of a value costs: the bits moved, and of those that move as many, the later is cheaper."""
        if value not in self._costs:
            early = self._deepest - self._depth.get(value, 0)
            self._costs[value] = self._weight(value, 1) + early
        return self._costs[value]

    def _weight(self, value: Value, kernels: int) -> int:
        """What it costs to move a value, and to start kernels; one bit is more than all that `_cost` adds besides."""
        bits = _count(value) * value.dtype.bits + kernels * START_BITS
        return bits * (self._deepest + 1) * (len(self.readers) + 1)

    def price(self, value: Value, held: Perm, wanted: Perm) -> int:
        """What it costs that a value is stored in one way and wanted in another; next to nothing for a reshape."""
        if held == wanted or self.is_constant(value):
            return 0
        return 1 if moves_nothing(*_between(value, held, wanted)) else self._cost(value)

    def toll(self, node: Node, states: Mapping[Node, Laid] | None = None) -> int:
        """What a node costs more than in its best layout: as much as a transpose, and the operators; see `stored`."""
        laid = (states or self.states).get(node) or self.states.get(node)
        if laid is None:
            laid = self.rules[node.op.name](node, RESULT, identity(node.outputs[0].rank))
        return 0 if laid is None or not laid.more else self._weight(node.outputs[0], laid.more)

    def bill(self, values: Iterable[Value], nodes: Iterable[Node], states: Mapping[Node, Laid] | None = None) -> int:
        """What all transposes of the values cost, and the layouts of the nodes."""
        total = sum(self.toll(node, states) for node in nodes)
        for value in values:
            held = self.stored(value, states)
            wishes = {self.wanted(reader, states) for reader in self.readers.get(value, ())}
            total += sum(self.price(value, held, wish) for wish in wishes)
        return total


def _asks_sizes(node: Node) -> bool:
    return node.op.name == "shape_of"


def _between(value: Value, held: Perm, wanted: Perm) -> tuple[Perm, tuple[Dim, ...]]:
    back = {axis: place for place, axis in enumerate(held)}
    return tuple(back[axis] for axis in wanted), tuple(value.shape[axis] for axis in held)


def _count(value: Value) -> int:
    """How many elements a value has, each symbolic size counted as `SYMBOL_SIZE`."""
    total = 1
    for size in value.shape:
        told = size if isinstance(size, int) else evaluate(size, dict.fromkeys(symbols_of(size), SYMBOL_SIZE))
        total *= max(told, 1) if isinstance(told, int) else SYMBOL_SIZE
    return total
