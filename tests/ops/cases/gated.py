"""Examples of ONNX's recurrent layers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import numpy as np

from tests.ops.cases import AnyOp, Case, case, normal
from xir.ir.constant import Array
from xir.ir.types import DType
from xir.ops._gates import HAS_ALPHA, HAS_BETA, GateFunction, GateName
from xir.ops.lstm import lstm
from xir.ops.rnn import gru, rnn

STEPS, STREAMS, INPUT, SIZE = 4, 3, 2, 5
LENGTHS = np.array([2, 4, 1], np.int32)
SIGMOID: GateFunction = ("sigmoid", 0.0, 0.0)
TANH: GateFunction = ("tanh", 0.0, 0.0)
DEFAULTS: dict[AnyOp, tuple[GateFunction, ...]] = {rnn: (TANH,), gru: (SIGMOID, TANH), lstm: (SIGMOID, TANH, TANH)}
GATES: dict[AnyOp, int] = {rnn: 1, gru: 3, lstm: 4}
EXTRAS: dict[AnyOp, dict[str, object]] = {rnn: {}, gru: {"linear_before_reset": False}, lstm: {"coupled": False}}


def operands(op: AnyOp, ways: int, dtype: DType = DType.FLOAT32) -> list[Array]:
    """Drawn x, w, r, b for `ways` directions."""
    rows = GATES[op] * SIZE
    shapes = [(STEPS, STREAMS, INPUT), (ways, rows, INPUT), (ways, rows, SIZE), (ways, 2 * rows)]
    return [normal(*shape, seed=seed, dtype=dtype) for seed, shape in enumerate(shapes)]


def states(op: AnyOp, ways: int) -> list[Array]:
    """Start states."""
    return [normal(ways, STREAMS, SIZE, seed=7 + index) for index in range(2 if op is lstm else 1)]


def words(op: AnyOp, direction: str = "forward", **more: object) -> dict[str, object]:
    """The attributes, with the defaults of ONNX."""
    ways = 2 if direction == "bidirectional" else 1
    return {"direction": direction, "functions": DEFAULTS[op] * ways, "clip": None, **EXTRAS[op], **more}


def cases() -> Iterator[Case]:
    for op in (rnn, gru, lstm):
        x, w, r, b = operands(op, 1)
        yield case(op, x, w, r, **words(op))
        yield case(op, x, w, r, b, LENGTHS, *states(op, 1), **words(op, "reverse")).noted("lengths, backward")
        both = operands(op, 2)
        yield case(op, *both, LENGTHS, *states(op, 2), **words(op, "bidirectional")).noted("both ways")
        yield (
            case(op, *both, **words(op, "bidirectional", clip=0.4))
            .differenced()
            .noted("clipped cell" if op is lstm else "clipped")
        )
        half = operands(op, 1, DType.FLOAT16)
        yield case(op, *half, **words(op)).within(5e-3).noted("halves")
    x, w, r, b = operands(gru, 1)
    yield case(gru, x, w, r, b, **words(gru, linear_before_reset=True)).noted("linear before reset")
    yield case(gru, x, w, r, **words(gru, linear_before_reset=True)).noted("linear before reset, no bias")
    x, w, r, b = operands(lstm, 1)
    peepholes = normal(1, 3 * SIZE, seed=9)
    yield case(lstm, x, w, r, b, None, *states(lstm, 1), peepholes, **words(lstm)).noted("peepholes")
    yield case(lstm, x, w, r, b, None, None, None, peepholes, **words(lstm, coupled=True)).noted("coupled")
    names: tuple[GateName, ...] = get_args(GateName)
    for name in names:
        function: GateFunction = (name, 0.3 if name in HAS_ALPHA else 0.0, 0.6 if name in HAS_BETA else 0.0)
        yield case(rnn, *operands(rnn, 1), **words(rnn, functions=(function,))).differenced().noted(name)
