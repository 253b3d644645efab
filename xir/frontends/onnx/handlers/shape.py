"""Shapes: asked for, and changed while the elements stay as they are."""

from __future__ import annotations

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends._operands import product_of
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.frontends.onnx.handlers._vectors import length, numbers, unknown, whole
from xir.ir.broadcasting import join
from xir.ir.constant import constant_of
from xir.ir.dims import Dim, Shape, Symbol, floor_divide
from xir.ir.node import Value
from xir.ops import blocks, compare
from xir.ops.constant import constant, identity
from xir.ops.elementwise import select
from xir.ops.late import broadcast_late, reshape_late, squeeze_late, unsqueeze_late
from xir.ops.shape import broadcast, concat, pad, reshape, shape_of, slice_, transpose

handlers: Handlers[Handler] = Handlers("onnx")


@handlers.layer(*versions("Reshape", 1))
def reshaped_by_attribute(site: Site, x: Value) -> Value:
    """Reshape of the first opset: the sizes are an attribute."""
    site.ignore("consumed_inputs")
    return _reshaped(site, x, site.integers("shape"), False)


@handlers.layer(*versions("Reshape", 5, 13, 14, 19, 21, 23, 24, 25))
def reshaped(site: Site, x: Value, target: Value) -> Value:
    """Reshape: 0 copies the size at the same place (unless `allowzero`), -1 is what is left."""
    literal_zero = site.flag("allowzero", False)
    wanted = site.sizes(target)
    if wanted is None:
        return _reshaped_at_run_time(x, target, literal_zero)
    return _reshaped(site, x, wanted, literal_zero)


def _reshaped(site: Site, x: Value, wanted: Shape, literal_zero: bool) -> Value:
    sizes: list[Dim] = []
    for index, size in enumerate(wanted):
        if size == 0 and not literal_zero:
            if index >= x.rank:
                site.invalid(f"size {index} is copied from an axis that {x.type!r} has not")
            size = x.shape[index]
        sizes.append(size)
    if sizes.count(-1) > 1:
        site.invalid(f"the target {list(wanted)} has two sizes -1")
    if -1 in sizes:
        rest = product_of([size for size in sizes if size != -1])
        if rest == 0:
            site.invalid(f"what is left for -1 in {list(wanted)} cannot be told: another size is 0")
        sizes[sizes.index(-1)] = floor_divide(product_of(x.shape), rest)
    return reshape(x, shape=tuple(sizes))


def _reshaped_at_run_time(x: Value, target: Value, literal_zero: bool) -> Value:
    count = length(target)
    if count is None:
        return reshape_late(x, target, copies_zero=not literal_zero)
    if not literal_zero:
        own = shape_of(x)
        if count <= x.rank:
            own = slice_(own, axes=(0,), starts=(0,), stops=(count,), steps=(1,))
        else:
            own = pad(own, padding=((0, count - x.rank),))
        zero = constant(value=constant_of(np.zeros(1, np.int64)))
        is_zero = compare.equal(target, broadcast(zero, shape=(count,)))
        target = select(is_zero, own, target)
    return reshape(x, target, shape=unknown(count))


@handlers.layer(*versions("Flatten", 1, 9, 11, 13, 21, 23, 24, 25))
def flattened(site: Site, x: Value) -> Value:
    """Flatten: two axes, cut before `axis`."""
    axis = site.integer("axis", 1)
    if not -x.rank <= axis <= x.rank:
        site.invalid(f"axis {axis} does not exist in {x.type!r}")
    axis = axis + x.rank if axis < 0 else axis
    return reshape(x, shape=(product_of(x.shape[:axis]), product_of(x.shape[axis:])))


def _squeezed(site: Site, x: Value, axes: tuple[int, ...] | None) -> Value:
    if axes is None:
        if any(not isinstance(size, int) for size in x.shape):
            return squeeze_late(x)
        chosen = {index for index, size in enumerate(x.shape) if size == 1}
    else:
        chosen = set(site.axes(axes, x.rank))
    for index in sorted(chosen):
        if isinstance(x.shape[index], int) and x.shape[index] != 1:
            site.invalid(f"axis {index} of {x.type!r} is not 1")
    return reshape(x, shape=tuple(size for index, size in enumerate(x.shape) if index not in chosen))


@handlers.layer(*versions("Squeeze", 1, 11))
def squeezed_by_attribute(site: Site, x: Value) -> Value:
    """Squeeze with axes as an attribute."""
    return _squeezed(site, x, site.integers("axes") if site.has("axes") else None)


@handlers.layer(*versions("Squeeze", 13, 21, 23, 24, 25))
def squeezed(site: Site, x: Value, axes: Value | None = None) -> Value:
    """Squeeze with axes as an operand."""
    known = None if axes is None else numbers(site, axes)
    return _squeezed(site, x, known) if axes is None or known is not None else squeeze_late(x, axes)


