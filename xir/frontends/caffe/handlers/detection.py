"""SSD's and YOLO's layers: PriorBox, DetectionOutput, Reorg, YoloDetectionOutput, Yolov3DetectionOutput."""

from __future__ import annotations

from typing import cast

from xir.errors import InvalidModelError
from xir.frontends._handlers import Handlers
from xir.frontends.caffe.handlers._geometry import known, require_axes, require_positive
from xir.frontends.caffe.handlers.loss import flattened
from xir.frontends.caffe.message import Message
from xir.frontends.caffe.site import Handler, Site
from xir.ir.node import Value
from xir.ops._detections import BoxCode
from xir.ops.detection_output import detection_output
from xir.ops.prior import expanded_aspect_ratios, prior_box
from xir.ops.shape import concat
from xir.ops.yolo import reorg, yolo_boxes, yolo_detection_output

handlers: Handlers[Handler] = Handlers("caffe")

_VARIANCE = 0.1  # prior_box_layer.cpp: the variance where the file gives none


@handlers.layer("PriorBox")
def prior_box_layer(site: Site, feature: Value, image: Value) -> Value:
    """SSD's default boxes; sizes in pixels lose their fractions, as in `int min_size_` (prior_box_layer.cpp)."""
    param = site.param("prior_box_param")
    if any(param.has(name) for name in ("offset_h", "offset_w", "width", "height")):
        raise site.unsupported("offset_h, offset_w, width and height are not taken", "SSD's own fields are")
    step_h, step_w = _two(param, "step")
    height, width = _image_size(param)
    return prior_box(
        feature,
        image,
        min_sizes=_whole(site, param, "min_size"),
        max_sizes=_whole(site, param, "max_size"),
        aspect_ratios=expanded_aspect_ratios(param.numbers("aspect_ratio"), param.boolean("flip")),
        clip=param.boolean("clip"),
        variances=param.numbers("variance") or (_VARIANCE,),
        step_h=step_h,
        step_w=step_w,
        offset=param.number("offset"),
        image_height=height,
        image_width=width,
    )


def _whole(site: Site, param: Message, name: str) -> tuple[float, ...]:
    given = param.numbers(name)
    cut = tuple(float(int(value)) for value in given)
    if cut != given:
        site.note(f"{name} {list(given)} counts as {list(cut)}: SSD's layer cuts fractions off")
    return cut


def _two(param: Message, name: str) -> tuple[float, float]:
    """`step`, or `step_h` and `step_w`; 0 stands for none."""
    both = param.optional_number(name)
    height, width = param.optional_number(f"{name}_h"), param.optional_number(f"{name}_w")
    if both is not None and (height is not None or width is not None):
        raise InvalidModelError(f"either {name}, or {name}_h and {name}_w, may be given (prior_box_layer.cpp)")
    chosen = (both, both) if both is not None else (height, width)
    if any(value is not None and value <= 0 for value in chosen) or (chosen[0] is None) != (chosen[1] is None):
        raise InvalidModelError(f"{name} must be positive, for height and width, got {list(chosen)}")
    return chosen[0] or 0.0, chosen[1] or 0.0


def _image_size(param: Message) -> tuple[int, int]:
    """`img_size`, or `img_h` and `img_w`; 0 stands for the second bottom's own size."""
    both = param.optional_integer("img_size")
    height, width = param.optional_integer("img_h"), param.optional_integer("img_w")
    if both is not None and (height is not None or width is not None):
        raise InvalidModelError("either img_size, or img_h and img_w, may be given (prior_box_layer.cpp)")
    chosen = (both, both) if both is not None else (height, width)
    if any(value == 0 for value in chosen) or (chosen[0] is None) != (chosen[1] is None):
        raise InvalidModelError(f"the image's size must be positive, for height and width, got {list(chosen)}")
    return chosen[0] or 0, chosen[1] or 0


def _limit(value: int | None) -> int | None:
    """A limit of which a negative value says that there is none (bbox_util.cpp, `top_k > -1`)."""
    return None if value is None or value < 0 else value


