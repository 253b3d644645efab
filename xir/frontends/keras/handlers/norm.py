"""Normalisation."""

from __future__ import annotations

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends.keras.config import whole
from xir.frontends.keras.site import Handler, Site
from xir.ir.constant import constant_of
from xir.ir.dims import Dim
from xir.ir.node import Value
from xir.ops import elementwise, norm
from xir.ops._build import channelwise, scalar_like
from xir.ops.constant import constant
from xir.ops.norm_length import rms_norm
from xir.ops.reduce import reduce_sum_square
from xir.ops.shape import broadcast, reshape, transpose

handlers: Handlers[Handler] = Handlers("keras")


def _filled(like: Value, size: Dim, value: float) -> Value:
    """A vector that holds one number; its size must be known."""
    if not isinstance(size, int):
        raise ValueError("the number of channels is not known")
    return constant(value=constant_of(np.full(size, value, like.dtype.dtype)))


def _axis(site: Site, x: Value, default: int) -> int:
    found = site.config.listed("axis") or [default]
    if len(found) != 1:
        site.refuse("a normalisation along several axes")
    return site.axis(whole(found[0], "axis"), x.rank)


@handlers.layer("BatchNormalization", "SyncBatchNormalization")
def batch(site: Site, x: Value) -> Value:
    """BatchNormalization: gamma, beta, the mean and the variance that training kept (Ioffe & Szegedy 2015).

    Keras 1 calls the variance running_std (keras/layers/normalization.py of 1.2); its modes 1 and 2 normalise
    otherwise.
    """
    config = site.config
    axis = _axis(site, x, -1)
    if config.raw("mode") not in (None, 0):
        site.refuse(f"the mode {config.raw('mode')!r} of a normalisation of Keras 1")
    config.ignore(
        "momentum", "renorm", "renorm_clipping", "renorm_momentum", "fused", "virtual_batch_size", "adjustment"
    )
    config.ignore("synchronized")
    size = x.shape[axis]
    scale = site.weight("gamma", (size,)) if config.flag("scale", True) else _filled(x, size, 1.0)
    shift = site.weight("beta", (size,)) if config.flag("center", True) else _filled(x, size, 0.0)
    mean, variance = site.weight("moving_mean", (size,)), site.weight("moving_variance", (size,))
    perm = (0, axis, *(other for other in range(1, x.rank) if other != axis))
    moved = x if axis == 1 else transpose(x, perm=perm)
    result = norm.batch_norm(moved, scale, shift, mean, variance, epsilon=config.number("epsilon", 1e-3))
    return result if axis == 1 else transpose(result, perm=tuple(perm.index(each) for each in range(x.rank)))


@handlers.layer("LayerNormalization")
def layer(site: Site, x: Value) -> Value:
    """LayerNormalization over one or several of the last axes (keras/src/layers/normalization)."""
    config = site.config
    axes = site.axes([whole(axis, "axis") for axis in config.listed("axis")] or [-1], x.rank)
    if config.flag("rms_scaling"):
        site.refuse("rms_scaling of a LayerNormalization", "use RMSNormalization")
    first = min(axes)
    if sorted(axes) != list(range(first, x.rank)):
        site.refuse(f"a LayerNormalization along the axes {list(axes)}, which are not the last ones")
    sizes = x.shape[first:]
    scale = site.weight("gamma", sizes) if config.flag("scale", True) else None
    shift = site.weight("beta", sizes) if config.flag("center", True) else None
    if scale is None and shift is not None:
        scale = elementwise.add(elementwise.sub(shift, shift), scalar_like(shift, 1.0))
    return norm.layer_norm(x, scale, shift, axis=first, epsilon=config.number("epsilon", 1e-3))


@handlers.layer("RMSNormalization")
def root_mean_square(site: Site, x: Value) -> Value:
    """RMSNormalization over the last axis or axes (Zhang & Sennrich 2019)."""
    axes = site.axes([whole(axis, "axis") for axis in site.config.listed("axis")] or [-1], x.rank)
    first = min(axes)
    if sorted(axes) != list(range(first, x.rank)):
        site.refuse(f"an RMSNormalization along the axes {list(axes)}, which are not the last ones")
    scale = site.weight("scale", x.shape[first:])
    return rms_norm(x, scale, axis=first, epsilon=site.config.number("epsilon", 1e-6))


