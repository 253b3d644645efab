"""A picture as an SVG file that any browser shows; no scripts, no links, every name escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from xir.inspect.layout import Arc, Layout, Trunk, place
from xir.inspect.picture import Arrow, Box, Picture, shown

CHARACTERS = (7.8, 6.4, 6.4, 5.8)
"""Pixels of a character in each line of a box, in the wide ones of the fonts that are taken for sans-serif (DejaVu)."""

LINE = 14.0
"""Pixels from line to line in a box."""

STEP = 26.0
"""Pixels between two layers of boxes; more where lines go far aside between them."""

GAP = 18.0
MARGIN = 24.0

LANE = 8.0
"""Pixels between two arrows that run outside at the right."""

PORT = 14.0
"""Pixels between two arrows that end at one box, where it is wide enough."""

_STYLE = """
  .box { stroke: #44556b } .node { fill: #eef3fa } .input { fill: #e2f4e4 } .output { fill: #fbeede }
  .line { fill: none; stroke: #7d8da1 } .head { fill: #7d8da1; stroke: none }
  text { font-family: sans-serif; font-size: 10px; text-anchor: middle; fill: #44556b }
  .name { font-size: 11px; font-weight: bold; fill: #1d2733 } .weights { font-size: 9px; fill: #7d8da1 }
  .flow { font-size: 9px; text-anchor: start; fill: #5b6b7d }
"""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Drawing:
    """Every coordinate of a drawing, in pixels.

    Attributes:
        boxes: (left, top, width, height) of each box.
        trunks: lines that several arrows share, each a list of pieces (`curve`, from point to point).
        arrows: the pieces of each arrow.
        left: the least x.
        right: the greatest x.
        bottom: the greatest y.
    """

    boxes: tuple[tuple[float, float, float, float], ...]
    trunks: tuple[tuple[Point, ...], ...]
    arrows: tuple[tuple[Point, ...], ...]
    left: float
    right: float
    bottom: float


def to_svg(picture: Picture) -> str:
    """The picture as an SVG document."""
    drawing = draw(picture)
    width = drawing.right - drawing.left + 2 * MARGIN
    height = drawing.bottom + 2 * MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="{drawing.left - MARGIN:.1f} {-MARGIN:.1f} {width:.1f} {height:.1f}">',
        f"<title>{text(shown(picture.title))}</title>",
        f"<style>{_STYLE}</style>",
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path class="head" d="M0,0 L8,4 L0,8 z"/></marker></defs>',
        f'<rect x="{drawing.left - MARGIN:.1f}" y="{-MARGIN:.1f}" width="{width:.1f}" height="{height:.1f}" '
        'fill="#ffffff"/>',
    ]
    parts += [f'<path class="line" d="{_path(points)}"/>' for points in drawing.trunks if len(points) > 1]
    parts += [_arrow(arrow, points) for arrow, points in zip(picture.arrows, drawing.arrows, strict=True)]
    parts += [_box(box, *place) for box, place in zip(picture.boxes, drawing.boxes, strict=True)]
    return "\n".join([*parts, "</svg>"]) + "\n"


# --- coordinates ---------------------------------------------------------------------------------------------------


def draw(picture: Picture) -> Drawing:
    """Where everything of a picture stands."""
    sizes = [_size(box) for box in picture.boxes]
    arcs = [Arc(arrow.start, arrow.end, arrow.label) for arrow in picture.arrows]
    layout = place([width for width, _ in sizes], arcs, GAP)
    rows = _rows(layout, sizes, arcs)
    boxes = tuple(
        (center - width / 2, rows[layer][0], width, height)
        for center, layer, (width, height) in zip(layout.centers, layout.layers, sizes, strict=True)
    )
    left = min((x for x, *_ in boxes), default=0.0)
    right = max((x + width for x, _, width, _ in boxes), default=0.0)
    for stops in (trunk.stops for trunk in layout.trunks):
        left, right = min(left, *stops), max(right, *stops)
    trunks = tuple(_trunk(trunk, layout, boxes, rows) for trunk in layout.trunks)
    ports = _ports(layout, arcs, boxes)
    lanes = {number: right + LANE * (index + 1) for index, number in enumerate(layout.outside)}
    arrows = tuple(
        _outside(arc, lanes[number], ports[number], layout, boxes, rows)
        if number in lanes
        else _branch(arc, layout, layout.branches[number], ports[number], boxes, rows)
        for number, arc in enumerate(arcs)
    )
    return Drawing(boxes, trunks, arrows, left, max((right, *lanes.values())), rows[-1][1] if rows else 0.0)


def _size(box: Box) -> tuple[float, float]:
    widest = max(len(line) * size for line, size in zip(box.lines, CHARACTERS, strict=False))
    return widest + 12, len(box.lines) * LINE + 8


def _rows(layout: Layout, sizes: Sequence[tuple[float, float]], arcs: Sequence[Arc]) -> list[Point]:
    """The top and the bottom of each layer; lines that go far aside get more room below the layer where they do."""
    count = max(layout.layers, default=-1) + 1
    heights, aside = [0.0] * count, [0.0] * count
    for layer, (_, height) in zip(layout.layers, sizes, strict=True):
        heights[layer] = max(heights[layer], height)
    for trunk in layout.trunks:
        x = layout.centers[trunk.start]
        for layer, stop in enumerate(trunk.stops, layout.layers[trunk.start]):
            aside[layer], x = max(aside[layer], abs(stop - x)), stop
    for arc, branch in zip(arcs, layout.branches, strict=True):
        layer = layout.layers[arc.end] - 1
        x = _leaves(arc, layout, branch)
        aside[layer] = max(aside[layer], abs(layout.centers[arc.end] - x))
    rows: list[Point] = []
    top = 0.0
    for height, wide in zip(heights, aside, strict=True):
        rows.append((top, top + height))
        top += height + STEP + min(wide * 0.08, 2 * STEP)
    return rows


def _leaves(arc: Arc, layout: Layout, trunk: int | None) -> float:
    """Where an arrow comes from in the layer above its end."""
    if trunk is None:
        return layout.centers[arc.start]
    return layout.trunks[trunk].stops[layout.layers[arc.end] - layout.layers[arc.start] - 2]


def _ports(layout: Layout, arcs: Sequence[Arc], boxes: Sequence[tuple[float, float, float, float]]) -> list[float]:
    """Where each arrow meets its end: side by side, in the order in which they come."""
    ports = [0.0] * len(arcs)
    arriving: dict[int, list[int]] = {}
    for number, arc in enumerate(arcs):
        arriving.setdefault(arc.end, []).append(number)
    outside = frozenset(layout.outside)
    for end, numbers in arriving.items():
        x, _, width, _ = boxes[end]
        step = min(PORT, 0.8 * width / len(numbers))
        numbers.sort(key=lambda n: (n in outside, _leaves(arcs[n], layout, layout.branches[n]), n))
        for index, number in enumerate(numbers):
            ports[number] = x + width / 2 + (index - (len(numbers) - 1) / 2) * step
    return ports


def _trunk(
    trunk: Trunk, layout: Layout, boxes: Sequence[tuple[float, float, float, float]], rows: Sequence[Point]
) -> tuple[Point, ...]:
    """From the box down to the last stop's lower end."""
    layer = layout.layers[trunk.start]
    x, top, width, height = boxes[trunk.start]
    points: list[Point] = [(x + width / 2, top + height), (x + width / 2, rows[layer][1])]
    for number, stop in enumerate(trunk.stops, layer + 1):
        points += [(stop, rows[number][0]), (stop, rows[number][1])]
    return tuple(points)


def _branch(
    arc: Arc,
    layout: Layout,
    trunk: int | None,
    port: float,
    boxes: Sequence[tuple[float, float, float, float]],
    rows: Sequence[Point],
) -> tuple[Point, ...]:
    """From the box, or from the trunk's stop above the end, to the end."""
    end = (port, boxes[arc.end][1])
    if trunk is not None:
        return ((_leaves(arc, layout, trunk), rows[layout.layers[arc.end] - 1][1]), end)
    x, top, width, height = boxes[arc.start]
    start = x + width / 2
    return ((start, top + height), (start, rows[layout.layers[arc.start]][1]), end)


def _outside(
    arc: Arc,
    lane: float,
    port: float,
    layout: Layout,
    boxes: Sequence[tuple[float, float, float, float]],
    rows: Sequence[Point],
) -> tuple[Point, ...]:
    """Between two layers to the right of everything, down, and back between two layers."""
    x, top, width, height = boxes[arc.start]
    start = x + width / 2
    upper = rows[layout.layers[arc.start]][1]
    lower = boxes[arc.end][1]
    first, last = upper + STEP / 2, lower - STEP / 2
    return ((start, top + height), (start, upper), (lane, first), (lane, last), (port, lower))


# --- text ----------------------------------------------------------------------------------------------------------


def _path(points: Sequence[Point]) -> str:
    """Straight where a line goes down, else a curve that leaves and arrives upright."""
    x, y = points[0]
    pieces = [f"M{x:.1f},{y:.1f}"]
    for nx, ny in points[1:]:
        if abs(nx - x) < 0.5:
            pieces.append(f"L{nx:.1f},{ny:.1f}")
        else:
            middle = (y + ny) / 2
            pieces.append(f"C{x:.1f},{middle:.1f} {nx:.1f},{middle:.1f} {nx:.1f},{ny:.1f}")
        x, y = nx, ny
    return " ".join(pieces)


def _arrow(arrow: Arrow, points: Sequence[Point]) -> str:
    title = f"<title>{text(shown(arrow.flow))}</title>"
    line = f'<path class="line" marker-end="url(#arrow)" d="{_path(points)}">{title}</path>'
    if not arrow.label:
        return line
    x, y = points[-1]
    return line + f'<text class="flow" x="{x + 5:.1f}" y="{y - 8:.1f}">{text(arrow.label)}</text>'


_CLASSES = ("name", "kind", "made", "weights")


def _box(box: Box, left: float, top: float, width: float, height: float) -> str:
    round_corners = ' rx="8"' if box.kind != "node" else ' rx="3"'
    lines = "".join(
        f'<text class="{name}" x="{left + width / 2:.1f}" y="{top + LINE * (index + 1):.1f}">{text(line)}</text>'
        for index, (line, name) in enumerate(zip(box.lines, _CLASSES, strict=False))
    )
    return (
        f'<g><title>{text(box.tooltip)}</title><rect class="box {box.kind}" x="{left:.1f}" y="{top:.1f}" '
        f'width="{width:.1f}" height="{height:.1f}"{round_corners}/>{lines}</g>'
    )


def text(content: str) -> str:
    """Text of XML: markup escaped, characters that XML 1.0 does not have (section 2.2) replaced."""
    return escape("".join(c if _allowed(c) else "�" for c in content))


def _allowed(character: str) -> bool:
    code = ord(character)
    return code in (9, 10, 13) or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or code >= 0x10000
