"""Examples of reductions and places of the largest."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case, normal
from tests.ops.cases.arithmetic import FLOATS
from xir.ops.reduce import (
    arg_max,
    arg_min,
    reduce_l1,
    reduce_l2,
    reduce_log_sum,
    reduce_log_sum_exp,
    reduce_max,
    reduce_mean,
    reduce_min,
    reduce_prod,
    reduce_sum,
    reduce_sum_square,
    top_k,
)

ALL = (reduce_sum, reduce_mean, reduce_max, reduce_min, reduce_prod, reduce_l1, reduce_sum_square)
FLOATING = (reduce_l2, reduce_log_sum_exp)
TIES = np.array([[1.0, 3.0, 3.0, 0.0], [2.0, 2.0, 2.0, 2.0]])


def cases() -> Iterator[Case]:
    for operator in (*ALL, *FLOATING):
        for dtype in FLOATS:
            yield case(operator, normal(2, 3, 4, dtype=dtype, away=0.1), axes=(1,), keep_dims=False)
        x = normal(2, 3, 4, away=0.1)
        for axes in ((), (0,), (2, 0), (0, 1, 2)):
            yield case(operator, x, axes=axes, keep_dims=True).noted(f"over {axes}, kept")
            yield case(operator, x, axes=axes, keep_dims=False).noted(f"over {axes}")
        yield case(operator, normal(2, 0, 3), axes=(1,), keep_dims=True).noted("over nothing")
    for operator in ALL:
        for dtype in (np.int32, np.int64, np.uint8):
            yield case(operator, np.array([[1, 2, 4], [3, 0, 5]], dtype), axes=(1,), keep_dims=False)
    yield case(reduce_mean, np.array([[-1, -2], [-3, 4]]), axes=(1,), keep_dims=False).noted("toward zero")
    for dtype in FLOATS:
        x = np.abs(normal(2, 3, 4, dtype=dtype, away=0.5))
        for axes in ((), (1,), (0, 2)):
            yield case(reduce_log_sum, x, axes=axes, keep_dims=bool(axes))
    zeros = np.array([[0.0, 2.0, 3.0], [0.0, 0.0, 4.0], [1.0, 2.0, 3.0]])
    yield case(reduce_prod, zeros, axes=(1,), keep_dims=False).noted("zeros")
    large = np.array([[1000.0, 1001.0], [-1000.0, -1001.0], [-np.inf, 0.0], [-np.inf, -np.inf], [np.inf, 0.0]])
    yield case(reduce_log_sum_exp, large, axes=(1,), keep_dims=False).differenced().noted("far")
    yield case(reduce_sum_square, np.full((2, 2), 300, np.float16), axes=(1,), keep_dims=True).noted("overflow")
    yield case(reduce_max, np.array([[1.0, np.nan], [np.inf, 0.0]]), axes=(1,), keep_dims=True).differenced()
    yield from _ordered()


def _ordered() -> Iterator[Case]:
    for operator in (arg_max, arg_min):
        for last in (False, True):
            for keep_dims in (False, True):
                yield case(operator, TIES, axis=1, keep_dims=keep_dims, last=last)
        yield from (case(operator, normal(3, 4, dtype=dtype), axis=0, keep_dims=False) for dtype in FLOATS)
    for largest in (False, True):
        yield from (case(top_k, normal(3, 5, dtype=dtype), k=2, axis=1, largest=largest) for dtype in FLOATS)
        yield case(top_k, TIES, k=3, axis=1, largest=largest).differenced().noted("ties")
        yield case(top_k, normal(3, 5), k=3, axis=0, largest=largest, sorted=False).noted("all of them")
        yield case(top_k, np.array([3, 1, 2], np.uint8), k=0, axis=0, largest=largest).noted("none of them")
    yield case(top_k, normal(3, 5), np.array([2]), k=2, axis=1).noted("k at run time")
