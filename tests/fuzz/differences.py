"""How two results differ: by type, shape, and within the tolerance of their element type, or to the bit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np

from xir.ir.constant import Array
from xir.ir.types import DType, dtype_from_numpy

TOLERANCES: Mapping[DType, tuple[float, float]] = {
    DType.FLOAT64: (1e-7, 1e-9),
    DType.FLOAT32: (2e-3, 2e-5),
    DType.FLOAT16: (2e-2, 4e-3),
    DType.BFLOAT16: (1e-1, 4e-2),
    DType.COMPLEX64: (2e-3, 2e-5),
    DType.COMPLEX128: (1e-7, 1e-9),
}
"""(relative, absolute beside the largest element) by element type: sums of tens of terms in another order, steps that a
runtime rounds and the reference does not."""


def difference(want: object, have: object, *, bits: bool = False) -> str | None:
    """How two results differ, None if they do not; exactly where `bits`, else within the type's tolerance."""
    if isinstance(want, list) or isinstance(have, list):
        if not isinstance(want, list) or not isinstance(have, list):
            return "form"
        ours, theirs = cast("list[object]", want), cast("list[object]", have)
        if len(ours) != len(theirs):
            return "length"
        found = (difference(a, b, bits=bits) for a, b in zip(ours, theirs, strict=True))
        return next((each for each in found if each is not None), None)
    if want is None or have is None:
        return None if want is have else "form"
    return _array_difference(np.asarray(cast("Array", want)), np.asarray(cast("Array", have)), bits)


def _array_difference(want: Array, have: Array, bits: bool) -> str | None:
    if want.dtype.kind == "V" and have.dtype.kind != "V" and have.dtype.itemsize == want.dtype.itemsize:
        have = have.view(want.dtype)
    if want.dtype != have.dtype and not (want.dtype.kind in "OUST" and have.dtype.kind in "OUST"):
        return "type"
    if want.shape != have.shape:
        return "shape"
    if want.dtype.kind in "OUST":
        return None if want.astype(object).tolist() == have.astype(object).tolist() else "text"
    dtype = dtype_from_numpy(want.dtype)
    if bits or not (dtype.is_floating or want.dtype.kind == "c"):
        return _bit_difference(want, have, dtype)
    wide = np.complex128 if want.dtype.kind == "c" else np.float64
    a, b = want.astype(wide), have.astype(wide)
    with np.errstate(all="ignore"):
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        finite = np.abs(a[np.isfinite(a)])
        relative, absolute = TOLERANCES.get(dtype, (0.0, 0.0))
        bound = absolute * max(1.0, float(finite.max(initial=0.0))) + relative * np.abs(a)
        near = np.abs(a - b) <= bound
    if (same | near).all():
        return None
    if bool((np.isnan(a) != np.isnan(b)).any()):
        return "NaN"
    return "infinity" if bool((np.isinf(a) != np.isinf(b)).any()) else "values"


def _bit_difference(want: Array, have: Array, dtype: DType) -> str | None:
    if np.ascontiguousarray(want).tobytes() == np.ascontiguousarray(have).tobytes():
        return None
    if dtype is DType.BOOL:
        return None if np.array_equal(want, have) else "values"
    if dtype.is_integer:
        steps = np.abs(want.astype(np.float64) - have.astype(np.float64))
        return "values by one" if float(steps.max(initial=0.0)) <= 1 else "values"
    with np.errstate(all="ignore"):
        if want.dtype.kind == "c":
            return None if np.array_equal(want, have, equal_nan=True) else "values"
        a, b = want.astype(np.float64), have.astype(np.float64)
        same = ((a == b) & (np.signbit(a) == np.signbit(b))) | (np.isnan(a) & np.isnan(b))
        if same.all():
            return None
        return "sign of 0" if ((a == b) | (np.isnan(a) & np.isnan(b))).all() else "values"


def compared(want: Mapping[str, object], have: Mapping[str, object], *, bits: bool = False) -> dict[str, str]:
    """{output: how it differs} of those that do."""
    found = {name: difference(want[name], have[name], bits=bits) for name in want if name in have}
    return {name: said for name, said in found.items() if said is not None}
