"""The default predicate, asked in this process."""

from __future__ import annotations

import numpy as np
import pytest

import xir
from tests.surgery.nets import chain, tensor
from xir.errors import MissingExtraError, UsageError
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ops.activation import relu
from xir.ops.arithmetic import mul
from xir.surgery import Disagreement, predicates

pytest.importorskip("onnxruntime")


def test_runtimes_that_agree():
    graph = chain(4)
    assert Disagreement().prepare()(graph, xir.random_inputs(graph)) == ""


def test_rounding_is_a_disagreement_where_it_may_not_be():
    graph = chain(1)
    feeds = {"x": np.linspace(-2, 2, 6, dtype=np.float32).reshape(2, 3)}
    assert Disagreement(rtol=0.0, atol=1e-12)(graph, feeds) == "differs"


def test_the_absolute_tolerance_grows_with_the_numbers_unless_it_is_plain():
    x = Value(tensor(2))
    graph = Graph("square", (x,), (mul(x, x),), ("y",), (), {x: "x"})
    feeds = {"x": np.array([1e6, 1.0], np.float32)}
    assert Disagreement(rtol=0.0, atol=1e-4)(graph, feeds) == ""
    assert Disagreement().plain() == Disagreement(scaled=False)
    assert Disagreement().plain()._agree(np.array([1e6]), np.array([1e6 + 900]))
    assert not Disagreement(rtol=0.0).plain()._agree(np.array([1e6]), np.array([1e6 + 10]))
    assert Disagreement(rtol=0.0)._agree(np.array([1e6]), np.array([1e6 + 10]))


def test_sequences_and_maps_agree_where_their_tensors_do():
    near, far = np.array([1e6 + 10]), np.array([1e6 + 1e5])
    judge = Disagreement(rtol=0.0)
    assert judge._agree([np.array([1e6])], [near])
    assert judge._agree([{1: np.float64(1e6)}], [{1: 1e6 + 10}])
    assert not judge._agree([np.array([1e6])], [far])
    assert not judge._agree([np.array([1e6])], [])


def test_a_refusal_has_a_name_without_numbers_and_places():
    graph = chain(1, steps=(relu,))
    found = Disagreement(opset=28)(graph, xir.random_inputs(graph))
    assert found.startswith("onnxruntime refuses: ")
    assert not any(character.isdigit() for character in found)


def test_what_cannot_be_exported_is_raised():
    graph = chain(1)
    with pytest.raises(UsageError, match="runtime"):
        Disagreement(target="no such runtime")(graph, xir.random_inputs(graph))


def test_onnxruntime_must_be_there(monkeypatch):
    monkeypatch.setattr(predicates, "has_onnxruntime", lambda: False)
    with pytest.raises(MissingExtraError, match="onnxruntime is not installed"):
        Disagreement().prepare()
