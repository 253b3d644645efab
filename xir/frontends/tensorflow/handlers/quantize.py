"""Numbers of few bits: what they stand for, and reals rounded as if they had few bits."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from xir.frontends._handlers import Handlers
from xir.frontends.tensorflow._site import Handler, Site
from xir.frontends.tensorflow.handlers._sizes import limits
from xir.ir.constant import constant_of
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops._build import scalar_like
from xir.ops.constant import constant
from xir.ops.elementwise import add, clip, floor, maximum, minimum, mul, round_, sub
from xir.ops.shape import broadcast, reshape

handlers: Handlers[Handler] = Handlers("tensorflow")

Reals: TypeAlias = NDArray[np.float32]


@handlers.layer("Dequantize")
def dequantized(site: Site, x: Value, low: Value, high: Value) -> Value:
    """The reals that quantised numbers stand for (dequantize_op.cc, quantization_utils.h)."""
    site.ignore("narrow_range")
    axis, dtype = site.integer("axis"), site.dtype("dtype")
    if axis != -1 or x.dtype.bits > 16:
        site.refuse("quantised numbers of 32 bits, or with a range for each slice")
    least, greatest = (site.scalar(each, "the end of a range") for each in (low, high))
    scale, shift = _line(site.choice("mode", "MIN_COMBINED", "MIN_FIRST", "SCALED"), x.dtype, least, greatest)
    data = site.cast(x, DType.FLOAT32)
    data = mul(data, scalar_like(data, scale))
    return site.cast(add(data, scalar_like(data, shift)) if shift else data, dtype)


def _line(mode: str, dtype: DType, least: float, greatest: float) -> tuple[float, float]:
    """(scale, shift): the number q stands for q * scale + shift."""
    first, last = limits(dtype)
    if mode == "SCALED":
        sides = (least / first if first else 0.0, greatest / last)
        return max(sides), 0.0
    if mode == "MIN_COMBINED":
        scale = (greatest - least) / (last - first)
        half = (last - first + 1) / 2 if first else 0.0
        return scale, least + half * scale
    if least == greatest:
        return 0.0, least
    steps = last - first + 1
    scale = (greatest - least) * (steps / (steps - 1)) / steps
    return scale, float(np.round(least / scale)) * scale - first * scale


@handlers.layer("FakeQuantWithMinMaxArgs")
def fake_quantized(site: Site, x: Value) -> Value:
    """Reals rounded to those that `num_bits` bits stand for."""
    return _rounded(site, x, np.asarray(site.real("min"), np.float32), np.asarray(site.real("max"), np.float32))


@handlers.layer("FakeQuantWithMinMaxVars", "FakeQuantWithMinMaxVarsPerChannel")
def fake_quantized_between(site: Site, x: Value, low: Value, high: Value) -> Value:
    """The same, between ends that are weights, of the last axis' slices where there are several."""
    least, greatest = (np.asarray(site.array(each, "the end of a range"), np.float32) for each in (low, high))
    return _rounded(site, x, least, greatest)


def _rounded(site: Site, x: Value, low: Reals, high: Reals) -> Value:
    """The ends are moved so that 0 is one of the numbers (fake_quant_ops_functor.h, Nudge; all in f32)."""
    first = np.float32(site.flag("narrow_range"))
    last = np.float32((1 << site.integer("num_bits")) - 1)
    scale = (high - low) / (last - first)
    safe = np.where(scale == 0, np.float32(1), scale)
    zero = np.clip(np.floor(first - low / safe + np.float32(0.5)), first, last)
    bottom, top = (_spread(x, np.asarray((end - zero) * scale, np.float32)) for end in (first, last))
    inside = sub(minimum(maximum(x, bottom), top), bottom)
    number = floor(add(mul(inside, _spread(x, np.reciprocal(safe))), scalar_like(x, 0.5)))
    return add(mul(number, _spread(x, scale)), bottom)


def _spread(x: Value, numbers: Reals) -> Value:
    """Numbers for everything or for the last axis, repeated to the shape of `x`."""
    literal = constant(value=constant_of(np.asarray(numbers).astype(x.dtype.dtype)))
    if literal.rank:
        literal = reshape(literal, shape=(*(1,) * (x.rank - 1), *literal.shape))
    return broadcast(literal, shape=x.shape)


@handlers.layer("QuantizeAndDequantizeV2", "QuantizeAndDequantizeV4")
def rounded_between(site: Site, x: Value, low: Value, high: Value) -> Value:
    """Reals rounded to those that signed or unsigned numbers stand for (quantize_and_dequantize_op.h)."""
    if not site.flag("range_given") or site.integer("axis") != -1:
        site.refuse("a range that the elements decide, or one for each slice")
    signed, bits = site.flag("signed_input"), site.integer("num_bits")
    mode = site.choice("round_mode", "HALF_TO_EVEN", "HALF_UP")
    least, greatest = (site.scalar(each, "the end of a range") for each in (low, high))
    bottom = (-(1 << (bits - 1)) + int(site.flag("narrow_range"))) if signed else 0
    top = (1 << (bits - 1)) - 1 if signed else (1 << bits) - 1
    from_low = bottom / least if least * bottom > 0 else np.inf
    from_high = top / greatest if greatest * top > 0 else np.inf
    scale = min(from_low, from_high)
    inside = mul(clip(x, minimum=bottom / scale, maximum=top / scale), scalar_like(x, scale))
    number = round_(inside) if mode == "HALF_TO_EVEN" else floor(add(inside, scalar_like(inside, 0.5)))
    return mul(number, scalar_like(number, 1 / scale))
