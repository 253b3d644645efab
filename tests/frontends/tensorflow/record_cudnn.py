"""Records recurrent layers for cuDNN: `python -m tests.frontends.tensorflow.record_cudnn` with TensorFlow and tf_keras.

`fixtures/cudnn.npz` has, by CASE/, the operands of the operator (x, h, c, params) and what tf_keras's layers with the
same weights make of them on a processor (y, last_h, last_c). The vector of weights is made as tf_keras makes its own
(`canonical_to_params`): the matrices, one layer after another, then the biases.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

FIXTURE = Path(__file__).parent / "fixtures" / "cudnn.npz"
STEPS, BATCH, INPUTS, UNITS = 4, 2, 3, 2
CASES = {
    **{
        f"{mode}_{ways}_{depth}": (mode, ways, depth) for mode in ("lstm", "gru") for ways in (1, 2) for depth in (1, 2)
    },
    "rnn_tanh_2_1": ("rnn_tanh", 2, 1),
    "rnn_relu_1_2": ("rnn_relu", 1, 2),
}
"""{case: mode, directions, layers}."""


def main() -> None:
    """Writes the file."""
    import tensorflow as tf
    import tf_keras
    from tf_keras.src.layers.rnn.gru_lstm_utils import canonical_to_params

    generator, held = np.random.default_rng(0), {}
    gates = {"lstm": 4, "gru": 3}
    for name, (mode, ways, depth) in CASES.items():
        count, settings = gates.get(mode, 1), {"return_sequences": True, "return_state": True}
        x = y = generator.normal(size=(BATCH, STEPS, INPUTS)).astype(np.float32)
        first = [
            generator.normal(size=(depth * ways, BATCH, UNITS)).astype(np.float32) for _ in range(1 + (count == 4))
        ]
        ends: list[list[np.ndarray]] = [[], []]
        matrices, biases = [], []
        for layer in range(depth):
            sides = []
            for way in range(ways):
                kind = {"lstm": tf_keras.layers.LSTM, "gru": tf_keras.layers.GRU}.get(mode)
                inner = (
                    tf_keras.layers.SimpleRNN(UNITS, activation=mode.removeprefix("rnn_"), **settings)
                    if kind is None
                    else kind(UNITS, **settings)
                )
                inner.build((None, None, y.shape[-1]))
                weights = [generator.normal(size=each.shape).astype(np.float32) for each in inner.get_weights()]
                inner.set_weights(weights)
                split = [np.split(each, count, axis=1) for each in weights[:2]]
                if mode == "gru":  # z, r, h there, with a bias for each product; r, z, h in cuDNN
                    order = (1, 0, 2)
                    split = [[each[at] for at in order] for each in split]
                    parts = [np.split(row, count)[at] for row in weights[2] for at in order]
                else:
                    parts = [np.zeros_like(weights[2]), weights[2]]
                pack = [tf.constant(each) for each in (*split[0], *split[1])]
                matrices.append(canonical_to_params(pack, [], tf.constant([-1]), transpose_weights=True).numpy())
                biases.append(np.concatenate(parts))
                states = [each[layer * ways + way] for each in first]
                source = y if way == 0 else y[:, ::-1]
                made, *last = inner(tf.constant(source), initial_state=[tf.constant(each) for each in states])
                sides.append(made.numpy() if way == 0 else made.numpy()[:, ::-1])
                for column, each in zip(ends, last, strict=False):
                    column.append(each.numpy())
            y = np.concatenate(sides, axis=2)
        params = np.concatenate([*matrices, *biases])
        found = {"x": x, "h": first[0], "params": params, "y": y, "last_h": np.stack(ends[0])}
        if mode == "lstm":
            found |= {"c": first[1], "last_c": np.stack(ends[1])}
        held |= {f"{name}/{key}": each for key, each in found.items()}
    np.savez_compressed(FIXTURE, **held)


if __name__ == "__main__":
    main()
