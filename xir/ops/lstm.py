"""ONNX's long short-term memory, over sequences side by side."""

from __future__ import annotations

import numpy as np

from xir.ir.constant import Array
from xir.ir.node import Value
from xir.ir.types import TensorType
from xir.ops._build import channelwise, scalar_like
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
def lstm(
    x: Value,
    w: Value,
    r: Value,
    b: Value | None = None,
    lengths: Value | None = None,
    h: Value | None = None,
    c: Value | None = None,
    p: Value | None = None,
    *,
    direction: Direction,
    functions: tuple[GateFunction, ...],
    clip: float | None,
    coupled: bool,
) -> tuple[TensorType, TensorType, TensorType]:
    """A long short-term memory (ONNX LSTM; Hochreiter and Schmidhuber 1997, peepholes of Gers et al. 2002).

    x: [T, N, I], floating; w: [D, 4 * H, I], r: [D, 4 * H, H], rows i, o, f, g, D = 2 for both directions, else 1; b:
    [D, 8 * H], Wb[iofg] and Rb[iofg]; lengths: i32[N], the steps of each sequence, T where absent: behind them the
    outputs are 0 and the states stay; h, c: [D, N, H], zeros where absent; p: [D, 3 * H], peepholes of i, o, f.
    functions: f, g, h for each direction; `clip` bounds what enters them; `coupled`: the forget gate is 1 - i (ONNX's
    input_forget). Results: the outputs [T, D, N, H], the last h and the last c [D, N, H], in the type of `x`.

    i = f(x Wi^T + h Ri^T + Pi * c + bi), likewise the forget gate; g = g(x Wg^T + h Rg^T + bg); c' = forget * c +
    i * g; o = f(x Wo^T + h Ro^T + Po * c' + bo); h' = o * h(c').
    """
    hidden = require_layer(x, w, r, 4, direction, functions, 3, clip)
    ways = w.shape[0]
    require_parameter(x, b, ways, hidden * 8)
    require_lengths(x, lengths)
    require_parameter(x, h, ways, x.shape[1], hidden)
    require_parameter(x, c, ways, x.shape[1], hidden)
    require_parameter(x, p, ways, hidden * 3)
    last = x.tensor.with_shape((ways, x.shape[1], hidden))
    return x.tensor.with_shape((x.shape[0], *last.shape)), last, last


@lstm.reference
def _lstm_reference(
    x: Array,
    w: Array,
    r: Array,
    b: Array | None,
    lengths: Array | None,
    h: Array | None,
    c: Array | None,
    p: Array | None,
    *,
    direction: Direction,
    functions: tuple[GateFunction, ...],
    clip: float | None,
    coupled: bool,
) -> tuple[Array, Array, Array]:
    hidden, data = r.shape[2], widened(x)
    results: list[Sweep] = []
    for index, backward in enumerate(directions_of(direction)):
        bias = part(b, index, 8 * hidden, like=x)
        added = data @ widened(w)[index].T + bias[: 4 * hidden] + bias[4 * hidden :]
        peepholes = part(p, index, 3 * hidden, like=x)
        chosen = functions[3 * index : 3 * index + 3]
        step = _step(added, widened(r)[index].T, peepholes, chosen, clip, coupled)
        states = tuple(part(each, index, x.shape[1], hidden, like=x) for each in (h, c))
        results.append(sweep(x.shape[0], backward, lengths, states, step))
    outputs = np.stack([each for each, _ in results], axis=1)
    last_h, last_c = (np.stack([states[number] for _, states in results]) for number in (0, 1))
    return narrowed(outputs, x), narrowed(last_h, x), narrowed(last_c, x)


def _step(
    added: Numbers,
    weight: Numbers,
    peepholes: Numbers,
    functions: tuple[GateFunction, ...],
    clip: float | None,
    coupled: bool,
) -> Step:
    of_i, of_o, of_f = np.split(peepholes, 3)

    def step(at: int, states: tuple[Numbers, ...]) -> tuple[Numbers, ...]:
        h, c = states
        i, o, f, g = np.split(added[at] + h @ weight, 4, axis=1)
        i = applied(functions[0], clipped(i + of_i * c, clip))
        f = 1 - i if coupled else applied(functions[0], clipped(f + of_f * c, clip))
        new: Numbers = f * c + i * applied(functions[1], clipped(g, clip))
        o = applied(functions[0], clipped(o + of_o * new, clip))
        return o * applied(functions[2], clipped(new, clip)), new

    return step


@lstm.decompose
def _lstm_decompose(
    x: Value,
    w: Value,
    r: Value,
    b: Value | None = None,
    lengths: Value | None = None,
    h: Value | None = None,
    c: Value | None = None,
    p: Value | None = None,
    *,
    direction: Direction,
    functions: tuple[GateFunction, ...],
    clip: float | None,
    coupled: bool,
) -> tuple[Value, Value, Value]:
    hidden, ways = r.shape[2], directions_of(direction)
    results: list[BuiltSweep] = []
    for index, backward in enumerate(ways):
        first, second = halves(built_part(b, index), 4, hidden)
        added = built_inputs(x, present_part(w, index), first)
        chosen = functions[3 * index : 3 * index + 3]
        peepholes = built_part(p, index)
        looks = (None,) * 3 if peepholes is None else split(peepholes, axis=0, sizes=(hidden,) * 3)
        held = (present_part(r, index), second, *looks)
        states = (built_state(h, index, x, hidden), built_state(c, index, x, hidden))
        results.append(built_sweep(added, backward, lengths, states, held, _built_step(chosen, clip, coupled)))
    outputs = stacked([each for each, _ in results], axis=1)
    last_h, last_c = (stacked([states[number] for _, states in results], axis=0) for number in (0, 1))
    return narrow(outputs, x.dtype), narrow(last_h, x.dtype), narrow(last_c, x.dtype)


def _built_step(functions: tuple[GateFunction, ...], clip: float | None, coupled: bool) -> BuiltStep:
    def gate(total: Value, look: Value | None, cell: Value) -> Value:
        seen = total if look is None else add(total, mul(channelwise(look, cell), cell))
        return built(functions[0], built_clipped(seen, clip))

    def step(added: Value, states: tuple[Value, ...], held: Held) -> tuple[Value, ...]:
        h, c = states
        total = add(added, product(h, weight_of(held, 0), held[1]))
        i, o, f, g = split(total, axis=1, sizes=(h.shape[1],) * 4)
        i = gate(i, held[2], c)
        f = sub(scalar_like(i, 1.0), i) if coupled else gate(f, held[4], c)
        new = add(mul(f, c), mul(i, built(functions[1], built_clipped(g, clip))))
        o = gate(o, held[3], new)
        return mul(o, built(functions[2], built_clipped(new, clip))), new

    return step
