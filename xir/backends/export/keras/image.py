"""Forms of what scales images."""

from __future__ import annotations

from xir.backends.export.forms import Table
from xir.backends.export.keras._form import Form, decomposed, layer
from xir.backends.export.tflite import image
from xir.backends.export.tflite._form import Answer, Call, Laid, channels_last, operand, shape_in
from xir.ir.dims import Dim, equal
from xir.ir.node import Node
from xir.ops.resize import resize

forms = Table[Form]()

_WORDS = {"RESIZE_BILINEAR": "bilinear", "RESIZE_NEAREST_NEIGHBOR": "nearest"}


@forms.of(resize)
def _resize(node: Node) -> Answer:
    """UpSampling2D by whole numbers, Resizing where pixels have their middle at a half; others come apart."""
    said = image.forms.get("resize")
    found = None if said is None else said(node)
    if not isinstance(found, Call) or found.options is None:
        return decomposed(node)
    x, sizes, last = operand(node), shape_in(node, "sizes"), channels_last(4)
    halves, word = "half_pixel_centers" in found.options[1], _WORDS[found.kind]
    times = [_times(old, new) for old, new in zip(x.shape[2:], sizes, strict=True)]
    nearest = word == "nearest" and "align_corners" not in found.options[1]
    if None not in times and (nearest or halves):
        whole = [count for count in times if count is not None]
        return layer("UpSampling2D", [Laid(x, last)], (), last, size=whole, interpolation=word)
    height, width = sizes
    if halves and isinstance(height, int) and isinstance(width, int):
        return layer("Resizing", [Laid(x, last)], (), last, height=height, width=width, interpolation=word)
    return decomposed(node)


def _times(old: Dim, new: Dim) -> int | None:
    """How often a size stands in another, or None."""
    if isinstance(old, int) and isinstance(new, int):
        return new // old if old and new % old == 0 else None
    return next((count for count in range(1, 17) if equal(old * count, new) is True), None)
