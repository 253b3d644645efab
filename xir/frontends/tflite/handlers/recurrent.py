"""Recurrent layers, whose state the file keeps from one run to the next."""

from __future__ import annotations

from collections.abc import Sequence

from xir.frontends._handlers import Handlers
from xir.frontends.tflite._quantized import real
from xir.frontends.tflite.handlers.recurrent_basic import basic_lstm
from xir.frontends.tflite.handlers.recurrent_integer import integer_filter, integer_lstm
from xir.frontends.tflite.handlers.recurrent_steps import Layer, layer_of, stepped_lstm
from xir.frontends.tflite.site import Handler, Operand, Site, activated
from xir.ir.node import Value
from xir.ops import elementwise
from xir.ops._gates import GateFunction
from xir.ops.lstm import lstm
from xir.ops.matmul import matmul
from xir.ops.reduce import reduce_sum
from xir.ops.rnn import rnn
from xir.ops.shape import broadcast, concat, reshape, slice_, transpose

handlers: Handlers[Handler] = Handlers("tflite")
raw: Handlers[Handler] = Handlers("tflite")

_SIGMOID: GateFunction = ("sigmoid", 0.0, 0.0)
_FUNCTIONS: dict[str, GateFunction] = {"TANH": ("tanh", 0.0, 0.0), "RELU": ("relu", 0.0, 0.0)}

_LAYER = 17
"""Operands of one direction of an LSTM: 4 weights, 4 recurrent weights, 3 peepholes, 4 biases, a projection's two."""


def _function(site: Site) -> GateFunction:
    name = site.word("fused_activation_function", "TANH")
    if name not in _FUNCTIONS:
        site.refuse(f"the activation {name} of a recurrent layer")
    return _FUNCTIONS[name]


def _time_first(site: Site, x: Value, is_time_major: bool) -> Value:
    if x.rank != 3:
        site.invalid(f"[N, T, I] is needed, got {x.type!r}")
    return x if is_time_major else transpose(x, perm=(1, 0, 2))


def _as_given(y: Value, is_time_major: bool) -> Value:
    """The outputs [T, N, H] of one direction as they are, or [N, T, H]."""
    return y if is_time_major else transpose(y, perm=(1, 0, 2))


def _one_way(y: Value) -> Value:
    """The outputs [T, 1, N, H] of our layers of one direction as [T, N, H]."""
    return reshape(y, shape=(y.shape[0], *y.shape[2:]))


def _stacked(parts: Sequence[Value]) -> Value:
    joined = concat(*parts, axis=0)
    return reshape(joined, shape=(1, *joined.shape))


def _gates(site: Site, parts: Sequence[Operand], is_coupled: bool) -> list[Value]:
    """The parts of the gates (input, forget, cell, output) in our order: input, output, forget, cell.

    A layer without an input gate has 1 - f in its place, which is the gate of the negated forget part: the sigmoid of
    -z is 1 - that of z.
    """
    first, forget, cell, output = parts
    if forget is None or cell is None or output is None:
        site.invalid("a part of a gate is left out that must be there")
    if is_coupled:
        first = elementwise.neg(forget)
    if first is None:
        site.invalid("a part of the input gate is left out that must be there")
    return [first, output, forget, cell]


def _lstm(site: Site, x: Value, layer: Layer, places: tuple[int, int], states: tuple[Value, Value]) -> Value:
    """One direction over x [T, N, I]: its outputs [T, N, O]; its states, operands at these places, are kept."""
    site.ignore("asymmetric_quantize_inputs", "diagonal_recurrent_tensors")
    is_plain = layer.is_plain() and site.number("cell_clip") <= 0
    is_plain = is_plain and site.word("fused_activation_function", "TANH") in _FUNCTIONS
    site.ignore("proj_clip")  # a projection's alone
    y, h, c = _whole_lstm(site, x, layer, *states) if is_plain else stepped_lstm(site, x, layer, *states)
    site.flow.update(site.operator, places[0], h)
    site.flow.update(site.operator, places[1], c)
    return y


def _whole_lstm(site: Site, x: Value, layer: Layer, h: Value, c: Value) -> tuple[Value, Value, Value]:
    """A layer that one operator of ours says: its outputs [T, N, H], the last h and c [N, H]."""
    is_coupled = layer.weights[0] is None
    held: Value | None = None
    if any(each is not None for each in layer.peepholes):
        first, forget, output = layer.peepholes
        if is_coupled and forget is not None:
            first = elementwise.neg(forget)
        if first is None or forget is None or output is None:
            site.invalid("a peephole is left out that must be there")
        held = _stacked([first, output, forget])
    bias = _stacked(_gates(site, layer.biases, is_coupled))
    zeros = elementwise.sub(bias, bias)
    y, last_h, last_c = lstm(
        x,
        _stacked(_gates(site, layer.weights, is_coupled)),
        _stacked(_gates(site, layer.recurrent, is_coupled)),
        concat(bias, zeros, axis=1),
        None,
        reshape(h, shape=(1, *h.shape)),
        reshape(c, shape=(1, *c.shape)),
        held,
        direction="reverse" if layer.turned else "forward",
        functions=(_SIGMOID, _function(site), _function(site)),
        clip=None,
        coupled=False,
    )
    return _one_way(y), reshape(last_h, shape=h.shape), reshape(last_c, shape=c.shape)


