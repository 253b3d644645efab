"""Loops, branches and copies of stretches as LLVM text.

All workers walk through the same loops; each keeps counters and the pointers that change from step to step on its own
stack, so nothing is written that others read. Whoever reads a condition has met the others before, and they meet again
before the next kernel, so no condition is overwritten before every worker has read it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

from xir.backends.codegen.steps import Carry, Choose, Copy, Repeat, Row, Run, Step
from xir.ir.dims import Dim
from xir.limits import MAX_BODY_RUNS, MAX_LOOP_STEPS

TOO_MANY_STEPS, TOO_MANY_RUNS = 1, 2
"""Why a loop was given up: it made `MAX_LOOP_STEPS`, or all loops of the stretch together `MAX_BODY_RUNS`."""


@dataclass(slots=True)
class StretchText:
    """The text of one function `(table, sizes, worker, workers, team)`.

    Attributes:
        sizes: the sizes that the code reads from its table, in order; what is read is appended.
        run: writes a kernel.
        lines: what is written.
        reserved: stack memory, at the function's beginning.
        number: the number of the step, inside of a loop.
        own: {slot: the stack variable that says where it lies} for the slots that loops move.
    """

    sizes: list[Dim]
    run: Callable[[StretchText, Run], None]
    lines: list[str] = field(default_factory=list[str])
    reserved: list[str] = field(default_factory=list[str])
    own: dict[int, str] = field(default_factory=dict[int, str])
    number: str | None = None
    _numbers: count[int] = field(default_factory=count)
    _fault: int | None = None

    def fresh(self, letter: str) -> str:
        """A new name."""
        return f"{letter}{next(self._numbers)}"

    def let(self, instruction: str) -> str:
        """The name of an instruction's result."""
        name = "%" + self.fresh("v")
        self.lines.append(f"  {name} = {instruction}")
        return name

    def do(self, instruction: str) -> None:
        """An instruction without a result."""
        self.lines.append(f"  {instruction}")

    def at(self, label: str) -> None:
        """Begins a block; the one before falls into it."""
        self.lines += [f"  br label %{label}", f"{label}:"]

    def meet(self) -> None:
        """Where every worker waits for the others; nothing was done before the first line."""
        if self.lines:
            self.do("call void @meet(ptr %team, i64 %workers)")

    def pointer(self, slot: int) -> str:
        """Where a slot lies."""
        if slot in self.own:
            return self.let(f"load ptr, ptr {self.own[slot]}, align 8")
        place = self.let(f"getelementptr ptr, ptr %table, i64 {slot}")
        return self.let(f"load ptr, ptr {place}, align 8")

    def size(self, dim: Dim) -> str:
        """A size; a symbolic one is read from the table."""
        if isinstance(dim, int):
            return str(dim)
        place = self.let(f"getelementptr i64, ptr %sizes, i64 {len(self.sizes)}")
        self.sizes.append(dim)
        return self.let(f"load i64, ptr {place}, align 8")

    def steps(self, steps: Sequence[Step]) -> None:
        """Writes steps one after another."""
        for step in steps:
            match step:
                case Run():
                    self.run(self, step)
                case Copy(source, target, size):
                    self.meet()
                    self._copy(self.pointer(source), self.pointer(target), self.size(size))
                case Repeat():
                    self._repeat(step)
                case Choose(condition, then, otherwise):
                    self._choose(condition, then, otherwise)
                case _:
                    raise TypeError(step)

    def text(self, name: str) -> str:
        """The whole function."""
        end = ["given_up:", "  ret void"] if self._fault is not None else []
        begin: list[str] = []
        if self._fault is not None:
            begin = [
                "  %fp = getelementptr ptr, ptr %table, i64 " + str(self._fault),
                "  %shared = load ptr, ptr %fp, align 8",
                "  %unheard = alloca i64, align 8",
                "  %first = icmp eq i64 %worker, 0",
                "  %fault = select i1 %first, ptr %shared, ptr %unheard",
                "  store i64 0, ptr %fault, align 8",
                "  %runs = alloca i64, align 8",
                "  store i64 0, ptr %runs, align 8",
            ]
        body = "\n".join([*begin, *self.reserved, *self.lines, "  ret void", *end])
        given = "ptr %table, ptr %sizes, i64 %worker, i64 %workers, ptr %team"
        return f"define void @{name}({given}) nounwind {{\n{body}\n}}\n"

    # Parts

    def _copy(self, source: str, target: str, size: str) -> None:
        """The first worker copies, unless it is the same place."""
        first = self.let("icmp eq i64 %worker, 0")
        apart = self.let(f"icmp ne ptr {source}, {target}")
        wanted = self.let(f"and i1 {first}, {apart}")
        bytes = self.let(f"select i1 {wanted}, i64 {size}, i64 0")
        self.do(f"call void @llvm.memmove.p0.p0.i64(ptr {target}, ptr {source}, i64 {bytes}, i1 false)")

    def turned(self, first: str, last: str) -> tuple[str, str]:
        """The two the other way round in every other step of the loop around."""
        odd = self.let(f"trunc i64 {self.number} to i1")
        swapped = ((last, first), (first, last))
        begin, end = (self.let(f"select i1 {odd}, i64 {a}, i64 {b}") for a, b in swapped)
        return begin, end

    def variable(self, kind: str, value: str) -> str:
        """A stack variable that begins with a value here."""
        name = "%" + self.fresh("m")
        self.reserved.append(f"  {name} = alloca {kind}, align 8")
        self.do(f"store {kind} {value}, ptr {name}, align 8")
        return name

    def _truth(self, slot: int) -> str:
        """The one element of a slot of truth values."""
        self.meet()
        held = self.let(f"load i8, ptr {self.pointer(slot)}, align 1")
        return self.let(f"icmp ne i8 {held}, 0")

    def _choose(self, condition: int, then: Sequence[Step], otherwise: Sequence[Step]) -> None:
        truth = self._truth(condition)
        labels = [self.fresh(letter) for letter in ("then", "otherwise", "joined")]
        self.do(f"br i1 {truth}, label %{labels[0]}, label %{labels[1]}")
        for label, steps in zip(labels, (then, otherwise), strict=False):
            self.lines.append(f"{label}:")
            self.steps(steps)
            self.do(f"br label %{labels[2]}")
        self.lines.append(f"{labels[2]}:")

    def _repeat(self, loop: Repeat) -> None:
        self._fault = loop.fault
        most = self._most(loop)
        outside = dict(self.own)
        carries = [_Carried(self, each, {row.inside for row in loop.stacks}) for each in loop.carries]
        rows = [_Moving(self, each) for each in (*loop.slices, *loop.stacks)]
        counter = self.variable("i64", "0")
        if loop.counter is not None:
            self.own[loop.counter] = self.variable("ptr", counter)
        if loop.flag is not None:
            self.own[loop.flag] = self.variable("ptr", self.variable("i8", "1"))
        going = self.variable("i1", "true" if loop.condition is None else self._truth(loop.condition))
        head, body, done = (self.fresh(letter) for letter in ("head", "body", "done"))
        self.at(head)
        number = self.let(f"load i64, ptr {counter}, align 8")
        less = self.let(f"icmp slt i64 {number}, {most}")
        goes = self.let(f"load i1, ptr {going}, align 8")
        both = self.let(f"and i1 {less}, {goes}")
        self.do(f"br i1 {both}, label %{body}, label %{done}")
        self.lines.append(f"{body}:")
        self._count(number if loop.steps is None else None)
        for row in rows:
            row.move(number, most)
        around, self.number = self.number, number
        self.steps(loop.body)
        self.number = around
        if loop.going is not None:
            self.do(f"store i1 {self._truth(loop.going)}, ptr {going}, align 8")
        made = [self.pointer(each.carry.made) for each in carries]
        for each, pointer in zip(carries, made, strict=True):
            each.hand_on(pointer)
        following = self.let(f"add nsw i64 {number}, 1")
        self.do(f"store i64 {following}, ptr {counter}, align 8")
        self.do(f"br label %{head}")
        self.lines.append(f"{done}:")
        ends = [(self.pointer(each.carry.inside), each.carry) for each in carries]
        self.own = outside
        if ends:
            self.meet()
        for pointer, carry in ends:
            self._copy(pointer, self.pointer(carry.result), self.size(carry.bytes))

    def _most(self, loop: Repeat) -> str:
        """How many steps there are at most."""
        if loop.steps is not None:
            return self.size(loop.steps)
        if loop.count is None:
            return str((1 << 63) - 1)
        self.meet()
        return self.let(f"load i64, ptr {self.pointer(loop.count)}, align 8")

    def _count(self, number: str | None) -> None:
        """Gives up where a loop has made too many steps, or all of them have."""
        runs = self.let("load i64, ptr %runs, align 8")
        more = self.let(f"add nsw i64 {runs}, 1")
        self.do(f"store i64 {more}, ptr %runs, align 8")
        self._give_up(self.let(f"icmp sgt i64 {more}, {MAX_BODY_RUNS}"), TOO_MANY_RUNS)
        if number is not None:
            self._give_up(self.let(f"icmp sge i64 {number}, {MAX_LOOP_STEPS}"), TOO_MANY_STEPS)

    def _give_up(self, condition: str, reason: int) -> None:
        fails, goes = self.fresh("fails"), self.fresh("goes")
        self.do(f"br i1 {condition}, label %{fails}, label %{goes}")
        self.lines += [f"{fails}:", f"  store i64 {reason}, ptr %fault, align 8", "  br label %given_up", f"{goes}:"]


