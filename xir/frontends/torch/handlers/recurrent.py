"""Recurrent layers and cells (aten/src/ATen/native/RNN.cpp)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xir.frontends.torch.call import Call
from xir.frontends.torch.handlers.product import linear
from xir.frontends.torch.operators import Operators
from xir.frontends.torch.tensor import Number
from xir.ir.dims import add as add_sizes
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops._gates import Direction, GateFunction
from xir.ops.activation import relu, sigmoid, tanh
from xir.ops.elementwise import add, mul, sub
from xir.ops.lstm import lstm as lstm_of
from xir.ops.matmul import matmul
from xir.ops.rnn import gru as gru_of
from xir.ops.rnn import rnn as rnn_of
from xir.ops.shape import concat, reshape, slice_, split, transpose

operators = Operators("aten")

_SIGMOID: GateFunction = ("sigmoid", 0.0, 0.0)
_TANH: GateFunction = ("tanh", 0.0, 0.0)
_RELU: GateFunction = ("relu", 0.0, 0.0)

_LSTM_ROWS = (0, 3, 1, 2)
"""PyTorch's gates i, f, g, o in the order of ours: i, o, f, g."""
_GRU_ROWS = (1, 0, 2)
"""PyTorch's gates r, z, n in the order of ours: z, r, n."""


@dataclass(frozen=True, slots=True)
class _Stack:
    """Layers one on another, in PyTorch's words.

    Attributes:
        has_biases: whether they have biases.
        num_layers: how many there are.
        train: whether they are trained.
        bidirectional: whether each goes over the sequence in both directions.
        batch_first: whether sequences are [N, T, I], not [T, N, I].
        dropout: the share of what goes from layer to layer that training leaves out.
    """

    has_biases: bool
    num_layers: int
    train: bool
    bidirectional: bool
    batch_first: bool = False
    dropout: float = 0.0

    @property
    def ways(self) -> int:
        """In how many directions each layer goes."""
        return 1 + self.bidirectional

    @property
    def direction(self) -> Direction:
        """The same, as xir's layers take it."""
        return "bidirectional" if self.bidirectional else "forward"

    def layers(self, call: Call, params: Sequence[Value], rows: Sequence[int]) -> list[_Layer]:
        """The weights of each layer; PyTorch lists w_ih, w_hh, b_ih, b_hh, w_hr for each layer and direction.

        Args:
            call: the call.
            params: the list.
            rows: for each of our gates, which of PyTorch's it is.

        Raises:
            UnsupportedError: layers are trained with dropout between them.
            InvalidModelError: the weights are too many or too few.
        """
        if self.train and self.dropout:
            call.refuse("dropout between recurrent layers", "put the model in eval mode")
        count, ways, each = self.num_layers, self.ways, 4 if self.has_biases else 2
        projected = len(params) == count * ways * (each + 1)
        each += projected
        if len(params) != count * ways * each:
            call.invalid(f"{count} layers have {count * ways * each} weights, got {len(params)}")
        found: list[_Layer] = []
        for layer in range(count):
            first = layer * ways * each
            given = [params[first + way * each : first + (way + 1) * each] for way in range(ways)]
            w, r = (_stacked([_ordered(one[place], rows) for one in given]) for place in (0, 1))
            b = None
            if self.has_biases:
                b = _stacked([concat(*(_ordered(bias, rows) for bias in one[2:4]), axis=0) for one in given])
            found.append(_Layer(w, r, b, tuple(one[-1] for one in given) if projected else ()))
        return found

    def time_first(self, x: Value) -> Value:
        """A sequence with its steps along the first axis; of such a one, the sequence as PyTorch has it."""
        return transpose(x, perm=(1, 0, 2)) if self.batch_first else x


@dataclass(frozen=True, slots=True)
class _Layer:
    """The weights of one layer, both directions stacked: w [D, G * H, I], r [D, G * H, H], b [D, 2 * G * H].

    Where the states are projected to P numbers, r is [D, G * H, P], and `projections` are [P, H], one a direction.
    """

    w: Value
    r: Value
    b: Value | None
    projections: tuple[Value, ...] = ()


