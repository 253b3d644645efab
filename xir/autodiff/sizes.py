"""Sizes that only the run tells, kept told: a derivative may need the size of a result that it does not read.

The derivative of `compress(x, keep)` repeats a one to the size that compress gave, yet reads no result of compress,
so the graph would not hold the node that tells the size. Such a broadcast or reshape takes its sizes from the
forward result at run time (`shape_of`), which keeps the node in the graph and in front of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from xir.errors import UnsupportedError
from xir.ir.constant import constant_of
from xir.ir.dims import Dim, Symbol, symbols_of, to_text
from xir.ir.graph import Graph
from xir.ir.node import Attribute, Node, Value
from xir.ir.rewrite import Rewriter
from xir.ir.types import TensorType
from xir.limits import MAX_NESTING
from xir.ops.constant import constant
from xir.ops.shape import broadcast, concat, reshape, shape_of, slice_

_TAKE_SIZES = ("broadcast", "reshape")
"""Operators that take their sizes as a second operand, `target`."""


@dataclass(frozen=True, slots=True)
class Origins:
    """Where the sizes of a graph come from.

    Attributes:
        entered: the symbols that the inputs tell.
        definers: {symbol that a node tells: that node}.
        homes: {symbolic size: a result that has it, and the axis}.
    """

    entered: frozenset[Symbol]
    definers: Mapping[Symbol, Node]
    homes: Mapping[Dim, tuple[Value, int]]

    def missing(self, node: Node) -> list[Symbol]:
        """The symbols that a node's attributes need, and that neither inputs nor its operands tell."""
        if node.op.name in _TAKE_SIZES and len(node.inputs) > 1 and node.inputs[1] is not None:
            return []
        needed = [
            symbol
            for symbol in _attribute_symbols(node)
            if symbol not in self.entered and self.definers.get(symbol, node) is not node
        ]
        if needed:
            told = set(_symbols(value for value in node.inputs if value is not None))
            needed = [symbol for symbol in needed if symbol not in told]
        return needed

    def target(self, shape: Sequence[Dim]) -> Value | None:
        """The sizes as a tensor i64[rank], taken from results that have them; None where no result has one."""
        parts: list[Value] = []
        for dim in shape:
            home = self.homes.get(dim)
            if isinstance(dim, int):
                parts.append(constant(value=constant_of(np.array([dim], np.int64))))
            elif home is None:
                return None
            else:
                value, axis = home
                parts.append(slice_(shape_of(value), axes=(0,), starts=(axis,), stops=(axis + 1,), steps=(1,)))
        return concat(*parts, axis=0) if len(parts) > 1 else parts[0]


def origins(graph: Graph) -> Origins:
    """Where the sizes of `graph` come from."""
    entered = frozenset(_symbols(graph.inputs))
    definers: dict[Symbol, Node] = {}
    for alone in (True, False):  # a frontend makes up a symbol for an attribute whose value is a run-time operand
        for node in graph.nodes:
            made = [symbol for symbol in _symbols(node.outputs) if symbol not in entered and symbol not in definers]
            mentioned = set(_attribute_symbols(node)) if made and alone else set[Symbol]()
            definers |= {symbol: node for symbol in made if symbol not in mentioned}
    homes: dict[Dim, tuple[Value, int]] = {}
    found = Origins(entered, definers, homes)
    for node in graph.nodes if definers else ():
        if not found.missing(node):
            for value in node.outputs:
                for axis, dim in enumerate(_shape(value)):
                    if not isinstance(dim, int):
                        homes.setdefault(dim, (value, axis))
    return found


def told(graph: Graph) -> Graph:
    """A graph in which every broadcast and reshape that needs a result's size depends on that result."""
    for _ in range(MAX_NESTING):
        known = origins(graph)
        if not any(_can_take(node) and known.missing(node) for node in graph.nodes):
            return graph
        changed = told_by(graph, known)
        if changed is graph:
            return graph
        graph = changed
    return graph


def told_by(graph: Graph, known: Origins) -> Graph:
    """The graph whose broadcasts and reshapes take the sizes that nothing tells them from where `known` says."""
    if not known.definers:
        return graph
    changed = False

    def replace(node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
        nonlocal changed
        shape = node.attributes.get("shape")
        operand = node.inputs[0] if node.inputs else None
        if not _can_take(node) or operand is None or not isinstance(shape, tuple) or not known.missing(node):
            return None
        wanted = node.outputs[0].shape
        target = known.target(wanted)
        if target is None:
            return None
        changed = True
        return ((broadcast if node.op.name == "broadcast" else reshape)(operand, target, shape=wanted),)

    made = Rewriter(graph).run(replace)
    return made if changed else graph


def check_told(graph: Graph, known: Origins) -> None:
    """Refuses a graph in which a node needs a size before anything tells it.

    Raises:
        UnsupportedError: naming the operator, the size, and the operator whose result has it.
    """
    if not known.definers:
        return
    seen: set[Symbol] = set()
    for node in graph.nodes:
        for symbol in known.missing(node):
            if symbol not in seen:
                definer = known.definers[symbol]
                layer = next((source.layer for source in node.source), None)
                raise UnsupportedError(
                    f"the derivative needs the size {to_text(symbol)} that {definer.op.name} tells only while it runs, "
                    f"in {node.op.name}, which cannot read it from there",
                    layer=layer,
                    hint="derive by values behind it, or give the model sizes that are known",
                )
        seen.update(_symbols(node.outputs))


def _can_take(node: Node) -> bool:
    return node.op.name in _TAKE_SIZES and (len(node.inputs) < 2 or node.inputs[1] is None)


def _shape(value: Value) -> tuple[Dim, ...]:
    return value.type.shape if isinstance(value.type, TensorType) else ()


def _symbols(values: Iterable[Value]) -> list[Symbol]:
    return [symbol for value in values for dim in _shape(value) for symbol in symbols_of(dim)]


def _attribute_symbols(node: Node) -> list[Symbol]:
    found: list[Symbol] = []
    pending: list[Attribute] = [*node.attributes.values()]
    while pending:
        each = pending.pop()
        if isinstance(each, tuple):
            pending += each
        elif not isinstance(each, int) and isinstance(each, Dim):
            found += symbols_of(each)
    return found