def _check_integer(site: Site) -> None:
    """Integers are made for tanh alone; how weights alone would be quantised says nothing then."""
    if site.word("fused_activation_function", "TANH") != "TANH":
        site.refuse("an LSTM of integers with another activation than TANH")
    site.ignore("asymmetric_quantize_inputs", "diagonal_recurrent_tensors")


def _needed(site: Site, parts: Sequence[Operand], places: Sequence[int]) -> list[Value]:
    found = [parts[place] if place < len(parts) else None for place in places]
    held = [each for each in found if each is not None]
    if len(held) != len(found):
        site.invalid("an operand is left out that must be there")
    return held


def _four(parts: Sequence[Operand], place: int) -> tuple[Operand, ...]:
    """Four operands from a place on, which may all be left out."""
    return tuple((*parts[place : place + 4], None, None, None, None)[:4])


def _reals(site: Site, *operands: Operand) -> tuple[Operand, ...]:
    """The operands as real numbers; weights alone may be integers."""
    quantizations = map(site.operand_quantization, range(len(operands)))
    return tuple(
        None if each is None else real(each, quantization)
        for each, quantization in zip(operands, quantizations, strict=True)
    )


def _is_integer(site: Site) -> bool:
    """Whether the layer computes with integers alone."""
    return site.operand_quantization(0) is not None


def _single_lstm(site: Site, steps: Value, operands: Sequence[Operand]) -> Value:
    """The layer of one direction whose operands are these, over steps [T, N, I]: [T, N, O]."""
    if _is_integer(site):
        _check_integer(site)
        return integer_lstm(site, steps, (*operands, *(None,) * (24 - len(operands))))
    parts = _reals(site, *operands)[1:]
    h, c = _needed(site, parts, (_LAYER, _LAYER + 1))
    layer = layer_of(parts[:_LAYER], norms=_four(parts, _LAYER + 2))
    return _lstm(site, steps, layer, (_LAYER + 1, _LAYER + 2), (h, c))


@raw.layer("UNIDIRECTIONAL_SEQUENCE_LSTM")
def sequence_lstm(site: Site, x: Value, *parts: Operand) -> Value:
    """UNIDIRECTIONAL_SEQUENCE_LSTM (unidirectional_sequence_lstm.cc): its gates are input, forget, cell, output."""
    is_time_major = site.flag("time_major")
    return _as_given(_single_lstm(site, _time_first(site, x, is_time_major), (x, *parts)), is_time_major)


@handlers.layer("BIDIRECTIONAL_SEQUENCE_LSTM")
def both_lstms(site: Site, x: Value, *parts: Operand) -> tuple[Value, ...]:
    """BIDIRECTIONAL_SEQUENCE_LSTM (bidirectional_sequence_lstm.cc): forward, then backward, each with its state.

    An auxiliary input without weights of its own is what the backward direction reads instead of the first one.
    """
    first = 2 * _LAYER
    states = _needed(site, parts, range(first, first + 4))
    is_time_major = site.flag("time_major")
    steps = _time_first(site, x, is_time_major)
    other = parts[first + 4] if len(parts) > first + 4 else None
    auxiliary = steps if other is None else _time_first(site, other, is_time_major)
    results: list[Value] = []
    for way in range(2):
        weights = _four(parts, first + 5 + 4 * way)
        second = (auxiliary, weights) if any(each is not None for each in weights) else None
        own = auxiliary if way and second is None else steps
        layer = layer_of(parts[way * _LAYER : (way + 1) * _LAYER], second=second, turned=bool(way))
        place = first + 1 + 2 * way
        y = _lstm(site, own, layer, (place, place + 1), (states[2 * way], states[2 * way + 1]))
        results.append(_as_given(y, is_time_major))
    return (concat(*results, axis=2),) if site.flag("merge_outputs") else tuple(results)


@raw.layer("LSTM")
def lstm_step(site: Site, x: Value, *parts: Operand) -> tuple[Value, ...]:
    """LSTM: one step of the full kernel (lstm.cc), or of the basic one, which has other operands and results."""
    if site.word("kernel_type", "FULL") == "BASIC":
        site.ignore("fused_activation_function", "cell_clip", "proj_clip", "asymmetric_quantize_inputs")
        return basic_lstm(site, x, *_needed(site, parts, range(4)))
    y = _single_lstm(site, reshape(x, shape=(1, *x.shape)), (x, *parts))
    return (reshape(y, shape=y.shape[1:]),)


