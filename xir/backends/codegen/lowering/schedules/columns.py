"""Reductions over rows, whose results lie side by side: the rows are read one after another, as they lie in memory.

A loop over columns around a loop over rows would jump from row to row for each vector of columns. Iterations of a
vector loop may run in any order, so the loop over columns goes inside instead: each worker keeps the partial results of
some columns side by side and walks down the rows once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from xir.ir.dims import Dim, multiply
from xir.kernel._substitute import substitute
from xir.kernel.grammar import Allocate, Axis, Buffer, For, Let, Load, Scalar, Statement, Store
from xir.kernel.walk import rewrite_blocks

COLUMNS = 16
"""Vectors of columns of one worker: their sums lie in half of the 32 registers of AVX-512, or in all 16 of AVX2."""
ROWS = 32
"""So many rows are many: fewer are read at once by a loop over columns."""


def walks_rows(body: Sequence[Statement]) -> bool:
    """Whether what each column does is to go through many rows, keeping single numbers."""
    steps: Dim = 1
    for each in body:
        match each:
            case For():
                found = _steps(each)
                if found is None:
                    return False
                steps = found
            case Allocate(buffer):
                if buffer.shape != ():
                    return False
            case Store():
                pass
            case Let():  # one that is read behind a loop would have to be kept, too
                if any(isinstance(other, For) for other in body[body.index(each) :]):
                    return False
            case _:
                return False
    return not isinstance(steps, int) or steps >= ROWS


def _steps(loop: For) -> Dim | None:
    """The iterations of loops around stores; None where there is something else."""
    if loop.kind != "serial":
        return None
    match loop.body:
        case (For() as inner,):
            found = _steps(inner)
            return None if found is None else multiply(loop.extent, found)
        case body:
            return loop.extent if all(isinstance(each, Let | Store) for each in body) else None


def column_by_column(loop: For) -> Statement:
    """The loop with the vector loops around loops over rows put inside of those.

    Args:
        loop: a vector loop around what `walks_rows`, or loops around such; one of an unknown size stays outside.
    """

    def inside(each: Statement) -> Sequence[Statement]:
        if isinstance(each, For) and each.kind == "vector" and isinstance(each.extent, int):
            return _Columns(each).statements(each.body)
        return [each]

    changed = rewrite_blocks((loop,), inside)
    return changed[0] if len(changed) == 1 else For(Axis(f"{loop.axis.name}c"), 1, "parallel", changed)


class _Columns:
    """A vector loop that is distributed over what it does."""

    def __init__(self, loop: For) -> None:
        self.loop = loop
        self.held: dict[str, Buffer] = {}
        self.count = 0

    def statements(self, body: Sequence[Statement]) -> list[Statement]:
        made: list[Statement] = []
        run: list[Statement] = []
        for each in body:
            if isinstance(each, For | Allocate):
                made += self._vector(run)
                run = []
            match each:
                case For():
                    made.append(replace(each, body=tuple(self.statements(each.body))))
                case Allocate(buffer):
                    self.held[buffer.name] = replace(buffer, shape=(self.loop.extent,))
                    made.append(Allocate(self.held[buffer.name]))
                case _:
                    run.append(each)
        return made + self._vector(run)

    def _vector(self, run: Sequence[Statement]) -> list[Statement]:
        """What every column does without a loop."""
        if not run:
            return []
        axis = Axis(f"{self.loop.axis.name}v{self.count}")
        self.count += 1

        def read(load: Load) -> Scalar | None:
            return Load(self.held[load.buffer.name], (axis,), load.mask) if load.buffer.name in self.held else None

        moved = [substitute(each, {self.loop.axis.name: axis}, read) for each in run]
        written = tuple(
            replace(each, buffer=self.held[each.buffer.name], indices=(axis,))
            if isinstance(each, Store) and each.buffer.name in self.held
            else each
            for each in moved
        )
        return [replace(self.loop, axis=axis, body=written)]
