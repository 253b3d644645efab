"""The element types of torch by their names, and the classes of storages that older files name them by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from xir.ir.types import DType


@dataclass(frozen=True, slots=True)
class ElementType:
    """An element type of torch.

    Attributes:
        name: torch's name without `torch.` (`float32`).
        size: bytes of one element of a storage.
        dtype: xir's type of the elements as they are stored, or None where it has none.
        quantized: whether the elements are numbers of a scale and a zero point.
        held: how many numbers an element of a storage holds, the first in its lowest bits.
    """

    name: str
    size: int
    dtype: DType | None
    quantized: bool = False
    held: int = 1

    @property
    def bits(self) -> int:
        """Bits of one number of a tensor."""
        return self.size * 8 // self.held


_PLAIN = {
    "float64": DType.FLOAT64, "float32": DType.FLOAT32, "float16": DType.FLOAT16, "bfloat16": DType.BFLOAT16,
    "float8_e4m3fn": DType.FLOAT8E4M3FN, "float8_e4m3fnuz": DType.FLOAT8E4M3FNUZ, "float8_e5m2": DType.FLOAT8E5M2,
    "float8_e5m2fnuz": DType.FLOAT8E5M2FNUZ, "float8_e8m0fnu": DType.FLOAT8E8M0, "int64": DType.INT64,
    "int32": DType.INT32, "int16": DType.INT16, "int8": DType.INT8, "uint64": DType.UINT64, "uint32": DType.UINT32,
    "uint16": DType.UINT16, "uint8": DType.UINT8, "bool": DType.BOOL, "complex64": DType.COMPLEX64,
    "complex128": DType.COMPLEX128,
}  # fmt: skip
_QUANTIZED = {"qint8": DType.INT8, "quint8": DType.UINT8, "qint32": DType.INT32}
_WITHOUT = {
    "complex32": 4, "bits16": 2, "bits8": 1, "bits4x2": 1, "bits2x4": 1, "bits1x8": 1, "quint2x4": 1,
    "float4_e2m1fn_x2": 1, **{f"{sign}int{bits}": 1 for sign in ("", "u") for bits in range(1, 8)},
}  # fmt: skip
"""Bytes of the types that xir has no element type for: half complex, bits, several numbers in a byte."""

ELEMENT_TYPES: Mapping[str, ElementType] = {
    **{name: ElementType(name, dtype.bits // 8, dtype) for name, dtype in _PLAIN.items()},
    **{name: ElementType(name, dtype.bits // 8, dtype, quantized=True) for name, dtype in _QUANTIZED.items()},
    "quint4x2": ElementType("quint4x2", 1, DType.UINT4, quantized=True, held=2),
    **{name: ElementType(name, size, None, quantized=name.startswith("quint")) for name, size in _WITHOUT.items()},
}
"""{name: element type} of every type of torch 2.13 (torch/csrc/utils/tensor_dtypes.cpp, c10/core/ScalarType.h)."""

ALIASES: Mapping[str, str] = {
    "float": "float32", "double": "float64", "half": "float16", "long": "int64", "int": "int32", "short": "int16",
    "cfloat": "complex64", "cdouble": "complex128", "chalf": "complex32",
}  # fmt: skip
"""Second names (torch/csrc/utils/tensor_dtypes.cpp)."""

STORAGE_CLASSES: Mapping[str, ElementType] = {
    name: ELEMENT_TYPES[element]
    for name, element in {
        "DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16", "LongStorage": "int64",
        "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8", "ByteStorage": "uint8",
        "BoolStorage": "bool", "BFloat16Storage": "bfloat16", "ComplexDoubleStorage": "complex128",
        "ComplexFloatStorage": "complex64", "QInt8Storage": "qint8", "QInt32Storage": "qint32",
        "QUInt8Storage": "quint8", "QUInt4x2Storage": "quint4x2", "QUInt2x4Storage": "quint2x4",
        "UntypedStorage": "uint8", "_UntypedStorage": "uint8",
    }.items()
}  # fmt: skip
"""{class: the type of its elements} (torch/storage.py, _dtype_to_storage_type_map); untyped storages count bytes."""
