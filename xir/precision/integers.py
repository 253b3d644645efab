"""Numbers as integers: the scale and zero point that a range gives, and weights with a scale a channel or a block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from xir.ir.constant import Array, Constant, constant_of
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops._windows import integer_limits

_LEAST_SCALE = float(np.finfo(np.float32).tiny)
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Scale:
    """How numbers map to integers: `round(x / scale) + zero_point`."""

    scale: float
    zero_point: int
    dtype: DType


def scale_of(low: float, high: float, dtype: DType) -> Scale:
    """The scale and zero point that lay [low, high] and 0 over the range of `dtype`; i8 and i4 lie around 0.

    Signed types leave their least integer out, so that the range is the same on both sides (onnxruntime's rule for
    symmetric types, quant_utils.py).
    """
    low, high = min(low, 0.0), max(high, 0.0)
    least, most = integer_limits(dtype)
    if dtype.is_signed:
        return Scale(_single(max(-low, high) / most), 0, dtype)
    scale = _single((high - low) / (most - least))
    return Scale(scale, int(np.clip(np.rint(least - low / scale), least, most)), dtype)


def _single(scale: float) -> float:
    """The scale in f32; that of nothing but zeros is 1."""
    rounded = float(np.float32(scale))
    return rounded if rounded >= _LEAST_SCALE else 1.0


@dataclass(frozen=True, slots=True)
class IntegerWeight:
    """A weight as integers.

    Attributes:
        elements: the integers.
        scale: one number [], one a channel [C], or one a block.
        axis: the axis of the scales, or of the blocks.
        block: neighbours that share a scale, 0 for none.
    """

    elements: Constant
    scale: Constant
    axis: int
    block: int = 0


def quantized_weight(
    array: Array, dtype: DType, axis: int | None, *, least_scale: NDArray[np.float64] | None = None
) -> IntegerWeight:
    """A weight around 0, with a scale for each place of `axis`, or one for all.

    Args:
        array: the numbers.
        dtype: i8 or i4.
        axis: the axis of the channels; None for one scale.
        least_scale: no scale is below this ([C] or []); a bias that would leave 32 bits otherwise asks for it.
    """
    wide = array.astype(np.float64)
    others = tuple(place for place in range(array.ndim) if place != axis)
    most = np.abs(wide).max(axis=others, initial=0.0) if axis is not None else np.abs(wide).max(initial=0.0)
    scale = _scales(np.asarray(most), dtype)
    if least_scale is not None:
        scale = np.maximum(scale, least_scale.astype(np.float32))
    laid = scale if axis is None else scale.reshape(-1, *(1,) * (array.ndim - axis - 1))
    return IntegerWeight(_rounded(wide, laid, dtype), constant_of(scale), axis or 0)


def blocked_weight(array: Array, dtype: DType, axis: int, block: int) -> IntegerWeight:
    """A weight around 0, with a scale for each `block` neighbours along `axis`.

    Each scale is the better of two, by the squares of what it loses: the one that holds every number, and the one
    that gives the largest number (of either sign) the type's least integer, which the other leaves out.
    """
    wide = np.moveaxis(array.astype(np.float64), axis, -1)
    size = wide.shape[-1]
    count = -(-size // block)
    padded = np.zeros((*wide.shape[:-1], count * block))
    padded[..., :size] = wide
    blocks = padded.reshape(*wide.shape[:-1], count, block)
    plain = _scales(np.abs(blocks).max(axis=-1), dtype).astype(np.float64)
    place = np.abs(blocks).argmax(axis=-1)[..., None]
    largest = np.take_along_axis(blocks, place, -1)[..., 0]
    signed = largest / integer_limits(dtype)[0]
    signed = np.where(np.abs(signed) < _LEAST_SCALE, 1.0, signed).astype(np.float32).astype(np.float64)
    better = _loss(blocks, signed, dtype) < _loss(blocks, plain, dtype)
    scale = np.where(better, signed, plain).astype(np.float32)
    laid = np.moveaxis(np.repeat(scale, block, axis=-1)[..., :size], -1, axis)
    scales = np.ascontiguousarray(np.moveaxis(scale, -1, axis))
    return IntegerWeight(_rounded(array.astype(np.float64), laid, dtype), constant_of(scales), axis, block)


def _loss(blocks: NDArray[np.float64], scale: NDArray[np.float64], dtype: DType) -> NDArray[np.float64]:
    laid = scale[..., None]
    held = np.clip(np.rint(blocks / laid), *integer_limits(dtype)) * laid
    return np.asarray(((blocks - held) ** 2).sum(axis=-1))


def _scales(most: NDArray[np.float64], dtype: DType) -> Floats:
    scale = (most / integer_limits(dtype)[1]).astype(np.float32)
    return np.where(scale < _LEAST_SCALE, np.float32(1), scale).astype(np.float32)


def _rounded(wide: NDArray[np.float64], scale: Floats, dtype: DType) -> Constant:
    whole = np.clip(np.rint(wide / scale.astype(np.float64)), *integer_limits(dtype))
    return constant_of(np.ascontiguousarray(whole.astype(np.int8).astype(dtype.dtype)))


def quantized_bias(bias: Array, scale: NDArray[np.float64]) -> tuple[Constant, Constant]:
    """A bias in i32, and its scales: the products of the input's and the weight's (ONNX QLinearConv)."""
    single = np.broadcast_to(scale, bias.shape).astype(np.float32)
    whole = np.rint(bias.astype(np.float64) / single.astype(np.float64))
    limits = np.iinfo(np.int32)
    return constant_of(np.clip(whole, limits.min, limits.max).astype(np.int32)), constant_of(single.copy())


def constant_behind(value: Value | None) -> Value | None:
    """The value that may be a weight: the operand itself, or what a broadcast over leading axes repeats."""
    if value is None or value.node is None or value.node.op.name != "broadcast":
        return value
    given = cast("Value", value.node.inputs[0])
    return given if given.shape == value.shape[value.rank - given.rank :] and given.rank >= 1 else value
