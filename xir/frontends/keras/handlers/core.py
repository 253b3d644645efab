"""Dense layers, embeddings, shapes, and what is there in training alone."""

from __future__ import annotations

from xir.frontends._handlers import Handlers
from xir.frontends._operands import product_of
from xir.frontends.keras.config import whole
from xir.frontends.keras.handlers import _quantized
from xir.frontends.keras.handlers._activations import activated
from xir.frontends.keras.handlers._einsum import DENSE, Equation, biased, equation_of, with_equation
from xir.frontends.keras.site import Handler, Site
from xir.ir.dims import Dim, floor_divide
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import compare, elementwise
from xir.ops._build import channelwise, scalar_like
from xir.ops.activation import tanh
from xir.ops.einsum import einsum
from xir.ops.index import embedding
from xir.ops.matmul import matmul
from xir.ops.reduce import reduce_max
from xir.ops.shape import broadcast, reshape, transpose

handlers: Handlers[Handler] = Handlers("keras")


@handlers.layer("Dense")
def dense(site: Site, x: Value) -> Value:
    """Dense: `x @ kernel + bias` along the last axis (keras/src/layers/core/dense.py)."""
    units = site.config.integer("units")
    flat = x if x.rank == 2 else reshape(x, shape=(product_of(x.shape[:-1]), x.shape[-1]))
    result = (_product if site.quantized is None else _quantized_product)(site, flat, units)
    if x.rank != 2:
        result = reshape(result, shape=(*x.shape[:-1], units))
    return activated(site, result, site.config.raw("activation"))


def _product(site: Site, x: Value, units: int) -> Value:
    site.check_plain()
    result = matmul(x, site.weight("kernel", (x.shape[-1], units)))
    if not site.config.flag("use_bias", True):
        return result
    return elementwise.add(result, channelwise(site.weight("bias", (units,)), result, 1))


def _quantized_product(site: Site, x: Value, units: int) -> Value:
    has_bias = site.config.flag("use_bias", True)
    result, bias = _quantized.product(site, x, DENSE, (x.shape[-1], units), has_bias)
    return result if bias is None else elementwise.add(result, channelwise(bias, result, 1))


@handlers.layer("EinsumDense")
def equation(site: Site, x: Value) -> Value:
    """EinsumDense: a product with the kernel as an equation describes it (keras/src/layers/core/einsum_dense.py)."""
    held = site.config.raw("bias_axes")
    axes, text = held if isinstance(held, str) else "", site.config.text("equation")
    if site.quantized is None:
        site.check_plain()
        site.config.ignore("output_shape")
        result = with_equation(site, x, text, axes)
    else:
        spelled = equation_of(site, text, x.rank)
        sizes = spelled.sizes(x.shape, _last(site, spelled))
        result, bias = _quantized.product(site, x, spelled, sizes, bool(axes))
        result = result if bias is None else biased(site, result, spelled, axes, bias)
    return activated(site, result, site.config.raw("activation"))


def _last(site: Site, spelled: Equation) -> tuple[int, ...]:
    """The sizes of the result's last axes, as far as the configuration tells them behind the batch."""
    told = site.config.listed("output_shape")[1 - len(spelled.result) :]
    known: list[int] = []
    for size in reversed(told):
        if size is None:
            break
        known.insert(0, whole(size, "output_shape"))
    return tuple(known)


@handlers.layer("LayerScale")
def scaled(site: Site, x: Value) -> Value:
    """LayerScale of ConvNeXt: a factor for each channel (keras/src/applications/convnext.py)."""
    site.config.ignore("init_values", "projection_dim")
    return elementwise.mul(x, channelwise(site.weight("gamma", (x.shape[-1],)), x, x.rank - 1))


@handlers.layer("CustomScaleLayer")
def residual(site: Site, x: Value, y: Value) -> Value:
    """CustomScaleLayer of InceptionResNetV2: `x + y * scale` (keras/src/applications/inception_resnet_v2.py)."""
    scale = site.config.number("scale")
    return elementwise.add(x, elementwise.mul(y, scalar_like(y, scale)))


@handlers.layer("Activation")
def activation(site: Site, x: Value) -> Value:
    """Activation."""
    return activated(site, x, site.config.raw("activation"))


