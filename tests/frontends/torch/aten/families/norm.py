"""Normalizations and their derivatives."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from tests.frontends.torch.aten.call import Array, Draws, Example

EPSILON = 1e-5


def _moments(x: Array, axes: tuple[int, ...], keep: bool) -> tuple[Array, Array]:
    """The mean and the inverse deviation, as PyTorch keeps them for the derivative."""
    wide = x.astype(np.float64)
    mean, variance = wide.mean(axes, keepdims=keep), wide.var(axes, keepdims=keep)
    return mean.astype(x.dtype), (1 / np.sqrt(variance + EPSILON)).astype(x.dtype)


def examples() -> list[Example]:
    """f32, f64 and bf16, with and without weights."""
    return [*_of(np.float32), *_of(np.float64), *_of(ml_dtypes.bfloat16)]


def _of(dtype: Any) -> list[Example]:
    r = Draws(5)
    found: list[Example] = []

    def add(name: str, *items: object) -> None:
        found.append(Example(f"aten.{name}", list(items)))

    for x in (r(3, 4, dtype=dtype), r(3, 4, 2, 3, dtype=dtype)):
        for weighed in (True, False):
            w, b = (r(4, dtype=dtype), r(4, dtype=dtype)) if weighed else (None, None)
            row = r(x.shape[-1], dtype=dtype) if weighed else None
            whole = r(*x.shape[1:], dtype=dtype) if weighed else None
            mean, variance = r(4, dtype=dtype), (np.abs(r(4)) + 0.1).astype(dtype)
            for training in (False, True):
                rest = [x, w, b, mean, variance, training, 0.1, EPSILON]
                add("batch_norm.default", *rest, False)
                add("native_batch_norm.default", *rest)
                add("_native_batch_norm_legit.default", *rest)
                add("_native_batch_norm_legit_functional.default", *rest)
            add("batch_norm.default", x, w, b, None, None, True, 0.1, EPSILON, False)
            add("_native_batch_norm_legit_no_training.default", x, w, b, mean, variance, 0.1, EPSILON)
            add("_native_batch_norm_legit.no_stats", x, w, b, True, 0.1, EPSILON)
            add("layer_norm.default", x, [x.shape[-1]], row, row)
            add("native_layer_norm.default", x, list(x.shape[1:]), whole, whole, EPSILON)
            add("rms_norm.default", x, [x.shape[-1]], row, None)
            add("rms_norm.default", x, [x.shape[-1]], row, 1e-4)
            add("_weight_norm.default", x, r(3, *(1,) * (x.ndim - 1), dtype=dtype))
            dy = r(*x.shape, dtype=dtype)
            if dtype is not ml_dtypes.bfloat16:
                add("_fused_rms_norm.default", x, [x.shape[-1]], row, 1e-4)
                found += _derivatives(x, dy, w, b, mean, variance, row)
            if x.ndim == 4:
                add("group_norm.default", x, 2, w, b)
                add("native_group_norm.default", x, w, b, 3, 4, 6, 2, EPSILON)
                add("instance_norm.default", x, w, b, None, None, True, 0.1, EPSILON, False)
                add("instance_norm.default", x, w, b, mean, variance, False, 0.1, EPSILON, False)
    return found


def _derivatives(
    x: Array, dy: Array, w: Array | None, b: Array | None, mean: Array, variance: Array, row: Array | None
) -> list[Example]:
    wanted = [True, w is not None, w is not None]
    own, inverse = _moments(x, (0, *range(2, x.ndim)), False)
    found = [
        ("native_batch_norm_backward", [dy, x, w, mean, variance, own, inverse, True, EPSILON, wanted]),
        ("native_batch_norm_backward", [dy, x, w, mean, variance, None, None, False, EPSILON, wanted]),
    ]
    if row is not None:
        centre, scale = _moments(x, (x.ndim - 1,), True)
        found.append(("native_layer_norm_backward", [dy, x, [x.shape[-1]], centre, scale, row, row, [True] * 3]))
    if x.ndim == 4:
        centre, scale = _moments(x.reshape(3, 2, -1), (2,), False)
        found.append(("native_group_norm_backward", [dy, x, centre, scale, w, 3, 4, 6, 2, wanted]))
    return [Example(f"aten.{name}.default", items) for name, items in found]
