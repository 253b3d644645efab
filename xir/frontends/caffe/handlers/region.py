"""Layers over regions of interest: ROIPooling, ROIAlign, PSROIPooling, and the proposals that feed them."""

from __future__ import annotations

import re

from xir.errors import InvalidModelError
from xir.frontends._handlers import Handlers
from xir.frontends.caffe.handlers._geometry import require_axes
from xir.frontends.caffe.message import Message
from xir.frontends.caffe.site import Handler, Site
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops.elementwise import cast
from xir.ops.proposal import proposal
from xir.ops.psroi import psroi_pool
from xir.ops.roi import roi_align, roi_pool
from xir.ops.shape import reshape, slice_

handlers: Handlers[Handler] = Handlers("caffe")


def _rois(rois: Value) -> Value:
    """Regions as [R, 5]; Caffe's blobs may be [R, 5, 1, 1] (roi_pooling_layer.cpp counts only the elements)."""
    if rois.rank == 4 and rois.shape[1:] == (5, 1, 1):
        return reshape(rois, shape=(rois.shape[0], 5))
    return rois


@handlers.layer("ROIPooling")
def roi_pooling(site: Site, x: Value, rois: Value) -> Value:
    """The maximum in each cell of a region (Fast R-CNN's roi_pooling_layer.cpp)."""
    require_axes(x, 4)
    param = site.param("roi_pooling_param")
    sizes = param.integers("pooled_size")
    if len(sizes) > 2:
        raise InvalidModelError(f"pooled_size stands {len(sizes)} times; expected once, or for height and width")
    pooled = (sizes[0], sizes[-1]) if sizes else (param.integer("pooled_h"), param.integer("pooled_w"))
    if sizes and (param.has("pooled_h") or param.has("pooled_w")):
        raise InvalidModelError("either pooled_size, or pooled_h and pooled_w, may be given")
    return roi_pool(x, _rois(rois), pooled=pooled, spatial_scale=param.number("spatial_scale"))


@handlers.layer("ROIAlign")
def roi_align_layer(site: Site, x: Value, rois: Value) -> Value:
    """Means of bilinear samples in each cell of a region, as Detectron has it; `sample_num` is its sampling ratio."""
    if site.layer.parameters.has("roi_pooling_param"):
        raise site.unsupported(
            "with roi_pooling_param forks mean different things by ROIAlign (some take the maximum of samples)",
            "use roi_align_param, or add a handler with --plugin MODULE",
        )
    param = site.param("roi_align_param")
    ratio = param.optional_integer("sampling_ratio")
    older = param.optional_integer("sample_num")
    aligned = bool(param.optional_boolean("aligned"))
    regions = _rois(rois)
    require_axes(regions, 2)
    count = regions.shape[0]
    boxes = slice_(regions, axes=(1,), starts=(1,), stops=(5,), steps=(1,))
    images = reshape(slice_(regions, axes=(1,), starts=(0,), stops=(1,), steps=(1,)), shape=(count,))
    return roi_align(
        x,
        boxes,
        cast(images, dtype=DType.INT64),
        pooled=(param.integer("pooled_h"), param.integer("pooled_w")),
        spatial_scale=param.number("spatial_scale"),
        sampling_ratio=max(ratio if ratio is not None else older or 0, 0),
        mode="avg",
        half_pixel=aligned,
    )


@handlers.layer("PSROIPooling")
def psroi_pooling(site: Site, x: Value, rois: Value) -> Value:
    """Means of cells that have channels of their own (R-FCN's psroi_pooling_layer.cpp)."""
    param = site.param("psroi_pooling_param")
    return psroi_pool(
        x,
        _rois(rois),
        spatial_scale=param.number("spatial_scale"),
        output_channels=param.integer("output_dim"),
        group_size=param.integer("group_size"),
    )


