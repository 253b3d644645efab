"""Integers that stand for real numbers: how handlers that compute with the real ones read and write them."""

from __future__ import annotations

import numpy as np

from xir.errors import InvalidModelError, UnsupportedError
from xir.frontends.tflite.model import Quantization, TfliteTensor
from xir.ir.constant import constant_of
from xir.ir.dims import equal
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import elementwise, quantize
from xir.ops.constant import constant
from xir.ops.shape import broadcast, reshape

STORED = ("INT8", "UINT8", "INT16", "INT32", "INT64", "INT4", "UINT4", "INT2", "UINT16")
"""Types whose numbers may stand for real ones."""

_WIDE = (DType.INT32, DType.INT64)


def quantization_of(tensor: TfliteTensor | None) -> Quantization | None:
    """How the integers of a tensor stand for real numbers; None where they stand for themselves."""
    if tensor is None or tensor.dtype not in STORED:
        return None
    return tensor.quantization


def scale_of(quantization: Quantization) -> Value:
    """The scales: [] or, one for each place of the axis, [D]."""
    scales = np.asarray(quantization.scales, np.float32)
    return constant(value=constant_of(scales.reshape(()) if len(scales) == 1 else scales))


def zero_of(quantization: Quantization, dtype: DType) -> Value | None:
    """The zero points in the shape of the scales; None where all are 0.

    Raises:
        InvalidModelError: one is no number of the type.
    """
    points = np.asarray(quantization.zero_points, np.int64)
    if not points.any():
        return None
    return constant(value=constant_of(_within(points, dtype), dtype))


def _within(
    points: np.ndarray[tuple[int, ...], np.dtype[np.int64]], dtype: DType
) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    signed = dtype.is_signed
    low, high = (-(1 << (dtype.bits - 1)), (1 << (dtype.bits - 1)) - 1) if signed else (0, (1 << dtype.bits) - 1)
    if points.min() < low or points.max() > high:
        raise InvalidModelError(f"a zero point of {int(points.max())} is no {dtype}")
    return points.reshape(()) if points.size == 1 else points


def checked(value: Value, quantization: Quantization) -> int:
    """The axis of the scales; raises InvalidModelError where they do not go with the value."""
    scales = np.asarray(quantization.scales)
    if not (np.isfinite(scales).all() and (scales > 0).all()):
        raise InvalidModelError("a scale of quantisation is not positive")
    if len(quantization.scales) == 1:
        return 0
    axis = quantization.axis
    if not 0 <= axis < value.rank or equal(value.shape[axis], len(quantization.scales)) is False:
        raise InvalidModelError(f"{len(quantization.scales)} scales on axis {axis} of {value.type!r}")
    return axis


def real(value: Value, quantization: Quantization | None) -> Value:
    """The real numbers (f32) that a value's integers stand for; the value itself where they stand for themselves."""
    if quantization is None:
        return value
    axis = checked(value, quantization)
    scale = scale_of(quantization)
    if value.dtype in _WIDE:
        _symmetric(quantization, value.dtype)
        wide = elementwise.cast(value, dtype=DType.FLOAT32)
        return elementwise.mul(wide, _spread(scale, wide, axis))
    return quantize.dequantize(value, scale, zero_of(quantization, value.dtype), dtype=DType.FLOAT32, axis=axis)


def stored(value: Value, quantization: Quantization | None, dtype: DType) -> Value:
    """The integers of a type that stand for real numbers: to the nearest, halves to the even one."""
    if quantization is None:
        return value
    axis = checked(value, quantization)
    scale = scale_of(quantization)
    if dtype in _WIDE:
        _symmetric(quantization, dtype)
        quotient = elementwise.div(value, _spread(scale, value, axis))
        return elementwise.cast(elementwise.round_(quotient), dtype=dtype)
    return quantize.quantize(value, scale, zero_of(quantization, dtype), dtype=dtype, axis=axis)


def _symmetric(quantization: Quantization, dtype: DType) -> None:
    if any(quantization.zero_points):
        raise UnsupportedError(f"{dtype} with a zero point")


def _spread(scale: Value, like: Value, axis: int) -> Value:
    if scale.rank:
        scale = reshape(scale, shape=tuple(scale.shape[0] if index == axis else 1 for index in range(like.rank)))
    return scale if scale.shape == like.shape else broadcast(scale, shape=like.shape)