@handlers.layer(
    "Dropout",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
    "AlphaDropout",
    "GaussianDropout",
    "GaussianNoise",
    "ActivityRegularization",
)
def nothing(site: Site, x: Value) -> Value:
    """Layers that change nothing but in training."""
    site.config.ignore("rate", "stddev", "seed", "noise_shape", "l1", "l2", "data_format", "dim_ordering")
    return x


@handlers.layer("Identity")
def identity(site: Site, x: Value) -> Value:
    """Identity."""
    return x


@handlers.layer("Flatten")
def flatten(site: Site, x: Value) -> Value:
    """Flatten: channels stand last in the result where images have them first (keras/src/layers/reshaping)."""
    if site.config.raw("data_format") is not None and site.channels_first and x.rank > 2 and site.generation > 1:
        x = transpose(x, perm=(0, *range(2, x.rank), 1))
    return reshape(x, shape=(x.shape[0], product_of(x.shape[1:])))


@handlers.layer("Reshape")
def shaped(site: Site, x: Value) -> Value:
    """Reshape: one size may be -1, what is left."""
    target: list[Dim] = []
    for size in site.config.listed("target_shape"):
        target.append(-1 if size is None else whole(size, "target_shape"))
    open_axes = [axis for axis, size in enumerate(target) if size == -1]
    if len(open_axes) > 1 or any(isinstance(size, int) and size < -1 for size in target):
        site.invalid(f"the shape {target} leaves more than one size open")
    if open_axes:
        rest = product_of([size for size in target if size != -1])
        target[open_axes[0]] = floor_divide(product_of(x.shape[1:]), rest)
    return reshape(x, shape=(x.shape[0], *target))


@handlers.layer("Permute")
def permute(site: Site, x: Value) -> Value:
    """Permute: axes behind the batch's, counted from 1."""
    return transpose(x, perm=(0, *site.config.integers("dims", x.rank - 1)))


@handlers.layer("RepeatVector")
def repeated(site: Site, x: Value) -> Value:
    """RepeatVector: [N, D] as [N, n, D]."""
    count = site.config.integer("n")
    wide = reshape(x, shape=(x.shape[0], 1, x.shape[1]))
    return broadcast(wide, shape=(x.shape[0], count, x.shape[1]))


@handlers.layer("Embedding", "ReversibleEmbedding")
def embedded(site: Site, x: Value) -> Value:
    """Embedding: a row for each number; number 0 is masked where `mask_zero` says so.

    ReversibleEmbedding goes back to scores of all numbers when it is called with `reverse`.
    """
    rows = site.config.optional_integer("input_dim")
    width = site.config.integer("output_dim")
    site.config.ignore("dropout", "weights")
    if site.quantized is not None:
        return _quantized.rows(site, _indices(site, x), rows, width)
    site.check_plain()
    reverse = bool(site.argument("reverse"))
    tied, cap = site.config.flag("tie_weights", True), site.config.optional_number("logit_soft_cap")
    table = site.weight("embeddings", None if rows is None else (rows, width))
    if site.layer.kind == "ReversibleEmbedding":
        back = transpose(table, perm=(1, 0)) if tied else site.weight("reverse_embeddings", (width, table.shape[0]))
        site.config.ignore("mask_zero", "reverse_dtype")
        if reverse:
            return _capped(einsum(x, back, equation="...a,ab->...b"), cap)
    return embedding(_indices(site, x), table)


def _indices(site: Site, x: Value) -> Value:
    indices = x if x.dtype in (DType.INT32, DType.INT64) else elementwise.cast(x, dtype=DType.INT32)
    if site.config.flag("mask_zero"):
        site.result_mask = compare.not_equal(indices, scalar_like(indices, 0))
    return indices


def _capped(x: Value, cap: float | None) -> Value:
    if cap is None:
        return x
    return elementwise.mul(tanh(elementwise.div(x, scalar_like(x, cap))), scalar_like(x, cap))


@handlers.layer("Masking")
def masking(site: Site, x: Value) -> Value:
    """Masking: steps of which every feature is `mask_value` do not count, and are 0."""
    other = compare.not_equal(x, scalar_like(x, site.config.number("mask_value", 0.0)))
    kept = reduce_max(elementwise.cast(other, dtype=x.dtype), axes=(x.rank - 1,), keep_dims=True)
    flat = reshape(kept, shape=x.shape[:-1])
    site.result_mask = compare.not_equal(flat, scalar_like(flat, 0.0))
    return elementwise.mul(x, broadcast(kept, shape=x.shape))
