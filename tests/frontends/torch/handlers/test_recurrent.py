"""Recurrent layers whose states are projected (proj_size), against the cell's own formulas."""

from __future__ import annotations

import numpy as np
import pytest

import xir
from xir.errors import InvalidModelError
from xir.frontends.torch.call import Scope
from xir.frontends.torch.caller import Caller
from xir.frontends.torch.handlers import OPERATORS
from xir.frontends.torch.tensor import Tensor
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType

F64 = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
BATCH, IN, HIDDEN, OUT = 2, 3, 4, 2


def sigmoid(x: F64) -> F64:
    return 1 / (1 + np.exp(-x))


def truth(x: F64, h: F64, c: F64, weights: list[F64], biased: bool, layers: int, ways: int) -> tuple[F64, ...]:
    """Layer by layer, step by step (torch.nn.LSTM's documentation)."""
    each, last, cells = len(weights) // (layers * ways), [], []
    for layer in range(layers):
        sides = []
        for way in range(ways):
            place = layer * ways + way
            w, r, *biases, projection = weights[place * each : (place + 1) * each]
            state, cell, steps = h[place], c[place], []
            for step in x[::-1] if way else x:
                i, f, g, o = np.split(step @ w.T + state @ r.T + (sum(biases) if biased else 0), 4, axis=-1)
                cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
                state = (sigmoid(o) * np.tanh(cell)) @ projection.T
                steps.append(state)
            sides.append(np.stack(steps[::-1] if way else steps))
            last.append(state)
            cells.append(cell)
        x = np.concatenate(sides, axis=-1)
    return x, np.stack(last), np.stack(cells)


def arrays(layers: int, ways: int, biased: bool, steps: int) -> list[F64]:
    r = np.random.default_rng(3).standard_normal
    given = [r((steps, BATCH, IN)), r((layers * ways, BATCH, OUT)), r((layers * ways, BATCH, HIDDEN))]
    for layer in range(layers):
        for _ in range(ways):
            width = OUT * ways if layer else IN
            given += [r((4 * HIDDEN, width)), r((4 * HIDDEN, OUT))]
            given += [r(4 * HIDDEN), r(4 * HIDDEN)] if biased else []
            given.append(r((OUT, HIDDEN)))
    return given


def graph(given: list[F64], biased: bool, layers: int, ways: int, steps: Symbol) -> Graph:
    shapes = [(steps, BATCH, IN), *(array.shape for array in given[1:])]
    x, h, c, *weights = [Tensor(Value(TensorType(DType.FLOAT64, shape))) for shape in shapes]
    rest = [biased, layers, 0.0, False, ways == 2, False]
    made = Caller(OPERATORS, Scope()).call("aten.lstm.input", [x, [h, c], weights, *rest], {})
    return Graph("lstm", tuple(each.value for each in (x, h, c, *weights)), tuple(each.value for each in made))


@pytest.mark.parametrize(("layers", "ways", "biased"), [(1, 1, False), (2, 2, True)])
def test_projected_states(layers: int, ways: int, biased: bool):
    built = graph(arrays(layers, ways, biased, 5), biased, layers, ways, Symbol("t", minimum=1))
    for steps in (5, 1):
        given = arrays(layers, ways, biased, steps)
        made = xir.run(built, dict(zip(built.input_names, given, strict=True)))
        for result, wanted in zip(made.values(), truth(*given[:3], given[3:], biased, layers, ways), strict=True):
            np.testing.assert_allclose(result, wanted, rtol=1e-12, atol=1e-12)


def test_weights_that_are_too_few():
    with pytest.raises(InvalidModelError, match="1 layers have 2 weights, got 4"):
        graph([*arrays(1, 1, False, 5), np.zeros(1)], False, 1, 1, Symbol("t", minimum=1))
