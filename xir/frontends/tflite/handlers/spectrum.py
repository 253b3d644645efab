"""Fourier transforms and complex numbers, which are pairs on a last axis of 2 here; and random numbers."""

from __future__ import annotations

from xir.frontends._handlers import Handlers
from xir.frontends.tflite._pairs import part
from xir.frontends.tflite.site import Handler, Site
from xir.frontends.tflite.tensors import dtype_of
from xir.ir.dims import Shape
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import elementwise, random
from xir.ops.reduce import reduce_sum
from xir.ops.shape import reshape
from xir.ops.signal import dft

raw: Handlers[Handler] = Handlers("tflite")
pairs: Handlers[Handler] = Handlers("tflite")


@pairs.layer("RFFT2D")
def real_spectrum(site: Site, x: Value, lengths: Value) -> Value:
    """RFFT2D of the last two axes, cut or filled with zeros to the lengths (rfft2d.cc)."""
    rows, columns = site.numbers(lengths, "lengths")
    wide = reshape(x, shape=(*x.shape, 1))
    half = dft(wide, axis=x.rank - 1, size=columns, inverse=False, onesided=True)
    return dft(half, axis=x.rank - 2, size=rows, inverse=False, onesided=False)


@pairs.layer("REAL")
def real_part(site: Site, x: Value) -> Value:
    """REAL."""
    return part(x, 0)


@pairs.layer("IMAG")
def imaginary_part(site: Site, x: Value) -> Value:
    """IMAG."""
    return part(x, 1)


@pairs.layer("COMPLEX_ABS")
def length(site: Site, x: Value) -> Value:
    """COMPLEX_ABS."""
    return elementwise.sqrt(reduce_sum(elementwise.mul(x, x), axes=(x.rank - 1,), keep_dims=False))


_SEED_STEP = 1_000_003
"""What sets the two seeds apart; drawn numbers are ours, TFLite's generator is another one."""


def _seed(site: Site) -> int:
    return (site.integer("seed") * _SEED_STEP + site.integer("seed2")) % (1 << 31)


def _sizes(site: Site, sizes: Value) -> Shape:
    known = site.sizes(sizes)
    if known is None:
        site.refuse("a shape of drawn numbers that is computed at run time")
    return known


@raw.layer("RANDOM_UNIFORM")
def uniform(site: Site, sizes: Value) -> Value:
    """RANDOM_UNIFORM in [0, 1)."""
    return random.random_uniform(shape=_sizes(site, sizes), low=0.0, high=1.0, seed=_seed(site), dtype=DType.FLOAT32)


@raw.layer("RANDOM_STANDARD_NORMAL")
def normal(site: Site, sizes: Value) -> Value:
    """RANDOM_STANDARD_NORMAL."""
    return random.random_normal(
        shape=_sizes(site, sizes), mean=0.0, deviation=1.0, seed=_seed(site), dtype=DType.FLOAT32
    )


@raw.layer("MULTINOMIAL")
def drawn(site: Site, x: Value, count: Value) -> Value:
    """MULTINOMIAL: classes drawn by their logarithms."""
    (number,) = site.numbers(count, "numbers of draws")
    tensor = site.results[0]
    dtype = DType.INT64 if tensor is None else dtype_of(tensor)
    return random.multinomial(x, count=number, seed=_seed(site), dtype=dtype)
