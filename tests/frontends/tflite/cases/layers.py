"""Recurrent layers, spectra, tables and detections."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.frontends.tflite.cases.images import spread
from tests.frontends.tflite.models import Case, Fed, Held, Model, Out, single

N, T, H = 2, 3, 5
WIDTH = 4


def recurrent_layer(kind: str, parts: list[Any], words: dict[str, Any], x: Any, name: str, results: int = 1) -> Case:
    """A recurrent layer: arrays are constants, shapes state, None is left out."""
    model = Model()
    graph = model.subgraph()
    operands: list[int | None] = [graph.input("float32", x.shape)]
    for part in parts:
        if part is None:
            operands.append(None)
        elif isinstance(part, tuple):
            operands.append(graph.tensor("float32", part, is_variable=True))
        else:
            operands.append(graph.constant(part))
    graph.outputs += graph.op(kind, operands, [Out()] * results, words)
    return Case(f"{kind} {name}", model.data(), (x,), tolerance=1e-5)


def lstm_parts(seed: int, coupled: bool, peephole: bool) -> list[Any]:
    """The 17 operands of one direction of an LSTM before its states."""
    parts: list[Any] = [spread(H, WIDTH, seed=seed + gate) * 0.5 for gate in range(4)]
    parts += [spread(H, H, seed=seed + 4 + gate) * 0.5 for gate in range(4)]
    parts += [spread(H, seed=seed + 8 + gate) if peephole else None for gate in range(3)]
    parts += [spread(H, seed=seed + 11 + gate) for gate in range(4)]
    if coupled:
        for place in (0, 4, 8, 11):
            parts[place] = None
    return [*parts, None, None]


def _recurrent() -> list[Case]:
    made = []
    x = spread(N, T, WIDTH)
    state: list[Any] = [(N, H), (N, H)]
    for name, coupled, peephole, major in (
        ("plain", False, False, False),
        ("coupled", True, False, False),
        ("peephole time major", False, True, True),
    ):
        words = {"UnidirectionalSequenceLSTMOptions": {"fused_activation_function": "TANH", "time_major": major}}
        parts = lstm_parts(0, coupled, peephole)
        shaped = x.transpose(1, 0, 2).copy() if major else x
        made.append(recurrent_layer("UNIDIRECTIONAL_SEQUENCE_LSTM", parts + state, words, shaped, name))
    for merged in (False, True):
        words = {"fused_activation_function": "TANH", "time_major": merged, "merge_outputs": merged}
        parts = lstm_parts(0, False, False) + lstm_parts(20, False, False) + state * 2 + [None] * 9
        made.append(
            recurrent_layer(
                "BIDIRECTIONAL_SEQUENCE_LSTM",
                parts,
                {"BidirectionalSequenceLSTMOptions": words},
                x.transpose(1, 0, 2).copy() if merged else x,
                f"merged {merged}",
                1 if merged else 2,
            )
        )
    parts = lstm_parts(0, False, False) + state
    made.append(
        recurrent_layer("LSTM", parts, {"LSTMOptions": {"fused_activation_function": "TANH"}}, spread(N, WIDTH), "step")
    )
    rnn = [spread(H, WIDTH, seed=1), spread(H, H, seed=2) * 0.3, spread(H, seed=3), (N, H)]
    made.append(
        recurrent_layer("RNN", rnn, {"RNNOptions": {"fused_activation_function": "RELU"}}, spread(N, WIDTH), "step")
    )
    words = {"time_major": False, "fused_activation_function": "TANH"}
    made.append(recurrent_layer("UNIDIRECTIONAL_SEQUENCE_RNN", rnn, {"SequenceRNNOptions": words}, x, "plain"))
    both = {"BidirectionalSequenceRNNOptions": {**words, "merge_outputs": False}}
    for name, weights in (("another input backward", None), ("auxiliary input", spread(H, WIDTH, seed=6))):
        parts = [*rnn * 2, spread(T, N, WIDTH, seed=5), weights, weights]
        turned = {"BidirectionalSequenceRNNOptions": {**words, "time_major": True, "merge_outputs": False}}
        made.append(recurrent_layer("BIDIRECTIONAL_SEQUENCE_RNN", parts, turned, spread(T, N, WIDTH), name, 2))
    made.append(recurrent_layer("BIDIRECTIONAL_SEQUENCE_RNN", rnn * 2 + [None] * 3, both, x, "plain", 2))
    svdf = [spread(6, WIDTH, seed=1), spread(6, 4, seed=2), spread(3, seed=3), (N, 24)]
    words = {"SVDFOptions": {"rank": 2, "fused_activation_function": "RELU"}}
    made.append(recurrent_layer("SVDF", svdf, words, spread(N, WIDTH), "plain"))
    return made


def _spectra() -> list[Case]:
    made = []
    for kind in ("REAL", "IMAG", "COMPLEX_ABS"):
        model = Model()
        graph = model.subgraph()
        x = graph.input("float32", (2, 4, 6))
        lengths = graph.constant(np.array([4, 8], np.int32))
        spectrum = graph.op("RFFT2D", [x, lengths], [Out("complex64")])
        graph.outputs += graph.op(kind, spectrum)
        made.append(Case(f"RFFT2D {kind}", model.data(), (spread(2, 4, 6),), tolerance=1e-5))
    return made + [_moved_spectrum(*each) for each in _MOVES]


_MOVES: tuple[tuple[str, dict[str, Any], Any], ...] = (
    ("RESHAPE", {}, np.array([4, 10], np.int32)),
    ("EXPAND_DIMS", {}, np.int32(1)),
    ("SQUEEZE", {"SqueezeOptions": {"squeeze_dims": [0]}}, None),
    ("TRANSPOSE", {}, np.array([0, 2, 1], np.int32)),
    ("TILE", {}, np.array([1, 2, 1], np.int32)),
    ("BROADCAST_TO", {}, np.array([3, 8, 5], np.int32)),
)


def _moved_spectrum(kind: str, options: dict[str, Any], held: Any) -> Case:
    """A spectrum [1, 8, 5] whose complex numbers an operator moves, then its imaginary part."""
    model = Model()
    graph = model.subgraph()
    x = graph.input("float32", (1, 8, 8))
    spectrum = graph.op("RFFT2D", [x, graph.constant(np.array([8, 8], np.int32))], [Out("complex64")])
    operands = spectrum if held is None else [*spectrum, graph.constant(held)]
    moved = graph.op(kind, operands, [Out("complex64")], options or None)
    graph.outputs += graph.op("IMAG", moved)
    return Case(f"RFFT2D {kind} IMAG", model.data(), (spread(1, 8, 8),), tolerance=1e-5)


def _tables() -> list[Case]:
    made = []
    for texts in (False, True):
        model = Model()
        graph = model.subgraph()
        keys: Any = np.array(["a", "bc", "d"], object) if texts else np.array([3, 5, 8], np.int64)
        values: Any = np.array([30, 50, 80], np.int64) if texts else np.array(["x", "yy", "z"], object)
        asked: Any = np.array(["bc", "?", "a"], object) if texts else np.array([8, 1, 3], np.int64)
        default: Any = np.array([-1], np.int64) if texts else np.array(["none"], object)
        table = {"HashtableOptions": {"table_id": 7, "key_dtype": "STRING" if texts else "INT64",
                                      "value_dtype": "INT64" if texts else "STRING"}}  # fmt: skip
        x = graph.input(str(keys.dtype), (3,))
        graph.op("CALL_ONCE", [], [], {"CallOnceOptions": {"init_subgraph_index": 1}})
        (handle,) = graph.op("HASHTABLE", [], [Out("RESOURCE", shape=(1,))], table)
        found = [Out(str(values.dtype))]
        graph.outputs += graph.op("HASHTABLE_FIND", [handle, x, graph.constant(default)], found)
        graph.outputs += graph.op("HASHTABLE_SIZE", [handle], [Out("int64")])
        start = model.subgraph("start")
        (handle,) = start.op("HASHTABLE", [], [Out("RESOURCE", shape=(1,))], table)
        start.op("HASHTABLE_IMPORT", [handle, start.constant(keys), start.constant(values)], [])
        made.append(Case(f"HASHTABLE_FIND texts {texts}", model.data(), (asked,)))
    rows = Held(np.arange(6, dtype=np.float32).reshape(3, 2))
    asked = Fed(np.array([5, 1, 3], np.int32))
    keys = Held(np.array([1, 3, 4], np.int32))
    made.append(single("HASHTABLE_LOOKUP", asked, keys, rows, results=[Out(), Out("uint8")]))
    return made


BOXES = np.array(
    [[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, -0.1, 1, 0.9], [0, 10, 1, 11], [0, 10.1, 1, 11.1], [0, 100, 1, 101]],
    np.float32,
)
SCORES = np.array([0.9, 0.75, 0.6, 0.95, 0.5, 0.3], np.float32)


def flexible(**options: float | bool) -> bytes:
    """A FlexBuffers map of 4-byte numbers (flexbuffers.h)."""
    out = bytearray()
    places = {}
    for name in sorted(options):
        places[name] = len(out)
        out += name.encode() + b"\0"
    out += bytes(-len(out) % 4)
    out += np.int32(len(options)).tobytes()
    keys = len(out)
    for name in sorted(options):
        out += np.uint32(len(out) - places[name]).tobytes()
    out += np.uint32(len(out) - keys).tobytes() + np.uint32(4).tobytes() + np.uint32(len(options)).tobytes()
    start = len(out)
    kinds = bytearray()
    for _, value in sorted(options.items()):
        is_float = isinstance(value, float)
        out += np.float32(value).tobytes() if is_float else np.int32(value).tobytes()
        kinds.append((26 if isinstance(value, bool) else 3 if is_float else 1) << 2 | 2)
    out += kinds
    out += bytes((len(out) - start, 9 << 2 | 2, 1))
    return bytes(out)


def _detections() -> list[Case]:
    made = []
    limits = [Held(np.int32(4)), Held(np.float32(0.5)), Held(np.float32(0.4))]
    counts = Out("int32")
    made.append(single("NON_MAX_SUPPRESSION_V4", Fed(BOXES), Fed(SCORES), *limits, results=[Out("int32"), counts]))
    sigma = Held(np.float32(0))
    results = [Out("int32"), Out(), counts]
    made.append(single("NON_MAX_SUPPRESSION_V5", Fed(BOXES), Fed(SCORES), *limits, sigma, results=results))
    centres = np.stack([BOXES[:, 0] + 0.5, BOXES[:, 1] + 0.5, np.ones(6), np.ones(6)], 1).astype(np.float32)
    codes = spread(1, 6, 4) * 0.1
    scores = np.abs(spread(1, 6, 3, seed=1)) / 3
    for regular in (False, True):
        options = flexible(
            max_detections=2, max_classes_per_detection=1, detections_per_class=2, use_regular_nms=regular,
            nms_score_threshold=0.1, nms_iou_threshold=0.5, num_classes=2,
            y_scale=10.0, x_scale=10.0, h_scale=5.0, w_scale=5.0,
        )  # fmt: skip
        made.append(
            single("CUSTOM:TFLite_Detection_PostProcess", Fed(codes), Fed(scores), Held(centres), custom=options,
                   results=[Out()] * 4, name=f"regular {regular}", tolerance=1e-5)
        )  # fmt: skip
    return made


CASES = (*_recurrent(), *_spectra(), *_tables(), *_detections())
"""The cases of this family."""
