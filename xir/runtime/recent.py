"""Keeping what was found latest."""

from __future__ import annotations

from typing import Generic, TypeVar

REMEMBERED = 16
"""Sizes that a call remembers: models mostly see the same few again."""

_K = TypeVar("_K")
_V = TypeVar("_V")


class Recent(Generic[_K, _V]):
    """What was kept under the latest keys."""

    def __init__(self, most: int = REMEMBERED) -> None:
        """Nothing yet, and never more than that."""
        self._most = most
        self._kept: dict[_K, _V] = {}

    def get(self, key: _K) -> _V | None:
        """What is kept under a key."""
        return self._kept.get(key)

    def keep(self, key: _K, value: _V) -> _V:
        """Keeps the value, in the place of the oldest one if there are too many."""
        if len(self._kept) >= self._most:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = value
        return value
