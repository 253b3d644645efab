"""Axes at run time, coordinates, diagonals, running products, finds: exact numbers, known ranks, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from tests.ops.evaluate import evaluate, evaluate_all, placeholders
from xir.errors import InvalidModelError, UnsupportedError
from xir.ir.constant import Array
from xir.ir.dims import Symbol, bounds
from xir.ir.node import Value
from xir.ir.types import DType, TensorType, UnrankedType
from xir.ops.finding import nonzero, unique
from xir.ops.late import broadcast_late, reduce_late, reshape_late, slice_late, squeeze_late, unsqueeze_late
from xir.ops.padding import pad
from xir.ops.places import reverse_sequence, scatter_nd
from xir.ops.running import cumprod
from xir.ops.shape import range_, split
from xir.ops.triangle import eye_like, trilu

X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
WORDS = np.array([["a", "b"]], object)
MANY = Value(TensorType(DType.INT64, (Symbol(),)))
N = Symbol("N")


def test_a_slice_is_clamped_as_onnx_says() -> None:
    line = np.arange(5)

    def cut(start: int, stop: int, step: int) -> list[int]:
        made = evaluate(slice_late, line, np.array([start]), np.array([stop]), np.array([0]), np.array([step]), axes=())
        return list(made.tolist())

    assert cut(-99, 99, 2) == [0, 2, 4]
    assert cut(99, -99, -2) == [4, 2, 0]
    assert cut(3, 0, -1) == [3, 2, 1]
    assert cut(-1, -6, -1) == [4, 3, 2, 1, 0]
    assert cut(4, 1, 1) == []


def test_unique_keeps_slices_in_the_order_of_their_elements() -> None:
    rows = np.array([[[1.0, 1.0], [0.0, 1.0], [2.0, 1.0], [0.0, 1.0]]] * 2)
    elements, firsts, which, counts = evaluate_all(unique, rows, axis=1, sorted=True)
    assert elements.tolist() == [[[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]]] * 2
    assert (firsts.tolist(), which.tolist(), counts.tolist()) == ([1, 0, 2], [1, 0, 2, 0], [2, 1, 1])


def test_a_later_update_of_one_place_stays() -> None:
    places, updates = np.array([[1], [1]]), np.array([5.0, 7.0])
    assert evaluate(scatter_nd, np.zeros(3), places, updates, reduction="none").tolist() == [0, 7, 0]
    assert evaluate(scatter_nd, np.zeros(3), places, updates, reduction="add").tolist() == [0, 12, 0]


def test_products_of_small_integers_wrap_around() -> None:
    x = np.full(40, 3, np.int64)
    assert evaluate(cumprod, x, axis=0)[-1] == np.int64(pow(3, 40, 1 << 64) - (1 << 64) * (pow(3, 40, 1 << 64) >> 63))


def test_ranks_are_known_as_far_as_numbers_of_axes_are() -> None:
    x = Value(TensorType(DType.FLOAT32, (N, 1, 4)))
    two = Value(TensorType(DType.INT64, (2,)))
    words = {"kind": "sum", "all_if_empty": True}
    assert reduce_late(x, two, keep_dims=False, **words).rank == 1
    assert reduce_late(x, MANY, keep_dims=True, **words).shape[1] == 1
    for made in (
        reduce_late(x, MANY, keep_dims=False, **words),
        squeeze_late(x, MANY),
        unsqueeze_late(x, MANY),
        reshape_late(x, two, copies_zero=True),
        broadcast_late(x, two),
    ):
        assert made.type == UnrankedType(DType.FLOAT32)
    assert squeeze_late(x).shape == (N, 4)
    assert bounds(slice_late(x, two, two, None, None, axes=(1, 2)).shape[2])[1] == 4
    scalar = Value(TensorType(DType.FLOAT32, ()))
    assert reduce_late(scalar, MANY, keep_dims=False, **words).shape == ()


@pytest.mark.parametrize(
    ("operator", "inputs", "attributes", "message"),
    [
        (slice_late, [X, [0], [1], [0]], {"axes": (0,)}, "an operand, and"),
        (slice_late, [X, [0], [1, 2], [0]], {"axes": ()}, "different lengths"),
        (slice_late, [X, [0], [1]], {"axes": (7,)}, "axis 7 does not exist"),
        (squeeze_late, [X, [0, 1, 2, 0]], {}, "4 axes are more"),
        (reduce_late, [X, [0] * 4], {"kind": "sum", "keep_dims": True, "all_if_empty": True}, "4 axes are more"),
        (trilu, [WORDS], {"diagonal": 0, "upper": True}, "numbers or bools"),
        (trilu, [X[0, 0]], {"diagonal": 0, "upper": True}, "at least 2 axes"),
        (eye_like, [X[0]], {"diagonal": 0, "dtype": DType.STRING}, "numbers or bools"),
        (scatter_nd, [X[0, 0], np.zeros((1, 2), np.int64), X[0, 0, :1]], {"reduction": "none"}, "2 coordinates"),
        (scatter_nd, [WORDS, np.zeros((1, 2), np.int64), WORDS[0, :1]], {"reduction": "add"}, "needs numbers"),
        (reverse_sequence, [X, [1, 1]], {"batch_axis": 0, "time_axis": 2}, "axes 0 and 1"),
        (pad, [X[0, 0], None, None, [0]], {"padding": ((0, 0),)}, "need amounts"),
        (pad, [X[0, 0]], {"padding": ()}, "pair an axis"),
        (range_, [WORDS[0, :1]] * 3, {}, "a number type"),
        (range_, [X[0, 0, :1]] * 3, {"stash": DType.FLOAT16}, "f32 or f64"),
    ],
)
def test_what_does_not_fit_is_refused(
    operator: object, inputs: list[object], attributes: dict[str, object], message: str
) -> None:
    assert callable(operator)
    arrays: list[Array | None] = [None if each is None else np.asarray(each) for each in inputs]
    with pytest.raises(InvalidModelError, match=message):
        operator(*placeholders(*arrays), **attributes)


def test_pieces_that_do_not_make_up_the_axis_are_refused() -> None:
    with pytest.raises(InvalidModelError, match="do not make up"):
        evaluate(split, X, np.array([1, 1]), axis=1, sizes=(Symbol(), Symbol()))


def test_running_products_come_apart_over_known_sizes_alone() -> None:
    rule = cumprod.decompose_rule
    assert rule is not None
    with pytest.raises(UnsupportedError, match="only the run tells"):
        rule(Value(TensorType(DType.FLOAT32, (N,))), None, axis=0)


def test_a_scalar_has_no_coordinates() -> None:
    assert evaluate(nonzero, np.asarray(3.0)).shape == (0, 1)
    assert evaluate(nonzero, np.asarray(0.0)).shape == (0, 0)
