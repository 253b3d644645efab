"""Moving elements about: values, run-time operands, symbolic sizes, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from tests.ops.evaluate import Operator, decomposed, evaluate, evaluate_all, onnx_results, placeholders
from xir.errors import InvalidModelError, UnsupportedError, XirError
from xir.ir.dims import Symbol
from xir.ir.node import Node, Value
from xir.ir.types import DType, TensorType
from xir.ops.blocks import channel_shuffle, depth_to_space, space_to_depth
from xir.ops.padding import pad
from xir.ops.shape import (
    broadcast,
    concat,
    iota,
    reshape,
    reverse,
    shape_of,
    slice_,
    split,
    tile,
    transpose,
)

X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
N, M = Symbol("N"), Symbol("M")


def symbolic(*shape: int | Symbol) -> Value:
    return Value(TensorType(DType.FLOAT32, shape))


def test_sizes_that_are_known_at_run_time_alone() -> None:
    k = Symbol()
    assert evaluate(reshape, X, np.array([4, -1]), shape=(4, k)).shape == (4, 6)
    assert evaluate(broadcast, X[:, :1], np.array([1, 3, 1]), shape=(2, Symbol(), 4)).shape == (2, 3, 4)
    assert evaluate(tile, X, np.array([1, 2, 0]), repeats=(1, Symbol(), Symbol())).shape == (2, 6, 0)


@pytest.mark.parametrize(("start", "stop"), [([-3], [9]), ([1], [-1]), ([0], [0]), ([3], [1])])
def test_bounds_at_run_time_are_read_as_onnx_reads_them(start: list[int], stop: list[int]) -> None:
    first, last = Symbol(), Symbol()
    operands = [np.array(start), np.array(stop)]
    result = evaluate(
        lambda *values: slice_(*values, axes=(2,), starts=(first,), stops=(first + last,), steps=(2,)), X, *operands
    )
    np.testing.assert_array_equal(result, onnx_results("Slice", [X, *operands, np.array([2]), np.array([2])])[0])


MODES = ["constant", "edge", "reflect", "wrap"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("padding", [((1, 0), (2, 1), (0, 3)), ((0, 1), (-1, 1), (1, -2)), ((0, 0), (-2, 0), (0, -1))])
def test_pad_agrees_with_onnxruntime(mode: str, padding: tuple[tuple[int, int], ...]) -> None:
    amounts = np.array([before for before, _ in padding] + [after for _, after in padding])
    expected = onnx_results("Pad", [X, amounts, np.array(1.5, np.float32)], mode=mode)[0]
    result = evaluate(pad, X, None, padding=padding, mode=mode, value=1.5)
    np.testing.assert_array_equal(result, expected)
    unknown = tuple((0, Symbol() - size) for size in X.shape)
    at_run_time = evaluate(pad, X, amounts, padding=unknown, mode=mode, value=1.5)
    np.testing.assert_array_equal(at_run_time, result)


def test_an_empty_axis_has_nothing_to_repeat() -> None:
    with pytest.raises(InvalidModelError, match="an empty axis"):
        evaluate(pad, X[:, :0], None, padding=((0, 0), (1, 0), (0, 0)), mode="edge")


@pytest.mark.parametrize("rule", ["reference", "decompose"])
@pytest.mark.parametrize(
    ("operator", "kind", "shape", "ours", "theirs"),
    [
        (depth_to_space, "DepthToSpace", (2, 8, 2, 3), {"block": 2, "order": "depth_first"},
         {"blocksize": 2, "mode": "DCR"}),
        (depth_to_space, "DepthToSpace", (2, 8, 2, 3), {"block": 2, "order": "column_first"},
         {"blocksize": 2, "mode": "CRD"}),
        (space_to_depth, "SpaceToDepth", (2, 2, 4, 6), {"block": 2}, {"blocksize": 2}),
    ],
)  # fmt: skip
def test_pixel_shuffles_agree_with_onnxruntime(
    operator: Operator, kind: str, shape: tuple[int, ...], ours: dict[str, object], theirs: dict[str, object], rule: str
) -> None:
    x = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    chosen = operator if rule == "reference" else decomposed(operator)
    np.testing.assert_array_equal(evaluate(chosen, x, **ours), onnx_results(kind, [x], **theirs)[0])


def test_channel_shuffle_reads_groups_and_writes_them_mixed() -> None:
    x = np.arange(6, dtype=np.float32).reshape(1, 6)
    assert evaluate(channel_shuffle, x, groups=3).tolist() == [[0, 2, 4, 1, 3, 5]]


def test_the_rest_of_the_family() -> None:
    np.testing.assert_array_equal(evaluate(transpose, X, perm=(2, 0, 1)), X.transpose(2, 0, 1))
    np.testing.assert_array_equal(evaluate(concat, X, X[:, :1], axis=1), np.concatenate([X, X[:, :1]], 1))
    np.testing.assert_array_equal(evaluate(reverse, X, axes=(0, 2)), X[::-1, :, ::-1])
    np.testing.assert_array_equal(evaluate(tile, X, None, repeats=(1, 2, 3)), np.tile(X, (1, 2, 3)))
    pieces = evaluate_all(split, X, axis=1, sizes=(1, 0, 2))
    assert [piece.shape for piece in pieces] == [(2, 1, 4), (2, 0, 4), (2, 2, 4)]
    np.testing.assert_array_equal(np.concatenate(pieces, axis=1), X)
    assert evaluate(shape_of, X).tolist() == [2, 3, 4]
    assert evaluate(iota, shape=(2, 3), axis=1, dtype=DType.INT32).tolist() == [[0, 1, 2], [0, 1, 2]]


def test_symbols_pass_through_the_type_rules() -> None:
    x = symbolic(N, 3, M)
    assert reshape(x, shape=(N, 3 * M)).shape == (N, 3 * M)
    assert concat(x, symbolic(N, Symbol(), M), axis=2).shape == (N, 3, 2 * M)
    assert slice_(x, axes=(2,), starts=(1,), stops=(M,), steps=(1,)).shape == (N, 3, M - 1)
    assert pad(x, padding=((0, 0), (0, 0), (1, M))).shape == (N, 3, 2 * M + 1)
    assert tile(x, repeats=(2, 1, 1)).shape == (2 * N, 3, M)
    assert split(x, axis=2, sizes=(M - 1, 1))[0].shape == (N, 3, M - 1)


INTS = np.array([1, 2], np.int64)


@pytest.mark.parametrize(
    ("operator", "inputs", "attributes", "message"),
    [
        (reshape, [X], {"shape": (5, 5)}, "numbers of elements differ"),
        (reshape, [X, INTS], {"shape": (2, 3, 4)}, "number of run-time sizes must be 3, got 2"),
        (reshape, [X, INTS.reshape(1, 2)], {"shape": (6, 4)}, "a vector of integers"),
        (reshape, [X, INTS.astype(np.float32)], {"shape": (6, 4)}, "i32 or i64"),
        (broadcast, [X], {"shape": (3, 4)}, "more axes"),
        (broadcast, [X], {"shape": (2, 2, 4)}, "cannot be broadcast"),
        (transpose, [X], {"perm": (0, 1)}, "a permutation of 3 axes"),
        (transpose, [X], {"perm": (0, 1, 1)}, "twice"),
        (concat, [], {"axis": 0}, "at least one operand"),
        (concat, [X, X[:, :2]], {"axis": 0}, "size 1 of each operand must be 3, got 2"),
        (concat, [X, X.astype(np.float64)], {"axis": 0}, "one dtype and rank"),
        (slice_, [X], {"axes": (1,), "starts": (0,), "stops": (2, 3), "steps": (1,)}, "one start, stop and step"),
        (slice_, [X], {"axes": (1,), "starts": (0,), "stops": (2,), "steps": (-1,)}, "steps must be positive"),
        (slice_, [X], {"axes": (1,), "starts": (2,), "stops": (1,), "steps": (1,)}, "start <= stop"),
        (slice_, [X], {"axes": (1,), "starts": (0,), "stops": (4,), "steps": (1,)}, "stop <= size"),
        (slice_, [X], {"axes": (1,), "starts": (-1,), "stops": (2,), "steps": (1,)}, "0 <= start"),
        (pad, [X], {"padding": ((0, 0),)}, "pair an axis"),
        (pad, [X], {"padding": ((0, 0), (-2, -2), (0, 0))}, "cuts more than"),
        (tile, [X], {"repeats": (1,)}, "one repeat an axis"),
        (tile, [X], {"repeats": (1, -1, 1)}, "repeats must be >= 0"),
        (split, [X], {"axis": 1, "sizes": ()}, "at least one piece"),
        (split, [X], {"axis": 1, "sizes": (1, 1)}, "sum of the pieces of axis 1 must be 3, got 2"),
        (depth_to_space, [X], {"block": 2, "order": "depth_first"}, r"\[N, C, H, W\]"),
        (space_to_depth, [X[None]], {"block": 2}, "height must be divisible by 2"),
        (channel_shuffle, [X], {"groups": 2}, "divisible by 2"),
        (iota, [], {"shape": (2,), "axis": 1, "dtype": DType.INT64}, "axis 1 does not exist"),
        (iota, [], {"shape": (2,), "axis": 0, "dtype": DType.BOOL}, "a number type"),
    ],
)
def test_refuses(operator: Operator, inputs: list[np.ndarray], attributes: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidModelError, match=message):
        operator(*placeholders(*inputs), **attributes)


@pytest.mark.parametrize(
    ("operator", "inputs", "attributes", "message"),
    [
        (reshape, [X, np.array([5, -1])], {"shape": (Symbol(), Symbol())}, r"cannot be reshaped to \[5, -1\]"),
        (broadcast, [X, np.array([2, 5, 4])], {"shape": (2, Symbol(), 4)}, r"cannot be broadcast to \[2, 5, 4\]"),
    ],
)
def test_refuses_at_run_time(
    operator: Operator, inputs: list[np.ndarray], attributes: dict[str, object], message: str
) -> None:
    with pytest.raises(XirError, match=message):
        evaluate(operator, *inputs, **attributes)


def node_of(value: Value) -> Node:
    assert value.node is not None
    return value.node


def test_gradients_that_cannot_be_told_before_the_model_runs_say_so() -> None:
    repeated = broadcast(symbolic(N), shape=(M,))
    with pytest.raises(UnsupportedError, match="cannot be told"):
        broadcast.gradient_rule(node_of(repeated), repeated)
    (start,) = placeholders(np.array([1]))
    cut = slice_(symbolic(4), start, axes=(0,), starts=(Symbol(),), stops=(4,), steps=(1,))
    with pytest.raises(UnsupportedError, match="bounds that are known"):
        slice_.gradient_rule(node_of(cut), cut)
    mirrored = pad(symbolic(N), padding=((1, 1),), mode="reflect")
    with pytest.raises(UnsupportedError, match="needs known sizes"):
        pad.gradient_rule(node_of(mirrored), mirrored)
