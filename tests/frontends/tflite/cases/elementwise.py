"""Arithmetic, activations and reductions of real numbers and plain integers."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.frontends.tflite.models import Case, Fed, Held, Out, single

X = np.array([[-2.5, -1.0, -0.25, 0.0], [0.5, 1.0, 1.75, 7.5]], np.float32)
Y = np.array([[1.5, -0.5, 2.0, 3.0], [0.25, 1.0, -4.0, 2.5]], np.float32)
POSITIVE = np.array([[0.1, 0.5, 1.0, 2.0], [3.0, 4.5, 9.0, 16.0]], np.float32)
WHOLE = np.array([[7, -7, 3, 0], [-9, 12, 5, -1]], np.int32)
OTHER = np.array([[2, 2, -2, 5], [4, -5, 3, 7]], np.int32)
TRUE = np.array([[True, False, True, False]])


def _fused(table: str, name: str) -> dict[str, Any]:
    return {table: {"fused_activation_function": name}}


def _arithmetic() -> list[Case]:
    made = []
    for kind, table in (
        ("ADD", "AddOptions"),
        ("SUB", "SubOptions"),
        ("MUL", "MulOptions"),
        ("DIV", "DivOptions"),
    ):
        made.append(single(kind, Fed(X), Fed(Y), options={table: {}}))
        made.append(single(kind, Fed(X), Held(Y[:1]), options=_fused(table, "RELU6"), name="row relu6"))
        made.append(single(kind, Fed(WHOLE), Held(OTHER), options={table: {}}, results=[Out("int32")], name="int32"))
    made.append(single("ADD", Fed(X), Fed(Y), options=_fused("AddOptions", "RELU"), name="relu"))
    made.append(single("ADD", Fed(X), Fed(Y), options=_fused("AddOptions", "RELU_N1_TO_1"), name="relu1"))
    return made


def _binary() -> list[Case]:
    made = []
    for kind in ("MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE", "FLOOR_DIV", "FLOOR_MOD"):
        made.append(single(kind, Fed(X), Held(Y)))
        made.append(single(kind, Fed(WHOLE), Held(OTHER), results=[Out("int32")], name="int32"))
    for kind in ("EQUAL", "NOT_EQUAL", "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL"):
        made.append(single(kind, Fed(X), Held(Y), results=[Out("bool")]))
        made.append(single(kind, Fed(WHOLE), Held(OTHER[0]), results=[Out("bool")], name="int32 row"))
    made.append(single("POW", Fed(POSITIVE), Held(Y)))
    made.append(single("ATAN2", Fed(X), Held(Y)))
    made.append(single("LOGICAL_AND", Fed(TRUE), Held(TRUE[:, ::-1]), results=[Out("bool")]))
    made.append(single("LOGICAL_OR", Fed(TRUE), Held(TRUE[:, :1]), results=[Out("bool")]))
    made.append(single("BITWISE_XOR", Fed(WHOLE), Held(OTHER), results=[Out("int32")]))
    made.append(single("RIGHT_SHIFT", Fed(WHOLE), Held(np.abs(OTHER)), results=[Out("int32")]))
    made.append(single("ADD_N", Fed(X), Fed(Y), Held(X)))
    return made


def _unary() -> list[Case]:
    made = [single(kind, Fed(POSITIVE)) for kind in ("LOG", "SQRT", "RSQRT")]
    kinds = "ABS NEG EXP SQUARE SIN COS CEIL FLOOR ROUND SIGN ZEROS_LIKE RELU RELU6 RELU_N1_TO_1 RELU_0_TO_1 TANH"
    made += [single(kind, Fed(X)) for kind in (*kinds.split(), "LOGISTIC", "ELU", "HARD_SWISH", "LOG_SOFTMAX")]
    made.append(single("ROUND", Fed(np.array([0.5, 1.5, -0.5, -2.5], np.float32)), name="halves"))
    made.append(single("LOGICAL_NOT", Fed(TRUE), results=[Out("bool")]))
    made.append(single("NEG", Fed(WHOLE), results=[Out("int32")], name="int32"))
    made.append(single("ABS", Fed(WHOLE), results=[Out("int32")], name="int32"))
    made.append(single("LEAKY_RELU", Fed(X), options={"LeakyReluOptions": {"alpha": 0.2}}))
    made.append(single("PRELU", Fed(X[None]), Held(np.array([[0.1, 0.2, 0.3, 0.4]], np.float32))))
    made.append(single("GELU", Fed(X), options={"GeluOptions": {"approximate": False}}))
    made.append(single("GELU", Fed(X), options={"GeluOptions": {"approximate": True}}, name="tanh"))
    made.append(single("SOFTMAX", Fed(X), options={"SoftmaxOptions": {"beta": 1.0}}))
    made.append(single("SOFTMAX", Fed(X), options={"SoftmaxOptions": {"beta": 0.5}}, name="beta"))
    made.append(single("L2_NORMALIZATION", Fed(X), options={"L2NormOptions": {}}))
    lrn = {"radius": 1, "bias": 1.5, "alpha": 0.3, "beta": 0.75}
    image = np.linspace(-2, 2, 2 * 2 * 2 * 5, dtype=np.float32).reshape(2, 2, 2, 5)
    made.append(single("LOCAL_RESPONSE_NORMALIZATION", Fed(image), options={"LocalResponseNormalizationOptions": lrn}))
    boundaries = {"BucketizeOptions": {"boundaries": (-1.0, 0.0, 1.5)}}
    made.append(single("BUCKETIZE", Fed(X), options=boundaries, results=[Out("int32")]))
    return made


def _conversions() -> list[Case]:
    made = []
    for have, want in (("float32", "int32"), ("int32", "float32"), ("float32", "bool"), ("bool", "float32")):
        array = X.astype(have)
        made.append(single("CAST", Fed(array), results=[Out(want)], options={"CastOptions": {}}, name=f"{have} {want}"))
    made.append(single("CAST", Fed(WHOLE), results=[Out("int64")], name="int64"))
    made.append(single("BITCAST", Fed(X), results=[Out("int32")]))
    made.append(single("SELECT", Fed(np.array([True, False])), Fed(X), Held(Y), name="rows"))
    made.append(single("SELECT", Fed(X > 0), Fed(X), Held(Y)))
    made.append(single("SELECT_V2", Fed(X > 0), Held(np.float32(3)), Fed(Y)))
    made.append(single("FILL", Held(np.array([2, 3], np.int32)), Fed(np.float32(1.5))))
    quant = {"FakeQuantOptions": {"min": -2.0, "max": 3.0, "num_bits": 4, "narrow_range": False}}
    made.append(single("FAKE_QUANT", Fed(X), options=quant, tolerance=1e-5))
    made.append(single("DEQUANTIZE", Fed(X.astype(np.float16)), name="float16"))
    return made


def _reductions() -> list[Case]:
    made = []
    block = np.linspace(-3, 4, 2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4)
    for kind in ("SUM", "MEAN", "REDUCE_PROD", "REDUCE_MAX", "REDUCE_MIN"):
        keep = {"ReducerOptions": {"keep_dims": True}}
        made.append(single(kind, Fed(block), Held(np.array([1, -1], np.int32)), options={"ReducerOptions": {}}))
        made.append(single(kind, Fed(block), Held(np.array([0], np.int32)), options=keep, name="kept"))
        ints = (block * 3).astype(np.int32)
        result = [Out("int32")]
        made.append(single(kind, Fed(ints), Held(np.array([2], np.int32)), results=result, name="int32"))
    for kind in ("REDUCE_ANY", "REDUCE_ALL"):
        made.append(single(kind, Fed(block > 0), Held(np.array([1], np.int32)), results=[Out("bool")]))
    for kind in ("ARG_MAX", "ARG_MIN"):
        table = "ArgMaxOptions" if kind == "ARG_MAX" else "ArgMinOptions"
        for dtype, axis in (("int32", 1), ("int64", 0)):
            words = {table: {"output_type": dtype.upper()}}
            made.append(single(kind, Fed(X % 2), Held(np.int32(axis)), options=words, results=[Out(dtype)], name=dtype))
    made.append(single("TOPK_V2", Fed(X), Held(np.int32(3)), results=[Out(), Out("int32")]))
    for exclusive in (False, True):
        options = {"CumsumOptions": {"exclusive": exclusive, "reverse": not exclusive}}
        made.append(single("CUMSUM", Fed(X), Held(np.int32(1)), options=options, name=f"exclusive {exclusive}"))
    return made


CASES = (*_arithmetic(), *_binary(), *_unary(), *_conversions(), *_reductions())
"""The cases of this family."""
