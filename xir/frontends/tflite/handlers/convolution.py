"""Convolutions, their transposes, and products with weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xir.frontends._handlers import Handlers
from xir.frontends._images import Padding, channels_last, channels_second, padding_for
from xir.frontends.tflite._quantized import real, scale_of, stored, zero_of
from xir.frontends.tflite.model import Quantization
from xir.frontends.tflite.site import Handler, Site, literal
from xir.ir.dims import Dim, floor_divide, product
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import conv, elementwise
from xir.ops.matmul import matmul
from xir.ops.quantize_product import quantized_conv
from xir.ops.shape import broadcast, reshape, transpose

handlers: Handlers[Handler] = Handlers("tflite")
raw: Handlers[Handler] = Handlers("tflite")

_BYTES = (DType.INT8, DType.UINT8)


@dataclass(frozen=True, slots=True)
class Words:
    """What a convolution is told beside its operands, spatial axes in order."""

    strides: tuple[int, ...]
    padding: Padding
    dilation: tuple[int, ...]
    groups: int


def _steps(site: Site, *names: str) -> tuple[int, ...]:
    steps = tuple(site.integer(name, 1) for name in names)
    if any(step < 1 for step in steps):
        site.invalid(f"{', '.join(names)} are {list(steps)}: they must be positive")
    return steps


def _window(site: Site, w: Value, axes: int) -> tuple[int, ...]:
    """The spatial sizes of weights [O, spatial..., I]."""
    sizes = tuple(size for size in w.shape[1 : 1 + axes] if isinstance(size, int))
    if w.rank != axes + 2 or len(sizes) != axes:
        site.invalid(f"weights of {axes + 2} known sizes are needed, got {w.type!r}")
    return sizes


@raw.layer("CONV_2D")
def convolution(site: Site, x: Value, w: Value, bias: Value | None = None) -> Value:
    """CONV_2D; w: [O, h, w, I / groups], where the groups follow from the channels (conv.cc)."""
    window = _window(site, w, 2)
    strides = _steps(site, "stride_h", "stride_w")
    dilation = _steps(site, "dilation_h_factor", "dilation_w_factor")
    padding = padding_for(site.word("padding", "SAME"), x.shape[1:3], window, strides, dilation)
    channels, own = x.shape[3], w.shape[3]
    groups = channels // own if isinstance(channels, int) and isinstance(own, int) and own else 1
    site.ignore("quantized_bias_type")
    return _convolved(site, x, channels_second(w), bias, 0, Words(strides, padding, dilation, groups))


@raw.layer("DEPTHWISE_CONV_2D")
def depthwise(site: Site, x: Value, w: Value, bias: Value | None = None) -> Value:
    """DEPTHWISE_CONV_2D; w: [1, h, w, C * multiplier], the multiplier following from the sizes (depthwise_conv.cc)."""
    window = _window(site, w, 2)
    strides = _steps(site, "stride_h", "stride_w")
    dilation = _steps(site, "dilation_h_factor", "dilation_w_factor")
    padding = padding_for(site.word("padding", "SAME"), x.shape[1:3], window, strides, dilation)
    site.ignore("depth_multiplier")
    groups = x.shape[3]
    if not isinstance(groups, int):
        site.refuse("a number of channels that is not known before the run")
    return _convolved(site, x, transpose(w, perm=(3, 0, 1, 2)), bias, 3, Words(strides, padding, dilation, groups))


def _convolved(site: Site, x: Value, w: Value, bias: Value | None, axis: int, words: Words) -> Value:
    """The convolution of an image [N, spatial..., C] with weights [O, I, spatial...], in integers where it can be.

    `axis` is that of the outputs in the file's weights: the one of their scales.
    """
    x_q, w_q, y_q = site.operand_quantization(0), site.operand_quantization(1), site.result_quantization()
    if w_q is not None and len(w_q.scales) > 1:
        if w_q.axis != axis:
            site.refuse(f"weights with scales along axis {w_q.axis}")
        w_q = Quantization(w_q.scales, w_q.zero_points, 0)
    image = channels_second(x)
    if x_q is not None and w_q is not None and y_q is not None and x.dtype in _BYTES and w.dtype in _BYTES:
        result = _in_integers(image, x_q, w, w_q, y_q, bias, x.dtype, words)
        return channels_last(_clamped(site, result, y_q))
    weights = real(w, w_q)
    held = None if bias is None else _shift(bias, x_q, w_q)
    result = conv.conv(
        real(image, x_q),
        weights,
        held,
        strides=words.strides,
        padding=words.padding,
        dilation=words.dilation,
        input_dilation=(1,) * len(words.strides),
        groups=words.groups,
    )
    return stored(channels_last(site.activated(result)), y_q, x.dtype)


def _shift(bias: Value, x_q: Quantization | None, w_q: Quantization | None) -> Value:
    """The real numbers of a bias: its scale is the product of the others', whatever the file says of it (conv.cc)."""
    if x_q is None or w_q is None or bias.dtype.is_floating:
        return bias
    scales = tuple(x_q.scales[0] * scale for scale in w_q.scales)
    return real(bias, Quantization(scales, (0,) * len(scales), 0))


