"""Values as Python text: numbers that read back as themselves, element types, small arrays."""

from __future__ import annotations

import math
from typing import cast

import numpy as np

from xir.ir.constant import Constant
from xir.ir.types import DType, TensorType, Type

TORCH: dict[DType, str] = {
    DType.FLOAT32: "float32",
    DType.FLOAT64: "float64",
    DType.FLOAT16: "float16",
    DType.BFLOAT16: "bfloat16",
    DType.FLOAT8E4M3FN: "float8_e4m3fn",
    DType.FLOAT8E4M3FNUZ: "float8_e4m3fnuz",
    DType.FLOAT8E5M2: "float8_e5m2",
    DType.FLOAT8E5M2FNUZ: "float8_e5m2fnuz",
    DType.FLOAT8E8M0: "float8_e8m0fnu",
    DType.INT8: "int8",
    DType.INT16: "int16",
    DType.INT32: "int32",
    DType.INT64: "int64",
    DType.UINT8: "uint8",
    DType.UINT16: "uint16",
    DType.UINT32: "uint32",
    DType.UINT64: "uint64",
    DType.BOOL: "bool",
    DType.COMPLEX64: "complex64",
    DType.COMPLEX128: "complex128",
}
"""The element types of PyTorch 2.13 (torch.dtype) that hold what ours do."""


def dtype_text(dtype: DType) -> str:
    """`torch.float32`."""
    return f"torch.{TORCH[dtype]}"


def string_text(text: str) -> str:
    """A literal of ASCII, whatever the text holds, between double quotes where it has none itself."""
    quoted = ascii(text)
    return f'"{quoted[1:-1]}"' if quoted[0] == "'" and '"' not in quoted else quoted


def number_text(value: complex | float | int | bool, dtype: DType | None = None) -> str:
    """A Python number; of an f32 the shortest one that is rounded to it."""
    if isinstance(value, bool | int):
        return repr(value)
    if isinstance(value, complex):
        return f"complex({number_text(value.real)}, {number_text(value.imag)})"
    if math.isnan(value) or math.isinf(value):
        return f'float("{value}")'
    if dtype is DType.FLOAT32:
        short = str(np.float32(value))
        return short if np.float32(float(short)) == np.float32(value) else repr(value)
    return repr(value)


def elements_text(constant: Constant) -> str:
    """The elements of a small constant, as nested lists."""

    def nested(held: object) -> str:
        if isinstance(held, list):
            return f"[{', '.join(map(nested, cast('list[object]', held)))}]"
        return number_text(held if isinstance(held, bool | int | complex) else float(str(held)), constant.dtype)

    array = constant.array()
    wide = array.astype(np.float64) if constant.dtype.is_floating else array
    return nested(wide.tolist())


def type_text(type: Type) -> str:
    """`float32[N, 3, 224, 224]` for comments: sizes that are no numbers are `?`, for their names are the model's."""
    if not isinstance(type, TensorType):
        return "list" if "sequence" in repr(type) else "any"
    sizes = ", ".join(str(size) if isinstance(size, int) else "?" for size in type.shape)
    return f"{TORCH.get(type.dtype, str(type.dtype))}[{sizes}]"
