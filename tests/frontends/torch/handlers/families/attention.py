"""Attention."""

from __future__ import annotations

from collections.abc import Iterator

from tests.frontends.torch.handlers.call import Draws, Example, call


def _calls() -> Iterator[Example]:
    """Masks of each kind, ranks, scales, shared heads."""
    r = Draws(2)
    q, k, v = r(2, 4, 5, 8), r(2, 4, 6, 8), r(2, 4, 6, 7)
    shown = r.share(5, 6) > 0.3
    shown[:, 0] = True
    for items in (
        [q, k, v],
        [q, k, v, r(5, 6)],
        [q, k, v, shown],
        [q, k, v, r(2, 1, 5, 6)],
        [q, k, v, None, 0.0, True],
        [q[0], k[0], v[0]],
        [q[0, 0], k[0, 0], v[0, 0], r(5, 6)],
        [q[:1], k, v],
        [q, k, v, shown[:, :1]],
    ):
        yield call("scaled_dot_product_attention", *items)
        yield call("scaled_dot_product_attention", *items, scale=0.3)
    w = r(2, 4, 6, 8)
    yield call("scaled_dot_product_attention", q, k[:, :2], v[:, :2], enable_gqa=True)
    yield call("_scaled_dot_product_attention_math", q, k, v, r(5, 6))
    yield call("_scaled_dot_product_flash_attention_for_cpu", q, k, w)
    yield call("_scaled_dot_product_flash_attention_for_cpu", q, k, w, 0.0, True)


CALLS = tuple(_calls())
