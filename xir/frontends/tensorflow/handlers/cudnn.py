"""Recurrent layers of cuDNN, whose weights lie in one vector (tensorflow/core/kernels/cudnn_rnn_ops.cc).

The vector has the matrices of all layers, then the biases of all: for each layer, and each direction of it, those of
the gates that are multiplied with the input, then those that are multiplied with the state (cuDNN's developer guide,
cudnnGetRNNWeightParams; tf_keras packs them so, layers/rnn/gru_lstm_utils.py, `canonical_to_params`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends.tensorflow._site import Handler, Site
from xir.ir.constant import constant_of
from xir.ir.node import Value
from xir.ops._gates import Direction, GateFunction
from xir.ops.constant import constant
from xir.ops.lstm import lstm
from xir.ops.rnn import gru, rnn
from xir.ops.shape import concat, reshape, slice_, transpose

handlers: Handlers[Handler] = Handlers("tensorflow")

_GATES: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {"lstm": (0, 3, 1, 2), "gru": (1, 0, 2), "rnn_relu": (0,), "rnn_tanh": (0,)}
)
"""{mode: which of cuDNN's gates each of ours is}: cuDNN has i, f, g, o of an LSTM, and r, z, h of a GRU."""

_SIGMOID: GateFunction = ("sigmoid", 0.0, 0.0)
_TANH: GateFunction = ("tanh", 0.0, 0.0)
_RELU: GateFunction = ("relu", 0.0, 0.0)
_FUNCTIONS: Mapping[str, tuple[GateFunction, ...]] = MappingProxyType(
    {"lstm": (_SIGMOID, _TANH, _TANH), "gru": (_SIGMOID, _TANH), "rnn_relu": (_RELU,), "rnn_tanh": (_TANH,)}
)


@dataclass(frozen=True, slots=True)
class _Layer:
    """The weights of one layer: [D, gates * H, I], [D, gates * H, H], [D, 2 * gates * H]."""

    w: Value
    r: Value
    b: Value


class _Packed:
    """What lies in the vector, taken piece by piece."""

    def __init__(self, site: Site, params: Value) -> None:
        self._site, self._params, self._at = site, params, 0

    def take(self, *shape: int) -> Value:
        """The next elements."""
        start, self._at = self._at, self._at + int(np.prod(shape))
        return reshape(slice_(self._params, axes=(0,), starts=(start,), stops=(self._at,), steps=(1,)), shape=shape)

    def check(self) -> None:
        """Refuses a vector that has more or fewer elements than were taken."""
        size = self._params.shape[0]
        if size != self._at:
            self._site.refuse(f"{size} weights, where the layers have {self._at}")


@handlers.layer("CudnnRNN", "CudnnRNNV2", "CudnnRNNV3")
def layers(
    site: Site, x: Value, h: Value, c: Value, params: Value, lengths: Value | None = None
) -> Sequence[Value | None]:
    """Layers over x [T, N, I], from states [L * D, N, H] on; V3 may have the batch first, and sequences of lengths."""
    mode = site.choice("rnn_mode", *_GATES)
    ways = 1 + (site.choice("direction", "unidirectional", "bidirectional") == "bidirectional")
    batch_first = site.node.kind == "CudnnRNNV3" and not site.flag("time_major")
    if batch_first:
        x, h = transpose(x, perm=(1, 0, 2)), transpose(h, perm=(1, 0, 2))
        c = transpose(c, perm=(1, 0, 2)) if mode == "lstm" else c
    _check(site, x, h)
    site.ignore("seed", "seed2")
    states = [h, c] if mode == "lstm" else [h]
    ends: list[list[Value]] = []
    for place, layer in enumerate(_layers(site, x, h, params, (mode, ways))):
        first = [_rows(state, place * ways, ways) for state in states]
        y, *last = _run(mode, x, layer, lengths, first)
        x = reshape(transpose(y, perm=(0, 2, 1, 3)), shape=(*x.shape[:2], ways * h.shape[2]))
        ends.append(last)
    found = [concat(*(last[place] for last in ends), axis=0) for place in range(len(states))]
    if batch_first:
        x, found = transpose(x, perm=(1, 0, 2)), [transpose(state, perm=(1, 0, 2)) for state in found]
    if mode != "lstm":
        found.append(constant(value=constant_of(np.zeros((), h.dtype.dtype))))  # no cells
    return (x, *found, None) if site.node.kind == "CudnnRNN" else (x, *found, None, None)


def _check(site: Site, x: Value, h: Value) -> None:
    """Refuses what is not computed, and sizes that only the run tells."""
    if site.flag("is_training") and site.real("dropout"):
        site.refuse("dropout, which is for training", "freeze the graph for inference")
    if site.node.kind == "CudnnRNNV3" and site.integer("num_proj"):
        site.refuse("an LSTM with projections")
    site.ignore("dropout")
    if any(not isinstance(size, int) for size in (x.shape[2], h.shape[0], h.shape[2])):
        site.refuse("sizes of layers that are not known before the run", "type the inputs: --input")
    word = site.choice("input_mode", "linear_input", "skip_input", "auto_select")
    if word == "skip_input" or (word == "auto_select" and x.shape[2] == h.shape[2]):
        site.refuse("layers that do not multiply their input")


def _layers(site: Site, x: Value, h: Value, params: Value, form: tuple[str, int]) -> Iterator[_Layer]:
    """The weights of the layers."""
    mode, ways = form
    order, units = _GATES[mode], h.shape[2]
    inputs, count = x.shape[2], h.shape[0]
    if not isinstance(units, int) or not isinstance(inputs, int) or not isinstance(count, int) or count % ways:
        site.invalid(f"states {h.type!r} are none of layers with {ways} directions")
    packed, depth = _Packed(site, params), count // ways
    sizes = [inputs, *[ways * units] * (depth - 1)]
    matrices = [
        [[packed.take(len(order), units, each) for each in (size, units)] for _ in range(ways)] for size in sizes
    ]
    biases = [[packed.take(2, len(order), units) for _ in range(ways)] for _ in sizes]
    packed.check()
    for size, both, bias in zip(sizes, matrices, biases, strict=True):
        w, r = (concat(*(_ordered(way[side], order, 0) for way in both), axis=0) for side in (0, 1))
        b = concat(*(_ordered(each, order, 1) for each in bias), axis=0)
        gates = len(order) * units
        yield _Layer(
            reshape(w, shape=(ways, gates, size)),
            reshape(r, shape=(ways, gates, units)),
            reshape(b, shape=(ways, 2 * gates)),
        )


def _ordered(x: Value, order: Sequence[int], axis: int) -> Value:
    """The gates along an axis in our order."""
    return concat(
        *(slice_(x, axes=(axis,), starts=(gate,), stops=(gate + 1,), steps=(1,)) for gate in order), axis=axis
    )


def _rows(state: Value, start: int, count: int) -> Value:
    return slice_(state, axes=(0,), starts=(start,), stops=(start + count,), steps=(1,))


def _run(mode: str, x: Value, layer: _Layer, lengths: Value | None, first: Sequence[Value]) -> tuple[Value, ...]:
    """The outputs [T, D, N, H] and the last states of a layer."""
    ways = layer.w.shape[0]
    direction: Direction = "bidirectional" if ways == 2 else "forward"
    functions = _FUNCTIONS[mode] * (2 if ways == 2 else 1)
    if mode == "lstm":
        return lstm(
            x, layer.w, layer.r, layer.b, lengths, *first,
            direction=direction, functions=functions, clip=None, coupled=False,
        )  # fmt: skip
    if mode == "gru":
        return gru(
            x, layer.w, layer.r, layer.b, lengths, *first,
            direction=direction, functions=functions, clip=None, linear_before_reset=True,
        )  # fmt: skip
    return rnn(x, layer.w, layer.r, layer.b, lengths, *first, direction=direction, functions=functions, clip=None)
