"""Layers that move numbers about: Concat, Slice, Flatten, Reshape, Crop, Permute, Tile and their kin."""

from __future__ import annotations

from itertools import pairwise

from xir.errors import InvalidModelError
from xir.frontends._handlers import Handlers
from xir.frontends.caffe.handlers._geometry import (
    batch_size,
    canonical_axis,
    count,
    known,
    require_positive,
)
from xir.frontends.caffe.message import Message
from xir.frontends.caffe.site import Handler, Site
from xir.ir.dims import Dim, Shape, equal, floor_divide, product
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops._build import scalar_like
from xir.ops.blocks import channel_shuffle, depth_to_space
from xir.ops.compare import not_equal
from xir.ops.constant import identity
from xir.ops.elementwise import cast
from xir.ops.index import compress, gather
from xir.ops.shape import concat, reshape, slice_, split, tile, transpose

handlers: Handlers[Handler] = Handlers("caffe")


def _axis(param: Message, x: Value, legacy: str) -> int:
    """`axis`, or the field that it replaced; both together are refused (concat_layer.cpp, slice_layer.cpp)."""
    old = param.optional_integer(legacy)
    if old is not None and param.has("axis"):
        raise InvalidModelError(f"either axis or {legacy} may be given, not both")
    return canonical_axis(x, param.integer("axis") if old is None else old)


@handlers.layer("Concat")
def concat_layer(site: Site, *xs: Value) -> Value:
    """Joins along an axis (concat_layer.cpp)."""
    param = site.param("concat_param")
    param.ignore("engine", "per_fla_fuse")
    if not xs:
        raise InvalidModelError("one bottom or more is needed")
    axis = _axis(param, xs[0], "concat_dim")
    return identity(xs[0]) if len(xs) == 1 else concat(*xs, axis=axis)


@handlers.layer("Slice")
def slice_layer(site: Site, x: Value) -> tuple[Value, ...]:
    """Cuts at the given points, or into equal parts (slice_layer.cpp)."""
    param = site.param("slice_param")
    axis = _axis(param, x, "slice_dim")
    points, tops = param.integers("slice_point"), site.top_count
    size = x.shape[axis]
    if points:
        if len(points) != tops - 1 or list(points) != sorted(set(points)) or points[0] < 1:
            raise InvalidModelError(
                f"{tops} tops need {tops - 1} growing slice points, got {list(points)}",
                hint="name one top more than there are slice_point lines; each cuts before that element",
            )
        if isinstance(size, int) and points[-1] >= size:
            where = "at the end of" if points[-1] == size else "behind"
            raise InvalidModelError(
                f"slice_point {points[-1]} lies {where} the {size} elements of axis {axis} of {x.type!r}",
                hint=f"each slice_point must lie between 1 and {size - 1}; `axis` chooses another axis",
            )
        edges: list[Dim] = [0, *points, size]
        sizes: list[Dim] = [stop - start for start, stop in pairwise(edges)]
    else:
        part = floor_divide(size, tops)
        if equal(part * tops, size) is not True:
            raise InvalidModelError(
                f"size {size!r} of axis {axis} does not divide into {tops} equal parts",
                hint=f"name {tops - 1} slice_point lines for parts of different sizes",
            )
        sizes = [part] * tops
    return split(x, axis=axis, sizes=tuple(sizes)) if tops > 1 else (identity(x),)


@handlers.layer("Split")
def split_layer(site: Site, x: Value) -> tuple[Value, ...]:
    """The same blob for several readers (split_layer.cpp)."""
    return tuple(identity(x) for _ in range(site.top_count))


@handlers.layer("Flatten")
def flatten(site: Site, x: Value) -> Value:
    """Joins the axes from `axis` to `end_axis` (flatten_layer.cpp)."""
    param = site.param("flatten_param")
    start = canonical_axis(x, param.integer("axis"))
    end = canonical_axis(x, param.integer("end_axis"))
    if end < start:
        raise InvalidModelError(f"end_axis {end} lies before axis {start}")
    return reshape(x, shape=(*x.shape[:start], count(x.shape[start : end + 1]), *x.shape[end + 1 :]))


@handlers.layer("Reshape")
def reshape_layer(site: Site, x: Value) -> Value:
    """New sizes for a range of axes: 0 copies a size, one -1 takes what is left (reshape_layer.cpp).

    Intel's `pixelshuffler` moves channels into blocks of pixels instead (Shi et al. 2016).
    """
    param = site.param("reshape_param")
    if param.integer("pixelshuffler") != 1:
        param.ignore("shape", "axis", "num_axes")
        require_positive("pixelshuffler", param.integer("pixelshuffler"))
        return depth_to_space(x, block=param.integer("pixelshuffler"), order="column_first")
    wanted = param.message("shape").integers("dim")
    first = param.integer("axis")
    start = first if first >= 0 else x.rank + first + 1
    axes = param.integer("num_axes")
    end = x.rank if axes == -1 else start + axes
    if not 0 <= start <= x.rank or not start <= end <= x.rank:
        raise InvalidModelError(f"axis {first} and num_axes {axes} reach outside {x.type!r}")
    return reshape(x, shape=(*x.shape[:start], *_resolve(x, wanted, start, end), *x.shape[end:]))


