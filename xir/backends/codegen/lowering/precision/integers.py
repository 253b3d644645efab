"""Products of bytes in the form that processors sum fastest: unsigned bytes with signed weights, without zero points.

    sum of (x - z) * w  ==  sum of x * w  -  z * sum of w

The sums of the weights are known, so zero points cost one subtraction a result; what is padded is the zero point
itself. Sums in i32 wrap around, so every step is exact. (Jacob et al. 2018, "Quantization and Training of Neural
Networks for Efficient Integer-Arithmetic-Only Inference", section 2.3)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xir.backends.codegen.lowering.products.words import WORD
from xir.ir.builder import apply
from xir.ir.constant import constant_of
from xir.ir.dims import Shape
from xir.ir.node import Attribute, Node, Value
from xir.ir.rewrite import Rewriter
from xir.ir.types import DType
from xir.ops import bitwise, elementwise
from xir.ops._build import scalar_like
from xir.ops._quantized import is_single
from xir.ops._windows import window_attributes
from xir.ops.padding import pad
from xir.ops.shape import broadcast, reshape

Integers = NDArray[np.int32]

MIDDLE = 128
"""What signed bytes are moved by to be unsigned."""


@dataclass(frozen=True, slots=True)
class _Weights:
    """Weights less their zero points.

    Attributes:
        array: the numbers, which fit signed bytes.
        sums: those that one result is multiplied with, summed; of the shape of a result, 1 where they are the same.
    """

    array: Integers
    sums: Integers


def without_zero_points(node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
    """A `conv_integer` or `matmul_integer` with constant weights in that form; None if it has it, or cannot have it."""
    x, w, point, _ = node.inputs
    if x is None or w is None or (point is not None and not is_single(point)):
        return None
    if node.op.name == "conv_integer" and len(_sides(node)) != len(window_attributes(node).padding):
        return None
    weights = _weights(node, rewriter)
    if weights is None or _is_plain(node):
        return None
    zero: Value | int = 0
    if point is not None:
        held = rewriter.constant_of(point)
        zero = point if held is None else int(held.array().reshape(-1)[0])
    if x.dtype is DType.INT8:
        x = bitwise.bitwise_xor(elementwise.cast(x, dtype=DType.UINT8), _byte(x, MIDDLE))
        if isinstance(zero, Value):
            zero = bitwise.bitwise_xor(elementwise.cast(zero, dtype=DType.UINT8), _byte(zero, MIDDLE))
        else:
            zero += MIDDLE
    total = _product(node, x, zero, weights.array, rewriter)
    return (_corrected(total, zero, weights.sums, rewriter),)


def _byte(like: Value, number: int) -> Value:
    return scalar_like(Value(like.tensor.with_dtype(DType.UINT8)), number)


def _is_plain(node: Node) -> bool:
    """Whether a product with known weights is in that form already."""
    x, w, *points = node.inputs
    if x is None or w is None or x.dtype is not DType.UINT8 or w.dtype is not DType.INT8 or any(points):
        return False
    return all(before == after == 0 for before, after in _padding(node, x))


def _padding(node: Node, x: Value) -> tuple[tuple[int, int], ...]:
    """What is added to the operand: windows' padding, and zeros until four neighbours are summed at once."""
    size = x.shape[-1] if node.op.name == "matmul_integer" else x.shape[1]
    more = (0, -size % WORD if isinstance(size, int) else 0)
    if node.op.name == "matmul_integer":
        return (*((0, 0),) * (x.rank - 1), more)
    given = window_attributes(node)
    sides = [(max(before, 0), max(after, 0)) for before, after in _sides(node)]
    return ((0, 0), more if given.groups == 1 else (0, 0), *sides)


def _sides(node: Node) -> list[tuple[int, int]]:
    """The padding of a convolution's windows where it is known; what is below 0 cuts off."""
    padding = window_attributes(node).padding
    return [(before, after) for before, after in padding if isinstance(before, int) and isinstance(after, int)]


def _weights(node: Node, rewriter: Rewriter) -> _Weights | None:
    w, point = node.inputs[1], node.inputs[3]
    held = None if w is None else rewriter.constant_of(w)
    zero = None if point is None else rewriter.constant_of(point)
    if held is None or (point is not None and zero is None):
        return None
    array = held.array().astype(np.int32)
    convolves = node.op.name == "conv_integer"
    if zero is not None:
        less = zero.array().astype(np.int32)
        array = array - (less.reshape(-1, *(1,) * (array.ndim - 1)) if convolves and less.size > 1 else less)
    if array.size == 0 or int(array.min()) < -MIDDLE or int(array.max()) >= MIDDLE:
        return None
    if not convolves:
        return _Weights(array, array.sum(-2, keepdims=True, dtype=np.int32))
    sums = array.reshape(array.shape[0], -1).sum(1, dtype=np.int32)
    return _Weights(array, sums.reshape(-1, *(1,) * (array.ndim - 2)))


def _product(node: Node, x: Value, zero: Value | int, array: Integers, rewriter: Rewriter) -> Value:
    """The sum of products of bytes; what is added to the operand is its zero point."""
    padding = _padding(node, x)
    attributes: dict[str, Attribute] = dict(node.attributes)
    more = [(0, 0)] * array.ndim
    if node.op.name == "conv_integer":
        more[1] = padding[1]
        attributes["padding"] = tuple((min(before, 0), min(after, 0)) for before, after in _sides(node))
    else:
        more[-2] = padding[-1]
    if any(side for pair in padding for side in pair):
        if isinstance(zero, Value):
            x = pad(x, None, reshape(zero, shape=()), None, padding=padding)
        else:
            x = pad(x, padding=padding, value=float(zero))
    weights = rewriter.parameter(constant_of(np.pad(array, more).astype(np.int8)), "bytes", trainable=False)
    return apply(node.op, (x, weights, None, None), attributes).outputs[0]


def _corrected(total: Value, zero: Value | int, sums: Integers, rewriter: Rewriter) -> Value:
    """The sum less the zero point times the sums of the weights."""
    if isinstance(zero, int):
        known = (np.int64(zero) * sums).astype(np.int32)
        return elementwise.sub(total, _spread(known, total.shape, rewriter)) if known.any() else total
    wide = broadcast(elementwise.cast(reshape(zero, shape=()), dtype=DType.INT32), shape=total.shape)
    return elementwise.sub(total, elementwise.mul(wide, _spread(sums, total.shape, rewriter)))


def _spread(array: Integers, shape: Shape, rewriter: Rewriter) -> Value:
    return broadcast(rewriter.parameter(constant_of(array), "sums", trainable=False), shape=shape)
