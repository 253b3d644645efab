"""Stateful operators, shrink, hardmax and SwiGLU as files have them, against the evaluator of the onnx package."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from onnx.reference import ReferenceEvaluator

from tests.frontends.onnx.models import One, normal, saved
from xir.errors import InvalidModelError
from xir.frontends.onnx import import_onnx
from xir.reference import run

PACKED = {"q": normal(2, 3, 8), "k": normal(2, 3, 4, seed=1), "v": normal(2, 3, 6, seed=2)}
HEADS = {"q_num_heads": 4, "kv_num_heads": 2}
X = {"x": normal(2, 3, 4)}


def cases() -> Iterator[One]:
    gates = {"d": normal(2, 3, 2, seed=3), "b": normal(2, 3, 1, seed=4)}
    names = ["q", "k", "v", "", "d", "b"]
    yield One("LinearAttention", 27, {**PACKED, **gates}, inputs=names, attributes=HEADS, outputs=2)
    words = {**HEADS, "update_rule": "linear", "scale": 0.5, "chunk_size": 16}
    yield One("LinearAttention", 27, PACKED, attributes=words, outputs=2, note="linear")
    line = {"x": normal(2, 3, 5), "w": normal(3, 1, 4, seed=1), "b": normal(3, seed=2), "p": normal(2, 3, 3, seed=3)}
    for activation in ("none", "silu", "swish"):
        yield One("CausalConvWithState", 27, line, attributes={"activation": activation}, outputs=2, note=activation)
    cache = {"c": normal(2, 3, 5, 2), "u": normal(2, 3, 2, 2, seed=1), "i": np.array([3, 4])}
    yield One("TensorScatter", 24, cache, attributes={"mode": "circular"})
    yield One("TensorScatter", 24, {"c": normal(2, 5), "u": normal(2, 2, seed=1)}, attributes={"axis": 1})
    yield One("Shrink", 9, X)
    yield One("Shrink", 9, X, attributes={"lambd": 0.25, "bias": 0.5})
    yield One("SwiGLU", 28, {**X, "y": normal(2, 3, 4, seed=1)}, attributes={"alpha": 1.5})
    yield One("Hardmax", 13, X)
    yield One("Hardmax", 13, X, attributes={"axis": 1})
    yield One("Celu", 28, {"x": normal(2, 3).astype(np.float64)}, attributes={"alpha": 0.5})


CASES = list(cases())


@pytest.mark.parametrize("case", CASES, ids=[f"{index}-{case}" for index, case in enumerate(CASES)])
def test_operator_computes_what_the_evaluator_does(case: One, tmp_path: Path) -> None:
    made = case.model()
    got = run(import_onnx(saved(made, tmp_path)), case.feeds)
    for have, raw in zip(got.values(), ReferenceEvaluator(made).run(None, dict(case.feeds)), strict=True):
        want = np.asarray(raw)
        assert (have.shape, have.dtype) == (want.shape, want.dtype)
        np.testing.assert_allclose(have, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("opset", [1, 11])
def test_hardmax_flattens_before_opset_13(opset: int, tmp_path: Path) -> None:
    (y,) = run(import_onnx(saved(One("Hardmax", opset, X).model(), tmp_path)), X).values()
    flat = X["x"].reshape(2, 12)
    assert y.reshape(2, 12).argmax(1).tolist() == flat.argmax(1).tolist()
    assert y.sum() == 2


def test_unknown_words_are_refused(tmp_path: Path) -> None:
    case = One("LinearAttention", 27, PACKED, attributes={**HEADS, "update_rule": "square"})
    with pytest.raises(InvalidModelError, match="expected one of linear, gated"):
        import_onnx(saved(case.model(), tmp_path))
