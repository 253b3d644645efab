"""Trust: two models compared output by output and layer by layer, with a certificate of what was found."""

from xir.verification.certificate import Certificate, LayerDifference
from xir.verification.check import SEEDS, verify_runners
from xir.verification.compare import ATOL, RTOL, Difference, compare, compare_boxes
from xir.verification.memory import MAX_RUN_BYTES, check_memory, peak_bytes
from xir.verification.runners import (
    LiteRTRunner,
    OnnxRuntimeRunner,
    ReferenceRunner,
    Runner,
    TorchRunner,
    has_litert,
    has_onnxruntime,
    has_torch,
)
from xir.verification.trial import workable_sizes

__all__ = [
    "ATOL",
    "MAX_RUN_BYTES",
    "RTOL",
    "SEEDS",
    "Certificate",
    "Difference",
    "LayerDifference",
    "LiteRTRunner",
    "OnnxRuntimeRunner",
    "ReferenceRunner",
    "Runner",
    "TorchRunner",
    "check_memory",
    "compare",
    "compare_boxes",
    "has_litert",
    "has_onnxruntime",
    "has_torch",
    "peak_bytes",
    "verify_runners",
    "workable_sizes",
]