def _unsqueezed(site: Site, x: Value, axes: tuple[int, ...]) -> Value:
    rank = x.rank + len(axes)
    chosen = set(site.axes(axes, rank))
    sizes = iter(x.shape)
    return reshape(x, shape=tuple(1 if index in chosen else next(sizes) for index in range(rank)))


@handlers.layer(*versions("Unsqueeze", 1, 11))
def unsqueezed_by_attribute(site: Site, x: Value) -> Value:
    """Unsqueeze with axes as an attribute."""
    return _unsqueezed(site, x, site.integers("axes"))


@handlers.layer(*versions("Unsqueeze", 13, 21, 23, 24, 25))
def unsqueezed(site: Site, x: Value, axes: Value) -> Value:
    """Unsqueeze with axes as an operand."""
    known = numbers(site, axes)
    return unsqueeze_late(x, axes) if known is None else _unsqueezed(site, x, known)


@handlers.layer(*versions("Expand", 8, 13))
def expanded(site: Site, x: Value, target: Value) -> Value:
    """Expand: x and the target broadcast against each other."""
    wanted = site.sizes(target)
    if wanted is None:
        return _expanded_at_run_time(x, target)
    joined = join([x.shape, wanted])
    return site.scope.broadcast(x, joined) if joined != x.shape else identity(x)


def _expanded_at_run_time(x: Value, target: Value) -> Value:
    count = length(target)
    if count is None:
        return broadcast_late(x, target)
    if count < x.rank:
        ones = constant(value=constant_of(np.ones(x.rank - count, np.int64)))
        target, count = concat(ones, whole(target), axis=0), x.rank
    new = count - x.rank
    known = (size if isinstance(size, int) and size != 1 else Symbol() for size in x.shape)
    return broadcast(x, target, shape=(*unknown(new), *known))


@handlers.layer(*versions("Transpose", 1, 13, 21, 23, 24, 25))
def transposed(site: Site, x: Value) -> Value:
    """Transpose; without a permutation all axes turn round."""
    return transpose(x, perm=site.integers("perm", tuple(reversed(range(x.rank)))))


@handlers.layer(*versions("Concat", 1))
def concatenated_along_channels(site: Site, first: Value, *rest: Value) -> Value:
    """Concat of the first opset, whose axis is 1 unless it is given."""
    return concat(first, *rest, axis=site.axis(site.integer("axis", 1), first.rank))


@handlers.layer(*versions("Concat", 4, 11, 13))
def concatenated(site: Site, first: Value, *rest: Value) -> Value:
    """Concat."""
    return concat(first, *rest, axis=site.axis(site.integer("axis"), first.rank))


@handlers.layer(*versions("Shape", 1, 13))
def measured(site: Site, x: Value) -> Value:
    """Shape."""
    return shape_of(x)


@handlers.layer(*versions("Shape", 15, 19, 21, 23, 24, 25))
def measured_part(site: Site, x: Value) -> Value:
    """Shape, of the axes from `start` to `end`, which are clamped."""
    first, last = site.integer("start", 0), site.integer("end", x.rank)
    chosen = slice(first, last).indices(x.rank)
    whole = shape_of(x)
    if chosen[:2] == (0, x.rank):
        return whole
    return slice_(whole, axes=(0,), starts=(chosen[0],), stops=(max(chosen[:2]),), steps=(1,))


@handlers.layer(*versions("Size", 1, 13, 19, 21, 23, 24, 25))
def counted(site: Site, x: Value) -> Value:
    """Size: the product of the shape."""
    from xir.ops.reduce import reduce_prod

    return reduce_prod(shape_of(x), axes=(0,), keep_dims=False)


@handlers.layer(*versions("DepthToSpace", 1))
def depth_to_space_depth_first(site: Site, x: Value) -> Value:
    """DepthToSpace before opset 11: depth first."""
    return blocks.depth_to_space(x, block=site.integer("blocksize"), order="depth_first")


@handlers.layer(*versions("DepthToSpace", 11, 13, 28))
def depth_to_space(site: Site, x: Value) -> Value:
    """DepthToSpace, modes DCR and CRD."""
    mode = site.choice("mode", ("DCR", "CRD"), "DCR")
    block = site.integer("blocksize")
    return blocks.depth_to_space(x, block=block, order="depth_first" if mode == "DCR" else "column_first")


@handlers.layer(*versions("SpaceToDepth", 1, 13))
def space_to_depth_depth_first(site: Site, x: Value) -> Value:
    """SpaceToDepth before opset 28: depth first."""
    return blocks.space_to_depth(x, block=site.integer("blocksize"))


@handlers.layer(*versions("SpaceToDepth", 28))
def space_to_depth(site: Site, x: Value) -> Value:
    """SpaceToDepth, modes DCR and CRD."""
    mode = site.choice("mode", ("DCR", "CRD"), "DCR")
    block = site.integer("blocksize")
    return blocks.space_to_depth(x, block=block, order="depth_first" if mode == "DCR" else "column_first")
