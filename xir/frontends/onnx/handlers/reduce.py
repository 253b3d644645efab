"""Reductions, whose axes became operands in opset 13 (ReduceSum) and 18 (the others)."""

from __future__ import annotations

from typing import Protocol

from xir.frontends._handlers import Handlers
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.ir.dims import Symbol
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import elementwise, reduce
from xir.ops.constant import identity
from xir.ops.elementwise import abs_, log, mul
from xir.ops.reduce import arg_max, arg_min, cumsum, reduce_sum, top_k

handlers: Handlers[Handler] = Handlers("onnx")


class Reduction(Protocol):
    """An operator that reduces over axes."""

    def __call__(self, x: Value, *, axes: tuple[int, ...], keep_dims: bool) -> Value:
        """Applies it."""
        ...


def _by_attribute(operator: Reduction) -> Handler:
    def handler(site: Site, x: Value) -> Value:
        """Axes as an attribute; none means all."""
        axes = site.axes(site.integers("axes", tuple(range(x.rank))), x.rank)
        return operator(x, axes=axes, keep_dims=site.flag("keepdims", True))

    return handler


def _by_operand(operator: Reduction, of_nothing: Handler) -> Handler:
    def handler(site: Site, x: Value, axes: Value | None = None) -> Value:
        """Axes as an operand; none means all, or none at all with `noop_with_empty_axes`."""
        keep = site.flag("keepdims", True)
        nothing = site.flag("noop_with_empty_axes", False)
        chosen = () if axes is None else site.axes(site.numbers(axes, "axes"), x.rank)
        if chosen:
            return operator(x, axes=chosen, keep_dims=keep)
        if nothing:
            result = of_nothing(site, x)
            return result if isinstance(result, Value) else result[0]
        return operator(x, axes=tuple(range(x.rank)), keep_dims=keep)

    return handler


def _log_sum(x: Value, *, axes: tuple[int, ...], keep_dims: bool) -> Value:
    return log(reduce_sum(x, axes=axes, keep_dims=keep_dims))


def _same(site: Site, x: Value) -> Value:
    return identity(x)


def _absolute(site: Site, x: Value) -> Value:
    return abs_(x)


def _square(site: Site, x: Value) -> Value:
    return mul(x, x)


def _logarithm(site: Site, x: Value) -> Value:
    return log(x)


for _kind, _op, _attribute, _operand, _nothing in (
    ("ReduceSum", reduce.reduce_sum, (1, 11), (13,), _same),
    ("ReduceMean", reduce.reduce_mean, (1, 11, 13), (18,), _same),
    ("ReduceMax", reduce.reduce_max, (1, 11, 12, 13), (18, 20), _same),
    ("ReduceMin", reduce.reduce_min, (1, 11, 12, 13), (18, 20), _same),
    ("ReduceProd", reduce.reduce_prod, (1, 11, 13), (18,), _same),
    ("ReduceL1", reduce.reduce_l1, (1, 11, 13), (18,), _absolute),
    ("ReduceL2", reduce.reduce_l2, (1, 11, 13), (18,), _absolute),
    ("ReduceSumSquare", reduce.reduce_sum_square, (1, 11, 13), (18,), _square),
    ("ReduceLogSumExp", reduce.reduce_log_sum_exp, (1, 11, 13), (18,), _same),
    ("ReduceLogSum", _log_sum, (1, 11, 13), (18,), _logarithm),
):
    handlers.layer(*versions(_kind, *_attribute))(_by_attribute(_op))
    handlers.layer(*versions(_kind, *_operand))(_by_operand(_op, _nothing))


@handlers.layer(*versions("CumSum", 11, 14))
def running_sum(site: Site, x: Value, axis: Value) -> Value:
    """CumSum; the axis is an operand."""
    (number,) = site.numbers(axis, "an axis")[:1] or (0,)
    return cumsum(
        x,
        axis=site.axis(number, x.rank),
        exclusive=site.flag("exclusive", False),
        reverse=site.flag("reverse", False),
    )


@handlers.layer(*versions("ArgMax", 1, 11, 12, 13))
def largest(site: Site, x: Value) -> Value:
    """ArgMax."""
    axis, keep = site.axis(site.integer("axis", 0), x.rank), site.flag("keepdims", True)
    return arg_max(x, axis=axis, keep_dims=keep, last=site.flag("select_last_index", False))


@handlers.layer(*versions("ArgMin", 1, 11, 12, 13))
def smallest(site: Site, x: Value) -> Value:
    """ArgMin."""
    axis, keep = site.axis(site.integer("axis", 0), x.rank), site.flag("keepdims", True)
    return arg_min(x, axis=axis, keep_dims=keep, last=site.flag("select_last_index", False))


@handlers.layer(*versions("TopK", 10, 11, 24))
def best(site: Site, x: Value, k: Value) -> tuple[Value, ...]:
    """TopK; its k is an operand."""
    axis = site.axis(site.integer("axis", -1), x.rank)
    largest_first, in_order = site.flag("largest", True), site.flag("sorted", True)
    known = site.sizes(k)
    if known is not None and len(known) == 1:
        return top_k(x, k=known[0], axis=axis, largest=largest_first, sorted=in_order)
    count = k if k.dtype is DType.INT64 else elementwise.cast(k, dtype=DType.INT64)
    return top_k(x, count, k=Symbol(), axis=axis, largest=largest_first, sorted=in_order)
