"""What TensorFlow leaves open in the corpus: the order of the largest elements, the signs of singular vectors.

A case of such an operator is equal where one of the choices that are open to it gives the stored numbers; each is
made once for all results that depend on it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

Results = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Freedom:
    """`needs`: further results of the graph; `chosen`: (results, output, stored) -> the output so chosen."""

    needs: tuple[str, ...]
    chosen: Callable[[Results, np.ndarray, np.ndarray], np.ndarray]


def _ordered(results: Results, got: np.ndarray, stored: np.ndarray) -> np.ndarray:
    """Values [..., k] and behind them, along the first axis, their places, in the order of the stored places.

    `sorted=false` asks for no order; TensorFlow's own on a CPU is that of the heap of the C++ library that it is built
    with (tensorflow/core/lib/gtl/top_n.h, unsorted_begin).
    """
    values, places = np.split(got, 2)
    rank = np.argsort(np.argsort(np.split(stored, 2)[1], -1), -1)
    take = np.take_along_axis(np.argsort(places, -1), rank, -1)
    return np.concatenate([np.take_along_axis(each, take, -1) for each in (values, places)])


def _signed(results: Results, got: np.ndarray, stored: np.ndarray) -> np.ndarray:
    """The sum of singular values and vectors, with the signs of the stored one: one for each pair of vectors.

    The vectors must be such that u * s * v^T is the matrix, which does not depend on the signs.
    """
    matrix, s, u, v = (results[name].astype(np.float64) for name in SINGULAR)
    np.testing.assert_allclose(u * s[..., None, :] @ np.swapaxes(v, -1, -2), matrix, 1e-4, 1e-4)
    pairs = u + v
    rest = got - pairs
    signs = np.where((pairs * (stored - rest)).sum(-2, keepdims=True) < 0, -1, 1)
    return rest + signs * pairs


SINGULAR = ("in_0/read", "Svd", "Svd:1", "Svd:2")

_ORDER, _SIGNS = Freedom((), _ordered), Freedom(SINGULAR, _signed)

FREEDOMS: Mapping[str, Freedom] = {
    "topk/rank1_k5": _ORDER,
    "topk/rank2_k5": _ORDER,
    "topk/rank3_k3": _ORDER,
    "svd/rank2_3,3_full_uv": _SIGNS,
    "svd/rank4_2,2,3,3_noFull_uv": _SIGNS,
}
"""Cases whose stored outputs are one of several right ones."""
