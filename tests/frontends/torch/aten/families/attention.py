"""Attention."""

from __future__ import annotations

from tests.frontends.torch.aten.call import Draws, Example


def examples() -> list[Example]:
    """Masks of each kind, ranks, scales, shared heads."""
    r = Draws(2)
    q, k, v = r(2, 4, 5, 8), r(2, 4, 6, 8), r(2, 4, 6, 7)
    shown = r.share(5, 6) > 0.3
    shown[:, 0] = True
    found: list[Example] = []
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
        found.append(Example("aten.scaled_dot_product_attention.default", items))
        found.append(Example("aten.scaled_dot_product_attention.default", items, {"scale": 0.3}))
    w = r(2, 4, 6, 8)
    return [
        *found,
        Example("aten.scaled_dot_product_attention.default", [q, k[:, :2], v[:, :2]], {"enable_gqa": True}),
        Example("aten._scaled_dot_product_attention_math.default", [q, k, v, r(5, 6)]),
        Example("aten._scaled_dot_product_flash_attention_for_cpu.default", [q, k, w]),
        Example("aten._scaled_dot_product_flash_attention_for_cpu.default", [q, k, w, 0.0, True]),
    ]
