"""Activations that are layers."""

from __future__ import annotations

import math

from xir.frontends._handlers import Handlers
from xir.frontends._operands import known
from xir.frontends.keras.config import whole
from xir.frontends.keras.site import Handler, Site
from xir.ir.dims import Dim
from xir.ir.node import Value
from xir.ops import activation, compare, elementwise, norm
from xir.ops._build import scalar_like
from xir.ops.shape import broadcast, reshape, transpose

handlers: Handlers[Handler] = Handlers("keras")

_FAR = -3e38
"""Numbers that do not count in a softmax: next to the least of f32 (activations/softmax.py of Keras 3)."""


@handlers.layer("ReLU")
def relu(site: Site, x: Value) -> Value:
    """ReLU with a limit, a slope below the threshold, and the threshold (keras/src/layers/activations/relu.py)."""
    limit = site.config.optional_number("max_value")
    slope = site.config.number("negative_slope", 0.0) if site.config.raw("negative_slope") is not None else 0.0
    threshold = site.config.number("threshold", 0.0) if site.config.raw("threshold") is not None else 0.0
    if threshold == 0.0:
        if limit is None:
            return activation.leaky_relu(x, alpha=slope) if slope else activation.relu(x)
        result = activation.leaky_relu(x, alpha=slope) if slope else x
        return elementwise.clip(result, minimum=None if slope else 0.0, maximum=limit)
    kept = x if limit is None else elementwise.clip(x, minimum=None, maximum=limit)
    below = elementwise.mul(elementwise.sub(x, scalar_like(x, threshold)), scalar_like(x, slope))
    return elementwise.select(compare.greater_equal(x, scalar_like(x, threshold)), kept, below)


@handlers.layer("LeakyReLU")
def leaky(site: Site, x: Value) -> Value:
    """LeakyReLU: Keras 1 and 2 call the slope alpha, Keras 3 negative_slope."""
    name = "negative_slope" if "negative_slope" in site.layer.config else "alpha"
    return activation.leaky_relu(x, alpha=site.config.number(name, 0.3))


@handlers.layer("PReLU")
def parametric(site: Site, x: Value) -> Value:
    """PReLU: a slope for each feature, one for all along the shared axes (counted from 1)."""
    shared = {whole(axis, "shared_axes") for axis in site.config.listed("shared_axes")}
    sizes: list[Dim] = [1 if axis in shared else x.shape[axis] for axis in range(1, x.rank)]
    slope = site.weight("alpha")
    count = known(tuple(sizes))
    held = known(slope.shape)
    if held is None or (count is not None and math.prod(count) != math.prod(held)):
        site.invalid(f"its slopes have the shape {list(slope.shape)}, expected {sizes}")
    if slope.rank != x.rank - 1:
        site.invalid(f"its slopes have the shape {list(slope.shape)}, expected {sizes}")
    wide = broadcast(reshape(slope, shape=(1, *slope.shape)), shape=x.shape)
    return activation.prelu(x, wide)


@handlers.layer("ELU")
def exponential(site: Site, x: Value) -> Value:
    """ELU."""
    return activation.elu(x, alpha=site.config.number("alpha", 1.0))


@handlers.layer("ThresholdedReLU")
def thresholded(site: Site, x: Value) -> Value:
    """ThresholdedReLU: x above theta, else 0."""
    return activation.thresholded_relu(x, alpha=site.config.number("theta", 1.0))


@handlers.layer("Softmax")
def softmax(site: Site, x: Value) -> Value:
    """Softmax along one axis, or along several as if they were one."""
    if site.mask is not None:
        return _masked_softmax(site, x, site.mask)
    return _softmax(site, x)


def _masked_softmax(site: Site, x: Value, mask: Value) -> Value:
    """Where the mask is false, numbers do not count and are 0; tf-keras took 1e9 off them (activation/softmax.py)."""
    if mask.rank != x.rank:
        mask = reshape(mask, shape=(*mask.shape, *(1,) * (x.rank - mask.rank)))
    kept = site.repeated(mask, x.shape)
    if site.generation < 3:
        return _softmax(site, elementwise.select(kept, x, elementwise.sub(x, scalar_like(x, 1e9))))
    found = _softmax(site, elementwise.select(kept, x, scalar_like(x, _FAR)))
    return elementwise.select(kept, found, scalar_like(x, 0.0))


def _softmax(site: Site, x: Value) -> Value:
    axes = site.axes([whole(axis, "axis") for axis in site.config.listed("axis")] or [-1], x.rank)
    if len(axes) == 1:
        return norm.softmax(x, axis=axes[0])
    rest = tuple(axis for axis in range(x.rank) if axis not in axes)
    perm = (*rest, *axes)
    moved = transpose(x, perm=perm)
    size: Dim = 1
    for axis in axes:
        size = size * x.shape[axis]
    flat = reshape(moved, shape=(*(x.shape[axis] for axis in rest), size))
    back = reshape(norm.softmax(flat, axis=len(rest)), shape=moved.shape)
    return transpose(back, perm=tuple(perm.index(axis) for axis in range(x.rank)))
