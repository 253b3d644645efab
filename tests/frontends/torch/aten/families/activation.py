"""Activations."""

from __future__ import annotations

import numpy as np

from tests.frontends.torch.aten.call import Draws, Example

PLAIN = (
    *("silu", "mish", "hardswish", "hardsigmoid", "selu", "relu6", "hardtanh", "leaky_relu", "celu", "softplus"),
    *("log_sigmoid", "hardshrink", "softshrink", "relu", "rrelu"),
)


AT_INFINITY = ("aten.gelu.default", "aten.gelu_backward.default", "aten.silu_backward.default")
"""What gives NaN at infinity in torch, where it has a value."""


def examples() -> list[Example]:
    """Each function of normal numbers, of none, and of the borders."""
    r = Draws(1)
    found: list[Example] = []
    borders = np.array([np.nan, np.inf, -20.0, 0.0, -0.5, 0.5, 1.0, 30.0], np.float32)
    for x in (r(3, 4) * 3, r(), r(0, 2), r(2, 3, dtype=np.float64), borders):
        dy = r(*x.shape, dtype=x.dtype)
        found += [Example(f"aten.{name}.default", [x]) for name in PLAIN]
        found += [
            Example("aten.elu.default", [x]),
            Example("aten.elu.default", [x, 0.5, 2.0, 1.5]),
            Example("aten.gelu.default", [x]),
            Example("aten.gelu.default", [x], {"approximate": "tanh"}),
            Example("aten.softplus.default", [x, 2, 3]),
            Example("aten.log_sigmoid_forward.default", [x]),
            Example("aten.hardtanh.default", [x, -2, 0.5]),
            Example("aten.gelu_backward.default", [dy, x]),
            Example("aten.gelu_backward.default", [dy, x], {"approximate": "tanh"}),
            Example("aten.silu_backward.default", [dy, x]),
            Example("aten.hardtanh_backward.default", [dy, x, -1, 1]),
            Example("aten.threshold_backward.default", [dy, x, 0.2]),
            Example("aten.sigmoid_backward.default", [dy, x]),
            Example("aten.tanh_backward.default", [dy, x]),
        ]
    whole = r.whole(-5, 5, 6)
    return [
        *(each for each in found if not (each.kind in AT_INFINITY and np.isinf(each.items[-1]).any())),
        Example("aten.glu.default", [r(2, 6, 4), 1]),
        Example("aten.glu.default", [r(2, 6)]),
        Example("aten.prelu.default", [r(2, 3, 4), r(3)]),
        Example("aten.prelu.default", [r(2, 3, 4), r(1)]),
        Example("aten.prelu.default", [r(3), r(1)]),
        Example("aten._prelu_kernel.default", [r(2, 3), r(1, 3)]),
        Example("aten.hardtanh.default", [whole, -2, 3]),
        Example("aten.relu.default", [whole]),
    ]
