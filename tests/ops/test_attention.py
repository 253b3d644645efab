"""Attention: numbers worked out by hand, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from tests.ops.cases.attention import operands, words
from tests.ops.evaluate import decomposed, evaluate, evaluate_all, placeholders
from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.attention import attention
from xir.ops.rotary import rotary_embedding
from xir.reference import run

ZERO = np.zeros((1, 1, 2, 1), np.float32)
VALUES = np.array([1, 2, 4, 8], np.float32).reshape(1, 1, 4, 1)
KEYS = np.zeros((1, 1, 4, 1), np.float32)

SEEN: list[tuple[str, dict[str, object], list[Array | None], list[float]]] = [
    ("all", {}, [], [3.75, 3.75]),
    ("causal", {"causal": True}, [], [1.0, 1.5]),
    ("to the left", {"left": 0}, [], [3.75, 14 / 3]),
    ("to the right", {"right": 0}, [], [1.0, 1.5]),
    ("one to the right", {"right": 1}, [], [1.5, 7 / 3]),
    ("as far as can be said", {"left": 2**63 - 1, "right": 2**63 - 1}, [], [3.75, 3.75]),
    ("some by a mask", {}, [np.array([[[[True, False, False, True]]]])], [4.5, 4.5]),
    ("none in one row", {}, [np.array([[[[False], [True]]]]).repeat(4, 3)], [0.0, 3.75]),
    ("a short mask", {}, [np.array([[[[0.0, 0.0]]]], np.float32)], [1.5, 1.5]),
    ("valid keys", {}, [None, None, None, np.array([3])], [7 / 3, 7 / 3]),
    ("valid keys in order", {"causal": True}, [None, None, None, np.array([3])], [1.5, 7 / 3]),
    ("fewer valid keys than queries", {"causal": True}, [None, None, None, np.array([1])], [0.0, 1.0]),
]


@pytest.mark.parametrize(("given", "extra", "wanted"), [each[1:] for each in SEEN], ids=[each[0] for each in SEEN])
@pytest.mark.parametrize("operator", [attention, decomposed(attention)], ids=["reference", "decomposed"])
def test_equal_keys_give_the_mean_of_what_is_seen(
    operator: object, given: dict[str, object], extra: list[Array | None], wanted: list[float]
) -> None:
    assert callable(operator)
    y = evaluate_all(operator, ZERO, KEYS, VALUES, *extra, **words(**given))[0]
    np.testing.assert_allclose(y.reshape(-1), wanted, rtol=1e-6)


@pytest.mark.parametrize("operator", [attention, decomposed(attention)], ids=["reference", "decomposed"])
def test_an_infinite_product_does_not_reach_a_query_that_sees_nothing(operator: object) -> None:
    assert callable(operator)
    q, k = np.full((1, 1, 1, 1), np.inf, np.float32), np.ones((1, 1, 4, 1), np.float32)
    y, weights = evaluate_all(operator, q, k, VALUES, np.zeros((1, 1, 1, 4), bool), **words(shown="weights"))
    assert not y.any()
    assert not weights.any()


def test_a_head_size_that_only_the_run_tells_scales_too() -> None:
    q, k, v = operands()
    size = Symbol("D")
    values = [Value(TensorType(DType.FLOAT32, (*a.shape[:3], size))) for a in (q, k)] + placeholders(v)
    made = decomposed(attention)(*values, **words())
    assert isinstance(made, tuple)
    names = {value: name for name, value in zip("qkv", values, strict=True) if value is not None}
    graph = Graph("g", tuple(names), (made[0],), ("y",), names=names)
    got = run(graph, {"q": q, "k": k, "v": v})["y"]
    np.testing.assert_allclose(got, evaluate_all(attention, q, k, v, **words())[0], rtol=1e-5)


REFUSED: list[tuple[list[tuple[int, ...] | None], dict[str, object], str]] = [
    ([(2, 4, 3, 4), (2, 3, 5, 4), (2, 3, 5, 6)], {}, "cannot share 3 heads"),
    ([(2, 4, 3, 4), (2, 2, 5, 4), (2, 2, 4, 6)], {}, "differ"),
    ([(2, 4, 3, 4), (2, 2, 5, 3), (2, 2, 5, 6)], {}, "head size"),
    ([(2, 4, 3, 4), (2, 2, 5, 4), (2, 2, 5, 6), (1, 1, 3, 6)], {}, "mask of 6 keys"),
    ([(2, 4, 3, 4), (2, 2, 5, 4), (2, 2, 5, 6), (1, 3, 3, 5)], {}, "where it is not 1"),
    ([(2, 4, 3, 4), (2, 2, 5, 4), (2, 2, 5, 6), None, (2, 2, 1, 4)], {}, "go together"),
    ([(2, 4, 3, 4), (2, 2, 5, 4), (2, 2, 5, 6)], {"left": -1}, "windows reach 0"),
    ([(2, 4, 3, 4), (2, 2, 5, 4), (2, 2, 5, 6)], {"precision": DType.INT8}, "softmax in i8"),
    ([(2, 4, 3, 4), (2, 2, 5, 4), (2, 2, 5, 6)], {"scale": -1.0}, "root of the scale"),
    ([(2, 4, 3, 0), (2, 2, 5, 0), (2, 2, 5, 6)], {}, "heads without numbers"),
]


@pytest.mark.parametrize(("shapes", "given", "text"), REFUSED)
def test_operands_that_do_not_fit_are_refused(
    shapes: list[tuple[int, ...] | None], given: dict[str, object], text: str
) -> None:
    values = [None if shape is None else Value(TensorType(DType.FLOAT32, shape)) for shape in shapes]
    with pytest.raises(InvalidModelError, match=text):
        attention(*values, **words(**given))


def test_a_past_and_a_number_of_valid_keys_exclude_each_other() -> None:
    q, k, v = placeholders(*operands())
    valid = Value(TensorType(DType.INT64, (2,)))
    with pytest.raises(InvalidModelError, match="got both"):
        attention(q, k, v, None, k, v, valid, **words())


def test_a_quarter_turn() -> None:
    x = np.array([1, 2, 3, 4, 5], np.float32).reshape(1, 1, 1, 5)
    cos, sin = np.zeros((1, 1, 2), np.float32), np.ones((1, 1, 2), np.float32)
    halves = evaluate(rotary_embedding, x, cos, sin, size=4, interleaved=False)
    pairs = evaluate(rotary_embedding, x, cos, sin, size=4, interleaved=True)
    assert halves.reshape(-1).tolist() == [-3, -4, 1, 2, 5]
    assert pairs.reshape(-1).tolist() == [-2, 1, -4, 3, 5]


def test_positions_outside_the_table_are_refused() -> None:
    x, table = np.zeros((1, 1, 1, 2), np.float32), np.zeros((3, 1), np.float32)
    with pytest.raises(InvalidModelError, match="positions 3 to 3 in a table of 3"):
        evaluate(rotary_embedding, x, table, table, np.array([[3]]), size=2, interleaved=False)


@pytest.mark.parametrize("size", [3, 8, -2])
def test_an_impossible_number_of_turned_numbers_is_refused(size: int) -> None:
    x, table = (Value(TensorType(DType.FLOAT32, shape)) for shape in ((1, 1, 1, 6), (1, 1, 1)))
    with pytest.raises(InvalidModelError, match="an even number"):
        rotary_embedding(x, table, table, size=size, interleaved=False)
