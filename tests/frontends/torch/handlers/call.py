"""One call of an operator, in arrays and plain Python, and the arrays that calls are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Example:
    """A call.

    Attributes:
        kind: the operator (`aten.add.Tensor`).
        items: its arguments by place: arrays for tensors, `DType` for types, numbers, text, None, lists.
        named: its arguments by name.
        symbolic: whether it also goes with symbols for the sizes of its tensors.
    """

    kind: str
    items: Sequence[Any]
    named: Mapping[str, Any] = field(default_factory=dict)
    symbolic: bool = True


def call(kind: str, *items: Any, **named: Any) -> Example:
    """A call that goes with symbolic sizes, too.

    Args:
        kind: `quantized_decomposed.choose_qparams.tensor`; of ATen also `add.Tensor`, and `mm` for `mm.default`.
        items: by place.
        named: by name.
    """
    return Example(_full(kind), items, named)


def fixed(kind: str, *items: Any, **named: Any) -> Example:
    """A call whose sizes must be known."""
    return Example(_full(kind), items, named, symbolic=False)


def _full(kind: str) -> str:
    parts = kind.split(".")
    return kind if len(parts) == 3 else ".".join(["aten", *parts, "default"][:3])


def numbered(calls: Iterable[Example]) -> dict[str, Example]:
    """The calls by the operator and a number that tells its calls apart: `aten.add.Tensor 0`."""
    found: dict[str, Example] = {}
    counts: dict[str, int] = {}
    for each in calls:
        counts[each.kind] = counts.get(each.kind, -1) + 1
        found[f"{each.kind} {counts[each.kind]}"] = each
    return found


class Draws:
    """Seeded arrays, each another one."""

    def __init__(self, seed: int) -> None:
        """A generator of its own."""
        self.random = np.random.default_rng(seed)

    def __call__(self, *shape: int, dtype: Any = np.float32) -> Array:
        """Standard normal numbers."""
        return np.asarray(self.random.standard_normal(shape)).astype(dtype)

    def share(self, *shape: int) -> Array:
        """Numbers between 0 and 1, f32."""
        return np.asarray(self.random.random(shape)).astype(np.float32)

    def whole(self, low: int, high: int, *shape: int) -> Array:
        """Whole numbers from low up to, not with, high, i64."""
        return np.asarray(self.random.integers(low, high, shape))


def real(*shape: int, dtype: Any = np.float32, scale: float = 3.0, seed: int = 0) -> Array:
    """Real numbers in (-scale, scale), the same for one shape and seed."""
    generator = np.random.default_rng([seed, *shape])
    return (generator.uniform(-scale, scale, shape)).astype(dtype)


def whole(*shape: int, dtype: Any = np.int64, low: int = -5, high: int = 6, seed: int = 0) -> Array:
    """Integers in [low, high), the same for one shape and seed."""
    return np.random.default_rng([seed, 7, *shape]).integers(low, high, shape).astype(dtype)


def truth(*shape: int, seed: int = 0) -> Array:
    """Bools, the same for one shape and seed."""
    return whole(*shape, low=0, high=2, seed=seed).astype(np.bool_)


def array(items: Any, dtype: Any = np.float32) -> Array:
    """The numbers as an array."""
    return np.asarray(items, dtype)
