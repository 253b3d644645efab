"""Forms of recurrent layers; those of both directions are two, whose results are joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast

import numpy as np

from xir.backends.export.forms import Table
from xir.backends.export.keras._form import Form
from xir.backends.export.keras._layers import Layers
from xir.backends.export.tensorflow._nodes import fields_of
from xir.backends.export.tflite._form import Answer, Call, Laid, Operand, Refusal, operand
from xir.backends.export.tflite._plan import Record
from xir.flatbuffer.write import Content
from xir.ir.constant import Array, Constant, constant_of
from xir.ir.node import Node
from xir.ir.types import DType, TensorType
from xir.keras_layout import Json
from xir.ops.lstm import lstm
from xir.ops.rnn import gru, rnn

forms = Table[Form]()

_LENGTHS, _STATES, _PEEPHOLES = 4, 5, 7
"""Places of operands: the sequences' lengths, the first states (two of an LSTM), its peepholes."""

_KINDS: Mapping[str, tuple[str, tuple[int, ...]]] = MappingProxyType(
    {"lstm": ("LSTM", (0, 2, 3, 1)), "gru": ("GRU", (0, 1, 2)), "rnn": ("SimpleRNN", (0,))}
)
"""{operator: the layer, and for each of its gates which of ours it is} (keras/src/layers/rnn/*.py)."""

_WORDS: Mapping[tuple[str, float, float], str] = MappingProxyType(
    {
        **{(word, 0.0, 0.0): word for word in ("tanh", "sigmoid", "relu", "softsign", "softplus")},
        ("hard_sigmoid", 1 / 6, 0.5): "hard_sigmoid",
    }
)
"""{a function of ours: the activation}."""


@forms.of(lstm, gru, rnn)
def _recurrent(node: Node) -> Answer:
    """LSTM, GRU, SimpleRNN: x [N, T, I], the first states, then the weights as we have them."""
    rest = (*node.inputs, None, None, None)
    kind, _ = _KINDS[node.op.name]
    if kind == "LSTM" and rest[_PEEPHOLES] is not None:
        return Refusal("peepholes")
    if rest[_LENGTHS] is not None and not isinstance(operand(node).shape[0], int):
        return Refusal("sequences of different lengths, of which only the run tells the most")
    if node.attributes["clip"] is not None or node.attributes.get("coupled"):
        return Refusal("gates whose operands are clipped, or that are coupled")
    words = _words(node)
    if words is None:
        return Refusal(f"the functions {node.attributes['functions']} of its gates")
    count = 2 if kind == "LSTM" else 1
    states = [value for value in rest[_STATES : _STATES + count] if value is not None]
    if states and len(states) < count:
        return Refusal("one first state of two")
    weights = [operand(node, 1), operand(node, 2), *(value for value in rest[3:4] if value is not None)]
    lengths = [value for value in rest[_LENGTHS : _LENGTHS + 1] if value is not None]
    operands: list[Operand] = [Laid(operand(node), (1, 0, 2)), *lengths, *states, *weights]
    fields: dict[str, Content] = {
        "lengths": len(lengths),
        "states": len(states),
        "words": words,
        "direction": str(node.attributes["direction"]),
        "after": bool(node.attributes.get("linear_before_reset")),
    }
    return Call(kind, operands, ("RecurrentOptions", fields), (2, 0, 1, 3))


