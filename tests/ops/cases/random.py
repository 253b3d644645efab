"""Examples of random numbers and dropout."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case, normal
from xir.ir.types import DType
from xir.ops.random import bernoulli, dropout, multinomial, random_normal, random_uniform


def cases() -> Iterator[Case]:
    x = normal(3, 4)
    for dtype in (DType.FLOAT32, DType.FLOAT64, DType.BFLOAT16):
        yield case(random_uniform, shape=(2, 3), low=-1.0, high=2.0, seed=3, dtype=dtype)
        yield case(random_normal, shape=(2, 3), mean=-1.0, deviation=2.0, seed=3, dtype=dtype)
    yield case(random_uniform, x, shape=(3, 4), low=0.0, high=1.0, seed=0, dtype=DType.FLOAT32)
    yield case(
        random_normal, x, shape=(3, 4), mean=0.0, deviation=1.0, seed=(1 << 32) + 0x3E800000, dtype=DType.FLOAT32
    )
    share = np.linspace(0, 1, 12).reshape(3, 4)
    for dtype in (DType.FLOAT32, DType.BOOL, DType.INT8):
        yield case(bernoulli, share.astype(np.float32), seed=5, dtype=dtype)
    yield case(bernoulli, share, seed=5, dtype=DType.FLOAT64)
    for dtype in (DType.INT32, DType.INT64):
        yield case(multinomial, x, count=7, seed=2, dtype=dtype)
    yield case(dropout, x, rate=0.25, seed=0)
    yield case(dropout, x, rate=0.0, seed=0).noted("nothing dropped")
    yield case(dropout, x.astype(np.float16), rate=0.5, seed=9)
    ratio = np.asarray(0.5, np.float32)
    for training in (True, False):
        yield case(dropout, x, ratio, np.asarray(training), rate=0.5, seed=1).noted(f"{training}, at run time")
