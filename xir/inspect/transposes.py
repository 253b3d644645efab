"""How many transposes a model was read with, how many are left, and where."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.walk import all_graphs
from xir.passes import LAYOUT_RULES

Edge = Literal["input", "output", "inside"]


@dataclass(frozen=True, slots=True)
class Left:
    """A transpose that is left.

    Attributes:
        edge: whether only operators that work in any layout stand between it and inputs, or outputs, of the graph.
        name: that input or output; inside, the layer that it belongs to.
    """

    edge: Edge
    name: str


@dataclass(frozen=True, slots=True)
class Transposes:
    """The transposes of a model.

    Attributes:
        read: how many the source asked for, those of its weights not counted.
        left: those of the result, bodies' too, in order.
    """

    read: int
    left: tuple[Left, ...]

    def to_dict(self) -> dict[str, object]:
        """The counts and places as plain data."""
        places = [{"edge": each.edge, "name": each.name} for each in self.left]
        return {"read": self.read, "left": len(self.left), "places": places}


NO_TRANSPOSES = Transposes(0, ())


def transposes_of(before: Graph, after: Graph) -> Transposes:
    """The transposes of a model as it was read, and those that are left of them."""
    read = sum(len(_moving(graph)) for graph in all_graphs(before))
    return Transposes(read, tuple(left for graph in all_graphs(after) for left in _places(graph)))


def _moving(graph: Graph) -> list[Node]:
    """The transposes of what the inputs, and not weights alone, decide."""
    decided = set(graph.inputs)
    found: list[Node] = []
    for node in graph.nodes:
        if any(value in decided for value in node.inputs):
            decided.update(node.outputs)
            if node.op.name == "transpose":
                found.append(node)
    return found


def _places(graph: Graph) -> Iterator[Left]:
    ahead, behind = _inputs_ahead(graph), _outputs_behind(graph)
    for node in graph.nodes:
        if node.op.name != "transpose":
            continue
        (result,) = node.outputs
        from_input, to_output = ahead.get(result), behind.get(result)
        if from_input:
            yield Left("input", from_input)
        elif to_output:
            yield Left("output", to_output)
        else:
            yield Left("inside", node.source[-1].layer if node.source else node.op.name)


def _moves(node: Node) -> bool:
    return node.op.name == "transpose" or node.op.name in LAYOUT_RULES


def _inputs_ahead(graph: Graph) -> dict[Value, str | None]:
    """{value: the first input that it is made of by operators of any layout alone}; None where others take part."""
    found: dict[Value, str | None] = dict(zip(graph.inputs, graph.input_names, strict=True))
    for node in graph.nodes:
        made = [found[value] for value in node.inputs if value is not None and value in found]
        if made:
            whole = _moves(node) and all(made)
            found.update((value, made[0] if whole else None) for value in node.outputs)
    return found


def _outputs_behind(graph: Graph) -> dict[Value, str | None]:
    """{value: the first output that operators of any layout alone make of it}; None where others read it too."""
    found: dict[Value, str | None] = dict(zip(reversed(graph.outputs), reversed(graph.output_names), strict=True))
    for node in reversed(graph.nodes):
        made = [found.get(value) for value in node.outputs]
        name = next((each for each in made if each), None) if _moves(node) else None
        for value in node.inputs:
            if value is not None:
                found[value] = name if found.get(value, name) else None
    return found
