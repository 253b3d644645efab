"""Quantisation: real numbers as narrow integers or floats times a scale, and back."""

from __future__ import annotations

from typing import cast

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.node import Value
from xir.ir.types import DType, TensorType, dtype_from_numpy
from xir.ops import compare, elementwise, reduce
from xir.ops._build import scalar_like
from xir.ops._checks import require_dtype, require_same_dtype
from xir.ops._define import op
from xir.ops._quantized import (
    SCALES,
    require_granularity,
    require_quantized,
    rounded,
    rounded_array,
    shifted,
    spread,
    spread_array,
)
from xir.ops._windows import Numbers
from xir.ops.shape import broadcast

_STORED = "the quantised weights are what the model stores: four times as much would be written"


def _precision(scale: DType, precision: DType | None) -> DType:
    """The type in which x is divided by the scale: that of the scale, unless it is none to divide in."""
    if precision is not None:
        return precision
    return scale if scale in SCALES else DType.FLOAT64 if scale is DType.INT32 else DType.FLOAT32


@op
def quantize(
    x: Value,
    scale: Value,
    zero_point: Value | None = None,
    *,
    dtype: DType,
    axis: int = 0,
    block: int = 0,
    saturate: bool = True,
    precision: DType | None = None,
) -> TensorType:
    """`x / scale`, rounded to the nearest (halves to even), plus `zero_point`, kept in the range (ONNX QuantizeLinear).

    x: f32, f16, bf16 or i32 of any shape; scale: f32, f16, bf16, i32 or f8e8m0: one number [] or [1], one for each
    place of `axis` [D], or one for each `block` neighbours along `axis` (the shape of x but for ceil(D / block) there);
    zero_point: `dtype`, the shape of the scale; result: `dtype` (integers up to 16 bits, floats up to 8), the shape of
    x. The division is done in `precision`, else the scale's type (f8e8m0: f32, i32: f64). Floats of 8 bits keep within
    their range where `saturate`; NaN has no promised integer.
    """
    require_dtype(x, *SCALES, DType.INT32)
    require_dtype(scale, *SCALES, DType.INT32, DType.FLOAT8E8M0)
    require_quantized(dtype)
    if zero_point is not None:
        require_dtype(zero_point, dtype)
    if precision not in (None, *SCALES, DType.FLOAT64):
        raise InvalidModelError(f"a division in {precision}")
    require_granularity(x, scale, zero_point, axis, block)
    return x.tensor.with_dtype(dtype)


@quantize.reference
def _quantize_reference(
    x: Numbers,
    scale: Numbers,
    zero_point: Numbers | None,
    *,
    dtype: DType,
    axis: int,
    block: int,
    saturate: bool,
    precision: DType | None,
) -> Array:
    kept = _precision(dtype_from_numpy(scale.dtype), precision).dtype
    with np.errstate(all="ignore"):
        divisor = spread_array(scale, x.shape, axis, block).astype(np.float32).astype(kept)
        quotient = cast("Numbers", np.divide(cast("Numbers", x.astype(kept)), cast("Numbers", divisor)))
    moved = None if zero_point is None else spread_array(zero_point, x.shape, axis, block)
    return rounded_array(quotient, moved, dtype, saturate)


@quantize.decompose
def _quantize_decompose(
    x: Value,
    scale: Value,
    zero_point: Value | None = None,
    *,
    dtype: DType,
    axis: int,
    block: int,
    saturate: bool,
    precision: DType | None,
) -> Value:
    kept = _precision(scale.dtype, precision)
    divisor = spread(_as(scale, kept), x, axis, block)
    quotient = elementwise.div(_as(x, kept), divisor)
    moved = None if zero_point is None else spread(zero_point, x, axis, block)
    return rounded(quotient, moved, dtype, saturate)


quantize.no_gradient("it is constant wherever it has a derivative")


def _as(x: Value, dtype: DType) -> Value:
    return x if x.dtype is dtype else elementwise.cast(x, dtype=dtype)


