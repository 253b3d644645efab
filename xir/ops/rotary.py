"""Rotary position embedding."""

from __future__ import annotations

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.dims import Shape
from xir.ir.node import Value
from xir.ir.types import TensorType
from xir.ops._checks import require_floating, require_rank, require_same_dtype, require_same_shape
from xir.ops._define import op
from xir.ops._wide import narrow, wide
from xir.ops._windows import Numbers, narrowed, widened
from xir.ops.elementwise import add, mul, sub
from xir.ops.index import gather
from xir.ops.shape import broadcast, concat, reshape, slice_


@op
def rotary_embedding(
    x: Value, cosines: Value, sines: Value, positions: Value | None = None, *, size: int, interleaved: bool
) -> TensorType:
    """Pairs of the first `size` numbers of each head, turned by an angle of their position (ONNX RotaryEmbedding).

    x: [B, H, L, D], floating; cosines, sines: [B, L, size / 2], or with positions: i64[B, L] a table [P, size / 2]
    of which it picks rows. A pair is (x[i], x[i + size / 2]), or with `interleaved` (x[2 * i], x[2 * i + 1]); it
    becomes (cos * a - sin * b, sin * a + cos * b); numbers from `size` on stay. Result: the type of `x`. (Su et al.
    2021, RoFormer)
    """
    require_floating(x)
    require_same_dtype(x, cosines, sines)
    require_rank(x, 4)
    if size < 0 or size % 2 or (isinstance(x.shape[3], int) and size > x.shape[3]):
        raise InvalidModelError(f"an even number of the numbers of {x.type!r} is turned, got {size}")
    wanted: Shape
    if positions is None:
        wanted = (x.shape[0], x.shape[2], size // 2)
    else:
        require_same_shape(positions.shape, (x.shape[0], x.shape[2]))
        require_rank(cosines, 2)
        wanted = (cosines.shape[0], size // 2)
    require_same_shape(cosines.shape, wanted)
    require_same_shape(sines.shape, wanted)
    return x.tensor


@rotary_embedding.reference
def _rotary_embedding_reference(
    x: Array, cosines: Array, sines: Array, positions: Array | None, *, size: int, interleaved: bool
) -> Array:
    data = widened(x).copy()
    cos, sin = (_picked(widened(table), positions)[:, None] for table in (cosines, sines))
    turned = data[..., :size]
    a, b = (turned[..., ::2], turned[..., 1::2]) if interleaved else np.split(turned, 2, axis=-1)
    pair: tuple[Numbers, Numbers] = cos * a - sin * b, sin * a + cos * b
    data[..., :size] = np.stack(pair, axis=-1).reshape(turned.shape) if interleaved else np.concatenate(pair, axis=-1)
    return narrowed(data, x)


def _picked(table: Numbers, positions: Array | None) -> Numbers:
    if positions is None:
        return table
    rows, count = positions.astype(np.int64), table.shape[0]
    if rows.size and not -count <= int(rows.min()) <= int(rows.max()) < count:
        raise InvalidModelError(f"positions {rows.min()} to {rows.max()} in a table of {count} rows")
    return table[rows]


@rotary_embedding.decompose
def _rotary_embedding_decompose(
    x: Value, cosines: Value, sines: Value, positions: Value | None = None, *, size: int, interleaved: bool
) -> Value:
    batch, heads, length, _ = x.shape
    half = size // 2
    data = wide(x)
    turned = slice_(data, axes=(3,), starts=(0,), stops=(size,), steps=(1,))
    if interleaved:
        turned = reshape(turned, shape=(batch, heads, length, half, 2))
    axis, step = (4, 1) if interleaved else (3, half)
    a, b = (
        reshape(
            slice_(turned, axes=(axis,), starts=(start * step,), stops=((start + 1) * step,), steps=(1,)),
            shape=(batch, heads, length, half),
        )
        for start in (0, 1)
    )
    cos, sin = (
        broadcast(reshape(_rows(table, positions), shape=(batch, 1, length, half)), shape=a.shape)
        for table in (cosines, sines)
    )
    pair = sub(mul(cos, a), mul(sin, b)), add(mul(sin, a), mul(cos, b))
    if interleaved:
        columns = concat(*(reshape(each, shape=(*each.shape, 1)) for each in pair), axis=4)
        result = reshape(columns, shape=(batch, heads, length, size))
    else:
        result = concat(*pair, axis=3)
    rest = slice_(data, axes=(3,), starts=(size,), stops=(x.shape[3],), steps=(1,))
    return narrow(result if x.shape[3] == size else concat(result, rest, axis=3), x.dtype)


def _rows(table: Value, positions: Value | None) -> Value:
    return wide(table if positions is None else gather(table, positions, axis=0))
