"""ONNX export: legalise for an operator set, say each operator in ONNX, write the file in pieces."""

from xir.backends.export.onnx._tables import FORMS
from xir.backends.export.onnx.export import ExportPlan, export_onnx, plan_onnx
from xir.backends.export.onnx.legalize import legalize
from xir.backends.export.report import ExportReport

__all__ = ["FORMS", "ExportPlan", "ExportReport", "export_onnx", "legalize", "plan_onnx"]
