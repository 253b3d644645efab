"""The stack machine that a pickle is a program of: what it holds, and what it costs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from xir.errors import FormatError, InvalidModelError, Location, UnsafeError, XirError
from xir.frontends.torch.pickles.objects import (
    Constructor,
    Names,
    as_list,
    as_table,
    has_weak_hash,
    is_key,
    kind_of,
)
from xir.limits import MEBI

MAX_HEAP_BYTES = 256 * MEBI
"""Bytes of the objects that one pickle makes, tensors aside: they stay in their file."""

MAX_INTEGER_BYTES = 512
"""Bytes of one whole number; states of random generators have 16, and reading digits costs quadratic time."""

MAX_LINE_BYTES = 64 << 10
"""Bytes of a line: names, and the numbers and strings of protocol 0."""

MAX_WEAK_KEYS = 4_096
"""Keys of which somebody can choose many of one hash; so many of them still take a second."""

OBJECT_BYTES, PAIR_BYTES, ITEM_BYTES = 200, 100, 16
"""About what an object with attributes, an entry of a table and an item of a list take (CPython 3.11)."""


@dataclass(slots=True)
class Machine:
    """The state of the machine.

    Attributes:
        data: the bytes.
        names: what names mean.
        file: the file, for messages.
        place: the next byte.
        stack: the objects since the last mark.
        outer: the stacks before the marks.
        memo: what was numbered for later.
        room: bytes that objects may still take.
        weak_keys: keys that may still be chosen to have one hash.
    """

    data: memoryview
    names: Names
    file: str
    place: int = 0
    stack: list[object] = field(default_factory=list[object])
    outer: list[list[object]] = field(default_factory=list[list[object]])
    memo: dict[int, object] = field(default_factory=dict[int, object])
    room: int = MAX_HEAP_BYTES
    weak_keys: int = MAX_WEAK_KEYS

    def damaged(self, why: str) -> FormatError:
        """The error for bytes that are no pickle."""
        return FormatError(
            f"is no pickle, or a damaged one: {why} (at byte {self.place})",
            file=self.file,
            hint="the file is cut short or of another format: fetch it again",
        )

    def wrong(self, operation: str, value: object) -> InvalidModelError:
        """The error for an operation on a value of the wrong kind."""
        return InvalidModelError(
            f"the pickle's operation {operation} meets {kind_of(value)} (at byte {self.place})", file=self.file
        )

    def charge(self, count: int) -> None:
        """Takes `count` bytes from the room; raises UnsafeError where there is not so much."""
        self.room -= count
        if self.room < 0:
            raise UnsafeError(
                f"the objects of the pickle take more than {MAX_HEAP_BYTES} bytes, tensors aside",
                number=806,
                file=self.file,
                hint="no checkpoint takes so much: the file is damaged or hostile",
            )

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        start = self.place
        present = len(self.data) - start
        if count > present:
            raise self.damaged(f"{count} bytes are declared, {present} are there")
        self.charge(count)
        self.place = start + count
        return bytes(self.data[start : start + count])

    def line(self) -> bytes:
        """The bytes up to the next line feed, without it."""
        for limit in (256, MAX_LINE_BYTES):
            found = bytes(self.data[self.place : self.place + limit])
            length = found.find(b"\n")
            if length >= 0:
                self.place += length + 1
                return found[:length]
        raise self.damaged(f"a line does not end within {MAX_LINE_BYTES} bytes")

    def number(self, width: int, *, signed: bool = False) -> int:
        """A whole number of `width` bytes, little-endian."""
        return int.from_bytes(self.take(width), "little", signed=signed)

    def digits(self) -> int:
        """A line with a whole number."""
        line = self.line()
        if len(line) > 2 * MAX_INTEGER_BYTES:
            raise self.damaged(f"a number has {len(line)} digits")
        return int(line)

    def push(self, value: object) -> None:
        """Puts a new object onto the stack."""
        self.charge(sys.getsizeof(value) + ITEM_BYTES)
        self.stack.append(value)

    def pop(self) -> object:
        """Takes the last object from the stack."""
        if not self.stack:
            raise self.damaged("an operation lacks its operand")
        return self.stack.pop()

    def top(self) -> object:
        """The last object of the stack."""
        if not self.stack:
            raise self.damaged("an operation lacks its operand")
        return self.stack[-1]

    def again(self, value: object) -> None:
        """Puts an object that is there already onto the stack."""
        self.charge(ITEM_BYTES)
        self.stack.append(value)

    def since_mark(self) -> list[object]:
        """Takes everything since the last mark from the stack, and the mark."""
        if not self.outer:
            raise self.damaged("an operation lacks its mark")
        items, self.stack = self.stack, self.outer.pop()
        return items

    def remember(self, number: int) -> None:
        """Numbers the last object of the stack."""
        self.charge(PAIR_BYTES)
        self.memo[number] = self.top()

    def recall(self, number: int) -> None:
        """Puts the object of this number onto the stack again."""
        if number not in self.memo:
            raise self.damaged(f"no object has the number {number}")
        self.again(self.memo[number])

    def find(self, module: str, name: str) -> None:
        """Puts onto the stack what an allowed name means; raises UnsafeError where it is not allowed."""
        full = f"{module}.{name}"
        found = self.names.find(full)
        if found is None:
            raise UnsafeError(
                f"{self.names.purpose} names {full[:200]}, which is none of the names that build tensors and plain "
                "data; nothing was run",
                number=810,
                file=self.file,
                hint="if you trust the file, load it where it was made and save the weights alone: "
                "torch.save(model.state_dict(), path); if not, do not open it with pickle or torch either",
            )
        self.push(found)

    def construct(self, operation: str, function: object, arguments: object) -> None:
        """Puts onto the stack what an allowed constructor makes of the arguments."""
        if not isinstance(function, Constructor):
            raise self.wrong(operation, function)
        if function.takes_one and not isinstance(arguments, tuple):
            arguments = (arguments,)
        if not isinstance(arguments, tuple):
            raise self.wrong(operation, arguments)
        given, call = cast("tuple[object, ...]", arguments), function.call
        self.charge(sum(reading(argument) for argument in given))
        self.made(lambda: call(given))

    def made(self, make: Callable[[], object]) -> None:
        """Puts onto the stack what the caller's own functions make, whose errors get the file's name."""
        try:
            value = make()
        except XirError as error:
            raise error.located(Location(self.file)) from None
        self.charge(OBJECT_BYTES)
        self.push(value)

    def add_pairs(self, items: list[object]) -> None:
        """Adds keys and values, one after the other, to the table on the stack."""
        entries = as_table(self.top())
        if entries is None or len(items) % 2:
            raise self.wrong("SETITEMS", self.top())
        self.charge(len(items) * PAIR_BYTES)
        for position in range(0, len(items), 2):
            key = items[position]
            self.check_key(key)
            entries[key] = items[position + 1]

    def check_key(self, key: object) -> None:
        """Refuses keys that are costly to hash, and too many that somebody can choose to have one hash."""
        if not is_key(key):
            raise self.wrong("SETITEMS (as a key)", key)
        if has_weak_hash(key):
            self.weak_keys -= 1
            if self.weak_keys < 0:
                raise UnsafeError(
                    f"the pickle has more than {MAX_WEAK_KEYS} keys that are tuples", number=806, file=self.file
                )


def reading(argument: object) -> int:
    """Bytes of room that a constructor costs for reading its argument, which may stand in a file a million times."""
    items = len(as_list(argument) or as_table(argument) or ())
    return sys.getsizeof(argument) + items * PAIR_BYTES
