"""Losses and distances."""

from __future__ import annotations

import numpy as np

from tests.frontends.torch.aten.call import Array, Draws, Example


def _softmax(x: Array) -> Array:
    powers = np.exp(x - x.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def examples() -> list[Example]:
    """Each loss with each reduction, weights and settings."""
    r = Draws(4)
    x, y, z, p, q = r(4, 5), r(4, 5), r(4, 5), r.share(4, 5), r.share(4, 5)
    signs = (r.whole(0, 2, 4, 5) * 2 - 1).astype(np.float32)
    labels = r.whole(0, 5, 4)
    labels[1] = -100
    plane, deep = r(2, 5, 3, 4), r.whole(0, 5, 2, 3, 4)
    found: list[Example] = []

    def add(name: str, *items: object, **named: object) -> None:
        found.append(Example(f"aten.{name}", list(items), named))

    for reduction in (0, 1, 2):
        for name in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"):
            add(f"{name}.default", x, y, reduction)
        add("smooth_l1_loss.default", x, y, reduction, 0.3)
        add("smooth_l1_loss.default", x, y, reduction, 0.0)
        add("huber_loss.default", x, y, reduction, 0.3)
        add("binary_cross_entropy.default", p, q, None, reduction)
        add("binary_cross_entropy.default", p, q, r.share(5), reduction)
        add("binary_cross_entropy_with_logits.default", x * 5, q, None, None, reduction)
        add("binary_cross_entropy_with_logits.default", x, q, r.share(5), r.share(5), reduction)
        add("kl_div.default", np.log(p), q * (q > 0.5), reduction)
        add("kl_div.default", np.log(p), np.log(q), reduction, log_target=True)
        add("soft_margin_loss.default", x, signs, reduction)
        add("hinge_embedding_loss.default", x, signs, 0.5, reduction)
        add("margin_ranking_loss.default", x, y, signs, 0.5, reduction)
        add("poisson_nll_loss.default", x, q * 5, True, True, 1e-8, reduction)
        add("poisson_nll_loss.default", p, q * 5, False, False, 1e-8, reduction)
        add("cosine_embedding_loss.default", x, y, signs[:, 0], 0.1, reduction)
        add("triplet_margin_loss.default", x, y, z, 1.0, 2.0, 1e-6, False, reduction)
        add("triplet_margin_loss.default", x, y, z, 1.0, 1.0, 1e-6, True, reduction)
        add("mse_loss_backward.default", y if reduction == 0 else r(), x, y, reduction)
        for weight in (None, r.share(5)):
            add("nll_loss.default", x, labels, weight, reduction)
            add("nll_loss_nd.default", x, labels, weight, reduction)
            add("nll_loss_nd.default", plane, deep, weight, reduction, 2)
            add("nll_loss2d.default", plane, deep, weight, reduction, 2)
            add("nll_loss_forward.default", x, labels, weight, reduction, -100)
            add("nll_loss2d_forward.default", plane, deep, weight, reduction, 2)
            add("cross_entropy_loss.default", x, labels, weight, reduction)
            add("cross_entropy_loss.default", x, labels, weight, reduction, -100, 0.1)
            add("cross_entropy_loss.default", x, _softmax(y), weight, reduction)
            add("cross_entropy_loss.default", x, _softmax(y), weight, reduction, -100, 0.2)
            add("cross_entropy_loss.default", x[0], np.asarray(3), weight, reduction)
            add("cross_entropy_loss.default", plane[..., 0], deep[..., 0], weight, reduction, 1, 0.1)
            counted = np.float32(3) if weight is None else weight[labels[[0, 2, 3]]].sum()
            dy = r(4) if reduction == 0 else r()
            add("nll_loss_backward.default", dy, x, labels, weight, reduction, -100, np.asarray(counted))
            if reduction != 1:
                dy = r(2, 3, 4) if reduction == 0 else r()
                add("nll_loss2d_backward.default", dy, plane, deep, weight, reduction, 2, np.asarray(np.float32(0)))
    return [*found, *_distances(r, x, y, p)]


def _distances(r: Draws, x: Array, y: Array, p: Array) -> list[Example]:
    found: list[Example] = []

    def add(name: str, *items: object) -> None:
        found.append(Example(f"aten.{name}", list(items)))

    for norm in (2.0, 1.0, 0.0, float("inf"), 3.0):
        add("_cdist_forward.default", r(2, 3, 4), r(2, 5, 4), norm, None)
        add("_pdist_forward.default", r(5, 4), norm)
        add("pairwise_distance.default", x, y, norm)
    add("cdist.default", r(3, 4), r(5, 4))
    add("pdist.default", r(4, 3))
    add("cosine_similarity.default", x, y)
    add("cosine_similarity.default", r(2, 3, 4), r(3, 4), -1)
    add("native_dropout_backward.default", x, p > 0.5, 2.0)
    return found
