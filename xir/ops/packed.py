"""Products with weights of 4 or 8 bits that stay packed: they are widened where they are multiplied."""

from __future__ import annotations

from typing import cast

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import Array, constant_of
from xir.ir.node import Node, Value
from xir.ir.types import DType, TensorType
from xir.kernel import build
from xir.kernel.grammar import Kernel, Load, Scalar
from xir.ops import bitwise, elementwise
from xir.ops._build import scalar_like
from xir.ops._checks import require_dtype, require_rank, require_same_shape, require_size
from xir.ops._define import op
from xir.ops._quantized import spread, spread_array
from xir.ops._windows import Numbers
from xir.ops.constant import constant
from xir.ops.matmul import matmul
from xir.ops.shape import broadcast, reshape

WORD = 32
"""Bits of a word."""


@op
def packed_matmul(
    x: Value, words: Value, scale: Value, zero_point: Value | None = None, *, bits: int, block: int
) -> TensorType:
    """`x @ ((q - zero_point) * scale)`, where words of 32 bits hold the weights q, each along the rows of one column.

    x: f32[M, K]; words: i32[K * bits / 32, N], each with 32 / `bits` signed numbers of 4 or 8 bits that follow one
    another along K, the low bits first; scale: f32[K / block, N], zero_point: the same of real numbers; result:
    f32[M, N]. A block is a whole number of words. (onnxruntime MatMulNBits, with the words of columns side by side)
    """
    require_dtype(x, DType.FLOAT32)
    require_dtype(words, DType.INT32)
    for operand in (x, words, scale):
        require_rank(operand, 2)
    if bits not in (4, 8) or block < 1 or block * bits % WORD:
        raise InvalidModelError(f"blocks of {block} weights of {bits} bits are no whole words")
    k, n = words.shape[0] * (WORD // bits), words.shape[1]
    require_size(x.shape[1], k, "the number of weights of a column")
    require_dtype(scale, DType.FLOAT32)
    require_same_shape((scale.shape[0] * block, scale.shape[1]), (k, n))
    if zero_point is not None:
        require_dtype(zero_point, DType.FLOAT32)
        require_same_shape(zero_point.shape, scale.shape)
    return x.tensor.with_shape((x.shape[0], n))


@packed_matmul.reference
def _packed_matmul_reference(
    x: Numbers, words: Numbers, scale: Numbers, zero_point: Numbers | None, *, bits: int, block: int
) -> Array:
    count, held = WORD // bits, words.astype(np.int64)
    fields = np.stack([(held << (64 - bits * (place + 1))) >> (64 - bits) for place in range(count)], axis=1)
    weights = cast("Numbers", fields.reshape(x.shape[1], words.shape[1]).astype(np.float32))
    if zero_point is not None:
        weights = weights - spread_array(zero_point, weights.shape, 0, block)
    return np.asarray(np.matmul(x, weights * spread_array(scale, weights.shape, 0, block)))


@packed_matmul.decompose
def _packed_matmul_decompose(
    x: Value, words: Value, scale: Value, zero_point: Value | None = None, *, bits: int, block: int
) -> Value:
    count, (rows, columns) = WORD // bits, words.shape
    whole = broadcast(reshape(words, shape=(rows, 1, columns)), shape=(rows, count, columns))
    places = WORD - bits * (np.arange(count, dtype=np.int32) + 1)
    moves = constant(value=constant_of(places.astype(np.int32).reshape(-1, 1)))
    high = bitwise.shift_left(whole, broadcast(moves, shape=whole.shape))
    fields = reshape(bitwise.shift_right(high, scalar_like(high, WORD - bits)), shape=(rows * count, columns))
    weights = elementwise.cast(fields, dtype=DType.FLOAT32)
    if zero_point is not None:
        weights = elementwise.sub(weights, spread(zero_point, weights, 0, block))
    return matmul(x, elementwise.mul(weights, spread(scale, weights, 0, block)))


@packed_matmul.lower
def _packed_matmul_lower(node: Node) -> Kernel:
    x, words, scale, zero_point = build.operand_buffers(node)
    left, right, factor = (build.present(buffer) for buffer in (x, words, scale))
    bits, block = cast("int", node.attributes["bits"]), cast("int", node.attributes["block"])
    count = WORD // bits
    within = block // count

    def word(inner: build.Indices) -> Scalar:
        return build.apply("add", build.apply("mul", inner[0], build.index(within)), inner[1])

    def element(places: build.Indices, inner: build.Indices) -> Scalar:
        row = build.apply("add", build.apply("mul", word(inner), build.index(count)), inner[2])
        return Load(left, (places[0], row))

    def weight(places: build.Indices, inner: build.Indices) -> Scalar:
        place = build.cast(inner[2], DType.INT32)
        moved = build.apply("mul", build.apply("add", place, build.number(1, DType.INT32)), _i32(bits))
        field_ = field(Load(right, (word(inner), places[1])), build.apply("sub", _i32(WORD), moved), bits)
        if zero_point is not None:
            field_ = build.apply("sub", field_, Load(zero_point, (inner[0], places[1])))
        return build.apply("mul", field_, Load(factor, (inner[0], places[1])))

    return build.contraction(node, (factor.shape[0], within, count), left=element, right=weight)


def field(word: Scalar, above: Scalar, bits: int) -> Scalar:
    """The signed number of `bits` bits, with `above` bits above it, in a word, as f32."""
    high = build.apply("shift_left", word, above)
    return build.cast(build.apply("shift_right", high, _i32(WORD - bits)), DType.FLOAT32)


def _i32(value: int) -> Scalar:
    return build.number(value, DType.INT32)


packed_matmul.no_gradient("packed weights are not trained through")
packed_matmul.kept("the packed weights are what the model stores: four times as much would be written")
