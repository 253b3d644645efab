"""Shapes and axes: asked for, changed, joined and cut."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends._operands import product_of
from xir.frontends.tensorflow._site import Handler, Site
from xir.frontends.tensorflow.handlers._sizes import axis_of, length, unknown, whole
from xir.ir.broadcasting import join
from xir.ir.constant import constant_of
from xir.ir.dims import Dim, floor_divide
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops._build import scalar_like
from xir.ops._targets import size_value
from xir.ops.cast import bit_cast
from xir.ops.compare import equal
from xir.ops.constant import constant, identity
from xir.ops.control import assume_shape
from xir.ops.elementwise import add, cast, div, mul, select, sub
from xir.ops.index import scatter_elements
from xir.ops.late import squeeze_late
from xir.ops.reduce import reduce_prod
from xir.ops.shape import broadcast, concat, iota, range_, reshape, shape_of, split, tile, transpose

handlers: Handlers[Handler] = Handlers("tensorflow")


@handlers.layer("Reshape")
def reshaped(site: Site, x: Value, target: Value) -> Value:
    """Reshape: -1 is what is left."""
    wanted = site.sizes(target)
    if wanted is None:
        return reshape(x, whole(site, target), shape=unknown(length(site, target)))
    sizes: list[Dim] = list(wanted)
    if sizes.count(-1) > 1:
        site.invalid(f"the target {sizes} has two sizes -1")
    if -1 in sizes:
        rest = product_of([size for size in sizes if size != -1])
        if rest == 0:
            sizes[sizes.index(-1)] = 0
        else:
            sizes[sizes.index(-1)] = floor_divide(product_of(x.shape), rest)
    return reshape(x, shape=tuple(sizes))


@handlers.layer("Squeeze")
def squeezed(site: Site, x: Value) -> Value:
    """Squeeze: the axes that are named, else all of size 1."""
    axes = site.integers("squeeze_dims")
    if not axes and any(not isinstance(size, int) for size in x.shape):
        return squeeze_late(x)
    chosen = set(site.axes(axes, x.rank)) if axes else {axis for axis, size in enumerate(x.shape) if size == 1}
    for axis in chosen:
        if isinstance(x.shape[axis], int) and x.shape[axis] != 1:
            site.invalid(f"axis {axis} of {x.type!r} is not 1")
    return reshape(x, shape=tuple(size for axis, size in enumerate(x.shape) if axis not in chosen))


def with_axis(x: Value, axis: int) -> Value:
    """`x` with a new axis of size 1."""
    return reshape(x, shape=(*x.shape[:axis], 1, *x.shape[axis:]))


@handlers.layer("ExpandDims")
def expanded(site: Site, x: Value, axis: Value) -> Value:
    """ExpandDims."""
    return with_axis(x, axis_of(site, axis, x.rank + 1))


@handlers.layer("Pack", "ParallelConcat")
def packed(site: Site, *values: Value) -> Value:
    """Pack: a new axis; ParallelConcat joins along the first one, which each has with size 1."""
    if site.node.kind == "ParallelConcat":
        site.ignore("shape")
        return concat(*values, axis=0)
    axis = site.axis(site.integer("axis"), values[0].rank + 1)
    return concat(*(with_axis(value, axis) for value in values), axis=axis)


@handlers.layer("Unpack")
def unpacked(site: Site, x: Value) -> Sequence[Value]:
    """Unpack: the pieces along an axis, without it."""
    axis, count = site.axis(site.integer("axis"), x.rank), site.integer("num")
    rest = (*x.shape[:axis], *x.shape[axis + 1 :])
    if not count:
        return ()
    return [reshape(piece, shape=rest) for piece in split(x, axis=axis, sizes=(1,) * count)]


def joined(values: Sequence[Value], axis: int) -> Value:
    """The values behind each other."""
    return concat(*values, axis=axis) if len(values) > 1 else identity(values[0])


@handlers.layer("ConcatV2")
def concatenated(site: Site, *operands: Value) -> Value:
    """ConcatV2: the axis comes last."""
    return joined(operands[:-1], axis_of(site, operands[-1], operands[0].rank))


@handlers.layer("Concat")
def concatenated_first(site: Site, axis: Value, *values: Value) -> Value:
    """Concat: the axis comes first."""
    return joined(values, axis_of(site, axis, values[0].rank))


@handlers.layer("Split")
def split_evenly(site: Site, axis: Value, x: Value) -> Sequence[Value]:
    """Split: pieces of one size."""
    place, count = axis_of(site, axis, x.rank), site.integer("num_split")
    size = x.shape[place]
    if count < 1 or (isinstance(size, int) and size % count):
        site.invalid(f"axis {place} of {x.type!r} has no {count} equal pieces")
    return split(x, axis=place, sizes=(floor_divide(size, count),) * count)


@handlers.layer("SplitV")
def split_by_sizes(site: Site, x: Value, sizes: Value, axis: Value) -> Sequence[Value]:
    """SplitV: one size may be -1."""
    place, known = axis_of(site, axis, x.rank), site.sizes(sizes)
    if known is None:
        return split(x, whole(site, sizes), axis=place, sizes=unknown(length(site, sizes)))
    pieces = list(known)
    if pieces.count(-1) == 1:
        rest: Dim = x.shape[place]
        for size in pieces:
            rest = rest - size if size != -1 else rest
        pieces[pieces.index(-1)] = rest
    return split(x, axis=place, sizes=tuple(pieces))


@handlers.layer("Transpose")
def transposed(site: Site, x: Value, perm: Value) -> Value:
    """Transpose."""
    return transpose(x, perm=site.axes(site.numbers(perm, "axes"), x.rank))


@handlers.layer("Shape")
def measured(site: Site, x: Value) -> Value:
    """Shape."""
    return site.cast(shape_of(x), site.dtype("out_type"))


@handlers.layer("ShapeN")
def measured_all(site: Site, *values: Value) -> Sequence[Value]:
    """ShapeN."""
    dtype = site.dtype("out_type")
    return [site.cast(shape_of(value), dtype) for value in values]


@handlers.layer("Size")
def counted(site: Site, x: Value) -> Value:
    """Size: the number of elements."""
    return site.cast(reduce_prod(shape_of(x), axes=(0,), keep_dims=False), site.dtype("out_type"))


@handlers.layer("Rank")
def ranked(site: Site, x: Value) -> Value:
    """Rank: the number of axes."""
    return constant(value=constant_of(np.asarray(x.rank, np.int32)))


@handlers.layer("Fill")
def filled(site: Site, sizes: Value, value: Value) -> Value:
    """Fill."""
    known = site.sizes(sizes)
    if known is not None:
        return broadcast(value, shape=known) if known else identity(value)
    return broadcast(value, whole(site, sizes), shape=unknown(length(site, sizes)))


@handlers.layer("ZerosLike")
def zeros(site: Site, x: Value) -> Value:
    """ZerosLike."""
    return scalar_like(x, 0)


@handlers.layer("OnesLike")
def ones(site: Site, x: Value) -> Value:
    """OnesLike."""
    return scalar_like(x, 1)


@handlers.layer("BroadcastTo")
def broadcast_to(site: Site, x: Value, sizes: Value) -> Value:
    """BroadcastTo."""
    known = site.sizes(sizes)
    if known is not None:
        return site.repeated(x, known)
    return broadcast(x, whole(site, sizes), shape=unknown(length(site, sizes)))


@handlers.layer("BroadcastArgs")
def joined_shape(site: Site, x: Value, y: Value) -> Value:
    """BroadcastArgs: the shape that two shapes broadcast to."""
    shapes = [site.sizes(x), site.sizes(y)]
    known = [shape for shape in shapes if shape is not None]
    if len(known) < 2:
        site.refuse("shapes that are computed at run time")
    sizes = join(known)
    if all(isinstance(size, int) for size in sizes):
        return constant(value=constant_of(np.asarray(sizes), x.dtype))
    return concat(*(reshape(size_value(size, x.dtype), shape=(1,)) for size in sizes), axis=0)


@handlers.layer("Tile")
def tiled(site: Site, x: Value, counts: Value) -> Value:
    """Tile."""
    known = site.sizes(counts)
    if known is not None:
        return tile(x, repeats=known)
    return tile(x, whole(site, counts), repeats=unknown(x.rank))


@handlers.layer("Range")
def ranged(site: Site, start: Value, limit: Value, delta: Value) -> Value:
    """Range; from 0 in steps of 1 it has as many elements as its limit says."""
    first, last, step = (site.sizes(each) if each.dtype.is_integer else None for each in (start, limit, delta))
    if first is not None and last is not None and step is not None and isinstance(step[0], int) and step[0]:
        count = _steps(first[0], last[0], step[0])
        if count is not None:
            line = iota(shape=(count,), axis=0, dtype=start.dtype)
            line = line if step[0] == 1 else mul(line, scalar_like(line, step[0]))
            return line if first[0] == 0 else add(line, broadcast(start, shape=line.shape))
    return range_(start, limit, delta)


def _steps(first: Dim, last: Dim, step: int) -> Dim | None:
    """How many numbers a range has, or None where that is no formula."""
    if isinstance(first, int) and isinstance(last, int):
        return max(-((first - last) // step), 0)
    return last - first if step == 1 and first == 0 else None


@handlers.layer("LinSpace")
def spaced(site: Site, start: Value, stop: Value, count: Value) -> Value:
    """LinSpace: the first number is `start`, the last one `stop`."""
    (size,) = site.numbers(count, "the number of elements")
    if size < 1:
        site.invalid(f"{size} numbers are asked for")
    line = iota(shape=(size,), axis=0, dtype=start.dtype)
    if size == 1:
        return broadcast(start, shape=(1,))
    step = div(sub(stop, start), scalar_like(start, size - 1))
    return add(broadcast(start, shape=(size,)), mul(line, broadcast(step, shape=(size,))))


@handlers.layer("OneHot")
def one_hot(site: Site, indices: Value, depth: Value, on: Value, off: Value) -> Value:
    """OneHot: `on` where the index is, else `off`; an index that does not exist has none."""
    count = site.sizes(depth)
    if count is None:
        site.refuse("a number of classes that is computed at run time")
    axis = site.integer("axis")
    place = indices.rank if axis == -1 else axis
    shape = (*indices.shape[:place], count[0], *indices.shape[place:])
    line = iota(shape=shape, axis=place, dtype=indices.dtype)
    is_on = equal(line, broadcast(with_axis(indices, place), shape=shape))
    return select(is_on, broadcast(on, shape=shape), broadcast(off, shape=shape))


@handlers.layer("CheckNumerics", "DebugGradientIdentity", "Bitcast")
def same(site: Site, x: Value) -> Value:
    """What only training or a check sees; Bitcast reads the bits as another type."""
    if site.node.kind == "Bitcast":
        return bit_cast(x, dtype=site.dtype("type"))
    site.ignore("message")
    return identity(x)


@handlers.layer("PlaceholderWithDefault")
def default(site: Site, x: Value) -> Value:
    """An input that is left out: its default."""
    site.ignore("shape")
    return identity(x)


@handlers.layer("InvertPermutation")
def inverted(site: Site, x: Value) -> Value:
    """InvertPermutation: y[x[i]] = i."""
    line = iota(shape=x.shape, axis=0, dtype=x.dtype)
    return scatter_elements(line, cast(x, dtype=DType.INT64), line, axis=0, reduction="none")


@handlers.layer("EnsureShape")
def ensured(site: Site, x: Value) -> Value:
    """A shape that is promised: where sizes were unknown, they are known from here on."""
    sizes = site.sizes_of("shape")
    if sizes is None:
        return identity(x)
    if len(sizes) != x.rank:
        site.invalid(f"{x.type!r} is no tensor of the shape {list(sizes)}")
    told = zip(sizes, x.shape, strict=True)
    return assume_shape(x, shape=tuple(have if size is None else size for size, have in told))
