"""Reductions, along axes that an operand names."""

from __future__ import annotations

from collections.abc import Callable

from xir.frontends._handlers import Handlers
from xir.frontends.tensorflow._site import Handler, Site
from xir.frontends.tensorflow.handlers._sizes import axis_of, numbers
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops._build import scalar_like
from xir.ops.compare import greater
from xir.ops.elementwise import cast
from xir.ops.late import ReduceKind, reduce_late
from xir.ops.reduce import arg_max, arg_min, reduce_max, reduce_mean, reduce_min, reduce_prod, reduce_sum
from xir.ops.running import cumprod, cumsum

handlers: Handlers[Handler] = Handlers("tensorflow")


def _reduced(reduce: Callable[..., Value], kind: ReduceKind) -> Handler:
    def handler(site: Site, x: Value, axes: Value) -> Value:
        """One reduction; no axes at all leave every element alone."""
        keep = site.flag("keep_dims")
        known = numbers(site, axes)
        if known is None:
            axes = site.cast(axes, DType.INT64)
            return reduce_late(x, axes, kind=kind, keep_dims=keep, all_if_empty=False)
        chosen = tuple(sorted(set(site.axis(axis, x.rank) for axis in known)))
        return reduce(x, axes=chosen, keep_dims=keep)

    return handler


def _of_truth(reduce: Callable[..., Value], kind: ReduceKind) -> Handler:
    inner = _reduced(reduce, kind)

    def handler(site: Site, x: Value, axes: Value) -> Value:
        """All and Any as the least and the greatest of 0 and 1; of nothing these are the type's own ends."""
        made = inner(site, cast(x, dtype=DType.INT32), axes)
        if not isinstance(made, Value):
            site.refuse("a reduction of handles")
        return greater(made, scalar_like(made, 0))

    return handler


handlers.add("Sum", _reduced(reduce_sum, "sum"))
handlers.add("Mean", _reduced(reduce_mean, "mean"))
handlers.add("Max", _reduced(reduce_max, "max"))
handlers.add("Min", _reduced(reduce_min, "min"))
handlers.add("Prod", _reduced(reduce_prod, "prod"))
handlers.add("All", _of_truth(reduce_min, "min"))
handlers.add("Any", _of_truth(reduce_max, "max"))


@handlers.layer("ArgMax", "ArgMin")
def best(site: Site, x: Value, axis: Value) -> Value:
    """The place of the first greatest (or least) element."""
    find = arg_max if site.node.kind == "ArgMax" else arg_min
    place = axis_of(site, axis, x.rank)
    return site.cast(find(x, axis=place, keep_dims=False), site.dtype("output_type"))


@handlers.layer("Cumsum", "Cumprod")
def running(site: Site, x: Value, axis: Value) -> Value:
    """Running sums and products."""
    run = cumsum if site.node.kind == "Cumsum" else cumprod
    exclusive, reverse = site.flag("exclusive"), site.flag("reverse")
    return run(x, axis=axis_of(site, axis, x.rank), exclusive=exclusive, reverse=reverse)
