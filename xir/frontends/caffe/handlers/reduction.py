"""Layers that reduce or choose: Reduction, BatchReduction, ArgMax."""

from __future__ import annotations

from xir.errors import InvalidModelError
from xir.frontends._handlers import Handlers
from xir.frontends.caffe.handlers._geometry import batch_size, canonical_axis, count, known, require_positive
from xir.frontends.caffe.handlers.activation import affine
from xir.frontends.caffe.site import Handler, Site
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops._build import scalar_like
from xir.ops.constant import identity
from xir.ops.elementwise import cast, sub
from xir.ops.reduce import reduce_l1, reduce_mean, reduce_sum, reduce_sum_square, top_k
from xir.ops.shape import concat, reshape, reverse, split

handlers: Handlers[Handler] = Handlers("caffe")


@handlers.layer("Reduction")
def reduction(site: Site, x: Value) -> Value:
    """Sum, sum of magnitudes or squares, or mean over all axes from `axis` on, times `coeff` (reduction_layer.cpp)."""
    param = site.param("reduction_param")
    operation, factor = param.enum("operation"), param.number("coeff")
    axes = tuple(range(canonical_axis(x, param.integer("axis")) if x.rank else 0, x.rank))
    match operation:
        case "SUM":
            y = reduce_sum(x, axes=axes, keep_dims=False)
        case "ASUM":
            y = reduce_l1(x, axes=axes, keep_dims=False)
        case "SUMSQ":
            y = reduce_sum_square(x, axes=axes, keep_dims=False)
        case "MEAN":
            y = reduce_mean(x, axes=axes, keep_dims=False)
        case _:
            raise site.unsupported(f"operation: {operation} is not taken", "SUM, ASUM, SUMSQ and MEAN are")
    return affine(y, factor, 0.0)


@handlers.layer("BatchReduction")
def batch_reduction(site: Site, x: Value) -> Value:
    """Sums or means of runs of level^2 items along an axis; level 1 alone reduces it (batch_reduction_layer.cpp)."""
    param = site.param("batch_reduction_param")
    inner = param.message("reduction_param")
    inner.ignore("k", "coeff")
    if inner.has("coeff"):
        site.note("coeff has no meaning here: the layer never reads it (hszhao/PSPNet, batch_reduction_layer.cpp)")
    operation = inner.enum("operation")
    if param.boolean("pos") or operation not in ("SUM", "MEAN"):
        raise site.unsupported(f"pos, or operation: {operation}, is not taken", "SUM and MEAN without pos are")
    axis = canonical_axis(x, inner.integer("axis"))
    reduce = reduce_sum if operation == "SUM" else reduce_mean
    levels = param.integers("level") or (1,)
    if levels == (1,):
        return reduce(x, axes=(axis,), keep_dims=False)
    require_positive("level", *levels)
    sizes = tuple(level * level for level in levels)
    if known(x.shape[axis], "the size to reduce") != sum(sizes):
        raise InvalidModelError(f"levels {list(levels)} need {sum(sizes)} items along axis {axis}, got {x.type!r}")
    parts = split(x, axis=axis, sizes=sizes) if len(sizes) > 1 else (x,)
    made = [reduce(part, axes=(axis,), keep_dims=True) for part in parts]
    return concat(*made, axis=axis) if len(made) > 1 else made[0]


def _best(x: Value, count: int, axis: int) -> tuple[Value, Value]:
    """The `count` largest along an axis and their places as x's dtype; of equal ones the LAST comes first.

    (argmax_layer.cpp sorts pairs of value and place with `std::greater`, so the higher place wins a tie.)
    """
    size = known(x.shape[axis], "the number of scores")
    if not 1 <= count <= size:
        raise InvalidModelError(f"top_k must lie in [1, {size}], got {count} (argmax_layer.cpp)")
    values, places = top_k(reverse(x, axes=(axis,)), k=count, axis=axis, largest=True, sorted=True)
    counted = cast(places, dtype=x.dtype) if x.dtype is DType.FLOAT64 else cast(places, dtype=DType.FLOAT32)
    return values, sub(scalar_like(counted, float(size - 1)), counted)


@handlers.layer("ArgMax")
def arg_max_layer(site: Site, x: Value) -> Value:
    """Places (or values, or both) of the `top_k` largest, over an axis or over all of an item (argmax_layer.cpp)."""
    param = site.param("argmax_param")
    axis, number, with_value = param.optional_integer("axis"), param.integer("top_k"), param.boolean("out_max_val")
    if axis is not None:
        values, places = _best(x, number, canonical_axis(x, axis))
        return values if with_value else places
    flat = identity(x) if x.rank == 2 else reshape(x, shape=(batch_size(x), count(x.shape[1:])))
    values, places = _best(flat, number, 1)
    tail = (1,) * max(x.rank - 3, 0)
    shape = (x.shape[0], 1, number, *tail)
    made = reshape(places, shape=shape)
    return concat(made, reshape(values, shape=shape), axis=1) if with_value else made
