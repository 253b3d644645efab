"""The one broadcasting rule."""

from __future__ import annotations

import pytest

from xir.errors import InvalidModelError
from xir.ir.broadcasting import join, needs_broadcast
from xir.ir.dims import Shape, Symbol, maximum

N, M = Symbol("n"), Symbol("m")
LAST = N - maximum(0, N - 1)
"""The size of `x[-1:]`."""


@pytest.mark.parametrize(
    ("shapes", "want"),
    [
        ([(2, 3), (3,)], (2, 3)),
        ([(2, 1), (1, 3), ()], (2, 3)),
        ([(N, 1), (1, 3)], (N, 3)),
        ([(N,), (3,)], (3,)),
        ([(3,), (N,)], (3,)),
        ([(N,), (M,)], (N,)),
        ([(N,), (LAST,)], (N,)),
        ([(LAST,), (N,)], (N,)),
        ([(LAST,), (M,)], (LAST,)),
        ([], ()),
        ([(0,), (1,)], (0,)),
    ],
)
def test_join(shapes: list[Shape], want: Shape) -> None:
    assert join(shapes) == want


def test_sizes_that_differ() -> None:
    with pytest.raises(InvalidModelError, match=r"\[2\] and \[3\] do not broadcast"):
        join([(2,), (3,)])


@pytest.mark.parametrize(
    ("have", "want", "needed"),
    [
        ((2, 3), (2, 3), False),
        ((3,), (2, 3), True),
        ((1, 3), (2, 3), True),
        ((N,), (3,), True),
        ((N,), (M,), False),
        ((LAST,), (N,), True),
        ((LAST,), (M,), False),
        ((1,), (N,), True),
    ],
)
def test_needs_broadcast(have: Shape, want: Shape, needed: bool) -> None:
    assert needs_broadcast(have, want) is needed
