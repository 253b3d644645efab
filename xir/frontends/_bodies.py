"""Bodies of branches and loops: closed graphs, so what they read of the graph around them becomes operands."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from xir.errors import InvalidModelError
from xir.ir.constraints import Constraint
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.types import TensorType, Type
from xir.ir.walk import free_symbols
from xir.ops.control import admits_always, widest

_MAX_TRIES = 4
"""How often a body is built with wider types before all sizes of what it carries count as unknown."""


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """A body as a closed graph.

    Attributes:
        graph: its inputs are its own, then one for each of `captured`.
        captured: values of the graph around it, in the order of those inputs.
    """

    graph: Graph
    captured: tuple[Value, ...]

    def taking(self, captured: Sequence[Value]) -> Graph:
        """The graph with an input for each of these values after its own inputs, whether it reads it or not."""
        own = len(self.graph.inputs) - len(self.captured)
        held = dict(zip(self.captured, self.graph.inputs[own:], strict=True))
        inputs = (*self.graph.inputs[:own], *(held.get(value) or Value(value.type) for value in captured))
        return replace(self.graph, inputs=inputs)


def closed(
    inputs: Sequence[Value],
    outputs: Sequence[Value],
    known: Collection[Value],
    assumed: Iterable[Constraint] = (),
    names: Mapping[Value, str] | None = None,
) -> Body:
    """A body of what was built in the midst of the graph around it.

    What leads to the outputs is built again, back to the inputs and to values that the graph around has: these are
    captured, and so is for each size that the results have a tensor of the graph around that has it.

    Args:
        inputs: the body's own.
        outputs: its results.
        known: values of the graph around at which the way back ends, in an order that is always the same; the way back
            ends at inputs and weights anyhow.
        assumed: what the body assumes of sizes.
        names: of values as they were built.
    """
    own = set(inputs)
    new: dict[Value, Value] = {value: value for value in inputs}
    captured: dict[Value, Value] = {}

    def ends(value: Value) -> bool:
        if value not in new and (value.node is None or (value in known and value not in own)):
            new[value] = captured[value] = Value(value.type)
        return value in new

    for node in _between(outputs, ends):
        operands = tuple(None if value is None else new[value] for value in node.inputs)
        types = tuple(value.type for value in node.outputs)
        copy = Node(node.op, operands, node.attributes, types, node.source)
        new.update(zip(node.outputs, copy.outputs, strict=True))
    results = tuple(new[value] for value in outputs)
    for symbol in free_symbols(results, (*inputs, *captured.values())):
        outer = _with_axis(known, symbol)
        if outer is not None:
            captured.setdefault(outer, Value(outer.type))
    held = {new[value]: name for value, name in (names or {}).items() if value in new}
    return Body(Graph("body", (*inputs, *captured.values()), results, (), (), held, tuple(assumed)), tuple(captured))


def _with_axis(known: Iterable[Value], symbol: Symbol) -> Value | None:
    """The first value that has an axis of the size `symbol`."""
    return next((value for value in known if isinstance(value.type, TensorType) and symbol in value.shape), None)


def _between(outputs: Sequence[Value], ends: Callable[[Value], bool]) -> Iterable[Node]:
    """The nodes that lead to the outputs, each after those of its operands; the way back stops where it `ends`."""
    done: set[Node] = set()
    pending: list[tuple[Node, bool]] = []
    for output in reversed(outputs):
        if not ends(output) and output.node is not None:
            pending.append((output.node, False))
    while pending:
        node, is_ready = pending.pop()
        if node in done:
            continue
        if is_ready:
            done.add(node)
            yield node
            continue
        pending.append((node, True))
        for value in reversed(node.inputs):
            if value is not None and not ends(value) and value.node is not None:
                pending.append((value.node, False))


def captured_by(*several: Body) -> tuple[Value, ...]:
    """What any of the bodies captures, each value once."""
    return tuple(dict.fromkeys(value for body in several for value in body.captured))


def settled(build: Callable[[Sequence[Type]], Body], states: Sequence[Type], first: int) -> Body:
    """The body of a loop, built with types for what it carries that hold before and after a step.

    Args:
        build: makes the body for types of the carried values.
        states: these types before the first step.
        first: the place of the first carried value among the body's results.

    Raises:
        InvalidModelError: it makes too few values, or the types do not come to rest.
    """
    held = list(states)
    for _ in range(_MAX_TRIES):
        body = build(held)
        made = [value.type for value in body.graph.outputs[first : first + len(held)]]
        if len(made) != len(held):
            raise InvalidModelError(f"the body makes {len(body.graph.outputs)} values; {first + len(held)} are needed")
        if all(admits_always(wide, narrow) for wide, narrow in zip(held, made, strict=True)):
            return body
        held = [widest(wide, narrow) for wide, narrow in zip(held, made, strict=True)]
    raise InvalidModelError("the types of what the body carries do not come to rest")
