"""Bodies of branches and loops: closed graphs, so what they read of the graph around them becomes operands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from xir.errors import InvalidModelError
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import Type
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
