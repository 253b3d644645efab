"""Products."""

from __future__ import annotations

import numpy as np

from tests.frontends.torch.aten.call import Draws, Example


def examples() -> list[Example]:
    """Ranks, broadcasting, factors, whole numbers, nothing at all."""
    r = Draws(7)
    found: list[Example] = []

    def add(name: str, *items: object, **named: object) -> None:
        found.append(Example(f"aten.{name}.default", list(items), named))

    add("mm", r(3, 4), r(4, 5))
    add("mm", r.whole(-5, 5, 3, 4), r.whole(-5, 5, 4, 5))
    add("mm", r(3, 0), r(0, 5))
    add("bmm", r(2, 3, 4), r(2, 4, 5))
    for x, y in (
        (r(3), r(3)),
        (r(2, 3, 4), r(4)),
        (r(4), r(2, 4, 5)),
        (r(2, 1, 3, 4), r(5, 4, 2)),
        (r(7, 3, 4), r(4, 2)),
    ):
        add("matmul", x, y)
        add("linalg_matmul", x, y)
    add("mv", r(3, 4), r(4))
    add("dot", r(4), r(4))
    add("vdot", r(4), r(4))
    add("linear", r(2, 3, 4), r(5, 4), r(5))
    add("linear", r(4), r(5, 4), None)
    add("addmm", r(5), r(3, 4), r(4, 5), beta=0.5, alpha=2)
    add("addmm", r(3, 5) * np.float32(np.nan), r(3, 4), r(4, 5), beta=0)
    add("baddbmm", r(2, 3, 5), r(2, 3, 4), r(2, 4, 5))
    add("addbmm", r(3, 5), r(2, 3, 4), r(2, 4, 5), beta=2, alpha=3)
    add("addmv", r(3), r(3, 4), r(4))
    add("outer", r(3), r(4))
    add("ger", r(3), r(4))
    add("addr", r(3, 4), r(3), r(4))
    add("inner", r(2, 3, 4), r(5, 4))
    add("inner", r(), r(5, 4))
    add("tensordot", r(2, 3, 4), r(4, 3, 5), [1, 2], [1, 0])
    add("einsum", "bij,bjk->bik", [r(2, 3, 4), r(2, 4, 5)])
    add("einsum", "ij , jk", [r(3, 4), r(4, 5)])
    add("linalg_multi_dot", [r(2, 3), r(3, 4), r(4, 5)])
    add("chain_matmul", [r(2, 3), r(3, 4), r(4, 5)])
    add("bilinear", r(2, 7, 3), r(2, 7, 4), r(5, 3, 4), r(5))
    return found
