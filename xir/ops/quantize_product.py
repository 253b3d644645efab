"""Products of quantised numbers: matrices and convolutions of 8-bit integers, summed in 32 bits."""

from __future__ import annotations

from typing import cast

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.dims import Dim, Shape
from xir.ir.node import Attribute, Node, Value
from xir.ir.types import DType, TensorType, dtype_from_numpy
from xir.kernel import build
from xir.kernel.grammar import Kernel, Load, Scalar
from xir.ops import conv as convolution
from xir.ops import elementwise
from xir.ops._checks import (
    require_dtype,
    require_rank,
    require_rank_at_least,
    require_same_dtype,
    require_same_shape,
    require_size,
)
from xir.ops._define import op
from xir.ops._quantized import SCALES, is_single, require_quantized, rounded, rounded_array, shifted
from xir.ops._windows import Numbers, Padding
from xir.ops.cast import LARGEST
from xir.ops.matmul import matmul
from xir.ops.shape import broadcast, reshape

_BYTES = (DType.INT8, DType.UINT8)
_NO_GRADIENT = "quantised numbers are not trained through"


def _require_product(a: Value, b: Value) -> Shape:
    require_rank_at_least(a, 2)
    require_rank(b, a.rank)
    require_same_shape(a.shape[:-2], b.shape[:-2])
    require_size(b.shape[-2], a.shape[-1], "the number of rows of the second operand")
    return (*a.shape[:-1], b.shape[-1])


def _require_lines(parameter: Value | None, like: Value, axis: int) -> None:
    """Checks that a scale or zero point is one number, or one a row (axis -2) or column (-1), or batches of it."""
    if parameter is None or is_single(parameter):
        return
    if parameter.rank == 1:
        require_size(parameter.shape[0], like.shape[axis], "the number of scales or zero points")
        return
    wanted: list[Dim] = list(like.shape)
    wanted[-1 if axis == -2 else -2] = 1
    require_same_shape(parameter.shape, tuple(wanted))


def _lines(parameter: Value, shape: Shape, axis: int) -> Value:
    """The scale or zero point repeated to a matrix of `shape`."""
    if is_single(parameter):
        parameter = reshape(parameter, shape=()) if parameter.rank else parameter
    elif parameter.rank == 1 and axis == -2:
        parameter = reshape(parameter, shape=(*parameter.shape, 1))
    return broadcast(parameter, shape=shape)


def _lines_array(parameter: Numbers, axis: int) -> Numbers:
    if parameter.size == 1:
        return parameter.reshape(())
    return parameter[:, None] if parameter.ndim == 1 and axis == -2 else parameter


@op
def matmul_integer(
    a: Value, b: Value, a_zero_point: Value | None = None, b_zero_point: Value | None = None
) -> TensorType:
    """The matrix product of integers of 8 bits less their zero points, in i32, which wraps (ONNX MatMulInteger).

    a: [batch..., M, K], b: [batch..., K, N], i8 or u8 each; a_zero_point: the type of a, one number, [M], or
    [batch..., M, 1]; b_zero_point: the type of b, one number, [N], or [batch..., 1, N]; result: i32[batch..., M, N].
    """
    require_dtype(a, *_BYTES)
    require_dtype(b, *_BYTES)
    shape = _require_product(a, b)
    for operand, zero_point, axis in ((a, a_zero_point, -2), (b, b_zero_point, -1)):
        if zero_point is not None:
            require_same_dtype(operand, zero_point)
            _require_lines(zero_point, operand, axis)
    return TensorType(DType.INT32, shape)


@matmul_integer.reference
def _matmul_integer_reference(
    a: Numbers, b: Numbers, a_zero_point: Numbers | None, b_zero_point: Numbers | None
) -> Array:
    return np.asarray(np.matmul(_less(a, a_zero_point, -2), _less(b, b_zero_point, -1)))


