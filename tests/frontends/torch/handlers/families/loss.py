"""Losses and distances."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.frontends.torch.handlers.call import Array, Draws, Example, call, fixed


def _softmax(x: Array) -> Array:
    powers = np.exp(x - x.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def _calls() -> Iterator[Example]:
    """Each loss with each reduction, weights and settings."""
    r = Draws(4)
    x, y, z, p, q = r(4, 5), r(4, 5), r(4, 5), r.share(4, 5), r.share(4, 5)
    signs = (r.whole(0, 2, 4, 5) * 2 - 1).astype(np.float32)
    labels = r.whole(0, 5, 4)
    labels[1] = -100
    plane, deep = r(2, 5, 3, 4), r.whole(0, 5, 2, 3, 4)
    for reduction in (0, 1, 2):
        for name in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"):
            yield call(f"{name}", x, y, reduction)
        yield call("smooth_l1_loss", x, y, reduction, 0.3)
        yield call("smooth_l1_loss", x, y, reduction, 0.0)
        yield call("huber_loss", x, y, reduction, 0.3)
        yield call("binary_cross_entropy", p, q, None, reduction)
        yield call("binary_cross_entropy", p, q, r.share(5), reduction)
        yield call("binary_cross_entropy_with_logits", x * 5, q, None, None, reduction)
        yield call("binary_cross_entropy_with_logits", x, q, r.share(5), r.share(5), reduction)
        yield call("kl_div", np.log(p), q * (q > 0.5), reduction)
        yield call("kl_div", np.log(p), np.log(q), reduction, log_target=True)
        yield call("soft_margin_loss", x, signs, reduction)
        yield call("hinge_embedding_loss", x, signs, 0.5, reduction)
        yield call("margin_ranking_loss", x, y, signs, 0.5, reduction)
        yield call("poisson_nll_loss", x, q * 5, True, True, 1e-8, reduction)
        yield call("poisson_nll_loss", p, q * 5, False, False, 1e-8, reduction)
        yield call("cosine_embedding_loss", x, y, signs[:, 0], 0.1, reduction)
        yield call("triplet_margin_loss", x, y, z, 1.0, 2.0, 1e-6, False, reduction)
        yield call("triplet_margin_loss", x, y, z, 1.0, 1.0, 1e-6, True, reduction)
        yield call("mse_loss_backward", y if reduction == 0 else r(), x, y, reduction)
        for weight in (None, r.share(5)):
            yield call("nll_loss", x, labels, weight, reduction)
            yield call("nll_loss_nd", x, labels, weight, reduction)
            yield call("nll_loss_nd", plane, deep, weight, reduction, 2)
            yield call("nll_loss2d", plane, deep, weight, reduction, 2)
            yield call("nll_loss_forward", x, labels, weight, reduction, -100)
            yield call("nll_loss2d_forward", plane, deep, weight, reduction, 2)
            yield call("cross_entropy_loss", x, labels, weight, reduction)
            yield fixed("cross_entropy_loss", x, labels, weight, reduction, -100, 0.1)
            yield call("cross_entropy_loss", x, _softmax(y), weight, reduction)
            yield fixed("cross_entropy_loss", x, _softmax(y), weight, reduction, -100, 0.2)
            yield call("cross_entropy_loss", x[0], np.asarray(3), weight, reduction)
            yield fixed("cross_entropy_loss", plane[..., 0], deep[..., 0], weight, reduction, 1, 0.1)
            counted = np.float32(3) if weight is None else weight[labels[[0, 2, 3]]].sum()
            dy = r(4) if reduction == 0 else r()
            yield call("nll_loss_backward", dy, x, labels, weight, reduction, -100, np.asarray(counted))
            if reduction != 1:
                dy = r(2, 3, 4) if reduction == 0 else r()
                yield call("nll_loss2d_backward", dy, plane, deep, weight, reduction, 2, np.asarray(np.float32(0)))
    yield from _distances(r, x, y, p)


def _distances(r: Draws, x: Array, y: Array, p: Array) -> Iterator[Example]:
    for norm in (2.0, 1.0, 0.0, float("inf"), 3.0):
        yield call("_cdist_forward", r(2, 3, 4), r(2, 5, 4), norm, None)
        yield fixed("_pdist_forward", r(5, 4), norm)
        yield call("pairwise_distance", x, y, norm)
    yield call("cdist", r(3, 4), r(5, 4))
    yield fixed("pdist", r(4, 3))
    yield call("cosine_similarity", x, y)
    yield call("cosine_similarity", r(2, 3, 4), r(3, 4), -1)
    yield call("native_dropout_backward", x, p > 0.5, 2.0)


CALLS = tuple(_calls())
