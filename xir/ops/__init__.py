"""The operator table: one vocabulary in two storeys, one file a family.

Layer operators decompose into core operators; "core" only means "has no `decompose`".
"""

from xir.ops import constant, conv, matmul, norm, pool, resize, shape
from xir.ops._define import OpDef, definition, op, table

__all__ = ["OpDef", "constant", "conv", "definition", "matmul", "norm", "op", "pool", "resize", "shape", "table"]
