"""Normalisations."""

from __future__ import annotations

from collections.abc import Callable

from xir.frontends._handlers import Handlers
from xir.frontends._operands import product_of
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.frontends.onnx.handlers.batch_norm import EPSILON
from xir.frontends.onnx.tensors import DTYPES
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import norm
from xir.ops._build import channelwise, scalar_like
from xir.ops.elementwise import add, cast, mul
from xir.ops.gating import hardmax
from xir.ops.norm_length import lp_normalize, rms_norm
from xir.ops.norm_statistics import layer_norm_with_statistics
from xir.ops.shape import broadcast, reshape

handlers: Handlers[Handler] = Handlers("onnx")


@handlers.layer(*versions("InstanceNormalization", 1, 6, 22))
def instance(site: Site, x: Value, scale: Value, shift: Value) -> Value:
    """InstanceNormalization."""
    site.ignore("consumed_inputs")
    return norm.instance_norm(x, scale, shift, epsilon=site.real("epsilon", EPSILON))


_STASHED = (DType.FLOAT32, DType.FLOAT16, DType.FLOAT64, DType.BFLOAT16)


def _stash(site: Site, x: Value) -> DType | None:
    """The type of stage one as `stash_type` says; None where that is our own: f32, or that of wider operands."""
    number = site.integer("stash_type", 1)
    if DTYPES.get(number) not in _STASHED:
        site.invalid(f"stash_type is {number}, expected 1, 10, 11 or 16")
    dtype = DTYPES[number]
    return None if dtype is DType.FLOAT32 or dtype is x.dtype is DType.FLOAT64 else dtype


def _as(value: Value, dtype: DType) -> Value:
    return value if value.dtype is dtype else cast(value, dtype=dtype)


def _fits(site: Site, parameter: Value | None, x: Value, axis: int) -> bool:
    """Whether a parameter, once repeated, belongs to the normalized axes alone, in the type of `x`."""
    if parameter is None:
        return True
    front = parameter.shape[: max(parameter.rank - (x.rank - axis), 0)]
    return parameter.dtype is x.dtype and not front


def _scaled(site: Site, y: Value, scale: Value, shift: Value | None) -> Value:
    """Stage two: in the type of the scale, which RMSNormalization lets differ from that of x."""
    result = mul(_as(y, scale.dtype), site.repeated(scale, y.shape))
    return result if shift is None else add(result, site.repeated(shift, y.shape))


@handlers.layer(*versions("LayerNormalization", 1, 17))
def layer(site: Site, x: Value, scale: Value, shift: Value | None = None) -> tuple[Value, ...]:
    """LayerNormalization; its statistics have the type of `stash_type`.

    ONNX has it from opset 17 on; before, onnxruntime registers the same in ONNX's own set as version 1.
    """
    axis = site.axis(site.integer("axis", -1), x.rank)
    epsilon, stash = site.real("epsilon", EPSILON), _stash(site, x)
    fused = stash is None and _fits(site, scale, x, axis) and _fits(site, shift, x, axis)
    tail = x.shape[axis:]
    data = x if stash is None else _as(x, stash)
    own = site.repeated(scale, tail) if fused else None
    shifted = site.repeated(shift, tail) if fused and shift is not None else None
    if len(site.node.outputs) == 1:
        y, statistics = norm.layer_norm(data, own, shifted, axis=axis, epsilon=epsilon), []
    else:
        y, *statistics = layer_norm_with_statistics(data, own, shifted, axis=axis, epsilon=epsilon)
    if not fused:
        y = _scaled(site, _as(y, x.dtype), scale, shift)
    return y, *(_as(each, stash or DType.FLOAT32) for each in statistics)


@handlers.layer(*versions("RMSNormalization", 23))
def root_mean_square(site: Site, x: Value, scale: Value) -> Value:
    """RMSNormalization."""
    axis = site.axis(site.integer("axis", -1), x.rank)
    epsilon, stash = site.real("epsilon", EPSILON), _stash(site, x)
    if stash is None and _fits(site, scale, x, axis):
        return rms_norm(x, site.repeated(scale, x.shape[axis:]), axis=axis, epsilon=epsilon)
    data = x if stash is None else _as(x, stash)
    return _scaled(site, _as(rms_norm(data, axis=axis, epsilon=epsilon), x.dtype), scale, None)


@handlers.layer(*versions("GroupNormalization", 18))
def group_with_group_parameters(site: Site, x: Value, scale: Value, shift: Value) -> Value:
    """GroupNormalization with a scale for each group, which its channels share."""
    groups, channels = site.integer("num_groups"), x.shape[1]
    if groups < 1:
        site.invalid(f"num_groups is {groups}, expected 1 or more")
    shared = [
        reshape(broadcast(reshape(each, shape=(groups, 1)), shape=(groups, channels // groups)), shape=(channels,))
        for each in (scale, shift)
    ]
    return norm.group_norm(x, shared[0], shared[1], groups=groups, epsilon=site.real("epsilon", EPSILON))


@handlers.layer(*versions("GroupNormalization", 21))
def group(site: Site, x: Value, scale: Value, shift: Value) -> Value:
    """GroupNormalization with a scale for each channel."""
    groups, epsilon, stash = site.integer("num_groups"), site.real("epsilon", EPSILON), _stash(site, x)
    if stash is None:
        return norm.group_norm(x, scale, shift, groups=groups, epsilon=epsilon)
    one, zero = (scalar_like(_as(scale, stash), number) for number in (1.0, 0.0))
    y = _as(norm.group_norm(_as(x, stash), one, zero, groups=groups, epsilon=epsilon), x.dtype)
    return add(mul(y, channelwise(scale, y)), channelwise(shift, y))


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
    return lp_normalize(x, axis=site.axis(site.integer("axis", -1), x.rank), p=site.integer("p", 2))


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


flattened_softmax = _flattened(norm.softmax)
"""Softmax before opset 13: over all axes from `axis` on."""
axis_softmax = _last_axis(norm.softmax)
"""Softmax since opset 13: along `axis`."""

handlers.layer(*versions("Hardmax", 1, 11))(_flattened(hardmax))
handlers.layer(*versions("Hardmax", 13))(_last_axis(hardmax))
handlers.layer(*versions("Softmax", 1, 11))(flattened_softmax)
handlers.layer(*versions("LogSoftmax", 1, 11))(_flattened(norm.log_softmax))
handlers.layer(*versions("Softmax", 13))(axis_softmax)
handlers.layer(*versions("LogSoftmax", 13))(_last_axis(norm.log_softmax))
