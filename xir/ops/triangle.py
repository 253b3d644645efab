"""Matrices by their diagonals."""

from __future__ import annotations

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.builder import apply
from xir.ir.constant import Array
from xir.ir.dims import Shape
from xir.ir.node import Node, Value
from xir.ir.types import DType, TensorType
from xir.ops._build import scalar_like
from xir.ops._checks import only_element, require_rank, require_rank_at_least, require_scalar
from xir.ops._define import op
from xir.ops.compare import equal, greater_equal, less_equal
from xir.ops.elementwise import add, cast, select
from xir.ops.shape import broadcast, iota, reshape


@op
def trilu(x: Value, k: Value | None = None, *, diagonal: int, upper: bool) -> TensorType:
    """The upper or lower triangle of matrices, zeros elsewhere (ONNX Trilu; NumPy's triu and tril).

    x: [..., N, M], any type but text; result: the same type. What lies on the diagonal and above it (`upper`) or below
    it is kept; the diagonal number `diagonal` goes through [i, i + diagonal]. `k`: an integer, gives it at run time.
    """
    require_rank_at_least(x, 2)
    require_scalar(k)
    if x.dtype is DType.STRING:
        raise InvalidModelError(f"numbers or bools are needed, got {x.type!r}")
    return x.tensor


@trilu.reference
def _trilu_reference(x: Array, k: Array | None, *, diagonal: int, upper: bool) -> Array:
    number = diagonal if k is None else int(only_element(k))
    rows, columns = (np.arange(size, dtype=object) for size in x.shape[-2:])
    offset = columns[None, :] - rows[:, None]
    kept = np.asarray(offset >= number if upper else offset <= number, np.bool_)
    return np.where(kept, x, np.zeros((), x.dtype))


@trilu.gradient
def _trilu_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    return apply(node.op, (dy, node.inputs[1]), node.attributes).outputs[0], None


@trilu.decompose
def _trilu_decompose(x: Value, k: Value | None = None, *, diagonal: int, upper: bool) -> Value:
    sizes = x.shape[-2:]
    rows, columns = _places(sizes)
    if k is None:
        shift = scalar_like(rows, diagonal)
    else:
        shift = broadcast(reshape(cast(k, dtype=DType.INT64), shape=()), shape=sizes)
    kept = (greater_equal if upper else less_equal)(columns, add(rows, shift))
    mask = kept if x.rank == 2 else broadcast(kept, shape=x.shape)
    return select(mask, x, scalar_like(x, 0))


def _places(sizes: Shape) -> tuple[Value, Value]:
    """The row and the column of each element of a matrix."""
    return iota(shape=sizes, axis=0, dtype=DType.INT64), iota(shape=sizes, axis=1, dtype=DType.INT64)


@op
def eye_like(x: Value, *, diagonal: int, dtype: DType) -> TensorType:
    """Ones on a diagonal and zeros elsewhere (ONNX EyeLike; NumPy's eye).

    x: [N, M], of which only the sizes count; result: [N, M] of `dtype`; the diagonal goes through [i, i + diagonal].
    """
    require_rank(x, 2)
    if dtype is DType.STRING:
        raise InvalidModelError("numbers or bools are needed, got str")
    return x.tensor.with_dtype(dtype)


@eye_like.reference
def _eye_like_reference(x: Array, *, diagonal: int, dtype: DType) -> Array:
    rows, columns = x.shape
    return np.eye(rows, columns, max(min(diagonal, columns), -rows), dtype=np.bool_).astype(dtype.dtype)


@eye_like.decompose
def _eye_like_decompose(x: Value, *, diagonal: int, dtype: DType) -> Value:
    rows, columns = _places(x.shape)
    return cast(equal(add(rows, scalar_like(rows, diagonal)), columns), dtype=dtype)


eye_like.no_gradient("the result depends on the sizes of the operand alone")
