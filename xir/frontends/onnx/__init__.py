"""ONNX import: the file's bytes, its messages, and each node through a handler of its operator's version."""

from xir.frontends.onnx._tables import HANDLERS, VERSIONS
from xir.frontends.onnx.importer import import_onnx
from xir.frontends.onnx.reader import read_model

__all__ = ["HANDLERS", "VERSIONS", "import_onnx", "read_model"]
