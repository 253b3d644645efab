"""Examples for the laws of axes that are known after all."""

from __future__ import annotations

import numpy as np

from tests.passes.helpers import F32, Example, Net
from xir.ir.constant import constant_of
from xir.ir.dims import Dim, Symbol
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops.constant import constant
from xir.ops.index import one_hot
from xir.ops.late import broadcast_late, reduce_late, reshape_late, slice_late, squeeze_late, unsqueeze_late
from xir.ops.running import cumprod, cumsum
from xir.ops.shape import pad, split
from xir.ops.triangle import trilu
from xir.passes.late import COMPUTED, UNFIT

I64, N = DType.INT64, Symbol("N")


def numbers(*items: int) -> Value:
    return constant(value=constant_of(np.array(items, np.int64)))


def reduced(net: Net, axes: Value, *, keep: bool = False, whole: bool = True) -> Value:
    return reduce_late(net.input(2, 3, 4), axes, kind="l1", keep_dims=keep, all_if_empty=whole)


def padded(net: Net, axes: Value, amounts: Value, *, mode: str = "constant") -> Value:
    given: dict[str, object] = {"padding": ((0, 0), (0, Symbol() - 3)), "mode": mode}
    fill = net.input() if mode == "constant" else None
    return pad(net.input(2, 3), amounts, fill, axes, **given)  # type: ignore[arg-type]  # the mode is a word


def sliced(net: Net, places: Value | None, steps: Value | None, *axes: int, size: Dim = 6) -> Value:
    return slice_late(net.input(size, 5), numbers(-5), numbers(9), places, steps, axes=axes)


def widths(net: Net, lengths: Value) -> Value:
    return split(net.input(2, 5), lengths, axis=1, sizes=(Symbol(), Symbol()))[1]


EXAMPLES: tuple[Example, ...] = (
    Example("known_axes", lambda net: reduced(net, numbers(-1, 0)), "reduce_l1"),
    Example("known_axes", lambda net: reduced(net, numbers(), keep=True), "reduce_l1", label="all"),
    Example("known_axes", lambda net: reduced(net, numbers(), whole=False), "reduce_l1", label="none"),
    Example("known_axes", lambda net: squeeze_late(net.input(3, 1), numbers(-1)), "reshape", label="squeeze"),
    Example("known_axes", lambda net: unsqueeze_late(net.input(3), numbers(-1, 0)), "reshape", label="unsqueeze"),
    Example("known_axes", lambda net: reshape_late(net.input(N, 6), numbers(0, 3, 2), copies_zero=True), "reshape",
            label="0 copies"),
    Example("known_axes", lambda net: reshape_late(net.input(2, 6), numbers(-1, 4), copies_zero=False), "reshape",
            label="what is left"),
    Example("known_axes", lambda net: broadcast_late(net.input(3, 1), numbers(2, 1, 4)), "broadcast", label="repeated"),
    Example("known_axes", lambda net: cumsum(net.input(2, 3), numbers(-1), axis=0), "cumsum", label="cumsum"),
    Example("known_axes", lambda net: cumprod(net.input(2, 3), numbers(0), axis=0), "cumprod", label="cumprod"),
    Example("known_axes", lambda net: trilu(net.input(3, 3), numbers(-1), diagonal=0, upper=True), "trilu",
            label="trilu"),
    Example("known_axes", lambda net: reduced(net, net.input(1, dtype=I64)), None, COMPUTED),
    Example("known_axes", lambda net: reduced(net, numbers(0, -3)), None, UNFIT),
    Example("known_axes", lambda net: cumsum(net.input(2, 3), axis=0), None, label="no operand"),
    Example("known_axes", lambda net: cumsum(net.input(2, 3), numbers(4), axis=0), None, UNFIT, label="no such axis"),
    Example("known_axes", lambda net: squeeze_late(net.input(N, 1), numbers(0)), None, UNFIT, label="perhaps not 1"),
    Example("known_axes", lambda net: unsqueeze_late(net.input(3), numbers(0, 0)), None, UNFIT, label="one axis twice"),
    Example("known_axes", lambda net: reshape_late(net.input(2), numbers(2, 0), copies_zero=True), None, UNFIT,
            label="nothing to copy"),
    Example("known_axes", lambda net: reshape_late(net.input(N, 6), numbers(-1, 6), copies_zero=False), None, UNFIT,
            label="an unknown rest"),
    Example("known_axes", lambda net: reshape_late(net.input(2, 6), numbers(-1, 5), copies_zero=False), None, UNFIT,
            label="no whole rest"),
    Example("known_axes", lambda net: broadcast_late(net.input(3), numbers(2)), None, UNFIT, label="other sizes"),
    Example("known_slice_axes", lambda net: sliced(net, numbers(0), None), "constant constant slice"),
    Example("known_slice_axes", lambda net: sliced(net, None, numbers(2), 1), "constant constant slice",
            label="steps"),
    Example("known_slice_axes", lambda net: sliced(net, net.input(1, dtype=I64), None), None, COMPUTED),
    Example("known_slice_axes", lambda net: sliced(net, numbers(7), None), None, UNFIT),
    Example("known_slice_axes", lambda net: sliced(net, None, numbers(-1), 1), None, "a step goes backward"),
    Example("known_pad_axes", lambda net: padded(net, numbers(-1), numbers(1, 2)), "pad"),
    Example("known_pad_axes", lambda net: padded(net, numbers(1), numbers(1, -1), mode="edge"), "pad", label="edge"),
    Example("known_pad_axes", lambda net: padded(net, net.input(1, dtype=I64), numbers(1, 2)), None, COMPUTED),
    Example("known_pad_axes", lambda net: padded(net, numbers(4), numbers(1, 2)), None, UNFIT),
    Example("known_pad_axes", lambda net: pad(net.input(2), padding=((1, 0),)), None, label="no operand"),
    Example("known_sizes", lambda net: widths(net, numbers(2, 3)), "split", label="split"),
    Example("known_sizes", lambda net: one_hot(net.input(2, dtype=I64), numbers(3), depth=Symbol(), axis=1, dtype=F32),
            "one_hot", label="one_hot"),
    Example("known_sizes", lambda net: padded(net, numbers(1), numbers(1, 2)), None, label="along axes"),
)  # fmt: skip
