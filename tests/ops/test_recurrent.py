"""Recurrent layers: against Caffe itself, and unrolling within bounds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.ops.caffe_oracles import real_caffe
from tests.ops.cases import normal
from tests.ops.cases.recurrent import SIZE, STEPS, STREAMS, marks, operands
from tests.ops.evaluate import decomposed, evaluate_all
from xir.errors import InvalidModelError, UnsafeError, UnsupportedError
from xir.ir.constant import Array
from xir.ir.dims import Symbol
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.recurrent import continued_lstm, continued_rnn, lstm_unit

STATIC = normal(STREAMS, 6)
STARTS = [normal(1, STREAMS, SIZE, seed=3), normal(1, STREAMS, SIZE, seed=4)]


def layer(kind: str, bottoms: str, tops: str, expose: bool) -> str:
    """A recurrent layer's prototxt with zero fillers."""
    names = "".join(f'bottom: "{name}" ' for name in bottoms.split()) + "".join(f'top: "{n}" ' for n in tops.split())
    filler = 'weight_filler { type: "constant" } bias_filler { type: "constant" }'
    expose_hidden = f"expose_hidden: {str(expose).lower()}"
    return (
        f'layer {{ name: "r" type: "{kind}" {names} '
        f"recurrent_param {{ num_output: {SIZE} {expose_hidden} {filler} }} }}"
    )


