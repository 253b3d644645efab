"""What had to be assumed of sizes: type rules report it, builders put it into the graph, the entry checks it.

Two sizes of which equality cannot be told before the model runs are taken to be equal (`n` and `m` of two operands
of an addition). Whoever builds a graph gathers these assumptions:

    with collecting() as assumed:
        ...                                      # operators are applied
    Graph(..., constraints=tuple(assumed))
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from xir.errors import InvalidModelError, UsageError
from xir.ir.dims import Dim, Symbol, equal, evaluate

UNMET = 202
"""The number of the error where sizes are fed of which something else was assumed when the graph was built."""


@dataclass(frozen=True, slots=True, repr=False)
class Constraint:
    """Something that had to be assumed of sizes (`left == right`), checked when the graph is entered."""

    left: Dim
    right: Dim
    reason: str

    def __repr__(self) -> str:
        """`n == 2*m (add)`."""
        return f"{self.left!r} == {self.right!r} ({self.reason})"


Assumptions = dict[tuple[Dim, Dim], Constraint]
_collector: ContextVar[Assumptions | None] = ContextVar("xir_constraints", default=None)
_place: ContextVar[str] = ContextVar("xir_constraint_place", default="")


class Collected:
    """The assumptions that were made inside `collecting`, each pair of sizes once, in order; iterate to read them."""

    __slots__ = ("_held",)

    def __init__(self, held: Assumptions) -> None:
        """Wraps the table that the collector fills."""
        self._held = held

    def __iter__(self) -> Generator[Constraint]:
        """The constraints in the order in which they were first assumed."""
        yield from self._held.values()

    def __len__(self) -> int:
        """How many there are."""
        return len(self._held)


@contextmanager
def collecting(known: Iterable[Constraint] = ()) -> Generator[Collected]:
    """Gathers what is assumed inside, after the `known` constraints; an inner `collecting` has its own list."""
    held: Assumptions = {(constraint.left, constraint.right): constraint for constraint in known}
    token = _collector.set(held)
    try:
        yield Collected(held)
    finally:
        _collector.reset(token)


@contextmanager
def placed(place: str) -> Generator[None]:
    """Assumptions made inside say that they were made at `place` (an operator, with its layer where it has one)."""
    token = _place.set(place)
    try:
        yield
    finally:
        _place.reset(token)


def is_collecting() -> bool:
    """Whether anybody gathers assumptions now."""
    return _collector.get() is not None


def assume_equal(left: Dim, right: Dim, reason: str) -> bool:
    """Whether two sizes can be equal; when that cannot be told, it is assumed, and recorded with the `reason`."""
    same = equal(left, right)
    held = _collector.get()
    if same is None and held is not None and (left, right) not in held and (right, left) not in held:
        place = _place.get()
        held[left, right] = Constraint(left, right, f"{place}: {reason}" if place else reason)
    return same is not False


def substituted(constraints: Iterable[Constraint], sizes: Mapping[Symbol, Dim]) -> tuple[Constraint, ...]:
    """The constraints that are still open when symbols have the given sizes.

    Raises:
        InvalidModelError: if one cannot hold.
    """
    kept: list[Constraint] = []
    for constraint in constraints:
        left, right = evaluate(constraint.left, sizes), evaluate(constraint.right, sizes)
        same = equal(left, right)
        if same is False:
            raise InvalidModelError(f"the model needs {constraint!r}; here {left!r} is not {right!r}")
        if same is None:
            kept.append(Constraint(left, right, constraint.reason))
    return tuple(kept)


def check_constraints(constraints: Iterable[Constraint], sizes: Mapping[Symbol, Dim]) -> None:
    """Checks sizes at the entry of a graph: the range and divisor of each symbol, then every constraint.

    Symbols without a size are left open: they are learned while the graph runs.

    Raises:
        UsageError: if the sizes contradict what the model says or assumes.
    """
    for symbol, size in sizes.items():
        if isinstance(size, int):
            check_symbol(symbol, size)
    try:
        substituted(constraints, sizes)
    except InvalidModelError as error:
        raise UsageError(error.message, number=UNMET, hint="feed arrays of shapes that agree") from None


def check_symbol(symbol: Symbol, size: int) -> None:
    """Checks that a symbol may have the size.

    Raises:
        UsageError: if the size is out of the symbol's range, or its divisor does not divide it.
    """
    above = symbol.maximum is not None and size > symbol.maximum
    if size < symbol.minimum or above or size % symbol.divisor:
        most = "any" if symbol.maximum is None else symbol.maximum
        raise UsageError(
            f"size {symbol!r} cannot be {size}: it lies in [{symbol.minimum}, {most}] and {symbol.divisor} divides it"
        )
