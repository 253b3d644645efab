"""ONNX's plain recurrent layer and its gated recurrent unit, over sequences side by side."""

from __future__ import annotations

import numpy as np

from xir.ir.constant import Array
from xir.ir.node import Value
from xir.ir.types import TensorType
from xir.ops._build import scalar_like
from xir.ops._define import op
from xir.ops._gates import (
    BuiltStep,
    BuiltSweep,
    Direction,
    GateFunction,
    Held,
    Step,
    Sweep,
    applied,
    built,
    built_clipped,
    built_inputs,
    built_part,
    built_state,
    built_sweep,
    clipped,
    directions_of,
    halves,
    part,
    present_part,
    product,
    require_layer,
    require_lengths,
    require_parameter,
    stacked,
    sweep,
    weight_of,
)
from xir.ops._wide import narrow
from xir.ops._windows import Numbers, narrowed, widened
from xir.ops.elementwise import add, mul, sub
from xir.ops.shape import split


@op
def rnn(
    x: Value,
    w: Value,
    r: Value,
    b: Value | None = None,
    lengths: Value | None = None,
    h: Value | None = None,
    *,
    direction: Direction,
    functions: tuple[GateFunction, ...],
    clip: float | None,
) -> tuple[TensorType, TensorType]:
    """A plain recurrent layer: `h' = f(x W^T + h R^T + Wb + Rb)` at each step (ONNX RNN; Elman 1990).

    x: [T, N, I], floating; w: [D, H, I], r: [D, H, H], D = 2 for both directions, else 1; b: [D, 2 * H], Wb and Rb;
    lengths: i32[N], the steps of each sequence, T where absent: behind them the outputs are 0 and the state stays;
    h: [D, N, H], zeros where absent. functions: one for each direction; `clip` bounds what enters them. Results: the
    outputs [T, D, N, H] and the last state [D, N, H], each in the type of `x`.
    """
    hidden = require_layer(x, w, r, 1, direction, functions, 1, clip)
    require_parameter(x, b, w.shape[0], hidden * 2)
    require_lengths(x, lengths)
    require_parameter(x, h, w.shape[0], x.shape[1], hidden)
    last = x.tensor.with_shape((w.shape[0], x.shape[1], hidden))
    return x.tensor.with_shape((x.shape[0], *last.shape)), last


@rnn.reference
def _rnn_reference(
    x: Array,
    w: Array,
    r: Array,
    b: Array | None,
    lengths: Array | None,
    h: Array | None,
    *,
    direction: Direction,
    functions: tuple[GateFunction, ...],
    clip: float | None,
) -> tuple[Array, Array]:
    hidden, data = r.shape[2], widened(x)
    results: list[Sweep] = []
    for index, backward in enumerate(directions_of(direction)):
        bias = part(b, index, 2 * hidden, like=x)
        added = data @ widened(w)[index].T + bias[:hidden] + bias[hidden:]
        step = _rnn_step(added, widened(r)[index].T, functions[index], clip)
        start = part(h, index, x.shape[1], hidden, like=x)
        results.append(sweep(x.shape[0], backward, lengths, (start,), step))
    last = np.stack([states[0] for _, states in results])
    return narrowed(np.stack([outputs for outputs, _ in results], axis=1), x), narrowed(last, x)


def _rnn_step(added: Numbers, weight: Numbers, function: GateFunction, clip: float | None) -> Step:
    return lambda at, states: (applied(function, clipped(added[at] + states[0] @ weight, clip)),)


@rnn.decompose
def _rnn_decompose(
    x: Value,
    w: Value,
    r: Value,
    b: Value | None = None,
    lengths: Value | None = None,
    h: Value | None = None,
    *,
    direction: Direction,
    functions: tuple[GateFunction, ...],
    clip: float | None,
) -> tuple[Value, Value]:
    hidden, ways = r.shape[2], directions_of(direction)
    results: list[BuiltSweep] = []
    for index, backward in enumerate(ways):
        first, second = halves(built_part(b, index), 1, hidden)
        added = built_inputs(x, present_part(w, index), first)
        held = (present_part(r, index), second)
        states = (built_state(h, index, x, hidden),)
        results.append(built_sweep(added, backward, lengths, states, held, _built_rnn_step(functions[index], clip)))
    outputs = stacked([each for each, _ in results], axis=1)
    return narrow(outputs, x.dtype), narrow(stacked([states[0] for _, states in results], axis=0), x.dtype)


def _built_rnn_step(function: GateFunction, clip: float | None) -> BuiltStep:
    def step(added: Value, states: tuple[Value, ...], held: Held) -> tuple[Value, ...]:
        total = add(added, product(states[0], weight_of(held, 0), held[1]))
        return (built(function, built_clipped(total, clip)),)

    return step


