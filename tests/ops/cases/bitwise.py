"""Examples of operations on bits."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case
from xir.ops.bitwise import bitwise_and, bitwise_not, bitwise_or, bitwise_xor, shift_left, shift_right

INTEGERS = (np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64)


def cases() -> Iterator[Case]:
    for dtype in INTEGERS:
        x = np.array([[0, 1, 0x55], [0x7F, 3, 100]]).astype(dtype)
        x[0, 1] = ~x[0, 1]
        y = np.array([[1, 7, 0x33], [2, 0, 5]]).astype(dtype)
        for operator in (bitwise_and, bitwise_or, bitwise_xor):
            yield case(operator, x, y)
        yield case(bitwise_not, x)
        yield case(shift_left, x, y % 8)
        yield case(shift_right, x, y % 8)
    far = np.array([-5, -5, 5, 5, -128, -1], np.int8)
    by = np.array([-1, 8, 8, -3, 7, 1], np.int8)
    yield case(shift_left, far, by).noted("too far")
    yield case(shift_right, far, by).noted("too far")
