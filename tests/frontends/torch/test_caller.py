"""Calls: overloads, promotion, writes and views."""

from __future__ import annotations

import numpy as np
import pytest

import xir
from xir.errors import InvalidModelError, UnsupportedError
from xir.frontends.torch.call import Scope
from xir.frontends.torch.caller import Caller
from xir.frontends.torch.handlers import OPERATORS
from xir.frontends.torch.tensor import Computed, Lens, Tensor
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.shape import transpose

X = np.arange(6, dtype=np.float32).reshape(2, 3)


def caller() -> Caller:
    return Caller(OPERATORS, Scope())


def place(dtype: DType = DType.FLOAT32, shape: tuple[int, ...] = (2, 3)) -> Tensor:
    return Tensor(Value(TensorType(dtype, shape)))


def run(x: Tensor, made: object, array: np.ndarray) -> np.ndarray:
    assert isinstance(made, Tensor)
    graph = Graph("g", (x._value if x.base is None else x.base._value,), (made.value,))
    return next(iter(xir.run(graph, {graph.input_names[0]: array}).values()))


def test_the_arguments_choose_the_overload():
    x = place()
    made = caller().call("aten.add", [x, 2], {"alpha": 3})
    np.testing.assert_array_equal(run(x, made, X), X + 6)


def test_a_write_changes_every_view_and_a_write_through_a_view_the_whole():
    source = place()
    whole = Tensor(source.value)
    view = whole.view(transpose(whole.value, perm=(1, 0)), Lens(lambda value: transpose(value, perm=(1, 0))))
    caller().call("aten.mul_.Scalar", [view, 2], {})
    caller().call("aten.add_.Scalar", [whole, 1], {})
    np.testing.assert_array_equal(run(source, whole, X), X * 2 + 1)
    np.testing.assert_array_equal(run(source, view, X), (X * 2 + 1).T)


def test_what_is_written_keeps_its_type_and_shape():
    x = place(DType.INT64)
    target = Tensor(x.value)
    assert caller().call("aten.add_.Scalar", [target, 1.5], {}) is target
    assert target.value.type == TensorType(DType.INT64, (2, 3))


def test_the_result_is_written_to_out():
    x, out = place(), place()
    made = caller().call("aten.mul.out", [x, x], {"out": out})
    assert made is out
    np.testing.assert_array_equal(run(x, out, X), X * X)


@pytest.mark.parametrize(
    ("kind", "items", "named", "error", "told"),
    [
        ("aten.nothing.default", [], {}, UnsupportedError, "does not know"),
        ("aten.relu.default", [1], {}, InvalidModelError, "argument 'self' is int 1, expected Tensor"),
        ("aten.relu.default", [], {}, InvalidModelError, "argument 'self' is missing"),
        ("aten.relu.default", [1, 2], {}, InvalidModelError, "by place"),
        ("aten.relu.default", [], {"other": 1}, InvalidModelError, "not known"),
    ],
)
def test_calls_that_are_refused(
    kind: str, items: list[object], named: dict[str, object], error: type[xir.XirError], told: str
):
    with pytest.raises(error, match=told):
        caller().call(kind, items, named)


@pytest.mark.parametrize(
    ("kind", "items", "named", "wanted"),
    [
        ("aten.div.Tensor_mode", [-7, 2], {"rounding_mode": "trunc"}, np.int64(-3)),
        ("aten.div.Tensor", [7, 2], {}, np.float32(3.5)),
        ("aten.add.Tensor", [1.5, 2], {"alpha": 3}, np.float32(7.5)),
        ("aten.mul.Tensor", [True, True], {}, np.bool_(True)),
    ],
)
def test_numbers_alone_make_a_tensor_without_axes(
    kind: str, items: list[object], named: dict[str, object], wanted: np.generic
):
    """As in torch 2.13: `torch.div(x.size(1), 2, rounding_mode="trunc")` stands in exported programs."""
    made = caller().call(kind, items, named)
    assert isinstance(made, Tensor)
    (found,) = xir.run(Graph("g", (), (made.value,)), {}).values()
    assert (found, found.dtype, found.shape) == (wanted, wanted.dtype, ())


def test_a_number_of_the_run_where_it_must_be_known_is_refused():
    with pytest.raises(UnsupportedError, match="only the run knows"):
        caller().call("aten.unsqueeze.default", [place(), Computed(Value(TensorType(DType.INT64, ())))], {})


def test_a_name_without_dots_is_no_operator():
    with pytest.raises(UnsupportedError, match="does not know"):
        caller().call("relu", [place()], {})


def test_a_number_may_be_copied_into_a_tensor():
    x = place()
    made = caller().call("aten.copy_.default", [x, 2.5], {})
    assert isinstance(made, Tensor)
    (found,) = xir.run(Graph("g", (), (made.value,)), {}).values()
    np.testing.assert_array_equal(found, np.full((2, 3), 2.5, np.float32))


@pytest.mark.parametrize(
    ("start", "stop", "taken"), [(0, 2**63 - 1, "all"), (None, None, "all"), (0, 3, "some"), (2, 2**63 - 1, "some")]
)
def test_a_slice_without_bounds_is_as_long_as_the_axis(start: int | None, stop: int | None, taken: str):
    """A size that is a formula does not know that it is neither below 0 nor beyond all bounds."""
    t = Symbol("t", minimum=1)
    size = t - t * 7 // 8
    x = Tensor(Value(TensorType(DType.FLOAT32, (size, 2))))
    made = caller().call("aten.slice.Tensor", [x, 0, start, stop], {})
    assert isinstance(made, Tensor)
    assert (made.value.shape[0] == size) is (taken == "all")
    assert "9223372036854775807" not in str(made.value.shape[0])
