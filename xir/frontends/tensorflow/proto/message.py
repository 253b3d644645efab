"""One protobuf message as plain typed data: the fields that it sets, by name."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar, Union

import numpy as np
from numpy.typing import NDArray

from xir.errors import FormatError
from xir.files import FileSlice

Item: TypeAlias = Union[int, float, bool, str, bytes, FileSlice, NDArray[np.generic], "Message"]
"""What a message holds: repeated numbers come in arrays, large bytes stay in their file."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Message:
    """The set fields of one message.

    Attributes:
        type: its name, such as `NodeDef`.
        values: {field: what it holds, in order}.
    """

    type: str
    values: Mapping[str, Sequence[Item]]

    def __repr__(self) -> str:
        """The type and the names of the fields that are set."""
        return f"Message({self.type}: {', '.join(self.values)})"

    def has(self, name: str) -> bool:
        """Whether the field is set."""
        return name in self.values

    def _all(self, name: str, kind: builtins.type[T]) -> tuple[T, ...]:
        return tuple(item for item in self.values.get(name, ()) if isinstance(item, kind))

    def text(self, name: str) -> str:
        """A string, or the empty one."""
        return self._all(name, str)[-1] if self.has(name) else ""

    def texts(self, name: str) -> tuple[str, ...]:
        """The strings of a repeated field."""
        return self._all(name, str)

    def integer(self, name: str) -> int:
        """A whole number or the number of an enumeration's value; 0 where it is not set (proto3)."""
        return self._all(name, int)[-1] if self.has(name) else 0

    def real(self, name: str) -> float:
        """A number, or 0.0."""
        return self._all(name, float)[-1] if self.has(name) else 0.0

    def flag(self, name: str) -> bool:
        """A truth value, or False."""
        return self._all(name, bool)[-1] if self.has(name) else False

    def data(self, name: str) -> bytes | FileSlice:
        """Bytes, wherever they lie; none where they are not set."""
        held = self.values.get(name, (b"",))[-1]
        return held if isinstance(held, bytes | FileSlice) else b""

    def strings(self, name: str) -> tuple[bytes, ...]:
        """The byte strings of a repeated field."""
        return self._all(name, bytes)

    def numbers(self, name: str, dtype: np.dtype[np.generic]) -> NDArray[np.generic]:
        """The numbers of a repeated field."""
        pieces = [np.asarray(item) for item in self.values.get(name, ())]
        return np.concatenate(pieces).astype(dtype, copy=False) if pieces else np.zeros(0, dtype)

    def integers(self, name: str) -> tuple[int, ...]:
        """The whole numbers of a repeated field."""
        return tuple(int(item) for item in self.numbers(name, np.dtype(np.int64)).tolist())

    def message(self, name: str) -> Message | None:
        """A message, or None."""
        return self._all(name, Message)[-1] if self.has(name) else None

    def messages(self, name: str) -> tuple[Message, ...]:
        """The messages of a repeated field."""
        return self._all(name, Message)

    def required(self, name: str) -> Message:
        """A message that must be there.

        Raises:
            FormatError: it is not.
        """
        found = self.message(name)
        if found is None:
            raise FormatError(f"{self.type} does not set {name!r}")
        return found

    def entries(self, name: str) -> dict[str, Message]:
        """A map from strings to messages.

        Raises:
            FormatError: a key stands twice.
        """
        found: dict[str, Message] = {}
        for entry in self.messages(name):
            key = entry.text("key")
            if key in found:
                raise FormatError(f"{self.type}.{name} has the key {key[:80]!r} twice")
            found[key] = entry.message("value") or Message("", {})
        return found
