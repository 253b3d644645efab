"""Products."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.frontends.torch.handlers.call import Draws, Example, call


def _calls() -> Iterator[Example]:
    """Ranks, broadcasting, factors, whole numbers, nothing at all."""
    r = Draws(7)
    yield call("mm", r(3, 4), r(4, 5))
    yield call("mm", r.whole(-5, 5, 3, 4), r.whole(-5, 5, 4, 5))
    yield call("mm", r(3, 0), r(0, 5))
    yield call("bmm", r(2, 3, 4), r(2, 4, 5))
    for x, y in (
        (r(3), r(3)),
        (r(2, 3, 4), r(4)),
        (r(4), r(2, 4, 5)),
        (r(2, 1, 3, 4), r(5, 4, 2)),
        (r(7, 3, 4), r(4, 2)),
    ):
        yield call("matmul", x, y)
        yield call("linalg_matmul", x, y)
    yield call("mv", r(3, 4), r(4))
    yield call("dot", r(4), r(4))
    yield call("vdot", r(4), r(4))
    yield call("linear", r(2, 3, 4), r(5, 4), r(5))
    yield call("linear", r(4), r(5, 4), None)
    yield call("addmm", r(5), r(3, 4), r(4, 5), beta=0.5, alpha=2)
    yield call("addmm", r(3, 5) * np.float32(np.nan), r(3, 4), r(4, 5), beta=0)
    yield call("baddbmm", r(2, 3, 5), r(2, 3, 4), r(2, 4, 5))
    yield call("addbmm", r(3, 5), r(2, 3, 4), r(2, 4, 5), beta=2, alpha=3)
    yield call("addmv", r(3), r(3, 4), r(4))
    yield call("outer", r(3), r(4))
    yield call("ger", r(3), r(4))
    yield call("addr", r(3, 4), r(3), r(4))
    yield call("inner", r(2, 3, 4), r(5, 4))
    yield call("inner", r(), r(5, 4))
    yield call("tensordot", r(2, 3, 4), r(4, 3, 5), [1, 2], [1, 0])
    yield call("einsum", "bij,bjk->bik", [r(2, 3, 4), r(2, 4, 5)])
    yield call("einsum", "ij , jk", [r(3, 4), r(4, 5)])
    yield call("linalg_multi_dot", [r(2, 3), r(3, 4), r(4, 5)])
    yield call("chain_matmul", [r(2, 3), r(3, 4), r(4, 5)])
    yield call("bilinear", r(2, 7, 3), r(2, 7, 4), r(5, 3, 4), r(5))


CALLS = tuple(_calls())
