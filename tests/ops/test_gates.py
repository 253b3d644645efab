"""What ONNX's recurrent layers share: functions by their formulas, refusals, unrolling."""

from __future__ import annotations

import numpy as np
import pytest

from tests.ops.cases.gated import STEPS, TANH, operands, words
from tests.ops.evaluate import decomposed, evaluate_all, placeholders
from xir.errors import InvalidModelError
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ir.verify import verify
from xir.ops._gates import GateFunction, applied
from xir.ops.lstm import lstm
from xir.ops.rnn import gru, rnn
from xir.reference import run

FORMULAS: list[tuple[GateFunction, list[float]]] = [
    (("relu", 0, 0), [0.0, 0.0, 2.0]),
    (("affine", 2, 1), [-3.0, 1.0, 5.0]),
    (("leaky_relu", 0.5, 0), [-1.0, 0.0, 2.0]),
    (("thresholded_relu", 2, 0), [0.0, 0.0, 2.0]),
    (("scaled_tanh", 3, 0.5), [3 * np.tanh(-1), 0.0, 3 * np.tanh(1)]),
    (("hard_sigmoid", 0.25, 0.5), [0.0, 0.5, 1.0]),
    (("elu", 2, 0), [2 * np.expm1(-2), 0.0, 2.0]),
    (("softsign", 0, 0), [-2 / 3, 0.0, 2 / 3]),
    (("softplus", 0, 0), [np.log1p(np.exp(-2)), np.log(2), np.log1p(np.exp(2))]),
    (("tanh", 0, 0), [np.tanh(-2), 0.0, np.tanh(2)]),
    (("sigmoid", 0, 0), [1 / (1 + np.exp(2)), 0.5, 1 / (1 + np.exp(-2))]),
]


@pytest.mark.parametrize(("function", "wanted"), FORMULAS, ids=[function[0] for function, _ in FORMULAS])
def test_functions_of_gates_are_those_of_the_text(function: GateFunction, wanted: list[float]) -> None:
    np.testing.assert_allclose(applied(function, np.array([-2.0, 0.0, 2.0])), wanted, rtol=1e-12)


def test_a_backward_sequence_begins_where_its_length_ends() -> None:
    x, w, r, b = operands(rnn, 1)
    lengths = np.array([2, STEPS, 0], np.int32)
    outputs, last = evaluate_all(rnn, x, w, r, b, lengths, None, **words(rnn, "reverse"))
    turned, _ = evaluate_all(rnn, x[:2, :1][::-1].copy(), w, r, b, None, None, **words(rnn))
    np.testing.assert_allclose(outputs[:2, :, :1], turned[::-1], rtol=1e-6)
    np.testing.assert_array_equal(outputs[0], last * np.array([1, 1, 0], np.float32)[None, :, None])
    assert not outputs[2:, :, 0].any()
    assert not outputs[:, :, 2].any()


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("op", [rnn, gru, lstm])
def test_an_unknown_number_of_steps_is_the_body_of_a_scan(op: object, direction: str) -> None:
    assert op is rnn or op is gru or op is lstm
    ways = 2 if direction == "bidirectional" else 1
    arrays = [*operands(op, ways), np.array([2, 4, 1], np.int32)]
    for given in (arrays, arrays[:4], arrays[:3]):
        x, *rest = placeholders(*given)
        assert x is not None
        line = Value(x.tensor.with_shape((Symbol("T"), *x.shape[1:])))
        made = decomposed(op)(line, *rest, **words(op, direction))
        assert isinstance(made, tuple)
        names = {value: f"in{index}" for index, value in enumerate((line, *rest)) if value is not None}
        graph = Graph("g", tuple(names), made, tuple(f"y{index}" for index in range(len(made))), names=names)
        verify(graph)
        assert "scan" in {node.op.name for node in graph.nodes}
        got = run(graph, {f"in{index}": array for index, array in enumerate(given)})
        for have, want in zip(got.values(), evaluate_all(op, *given, **words(op, direction)), strict=True):
            np.testing.assert_allclose(have, want, rtol=1e-5, atol=1e-6)


def test_operands_that_do_not_fit_are_refused() -> None:
    x, w, r, b = placeholders(*operands(lstm, 1))
    lengths = Value(TensorType(DType.INT64, (3,)))
    refusals = [
        ((x, w, r), {"functions": (TANH,)}, "3 functions are needed, got 1"),
        ((x, w, r), {"functions": (("tanh", 1.0, 0.0),) * 3}, "tanh has no such numbers"),
        ((x, w, r), {"clip": float("nan")}, "bound of clipping"),
        ((x, w, r, b, lengths), {}, "tensor of i32"),
        ((x, w, r, r), {}, "differ"),
        ((x, w, w), {}, "differ"),
    ]
    for given, changed, text in refusals:
        with pytest.raises(InvalidModelError, match=text):
            lstm(*given, **words(lstm, **changed))
