"""Quantised programs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.frontends.torch.handlers.call import Draws, Example, call
from xir.ir.types import DType

I8, U8, F32, F16 = DType.INT8, DType.UINT8, DType.FLOAT32, DType.FLOAT16


def _calls() -> Iterator[Example]:
    """Numbers for all elements, for each channel, line and group; how they are chosen."""
    draw = Draws(23)
    x, whole = draw(3, 4) * 3, draw.whole(-128, 128, 3, 4).astype(np.int8)
    scales, zeros = draw.share(3) / 8 + np.float32(0.01), draw.whole(-3, 4, 3)
    tokens, groups = scales[:, None].astype(np.float64), draw.share(3, 2) / 8 + np.float32(0.01)
    group_zeros = draw.whole(-3, 4, 3, 2)
    scale, zero = np.array(0.07), np.array(3)
    bounds = (-128, 127, I8)
    ends = (np.array(-128), np.array(127), I8)
    found = [
        ("quantize_per_tensor.default", (x, 0.05, 3, *bounds)),
        ("quantize_per_tensor.default", (x, 0.05, 128, 0, 255, U8)),
        ("quantize_per_tensor.tensor", (x, scale, zero, *bounds)),
        ("quantize_per_tensor.tensor2", (x, scale, zero, *ends)),
        ("dequantize_per_tensor.default", (whole, 0.05, 3, *bounds)),
        ("dequantize_per_tensor.tensor", (whole, scale, zero, *bounds)),
        ("dequantize_per_tensor.tensor2", (whole, scale, zero, *ends)),
        ("quantize_per_channel.default", (x, scales, zeros, 0, *bounds)),
        ("dequantize_per_channel.default", (whole, scales, zeros, 0, *bounds)),
        ("dequantize_per_channel.default", (whole, scales, None, 0, *bounds)),
        ("quantize_per_token.default", (x, tokens, zeros[:, None], *bounds)),
        ("dequantize_per_token.default", (whole, tokens, zeros[:, None], *bounds, F32)),
        ("quantize_per_channel_group.default", (x, groups, group_zeros, *bounds, 2)),
        ("dequantize_per_channel_group.default", (whole, groups, group_zeros, *bounds, 2, F32)),
        ("choose_qparams.tensor", (x, -128, 127, 1e-5, I8)),
        ("choose_qparams.tensor", (x * 0, 0, 255, 1e-5, U8)),
        ("choose_qparams_symmetric.tensor", (x, -127, 127, 1e-5, I8)),
        ("choose_qparams_per_token.default", (x, I8)),
        ("choose_qparams_per_token_asymmetric.default", (x, I8)),
        ("convert_element_type.no_fuse", (x, F16)),
    ]
    for kind, items in found:
        yield call(f"quantized_decomposed.{kind}", *items)


CALLS = tuple(_calls())
