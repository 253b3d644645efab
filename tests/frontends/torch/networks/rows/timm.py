"""timm's networks, of blocks that torchvision has not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tests.frontends.torch.networks.network import Network, images
from tests.frontends.torch.networks.prepare import torchvision

MOVING = """
resnest14d res2net50_26w_4s cspresnet50 ghostnet_100 hrnet_w18_small dla34 repvgg_a0 seresnet18 eca_nfnet_l0 tresnet_m
mobileone_s0 lcnet_050 tinynet_e poolformer_s12 convnextv2_atto vovnet39a dpn48b darknet21 efficientvit_b0 fastvit_t8
mobilenetv4_conv_small edgenext_xx_small inception_next_atto
"""
"""Networks that take pictures of any size."""

FIXED = {
    "mixer_s32_224": 64,
    "resmlp_12_224": 64,
    "deit_tiny_patch16_224": 64,
    "beit_base_patch16_224": 64,
    "cait_xxs24_224": 64,
    "xcit_nano_12_p16_224": 64,
    "gmlp_ti16_224": 64,
    "pvt_v2_b0": 64,
    "levit_128s": 224,
    "coat_tiny": 64,
    "twins_svt_small": 224,
    "volo_d1_224": 224,
    "eva02_tiny_patch14_224": 56,
}
"""Networks that are built for one size of pictures."""


def _built(name: str, **settings: Any) -> Callable[[], Any]:
    def build() -> Any:
        torchvision()
        import timm

        return timm.create_model(name, pretrained=False, num_classes=10, **settings)

    return build


def rows() -> Iterator[Network]:
    """The networks."""
    for name in MOVING.split():
        yield images(f"timm.{name}", _built(name))
    for name, size in FIXED.items():
        settings = {} if size == 224 or name.startswith("pvt") else {"img_size": size}
        yield images(f"timm.{name}", _built(name, **settings), size, moving=False)
