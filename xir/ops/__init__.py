"""The operator table: one vocabulary in two storeys, one file a family.

Layer operators decompose into core operators; "core" only means "has no `decompose`".
"""

from xir.ops import (
    activation,
    compare,
    constant,
    conv,
    detection,
    detection_output,
    distance,
    elementwise,
    index,
    loss,
    matmul,
    norm,
    pool,
    prior,
    proposal,
    psroi,
    recurrent,
    reduce,
    resize,
    roi,
    shape,
    yolo,
)
from xir.ops._define import OpDef, definition, op, table

__all__ = [
    "OpDef",
    "activation",
    "compare",
    "constant",
    "conv",
    "definition",
    "detection",
    "detection_output",
    "distance",
    "elementwise",
    "index",
    "loss",
    "matmul",
    "norm",
    "op",
    "pool",
    "prior",
    "proposal",
    "psroi",
    "recurrent",
    "reduce",
    "resize",
    "roi",
    "shape",
    "table",
    "yolo",
]
