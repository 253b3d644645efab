"""Examples of attention and rotary embedding."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case, normal
from xir.ir.constant import Array
from xir.ir.types import DType
from xir.ops.attention import attention
from xir.ops.rotary import rotary_embedding

BATCH, HEADS, SHARED, QUERIES, KEYS, SIZE, WIDTH = 2, 4, 2, 3, 5, 4, 6


def operands(dtype: DType = DType.FLOAT32) -> list[Array]:
    """Drawn q, k, v."""
    shapes = [(BATCH, HEADS, QUERIES, SIZE), (BATCH, SHARED, KEYS, SIZE), (BATCH, SHARED, KEYS, WIDTH)]
    return [normal(*shape, seed=seed, dtype=dtype) for seed, shape in enumerate(shapes)]


def words(**more: object) -> dict[str, object]:
    """The attributes, with the defaults of ONNX."""
    defaults = {"scale": None, "softcap": 0.0, "causal": False, "left": None, "right": None, "precision": None}
    return {**defaults, "shown": "products", **more}


def cases() -> Iterator[Case]:
    q, k, v = operands()
    yield case(attention, q, k, v, **words())
    yield case(attention, q, k, v, **words(scale=0.25, softcap=1.5, shown="capped")).noted("capped")
    yield case(attention, q, k, v, **words(causal=True)).noted("causal")
    yield case(attention, q, k, v, **words(left=1, right=0, shown="weights")).noted("window")
    added = normal(1, HEADS, QUERIES, KEYS, seed=5)
    yield case(attention, q, k, v, added, **words(shown="biased")).noted("mask of numbers")
    short = np.array([True, False, True])[None, None, None] & np.ones((BATCH, 1, 1, 1), bool)
    yield case(attention, q, k, v, short, **words()).noted("short mask of bools")
    hidden = np.ones((1, 1, QUERIES, KEYS), bool)
    hidden[0, 0, 1] = False
    yield case(attention, q, k, v, hidden, **words(causal=True, shown="weights")).noted("a query that sees nothing")
    past = (normal(BATCH, SHARED, 2, SIZE, seed=6), normal(BATCH, SHARED, 2, WIDTH, seed=7))
    yield case(attention, q, k, v, None, *past, **words(causal=True, left=2)).noted("past")
    valid = np.array([5, 2], np.int64)
    yield case(attention, q, k, v, None, None, None, valid, **words(causal=True, right=1)).noted("valid keys")
    half = operands(DType.FLOAT16)
    yield case(attention, *half, **words(causal=True)).noted("halves")
    yield case(attention, *half, **words(precision=DType.FLOAT16)).within(1e-2).noted("softmax of halves")
    exact = words(precision=DType.FLOAT64)
    yield case(attention, q, k, v.astype(np.float64), **exact).differenced(0, 1, 2).noted("softmax of doubles")
    x = normal(2, 3, 4, 6)
    table = [normal(7, 2, seed=seed) for seed in (1, 2)]
    places = np.array([[0, 6, 3, 3], [1, 2, 3, 4]], np.int64)
    rows = [array[places] for array in table]
    for interleaved in (False, True):
        yield case(rotary_embedding, x, *table, places, size=4, interleaved=interleaved)
        yield case(rotary_embedding, x[..., :4].copy(), *rows, None, size=4, interleaved=interleaved).noted("no places")
