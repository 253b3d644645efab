"""Weights in a narrower type: what overflows, and what vanishes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import Array, Constant, constant_of
from xir.ir.types import DType

Overflow: TypeAlias = Literal["keep", "clamp", "refuse"]

STANDS_FOR_INFINITY = 1e30
"""From this magnitude on a weight stands for infinity, as in the masks of attention (-3.4e38, -1e32): the largest
number of the narrower type does the same there."""


@dataclass(frozen=True, slots=True)
class ConvertedWeight:
    """What a weight lost.

    Attributes:
        name: the weight's name.
        elements: how many numbers it holds.
        clamped: how many became the largest number of the narrower type.
        flushed: how many became 0.
        subnormal: how many became subnormal: fewer digits, and 0 on hardware that flushes them.
        largest: the largest magnitude.
    """

    name: str
    elements: int
    clamped: int
    flushed: int
    subnormal: int
    largest: float

    def to_dict(self) -> dict[str, object]:
        """The weight as plain data."""
        return {
            "name": self.name,
            "elements": self.elements,
            "clamped": self.clamped,
            "flushed": self.flushed,
            "subnormal": self.subnormal,
            "largest": self.largest,
        }


def limits_of(dtype: DType) -> tuple[float, float, float]:
    """The largest number, the least normal one and the least one above 0 of f16 or bf16 (IEEE 754-2008, table 3.5)."""
    if dtype is DType.FLOAT16:
        return 65504.0, 2.0**-14, 2.0**-24
    return float(2.0**127 * (2 - 2.0**-7)), 2.0**-126, 2.0**-133


def largest_of(array: Array) -> float:
    """The largest finite magnitude, 0 where there is none."""
    magnitudes = np.abs(array.astype(np.float64))
    return float(magnitudes.max(initial=0.0, where=np.isfinite(magnitudes)))


def overflows(array: Array, dtype: DType) -> bool:
    """Whether a number that does not stand for infinity is too large for `dtype`."""
    magnitudes = np.abs(array.astype(np.float64))
    held = magnitudes[magnitudes < STANDS_FOR_INFINITY]
    return largest_of(held) > limits_of(dtype)[0]


def convert_weight(
    constant: Constant, name: str, dtype: DType, overflow: Overflow
) -> tuple[Constant, ConvertedWeight] | None:
    """The weight in `dtype`, and what it lost; None where it should stay as it is.

    Args:
        constant: numbers in f32 or f64; NaN and infinities stay what they are.
        name: the weight's name, for the report.
        dtype: f16 or bf16.
        overflow: what becomes of a weight with numbers that are too large: it stays (but for numbers that stand for
            infinity, which are clamped), is clamped, or is refused.

    Raises:
        InvalidModelError: if it overflows and that is refused.
    """
    array = constant.array()
    most, normal, _ = limits_of(dtype)
    largest = largest_of(array)
    clamped = 0
    if largest > most:
        if overflow == "refuse":
            raise InvalidModelError(
                f"weight {name!r} has numbers up to {largest:g}; {dtype} ends at {most:g}",
                hint="choose bf16, or let it be clamped or kept: --overflow clamp|keep",
            )
        if overflow == "keep" and overflows(array, dtype):
            return None
        outside = np.isfinite(array) & (np.abs(array) > most)
        clamped = int(np.count_nonzero(outside))
        array = np.where(outside, np.sign(array) * most, array).astype(array.dtype)
    with np.errstate(all="ignore"):
        narrow = array.astype(dtype.dtype)
    magnitudes = np.abs(narrow.astype(np.float64))
    flushed = int(np.count_nonzero((magnitudes == 0) & (array != 0)))
    subnormal = int(np.count_nonzero((magnitudes > 0) & (magnitudes < normal)))
    return constant_of(narrow), ConvertedWeight(name, array.size, clamped, flushed, subnormal, largest)