def _resolve(x: Value, wanted: tuple[int, ...], start: int, end: int) -> Shape:
    if wanted.count(-1) > 1 or any(dim < -1 for dim in wanted):
        raise InvalidModelError(f"shape {list(wanted)} may hold one -1, and no other negative size")
    sizes: list[Dim] = []
    for offset, dim in enumerate(wanted):
        if dim == 0 and start + offset >= x.rank:
            raise InvalidModelError(f"shape {list(wanted)}: 0 copies axis {start + offset}, which {x.type!r} lacks")
        sizes.append(x.shape[start + offset] if dim == 0 else dim)
    if -1 in wanted:
        rest = product(tuple(dim for dim in sizes if dim != -1))
        total = product(x.shape[start:end])
        left = floor_divide(total, rest)
        if equal(left * rest, total) is not True:
            raise InvalidModelError(f"{total!r} elements do not divide by {rest!r} for the -1 in {list(wanted)}")
        sizes[wanted.index(-1)] = left
    return tuple(sizes)


@handlers.layer("Permute")
def permute(site: Site, x: Value) -> Value:
    """Reorders axes; those that are not named follow in their order (SSD's permute_layer.cpp)."""
    order = site.param("permute_param").integers("order")
    if len(set(order)) != len(order) or any(axis >= x.rank for axis in order):
        raise InvalidModelError(f"order {list(order)} names an axis twice, or one that {x.type!r} lacks")
    return transpose(x, perm=(*order, *(axis for axis in range(x.rank) if axis not in order)))


@handlers.layer("Tile")
def tile_layer(site: Site, x: Value) -> Value:
    """Repeats along one axis (tile_layer.cpp)."""
    param = site.param("tile_param")
    axis, tiles = canonical_axis(x, param.integer("axis")), param.integer("tiles")
    require_positive("tiles", tiles)
    return tile(x, repeats=tuple(tiles if at == axis else 1 for at in range(x.rank)))


@handlers.layer("Crop")
def crop(site: Site, x: Value, like: Value) -> Value:
    """Cuts x to the size of the second bottom from `axis` on (crop_layer.cpp)."""
    param = site.param("crop_param")
    start, offsets = canonical_axis(x, param.integer("axis")), param.integers("offset")
    if x.rank != like.rank:
        raise InvalidModelError(f"both bottoms need as many axes, got {x.type!r} and {like.type!r}")
    if len(offsets) not in (0, 1, x.rank - start):
        raise InvalidModelError(f"{len(offsets)} offsets for {x.rank - start} axes; expected none, one, or one each")
    each = (0,) * (x.rank - start) if not offsets else offsets * (x.rank - start) if len(offsets) == 1 else offsets
    axes = tuple(range(start, x.rank))
    stops = tuple(like.shape[axis] + offset for axis, offset in zip(axes, each, strict=True))
    for axis, stop in zip(axes, stops, strict=True):
        room = x.shape[axis] - stop
        if isinstance(room, int) and room < 0:
            raise InvalidModelError(f"axis {axis}: offset and size reach {stop!r}, behind {x.shape[axis]!r}")
    return slice_(x, axes=axes, starts=each, stops=stops, steps=(1,) * len(axes))


@handlers.layer("CropCenter")
def crop_center(site: Site, x: Value) -> Value:
    """Cuts `crop_size` off both sides of each axis, which has one (lltcggie/caffe's crop_center_layer.cpp).

    Raises:
        InvalidModelError: if there are not as many sizes as axes, or nothing is left.
    """
    margins = site.param("crop_center_param").integers("crop_size")
    if len(margins) != x.rank:
        raise InvalidModelError(f"{len(margins)} times crop_size for {x.rank} axes; expected one each")
    axes = tuple(axis for axis, margin in enumerate(margins) if margin)
    sizes = [known(x.shape[axis], "the size to crop") for axis in axes]
    for axis, size in zip(axes, sizes, strict=True):
        if size <= 2 * margins[axis]:
            raise InvalidModelError(f"axis {axis}: crop_size {margins[axis]} on both sides leaves nothing of {size}")
    if not axes:
        return identity(x)
    starts = tuple(margins[axis] for axis in axes)
    stops = tuple(size - margin for size, margin in zip(sizes, starts, strict=True))
    return slice_(x, axes=axes, starts=starts, stops=stops, steps=(1,) * len(axes))


@handlers.layer("BatchReindex")
def batch_reindex(site: Site, x: Value, indices: Value) -> Value:
    """Items of the batch, chosen by whole numbers (batch_reindex_layer.cpp)."""
    return gather(x, cast(indices, dtype=DType.INT64), axis=0)


@handlers.layer("Filter")
def filter_layer(site: Site, *xs: Value) -> tuple[Value, ...]:
    """Items of the batch of which the selector, the last bottom, is not 0 (filter_layer.cpp)."""
    if len(xs) < 2:
        raise InvalidModelError(f"data and a selector are needed, got {len(xs)} bottoms")
    *data, selector = xs
    if any(dim != 1 for dim in selector.shape[1:]):
        raise InvalidModelError("the last bottom must be a selector with one number an item")
    flat = selector if selector.rank == 1 else reshape(selector, shape=(batch_size(selector),))
    chosen = not_equal(flat, scalar_like(flat, 0.0))
    return tuple(compress(x, chosen, axis=0) for x in data)


@handlers.layer("PixelShuffle")
def pixel_shuffle(site: Site, x: Value) -> Value:
    """Moves channels into blocks of pixels (Shi et al. 2016; pixel_shuffle_layer.cpp of wj1tr0y/gait_extractor)."""
    factor = site.param("pixel_shuffle_param").integer("upscale_factor")
    require_positive("upscale_factor", factor)
    return depth_to_space(x, block=factor, order="column_first")


@handlers.layer("ShuffleChannel")
def shuffle_channel(site: Site, x: Value) -> Value:
    """Interleaves groups of channels (farmingyard/ShuffleNet's shuffle_channel_layer.cpp; group is 1 by default)."""
    return channel_shuffle(x, groups=site.param("shuffle_channel_param").integer("group"))
