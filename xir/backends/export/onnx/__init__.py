"""ONNX export: legalise for an operator set, say each operator in ONNX, write the file in pieces."""

from xir.backends.export.onnx.export import ExportReport, export_onnx
from xir.backends.export.onnx.legalize import legalize

__all__ = ["ExportReport", "export_onnx", "legalize"]
