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
    return made


CASES = tuple(_cases())
"""The cases of this family."""
