"""Numbers of tensors: sizes, strides, elements; and assertions, call by call."""

from __future__ import annotations

import numpy as np
import pytest

from xir.errors import InvalidModelError
from xir.frontends.torch.call import Scope
from xir.frontends.torch.caller import Caller
from xir.frontends.torch.handlers import OPERATORS
from xir.frontends.torch.tensor import Computed, Tensor
from xir.ir.constant import constant_of
from xir.ir.dims import Symbol
from xir.ir.node import Value
from xir.ir.types import DType, TensorType

N = Symbol("n")


def called(name, *items, shape=(2, N, 5), dtype=DType.FLOAT32):
    scope = Scope()
    x = Tensor(Value(TensorType(dtype, shape)))
    return Caller(OPERATORS, scope).call(f"aten.{name}", [x, *items], {}), scope


@pytest.mark.parametrize(
    ("name", "items", "result"),
    [
        ("sym_size.int", (-2,), "n"),
        ("sym_size.default", (), "(2, n, 5)"),
        ("sym_numel.default", (), "10*n"),
        ("sym_stride.int", (0,), "5*n"),
        ("sym_stride.int", (-1,), "1"),
        ("sym_storage_offset.default", (), "0"),
        ("dim.default", (), "3"),
    ],
)
def test_what_a_shape_tells(name, items, result):
    assert str(called(name, *items)[0]) == result


@pytest.mark.parametrize("name", ["_assert_async.default", "_assert_async.msg"])
def test_assertions_of_elements_are_noted(name):
    items = ("told",) if name.endswith("msg") else ()
    made, scope = called(name, *items, shape=(), dtype=DType.BOOL)
    assert made is None
    assert len(scope.left_out) == 1


def test_ranges_of_numbers_say_nothing_new():
    value = Computed(Value(TensorType(DType.INT64, ())))
    caller = Caller(OPERATORS, Scope())
    assert caller.call("aten.sym_constrain_range_for_size.default", [value], {"min": 0, "max": 9}) is None


@pytest.mark.parametrize(
    ("array", "number"), [(np.array([3]), 3), (np.array(2.5, np.float32), 2.5), (np.array(True), True)]
)
def test_an_element_of_a_constant_is_known(array, number):
    scope = Scope()
    held = constant_of(array)
    value = Value(held.type)
    scope.constants[value] = held
    made = Caller(OPERATORS, scope).call("aten.item.default", [Tensor(value)], {})
    assert made == number
    assert type(made) is type(number)


@pytest.mark.parametrize(
    ("dtype", "wide"), [(DType.INT8, DType.INT64), (DType.FLOAT16, DType.FLOAT64), (DType.BOOL, DType.BOOL)]
)
def test_an_element_of_the_run_is_as_wide_as_python_numbers(dtype, wide):
    made, _ = called("_local_scalar_dense.default", shape=(1, 1), dtype=dtype)
    assert isinstance(made, Computed)
    assert made.value.type == TensorType(wide, ())


def test_a_tensor_of_several_elements_is_no_number():
    with pytest.raises(InvalidModelError, match="one element"):
        called("item.default", shape=(2,))
