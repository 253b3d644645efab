"""Examples of normalization."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case, normal
from xir.ir.types import DType
from xir.ops.norm import (
    batch_norm,
    group_norm,
    instance_norm,
    l2_normalize,
    layer_norm,
    log_softmax,
    lrn,
    lrn_within,
    mean_variance_normalize,
    softmax,
)


def cases() -> Iterator[Case]:
    x, half = normal(2, 4, 3, 2), normal(2, 4, 3, 2, dtype=DType.FLOAT16)
    scale, shift, mean = normal(4, seed=1), normal(4, seed=2), normal(4, seed=3)
    variance = np.abs(normal(4, seed=4)) + np.float32(0.1)
    yield case(batch_norm, x, scale, shift, mean, variance, epsilon=1e-3)
    given = [array.astype(np.float16) for array in (scale, shift, mean, variance)]
    yield case(batch_norm, half, *given, epsilon=1e-3)
    yield case(lrn, x, size=3, alpha=0.5, beta=0.75, bias=2.0)
    yield case(lrn, normal(1, 5, 2), size=4, alpha=0.5, beta=0.75, bias=1.0).noted("an even size")
    yield case(lrn, x, size=11, alpha=0.5, beta=0.75, bias=1.0).noted("more than there are channels")
    yield case(lrn, normal(2, 3, 0), size=3, alpha=0.5, beta=0.75, bias=2.0).noted("no places")
    yield case(lrn, normal(2, 0, 3, 3), size=3, alpha=0.5, beta=0.75, bias=2.0).noted("no channels")
    yield case(lrn_within, normal(1, 2, 4, 5), size=3, alpha=0.5, beta=0.75, bias=1.0)
    yield case(lrn_within, normal(2, 0, 4), size=3, alpha=0.5, beta=0.75, bias=1.0).noted("no channels")
    for outside in (False, True):
        attributes = {"normalize_variance": True, "epsilon": 1e-2, "outside": outside}
        yield case(mean_variance_normalize, x, axes=(2, 3), **attributes)
    yield case(mean_variance_normalize, x, axes=(1, 2, 3), normalize_variance=False, epsilon=1e-9, outside=True).noted(
        "mean alone"
    )
    for floor in (False, True):
        yield case(l2_normalize, x, axes=(1,), epsilon=1e-3, floor=floor)
    yield case(l2_normalize, half * np.float16(200), axes=(1, 2, 3), epsilon=1e-3, floor=False).noted(
        "squares beyond f16"
    )
    yield case(instance_norm, x, scale, shift, epsilon=1e-2)
    yield case(layer_norm, x, normal(3, 2), normal(3, 2, seed=1), axis=2, epsilon=1e-2)
    yield case(layer_norm, x, None, None, axis=3, epsilon=1e-2).noted("no parameters")
    yield case(group_norm, x, scale, shift, groups=2, epsilon=1e-2)
    for axis in (0, 1, 3):
        yield case(softmax, x, axis=axis)
        yield case(log_softmax, x, axis=axis)
    yield case(softmax, half, axis=1)