@handlers.layer("DetectionOutput")
def detection_output_layer(site: Site, location: Value, confidence: Value, prior: Value) -> Value:
    """Decodes, suppresses and lists SSD's detections (detection_output_layer.cpp); files that it writes are dropped."""
    param = site.param("detection_output_param")
    nms = param.message("nms_param")
    classes, background = param.integer("num_classes"), param.integer("background_label_id")
    if param.optional_boolean("normalized_bbox") is False:
        raise site.unsupported("normalized_bbox: false is not taken", "SSD's own layer knows only fractions")
    if param.message("save_output_param").optional_text("output_directory"):
        site.note("it also writes its detections to files; the graph does not")
    param.ignore("save_output_param", "visualize", "visualize_threshold", "save_file")
    param.message("save_output_param").ignore(*param.message("save_output_param").fields())
    return detection_output(
        flattened(location),
        flattened(confidence),
        prior,
        classes=classes,
        share_location=param.boolean("share_location"),
        background=background if 0 <= background < classes else None,
        code=cast("BoxCode", param.enum("code_type").lower()),
        variance_in_target=param.boolean("variance_encoded_in_target"),
        confidence_threshold=param.optional_number("confidence_threshold"),
        nms_threshold=nms.number("nms_threshold"),
        eta=nms.number("eta"),
        top_k=_limit(nms.optional_integer("top_k")),
        keep_top_k=_limit(param.integer("keep_top_k")),
        clip=param.boolean("clip"),
    )


@handlers.layer("Reorg")
def reorg_layer(site: Site, x: Value) -> Value:
    """Darknet's reorganization of channels and pixels (intel's reorg_layer.cpp)."""
    param = site.param("reorg_param")
    return reorg(x, stride=param.integer("stride"), reverse=param.boolean("reverse"))


def _anchors(param: Message) -> list[tuple[float, float]]:
    flat = param.numbers("biases")
    if not flat or len(flat) % 2:
        raise InvalidModelError(f"biases must be pairs of width and height, got {len(flat)} numbers")
    return list(zip(flat[::2], flat[1::2], strict=True))


def _square(site: Site, x: Value) -> None:
    require_axes(x, 4)
    if known(x.shape[2], "the height") != known(x.shape[3], "the width"):
        raise site.unsupported("maps that are not square are not taken", "the original reads them as square")


@handlers.layer("YoloDetectionOutput")
def yolo_output(site: Site, *xs: Value) -> Value:
    """YOLOv2's detections; anchors count cells (yolo_detection_output_layer.cpp of eric612/MobileNet-YOLO)."""
    param = site.param("yolo_detection_output_param")
    param.ignore("side", "label_map_file")
    classes, number, anchors = param.integer("num_classes"), param.integer("num_box"), _anchors(param)
    if param.integer("coords") != 4:
        raise InvalidModelError(f"coords must be 4, got {param.integer('coords')}")
    if len(anchors) < number or number < 1:
        raise InvalidModelError(f"num_box {number} needs as many pairs of biases, got {len(anchors)}")
    made: list[tuple[Value, ...]] = []
    for x in xs:
        _square(site, x)
        made.append(
            yolo_boxes(
                x, classes=classes, anchors=tuple(anchors[:number]), anchor_scale=1.0, class_activation="softmax"
            )
        )
    return _joined(made, param, inclusive=True)


@handlers.layer("Yolov3DetectionOutput")
def yolov3_output(site: Site, *xs: Value) -> Value:
    """YOLOv3's detections of several maps; anchors count pixels (yolov3_detection_output_layer.cpp).

    The original lists every class of a box that passes the threshold and suppresses all together; as boxes of one
    place overlap fully, the best class is the only one that stays.
    """
    param = site.param("yolov3_detection_output_param")
    classes, number, anchors = param.integer("num_classes"), param.integer("num_box"), _anchors(param)
    groups, mask, scales = param.integer("mask_group_num"), param.integers("mask"), param.integers("anchors_scale")
    if groups != len(xs) or len(scales) < len(xs):
        raise InvalidModelError(
            f"mask_group_num {groups} and {len(scales)} values of anchors_scale do not fit {len(xs)} bottoms"
        )
    require_positive("num_box, mask_group_num and anchors_scale", number, groups, *scales)
    step = len(mask) // groups
    made: list[tuple[Value, ...]] = []
    for index, x in enumerate(xs):
        _square(site, x)
        chosen = mask[index * step : index * step + number]
        if len(chosen) != number or any(place >= len(anchors) for place in chosen):
            raise InvalidModelError(f"mask {list(mask)} does not choose {number} of {len(anchors)} biases a bottom")
        made.append(
            yolo_boxes(
                x,
                classes=classes,
                anchors=tuple(anchors[place] for place in chosen),
                anchor_scale=float(scales[index]),
                class_activation="sigmoid",
            )
        )
    return _joined(made, param, inclusive=False)


def _joined(made: list[tuple[Value, ...]], param: Message, *, inclusive: bool) -> Value:
    if not made:
        raise InvalidModelError("one bottom or more is needed")
    boxes, scores = (
        concat(*parts, axis=1) if len(parts) > 1 else parts[0]
        for parts in ([pair[side] for pair in made] for side in (0, 1))
    )
    return yolo_detection_output(
        boxes,
        scores,
        confidence_threshold=param.number("confidence_threshold"),
        inclusive=inclusive,
        nms_threshold=param.number("nms_threshold"),
    )
