"""The operator table: one vocabulary in two storeys, one file a family.

Layer operators decompose into core operators; "core" only means "has no `decompose`".
"""

from xir.ops import (
    constant,
    conv,
    detection,
    detection_output,
    matmul,
    norm,
    pool,
    prior,
    proposal,
    psroi,
    recurrent,
    resize,
    roi,
    shape,
    yolo,
)
from xir.ops._define import OpDef, definition, op, table

__all__ = [
    "OpDef",
    "constant",
    "conv",
    "definition",
    "detection",
    "detection_output",
    "matmul",
    "norm",
    "op",
    "pool",
    "prior",
    "proposal",
    "psroi",
    "recurrent",
    "resize",
    "roi",
    "shape",
    "table",
    "yolo",
]
