"""Regions and the suppression of boxes."""

from __future__ import annotations

from xir.frontends._handlers import Handlers
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.ir.dims import Dim, Symbol
from xir.ir.node import Value
from xir.ops import detection, roi

handlers: Handlers[Handler] = Handlers("onnx")


@handlers.layer(*versions("MaxRoiPool", 1, 22))
def region_maximum(site: Site, x: Value, rois: Value) -> Value:
    """MaxRoiPool."""
    pooled = site.integers("pooled_shape")
    if len(pooled) != 2:
        site.invalid(f"pooled_shape has {len(pooled)} numbers, expected 2")
    return roi.roi_pool(x, rois, pooled=(pooled[0], pooled[1]), spatial_scale=site.real("spatial_scale", 1.0))


def _aligned(site: Site, x: Value, rois: Value, batch: Value, half_pixel: bool) -> Value:
    mode = site.choice("mode", ("avg", "max"), "avg")
    return roi.roi_align(
        x,
        rois,
        batch,
        pooled=(site.integer("output_height", 1), site.integer("output_width", 1)),
        spatial_scale=site.real("spatial_scale", 1.0),
        sampling_ratio=site.integer("sampling_ratio", 0),
        mode="max" if mode == "max" else "avg",
        half_pixel=half_pixel,
    )


@handlers.layer(*versions("RoiAlign", 10))
def aligned_to_pixels(site: Site, x: Value, rois: Value, batch: Value) -> Value:
    """RoiAlign before opset 16: no half pixel is taken off."""
    return _aligned(site, x, rois, batch, False)


@handlers.layer(*versions("RoiAlign", 16, 22))
def aligned(site: Site, x: Value, rois: Value, batch: Value) -> Value:
    """RoiAlign with its coordinates."""
    words = ("half_pixel", "output_half_pixel")
    return _aligned(site, x, rois, batch, site.choice("coordinate_transformation_mode", words, words[0]) == words[0])


@handlers.layer(*versions("NonMaxSuppression", 10, 11))
def suppressed(
    site: Site,
    boxes: Value,
    scores: Value,
    most: Value | None = None,
    overlap: Value | None = None,
    score: Value | None = None,
) -> Value:
    """NonMaxSuppression; without a number of boxes there are none."""
    limit, late_limit = _limit(site, most)
    share, late_share = _threshold(site, overlap)
    least, late_least = _threshold(site, score)
    return detection.non_max_suppression(
        boxes,
        scores,
        late_limit,
        late_share,
        late_least,
        max_per_class=limit,
        iou_threshold=0.0 if share is None else share,
        score_threshold=least,
        center=site.flag("center_point_box", False),
    )


def _limit(site: Site, most: Value | None) -> tuple[Dim, Value | None]:
    """The number of boxes, or a fresh size and the operand that tells it; a negative number is none."""
    if most is None:
        return 0, None
    known = site.sizes(most)
    if known is None or len(known) != 1:
        return Symbol(), most
    return max(known[0], 0) if isinstance(known[0], int) else known[0], None


def _threshold(site: Site, value: Value | None) -> tuple[float | None, Value | None]:
    """A threshold that is known, or the operand that tells it."""
    if value is None or site.scope.constant_of(value) is None:
        return None, value
    return site.scalar(value, "a threshold"), None