def _less(x: Numbers, zero_point: Numbers | None, axis: int) -> Numbers:
    wide = x.astype(np.float32 if dtype_from_numpy(x.dtype).is_floating else np.int32)
    less = wide if zero_point is None else wide - _lines_array(zero_point, axis).astype(wide.dtype)
    return cast("Numbers", less)


@matmul_integer.decompose
def _matmul_integer_decompose(
    a: Value, b: Value, a_zero_point: Value | None = None, b_zero_point: Value | None = None
) -> Value:
    left = shifted(a, None if a_zero_point is None else _lines(a_zero_point, a.shape, -2), DType.INT32)
    right = shifted(b, None if b_zero_point is None else _lines(b_zero_point, b.shape, -1), DType.INT32)
    return matmul(left, right)


@matmul_integer.lower
def _matmul_integer_lower(node: Node) -> Kernel:
    a, b, *zero_points = build.operand_buffers(node)
    left, right = build.present(a), build.present(b)

    def point(number: int, places: build.Indices, axis: int) -> Scalar | None:
        """The zero point of the row (axis -2) or column (-1) of a result."""
        buffer, first = zero_points[number], build.index(0)
        if buffer is None:
            return None
        if len(buffer.shape) > 1:  # one a row or a column, in batches
            last = (places[-2], first) if axis == -2 else (first, places[-1])
            return Load(buffer, (*places[:-2], *last))
        return Load(buffer, (first if buffer.shape == (1,) else places[axis],) * len(buffer.shape))

    return build.contraction(
        node,
        (left.shape[-1],),
        left=lambda places, inner: _less_scalar(Load(left, (*places[:-1], *inner)), point(0, places, -2)),
        right=lambda places, inner: _less_scalar(Load(right, (*places[:-2], *inner, places[-1])), point(1, places, -1)),
    )


def _less_scalar(byte: Scalar, zero_point: Scalar | None) -> Scalar:
    """A byte less its zero point, in i32."""
    wide = build.cast(byte, DType.INT32)
    return wide if zero_point is None else build.apply("sub", wide, build.cast(zero_point, DType.INT32))


matmul_integer.no_gradient(_NO_GRADIENT)


@op
def quantized_matmul(
    a: Value,
    a_scale: Value,
    a_zero_point: Value,
    b: Value,
    b_scale: Value,
    b_zero_point: Value,
    y_scale: Value,
    y_zero_point: Value,
) -> TensorType:
    """The quantised matrix product of two quantised matrices (ONNX QLinearMatMul).

    a: [batch..., M, K], b: [batch..., K, N], each of i8 or u8 (or both of floats of 8 bits, which are summed in f32);
    a_scale, b_scale, y_scale: f32, f16 or bf16; a_scale, a_zero_point, y_scale, y_zero_point: one number, [M] or
    [batch..., M, 1]; b_scale, b_zero_point: one number, [N] or [batch..., 1, N]; result: the type of `y_zero_point`,
    [batch..., M, N]. The sum in i32 is multiplied by `a_scale * b_scale / y_scale` in f32, rounded (halves to even),
    moved by the zero point and kept in the range.
    """
    for operand in (a, b, y_zero_point):
        require_dtype(operand, *_BYTES, *LARGEST)
    if a.dtype.is_floating is not b.dtype.is_floating:
        raise InvalidModelError(f"{a.type!r} and {b.type!r} are not multiplied with each other")
    shape = _require_product(a, b)
    result = Value(TensorType(y_zero_point.dtype, shape))
    for operand, scale, zero_point, axis in (
        (a, a_scale, a_zero_point, -2),
        (b, b_scale, b_zero_point, -1),
        (result, y_scale, y_zero_point, -2),
    ):
        require_dtype(scale, *SCALES)
        require_same_dtype(operand, zero_point)
        _require_lines(scale, operand, axis)
        _require_lines(zero_point, operand, axis)
    return result.tensor


