"""What ONNX's recurrent layers share: the functions of their gates, directions, sequences of different lengths."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, TypeAlias

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.dims import Dim
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType
from xir.limits import MAX_UNROLLED_NODES
from xir.ops._build import channelwise, scalar_like
from xir.ops._checks import require_dtype, require_floating, require_rank, require_same_dtype, require_same_shape
from xir.ops._wide import scalar, wide
from xir.ops._windows import Numbers, widened
from xir.ops.activation import elu, hard_sigmoid, leaky_relu, relu, sigmoid, softplus, softsign, tanh
from xir.ops.compare import greater, less
from xir.ops.control import scan
from xir.ops.elementwise import add, clip, mul, select
from xir.ops.matmul import gemm
from xir.ops.shape import broadcast, concat, iota, reshape, slice_, split

GateName = Literal[
    "relu",
    "tanh",
    "sigmoid",
    "affine",
    "leaky_relu",
    "thresholded_relu",
    "scaled_tanh",
    "hard_sigmoid",
    "elu",
    "softsign",
    "softplus",
]
GateFunction: TypeAlias = tuple[GateName, float, float]
"""A function's name, its alpha and its beta; 0 where it has none."""

HAS_ALPHA: tuple[GateName, ...] = (
    "affine",
    "leaky_relu",
    "thresholded_relu",
    "scaled_tanh",
    "hard_sigmoid",
    "elu",
)
HAS_BETA: tuple[GateName, ...] = ("affine", "scaled_tanh", "hard_sigmoid")

Direction = Literal["forward", "reverse", "bidirectional"]


def applied(function: GateFunction, x: Numbers) -> Numbers:
    """The function of a gate, by the formulas of ONNX LSTM's text (onnx.defs)."""
    name, alpha, beta = function
    a, b = x.dtype.type(alpha), x.dtype.type(beta)
    with np.errstate(over="ignore"):
        formulas: dict[GateName, Callable[[], Numbers]] = {
            "relu": lambda: np.maximum(x, 0),
            "tanh": lambda: np.tanh(x),
            "sigmoid": lambda: 1 / (1 + np.exp(-x)),
            "affine": lambda: a * x + b,
            "leaky_relu": lambda: np.where(x >= 0, x, a * x),
            "thresholded_relu": lambda: np.where(x >= a, x, 0),
            "scaled_tanh": lambda: a * np.tanh(b * x),
            "hard_sigmoid": lambda: np.clip(a * x + b, 0, 1),
            "elu": lambda: np.where(x >= 0, x, a * np.expm1(np.minimum(x, 0))),
            "softsign": lambda: x / (1 + np.abs(x)),
            "softplus": lambda: np.logaddexp(x, 0),
        }
        return formulas[name]().astype(x.dtype, copy=False)


def built(function: GateFunction, x: Value) -> Value:
    """`applied` as a graph."""
    name, alpha, beta = function
    formulas: dict[GateName, Callable[[], Value]] = {
        "relu": lambda: relu(x),
        "tanh": lambda: tanh(x),
        "sigmoid": lambda: sigmoid(x),
        "affine": lambda: add(mul(x, scalar_like(x, alpha)), scalar_like(x, beta)),
        "leaky_relu": lambda: leaky_relu(x, alpha=alpha),
        "thresholded_relu": lambda: select(less(x, scalar_like(x, alpha)), scalar_like(x, 0.0), x),
        "scaled_tanh": lambda: mul(tanh(mul(x, scalar_like(x, beta))), scalar_like(x, alpha)),
        "hard_sigmoid": lambda: hard_sigmoid(x, alpha=alpha, beta=beta),
        "elu": lambda: elu(x, alpha=alpha),
        "softsign": lambda: softsign(x),
        "softplus": lambda: softplus(x),
    }
    return formulas[name]()


def clipped(x: Numbers, bound: float | None) -> Numbers:
    """`x` within [-bound, bound], where there is a bound."""
    return x if bound is None else np.clip(x, -bound, bound)


def built_clipped(x: Value, bound: float | None) -> Value:
    """`clipped` as a graph."""
    return x if bound is None else clip(x, minimum=-bound, maximum=bound)


def directions_of(direction: Direction) -> tuple[bool, ...]:
    """For each direction, whether it runs from the last step to the first."""
    return {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}[direction]


