"""Losses that compare numbers with numbers: the formulas of the papers and forks, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

from tests.ops.evaluate import Operator, evaluate
from xir.errors import InvalidModelError
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.distance import contrastive_loss, euclidean_loss, l1_loss, smooth_l1_loss
from xir.reference import run

X = np.array([[0.0, 2.0], [-3.0, 0.25]])
Y = np.array([[0.5, 0.0], [-3.0, 0.0]])


def test_euclidean_loss_halves_the_squares_over_the_batch() -> None:
    assert float(evaluate(euclidean_loss, X, Y)) == (0.25 + 4 + 0.0625) / 4


def test_l1_loss_is_over_the_batch() -> None:
    assert float(evaluate(l1_loss, X, Y)) == (0.5 + 2 + 0.25) / 2


@pytest.mark.parametrize(
    ("weights", "sigma", "normalization", "expected"),
    [
        ((None, None), 1.0, "batch_size", (0.125 + 1.5 + 0.03125) / 2),
        ((None, None), 1.0, "none", 0.125 + 1.5 + 0.03125),
        # sigma 2: |d| < 1/4 is near; 1/4 itself is not.
        ((None, None), 2.0, "none", (0.5 - 0.125) + (2 - 0.125) + (0.25 - 0.125)),
        ((np.array([[1.0, 0.25], [1, 1]]), None), 1.0, "none", 0.125 + 0.125 + 0.03125),
        ((None, np.array([[2.0, 1.0], [1, 0]])), 1.0, "none", 0.25 + 1.5),
    ],
)
def test_smooth_l1_loss_is_square_near_zero(
    weights: tuple[np.ndarray | None, np.ndarray | None], sigma: float, normalization: str, expected: float
) -> None:
    made = evaluate(smooth_l1_loss, X, Y, *weights, sigma=sigma, normalization=normalization)
    assert float(made) == pytest.approx(expected)


@pytest.mark.parametrize(("legacy", "apart"), [(False, (3 - 2.0615528) ** 2), (True, 0.0)])
def test_contrastive_loss_pulls_and_pushes(legacy: bool, apart: float) -> None:
    made = evaluate(contrastive_loss, X, Y, np.array([0.0, 0.9]), margin=3.0, legacy=legacy)
    alone = (3 - 0.25) ** 2 if not legacy else 3 - 0.0625
    assert float(made) == pytest.approx((apart + alone) / 4), "0.9 is cut to 0: not similar"
    made = evaluate(contrastive_loss, X, Y, np.array([0.0, -1.0]), margin=3.0, legacy=legacy)
    assert float(made) == pytest.approx((apart + 0.0625) / 4)


def value(dtype: DType, *shape: int) -> Value:
    return Value(TensorType(dtype, shape))


F32, F64 = DType.FLOAT32, DType.FLOAT64


@pytest.mark.parametrize(
    ("operator", "operands", "attributes", "words"),
    [
        (euclidean_loss, [value(F32, 2, 3), value(F32, 2, 2)], {}, "as many elements"),
        (euclidean_loss, [value(F32, 2, 3), value(F64, 2, 3)], {}, "as many elements"),
        (l1_loss, [value(DType.INT32, 2), value(DType.INT32, 2)], {}, "floating-point"),
        (l1_loss, [value(F32), value(F32)], {}, "batch axis"),
        (smooth_l1_loss, [value(F32, 2), value(F32, 2)], {"sigma": 0.0}, "sigma must be positive"),
        (smooth_l1_loss, [value(F32, 2), value(F32, 2), None, value(F32, 3)], {}, "as many elements"),
        (contrastive_loss, [value(F32, 2), value(F32, 2), value(F32, 2)], {"margin": 1.0}, "at least 2 axes"),
        (contrastive_loss, [value(F32, 2, 3), value(F32, 2, 3), value(F32, 3)], {"margin": 1.0}, "needs 2 numbers"),
        (
            contrastive_loss,
            [value(F32, 2, 3), value(F32, 2, 3), value(DType.BOOL, 2)],
            {"margin": 1.0},
            "numbers tell which",
        ),
    ],
)
def test_operands_that_do_not_fit_are_refused(
    operator: Operator, operands: list[Value | None], attributes: dict[str, object], words: str
) -> None:
    with pytest.raises(InvalidModelError, match=words):
        operator(*operands, **attributes)


def test_contrastive_loss_needs_a_number_for_each_pair_when_it_runs() -> None:
    pairs, numbers = Value(TensorType(DType.FLOAT32, (Symbol("n"), 3))), Value(TensorType(DType.INT64, (4,)))
    loss = contrastive_loss(pairs, pairs, numbers, margin=1.0)
    graph = Graph("loss", (pairs, numbers), (loss,), ("y",), names={pairs: "x", numbers: "s"})
    feeds = {"x": np.ones((4, 3), np.float32), "s": np.arange(4)}
    assert run(graph, feeds)["y"] == 0.125
    with pytest.raises(InvalidModelError, match="1 pairs need as many numbers"):
        run(graph, feeds | {"x": np.ones((1, 3), np.float32)})
