"""The basic kernel of LSTM: one step whose four gates are one product.

Facts: `basic::Prepare`, `basic::Eval` (tensorflow/lite/kernels/lstm.cc), `LstmCell` (kernels/internal/reference/
reference_ops.h), for f32 and for u8 with cells of i16, these bit by bit.
"""

from __future__ import annotations

import numpy as np

from xir.frontends.tflite._fixed_point import (
    doubled_product,
    looked_up,
    rescaled,
    rounded_down,
    saturated,
    sigmoid_table,
    sum16,
    tanh_table,
)
from xir.frontends.tflite.site import Site, as_dtype, literal
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import elementwise
from xir.ops._build import scalar_like
from xir.ops.activation import sigmoid, tanh
from xir.ops.matmul import gemm
from xir.ops.quantize_product import matmul_integer
from xir.ops.shape import broadcast, concat, split, transpose

_H, _C, _BIAS = 1, 4, 3
"""The places of the two states and of the bias among the operands."""

_CELL_SCALE = 2.0**-11
"""What a step of the cell stands for in integers: 4 bits before the point, the only case that LiteRT has."""


def basic_lstm(site: Site, x: Value, h: Value, w: Value, bias: Value, c: Value) -> tuple[Value, ...]:
    """One step: x [N, I], h [N, H], w [4 * H, I + H] of input, cell, forget, output gate, bias [4 * H], c [N, H].

    Results: the new h and c, the joined inputs [N, I + H], what goes into the gates [N, 4 * H].
    """
    joined = concat(x, h, axis=1)
    if site.operand_quantization(0) is None:
        new_h, new_c, entered = _real(joined, w, bias, c)
    else:
        new_h, new_c, entered = _integer(site, joined, w, bias, c)
    for place, value in ((_H, new_h), (_C, new_c)):
        tensor = site.operands[place]
        if tensor is not None and tensor.is_variable:
            site.flow.update(site.operator, place, value)
    return new_h, new_c, joined, entered


def _real(joined: Value, w: Value, bias: Value, c: Value) -> tuple[Value, Value, Value]:
    product = gemm(joined, w, None, alpha=1.0, beta=0.0, transpose_a=False, transpose_b=True)
    entered = elementwise.add(product, broadcast(bias, shape=product.shape))
    first, new, forget, output = _gates(entered)
    taken = elementwise.mul(sigmoid(first), tanh(new))
    cell = elementwise.add(taken, elementwise.mul(sigmoid(forget), c))
    return elementwise.mul(sigmoid(output), tanh(cell)), cell, entered


def _gates(entered: Value) -> tuple[Value, ...]:
    size = entered.shape[1] // 4
    return split(entered, axis=1, sizes=(size,) * 4)


def _integer(site: Site, joined: Value, w: Value, bias: Value, c: Value) -> tuple[Value, Value, Value]:
    """u8 with cells of i16; the inputs have the zero point 128 whatever the file says, as in LiteRT."""
    weights, biases, cells = (site.operand_quantization(place) for place in (2, _BIAS, _C))
    if weights is None or biases is None or cells is None or cells.scales[0] != _CELL_SCALE:
        site.refuse("a basic LSTM of integers whose cells do not have the scale 2 ** -11, as LiteRT needs")
    if joined.dtype is not DType.UINT8 or c.dtype is not DType.INT16:
        site.refuse("a basic LSTM of integers that are not u8, its cells i16")
    point = literal(128, DType.UINT8)
    zero = literal(weights.zero_points[0], DType.UINT8)
    product = matmul_integer(joined, transpose(w, perm=(1, 0)), point, zero)
    product = elementwise.add(product, broadcast(bias, shape=product.shape))
    entered = saturated(rescaled(product, 4096 * float(np.float32(biases.scales[0]))), DType.INT16)
    first, new, forget, output = _gates(entered)
    taken = rounded_down(doubled_product(looked_up(first, sigmoid_table()), looked_up(new, tanh_table(3))), 4)
    kept = doubled_product(looked_up(forget, sigmoid_table()), c)
    cell = sum16(taken, kept)
    size = looked_up(sum16(cell, cell), tanh_table(3))
    made = rounded_down(doubled_product(looked_up(output, sigmoid_table()), size), 8)
    made = elementwise.clip(made, minimum=-128, maximum=127)
    shifted = elementwise.add(made, broadcast(scalar_like(made, 128), shape=made.shape))
    return as_dtype(shifted, DType.UINT8), cell, entered
