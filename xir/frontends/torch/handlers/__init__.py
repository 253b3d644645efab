"""Handlers of ATen operators, a file a family; all of them in one table."""

from __future__ import annotations

from xir.frontends.torch.handlers import (
    activation,
    convolution,
    elementwise,
    norm,
    numbers,
    pooling,
    product,
)
from xir.frontends.torch.operators import Operators

ATEN = Operators(
    "aten",
    activation.operators,
    convolution.operators,
    elementwise.operators,
    norm.operators,
    numbers.operators,
    pooling.operators,
    product.operators,
)
"""Every operator of the namespace `aten`."""

OPERATORS = {"aten": ATEN}
"""The tables by namespace."""
