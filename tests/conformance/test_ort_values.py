"""Tensors of every element type go into onnxruntime and come back as they were."""

from __future__ import annotations

import numpy as np
import pytest

from xir.ir.types import DType
from xir_conformance.runtimes import BindingError

pytest.importorskip("onnxruntime")

from xir_conformance.runtimes.ort_values import is_extended, to_array, to_value

HELD = [
    dtype
    for dtype in DType
    if dtype
    not in (DType.STRING, DType.FLOAT6E2M3, DType.FLOAT6E3M2, DType.FLOAT4E2M1, DType.COMPLEX64, DType.COMPLEX128)
]
"""What onnxruntime 1.31 has tensors of."""


@pytest.mark.parametrize("shape", [(), (0,), (5,), (3, 1, 3)])
@pytest.mark.parametrize("dtype", HELD)
def test_there_and_back(dtype: DType, shape: tuple[int, ...]) -> None:
    array = np.asarray(np.random.default_rng(0).integers(1, 3, shape)).astype(dtype.dtype)
    back = to_array(to_value(array))
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    assert back.tolist() == array.tolist()


@pytest.mark.parametrize(("dtype", "want"), [(DType.FLOAT16, False), (DType.BFLOAT16, True), (DType.UINT2, True)])
def test_what_numpy_has_not(dtype: DType, want: bool) -> None:
    assert is_extended(np.zeros(1, dtype.dtype)) is want


def test_text_has_no_memory() -> None:
    with pytest.raises(BindingError, match="no OrtValue of text"):
        to_value(np.array(["a"], object))