def _in_integers(
    x: Value,
    x_q: Quantization,
    w: Value,
    w_q: Quantization,
    y_q: Quantization,
    bias: Value | None,
    dtype: DType,
    words: Words,
) -> Value:
    """A convolution of 8-bit integers, summed exactly in 32 bits, rescaled and rounded once."""
    return quantized_conv(
        x,
        scale_of(x_q),
        _point(x_q, x.dtype),
        w,
        scale_of(w_q),
        _point(w_q, w.dtype),
        scale_of(y_q),
        _point(y_q, dtype),
        bias,
        strides=words.strides,
        padding=words.padding,
        dilation=words.dilation,
        groups=words.groups,
    )


def _point(quantization: Quantization, dtype: DType) -> Value:
    zero = zero_of(quantization, dtype)
    if zero is not None:
        return zero
    count = len(quantization.scales)
    return literal(0 if count == 1 else [0] * count, dtype)


def _clamped(site: Site, value: Value, quantization: Quantization) -> Value:
    """A fused activation among integers: its bounds as integers (kernel_util.cc, CalculateActivationRangeQuantized)."""
    bounds = {"RELU": (0.0, None), "RELU_N1_TO_1": (-1.0, 1.0), "RELU6": (0.0, 6.0)}
    name = site.word("fused_activation_function", "NONE")
    if name == "NONE":
        return value
    if name not in bounds:
        site.refuse(f"the fused activation {name} of integers")
    scale, zero = quantization.scales[0], quantization.zero_points[0]
    low, high = (None if bound is None else zero + round(bound / scale) for bound in bounds[name])
    least, most = (-128, 127) if value.dtype is DType.INT8 else (0, 255)
    for bound, change, reached in ((low, elementwise.maximum, least), (high, elementwise.minimum, most)):
        if bound is not None and (bound > reached if reached == least else bound < reached):
            limit = literal(min(max(bound, least), most), value.dtype)
            value = change(value, broadcast(limit, shape=value.shape))
    return value


@handlers.layer("CONV_3D")
def convolution_3d(site: Site, x: Value, w: Value, bias: Value | None = None) -> Value:
    """CONV_3D; w: [d, h, w, I, O]."""
    kernel = transpose(w, perm=(4, 3, 0, 1, 2))
    window = tuple(size for size in w.shape[:3] if isinstance(size, int))
    strides = _steps(site, "stride_d", "stride_h", "stride_w")
    dilation = _steps(site, "dilation_d_factor", "dilation_h_factor", "dilation_w_factor")
    padding = padding_for(site.word("padding", "SAME"), x.shape[1:4], window, strides, dilation)
    result = conv.conv(
        channels_second(x),
        kernel,
        bias,
        strides=strides,
        padding=padding,
        dilation=dilation,
        input_dilation=(1, 1, 1),
        groups=1,
    )
    return channels_last(site.activated(result))


@raw.layer("TRANSPOSE_CONV")
def transposed(site: Site, sizes: Value, w: Value, x: Value, bias: Value | None = None) -> Value:
    """TRANSPOSE_CONV to a result of the given sizes; w: [O, h, w, I]."""
    wanted = site.sizes(sizes)
    if wanted is None or len(wanted) != 4:
        site.refuse("sizes of a result that are computed at run time")
    site.ignore("quantized_bias_type")
    strides = _steps(site, "stride_h", "stride_w")
    x_q, w_q = site.operand_quantization(2), site.operand_quantization(1)
    kernel, image = transpose(real(w, w_q), perm=(3, 0, 1, 2)), real(x, x_q)
    held = None if bias is None else _shift(bias, x_q, w_q)
    result = _spread(site, image, kernel, held, wanted[1:3], strides)
    return stored(result, site.result_quantization(), x.dtype)


@handlers.layer("CONV_3D_TRANSPOSE")
def transposed_3d(site: Site, sizes: Value, w: Value, x: Value, bias: Value | None = None) -> Value:
    """CONV_3D_TRANSPOSE; w: [d, h, w, O, I]."""
    wanted = site.sizes(sizes)
    if wanted is None or len(wanted) != 5:
        site.refuse("sizes of a result that are computed at run time")
    if _steps(site, "dilation_d_factor", "dilation_h_factor", "dilation_w_factor") != (1, 1, 1):
        site.refuse("a transposed convolution in three dimensions with dilation")
    strides = _steps(site, "stride_d", "stride_h", "stride_w")
    return _spread(site, x, transpose(w, perm=(4, 3, 0, 1, 2)), bias, wanted[1:4], strides)


