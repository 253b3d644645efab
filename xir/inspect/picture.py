"""A graph as boxes and arrows, and both as DOT text; every name is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xir.inspect.boxes import Group, groups_of, handed_on, read_from
from xir.ir.graph import Graph
from xir.ir.node import Attribute, Node, Value
from xir.ir.types import DType, TensorType

LABEL_LENGTH = 40
"""Characters of a name that a box shows; the tooltip has all of it."""

TOOLTIP_LENGTH = 2000
"""Characters of a tooltip."""

SHOWN_WEIGHTS = 3
"""Weights whose shapes stand in a box."""

SHOWN_OUTPUTS = 2
"""Results whose types stand in a box."""


@dataclass(frozen=True, slots=True)
class Box:
    """One box.

    Attributes:
        kind: `input`, `node` or `output`.
        lines: what stands in it: the name, the type of layer, what it makes, its weights.
        tooltip: what is shown on request.
    """

    kind: str
    lines: tuple[str, ...]
    tooltip: str


@dataclass(frozen=True, slots=True)
class Arrow:
    """One arrow from box to box, by their positions.

    Attributes:
        start: the box that makes what flows.
        end: the box that reads it.
        flow: the type of what flows.
        label: the type again where the box above does not tell it (it makes several things), else empty.
    """

    start: int
    end: int
    flow: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing: boxes in topological order, and arrows that lead from earlier to later ones."""

    title: str
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]


def picture_of(graph: Graph) -> Picture:
    """The layers of a graph as boxes, with what flows between them; weights are told inside their reader's box."""
    boxes: list[Box] = []
    arrows: list[Arrow] = []
    made: dict[Value, int] = {}
    labels: dict[Value, str] = {}
    readers: dict[Value, int] = {}
    for value in (value for node in graph.nodes for value in node.inputs):
        if value is not None:
            readers[value] = readers.get(value, 0) + 1
    for value, name in zip(graph.inputs, graph.input_names, strict=True):
        made[value] = len(boxes)
        boxes.append(Box("input", (shown(name), "input", shown(repr(value.type))), f"input {name}: {value.type!r}"))
    kept = frozenset(graph.outputs)
    for group in groups_of(graph):
        operands = read_from(group.nodes)
        results = handed_on(group.nodes, readers, kept)
        arrows += [_arrow(made[value], len(boxes), value, labels) for value in operands if value in made]
        weights = [value for value in operands if value not in made]
        made.update((value, len(boxes)) for node in group.nodes for value in node.outputs)
        if len({repr(value.type) for value in results}) > 1:
            labels.update((value, shown(repr(value.type))) for value in results)
        boxes.append(_box(group, graph, results, weights))
    for value, name in zip(graph.outputs, graph.output_names, strict=True):
        if value in made:
            arrows.append(_arrow(made[value], len(boxes), value, labels))
        boxes.append(Box("output", (shown(name), "output", shown(repr(value.type))), f"output {name}: {value.type!r}"))
    return Picture(graph.name, tuple(boxes), tuple(dict.fromkeys(arrows)))


def _arrow(start: int, end: int, value: Value, labels: dict[Value, str]) -> Arrow:
    return Arrow(start, end, repr(value.type), labels.get(value, ""))


def _box(group: Group, graph: Graph, results: Sequence[Value], weights: Sequence[Value]) -> Box:
    first = group.nodes[0]
    name = group.source.layer if group.source is not None else graph.name_of(first.outputs[0])
    kind = group.source.kind if group.source is not None else first.op.name
    types = list(dict.fromkeys(repr(value.type) for value in results))
    made = " ".join(types[:SHOWN_OUTPUTS]) + (f" +{len(types) - SHOWN_OUTPUTS}" if types[SHOWN_OUTPUTS:] else "")
    lines = [shown(name), shown(kind), shown(made)]
    shapes = [text for value in weights if (text := _shape(value)) is not None]
    if shapes:
        more = f" +{len(shapes) - SHOWN_WEIGHTS}" if shapes[SHOWN_WEIGHTS:] else ""
        lines.append(shown("weights " + " ".join(shapes[:SHOWN_WEIGHTS]) + more))
    facts = [line for node in group.nodes for line in _facts(node)]
    origin = [str(each) for each in first.source]
    return Box("node", tuple(lines), "\n".join([f"{kind} {name}", *facts, *origin])[:TOOLTIP_LENGTH])


def _shape(value: Value) -> str | None:
    """A weight's shape in brackets; None for single numbers."""
    type = value.type
    if not isinstance(type, TensorType) or not type.rank:
        return None
    return "[" + ",".join(map(str, type.shape)) + "]"


def _facts(node: Node) -> list[str]:
    """The operator and its attributes."""
    told = [f"{key} = {text}" for key, item in node.attributes.items() if (text := _text(item)) is not None]
    return [f"{node.op.name}({', '.join(told)})"]


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


_STYLES = {
    "input": 'shape=box, style="rounded,filled", fillcolor="#e2f4e4"',
    "output": 'shape=box, style="rounded,filled", fillcolor="#fbeede"',
    "node": 'shape=box, style=filled, fillcolor="#eef3fa"',
}


def to_dot(picture: Picture) -> str:
    """The picture in Graphviz' language; identifiers are generated, every text is quoted."""
    lines = [
        "digraph model {",
        f"  graph [label={_quoted(shown(picture.title))}, rankdir=TB, nodesep=0.25, ranksep=0.3]",
        '  node [fontname="Helvetica", fontsize=10, color="#44556b", margin="0.12,0.05"]',
        '  edge [fontname="Helvetica", fontsize=8, color="#8595a8", arrowsize=0.7]',
    ]
    for number, box in enumerate(picture.boxes):
        label, tooltip = _quoted(*box.lines), _quoted(*box.tooltip.split("\n"))
        lines.append(f"  n{number} [label={label}, tooltip={tooltip}, {_STYLES[box.kind]}]")
    for arrow in picture.arrows:
        label = f"label={_quoted(arrow.label)}, " if arrow.label else ""
        lines.append(f"  n{arrow.start} -> n{arrow.end} [{label}tooltip={_quoted(shown(arrow.flow))}]")
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(*lines: str) -> str:
    r"""A quoted string of DOT: quotes and backslashes escaped, so no `\N` or `\G` of a name is expanded."""
    escaped = (
        "".join(c if c.isprintable() else " " for c in line).replace("\\", "\\\\").replace('"', '\\"') for line in lines
    )
    return '"' + "\\n".join(escaped) + '"'
