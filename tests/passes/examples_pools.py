"""Examples for the laws of padding that a pool can do itself."""

from __future__ import annotations

import numpy as np

from tests.passes.helpers import F32, I32, Example, Net, literal
from xir.ir.dims import Symbol
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops.activation import relu
from xir.ops.elementwise import abs_, clip
from xir.ops.pool import average_pool, lp_pool, max_pool
from xir.ops.shape import pad
from xir.passes.pools import ALONE, CUT, MIXED, OTHERS_PADDED

N = Symbol("N")
LEAST = float(np.finfo(np.float32).min)
SPATIAL = ((0, 0), (0, 0), (1, 2), (2, 0))
LESS = ((0, 0), (0, 0), (1, -1), (2, 0))
CHANNELS = ((0, 0), (1, 0), (1, 1), (0, 0))
TALL = ((0, 0), (0, 0), (3, 2), (2, 0))
WIDE = ((0, 0), (0, 0), (3, 0), (0, 0))
OWN = ((0, 1), (0, 2))
"""A padding of the pool itself that leaves the joined one smaller than the windows of 4."""
NONE = ((0, 0), (0, 0))

Padding = tuple[tuple[int, int], ...]


def padded(x: Value, padding: Padding = SPATIAL, value: float = 0.0, mode: str = "constant") -> Value:
    return pad(x, padding=padding, mode=mode, value=value)  # type: ignore[arg-type]  # a table's word


def largest(x: Value, own: Padding = OWN, gap: int = 1) -> Value:
    return max_pool(x, window=(4, 4), strides=(1, 2), padding=own, dilation=(gap, gap))


def top(net: Net, value: float, padding: Padding = SPATIAL, dtype: DType = F32, **words: object) -> Value:
    return largest(padded(net.input(2, 3, 5, 6, dtype=dtype), padding, value), **words)  # type: ignore[arg-type]


def filled(net: Net, fill: Value) -> Value:
    return largest(pad(net.input(1, 2, 4, 4), None, fill, padding=SPATIAL))


def mean(net: Net, padding: Padding = SPATIAL, own: Padding = OWN, counted: Padding = OWN, value: float = 0.0) -> Value:
    x = padded(net.input(2, 3, 5, 6), padding, value)
    return average_pool(x, window=(4, 4), strides=(1, 2), padding=own, counted_padding=counted, dilation=(1, 1))


def norm(net: Net, padding: Padding = SPATIAL, value: float = 0.0, p: float = 3.0) -> Value:
    x = padded(net.input(2, 3, 5, 6), padding, value)
    return lp_pool(x, window=(4, 4), strides=(1, 2), padding=OWN, dilation=(1, 1), p=p)


def both_read(net: Net) -> tuple[Value, ...]:
    x = padded(net.input(1, 2, 4, 4), value=-np.inf)
    return largest(x), largest(x, NONE)


EXAMPLES: tuple[Example, ...] = (
    Example("lowest_into_max_pool", lambda net: top(net, -np.inf), "max_pool"),
    Example("lowest_into_max_pool", lambda net: largest(padded(net.input(N, 3, 5, N), value=-np.inf)), "max_pool",
            label="open sizes"),
    Example("lowest_into_max_pool", lambda net: top(net, -(2.0**31), dtype=I32), "max_pool", label="whole numbers"),
    Example("lowest_into_max_pool", lambda net: top(net, 0.0, dtype=DType.UINT8), "max_pool", label="no sign"),
    Example("lowest_into_max_pool", lambda net: filled(net, literal(-np.inf)), "max_pool", label="an operand"),
    Example("lowest_into_max_pool", lambda net: top(net, -np.inf, gap=2), "max_pool", label="gaps"),
    Example("lowest_into_max_pool", both_read, "max_pool max_pool", label="two readers"),
    Example("lowest_into_max_pool", lambda net: top(net, -np.inf, CHANNELS), None, OTHERS_PADDED),
    Example("lowest_into_max_pool", lambda net: top(net, -np.inf, LESS), None, CUT),
    Example("lowest_into_max_pool", lambda net: top(net, -np.inf, WIDE, own=((1, 0), (0, 0))), None, ALONE),
    Example("lowest_into_max_pool", lambda net: filled(net, net.input(1)), None, label="a number of the run"),
    Example("lowest_into_max_pool", lambda net: largest(padded(net.input(1, 2, 4, 4), mode="edge")), None,
            label="edges"),
    Example("lowest_into_max_pool", lambda net: largest(relu(net.input(1, 2, 4, 4))), None, label="no padding"),
    Example("least_into_max_pool", lambda net: largest(padded(relu(net.input(2, 3, 5, 6)))), "relu max_pool", bound=0),
    Example("least_into_max_pool", lambda net: largest(padded(clip(net.input(2, 3, 5, 6), minimum=0.0, maximum=None))),
            "clip max_pool", label="clip", bound=0),
    Example("least_into_max_pool", lambda net: top(net, LEAST), "max_pool", label="the least number", bound=0),
    Example("least_into_max_pool", lambda net: largest(padded(abs_(net.input(2, 3, 5, 6))), gap=2), "abs max_pool",
            label="gaps", bound=0),
    Example("least_into_max_pool", lambda net: largest(padded(abs_(net.input(2, 3, 1, 6)), TALL), gap=2), None, ALONE,
            label="gaps beside a short axis"),
    Example("least_into_max_pool", lambda net: largest(padded(abs_(net.input(2, 3, 5, N))), gap=2), None, ALONE,
            label="gaps beside an open axis"),
    Example("least_into_max_pool", lambda net: top(net, 0.0), None,
            "the padding is 0, which may be larger than an element"),
    Example("least_into_max_pool", lambda net: largest(padded(clip(net.input(1, 1, 5, 5), minimum=-1.0, maximum=None))),
            None, "the padding is 0, which may be larger than an element", label="clip below 0"),
    Example("least_into_max_pool", lambda net: top(net, 1.0, dtype=I32), None,
            "the padding is 1, which may be larger than an element"),
    Example("least_into_max_pool", lambda net: largest(padded(relu(net.input(2, 3, 5, 6)), CHANNELS)), None,
            OTHERS_PADDED),
    Example("zeros_into_average_pool", mean, "average_pool"),
    Example("zeros_into_average_pool", lambda net: mean(net, own=NONE, counted=NONE), "average_pool",
            label="no padding of its own"),
    Example("zeros_into_average_pool", lambda net: mean(net, counted=NONE), None, MIXED),
    Example("zeros_into_average_pool", lambda net: mean(net, value=1.0), None, label="ones"),
    Example("zeros_into_average_pool", lambda net: mean(net, value=-0.0), None, label="negative zeros"),
    Example("zeros_into_average_pool", lambda net: mean(net, CHANNELS), None, OTHERS_PADDED),
    Example("zeros_into_lp_pool", norm, "lp_pool"),
    Example("zeros_into_lp_pool", lambda net: norm(net, value=-0.0), "lp_pool", label="negative zeros"),
    Example("zeros_into_lp_pool", lambda net: norm(net, value=1.0), None, label="ones"),
    Example("zeros_into_lp_pool", lambda net: norm(net, LESS), None, CUT),
)  # fmt: skip
