"""Operators that carry a state, and gating: numbers worked out by hand, and refusals."""

from __future__ import annotations

import numpy as np
import pytest

from tests.ops.cases import normal
from tests.ops.evaluate import decomposed, evaluate, evaluate_all, placeholders
from xir.errors import InvalidModelError, UnsupportedError
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.cache_update import cache_update
from xir.ops.causal_conv import causal_conv
from xir.ops.gating import hardmax, shrink, swiglu
from xir.ops.linear_attention import linear_attention
from xir.ops.norm_length import lp_normalize
from xir.reference import run


def f32(*shape: int | Symbol) -> Value:
    return Value(TensorType(DType.FLOAT32, shape))


def test_a_delta_rule_replaces_what_the_key_held() -> None:
    q = k = np.ones((1, 2, 1), np.float32)
    v = np.array([[[3], [5]]], np.float32)
    words = {"heads": 1, "shared_heads": 1, "scale": None}
    y, state = evaluate_all(
        linear_attention, q, k, v, None, None, np.ones((1, 2, 1), np.float32), **words, rule="delta"
    )
    assert y.tolist() == [[[3.0], [5.0]]]
    assert state.tolist() == [[[[5.0]]]]
    y, state = evaluate_all(linear_attention, q, k, v, **words, rule="linear")
    assert y.tolist() == [[[3.0], [8.0]]]
    gate = np.full((1, 2, 1), np.log(0.5), np.float32)
    y, _ = evaluate_all(linear_attention, q, k, v, None, gate, **words, rule="gated")
    np.testing.assert_allclose(y, [[[3.0], [6.5]]], rtol=1e-6)


@pytest.mark.parametrize(
    ("shapes", "words", "text"),
    [
        ([(1, 2, 6), (1, 2, 4), (1, 2, 4)], {"heads": 3, "shared_heads": 2}, "3 heads of queries cannot share 2"),
        ([(1, 2, 6), (1, 2, 4), (1, 2, 4)], {"heads": 4, "shared_heads": 2}, "4 heads do not fit"),
        ([(1, 2, 6), (1, 2, 4), (1, 2, 4)], {"heads": 2, "shared_heads": 2}, "differ"),
        ([(1, 2, 4), (1, 2, 4), (1, 2, 4)], {"rule": "gated"}, "the rule 'gated' needs decay"),
        ([(1, 2, 4), (1, 2, 4), (1, 2, 4), None, None, (1, 2, 1)], {}, "the rule 'linear' has no beta"),
        ([(1, 2, 4), (1, 2, 4), (1, 2, 4), None, None, (1, 2, 3)], {"rule": "delta"}, "the last size of beta"),
    ],
)
def test_linear_attention_refuses_what_does_not_fit(
    shapes: list[tuple[int, ...] | None], words: dict[str, object], text: str
) -> None:
    values = [None if shape is None else f32(*shape) for shape in shapes]
    with pytest.raises(InvalidModelError, match=text):
        linear_attention(*values, **{"heads": 2, "shared_heads": 2, "scale": None, "rule": "linear", **words})


@pytest.mark.parametrize("rule", ["linear", "gated_delta"])
def test_many_or_unknown_steps_are_the_body_of_a_scan(rule: str) -> None:
    q, k, v = normal(2, 20, 8), normal(2, 20, 4, seed=1), normal(2, 20, 6, seed=2)
    gates = [None, normal(2, 20, 2, seed=3), normal(2, 20, 1, seed=4)] if rule == "gated_delta" else []
    words = {"heads": 4, "shared_heads": 2, "scale": None, "rule": rule}
    want = evaluate_all(linear_attention, q, k, v, *gates, **words)
    for steps in (20, Symbol("T")):
        given = placeholders(q, k, v, *gates)
        values = [each and Value(each.tensor.with_shape((2, steps, each.shape[2]))) for each in given]
        made = decomposed(linear_attention)(*values, **words)
        assert isinstance(made, tuple)
        names = {value: f"in{index}" for index, value in enumerate(values) if value is not None}
        graph = Graph("g", tuple(names), made, ("y", "state"), names=names)
        assert "scan" in {node.op.name for node in graph.nodes}
        feeds = {f"in{index}": array for index, array in enumerate([q, k, v, *gates]) if array is not None}
        for have, expected in zip(run(graph, feeds).values(), want, strict=True):
            np.testing.assert_allclose(have, expected, rtol=1e-4, atol=1e-5)


