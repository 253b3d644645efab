"""Examples for the laws that fold scales and shifts into the weights of the layer that reads them."""

from __future__ import annotations

import numpy as np

from tests.passes.examples_weights import F16, NOT_FIXED, filled, normalized, scaled, shifted
from tests.passes.helpers import F64, I32, Example, Net, convolved
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops.activation import relu
from xir.ops.conv import conv_transpose
from xir.ops.elementwise import add, mul
from xir.ops.matmul import gemm

PADS = "conv pads with zeros, which are not shifted"


def picture(net: Net, dtype: DType = DType.FLOAT32) -> Value:
    return net.input(2, 4, 5, 5, dtype=dtype)


def read(net: Net, x: Value, *, bias: bool = True, groups: int = 1, pad: int = 0, gaps: int = 1) -> Value:
    w = net.weight(6, 4 // groups, 3, 3, name="conv.weight", dtype=x.dtype)
    b = net.weight(6, name="conv.bias", dtype=x.dtype) if bias else None
    return convolved(x, w, b, pad=pad, groups=groups, gaps=gaps)


def up(net: Net, x: Value, groups: int = 1) -> Value:
    return conv_transpose(
        x,
        net.weight(4, 6 // groups, 2, 2, name="up.weight"),
        strides=(2, 1),
        padding=((1, 0), (0, 1)),
        dilation=(1, 1),
        output_padding=(1, 0),
        groups=groups,
    )


def product(net: Net, x: Value, *, flipped: bool = True, bias: bool = True, across: bool = False) -> Value:
    inner = 3 if across else 5
    w = net.weight(*((6, inner) if flipped else (inner, 6)), name="fc.weight", dtype=x.dtype)
    c = filled_rows(net, 5 if across else 3) if bias else None
    return gemm(x, w, c, alpha=0.5, beta=0.25, transpose_a=across, transpose_b=flipped)


def filled_rows(net: Net, rows: int) -> Value:
    from xir.ops.shape import broadcast

    return broadcast(net.weight(6, name="fc.bias"), shape=(rows, 6))


def rows(net: Net) -> Value:
    return net.input(3, 5)


def read_twice(net: Net) -> tuple[Value, ...]:
    y = normalized(net, picture(net))
    return read(net, y), relu(y)


def whole_numbers(net: Net) -> Value:
    x = scaled(net, net.input(3, 5, dtype=I32), 5)
    return gemm(x, net.weight(5, 6, dtype=I32), alpha=1.0, beta=1.0, transpose_a=False, transpose_b=False)


def shared_weights(net: Net) -> tuple[Value, ...]:
    w = net.weight(65, 256, 1, 1)
    x = net.input(1, 256, 1, 1)
    return convolved(scaled(net, x, 256, 1, 1), w), convolved(x, w)


EXAMPLES: tuple[Example, ...] = (
    Example("batch_norm_before_layer", lambda net: read(net, normalized(net, picture(net))), "conv"),
    Example("batch_norm_before_layer", lambda net: read(net, normalized(net, picture(net)), bias=False), "conv",
            label="no bias"),
    Example("batch_norm_before_layer", lambda net: read(net, normalized(net, picture(net)), groups=2), "conv",
            label="groups"),
    Example("batch_norm_before_layer", lambda net: read(net, normalized(net, picture(net, F64))), "conv", label="f64"),
    Example("batch_norm_before_layer", lambda net: product(net, normalized(net, rows(net))), "broadcast gemm",
            label="gemm"),
    Example("batch_norm_before_layer", lambda net: product(net, normalized(net, rows(net)), flipped=False, bias=False),
            "broadcast gemm", label="gemm, no bias"),
    Example("batch_norm_before_layer", lambda net: product(net, normalized(net, net.input(3, 5, dtype=F16)),
                                                               bias=False),
            "broadcast gemm", label="f16"),
    Example("batch_norm_before_layer", lambda net: read(net, normalized(net, picture(net)), pad=1), None, PADS),
    Example("batch_norm_before_layer", lambda net: read(net, normalized(net, picture(net)), gaps=2), None,
            "conv puts zeros between elements, which are not shifted"),
    Example("batch_norm_before_layer", lambda net: read(net, normalized(net, picture(net), fixed=False)), None,
            "its statistics are not constant"),
    Example("batch_norm_before_layer", lambda net: up(net, normalized(net, picture(net))), None,
            "conv_transpose adds fewer products at its borders"),
    Example("batch_norm_before_layer", lambda net: product(net, normalized(net, rows(net)), across=True), None,
            "gemm transposes what it reads"),
    Example("batch_norm_before_layer", read_twice, None, "the result of batch_norm has 2 readers"),
    Example("factor_before_layer", lambda net: read(net, scaled(net, picture(net), 4, 1, 1)), "conv"),
    Example("factor_before_layer", lambda net: read(net, scaled(net, picture(net), 1, 4, 1, 1), pad=1, gaps=2), "conv",
            label="padding"),
    Example("factor_before_layer", lambda net: read(net, mul(x := picture(net), filled(x, net, 0.5)), bias=False),
            "conv", label="one number"),
    Example("factor_before_layer", lambda net: up(net, scaled(net, picture(net), 4, 1, 1), groups=2), "conv_transpose",
            label="up"),
    Example("factor_before_layer", lambda net: product(net, scaled(net, rows(net), 5)), "broadcast gemm", label="gemm"),
    Example("factor_before_layer", lambda net: read(net, scaled(net, picture(net), 5, 1)), None, NOT_FIXED),
    Example("factor_before_layer", lambda net: read(net, mul(picture(net), picture(net))), None, label="any product"),
    Example("factor_before_layer", whole_numbers, None, "the weights of gemm are whole numbers"),
    Example("factor_before_layer", shared_weights, None, "the weights of conv have 2 readers"),
    Example("factor_before_layer", lambda net: read(net, mul(x := picture(net), filled(x, net, np.inf))), None,
            "the new weights would leave the range of f32"),
    Example("factor_before_layer", lambda net: read(net, mul(x := picture(net, F16), filled(x, net, 1e-5))), None,
            "the new weights would be too small for f16"),
    Example("addend_before_layer", lambda net: read(net, shifted(net, picture(net), 4, 1, 1)), "conv"),
    Example("addend_before_layer", lambda net: product(net, shifted(net, rows(net), 5)), "broadcast gemm",
            label="gemm"),
    Example("addend_before_layer", lambda net: read(net, add(x := picture(net), filled(x, net, 0)), pad=1), "conv",
            label="zero"),
    Example("addend_before_layer", lambda net: read(net, shifted(net, picture(net), 4, 1, 1), pad=1), None, PADS),
    Example("addend_before_layer", lambda net: read(net, shifted(net, picture(net), 5, 1)), None, NOT_FIXED),
)  # fmt: skip
