"""Attention and RotaryEmbedding as files have them, against the evaluator of the onnx package."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from onnx.reference import ReferenceEvaluator

from tests.frontends.onnx.models import One, normal, saved
from xir.errors import InvalidModelError, UnsupportedError, XirError
from xir.frontends.onnx import import_onnx
from xir.reference import run

FLAT = {"q": normal(2, 3, 16), "k": normal(2, 5, 8, seed=1), "v": normal(2, 5, 12, seed=2)}
HEADS = {"q_num_heads": 4, "kv_num_heads": 2}
APART = {"q": normal(2, 4, 3, 4), "k": normal(2, 2, 5, 4, seed=1), "v": normal(2, 2, 5, 6, seed=2)}
PAST = {"pk": normal(2, 2, 2, 4, seed=3), "pv": normal(2, 2, 2, 6, seed=4)}
WITH_PAST = ["q", "k", "v", "", "pk", "pv"]
X = {"x": normal(2, 3, 4, 8)}
ROWS = {"c": normal(2, 4, 4, seed=1), "s": normal(2, 4, 4, seed=2)}


def cases() -> Iterator[One]:
    for opset in (23, 24, 25):
        yield One("Attention", opset, FLAT, attributes=HEADS, note="side by side")
        yield One("Attention", opset, APART, attributes={"is_causal": 1, "scale": 0.3})
    for mode in range(4):
        mask = {"m": normal(3, 5, seed=5)}
        words = {"qk_matmul_output_mode": mode, "softcap": 0.0 if mode == 0 else 2.0}
        yield One("Attention", 24, {**APART, **mask}, attributes=words, outputs=4, note=f"mode {mode}")
    yield One("Attention", 24, {**APART, **PAST}, inputs=WITH_PAST, attributes={"is_causal": 1}, outputs=3, note="past")
    yield One("Attention", 24, APART, outputs=3, note="present without past")
    yield One("Attention", 25, APART, attributes={"left_window_size": 1, "right_window_size": 0}, note="window")
    yield One("Attention", 24, {**APART, "m": normal(4, 1, 3, seed=5) > 0}, note="short mask of bools")
    valid = {"n": np.array([2, 5])}
    yield One("Attention", 24, {**APART, **valid}, inputs=["q", "k", "v", "", "", "", "n"], note="valid")
    yield One("Attention", 23, APART, attributes={"softmax_precision": 11}, note="softmax of doubles")
    places = {"p": np.array([[0, 2, 5, 5], [1, 2, 3, 4]])}
    table = {"c": normal(6, 4, seed=1), "s": normal(6, 4, seed=2)}
    for interleaved in (0, 1):
        yield One("RotaryEmbedding", 23, {**X, **table, **places}, attributes={"interleaved": interleaved})
        yield One("RotaryEmbedding", 23, {**X, **ROWS}, attributes={"interleaved": interleaved}, note="no positions")
    flat = {"x": normal(2, 4, 24)}
    yield One("RotaryEmbedding", 23, {**flat, **ROWS}, attributes={"num_heads": 3}, note="side by side")
    part = {name: array[..., :2] for name, array in ROWS.items()}
    yield One("RotaryEmbedding", 23, {**X, **part}, attributes={"rotary_embedding_dim": 4}, note="a part")


CASES = list(cases())


@pytest.mark.parametrize("case", CASES, ids=[f"{index}-{case}" for index, case in enumerate(CASES)])
def test_operator_computes_what_the_evaluator_does(case: One, tmp_path: Path) -> None:
    made = case.model()
    got = run(import_onnx(saved(made, tmp_path)), case.feeds)
    for have, raw in zip(got.values(), ReferenceEvaluator(made).run(None, dict(case.feeds)), strict=True):
        want = np.asarray(raw)
        assert (have.shape, have.dtype) == (want.shape, want.dtype)
        np.testing.assert_allclose(have, want, rtol=1e-4, atol=1e-5)


def test_a_mask_of_integers_is_added(tmp_path: Path) -> None:
    mask = np.arange(15).reshape(3, 5)
    results = []
    for array in (mask, mask.astype(np.float32)):
        case = One("Attention", 24, {**APART, "m": array})
        results.append(run(import_onnx(saved(case.model(), tmp_path)), case.feeds)["y0"])
    np.testing.assert_array_equal(*results)


REFUSED: list[tuple[One, type[XirError], str]] = [
    (One("Attention", 24, FLAT), InvalidModelError, "'q_num_heads' is missing"),
    (One("Attention", 24, FLAT, attributes={**HEADS, "q_num_heads": 3}), InvalidModelError, "3 heads do not fit"),
    (One("Attention", 24, APART, attributes={"q_num_heads": 3}), InvalidModelError, "q_num_heads is 3"),
    (One("Attention", 24, {**FLAT, "k": APART["k"]}), InvalidModelError, "3 or of 4 axes"),
    (One("Attention", 24, {**APART, "m": np.float32(1)}), InvalidModelError, "mask of 1 to 4 axes"),
    (One("Attention", 24, APART, attributes={"qk_matmul_output_mode": 4}), InvalidModelError, "expected 0 to 3"),
    (One("Attention", 24, APART, attributes={"softmax_precision": 99}), InvalidModelError, "is 99"),
    (One("Attention", 25, APART, attributes={"left_window_size": -2}), InvalidModelError, "left_window_size is -2"),
    (One("RotaryEmbedding", 23, {"x": normal(8), **ROWS}), InvalidModelError, "3 or 4 axes"),
    (One("RotaryEmbedding", 23, {"x": normal(2, 4, 24), **ROWS}), InvalidModelError, "0 heads do not fit"),
    (One("RotaryEmbedding", 23, {**X, **ROWS}, shapes={"x": [2, 3, 4, "d"]}), UnsupportedError, "unknown size"),
]


@pytest.mark.parametrize(("case", "kind", "text"), REFUSED, ids=[f"{i}-{case}" for i, (case, *_) in enumerate(REFUSED)])
def test_refusals_name_the_cause(case: One, kind: type[XirError], text: str, tmp_path: Path) -> None:
    with pytest.raises(kind, match=text):
        import_onnx(saved(case.model(), tmp_path))
