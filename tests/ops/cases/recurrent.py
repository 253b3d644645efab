"""Examples of recurrent layers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case, normal
from xir.ir.constant import Array
from xir.ir.types import DType
from xir.ops.recurrent import continued_lstm, continued_rnn, lstm_unit

STEPS, STREAMS, SIZE = 4, 3, 5


def marks() -> Array:
    """Continuation marks with a beginning in the middle of a stream."""
    result = np.ones((STEPS, STREAMS), np.float32)
    result[0], result[2, 1] = 0, 0
    return result


def operands(rows: int, dtype: DType = DType.FLOAT32) -> list[Array]:
    """Drawn x [T, N, 2, 2], cont, w_x, b, w_h for `rows` rows of weights."""
    drawn = [normal(STEPS, STREAMS, 2, 2), marks(), normal(rows, 4), normal(rows), normal(rows, SIZE, seed=1)]
    return [array.astype(dtype.dtype) for array in drawn]


def cases() -> Iterator[Case]:
    state = normal(1, STREAMS, SIZE)
    unit = (state[0], normal(STREAMS, 4 * SIZE), np.array([0, 1, 1], np.float32))
    yield case(lstm_unit, *unit)
    yield case(lstm_unit, *(array.astype(np.float16) for array in unit))
    sides = (normal(STREAMS, 6), normal(4 * SIZE, 6, seed=2))
    starts = (normal(1, STREAMS, SIZE, seed=3), state)
    yield case(continued_lstm, *operands(4 * SIZE), None, None, None, None)
    yield case(continued_lstm, *operands(4 * SIZE), *sides, None, None).noted("static input")
    yield case(continued_lstm, *operands(4 * SIZE), *sides, *starts).noted("static input and start")
    yield case(continued_lstm, *operands(4 * SIZE, DType.FLOAT16), None, None, None, None).within(5e-3)
    output = (normal(SIZE, SIZE, seed=4), normal(SIZE, seed=5))
    rnn = (*operands(SIZE), *output)
    yield case(continued_rnn, *rnn, None, None, None)
    yield case(continued_rnn, *rnn, sides[0], normal(SIZE, 6), None).noted("static input")
    yield case(continued_rnn, *rnn, sides[0], normal(SIZE, 6), state).noted("static input and start")
