"""Regions and the suppression of boxes."""

from __future__ import annotations

from xir.frontends._handlers import Handlers
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.ir.dims import Dim
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
    limit: Dim = 0
    if most is not None:
        known = site.sizes(most)
        limit = known[0] if known is not None and len(known) == 1 else int(site.scalar(most, "a number of boxes"))
    if isinstance(limit, int):
        limit = max(limit, 0)
    return detection.non_max_suppression(
        boxes,
        scores,
        max_per_class=limit,
        iou_threshold=0.0 if overlap is None else site.scalar(overlap, "a threshold"),
        score_threshold=None if score is None else site.scalar(score, "a threshold"),
        center=site.flag("center_point_box", False),
    )
