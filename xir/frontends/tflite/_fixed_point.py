"""The fixed-point arithmetic of TFLite's integer kernels, exactly: multipliers, rounding, and tables of functions.

Facts: `QuantizeMultiplier` (kernels/internal/quantization_util.cc), `MultiplyByQuantizedMultiplier`
(kernels/internal/common.cc, with two roundings as LiteRT is built), and gemmlowp's fixedpoint.h, by which the kernels
compute sigmoid and tanh of 16 bits. A function of 16 bits has 65,536 results, so it is a table here.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

from xir.errors import UnsupportedError
from xir.frontends.tflite._quantized import checked
from xir.frontends.tflite.model import Quantization
from xir.frontends.tflite.site import as_dtype, literal
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import elementwise
from xir.ops.bitwise import shift_right
from xir.ops.index import gather
from xir.ops.shape import broadcast

Integers = NDArray[np.int64]

_LOW, _HIGH = -(1 << 15), (1 << 15) - 1


def multiplier_of(scale: float) -> tuple[int, int]:
    """(multiplier, shift) with scale = multiplier * 2 ** (shift - 31), the multiplier of 31 bits."""
    if scale == 0:
        return 0, 0
    part, shift = math.frexp(scale)
    fixed = math.floor(part * (1 << 31) + 0.5)
    if fixed == 1 << 31:
        fixed, shift = fixed // 2, shift + 1
    return (fixed, shift) if shift >= -31 else (0, 0)


def rescaled(x: Value, scale: float) -> Value:
    """Integers times a scale, in i64: rounded at 31 bits with halves up, then at the point with halves away from 0."""
    multiplier, shift = multiplier_of(scale)
    wide = as_dtype(x, DType.INT64)
    wide = elementwise.mul(wide, _like(wide, multiplier << max(shift, 0)))
    return rounded_down(_down(elementwise.add(wide, _like(wide, 1 << 30)), 31), max(-shift, 0))


def requantized(x: Value, given: Quantization, wanted: Quantization, dtype: DType) -> Value:
    """Integers as those of another scale and type (kernels/internal/reference/requantize.h, Requantize).

    Raises:
        UnsupportedError: one of both has several scales.
        InvalidModelError: a scale is not positive.
    """
    for quantization in (given, wanted):
        checked(x, quantization)
        if len(quantization.scales) > 1:
            raise UnsupportedError(f"{x.dtype} as {dtype} with several scales")
    before, after = given.zero_points[0], wanted.zero_points[0]
    steps = as_dtype(x, DType.INT64)
    made = rescaled(elementwise.sub(steps, _like(steps, before)), given.scales[0] / wanted.scales[0])
    return saturated(elementwise.add(made, _like(made, after)), dtype)


def rounded_down(x: Value, places: int) -> Value:
    """i64 divided by 2 ** places, to the nearest, halves away from 0 (gemmlowp's RoundingDivideByPOT)."""
    if not places:
        return x
    return _down(elementwise.add(elementwise.add(x, _like(x, 1 << (places - 1))), _down(x, 63)), places)


def _down(x: Value, places: int) -> Value:
    return shift_right(x, _like(x, places))


def _like(x: Value, number: int) -> Value:
    return broadcast(literal(number, x.dtype), shape=x.shape)


def saturated(x: Value, dtype: DType) -> Value:
    """i64 within the range of a type of at most 32 bits, and of that type."""
    low, high = -(1 << (dtype.bits - 1)), (1 << (dtype.bits - 1)) - 1
    return as_dtype(elementwise.minimum(elementwise.maximum(x, _like(x, low)), _like(x, high)), dtype)


def wide(*values: Value) -> list[Value]:
    """Integers in i64."""
    return [as_dtype(value, DType.INT64) for value in values]


def sum16(first: Value, second: Value) -> Value:
    """The sum of integers within i16, in i16."""
    return saturated(elementwise.add(*wide(first, second)), DType.INT16)


def doubled_product(first: Value, second: Value) -> Value:
    """The upper half of a doubled product of 16 bits, halves up, in i64 (SaturatingRoundingDoublingHighMul).

    Of -1 with -1 it is 1, where the kernels have the largest number below; no table of sigmoids has -1.
    """
    product = elementwise.mul(*wide(first, second))
    return _down(elementwise.add(product, _like(product, 1 << 14)), 15)


def looked_up(x: Value, table: Integers) -> Value:
    """What a table of 65,536 results says of i16."""
    place = as_dtype(x, DType.INT64)
    return gather(literal(table, DType.INT16), elementwise.add(place, _like(place, 1 << 15)), axis=0)


def _times(a: Integers, b: Integers | int) -> Integers:
    """The upper half of a doubled product of 16 bits (SaturatingRoundingDoublingHighMul)."""
    made: Integers = np.minimum((a * b + (1 << 14)) >> 15, _HIGH)
    return made


def _raised(x: Integers, places: int) -> Integers:
    """Numbers * 2 ** places: up with saturation, down with rounding (SaturatingRoundingMultiplyByPOT)."""
    if places >= 0:
        raised: Integers = np.clip(x << places, _LOW, _HIGH)
        return raised
    half = 1 << (-places - 1)
    made: Integers = (x + half + (x >> 63)) >> -places
    return made


def _constant(raw: int) -> int:
    """A constant of 32 bits in 16."""
    return (raw + (1 << 15)) >> 16


_EXPONENTIALS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
"""exp(-2 ** k) for k from -2 on, of 31 bits (fixedpoint.h, exp_on_negative_values)."""


def _exponential(x: Integers, whole: int) -> Integers:
    """Exp of numbers that are not positive and have so many bits before the point; results have none."""
    fraction = 15 - whole
    quarter = (1 << fraction) >> 2
    rest = (x & (quarter - 1)) - quarter
    a = _raised(rest, whole) + (1 << 12)
    a2 = _times(a, a)
    a3, a4 = _times(a2, a), _times(a2, a2)
    inner = _raised(_times(_raised(a4, -2) + a3, _constant(715827883)) + a2, -1)
    head = _constant(1895147668)
    result = np.clip(head + _times(a + inner, head), _LOW, _HIGH)
    remainder = rest - x
    for exponent, factor in enumerate(_EXPONENTIALS, -2):
        if whole > exponent:
            result = np.where(remainder & (1 << (fraction + exponent)), _times(result, _constant(factor)), result)
    if whole > 5:
        result = np.where(x < _constant(-(1 << (36 - whole))), 0, result)
    return np.where(x == 0, _HIGH, result)


def _reciprocal(x: Integers) -> Integers:
    """1 / half of (1 + x), 2 bits before the point, for x between 0 and 1: three steps of Newton's method."""
    total = x + _HIGH
    half = (total + 1) // 2
    guess = _constant(1515870810) + _times(half, _constant(-1010580540))
    for _ in range(3):
        guess = guess + _raised(_times(guess, (1 << 13) - _times(half, guess)), 2)
    return guess


@functools.cache
def sigmoid_table() -> Integers:
    """The sigmoid of i16 with 3 bits before the point, with none: [65,536] from -32,768 on (gemmlowp::logistic)."""
    x = np.arange(_LOW, _HIGH + 1, dtype=np.int64)
    positive = _raised(_reciprocal(_exponential(-np.abs(x), 3)), 1)
    made: Integers = np.where(x > 0, positive, _HIGH - positive)
    return np.where(x == 0, 1 << 14, made)


@functools.cache
def tanh_table(whole: int) -> Integers:
    """The tanh of i16 with so many bits before the point, with none: [65,536] from -32,768 on (gemmlowp::tanh)."""
    x = np.arange(_LOW, _HIGH + 1, dtype=np.int64)
    size = _raised(_reciprocal(_exponential(-np.abs(x), whole + 1)) - (1 << 13), 2)
    made: Integers = np.where(x < 0, -size, size)
    return np.where(x == 0, 0, made)
