"""Examples of determinants and of sums of products."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case, normal
from xir.ir.types import DType
from xir.ops.einsum import einsum
from xir.ops.linalg import determinant


def cases() -> Iterator[Case]:
    for size in (0, 1, 2, 3, 4, 6):
        yield case(determinant, normal(2, size, size, dtype=DType.FLOAT64)).noted(f"size {size}")
    yield case(determinant, normal(3, 3))
    yield case(determinant, normal(2, 2, 2, dtype=DType.BFLOAT16))
    yield from sums()


def sums() -> Iterator[Case]:
    a, b = normal(2, 3, 4), normal(2, 4, 5, seed=1)
    for equation, operands in {
        "bij,bjk->bik": (a, b),
        "bij , bjk -> ikb": (a, b),
        "bij,bjk": (a, b),
        "bij,ckl->bcil": (a, b),
        "bij->": (a,),
        "bij->jb": (a,),
        "bij": (a,),
        "zBa": (a,),
        "i,j": (normal(3), normal(4)),
        "i,i": (normal(3), normal(3, seed=1)),
        "ii->i": (normal(3, 3),),
        "ii": (normal(3, 3),),
        "bii->bi": (normal(2, 3, 3),),
        "...ii->...i": (normal(2, 3, 3),),
        "iji,i->j": (normal(3, 2, 3), normal(3)),
        "...ij,...jk->...ik": (a, normal(1, 4, 5)),
        "...ij,jk": (a, normal(4, 5)),
        "i...,...->...": (normal(3, 2), normal(2, seed=1)),
        "...,...": (normal(2, 1), normal(1, 3, seed=1)),
        "ab,bc,cd->ad": (normal(2, 3), normal(3, 4), normal(4, 2)),
        "ab,bc,bd->acd": (normal(2, 3), normal(3, 4), normal(3, 2)),
        "a,b,ab->": (normal(2), normal(3), normal(2, 3)),
        "A,a->Aa": (normal(2), normal(3)),
        ",i->i": (normal(), normal(3)),
    }.items():
        yield case(einsum, *operands, equation=equation).noted(equation)
    whole = np.arange(6).reshape(2, 3)
    for dtype in (DType.INT64, DType.INT8, DType.UINT16):
        yield case(einsum, whole.astype(dtype.dtype), whole.T.astype(dtype.dtype), equation="ij,jk->ik")
    for dtype in (DType.FLOAT16, DType.BFLOAT16, DType.FLOAT64):
        yield case(einsum, a.astype(dtype.dtype), b.astype(dtype.dtype), equation="bij,bjk->bik")
