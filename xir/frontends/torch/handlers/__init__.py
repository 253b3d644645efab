"""Handlers of ATen operators, a file a family; all of them in one table."""

from __future__ import annotations

from xir.frontends.torch.handlers import (
    activation,
    arithmetic,
    attention,
    bags,
    blocks,
    casts,
    compare,
    convolution,
    counting,
    creation,
    cutting,
    functions,
    gradients,
    index,
    joining,
    loss,
    norm,
    numbers,
    pooling,
    product,
    randomness,
    recurrent,
    reduce,
    resize,
    scatter,
    sorting,
    special,
    views,
    vision,
)
from xir.frontends.torch.operators import Operators

ATEN = Operators(
    "aten",
    activation.operators,
    arithmetic.operators,
    attention.operators,
    bags.operators,
    blocks.operators,
    casts.operators,
    compare.operators,
    convolution.operators,
    counting.operators,
    creation.operators,
    cutting.operators,
    functions.operators,
    gradients.operators,
    index.operators,
    joining.operators,
    loss.operators,
    norm.operators,
    numbers.operators,
    pooling.operators,
    product.operators,
    randomness.operators,
    recurrent.operators,
    reduce.operators,
    resize.operators,
    scatter.operators,
    sorting.operators,
    special.operators,
    views.operators,
)
"""Every operator of the namespace `aten`."""

OPERATORS = {"aten": ATEN, "torchvision": vision.operators}
"""The tables by namespace."""
