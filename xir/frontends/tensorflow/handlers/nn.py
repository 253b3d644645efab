"""Convolutions, products, pooling, normalization: the layers of networks. Filters are [window..., in, out]."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends._operands import known as known_sizes
from xir.frontends._operands import product_of
from xir.frontends.tensorflow._site import Handler, Site
from xir.frontends.tensorflow.handlers._layout import Window, back, first, is_last, pool_window, spatial
from xir.ir.broadcasting import join
from xir.ir.constant import constant_of
from xir.ir.dims import Dim
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import conv, norm
from xir.ops._build import channelwise, scalar_like
from xir.ops._targets import size_value
from xir.ops.constant import constant
from xir.ops.einsum import einsum
from xir.ops.elementwise import add, div, maximum, mul, neg, sub
from xir.ops.index import one_hot
from xir.ops.matmul import matmul
from xir.ops.pool import average_pool, max_pool, max_pool_with_indices
from xir.ops.reduce import reduce_mean, reduce_sum
from xir.ops.shape import broadcast, iota, reshape, transpose

handlers: Handlers[Handler] = Handlers("tensorflow")


@handlers.layer("BiasAdd", "BiasAddV1")
def biased(site: Site, x: Value, bias: Value) -> Value:
    """BiasAdd: along the channels."""
    last = site.node.kind == "BiasAddV1" or is_last(site)
    return add(x, channelwise(bias, x, x.rank - 1 if last else 1))


def _window(site: Site, w: Value, last: bool) -> Window:
    """The window of a filter [window..., in, out]."""
    extents = known_sizes(w.shape[:-2])
    if extents is None:
        site.refuse("a filter whose window is not known before the run")
    strides, dilation = (spatial(site, site.integers(name), last) for name in ("strides", "dilations"))
    return Window(extents, strides, dilation, last)


@handlers.layer("Conv2D", "Conv3D")
def convolution(site: Site, x: Value, w: Value) -> Value:
    """Conv2D, Conv3D; fewer channels in the filter than in the image make groups (conv_ops.cc)."""
    site.ignore("use_cudnn_on_gpu")
    last = is_last(site)
    x = first(x, last)
    window = _window(site, w, last)
    channels, taken = x.shape[1], w.shape[-2]
    groups = channels // taken if isinstance(channels, int) and isinstance(taken, int) and taken else 1
    made = conv.conv(
        x,
        transpose(w, perm=(w.rank - 1, w.rank - 2, *range(w.rank - 2))),
        strides=window.strides,
        padding=window.padding(site, x.shape[2:]),
        dilation=window.dilation,
        input_dilation=(1,) * len(window.extents),
        groups=groups,
    )
    return back(made, last)


@handlers.layer("DepthwiseConv2dNative")
def depthwise(site: Site, x: Value, w: Value) -> Value:
    """DepthwiseConv2dNative: the filter is [h, w, channels, results for each]."""
    last = is_last(site)
    x = first(x, last)
    window = _window(site, w, last)
    channels, each = known_sizes(w.shape[-2:]) or site.refuse("a filter whose channels are not known before the run")
    filters = reshape(transpose(w, perm=(2, 3, 0, 1)), shape=(channels * each, 1, *window.extents))
    made = conv.conv(
        x,
        filters,
        strides=window.strides,
        padding=window.padding(site, x.shape[2:]),
        dilation=window.dilation,
        input_dilation=(1, 1),
        groups=channels,
    )
    return back(made, last)


@handlers.layer("Conv2DBackpropInput", "Conv3DBackpropInputV2")
def transposed_convolution(site: Site, sizes: Value, w: Value, x: Value) -> Value:
    """The gradient of a convolution for its input: a transposed convolution whose result has the given sizes."""
    site.ignore("use_cudnn_on_gpu")
    last = is_last(site)
    x = first(x, last)
    window = _window(site, w, last)
    wanted = site.sizes(sizes)
    if wanted is None:
        wanted = _sizes_of_layer(site, x, window)
    elif len(wanted) == x.rank:
        wanted = wanted[1:-1] if last else wanted[2:]
    padding = window.padding(site, wanted)
    made = conv.conv_transpose(
        x,
        transpose(w, perm=(w.rank - 1, w.rank - 2, *range(w.rank - 2))),
        strides=window.strides,
        padding=padding,
        dilation=window.dilation,
        output_padding=_rest(site, x, wanted, window, padding),
        groups=1,
    )
    return back(made, last)


def _sizes_of_layer(site: Site, x: Value, window: Window) -> tuple[Dim, ...]:
    """The sizes that a layer computes for its result (keras, deconv_output_length), where they come at run time."""
    sizes: list[Dim] = []
    is_same = site.text("padding") == "SAME"
    for size, extent, stride, gap in zip(x.shape[2:], window.extents, window.strides, window.dilation, strict=True):
        more = max((extent - 1) * gap + 1 - stride, 0)
        sizes.append(size * stride + (0 if is_same else more))
    return tuple(sizes)


def _rest(
    site: Site, x: Value, wanted: Sequence[Dim], window: Window, padding: Sequence[tuple[Dim, Dim]]
) -> tuple[int, ...]:
    """Rows that the result has beyond what the windows reach: fewer than a step, or there would be one more window."""
    found: list[int] = []
    for size, want, extent, stride, gap, (low, high) in zip(
        x.shape[2:], wanted, window.extents, window.strides, window.dilation, padding, strict=True
    ):
        rest = want - ((size - 1) * stride + (extent - 1) * gap + 1 - low - high)
        if not isinstance(rest, int) or not 0 <= rest < stride:
            site.refuse(f"a result of the size {want!r} from {size!r} rows")
        found.append(rest)
    return tuple(found)


@handlers.layer("MaxPool", "MaxPool3D", "AvgPool", "AvgPool3D")
def pooled(site: Site, x: Value) -> Value:
    """Pooling; an average counts the elements that are there (avgpooling_op.cc)."""
    last = is_last(site)
    x = first(x, last)
    window = pool_window(site, site.integers("ksize"), site.integers("strides"), last)
    if site.node.kind.startswith("Max"):
        return back(_largest(site, x, window), last)
    made = average_pool(
        x,
        window=window.extents,
        strides=window.strides,
        padding=window.padding(site, x.shape[2:]),
        counted_padding=((0, 0),) * len(window.extents),
        dilation=window.dilation,
    )
    return back(made, last)


def _largest(site: Site, x: Value, window: Window) -> Value:
    padding = window.padding(site, x.shape[2:])
    return max_pool(x, window=window.extents, strides=window.strides, padding=padding, dilation=window.dilation)


@handlers.layer("MatMul")
def product(site: Site, x: Value, y: Value) -> Value:
    """MatMul of two matrices."""
    site.ignore("grad_a", "grad_b")
    a = transpose(x, perm=(1, 0)) if site.flag("transpose_a") else x
    b = transpose(y, perm=(1, 0)) if site.flag("transpose_b") else y
    return matmul(a, b)


@handlers.layer("BatchMatMul", "BatchMatMulV2", "BatchMatMulV3")
def batch_product(site: Site, x: Value, y: Value) -> Value:
    """BatchMatMul: matrices in the last two axes; the others broadcast."""
    site.ignore("grad_x", "grad_y")
    a = _turned(x) if site.flag("adj_x") else x
    b = _turned(y) if site.flag("adj_y") else y
    batch = join([a.shape[:-2], b.shape[:-2]])
    return matmul(site.repeated(a, (*batch, *a.shape[-2:])), site.repeated(b, (*batch, *b.shape[-2:])))


def _turned(x: Value) -> Value:
    return transpose(x, perm=(*range(x.rank - 2), x.rank - 1, x.rank - 2))


@handlers.layer("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")
def batch_norm(site: Site, x: Value, scale: Value, shift: Value, mean: Value, variance: Value) -> Sequence[Value]:
    """FusedBatchNorm; in training with the statistics of the batch, whose variance is then handed out unbiased."""
    site.ignore("exponential_avg_factor")
    last, epsilon = is_last(site), site.real("epsilon")
    data = first(x, last)
    if site.flag("is_training"):
        axes = (0, *range(2, data.rank))
        mean = reduce_mean(data, axes=axes, keep_dims=False)
        centred = sub(data, channelwise(mean, data))
        variance = reduce_mean(mul(centred, centred), axes=axes, keep_dims=False)
        made = norm.batch_norm(data, scale, shift, mean, variance, epsilon=epsilon)
        count = size_value(product_of((data.shape[0], *data.shape[2:])), variance.dtype)
        rest = maximum(sub(count, scalar_like(count, 1)), scalar_like(count, 1))
        unbiased = mul(variance, broadcast(div(count, rest), shape=variance.shape))
    else:
        made, unbiased = norm.batch_norm(data, scale, shift, mean, variance, epsilon=epsilon), variance
    spare = constant(value=constant_of(np.zeros((), np.float32)))
    return [back(made, last), mean, unbiased, mean, variance, *((spare,) if site.count() > 5 else ())]


@handlers.layer("Softmax", "LogSoftmax")
def softmax(site: Site, x: Value) -> Value:
    """Softmax along the last axis."""
    operator = norm.softmax if site.node.kind == "Softmax" else norm.log_softmax
    return operator(x, axis=x.rank - 1)


@handlers.layer("SoftmaxCrossEntropyWithLogits")
def cross_entropy(site: Site, x: Value, labels: Value) -> Sequence[Value]:
    """The loss of each example, and its gradient."""
    x, labels = site.aligned(x, labels)
    loss = neg(reduce_sum(mul(labels, norm.log_softmax(x, axis=1)), axes=(1,), keep_dims=False))
    return loss, sub(norm.softmax(x, axis=1), labels)


@handlers.layer("SparseSoftmaxCrossEntropyWithLogits")
def sparse_cross_entropy(site: Site, x: Value, labels: Value) -> Sequence[Value]:
    """The loss of each example with a class number as its label, and its gradient."""
    chosen = one_hot(labels, depth=x.shape[1], axis=1, dtype=x.dtype)
    loss = neg(reduce_sum(mul(chosen, norm.log_softmax(x, axis=1)), axes=(1,), keep_dims=False))
    return loss, sub(norm.softmax(x, axis=1), chosen)


@handlers.layer("LRN")
def local_response(site: Site, x: Value) -> Value:
    """LRN along the last axis: bias + alpha * the sum of squares within `depth_radius` (lrn_op.cc)."""
    size = 2 * site.integer("depth_radius") + 1
    data = first(x, True)
    made = norm.lrn(data, size=size, alpha=site.real("alpha") * size, beta=site.real("beta"), bias=site.real("bias"))
    return back(made, True)


@handlers.layer("MaxPoolWithArgmax")
def pooled_with_places(site: Site, x: Value) -> Sequence[Value]:
    """MaxPool, and where each maximum lies: row-major among [H, W, C], with the example before them if asked for."""
    data = first(x, True)
    window = pool_window(site, site.integers("ksize"), site.integers("strides"), True)
    padding = window.padding(site, data.shape[2:])
    made, places = max_pool_with_indices(
        data, window=window.extents, strides=window.strides, padding=padding, dilation=window.dilation
    )
    channels = x.shape[3]
    number = iota(shape=places.shape, axis=1, dtype=DType.INT64)
    flat = add(mul(places, broadcast(size_value(channels, DType.INT64), shape=places.shape)), number)
    if site.flag("include_batch_in_index"):
        size = broadcast(size_value(product_of(x.shape[1:]), DType.INT64), shape=places.shape)
        flat = add(flat, mul(iota(shape=places.shape, axis=0, dtype=DType.INT64), size))
    return back(made, True), site.cast(back(flat, True), site.dtype("Targmax"))


@handlers.layer("MaxPoolV2")
def pooled_by_operands(site: Site, x: Value, ksize: Value, steps: Value) -> Value:
    """MaxPool whose window is an operand."""
    last = is_last(site)
    data = first(x, last)
    window = pool_window(site, site.numbers(ksize, "a window"), site.numbers(steps, "steps"), last)
    return back(_largest(site, data, window), last)


@handlers.layer("Einsum")
def contracted(site: Site, *values: Value) -> Value:
    """Einsum."""
    return einsum(*values, equation=site.text("equation"))
