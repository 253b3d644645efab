"""What the passes about control flow share: which operand a body gets where, and operators with changed bodies."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from xir.ir.builder import apply
from xir.ir.dims import Dim, Shape, Symbol, SymbolicDim, symbols_of
from xir.ir.graph import Graph
from xir.ir.node import Attribute, Node, Value
from xir.ir.rewrite import Rewriter, drop_unused_parameters, rewrite
from xir.ir.types import TensorType


@dataclass(frozen=True, slots=True)
class Layout:
    """How operands and results of an operator lie in its bodies (`xir.ops.control`, `xir.ops.sequence`).

    A body's inputs are: `own`, `carried`, `pieces`, then what it captures. The operand of input p is p + `before`.

    Attributes:
        bodies: the attributes that are bodies.
        before: operands before the first that bodies get (the condition of `if`).
        own: inputs that are no operands of their own: number and condition of a step.
        carried: values that each step hands to the next, results of the same number.
        pieces: values of which each step gets a piece.
        ahead: results of a body before those of the operator: a loop's condition.
    """

    bodies: tuple[str, ...]
    before: int = 0
    own: int = 0
    carried: int = 0
    pieces: int = 0
    ahead: int = 0

    @property
    def captured(self) -> int:
        """The first input that is captured."""
        return self.own + self.carried + self.pieces


def layout_of(node: Node) -> Layout | None:
    """The layout of an operator with bodies, or None for any other."""
    held = node.attributes
    match node.op.name:
        case "if":
            return Layout(("then_body", "else_body"), before=1)
        case "loop":
            return Layout(("body",), own=2, carried=cast("int", held["carried"]), ahead=1)
        case "scan":
            pieces = len(cast("tuple[int, ...]", held["axes"]))
            return Layout(("body",), carried=cast("int", held["states"]), pieces=pieces)
        case "sequence_map":
            return Layout(("body",), pieces=cast("int", held["mapped"]))
        case _:
            return None


def bodies_of(node: Node, layout: Layout) -> dict[str, Graph]:
    """{attribute: body}."""
    return {name: cast("Graph", node.attributes[name]) for name in layout.bodies}


@dataclass(frozen=True, slots=True)
class Kept:
    """What stays of an operator with bodies.

    Attributes:
        places: inputs of the bodies from `own` on, in their new order.
        results: results of the operator.
        carried: how many of `places` are carried.
        pieces: how many of them come in pieces.
        added: what bodies capture besides: (input, operand).
    """

    places: tuple[int, ...]
    results: tuple[int, ...]
    carried: int
    pieces: int
    added: tuple[tuple[Value, Value], ...] = ()


def with_each_graph(graph: Graph, change: Callable[[Graph], Graph]) -> Graph:
    """The graph changed as a whole, after its bodies were, each body by itself and once."""
    found: dict[Graph, Graph] = {}

    def replace(node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
        attributes = {
            name: changed(value) if isinstance(value, Graph) else value for name, value in node.attributes.items()
        }
        if all(attributes[name] is value for name, value in node.attributes.items()):
            return None
        return apply(node.op, node.inputs, attributes).outputs

    def changed(body: Graph) -> Graph:
        if body not in found:
            found[body] = change(body)
        return found[body]

    return change(rewrite(graph, replace))


def everything(node: Node, layout: Layout, added: Sequence[tuple[Value, Value]] = ()) -> Kept:
    """All that there is, and more that is captured."""
    count = len(node.inputs) - layout.before
    results = tuple(range(len(node.outputs)))
    return Kept(tuple(range(layout.own, count)), results, layout.carried, layout.pieces, tuple(added))


def narrowed(body: Graph, layout: Layout, kept: Kept) -> Graph:
    """The body with the inputs and results that stay."""
    inputs = (
        *body.inputs[: layout.own],
        *(body.inputs[place] for place in kept.places),
        *(inside for inside, _ in kept.added),
    )
    chosen = (*range(layout.ahead), *(place + layout.ahead for place in kept.results))
    made = dataclasses.replace(
        body,
        inputs=inputs,
        outputs=tuple(body.outputs[place] for place in chosen),
        output_names=tuple(body.output_names[place] for place in chosen),
    )
    made = drop_unused_parameters(made)
    alive = {*inputs, *(each.value for each in made.parameters)}
    alive.update(value for node in made.nodes for value in node.outputs)
    return dataclasses.replace(made, names={value: name for value, name in made.names.items() if value in alive})


def rebuilt(node: Node, layout: Layout, bodies: Mapping[str, Graph], kept: Kept) -> Node:
    """The operator with other bodies, which already take and make no more than what stays."""
    lead = layout.before + layout.own
    operands = (node.inputs[place + layout.before] for place in kept.places)
    inputs = (*node.inputs[:lead], *operands, *(outside for _, outside in kept.added))
    return apply(node.op, inputs, {**node.attributes, **bodies, **_counts(node, layout, kept)})


def _counts(node: Node, layout: Layout, kept: Kept) -> dict[str, Attribute]:
    match node.op.name:
        case "loop":
            return {"carried": kept.carried}
        case "sequence_map":
            return {"mapped": kept.pieces}
        case "scan":
            pieces = [place - layout.carried for place in kept.places[kept.carried : kept.carried + kept.pieces]]
            results = [place - layout.carried for place in kept.results if place >= layout.carried]
            chosen = {"axes": pieces, "reversed_inputs": pieces, "result_axes": results, "reversed_results": results}
            filtered: dict[str, Attribute] = {
                name: tuple(cast("tuple[Attribute, ...]", node.attributes[name])[place] for place in places)
                for name, places in chosen.items()
            }
            return {"states": kept.carried, **filtered}
        case _:
            return {}


def sizes_of(value: Value) -> Shape:
    """The sizes of a tensor; none where the type tells none."""
    return value.type.shape if isinstance(value.type, TensorType) else ()


def symbols_in(attributes: Iterable[Attribute]) -> Iterator[Symbol]:
    """The symbols that attributes mention, as often as they do; bodies have their own."""
    pending = list(attributes)
    while pending:
        item = pending.pop()
        if isinstance(item, tuple):
            pending += item
        elif isinstance(item, SymbolicDim):
            yield from symbols_of(item)


def learn(inside: Value, outside: Value, sizes: dict[Symbol, Dim]) -> None:
    """Notes what the sizes of a body's value are called in the graph around."""
    before, after = sizes_of(inside), sizes_of(outside)
    if len(before) == len(after):
        for own, given in zip(before, after, strict=True):
            if isinstance(own, Symbol) and own != given:
                sizes.setdefault(own, given)
