"""Forms of what scales images and moves channels into blocks."""

from __future__ import annotations

from xir.backends.export.tflite._form import (
    Answer,
    Call,
    Forms,
    Laid,
    Sizes,
    channels_last,
    decomposed,
    operand,
    real,
    shape_in,
    whole,
)
from xir.flatbuffer.write import Content
from xir.ir.dims import equal
from xir.ir.node import Node
from xir.ops.blocks import depth_to_space, space_to_depth
from xir.ops.norm import lrn
from xir.ops.resize import resize

forms = Forms()

_PLANE = 4

_LINEAR = {"align_corners": "align_corners", "half_pixel": "half_pixel_centers", "asymmetric": ""}
"""{coordinates: the option of RESIZE_BILINEAR} (reference/resize_bilinear.h, ComputeInterpolationValues)."""

_NEAREST = {
    ("align_corners", "round_prefer_ceil"): "align_corners",
    ("tf_half_pixel_for_nn", "floor"): "half_pixel_centers",
    ("half_pixel", "round_prefer_ceil"): "half_pixel_centers",
    ("asymmetric", "floor"): "",
}
"""{(coordinates, rounding): the option of RESIZE_NEAREST_NEIGHBOR} (reference/resize_nearest_neighbor.h)."""


def _option(node: Node) -> str | None:
    coordinates, rounding = str(node.attributes["coordinates"]), str(node.attributes["rounding"])
    match node.attributes["mode"]:
        case "linear" if not node.attributes["antialias"] and not node.attributes["exclude_outside"]:
            return _LINEAR.get(coordinates)
        case "nearest":
            return _NEAREST.get((coordinates, rounding))
        case _:
            return None


@forms.of(resize)
def _resize(node: Node) -> Answer:
    """RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR where their points lie as asked, scales being ratios of sizes."""
    x, option, scales = operand(node), _option(node), node.attributes["scales"]
    sizes = shape_in(node, "sizes")
    ratios = isinstance(scales, tuple) and any(
        not (equal(old * int(scale), new) if scale.is_integer() else isinstance(old, int) and old * scale == new)
        for old, new, scale in zip(x.shape[2:], sizes, scales, strict=True)
        if isinstance(scale, float)
    )
    if option is None or x.rank != _PLANE or ratios:
        return decomposed(node)
    last = channels_last(_PLANE)
    linear = node.attributes["mode"] == "linear"
    kind = "RESIZE_BILINEAR" if linear else "RESIZE_NEAREST_NEIGHBOR"
    table = "ResizeBilinearOptions" if linear else "ResizeNearestNeighborOptions"
    fields: dict[str, Content] = {option: True} if option else {}
    return Call(kind, (Laid(x, last), Sizes(sizes)), (table, fields), last)


@forms.of(depth_to_space, space_to_depth)
def _depth_and_space(node: Node) -> Answer:
    """DEPTH_TO_SPACE and SPACE_TO_DEPTH, which read and make channels as [block, block, C]."""
    x = operand(node)
    if node.attributes["order"] != "depth_first" or x.rank != _PLANE:
        return decomposed(node)
    last = channels_last(_PLANE)
    fields: dict[str, Content] = {"block_size": whole(node, "block")}
    is_to_space = node.op.name == "depth_to_space"
    kind, table = (
        ("DEPTH_TO_SPACE", "DepthToSpaceOptions") if is_to_space else ("SPACE_TO_DEPTH", "SpaceToDepthOptions")
    )
    return Call(kind, (Laid(x, last),), (table, fields), last)


@forms.of(lrn)
def _lrn(node: Node) -> Answer:
    """LOCAL_RESPONSE_NORMALIZATION over as many channels on both sides; its alpha is that of one channel."""
    x, size = operand(node), whole(node, "size")
    if x.rank != _PLANE or size % 2 == 0:
        return decomposed(node)
    last = channels_last(_PLANE)
    fields: dict[str, Content] = {"radius": size // 2, "alpha": real(node, "alpha") / size}
    fields |= {name: real(node, name) for name in ("beta", "bias")}
    return Call("LOCAL_RESPONSE_NORMALIZATION", (Laid(x, last),), ("LocalResponseNormalizationOptions", fields), last)
