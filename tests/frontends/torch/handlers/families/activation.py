"""Activations."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.frontends.torch.handlers.call import Array, Draws, Example, call

PLAIN = (
    *("silu", "mish", "hardswish", "hardsigmoid", "selu", "relu6", "hardtanh", "leaky_relu", "celu", "softplus"),
    *("log_sigmoid", "hardshrink", "softshrink", "relu", "rrelu"),
)


AT_INFINITY = ("aten.gelu.default", "aten.gelu_backward.default", "aten.silu_backward.default")
"""What gives NaN at infinity in torch, where it has a value."""


def _calls() -> Iterator[Example]:
    """Each function of normal numbers, of none, and of the borders."""
    r = Draws(1)
    borders = np.array([np.nan, np.inf, -20.0, 0.0, -0.5, 0.5, 1.0, 30.0], np.float32)
    for x in (r(3, 4) * 3, r(), r(0, 2), r(2, 3, dtype=np.float64), borders):
        dy = r(*x.shape, dtype=x.dtype)
        yield from (each for each in _of(x, dy) if each.kind not in AT_INFINITY or np.isfinite(x).all())
    whole = r.whole(-5, 5, 6)
    yield call("glu", r(2, 6, 4), 1)
    yield call("glu", r(2, 6))
    yield call("prelu", r(2, 3, 4), r(3))
    yield call("prelu", r(2, 3, 4), r(1))
    yield call("prelu", r(3), r(1))
    yield call("_prelu_kernel", r(2, 3), r(1, 3))
    yield call("hardtanh", whole, -2, 3)
    yield call("relu", whole)


def _of(x: Array, dy: Array) -> Iterator[Example]:
    yield from (call(name, x) for name in PLAIN)
    yield call("elu", x)
    yield call("elu", x, 0.5, 2.0, 1.5)
    yield call("gelu", x)
    yield call("gelu", x, approximate="tanh")
    yield call("softplus", x, 2, 3)
    yield call("log_sigmoid_forward", x)
    yield call("hardtanh", x, -2, 0.5)
    yield call("gelu_backward", dy, x)
    yield call("gelu_backward", dy, x, approximate="tanh")
    yield call("silu_backward", dy, x)
    yield call("hardtanh_backward", dy, x, -1, 1)
    yield call("threshold_backward", dy, x, 0.2)
    yield call("sigmoid_backward", dy, x)
    yield call("tanh_backward", dy, x)


CALLS = tuple(_calls())