def _spread(
    site: Site, x: Value, w: Value, bias: Value | None, wanted: Sequence[Dim], strides: tuple[int, ...]
) -> Value:
    """A transposed convolution of an image [N, spatial..., C]; w: [C, O, spatial...].

    The padding is that of the convolution that makes an image of this size from one of the wanted size (padding.h);
    what the window does not reach stays 0 before the bias.
    """
    window = tuple(size for size in w.shape[2:] if isinstance(size, int))
    ones = (1,) * len(strides)
    forward = padding_for(site.word("padding", "SAME"), tuple(wanted), window, strides, ones)
    padding: list[tuple[Dim, Dim]] = []
    for size, extent, step, whole, (before, _) in zip(x.shape[1:-1], window, strides, wanted, forward, strict=True):
        padding.append((before, (size - 1) * step + extent - before - whole))
    result = conv.conv_transpose(
        channels_second(x),
        w,
        bias,
        strides=strides,
        padding=tuple(padding),
        dilation=ones,
        output_padding=(0,) * len(strides),
        groups=1,
    )
    return channels_last(site.activated(result))


@handlers.layer("CUSTOM:Convolution2DTransposeBias")
def transposed_with_bias(site: Site, x: Value, w: Value, bias: Value) -> Value:
    """MediaPipe's transposed convolution: its options are TfLiteTransposeConvParams, three 32-bit numbers.

    MediaPipe's transpose_conv_bias.cc: padding (1 SAME, 2 VALID), width and height of the step; w: [O, h, w, I]. The
    result of SAME is the image's size times the step, of VALID what the windows reach.
    """
    held = site.operator.custom
    if len(held) < 12:
        site.invalid(f"the options have {len(held)} bytes, expected 12")
    mode, step_w, step_h = (int.from_bytes(held[place : place + 4], "little", signed=True) for place in (0, 4, 8))
    if mode not in (1, 2) or step_w < 1 or step_h < 1:
        site.invalid(f"the padding is {mode}, the steps {step_h} and {step_w}")
    strides = (step_h, step_w)
    padding: list[tuple[Dim, Dim]] = []
    for extent, step in zip(_window(site, w, 2), strides, strict=True):
        total = max(extent - step, 0) if mode == 1 else 0
        before = floor_divide(total, 2)
        padding.append((before, extent - step - before if mode == 1 else 0))
    result = conv.conv_transpose(
        channels_second(x),
        transpose(w, perm=(3, 0, 1, 2)),
        bias,
        strides=strides,
        padding=tuple(padding),
        dilation=(1, 1),
        output_padding=(0, 0),
        groups=1,
    )
    return channels_last(result)


@raw.layer("FULLY_CONNECTED")
def product_with_weights(site: Site, x: Value, w: Value, bias: Value | None = None) -> Value:
    """FULLY_CONNECTED; w: [O, I]. All but the elements of one row are the batch, unless the axes are kept."""
    if site.word("weights_format", "DEFAULT") != "DEFAULT":
        site.refuse("shuffled weights")
    site.ignore("asymmetric_quantize_inputs", "quantized_bias_type")
    if w.rank != 2:
        site.invalid(f"weights of two axes are needed, got {w.type!r}")
    outputs, inputs = w.shape
    rows: Dim = floor_divide(product(x.shape), inputs)
    keeps = site.flag("keep_num_dims")
    flat = reshape(x, shape=(rows, inputs))
    x_q, w_q, y_q = site.operand_quantization(0), site.operand_quantization(1), site.result_quantization()
    if x_q is not None and w_q is not None and y_q is not None and x.dtype in _BYTES and w.dtype in _BYTES:
        image, kernel = reshape(flat, shape=(rows, inputs, 1)), reshape(w, shape=(outputs, inputs, 1))
        words = Words((1,), ((0, 0),), (1,), 1)
        result = _clamped(site, _in_integers(image, x_q, kernel, w_q, y_q, bias, x.dtype, words), y_q)
    else:
        result = matmul(real(flat, x_q), transpose(real(w, w_q), perm=(1, 0)))
        if bias is not None:
            shift = _shift(bias, x_q, w_q)
            result = elementwise.add(*site.aligned(result, reshape(shift, shape=(outputs,))))
        result = stored(site.activated(result), y_q, x.dtype)
    return reshape(result, shape=(*x.shape[:-1], outputs) if keeps else (rows, outputs))


@handlers.layer("BATCH_MATMUL")
def batch_product(site: Site, x: Value, y: Value) -> Value:
    """BATCH_MATMUL; the batch axes broadcast."""
    site.ignore("asymmetric_quantize_inputs")
    left = _turned(x) if site.flag("adj_x") else x
    right = _turned(y) if site.flag("adj_y") else y
    from xir.ir.broadcasting import join

    batch = join([left.shape[:-2], right.shape[:-2]])
    left = site.knowledge.broadcast(left, (*batch, *left.shape[-2:]))
    right = site.knowledge.broadcast(right, (*batch, *right.shape[-2:]))
    return matmul(left, right)


def _turned(x: Value) -> Value:
    return transpose(x, perm=(*range(x.rank - 2), x.rank - 1, x.rank - 2))
