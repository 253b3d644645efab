"""How long kernels take, roughly: enough to see what is not worth waking anybody for."""

from __future__ import annotations

from collections.abc import Iterable

from xir.ir.dims import Dim
from xir.kernel.grammar import For, If, Kernel, Statement
from xir.kernel.walk import scalars

SMALL = 20_000
"""Nanoseconds of work that one worker does alone: waking another takes about ten microseconds, if it sleeps."""
STEP = 0.4
"""Nanoseconds of one scalar of a kernel, or of a vector of them: about one instruction at 2.5 GHz."""


def is_small(kernels: Iterable[Kernel], lanes: int) -> bool:
    """Whether kernels take less than `SMALL` together; those of symbolic sizes may take any time.

    Args:
        kernels: kernels whose loops are scheduled.
        lanes: elements of a vector register.
    """
    total = 0.0
    for kernel in kernels:
        steps = _steps(kernel.body, lanes)
        if steps is None:
            return False
        total += steps * STEP
        if total >= SMALL:
            return False
    return True


def _steps(body: Iterable[Statement], lanes: int) -> float | None:
    total, pending = 0.0, [(statement, 1.0) for statement in body]
    while pending:
        statement, times = pending.pop()
        match statement:
            case For(_, extent, kind, inner):
                rounds = _rounds(extent, lanes if kind == "vector" else 1)
                if rounds is None:
                    return None
                pending += [(each, times * rounds) for each in inner]
            case If(condition, then, otherwise):
                total += times * sum(1 for _ in scalars([condition]))
                pending += [(each, times) for each in (*then, *otherwise)]
            case _:
                total += times * (1 + sum(1 for _ in scalars([statement])))
    return total


def _rounds(extent: Dim, lanes: int) -> int | None:
    """The iterations of a loop, those of lanes counted once."""
    return extent // lanes + extent % lanes if isinstance(extent, int) else None