@quantized_matmul.reference
def _quantized_matmul_reference(
    a: Numbers,
    a_scale: Numbers,
    a_zero_point: Numbers,
    b: Numbers,
    b_scale: Numbers,
    b_zero_point: Numbers,
    y_scale: Numbers,
    y_zero_point: Numbers,
) -> Array:
    total = np.matmul(_less(a, a_zero_point, -2), _less(b, b_zero_point, -1))
    left, right, out = (
        _lines_array(scale, axis).astype(np.float32) for scale, axis in ((a_scale, -2), (b_scale, -1), (y_scale, -2))
    )
    quotient = total.astype(np.float32) * (left * right / out)
    return rounded_array(
        cast("Numbers", quotient), _lines_array(y_zero_point, -2), dtype_from_numpy(y_zero_point.dtype), True
    )


@quantized_matmul.decompose
def _quantized_matmul_decompose(
    a: Value,
    a_scale: Value,
    a_zero_point: Value,
    b: Value,
    b_scale: Value,
    b_zero_point: Value,
    y_scale: Value,
    y_zero_point: Value,
) -> Value:
    if a.dtype.is_floating:
        left = shifted(a, _lines(a_zero_point, a.shape, -2), DType.FLOAT32)
        total = matmul(left, shifted(b, _lines(b_zero_point, b.shape, -1), DType.FLOAT32))
    else:
        total = elementwise.cast(matmul_integer(a, b, a_zero_point, b_zero_point), dtype=DType.FLOAT32)
    left, right, out = (
        _lines(_f32(scale), total.shape, axis) for scale, axis in ((a_scale, -2), (b_scale, -1), (y_scale, -2))
    )
    quotient = elementwise.mul(total, elementwise.div(elementwise.mul(left, right), out))
    return rounded(quotient, _lines(y_zero_point, total.shape, -2), y_zero_point.dtype, True)


quantized_matmul.no_gradient(_NO_GRADIENT)


def _f32(x: Value) -> Value:
    return x if x.dtype is DType.FLOAT32 else elementwise.cast(x, dtype=DType.FLOAT32)


def _require_convolution(
    x: Value,
    w: Value,
    zero_points: tuple[Value | None, Value | None],
    strides: tuple[int, ...],
    padding: Padding,
    dilation: tuple[int, ...],
    groups: int,
) -> Shape:
    """Checks the operands; the result's shape."""
    for operand, zero_point in zip((x, w), zero_points, strict=True):
        require_dtype(operand, *_BYTES)
        if zero_point is not None:
            require_same_dtype(operand, zero_point)
    if zero_points[0] is not None and not is_single(zero_points[0]):
        raise InvalidModelError(f"the input has one zero point, got {zero_points[0].type!r}")
    _require_kernels(zero_points[1], w)
    plain = tuple(Value(operand.tensor.with_dtype(DType.FLOAT64)) for operand in (x, w))
    words: dict[str, Attribute] = {
        "strides": strides,
        "padding": padding,
        "dilation": dilation,
        "input_dilation": (1,) * len(strides),
        "groups": groups,
    }
    (type,) = convolution.conv.infer((*plain, None), words)
    return cast("TensorType", type).shape


def _require_kernels(parameter: Value | None, w: Value) -> None:
    """Checks that a scale or zero point of the weights is one number, or one for each output channel."""
    if parameter is not None and not is_single(parameter):
        require_rank(parameter, 1)
        require_size(parameter.shape[0], w.shape[0], "the number of scales or zero points of the weights")


def _kernels(parameter: Value, shape: Shape, axis: int) -> Value:
    """A scale or zero point of the weights, laid along `axis` of `shape`."""
    if is_single(parameter):
        parameter = reshape(parameter, shape=()) if parameter.rank else parameter
    else:
        parameter = reshape(parameter, shape=(*parameter.shape, *(1,) * (len(shape) - axis - 1)))
    return broadcast(parameter, shape=shape)


