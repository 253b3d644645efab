"""xir: one graph IR for every deep-learning framework.

Every public name is imported when it is first used, so `import xir` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xir.api import (
        CompileReport,
        ConversionReport,
        compile,
        compile_to,
        convert,
        convert_weights,
        export,
        grad,
        load,
        optimize,
        quantize,
        random_inputs,
        run,
        show,
        to_precision,
        verify,
    )
    from xir.backends.export.report import ExportReport
    from xir.errors import XirError
    from xir.ir.dims import Symbol
    from xir.ir.graph import Graph
    from xir.ir.types import DType, TensorType
    from xir.runtime.executable import Executable
    from xir.surgery import Difference, Reduction, diff, extract, merge, reduce, with_weights
    from xir.verification import Certificate

__version__ = "0.1.0"

_HOMES = {
    "Certificate": "xir.verification",
    "CompileReport": "xir.api",
    "ConversionReport": "xir.api",
    "DType": "xir.ir.types",
    "Difference": "xir.surgery",
    "Executable": "xir.runtime.executable",
    "ExportReport": "xir.backends.export.report",
    "Graph": "xir.ir.graph",
    "Reduction": "xir.surgery",
    "Symbol": "xir.ir.dims",
    "TensorType": "xir.ir.types",
    "XirError": "xir.errors",
    "compile": "xir.api",
    "compile_to": "xir.api",
    "convert": "xir.api",
    "convert_weights": "xir.api",
    "diff": "xir.surgery",
    "export": "xir.api",
    "extract": "xir.surgery",
    "grad": "xir.api",
    "load": "xir.api",
    "merge": "xir.surgery",
    "optimize": "xir.api",
    "quantize": "xir.api",
    "random_inputs": "xir.api",
    "reduce": "xir.surgery",
    "run": "xir.api",
    "show": "xir.api",
    "to_precision": "xir.api",
    "verify": "xir.api",
    "with_weights": "xir.surgery",
}

__all__ = [
    "Certificate",
    "CompileReport",
    "ConversionReport",
    "DType",
    "Difference",
    "Executable",
    "ExportReport",
    "Graph",
    "Reduction",
    "Symbol",
    "TensorType",
    "XirError",
    "compile",
    "compile_to",
    "convert",
    "convert_weights",
    "diff",
    "export",
    "extract",
    "grad",
    "load",
    "merge",
    "optimize",
    "quantize",
    "random_inputs",
    "reduce",
    "run",
    "show",
    "to_precision",
    "verify",
    "with_weights",
]


def __getattr__(name: str) -> object:
    """Imports a public name on its first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'xir' has no attribute {name!r}")
    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)
