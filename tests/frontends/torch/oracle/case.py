"""What is compared with torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Case:
    """A model and inputs for it.

    Attributes:
        name: of the case, once in a run.
        model: a torch.nn.Module, or a function of tensors.
        args: example inputs by place.
        kwargs: example inputs by name.
        dynamic_shapes: as torch.export.export takes them.
        more: further (args, kwargs) that the same program must take: other sizes.
        decompose: whether the program is taken apart into core ATen first (`run_decompositions`).
        tolerance: the largest error, relative and absolute; None: by the type (`TOLERANCES`).
        strict: torch.export.export's argument of that name.
    """

    name: str
    model: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    dynamic_shapes: Any = None
    more: Sequence[tuple[tuple[Any, ...], Mapping[str, Any]]] = ()
    decompose: bool = False
    tolerance: float | None = None
    strict: bool = False


TOLERANCES = {
    "float64": 1e-9,
    "float32": 1e-4,
    "float16": 1e-2,
    "bfloat16": 5e-2,
    "complex64": 1e-4,
    "complex128": 1e-9,
}
"""Errors by type: sums of some thousand terms in another order than torch's; integers and bool are equal."""
