"""Caffe's recurrent layers: sequences side by side, cut by continuation marks."""

from __future__ import annotations

import numpy as np

from xir.errors import InvalidModelError, UnsupportedError
from xir.ir.constant import Array, constant_of
from xir.ir.dims import Dim, product
from xir.ir.node import Value
from xir.ir.types import TensorType
from xir.limits import MAX_UNROLLED_NODES, check_inlined
from xir.ops._build import channelwise
from xir.ops._checks import (
    require_floating,
    require_rank,
    require_rank_at_least,
    require_same_dtype,
    require_same_shape,
    require_size,
)
from xir.ops._define import op
from xir.ops._windows import Numbers, narrowed, widened
from xir.ops.activation import sigmoid, tanh
from xir.ops.constant import constant
from xir.ops.elementwise import add, mul
from xir.ops.matmul import gemm
from xir.ops.shape import broadcast, concat, reshape, split


@op
def lstm_unit(c_previous: Value, gates: Value, cont: Value) -> tuple[TensorType, TensorType]:
    """One step of an LSTM after its matrix products. (Hochreiter and Schmidhuber 1997; Caffe lstm_unit_layer.cpp)

    c_previous: [N, D], floating, the cell state; gates: [N, 4 * D], i, f, o, g before their activations; cont: [N],
    0 where a sequence begins, else 1; results: the new cell state c and the output h, each [N, D].

    c = cont * sigmoid(f) * c_previous + sigmoid(i) * tanh(g); h = sigmoid(o) * tanh(c).
    """
    require_floating(c_previous)
    require_same_dtype(c_previous, gates, cont)
    require_rank(c_previous, 2)
    require_rank(gates, 2)
    require_rank(cont, 1)
    n, d = c_previous.shape
    require_same_shape(gates.shape, (n, d * 4))
    require_same_shape(cont.shape, (n,))
    return c_previous.tensor, c_previous.tensor


def _sigmoid(x: Numbers) -> Numbers:
    one = x.dtype.type(1)
    return one / (one + np.exp(-x))


def _unit(c_previous: Numbers, gates: Numbers, cont: Numbers) -> tuple[Numbers, Numbers]:
    i, f, o, g = np.split(gates, 4, axis=1)
    c = cont[:, None] * _sigmoid(f) * c_previous + _sigmoid(i) * np.tanh(g)
    return c, _sigmoid(o) * np.tanh(c)


@lstm_unit.reference
def _lstm_unit_reference(c_previous: Array, gates: Array, cont: Array) -> tuple[Array, Array]:
    c, h = _unit(widened(c_previous), widened(gates), widened(cont))
    return narrowed(c, c_previous), narrowed(h, c_previous)


def _require_sequence(x: Value, cont: Value, w_x: Value, b: Value, w_h: Value, rows: Dim) -> None:
    """Checks what the recurrent layers share: one step or more, `rows` rows of weights for the input."""
    require_floating(x)
    require_same_dtype(x, cont, w_x, b, w_h)
    require_rank_at_least(x, 2)
    if x.shape[0] == 0:
        raise InvalidModelError(f"one step or more is needed, got {x.type!r}")
    require_same_shape(cont.shape, x.shape[:2])
    require_same_shape(w_x.shape, (rows, product(x.shape[2:])))
    require_same_shape(b.shape, (rows,))


def _require_static(x: Value, x_static: Value | None, w_static: Value | None, rows: Dim) -> None:
    if (x_static is None) != (w_static is None):
        raise InvalidModelError("x_static and w_static go together, got only one of them")
    if x_static is not None and w_static is not None:
        require_same_dtype(x, x_static, w_static)
        require_rank_at_least(x_static, 1)
        require_size(x_static.shape[0], x.shape[1], "the number of streams of x_static")
        require_same_shape(w_static.shape, (rows, product(x_static.shape[1:])))


def _require_state(x: Value, state: Value | None, size: Dim) -> None:
    if state is not None:
        require_same_dtype(x, state)
        require_same_shape(state.shape, (1, x.shape[1], size))


@op
def continued_lstm(
    x: Value,
    cont: Value,
    w_x: Value,
    b: Value,
    w_h: Value,
    x_static: Value | None = None,
    w_static: Value | None = None,
    h_start: Value | None = None,
    c_start: Value | None = None,
) -> tuple[TensorType, TensorType, TensorType]:
    """An LSTM over N streams that may each hold several sequences. (Donahue et al. 2015, LRCN; Caffe lstm_layer.cpp)

    x: [T, N, I...], floating; cont: [T, N], 0 where a sequence begins (the state is forgotten there), else 1; w_x:
    [4 * D, I] (the axes of I flattened), b: [4 * D], w_h: [4 * D, D], rows i, f, o, g; x_static: [N, S...], an input
    that counts at each step, with w_static: [4 * D, S]; h_start, c_start: [1, N, D], zeros when absent. Results: h:
    [T, N, D], and the last h and c, each [1, N, D].

    Without start states Caffe's layer goes on from where its last batch ended; this operator has no memory: feed them.
    """
    require_rank(w_h, 2)
    size = w_h.shape[1]
    require_same_shape(w_h.shape, (size * 4, size))
    _require_sequence(x, cont, w_x, b, w_h, size * 4)
    _require_static(x, x_static, w_static, size * 4)
    _require_state(x, h_start, size)
    _require_state(x, c_start, size)
    last = x.tensor.with_shape((1, x.shape[1], size))
    return x.tensor.with_shape((*x.shape[:2], size)), last, last


