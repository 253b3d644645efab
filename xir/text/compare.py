"""Whether two graphs say the same, down to names, sources, bits of numbers and elements of weights."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import zip_longest
from typing import TypeGuard

from xir.ir.constant import Constant
from xir.ir.dims import Dim, Extremum, Polynomial, Quotient, Symbol
from xir.ir.graph import Graph
from xir.ir.node import Attribute, Node, Value
from xir.ir.types import DType
from xir.text._literals import strings_of
from xir.text._symbols import SymbolNames


def same_graph(a: Graph, b: Graph) -> bool:
    """Whether the graphs are equal in everything that the text form holds."""
    return first_difference(a, b) is None


def first_difference(a: Graph, b: Graph) -> str | None:
    """The first thing in which two graphs differ, in words, or None.

    Compared are names, inputs, outputs, parameters (elements and trainability), constraints, symbols with what is
    known about them, and the nodes in topological order: operator, operands, attributes (numbers to the bit, bodies),
    result types, sources, and the steps of training. Names of values that no output needs are not part of a graph's
    meaning.
    """
    first, second = SymbolNames(a), SymbolNames(b)
    for left, right in zip_longest(first.declarations(), second.declarations()):
        if left != right:
            return f"symbols differ: {left} and {right}"
    pending = [(a, b, "")]
    while pending:
        left_graph, right_graph, where = pending.pop()
        pair = _Pair(left_graph, right_graph, first, second)
        found = next(pair.differences(), None)
        if found is not None:
            return f"{where}{found}"
        pending += [(x, y, f"{where}in {place}: ") for x, y, place in reversed(pair.bodies)]
    return None


class _Pair:
    """Two graphs that are being compared, and which value of one stands for which of the other."""

    def __init__(self, a: Graph, b: Graph, first: SymbolNames, second: SymbolNames) -> None:
        self.a, self.b = a, b
        self.first, self.second = first, second
        self.partner: dict[Value, Value] = {}
        self.bodies: list[tuple[Graph, Graph, str]] = []

    def differences(self) -> Iterator[str]:
        """What differs, in the order of the text; later ones may follow from earlier ones."""
        a, b = self.a, self.b
        if a.name != b.name:
            yield f"graph names {a.name!r} and {b.name!r}"
        if len(a.inputs) != len(b.inputs):
            yield f"{len(a.inputs)} and {len(b.inputs)} inputs"
        for left, right in zip(a.inputs, b.inputs, strict=False):
            yield from self._values(left, right)
        yield from self._parameters()
        yield from self._constraints()
        if len(a.nodes) != len(b.nodes):
            yield f"{len(a.nodes)} and {len(b.nodes)} nodes"
        for m, n in zip(a.nodes, b.nodes, strict=False):
            yield from self._nodes(m, n)
        if a.output_names != b.output_names:
            yield f"output names {a.output_names} and {b.output_names}"
        for name, left, right in zip(a.output_names, a.outputs, b.outputs, strict=False):
            if self.partner.get(left) is not right:
                yield f"output {name!r} is another value"
        yield from self._training()

    def _training(self) -> Iterator[str]:
        """What differs in the steps of training; their graphs are put off to `bodies`."""
        a, b = self.a.training, self.b.training
        if len(a) != len(b):
            yield f"{len(a)} and {len(b)} steps of training"
        for number, (left, right) in enumerate(zip(a, b, strict=False), 1):
            for (what, x, mine), (_, y, theirs) in zip(left.parts, right.parts, strict=True):
                place = f"{what} of training step {number}"
                if mine != theirs:
                    yield f"{place} binds {mine} and {theirs}"
                if x is not None and y is not None:
                    self.bodies.append((x, y, place))
                elif x is not y:
                    yield f"{place} is there in one graph only"

    def _values(self, left: Value, right: Value) -> Iterator[str]:
        self.partner[left] = right
        names = self.a.names.get(left), self.b.names.get(right)
        if names[0] != names[1]:
            yield f"value names {names[0]!r} and {names[1]!r}"
        types = self.first.type(left.type), self.second.type(right.type)
        if types[0] != types[1]:
            yield f"{self.a.name_of(left)!r} is {types[0]} and {types[1]}"

    def _parameters(self) -> Iterator[str]:
        a, b = self.a.parameters, self.b.parameters
        if len(a) != len(b):
            yield f"{len(a)} and {len(b)} parameters"
        for left, right in zip(a, b, strict=False):
            yield from self._values(left.value, right.value)
            name = self.a.name_of(left.value)
            if left.trainable is not right.trainable:
                yield f"parameter {name!r} is trainable in one graph only"
            if not same_constant(left.constant, right.constant):
                yield f"parameter {name!r} has other elements"

    def _constraints(self) -> Iterator[str]:
        a = [(self.first.dim(c.left), self.first.dim(c.right), c.reason) for c in self.a.constraints]
        b = [(self.second.dim(c.left), self.second.dim(c.right), c.reason) for c in self.b.constraints]
        if a != b:
            yield f"constraints {a} and {b}"

    def _nodes(self, m: Node, n: Node) -> Iterator[str]:
        place = f"node {self.a.name_of(m.outputs[0])!r} ({m.op.name})"
        if m.op.name != n.op.name:
            yield f"{place} is {n.op.name}"
        if len(m.inputs) != len(n.inputs) or any(
            (None if x is None else self.partner.get(x)) is not y for x, y in zip(m.inputs, n.inputs, strict=True)
        ):
            yield f"{place} reads other operands"
        if sorted(m.attributes) != sorted(n.attributes):
            yield f"{place} has the attributes {sorted(m.attributes)} and {sorted(n.attributes)}"
        for name, attribute in m.attributes.items():
            if not self._same_attribute(attribute, n.attributes.get(name), f"{place} {name}"):
                yield f"{place} has another {name}: {attribute!r} and {n.attributes.get(name)!r}"
        if m.source != n.source:
            yield f"{place} comes from {m.source} and {n.source}"
        if len(m.outputs) != len(n.outputs):
            yield f"{place} has {len(m.outputs)} and {len(n.outputs)} outputs"
        for left, right in zip(m.outputs, n.outputs, strict=False):
            yield from self._values(left, right)

    def _same_attribute(self, left: Attribute, right: Attribute, place: str) -> bool:
        """Whether two attributes are equal; bodies are put off to `bodies`."""
        pending = [(left, right)]
        while pending:
            x, y = pending.pop()
            if isinstance(x, Graph) and isinstance(y, Graph):
                self.bodies.append((x, y, place))
            elif isinstance(x, tuple) and isinstance(y, tuple):
                if len(x) != len(y):
                    return False
                pending += zip(x, y, strict=True)
            elif not self._same_plain(x, y):
                return False
        return True

    def _same_plain(self, x: Attribute, y: Attribute) -> bool:
        if isinstance(x, float) and isinstance(y, float):
            return struct.pack("<d", x) == struct.pack("<d", y)
        if isinstance(x, Constant) and isinstance(y, Constant):
            return same_constant(x, y)
        if _is_formula(x) and _is_formula(y):
            return self.first.dim(x) == self.second.dim(y)
        return type(x) is type(y) and x == y


def _is_formula(attribute: Attribute) -> TypeGuard[Dim]:
    return isinstance(attribute, Symbol | Quotient | Extremum | Polynomial)


def same_constant(a: Constant, b: Constant) -> bool:
    """Whether two constants have one type and the same bits."""
    if a.type != b.type:
        return False
    if a.data is b.data:
        return True
    if a.dtype is DType.STRING:
        return strings_of(a) == strings_of(b)
    return all(x == y for x, y in zip(a.chunks(), b.chunks(), strict=True))