def require_layer(
    x: Value,
    w: Value,
    r: Value,
    gates: int,
    direction: Direction,
    functions: Sequence[GateFunction],
    functions_each: int,
    clip: float | None,
) -> Dim:
    """Checks what RNN, GRU and LSTM share; returns the number of hidden units."""
    require_floating(x)
    require_same_dtype(x, w, r)
    for value in (x, w, r):
        require_rank(value, 3)
    count, hidden = len(directions_of(direction)), r.shape[2]
    require_same_shape(w.shape, (count, hidden * gates, x.shape[2]))
    require_same_shape(r.shape, (count, hidden * gates, hidden))
    if len(functions) != functions_each * count:
        raise InvalidModelError(f"{functions_each * count} functions are needed, got {len(functions)}")
    for name, alpha, beta in functions:
        if (alpha and name not in HAS_ALPHA) or (beta and name not in HAS_BETA):
            raise InvalidModelError(f"{name} has no such numbers: alpha {alpha}, beta {beta}")
    if clip is not None and not clip >= 0:
        raise InvalidModelError(f"the bound of clipping must be positive, got {clip}")
    return hidden


def require_parameter(x: Value, parameter: Value | None, *shape: Dim) -> None:
    """Checks an optional operand of the type of `x`."""
    if parameter is not None:
        require_same_dtype(x, parameter)
        require_same_shape(parameter.shape, shape)


def require_lengths(x: Value, lengths: Value | None) -> None:
    """Checks the lengths of the sequences, i32[N]."""
    if lengths is not None:
        require_dtype(lengths, DType.INT32)
        require_same_shape(lengths.shape, (x.shape[1],))


def part(array: Array | None, index: int, *shape: int, like: Array) -> Numbers:
    """An optional operand's part for one direction; zeros of `shape` where it is absent."""
    return np.zeros(shape, widened(like).dtype) if array is None else widened(array)[index]


Step = Callable[[int, tuple[Numbers, ...]], tuple[Numbers, ...]]
Held: TypeAlias = tuple[Value | None, ...]
BuiltStep = Callable[[Value, tuple[Value, ...], Held], tuple[Value, ...]]
"""(what the inputs add to the gates, states, weights) -> new states."""

Sweep: TypeAlias = tuple[Numbers, tuple[Numbers, ...]]
BuiltSweep: TypeAlias = tuple[Value, tuple[Value, ...]]
"""The outputs of all steps, and the last states."""


def sweep(steps: int, backward: bool, lengths: Array | None, states: tuple[Numbers, ...], step: Step) -> Sweep:
    """Runs `step` over the steps of one direction.

    Args:
        steps: how many there are.
        backward: whether the last one comes first; a sequence begins where its length ends.
        lengths: [N], the steps of each sequence; behind them nothing changes and the outputs are 0.
        states: [N, H] each, the hidden state first.
        step: (step, states) -> new states.

    Returns:
        the hidden states [T, N, H] and the last states.

    Raises:
        InvalidModelError: if a sequence is longer than there are steps.
    """
    if lengths is not None and lengths.size and not 0 <= int(lengths.min()) <= int(lengths.max()) <= steps:
        raise InvalidModelError(f"sequences of {lengths.min()} to {lengths.max()} steps, where there are {steps}")
    outputs = np.zeros((steps, *states[0].shape), states[0].dtype)
    for index in reversed(range(steps)) if backward else range(steps):
        made = step(index, states)
        if lengths is None:
            outputs[index], states = made[0], made
            continue
        alive = np.greater(lengths.astype(np.int64), index)[:, None]
        outputs[index] = np.where(alive, made[0], 0)
        states = tuple(np.where(alive, new, old) for new, old in zip(made, states, strict=True))
    return outputs, states


ROLLED_FROM = 4
"""So many steps are a scan inside `rolled`: fewer are better off as kernels of one piece."""

_rolls: ContextVar[bool] = ContextVar("xir_rolls", default=False)


@contextmanager
def rolled() -> Generator[None]:
    """Inside, layers become scans wherever there are some steps, for who runs loops as fast as what is written out."""
    token = _rolls.set(True)
    try:
        yield
    finally:
        _rolls.reset(token)


def built_sweep(
    added: Value, backward: bool, lengths: Value | None, states: tuple[Value, ...], held: Held, step: BuiltStep
) -> BuiltSweep:
    """`sweep` as a graph: step after step, or the body of a scan where steps are many or only the run tells how many.

    Args:
        added: [T, N, J], what the inputs add to the gates.
        backward: as in `sweep`.
        lengths: as in `sweep`.
        states: as in `sweep`.
        held: the weights that `step` reads.
        step: as in `sweep`.
    """
    steps = added.shape[0]
    most = ROLLED_FROM - 1 if _rolls.get() else MAX_UNROLLED_NODES // _NODES_PER_STEP
    if not isinstance(steps, int) or not 0 < steps <= most:
        return _scanned(added, backward, lengths, states, held, step)
    rows = [reshape(each, shape=each.shape[1:]) for each in split(added, axis=0, sizes=(1,) * steps)]
    outputs: list[Value] = []
    for index in reversed(range(steps)) if backward else range(steps):
        at = None if lengths is None else scalar(lengths.dtype, index)
        output, states = _built_step(rows[index], lengths, at, states, held, step)
        outputs.append(reshape(output, shape=(1, *output.shape)))
    return concat(*(reversed(outputs) if backward else outputs), axis=0), states


