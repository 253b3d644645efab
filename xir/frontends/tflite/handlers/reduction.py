"""Reductions, the places of the largest, and running sums."""

from __future__ import annotations

from collections.abc import Callable

from xir.frontends._handlers import Handlers
from xir.frontends.tflite.site import Handler, Site, as_dtype
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import reduce
from xir.ops.running import cumsum

handlers: Handlers[Handler] = Handlers("tflite")
moving: Handlers[Handler] = Handlers("tflite")
raw: Handlers[Handler] = Handlers("tflite")

Reduce = Callable[..., Value]


def _over(combine: Reduce) -> Handler:
    def handler(site: Site, x: Value, axes: Value) -> Value:
        return combine(x, axes=_axes(site, x, axes), keep_dims=site.flag("keep_dims"))

    return handler


def _axes(site: Site, x: Value, axes: Value) -> tuple[int, ...]:
    """The axes of an operand; of a scalar there are none, whatever it names (reduce.cc, ResolveAxis)."""
    named = site.numbers(axes, "axes")
    return site.axes(named, x.rank) if x.rank else ()


for _kind, _combine in {
    "SUM": reduce.reduce_sum,
    "MEAN": reduce.reduce_mean,
    "REDUCE_PROD": reduce.reduce_prod,
}.items():
    handlers.add(_kind, _over(_combine))
for _kind, _combine in {"REDUCE_MAX": reduce.reduce_max, "REDUCE_MIN": reduce.reduce_min}.items():
    moving.add(_kind, _over(_combine))


@raw.layer("REDUCE_ANY", "REDUCE_ALL")
def truth(site: Site, x: Value, axes: Value) -> Value:
    """REDUCE_ANY and REDUCE_ALL: the largest, or the least, of truths."""
    combine = reduce.reduce_max if site.operator.kind == "REDUCE_ANY" else reduce.reduce_min
    numbers = as_dtype(x, DType.INT32)
    return as_dtype(combine(numbers, axes=_axes(site, x, axes), keep_dims=site.flag("keep_dims")), DType.BOOL)


@moving.layer("ARG_MAX", "ARG_MIN")
def place(site: Site, x: Value, axis: Value) -> Value:
    """ARG_MAX and ARG_MIN: of equal ones the first."""
    site.ignore("output_type")
    (chosen,) = site.numbers(axis, "axes")
    find = reduce.arg_max if site.operator.kind == "ARG_MAX" else reduce.arg_min
    return find(x, axis=site.axis(chosen, x.rank), keep_dims=False)


@moving.layer("TOPK_V2")
def best(site: Site, x: Value, count: Value) -> tuple[Value, ...]:
    """TOPK_V2 along the last axis."""
    from xir.frontends.tflite.site import unknown_sizes, whole
    from xir.ops.shape import reshape

    known = site.sizes(count)
    if known is None:
        (k,) = unknown_sizes(1)
        return reduce.top_k(x, reshape(whole(count), shape=(1,)), k=k, axis=x.rank - 1)
    return reduce.top_k(x, k=known[0], axis=x.rank - 1)


@handlers.layer("CUMSUM")
def running(site: Site, x: Value, axis: Value) -> Value:
    """CUMSUM."""
    (chosen,) = site.numbers(axis, "axes")
    return cumsum(x, axis=site.axis(chosen, x.rank), exclusive=site.flag("exclusive"), reverse=site.flag("reverse"))
