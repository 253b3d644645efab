"""Examples for the laws that fold scales and shifts into weights."""

from __future__ import annotations

import numpy as np

from tests.passes.helpers import F64, I32, Example, Net, convolved
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops.activation import hard_sigmoid, relu
from xir.ops.conv import conv_transpose
from xir.ops.elementwise import add, mul, neg
from xir.ops.matmul import gemm
from xir.ops.norm import batch_norm
from xir.ops.shape import broadcast

F16 = DType.FLOAT16
PRODUCTS = 64.0
"""Halves of a unit in the last place of the largest result, as many as products are added at most."""
NOT_FIXED = "the other operand is not one constant number a channel"


def layer(net: Net, *, bias: bool = True, groups: int = 1, dtype: DType = DType.FLOAT32) -> Value:
    x = net.input(2, 4, 5, 5, dtype=dtype)
    w = net.weight(6, 4 // groups, 3, 3, name="conv.weight", dtype=dtype)
    return convolved(x, w, net.weight(6, name="conv.bias", dtype=dtype) if bias else None, groups=groups)


def gate(x: Value) -> Value:
    return hard_sigmoid(x, alpha=1 / 64, beta=0.5)


def up(net: Net, *, bias: bool = True, groups: int = 1) -> Value:
    x, w = net.input(2, 4, 3, 3), net.weight(4, 6 // groups, 2, 2, name="up.weight")
    return conv_transpose(
        x,
        w,
        net.weight(6, name="up.bias") if bias else None,
        strides=(2, 1),
        padding=((1, 0), (0, 1)),
        dilation=(1, 1),
        output_padding=(1, 0),
        groups=groups,
    )


def product(net: Net, *, bias: tuple[int, ...] | None = (6,), beta: float = 1.0, flipped: bool = True) -> Value:
    """Caffe's InnerProduct: [3, 5] times [5, 6]."""
    x = net.input(3, 5)
    w = net.weight(6, 5, name="fc.weight") if flipped else net.weight(5, 6, name="fc.weight")
    c = None if bias is None else net.weight(*bias, name="fc.bias")
    rows = c if c is None or c.shape == (3, 6) else broadcast(c, shape=(3, 6))
    return gemm(x, w, rows, alpha=0.5, beta=beta, transpose_a=False, transpose_b=flipped)


def normalized(net: Net, x: Value, *, fixed: bool = True, scale: bool = True) -> Value:
    size = x.shape[1]
    assert isinstance(size, int)
    s = net.weight(size, name="bn.scale", dtype=x.dtype) if scale else net.input(size)
    t = net.weight(size, name="bn.shift", dtype=x.dtype)
    m = net.weight(size, name="bn.mean", dtype=x.dtype) if fixed else net.input(size)
    v = net.weight(size, name="bn.variance", low=0.5, dtype=x.dtype)
    return batch_norm(x, s, t, m, v, epsilon=1e-5)


def column(net: Net, y: Value, *shape: int) -> Value:
    return broadcast(net.weight(*shape, name="scale", dtype=y.dtype), shape=y.shape)


def filled(y: Value, net: Net, number: float) -> Value:
    return broadcast(net.held(np.array([number], y.dtype.dtype), "number"), shape=y.shape)


def scaled(net: Net, y: Value, *shape: int) -> Value:
    return mul(y, column(net, y, *shape))


def shifted(net: Net, y: Value, *shape: int) -> Value:
    return add(column(net, y, *shape), y)


def direct(net: Net) -> Value:
    y = convolved(net.input(1, 2, 3, 3), net.weight(4, 2, 3, 3))
    return mul(y, net.weight(1, 4, 1, 1))


def two_inputs(net: Net) -> Value:
    return scaled(net, convolved(net.input(1, 2, 3, 3), net.input(4, 2, 3, 3)), 4, 1, 1)


def gated(net: Net, y: Value) -> Value:
    return mul(y, broadcast(net.input(2, 6, 1, 1), shape=y.shape))


def read_twice(net: Net) -> tuple[Value, ...]:
    y = layer(net)
    return normalized(net, y), relu(y)


def unfixed(net: Net) -> Value:
    return convolved(net.input(2, 4, 5, 5), net.input(6, 4, 3, 3))


def whole_numbers(net: Net) -> Value:
    x, w = net.input(3, 5, dtype=I32), net.weight(5, 6, dtype=I32)
    return scaled(net, gemm(x, w, alpha=1.0, beta=1.0, transpose_a=False, transpose_b=False), 6)


EXAMPLES: tuple[Example, ...] = (
    Example("batch_norm_into_layer", lambda net: normalized(net, layer(net)), "conv"),
    Example("batch_norm_into_layer", lambda net: normalized(net, layer(net, bias=False)), "conv", label="no bias"),
    Example("batch_norm_into_layer", lambda net: normalized(net, layer(net, groups=2)), "conv", label="groups"),
    Example("batch_norm_into_layer", lambda net: normalized(net, layer(net, dtype=F64)), "conv", label="f64"),
    Example("batch_norm_into_layer", lambda net: normalized(net, layer(net, dtype=F16)), "conv", label="f16"),
    Example("batch_norm_into_layer", lambda net: normalized(net, up(net)), "conv_transpose", label="up"),
    Example("batch_norm_into_layer", lambda net: normalized(net, up(net, groups=2)), "conv_transpose",
            label="up, groups"),
    Example("batch_norm_into_layer", lambda net: normalized(net, product(net)), "broadcast gemm", label="gemm"),
    Example("batch_norm_into_layer", lambda net: normalized(net, layer(net), fixed=False), None,
            "its statistics are not constant"),
    Example("batch_norm_into_layer", read_twice, None, "the result of conv has 2 readers"),
    Example("neg_into_layer", lambda net: neg(layer(net)), "conv"),
    Example("neg_into_layer", lambda net: neg(up(net)), "conv_transpose", label="conv_transpose"),
    Example("neg_into_layer", lambda net: neg(unfixed(net)), None, "the weights of conv are not constant"),
    Example("hard_sigmoid_into_layer", lambda net: gate(layer(net)), "conv clip", bound=PRODUCTS),
    Example("hard_sigmoid_into_layer", lambda net: gate(layer(net, bias=False, groups=2)), "conv clip",
            label="no bias", bound=PRODUCTS),
    Example("hard_sigmoid_into_layer", lambda net: gate(up(net)), "conv_transpose clip", label="up", bound=PRODUCTS),
    Example("hard_sigmoid_into_layer", lambda net: gate(product(net)), "broadcast gemm clip", label="gemm",
            bound=PRODUCTS),
    Example("hard_sigmoid_into_layer", lambda net: gate(unfixed(net)), None, "the weights of conv are not constant"),
    Example("factor_into_layer", lambda net: scaled(net, layer(net), 6, 1, 1), "conv"),
    Example("factor_into_layer", lambda net: scaled(net, layer(net, bias=False), 1, 6, 1, 1), "conv", label="no bias"),
    Example("factor_into_layer", lambda net: scaled(net, layer(net), 1), "conv", label="one number"),
    Example("factor_into_layer", direct, "conv", label="not broadcast"),
    Example("factor_into_layer", lambda net: scaled(net, up(net, bias=False, groups=2), 6, 1, 1), "conv_transpose",
            label="up"),
    Example("factor_into_layer", lambda net: scaled(net, product(net), 6), "broadcast gemm", label="gemm"),
    Example("factor_into_layer", lambda net: scaled(net, product(net, bias=None, flipped=False), 1, 6),
            "broadcast gemm", label="gemm, no bias"),
    Example("factor_into_layer", lambda net: scaled(net, product(net, beta=0.25), 6), "broadcast gemm", label="beta"),
    Example("factor_into_layer", lambda net: scaled(net, product(net, bias=(3, 6)), 6), None,
            "the bias of gemm is not one number a channel"),
    Example("factor_into_layer", whole_numbers, None, "the weights of gemm are whole numbers"),
    Example("factor_into_layer", two_inputs, None, "the weights of conv are not constant"),
    Example("factor_into_layer", lambda net: gated(net, layer(net)), None, NOT_FIXED),
    Example("factor_into_layer", lambda net: scaled(net, layer(net), 3, 1), None, NOT_FIXED, label="rows"),
    Example("factor_into_layer", lambda net: mul(layer(net), net.input(2, 6, 3, 3)), None, label="any product"),
    Example("factor_into_layer", lambda net: mul(y := layer(net), filled(y, net, np.inf)), None,
            "the new weights would leave the range of f32"),
    Example("factor_into_layer", lambda net: mul(y := layer(net, dtype=F16), filled(y, net, 6e4)), None,
            "the new weights would leave the range of f16"),
    Example("factor_into_layer", lambda net: mul(y := layer(net, dtype=F16), filled(y, net, 1e-5)), None,
            "the new weights would be too small for f16"),
    Example("factor_into_layer", lambda net: mul(y := layer(net, dtype=F16), filled(y, net, 0)), "conv", label="zero"),
    Example("addend_into_layer", lambda net: shifted(net, layer(net), 6, 1, 1), "conv"),
    Example("addend_into_layer", lambda net: shifted(net, up(net, groups=2), 6, 1, 1), "conv_transpose", label="up"),
    Example("addend_into_layer", lambda net: shifted(net, product(net, beta=0.0), 6), "broadcast gemm", label="beta 0"),
    Example("addend_into_layer", lambda net: shifted(net, layer(net), 2, 1, 1, 1), None, NOT_FIXED),
    Example("factor_into_batch_norm", lambda net: scaled(net, normalized(net, net.input(2, 4, 3)), 4, 1), "batch_norm"),
    Example("factor_into_batch_norm", lambda net: scaled(net, normalized(net, net.input(2, 4), scale=False), 4), None,
            "scale and shift of batch_norm are not constant"),
    Example("factor_into_batch_norm", lambda net: mul(y := normalized(net, net.input(2, 4)), filled(y, net, np.nan)),
            None, "the new weights would leave the range of f32"),
    Example("factor_into_batch_norm", lambda net: scaled(net, normalized(net, net.input(2, 4, 3)), 3), None, NOT_FIXED),
    Example("addend_into_batch_norm", lambda net: shifted(net, normalized(net, net.input(2, 4, 3)), 4, 1),
            "batch_norm"),
    Example("addend_into_batch_norm", lambda net: shifted(net, normalized(net, net.input(2, 4, 3)), 3), None,
            NOT_FIXED),
)  # fmt: skip
