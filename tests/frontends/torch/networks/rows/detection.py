"""torchvision's networks for detection, scripted: torch.export does not take their branches over what was found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.frontends.torch.networks.network import Network
from tests.frontends.torch.networks.prepare import torchvision

SMALL = {"min_size": 96, "max_size": 160}
NETWORKS: dict[str, dict[str, int]] = {
    "fasterrcnn_resnet50_fpn": SMALL,
    "fasterrcnn_resnet50_fpn_v2": SMALL,
    "fasterrcnn_mobilenet_v3_large_fpn": SMALL,
    "fasterrcnn_mobilenet_v3_large_320_fpn": SMALL,
    "maskrcnn_resnet50_fpn": SMALL,
    "maskrcnn_resnet50_fpn_v2": SMALL,
    "keypointrcnn_resnet50_fpn": SMALL | {"num_classes": 2, "num_keypoints": 5},
    "retinanet_resnet50_fpn": SMALL,
    "retinanet_resnet50_fpn_v2": SMALL,
    "fcos_resnet50_fpn": SMALL,
    "ssd300_vgg16": {},
    "ssdlite320_mobilenet_v3_large": {},
}
SPREAD = {
    **{"rpn.head.cls_logits": 1.0, "rpn.head.bbox_pred": 0.2, "roi_heads.box_predictor.cls_score": 1.0},
    **{"roi_heads.box_predictor.bbox_pred": 0.5, "roi_heads.mask_predictor.mask_fcn_logits": 2.0},
    **{"head.classification_head.cls_logits": 1.0, "head.regression_head.bbox_reg": 0.2},
    **{"head.classification_head.module_list": 1.0, "head.regression_head.module_list": 0.5},
}
"""How far what the last layers make is spread, so that scores differ and boxes overlap; by the names of the layers."""


def _built(name: str) -> Callable[[], Any]:
    settings = {"num_classes": 5} | NETWORKS[name]

    def build() -> Any:
        library = torchvision()
        return _few(getattr(library.models.detection, name)(weights=None, weights_backbone=None, **settings))

    return build


def _spread(module: Any) -> None:
    """Makes the heads' results spread."""
    import torch

    def scale(wanted: float) -> Callable[..., Any]:
        def once(layer: Any, given: Any, made: Any) -> Any:
            if not hasattr(layer, "spread"):
                layer.spread = True
                layer.weight.mul_(wanted / made.std().clamp(min=1e-9))
                if layer.bias is not None:
                    layer.bias.copy_(torch.randn_like(layer.bias) * 0.3 * wanted)
                return layer(given[0])
            return None

        return once

    hooks = [
        layer.register_forward_hook(scale(wanted))
        for name, layer in module.named_modules()
        for start, wanted in SPREAD.items()
        if name == start or (start.endswith("module_list") and name.startswith(start) and _is_last(name, layer))
    ]
    with torch.no_grad():
        module(**_images({}))
    for hook in hooks:
        hook.remove()
    for _, layer in module.named_modules():
        layer.__dict__.pop("spread", None)


def _is_last(name: str, layer: Any) -> bool:
    """Whether a layer is the last one of a head of SSD: `module_list.0`, or `module_list.0.1` where it has two."""
    return type(layer).__name__ == "Conv2d" and getattr(layer, "groups", 0) == 1


def _few(module: Any) -> Any:
    """The module with few boxes on the way."""
    if hasattr(module, "rpn"):
        module.rpn._pre_nms_top_n = {"training": 100, "testing": 60}
        module.rpn._post_nms_top_n = {"training": 100, "testing": 30}
        module.roi_heads.score_thresh, module.roi_heads.detections_per_img = 0.2, 12
    else:
        module.score_thresh, module.topk_candidates, module.detections_per_img = 0.1, 40, 20
    return module


def _images(given: Mapping[str, int]) -> dict[str, Any]:
    import torch

    return {"images": [torch.rand(3, 96, 128), torch.rand(3, 96, 128)]}  # where one is padded, scores are equal


def rows() -> Iterator[Network]:
    """The networks, with two images."""
    for name in NETWORKS:
        yield Network(f"torchvision.{name}", _built(name), _images, script="script", finish=_spread)
