"""Examples of operators that carry a state, and of those that pick or gate."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case, normal
from xir.ir.types import DType
from xir.ops.cache_update import cache_update
from xir.ops.causal_conv import causal_conv
from xir.ops.gating import hardmax, shrink, swiglu
from xir.ops.linear_attention import linear_attention


def cases() -> Iterator[Case]:
    yield from linear()
    yield from causal()
    yield from caches()
    x, half = normal(3, 4), normal(3, 4, dtype=DType.FLOAT16)
    for axis in (0, 1):
        yield case(hardmax, x, axis=axis)
    yield case(hardmax, np.array([[1, 3, 3], [2, 2, 1]], np.float16), axis=1).noted("ties")
    yield case(shrink, normal(3, 4, away=0.6), threshold=0.5, bias=0.25)
    yield case(shrink, half, threshold=0.5, bias=0.25)
    yield case(shrink, np.arange(-4, 5, dtype=np.int8), threshold=1.5, bias=0.5)
    yield case(shrink, np.arange(5, dtype=np.uint8), threshold=1.5, bias=1.0)
    yield case(swiglu, x, normal(3, 4, seed=1), alpha=1.5)
    yield case(swiglu, half, half, alpha=1.0)


def linear() -> Iterator[Case]:
    q, k, v = normal(2, 3, 8), normal(2, 3, 4, seed=1), normal(2, 3, 6, seed=2)
    heads = {"heads": 4, "shared_heads": 2}
    past = normal(2, 2, 2, 3, seed=3)
    each, number = normal(2, 3, 4, seed=4), normal(2, 3, 2, seed=5)
    yield case(linear_attention, q, k, v, **heads, scale=None, rule="linear")
    yield case(linear_attention, q, k, v, past, each, **heads, scale=0.5, rule="gated").noted("gated by element")
    yield case(linear_attention, q, k, v, past, number, **heads, scale=None, rule="gated").noted("gated by head")
    yield case(linear_attention, q, k, v, None, None, number[..., :1], **heads, scale=None, rule="delta")
    yield case(linear_attention, q, k, v, past, each, number, **heads, scale=None, rule="gated_delta")
    halves = [array.astype(np.float16) for array in (q, k, v)]
    yield case(linear_attention, *halves, past, **heads, scale=None, rule="linear").noted("state in f32")


def causal() -> Iterator[Case]:
    x, weight, bias, past = normal(2, 3, 5), normal(3, 1, 4), normal(3), normal(2, 3, 3)
    yield case(causal_conv, x, weight, activation="none")
    yield case(causal_conv, x, weight, bias, past, activation="silu")
    yield case(causal_conv, x[..., :2].copy(), weight, None, past, activation="none").noted("shorter than the state")
    yield case(causal_conv, x, weight[..., :1].copy(), bias, activation="none").noted("one tap")
    yield case(causal_conv, x.astype(np.float16), weight.astype(np.float16), activation="silu")


def caches() -> Iterator[Case]:
    cache, update = normal(2, 3, 5, 2), normal(2, 3, 2, 2, seed=1)
    places = np.array([3, 1], np.int64)
    yield case(cache_update, cache, update, axis=2, circular=False)
    yield case(cache_update, cache, update, places, axis=2, circular=False).noted("places")
    yield case(cache_update, cache, update, places + 1, axis=2, circular=True).noted("round the end")
    yield case(cache_update, cache, cache[:, :1], places - 1, axis=1, circular=False).noted("another axis")
    words = np.array([["a", "b", "c"]], object)
    yield case(cache_update, words, words[:, :1], np.array([2], np.int64), axis=1, circular=False).noted("text")
