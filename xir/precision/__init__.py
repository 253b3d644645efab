"""Narrower numbers: models in f16 or bf16, and quantised to integers, each with a report of what it costs.

Whatever leaves f32 loses digits; the rooms' other rewrites keep what a graph computes, these do not. So every function
here answers with a graph and a report: what was converted, what was left as it was and why, and how far the results
of every layer moved.
"""

from __future__ import annotations

from xir.precision.calibration import Samples, samples_of
from xir.precision.convert import PrecisionReport, PrecisionResult, narrowed, narrowed_as, to_precision
from xir.precision.kept import KEPT
from xir.precision.layer_errors import LayerError, layer_errors
from xir.precision.quantize import QuantizationReport, QuantizationResult, QuantizedLayer, quantize
from xir.precision.settings import MAX_ERRORS, Precision, Quantization

__all__ = [
    "KEPT",
    "MAX_ERRORS",
    "LayerError",
    "Precision",
    "PrecisionReport",
    "PrecisionResult",
    "Quantization",
    "QuantizationReport",
    "QuantizationResult",
    "QuantizedLayer",
    "Samples",
    "layer_errors",
    "narrowed",
    "narrowed_as",
    "quantize",
    "samples_of",
    "to_precision",
]