_RATIOS = (0.5, 1.0, 2.0)
_SCALES = (8.0, 16.0, 32.0)
"""generate_anchors.py and proposal_layer.py of py-faster-rcnn: what stands where the file gives nothing."""


@handlers.layer("Proposal")
def proposal_layer(site: Site, scores: Value, deltas: Value, info: Value) -> list[Value]:
    """Region proposals as a layer of its own, with proposal_param (proposal_layer.cpp of oylz/caffe-pvanet-shufflenet).

    Defaults are those of caffe.proto as OpenVINO's documentation of its Model Optimizer cites it. `ratio` and `scale`
    have none: without them the layer has no anchors.
    """
    param = site.param("proposal_param")
    ratios, scales = param.numbers("ratio"), param.numbers("scale")
    if not ratios or not scales:
        raise InvalidModelError("ratio and scale must be given: they have no defaults, and make the anchors")
    made = proposal(
        scores,
        deltas,
        info,
        feature_stride=param.integer("feat_stride"),
        base_size=param.integer("base_size"),
        ratios=ratios,
        scales=scales,
        pre_nms_top_n=param.integer("pre_nms_topn") or None,
        post_nms_top_n=param.integer("post_nms_topn") or None,
        nms_threshold=param.number("nms_thresh"),
        min_size=float(param.integer("min_size")),
    )
    return list(made[: site.top_count])


@handlers.layer("Python:rpn.proposal_layer.ProposalLayer")
def python_proposal(site: Site, scores: Value, deltas: Value, info: Value) -> list[Value]:
    """py-faster-rcnn's Python layer; its limits are those of lib/fast_rcnn/config.py (TEST, or TRAIN)."""
    param = site.param("python_param")
    param.ignore("module", "layer", "share_in_parallel")
    settings = _settings(param)
    unknown = sorted(set(settings) - {"feat_stride", "scales", "ratios"})
    if unknown:
        raise site.unsupported(f"param_str holds {', '.join(unknown)}", "feat_stride, scales and ratios are known")
    training = site.phase == "TRAIN"
    made = proposal(
        scores,
        deltas,
        info,
        feature_stride=_stride(settings),
        base_size=16,
        ratios=settings.get("ratios", _RATIOS),
        scales=settings.get("scales", _SCALES),
        pre_nms_top_n=12000 if training else 6000,
        post_nms_top_n=2000 if training else 300,
        nms_threshold=0.7,
        min_size=16.0,
    )
    return list(made[: site.top_count])


def _stride(settings: dict[str, tuple[float, ...]]) -> int:
    values = settings.get("feat_stride", ())
    if len(values) != 1 or values[0] < 1 or values[0] != int(values[0]):
        raise InvalidModelError(f"param_str must give feat_stride as one whole number, got {list(values)}")
    return int(values[0])


_NUMBER = r"[-+]?[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?"
_ENTRY = re.compile(
    rf"\s*['\"]?(\w+)['\"]?\s*:\s*({_NUMBER}|[\[(]\s*{_NUMBER}(?:\s*,\s*{_NUMBER})*\s*,?\s*[\])])\s*(?:,|\n|;|$)"
)
_MAX_SETTINGS = 1000  # characters; the real ones have about 20


def _settings(param: Message) -> dict[str, tuple[float, ...]]:
    """`param_str` as names with numbers: `'feat_stride': 16`, one or several, in braces or not (a piece of YAML)."""
    text = param.text("param_str").strip()
    if len(text) > _MAX_SETTINGS:
        raise InvalidModelError(f"param_str has {len(text)} characters; at most {_MAX_SETTINGS} are read")
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1].strip()
    found: dict[str, tuple[float, ...]] = {}
    at = 0
    while at < len(text):
        entry = _ENTRY.match(text, at)
        if entry is None:
            raise InvalidModelError(f"param_str {text!r} is not understood: names with numbers are expected")
        found[entry[1]] = tuple(float(number) for number in re.findall(_NUMBER, entry[2]))
        at = entry.end()
    return found
