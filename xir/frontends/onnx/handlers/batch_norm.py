"""BatchNormalization of every version: by statistics given, or while training, by those of the batch."""

from __future__ import annotations

from collections.abc import Sequence

from xir.frontends._handlers import Handlers
from xir.frontends._operands import product_of
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.ir.dims import Shape
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops.elementwise import cast
from xir.ops.norm import batch_norm
from xir.ops.norm_statistics import batch_norm_train, channel_statistics
from xir.ops.shape import reshape

handlers: Handlers[Handler] = Handlers("onnx")

EPSILON = 9.999999747378752e-06
"""1e-5 in 32 bits, which is how onnx.defs holds the default of every normalization."""

_MOMENTUM = 0.8999999761581421
"""0.9 in 32 bits."""


@handlers.layer(*versions("BatchNormalization", 1, 6, 7, 9, 14, 15))
def batch(site: Site, x: Value, scale: Value, shift: Value, mean: Value, variance: Value) -> tuple[Value, ...]:
    """BatchNormalization.

    What says that the model trains: `is_test` = 0, the default (1, 6), more than one output (7, 9), `training_mode`
    (14, 15). Before opset 9 `spatial` = 0 normalizes each element over the batch alone.
    """
    parameters = (scale, shift, mean, variance)
    shape = scale.shape
    if site.opset < 9 and not site.flag("spatial", True):
        data, given = _flattened(x, parameters)
    elif x.rank == 1:  # "C is assumed to be 1"
        data, given = reshape(x, shape=(*x.shape, 1)), parameters
    else:
        data, given = x, parameters
    y, *statistics = _normalized(site, data, given)
    return (y if y.shape == x.shape else reshape(y, shape=x.shape), *(_back(each, shape) for each in statistics))


def _back(statistic: Value, shape: Shape) -> Value:
    return statistic if statistic.shape == shape else reshape(statistic, shape=shape)


def _flattened(x: Value, parameters: Sequence[Value]) -> tuple[Value, tuple[Value, ...]]:
    """`x: [N, C, ...]` as [N, C * ...], and the parameters [C, ...] likewise."""
    size = product_of(x.shape[1:])
    return reshape(x, shape=(x.shape[0], size)), tuple(reshape(each, shape=(size,)) for each in parameters)


def _trains(site: Site) -> bool:
    if site.opset < 7:
        site.ignore("consumed_inputs")
        return not site.flag("is_test", False)
    if site.opset < 14:
        return sum(bool(name) for name in site.node.outputs) > 1
    return site.flag("training_mode", False)


def _normalized(site: Site, x: Value, parameters: Sequence[Value]) -> tuple[Value, ...]:
    """The result, and while training the statistics; computed in the widest of the types (opset 14 mixes them)."""
    common = max((x, *parameters), key=lambda value: value.dtype.bits).dtype
    if {value.dtype for value in (x, *parameters)} == {DType.FLOAT16, DType.BFLOAT16}:
        common = DType.FLOAT32
    data, scale, shift, mean, variance = (_as(value, common) for value in (x, *parameters))
    epsilon, momentum = site.real("epsilon", EPSILON), site.real("momentum", _MOMENTUM)
    if not _trains(site):
        return (_as(batch_norm(data, scale, shift, mean, variance, epsilon=epsilon), x.dtype),)
    y, *running = batch_norm_train(data, scale, shift, mean, variance, epsilon=epsilon, momentum=momentum)
    kept = tuple(_as(value, held.dtype) for value, held in zip(running, parameters[2:], strict=True))
    results = (_as(y, x.dtype), *kept)
    if len(site.node.outputs) <= len(results):
        return results
    return (
        *results,
        *(_as(value, held.dtype) for value, held in zip(channel_statistics(x), parameters[2:], strict=True)),
    )


def _as(value: Value, dtype: DType) -> Value:
    return value if value.dtype is dtype else cast(value, dtype=dtype)
