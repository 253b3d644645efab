"""Products and sums: InnerProduct, Embed, Scale, Bias, Eltwise and the forks' Axpy."""

from __future__ import annotations

from xir.errors import InvalidModelError
from xir.frontends._handlers import Handlers
from xir.frontends.caffe.handlers._geometry import (
    canonical_axis,
    constant_filler,
    count,
    known,
    require_axes,
    require_positive,
)
from xir.frontends.caffe.handlers.activation import affine, relu_or_leaky
from xir.frontends.caffe.site import Handler, Site
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops._checks import require_same_shape
from xir.ops.elementwise import add, cast, maximum, mul
from xir.ops.index import embedding
from xir.ops.matmul import gemm
from xir.ops.shape import broadcast, reshape

handlers: Handlers[Handler] = Handlers("caffe")


@handlers.layer("InnerProduct")
def inner_product(site: Site, *xs: Value) -> list[Value]:
    """Flattens from `axis` and multiplies with the weights [N_out, K] (inner_product_layer.cpp)."""
    return [_inner_product(site, x) for x in xs]


def _inner_product(site: Site, x: Value) -> Value:
    param = site.param("inner_product_param")
    param.ignore("engine")
    axis = canonical_axis(x, param.integer("axis"))
    outputs = param.integer("num_output")
    require_positive("num_output", outputs)
    inner = known(count(x.shape[axis:]), "the number of inputs")
    outer = count(x.shape[:axis])
    transposed = param.boolean("transpose")
    shape = (inner, outputs) if transposed else (outputs, inner)
    w = site.weight(0, "weight", shape, param.message("weight_filler"))
    flat = x if x.shape == (outer, inner) else reshape(x, shape=(outer, inner))
    bias: Value | None = None
    if param.boolean("bias_term"):
        vector = site.weight(1, "bias", (outputs,), param.message("bias_filler"))
        bias = broadcast(vector, shape=(outer, outputs))
    y = gemm(flat, w, bias, alpha=1.0, beta=1.0, transpose_a=False, transpose_b=not transposed)
    y = y if axis == 1 else reshape(y, shape=(*x.shape[:axis], outputs))
    return relu_or_leaky(y, param.number("negative_slope")) if param.boolean("relu") else y


@handlers.layer("Embed")
def embed(site: Site, x: Value) -> Value:
    """Rows of the weights [input_dim, num_output], chosen by whole numbers (embed_layer.cpp)."""
    param = site.param("embed_param")
    rows, outputs = param.integer("input_dim"), param.integer("num_output")
    require_positive("input_dim and num_output", rows, outputs)
    w = site.weight(0, "weight", (rows, outputs), param.message("weight_filler"))
    bias = site.weight(1, "bias", (outputs,), param.message("bias_filler")) if param.boolean("bias_term") else None
    return embedding(cast(x, dtype=DType.INT64), w, bias)


def _spread(operand: Value, like: Value, axis: int) -> Value:
    """`operand` laid along the axes of `like` from `axis` on (scale_layer.cpp, bias_layer.cpp)."""
    end = axis + operand.rank
    if end > like.rank:
        raise InvalidModelError(f"{operand.type!r} does not fit into {like.type!r} from axis {axis} on")
    require_same_shape(operand.shape, like.shape[axis:end])
    tail = (1,) * (like.rank - end)
    aligned = reshape(operand, shape=(*operand.shape, *tail)) if tail else operand
    return aligned if aligned.shape == like.shape else broadcast(aligned, shape=like.shape)


def _weight_shape(x: Value, axis: int, axes: int) -> tuple[int, ...]:
    end = x.rank if axes == -1 else axis + axes
    if axes < -1 or end > x.rank:
        raise InvalidModelError(f"num_axes {axes} from axis {axis} reaches outside {x.type!r}")
    return tuple(known(dim, "the size of a weight") for dim in x.shape[axis:end])


@handlers.layer("Scale")
def scale(site: Site, x: Value, factor: Value | None = None) -> Value:
    """X times weights (or a second bottom) along `axis`, plus a bias (scale_layer.cpp); the default filler is 1."""
    param = site.param("scale_param")
    filler, bias_filler = param.optional_message("filler"), param.message("bias_filler")
    axes, with_bias = param.integer("num_axes"), param.boolean("bias_term")
    axis = 0 if factor is not None and factor.rank == 0 else canonical_axis(x, param.integer("axis"))
    blob = 0
    if factor is None:
        factor = site.weight(0, "scale", _weight_shape(x, axis, axes), filler or constant_filler(1.0))
        blob = 1
    y = mul(x, _spread(factor, x, axis))
    if not with_bias:
        return y
    shape = tuple(known(dim, "the size of a weight") for dim in factor.shape)
    return add(y, _spread(site.weight(blob, "bias", shape, bias_filler), x, axis))


@handlers.layer("Bias")
def bias(site: Site, x: Value, addend: Value | None = None) -> Value:
    """X plus weights (or a second bottom) along `axis` (bias_layer.cpp)."""
    param = site.param("bias_param")
    filler, axes = param.message("filler"), param.integer("num_axes")
    axis = 0 if addend is not None and addend.rank == 0 else canonical_axis(x, param.integer("axis"))
    if addend is None:
        addend = site.weight(0, "bias", _weight_shape(x, axis, axes), filler)
    return add(x, _spread(addend, x, axis))


@handlers.layer("Eltwise")
def eltwise(site: Site, *xs: Value) -> Value:
    """Sum (with coefficients), product or maximum of all bottoms, which have one shape (eltwise_layer.cpp)."""
    param = site.param("eltwise_param")
    param.ignore("engine", "stable_prod_grad")
    if len(xs) < 2:
        raise InvalidModelError(f"at least 2 bottoms are needed, got {len(xs)}")
    for x in xs[1:]:
        require_same_shape(xs[0].shape, x.shape)
    operation = param.enum("operation")
    coefficients = param.numbers("coeff")
    if coefficients and (operation == "PROD" or len(coefficients) != len(xs)):
        raise InvalidModelError(f"coeff needs operation SUM and one number for each of {len(xs)} bottoms")
    if coefficients and operation == "MAX":
        site.note("coeff has no meaning with operation MAX (eltwise_layer.cpp)")
        coefficients = ()
    terms = [affine(x, c, 0.0) for x, c in zip(xs, coefficients, strict=True)] if coefficients else list(xs)
    combine = {"SUM": add, "PROD": mul, "MAX": maximum}[operation]
    y = terms[0]
    for term in terms[1:]:
        y = combine(y, term)
    return y


@handlers.layer("Axpy")
def axpy(site: Site, scale: Value, x: Value, y: Value) -> Value:
    """Scale [N, C] (or [N, C, 1, 1]) times x [N, C, H, W], plus y (SENet's axpy_layer.cpp)."""
    require_axes(x, 4)
    factor = reshape(scale, shape=(x.shape[0], x.shape[1], 1, 1)) if scale.rank == 2 else scale
    return add(mul(broadcast(factor, shape=x.shape), x), y)
