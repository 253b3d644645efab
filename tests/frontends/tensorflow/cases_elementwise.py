"""Cases of operators that work element by element, and of reductions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.frontends.tensorflow.cases import Case, fixed, real, whole


def _elementwise() -> Iterator[Case]:
    for kind in (
        "Neg",
        "Abs",
        "Sign",
        "Exp",
        "Expm1",
        "Square",
        "Erf",
        "Erfc",
        "Sin",
        "Cos",
        "Tan",
        "Atan",
        "Sinh",
        "Cosh",
        "Asinh",
        "IsNan",
        "IsInf",
        "IsFinite",
        "Relu",
        "Relu6",
        "Sigmoid",
        "Tanh",
        "Softplus",
        "Softsign",
        "Elu",
        "Selu",
        "Floor",
        "Ceil",
        "Round",
        "Rint",
        "L2Loss",
        "OnesLike",
        "ZerosLike",
        "Identity",
        "StopGradient",
        "PreventGradient",
        "Snapshot",
        "Softmax",
        "LogSoftmax",
    ):
        yield Case(kind, kind, (real(3, 4, low=-3, high=7),))


def _ranges() -> Iterator[Case]:
    for kind in ("Log", "Log1p", "Sqrt", "Rsqrt", "Reciprocal", "Inv", "Acosh"):
        yield Case(kind, kind, (real(7, low=1.01, high=9),))
    for kind in ("Asin", "Acos", "Atanh"):
        yield Case(kind, kind, (real(7, low=-0.9, high=0.9),))
    yield Case("Log1p small", "Log1p", (np.array([1e-9, -1e-7, 0, 1e30, np.inf], np.float32),))
    yield Case("Expm1 small", "Expm1", (np.array([1e-9, -1e-7, 0, 30], np.float32),))
    yield Case("Round halves", "Round", (np.array([0.5, 1.5, -0.5, -2.5], np.float32),))
    yield Case("Sign whole", "Sign", (whole(5),))
    yield Case("LeakyRelu", "LeakyRelu", (real(6),), {"alpha": 0.3})
    yield Case("Invert", "Invert", (whole(5),))
    yield Case("LogicalNot", "LogicalNot", (np.array([True, False]),))
    yield Case("CheckNumerics", "CheckNumerics", (real(4),), {"message": "no"})
    yield Case("DebugGradientIdentity", "DebugGradientIdentity", (real(4),))
    yield Case("Bitcast", "Bitcast", (real(4),), {"type": "DT_INT32"})
    yield Case("Cast to whole", "Cast", (real(6),), {"DstT": "DT_INT32"})
    yield Case("Cast to real", "Cast", (whole(6),), {"DstT": "DT_DOUBLE"})
    yield Case("Cast to truth", "Cast", (whole(6),), {"DstT": "DT_BOOL"})


def _special() -> Iterator[Case]:
    places = np.array([-2.5, -0.3, 0.1, 0.5, 1, 2, 7.3, 40], np.float32)
    yield Case("Lgamma", "Lgamma", (places,))
    yield Case("Digamma", "Digamma", (places,))
    yield Case("Zeta", "Zeta", (real(6, low=1.2, high=6), real(6, low=0.1, high=9, seed=4)))


def _pairs() -> Iterator[Case]:
    for kind in (
        "Add",
        "AddV2",
        "Sub",
        "Mul",
        "RealDiv",
        "Div",
        "Minimum",
        "Maximum",
        "SquaredDifference",
        "Equal",
        "NotEqual",
        "Less",
        "LessEqual",
        "Greater",
        "GreaterEqual",
        "Atan2",
        "FloorDiv",
        "FloorMod",
        "DivNoNan",
        "MulNoNan",
        "Xdivy",
    ):
        yield Case(kind, kind, (real(2, 3, 4), real(3, 1, seed=5)))
    for kind in ("FloorDiv", "FloorMod", "TruncateDiv", "Mod", "TruncateMod", "Div", "Maximum", "Equal"):
        y = whole(3, 1, low=1, high=4, seed=3) * np.array([[1], [-1], [1]], np.int32)
        yield Case(f"{kind} whole", kind, (whole(2, 3, 4), y))
    yield Case("TruncateDiv real", "TruncateDiv", (real(6, low=-9, high=9), real(6, low=0.5, high=3)))
    for kind in ("BitwiseAnd", "BitwiseOr", "BitwiseXor"):
        yield Case(kind, kind, (whole(6), whole(6, seed=4)))
    for kind in ("LeftShift", "RightShift"):
        yield Case(kind, kind, (whole(6), whole(6, low=0, high=4)))
    for kind in ("LogicalAnd", "LogicalOr"):
        yield Case(kind, kind, (np.array([[True], [False]]), np.array([True, False])))
    yield Case("Pow", "Pow", (real(5, low=0.1), real(5, seed=3)))
    yield Case("Pow whole", "Pow", (whole(5), whole(5, low=0, high=4)))
    for kind in ("Xlogy", "Xlog1py"):
        yield Case(kind, kind, (np.array([0, 1, 2, 0], np.float32), np.array([0, 2, 3, 5], np.float32)))
    yield Case("DivNoNan zero", "DivNoNan", (real(3), np.array([0, 1, 0], np.float32)))
    yield Case(
        "MulNoNan zero", "MulNoNan", (np.array([np.inf, np.nan, 2], np.float32), np.array([0, 0, 3], np.float32))
    )
    edges = np.array([0.0, -0.0, 1, -1, np.inf, -np.inf, np.nan], np.float32)
    yield Case("Atan2 axes", "Atan2", (np.repeat(edges, 7), np.tile(edges, 7)))
    yield Case("ApproximateEqual", "ApproximateEqual", (real(4), real(4) + np.float32(1e-6)), {"tolerance": 1e-3})
    yield Case("AddN", "AddN", (real(3), real(3, seed=2), real(3, seed=3)))
    yield Case("AccumulateNV2", "AccumulateNV2", (real(3), real(3, seed=2)), {"shape": (3,)})
    yield Case("ClipByValue", "ClipByValue", (real(3, 4), fixed(-0.5, "float32"), fixed(1, "float32")))
    flags = np.array([True, False, True])
    yield Case("Select rows", "Select", (flags, real(3, 2), real(3, 2, seed=5)))
    yield Case("Select one", "Select", (np.array(False), real(3, 2), real(3, 2, seed=5)))
    yield Case("SelectV2", "SelectV2", (flags, real(2, 3), real(1, 3, seed=5)))


def _reductions() -> Iterator[Case]:
    x = real(2, 3, 4)
    for kind in ("Sum", "Mean", "Max", "Min", "Prod"):
        yield Case(kind, kind, (x, fixed([0, -1])))
        yield Case(f"{kind} kept", kind, (x, fixed(1)), {"keep_dims": True})
    yield Case("Sum nothing", "Sum", (x, fixed([])))
    yield Case("Sum late", "Sum", (x, np.array([1], np.int32)))
    for kind in ("All", "Any"):
        yield Case(kind, kind, (np.array([[True, False], [True, True]]), fixed([1])))
    yield Case("ArgMax", "ArgMax", (x, fixed(2)))
    yield Case("ArgMin", "ArgMin", (x, fixed(-2)), {"output_type": "DT_INT32"})
    yield Case("Cumsum", "Cumsum", (x, fixed(1)))
    yield Case("Cumsum back", "Cumsum", (x, fixed(-1)), {"exclusive": True, "reverse": True})
    yield Case("Cumprod", "Cumprod", (x, fixed(0)), {"exclusive": True})


def cases_elementwise() -> Iterator[Case]:
    """All of them."""
    for family in (
        _elementwise,
        _ranges,
        _special,
        _pairs,
        _reductions,
    ):
        yield from family()