def _words(node: Node) -> list[str] | None:
    """The activations of the gates and of the rest, or None where Keras has them not."""
    functions = cast("Sequence[tuple[str, float, float]]", node.attributes["functions"])
    found = [_WORDS.get(function) for function in functions]
    count = {"lstm": 3, "gru": 2, "rnn": 1}[node.op.name]
    own = found[:count]
    if None in own or found != own * (len(found) // count) or (count > 2 and own[1] != own[2]):
        return None
    return [word for word in own[:2] if word is not None]


@dataclass(frozen=True, slots=True)
class _Layer:
    """What the layers of both directions share.

    Attributes:
        record: the operator.
        units: the size of a state.
        mask: how a call refers to which steps count, bool [N, T]; None where all do.
        states: the tensors of the first states.
        weights: those of the weights.
        config: settings.
    """

    record: Record
    units: int
    mask: Json
    states: Sequence[int]
    weights: Sequence[int]
    config: Mapping[str, Json]


def write_recurrent(layers: Layers, record: Record) -> None:
    """The layers, and their results in our shapes: outputs [N, T, D, H], states [D, N, H].

    Raises:
        UnsupportedError: the weights are computed at run time.
    """
    fields = fields_of(record)
    count, words = cast("int", fields["states"]), cast("list[str]", fields["words"])
    first = 1 + cast("int", fields["lengths"])
    states, weights = record.inputs[first : first + count], record.inputs[first + count :]
    units = layers.array(weights[1]).shape[2]
    config: dict[str, Json] = {"units": units, "activation": words[-1], "use_bias": len(weights) > 2}
    if len(words) > 1:
        config["recurrent_activation"] = words[0]
    if record.kind == "GRU":
        config["reset_after"] = bool(fields["after"])
    told = _Layer(record, units, _mask(layers, record) if first > 1 else None, states, weights, config)
    match fields["direction"]:
        case "bidirectional":
            parts = [_one(layers, told, 0, False, None), _one(layers, told, 1, True, None)]
            for index, number in enumerate(record.outputs):
                pieces: list[Json] = [part[index] for part in parts]
                layers.operation("Concatenate", [pieces], number, axis=0 if index else 2)
        case direction:
            _one(layers, told, 0, direction == "reverse", record.outputs)


def _mask(layers: Layers, record: Record) -> Json:
    """Which steps count, of the lengths of the sequences: bool [N, T]."""
    batch, length = layers.tensor(record.inputs[0]).shape[:2]
    steps = layers.plan.literal(constant_of(np.arange(cast("int", length), dtype=np.int32)))
    lengths = layers.operation(
        "ExpandDims", [layers.called(record.inputs[1])], TensorType(DType.INT32, (batch, 1)), axis=[1]
    )
    return layers.operation("Greater", [lengths, layers.called(steps)], TensorType(DType.BOOL, (batch, length)))


def _one(layers: Layers, told: _Layer, place: int, backward: bool, made: Sequence[int] | None) -> list[Json]:
    """One direction; its results are tensors of the plan where there is no other."""
    x = told.record.inputs[0]
    batch, length = layers.tensor(x).shape[:2]
    whole = TensorType(DType.FLOAT32, (batch, length, told.units))
    last = TensorType(DType.FLOAT32, (batch, told.units))
    first: list[Json] = [layers.operation("GetItem", [layers.called(state), [place]], last) for state in told.states]
    named: dict[str, Json] = {"initial_state": first} if first else {}
    config: dict[str, Json] = {**told.config, "return_sequences": True, "return_state": True}
    if told.mask is not None:
        named["mask"] = told.mask
        config["zero_output_for_mask"] = True
    weights = _weights(layers, told, place)
    kind = told.record.kind
    found = layers.layer(kind, [layers.called(x)], whole, weights, named, **config, go_backwards=backward)
    ends = [layers.other(index, last) for index in range(1, len(told.record.outputs))]
    if backward:
        found = layers.operation("Flip", [found], whole, axis=[1])
    types = (TensorType(DType.FLOAT32, (batch, length, 1, told.units)), TensorType(DType.FLOAT32, (1, *last.shape)))
    return [
        layers.operation(
            "ExpandDims", [value], types[min(index, 1)] if made is None else made[index], axis=[0 if index else 2]
        )
        for index, value in enumerate((found, *ends))
    ]


def _weights(layers: Layers, told: _Layer, place: int) -> list[Constant]:
    """Kernels [I, gates * H] and [H, gates * H]; the bias is the sum of ours but where the reset comes behind."""
    _, order = next(held for held in _KINDS.values() if held[0] == told.record.kind)
    w, r, *b = (layers.array(number)[place] for number in told.weights)
    found: list[Array] = [_ordered(w, order).T, _ordered(r, order).T]
    for both in b:
        own, recurrent = (_ordered(half, order) for half in np.split(both, 2))
        found.append(np.stack([own, recurrent]) if told.config.get("reset_after") else np.sum([own, recurrent], axis=0))
    return [constant_of(np.ascontiguousarray(array.astype(np.float32, copy=False))) for array in found]


def _ordered(rows: Array, order: Sequence[int]) -> Array:
    pieces = np.split(rows, len(order))
    return np.concatenate([pieces[gate] for gate in order])
