"""Branches: one that is known takes its `if`'s place; bodies read each value once, none in vain, and know constants.

All of it is bit-exact. Bodies are optimised like every graph; what they capture is an operand of the node around them,
which is why constants come inside here: only there can they be folded.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np

from xir.ir.builder import apply, sourced
from xir.ir.constant import Constant
from xir.ir.dims import Dim, Symbol
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.rewrite import Rewriter, evaluate_attribute, rewrite
from xir.ir.source import unite
from xir.ir.types import TensorType
from xir.ops.constant import constant
from xir.passes._bodies import (
    Layout,
    bodies_of,
    everything,
    layout_of,
    learn,
    narrowed,
    rebuilt,
    sizes_of,
    symbols_in,
)
from xir.passes._pipeline import Pass, Trace

INLINE_ELEMENTS = 64
"""Constants up to this size may be there once for each body that reads them: literals, no weights."""


def known_branches(graph: Graph, trace: Trace) -> Graph:
    """The graph without an `if` of which the condition is known: the nodes of the branch stand in its place."""

    def replace(node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
        if node.op.name != "if":
            return None
        held = rewriter.constant_of(cast("Value", node.inputs[0]))
        if held is None:
            return None
        chosen = "then_body" if bool(np.asarray(held.array()).reshape(-1)[0]) else "else_body"
        body = cast("Graph", node.attributes[chosen])
        if not all(isinstance(value.type, TensorType) for value in body.inputs):
            return None
        trace.fire("known_branches")
        return _inlined(body, [cast("Value", value) for value in node.inputs[1:]], node, rewriter)

    return rewrite(graph, replace)


def _inlined(body: Graph, operands: Sequence[Value], outer: Node, rewriter: Rewriter) -> tuple[Value, ...]:
    """The nodes of a closed graph on `operands`, as nodes of the graph around; they stand for both layers."""
    new: dict[Value, Value] = dict(zip(body.inputs, operands, strict=True))
    sizes: dict[Symbol, Dim] = {}
    for inside, given in new.items():
        learn(inside, given, sizes)
    for parameter in body.parameters:
        name = body.names.get(parameter.value) or f"{body.name}.weight"
        new[parameter.value] = rewriter.parameter(parameter.constant, name, trainable=parameter.trainable)
    for node in body.nodes:
        attributes = {name: evaluate_attribute(value, sizes) for name, value in node.attributes.items()}
        inputs = tuple(None if value is None else new[value] for value in node.inputs)
        with sourced(*unite((outer.source, node.source))):
            made = apply(node.op, inputs, attributes)
        for old, value in zip(node.outputs, made.outputs, strict=True):
            new[old] = value
            learn(old, value, sizes)
    return tuple(new[value] for value in body.outputs)


def tidy_captures(graph: Graph, trace: Trace) -> Graph:
    """The graph with bodies that capture each value once, none that they do not read, and small constants inside."""

    def replace(node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
        layout = layout_of(node)
        if layout is None:
            return None
        bodies = bodies_of(node, layout)
        sorted_out = _sorted_out(node, layout, bodies, rewriter)
        if len(sorted_out.kept) == len(node.inputs) - layout.before - layout.captured:
            return None
        trace.fire("tidy_captures")
        whole = everything(node, layout)
        kept = dataclasses.replace(whole, places=(*range(layout.own, layout.captured), *sorted_out.kept))
        changed = {name: narrowed(_without(body, sorted_out), layout, kept) for name, body in bodies.items()}
        return rebuilt(node, layout, changed, kept).outputs

    return rewrite(graph, replace)


@dataclass(slots=True)
class _Captured:
    """Inputs of bodies that stay, {input: constant} of those that go inside, {input: the same one before}."""

    kept: list[int] = field(default_factory=list[int])
    known: dict[int, Constant] = field(default_factory=dict[int, Constant])
    same: dict[int, int] = field(default_factory=dict[int, int])


def _sorted_out(node: Node, layout: Layout, bodies: Mapping[str, Graph], rewriter: Rewriter) -> _Captured:
    found = _Captured()
    first: dict[Value, int] = {}
    told = [set(_mentioned(body)) for body in bodies.values()]
    for place in range(layout.captured, len(node.inputs) - layout.before):
        value = cast("Value", node.inputs[place + layout.before])
        inside = [body.inputs[place] for body in bodies.values()]
        symbols = [
            {symbol for symbol in symbols_in((sizes_of(each),)) if symbol in mentioned}
            for each, mentioned in zip(inside, told, strict=True)
        ]
        read = any(
            each in body.users or each in body.outputs for each, body in zip(inside, bodies.values(), strict=True)
        )
        held = rewriter.constant_of(value)
        if not read and not any(symbols):
            continue
        if any(symbol.name is not None for each in symbols for symbol in each):  # this input tells a size by name
            found.kept.append(place)
        elif held is not None and held.elements <= INLINE_ELEMENTS:
            found.known[place] = held
        elif value in first:
            found.same[place] = first[value]
        else:
            first[value] = place
            found.kept.append(place)
    return found


def _mentioned(body: Graph) -> Iterator[Symbol]:
    for node in body.nodes:
        yield from symbols_in(node.attributes.values())
    for value in body.outputs:
        yield from symbols_in((sizes_of(value),))


def _without(body: Graph, captured: _Captured) -> Graph:
    """The body that reads constants, and the first of equal inputs; it has all its inputs still."""
    leaves = {body.inputs[place]: body.inputs[other] for place, other in captured.same.items()}
    leaves |= {body.inputs[place]: constant(value=held) for place, held in captured.known.items()}
    made = Rewriter(body).run(lambda node, rewriter: None, leaves=leaves)
    return dataclasses.replace(made, inputs=body.inputs)


KNOWN = Pass("known_branches", "an if of which the condition is known is the branch that it takes", known_branches)
TIDY = Pass("tidy_captures", "bodies get each value once, none in vain, and know small constants", tidy_captures)
