"""onnxruntime on the CPU: on the model as it is, and on what xir exports for it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import ClassVar, cast

import numpy as np

from xir import __version__
from xir.errors import MissingExtraError
from xir.ir.constant import Array
from xir_conformance.runtimes import BindingError, Prepared, RefusedError, Runtime
from xir_conformance.runtimes.ort_values import has_extended, run_values
from xir_conformance.runtimes.own import Exported

TARGET = "ort==1.31"


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
        self._extended = has_extended(self._session)

    def run(self, inputs: Sequence[object]) -> Sequence[object]:
        """The outputs; element types that NumPy has not go in and out through memory."""
        feeds = dict(zip(self._names, inputs, strict=True))
        if self._extended:
            return run_values(self._session, {name: np.asarray(cast("Array", fed)) for name, fed in feeds.items()})
        try:
            return self._session.run(None, cast("dict[str, Array]", feeds))
        except Exception as error:
            if "No corresponding Numpy type" in str(error):
                raise BindingError(str(error)) from error
            raise


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
