"""A causal convolution of each channel that carries its last inputs on."""

from __future__ import annotations

from typing import Literal

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.node import Value
from xir.ir.types import TensorType
from xir.ops._checks import require_floating, require_rank, require_same_dtype, require_same_shape
from xir.ops._define import op
from xir.ops._wide import narrow, scalar, wide
from xir.ops._windows import Numbers, narrowed, widened
from xir.ops.activation import swish
from xir.ops.conv import conv
from xir.ops.shape import broadcast, concat, slice_

Activation = Literal["none", "silu"]


@op
def causal_conv(
    x: Value, weight: Value, bias: Value | None = None, past: Value | None = None, *, activation: Activation
) -> tuple[TensorType, TensorType]:
    """Each channel convolved with its own kernel over this and earlier places (ONNX CausalConvWithState).

    x: [N, C, L], floating; weight: [C, 1, K], the last tap at the place itself; bias: [C]; past: [N, C, K - 1], what
    came before, zeros where absent. Results, in the type of `x`: [N, C, L], through x * sigmoid(x) with "silu"; and
    the last K - 1 inputs, [N, C, K - 1]. (Gu and Dao 2023, Mamba)
    """
    require_floating(x)
    require_same_dtype(x, weight)
    require_rank(x, 3)
    require_rank(weight, 3)
    n, channels, _ = x.shape
    taps = weight.shape[2]
    if not isinstance(taps, int) or taps < 1:
        raise InvalidModelError(f"a known number of taps is needed, got {weight.type!r}")
    require_same_shape(weight.shape, (channels, 1, taps))
    state = x.tensor.with_shape((n, channels, taps - 1))
    for operand, shape in ((bias, (channels,)), (past, state.shape)):
        if operand is not None:
            require_same_dtype(x, operand)
            require_same_shape(operand.shape, shape)
    return x.tensor, state


@causal_conv.reference
def _causal_conv_reference(
    x: Array, weight: Array, bias: Array | None, past: Array | None, *, activation: Activation
) -> tuple[Array, Array]:
    taps, length = weight.shape[2], x.shape[2]
    before = np.zeros((*x.shape[:2], taps - 1), x.dtype) if past is None else past
    line = np.concatenate([before, x], axis=2)
    wide_line, kernel = widened(line), widened(weight)[:, 0]
    y: Numbers = np.zeros(x.shape, wide_line.dtype)
    for tap in range(taps):
        y = y + wide_line[:, :, tap : tap + length] * kernel[:, tap, None]
    if bias is not None:
        y = y + widened(bias)[:, None]
    if activation == "silu":
        with np.errstate(over="ignore"):
            y = y / (1 + np.exp(-y))
    return narrowed(y, x), line[:, :, length:]


@causal_conv.decompose
def _causal_conv_decompose(
    x: Value, weight: Value, bias: Value | None = None, past: Value | None = None, *, activation: Activation
) -> tuple[Value, Value]:
    n, channels, length = x.shape
    taps, groups = weight.shape[2], channels
    if not isinstance(groups, int) or not isinstance(taps, int):
        raise InvalidModelError(f"a known number of channels is needed, got {x.type!r}")
    before = past if past is not None else broadcast(scalar(x.dtype, 0.0), shape=(n, channels, taps - 1))
    line = concat(before, x, axis=2)
    y = conv(
        wide(line),
        wide(weight),
        None if bias is None else wide(bias),
        strides=(1,),
        padding=((0, 0),),
        dilation=(1,),
        input_dilation=(1,),
        groups=groups,
    )
    if activation == "silu":
        y = swish(y, beta=1.0)
    state = slice_(line, axes=(2,), starts=(length,), stops=(length + taps - 1,), steps=(1,))
    return narrow(y, x.dtype), state
