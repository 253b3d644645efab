"""Writing a graph as an archive of Keras 3 (`.keras`)."""

from xir.backends.export.keras.export import export_keras, plan_keras

__all__ = ["export_keras", "plan_keras"]
