"""Branches: one that is known takes its `if`'s place; bodies read each value once, none in vain, and know constants.

All of it is bit-exact. Bodies are optimised like every graph; what they capture is an operand of the node around them,
which is why constants come inside here: only there can they be folded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np

from xir.ir.builder import apply, sourced
from xir.ir.constant import Constant
from xir.ir.dims import Dim, Symbol
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.rewrite import Rewriter, drop_unused_parameters, evaluate_attribute, rewrite
from xir.ir.source import unite
from xir.ir.types import TensorType
from xir.ops.constant import constant
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
        _learn(inside, given, sizes)
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
            _learn(old, value, sizes)
    return tuple(new[value] for value in body.outputs)


def _learn(old: Value, new: Value, sizes: dict[Symbol, Dim]) -> None:
    """Notes what the sizes of `old` are called in the graph around."""
    if isinstance(old.type, TensorType) and isinstance(new.type, TensorType) and old.type.rank == new.type.rank:
        for before, after in zip(old.type.shape, new.type.shape, strict=True):
            if isinstance(before, Symbol) and before != after:
                sizes.setdefault(before, after)


def tidy_captures(graph: Graph, trace: Trace) -> Graph:
    """The graph with branches that get each value once, none that no branch reads, and small constants inside."""

    def replace(node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
        if node.op.name != "if":
            return None
        bodies = {name: cast("Graph", node.attributes[name]) for name in ("then_body", "else_body")}
        captured = [cast("Value", value) for value in node.inputs[1:]]
        kept, known, same = _sorted_out(captured, bodies, rewriter)
        if len(kept) == len(captured):
            return None
        trace.fire("tidy_captures")
        changed = {name: _without(body, kept, known, same) for name, body in bodies.items()}
        inputs = (node.inputs[0], *(captured[place] for place in kept))
        return apply(node.op, inputs, {**node.attributes, **changed}).outputs

    return rewrite(graph, replace)


def _sorted_out(
    captured: Sequence[Value], bodies: Mapping[str, Graph], rewriter: Rewriter
) -> tuple[list[int], dict[int, Constant], dict[int, int]]:
    """Places of captured values that stay, {place: constant} of those that go inside, {place: the same one before}."""
    kept: list[int] = []
    known: dict[int, Constant] = {}
    same: dict[int, int] = {}
    first: dict[Value, int] = {}
    read = [{value for node in body.nodes for value in node.inputs} | set(body.outputs) for body in bodies.values()]
    for place, value in enumerate(captured):
        held = rewriter.constant_of(value)
        if not any(body.inputs[place] in each for body, each in zip(bodies.values(), read, strict=True)):
            continue
        if held is not None and held.elements <= INLINE_ELEMENTS:
            known[place] = held
        elif value in first:
            same[place] = first[value]
        else:
            first[value] = place
            kept.append(place)
    return kept, known, same


def _without(body: Graph, kept: Sequence[int], known: Mapping[int, Constant], same: Mapping[int, int]) -> Graph:
    """The body that takes the inputs at `kept` alone."""
    leaves = {body.inputs[place]: body.inputs[other] for place, other in same.items()}
    leaves |= {body.inputs[place]: constant(value=held) for place, held in known.items()}
    rebuilt = Rewriter(body).run(lambda node, rewriter: None, leaves=leaves)
    made = Graph(
        rebuilt.name,
        tuple(body.inputs[place] for place in kept),
        rebuilt.outputs,
        rebuilt.output_names,
        rebuilt.parameters,
        {value: name for value, name in rebuilt.names.items() if value not in leaves.values() or value in body.inputs},
        rebuilt.constraints,
    )
    return drop_unused_parameters(made)


KNOWN = Pass("known_branches", "an if of which the condition is known is the branch that it takes", known_branches)
TIDY = Pass("tidy_captures", "branches get each value once, none in vain, and know small constants", tidy_captures)
