"""Powers of two in 8 bits (OCP Microscaling Formats 1.0, section 5.4; ONNX Cast-24, table of f8e8m0)."""

from __future__ import annotations

import numpy as np

from xir.ir.constant import Array
from xir.ir.types import DType
from xir.ops._windows import Numbers


def powers_of_two(x: Numbers, rounding: str, saturate: bool) -> Array:
    """|x| as f8e8m0, rounded `up`, `down` or to the `nearest`, ties up.

    What is beyond 2**-127 and 2**127, 0 and infinity too, becomes that number where `saturate`, else NaN.
    """
    magnitude = np.abs(x.astype(np.float32))
    fraction, exponent = np.frexp(magnitude)
    # magnitude = fraction * 2 ** exponent with fraction in [0.5, 1): the power of two below it has exponent - 1.
    above = {"up": fraction > 0.5, "nearest": fraction >= 0.75, "down": np.zeros_like(fraction, bool)}[rounding]
    power = np.where(magnitude == 0, -1000, np.where(np.isinf(magnitude), 1000, exponent - 1 + above))
    outside = np.isnan(magnitude) if saturate else np.isnan(magnitude) | (power < -127) | (power > 127)
    stored = np.where(outside, 255, np.clip(power, -127, 127) + 127).astype(np.uint8)
    return np.asarray(stored.view(DType.FLOAT8E8M0.dtype))
