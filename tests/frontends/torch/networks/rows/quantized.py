"""torchvision's quantised networks, in whole numbers by what they make of an image (torch.ao.quantization)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.frontends.torch.networks.network import Network, random
from tests.frontends.torch.networks.prepare import torchvision

NAMES = "resnet18 resnet50 mobilenet_v2 mobilenet_v3_large shufflenet_v2_x0_5 googlenet"

SIZE = 48


def _built(name: str) -> Callable[[], Any]:
    def build() -> Any:
        import torch
        from torch.ao import quantization

        library = torchvision().models.quantization
        torch.backends.quantized.engine = "fbgemm"
        settings = {"aux_logits": False, "init_weights": True} if name == "googlenet" else {}
        module = getattr(library, name)(weights=None, quantize=False, num_classes=10, **settings)
        with torch.no_grad():
            module.train()(torch.randn(4, 3, SIZE, SIZE))
            module.eval().fuse_model(is_qat=False)
            module.qconfig = quantization.get_default_qconfig("fbgemm")
            quantization.prepare(module, inplace=True)
            module(torch.randn(2, 3, SIZE, SIZE))
            return quantization.convert(module, inplace=True)

    return build


def _image(given: Mapping[str, int]) -> dict[str, Any]:
    return {"x": random(2, 3, SIZE, SIZE)}


def rows() -> Iterator[Network]:
    """The networks; means that fall next to the middle of two steps may go to either, in the last layer but one."""
    for name in NAMES.split():
        tolerance = 0.05 if name.startswith("shufflenet") else 1e-4
        yield Network(f"torchvision.quantized.{name}", _built(name), _image, tolerance=tolerance)
