"""Forms of resizing: F.interpolate where it samples the same points; others come apart where sizes are known."""

from __future__ import annotations

from xir.backends.export.torch._form import Answer, Forms, Refusal, Say, operand, shape_in
from xir.ir.dims import Dim, Shape, equal, multiply
from xir.ir.node import Node
from xir.ops.resize import resize

forms = Forms()

_LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


@forms.of(resize)
def _resize(node: Node) -> Answer:
    """Nearest by whole factors, linear and cubic between half pixels or corners."""
    x, mode = operand(node), str(node.attributes["mode"])
    ratio = _factors(x.shape[2:], shape_in(node, "sizes"))
    if mode == "nearest":
        return _nearest(node, ratio)
    if node.attributes["exclude_outside"] or node.attributes["antialias"] or not x.dtype.is_floating:
        return Refusal("a filter that F.interpolate has not")
    if not _scales_fit(node, x.shape[2:], shape_in(node, "sizes")):
        return Refusal("scales that are not those of the sizes")
    corners = str(node.attributes["coordinates"])
    if corners not in ("half_pixel", "align_corners"):
        return Refusal(f"points at {corners}")
    kind = _LINEAR.get(x.rank - 2) if mode == "linear" else "bicubic" if x.rank == 4 else None
    if kind is None or (mode == "cubic" and node.attributes["cubic_coefficient"] != -0.75):
        return Refusal("a filter that F.interpolate has not")
    template = f'F.interpolate({{}}, {{}}, mode="{kind}", align_corners={corners == "align_corners"})'
    return Say(template, x, shape_in(node, "sizes"))


def _nearest(node: Node, factors: tuple[int, ...] | None) -> Answer:
    """Each element repeated: whole factors, at points that fall into the element's own part."""
    place = str(node.attributes["coordinates"]), str(node.attributes["rounding"])
    kept = place == ("asymmetric", "floor") or (place[0] == "half_pixel" and place[1].startswith("round"))
    if factors is None or not kept or not _scales_fit(node, operand(node).shape[2:], shape_in(node, "sizes")):
        return Refusal("points that F.interpolate does not take")
    x = operand(node)
    if x.rank == 4 and set(factors) <= {1, 2, 4, 8, 16} and x.dtype.is_floating and factors[0] == factors[1]:
        return Say('F.interpolate({}, scale_factor={}, mode="nearest")', x, factors[0])
    said = Say("{}", x)
    for axis, factor in enumerate(factors, start=2):
        if factor != 1:
            said = Say("torch.repeat_interleave({}, {}, dim={})", said, factor, axis)
    return said


def _factors(old: Shape, new: Shape) -> tuple[int, ...] | None:
    """By which whole number each axis grows, where that is so."""
    found = tuple(_factor(a, b) for a, b in zip(old, new, strict=True))
    known = tuple(each for each in found if each is not None)
    return known if len(known) == len(found) else None


def _factor(old: Dim, new: Dim) -> int | None:
    if isinstance(old, int) and isinstance(new, int):
        return new // old if old and new and new % old == 0 else None
    return next((each for each in range(1, 33) if equal(multiply(each, old), new) is True), None)


def _scales_fit(node: Node, old: Shape, new: Shape) -> bool:
    scales = node.attributes["scales"]
    if not isinstance(scales, tuple):
        return True
    for scale, a, b in zip(scales, old, new, strict=True):
        if not isinstance(scale, float):
            return False
        if isinstance(a, int) and isinstance(b, int):
            if a * scale != b:
                return False
        elif not scale.is_integer() or equal(multiply(int(scale), a), b) is not True:
            return False
    return True
