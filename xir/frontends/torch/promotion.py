"""Type promotion of PyTorch: which type a result has whose operands have several.

Tensors with axes come before tensors without, and these before numbers: what comes later changes the type only where
its kind (bool, integer, real, complex) is higher (PyTorch documentation, "Tensor Attributes", torch.dtype, "Type
promotion doc"; aten/src/ATen/native/TypeProperties.cpp, `result_type`).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from xir.errors import UnsupportedError
from xir.frontends.torch.tensor import Computed, Number
from xir.ir.dims import SymbolicDim
from xir.ir.node import Value
from xir.ir.types import DType, dtype_from_numpy

DEFAULT = DType.FLOAT32
"""The type of real numbers that nothing else decides (torch.get_default_dtype)."""

_FLOATS = (DType.FLOAT16, DType.FLOAT32, DType.FLOAT64)
_COMPLEX = {DType.FLOAT16: DType.COMPLEX64, DType.BFLOAT16: DType.COMPLEX64, DType.FLOAT32: DType.COMPLEX64,
            DType.FLOAT64: DType.COMPLEX128}  # fmt: skip
_CODES = {
    0: DType.UINT8, 1: DType.INT8, 2: DType.INT16, 3: DType.INT32, 4: DType.INT64, 5: DType.FLOAT16, 6: DType.FLOAT32,
    7: DType.FLOAT64, 9: DType.COMPLEX64, 10: DType.COMPLEX128, 11: DType.BOOL, 15: DType.BFLOAT16,
    23: DType.FLOAT8E5M2, 24: DType.FLOAT8E4M3FN, 25: DType.FLOAT8E5M2FNUZ, 26: DType.FLOAT8E4M3FNUZ,
    27: DType.UINT16, 28: DType.UINT32, 29: DType.UINT64,
}  # fmt: skip
_WIDE_UNSIGNED = (DType.UINT16, DType.UINT32, DType.UINT64)


def dtype_of_code(code: int) -> DType:
    """The type of a number in c10's order (torch/headeronly/core/ScalarType.h).

    Raises:
        UnsupportedError: xir has no such type.
    """
    if code not in _CODES:
        raise UnsupportedError(f"element type number {code} of PyTorch")
    return _CODES[code]


def code_of_dtype(dtype: DType) -> int:
    """The number of a type in c10's order.

    Raises:
        UnsupportedError: PyTorch has no such type.
    """
    for code, known in _CODES.items():
        if known is dtype:
            return code
    raise UnsupportedError(f"PyTorch has no elements of {dtype}")


def category(dtype: DType) -> int:
    """0 for bool, 1 for integers, 2 for real numbers, 3 for complex ones."""
    if dtype is DType.BOOL:
        return 0
    if dtype.is_integer:
        return 1
    return 3 if dtype in (DType.COMPLEX64, DType.COMPLEX128) else 2


def dtype_of_number(number: Number) -> DType:
    """The type that a number alone has."""
    if isinstance(number, Computed):
        return number.value.dtype if category(number.value.dtype) < 2 else DEFAULT
    if isinstance(number, bool):
        return DType.BOOL
    if isinstance(number, int | SymbolicDim):
        return DType.INT64
    return DEFAULT if isinstance(number, float) else DType.COMPLEX64


def promoted(a: DType, b: DType) -> DType:
    """The smallest type of PyTorch's lattice that both go into (c10/core/ScalarType.cpp, `promoteTypes`).

    Raises:
        UnsupportedError: PyTorch promotes them to none.
    """
    if a is b:
        return a
    low, high = sorted((a, b), key=category)
    if category(low) < category(high):
        if category(high) == 3 and category(low) == 2:
            return DType.COMPLEX128 if DType.FLOAT64 in (a, b) or DType.COMPLEX128 in (a, b) else DType.COMPLEX64
        return high
    if category(a) == 1:
        if a in _WIDE_UNSIGNED or b in _WIDE_UNSIGNED:
            raise UnsupportedError(f"{a} and {b} have no common type in PyTorch", hint="cast one of them")
        return dtype_from_numpy(np.promote_types(a.dtype, b.dtype))
    if category(a) == 3:
        return DType.COMPLEX128
    if a in _FLOATS and b in _FLOATS:
        return max(a, b, key=lambda dtype: dtype.bits)
    if DType.BFLOAT16 in (a, b) and (a in _FLOATS or b in _FLOATS):
        return DType.FLOAT64 if DType.FLOAT64 in (a, b) else DType.FLOAT32
    raise UnsupportedError(f"{a} and {b} have no common type in PyTorch", hint="cast one of them")


def result_type(operands: Iterable[Value | Number]) -> DType:
    """The type that PyTorch computes in.

    Raises:
        UnsupportedError: PyTorch promotes the operands to none.
    """
    ranks: list[DType | None] = [None, None, None]  # tensors with axes, without, numbers
    for operand in operands:
        place = 2 if not isinstance(operand, Value) else (0 if operand.rank else 1)
        dtype = operand.dtype if isinstance(operand, Value) else dtype_of_number(operand)
        held = ranks[place]
        ranks[place] = dtype if held is None else promoted(held, dtype)
    result = ranks[0]
    for lower in ranks[1:]:
        result = _combined(result, lower)
    return result or DEFAULT


def _combined(higher: DType | None, lower: DType | None) -> DType | None:
    """`combine_categories` of the same file: the first decides unless the second is of a higher kind."""
    if higher is None or lower is None:
        return higher or lower
    if category(higher) >= 2:
        return _COMPLEX[higher] if category(higher) == 2 and category(lower) == 3 else higher
    if category(higher) == 0 or category(lower) >= 2:
        return promoted(higher, lower)
    return higher
