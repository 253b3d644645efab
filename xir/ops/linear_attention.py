"""Attention whose memory is one matrix a head, updated step after step."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from xir.errors import InvalidModelError, UnsupportedError
from xir.ir.constant import Array
from xir.ir.dims import Dim
from xir.ir.node import Value
from xir.ir.types import TensorType
from xir.limits import check_inlined
from xir.ops._checks import require_floating, require_rank, require_same_dtype, require_same_shape, require_size
from xir.ops._define import op
from xir.ops._wide import narrow, scalar, wide
from xir.ops._windows import Numbers, narrowed, widened
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


_NODES_PER_STEP = 48
"""At most so many nodes a step makes, its operators taken apart."""


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
    batch, steps, size = q.shape[0], q.shape[1], q.shape[2] // heads
    width = v.shape[2] // shared_heads
    if not isinstance(steps, int) or steps == 0 or not isinstance(size, int):
        raise UnsupportedError(
            f"linear attention over {q.type!r} cannot be unrolled: there must be a known number of steps",
            hint="fix the sizes of the sequence, for example with --input x=f32[1,20,256]",
        )
    check_inlined(steps * _NODES_PER_STEP, what=f"linear attention over {steps} steps")
    queries = mul(wide(q), broadcast(scalar(wide(q).dtype, _factor(scale, size)), shape=q.shape))
    shape = (batch, shared_heads, size, width)
    state = broadcast(scalar(queries.dtype, 0.0), shape=shape) if past is None else narrow(wide(past), queries.dtype)
    outputs: list[Value] = []
    for step in range(steps):
        key = _at(k, step, (batch, shared_heads, size, 1))
        value = _at(v, step, (batch, shared_heads, 1, width))
        if decay is not None:
            state = mul(state, broadcast(exp(_of_heads(decay, step, shared_heads)), shape=shape))
        if beta is not None:
            missing = sub(value, matmul(transpose(key, perm=(0, 1, 3, 2)), state))
            value = mul(broadcast(_of_heads(beta, step, shared_heads), shape=missing.shape), missing)
        state = add(state, matmul(key, value))
        query = _at(queries, step, (batch, shared_heads, heads // shared_heads, size))
        outputs.append(reshape(matmul(query, state), shape=(batch, 1, width * heads)))
    return narrow(concat(*outputs, axis=1), q.dtype), narrow(state, q.dtype if past is None else past.dtype)


def _factor(scale: float | None, size: int) -> float:
    return 1 / math.sqrt(max(size, 1)) if scale is None else scale


def _at(x: Value, step: int, shape: tuple[Dim, ...]) -> Value:
    """One step of `x: [B, T, ...]` in another shape."""
    return reshape(slice_(wide(x), axes=(1,), starts=(step,), stops=(step + 1,), steps=(1,)), shape=shape)


def _of_heads(gate: Value, step: int, heads: int) -> Value:
    """One step of a gate [B, T, 1], [B, T, H] or [B, T, H * D] as [B, 1 or H, 1 or D, 1]."""
    width = gate.shape[2]
    count = 1 if width == 1 else heads
    return _at(gate, step, (gate.shape[0], count, width // count, 1))
