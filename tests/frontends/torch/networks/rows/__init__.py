"""The networks, a file a family. No file imports a library of PyTorch before one of its networks is built."""

from __future__ import annotations

from collections.abc import Iterator

from tests.frontends.torch.networks.network import Network
from tests.frontends.torch.networks.rows import (
    classification,
    detection,
    flow,
    plain,
    quantized,
    segmentation,
    sequences,
    small,
    timm,
    transformers,
    video,
)

FAMILIES = (
    small,
    plain,
    classification,
    segmentation,
    detection,
    quantized,
    video,
    flow,
    timm,
    transformers,
    sequences,
)


def networks() -> Iterator[Network]:
    """Every network."""
    for family in FAMILIES:
        yield from family.rows()
