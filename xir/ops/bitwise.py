"""Operations on the bits of integers."""

from __future__ import annotations

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.node import Value
from xir.ir.types import TensorType
from xir.kernel import build
from xir.ops._checks import require_same_type
from xir.ops._define import op
from xir.ops._numeric import Numbers

_REASON = "bits have no derivative"
_BYTE = 8


def _require_integers(*values: Value) -> TensorType:
    for value in values:
        if not value.dtype.is_integer or value.dtype.bits < _BYTE:
            raise InvalidModelError(f"integers of 8 bits or more are needed, got {value.type!r}")
    return require_same_type(*values)


@op
def bitwise_and(x: Value, y: Value) -> TensorType:
    """The bits that are set in both (ONNX BitwiseAnd).

    x, y: integers of one type and shape; result: the same type.
    """
    return _require_integers(x, y)


@bitwise_and.reference
def _bitwise_and_reference(x: Array, y: Array) -> Array:
    return np.asarray(np.bitwise_and(x, y))


bitwise_and.no_gradient(_REASON)
bitwise_and.lower(build.each("bit_and"))


@op
def bitwise_or(x: Value, y: Value) -> TensorType:
    """The bits that are set in either (ONNX BitwiseOr).

    x, y: integers of one type and shape; result: the same type.
    """
    return _require_integers(x, y)


@bitwise_or.reference
def _bitwise_or_reference(x: Array, y: Array) -> Array:
    return np.asarray(np.bitwise_or(x, y))


bitwise_or.no_gradient(_REASON)
bitwise_or.lower(build.each("bit_or"))


@op
def bitwise_xor(x: Value, y: Value) -> TensorType:
    """The bits that are set in one of the two alone (ONNX BitwiseXor).

    x, y: integers of one type and shape; result: the same type.
    """
    return _require_integers(x, y)


@bitwise_xor.reference
def _bitwise_xor_reference(x: Array, y: Array) -> Array:
    return np.asarray(np.bitwise_xor(x, y))


bitwise_xor.no_gradient(_REASON)
bitwise_xor.lower(build.each("bit_xor"))


@op
def bitwise_not(x: Value) -> TensorType:
    """Every bit turned over (ONNX BitwiseNot).

    x: integers; result: the same type.
    """
    return _require_integers(x)


@bitwise_not.reference
def _bitwise_not_reference(x: Array) -> Array:
    return np.asarray(np.invert(x))


bitwise_not.no_gradient(_REASON)
bitwise_not.lower(build.each("bit_not"))


@op
def shift_left(x: Value, y: Value) -> TensorType:
    """The bits of x moved `y` places up; those pushed out are dropped, zeros come in (ONNX BitShift-28, LEFT).

    x, y: integers of one type and shape; result: the same type. 0 where y is negative or not below the number of bits.
    """
    return _require_integers(x, y)


@shift_left.reference
def _shift_left_reference(x: Numbers, y: Numbers) -> Array:
    unsigned = np.dtype(f"u{x.dtype.itemsize}")
    inside = (y >= 0) & (y < x.dtype.itemsize * 8)
    moved = np.left_shift(x.view(unsigned), np.where(inside, y, 0).astype(unsigned)).view(x.dtype)
    return np.where(inside, moved, np.zeros((), x.dtype))


shift_left.no_gradient(_REASON)
shift_left.lower(build.each("shift_left"))


@op
def shift_right(x: Value, y: Value) -> TensorType:
    """The bits of x moved `y` places down; the sign, or zeros, come in (ONNX BitShift-28, RIGHT).

    x, y: integers of one type and shape; result: the same type. Where y is negative or not below the number of bits,
    -1 for negative x and 0 for others.
    """
    return _require_integers(x, y)


@shift_right.reference
def _shift_right_reference(x: Numbers, y: Numbers) -> Array:
    inside = (y >= 0) & (y < x.dtype.itemsize * 8)
    moved = np.right_shift(x, np.where(inside, y, 0).astype(x.dtype))
    return np.where(inside, moved, np.where(x < 0, -1, 0).astype(x.dtype))


shift_right.no_gradient(_REASON)
shift_right.lower(build.each("shift_right"))
