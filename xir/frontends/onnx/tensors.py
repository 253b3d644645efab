"""Tensors of an ONNX file as constants: memory-mapped where their bytes are plain, unpacked where they are not.

Source: onnx.proto, TensorProto (which data field holds which element type, raw_data, external_data) and onnx
docs/ExternalData.md.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from xir.errors import InvalidModelError, UnsafeError
from xir.files import FileSlice, MappedFile, open_beneath
from xir.frontends.onnx.model import SparseTensor, Tensor
from xir.ir.constant import Array, Constant
from xir.ir.types import DType, TensorType
from xir.limits import MAX_FILLED_BYTES, byte_count, element_count

DTYPES: Mapping[int, DType] = {
    1: DType.FLOAT32,
    2: DType.UINT8,
    3: DType.INT8,
    4: DType.UINT16,
    5: DType.INT16,
    6: DType.INT32,
    7: DType.INT64,
    8: DType.STRING,
    9: DType.BOOL,
    10: DType.FLOAT16,
    11: DType.FLOAT64,
    12: DType.UINT32,
    13: DType.UINT64,
    14: DType.COMPLEX64,
    15: DType.COMPLEX128,
    16: DType.BFLOAT16,
    17: DType.FLOAT8E4M3FN,
    18: DType.FLOAT8E4M3FNUZ,
    19: DType.FLOAT8E5M2,
    20: DType.FLOAT8E5M2FNUZ,
    21: DType.UINT4,
    22: DType.INT4,
    23: DType.FLOAT4E2M1,
    24: DType.FLOAT8E8M0,
    25: DType.UINT2,
    26: DType.INT2,
    27: DType.FLOAT6E2M3,
    28: DType.FLOAT6E3M2,
}
"""TensorProto.DataType."""


def dtype_of(number: int, what: str, file: str) -> DType:
    """The element type with ONNX's number.

    Raises:
        InvalidModelError: there is none.
    """
    if number not in DTYPES:
        raise InvalidModelError(f"{what} has the unknown element type {number}; known are 1 to 28", file=file)
    return DTYPES[number]


@dataclass(slots=True)
class TensorStore:
    """Makes constants of tensors; opens each data file once.

    Attributes:
        path: of the model file.
        trust_links: whether data files may be links.
    """

    path: str
    trust_links: bool = False
    _files: dict[str, MappedFile] = field(default_factory=dict[str, MappedFile])

    def constant(self, tensor: Tensor) -> Constant:
        """The tensor's elements.

        Raises:
            InvalidModelError: shape, type and bytes do not belong together.
            UnsafeError: its data file lies outside the model's folder, or is a link.
        """
        what = f"tensor {tensor.name!r}"
        dtype = dtype_of(tensor.dtype, what, self.path)
        count = element_count(tensor.dims, what=what, file=self.path)
        type = TensorType(dtype, tensor.dims)
        if dtype is DType.STRING:
            return self._text(tensor, type, count, what)
        raw = self._external(tensor, type, what) if tensor.external is not None else tensor.raw
        if raw is not None:
            return self._raw(raw, type, what)
        values = np.zeros(0, np.uint64) if tensor.values is None else tensor.values
        return _held(self._typed(values, type, count, what), type)

    def dense(self, tensor: Tensor | SparseTensor) -> Constant:
        """The tensor's elements, those that a sparse one leaves out being 0 (onnx.proto, SparseTensorProto).

        Raises:
            InvalidModelError: as `constant`; or the places do not fit the shape, are unsorted, or name one twice.
            UnsafeError: the whole tensor takes more room than a file may make up.
        """
        if isinstance(tensor, Tensor):
            return self.constant(tensor)
        values, indices = self.constant(tensor.values), self.constant(tensor.indices)
        what = f"sparse tensor {tensor.values.name!r}"
        count = element_count(tensor.dims, what=what, file=self.path)
        if count * values.dtype.dtype.itemsize > MAX_FILLED_BYTES:
            raise UnsafeError(f"{what} would take more than {MAX_FILLED_BYTES} bytes", file=self.path)
        places = np.asarray(indices.array(), np.int64)
        if values.type.rank != 1 or indices.dtype is not DType.INT64:
            raise InvalidModelError(f"{what}: values are {values.type!r}, indices {indices.type!r}", file=self.path)
        shape = values.array().shape
        if places.shape == (*shape, len(tensor.dims)) and len(tensor.dims):
            inside = bool(((places >= 0) & (places < np.asarray(tensor.dims))).all())
            flat = np.ravel_multi_index(tuple(places.T), tensor.dims) if inside and count else np.zeros(0, np.int64)
        else:
            flat = places
            inside = places.shape == shape and bool(((places >= 0) & (places < count)).all())
        if not inside or flat.shape != shape or bool((np.diff(flat) <= 0).any()):
            raise InvalidModelError(
                f"{what}: the places of its elements are not in order inside {list(tensor.dims)}", file=self.path
            )
        whole = np.zeros(count, values.dtype.dtype)
        whole[flat] = values.array()
        return _held(whole, TensorType(values.dtype, tensor.dims))

    def _text(self, tensor: Tensor, type: TensorType, count: int, what: str) -> Constant:
        if len(tensor.strings) != count:
            raise InvalidModelError(f"{what} has {len(tensor.strings)} strings for {count} elements", file=self.path)
        array = np.empty(count, object)
        array[:] = [item.decode("utf-8", "surrogateescape") for item in tensor.strings]
        return _held(array, type)

    def _external(self, tensor: Tensor, type: TensorType, what: str) -> FileSlice:
        entries = tensor.external or {}
        for key in entries:
            if key not in ("location", "offset", "length", "checksum", "basepath"):
                raise InvalidModelError(f"{what} has the unknown external data key {key!r}", file=self.path)
        location = entries.get("location", "")
        if location not in self._files:
            folder = os.path.dirname(self.path)
            self._files[location] = open_beneath(folder, location, trust_links=self.trust_links)
        file = self._files[location]
        offset = self._number(entries, "offset", 0, what)
        needed = byte_count(tensor.dims, type.dtype.bits, what=what, file=self.path)
        length = self._number(entries, "length", needed, what)
        return file.slice(offset, length, what=what)

    def _number(self, entries: Mapping[str, str], key: str, default: int, what: str) -> int:
        text = entries.get(key)
        if text is None:
            return default
        if not text.isascii() or not text.isdigit() or len(text) > 19:
            raise InvalidModelError(f"{what}: external data {key} is {text!r}; expected a number", file=self.path)
        return int(text)

    def _raw(self, raw: FileSlice, type: TensorType, what: str) -> Constant:
        needed = byte_count(type.static_shape or (), type.dtype.bits, what=what, file=self.path)
        if raw.length != needed:
            raise InvalidModelError(
                f"{what} is {type!r}, which takes {needed} bytes; {raw.length} are there",
                number=504,
                file=self.path,
                hint="the file is cut short or its shapes are wrong: fetch it again",
            )
        if type.dtype.bits >= 8:
            return Constant(type, raw)
        count = element_count(type.static_shape or ())
        return _held(_unpacked(np.frombuffer(raw.view(), np.uint8), type.dtype, count), type)

    def _typed(self, values: Array, type: TensorType, count: int, what: str) -> Array:
        """The elements of a typed data field (onnx.proto: int32_data holds all types of 32 bits and fewer)."""
        dtype = type.dtype
        per_item = 2 if dtype in (DType.COMPLEX64, DType.COMPLEX128) else 1
        packed = dtype.bits < 8
        expected = count * per_item if not packed else (count * dtype.bits + 7) // 8
        if values.size != expected:
            raise InvalidModelError(
                f"{what} is {type!r}, which takes {expected} stored numbers; {values.size} are there",
                number=504,
                file=self.path,
            )
        if not values.size:
            return np.zeros(0, dtype.dtype)
        if packed:
            return _unpacked(values.view(np.uint8), dtype, count)
        return values.view(dtype.dtype)


_GROUPS = 1 << 18
"""Groups of three bytes, with four elements of 6 bits, that are unpacked at a time."""


def _unpacked(data: NDArray[np.uint8], dtype: DType, count: int) -> Array:
    """Elements of 2, 4 or 6 bits, packed from the low bits up, one a byte, as ml_dtypes holds them."""
    bits, mask = dtype.bits, (1 << dtype.bits) - 1
    if 8 % bits == 0:
        whole = np.empty((data.size, 8 // bits), np.uint8)
        for place in range(8 // bits):
            whole[:, place] = data >> (bits * place) & mask
        return whole.reshape(-1)[:count].view(dtype.dtype)
    found = np.empty(count, np.uint8)
    for start in range(0, count, 4 * _GROUPS):
        size = min(count - start, 4 * _GROUPS)
        spread = np.unpackbits(data[start * 3 // 4 :][: 3 * _GROUPS], bitorder="little")[: size * bits]
        found[start : start + size] = np.packbits(spread.reshape(size, bits), axis=1, bitorder="little")[:, 0]
    return found.view(dtype.dtype)


def _held(array: Array, type: TensorType) -> Constant:
    shaped = array.reshape(type.static_shape or ())
    shaped = shaped.view()
    shaped.flags.writeable = False
    return Constant(type, shaped)
