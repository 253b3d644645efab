"""Recurrent layers and cells."""

from __future__ import annotations

from collections.abc import Iterator

from tests.frontends.torch.handlers.call import Draws, Example, call

GATES = {"lstm.input": 4, "gru.input": 3, "rnn_tanh.input": 1, "rnn_relu.input": 1}


def _calls() -> Iterator[Example]:
    """Layers, directions, with and without biases, batch first; cells."""
    r = Draws(8)
    for name, gates in GATES.items():
        for layers, both, batch_first, biases in (
            (1, False, False, True),
            (2, True, True, True),
            (1, True, False, False),
        ):
            ways = 1 + both
            weights = []
            for layer in range(layers):
                for _ in range(ways):
                    width = 3 if layer == 0 else 4 * ways
                    weights += [r(gates * 4, width), r(gates * 4, 4)]
                    weights += [r(gates * 4), r(gates * 4)] if biases else []
            state = r(layers * ways, 2, 4)
            states = [state, r(layers * ways, 2, 4)] if gates == 4 else state
            x = r(2, 5, 3) if batch_first else r(5, 2, 3)
            rest = [biases, layers, 0.0, False, both, batch_first]
            yield call(name, x, states, weights, *rest)
    x, h = r(2, 3), r(2, 4)
    yield _of_onednn(r, False)
    yield _of_onednn(r, True)
    yield call("lstm_cell", x, [h, r(2, 4)], r(16, 3), r(16, 4), r(16), r(16))
    yield call("gru_cell", x, h, r(12, 3), r(12, 4), r(12), r(12))
    yield call("rnn_tanh_cell", x, h, r(4, 3), r(4, 4))
    yield call("rnn_relu_cell", x, h, r(4, 3), r(4, 4), r(4), r(4))


def _of_onednn(r: Draws, reverse: bool) -> Example:
    """A layer as torch.compile calls it."""
    weights, states = [r(16, 3), r(16, 4), r(16), r(16)], [r(1, 2, 4), r(1, 2, 4)]
    rest = [reverse, [], 2, 4, 1, True, False, False, False]
    return call("mkldnn_rnn_layer", r(5, 2, 3), *weights, *states, *rest)


CALLS = tuple(_calls())
