"""torchvision's networks for optical flow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.frontends.torch.networks.network import Network, random
from tests.frontends.torch.networks.prepare import torchvision

AXES = {"image1": {0: "N"}, "image2": {0: "N"}}


def _pairs(given: Mapping[str, int]) -> dict[str, Any]:
    return {name: random(given["N"], 3, 128, 128).clamp(-1, 1) for name in AXES}


def _built(name: str) -> Any:
    import torch

    class Flow(torch.nn.Module):
        """The network with two steps of refinement; its last flow is the answer."""

        def __init__(self) -> None:
            super().__init__()
            self.raft = getattr(torchvision().models.optical_flow, name)(weights=None)

        def forward(self, image1: Any, image2: Any) -> Any:
            return self.raft(image1, image2, num_flow_updates=2)[-1]

    return Flow()


def rows() -> Iterator[Network]:
    """The networks."""
    for name in ("raft_small", "raft_large"):
        yield Network(f"torchvision.{name}", lambda name=name: _built(name), _pairs, AXES, {"N": (2, 3)})