@op
def dequantize(
    x: Value, scale: Value, zero_point: Value | None = None, *, dtype: DType, axis: int = 0, block: int = 0
) -> TensorType:
    """`(x - zero_point) * scale` (ONNX DequantizeLinear).

    x: integers up to 16 bits or i32, or floats up to 8 bits, of any shape; scale: f32, f16, bf16 or f8e8m0, zero_point:
    the type of x, as `quantize` has them; result: `dtype` (f32, f16, bf16), the shape of x. The difference of integers
    is exact, the product is computed in f32 and rounded once.
    """
    if x.dtype is not DType.INT32:
        require_quantized(x.dtype)
    require_dtype(scale, *SCALES, DType.FLOAT8E8M0)
    if dtype not in SCALES:
        raise InvalidModelError(f"{' or '.join(map(str, SCALES))} is needed, got {dtype}")
    if zero_point is not None:
        require_same_dtype(x, zero_point)
    require_granularity(x, scale, zero_point, axis, block)
    return x.tensor.with_dtype(dtype)


@dequantize.reference
def _dequantize_reference(
    x: Numbers, scale: Numbers, zero_point: Numbers | None, *, dtype: DType, axis: int, block: int
) -> Array:
    kept = np.int64 if x.dtype.kind in "iu" or "int" in x.dtype.name else np.float32
    difference = x.astype(kept)
    if zero_point is not None:
        difference = difference - spread_array(zero_point, x.shape, axis, block).astype(kept)
    factor = spread_array(scale, x.shape, axis, block).astype(np.float32)
    return np.asarray(difference.astype(np.float32) * factor).astype(dtype.dtype)


@dequantize.decompose
def _dequantize_decompose(
    x: Value, scale: Value, zero_point: Value | None = None, *, dtype: DType, axis: int, block: int
) -> Value:
    moved = None if zero_point is None else spread(zero_point, x, axis, block)
    factor = spread(_as(scale, DType.FLOAT32), x, axis, block)
    return _as(elementwise.mul(shifted(x, moved, DType.FLOAT32), factor), dtype)


dequantize.no_gradient("quantised numbers are not trained through")
dequantize.kept(_STORED)


@op
def dynamic_quantize(x: Value) -> tuple[TensorType, TensorType, TensorType]:
    """`x` in u8 with the scale and zero point that its own range gives (ONNX DynamicQuantizeLinear).

    x: f32 of any shape; results: u8 of that shape, the scale f32[], the zero point u8[]. The range is that of x and 0,
    in 255 steps; where it is 0 alone, the scale is 1 / 255 (the reference evaluator's; the text says nothing).
    """
    require_dtype(x, DType.FLOAT32)
    return x.tensor.with_dtype(DType.UINT8), TensorType(DType.FLOAT32, ()), TensorType(DType.UINT8, ())


@dynamic_quantize.reference
def _dynamic_quantize_reference(x: Numbers) -> tuple[Array, ...]:
    low, high = np.min(x, initial=0.0), np.max(x, initial=0.0)
    span = np.float32(1) if high == low else high - low
    scale = np.asarray(span / np.float32(255), np.float32)
    zero_point = np.asarray(np.rint(np.clip(np.float32(0) - low / scale, 0, 255)).astype(np.uint8))
    return rounded_array(x / scale, cast("Numbers", zero_point), DType.UINT8, True), scale, zero_point


@dynamic_quantize.decompose
def _dynamic_quantize_decompose(x: Value) -> tuple[Value, ...]:
    low, high = x, x
    for axis in reversed(range(x.rank)):  # rows first, which may be reduced at once
        axes = (axis,) if axis == x.rank - 1 else tuple(range(axis + 1))
        low = reduce.reduce_min(low, axes=axes, keep_dims=False)
        high = reduce.reduce_max(high, axes=axes, keep_dims=False)
        if axes[0] == 0:
            break
    zero = scalar_like(low, 0.0)
    low, high = elementwise.minimum(low, zero), elementwise.maximum(high, zero)
    span = elementwise.select(compare.equal(low, high), scalar_like(low, 1.0), elementwise.sub(high, low))
    scale = elementwise.div(span, scalar_like(low, 255.0))
    place = elementwise.clip(elementwise.sub(zero, elementwise.div(low, scale)), minimum=0.0, maximum=255.0)
    zero_point = elementwise.cast(elementwise.round_(place), dtype=DType.UINT8)
    wide_scale = scale if not x.rank else broadcast(scale, shape=x.shape)
    wide_zero = zero_point if not x.rank else broadcast(zero_point, shape=x.shape)
    return rounded(elementwise.div(x, wide_scale), wide_zero, DType.UINT8, True), scale, zero_point


dynamic_quantize.no_gradient("it is constant wherever it has a derivative")