def _rnn(site: Site, x: Value, operands: Sequence[Value], place: int, turned: bool) -> Value:
    weights, recurrent, bias, h = operands
    y, last = rnn(
        x,
        reshape(weights, shape=(1, *weights.shape)),
        reshape(recurrent, shape=(1, *recurrent.shape)),
        reshape(concat(bias, elementwise.sub(bias, bias), axis=0), shape=(1, 2 * bias.shape[0])),
        None,
        reshape(h, shape=(1, *h.shape)),
        direction="reverse" if turned else "forward",
        functions=(_function(site),),
        clip=None,
    )
    site.flow.update(site.operator, place, reshape(last, shape=h.shape))
    return _one_way(y)


@handlers.layer("UNIDIRECTIONAL_SEQUENCE_RNN")
def sequence_rnn(site: Site, x: Value, weights: Value, recurrent: Value, bias: Value, h: Value) -> Value:
    """UNIDIRECTIONAL_SEQUENCE_RNN."""
    site.ignore("asymmetric_quantize_inputs")
    is_time_major = site.flag("time_major")
    y = _rnn(site, _time_first(site, x, is_time_major), (weights, recurrent, bias, h), 4, False)
    return _as_given(y, is_time_major)


@handlers.layer("RNN")
def rnn_step(site: Site, x: Value, weights: Value, recurrent: Value, bias: Value, h: Value) -> Value:
    """RNN: one step."""
    site.ignore("asymmetric_quantize_inputs")
    y = _rnn(site, reshape(x, shape=(1, *x.shape)), (weights, recurrent, bias, h), 4, False)
    return reshape(y, shape=y.shape[1:])


@handlers.layer("BIDIRECTIONAL_SEQUENCE_RNN")
def both_rnns(site: Site, x: Value, *parts: Operand) -> tuple[Value, ...]:
    """BIDIRECTIONAL_SEQUENCE_RNN (bidirectional_sequence_rnn.cc): forward, then backward.

    An auxiliary input without weights of its own is what the backward direction reads instead of the first one; where
    the batch comes first LiteRT forgets it.
    """
    site.ignore("asymmetric_quantize_inputs")
    operands = _needed(site, parts, range(8))
    is_time_major = site.flag("time_major")
    steps = _time_first(site, x, is_time_major)
    other, *more = (*parts[8:], None, None, None)[:3]
    auxiliary = None if other is None else _time_first(site, other, is_time_major)
    results: list[Value] = []
    for way, weight in enumerate(more):
        weights, *rest = operands[4 * way : 4 * way + 4]
        own = steps
        if auxiliary is not None and weight is not None:
            own, weights = concat(steps, auxiliary, axis=2), concat(weights, weight, axis=1)
        elif auxiliary is not None and way:
            if not is_time_major:
                site.refuse("an auxiliary input without weights where the batch comes first")
            own = auxiliary
        y = _rnn(site, own, (weights, *rest), 4 * (way + 1), bool(way))
        results.append(_as_given(y, is_time_major))
    return (concat(*results, axis=2),) if site.flag("merge_outputs") else tuple(results)


@raw.layer("SVDF")
def low_rank_filter(
    site: Site, x: Value, feature: Value, time: Value, bias: Operand = None, state: Operand = None
) -> Value:
    """SVDF: each filter's last products with the input, weighted over time, summed by rank (reference/svdf.h).

    x: [N, I]; feature: [F, I]; time: [F, M]; state: [N, F * M], the oldest product first; result: [N, F / rank].
    """
    if state is None:
        site.invalid("a state is left out that must be there")
    if _is_integer(site):
        return integer_filter(site, x, feature, time, bias, state)
    feature, time = (real(each, site.operand_quantization(place)) for place, each in ((1, feature), (2, time)))
    site.ignore("asymmetric_quantize_inputs")
    rank = site.integer("rank")
    filters, memory = time.shape
    if not isinstance(filters, int) or rank < 1 or filters % rank:
        site.invalid(f"{filters!r} filters of rank {rank}")
    batch = x.shape[0]
    new = reshape(matmul(x, transpose(feature, perm=(1, 0))), shape=(batch, filters, 1))
    held = reshape(state, shape=(batch, filters, memory))
    kept = slice_(held, axes=(2,), starts=(1,), stops=(memory,), steps=(1,))
    held = concat(kept, new, axis=2)
    site.flow.update(site.operator, 4, reshape(held, shape=state.shape))
    weighted = elementwise.mul(held, broadcast(time, shape=held.shape))
    parts = reshape(weighted, shape=(batch, filters // rank, rank * memory))
    result = reduce_sum(parts, axes=(2,), keep_dims=False)
    if bias is not None:
        result = elementwise.add(*site.aligned(result, bias))
    return activated(site, result, site.word("fused_activation_function", "NONE"))
