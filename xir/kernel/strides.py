"""By how many elements the places that a kernel touches move with a loop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from xir.ir.dims import Dim, multiply, subtract
from xir.kernel.grammar import Accumulate, Apply, Axis, Const, For, Load, Scalar, Statement, Store
from xir.kernel.walk import loads, scalars, statements


def unit_steps(body: Sequence[Statement], axis: str) -> int | None:
    """How many loads and stores move to the neighbour with the axis; None where one moves elsewhere."""
    steps = 0
    for indices in accesses(body):
        step = step_of(indices, axis)
        if step is None or step not in (0, 1):
            return None
        steps += step == 1
    return steps


TINY, LONG = 4, 7
"""Neighbours that leave most lanes of a vector empty, and those that fill at least twice as many."""

NEAR = 2
"""Elements from one to the next that lanes gather."""


def in_order(body: Sequence[Statement], axis: str) -> bool:
    """Whether lanes along the axis find what they read side by side, or in part every other element."""
    steps = [step_of(indices, axis) for indices in accesses(body)]
    return 1 in steps and all(isinstance(step, int) and 0 <= step <= NEAR for step in steps)


def goes_along(loop: For, reduced: Sequence[For], body: Sequence[Statement]) -> bool:
    """Whether a long loop that reduces fills vectors and a loop over few results does not; nothing else is read.

    Args:
        loop: the loop over results.
        reduced: loops that reduce.
        body: what is inside of all.
    """
    if loop.extent not in range(TINY + 1):
        return False
    along = [each.axis.name for each in reduced if each.extent not in range(LONG)]
    read = [load for load in loads(body) if load.buffer.space == "global"]
    return any(in_order(body, name) and all(step_of(load.indices, name) != 0 for load in read) for name in along)


def accesses(body: Sequence[Statement]) -> Iterator[Sequence[Scalar]]:
    """The indices of every load from and store to a buffer of more than one element."""
    for load in loads(body):
        if load.indices:
            yield load.indices
    for each in statements(body):
        if isinstance(each, Store | Accumulate) and each.indices:
            yield each.indices


def step_of(indices: Sequence[Scalar], axis: str) -> Dim | None:
    """By how many elements a flat index moves with an axis; None where it jumps."""
    total: Dim = 0
    for index in indices:
        step = _step(index, axis)
        if step is None:
            return None
        total = total + step
    return total


def _step(index: Scalar, axis: str) -> Dim | None:
    match index:
        case Axis(name):
            return 1 if name == axis else 0
        case Apply("add" | "sub" as word, (left, right)):
            a, b = _step(left, axis), _step(right, axis)
            return None if a is None or b is None else (a + b if word == "add" else subtract(a, b))
        case Apply("mul", (left, Const(value, _))) if not isinstance(value, float):
            a = _step(left, axis)
            return None if a is None else multiply(a, value)
        case _:
            return None if any(isinstance(part, Axis) and part.name == axis for part in scalars([index])) else 0


def turned_loads(store: Store, along: str, across: str) -> tuple[Load, ...]:
    """The loads that go through memory by rows along a loop, if all others go or stay with another; else none.

    Args:
        store: what is stored at neighbours along the first loop.
        along: the loop along which the store goes to the neighbour.
        across: the loop along which these loads go to the neighbour.
    """
    if step_of(store.indices, along) != 1:
        return ()
    found: dict[Load, None] = {}
    for load in loads([store]):
        step = step_of(load.indices, along)
        if step is None or (step not in (0, 1) and (step_of(load.indices, across) != 1 or load.dtype.bits != 32)):
            return ()
        if step not in (0, 1):
            found[load] = None
    return tuple(found)
