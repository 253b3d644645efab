"""StableHLO's operators inside of TFLite files (openxla.org/stablehlo/spec): operands have one shape already."""

from __future__ import annotations

from collections.abc import Callable

from xir.frontends._handlers import Handlers
from xir.frontends.tflite.handlers.windows import spaced
from xir.frontends.tflite.site import Handler, Site, as_dtype
from xir.frontends.tflite.tensors import dtype_of
from xir.ir.dims import Dim
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import activation, bitwise, compare, elementwise, trigonometry
from xir.ops._build import scalar_like
from xir.ops.conv import conv
from xir.ops.shape import broadcast, concat, iota, pad, reshape, reverse, slice_, transpose

raw: Handlers[Handler] = Handlers("tflite")


def _pair(combine: Callable[[Value, Value], Value]) -> Handler:
    def handler(site: Site, x: Value, y: Value) -> Value:
        return combine(x, y)

    return handler


def _alone(change: Callable[[Value], Value]) -> Handler:
    def handler(site: Site, x: Value) -> Value:
        return change(x)

    return handler


def _remainder(x: Value, y: Value) -> Value:
    return elementwise.mod(x, y, floored=False)


def _both(x: Value, y: Value) -> Value:
    return compare.logical_and(x, y) if x.dtype is DType.BOOL else bitwise.bitwise_and(x, y)


def _either(x: Value, y: Value) -> Value:
    return compare.logical_or(x, y) if x.dtype is DType.BOOL else bitwise.bitwise_or(x, y)


def _reciprocal_root(x: Value) -> Value:
    return elementwise.reciprocal(elementwise.sqrt(x))


def _cube_root(x: Value) -> Value:
    size = elementwise.abs_(x)
    return elementwise.mul(elementwise.sign(x), elementwise.pow_(size, scalar_like(x, 1 / 3)))


_PAIRS: dict[str, Callable[[Value, Value], Value]] = {
    "ADD": elementwise.add,
    "SUBTRACT": elementwise.sub,
    "MULTIPLY": elementwise.mul,
    "DIVIDE": elementwise.div,
    "MAXIMUM": elementwise.maximum,
    "MINIMUM": elementwise.minimum,
    "POWER": elementwise.pow_,
    "REMAINDER": _remainder,
    "AND": _both,
    "OR": _either,
}
_ALONE: dict[str, Callable[[Value], Value]] = {
    "ABS": elementwise.abs_,
    "CBRT": _cube_root,
    "COSINE": trigonometry.cos,
    "EXPONENTIAL": elementwise.exp,
    "FLOOR": elementwise.floor,
    "LOG": elementwise.log,
    "LOGISTIC": activation.sigmoid,
    "NEGATE": elementwise.neg,
    "RSQRT": _reciprocal_root,
    "TANH": activation.tanh,
}
for _kind, _combine in _PAIRS.items():
    raw.add(f"STABLEHLO_{_kind}", _pair(_combine))
for _kind, _change in _ALONE.items():
    raw.add(f"STABLEHLO_{_kind}", _alone(_change))


@raw.layer("STABLEHLO_SHIFT_LEFT")
def shifted(site: Site, x: Value, y: Value) -> Value:
    """STABLEHLO_SHIFT_LEFT."""
    return bitwise.shift_left(x, y)


@raw.layer("STABLEHLO_COMPARE")
def compared(site: Site, x: Value, y: Value) -> Value:
    """STABLEHLO_COMPARE."""
    site.ignore("compare_type")
    kinds = {
        "EQ": compare.equal,
        "NE": compare.not_equal,
        "GE": compare.greater_equal,
        "GT": compare.greater,
        "LE": compare.less_equal,
        "LT": compare.less,
    }
    return kinds[site.word("comparison_direction", "EQ")](x, y)


@raw.layer("STABLEHLO_SELECT")
def chosen(site: Site, condition: Value, x: Value, y: Value) -> Value:
    """STABLEHLO_SELECT; the condition may be one truth."""
    return elementwise.select(site.knowledge.broadcast(condition, x.shape), x, y)


@raw.layer("STABLEHLO_CLAMP")
def clamped(site: Site, least: Value, x: Value, most: Value) -> Value:
    """STABLEHLO_CLAMP; the limits may be one number."""
    low, high = (site.knowledge.broadcast(each, x.shape) for each in (least, most))
    return elementwise.minimum(elementwise.maximum(x, low), high)


@raw.layer("STABLEHLO_CONVERT")
def converted(site: Site, x: Value) -> Value:
    """STABLEHLO_CONVERT to the type that the result has."""
    tensor = site.results[0]
    return x if tensor is None else as_dtype(x, dtype_of(tensor))


def _result_shape(site: Site) -> tuple[int, ...]:
    """The shape that the file declares of the result; StableHLO's are all known."""
    tensor = site.results[0]
    if tensor is None or (tensor.signature is not None and -1 in tensor.signature):
        site.refuse("a result of which the sizes are not known before the run")
    return tensor.shape


@raw.layer("STABLEHLO_RESHAPE")
def reshaped(site: Site, x: Value) -> Value:
    """STABLEHLO_RESHAPE."""
    return reshape(x, shape=_result_shape(site))


@raw.layer("STABLEHLO_TRANSPOSE")
def transposed(site: Site, x: Value) -> Value:
    """STABLEHLO_TRANSPOSE."""
    return transpose(x, perm=site.integers("permutation"))