@handlers.layer("GroupNormalization")
def group(site: Site, x: Value) -> Value:
    """GroupNormalization (Wu & He 2018); -1 groups are as many as channels."""
    config = site.config
    axis = _axis(site, x, -1)
    size, groups = x.shape[axis], config.integer("groups", 32)
    if not isinstance(size, int):
        site.refuse("a number of channels that is not known before the run")
    scale = site.weight("gamma", (size,)) if config.flag("scale", True) else _filled(x, size, 1.0)
    shift = site.weight("beta", (size,)) if config.flag("center", True) else _filled(x, size, 0.0)
    perm = (0, axis, *(other for other in range(1, x.rank) if other != axis))
    moved = x if axis == 1 else transpose(x, perm=perm)
    result = norm.group_norm(
        moved, scale, shift, groups=size if groups == -1 else groups, epsilon=config.number("epsilon", 1e-3)
    )
    return result if axis == 1 else transpose(result, perm=tuple(perm.index(each) for each in range(x.rank)))


@handlers.layer("UnitNormalization")
def unit(site: Site, x: Value) -> Value:
    """UnitNormalization: x over its length, whose square is 1e-12 at the least."""
    axes = site.axes([whole(axis, "axis") for axis in site.config.listed("axis")] or [-1], x.rank)
    squares = reduce_sum_square(x, axes=axes, keep_dims=True)
    length = elementwise.sqrt(elementwise.clip(squares, minimum=1e-12, maximum=None))
    return elementwise.div(x, broadcast(length, shape=x.shape))


@handlers.layer("Rescaling")
def rescaled(site: Site, x: Value) -> Value:
    """Rescaling: x * scale + offset, each a number or one for each channel."""
    image = elementwise.cast(x, dtype=site.dtype) if not x.dtype.is_floating else x
    scaled = elementwise.mul(image, _channels(site, image, "scale"))
    return elementwise.add(scaled, _channels(site, image, "offset"))


@handlers.layer("Normalization")
def normalized(site: Site, x: Value) -> Value:
    """Normalization: (x - mean) / max(sqrt(variance), 1e-7), both given or kept (keras/src/layers/preprocessing)."""
    config = site.config
    axes = site.axes([whole(axis, "axis") for axis in config.listed("axis")], x.rank)
    image = elementwise.cast(x, dtype=site.dtype) if not x.dtype.is_floating else x
    if config.raw("mean") is not None:
        mean, variance = _channels(site, image, "mean"), _channels(site, image, "variance")
    else:
        shape = tuple(x.shape[axis] if axis in axes else 1 for axis in range(x.rank))
        mean = broadcast(reshape(site.weight("mean"), shape=shape), shape=x.shape)
        variance = broadcast(reshape(site.weight("variance"), shape=shape), shape=x.shape)
        if site.cursor.left:
            site.cursor.next()  # how many numbers the mean is of
    deviation = elementwise.clip(elementwise.sqrt(variance), minimum=1e-7, maximum=None)
    if config.flag("invert"):
        return elementwise.add(mean, elementwise.mul(image, deviation))
    return elementwise.div(elementwise.sub(image, mean), deviation)


def _channels(site: Site, like: Value, name: str) -> Value:
    """Numbers of the configuration, repeated to the shape of `like`."""
    held = np.asarray(site.config.listed(name) or [0.0], np.float64)
    literal = constant(value=constant_of(held.astype(like.dtype.dtype)))
    if held.size == 1:
        literal = reshape(literal, shape=(1,) * like.rank)
    elif held.ndim == 1:
        return channelwise(literal, like, like.rank - 1)
    elif held.ndim != like.rank:
        literal = reshape(literal, shape=(*(1,) * (like.rank - held.ndim), *held.shape))
    return broadcast(literal, shape=like.shape)
