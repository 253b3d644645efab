"""The fused cells of recurrent networks (tensorflow/core/kernels/rnn: lstm_ops.h, gru_ops.h)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends.tensorflow._site import Handler, Site
from xir.frontends.tensorflow.handlers.array import joined
from xir.ir.constant import constant_of
from xir.ir.node import Value
from xir.limits import MAX_UNROLLED_NODES
from xir.ops._build import channelwise, scalar_like
from xir.ops.activation import sigmoid, tanh
from xir.ops.constant import constant
from xir.ops.elementwise import add, clip, mul, sub
from xir.ops.matmul import matmul
from xir.ops.shape import broadcast, concat, reshape, slice_, split

handlers: Handlers[Handler] = Handlers("tensorflow")

_NODES_OF_A_STEP = 40


class _Cell:
    """One LSTM cell; its gates lie in the order input, candidate, forget, output (V2: input, forget before candidate).

    Attributes:
        weights: [inputs + units, 4 * units].
        bias: [4 * units].
        peepholes: of the input, forget and output gates, each [units].
    """

    def __init__(self, site: Site, weights: Value, peepholes: Sequence[Value], bias: Value) -> None:
        """The cell that a node's attributes and weights describe."""
        self.weights = weights
        self.bias = bias
        self.peepholes = tuple(peepholes)
        self.is_v2 = site.node.kind.endswith("V2")
        self.forget_bias = 0.0 if self.is_v2 else site.real("forget_bias")
        self.clip = site.real("cell_clip")
        self.has_peepholes = site.flag("use_peephole")

    def step(self, x: Value, cell: Value, hidden: Value) -> tuple[Value, ...]:
        """(input gate, cell, forget gate, output gate, candidate, tanh of the cell, hidden) after a step."""
        product = matmul(concat(x, hidden, axis=1), self.weights)
        gates = add(product, channelwise(self.bias, product))
        units = cell.shape[1]
        first, second, third, last = split(gates, axis=1, sizes=(units,) * 4)
        candidate, forget = (third, second) if self.is_v2 else (second, third)
        if self.forget_bias:
            forget = add(forget, scalar_like(forget, self.forget_bias))
        open_in, keep = sigmoid(self._watched(first, cell, 0)), sigmoid(self._watched(forget, cell, 1))
        new = tanh(candidate)
        state = add(mul(new, open_in), mul(cell, keep))
        if self.clip > 0:
            state = clip(state, minimum=-self.clip, maximum=self.clip)
        out = sigmoid(self._watched(last, state, 2))
        shown = tanh(state)
        return open_in, state, keep, out, new, shown, mul(out, shown)

    def _watched(self, gate: Value, cell: Value, place: int) -> Value:
        if not self.has_peepholes:
            return gate
        return add(gate, mul(cell, channelwise(self.peepholes[place], cell)))


@handlers.layer("LSTMBlockCell")
def lstm_cell(
    site: Site, x: Value, cell: Value, hidden: Value, w: Value, wci: Value, wcf: Value, wco: Value, b: Value
) -> Sequence[Value]:
    """One step of an LSTM."""
    return _Cell(site, w, (wci, wcf, wco), b).step(x, cell, hidden)


@handlers.layer("BlockLSTM", "BlockLSTMV2")
def lstm(
    site: Site,
    limit: Value,
    x: Value,
    cell: Value,
    hidden: Value,
    w: Value,
    wci: Value,
    wcf: Value,
    wco: Value,
    b: Value,
) -> Sequence[Value]:
    """All steps of an LSTM over x [T, N, inputs]; steps from `limit` on make 0."""
    block = _Cell(site, w, (wci, wcf, wco), b)
    steps, last = x.shape[0], site.numbers(limit, "a number of steps")[0]
    if not isinstance(steps, int) or steps * _NODES_OF_A_STEP > MAX_UNROLLED_NODES:
        site.refuse(f"{steps!r} steps", "type the inputs: --input")
    made: list[tuple[Value, ...]] = []
    for step in range(min(steps, last)):
        row = slice_(x, axes=(0,), starts=(step,), stops=(step + 1,), steps=(1,))
        results = block.step(reshape(row, shape=x.shape[1:]), cell, hidden)
        cell, hidden = results[1], results[6]
        made.append(results)
    rest = steps - len(made)
    found: list[Value] = []
    for column in zip(*made, strict=True) if made else ():
        rows = [reshape(value, shape=(1, *value.shape)) for value in column]
        if rest:
            rows.append(broadcast(_zero(cell), shape=(rest, *cell.shape)))
        found.append(joined(rows, 0))
    return found or [broadcast(_zero(cell), shape=(steps, *cell.shape))] * 7


def _zero(like: Value) -> Value:
    return constant(value=constant_of(np.zeros((), like.dtype.dtype)))


@handlers.layer("GRUBlockCell")
def gru_cell(site: Site, x: Value, hidden: Value, w_ru: Value, w_c: Value, b_ru: Value, b_c: Value) -> Sequence[Value]:
    """One step of a GRU: the reset gate acts before the product."""
    product = matmul(concat(x, hidden, axis=1), w_ru)
    units = hidden.shape[1]
    gates = split(add(product, channelwise(b_ru, product)), axis=1, sizes=(units,) * 2)
    reset, update = (sigmoid(gate) for gate in gates)
    inner = matmul(concat(x, mul(hidden, reset), axis=1), w_c)
    new = tanh(add(inner, channelwise(b_c, inner)))
    made = add(mul(update, hidden), mul(sub(scalar_like(update, 1), update), new))
    return reset, update, new, made
