"""Handlers of ATen operators, a file a family; all of them in one table."""

from __future__ import annotations

from xir.frontends.torch.handlers import (
    activation,
    attention,
    convolution,
    elementwise,
    loss,
    norm,
    numbers,
    pooling,
    product,
    recurrent,
    resize,
    vision,
)
from xir.frontends.torch.operators import Operators

ATEN = Operators(
    "aten",
    activation.operators,
    attention.operators,
    convolution.operators,
    elementwise.operators,
    loss.operators,
    norm.operators,
    numbers.operators,
    pooling.operators,
    product.operators,
    recurrent.operators,
    resize.operators,
)
"""Every operator of the namespace `aten`."""

OPERATORS = {"aten": ATEN, "torchvision": vision.operators}
"""The tables by namespace."""
