"""Values that stand for something other than themselves while code is followed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeGuard

from xir.frontends.torch.tensor import Computed, Tensor
from xir.ir.dims import SymbolicDim


class Raised(Exception):
    """The model's code raises an exception.

    Attributes:
        message: what it says.
    """

    def __init__(self, message: str) -> None:
        """With what it says."""
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True)
class Lost:
    """Stands for a value that could not be made."""


@dataclass(frozen=True, slots=True)
class Uninitialized:
    """Stands for a value that no run reads (`uninitialized(Tensor)`)."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Stands for a value that depends on the run in a way that no graph can say; reading it is refused.

    Attributes:
        reason: why.
    """

    reason: str


def told(value: object) -> str:
    """What a value is, for messages."""
    if isinstance(value, Tensor):
        return f"a tensor {value.value.type!r}"
    if isinstance(value, Computed):
        return "a number that only the run knows"
    if isinstance(value, bool | int | float | str | SymbolicDim) or value is None:
        return repr(value)[:60]
    return f"a {type(value).__name__.lower()}"


def is_number(value: object) -> bool:
    """Whether a value is a number, known or not."""
    return isinstance(value, bool | int | float | complex | SymbolicDim | Computed)


def is_list(value: object) -> TypeGuard[list[object]]:
    """Whether a value is a list."""
    return isinstance(value, list)


def is_table(value: object) -> TypeGuard[dict[object, object]]:
    """Whether a value is a dictionary."""
    return isinstance(value, dict)


def is_sequence(value: object) -> TypeGuard[list[object] | tuple[object, ...]]:
    """Whether a value is a list or a tuple."""
    return isinstance(value, list | tuple)
