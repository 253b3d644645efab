"""One call of an operator, in arrays and plain Python."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
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
    """

    kind: str
    items: Sequence[Any]
    named: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """A name that depends on the call alone, so that results are never those of another call."""
        return f"{self.kind}/{zlib.crc32(_told((self.items, sorted(self.named.items()))).encode()):08x}"


def _told(item: Any) -> str:
    if isinstance(item, np.ndarray):
        return f"{item.dtype}{item.shape}{zlib.crc32(np.ascontiguousarray(item).tobytes())}"
    if isinstance(item, list | tuple):
        return "[" + ",".join(map(_told, item)) + "]"
    return repr(item)


class Draws:
    """Seeded inputs."""

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


Family = Callable[[], list[Example]]
