"""Space, batch and depth exchanged in blocks, and windows laid out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends.tensorflow._site import Handler, Site
from xir.frontends.tensorflow.handlers._layout import Window, back, first, is_last
from xir.frontends.tensorflow.handlers._sizes import limits
from xir.ir.constant import constant_of
from xir.ir.dims import Dim, floor_divide
from xir.ir.node import Value
from xir.ops import blocks
from xir.ops.constant import constant
from xir.ops.elementwise import add
from xir.ops.index import gather
from xir.ops.reduce import reduce_max
from xir.ops.shape import broadcast, pad, reshape, slice_, transpose

handlers: Handlers[Handler] = Handlers("tensorflow")


@handlers.layer("DepthToSpace")
def depth_to_space(site: Site, x: Value) -> Value:
    """DepthToSpace: the block's rows and columns are the slower part of the depth."""
    last = is_last(site)
    return back(blocks.depth_to_space(first(x, last), block=site.integer("block_size"), order="depth_first"), last)


@handlers.layer("SpaceToDepth")
def space_to_depth(site: Site, x: Value) -> Value:
    """SpaceToDepth, the other way."""
    last = is_last(site)
    return back(blocks.space_to_depth(first(x, last), block=site.integer("block_size")), last)


def _amounts(site: Site, operand: Value, count: int, what: str) -> list[tuple[Dim, Dim]]:
    known = site.sizes(operand)
    if known is None or len(known) != 2 * count:
        site.refuse(f"{what} that are computed at run time")
    return [(known[2 * axis], known[2 * axis + 1]) for axis in range(count)]


@handlers.layer("SpaceToBatchND", "SpaceToBatch")
def space_to_batch(site: Site, x: Value, *operands: Value) -> Value:
    """Each block's elements become examples (spacetobatch_op.cc)."""
    block = _block(site, operands)
    rest = x.rank - 1 - len(block)
    padding = _amounts(site, operands[-1], len(block), "paddings")
    data = pad(x, padding=((0, 0), *padding, *((0, 0),) * rest)) if any(each != (0, 0) for each in padding) else x
    batch, spatial, tail = data.shape[0], data.shape[1 : 1 + len(block)], data.shape[1 + len(block) :]
    pieces: list[Dim] = []
    count = 1
    for size, step in zip(spatial, block, strict=True):
        if isinstance(size, int) and size % step:
            site.invalid(f"{size} padded elements do not come apart into blocks of {step}")
        pieces += [floor_divide(size, step), step]
        count *= step
    split = reshape(data, shape=(batch, *pieces, *tail))
    steps = tuple(range(2, 2 * len(block) + 1, 2))
    places = tuple(range(1, 2 * len(block), 2))
    perm = (*steps, 0, *places, *range(2 * len(block) + 1, split.rank))
    return reshape(transpose(split, perm=perm), shape=(batch * count, *pieces[::2], *tail))


@handlers.layer("BatchToSpaceND", "BatchToSpace")
def batch_to_space(site: Site, x: Value, *operands: Value) -> Value:
    """Examples become each block's elements; then what was padded is cut off (batchtospace_op.cc)."""
    block = _block(site, operands)
    crops = _amounts(site, operands[-1], len(block), "crops")
    count = int(np.prod(block))
    batch, spatial, tail = x.shape[0], x.shape[1 : 1 + len(block)], x.shape[1 + len(block) :]
    if isinstance(batch, int) and batch % count:
        site.invalid(f"{batch} examples do not come together in blocks of {count}")
    examples = floor_divide(batch, count)
    split = reshape(x, shape=(*block, examples, *spatial, *tail))
    perm: list[int] = [len(block)]
    for axis in range(len(block)):
        perm += [len(block) + 1 + axis, axis]
    perm += range(2 * len(block) + 1, split.rank)
    sizes = tuple(size * step for size, step in zip(spatial, block, strict=True))
    whole = reshape(transpose(split, perm=tuple(perm)), shape=(examples, *sizes, *tail))
    if all(crop == (0, 0) for crop in crops):
        return whole
    stops = tuple(size - after for size, (_, after) in zip(sizes, crops, strict=True))
    axes, steps = tuple(range(1, 1 + len(block))), (1,) * len(block)
    return slice_(whole, axes=axes, starts=tuple(before for before, _ in crops), stops=stops, steps=steps)


def _block(site: Site, operands: Sequence[Value]) -> tuple[int, ...]:
    """The block's sizes: an operand of the operators for any number of axes, else an attribute for two."""
    if site.node.kind.endswith("ND"):
        return site.numbers(operands[0], "sizes of a block")
    return (site.integer("block_size"),) * 2


def windows(site: Site, x: Value, window: Window, value: float) -> Value:
    """The windows of images [N, H, W, C] as [N, rows, h, columns, w, C], with `value` around the images."""
    padding = window.padding(site, x.shape[1:3])
    data = pad(x, padding=((0, 0), *padding, (0, 0)), value=value) if any(p != (0, 0) for p in padding) else x
    for axis, size in ((3, data.shape[2]), (1, data.shape[1])):
        place = axis // 2
        if not isinstance(size, int):
            site.refuse("windows of images of unknown size", "type the inputs: --input")
        extent, stride, gap = window.extents[place], window.strides[place], window.dilation[place]
        count = (size - (extent - 1) * gap - 1) // stride + 1
        lines = np.arange(max(count, 0))[:, None] * stride + np.arange(extent) * gap
        data = gather(data, constant(value=constant_of(lines.astype(np.int64))), axis=place + 1)
    return data


def _inner(site: Site, name: str) -> tuple[int, ...]:
    numbers = site.integers(name)
    if len(numbers) != 4 or numbers[0] != 1 or numbers[3] != 1:
        site.refuse(f"windows {list(numbers)} along examples or channels")
    return numbers[1:3]


@handlers.layer("ExtractImagePatches")
def patches(site: Site, x: Value) -> Value:
    """Each window's elements as channels: [N, rows, columns, h * w * C]."""
    extents, strides, rates = (_inner(site, name) for name in ("ksizes", "strides", "rates"))
    made = windows(site, x, Window(extents, strides, rates, last=True), 0.0)
    n, rows, height, columns, width, channels = made.shape
    laid = transpose(made, perm=(0, 1, 3, 2, 4, 5))
    return reshape(laid, shape=(n, rows, columns, height * width * channels))


@handlers.layer("Dilation2D")
def dilated(site: Site, x: Value, w: Value) -> Value:
    """The greatest sum of image and filter [h, w, C] in each window."""
    strides, rates = (_inner(site, name) for name in ("strides", "rates"))
    extents = tuple(size for size in w.shape[:2] if isinstance(size, int))
    made = windows(site, x, Window(extents, strides, rates, last=True), limits(x.dtype)[0])
    filters = reshape(w, shape=(1, 1, extents[0], 1, extents[1], w.shape[2]))
    return reduce_max(add(made, broadcast(filters, shape=made.shape)), axes=(2, 4), keep_dims=False)