def _kernels_array(parameter: Numbers, rank: int, axis: int) -> Numbers:
    return parameter.reshape(()) if parameter.size == 1 else parameter.reshape(-1, *(1,) * (rank - axis - 1))


@op
def conv_integer(
    x: Value,
    w: Value,
    x_zero_point: Value | None = None,
    w_zero_point: Value | None = None,
    *,
    strides: tuple[int, ...],
    padding: tuple[tuple[Dim, Dim], ...],
    dilation: tuple[int, ...],
    groups: int,
) -> TensorType:
    """The convolution of integers of 8 bits less their zero points, in i32, which wraps (ONNX ConvInteger).

    x: [N, C, spatial...], w: [O, C / groups, window...], i8 or u8 each; x_zero_point: one number of the type of x;
    w_zero_point: one number or [O] of the type of w; result: i32[N, O, out...], sizes as `conv`. What is padded is the
    zero point.
    """
    zero_points = (x_zero_point, w_zero_point)
    return TensorType(DType.INT32, _require_convolution(x, w, zero_points, strides, padding, dilation, groups))


@conv_integer.reference
def _conv_integer_reference(
    x: Numbers,
    w: Numbers,
    x_zero_point: Numbers | None,
    w_zero_point: Numbers | None,
    *,
    strides: tuple[int, ...],
    padding: Padding,
    dilation: tuple[int, ...],
    groups: int,
) -> Array:
    """In f64, whose sums of products of bytes are exact up to 2**37 terms."""
    left = x.astype(np.float64)
    if x_zero_point is not None:
        left = left - x_zero_point.reshape(()).astype(np.float64)
    right = w.astype(np.float64)
    if w_zero_point is not None:
        right = right - _kernels_array(w_zero_point, w.ndim, 0).astype(np.float64)
    rule = convolution.conv.reference_rule
    if rule is None:
        raise InvalidModelError("conv has no reference")
    words = {"strides": strides, "padding": padding, "dilation": dilation, "groups": groups}
    total = rule(left, right, None, input_dilation=(1,) * len(strides), **words)
    return np.asarray(total).astype(np.int64).astype(np.int32)


@conv_integer.decompose
def _conv_integer_decompose(
    x: Value,
    w: Value,
    x_zero_point: Value | None = None,
    w_zero_point: Value | None = None,
    *,
    strides: tuple[int, ...],
    padding: Padding,
    dilation: tuple[int, ...],
    groups: int,
) -> Value:
    left = shifted(x, None if x_zero_point is None else _kernels(x_zero_point, x.shape, 0), DType.FLOAT64)
    right = shifted(w, None if w_zero_point is None else _kernels(w_zero_point, w.shape, 0), DType.FLOAT64)
    total = convolution.conv(
        left,
        right,
        strides=strides,
        padding=padding,
        dilation=dilation,
        input_dilation=(1,) * len(strides),
        groups=groups,
    )
    return elementwise.cast(elementwise.cast(total, dtype=DType.INT64), dtype=DType.INT32)


@conv_integer.lower
def _conv_integer_lower(node: Node) -> Kernel:
    x, w, *zero_points = build.operand_buffers(node)

    def point(number: int, channel: Scalar) -> Scalar | None:
        buffer = zero_points[number]
        if buffer is None:
            return None
        return Load(buffer, (build.index(0) if buffer.shape == (1,) else channel,) * len(buffer.shape))

    return convolution.convolved(
        node,
        build.present(x),
        build.present(w),
        left=lambda places, byte: _less_scalar(byte, point(0, build.index(0))),
        right=lambda places, byte: _less_scalar(byte, point(1, places[1])),
    )


conv_integer.no_gradient(_NO_GRADIENT)


