"""LSTMs with projections, clipped cells, layer normalisation, auxiliary inputs, and those of the basic kernel."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.frontends.tflite.cases.images import spread
from tests.frontends.tflite.cases.layers import WIDTH, H, N, T, lstm_parts, recurrent_layer
from tests.frontends.tflite.models import Case, Model, Out, Q

OUTPUTS = 3
"""Outputs of a projection."""


def _projected(seed: int, coupled: bool = False, peephole: bool = False, bias: bool = True) -> list[Any]:
    parts = lstm_parts(seed, coupled, peephole)
    for gate in range(4):
        if parts[4 + gate] is not None:
            parts[4 + gate] = spread(H, OUTPUTS, seed=seed + 30 + gate) * 0.5
    return [*parts[:15], spread(OUTPUTS, H, seed=seed + 40), spread(OUTPUTS, seed=seed + 41) if bias else None]


def _norms(coupled: bool) -> list[Any]:
    return [None if coupled and not gate else spread(H, seed=50 + gate) for gate in range(4)]


def _sequence(name: str, parts: list[Any], outputs: int = H, norms: list[Any] | None = None, **more: Any) -> Case:
    words = {"fused_activation_function": "TANH", "time_major": False, **more}
    x = spread(N, T, WIDTH)
    x = x.transpose(1, 0, 2).copy() if words["time_major"] else x
    states: list[Any] = [(N, outputs), (N, H)]
    operands = [*parts, *states, *(norms or ())]
    return recurrent_layer(
        "UNIDIRECTIONAL_SEQUENCE_LSTM", operands, {"UnidirectionalSequenceLSTMOptions": words}, x, name
    )


def _diagonal() -> list[Any]:
    parts = lstm_parts(0, False, False)
    return [*parts[:4], *(spread(H, seed=60 + gate) for gate in range(4)), *parts[8:]]


def _both(name: str, auxiliary: list[Any], outputs: int = H, **more: Any) -> Case:
    words = {"fused_activation_function": "TANH", "time_major": False, "merge_outputs": False, **more}
    parts = _projected if outputs != H else lambda seed: lstm_parts(seed, False, False)
    states: list[Any] = [(N, outputs), (N, H)] * 2
    operands = parts(0) + parts(20) + states + auxiliary
    table = {"BidirectionalSequenceLSTMOptions": words}
    merged = words["merge_outputs"]
    # LiteRT reads beyond its states where outputs are merged and the batch comes first (lstm_eval.cc, EvalFloat).
    x = spread(T, N, WIDTH) if words["time_major"] else spread(N, T, WIDTH)
    return recurrent_layer("BIDIRECTIONAL_SEQUENCE_LSTM", operands, table, x, name, 2 - merged)


def _auxiliary(has_weights: bool) -> list[Any]:
    weights = [spread(H, WIDTH, seed=70 + place) * 0.5 if has_weights else None for place in range(8)]
    return [spread(N, T, WIDTH, seed=80), *weights]


def _step(name: str, parts: list[Any], outputs: int, norms: list[Any], **more: Any) -> Case:
    words = {"LSTMOptions": {"fused_activation_function": "RELU6", **more}}
    return recurrent_layer("LSTM", [*parts, (N, outputs), (N, H), *norms], words, spread(N, WIDTH), name)


_BASIC = {"LSTMOptions": {"kernel_type": "BASIC", "fused_activation_function": "TANH"}}


def _basic() -> Case:
    parts: list[Any] = [(N, H), spread(4 * H, WIDTH + H, seed=1) * 0.5, spread(4 * H, seed=2), (N, H)]
    return recurrent_layer("LSTM", parts, _BASIC, spread(N, WIDTH), "basic", 4)


def basic_integers(name: str = "basic integers", cell: float = 2.0**-11, dtype: Any = np.uint8) -> Case:
    """The basic kernel in integers, its states fed."""
    model = Model()
    graph = model.subgraph()
    random = np.random.default_rng(3)
    own, weight, gate = Q(1 / 128, 128), Q(0.02, 120), Q(2.0**-12)
    x, h = (random.integers(0, 128, (N, size)).astype(dtype) for size in (WIDTH, H))
    c = random.integers(-9000, 9000, (N, H)).astype(np.int16)
    w = random.integers(0, 256, (4 * H, WIDTH + H)).astype(np.uint8)
    bias = random.integers(-3000, 3000, 4 * H).astype(np.int32)
    kind = str(np.dtype(dtype))
    operands = [
        graph.input(kind, x.shape, own),
        graph.input(kind, h.shape, own),
        graph.constant(w, weight),
        graph.constant(bias, Q(0.02 / 128)),
        graph.input("int16", c.shape, Q(cell)),
    ]
    results = [Out(kind, own), Out("int16", Q(cell)), Out(kind, own), Out("int16", gate)]
    graph.outputs += graph.op("LSTM", operands, results, _BASIC)
    return Case(f"LSTM {name}", model.data(), (x, h, c))


_RNN: list[Any] = [spread(H, WIDTH, seed=1), spread(H, H, seed=2), spread(H, seed=3), (N, H)]
_FILTERS: list[Any] = [spread(6, 4, seed=1), spread(6, 4, seed=2)]


def recurrent_with() -> dict[str, bytes]:
    """{the reason: an LSTM that is refused}."""
    plain = lstm_parts(0, False, False)
    peephole = lstm_parts(0, False, True)
    norms = _norms(False)
    return {
        "activation SIGN_BIT": _sequence("a", plain, fused_activation_function="SIGN_BIT").data,
        "without an activation": _sequence("b", plain, fused_activation_function="NONE").data,
        "a projection has a bias": _sequence("c", [*plain[:16], spread(H)]).data,
        "coefficients of layer normalisation are left out": _sequence("d", plain, H, [*norms[:2], None, None]).data,
        "a part of a gate is left out": _sequence("e", [*plain[:13], None, *plain[14:]], H, norms).data,
        "a peephole is left out": _sequence("f", [*peephole[:9], None, *peephole[10:]], H, norms).data,
        "a weight of the auxiliary input is left out": _both("g", [*_auxiliary(True)[:8], None]).data,
        "a part of a gate is left out that": _sequence("h", [*plain[:13], None, *plain[14:]]).data,
        "a part of the input gate": _sequence("i", [*plain[:11], None, *plain[12:]]).data,
        "a peephole is left out that": _sequence("j", [*peephole[:9], None, *peephole[10:]]).data,
        "where the batch comes first": recurrent_layer(
            "BIDIRECTIONAL_SEQUENCE_RNN",
            [*_RNN * 2, spread(N, T, WIDTH)],
            {"BidirectionalSequenceRNNOptions": {"fused_activation_function": "TANH"}},
            spread(N, T, WIDTH),
            "p",
            2,
        ).data,
        "an operand is left out": recurrent_layer(
            "LSTM", plain, {"LSTMOptions": {"fused_activation_function": "TANH"}}, spread(N, WIDTH), "k"
        ).data,
        "of a recurrent layer": recurrent_layer(
            "RNN", _RNN, {"RNNOptions": {"fused_activation_function": "RELU6"}}, spread(N, WIDTH), "l"
        ).data,
        "is needed, got": recurrent_layer(
            "UNIDIRECTIONAL_SEQUENCE_RNN", _RNN, {"SequenceRNNOptions": {}}, spread(N, WIDTH), "m"
        ).data,
        "a state is left out": recurrent_layer("SVDF", _FILTERS, {"SVDFOptions": {"rank": 2}}, spread(N, 4), "n").data,
        "6 filters of rank 4": recurrent_layer(
            "SVDF", [*_FILTERS, None, (N, 24)], {"SVDFOptions": {"rank": 4}}, spread(N, 4), "o"
        ).data,
        "2 \\*\\* -11": basic_integers("scale", cell=2.0**-12).data,
        "that are not u8": basic_integers("signed", dtype=np.int8).data,
    }


CASES = (
    _sequence("projection", _projected(0), OUTPUTS),
    _sequence("projection without bias, clipped", _projected(0, bias=False), OUTPUTS, cell_clip=0.5, proj_clip=0.3),
    _sequence("clipped", lstm_parts(0, False, True), cell_clip=0.4, time_major=True),
    _sequence("coupled, projection", _projected(0, True, True), OUTPUTS, cell_clip=0.7),
    _sequence("normalised", lstm_parts(0, False, False), H, _norms(False)),
    _sequence("normalised, coupled", _projected(0, True, True), OUTPUTS, _norms(True), time_major=True),
    _sequence("coupled, peephole", lstm_parts(0, True, True)),
    _sequence("RELU6", lstm_parts(0, False, False), fused_activation_function="RELU6"),
    _sequence("diagonal", _diagonal(), diagonal_recurrent_tensors=True),
    _both("projection", [None] * 9, OUTPUTS, merge_outputs=True, time_major=True, cell_clip=0.6),
    _both("another input backward", _auxiliary(False)),
    _both("auxiliary input", _auxiliary(True)),
    _step("normalised", _projected(0, False, True), OUTPUTS, _norms(False), proj_clip=0.4),
    _basic(),
    basic_integers(),
)
"""The cases of this family."""
