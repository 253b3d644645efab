"""Random numbers and dropout.

A seed that the file does not give is the place of the node in it, so a model gives the same numbers on every run, and
two of its nodes do not give the same.
"""

from __future__ import annotations

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.frontends.onnx.handlers.signal import element_type
from xir.ir.constant import constant_of
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import random
from xir.ops.constant import constant, identity
from xir.ops.shape import broadcast

handlers: Handlers[Handler] = Handlers("onnx")

FRACTIONAL = 1 << 32
"""Seeds from here on are FRACTIONAL + the 32 bits of a seed that is no whole number of 32 bits."""


def seed_of_float(seed: float) -> int:
    """A seed of ONNX's, a float: itself where it is a whole number in [0, 2**32), else its bits."""
    if seed.is_integer() and 0 <= seed < FRACTIONAL:
        return int(seed)
    return FRACTIONAL + int(np.asarray(seed, np.float32).view(np.uint32))


def _seed(site: Site) -> int:
    return seed_of_float(site.real("seed")) if site.has("seed") else site.node.order


@handlers.layer(*versions("RandomUniform", 1, 22))
def uniform(site: Site) -> Value:
    """RandomUniform."""
    return random.random_uniform(
        shape=site.integers("shape"),
        low=site.real("low", 0.0),
        high=site.real("high", 1.0),
        seed=_seed(site),
        dtype=element_type(site, "dtype", DType.FLOAT32),
    )


@handlers.layer(*versions("RandomNormal", 1, 22))
def normal(site: Site) -> Value:
    """RandomNormal."""
    return random.random_normal(
        shape=site.integers("shape"),
        mean=site.real("mean", 0.0),
        deviation=site.real("scale", 1.0),
        seed=_seed(site),
        dtype=element_type(site, "dtype", DType.FLOAT32),
    )


@handlers.layer(*versions("RandomUniformLike", 1, 22))
def uniform_like(site: Site, x: Value) -> Value:
    """RandomUniformLike."""
    return random.random_uniform(
        x,
        shape=x.shape,
        low=site.real("low", 0.0),
        high=site.real("high", 1.0),
        seed=_seed(site),
        dtype=element_type(site, "dtype", x.dtype),
    )


@handlers.layer(*versions("RandomNormalLike", 1, 22))
def normal_like(site: Site, x: Value) -> Value:
    """RandomNormalLike."""
    return random.random_normal(
        x,
        shape=x.shape,
        mean=site.real("mean", 0.0),
        deviation=site.real("scale", 1.0),
        seed=_seed(site),
        dtype=element_type(site, "dtype", x.dtype),
    )


@handlers.layer(*versions("Bernoulli", 15, 22))
def bernoulli(site: Site, x: Value) -> Value:
    """Bernoulli."""
    return random.bernoulli(x, seed=_seed(site), dtype=element_type(site, "dtype", x.dtype))


@handlers.layer(*versions("Multinomial", 7, 22))
def multinomial(site: Site, x: Value) -> Value:
    """Multinomial."""
    dtype = element_type(site, "dtype", DType.INT32)
    return random.multinomial(x, count=site.integer("sample_size", 1), seed=_seed(site), dtype=dtype)


def _kept(x: Value, dtype: DType) -> tuple[Value, Value]:
    """`x` itself, and that all of it is kept."""
    mask = broadcast(constant(value=constant_of(np.ones((), dtype.dtype))), shape=x.shape)
    return identity(x), mask


@handlers.layer(*versions("Dropout", 1, 6))
def dropout_with_test_mode(site: Site, x: Value) -> tuple[Value, ...]:
    """Dropout that drops unless `is_test` is set; its mask has the type of the elements."""
    site.ignore("consumed_inputs")
    rate = site.real("ratio", 0.5)
    if site.flag("is_test", False):
        return _kept(x, x.dtype)
    result, kept = random.dropout(x, rate=rate, seed=site.node.order)
    from xir.ops.elementwise import cast

    return result, cast(kept, dtype=x.dtype)


@handlers.layer(*versions("Dropout", 7))
def dropout_of_inference(site: Site, x: Value) -> tuple[Value, ...]:
    """Dropout of inference: nothing happens; its mask has the type of the elements."""
    site.ignore("ratio")
    return _kept(x, x.dtype)


@handlers.layer(*versions("Dropout", 10))
def dropout_of_inference_with_mask(site: Site, x: Value) -> tuple[Value, ...]:
    """The same; its mask is of bools."""
    site.ignore("ratio")
    return _kept(x, DType.BOOL)


@handlers.layer(*versions("Dropout", 12, 13, 22))
def dropout(site: Site, x: Value, ratio: Value | None = None, training: Value | None = None) -> tuple[Value, ...]:
    """Dropout, in training mode if its operand says so; without it, or known to be false, nothing happens."""
    given = site.integer("seed") if site.has("seed") else site.node.order
    if training is None:
        return _kept(x, DType.BOOL)
    known = site.scope.constant_of(training)
    if known is not None and not bool(site.scalar(training, "the training mode")):
        return _kept(x, DType.BOOL)
    rate, late = 0.5, ratio
    if ratio is not None and site.scope.constant_of(ratio) is not None:
        rate, late = site.scalar(ratio, "a ratio"), None
    mode = training if known is None else None
    return random.dropout(x, late, mode, rate=rate, seed=given & random.MAX_SEED)
