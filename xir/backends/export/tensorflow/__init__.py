"""Writing a graph for TensorFlow: a SavedModel, or a frozen graph."""

from xir.backends.export.tensorflow.export import export_tensorflow, plan_tensorflow

__all__ = ["export_tensorflow", "plan_tensorflow"]
