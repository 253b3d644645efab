"""Examples of casts that saturate, to powers of two, of bits, and of text."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case, normal
from tests.ops.cases.arithmetic import FLOATS
from xir.ir.constant import Array
from xir.ir.types import DType
from xir.ops.cast import LARGEST, bit_cast, number_to_text, saturating_cast, scale_cast, text_to_number, unpack_bits
from xir.ops.elementwise import cast

FAR = np.array([0.0, -0.0, 0.3, 1.0, 232.0, 239.0, 240.1, 449.0, -500.0, 1e9, np.inf, -np.inf, np.nan])
POWERS = np.array(
    [0.0, 0.124, 0.25, 0.375, 1.1, 1.5, 2.0, 3.0, 1e38, 2.0**127, 1.8e38, 3e38, 2.0**-126, 2.0**-127, np.inf, np.nan]
)
TINY = np.array([1e-45, 2.0**-129, 2.0**-128, 1.4 * 2.0**-128, 1.5 * 2.0**-128, 2.0**-127, 1.4 * 2.0**-127])
ROUNDINGS = ("up", "down", "nearest")
WIDTHS = (
    (DType.INT8, DType.UINT8, DType.BOOL, *LARGEST, DType.FLOAT8E8M0),
    (DType.INT16, DType.UINT16, DType.FLOAT16, DType.BFLOAT16),
    (DType.INT32, DType.UINT32, DType.FLOAT32),
    (DType.INT64, DType.UINT64, DType.FLOAT64, DType.COMPLEX64),
    (DType.INT4, DType.UINT4, DType.FLOAT4E2M1),
    (DType.INT2, DType.UINT2),
)
STORED = tuple(dtype for dtype in DType if dtype.bits < 16 and dtype is not DType.BOOL and dtype is not DType.STRING)


def rounded(x: Array, dtype: DType) -> Array:
    """The numbers in another type, infinities where they are too large."""
    with np.errstate(over="ignore"):
        return x.astype(dtype.dtype)


def cases() -> Iterator[Case]:
    for dtype in LARGEST:
        for source in (*FLOATS, DType.FLOAT8E5M2):
            yield case(saturating_cast, rounded(FAR, source), dtype=dtype).noted(str(dtype))
        yield case(saturating_cast, np.array([-500, 3, 100000]), dtype=dtype).noted(str(dtype))
    yield from _powers()
    for family in WIDTHS:
        for source in family:
            for dtype in family:
                yield case(bit_cast, np.array([[0, 1], [1, 0]]).astype(source.dtype), dtype=dtype).noted(str(dtype))
    yield from _packed()
    yield from _narrow()
    yield from _texts()


def _powers() -> Iterator[Case]:
    for rounding in ROUNDINGS:
        for saturate in (False, True):
            words = {"rounding": rounding, "saturate": saturate}
            for source in FLOATS:
                yield case(scale_cast, rounded(POWERS, source), **words).noted(str(words))
            yield case(scale_cast, np.concatenate([TINY, 1.6 * TINY]).astype(np.float32), **words).noted(
                f"tiny {words}"
            )


def _packed() -> Iterator[Case]:
    for dtype in (DType.UINT2, DType.INT2, DType.UINT4, DType.INT4, DType.UINT8, DType.INT8):
        packed = np.array([[0x1B, 0xE4, 0x07], [0xF0, 0x80, 0xFF]], np.uint8)
        for offset in (0, 1 << dtype.bits - 1):
            yield case(unpack_bits, packed, dtype=dtype, offset=offset).noted(f"{dtype} less {offset}")


def _narrow() -> Iterator[Case]:
    """Between all the types that are narrower than 16 bits."""
    for source in STORED:
        x = np.array([0.5, 1.0, 1.0, 2.0] if source.is_floating else [0, 1, 1, 0]).astype(source.dtype)
        for dtype in STORED:
            if dtype.is_floating or not source.is_floating:
                yield case(cast, x[1:3], dtype=dtype).noted(str(dtype)).differenced()


def _texts() -> Iterator[Case]:
    for dtype in (*FLOATS, DType.FLOAT8E4M3FN, DType.INT8, DType.INT4, DType.UINT64, DType.BOOL):
        x = normal(2, 3) if dtype.is_floating else np.array([[0, 1, 0], [1, 0, 1]])
        yield case(number_to_text, x.astype(dtype.dtype))
        words = np.array([["1", "1.0"], ["1e0", "0"]], object)
        yield case(text_to_number, words, dtype=dtype).noted(str(dtype))
    yield case(number_to_text, np.array([np.inf, -np.inf, np.nan, 1.0, 1e-7, 1e10], np.float32)).differenced()
