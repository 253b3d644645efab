"""Writes and views: after each program all tensors hold what PyTorch's hold.

A program is a list of calls over named tensors; what torch 2.13 makes of it stands beside it as a NumPy program, in
which views share memory as PyTorch's do.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import xir
from xir.frontends.torch.call import Scope
from xir.frontends.torch.caller import Caller
from xir.frontends.torch.handlers import OPERATORS
from xir.frontends.torch.tensor import Tensor
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType

Array = np.ndarray
View = Callable[[Array], Array]
X = np.arange(24, dtype=np.float32).reshape(4, 6)

VIEWS: dict[str, tuple[list[object], View]] = {
    "view": ([[3, 8]], lambda x: x.reshape(3, 8)),
    "select.int": ([1, -2], lambda x: x[:, -2]),
    "slice.Tensor": ([1, 1, 6, 2], lambda x: x[:, 1:6:2]),
    "slice.Tensor ": ([0, -3, -1], lambda x: x[-3:-1]),
    "narrow": ([1, 2, 3], lambda x: x[:, 2:5]),
    "t": ([], lambda x: x.T),
    "transpose.int": ([0, -1], lambda x: x.T),
    "permute": ([[1, 0]], lambda x: x.transpose(1, 0)),
    "movedim.int": ([0, 1], lambda x: x.T),
    "unsqueeze": ([1], lambda x: x[:, None]),
    "diagonal": ([1], lambda x: x.reshape(-1)[1:23:7]),
    "unflatten.int": ([1, [2, 3]], lambda x: x.reshape(4, 2, 3)),
    "flatten.using_ints": ([], lambda x: x.reshape(-1)),
    "view_as": ([], lambda x: x),
    "alias": ([], lambda x: x),
    "detach": ([], lambda x: x),
}


def place() -> Tensor:
    return Tensor(Value(TensorType(DType.FLOAT32, X.shape)))


def values(source: Value, *tensors: Tensor) -> list[Array]:
    """What the tensors hold where `source` is X."""
    graphs = [Graph("g", (source,), (tensor.value,)) for tensor in tensors]
    return [next(iter(xir.run(graph, {graph.input_names[0]: X}).values())) for graph in graphs]


def view_of(caller: Caller, x: Tensor, name: str) -> Tensor:
    arguments = VIEWS[name][0] if name != "view_as" else [x]
    made = caller.call(f"aten.{name.strip()}", [x, *arguments], {})
    assert isinstance(made, Tensor)
    return made


@pytest.mark.parametrize("name", VIEWS)
def test_a_write_through_a_view_reaches_the_whole_and_other_views(name: str):
    caller, x = Caller(OPERATORS, Scope()), place()
    source = x.value
    row = view_of(caller, x, "select.int")
    view = view_of(caller, x, name)
    caller.call("aten.mul_.Scalar", [view, 10], {})
    caller.call("aten.add_.Scalar", [x, 1], {})
    caller.call("aten.neg_", [row], {})
    whole = X.copy()
    seen = VIEWS[name][1](whole)
    seen *= 10
    whole += 1
    whole[:, -2] *= -1
    for made, wanted in zip(values(source, x, view, row), (whole, seen, whole[:, -2]), strict=True):
        np.testing.assert_array_equal(made, wanted)


@pytest.mark.parametrize("outer", VIEWS)
def test_a_view_of_a_view_is_one_of_the_whole(outer: str):
    caller, x = Caller(OPERATORS, Scope()), place()
    source = x.value
    first = view_of(caller, x, outer)
    second = caller.call("aten.select.int", [first, 0, 0], {})
    assert isinstance(second, Tensor)
    caller.call("aten.fill_.Scalar", [second, -1], {})
    whole = X.copy()
    seen = VIEWS[outer][1](whole)
    seen[0] = -1
    for made, wanted in zip(values(source, x, first, second), (whole, seen, seen[0]), strict=True):
        np.testing.assert_array_equal(made, wanted)


def test_pieces_are_views():
    caller, x = Caller(OPERATORS, Scope()), place()
    source = x.value
    left, right = caller.call("aten.split.Tensor", [x, 3, 1], {})
    caller.call("aten.zero_", [right], {})
    wanted = X.copy()
    wanted[:, 3:] = 0
    made = values(source, x, left, right)
    for one, other in zip(made, (wanted, wanted[:, :3], wanted[:, 3:]), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("aten.clone", []),
        ("aten.to.dtype", [DType.FLOAT32, False, True]),
        ("aten.to.dtype", [DType.FLOAT64]),
        ("aten.permute_copy", [[1, 0]]),
        ("aten.repeat", [[1, 1]]),
        ("aten.index_select", [0]),
    ],
)
def test_copies_are_no_views(kind: str, arguments: list[object]):
    caller, x = Caller(OPERATORS, Scope()), place()
    source = x.value
    if kind == "aten.index_select":
        rows = caller.call("aten.arange", [4], {})
        arguments = [0, rows]
    copy = caller.call(kind, [x, *arguments], {})
    assert isinstance(copy, Tensor)
    caller.call("aten.zero_", [copy], {})
    np.testing.assert_array_equal(values(source, x)[0], X)


@pytest.mark.parametrize("kind", ["aten.contiguous", "aten.reshape"])
def test_what_pytorch_copies_because_it_lies_in_another_order_is_no_view(kind: str):
    caller, x = Caller(OPERATORS, Scope()), place()
    source = x.value
    turned = caller.call("aten.t", [x], {})
    copy = caller.call(kind, [turned, *([[-1]] if kind == "aten.reshape" else [])], {})
    caller.call("aten.zero_", [copy], {})
    np.testing.assert_array_equal(values(source, x)[0], X)


def test_what_lies_in_order_stays_a_view():
    caller, x = Caller(OPERATORS, Scope()), place()
    source = x.value
    for kind, more in (("aten.contiguous", []), ("aten.reshape", [[-1]])):
        caller.call("aten.add_.Scalar", [caller.call(kind, [x, *more], {}), 1], {})
    np.testing.assert_array_equal(values(source, x)[0], X + 2)


@pytest.mark.parametrize(
    ("kind", "arguments", "seen"),
    [
        ("aten.t_", [], lambda x: x.T),
        ("aten.transpose_.default", [0, 1], lambda x: x.T),
        ("aten.unsqueeze_", [1], lambda x: x[:, None]),
        ("aten.squeeze_.dim", [0], lambda x: x),
    ],
)
def test_a_tensor_that_is_turned_in_place_still_shows_what_it_showed(kind: str, arguments: list[object], seen: View):
    caller, x = Caller(OPERATORS, Scope()), place()
    source = x.value
    part = caller.call("aten.slice.Tensor", [x, 0, 1, 3], {})
    assert caller.call(kind, [part, *arguments], {}) is part
    caller.call("aten.add_.Scalar", [x, 1], {})
    caller.call("aten.mul_.Scalar", [part, 2], {})
    wanted = X + 1
    wanted[1:3] *= 2
    for made, true in zip(values(source, x, part), (wanted, seen(wanted[1:3])), strict=True):
        np.testing.assert_array_equal(made, true)


@pytest.mark.parametrize(
    ("kind", "arguments", "wanted"),
    [
        ("aten.pow_.Scalar", [2], X**2),
        ("aten.floor_divide_.Scalar", [2], X // 2),
        ("aten.float_power_.Scalar", [2], X**2),
        ("aten.fill_diagonal_.default", [7], np.where(np.eye(4, 6, dtype=bool), 7, X)),
        ("aten.bernoulli_.float", [1.0], np.ones_like(X)),
    ],
)
def test_variants_that_write_whatever_their_overload_is_called(kind: str, arguments: list[object], wanted: Array):
    caller, x = Caller(OPERATORS, Scope()), place()
    source = x.value
    assert caller.call(kind, [x, *arguments], {}) is x
    np.testing.assert_array_equal(values(source, x)[0], wanted.astype(np.float32))


def test_python_s_operators_that_write():
    x = Tensor(Value(TensorType(DType.INT64, (3,))))
    source = x.value
    Caller(OPERATORS, Scope()).call("aten.__iand__.Scalar", [x, 2], {})
    graph = Graph("g", (source,), (x.value,))
    assert next(iter(xir.run(graph, {graph.input_names[0]: np.asarray([1, 2, 3])}).values())).tolist() == [0, 2, 2]


def test_resize_changes_the_shape_of_what_is_written():
    caller, x = Caller(OPERATORS, Scope()), place()
    source = x.value
    caller.call("aten.resize_", [x, [2, 5]], {})
    np.testing.assert_array_equal(values(source, x)[0], X.reshape(-1)[:10].reshape(2, 5))
