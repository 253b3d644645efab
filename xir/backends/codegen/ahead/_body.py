"""Functions of LLVM text that are written as they run: values, memory, loops and early ends.

What a model that was compiled ahead of time is called by is made of these. Every name is made here from a counter or
stands in xir's own text, so no text of a model can stand in a module.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager

from xir.backends.codegen.llvm.types import Lines


class Body(Lines):
    """One function while it is written."""

    def __init__(self, signature: str) -> None:
        """Begins a function, such as `internal i64 @sum(ptr %words, i64 %count)`."""
        super().__init__()
        self._signature = signature
        self._result = signature.removeprefix("internal ").split(" ", 1)[0]

    def variable(self, kind: str, value: str) -> str:
        """A stack variable that begins with a value here."""
        place = self.reserve(kind)
        self.do(f"store {kind} {value}, ptr {place}")
        return place

    def load(self, kind: str, place: str) -> str:
        """What lies at a place."""
        return self.let(f"load {kind}, ptr {place}")

    def store(self, kind: str, value: str, place: str) -> None:
        """Puts a value at a place."""
        self.do(f"store {kind} {value}, ptr {place}")

    def item(self, kind: str, base: str, index: str | int) -> str:
        """The place of an element of an array."""
        return self.let(f"getelementptr {kind}, ptr {base}, i64 {index}")

    def read(self, kind: str, base: str, index: str | int = 0) -> str:
        """An element of an array."""
        return self.load(kind, self.item(kind, base, index))

    def write(self, kind: str, value: str, base: str, index: str | int = 0) -> None:
        """Sets an element of an array."""
        self.store(kind, value, self.item(kind, base, index))

    def bump(self, place: str, amount: str) -> None:
        """Adds to an i64 variable."""
        self.store("i64", self.let(f"add i64 {self.load('i64', place)}, {amount}"), place)

    def any(self, conditions: Iterable[str]) -> str:
        """Whether one of these instructions holds."""
        found = "false"
        for each in conditions:
            found = self.let(f"or i1 {found}, {self.let(each)}")
        return found

    @contextmanager
    def loop(self, count: str | int, start: str | int = 0) -> Generator[str]:
        """Runs what is written inside for every number from `start` to below `count`."""
        counter = self.variable("i64", str(start))
        head, inside, after = self.fresh(), self.fresh(), self.fresh()
        self.do(f"br label %{head}")
        self.at(head)
        number = self.load("i64", counter)
        self.do(f"br i1 {self.let(f'icmp slt i64 {number}, {count}')}, label %{inside}, label %{after}")
        self.at(inside)
        yield number
        self.bump(counter, "1")
        self.do(f"br label %{head}")
        self.at(after)

    @contextmanager
    def repeat(self, flag: str) -> Generator[None]:
        """Runs what is written inside as long as an i1 variable holds, which is cleared before each run."""
        head, inside, after = self.fresh(), self.fresh(), self.fresh()
        self.do(f"br label %{head}")
        self.at(head)
        self.do(f"br i1 {self.load('i1', flag)}, label %{inside}, label %{after}")
        self.at(inside)
        self.store("i1", "false", flag)
        yield
        self.do(f"br label %{head}")
        self.at(after)

    @contextmanager
    def when(self, condition: str) -> Generator[None]:
        """Runs what is written inside where a condition holds."""
        inside, after = self.fresh(), self.fresh()
        self.do(f"br i1 {condition}, label %{inside}, label %{after}")
        self.at(inside)
        yield
        self.do(f"br label %{after}")
        self.at(after)

    @contextmanager
    def ending(self, condition: str, value: str | int) -> Generator[None]:
        """Where a condition holds, runs what is written inside and ends the function with a value."""
        inside, after = self.fresh(), self.fresh()
        self.do(f"br i1 {condition}, label %{inside}, label %{after}")
        self.at(inside)
        yield
        self.end(value)
        self.at(after)

    def end_if(self, condition: str, value: str | int) -> None:
        """Ends the function with a value where a condition holds."""
        with self.ending(condition, value):
            pass

    def end_if_null(self, pointer: str, value: str | int) -> None:
        """Ends the function with a value where there is no pointer."""
        self.end_if(self.is_null(pointer), value)

    def is_null(self, pointer: str) -> str:
        """Whether a pointer is none."""
        return self.let(f"icmp eq ptr {pointer}, null")

    def end(self, value: str | int = "") -> None:
        """Ends the function."""
        self.do(f"ret {self._result} {value}".rstrip())

    def text(self) -> str:
        """The whole function."""
        return f"define {self._signature} nounwind {{\n{self.body()}\n}}\n"
