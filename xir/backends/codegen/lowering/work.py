"""How long kernels take, roughly: enough to see what is not worth waking anybody for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from xir.ir.dims import Dim, ceil_divide, multiply
from xir.kernel.grammar import For, If, Kernel, Statement
from xir.kernel.walk import scalars
from xir.runtime.program import SMALL, Work


def work(kernels: Iterable[Kernel], lanes: int) -> Work | None:
    """The scalars that kernels compute, or vectors of them; None where these are `SMALL` or more, whatever the sizes.

    Args:
        kernels: kernels whose loops are scheduled.
        lanes: elements of a vector register.
    """
    found: dict[Dim, int] = {}
    for kernel in kernels:
        pending: list[tuple[Statement, int, Dim]] = [(statement, 1, 1) for statement in kernel.body]
        while pending:
            statement, times, sizes = pending.pop()
            match statement:
                case For(_, extent, kind, inner):
                    rounds = _rounds(extent, lanes if kind == "vector" else 1)
                    if isinstance(rounds, int):
                        times *= rounds
                    else:
                        sizes = multiply(sizes, rounds)
                    pending += [(each, times, sizes) for each in inner]
                    continue
                case If(condition, then, otherwise):
                    count = sum(1 for _ in scalars([condition]))
                    pending += [(each, times, sizes) for each in max(then, otherwise, key=_length)]
                case _:
                    count = 1 + sum(1 for _ in scalars([statement]))
            found[sizes] = found.get(sizes, 0) + times * count
        if found.get(1, 0) >= SMALL:
            return None
    return tuple((times, sizes) for sizes, times in found.items())


def _length(body: Sequence[Statement]) -> int:
    return sum(1 for _ in scalars(body))


def _rounds(extent: Dim, lanes: int) -> Dim:
    """The iterations of a loop, those of lanes counted once."""
    return extent // lanes + extent % lanes if isinstance(extent, int) else ceil_divide(extent, lanes)
