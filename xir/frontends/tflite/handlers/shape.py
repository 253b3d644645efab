"""Shapes: asked for, and changed while the elements stay as they are."""

from __future__ import annotations

from xir.frontends._handlers import Handlers
from xir.frontends._images import channels_last, channels_second
from xir.frontends.tflite._fixed_point import requantized
from xir.frontends.tflite._quantized import real, stored
from xir.frontends.tflite.site import Handler, Site, literal, unknown_sizes, whole
from xir.frontends.tflite.tensors import dtype_of
from xir.ir.broadcasting import join
from xir.ir.dims import Dim, Shape, floor_divide, product
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import blocks, elementwise
from xir.ops.shape import broadcast, concat, reshape, reverse, shape_of, tile, transpose

raw: Handlers[Handler] = Handlers("tflite")
moving: Handlers[Handler] = Handlers("tflite")


def length_of(value: Value) -> int | None:
    """How many numbers a vector operand holds, or None where only the run tells."""
    size = value.shape[0] if value.rank == 1 else 1 if value.rank == 0 else None
    return size if isinstance(size, int) else None


@moving.layer("RESHAPE")
def reshaped(site: Site, x: Value, target: Value | None = None) -> Value:
    """RESHAPE to the sizes of the operand, else of the option; -1 is what is left."""
    option = site.integers("new_shape")
    wanted: Shape | None = option if target is None else site.sizes(target)
    if target is not None and wanted is None:
        count = length_of(target)
        if count is None:
            site.refuse("a shape of which the run decides the number of axes")
        return reshape(x, whole(target), shape=unknown_sizes(count))
    return _reshaped(site, x, list(wanted or ()))


def _reshaped(site: Site, x: Value, sizes: list[Dim]) -> Value:
    if sizes.count(-1) > 1:
        site.invalid(f"the target {sizes} has two sizes -1")
    if -1 in sizes:
        rest = product(tuple(size for size in sizes if size != -1))
        if rest == 0:
            site.invalid(f"what is left for -1 in {sizes} cannot be told: another size is 0")
        sizes[sizes.index(-1)] = floor_divide(product(x.shape), rest)
    return reshape(x, shape=tuple(sizes))


@moving.layer("SQUEEZE")
def squeezed(site: Site, x: Value) -> Value:
    """SQUEEZE: the axes of the option, else all of size 1."""
    axes = site.integers("squeeze_dims")
    if not axes and not all(isinstance(size, int) for size in x.shape):
        site.refuse("sizes of 1 that only the run tells")
    chosen = site.axes(axes, x.rank) if axes else tuple(i for i, size in enumerate(x.shape) if size == 1)
    if any(isinstance(x.shape[axis], int) and x.shape[axis] != 1 for axis in chosen):
        site.invalid(f"the axes {list(chosen)} of {x.type!r} are not 1")
    return reshape(x, shape=tuple(size for axis, size in enumerate(x.shape) if axis not in chosen))


@moving.layer("EXPAND_DIMS")
def expanded(site: Site, x: Value, axis: Value) -> Value:
    """EXPAND_DIMS: an axis of size 1."""
    (place,) = site.numbers(axis, "axes")
    place = site.axis(place, x.rank + 1)
    return reshape(x, shape=(*x.shape[:place], 1, *x.shape[place:]))


@moving.layer("TRANSPOSE")
def transposed(site: Site, x: Value, perm: Value) -> Value:
    """TRANSPOSE."""
    order = tuple(site.axis(axis, x.rank) for axis in site.numbers(perm, "axes"))
    return transpose(x, perm=order)


@moving.layer("CONCATENATION")
def joined(site: Site, first: Value, *rest: Value) -> Value:
    """CONCATENATION."""
    result = concat(first, *rest, axis=site.axis(site.integer("axis"), first.rank))
    return site.activated(result)


@moving.layer("PACK")
def packed(site: Site, first: Value, *rest: Value) -> Value:
    """PACK: the operands along a new axis."""
    site.ignore("values_count")
    axis = site.axis(site.integer("axis"), first.rank + 1)
    parts = (reshape(each, shape=(*each.shape[:axis], 1, *each.shape[axis:])) for each in (first, *rest))
    return concat(*parts, axis=axis)


@moving.layer("TILE")
def tiled(site: Site, x: Value, counts: Value) -> Value:
    """TILE."""
    known = site.sizes(counts)
    if known is None:
        sizes = unknown_sizes(x.rank)
        return tile(x, whole(counts), repeats=sizes)
    return tile(x, repeats=known)


