"""Recurrent layers of integers: of 8 bits, with cells of 16."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.frontends.tflite.models import Case, Model, Out, Q

N, T, WIDTH, H = 2, 4, 6, 5
X_SCALE, MIDDLE_SCALE = 0.02, 1 / 133
X_Q, H_Q, MIDDLE_Q = Q(X_SCALE, 3), Q(1 / 140, -11), Q(MIDDLE_SCALE, 4)


def _whole(shape: tuple[int, ...], size: int, seed: int, dtype: Any = np.int8) -> Any:
    return np.random.default_rng(seed).integers(-size, size + 1, shape).astype(dtype)


def lstm(name: str, kind: str = "UNIDIRECTIONAL_SEQUENCE_LSTM", **given: Any) -> Case:
    """An LSTM of integers.

    Args:
        name: the case's name.
        kind: the operator.
        given: `coupled`, `peephole`, `outputs` (of a projection), `time_major`, `bits` of the cell before the point,
            `intermediates`, `norm`, the scale of the gates' sums that are normalised, `unscaled`, that they have none,
            `without`, the places of operands that are
            left out, `weights`, how those of the input are quantised, and further options.
    """
    coupled, peephole, outputs = (given.pop(key, None) for key in ("coupled", "peephole", "outputs"))
    weights = given.pop("weights", None)
    bits, norm, cell = given.pop("bits", 4), given.pop("norm", None), given.pop("cell_scale", None)
    unscaled = given.pop("unscaled", False)
    count, without, size = given.pop("intermediates", 5), given.pop("without", ()), outputs or H
    model = Model()
    graph = model.subgraph()
    single = kind == "LSTM"
    major = given.get("time_major", False)
    shape = (N, WIDTH) if single else (T, N, WIDTH) if major else (N, T, WIDTH)
    feed = _whole(shape, 127, 1)
    operands: list[int | None] = [graph.input("int8", shape, X_Q)]
    for gate in range(4):
        held = graph.constant(_whole((H, WIDTH), 127, 10 + gate), weights or Q(0.004 + gate / 1000))
        operands.append(None if coupled and not gate else held)
    for gate in range(4):
        held = graph.constant(_whole((H, size), 127, 20 + gate), Q(0.006 + gate / 1000))
        operands.append(None if coupled and not gate else held)
    for place in range(3):
        held = graph.constant(_whole((H,), 32767, 30 + place, np.int16), Q(1e-5)) if peephole else None
        operands.append(None if coupled and not place else held)
    for gate in range(4):
        held = graph.constant(_whole((H,), 6000, 40 + gate, np.int32), Q((0.004 + gate / 1000) * X_SCALE))
        operands.append(None if coupled and not gate else held)
    operands.append(graph.constant(_whole((size, H), 127, 50), Q(0.005)) if outputs else None)
    operands.append(graph.constant(_whole((size,), 900, 51, np.int32), Q(0.005 * MIDDLE_SCALE)) if outputs else None)
    operands.append(graph.tensor("int8", (N, size), H_Q, is_variable=True))
    operands.append(graph.tensor("int16", (N, H), Q(cell or 2.0 ** (bits - 15)), is_variable=True))
    for place in range(4):
        operands.append(graph.constant(_whole((H,), 20000, 60 + place, np.int16), Q(1e-4)) if norm else None)
    operands = [None if place in without else index for place, index in enumerate(operands)]
    middle = MIDDLE_Q if outputs else H_Q
    sums = [Q(norm * (gate + 1)) if norm else Q(2.0**-12) for gate in range(4)]
    gates = [graph.tensor("int16", (), None if unscaled else each) for each in sums]
    between = (*gates, graph.tensor("int8", (), middle))
    table = "LSTMOptions" if single else "UnidirectionalSequenceLSTMOptions"
    options = {table: {"fused_activation_function": "TANH", **given}}
    out = Out("int8", H_Q, (*shape[:-1], size))
    graph.outputs += graph.op(kind, operands, [out], options, intermediates=between[:count])
    return Case(f"{kind} integers {name}", model.data(), (feed,))


def svdf(name: str = "integers", time: Any = np.int16, **given: Any) -> Case:
    """SVDF of integers, weights over time of a type."""
    model = Model()
    graph = model.subgraph()
    filters, memory = 6, 4
    operands: list[int | None] = [
        graph.input("int8", (N, WIDTH), X_Q),
        graph.constant(_whole((filters, WIDTH), 127, 2), Q(0.01)),
        graph.constant(_whole((filters, memory), 120, 3, time), Q(0.002)),
        None if given.pop("plain", False) else graph.constant(_whole((filters // 2,), 9000, 4, np.int32), Q(4e-6)),
        graph.tensor("int16", (N, filters * memory), Q(0.002), is_variable=True),
    ]
    words = {"SVDFOptions": {"rank": 2, "fused_activation_function": "RELU", **given}}
    graph.outputs += graph.op("SVDF", operands, [Out("int8", Q(0.004, -5), (N, filters // 2))], words)
    return Case(f"SVDF {name}", model.data(), (_whole((N, WIDTH), 127, 5),))


def hybrid(kind: str) -> Case:
    """A layer of real numbers whose weights alone are integers; LiteRT rounds the input to 8 bits too."""
    model = Model()
    graph = model.subgraph()
    # Numbers that 8 bits hold exactly with the largest one at 127, so that the rounding changes nothing.
    shape = (N, WIDTH) if kind == "SVDF" else (N, 1, WIDTH)
    feed = _whole(shape, 126, 6).astype(np.float32)
    feed[..., 0] = 127
    x = graph.input("float32", shape)
    if kind == "SVDF":
        parts: list[Any] = [(6, WIDTH), (6, 4)]
        operands: list[int | None] = [graph.constant(_whole(each, 127, 7), Q(0.001)) for each in parts]
        operands += [None, graph.tensor("float32", (N, 24), is_variable=True)]
        options = {"SVDFOptions": {"rank": 2}}
    else:
        operands = [graph.constant(_whole((H, WIDTH), 127, 10 + gate), Q(2e-5)) for gate in range(4)]
        operands += [graph.constant(_whole((H, H), 127, 20 + gate), Q(0.002)) for gate in range(4)]
        operands += [None] * 3 + [graph.constant(np.ones(H, np.float32) * gate) for gate in range(4)] + [None] * 2
        operands += [graph.tensor("float32", (N, H), is_variable=True) for _ in range(2)]
        options = {"UnidirectionalSequenceLSTMOptions": {"fused_activation_function": "TANH"}}
    graph.outputs += graph.op(kind, [x, *operands], [Out()], options)
    return Case(f"{kind} hybrid", model.data(), (feed,), tolerance=1e-5)


def refused() -> dict[str, Case]:
    """{the reason: a layer that is refused}."""
    return {
        "layer normalisation are left out": lstm("normalised", norm=0.0002, without=(22,)),
        "forget gate is not quantised": lstm("unscaled", norm=0.0002, unscaled=True, coupled=True, without=(20,)),
        "peepholes beside a projection": lstm("peephole, projection", peephole=True, outputs=3),
        "8 and 16 bits": lstm("bytes", intermediates=4),
        "a power of 2": lstm("cells", cell_scale=0.0003),
        "another activation": lstm("relu", fused_activation_function="RELU"),
        "a part of the forget gate": lstm("no bias", without=(13,)),
        "a state is left out": lstm("stateless", without=(18, 19)),
        "that has not one scale": lstm("two scales", weights=Q((0.1,) * H)),
        "do not have 16 bits": svdf("bytes", time=np.int8),
        "6 filters of rank 4": svdf("rank", rank=4),
    }


CASES = (
    lstm("plain"),
    lstm("time major", time_major=True, bits=3),
    lstm("coupled", coupled=True),
    lstm("peephole", peephole=True, bits=5),
    lstm("coupled peephole", coupled=True, peephole=True),
    lstm("projection", outputs=3),
    lstm("clipped", outputs=3, cell_clip=0.6, proj_clip=0.2, bits=0),
    lstm("step", kind="LSTM", cell_clip=1.5),
    lstm("normalised", norm=0.0003),
    lstm("normalised, coupled", norm=0.00007, coupled=True, without=(20,), peephole=True),
    lstm("normalised, projection", norm=0.00007, outputs=3),
    lstm("normalised step", norm=0.1, kind="LSTM"),
    svdf(),
    svdf("integers without bias", plain=True),
    hybrid("SVDF"),
    hybrid("UNIDIRECTIONAL_SEQUENCE_LSTM"),
)
"""The cases of this family; none may differ by a step."""
