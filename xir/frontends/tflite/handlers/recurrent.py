"""Recurrent layers, whose state the file keeps from one run to the next."""

from __future__ import annotations

from collections.abc import Sequence

from xir.frontends._handlers import Handlers
from xir.frontends.tflite._quantized import real
from xir.frontends.tflite.handlers.recurrent_integer import integer_filter, integer_lstm
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
    """The outputs [T, 1, N, H] of one direction as [T, N, H], or [N, T, H]."""
    flat = reshape(y, shape=(y.shape[0], y.shape[2], y.shape[3]))
    return flat if is_time_major else transpose(flat, perm=(1, 0, 2))


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


def _lstm(site: Site, x: Value, parts: Sequence[Operand], state: tuple[int, Value, int, Value], turned: bool) -> Value:
    """One direction over x [T, N, I]: its outputs [T, 1, N, H]; its state is kept."""
    weights, recurrent, peepholes, biases, projection = parts[:4], parts[4:8], parts[8:11], parts[11:15], parts[15:17]
    if any(each is not None for each in projection):
        site.refuse("an LSTM with a projection")
    is_coupled = weights[0] is None
    held: Value | None = None
    if any(each is not None for each in peepholes):
        first, forget, output = peepholes
        if is_coupled and forget is not None:
            first = elementwise.neg(forget)
        if first is None or forget is None or output is None:
            site.invalid("a peephole is left out that must be there")
        held = _stacked([first, output, forget])
    bias = _stacked(_gates(site, biases, is_coupled))
    zeros = elementwise.sub(bias, bias)
    place, h, cell_place, c = state
    y, last_h, last_c = lstm(
        x,
        _stacked(_gates(site, weights, is_coupled)),
        _stacked(_gates(site, recurrent, is_coupled)),
        concat(bias, zeros, axis=1),
        None,
        reshape(h, shape=(1, *h.shape)),
        reshape(c, shape=(1, *c.shape)),
        held,
        direction="reverse" if turned else "forward",
        functions=(_SIGMOID, _function(site), _function(site)),
        clip=None,
        coupled=False,
    )
    site.flow.update(site.operator, place, reshape(last_h, shape=h.shape))
    site.flow.update(site.operator, cell_place, reshape(last_c, shape=c.shape))
    return y


def _check(site: Site, rest: Sequence[Operand]) -> None:
    """Refuses what these layers may have besides."""
    if site.number("cell_clip") or site.number("proj_clip"):
        site.refuse("an LSTM that clips its cells")
    if any(each is not None for each in rest):
        site.refuse("an LSTM with layer normalisation, or auxiliary inputs")
    site.ignore("asymmetric_quantize_inputs", "diagonal_recurrent_tensors")


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


@raw.layer("UNIDIRECTIONAL_SEQUENCE_LSTM")
def sequence_lstm(site: Site, x: Value, *parts: Operand) -> Value:
    """UNIDIRECTIONAL_SEQUENCE_LSTM (unidirectional_sequence_lstm.cc): its gates are input, forget, cell, output."""
    is_time_major = site.flag("time_major")
    if _is_integer(site):
        _check_integer(site)
        y = integer_lstm(site, _time_first(site, x, is_time_major), (x, *parts, *(None,) * (24 - len(parts))))
        return y if is_time_major else transpose(y, perm=(1, 0, 2))
    parts = _reals(site, x, *parts)[1:]
    _check(site, parts[_LAYER + 2 :])
    h, c = _needed(site, parts, (_LAYER, _LAYER + 1))
    steps = _time_first(site, x, is_time_major)
    y = _lstm(site, steps, parts[:_LAYER], (_LAYER + 1, h, _LAYER + 2, c), False)
    return _as_given(y, is_time_major)


@handlers.layer("BIDIRECTIONAL_SEQUENCE_LSTM")
def both_lstms(site: Site, x: Value, *parts: Operand) -> tuple[Value, ...]:
    """BIDIRECTIONAL_SEQUENCE_LSTM (bidirectional_sequence_lstm.cc): forward, then backward, each with its state."""
    first = 2 * _LAYER
    _check(site, parts[first + 4 :])
    states = _needed(site, parts, range(first, first + 4))
    is_time_major = site.flag("time_major")
    steps = _time_first(site, x, is_time_major)
    results: list[Value] = []
    for way in range(2):
        place = first + 1 + 2 * way
        state = (place, states[2 * way], place + 1, states[2 * way + 1])
        y = _lstm(site, steps, parts[way * _LAYER : (way + 1) * _LAYER], state, bool(way))
        results.append(_as_given(y, is_time_major))
    return (concat(*results, axis=2),) if site.flag("merge_outputs") else tuple(results)


@raw.layer("LSTM")
def lstm_step(site: Site, x: Value, *parts: Operand) -> Value:
    """LSTM: one step of the full kernel (lstm.cc); the basic one has other operands."""
    if site.word("kernel_type", "FULL") != "FULL":
        site.refuse("the basic kernel of LSTM")
    if _is_integer(site):
        _check_integer(site)
        y = integer_lstm(site, reshape(x, shape=(1, *x.shape)), (x, *parts, *(None,) * (24 - len(parts))))
        return reshape(y, shape=y.shape[1:])
    parts = _reals(site, x, *parts)[1:]
    _check(site, parts[_LAYER + 2 :])
    h, c = _needed(site, parts, (_LAYER, _LAYER + 1))
    step = reshape(x, shape=(1, *x.shape))
    y = _lstm(site, step, parts[:_LAYER], (_LAYER + 1, h, _LAYER + 2, c), False)
    return reshape(y, shape=y.shape[2:])


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
    return y


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
    return reshape(y, shape=y.shape[2:])


@handlers.layer("BIDIRECTIONAL_SEQUENCE_RNN")
def both_rnns(site: Site, x: Value, *parts: Operand) -> tuple[Value, ...]:
    """BIDIRECTIONAL_SEQUENCE_RNN without auxiliary inputs."""
    site.ignore("asymmetric_quantize_inputs")
    if any(each is not None for each in parts[8:]):
        site.refuse("auxiliary inputs")
    operands = _needed(site, parts, range(8))
    is_time_major = site.flag("time_major")
    steps = _time_first(site, x, is_time_major)
    results = [
        _as_given(_rnn(site, steps, operands[4 * way : 4 * way + 4], 4 * (way + 1), bool(way)), is_time_major)
        for way in range(2)
    ]
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
