"""Reductions, whose axes became operands in opset 13 (ReduceSum) and 18 (the others)."""

from __future__ import annotations

from typing import Protocol

from xir.frontends._handlers import Handlers
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.frontends.onnx.handlers._vectors import numbers
from xir.ir.dims import Symbol
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import elementwise, reduce
from xir.ops.constant import identity
from xir.ops.elementwise import abs_, log, mul
from xir.ops.late import ReduceKind, reduce_late
from xir.ops.reduce import arg_max, arg_min, top_k
from xir.ops.running import cumprod, cumsum

handlers: Handlers[Handler] = Handlers("onnx")


class Running(Protocol):
    """An operator that runs along an axis."""

    def __call__(
        self, x: Value, at: Value | None = None, *, axis: int, exclusive: bool = False, reverse: bool = False
    ) -> Value:
        """Applies it."""
        ...


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


def _by_operand(operator: Reduction, kind: ReduceKind, of_nothing: Handler) -> Handler:
    def handler(site: Site, x: Value, axes: Value | None = None) -> Value:
        """Axes as an operand; none means all, or none at all with `noop_with_empty_axes`."""
        keep = site.flag("keepdims", True)
        nothing = site.flag("noop_with_empty_axes", False)
        known = () if axes is None else numbers(site, axes)
        if known is None and axes is not None:
            return reduce_late(x, axes, kind=kind, keep_dims=keep, all_if_empty=not nothing)
        chosen = site.axes(known or (), x.rank)
        if chosen:
            return operator(x, axes=chosen, keep_dims=keep)
        if nothing:
            result = of_nothing(site, x)
            return result if isinstance(result, Value) else result[0]
        return operator(x, axes=tuple(range(x.rank)), keep_dims=keep)

    return handler


def _of_bools(handler: Handler) -> Handler:
    def counted(site: Site, x: Value, axes: Value | None = None) -> Value:
        """The largest or smallest bool, false being less than true (opset 20): by way of integers."""
        if x.dtype is not DType.BOOL:
            found = handler(site, x, axes)
            return found if isinstance(found, Value) else found[0]
        found = handler(site, elementwise.cast(x, dtype=DType.UINT8), axes)
        return elementwise.cast(found if isinstance(found, Value) else found[0], dtype=DType.BOOL)

    return counted


def _same(site: Site, x: Value) -> Value:
    return identity(x)


def _absolute(site: Site, x: Value) -> Value:
    return abs_(x)


def _square(site: Site, x: Value) -> Value:
    return mul(x, x)


def _logarithm(site: Site, x: Value) -> Value:
    return log(x)


_KINDS: tuple[tuple[str, Reduction, ReduceKind, tuple[int, ...], tuple[int, ...], Handler], ...] = (
    ("ReduceSum", reduce.reduce_sum, "sum", (1, 11), (13,), _same),
    ("ReduceMean", reduce.reduce_mean, "mean", (1, 11, 13), (18,), _same),
    ("ReduceProd", reduce.reduce_prod, "prod", (1, 11, 13), (18,), _same),
    ("ReduceMax", reduce.reduce_max, "max", (1, 11, 12, 13), (18,), _same),
    ("ReduceMin", reduce.reduce_min, "min", (1, 11, 12, 13), (18,), _same),
    ("ReduceL1", reduce.reduce_l1, "l1", (1, 11, 13), (18,), _absolute),
    ("ReduceL2", reduce.reduce_l2, "l2", (1, 11, 13), (18,), _absolute),
    ("ReduceSumSquare", reduce.reduce_sum_square, "sum_square", (1, 11, 13), (18,), _square),
    ("ReduceLogSum", reduce.reduce_log_sum, "log_sum", (1, 11, 13), (18, 28), _logarithm),
    ("ReduceLogSumExp", reduce.reduce_log_sum_exp, "log_sum_exp", (1, 11, 13), (18, 28), _same),
)
for _kind, _op, _word, _attribute, _operand, _nothing in _KINDS:
    handlers.layer(*versions(_kind, *_attribute))(_by_attribute(_op))
    handlers.layer(*versions(_kind, *_operand))(_by_operand(_op, _word, _nothing))
handlers.layer(*versions("ReduceMax", 20))(_of_bools(_by_operand(reduce.reduce_max, "max", _same)))
handlers.layer(*versions("ReduceMin", 20))(_of_bools(_by_operand(reduce.reduce_min, "min", _same)))


def _running(operator: Running) -> Handler:
    def handler(site: Site, x: Value, axis: Value) -> Value:
        """A running sum or product, whose axis is an operand."""
        exclusive, backward = site.flag("exclusive", False), site.flag("reverse", False)
        known = numbers(site, axis)
        if known is not None and len(known) == 1:
            return operator(x, axis=site.axis(known[0], x.rank), exclusive=exclusive, reverse=backward)
        return operator(x, axis, axis=0, exclusive=exclusive, reverse=backward)

    return handler


handlers.layer(*versions("CumSum", 11, 14))(_running(cumsum))
handlers.layer(*versions("CumProd", 26))(_running(cumprod))


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


@handlers.layer(*versions("TopK", 1))
def best_by_attribute(site: Site, x: Value) -> tuple[Value, ...]:
    """TopK of the first opset, whose k is an attribute."""
    return top_k(x, k=site.integer("k"), axis=site.axis(site.integer("axis", -1), x.rank))


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