def _ordered(weights: Value, rows: Sequence[int]) -> Value:
    """The blocks of rows, one a gate, in another order."""
    if len(rows) == 1:
        return weights
    parts = split(weights, axis=0, sizes=(weights.shape[0] // len(rows),) * len(rows))
    return concat(*(parts[row] for row in rows), axis=0)


def _stacked(values: Sequence[Value]) -> Value:
    """The values along a new first axis."""
    rows = [reshape(value, shape=(1, *value.shape)) for value in values]
    return rows[0] if len(rows) == 1 else concat(*rows, axis=0)


def _joined(y: Value) -> Value:
    """[T, D, N, H] as [T, N, D * H]."""
    steps, ways, batch, hidden = y.shape
    if ways == 1:
        return reshape(y, shape=(steps, batch, hidden))
    return reshape(transpose(y, perm=(0, 2, 1, 3)), shape=(steps, batch, ways * hidden))


def _part(states: Value, layer: int, ways: int) -> Value:
    """The states of one layer of [layers * D, N, H]."""
    return slice_(states, axes=(0,), starts=(layer * ways,), stops=((layer + 1) * ways,), steps=(1,))


def _unprojected(call: Call, x: Value, layer: _Layer, h: Value) -> tuple[Value, _Layer, Value]:
    """An LSTM of projected states as one of states that are not: their product with `r @ projection` is the same.

    What goes in before the first step is a projection of nothing: it joins the first place of the sequence, with `r` as
    its weights.
    """
    steps, batch, hidden = x.shape[0], x.shape[1], layer.projections[0].shape[1]
    inputs, weights = [x], [layer.w]
    for way, state in enumerate(split(h, axis=0, sizes=(1,) * len(layer.projections))):
        rest = call.repeated(call.literal(0, x.dtype), (steps, batch, h.shape[2]))
        joined = concat(rest, state, axis=0) if way else concat(state, rest, axis=0)
        inputs.append(slice_(joined, axes=(0,), starts=(way,), stops=(add_sizes(steps, way),), steps=(1,)))
        own = split(layer.r, axis=0, sizes=(1,) * len(layer.projections))
        none = call.repeated(call.literal(0, x.dtype), own[way].shape)
        weights.append(concat(*(part if place == way else none for place, part in enumerate(own)), axis=0))
    r = matmul(layer.r, _stacked(layer.projections))
    zeros = call.repeated(call.literal(0, x.dtype), (h.shape[0], batch, hidden))
    return concat(*inputs, axis=2), _Layer(concat(*weights, axis=2), r, layer.b, layer.projections), zeros


def _projected(call: Call, values: Value, axis: int, projections: Sequence[Value]) -> Value:
    """States [.., D, N, H] as [.., D, N, P]."""
    parts = split(values, axis=axis, sizes=(1,) * len(projections))
    return concat(*(linear(call, part, one, None) for part, one in zip(parts, projections, strict=True)), axis=axis)


@operators.op(
    "lstm.input(Tensor input, Tensor[] hx, Tensor[] params, bool has_biases, int num_layers, float dropout,"
    " bool train, bool bidirectional, bool batch_first) -> (Tensor, Tensor, Tensor)",
    records=(_Stack,),
)
def lstm(call: Call, x: Value, states: Sequence[Value], params: Sequence[Value], stack: _Stack) -> tuple[Value, ...]:
    """Layers of LSTM: the outputs of the last one, the last states and cells of all."""
    y, *last = _lstm(call, stack.time_first(x), states, params, stack, None)
    return stack.time_first(y), *last


_LSTM_MODE = 2
"""What torch/_decomp/decompositions_for_rnn.py passes for an LSTM."""


@dataclass(frozen=True, slots=True)
class _Single:
    """One layer in one direction, in oneDNN's words (aten/src/ATen/native/mkldnn/RNN.cpp).

    Attributes:
        weight0: of what goes in.
        weight1: of the states.
        weight2: a bias of the former.
        weight3: a bias of the latter.
        reverse: whether it goes from the end to the beginning.
        batch_sizes: of packed sequences.
        mode: which kind of layer it is.
    """

    weight0: Value
    weight1: Value
    weight2: Value
    weight3: Value
    reverse: bool
    batch_sizes: Sequence[Number]
    mode: int

    def layer(self, call: Call, stack: _Stack) -> _Layer:
        """Its weights as ours.

        Raises:
            UnsupportedError: it is no plain LSTM of padded sequences.
        """
        if self.mode != _LSTM_MODE or stack.num_layers != 1 or stack.bidirectional or stack.train or self.batch_sizes:
            call.refuse("a recurrent layer of oneDNN that is no plain LSTM")
        biases = (self.weight2, self.weight3) if stack.has_biases else ()
        return stack.layers(call, (self.weight0, self.weight1, *biases), _LSTM_ROWS)[0]


@operators.op(
    "mkldnn_rnn_layer(Tensor input, Tensor weight0, Tensor weight1, Tensor weight2, Tensor weight3, Tensor hx_, Tensor"
    " cx_, bool reverse, int[] batch_sizes, int mode, int hidden_size, int num_layers, bool has_biases, bool"
    " bidirectional, bool batch_first, bool train) -> (Tensor, Tensor, Tensor, Tensor)",
    records=(_Single, _Stack),
    unused=("hidden_size",),
)
def one_lstm(call: Call, x: Value, single: _Single, h: Value, c: Value, stack: _Stack) -> tuple[Value, ...]:
    """One layer of LSTM in one direction, as torch.compile has it in inference; of its workspace there is nothing."""
    layer = single.layer(call, stack)
    made, last, cell = lstm_of(
        stack.time_first(x),
        layer.w,
        layer.r,
        layer.b,
        None,
        h,
        c,
        direction="reverse" if single.reverse else "forward",
        functions=(_SIGMOID, _TANH, _TANH),
        clip=None,
        coupled=False,
    )
    return stack.time_first(_joined(made)), last, cell, call.filled(0, DType.UINT8, (0,))


@operators.op(
    "lstm.data(Tensor data, Tensor batch_sizes, Tensor[] hx, Tensor[] params, bool has_biases, int num_layers,"
    " float dropout, bool train, bool bidirectional) -> (Tensor, Tensor, Tensor)",
    records=(_Stack,),
    unused=("batch_sizes",),
)
def lstm_of_packed(
    call: Call, x: Value, states: Sequence[Value], params: Sequence[Value], stack: _Stack
) -> tuple[Value, ...]:
    """The same of packed sequences."""
    y, *last = _lstm(call, x, states, params, stack, _lengths(call, x))
    return _packed(call, y, x), *last


def _lstm(
    call: Call, y: Value, states: Sequence[Value], params: Sequence[Value], stack: _Stack, lengths: Value | None
) -> tuple[Value, Value, Value]:
    """Layers of LSTM, time first."""
    layers, ways = stack.layers(call, params, _LSTM_ROWS), stack.ways
    if lengths is not None and stack.bidirectional and any(layer.projections for layer in layers):
        call.refuse("projected states (proj_size) of packed sequences in both directions", "pad the sequences")
    if len(states) != 2:
        call.invalid(f"two states are needed, got {len(states)}")
    hidden: list[Value] = []
    cells: list[Value] = []
    for index, layer in enumerate(layers):
        h, c = (_part(state, index, ways) for state in states)
        given, held, h = _unprojected(call, y, layer, h) if layer.projections else (y, layer, h)
        made, last, cell = lstm_of(
            given,
            held.w,
            held.r,
            held.b,
            lengths,
            h,
            c,
            direction=stack.direction,
            functions=(_SIGMOID, _TANH, _TANH) * ways,
            clip=None,
            coupled=False,
        )
        if layer.projections:
            made, last = (_projected(call, each, each.rank - 3, layer.projections) for each in (made, last))
        y = _joined(made)
        hidden.append(last)
        cells.append(cell)
    return y, concat(*hidden, axis=0), concat(*cells, axis=0)


def _lengths(call: Call, x: Value) -> Value:
    """The lengths of packed sequences, as xir's layers take them."""
    lengths = call.scope.ragged.get(x)
    if lengths is None:
        call.refuse("packed sequences that come from outside", "pack them in the model")
    return call.cast(lengths, DType.INT32)


def _packed(call: Call, y: Value, like: Value) -> Value:
    """The outputs as sequences of the same lengths."""
    call.scope.ragged[y] = call.scope.ragged[like]
    return y


def _simple(
    call: Call, x: Value, state: Value, params: Sequence[Value], stack: _Stack, lengths: Value | None
) -> tuple[Value, Value]:
    """Layers with one state each, of GRU or of plain recurrence, time first."""
    is_gru = "gru" in call.kind
    y, hidden = x, list[Value]()
    for index, layer in enumerate(stack.layers(call, params, _GRU_ROWS if is_gru else (0,))):
        before = _part(state, index, stack.ways)
        steps, last = (_gru if is_gru else _rnn)(call, y, layer, before, stack, lengths)
        y = _joined(steps)
        hidden.append(last)
    return y, concat(*hidden, axis=0)


def _gru(call: Call, y: Value, layer: _Layer, h: Value, stack: _Stack, lengths: Value | None) -> tuple[Value, ...]:
    """A layer of GRU; the reset gate multiplies the product of the state, as in cuDNN."""
    return gru_of(
        y,
        layer.w,
        layer.r,
        layer.b,
        lengths,
        h,
        direction=stack.direction,
        functions=(_SIGMOID, _TANH) * stack.ways,
        clip=None,
        linear_before_reset=True,
    )


def _rnn(call: Call, y: Value, layer: _Layer, h: Value, stack: _Stack, lengths: Value | None) -> tuple[Value, ...]:
    """A layer of plain recurrence."""
    functions = (_TANH if "tanh" in call.kind else _RELU,) * stack.ways
    way = stack.direction
    return rnn_of(y, layer.w, layer.r, layer.b, lengths, h, direction=way, functions=functions, clip=None)


@operators.op(
    "gru.input(Tensor input, Tensor hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train,"
    " bool bidirectional, bool batch_first) -> (Tensor, Tensor)",
    "rnn_tanh.input(Tensor input, Tensor hx, Tensor[] params, bool has_biases, int num_layers, float dropout,"
    " bool train, bool bidirectional, bool batch_first) -> (Tensor, Tensor)",
    "rnn_relu.input(Tensor input, Tensor hx, Tensor[] params, bool has_biases, int num_layers, float dropout,"
    " bool train, bool bidirectional, bool batch_first) -> (Tensor, Tensor)",
    records=(_Stack,),
)
def simple(call: Call, x: Value, state: Value, params: Sequence[Value], stack: _Stack) -> tuple[Value, Value]:
    """Layers of GRU, or of plain recurrence."""
    y, last = _simple(call, stack.time_first(x), state, params, stack, None)
    return stack.time_first(y), last


@operators.op(
    "gru.data(Tensor data, Tensor batch_sizes, Tensor hx, Tensor[] params, bool has_biases, int num_layers,"
    " float dropout, bool train, bool bidirectional) -> (Tensor, Tensor)",
    "rnn_tanh.data(Tensor data, Tensor batch_sizes, Tensor hx, Tensor[] params, bool has_biases, int num_layers,"
    " float dropout, bool train, bool bidirectional) -> (Tensor, Tensor)",
    "rnn_relu.data(Tensor data, Tensor batch_sizes, Tensor hx, Tensor[] params, bool has_biases, int num_layers,"
    " float dropout, bool train, bool bidirectional) -> (Tensor, Tensor)",
    records=(_Stack,),
    unused=("batch_sizes",),
)
def simple_of_packed(call: Call, x: Value, state: Value, params: Sequence[Value], stack: _Stack) -> tuple[Value, Value]:
    """The same of packed sequences."""
    y, last = _simple(call, x, state, params, stack, _lengths(call, x))
    return _packed(call, y, x), last


@operators.op(
    "lstm_cell(Tensor input, Tensor[] hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None)"
    " -> (Tensor, Tensor)"
)
def lstm_cell(
    call: Call, x: Value, states: Sequence[Value], w: Value, r: Value, b: Value | None, rb: Value | None
) -> tuple[Value, Value]:
    """One step of an LSTM."""
    h, c = states
    gates = add(linear(call, x, w, b), linear(call, h, r, rb))
    quarter = gates.shape[-1] // 4
    i, f, g, o = split(gates, axis=gates.rank - 1, sizes=(quarter,) * 4)
    cell = add(mul(sigmoid(f), c), mul(sigmoid(i), tanh(g)))
    return mul(sigmoid(o), tanh(cell)), cell


@operators.op(
    "gru_cell(Tensor input, Tensor hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) -> Tensor"
)
def gru_cell(call: Call, x: Value, h: Value, w: Value, r: Value, b: Value | None, rb: Value | None) -> Value:
    """One step of a GRU."""
    given, held = linear(call, x, w, b), linear(call, h, r, rb)
    third = given.shape[-1] // 3
    (xr, xz, xn), (hr, hz, hn) = (split(each, axis=each.rank - 1, sizes=(third,) * 3) for each in (given, held))
    z = sigmoid(add(xz, hz))
    new = tanh(add(xn, mul(sigmoid(add(xr, hr)), hn)))
    return add(new, mul(z, sub(h, new)))


@operators.op(
    "rnn_tanh_cell(Tensor input, Tensor hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) -> Tensor",
    "rnn_relu_cell(Tensor input, Tensor hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) -> Tensor",
)
def rnn_cell(call: Call, x: Value, h: Value, w: Value, r: Value, b: Value | None, rb: Value | None) -> Value:
    """One step of plain recurrence."""
    total = add(linear(call, x, w, b), linear(call, h, r, rb))
    return tanh(total) if "tanh" in call.kind else relu(total)