@op
def gru(
    x: Value,
    w: Value,
    r: Value,
    b: Value | None = None,
    lengths: Value | None = None,
    h: Value | None = None,
    *,
    direction: Direction,
    functions: tuple[GateFunction, ...],
    clip: float | None,
    linear_before_reset: bool,
) -> tuple[TensorType, TensorType]:
    """A gated recurrent unit: `h' = (1 - z) * c + z * h` at each step (ONNX GRU; Cho et al. 2014).

    x: [T, N, I], floating; w: [D, 3 * H, I], r: [D, 3 * H, H], rows z, r, c, D = 2 for both directions, else 1; b:
    [D, 6 * H], Wb[zrc] and Rb[zrc]; lengths: i32[N], the steps of each sequence, T where absent: behind them the
    outputs are 0 and the state stays; h: [D, N, H], zeros where absent. functions: f, g for each direction; `clip`
    bounds what enters them. Results: the outputs [T, D, N, H] and the last state [D, N, H], in the type of `x`.

    z, r = f(x W^T + h R^T + Wb + Rb); c = g(x Wc^T + (r * h) Rc^T + Wbc + Rbc), or with `linear_before_reset`
    g(x Wc^T + r * (h Rc^T + Rbc) + Wbc).
    """
    hidden = require_layer(x, w, r, 3, direction, functions, 2, clip)
    require_parameter(x, b, w.shape[0], hidden * 6)
    require_lengths(x, lengths)
    require_parameter(x, h, w.shape[0], x.shape[1], hidden)
    last = x.tensor.with_shape((w.shape[0], x.shape[1], hidden))
    return x.tensor.with_shape((x.shape[0], *last.shape)), last


@gru.reference
def _gru_reference(
    x: Array,
    w: Array,
    r: Array,
    b: Array | None,
    lengths: Array | None,
    h: Array | None,
    *,
    direction: Direction,
    functions: tuple[GateFunction, ...],
    clip: float | None,
    linear_before_reset: bool,
) -> tuple[Array, Array]:
    hidden, data = r.shape[2], widened(x)
    results: list[Sweep] = []
    for index, backward in enumerate(directions_of(direction)):
        bias = part(b, index, 6 * hidden, like=x)
        added = data @ widened(w)[index].T + bias[: 3 * hidden]
        chosen = functions[2 * index : 2 * index + 2]
        step = _gru_step(added, widened(r)[index].T, bias[3 * hidden :], chosen, clip, linear_before_reset)
        start = part(h, index, x.shape[1], hidden, like=x)
        results.append(sweep(x.shape[0], backward, lengths, (start,), step))
    last = np.stack([states[0] for _, states in results])
    return narrowed(np.stack([outputs for outputs, _ in results], axis=1), x), narrowed(last, x)


def _gru_step(
    added: Numbers,
    weight: Numbers,
    bias: Numbers,
    functions: tuple[GateFunction, ...],
    clip: float | None,
    linear: bool,
) -> Step:
    hidden = weight.shape[0]

    def step(at: int, states: tuple[Numbers, ...]) -> tuple[Numbers, ...]:
        h = states[0]
        gates = added[at, :, : 2 * hidden] + h @ weight[:, : 2 * hidden] + bias[: 2 * hidden]
        z, r = np.split(applied(functions[0], clipped(gates, clip)), 2, axis=1)
        recurrent, offset = weight[:, 2 * hidden :], bias[2 * hidden :]
        hidden_part = r * (h @ recurrent + offset) if linear else (r * h) @ recurrent + offset
        candidate = applied(functions[1], clipped(added[at, :, 2 * hidden :] + hidden_part, clip))
        return ((1 - z) * candidate + z * h,)

    return step


@gru.decompose
def _gru_decompose(
    x: Value,
    w: Value,
    r: Value,
    b: Value | None = None,
    lengths: Value | None = None,
    h: Value | None = None,
    *,
    direction: Direction,
    functions: tuple[GateFunction, ...],
    clip: float | None,
    linear_before_reset: bool,
) -> tuple[Value, Value]:
    hidden, ways = r.shape[2], directions_of(direction)
    results: list[BuiltSweep] = []
    for index, backward in enumerate(ways):
        first, second = halves(built_part(b, index), 3, hidden)
        added = built_inputs(x, present_part(w, index), first)
        chosen = functions[2 * index : 2 * index + 2]
        sizes = (hidden * 2, hidden)
        weights = split(present_part(r, index), axis=0, sizes=sizes)
        biases = (None, None) if second is None else split(second, axis=0, sizes=sizes)
        step, states = _built_gru_step(chosen, clip, linear_before_reset), (built_state(h, index, x, hidden),)
        results.append(built_sweep(added, backward, lengths, states, (*weights, *biases), step))
    outputs = stacked([each for each, _ in results], axis=1)
    return narrow(outputs, x.dtype), narrow(stacked([states[0] for _, states in results], axis=0), x.dtype)


def _built_gru_step(functions: tuple[GateFunction, ...], clip: float | None, linear: bool) -> BuiltStep:
    def step(added: Value, states: tuple[Value, ...], held: Held) -> tuple[Value, ...]:
        h, hidden = states[0], states[0].shape[1]
        candidate_weight, candidate_bias = weight_of(held, 1), held[3]
        gate_input, candidate_input = split(added, axis=1, sizes=(hidden * 2, hidden))
        gates = add(gate_input, product(h, weight_of(held, 0), held[2]))
        z, r = split(built(functions[0], built_clipped(gates, clip)), axis=1, sizes=(hidden, hidden))
        if linear:
            hidden_part = mul(r, product(h, candidate_weight, candidate_bias))
        else:
            hidden_part = product(mul(r, h), candidate_weight, candidate_bias)
        candidate = built(functions[1], built_clipped(add(candidate_input, hidden_part), clip))
        return (add(mul(sub(scalar_like(z, 1.0), z), candidate), mul(z, h)),)

    return step