def _inputs(x: Array, w_x: Array, b: Array, x_static: Array | None, w_static: Array | None) -> Numbers:
    """What the inputs add to the gates at each step, [T, N, rows]."""
    weight = widened(w_x)
    flat = widened(x).reshape(*x.shape[:2], weight.shape[1])
    result: Numbers = flat @ weight.T + widened(b)
    if x_static is not None and w_static is not None:
        side = widened(w_static)
        result = result + widened(x_static).reshape(x_static.shape[0], side.shape[1]) @ side.T
    return result


def _start(state: Array | None, like: Numbers, size: int) -> Numbers:
    """The state before the first step, [N, D]."""
    return np.zeros((like.shape[1], size), like.dtype) if state is None else widened(state)[0]


@continued_lstm.reference
def _continued_lstm_reference(
    x: Array,
    cont: Array,
    w_x: Array,
    b: Array,
    w_h: Array,
    x_static: Array | None,
    w_static: Array | None,
    h_start: Array | None,
    c_start: Array | None,
) -> tuple[Array, Array, Array]:
    added = _inputs(x, w_x, b, x_static, w_static)
    weight, marks = widened(w_h), widened(cont)
    h, c = _start(h_start, added, weight.shape[1]), _start(c_start, added, weight.shape[1])
    result = np.empty((*x.shape[:2], weight.shape[1]), added.dtype)
    for step in range(x.shape[0]):
        c, h = _unit(c, (marks[step][:, None] * h) @ weight.T + added[step], marks[step])
        result[step] = h
    return narrowed(result, x), narrowed(h[None], x), narrowed(c[None], x)


@op
def continued_rnn(
    x: Value,
    cont: Value,
    w_x: Value,
    b: Value,
    w_h: Value,
    w_o: Value,
    b_o: Value,
    x_static: Value | None = None,
    w_static: Value | None = None,
    h_start: Value | None = None,
) -> tuple[TensorType, TensorType]:
    """A plain recurrent network over N streams that may each hold several sequences. (Caffe rnn_layer.cpp)

    x: [T, N, I...], floating; cont: [T, N], 0 where a sequence begins, else 1; w_x: [D, I] (the axes of I flattened),
    b: [D], w_h: [D, D]; w_o: [D, D], b_o: [D]; x_static: [N, S...] with w_static: [D, S]; h_start: [1, N, D], zeros
    when absent. Results: o: [T, N, D], and the last h: [1, N, D].

    h' = tanh(w_h (cont * h) + w_x x + w_static x_static + b); o = tanh(w_o h' + b_o).
    """
    require_rank(w_h, 2)
    size = w_h.shape[1]
    require_same_shape(w_h.shape, (size, size))
    _require_sequence(x, cont, w_x, b, w_h, size)
    require_same_dtype(x, w_o, b_o)
    require_same_shape(w_o.shape, (size, size))
    require_same_shape(b_o.shape, (size,))
    _require_static(x, x_static, w_static, size)
    _require_state(x, h_start, size)
    return x.tensor.with_shape((*x.shape[:2], size)), x.tensor.with_shape((1, x.shape[1], size))


@continued_rnn.reference
def _continued_rnn_reference(
    x: Array,
    cont: Array,
    w_x: Array,
    b: Array,
    w_h: Array,
    w_o: Array,
    b_o: Array,
    x_static: Array | None,
    w_static: Array | None,
    h_start: Array | None,
) -> tuple[Array, Array]:
    added = _inputs(x, w_x, b, x_static, w_static)
    weight, marks = widened(w_h), widened(cont)
    h = _start(h_start, added, weight.shape[1])
    states = np.empty((*x.shape[:2], weight.shape[1]), added.dtype)
    for step in range(x.shape[0]):
        h = np.tanh((marks[step][:, None] * h) @ weight.T + added[step])
        states[step] = h
    outputs: Numbers = np.tanh(states @ widened(w_o).T + widened(b_o))
    return narrowed(outputs, x), narrowed(h[None], x)


@lstm_unit.decompose
def _lstm_unit_decompose(c_previous: Value, gates: Value, cont: Value) -> tuple[Value, Value]:
    size = c_previous.shape[1]
    i, f, o, g = split(gates, axis=1, sizes=(size, size, size, size))
    forget = mul(channelwise(cont, c_previous, axis=0), sigmoid(f))
    c = add(mul(forget, c_previous), mul(sigmoid(i), tanh(g)))
    return c, mul(sigmoid(o), tanh(c))