@pytest.mark.parametrize("static", [False, True])
@pytest.mark.parametrize("expose", [False, True])
def test_lstm_agrees_with_caffe(static: bool, expose: bool, tmp_path: Path) -> None:
    x, cont, w_x, b, w_h = operands(4 * SIZE)
    side = normal(4 * SIZE, 6, seed=2)
    feeds: dict[str, Array] = {"x": x, "cont": cont}
    weights = [w_x, b, w_h]
    if static:
        feeds["s"], weights = STATIC, [w_x, b, side, w_h]
    if expose:
        feeds |= {"h0": STARTS[0], "c0": STARTS[1]}
    text = layer("LSTM", " ".join(feeds), "h hT cT" if expose else "h", expose)
    theirs = real_caffe(text, feeds, {"r": weights}, tmp_path)
    optional = [STATIC if static else None, side if static else None, *(STARTS if expose else [None, None])]
    mine = dict(zip(("h", "hT", "cT"), evaluate_all(continued_lstm, x, cont, w_x, b, w_h, *optional), strict=True))
    for name, expected in theirs.items():
        np.testing.assert_allclose(mine[name], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("static", [False, True])
@pytest.mark.parametrize("expose", [False, True])
def test_rnn_agrees_with_caffe(static: bool, expose: bool, tmp_path: Path) -> None:
    x, cont, w_x, b, w_h = operands(SIZE)
    w_o, b_o, side = normal(SIZE, SIZE, seed=4), normal(SIZE, seed=5), normal(SIZE, 6, seed=2)
    feeds: dict[str, Array] = {"x": x, "cont": cont}
    weights = [w_x, b, w_h, w_o, b_o]
    if static:
        feeds["s"], weights = STATIC, [w_x, b, side, w_h, w_o, b_o]
    if expose:
        feeds["h0"] = STARTS[0]
    text = layer("RNN", " ".join(feeds), "o hT" if expose else "o", expose)
    theirs = real_caffe(text, feeds, {"r": weights}, tmp_path)
    optional = [STATIC if static else None, side if static else None, STARTS[0] if expose else None]
    found = evaluate_all(continued_rnn, x, cont, w_x, b, w_h, w_o, b_o, *optional)
    mine = dict(zip(("o", "hT"), found, strict=True))
    for name, expected in theirs.items():
        np.testing.assert_allclose(mine[name], expected, rtol=1e-4, atol=1e-5)


def test_a_unit_agrees_with_caffe(tmp_path: Path) -> None:
    c, gates, cont = STARTS[1], normal(1, STREAMS, 4 * SIZE), np.array([[0, 1, 0.5]], np.float32)
    text = 'layer { name: "u" type: "LSTMUnit" bottom: "c" bottom: "g" bottom: "m" top: "ct" top: "ht" }'
    theirs = real_caffe(text, {"c": c, "g": gates, "m": cont}, {}, tmp_path)
    mine = evaluate_all(lstm_unit, c[0], gates[0], cont[0])
    for found, name in zip(mine, ("ct", "ht"), strict=True):
        np.testing.assert_allclose(found, theirs[name][0], rtol=1e-5, atol=1e-6)


def test_a_beginning_forgets_what_was_before() -> None:
    x, _, w_x, b, w_h = operands(4 * SIZE)
    whole, *_ = evaluate_all(continued_lstm, x, marks(), w_x, b, w_h, None, None, None, None)
    begun = [array[2:, 1:2] for array in (x, marks())]
    alone, *_ = evaluate_all(continued_lstm, *begun, w_x, b, w_h, None, None, None, None)
    np.testing.assert_allclose(whole[2:, 1:2], alone, rtol=1e-6)


def test_going_on_from_the_last_state_is_one_long_sequence() -> None:
    x, cont, w_x, b, w_h = operands(4 * SIZE)
    weights = (w_x, b, w_h, None, None)
    whole, h, c = evaluate_all(continued_lstm, x, cont, *weights, None, None)
    first, half_h, half_c = evaluate_all(continued_lstm, x[:2], cont[:2], *weights, None, None)
    second, last_h, last_c = evaluate_all(continued_lstm, x[2:], cont[2:], *weights, half_h, half_c)
    np.testing.assert_allclose(np.concatenate([first, second]), whole, rtol=1e-6)
    np.testing.assert_allclose(last_h, h, rtol=1e-6)
    np.testing.assert_allclose(last_c, c, rtol=1e-6)


def sequence(steps: int | Symbol) -> list[Value]:
    """x, cont, w_x, b, w_h of an LSTM over `steps` steps."""
    shapes = ((steps, 1, 4), (steps, 1), (8, 4), (8,), (8, 2))
    return [Value(TensorType(DType.FLOAT32, shape)) for shape in shapes]


def test_an_unknown_number_of_steps_cannot_be_unrolled() -> None:
    with pytest.raises(UnsupportedError, match="must be known") as caught:
        decomposed(continued_lstm)(*sequence(Symbol("t")))
    assert "--input" in str(caught.value.hint)


def test_a_hostile_number_of_steps_is_refused_before_it_is_unrolled() -> None:
    with pytest.raises(UnsafeError, match="a recurrent layer of 1000000000 steps"):
        decomposed(continued_lstm)(*sequence(1_000_000_000))


def test_an_unknown_number_of_streams_can_be_unrolled() -> None:
    n = Symbol("n")
    shapes = ((3, n, 4), (3, n), (8, 4), (8,), (8, 2))
    results = decomposed(continued_lstm)(*(Value(TensorType(DType.FLOAT32, shape)) for shape in shapes))
    assert isinstance(results, tuple)
    assert [value.shape for value in results] == [(3, n, 2), (1, n, 2), (1, n, 2)]


@pytest.mark.parametrize(
    ("index", "shape", "words"),
    [
        (0, (0, STREAMS, 2, 2), "one step or more"),
        (1, (STEPS, STREAMS + 1), "differ"),
        (2, (4 * SIZE, 5), "differ"),
        (3, (SIZE,), "differ"),
        (4, (4 * SIZE, SIZE + 1), "differ"),
        (5, (STREAMS + 1, 6), "streams of x_static"),
        (6, (4 * SIZE, 7), "differ"),
        (7, (STREAMS, SIZE), "differ"),
    ],
)
def test_what_does_not_fit_is_refused(index: int, shape: tuple[int, ...], words: str) -> None:
    given = [*operands(4 * SIZE), STATIC, normal(4 * SIZE, 6), *STARTS]
    given[index] = np.zeros(shape, np.float32)
    if index == 0:
        given[1] = np.zeros(shape[:2], np.float32)
    with pytest.raises(InvalidModelError, match=words):
        evaluate_all(continued_lstm, *given)


def test_a_static_input_needs_its_weights() -> None:
    with pytest.raises(InvalidModelError, match="go together"):
        evaluate_all(continued_lstm, *operands(4 * SIZE), STATIC, None, None, None)
