"""Tensors as ONNX stores them: element type numbers, packed elements, and payloads that are copied in pieces.

Source: onnx.proto, TensorProto (DataType, raw_data: little-endian, sub-byte types packed from the low bits up).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from xir.errors import UnsupportedError
from xir.files import FileSlice, OutputFile
from xir.ir.constant import Constant
from xir.ir.types import DType

NUMBERS: Mapping[DType, int] = {
    DType.FLOAT32: 1,
    DType.UINT8: 2,
    DType.INT8: 3,
    DType.UINT16: 4,
    DType.INT16: 5,
    DType.INT32: 6,
    DType.INT64: 7,
    DType.STRING: 8,
    DType.BOOL: 9,
    DType.FLOAT16: 10,
    DType.FLOAT64: 11,
    DType.UINT32: 12,
    DType.UINT64: 13,
    DType.COMPLEX64: 14,
    DType.COMPLEX128: 15,
    DType.BFLOAT16: 16,
    DType.FLOAT8E4M3FN: 17,
    DType.FLOAT8E4M3FNUZ: 18,
    DType.FLOAT8E5M2: 19,
    DType.FLOAT8E5M2FNUZ: 20,
    DType.UINT4: 21,
    DType.INT4: 22,
    DType.FLOAT4E2M1: 23,
    DType.FLOAT8E8M0: 24,
    DType.UINT2: 25,
    DType.INT2: 26,
    DType.FLOAT6E2M3: 27,
    DType.FLOAT6E3M2: 28,
}
"""TensorProto.DataType of onnx 1.23."""

IR_VERSIONS: Mapping[DType, int] = {
    DType.FLOAT8E4M3FN: 9,
    DType.FLOAT8E4M3FNUZ: 9,
    DType.FLOAT8E5M2: 9,
    DType.FLOAT8E5M2FNUZ: 9,
    DType.UINT4: 10,
    DType.INT4: 10,
    DType.FLOAT4E2M1: 11,
    DType.FLOAT8E8M0: 12,
    DType.UINT2: 13,
    DType.INT2: 13,
    DType.FLOAT6E2M3: 14,
    DType.FLOAT6E3M2: 14,
}
"""The first IR version that has an element type (onnx.proto, comments of TensorProto.DataType and Version)."""

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Payload:
    """The raw_data of a tensor, copied when the file is written.

    Attributes:
        constant: whose elements.
        length: bytes in the file.
    """

    constant: Constant
    length: int

    def chunks(self) -> Iterator[bytes | memoryview]:
        """The bytes in pieces of at most 1 MiB, little-endian, sub-byte elements packed."""
        data = self.constant.data
        bits = self.constant.dtype.bits
        if bits < 8:
            yield from _packed(self.constant, bits)
        elif isinstance(data, FileSlice):
            yield from data.chunks()
        else:
            yield from self.constant.chunks()

    def write(self, output: OutputFile) -> None:
        """Appends the bytes, file to file where they lie in a file."""
        data = self.constant.data
        if isinstance(data, FileSlice) and self.constant.dtype.bits >= 8:
            output.copy(data)
            return
        for chunk in self.chunks():
            output.write(chunk)


def payload(constant: Constant) -> Payload:
    """The raw_data of `constant`.

    Raises:
        UnsupportedError: it holds strings, which have no raw form.
    """
    bits = constant.dtype.bits
    if not bits:
        raise UnsupportedError("text has no raw form in an ONNX file", hint="write it as string_data")
    return Payload(constant, (constant.elements * bits + 7) // 8)


def _packed(constant: Constant, bits: int) -> Iterator[bytes]:
    """Elements of 2, 4 or 6 bits packed from the low bits up (onnx.proto, TensorProto.raw_data)."""
    flat = constant.array().reshape(-1).view(np.uint8)
    step = _CHUNK // 8 * 8
    for start in range(0, flat.size, step):
        piece = np.asarray(flat[start : start + step])
        spread = np.unpackbits(piece[:, None], axis=1, bitorder="little")[:, :bits]
        yield np.packbits(spread.reshape(-1), bitorder="little").tobytes()


def integer_limits(dtype: DType) -> tuple[int, int]:
    """The least and the largest number of an integer type."""
    if dtype.is_signed:
        return -(1 << (dtype.bits - 1)), (1 << (dtype.bits - 1)) - 1
    return 0, (1 << dtype.bits) - 1
