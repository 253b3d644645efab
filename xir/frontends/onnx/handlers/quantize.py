"""Quantisation, and the products of quantised numbers."""

from __future__ import annotations

from typing import TypedDict

from xir.frontends._handlers import Handlers
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.frontends.onnx._windows import Padding, window_of
from xir.frontends.onnx.handlers.conv import kernel_sizes
from xir.frontends.onnx.tensors import DTYPES
from xir.ir.broadcasting import join
from xir.ir.dims import Shape
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import quantize
from xir.ops._quantized import is_single
from xir.ops.quantize_product import conv_integer, matmul_integer, quantized_conv, quantized_matmul
from xir.ops.shape import broadcast, reshape

handlers: Handlers[Handler] = Handlers("onnx")


def _dtype(site: Site, name: str) -> DType | None:
    """An attribute that names an element type; 0 names none."""
    number = site.integer(name, 0)
    if number and number not in DTYPES:
        site.invalid(f"there is no element type {number}")
    return DTYPES.get(number)


def _reach(site: Site, x: Value, scale: Value) -> tuple[int, int]:
    """The axis and the block size, 0 and 0 where the scale is one number."""
    axis, block = site.integer("axis", 1), site.integer("block_size", 0)
    if block < 0:
        site.invalid(f"attribute 'block_size' is {block}")
    if scale.rank == 0 or (is_single(scale) and not (block and x.rank == 1)):
        return 0, 0
    if x.rank == 1:
        return 0, block if scale.rank == x.rank and block else 0
    return site.axis(axis, x.rank), block


@handlers.layer(*versions("QuantizeLinear", 10, 13, 19, 21, 23, 24, 25, 28))
def quantized(site: Site, x: Value, scale: Value, zero_point: Value | None = None) -> Value:
    """QuantizeLinear; the type is that of the zero point, or (opset 21) named, or u8."""
    named = _dtype(site, "output_dtype")
    dtype = named or DType.UINT8
    if zero_point is not None:
        if named not in (None, zero_point.dtype):
            site.invalid(f"attribute 'output_dtype' is {named}, the zero point has {zero_point.dtype}")
        dtype = zero_point.dtype
    axis, block = _reach(site, x, scale)
    return quantize.quantize(
        x,
        scale,
        zero_point,
        dtype=dtype,
        axis=axis,
        block=block,
        saturate=site.flag("saturate", True),
        precision=_dtype(site, "precision"),
    )


@handlers.layer(*versions("DequantizeLinear", 10, 13, 19, 21, 23, 24, 25, 28))
def dequantized(site: Site, x: Value, scale: Value, zero_point: Value | None = None) -> Value:
    """DequantizeLinear; to the type of the scale, or (opset 23) the one named."""
    dtype = _dtype(site, "output_dtype") or scale.dtype
    axis, block = _reach(site, x, scale)
    return quantize.dequantize(x, scale, zero_point, dtype=dtype, axis=axis, block=block)


@handlers.layer(*versions("DynamicQuantizeLinear", 11))
def dynamically_quantized(site: Site, x: Value) -> tuple[Value, ...]:
    """DynamicQuantizeLinear."""
    return quantize.dynamic_quantize(x)


class Words(TypedDict):
    """What a convolution of integers is told beside its operands."""

    strides: tuple[int, ...]
    padding: Padding
    dilation: tuple[int, ...]
    groups: int


def _window(site: Site, x: Value, w: Value) -> Words:
    window = window_of(site, x.shape[2:], kernel_sizes(site, x, w))
    groups = site.integer("group", 1)
    return {"strides": window.strides, "padding": window.padding, "dilation": window.dilation, "groups": groups}


@handlers.layer(*versions("ConvInteger", 10))
def integer_convolution(
    site: Site, x: Value, w: Value, x_zero: Value | None = None, w_zero: Value | None = None
) -> Value:
    """ConvInteger."""
    return conv_integer(x, w, x_zero, w_zero, **_window(site, x, w))


@handlers.layer(*versions("QLinearConv", 10))
def quantized_convolution(
    site: Site,
    x: Value,
    x_scale: Value,
    x_zero: Value,
    w: Value,
    w_scale: Value,
    w_zero: Value,
    y_scale: Value,
    y_zero: Value,
    bias: Value | None = None,
) -> Value:
    """QLinearConv."""
    return quantized_conv(x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias, **_window(site, x, w))


def matrices(site: Site, a: Value, b: Value) -> tuple[Value, Value, Shape]:
    """Two operands as numpy.matmul takes them: vectors as matrices, batch axes equal; and the result's shape."""
    if not a.rank or not b.rank:
        site.invalid(f"a scalar cannot be multiplied as a matrix: {a.type!r}, {b.type!r}")
    row, column = a.rank == 1, b.rank == 1
    left = reshape(a, shape=(1, *a.shape)) if row else a
    right = reshape(b, shape=(*b.shape, 1)) if column else b
    batch = join([left.shape[:-2], right.shape[:-2]])
    rows, columns = left.shape[-2:-1], right.shape[-1:]
    left = site.scope.broadcast(left, (*batch, *left.shape[-2:]))
    right = site.scope.broadcast(right, (*batch, *right.shape[-2:]))
    return left, right, (*batch, *(() if row else rows), *(() if column else columns))


def lines(parameter: Value, like: Value, axis: int) -> Value:
    """A scale or zero point of rows (axis -2) or columns (-1), in as many batches as `like`."""
    if parameter.rank <= 1 or is_single(parameter):
        return parameter
    sizes = list(like.shape)
    sizes[-1 if axis == -2 else -2] = 1
    return parameter if parameter.shape == tuple(sizes) else broadcast(parameter, shape=tuple(sizes))


def _shaped(product: Value, shape: Shape) -> Value:
    return product if product.shape == shape else reshape(product, shape=shape)


@handlers.layer(*versions("MatMulInteger", 10))
def integer_product(site: Site, a: Value, b: Value, a_zero: Value | None = None, b_zero: Value | None = None) -> Value:
    """MatMulInteger."""
    left, right, shape = matrices(site, a, b)
    rows = None if a_zero is None else lines(a_zero, left, -2)
    columns = None if b_zero is None else lines(b_zero, right, -1)
    return _shaped(matmul_integer(left, right, rows, columns), shape)


@handlers.layer(*versions("QLinearMatMul", 10, 21))
def quantized_product(
    site: Site,
    a: Value,
    a_scale: Value,
    a_zero: Value,
    b: Value,
    b_scale: Value,
    b_zero: Value,
    y_scale: Value,
    y_zero: Value,
) -> Value:
    """QLinearMatMul."""
    left, right, shape = matrices(site, a, b)
    product = quantized_matmul(
        left,
        lines(a_scale, left, -2),
        lines(a_zero, left, -2),
        right,
        lines(b_scale, right, -1),
        lines(b_zero, right, -1),
        y_scale,
        y_zero,
    )
    return _shaped(product, shape)
