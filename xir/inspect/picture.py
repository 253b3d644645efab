"""A graph as boxes and arrows, and both as DOT text; every name is escaped."""

from __future__ import annotations

from dataclasses import dataclass

from xir.inspect.summary import layer_of
from xir.ir.graph import Graph
from xir.ir.node import Attribute, Node, Value
from xir.ir.types import DType

LABEL_LENGTH = 40
"""Characters of a name that a box shows; the tooltip has all of it."""

TOOLTIP_LENGTH = 2000
"""Characters of a tooltip."""


@dataclass(frozen=True, slots=True)
class Box:
    """One box.

    Attributes:
        kind: `input`, `node` or `output`.
        lines: what stands in it.
        tooltip: what is shown on request.
    """

    kind: str
    lines: tuple[str, ...]
    tooltip: str


@dataclass(frozen=True, slots=True)
class Arrow:
    """One arrow from box to box, by their positions, with what flows."""

    start: int
    end: int
    label: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing: boxes in topological order, and arrows that lead from earlier to later ones."""

    title: str
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]


def picture_of(graph: Graph) -> Picture:
    """The boxes and arrows of a graph; weights are left out."""
    boxes: list[Box] = []
    arrows: list[Arrow] = []
    made: dict[Value, int] = {}
    for value, name in zip(graph.inputs, graph.input_names, strict=True):
        made[value] = len(boxes)
        boxes.append(Box("input", (shown(name), shown(repr(value.type))), f"input {name}: {value.type!r}"))
    for node in graph.nodes:
        place = len(boxes)
        boxes.append(_box(node, graph))
        for operand in node.inputs:
            if operand in made:
                arrows.append(Arrow(made[operand], place, repr(operand.type)))
        made.update((value, place) for value in node.outputs)
    for value, name in zip(graph.outputs, graph.output_names, strict=True):
        if value in made:
            arrows.append(Arrow(made[value], len(boxes), repr(value.type)))
        boxes.append(Box("output", (shown(name), shown(repr(value.type))), f"output {name}: {value.type!r}"))
    return Picture(graph.name, tuple(boxes), tuple(dict.fromkeys(arrows)))


def _box(node: Node, graph: Graph) -> Box:
    source = layer_of(node)
    name = source.layer if source is not None else graph.name_of(node.outputs[0])
    facts = [f"{key} = {text}" for key, item in node.attributes.items() if (text := _text(item)) is not None]
    origin = [str(each) for each in node.source]
    tooltip = "\n".join([f"{node.op.name} {name}", *facts, *origin])
    return Box("node", (shown(node.op.name), shown(name)), tooltip[:TOOLTIP_LENGTH])


def _text(attribute: Attribute) -> str | None:
    """An attribute in words; None for constants and bodies."""
    if isinstance(attribute, bool | int | float | str | DType) or attribute is None:
        return repr(attribute) if isinstance(attribute, str) else str(attribute)
    if isinstance(attribute, tuple) and len(attribute) <= LABEL_LENGTH:
        parts = [_text(item) for item in attribute]
        return None if None in parts else f"[{', '.join(str(part) for part in parts)}]"
    return None


def shown(text: str) -> str:
    """A name as a box shows it: on one line, not too long, nothing that a display would act on."""
    visible = "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
    return visible if len(visible) <= LABEL_LENGTH else visible[: LABEL_LENGTH - 1] + "…"


_SHAPES = {"input": "ellipse", "output": "ellipse", "node": "box"}


def to_dot(picture: Picture) -> str:
    """The picture in Graphviz' language; identifiers are generated, every text is quoted."""
    lines = [
        "digraph model {",
        f"  graph [label={_quoted(shown(picture.title))}, rankdir=TB]",
        '  node [fontname="Helvetica", fontsize=10]',
        '  edge [fontname="Helvetica", fontsize=8]',
    ]
    for number, box in enumerate(picture.boxes):
        label, tooltip = _quoted(*box.lines), _quoted(*box.tooltip.split("\n"))
        lines.append(f"  n{number} [label={label}, tooltip={tooltip}, shape={_SHAPES[box.kind]}]")
    lines += [f"  n{arrow.start} -> n{arrow.end} [label={_quoted(shown(arrow.label))}]" for arrow in picture.arrows]
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(*lines: str) -> str:
    r"""A quoted string of DOT: quotes and backslashes escaped, so no `\N` or `\G` of a name is expanded."""
    escaped = (
        "".join(c if c.isprintable() else " " for c in line).replace("\\", "\\\\").replace('"', '\\"') for line in lines
    )
    return '"' + "\\n".join(escaped) + '"'
