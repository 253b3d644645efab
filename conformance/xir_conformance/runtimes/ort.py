"""onnxruntime on the CPU: on the model as it is, and on what xir exports for it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import ClassVar, cast

import numpy as np
from onnx import TensorProto, helper

from xir import __version__
from xir.errors import MissingExtraError
from xir.ir.constant import Array
from xir_conformance.runtimes import BindingError, Prepared, RefusedError, Runtime
from xir_conformance.runtimes.own import Exported

TARGET = "ort==1.31"
_PACKED = ("int4", "uint4", "int2", "uint2", "float4_e2m1fn", "float6_e2m3fn", "float6_e3m2fn")
_EXTENDED = ("tensor(bfloat16)", "tensor(float8e4m3fn)", "tensor(float8e4m3fnuz)", "tensor(float8e5m2)")
"""Results that onnxruntime gives as bits, where it gives them at all."""


class _Session(Prepared):
    """A model in onnxruntime, with one thread."""

    def __init__(self, path: str) -> None:
        import onnxruntime

        onnxruntime.set_default_logger_severity(4)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise RefusedError(f"{type(error).__name__}: {error}") from error
        self._names = [item.name for item in self._session.get_inputs()]
        self._extended = any(item.type in _EXTENDED for item in self._session.get_outputs())
        self._are_tensors = all(
            item.type.startswith("tensor(") for item in (*self._session.get_inputs(), *self._session.get_outputs())
        )

    def run(self, inputs: Sequence[object]) -> Sequence[object]:
        """The outputs; element types that NumPy has not go in and out as bits."""
        feeds = dict(zip(self._names, inputs, strict=True))
        arrays = {name: np.asarray(cast("Array", fed)) for name, fed in feeds.items()} if self._are_tensors else {}
        for array in arrays.values():
            if array.dtype.name in _PACKED:
                raise BindingError(f"onnxruntime's Python interface takes no arrays of {array.dtype}")
        if self._are_tensors and (self._extended or any(_is_extended(array) for array in arrays.values())):
            return self._run_bits(arrays)
        try:
            return self._session.run(None, cast("dict[str, Array]", feeds | arrays))
        except Exception as error:
            if "No corresponding Numpy type" in str(error):
                raise BindingError(str(error)) from error
            raise

    def _run_bits(self, arrays: dict[str, Array]) -> list[object]:
        from onnxruntime import OrtValue

        feeds: dict[str, OrtValue] = {}
        for name, array in arrays.items():
            if _is_extended(array):
                bits = array.view(np.uint16 if array.dtype.itemsize == 2 else np.uint8)
                kind = helper.np_dtype_to_tensor_dtype(array.dtype)
                feeds[name] = OrtValue.ortvalue_from_numpy_with_onnx_type(bits, kind)
            else:
                feeds[name] = OrtValue.ortvalue_from_numpy(array)
        return [_array(result) for result in self._session.run_with_ort_values(None, feeds)]


def _is_extended(array: Array) -> bool:
    return array.dtype.type.__module__.startswith("ml_dtypes")


def _array(result: object) -> object:
    """The elements of an OrtValue as what they are."""
    from onnxruntime import OrtValue

    value = cast("OrtValue", result)
    try:
        array, kind = value.numpy(), value.element_type()
    except Exception as error:
        raise BindingError(f"onnxruntime's Python interface gives no such result: {error}") from error
    if kind == TensorProto.STRING:
        return array
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    return array.view(dtype) if array.dtype != dtype and array.dtype.itemsize == dtype.itemsize else array


class OnnxRuntime(Runtime):
    """onnxruntime on the model as it is."""

    peer: ClassVar[bool] = True

    def __init__(self) -> None:
        """Imports onnxruntime.

        Raises:
            MissingExtraError: it is not installed.
        """
        if not find_spec("onnxruntime"):
            raise MissingExtraError("onnxruntime is not installed", hint="pip install 'xir-compiler[ort]'")

    @property
    def version(self) -> str:
        """Its version."""
        import onnxruntime

        return f"onnxruntime {onnxruntime.__version__}"

    def prepare(self, path: str) -> Prepared:
        """Opens the file."""
        return _Session(path)


class ExportedForOnnxRuntime(OnnxRuntime):
    """Import, export with `--target ort==1.31`, run in onnxruntime."""

    peer: ClassVar[bool] = False

    @property
    def version(self) -> str:
        """Both versions."""
        return f"xir {__version__}, target {TARGET}, {super().version}"

    def prepare(self, path: str) -> Prepared:
        """Imports the model."""
        return _ForOnnxRuntime(path, target=TARGET)


class _ForOnnxRuntime(Exported):
    def reopened(self, path: str) -> Prepared:
        """What was written, in onnxruntime."""
        return _Session(path)
