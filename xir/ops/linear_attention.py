"""Attention whose memory is one matrix a head, updated step after step."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from xir.errors import InvalidModelError, UnsupportedError
from xir.ir.constant import Array
from xir.ir.dims import Dim
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import TensorType
from xir.ops._checks import require_floating, require_rank, require_same_dtype, require_same_shape, require_size
from xir.ops._define import op
from xir.ops._wide import narrow, scalar, wide
from xir.ops._windows import Numbers, narrowed, widened
from xir.ops.control import scan
from xir.ops.elementwise import add, exp, mul, sub
from xir.ops.matmul import matmul
from xir.ops.shape import broadcast, concat, reshape, slice_, transpose

Rule = Literal["linear", "gated", "delta", "gated_delta"]


@op
def linear_attention(
    q: Value,
    k: Value,
    v: Value,
    past: Value | None = None,
    decay: Value | None = None,
    beta: Value | None = None,
    *,
    heads: int,
    shared_heads: int,
    scale: float | None,
    rule: Rule,
) -> tuple[TensorType, TensorType]:
    """Linear attention with a memory S for each head of keys (ONNX LinearAttention; Yang et al. 2024, Gated DeltaNet).

    q: [B, T, heads * D], k: [B, T, H * D], v: [B, T, H * E], floating, H = shared_heads, which divides heads; past:
    [B, H, D, E], floating, zeros where absent; decay (for the gated rules): [B, T, H * D] or [B, T, H]; beta (for the
    delta rules): [B, T, H] or [B, T, 1]. At each step S becomes exp(decay) * S when gated, then S + k (x) v, or with a
    delta rule S + k (x) (beta * (v - S^T k)); the output is `scale` (1 / sqrt(D) where None) times q^T S. Results: [B,
    T, heads * E] in the type of q, and the last S [B, H, D, E] in the type of past, or of q where that is absent.
    """
    require_floating(q)
    require_same_dtype(q, k, v)
    for value in (q, k, v):
        require_rank(value, 3)
    if heads < 1 or shared_heads < 1 or heads % shared_heads:
        raise InvalidModelError(f"{heads} heads of queries cannot share {shared_heads} heads of keys")
    size, width = _divided(q, heads), _divided(v, shared_heads)
    _divided(k, shared_heads)
    require_same_shape(k.shape, (*q.shape[:2], size * shared_heads))
    require_same_shape(v.shape[:2], q.shape[:2])
    _require_gates(q, decay, beta, rule, shared_heads, size)
    state = q.tensor.with_shape((q.shape[0], shared_heads, size, width))
    if past is not None:
        require_floating(past)
        require_same_shape(past.shape, state.shape)
        state = state.with_dtype(past.dtype)
    return q.tensor.with_shape((*q.shape[:2], width * heads)), state


def _divided(x: Value, heads: int) -> Dim:
    width = x.shape[2]
    if isinstance(width, int) and width % heads:
        raise InvalidModelError(f"{heads} heads do not fit into {x.type!r}")
    return width // heads


def _require_gates(q: Value, decay: Value | None, beta: Value | None, rule: Rule, heads: int, size: Dim) -> None:
    for name, gate, needed, widths in (
        ("decay", decay, "gated" in rule, (heads, size * heads)),
        ("beta", beta, "delta" in rule, (1, heads)),
    ):
        if (gate is not None) != needed:
            raise InvalidModelError(f"the rule {rule!r} {'needs' if needed else 'has no'} {name}")
        if gate is not None:
            require_same_dtype(q, gate)
            require_rank(gate, 3)
            require_same_shape(gate.shape[:2], q.shape[:2])
            if gate.shape[2] not in widths:
                require_size(gate.shape[2], widths[1], f"the last size of {name}")


def _taken_apart(x: Array | None, heads: int) -> Numbers | None:
    """[B, T, H * D] as [T, B, H, D]."""
    if x is None:
        return None
    batch, steps, width = x.shape
    return widened(x).reshape(batch, steps, heads, width // heads).swapaxes(0, 1)


@linear_attention.reference
def _linear_attention_reference(
    q: Array,
    k: Array,
    v: Array,
    past: Array | None,
    decay: Array | None,
    beta: Array | None,
    *,
    heads: int,
    shared_heads: int,
    scale: float | None,
    rule: Rule,
) -> tuple[Array, Array]:
    batch, steps, width = q.shape
    size, groups = width // heads, heads // shared_heads
    queries = widened(q).reshape(batch, steps, shared_heads, groups, size)
    keys, values = widened(k).reshape(batch, steps, shared_heads, size, 1), widened(v)
    values = values.reshape(batch, steps, shared_heads, 1, values.shape[2] // shared_heads)
    state: Numbers = np.zeros((batch, shared_heads, size, values.shape[4]), keys.dtype)
    if past is not None:
        state = widened(past).astype(keys.dtype, copy=False)
    gates = _taken_apart(decay, shared_heads)
    rates = _taken_apart(beta, 1 if beta is None else min(beta.shape[2], shared_heads))
    factor = keys.dtype.type(_factor(scale, size))
    y = np.zeros((batch, steps, shared_heads, groups, values.shape[4]), keys.dtype)
    for step in range(steps):
        if gates is not None:
            state = state * np.exp(gates[step])[..., None]
        value = values[:, step]
        if rates is not None:
            value = rates[step][..., None] * (value - keys[:, step].swapaxes(2, 3) @ state)
        state = state + keys[:, step] * value
        y[:, step] = factor * (queries[:, step] @ state)
    last = state.astype(q.dtype if past is None else past.dtype)
    return narrowed(y.reshape(batch, steps, heads * values.shape[4]), q), last


_MAX_UNROLLED = 16
"""Up to so many steps are written down one by one; more are the body of a scan."""


@linear_attention.decompose
def _linear_attention_decompose(
    q: Value,
    k: Value,
    v: Value,
    past: Value | None = None,
    decay: Value | None = None,
    beta: Value | None = None,
    *,
    heads: int,
    shared_heads: int,
    scale: float | None,
    rule: Rule,
) -> tuple[Value, Value]:
    steps, size = q.shape[1], q.shape[2] // heads
    if not isinstance(size, int):
        raise UnsupportedError(
            f"linear attention over {q.type!r} needs a known head size",
            hint="fix the sizes of the sequence, for example with --input x=f32[1,20,256]",
        )
    queries = mul(wide(q), broadcast(scalar(wide(q).dtype, _factor(scale, size)), shape=q.shape))
    shape = (q.shape[0], shared_heads, size, v.shape[2] // shared_heads)
    state = broadcast(scalar(queries.dtype, 0.0), shape=shape) if past is None else narrow(wide(past), queries.dtype)
    rows = [queries, wide(k), wide(v), *(wide(gate) for gate in (decay, beta) if gate is not None)]
    gates = (decay is not None, beta is not None)
    if isinstance(steps, int) and 0 < steps <= _MAX_UNROLLED:
        outputs: list[Value] = []
        for step in range(steps):
            state, y = _step(state, [_at(row, step) for row in rows], heads, gates)
            outputs.append(reshape(y, shape=(y.shape[0], 1, y.shape[1])))
        result = concat(*outputs, axis=1)
    else:
        state, result = _scanned(state, rows, heads, gates)
    return narrow(result, q.dtype), narrow(state, q.dtype if past is None else past.dtype)


def _step(state: Value, rows: list[Value], heads: int, gates: tuple[bool, bool]) -> tuple[Value, Value]:
    """The memory after one step, and its output [B, heads * E]; `rows` are [B, width] each."""
    batch, shared_heads, size, width = state.shape
    query, key, value = rows[:3]
    key = reshape(key, shape=(batch, shared_heads, size, 1))
    value = reshape(value, shape=(batch, shared_heads, 1, width))
    if gates[0]:
        state = mul(state, broadcast(exp(_of_heads(rows[3], shared_heads)), shape=state.shape))
    if gates[1]:
        missing = sub(value, matmul(transpose(key, perm=(0, 1, 3, 2)), state))
        value = mul(broadcast(_of_heads(rows[-1], shared_heads), shape=missing.shape), missing)
    state = add(state, matmul(key, value))
    groups = heads // shared_heads if isinstance(shared_heads, int) else 1
    y = matmul(reshape(query, shape=(batch, shared_heads, groups, size)), state)
    return state, reshape(y, shape=(batch, width * heads))


def _scanned(state: Value, rows: list[Value], heads: int, gates: tuple[bool, bool]) -> tuple[Value, Value]:
    """The steps as the body of a scan, for a number of them that only the run tells, or that is large."""
    held = Value(state.type)
    slices = [Value(row.tensor.with_shape((row.shape[0], row.shape[2]))) for row in rows]
    inputs = (held, *slices)
    names = {value: f"in{index}" for index, value in enumerate(inputs)}
    body = Graph("step", inputs, _step(held, slices, heads, gates), ("state", "y"), names=names)
    count = len(rows)
    last, result = scan(
        state,
        *rows,
        body=body,
        states=1,
        axes=(1,) * count,
        reversed_inputs=(False,) * count,
        result_axes=(1,),
        reversed_results=(False,),
    )
    return last, result


def _factor(scale: float | None, size: int) -> float:
    return 1 / math.sqrt(max(size, 1)) if scale is None else scale


def _at(x: Value, step: int) -> Value:
    """One step of `x: [B, T, W]`, as [B, W]."""
    cut = slice_(x, axes=(1,), starts=(step,), stops=(step + 1,), steps=(1,))
    return reshape(cut, shape=(x.shape[0], x.shape[2]))


def _of_heads(gate: Value, heads: Dim) -> Value:
    """One step of a gate [B, 1], [B, H] or [B, H * D] as [B, 1 or H, 1 or D, 1]."""
    width = gate.shape[1]
    count: Dim = 1 if width == 1 else heads
    return reshape(gate, shape=(gate.shape[0], count, width // count, 1))
