"""Recurrent layers and cells of quantised weights (aten/src/ATen/native/RNN.cpp, `QuantizedCellParams*`).

Weights are whole numbers; what a step reads is rounded to whole numbers by its own range, the input of all steps at
once. Weights of half precision meet numbers of f32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from xir.errors import InvalidModelError
from xir.frontends.torch.handlers.product import matmul, turned
from xir.frontends.torch.script.packed import Packed, by_range
from xir.frontends.torch.script.quantized import Items, Named, Rule
from xir.frontends.torch.script.values import is_sequence, told
from xir.frontends.torch.tensor import Tensor
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.activation import relu, sigmoid, tanh
from xir.ops.control import loop
from xir.ops.elementwise import add, mul, sub
from xir.ops.index import gather
from xir.ops.shape import concat, reshape, reverse, slice_, transpose

if TYPE_CHECKING:
    from xir.frontends.torch.script.interpreter import Interpreter

CELL = "__torch__.torch.classes.rnn.CellParamsBase"
"""What an archive holds of the weights of one direction of one layer (RNN.cpp, `register_cell_params`)."""

State: TypeAlias = tuple[Value, ...]
Step: TypeAlias = Callable[[Value, Value, State], State]
"""(what the input gives to the gates, what the state gives, the state) -> the next state; its first part is told."""


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """The weights of one direction of one layer.

    Attributes:
        input: the layer that reads the input.
        state: the layer that reads the last state.
        most: the largest whole number to which what they read is rounded; None: it is not.
    """

    input: Packed
    state: Packed
    most: int | None


def packed_cell(state: object) -> Cell:
    """The weights from (kind, tensors, real numbers, whole numbers, packed layers).

    Raises:
        InvalidModelError: the archive holds something else.
    """
    parts: Sequence[object] = state if is_sequence(state) else ()
    kind, _, _, numbers, layers = [*parts, *(None,) * 5][:5]
    match kind, list(layers) if is_sequence(layers) else []:
        case "quantized_dynamic", [Packed() as first, Packed() as second] if is_sequence(numbers) and numbers:
            return Cell(first, second, 127 if numbers[0] else 255)
        case "quantized_fp16", [Packed() as first, Packed() as second]:
            return Cell(first, second, None)
        case _:
            raise InvalidModelError(f"packed weights of a recurrent layer hold {told(kind)} and {told(layers)}")


class _Linear:
    """A layer as values: its weight, turned, and its bias."""

    def __init__(self, interpreter: Interpreter, layer: Packed, most: int | None) -> None:
        """The layer in the graph."""
        weight, bias = layer.operands(interpreter)[:2]
        if not isinstance(weight, Tensor):
            raise InvalidModelError(f"{told(weight)} in place of a weight")
        values = [turned(weight.value), *([bias.value] if isinstance(bias, Tensor) else [])]
        self.interpreter, self.most, self.values = interpreter, most, values

    def __call__(self, x: Value, values: Sequence[Value] | None = None) -> Value:
        """What it makes of rows; `values` where its own have other names, in a body."""
        weight, *bias = self.values if values is None else values
        call = self.interpreter.call
        held = x if self.most is None else by_range(self.interpreter, x, self.most)
        made = matmul(call, held, weight)
        return add(made, call.repeated(bias[0], made.shape)) if bias else made


def _parts(x: Value, count: int) -> list[Value]:
    """Equal parts of the last axis."""
    axis, size = x.rank - 1, x.shape[-1] // count
    return [slice_(x, axes=(axis,), starts=(size * k,), stops=(size * (k + 1),), steps=(1,)) for k in range(count)]


def lstm_step(x: Value, h: Value, state: State) -> State:
    """Gates in the order input, forget, cell, output."""
    gate, forget, new, out = _parts(add(x, h), 4)
    cell = add(mul(sigmoid(forget), state[1]), mul(sigmoid(gate), tanh(new)))
    return mul(sigmoid(out), tanh(cell)), cell


def gru_step(x: Value, h: Value, state: State) -> State:
    """Gates in the order reset, update, new."""
    (x_reset, x_update, x_new), (h_reset, h_update, h_new) = _parts(x, 3), _parts(h, 3)
    update = sigmoid(add(h_update, x_update))
    new = tanh(add(x_new, mul(h_new, sigmoid(add(h_reset, x_reset)))))
    return (add(mul(sub(state[0], new), update), new),)


def _rnn_step(function: Callable[[Value], Value]) -> Step:
    return lambda x, h, state: (function(add(h, x)),)


def _direction(
    interpreter: Interpreter, cell: Cell, x: Value, state: State, step: Step, back: bool
) -> tuple[Value, State]:
    """One direction of one layer: what each step tells [T, N, H], and the last state."""
    call = interpreter.call
    gates = _Linear(interpreter, cell.input, cell.most)(x)
    gates = reverse(gates, axes=(0,)) if back else gates
    layer = _Linear(interpreter, cell.state, cell.most)
    captured = (gates, *layer.values)
    held = [Value(value.type) for value in (*state, *captured)]
    place, going = Value(TensorType(DType.INT64, ())), Value(TensorType(DType.BOOL, ()))
    before, (rows, *values) = tuple(held[: len(state)]), held[len(state) :]
    after = step(gather(rows, place, axis=0), layer(before[0], values), before)
    body = Graph("steps", (place, going, *held), (going, *after, after[0]))
    count, true = call.scalar(x.shape[0], DType.INT64), call.literal(True, DType.BOOL)
    *last, told_of = loop(count, true, *state, *captured, body=body, carried=len(state))
    made = reshape(told_of, shape=(x.shape[0], *after[0].shape))
    return reverse(made, axes=(0,)) if back else made, tuple(last)


def _swapped(x: Value) -> Value:
    return transpose(x, perm=(1, 0, 2))


def _layers(
    interpreter: Interpreter, x: Value, states: State, cells: Sequence[Cell], step: Step, directions: int
) -> tuple[Value, list[State]]:
    """All layers: what the last tells, and the last states."""
    last: list[State] = []
    for first in range(0, len(cells), directions):
        made: list[Value] = []
        for place in range(first, first + directions):
            cut = (slice_(each, axes=(0,), starts=(place,), stops=(place + 1,), steps=(1,)) for each in states)
            begun = tuple(reshape(each, shape=each.shape[1:]) for each in cut)
            told_of, final = _direction(interpreter, cells[place], x, begun, step, place > first)
            made.append(told_of)
            last.append(final)
        x = concat(*made, axis=2) if directions > 1 else made[0]
    return x, last


_NAMES = ("input", "hx", "params", "has_biases", "num_layers", "dropout", "train", "bidirectional", "batch_first")


def _recurrent(step: Step, several: bool) -> Rule:
    """`quantized_lstm(input, hx, params, ...)` and `quantized_gru`."""

    def rule(interpreter: Interpreter, items: Items, named: Named) -> object:
        given = dict(zip(_NAMES, items, strict=False)) | named
        x, begun, cells = given.get("input"), given.get("hx"), given.get("params")
        states: Sequence[object] = begun if is_sequence(begun) else (begun,)
        listed: Sequence[object] = cells if is_sequence(cells) else ()
        if is_sequence(begun) is not several or not listed:
            interpreter.refuse("a recurrent layer of quantised weights over packed sequences")
        values = tuple(each.value for each in (x, *states) if isinstance(each, Tensor))
        weights = [each for each in listed if isinstance(each, Cell)]
        if len(values) != 1 + len(states) or len(weights) != len(listed):
            raise InvalidModelError(f"a recurrent layer of {told(x)}, {told(begun)} and {told(cells)}")
        if given.get("train") and given.get("dropout"):
            interpreter.refuse("dropout between recurrent layers of quantised weights")
        with interpreter.sourced("quantized_rnn"):
            first = bool(given.get("batch_first"))
            directions = 2 if given.get("bidirectional") else 1
            rows = _swapped(values[0]) if first else values[0]
            made, last = _layers(interpreter, rows, values[1:], weights, step, directions)
            finals = [
                concat(*(reshape(each, shape=(1, *each.shape)) for each in part), axis=0)
                for part in zip(*last, strict=True)
            ]
            return tuple(Tensor(each) for each in (_swapped(made) if first else made, *finals))

    return rule


def _single(step: Step, several: bool) -> Rule:
    """`quantized_lstm_cell_dynamic(input, hx, w_ih, w_hh, bias_ih, bias_hh)` and its like: one step."""

    def rule(interpreter: Interpreter, items: Items, named: Named) -> object:
        x, begun, first, second = items[:4]
        states: Sequence[object] = begun if is_sequence(begun) else (begun,)
        values = tuple(each.value for each in (x, *states) if isinstance(each, Tensor))
        if len(values) != 1 + len(states) or not isinstance(first, Packed) or not isinstance(second, Packed):
            raise InvalidModelError(f"a recurrent cell of {told(x)}, {told(begun)}, {told(first)} and {told(second)}")
        with interpreter.sourced("quantized_cell"):
            layers = (_Linear(interpreter, layer, 127) for layer in (first, second))
            of_input, of_state = layers
            made = step(of_input(values[0]), of_state(values[1]), values[1:])
            return tuple(map(Tensor, made)) if several else Tensor(made[0])

    return rule


CELLS: Mapping[str, Rule] = {
    "torch.quantized_lstm": _recurrent(lstm_step, True),
    "torch.quantized_gru": _recurrent(gru_step, False),
    "ops.quantized.quantized_lstm_cell_dynamic": _single(lstm_step, True),
    "ops.quantized.quantized_gru_cell_dynamic": _single(gru_step, False),
    "ops.quantized.quantized_rnn_tanh_cell_dynamic": _single(_rnn_step(tanh), False),
    "ops.quantized.quantized_rnn_relu_cell_dynamic": _single(_rnn_step(relu), False),
}
"""{name: (who follows, items by place, items by name) -> what it makes}."""
