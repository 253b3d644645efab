"""A picture as an SVG file that any browser shows; no scripts, no links, every name escaped."""

from __future__ import annotations

from xml.sax.saxutils import escape

from xir.inspect.layout import Place, place
from xir.inspect.picture import Arrow, Box, Picture, shown

CHARACTER = 6.4
"""Pixels of a character at 11 px in the fonts that browsers take for sans-serif, on the wide side."""

HEIGHT = 38.0
"""Pixels of a box with two lines."""

STEP = 72.0
"""Pixels from layer to layer."""

GAP = 24.0
MARGIN = 32.0

_STYLE = """
  rect { stroke: #44556b; rx: 5px } .node { fill: #eef3fa } .input { fill: #e2f4e4 } .output { fill: #fbeede }
  path { fill: none; stroke: #8595a8; marker-end: url(#arrow) }
  text { font: 11px sans-serif; text-anchor: middle; fill: #1d2733 } .small { font-size: 10px; fill: #5b6b7d }
"""


def to_svg(picture: Picture) -> str:
    """The picture as an SVG document."""
    widths = [max(len(line) for line in box.lines) * CHARACTER + 20 for box in picture.boxes]
    places = place(widths, [(arrow.start, arrow.end) for arrow in picture.arrows], GAP)
    left = min((spot.center - width / 2 for spot, width in zip(places, widths, strict=True)), default=0.0)
    right = max((spot.center + width / 2 for spot, width in zip(places, widths, strict=True)), default=0.0)
    bends = [_bend(arrow, places, widths) for arrow in picture.arrows]
    right = max([right, *bends])
    width = right - left + 2 * MARGIN
    height = max((spot.layer for spot in places), default=0) * STEP + HEIGHT + 2 * MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="{left - MARGIN:.1f} {-MARGIN:.1f} {width:.1f} {height:.1f}">',
        f"<title>{text(shown(picture.title))}</title>",
        f"<style>{_STYLE}</style>",
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0,0 L8,4 L0,8 z" style="fill: #8595a8; stroke: none"/></marker></defs>',
    ]
    parts += [_arrow(arrow, places, bend) for arrow, bend in zip(picture.arrows, bends, strict=True)]
    parts += [_box(box, spot, size) for box, spot, size in zip(picture.boxes, places, widths, strict=True)]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _bend(arrow: Arrow, places: list[Place], widths: list[float]) -> float:
    """How far to the right an arrow bends that passes layers by; its own start where it passes none."""
    start, end = places[arrow.start], places[arrow.end]
    passed = end.layer - start.layer - 1
    if passed <= 0:
        return start.center
    half = max(widths[arrow.start], widths[arrow.end]) / 2
    return max(start.center, end.center) + half + GAP * min(1 + passed / 4, 6)


def _arrow(arrow: Arrow, places: list[Place], bend: float) -> str:
    start, end = places[arrow.start], places[arrow.end]
    x1, y1, x2, y2 = start.center, start.layer * STEP + HEIGHT, end.center, end.layer * STEP
    if end.layer - start.layer <= 1:
        middle = (y1 + y2) / 2
        line = f"M{x1:.1f},{y1:.1f} C{x1:.1f},{middle:.1f} {x2:.1f},{middle:.1f} {x2:.1f},{y2:.1f}"
    else:
        top, bottom, turn = y1 + STEP / 2, y2 - STEP / 2, (STEP - HEIGHT) / 2
        line = (
            f"M{x1:.1f},{y1:.1f} C{x1:.1f},{y1 + turn:.1f} {bend:.1f},{y1 + turn:.1f} {bend:.1f},{top:.1f} "
            f"L{bend:.1f},{bottom:.1f} C{bend:.1f},{y2 - turn:.1f} {x2:.1f},{y2 - turn:.1f} {x2:.1f},{y2:.1f}"
        )
    return f'<path d="{line}"><title>{text(shown(arrow.label))}</title></path>'


def _box(box: Box, spot: Place, width: float) -> str:
    top = spot.layer * STEP
    return (
        f'<g><title>{text(box.tooltip)}</title><rect class="{box.kind}" x="{spot.center - width / 2:.1f}" '
        f'y="{top:.1f}" width="{width:.1f}" height="{HEIGHT:.0f}"/>'
        f'<text x="{spot.center:.1f}" y="{top + 16:.1f}">{text(box.lines[0])}</text>'
        f'<text class="small" x="{spot.center:.1f}" y="{top + 30:.1f}">{text(box.lines[1])}</text></g>'
    )


def text(content: str) -> str:
    """Text of XML: markup escaped, characters that XML 1.0 does not have (section 2.2) replaced."""
    return escape("".join(c if _allowed(c) else "�" for c in content))


def _allowed(character: str) -> bool:
    code = ord(character)
    return code in (9, 10, 13) or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or code >= 0x10000
