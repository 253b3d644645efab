"""Random numbers, seeded: the same graph draws the same numbers. They are not those that TensorFlow draws."""

from __future__ import annotations

import zlib

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends.tensorflow._site import Handler, Site
from xir.frontends.tensorflow.handlers._sizes import length, unknown, whole
from xir.ir.constant import constant_of
from xir.ir.dims import Dim, Shape
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import random
from xir.ops._build import scalar_like
from xir.ops._targets import size_value
from xir.ops.compare import greater
from xir.ops.constant import constant
from xir.ops.elementwise import add, clip, div, floor, log, minimum, mul, sign, sqrt, sub
from xir.ops.index import gather
from xir.ops.norm import softmax
from xir.ops.reduce import reduce_sum, top_k
from xir.ops.running import cumsum
from xir.ops.shape import broadcast, concat, reshape

handlers: Handlers[Handler] = Handlers("tensorflow")

_SEEDS = (1 << 24) - 1
"""The largest seed: every one up to it is a float of 32 bits, as ONNX keeps seeds."""


def seed_of(site: Site) -> int:
    """The seed of a node: of its two seeds where it has any, else of its name, so that two nodes differ."""
    first, second = site.integer("seed"), site.integer("seed2")
    text = f"{first}:{second}" if first or second else site.node.name
    return zlib.crc32(text.encode("utf-8", "surrogateescape")) & _SEEDS


def _shape(site: Site, sizes: Value) -> tuple[Value | None, Shape]:
    """The shape that an operand says: a tensor of it where only the run tells."""
    known = site.sizes(sizes)
    if known is not None:
        return None, known
    shape = unknown(length(site, sizes))
    zero = constant(value=constant_of(np.zeros((), np.float32)))
    return broadcast(zero, whole(site, sizes), shape=shape), shape


@handlers.layer("RandomUniform")
def uniform(site: Site, sizes: Value) -> Value:
    """Evenly spread over [0, 1)."""
    like, shape = _shape(site, sizes)
    return random.random_uniform(like, shape=shape, low=0.0, high=1.0, seed=seed_of(site), dtype=site.dtype("dtype"))


@handlers.layer("RandomStandardNormal")
def normal(site: Site, sizes: Value) -> Value:
    """Normal, of the mean 0 and the deviation 1."""
    like, shape = _shape(site, sizes)
    dtype = site.dtype("dtype")
    return random.random_normal(like, shape=shape, mean=0.0, deviation=1.0, seed=seed_of(site), dtype=dtype)


@handlers.layer("TruncatedNormal")
def truncated_normal(site: Site, sizes: Value) -> Value:
    """Normal within two deviations: the inverse of the distribution's sum at an even spread between its ends."""
    like, shape = _shape(site, sizes)
    dtype = site.dtype("dtype")
    drawn = random.random_uniform(like, shape=shape, low=0.02275013, high=0.97724987, seed=seed_of(site), dtype=dtype)
    return clip(_normal_quantile(drawn), minimum=-2.0, maximum=2.0)


def _normal_quantile(p: Value) -> Value:
    """Where the normal distribution has summed up to p, within 2e-4 for |y| < 2 (Winitzki 2008, inverse of erf)."""
    z = sub(mul(p, scalar_like(p, 2.0)), scalar_like(p, 1.0))
    a = 0.147
    line = log(sub(scalar_like(z, 1.0), mul(z, z)))
    half = add(scalar_like(z, 2 / (np.pi * a)), mul(line, scalar_like(z, 0.5)))
    inner = sub(sqrt(sub(mul(half, half), div(line, scalar_like(z, a)))), half)
    return mul(sign(z), mul(sqrt(inner), scalar_like(z, float(np.sqrt(2.0)))))


@handlers.layer("RandomUniformInt")
def uniform_whole(site: Site, sizes: Value, low: Value, high: Value) -> Value:
    """Whole numbers evenly spread over [low, high)."""
    like, shape = _shape(site, sizes)
    wide = DType.FLOAT64
    drawn = random.random_uniform(like, shape=shape, low=0.0, high=1.0, seed=seed_of(site), dtype=wide)
    start = broadcast(site.cast(low, wide), shape=drawn.shape)
    spread = broadcast(site.cast(sub(high, low), wide), shape=drawn.shape)
    return site.cast(add(start, floor(mul(drawn, spread))), low.dtype)


@handlers.layer("Multinomial")
def multinomial(site: Site, logits: Value, count: Value) -> Value:
    """Draws from the classes of each row: where an even spread falls among the summed probabilities."""
    dtype, known = site.dtype("output_dtype"), site.sizes(count)
    if known is not None and isinstance(known[0], int):
        return random.multinomial(logits, count=known[0], seed=seed_of(site), dtype=dtype)
    rows, classes = logits.shape
    sizes = [reshape(size_value(rows, DType.INT64), shape=(1,)), reshape(whole(site, count), shape=(1,))]
    zero = constant(value=constant_of(np.zeros((), np.float32)))
    like = broadcast(zero, concat(*sizes, axis=0), shape=(rows, unknown(1)[0]))
    drawn = random.random_uniform(like, shape=like.shape, low=0.0, high=1.0, seed=seed_of(site), dtype=logits.dtype)
    summed = cumsum(softmax(logits, axis=1), axis=1)
    shape = (*like.shape, classes)
    below = greater(
        broadcast(reshape(drawn, shape=(*drawn.shape, 1)), shape=shape),
        broadcast(reshape(summed, shape=(rows, 1, classes)), shape=shape),
    )
    place = reduce_sum(site.cast(below, DType.INT32), axes=(2,), keep_dims=False)
    return site.cast(minimum(place, _last(place, classes)), dtype)


def _last(like: Value, classes: Dim) -> Value:
    """The last class, everywhere."""
    return broadcast(size_value(classes - 1, like.dtype), shape=like.shape)


@handlers.layer("RandomShuffle")
def shuffled(site: Site, x: Value) -> Value:
    """The rows in another order: that of numbers that are drawn for them."""
    rows = x.shape[:1]
    like = broadcast(size_value(0, DType.FLOAT32), shape=rows)
    drawn = random.random_uniform(like, shape=rows, low=0.0, high=1.0, seed=seed_of(site), dtype=DType.FLOAT32)
    _, order = top_k(drawn, k=rows[0], axis=0)
    return gather(x, order, axis=0)
