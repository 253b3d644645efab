"""torchvision's networks for classification: every architecture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tests.frontends.torch.networks.network import Network, images
from tests.frontends.torch.networks.prepare import torchvision

MOVING = """
resnet18 resnet34 resnet50 resnet101 resnext50_32x4d resnext101_32x8d wide_resnet50_2 densenet121 densenet169
mobilenet_v2 mobilenet_v3_small mobilenet_v3_large mnasnet0_5 mnasnet1_0 shufflenet_v2_x0_5 shufflenet_v2_x1_0
shufflenet_v2_x1_5 squeezenet1_0 squeezenet1_1 efficientnet_b0 efficientnet_b1 efficientnet_b3 efficientnet_v2_s
regnet_y_400mf regnet_y_800mf regnet_y_1_6gf regnet_y_3_2gf regnet_x_400mf regnet_x_800mf regnet_x_1_6gf regnet_x_3_2gf
convnext_tiny convnext_small vgg11 vgg11_bn vgg13 vgg16 vgg16_bn vgg19
"""
"""Networks that take pictures of any size; the largest of an architecture, which repeat its blocks, are left out."""

TRANSFORMERS = ("vit_b_16", "vit_b_32")
"""Networks that are built for one size of pictures."""

WINDOWS = ("swin_t", "swin_s", "swin_v2_t", "swin_v2_s")
"""Networks that pad pictures to windows: torch.export takes very long over formulas of their height and width."""


def _built(name: str, **settings: Any) -> Callable[[], Any]:
    return lambda: getattr(torchvision().models, name)(weights=None, num_classes=10, **settings)


def rows() -> Iterator[Network]:
    """The networks."""
    for name in MOVING.split():
        yield images(f"torchvision.{name}", _built(name))
    yield images("torchvision.alexnet", _built("alexnet"), 96)
    yield images("torchvision.googlenet", _built("googlenet", aux_logits=False, init_weights=True))
    yield images("torchvision.inception_v3", _built("inception_v3", aux_logits=False, init_weights=True), 128)
    for name in WINDOWS:
        yield images(f"torchvision.{name}", _built(name), moving=False)
    for name in TRANSFORMERS:
        yield images(f"torchvision.{name}", _built(name, image_size=64), moving=False)
    yield images("torchvision.maxvit_t", _built("maxvit_t"), 224, moving=False)
