"""Quantised operators of onnxruntime's own set, as dequantised numbers, the plain operator, and quantised ones.

Sources: onnxruntime docs/ContribOperators.md; where that says less, onnxruntime/core/graph/contrib_ops/
quantization_defs.cc and contrib_defs.cc. onnxruntime rounds to 8 bits by other steps here and there, one step apart
at most.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xir.frontends._handlers import Handlers
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.frontends.onnx.handlers import norm, pool, recurrent
from xir.frontends.onnx.handlers.quantize import matrices
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import elementwise, quantize
from xir.ops._build import scalar_like
from xir.ops._quantized import is_single, shifted
from xir.ops.activation import leaky_relu, sigmoid
from xir.ops.quantize import dynamic_quantize
from xir.ops.quantize_product import matmul_integer
from xir.ops.reduce import reduce_mean
from xir.ops.shape import concat, reshape, transpose

handlers: Handlers[Handler] = Handlers("onnx")

MICROSOFT = "com.microsoft"


def microsoft(kind: str) -> Callable[[Handler], Handler]:
    """Enters the handler of `kind`."""
    return handlers.layer(*versions(kind, 1, domain=MICROSOFT))


def real(x: Value, scale: Value, zero_point: Value | None) -> Value:
    """`x` dequantised by one scale."""
    return quantize.dequantize(x, scale, zero_point, dtype=scale.dtype)


def narrow(x: Value, scale: Value, zero_point: Value | None, like: Value) -> Value:
    """`x` quantised by one scale; without a zero point to the type of `like`."""
    dtype = like.dtype if zero_point is None else zero_point.dtype
    return quantize.quantize(x, scale, zero_point, dtype=dtype)


def _reach(site: Site, x: Value, scale: Value) -> tuple[int, int]:
    block = site.integer("block_size", 0)
    if is_single(scale) and not block:
        site.ignore("axis")
        return 0, 0
    return site.axis(site.integer("axis"), x.rank), block


@microsoft("QuantizeLinear")
def quantized(site: Site, x: Value, scale: Value, zero_point: Value | None = None) -> Value:
    """QuantizeLinear as before ONNX had 16 and 4 bits; the axis is said where there is one."""
    axis, block = _reach(site, x, scale)
    dtype = DType.UINT8 if zero_point is None else zero_point.dtype
    return quantize.quantize(x, scale, zero_point, dtype=dtype, axis=axis, block=block)


@microsoft("DequantizeLinear")
def dequantized(site: Site, x: Value, scale: Value, zero_point: Value | None = None) -> Value:
    """DequantizeLinear as before ONNX had 16 and 4 bits."""
    axis, block = _reach(site, x, scale)
    return quantize.dequantize(x, scale, zero_point, dtype=scale.dtype, axis=axis, block=block)


def _binary(operator: Callable[[Value, Value], Value]) -> Handler:
    def handler(
        site: Site,
        a: Value,
        a_scale: Value,
        a_zero: Value | None = None,
        b: Value | None = None,
        b_scale: Value | None = None,
        b_zero: Value | None = None,
        y_scale: Value | None = None,
        y_zero: Value | None = None,
    ) -> Value:
        """One operator of two operands that broadcast against each other."""
        if b is None or b_scale is None or y_scale is None:
            site.invalid("the second operand and the scales are needed")
        left, right = site.aligned(real(a, a_scale, a_zero), real(b, b_scale, b_zero))
        return narrow(operator(left, right), y_scale, y_zero, a)

    return handler


microsoft("QLinearAdd")(_binary(elementwise.add))
microsoft("QLinearMul")(_binary(elementwise.mul))


def _unary(operator: Callable[[Site, Value], Value]) -> Handler:
    def handler(
        site: Site,
        x: Value,
        x_scale: Value,
        x_zero: Value | None = None,
        y_scale: Value | None = None,
        y_zero: Value | None = None,
    ) -> Value:
        """One operator of one operand."""
        if y_scale is None:
            site.invalid("the scale of the result is missing")
        return narrow(operator(site, real(x, x_scale, x_zero)), y_scale, y_zero, x)

    return handler


def _sigmoid(site: Site, x: Value) -> Value:
    return sigmoid(x)


def _leaky_relu(site: Site, x: Value) -> Value:
    return leaky_relu(x, alpha=site.real("alpha", 0.01))


def _softmax(site: Site, x: Value) -> Value:
    """Softmax of the wording that `opset` names; before 13 over all axes from `axis` on."""
    result = norm.flattened_softmax(site, x) if site.integer("opset") < 13 else norm.axis_softmax(site, x)
    return result if isinstance(result, Value) else result[0]


def _channels_first(operator: Callable[[Site, Value], Value]) -> Callable[[Site, Value], Value]:
    def of(site: Site, x: Value) -> Value:
        if not site.flag("channels_last", False):
            return operator(site, x)
        spatial = range(1, x.rank - 1)
        moved = operator(site, transpose(x, perm=(0, x.rank - 1, *spatial)))
        return transpose(moved, perm=(0, *range(2, x.rank), 1))

    return of


def _mean(site: Site, x: Value) -> Value:
    axes = site.axes(site.integers("axes", tuple(range(x.rank))), x.rank)
    return reduce_mean(x, axes=axes, keep_dims=site.flag("keepdims", True))


microsoft("QLinearSigmoid")(_unary(_sigmoid))
microsoft("QLinearLeakyRelu")(_unary(_leaky_relu))
microsoft("QLinearSoftmax")(_unary(_softmax))
microsoft("QLinearAveragePool")(_unary(_channels_first(pool.average)))
microsoft("QLinearGlobalAveragePool")(_unary(_channels_first(pool.global_average)))
microsoft("QLinearReduceMean")(_unary(_mean))


@microsoft("QLinearConcat")
def joined(site: Site, y_scale: Value, y_zero: Value, *parts: Value) -> Value:
    """QLinearConcat: each part comes with its scale and zero point."""
    if not parts or len(parts) % 3:
        site.invalid(f"parts come with scale and zero point, got {len(parts)} operands")
    given = [real(*parts[place : place + 3]) for place in range(0, len(parts), 3)]
    axis = site.axis(site.integer("axis"), given[0].rank)
    return narrow(concat(*given, axis=axis), y_scale, y_zero, y_zero)


@microsoft("QLinearWhere")
def chosen(
    site: Site,
    condition: Value,
    x: Value,
    x_scale: Value,
    x_zero: Value,
    y: Value,
    y_scale: Value,
    y_zero: Value,
    z_scale: Value,
    z_zero: Value,
) -> Value:
    """QLinearWhere."""
    aligned = site.aligned(condition, real(x, x_scale, x_zero), real(y, y_scale, y_zero))
    return narrow(elementwise.select(*aligned), z_scale, z_zero, x)


def _turned(x: Value) -> Value:
    return transpose(x, perm=(*range(x.rank - 2), x.rank - 1, x.rank - 2))


def _scaled(site: Site, total: Value, *scales: Value | None) -> Value:
    """A sum of integers times its scales."""
    result = elementwise.cast(total, dtype=DType.FLOAT32)
    factor: Value | None = None
    for scale in scales:
        if scale is not None:
            flat = reshape(scale, shape=()) if scale.shape == (1,) else scale
            factor = flat if factor is None else elementwise.mul(*site.aligned(factor, flat))
    if factor is None:
        return result
    return elementwise.mul(result, site.repeated(factor, result.shape))


@microsoft("QGemm")
def general_product(
    site: Site,
    a: Value,
    a_scale: Value,
    a_zero: Value,
    b: Value,
    b_scale: Value,
    b_zero: Value,
    c: Value | None = None,
    y_scale: Value | None = None,
    y_zero: Value | None = None,
) -> Value:
    """QGemm: C is in steps of the product of the scales; without a scale of its own the result is real."""
    left = _turned(a) if site.flag("transA", False) else a
    right = _turned(b) if site.flag("transB", False) else b
    total = matmul_integer(left, right, a_zero, b_zero)
    if c is not None:
        total = elementwise.add(total, site.repeated(c, total.shape))
    result = _scaled(site, total, a_scale, b_scale)
    alpha = site.real("alpha", 1.0)
    if alpha != 1:
        result = elementwise.mul(result, scalar_like(result, alpha))
    return result if y_scale is None else narrow(result, y_scale, y_zero, a)


def _product(
    site: Site,
    operands: tuple[Value, Value],
    scales: tuple[Value, Value],
    zero_points: tuple[Value | None, Value | None],
    bias: Value | None,
) -> Value:
    left, right, shape = matrices(site, *operands)
    total = matmul_integer(left, right, *zero_points)
    result = _scaled(site, total, *scales)
    result = result if result.shape == shape else reshape(result, shape=shape)
    return result if bias is None else elementwise.add(result, site.repeated(bias, result.shape))


@microsoft("MatMulIntegerToFloat")
def real_product(
    site: Site,
    a: Value,
    b: Value,
    a_scale: Value,
    b_scale: Value,
    a_zero: Value | None = None,
    b_zero: Value | None = None,
    bias: Value | None = None,
) -> Value:
    """MatMulIntegerToFloat."""
    return _product(site, (a, b), (a_scale, b_scale), (a_zero, b_zero), bias)


@microsoft("DynamicQuantizeMatMul")
def dynamic_product(
    site: Site, a: Value, b: Value, b_scale: Value, b_zero: Value | None = None, bias: Value | None = None
) -> Value:
    """DynamicQuantizeMatMul: the first operand is quantised by its own range."""
    bytes_, a_scale, a_zero = dynamic_quantize(a)
    return _product(site, (bytes_, b), (a_scale, b_scale), (a_zero, b_zero), bias)


def _gates(site: Site, weights: Value, scale: Value, zero_point: Value | None) -> Value:
    """Weights [D, rows, 4 * H] as LSTM has them, [D, 4 * H, rows] and real; a scale is [D] or [D, 4 * H]."""

    def everywhere(parameter: Value) -> Value:
        tail = (1,) * (3 - parameter.rank)
        shape = (*parameter.shape, *tail) if parameter.rank == 1 else (parameter.shape[0], 1, parameter.shape[1])
        return site.repeated(reshape(parameter, shape=shape), weights.shape)

    difference = shifted(weights, None if zero_point is None else everywhere(zero_point), DType.FLOAT32)
    return transpose(elementwise.mul(difference, everywhere(scale)), perm=(0, 2, 1))


@microsoft("DynamicQuantizeLSTM")
def long_short(
    site: Site,
    x: Value,
    w: Value,
    r: Value,
    b: Value | None = None,
    lengths: Value | None = None,
    h: Value | None = None,
    c: Value | None = None,
    p: Value | None = None,
    w_scale: Value | None = None,
    w_zero: Value | None = None,
    r_scale: Value | None = None,
    r_zero: Value | None = None,
) -> Sequence[Value]:
    """DynamicQuantizeLSTM: an LSTM with weights of 8 bits.

    onnxruntime quantises the input and each step's state by their own ranges as well, to compute faster; here they stay
    real, which is what the weights mean, and nearer to the model that was quantised.
    """
    if w_scale is None or r_scale is None:
        site.invalid("the scales of the weights are missing")
    real_w, real_r = _gates(site, w, w_scale, w_zero), _gates(site, r, r_scale, r_zero)
    return recurrent.long_short(site, x, real_w, real_r, b, lengths, h, c, p)