_NODES_PER_STEP = 32
"""At most so many nodes a step of an unrolled layer makes, its `lstm_unit` taken apart."""


def _steps(x: Value) -> int:
    """The number of steps, small enough to write each of them down.

    Raises:
        UnsupportedError: if it is not known before the model runs.
        UnsafeError: if the unrolled layer would have more nodes than `xir.limits` allows.
    """
    steps = x.shape[0]
    if not isinstance(steps, int):
        raise UnsupportedError(
            f"a recurrent layer over {steps!r} steps cannot be unrolled: their number must be known",
            hint="fix the first size of the sequence, for example with --input x=f32[20,1,300]",
        )
    check_inlined(steps * _NODES_PER_STEP, what=f"a recurrent layer of {steps} steps", limit=MAX_UNROLLED_NODES)
    return steps


def _rows(x: Value, weight: Value, bias: Value | None) -> Value:
    """`x: [R, I]` times the transposed `weight: [J, I]`, plus `bias: [J]` in each row."""
    shape = (x.shape[0], weight.shape[0])
    addend = None if bias is None else broadcast(bias, shape=shape)
    return gemm(x, weight, addend, alpha=1.0, beta=1.0, transpose_a=False, transpose_b=True)


def _built_inputs(x: Value, w_x: Value, b: Value, x_static: Value | None, w_static: Value | None) -> list[Value]:
    """What the inputs add to the gates, one [N, rows] a step."""
    steps, streams = _steps(x), x.shape[1]
    flat = reshape(x, shape=(steps * streams, w_x.shape[1]))
    added = reshape(_rows(flat, w_x, b), shape=(steps, streams, w_x.shape[0]))
    parts = [reshape(part, shape=part.shape[1:]) for part in split(added, axis=0, sizes=(1,) * steps)]
    if x_static is None or w_static is None:
        return parts
    side = _rows(reshape(x_static, shape=(streams, w_static.shape[1])), w_static, None)
    return [add(part, side) for part in parts]


def _built_state(state: Value | None, x: Value, size: Dim) -> Value:
    """The state before the first step, [N, D]."""
    if state is not None:
        return reshape(state, shape=(x.shape[1], size))
    zero = constant(value=constant_of(np.zeros((), x.dtype.dtype)))
    return broadcast(zero, shape=(x.shape[1], size))


def _marks(cont: Value, steps: int) -> list[Value]:
    """The continuation marks, one [N] a step."""
    return [reshape(mark, shape=mark.shape[1:]) for mark in split(cont, axis=0, sizes=(1,) * steps)]


def _step_input(h: Value, mark: Value, weight: Value, added: Value) -> Value:
    """What enters the activations of one step: weight (mark * h) + added."""
    kept = mul(h, channelwise(mark, h, axis=0))
    return gemm(kept, weight, added, alpha=1.0, beta=1.0, transpose_a=False, transpose_b=True)


def _stacked(states: list[Value]) -> Value:
    """States [N, D], one a step, as [T, N, D]."""
    return concat(*(reshape(state, shape=(1, *state.shape)) for state in states), axis=0)


@continued_lstm.decompose
def _continued_lstm_decompose(
    x: Value,
    cont: Value,
    w_x: Value,
    b: Value,
    w_h: Value,
    x_static: Value | None = None,
    w_static: Value | None = None,
    h_start: Value | None = None,
    c_start: Value | None = None,
) -> tuple[Value, Value, Value]:
    added = _built_inputs(x, w_x, b, x_static, w_static)
    size = w_h.shape[1]
    h, c = _built_state(h_start, x, size), _built_state(c_start, x, size)
    states: list[Value] = []
    for mark, part in zip(_marks(cont, len(added)), added, strict=True):
        c, h = lstm_unit(c, _step_input(h, mark, w_h, part), mark)
        states.append(h)
    last = (1, x.shape[1], size)
    return _stacked(states), reshape(h, shape=last), reshape(c, shape=last)


@continued_rnn.decompose
def _continued_rnn_decompose(
    x: Value,
    cont: Value,
    w_x: Value,
    b: Value,
    w_h: Value,
    w_o: Value,
    b_o: Value,
    x_static: Value | None = None,
    w_static: Value | None = None,
    h_start: Value | None = None,
) -> tuple[Value, Value]:
    added = _built_inputs(x, w_x, b, x_static, w_static)
    size = w_h.shape[1]
    h = _built_state(h_start, x, size)
    states: list[Value] = []
    for mark, part in zip(_marks(cont, len(added)), added, strict=True):
        h = tanh(_step_input(h, mark, w_h, part))
        states.append(h)
    outputs = tanh(_rows(concat(*states, axis=0), w_o, b_o))
    return reshape(outputs, shape=(*x.shape[:2], size)), reshape(h, shape=(1, x.shape[1], size))
