"""The calls, a file a family of handlers."""

from __future__ import annotations

from tests.frontends.torch.aten.call import Example
from tests.frontends.torch.aten.families import (
    activation,
    attention,
    linalg,
    loss,
    making,
    norm,
    pooling,
    product,
    quantized,
    recurrent,
    resize,
    spectra,
)
from tests.frontends.torch.aten.families import convolution as convolutions

FAMILIES = (
    activation, attention, convolutions, linalg, loss, making, norm, pooling, product, quantized, recurrent, resize,
    spectra,
)  # fmt: skip


def examples() -> list[Example]:
    """Every call of every family."""
    return [example for family in FAMILIES for example in family.examples()]