class _Moving:
    """A row of a buffer: where it lies changes with the step."""

    def __init__(self, text: StretchText, row: Row) -> None:
        self.text, self.row = text, row
        self.whole, self.bytes = text.pointer(row.whole), text.size(row.bytes)
        self.place = text.variable("ptr", self.whole)
        text.own[row.inside] = self.place

    def move(self, number: str, most: str) -> None:
        """Goes to the row of a step."""
        if self.row.backward:
            last = self.text.let(f"sub nsw i64 {most}, 1")
            number = self.text.let(f"sub nsw i64 {last}, {number}")
        offset = self.text.let(f"mul nsw i64 {number}, {self.bytes}")
        pointer = self.text.let(f"getelementptr i8, ptr {self.whole}, i64 {offset}")
        self.text.do(f"store ptr {pointer}, ptr {self.place}, align 8")


class _Carried:
    """A value that steps hand on: what a step has written the next one reads, and writes into the other place."""

    def __init__(self, text: StretchText, carry: Carry, stacked: set[int]) -> None:
        self.text, self.carry = text, carry
        self.inside = text.variable("ptr", text.pointer(carry.start))
        self.made = self.other = None
        if carry.made not in stacked:
            self.other = text.variable("ptr", text.pointer(carry.made))
            self.made = text.variable("ptr", text.pointer(carry.result))
            text.own[carry.made] = self.made
        text.own[carry.inside] = self.inside

    def hand_on(self, pointer: str) -> None:
        """The step's result becomes the next step's operand."""
        self.text.do(f"store ptr {pointer}, ptr {self.inside}, align 8")
        if self.other is not None:
            other = self.text.let(f"load ptr, ptr {self.other}, align 8")
            self.text.do(f"store ptr {other}, ptr {self.made}, align 8")
            self.text.do(f"store ptr {pointer}, ptr {self.other}, align 8")
