"""What an operator is, whoever made it: keys that are equal where two graphs hold the same thing.

Keys are numbers, handed out as new things are met (hash-consing), so a key of a node says as much as the whole tree
behind it and costs nothing to compare.
"""

from __future__ import annotations

from collections.abc import Hashable

from xir.ir.constant import Constant
from xir.ir.dims import Extremum, Polynomial, Quotient, Symbol, to_text
from xir.ir.graph import Graph
from xir.ir.node import Attribute, Node, Value
from xir.ir.types import Type
from xir.limits import KIBI, check_nesting

DIGEST_BYTES = 1024 * KIBI
"""Constants in attributes up to this size are the same where their bytes are; larger ones where their types are: it is
the comparison of weights that looks at those."""


class Keys:
    """One table of keys for several graphs."""

    def __init__(self) -> None:
        """Starts with no keys."""
        self._numbers: dict[Hashable, int] = {}
        self._bodies: dict[Graph, int] = {}

    def number(self, thing: Hashable) -> int:
        """The number of a thing; equal things have the same."""
        return self._numbers.setdefault(thing, len(self._numbers))

    def local(self, node: Node, depth: int = 1) -> int:
        """The key of the operator with its attributes, and of nothing around it."""
        attributes = tuple((name, self.attribute(value, depth)) for name, value in node.attributes.items())
        return self.number(("node", node.op.name, attributes))

    def attribute(self, attribute: Attribute, depth: int = 1) -> Hashable:
        """The key of an attribute; sizes without a name are all alike, for every graph has its own."""
        match attribute:
            case Constant():
                content = attribute.digest() if attribute.nbytes <= DIGEST_BYTES else ""
                return ("constant", repr(attribute.type), content)
            case Graph():
                return ("body", self.body(attribute, depth))
            case float():
                return ("float", attribute.hex())
            case bool():
                return ("bool", attribute)
            case tuple():
                return tuple(self.attribute(item, depth) for item in attribute)
            case Symbol() | Quotient() | Extremum() | Polynomial():
                return ("size", to_text(attribute))
            case _:
                return attribute

    def body(self, graph: Graph, depth: int) -> int:
        """The key of a whole graph that is an attribute, weights included; depth is bounded as everywhere."""
        check_nesting(depth, what="a body of the graph")
        if graph not in self._bodies:
            keys: dict[Value, int] = {}
            for index, value in enumerate(graph.inputs):
                keys[value] = self.number(("input", index, type_key(value.type)))
            for parameter in graph.parameters:
                keys[parameter.value] = self.number(("weight", self.attribute(parameter.constant)))
            for node in graph.nodes:
                operands = tuple(None if value is None else keys.get(value, -1) for value in node.inputs)
                self.results(node, (self.local(node, depth + 1), operands), keys)
            outputs = tuple(keys.get(value, -1) for value in graph.outputs)
            self._bodies[graph] = self.number(("graph", outputs))
        return self._bodies[graph]

    def results(self, node: Node, key: Hashable, keys: dict[Value, int]) -> int:
        """Enters the keys of a node's results and answers the node's own."""
        own = self.number(key)
        for index, value in enumerate(node.outputs):
            keys[value] = self.number(("result", own, index))
        return own

    def upward(self, graph: Graph) -> dict[Node, int]:
        """For each node the key of everything that it is computed from; weights count by their types alone."""
        keys: dict[Value, int] = {}
        for index, value in enumerate(graph.inputs):
            keys[value] = self.number(("input", index, type_key(value.type)))
        for parameter in graph.parameters:
            keys[parameter.value] = self.number(("weight", type_key(parameter.value.type)))
        found: dict[Node, int] = {}
        for node in graph.nodes:
            if is_literal(node):
                keys[node.outputs[0]] = self.number(("weight", type_key(node.outputs[0].type)))
                continue
            operands = tuple(None if value is None else keys.get(value, -1) for value in node.inputs)
            found[node] = self.results(node, ("up", self.local(node), operands), keys)
        return found

    def downward(self, graph: Graph) -> dict[Node, int]:
        """For each node the key of everything that is computed from it, as far as the outputs."""
        uses: dict[Value, list[tuple[int, int]]] = {}
        for index, value in enumerate(graph.outputs):
            uses.setdefault(value, []).append((self.number(("output", index)), 0))
        found: dict[Node, int] = {}
        for node in reversed(graph.nodes):
            if is_literal(node):
                continue
            readers = tuple(tuple(sorted(uses.get(value, ()))) for value in node.outputs)
            found[node] = self.number(("down", self.local(node), readers))
            for place, operand in enumerate(node.inputs):
                if operand is not None and operand.node is not None:
                    uses.setdefault(operand, []).append((found[node], place))
        return found


def is_literal(node: Node) -> bool:
    """Whether a node only holds numbers: a weight without a name."""
    return node.op.name == "constant"


def type_key(type: Type) -> str:
    """A type in words, in which all sizes without a name are alike."""
    return repr(type)
