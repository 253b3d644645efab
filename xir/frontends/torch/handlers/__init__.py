"""Handlers of ATen operators, a file a family; all of them in one table."""

from __future__ import annotations

from xir.frontends.torch.handlers import elementwise
from xir.frontends.torch.operators import Operators

ATEN = Operators("aten", elementwise.operators)
"""Every operator of the namespace `aten`."""

OPERATORS = {"aten": ATEN}
"""The tables by namespace."""
