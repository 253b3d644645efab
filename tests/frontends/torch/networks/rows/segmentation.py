"""torchvision's networks for segmentation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tests.frontends.torch.networks.network import Network, images
from tests.frontends.torch.networks.prepare import torchvision

NAMES = """
fcn_resnet50 fcn_resnet101 deeplabv3_resnet50 deeplabv3_resnet101 deeplabv3_mobilenet_v3_large lraspp_mobilenet_v3_large
"""


def _built(name: str) -> Callable[[], Any]:
    settings = {} if name.startswith("lraspp") else {"aux_loss": True}
    return lambda: getattr(torchvision().models.segmentation, name)(
        weights=None, weights_backbone=None, num_classes=5, **settings
    )


def rows() -> Iterator[Network]:
    """The networks."""
    for name in NAMES.split():
        yield images(f"torchvision.{name}", _built(name), argument="input" if name.startswith("lraspp") else "x")
