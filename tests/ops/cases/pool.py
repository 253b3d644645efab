"""Examples of pooling."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case, normal
from xir.ir.types import DType
from xir.ops.pool import average_pool, lp_pool, max_pool, max_pool_with_indices, max_unpool

PLAIN = {"window": (2, 3), "strides": (1, 2), "padding": ((0, 0), (0, 0)), "dilation": (1, 1)}
PADDED = {"window": (3, 2), "strides": (2, 1), "padding": ((1, 2), (0, 1)), "dilation": (1, 2)}


def distinct(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Numbers at least 0.25 apart, so that a difference does not change which one is the largest."""
    count = int(np.prod(shape))
    return (np.random.default_rng(count).permutation(count).reshape(shape) * 0.25).astype(np.float32)


def cases() -> Iterator[Case]:
    x = distinct(2, 2, 5, 6)
    for operator in (max_pool, max_pool_with_indices):
        yield case(operator, x, **PLAIN)
        yield case(operator, x, **PADDED).noted("padded")
        yield (
            case(operator, distinct(1, 1, 3), window=(1,), strides=(1,), padding=((1, 2),), dilation=(1,))
            .noted("windows over padding alone")
            .differenced()
        )
    yield case(max_pool, x.astype(np.int8), **PADDED)
    yield case(max_pool, x.astype(np.float16), **PADDED)
    yield case(max_unpool, normal(1, 2, 3), np.array([[[4, 0, 2], [1, 2, 3]]]), spatial=(5,))
    none = ((0, 0), (0, 0))
    y = normal(2, 2, 5, 6)
    yield case(average_pool, y, **PLAIN, counted_padding=none)
    yield case(average_pool, y, **PADDED, counted_padding=none).noted("padding excluded")
    yield case(average_pool, y, **PADDED, counted_padding=PADDED["padding"]).noted("padding included")
    yield case(average_pool, y, **PADDED, counted_padding=((1, 1), (0, 0))).noted("overhang as Caffe has it")
    yield case(average_pool, normal(1, 1, 6, 6, dtype=DType.BFLOAT16), **PLAIN, counted_padding=none)
    yield case(lp_pool, normal(1, 2, 5, 6, away=0.2), **PADDED, p=2.0)
    yield case(lp_pool, normal(1, 2, 5, 6, away=0.2), **PLAIN, p=3.0)
