"""Writing a graph as a TFLite file: forms by family, a plan that lays channels last, the encoding."""

from xir.backends.export.tflite.export import export_tflite, plan_tflite

__all__ = ["export_tflite", "plan_tflite"]
