"""Handlers of ATen operators, a file a family; all of them in one table."""

from __future__ import annotations

from xir.frontends.torch.handlers import convolution, elementwise, pooling, product
from xir.frontends.torch.operators import Operators

ATEN = Operators("aten", convolution.operators, elementwise.operators, pooling.operators, product.operators)
"""Every operator of the namespace `aten`."""

OPERATORS = {"aten": ATEN}
"""The tables by namespace."""
