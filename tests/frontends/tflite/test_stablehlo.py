"""StableHLO's operators that LiteRT has no kernels of, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import xir
from tests.frontends.tflite.models import Fed, Held, Out, single

X = np.array([[1.5, -2.0, 0.25], [4.0, 0.5, -1.0]], np.float32)
Y = np.array([[2.0, 3.0, 0.5], [1.0, 2.0, -2.0]], np.float32)
TRUE = X > 0
CUBE = np.arange(24, dtype=np.float32).reshape(2, 4, 3) / 7 - 1

CASES = {
    "SUBTRACT": (single("STABLEHLO_SUBTRACT", Fed(X), Held(Y)), X - Y),
    "DIVIDE": (single("STABLEHLO_DIVIDE", Fed(X), Held(Y)), X / Y),
    "POWER": (single("STABLEHLO_POWER", Fed(np.abs(X)), Held(Y)), np.abs(X) ** Y),
    "REMAINDER": (single("STABLEHLO_REMAINDER", Fed(X), Held(Y)), np.fmod(X, Y)),
    "AND": (single("STABLEHLO_AND", Fed(TRUE), Held(Y > 0), results=[Out("bool")]), TRUE & (Y > 0)),
    "OR": (single("STABLEHLO_OR", Fed(TRUE), Held(Y > 0), results=[Out("bool")]), TRUE | (Y > 0)),
    "ABS": (single("STABLEHLO_ABS", Fed(X)), np.abs(X)),
    "CBRT": (single("STABLEHLO_CBRT", Fed(X)), np.cbrt(X)),
    "COSINE": (single("STABLEHLO_COSINE", Fed(X)), np.cos(X)),
    "EXPONENTIAL": (single("STABLEHLO_EXPONENTIAL", Fed(X)), np.exp(X)),
    "FLOOR": (single("STABLEHLO_FLOOR", Fed(X)), np.floor(X)),
    "LOG": (single("STABLEHLO_LOG", Fed(np.abs(X))), np.log(np.abs(X))),
    "LOGISTIC": (single("STABLEHLO_LOGISTIC", Fed(X)), 1 / (1 + np.exp(-X))),
    "NEGATE": (single("STABLEHLO_NEGATE", Fed(X)), -X),
    "RSQRT": (single("STABLEHLO_RSQRT", Fed(np.abs(X))), 1 / np.sqrt(np.abs(X))),
    "TANH": (single("STABLEHLO_TANH", Fed(X)), np.tanh(X)),
    "COMPARE": (
        single("STABLEHLO_COMPARE", Fed(X), Held(Y), results=[Out("bool")],
               options={"StablehloCompareOptions": {"comparison_direction": "LT"}}),
        X < Y,
    ),
    "SELECT": (single("STABLEHLO_SELECT", Fed(np.array(True)), Held(X), Held(Y)), X),
    "CLAMP": (single("STABLEHLO_CLAMP", Held(np.float32(-1)), Fed(X), Held(np.float32(1))), np.clip(X, -1, 1)),
    "CONVERT": (single("STABLEHLO_CONVERT", Fed(X), results=[Out("int32")]), X.astype(np.int32)),
    "RESHAPE": (single("STABLEHLO_RESHAPE", Fed(X), results=[Out(shape=(3, 2))]), X.reshape(3, 2)),
    "TRANSPOSE": (
        single("STABLEHLO_TRANSPOSE", Fed(X), options={"StablehloTransposeOptions": {"permutation": (1, 0)}}),
        X.T,
    ),
    "CONCATENATE": (
        single("STABLEHLO_CONCATENATE", Fed(X), Held(Y), options={"StablehloConcatenateOptions": {"dimension": 1}}),
        np.concatenate([X, Y], 1),
    ),
    "BROADCAST_IN_DIM": (
        single("STABLEHLO_BROADCAST_IN_DIM", Fed(X), results=[Out(shape=(3, 4, 2))],
               options={"StablehloBroadcastInDimOptions": {"broadcast_dimensions": (2, 0)}}),
        np.broadcast_to(X.T[:, None, :], (3, 4, 2)),
    ),
    "SLICE": (
        single("STABLEHLO_SLICE", Fed(X), options={
            "StablehloSliceOptions": {"start_indices": (0, 0), "limit_indices": (2, 3), "strides": (1, 2)}
        }),
        X[:, ::2],
    ),
    "DOT_GENERAL": (
        single("STABLEHLO_DOT_GENERAL", Fed(CUBE), Held(CUBE[:, ::-1] * 2), results=[Out(shape=(3, 2, 2))], options={
            "StablehloDotGeneralOptions": {
                "lhs_batching_dimensions": (2,), "rhs_batching_dimensions": (2,),
                "lhs_contracting_dimensions": (1,), "rhs_contracting_dimensions": (1,),
            }
        }),
        np.einsum("aci,bci->iab", CUBE, CUBE[:, ::-1] * 2),
    ),
    **{
        f"DYNAMIC_SLICE{fed}": (
            single("STABLEHLO_DYNAMIC_SLICE", Fed(CUBE), kind(np.int32(-3)), kind(np.int32(1)), Held(np.int32(9)),
                   results=[Out(shape=(1, 2, 2))],
                   options={"StablehloDynamicSliceOptions": {"slice_sizes": (1, 2, 2)}}),
            CUBE[:1, 1:3, 1:],
        )
        for fed, kind in (("", Fed), (" known", Held))
    },
    **{
        f"DYNAMIC_UPDATE_SLICE{fed}": (
            single("STABLEHLO_DYNAMIC_UPDATE_SLICE", Fed(X), Held(Y[:1, :2]), kind(np.int32(1)), kind(np.int32(7))),
            np.array([X[0], [X[1, 0], *Y[0, :2]]]),
        )
        for fed, kind in (("", Fed), (" known", Held))
    },
    "IOTA": (
        single("STABLEHLO_IOTA", results=[Out("int32", shape=(2, 3))],
               options={"StablehloIotaOptions": {"iota_dimension": 1}}),
        np.broadcast_to(np.arange(3, dtype=np.int32), (2, 3)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_results_are_those_of_the_specification(name, tmp_path):
    case, want = CASES[name]
    path = tmp_path / "m.tflite"
    path.write_bytes(case.data)
    graph = xir.load(str(path))
    (got,) = xir.run(graph, dict(zip(graph.input_names, case.feeds, strict=True))).values()
    assert (got.shape, got.dtype) == (want.shape, want.dtype)
    np.testing.assert_allclose(got, want, rtol=1e-6)
