"""Examples for the laws of slices: whole axes, neighbours, repeated elements."""

from __future__ import annotations

from tests.passes.helpers import Example, Net
from xir.ir.dims import Dim, Symbol, minimum
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops.activation import relu
from xir.ops.shape import broadcast, reshape, slice_

N, M = Symbol("N"), Symbol("M")
Cut = tuple[int, Dim, Dim, int]


def cut(x: Value, *cuts: Cut) -> Value:
    """`x` cut along several axes: (axis, start, stop, step)."""
    axes, starts, stops, steps = zip(*cuts, strict=True)
    return slice_(x, axes=axes, starts=starts, stops=stops, steps=steps)


def cut_at_run_time(net: Net) -> Value:
    x, start = net.input(4, 5), net.input(1, dtype=DType.INT64)
    return slice_(x, start, axes=(0,), starts=(Symbol(),), stops=(4,), steps=(1,))


def least(net: Net, most: int) -> Value:
    """The first `most` rows or as many as there are."""
    return cut(net.input(N, 1 << 20), (0, 0, minimum(N, most), 1), (1, 2, 5, 1))


def repeated(net: Net, *cuts: Cut) -> Value:
    return cut(broadcast(net.input(3, N), shape=(4, 3, N)), *cuts)


def spread(net: Net, *shape: Dim) -> Value:
    return reshape(broadcast(reshape(net.input(N), shape=(N, 1)), shape=(N, 3)), shape=shape)


def spread_twice_unknown(net: Net) -> Value:
    x = net.input(N, M)
    return reshape(broadcast(reshape(x, shape=(N, M, 1)), shape=(N, M, 3)), shape=(N, M, 1, 3))


def spread_at_run_time(net: Net) -> Value:
    target = net.input(2, dtype=DType.INT64)
    made = reshape(net.input(3), target, shape=(Symbol(), 1))
    return reshape(broadcast(made, shape=(made.shape[0], 3)), shape=(made.shape[0], 1, 3))


EXAMPLES = [
    Example("slice_of_whole_axes", lambda net: cut(net.input(4, N), (0, 1, 3, 1), (1, 0, N, 1)), "slice"),
    Example("slice_of_whole_axes", lambda net: cut(net.input(4, N), (0, 0, 4, 1), (1, 0, N, 1)), "", label="all"),
    Example("slice_of_whole_axes", lambda net: least(net, 2**31 - 1), "slice", label="2^31 - 1 is no bound"),
    Example("slice_of_whole_axes", lambda net: least(net, 100), None, label="a real bound"),
    Example("slice_of_whole_axes", lambda net: cut(net.input(4), (0, 0, 4, 2)), None, label="steps"),
    Example("slice_of_whole_axes", cut_at_run_time, None, label="run time"),
    Example(
        "slice_of_other_slice",
        lambda net: cut(cut(net.input(5, 6, N), (2, 0, N, 2), (0, 1, 4, 2)), (1, 2, 5, 1)),
        "slice",
    ),
    Example(
        "slice_of_other_slice",
        lambda net: cut(cut(net.input(5, 6), (0, 1, 4, 1)), (0, 0, 2, 1), (1, 2, 5, 1)),
        None,
        label="an axis of both",
    ),
    Example("slice_of_repeated", lambda net: repeated(net, (0, 1, 4, 2)), "broadcast"),
    Example(
        "slice_of_repeated",
        lambda net: repeated(net, (0, 1, 3, 1), (1, 0, 2, 1)),
        None,
        "it cuts along an axis that is not repeated",
    ),
    Example("ones_before_repeat", lambda net: spread(net, N, 1, 3), "reshape broadcast"),
    Example("ones_before_repeat", lambda net: spread(net, 1, N, 3, 1), "reshape broadcast", label="at the ends"),
    Example("ones_before_repeat", lambda net: relu(spread(net, 3, N)), None, label="another order"),
    Example("ones_before_repeat", lambda net: spread(net, 3 * N), None, label="fewer axes"),
    Example("ones_before_repeat", spread_twice_unknown, None, label="two unknown sizes"),
    Example("ones_before_repeat", spread_at_run_time, None, label="run time"),
]
