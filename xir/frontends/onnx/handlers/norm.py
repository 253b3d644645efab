"""Normalisations."""

from __future__ import annotations

from collections.abc import Callable

from xir.frontends._handlers import Handlers
from xir.frontends.onnx._site import Site, product_of
from xir.frontends.onnx._versions import Handler, versions
from xir.ir.node import Value
from xir.ops import norm
from xir.ops.elementwise import div
from xir.ops.reduce import reduce_l1, reduce_l2
from xir.ops.shape import broadcast, reshape

handlers: Handlers[Handler] = Handlers("onnx")


@handlers.layer(*versions("BatchNormalization", 7, 9, 14, 15))
def batch(site: Site, x: Value, scale: Value, shift: Value, mean: Value, variance: Value) -> Value:
    """BatchNormalization of inference."""
    site.ignore("momentum")
    if site.flag("training_mode", False):
        site.refuse("batch normalization while training", "export the model in inference mode")
    if site.opset < 9 and not site.flag("spatial", True):
        site.refuse("batch normalization of each element (spatial = 0)")
    return norm.batch_norm(x, scale, shift, mean, variance, epsilon=site.real("epsilon", _EPSILON))


_EPSILON = 9.999999747378752e-06
"""1e-5 in 32 bits, which is how onnx.defs holds the default."""


@handlers.layer(*versions("InstanceNormalization", 6, 22))
def instance(site: Site, x: Value, scale: Value, shift: Value) -> Value:
    """InstanceNormalization."""
    return norm.instance_norm(x, scale, shift, epsilon=site.real("epsilon", _EPSILON))


@handlers.layer(*versions("LayerNormalization", 17))
def layer(site: Site, x: Value, scale: Value, shift: Value | None = None) -> Value:
    """LayerNormalization computed in f32, as `stash_type` says by default."""
    if site.integer("stash_type", 1) != 1:
        site.refuse("layer normalization computed in another type than f32")
    axis = site.axis(site.integer("axis", -1), x.rank)
    scale = site.repeated(scale, x.shape[axis:])
    shift = None if shift is None else site.repeated(shift, x.shape[axis:])
    return norm.layer_norm(x, scale, shift, axis=axis, epsilon=site.real("epsilon", _EPSILON))


@handlers.layer(*versions("GroupNormalization", 21))
def group(site: Site, x: Value, scale: Value, shift: Value) -> Value:
    """GroupNormalization with a scale for each channel, computed in f32."""
    if site.integer("stash_type", 1) != 1:
        site.refuse("group normalization computed in another type than f32")
    return norm.group_norm(x, scale, shift, groups=site.integer("num_groups"), epsilon=site.real("epsilon", _EPSILON))


@handlers.layer(*versions("LRN", 1, 13))
def local_response(site: Site, x: Value) -> Value:
    """LRN; the defaults are those of onnx.defs."""
    return norm.lrn(
        x,
        size=site.integer("size"),
        alpha=site.real("alpha", 9.999999747378752e-05),
        beta=site.real("beta", 0.75),
        bias=site.real("bias", 1.0),
    )


@handlers.layer(*versions("MeanVarianceNormalization", 9, 13))
def mean_variance(site: Site, x: Value) -> Value:
    """MeanVarianceNormalization, whose function body adds 1e-9 to the standard deviation."""
    axes = site.axes(site.integers("axes", (0, 2, 3)), x.rank)
    return norm.mean_variance_normalize(x, axes=axes, normalize_variance=True, epsilon=1e-9, outside=True)


@handlers.layer(*versions("LpNormalization", 1, 22))
def norm_of_axis(site: Site, x: Value) -> Value:
    """LpNormalization: x divided by its norm along an axis."""
    axis, p = site.axis(site.integer("axis", -1), x.rank), site.integer("p", 2)
    if p not in (1, 2):
        site.invalid(f"p is {p}, expected 1 or 2")
    total = (reduce_l1 if p == 1 else reduce_l2)(x, axes=(axis,), keep_dims=True)
    return div(x, broadcast(total, shape=x.shape))


def _last_axis(operator: Callable[..., Value]) -> Handler:
    def handler(site: Site, x: Value) -> Value:
        """Along one axis (opset 13)."""
        return operator(x, axis=site.axis(site.integer("axis", -1), x.rank))

    return handler


def _flattened(operator: Callable[..., Value]) -> Handler:
    def handler(site: Site, x: Value) -> Value:
        """Over all axes from `axis` on, flattened (before opset 13)."""
        axis = site.axis(site.integer("axis", 1), x.rank) if x.rank != 1 or site.has("axis") else 0
        if axis == x.rank - 1:
            return operator(x, axis=axis)
        if all(size == 1 for size in x.shape[axis + 1 :]):
            return operator(x, axis=axis)
        flat = reshape(x, shape=(product_of(x.shape[:axis]), product_of(x.shape[axis:])))
        return reshape(operator(flat, axis=1), shape=x.shape)

    return handler


handlers.layer(*versions("Softmax", 1, 11))(_flattened(norm.softmax))
handlers.layer(*versions("LogSoftmax", 1, 11))(_flattened(norm.log_softmax))
handlers.layer(*versions("Softmax", 13))(_last_axis(norm.softmax))
handlers.layer(*versions("LogSoftmax", 13))(_last_axis(norm.log_softmax))