def _built_step(
    row: Value, lengths: Value | None, at: Value | None, states: tuple[Value, ...], held: Held, step: BuiltStep
) -> BuiltSweep:
    """The output of step `at`, and the states after it; behind the end of a sequence 0, and the states before."""
    made = step(row, states, held)
    output = made[0]
    if lengths is None or at is None:
        return output, made
    alive = channelwise(greater(lengths, broadcast(at, shape=lengths.shape)), output, axis=0)
    kept = tuple(select(alive, new, old) for new, old in zip(made, states, strict=True))
    return select(alive, output, scalar_like(output, 0.0)), kept


def _scanned(
    added: Value, backward: bool, lengths: Value | None, states: tuple[Value, ...], held: Held, step: BuiltStep
) -> BuiltSweep:
    scanned, axes = [added], [0]
    if lengths is not None:
        scanned.append(iota(shape=(added.shape[0],), axis=0, dtype=lengths.dtype))
        axes.append(0)
    outside = [value for value in (*held, lengths) if value is not None]
    inner = {value: Value(value.type) for value in outside}
    before = tuple(Value(state.type) for state in states)
    slices = [Value(value.tensor.with_shape(value.shape[1:])) for value in scanned]
    row, at = slices[0], slices[1] if lengths is not None else None
    inside = tuple(None if value is None else inner[value] for value in held)
    output, after = _built_step(row, None if lengths is None else inner[lengths], at, before, inside, step)
    inputs = (*before, *slices, *inner.values())
    names = {value: f"in{index}" for index, value in enumerate(inputs)}
    results = (*after, output)
    body = Graph("step", inputs, results, tuple(f"out{index}" for index in range(len(results))), names=names)
    made = scan(
        *states,
        *scanned,
        *inner,
        body=body,
        states=len(states),
        axes=tuple(axes),
        reversed_inputs=(backward,) * len(axes),
        result_axes=(0,),
        reversed_results=(backward,),
    )
    return made[-1], tuple(made[:-1])


_NODES_PER_STEP = 128
"""At most so many nodes a step of one direction makes, its operators taken apart."""


def weight_of(held: Held, index: int) -> Value:
    """A weight that is there.

    Raises:
        InvalidModelError: if it is absent: a mistake of the layer's own.
    """
    found = held[index]
    if found is None:
        raise InvalidModelError("a recurrent layer has no weights")
    return found


def built_part(parameter: Value | None, index: int) -> Value | None:
    """An operand's part for one direction, in the type in which sums are taken; None where it is absent."""
    if parameter is None:
        return None
    cut = slice_(parameter, axes=(0,), starts=(index,), stops=(index + 1,), steps=(1,))
    return wide(reshape(cut, shape=parameter.shape[1:]))


def present_part(parameter: Value, index: int) -> Value:
    """`built_part` of an operand that is there."""
    found = built_part(parameter, index)
    return parameter if found is None else found


def built_state(state: Value | None, index: int, x: Value, hidden: Dim) -> Value:
    """The state before the first step of one direction, [N, H]; zeros where it is absent."""
    found = built_part(state, index)
    return found if found is not None else broadcast(scalar(wide(x).dtype, 0.0), shape=(x.shape[1], hidden))


def product(x: Value, weight: Value, bias: Value | None = None) -> Value:
    """`x: [M, K]` times the transposed `weight: [J, K]`, plus `bias: [J]` in each row."""
    shape = (x.shape[0], weight.shape[0])
    addend = None if bias is None else broadcast(bias, shape=shape)
    return gemm(x, weight, addend, alpha=1.0, beta=1.0, transpose_a=False, transpose_b=True)


def built_inputs(x: Value, weight: Value, bias: Value | None) -> Value:
    """What the inputs add to the gates, [T, N, J]."""
    steps, streams, size = x.shape
    flat = reshape(wide(x), shape=(steps * streams, size))
    return reshape(product(flat, weight, bias), shape=(steps, streams, weight.shape[0]))


def halves(bias: Value | None, count: int, hidden: Dim) -> tuple[Value | None, Value | None]:
    """The input's and the state's part of a bias of 2 * count * hidden numbers."""
    if bias is None:
        return None, None
    first, second = split(bias, axis=0, sizes=(hidden * count, hidden * count))
    return first, second


def stacked(sweeps: Sequence[Value], axis: int) -> Value:
    """The results of the directions, side by side along a new axis."""
    parts = [reshape(each, shape=(*each.shape[:axis], 1, *each.shape[axis:])) for each in sweeps]
    return parts[0] if len(parts) == 1 else concat(*parts, axis=axis)
