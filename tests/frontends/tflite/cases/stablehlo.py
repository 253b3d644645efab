"""StableHLO's operators that LiteRT has kernels of; the others against NumPy in `test_stablehlo.py`."""

from __future__ import annotations

import numpy as np

from tests.frontends.tflite.cases.images import spread
from tests.frontends.tflite.models import Case, Fed, Held, Out, single

X = spread(2, 3)
Y = spread(2, 3, seed=1)
WHOLE = np.array([[3, -5, 7], [2, 9, -1]], np.int32)


def _cases() -> list[Case]:
    made = [single(f"STABLEHLO_{kind}", Fed(X), Fed(Y)) for kind in ("ADD", "MULTIPLY", "MAXIMUM", "MINIMUM")]
    few = Held(np.array([[1, 2, 3], [0, 1, 2]], np.int32))
    made.append(single("STABLEHLO_SHIFT_LEFT", Fed(WHOLE), few, results=[Out("int32")]))
    words = {
        "StablehloPadOptions": {
            "edge_padding_low": (1, 0),
            "edge_padding_high": (0, 2),
            "interior_padding": (0, 0),
        }
    }
    made.append(single("STABLEHLO_PAD", Fed(X), Held(np.float32(7)), options=words))
    gaps = {"edge_padding_low": (1, 0), "edge_padding_high": (0, 2), "interior_padding": (2, 1)}
    made.append(
        single("STABLEHLO_PAD", Fed(X), Held(np.float32(7)), options={"StablehloPadOptions": gaps}, name="gaps")
    )
    steps = Held(np.array([3, 2], np.int32))
    made.append(single("DILATE", Fed(X), steps, Held(np.float32(-1)), options={"DilateOptions": {}}))
    return made + _windows()


def _windows() -> list[Case]:
    shape, strides, gaps = (Held(np.array(each, np.int64)) for each in ([2, 3], [1, 2], [2, 1]))
    words = {name: {"ReduceWindowOptions": {"reduce_function": name}} for name in
             ("ADD", "MUL", "MINIMUM", "MAXIMUM", "ALL", "ANY")}  # fmt: skip
    reals, truths = spread(5, 8), spread(5, 8) > -0.5
    return [
        single("REDUCE_WINDOW", Fed(truths if name in ("ALL", "ANY") else reals), Held(start), shape, strides, gaps,
               options=words[name], name=name, results=[Out("bool" if name in ("ALL", "ANY") else "float32")])
        for name, start in (("ADD", np.float32(2)), ("MUL", np.float32(3)), ("MINIMUM", np.float32(0.5)),
                            ("MAXIMUM", np.float32(-9)), ("ALL", np.bool_(True)), ("ANY", np.bool_(False)))
    ]  # fmt: skip


CASES = tuple(_cases())
"""The cases of this family."""
