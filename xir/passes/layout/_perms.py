"""Permutations of axes: axis i of `transpose(x, p)` is axis p[i] of x, so p is how x is stored then."""

from __future__ import annotations

from collections.abc import Iterable

from xir.ir.dims import Shape

Perm = tuple[int, ...]


def identity(rank: int) -> Perm:
    """The axes in their order."""
    return tuple(range(rank))


def compose(p: Perm, q: Perm) -> Perm:
    """The one transpose that does what one by `p` and then one by `q` do."""
    return tuple(p[axis] for axis in q)


def inverse(p: Perm) -> Perm:
    """The transpose that undoes one by `p`."""
    back = [0] * len(p)
    for place, axis in enumerate(p):
        back[axis] = place
    return tuple(back)


def between(held: Perm, wanted: Perm) -> Perm:
    """The transpose that makes what is stored as `held` stored as `wanted`."""
    return compose(inverse(held), wanted)


def only(p: Perm, axes: Iterable[int]) -> Perm:
    """What is left of a permutation when all axes but `axes` are gone."""
    kept = sorted(axes)
    number = {axis: place for place, axis in enumerate(kept)}
    return tuple(number[axis] for axis in p if axis in number)


def moves_nothing(p: Perm, shape: Shape) -> bool:
    """Whether a transpose of a tensor of `shape` leaves its elements in their order, so that a reshape does it.

    Formats tell at most one size of a reshape by the number of elements, so one symbolic size is enough.
    """
    long = [axis for axis in p if shape[axis] != 1]
    return long == sorted(long) and sum(not isinstance(size, int) for size in shape) < 2
