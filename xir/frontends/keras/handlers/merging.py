"""Layers that make one tensor of several."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends.keras.config import whole
from xir.frontends.keras.site import Handler, Site
from xir.ir.constant import constant_of
from xir.ir.node import Value
from xir.ops import compare, elementwise
from xir.ops._build import scalar_like
from xir.ops.constant import constant
from xir.ops.matmul import matmul
from xir.ops.norm import l2_normalize
from xir.ops.shape import broadcast, concat, reshape, transpose

handlers: Handlers[Handler] = Handlers("keras")


def _masked(site: Site) -> None:
    """Steps count that count in all inputs that say it; in Keras 3 in one of them (merging/base_merge.py)."""
    held = [mask for mask in site.masks if mask is not None]
    if site.generation == 3:
        site.result_mask = reduce(compare.logical_or, held) if len(held) == len(site.masks) and held else None
    elif held:
        site.result_mask = reduce(compare.logical_and, held)


def _folded(site: Site, operands: tuple[Value, ...], combine: Callable[[Value, Value], Value]) -> Value:
    """The operands combined one after another, batches first: missing axes come behind the batch's."""
    _masked(site)
    rank = max(value.rank for value in operands)
    wide = [
        value
        if value.rank == rank or value.rank < 1
        else reshape(value, shape=(value.shape[0], *(1,) * (rank - value.rank), *value.shape[1:]))
        for value in operands
    ]
    return reduce(combine, site.aligned(*wide))


@handlers.layer("Add")
def added(site: Site, *operands: Value) -> Value:
    """Add."""
    return _folded(site, operands, elementwise.add)


@handlers.layer("Subtract")
def subtracted(site: Site, *operands: Value) -> Value:
    """Subtract, of two."""
    if len(operands) != 2:
        site.invalid(f"two tensors are needed, got {len(operands)}")
    return _folded(site, operands, elementwise.sub)


@handlers.layer("Multiply")
def multiplied(site: Site, *operands: Value) -> Value:
    """Multiply."""
    return _folded(site, operands, elementwise.mul)


@handlers.layer("Average")
def averaged(site: Site, *operands: Value) -> Value:
    """Average."""
    total = _folded(site, operands, elementwise.add)
    return elementwise.div(total, scalar_like(total, float(len(operands))))


@handlers.layer("Maximum")
def largest(site: Site, *operands: Value) -> Value:
    """Maximum."""
    return _folded(site, operands, elementwise.maximum)


@handlers.layer("Minimum")
def smallest(site: Site, *operands: Value) -> Value:
    """Minimum."""
    return _folded(site, operands, elementwise.minimum)


@handlers.layer("Concatenate")
def concatenated(site: Site, *operands: Value) -> Value:
    """Concatenate along an axis."""
    axis = site.axis(site.config.integer("axis", -1), operands[0].rank)
    if any(mask is not None for mask in site.masks):
        _masked_parts(site, operands, axis)
    return concat(*operands, axis=axis)


def _masked_parts(site: Site, operands: tuple[Value, ...], axis: int) -> None:
    """Of parts side by side steps count as `_masked` says; of parts one after another each keeps its own.

    Where a part has no mask, all its steps count (merging/concatenate.py, compute_mask).
    """
    if axis != 1:
        _masked(site)
        return
    held = [_every_step(x) if mask is None else mask for x, mask in zip(operands, site.masks, strict=True)]
    site.result_mask = concat(*held, axis=1)


def _every_step(x: Value) -> Value:
    steps = constant(value=constant_of(np.ones((), np.bool_)))
    return broadcast(steps, shape=x.shape[:2])


@handlers.layer("Dot")
def dot(site: Site, x: Value, y: Value) -> Value:
    """Dot: the sums of products along one axis of each, batches going together (keras/src/layers/merging/dot.py)."""
    listed = [whole(axis, "axes") for axis in site.config.listed("axes")]
    first, second = (listed * 2)[:2] if len(listed) == 1 else listed
    a, b = site.axis(first, x.rank), site.axis(second, y.rank)
    if not a > 0 or not b > 0 or max(x.rank, y.rank) > 3:
        site.refuse(f"a product along the axes {a} and {b} of {x.type!r} and {y.type!r}")
    if site.config.flag("normalize"):
        x = l2_normalize(x, axes=(a,), epsilon=1e-6, floor=True)
        y = l2_normalize(y, axes=(b,), epsilon=1e-6, floor=True)
    left = transpose(x, perm=(0, *(axis for axis in range(1, x.rank) if axis != a), a))
    right = transpose(y, perm=(0, b, *(axis for axis in range(1, y.rank) if axis != b)))
    rest = (*left.shape[1:-1], *right.shape[2:])
    if left.rank == 2:
        left = reshape(left, shape=(left.shape[0], 1, left.shape[1]))
    if right.rank == 2:
        right = reshape(right, shape=(*right.shape, 1))
    return reshape(matmul(left, right), shape=(x.shape[0], *(rest or (1,))))


@handlers.layer("Merge")
def merged(site: Site, *operands: Value) -> Value:
    """Merge of Keras 1: one of the others by its mode."""
    mode = site.config.text("mode")
    site.config.ignore("layers", "mode_type", "output_shape", "output_shape_type", "output_mask", "output_mask_type")
    site.config.ignore("arguments", "node_indices", "tensor_indices", "dot_axes")
    if mode == "concat":
        return concatenated(site, *operands)
    site.config.ignore("axis")
    table = {"sum": added, "mul": multiplied, "ave": averaged, "max": largest}
    if mode not in table:
        site.refuse(f"the mode {mode!r} of a Merge of Keras 1")
    return table[mode](site, *operands)
