"""Every overload of core ATen in every element type, as exported programs.

python -m tests.frontends.torch.oracle tests.frontends.torch.oracle.core:cases --quiet      # takes some minutes
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tests.frontends.torch.handlers.call import Example
from tests.frontends.torch.handlers.core import DRAWN, OPEN, core
from tests.frontends.torch.handlers.record import as_torch, asked_if_defined
from tests.frontends.torch.oracle.case import Case

STATISTICS = 0.1
"""How far means and deviations of some thousand random numbers may lie from each other."""


def _tensors(item: Any) -> list[np.ndarray[Any, Any]]:
    """The arrays among arguments."""
    if isinstance(item, np.ndarray):
        return [item]
    return [array for each in item for array in _tensors(each)] if isinstance(item, list | tuple) else []


def _filled(item: Any, tensors: Iterator[Any]) -> Any:
    """The arguments with tensors where arrays stand; complex ones come as their parts."""
    import torch

    if isinstance(item, np.ndarray):
        tensor = next(tensors)
        return torch.view_as_complex(tensor) if item.dtype.kind == "c" else tensor
    if isinstance(item, list | tuple):
        return [_filled(each, tensors) for each in item]
    return as_torch(item)


def _shown(kind: str, made: Any) -> Any:
    """What is compared of a result."""
    import torch

    if not isinstance(made, torch.Tensor):
        return made
    if kind in OPEN:
        return torch.zeros_like(made)
    if kind in DRAWN:
        wide = made.to(torch.float64)
        return torch.zeros_like(made), torch.stack([wide.mean() / wide.max(), wide.std() / wide.max()])
    return torch.view_as_real(made) if made.is_complex() else made


def case(name: str, example: Example) -> Case:
    """The case of one call."""
    import torch

    namespace, operator, overload = example.kind.split(".")
    called = getattr(getattr(getattr(torch.ops, namespace), operator), overload)
    given = [*_tensors(list(example.items)), *_tensors(list(example.named.values()))]

    def forward(*tensors: Any) -> Any:
        line = iter(tensors)
        items = [_filled(item, line) for item in example.items]
        made = called(*items, **{key: _filled(item, line) for key, item in example.named.items()})
        several = made if isinstance(made, list | tuple) else [made]
        return tuple(_shown(example.kind, each) for each in several if each is not None)

    fed = [np.stack([array.real, array.imag], -1) if array.dtype.kind == "c" else array for array in given]
    tolerance = STATISTICS if example.kind in DRAWN else None
    return Case(name, forward, tuple(map(as_torch, fed)), tolerance=tolerance)


def cases() -> Iterator[Case]:
    """Every call that torch defines."""
    for name, example in core().items():
        if asked_if_defined(example) is not None:
            yield case(name, example)