def repeated_to(site: Site, x: Value, sizes: Value) -> Value:
    """`x` repeated to the sizes of an operand."""
    known = site.sizes(sizes)
    if known is not None:
        joined_shape = join([x.shape, known])
        return site.knowledge.broadcast(x, joined_shape)
    count = length_of(sizes)
    if count is None:
        site.refuse("a shape of which the run decides the number of axes")
    return broadcast(x, whole(sizes), shape=unknown_sizes(max(count, x.rank)))


@moving.layer("BROADCAST_TO")
def broadcast_to(site: Site, x: Value, sizes: Value) -> Value:
    """BROADCAST_TO."""
    return repeated_to(site, x, sizes)


@raw.layer("BROADCAST_ARGS")
def broadcast_sizes(site: Site, first: Value, second: Value) -> Value:
    """BROADCAST_ARGS: the sizes that two shapes broadcast to; one that is 1 gives way to the other."""
    longest = max(length_of(first) or 0, length_of(second) or 0)
    one = literal(1, first.dtype)
    sides: list[Value] = []
    for value in (first, second):
        missing = longest - (length_of(value) or 0)
        ones = broadcast(one, shape=(missing,))
        sides.append(concat(ones, value, axis=0) if missing else value)
    from xir.ops.compare import equal

    return elementwise.select(equal(sides[0], broadcast(one, shape=(longest,))), sides[1], sides[0])


@raw.layer("SHAPE")
def measured(site: Site, x: Value) -> Value:
    """SHAPE."""
    site.ignore("out_type")
    return shape_of(x)


@raw.layer("RANK")
def counted(site: Site, x: Value) -> Value:
    """RANK."""
    return literal(x.rank, DType.INT32)


@moving.layer("REVERSE_V2")
def turned(site: Site, x: Value, axes: Value) -> Value:
    """REVERSE_V2."""
    return reverse(x, axes=site.axes(site.numbers(axes, "axes"), x.rank))


@moving.layer("DEPTH_TO_SPACE")
def depth_to_space(site: Site, x: Value) -> Value:
    """DEPTH_TO_SPACE."""
    result = blocks.depth_to_space(channels_second(x), block=site.integer("block_size"), order="depth_first")
    return channels_last(result)


@moving.layer("SPACE_TO_DEPTH")
def space_to_depth(site: Site, x: Value) -> Value:
    """SPACE_TO_DEPTH."""
    return channels_last(blocks.space_to_depth(channels_second(x), block=site.integer("block_size")))


@moving.layer("DENSIFY")
def densified(site: Site, x: Value) -> Value:
    """DENSIFY: sparse tensors have their zeros since they were read."""
    return x


@raw.layer("QUANTIZE")
def quantized(site: Site, x: Value) -> Value:
    """QUANTIZE: real numbers as integers, or integers as those of another scale.

    16 bits as 32 are computed in integers, of which f32 would not hold all bits.
    """
    tensor, given, wanted = site.results[0], site.operand_quantization(0), site.result_quantization()
    if tensor is None or wanted is None:
        site.invalid("the result is not quantised")
    dtype = dtype_of(tensor)
    if given is not None and (x.dtype, dtype) == (DType.INT16, DType.INT32):
        return requantized(x, given, wanted, dtype)
    return stored(real(x, given), wanted, dtype)


@raw.layer("DEQUANTIZE")
def dequantized(site: Site, x: Value) -> Value:
    """DEQUANTIZE: integers, or floats of 16 bits, as f32."""
    if x.dtype.is_floating:
        return elementwise.cast(x, dtype=DType.FLOAT32)
    if site.operand_quantization(0) is None:
        site.invalid(f"{x.type!r} is not quantised")
    return real(x, site.operand_quantization(0))


@raw.layer("FAKE_QUANT")
def rounded_as_quantized(site: Site, x: Value) -> Value:
    """FAKE_QUANT: x in the steps that its bits reach (fake_quant.cc; quantization_util.h, NudgeQuantizationRange)."""
    bits, low, high = site.integer("num_bits"), site.number("min"), site.number("max")
    first, last = int(site.flag("narrow_range")), (1 << bits) - 1
    if not 2 <= bits <= 16 or not low < high:
        site.invalid(f"{bits} bits between {low} and {high}")
    scale = (high - low) / (last - first)
    point = min(max(round(first - low / scale), first), last)
    from xir.ops._build import scalar_like

    low, high = (first - point) * scale, (last - point) * scale
    shifted = elementwise.sub(elementwise.clip(x, minimum=low, maximum=high), scalar_like(x, low))
    steps = elementwise.floor(elementwise.add(elementwise.mul(shifted, scalar_like(x, 1 / scale)), scalar_like(x, 0.5)))
    return elementwise.add(elementwise.mul(steps, scalar_like(x, scale)), scalar_like(x, low))