def test_linear_attention_comes_apart_over_known_heads_alone() -> None:
    x = f32(1, 2, Symbol("W"))
    with pytest.raises(UnsupportedError, match="needs a known head size"):
        decomposed(linear_attention)(x, x, x, heads=2, shared_heads=2, scale=None, rule="linear")


def test_a_causal_convolution_looks_back() -> None:
    x, weight = np.array([[[1, 2, 3]]], np.float32), np.array([[[10, 1]]], np.float32)
    past = np.array([[[7]]], np.float32)
    y, state = evaluate_all(causal_conv, x, weight, np.array([100], np.float32), past, activation="none")
    assert y.tolist() == [[[171.0, 112.0, 123.0]]]
    assert state.tolist() == [[[3.0]]]


def test_a_causal_convolution_needs_known_taps() -> None:
    with pytest.raises(InvalidModelError, match="known number of taps"):
        causal_conv(f32(1, 2, 3), f32(2, 1, Symbol("K")), activation="none")
    channels = Symbol("C")
    with pytest.raises(InvalidModelError, match="known number of channels"):
        decomposed(causal_conv)(f32(1, channels, 3), f32(channels, 1, 2), activation="none")


def test_entries_go_round_the_end_of_a_circular_cache() -> None:
    cache, update = np.zeros((2, 4), np.int64), np.array([[1, 2], [3, 4]])
    got = evaluate(cache_update, cache, update, np.array([3, 5]), axis=1, circular=True)
    assert got.tolist() == [[2, 0, 0, 1], [0, 3, 4, 0]]


@pytest.mark.parametrize("place", [-1, 3])
def test_entries_that_do_not_fit_are_refused(place: int) -> None:
    cache, update = np.zeros((1, 4), np.int64), np.array([[1, 2]])
    with pytest.raises(InvalidModelError, match=f"2 entries from place {place}"):
        evaluate(cache_update, cache, update, np.array([place]), axis=1, circular=False)


def test_a_cache_of_a_size_that_only_the_run_tells() -> None:
    size = Symbol("S")
    cache, update = f32(2, size), f32(2, 1)
    made = decomposed(cache_update)(cache, update, axis=1, circular=True)
    assert isinstance(made, Value)
    assert made.shape == (2, size)


def test_a_cache_refuses_what_does_not_fit() -> None:
    with pytest.raises(InvalidModelError, match="axis 0 is that of the batch"):
        cache_update(f32(2, 3), f32(2, 3), axis=0, circular=False)
    with pytest.raises(InvalidModelError, match="5 entries do not fit"):
        cache_update(f32(2, 3), f32(2, 5), axis=1, circular=False)


@pytest.mark.parametrize("p", [0, 3])
def test_lengths_of_other_kinds_are_refused(p: int) -> None:
    with pytest.raises(InvalidModelError, match=f"p is {p}, expected 1 or 2"):
        lp_normalize(f32(2, 3), axis=1, p=p)


def test_gating_by_hand() -> None:
    assert evaluate(hardmax, np.array([[1.0, 4.0, 4.0]]), axis=1).tolist() == [[0, 1, 0]]
    assert evaluate(hardmax, np.zeros((2, 0), np.float32), axis=1).shape == (2, 0)
    x = np.array([-2, -0.5, 0.5, 2], np.float32)
    assert evaluate(shrink, x, threshold=1.0, bias=0.5).tolist() == [-1.5, 0.0, 0.0, 1.5]
    np.testing.assert_allclose(evaluate(swiglu, np.array([2.0]), np.array([3.0]), alpha=0.5), [6 / (1 + np.exp(-1))])
