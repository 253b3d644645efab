"""Tensors made of nothing."""

from __future__ import annotations

import numpy as np

from tests.frontends.torch.handlers.call import Example, array, call, fixed, real, whole
from xir.ir.types import DType

X = real(2, 3)
RANGES: tuple[tuple[object, ...], ...] = ((5,), (0,), (2.5,))

CALLS: tuple[Example, ...] = (
    fixed("zeros", [2, 3]),
    fixed("ones", [2, 0], dtype=DType.INT64),
    fixed("full", [2], 3),
    fixed("full", [], 2.5),
    fixed("full", [2], True),
    fixed("full", [2], 1.7, dtype=DType.INT32),
    call("zeros_like", X),
    call("ones_like", X, dtype=DType.BOOL),
    call("full_like", whole(2, 3), 2.7),
    call("new_zeros", whole(2), [2, 2]),
    call("new_ones", X, [3]),
    call("new_full", whole(2), [2], 4),
    fixed("scalar_tensor", 3),
    fixed("scalar_tensor", 3, dtype=DType.INT64),
    *(fixed("arange", *each) for each in RANGES),
    fixed("arange.start", 2, 7),
    fixed("arange.start", 0.5, 3.2),
    fixed("arange.start_step", 7, 1, -2),
    fixed("arange.start_step", 0.0, -8.5, -4.0, dtype=DType.INT64),
    fixed("arange.start_step", 0, 1, 0.1, dtype=DType.FLOAT64),
    fixed("linspace", -1, 2, 7),
    fixed("linspace", 4.3, 0, 5, dtype=DType.INT64),
    fixed("linspace", 3, 9, 1),
    fixed("linspace.Tensor_Tensor", array(-1.0), array(2.0), 7),
    fixed("linspace.Tensor_Scalar", array(4.3), 0, 5, dtype=DType.INT64),
    fixed("linspace.Scalar_Tensor", 3, array(9.0), 1),
    fixed("logspace", 0, 2, 3, 2.0),
    fixed("range", 1, 4),
    fixed("range.step", 0.0, 1.0, 0.25),
    *(fixed(f"{name}_window", 5) for name in ("hann", "hamming", "blackman")),
    *(fixed(f"{name}_window.periodic", 5, False) for name in ("hann", "hamming", "blackman")),
    fixed("kaiser_window.beta", 5, True, 12.0),
    fixed("kaiser_window.beta", 5, False, 12.0),
    fixed("hann_window", 1),
    call("_shape_as_tensor", X),
    fixed("eye", 3),
    fixed("eye.m", 2, 3, dtype=DType.INT64),
    *(call(f"{name}", real(3, 4), offset) for name in ("tril", "triu") for offset in (0, 1, -2)),
    *(fixed(f"{name}_indices", 3, 4, 1) for name in ("tril", "triu")),
    call("one_hot", whole(2, 2, low=0, high=3), 4),
    call("one_hot", array([0, 2, 1], np.int64)),
    call("vander", whole(3), 4, True),
    call("native_dropout", X, 0.5, False),
    call("dropout", X, 0.5, False),
    fixed("resize_", real(6), [2, 3]),
)
