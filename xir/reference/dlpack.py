"""Tensors of other libraries as arrays, their elements where they lie: DLPack (github.com/dmlc/dlpack, dlpack.h 1.1).

NumPy's own `from_dlpack` has no bf16 and no f8; here every element type of a graph is known.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import Protocol, cast, runtime_checkable

import numpy as np

from xir.errors import UsageError
from xir.ir.constant import Array
from xir.ir.types import DType

HOST_DEVICES = (1, 3, 11)
"""kDLCPU, kDLCUDAHost and kDLROCMHost: memory that a processor reads (dlpack.h, DLDeviceType)."""
READ_ONLY = 1
"""DLPACK_FLAG_BITMASK_READ_ONLY."""

_PLAIN = {0: "int", 1: "uint", 2: "float", 5: "complex"}
_SMALL: Mapping[tuple[int, int], DType] = {
    (4, 16): DType.BFLOAT16,
    (6, 8): DType.BOOL,
    (10, 8): DType.FLOAT8E4M3FN,
    (11, 8): DType.FLOAT8E4M3FNUZ,
    (12, 8): DType.FLOAT8E5M2,
    (13, 8): DType.FLOAT8E5M2FNUZ,
    (14, 8): DType.FLOAT8E8M0,
}
"""{(code, bits): type} (dlpack.h, DLDataTypeCode)."""


@runtime_checkable
class SupportsDLPack(Protocol):
    """What the array API standard asks of tensors that can be shared (2023.12, "Data interchange mechanisms")."""

    def __dlpack__(self, *, max_version: tuple[int, int] | None = ...) -> object:
        """A capsule with the tensor."""
        ...

    def __dlpack_device__(self) -> tuple[int, int]:
        """The kind of device that holds it, and its number."""
        ...


class _Tensor(ctypes.Structure):
    """DLTensor."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


class _Versioned(ctypes.Structure):
    """DLManagedTensorVersioned."""

    _fields_ = (
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("manager_ctx", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("tensor", _Tensor),
    )


class _Lender:
    """What NumPy asks where elements lie; arrays keep it, and it keeps the capsule, which frees the tensor at its end.

    The capsule is not renamed, as a consumer that frees the tensor itself would do.
    """

    def __init__(self, capsule: object, interface: Mapping[str, object]) -> None:
        self.capsule = capsule
        self.__array_interface__ = interface


def borrowed(given: SupportsDLPack, what: str) -> Array:
    """The tensor's elements as an array, without a copy; it can be written unless its library forbids that.

    Args:
        given: a tensor in the processor's memory.
        what: what it is, in words.

    Raises:
        UsageError: if it lies on another device, its library does not share it, or its type has no name here.
    """
    try:
        if given.__dlpack_device__()[0] not in HOST_DEVICES:
            raise UsageError(f"{what} lies on the device {given.__dlpack_device__()}", hint="move it to the CPU")
        capsule = _capsule(given)
    except (BufferError, RuntimeError) as error:
        raise UsageError(
            f"{what} cannot be shared: {error}", hint="detach it from gradients, or give an array"
        ) from None
    versioned = _holds(capsule, b"dltensor_versioned")
    place = _pointer(capsule, b"dltensor_versioned" if versioned else b"dltensor")
    read_only = False
    if versioned:
        held = _Versioned.from_address(place)
        if held.major != 1:
            raise UsageError(f"{what} comes by DLPack {held.major}.{held.minor}, expected 1", hint="give an array")
        tensor, read_only = held.tensor, bool(held.flags & READ_ONLY)
    else:
        tensor = _Tensor.from_address(place)
    return _array(tensor, capsule, read_only, what)


def _array(tensor: _Tensor, capsule: object, read_only: bool, what: str) -> Array:
    dtype = _dtype(tensor, what)
    shape = tuple(tensor.shape[axis] for axis in range(tensor.ndim))
    if 0 in shape:
        return np.empty(shape, dtype)
    strides = tuple(tensor.strides[axis] * dtype.itemsize for axis in range(tensor.ndim)) if tensor.strides else None
    interface = {
        "data": (int(tensor.data or 0) + int(tensor.byte_offset), read_only),
        "shape": shape,
        "strides": strides,
        "typestr": f"|u{dtype.itemsize}" if dtype.itemsize == 1 else f"<V{dtype.itemsize}",
        "version": 3,
    }
    raw = np.asarray(_Lender(capsule, interface))
    return cast("Array", raw.view(dtype))


def _dtype(tensor: _Tensor, what: str) -> np.dtype[np.generic]:
    code, bits = int(tensor.code), int(tensor.bits)
    if tensor.lanes == 1:
        if (code, bits) in _SMALL:
            return _SMALL[code, bits].dtype
        if code in _PLAIN and bits in (8, 16, 32, 64, 128):
            try:
                return np.dtype(f"{_PLAIN[code]}{bits}")
            except TypeError:
                pass
    raise UsageError(f"{what} has elements of DLPack's type {code} with {bits} bits", hint="give an array")


def _capsule(given: SupportsDLPack) -> object:
    """The newest form that is known here; libraries from before version 1 know no versions."""
    try:
        return given.__dlpack__(max_version=(1, 1))
    except TypeError:
        return given.__dlpack__()


def _holds(capsule: object, name: bytes) -> bool:
    check = ctypes.pythonapi.PyCapsule_IsValid
    check.argtypes, check.restype = [ctypes.py_object, ctypes.c_char_p], ctypes.c_int
    return bool(check(capsule, name))


def _pointer(capsule: object, name: bytes) -> int:
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.argtypes, get.restype = [ctypes.py_object, ctypes.c_char_p], ctypes.c_void_p
    return int(get(capsule, name))