@op
def quantized_conv(
    x: Value,
    x_scale: Value,
    x_zero_point: Value,
    w: Value,
    w_scale: Value,
    w_zero_point: Value,
    y_scale: Value,
    y_zero_point: Value,
    bias: Value | None = None,
    *,
    strides: tuple[int, ...],
    padding: tuple[tuple[Dim, Dim], ...],
    dilation: tuple[int, ...],
    groups: int,
) -> TensorType:
    """The quantised convolution of a quantised image with quantised weights (ONNX QLinearConv).

    x: [N, C, spatial...], w: [O, C / groups, window...], i8 or u8 each; x_scale, w_scale, y_scale: f32, x_zero_point,
    w_zero_point, y_zero_point: of their tensors' types: one number each, or [O] for the weights; bias: i32[O], in steps
    of `x_scale * w_scale`; result: the type of `y_zero_point` (i8 or u8), [N, O, out...], sizes as `conv`. The sum in
    i32 is multiplied by `x_scale * w_scale / y_scale` in f32, rounded (halves to even), moved by the zero point and
    kept in the range.
    """
    shape = _require_convolution(x, w, (x_zero_point, w_zero_point), strides, padding, dilation, groups)
    require_dtype(y_zero_point, *_BYTES)
    for scale in (x_scale, w_scale, y_scale):
        require_dtype(scale, DType.FLOAT32)
    _require_kernels(w_scale, w)
    for single in (x_scale, y_scale, y_zero_point):
        if not is_single(single):
            raise InvalidModelError(f"one number is needed, got {single.type!r}")
    if bias is not None:
        require_dtype(bias, DType.INT32)
        require_rank(bias, 1)
        require_size(bias.shape[0], w.shape[0], "the size of the bias")
    require_quantized(y_zero_point.dtype)
    return TensorType(y_zero_point.dtype, shape)


@quantized_conv.reference
def _quantized_conv_reference(
    x: Numbers,
    x_scale: Numbers,
    x_zero_point: Numbers,
    w: Numbers,
    w_scale: Numbers,
    w_zero_point: Numbers,
    y_scale: Numbers,
    y_zero_point: Numbers,
    bias: Numbers | None,
    *,
    strides: tuple[int, ...],
    padding: Padding,
    dilation: tuple[int, ...],
    groups: int,
) -> Array:
    total = cast(
        "Numbers",
        _conv_integer_reference(
            x, w, x_zero_point, w_zero_point, strides=strides, padding=padding, dilation=dilation, groups=groups
        ),
    )
    if bias is not None:
        total = total + _kernels_array(bias, x.ndim, 1)
    factor = x_scale.reshape(()) * _kernels_array(w_scale, x.ndim, 1) / y_scale.reshape(())
    quotient = cast("Numbers", total.astype(np.float32) * factor.astype(np.float32))
    return rounded_array(quotient, y_zero_point.reshape(()), dtype_from_numpy(y_zero_point.dtype), True)


@quantized_conv.decompose
def _quantized_conv_decompose(
    x: Value,
    x_scale: Value,
    x_zero_point: Value,
    w: Value,
    w_scale: Value,
    w_zero_point: Value,
    y_scale: Value,
    y_zero_point: Value,
    bias: Value | None = None,
    *,
    strides: tuple[int, ...],
    padding: Padding,
    dilation: tuple[int, ...],
    groups: int,
) -> Value:
    total = conv_integer(
        x, w, x_zero_point, w_zero_point, strides=strides, padding=padding, dilation=dilation, groups=groups
    )
    if bias is not None:
        total = elementwise.add(total, _kernels(bias, total.shape, 1))
    shape = total.shape
    steps = elementwise.mul(_kernels(x_scale, shape, 1), _kernels(w_scale, shape, 1))
    factor = elementwise.div(steps, _kernels(y_scale, shape, 1))
    quotient = elementwise.mul(elementwise.cast(total, dtype=DType.FLOAT32), factor)
    return rounded(quotient, _kernels(y_zero_point, shape, 1), y_zero_point.dtype, True)


quantized_conv.no_gradient(_NO_GRADIENT)
