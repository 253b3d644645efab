"""Tensors of every element type in and out of onnxruntime, whose Python interface has NumPy's own types alone.

The others go through the memory of an `OrtValue`, in which they lie as `raw_data` of a TensorProto does (onnx.proto).
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from xir.ir.constant import Array
from xir_conformance.runtimes import BindingError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, OrtValue


def is_extended(array: Array) -> bool:
    """Whether the elements are of a type that NumPy itself has not."""
    return array.dtype.type.__module__.startswith("ml_dtypes")


_NAMES = ("bool", "double", "float", "float16", "int16", "int32", "int64", "int8", "string")
_PLAIN = frozenset(f"tensor({name})" for name in (*_NAMES, "uint16", "uint32", "uint64", "uint8"))
"""What onnxruntime's Python interface takes and gives as arrays of NumPy's own types."""


def has_extended(session: InferenceSession) -> bool:
    """Whether all inputs and outputs are tensors, one of them of a type that NumPy has not: `run_values` takes them."""
    types = {item.type for item in (*session.get_inputs(), *session.get_outputs())}
    return not types <= _PLAIN and all(each.startswith("tensor(") for each in types)


def run_values(session: InferenceSession, feeds: Mapping[str, Array]) -> list[Array]:
    """The outputs of a model whose inputs and outputs are tensors.

    Raises:
        BindingError: an input is text, which has no memory of its own.
    """
    results = session.run_with_ort_values(None, {name: to_value(array) for name, array in feeds.items()})
    return [to_array(result) for result in results]


def to_value(array: Array) -> OrtValue:
    """The array as onnxruntime holds it; raises BindingError for text."""
    from onnxruntime import OrtValue

    if array.dtype.kind in "OU":
        raise BindingError("onnxruntime's Python interface makes no OrtValue of text")
    if not is_extended(array):
        return OrtValue.ortvalue_from_numpy(array)
    bits = numpy_helper.from_array(array).raw_data
    value = OrtValue.ortvalue_from_shape_and_type(list(array.shape), helper.np_dtype_to_tensor_dtype(array.dtype))
    if value.tensor_size_in_bytes() != len(bits):
        raise BindingError(f"onnxruntime holds {array.dtype} in {value.tensor_size_in_bytes()} bytes, not {len(bits)}")
    if bits:
        ctypes.memmove(value.data_ptr(), bits, len(bits))
    return value


def to_array(value: OrtValue) -> Array:
    """The elements as what they are."""
    kind, shape = value.element_type(), value.shape()
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    if kind == TensorProto.STRING or not is_extended(np.empty(0, dtype)):
        return cast("Array", value.numpy())
    size = value.tensor_size_in_bytes()
    bits = ctypes.string_at(value.data_ptr(), size) if size else b""
    return cast("Array", numpy_helper.to_array(TensorProto(dims=shape, data_type=kind, raw_data=bits)))
