"""torchvision's networks for videos."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

from tests.frontends.torch.networks.network import Network, random
from tests.frontends.torch.networks.prepare import torchvision


def _built(name: str, **settings: Any) -> Callable[[], Any]:
    return lambda: getattr(torchvision().models.video, name)(weights=None, num_classes=10, **settings)


def _videos(name: str, build: Callable[[], Any], frames: int, size: int, *, moving: bool, **more: Any) -> Network:
    axes = {0: "N", 2: "t", 3: "h", 4: "w"} if moving else {0: "N"}
    sizes = {"N": (2, 3)} | ({"t": (frames, frames * 2), "h": (size, size + 32), "w": (size, size)} if moving else {})

    def inputs(given: Any) -> dict[str, Any]:
        return {"x": random(given["N"], 3, given.get("t", frames), given.get("h", size), given.get("w", size))}

    return Network(f"torchvision.{name}", build, inputs, {"x": axes}, sizes, **more)


def rows() -> Iterator[Network]:
    """The networks."""
    for name in ("r3d_18", "mc3_18", "r2plus1d_18"):
        yield _videos(name, _built(name), 16, 32, moving=True)
    yield _videos("s3d", _built("s3d"), 16, 224, moving=False)
    for name in ("mvit_v1_b", "mvit_v2_s"):
        yield _videos(name, lambda name=name: _multiscale(name), 4, 64, moving=False)
    for name in ("swin3d_t", "swin3d_s", "swin3d_b"):
        yield _videos(name, _built(name), 4, 64, moving=False)


def _multiscale(name: str) -> Any:
    """MViT for short, small videos; what builds it is of 16 frames of 224 pixels alone."""
    mvit = torchvision().models.video.mvit

    def short(block_setting: Any, **settings: Any) -> Any:
        kept = {name: each for name, each in settings.items() if name not in ("weights", "progress")}
        usual = {"residual_pool": False, "residual_with_cls_embed": True, "rel_pos_embed": False}
        small = {"spatial_size": (64, 64), "temporal_size": 4}
        return mvit.MViT(block_setting=block_setting, **(usual | {"proj_after_attn": False} | kept | small))

    with patch.object(mvit, "_mvit", short):
        return getattr(mvit, name)(weights=None, num_classes=10)
