"""Normalizations and their derivatives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ml_dtypes
import numpy as np

from tests.frontends.torch.handlers.call import Array, Draws, Example, call

EPSILON = 1e-5


def _moments(x: Array, axes: tuple[int, ...], keep: bool) -> tuple[Array, Array]:
    """The mean and the inverse deviation, as PyTorch keeps them for the derivative."""
    wide = x.astype(np.float64)
    mean, variance = wide.mean(axes, keepdims=keep), wide.var(axes, keepdims=keep)
    return mean.astype(x.dtype), (1 / np.sqrt(variance + EPSILON)).astype(x.dtype)


def _calls() -> Iterator[Example]:
    """f32, f64 and bf16, with and without weights."""
    for dtype in (np.float32, np.float64, ml_dtypes.bfloat16):
        yield from _of(dtype)


def _of(dtype: Any) -> Iterator[Example]:
    r = Draws(5)
    for x in (r(3, 4, dtype=dtype), r(3, 4, 2, 3, dtype=dtype)):
        for weighed in (True, False):
            w, b = (r(4, dtype=dtype), r(4, dtype=dtype)) if weighed else (None, None)
            row = r(x.shape[-1], dtype=dtype) if weighed else None
            whole = r(*x.shape[1:], dtype=dtype) if weighed else None
            mean, variance = r(4, dtype=dtype), (np.abs(r(4)) + 0.1).astype(dtype)
            for training in (False, True):
                rest = [x, w, b, mean, variance, training, 0.1, EPSILON]
                yield call("batch_norm", *rest, False)
                yield call("native_batch_norm", *rest)
                yield call("_native_batch_norm_legit", *rest)
                yield call("_native_batch_norm_legit_functional", *rest)
            yield call("batch_norm", x, w, b, None, None, True, 0.1, EPSILON, False)
            yield call("_native_batch_norm_legit_no_training", x, w, b, mean, variance, 0.1, EPSILON)
            yield call("_native_batch_norm_legit.no_stats", x, w, b, True, 0.1, EPSILON)
            yield call("layer_norm", x, [x.shape[-1]], row, row)
            yield call("native_layer_norm", x, list(x.shape[1:]), whole, whole, EPSILON)
            yield call("rms_norm", x, [x.shape[-1]], row, None)
            yield call("rms_norm", x, [x.shape[-1]], row, 1e-4)
            yield call("_weight_norm", x, r(3, *(1,) * (x.ndim - 1), dtype=dtype))
            dy = r(*x.shape, dtype=dtype)
            if dtype is not ml_dtypes.bfloat16:
                yield call("_fused_rms_norm", x, [x.shape[-1]], row, 1e-4)
                yield from _derivatives(x, dy, w, b, mean, variance, row)
            if x.ndim == 4:
                yield call("group_norm", x, 2, w, b)
                yield call("native_group_norm", x, w, b, 3, 4, 6, 2, EPSILON)
                yield call("instance_norm", x, w, b, None, None, True, 0.1, EPSILON, False)
                yield call("instance_norm", x, w, b, mean, variance, False, 0.1, EPSILON, False)


def _derivatives(
    x: Array, dy: Array, w: Array | None, b: Array | None, mean: Array, variance: Array, row: Array | None
) -> Iterator[Example]:
    wanted = [True, w is not None, w is not None]
    own, inverse = _moments(x, (0, *range(2, x.ndim)), False)
    yield call("native_batch_norm_backward", dy, x, w, mean, variance, own, inverse, True, EPSILON, wanted)
    yield call("native_batch_norm_backward", dy, x, w, mean, variance, None, None, False, EPSILON, wanted)
    if row is not None:
        centre, scale = _moments(x, (x.ndim - 1,), True)
        yield call("native_layer_norm_backward", dy, x, [x.shape[-1]], centre, scale, row, row, [True] * 3)
    if x.ndim == 4:
        centre, scale = _moments(x.reshape(3, 2, -1), (2,), False)
        yield call("native_group_norm_backward", dy, x, centre, scale, w, 3, 4, 6, 2, wanted)


CALLS = tuple(_calls())
