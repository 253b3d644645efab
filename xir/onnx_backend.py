"""xir as an ONNX backend (onnx.backend.base): `prepare`, `run_model`, `run_node`, `supports_device`, `is_compatible`.

The module is what `onnx.backend.test.BackendTest(xir.onnx_backend, __name__)` takes.
"""

from xir.integrations.onnx_backend import XirRep, is_compatible, prepare, run_model, run_node, supports_device

__all__ = ["XirRep", "is_compatible", "prepare", "run_model", "run_node", "supports_device"]
