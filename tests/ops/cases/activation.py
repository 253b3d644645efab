"""Examples of activations."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import AnyOp, Case, case, normal
from tests.ops.cases.arithmetic import FLOATS, INTEGERS
from xir.ops.activation import (
    celu,
    elu,
    gelu,
    hard_sigmoid,
    hard_swish,
    leaky_relu,
    mish,
    prelu,
    relu,
    selu,
    sigmoid,
    softplus,
    softsign,
    swish,
    tanh,
    thresholded_relu,
)

FORMS: tuple[tuple[AnyOp, dict[str, object]], ...] = (
    (relu, {}),
    (leaky_relu, {"alpha": 0.1}),
    (elu, {"alpha": 1.5}),
    (celu, {"alpha": 0.7}),
    (selu, {"alpha": 1.6732632, "gamma": 1.0507010}),
    (sigmoid, {}),
    (tanh, {}),
    (hard_sigmoid, {"alpha": 0.2, "beta": 0.5}),
    (hard_swish, {}),
    (softplus, {}),
    (softsign, {}),
    (swish, {"beta": 1.0}),
    (swish, {"beta": -0.5}),
    (mish, {}),
    (gelu, {"approximation": "none"}),
    (gelu, {"approximation": "tanh"}),
    (thresholded_relu, {"alpha": 0.75}),
)
# Where exp overflows in f32, and in f64.
FAR = np.array([-800.0, -120.0, -90.0, -30.0, 30.0, 90.0, 120.0, 800.0])


def cases() -> Iterator[Case]:
    for operator, attributes in FORMS:
        for dtype in FLOATS:
            yield case(operator, normal(3, 4, dtype=dtype, away=0.05), **attributes)
        yield case(operator, np.array([0.0, -0.0, np.nan], np.float32), **attributes).differenced().noted("special")
        yield case(operator, FAR.astype(np.float32), **attributes).differenced().noted("far in f32")
        yield case(operator, FAR, **attributes).noted("far")
        yield case(operator, normal(0, 2), **attributes).noted("empty")
    for dtype in FLOATS:
        yield case(prelu, normal(3, 4, dtype=dtype, away=0.05), normal(3, 4, seed=1, dtype=dtype))
    yield from (case(relu, np.array([0, 5, 100]).astype(dtype.dtype)) for dtype in INTEGERS)
