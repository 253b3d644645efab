"""TensorProto as constants, and the numbers of element types (tensorflow/core/framework/types.proto, tensor.proto)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from xir.errors import InvalidModelError, UnsafeError, UnsupportedError
from xir.files import FileSlice
from xir.frontends.tensorflow.proto.message import Message
from xir.ir.constant import Array, Constant, constant_of
from xir.ir.dims import Dim, Symbol
from xir.ir.types import DType, TensorType, Type, UnrankedType
from xir.limits import MAX_FILLED_BYTES, byte_count, element_count

DTYPES: Mapping[int, DType] = MappingProxyType(
    {
        1: DType.FLOAT32,
        2: DType.FLOAT64,
        3: DType.INT32,
        4: DType.UINT8,
        5: DType.INT16,
        6: DType.INT8,
        7: DType.STRING,
        8: DType.COMPLEX64,
        9: DType.INT64,
        10: DType.BOOL,
        11: DType.INT8,
        12: DType.UINT8,
        13: DType.INT32,
        14: DType.BFLOAT16,
        15: DType.INT16,
        16: DType.UINT16,
        17: DType.UINT16,
        18: DType.COMPLEX128,
        19: DType.FLOAT16,
        22: DType.UINT32,
        23: DType.UINT64,
        24: DType.FLOAT8E5M2,
        25: DType.FLOAT8E4M3FN,
        26: DType.FLOAT8E4M3FNUZ,
        28: DType.FLOAT8E5M2FNUZ,
        29: DType.INT4,
        30: DType.UINT4,
        31: DType.INT2,
        32: DType.UINT2,
    }
)
"""DataType -> our element type; a quantised type is that of its bits, a reference (+100) that of what it refers to."""

RESOURCE, VARIANT = 20, 21
"""DataTypes of handles, which are no tensors."""

REFERENCE = 100
"""What the DataType of a reference is more than that of what it refers to."""

_FIELDS: Mapping[DType, str] = MappingProxyType(
    {
        DType.FLOAT32: "float_val",
        DType.FLOAT64: "double_val",
        DType.INT32: "int_val",
        DType.UINT8: "int_val",
        DType.INT16: "int_val",
        DType.INT8: "int_val",
        DType.UINT16: "int_val",
        DType.INT64: "int64_val",
        DType.BOOL: "bool_val",
        DType.UINT32: "uint32_val",
        DType.UINT64: "uint64_val",
        DType.COMPLEX64: "scomplex_val",
        DType.COMPLEX128: "dcomplex_val",
        DType.FLOAT16: "half_val",
        DType.BFLOAT16: "half_val",
        DType.INT4: "int_val",
        DType.UINT4: "int_val",
        DType.INT2: "int_val",
        DType.UINT2: "int_val",
    }
)


def dtype_of(number: int, what: str) -> DType:
    """The element type with a DataType's number.

    Raises:
        UnsupportedError: xir has none for it.
    """
    found = DTYPES.get(number - REFERENCE if number > REFERENCE else number)
    if found is None:
        raise UnsupportedError(f"{what} is of the DataType {number}, for which there is no element type")
    return found


def shape_of_message(message: Message | None) -> tuple[int | None, ...] | None:
    """The sizes in a TensorShapeProto, None for one that is not told; None altogether where the rank is not."""
    if message is None or message.flag("unknown_rank"):
        return None
    sizes = [dim.integer("size") for dim in message.messages("dim")]
    return tuple(None if size < 0 else size for size in sizes)


def type_of(dtype: DType, sizes: tuple[int | None, ...] | None) -> Type:
    """The type with these sizes; one that is not told becomes a size of its own."""
    if sizes is None:
        return UnrankedType(dtype)
    shape: tuple[Dim, ...] = tuple(Symbol() if size is None else size for size in sizes)
    return TensorType(dtype, shape)


def constant_from(message: Message, what: str) -> Constant:
    """The elements of a TensorProto.

    Values that are fewer than the elements: the last one stands for all that follow (tensor.proto).

    Raises:
        InvalidModelError: shape, type and elements do not belong together.
        UnsupportedError: elements that are no numbers, truth values or strings.
        UnsafeError: more elements than a file may make up.
    """
    dtype = dtype_of(message.integer("dtype"), what)
    told = shape_of_message(message.message("tensor_shape"))
    if told is None and message.message("tensor_shape") is not None:
        raise InvalidModelError(f"{what} does not tell its shape")
    return elements_from(message, dtype, tuple(-1 if size is None else size for size in told or ()), what)


def elements_from(message: Message, dtype: DType, sizes: tuple[int, ...], what: str) -> Constant:
    """The elements of a TensorProto whose type and sizes are told elsewhere; raises as `constant_from`."""
    count = element_count(sizes, what=what)
    type = TensorType(dtype, sizes)
    content = message.data("tensor_content")
    if (content.length if isinstance(content, FileSlice) else len(content)) and dtype is not DType.STRING:
        return _packed(content, type, what)
    if count * max(dtype.dtype.itemsize, 1) > MAX_FILLED_BYTES:
        raise UnsafeError(f"{what} would take more than {MAX_FILLED_BYTES} bytes that the file does not hold")
    values = _texts(message) if dtype is DType.STRING else _numbers(message, dtype, what)
    return constant_of(_filled(values, count, dtype, what).reshape(sizes))


def _packed(content: bytes | FileSlice, type: TensorType, what: str) -> Constant:
    sizes = type.static_shape or ()
    bits = max(type.dtype.bits, 8)
    needed = byte_count(sizes, bits, what=what)
    present = content.length if isinstance(content, FileSlice) else len(content)
    if present != needed:
        raise InvalidModelError(f"{what} is {type!r}, which takes {needed} bytes; {present} are there", number=504)
    if isinstance(content, FileSlice):
        return Constant(type, content)
    return constant_of(np.frombuffer(content, type.dtype.dtype).reshape(sizes))


def _texts(message: Message) -> Array:
    found = [item.decode("utf-8", "surrogateescape") for item in message.strings("string_val")]
    array = np.empty(len(found), object)
    array[:] = found
    return array


def _numbers(message: Message, dtype: DType, what: str) -> Array:
    name = _FIELDS.get(dtype)
    if name is None:
        raise UnsupportedError(f"{what} holds numbers of {dtype} one by one")
    if name == "half_val":
        return message.numbers(name, np.dtype(np.uint16)).view(dtype.dtype)
    if dtype in (DType.COMPLEX64, DType.COMPLEX128):
        part = np.dtype(np.float32 if dtype is DType.COMPLEX64 else np.float64)
        flat = message.numbers(name, part)
        if flat.size % 2:
            raise InvalidModelError(f"{what} has half of a complex number")
        return flat.view(dtype.dtype)
    wide = message.numbers(name, np.dtype(np.float64 if dtype.is_floating else object))
    with np.errstate(over="ignore"):
        return wide.astype(np.int64 if dtype.bits < 8 else dtype.dtype).astype(dtype.dtype)


def _filled(values: Array, count: int, dtype: DType, what: str) -> Array:
    if values.size > count:
        raise InvalidModelError(f"{what} has {values.size} values for {count} elements")
    if values.size == count:
        return values
    whole = np.empty(count, dtype.dtype)
    whole[: values.size] = values
    if values.size:
        whole[values.size :] = values[-1]
    else:
        whole[:] = "" if dtype is DType.STRING else 0
    return whole
