"""Matrix products."""

from __future__ import annotations

from typing import cast

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.node import Node, Value
from xir.ir.types import DType, TensorType
from xir.kernel import build
from xir.kernel.grammar import Kernel, Load
from xir.ops._build import scalar_like
from xir.ops._checks import require_rank, require_rank_at_least, require_same_dtype, require_same_shape, require_size
from xir.ops._define import op
from xir.ops._wide import narrow, wide
from xir.ops._windows import Numbers, narrowed, widened
from xir.ops.elementwise import add, mul
from xir.ops.shape import transpose

_INTEGERS = (DType.INT32, DType.INT64, DType.UINT32, DType.UINT64)


def _require_numbers(x: Value) -> None:
    if not (x.dtype.is_floating or x.dtype in _INTEGERS):
        raise InvalidModelError(f"floats or integers of 32 or 64 bits are needed, got {x.type!r}")


@op
def matmul(x: Value, y: Value) -> TensorType:
    """The matrix product over the last two axes (ONNX MatMul, batch axes equal).

    x: [batch..., M, K]; y: [batch..., K, N]; result: [batch..., M, N]. Floats, or integers of 32 and 64 bits, which
    wrap around. Floats narrower than 32 bits are summed in f32.
    """
    require_same_dtype(x, y)
    _require_numbers(x)
    require_rank_at_least(x, 2)
    require_rank(y, x.rank)
    require_same_shape(x.shape[:-2], y.shape[:-2])
    require_size(y.shape[-2], x.shape[-1], "the number of rows of the second operand")
    return x.tensor.with_shape((*x.shape[:-1], y.shape[-1]))


@matmul.reference
def _matmul_reference(x: Array, y: Array) -> Array:
    product: Numbers = np.matmul(widened(x), widened(y))
    return narrowed(product, x)


@matmul.gradient
def _matmul_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    x, y = (cast("Value", value) for value in node.inputs)
    return matmul(dy, _transposed(y)), matmul(_transposed(x), dy)


@matmul.lower
def _matmul_lower(node: Node) -> Kernel:
    x, y = (build.present(buffer) for buffer in build.operand_buffers(node))
    return build.contraction(
        node,
        (x.shape[-1],),
        left=lambda places, inner: Load(x, (*places[:-1], *inner)),
        right=lambda places, inner: Load(y, (*places[:-2], *inner, places[-1])),
    )


def _transposed(x: Value) -> Value:
    """The last two axes exchanged."""
    return transpose(x, perm=(*range(x.rank - 2), x.rank - 1, x.rank - 2))


@op
def gemm(
    a: Value, b: Value, c: Value | None = None, *, alpha: float, beta: float, transpose_a: bool, transpose_b: bool
) -> TensorType:
    """`alpha * a' b' + beta * c`, where a' and b' are transposed on request (ONNX Gemm, Caffe InnerProduct).

    a: [M, K], or [K, M] with `transpose_a`; b: [K, N], or [N, K] with `transpose_b`; c: [M, N]; result: [M, N].
    Floats, or integers of 32 and 64 bits, for which `alpha` and `beta` must be whole.
    """
    require_same_dtype(a, b, *(() if c is None else (c,)))
    _require_numbers(a)
    require_rank(a, 2)
    require_rank(b, 2)
    if a.dtype.is_integer and not (alpha.is_integer() and beta.is_integer()):
        raise InvalidModelError(f"integers need whole factors, got alpha {alpha} and beta {beta}")
    m, k = a.shape[::-1] if transpose_a else a.shape
    other_k, n = b.shape[::-1] if transpose_b else b.shape
    require_size(other_k, k, "the inner size of the second operand")
    if c is not None:
        require_same_shape(c.shape, (m, n))
    return a.tensor.with_shape((m, n))


@gemm.reference
def _gemm_reference(
    a: Array, b: Array, c: Array | None, *, alpha: float, beta: float, transpose_a: bool, transpose_b: bool
) -> Array:
    left, right = widened(a), widened(b)
    result: Numbers = np.matmul(left.T if transpose_a else left, right.T if transpose_b else right)
    if alpha != 1:
        result = result * result.dtype.type(alpha)
    if c is not None:
        addend = widened(c)
        result = result + (addend if beta == 1 else addend * result.dtype.type(beta))
    return narrowed(result, a)


@gemm.decompose
def _gemm_decompose(
    a: Value, b: Value, c: Value | None = None, *, alpha: float, beta: float, transpose_a: bool, transpose_b: bool
) -> Value:
    left, right = wide(a), wide(b)
    result = matmul(_transposed(left) if transpose_a else left, _transposed(right) if transpose_b else right)
    result = _times(result, alpha)
    if c is not None:
        result = add(result, _times(wide(c), beta))
    return narrow(result, a.dtype)


@gemm.gradient
def _gemm_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    a, b = (cast("Value", value) for value in node.inputs[:2])
    held = node.attributes
    scaled = _times(dy, cast("float", held["alpha"]))
    da = matmul(scaled, b if held["transpose_b"] else _transposed(b))
    db = matmul(_transposed(a) if not held["transpose_a"] else a, scaled)
    return (
        _transposed(da) if held["transpose_a"] else da,
        _transposed(db) if held["transpose_b"] else db,
        None if node.inputs[2] is None else _times(dy, cast("float", held["beta"])),
    )


def _times(x: Value, factor: float) -> Value:
    return x if factor == 1 else mul(x, scalar_like(x, factor))