@raw.layer("STABLEHLO_CONCATENATE")
def joined(site: Site, first: Value, *rest: Value) -> Value:
    """STABLEHLO_CONCATENATE."""
    return concat(first, *rest, axis=site.axis(site.integer("dimension"), first.rank))


@raw.layer("STABLEHLO_BROADCAST_IN_DIM")
def spread(site: Site, x: Value) -> Value:
    """STABLEHLO_BROADCAST_IN_DIM: each axis of x at the named one of the result."""
    shape, places = _result_shape(site), site.integers("broadcast_dimensions")
    if len(places) != x.rank or any(not 0 <= place < len(shape) for place in places):
        site.invalid(f"{x.type!r} has no places {list(places)} in {list(shape)}")
    sizes: list[Dim] = [1] * len(shape)
    order = sorted(range(x.rank), key=lambda axis: places[axis])
    turned = transpose(x, perm=tuple(order)) if order != list(range(x.rank)) else x
    for axis in order:
        sizes[places[axis]] = x.shape[axis]
    return broadcast(reshape(turned, shape=tuple(sizes)), shape=shape)


@raw.layer("STABLEHLO_SLICE")
def cut(site: Site, x: Value) -> Value:
    """STABLEHLO_SLICE."""
    starts, stops, steps = (site.integers(name) for name in ("start_indices", "limit_indices", "strides"))
    return slice_(x, axes=tuple(range(x.rank)), starts=starts, stops=stops, steps=steps or (1,) * x.rank)


@raw.layer("STABLEHLO_IOTA")
def counted(site: Site) -> Value:
    """STABLEHLO_IOTA."""
    tensor = site.results[0]
    if tensor is None:
        site.invalid("a result is missing")
    return iota(shape=_result_shape(site), axis=site.integer("iota_dimension"), dtype=dtype_of(tensor))


@raw.layer("STABLEHLO_PAD")
def padded(site: Site, x: Value, value: Value) -> Value:
    """STABLEHLO_PAD: gaps between the elements, then the edges."""
    before, after, between = (
        site.integers(name) for name in ("edge_padding_low", "edge_padding_high", "interior_padding")
    )
    fill = reshape(value, shape=())
    if any(between):
        if len(between) != x.rank or min(between) < 0:
            site.invalid(f"gaps {list(between)} do not fit {x.type!r}")
        x = spaced(x, [gap + 1 for gap in between], fill)
    return pad(x, None, fill, padding=tuple(zip(before, after, strict=True)))


@raw.layer("STABLEHLO_CONVOLUTION")
def convolved(site: Site, x: Value, kernel: Value) -> Value:
    """STABLEHLO_CONVOLUTION: any order of axes, groups of channels or of the batch, windows turned round.

    With groups of the batch, the part g of it meets the part g of the kernels; so its parts stand side by side as
    groups of channels.
    """
    site.ignore("precision_config")
    axes = {
        role: (
            site.integer(f"{role}_{first}_dimension"),
            site.integer(f"{role}_{second}_dimension"),
            *site.integers(f"{role}_spatial_dimensions"),
        )
        for role, first, second in (
            ("input", "batch", "feature"),
            ("kernel", "output_feature", "input_feature"),
            ("output", "batch", "feature"),
        )
    }
    if any(sorted(axes[role]) != list(range(x.rank)) for role in axes) or kernel.rank != x.rank or x.rank < 3:
        site.invalid(f"axes {axes} do not fit {x.type!r} and {kernel.type!r}")
    spatial = x.rank - 2
    strides, input_dilation, dilation = (
        site.integers(name) or (1,) * spatial for name in ("window_strides", "lhs_dilation", "rhs_dilation")
    )
    flat = site.integers("padding") or (0,) * (2 * spatial)
    turned = site.integers("window_reversal")
    groups, batches = site.integer("feature_group_count", 1), site.integer("batch_group_count", 1)
    image, weights = transpose(x, perm=axes["input"]), transpose(kernel, perm=axes["kernel"])
    back = tuple(axes["output"].index(axis) for axis in range(x.rank))
    if any(turned):
        weights = reverse(weights, axes=tuple(2 + place for place, is_turned in enumerate(turned) if is_turned))
    if groups < 1 or batches < 1 or (groups > 1 and batches > 1):
        site.invalid(f"{groups} groups of channels and {batches} of the batch")
    if batches > 1:
        image = _side_by_side(site, image, batches)
    made = conv(
        image,
        weights,
        strides=strides,
        padding=tuple(zip(flat[::2], flat[1::2], strict=True)),
        dilation=dilation,
        input_dilation=input_dilation,
        groups=groups * batches,
    )
    return transpose(made, perm=back)


def _side_by_side(site: Site, image: Value, parts: int) -> Value:
    """Parts of the batch as parts of the channels: [parts * N, C, ...] to [N, parts * C, ...]."""
    batch, channels, *sizes = image.shape
    if not isinstance(batch, int) or batch % parts:
        site.invalid(f"{parts} parts of a batch of {batch!r}")
    split = reshape(image, shape=(parts, batch // parts, channels, *sizes))
    moved = transpose(split, perm=(1, 0, *range(2, split.rank)))
    return reshape(moved, shape=(batch // parts, channels * parts, *sizes))
