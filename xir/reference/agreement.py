"""Sizes for made-up inputs that meet what a graph assumes of its sizes, found by trying."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from xir.ir.constraints import Constraint
from xir.ir.dims import Dim, Symbol, equal, evaluate, symbols_of

_MOST = 64
"""Assumptions that are looked at, and the largest size that one symbol alone is tried with beyond its own."""

_LARGEST = 1024
"""The largest size that several symbols are tried with."""

Sizes = Mapping[Symbol, Dim]


def agreeing(constraints: Sequence[Constraint], sizes: Sizes) -> dict[Symbol, Dim]:
    """The sizes, changed until the constraints hold, as far as a short search finds a way.

    Powers of two come first, for all sizes of a constraint together: they agree wherever halves are joined with what
    they were halved from, as in every net that scales pictures down and up again. Then each size is tried alone.

    Args:
        constraints: what the graph assumes.
        sizes: a size for each symbol of its inputs.
    """
    found = dict(sizes)
    readers: dict[Symbol, list[Constraint]] = {}
    for constraint in constraints:
        for symbol in _symbols(constraint):
            readers.setdefault(symbol, []).append(constraint)
    for constraint in constraints[:_MOST]:
        if _holds(constraint, found):
            continue
        mine = [symbol for symbol in _symbols(constraint) if symbol in found]
        near = list(dict.fromkeys(each for symbol in mine for each in readers[symbol][:_MOST]))
        found = _better(near, mine, found)
    return found


def _better(near: Sequence[Constraint], symbols: Sequence[Symbol], sizes: dict[Symbol, Dim]) -> dict[Symbol, Dim]:
    """The first sizes with which fewest of the constraints `near` are broken."""
    best, least = sizes, _broken(near, sizes)
    for trial in _trials(symbols, sizes):
        broken = _broken(near, trial)
        if broken < least:
            best, least = trial, broken
        if not least:
            break
    return best


def _trials(symbols: Sequence[Symbol], sizes: dict[Symbol, Dim]) -> Iterator[dict[Symbol, Dim]]:
    start = max((size for symbol in symbols if isinstance(size := sizes[symbol], int)), default=1)
    power = 1 << max(start - 1, 0).bit_length()
    while power <= _LARGEST:
        if all(_takes(symbol, power) for symbol in symbols):
            yield {**sizes, **dict.fromkeys(symbols, power)}
        power *= 2
    for symbol in symbols:
        now = sizes[symbol]
        if isinstance(now, int):
            more = (now + step for step in range(1, _MOST + 1))
            yield from ({**sizes, symbol: size} for size in more if _takes(symbol, size))


def _takes(symbol: Symbol, size: int) -> bool:
    above = symbol.maximum is not None and size > symbol.maximum
    return not above and size >= symbol.minimum and size % symbol.divisor == 0


def _symbols(constraint: Constraint) -> tuple[Symbol, ...]:
    return tuple(dict.fromkeys((*symbols_of(constraint.left), *symbols_of(constraint.right))))


def _broken(constraints: Iterable[Constraint], sizes: Sizes) -> int:
    return sum(not _holds(constraint, sizes) for constraint in constraints)


def _holds(constraint: Constraint, sizes: Sizes) -> bool:
    """Whether a constraint holds, or cannot be told."""
    return equal(evaluate(constraint.left, sizes), evaluate(constraint.right, sizes)) is not False
