"""Arithmetic of sizes and numbers, known and of the run."""

from __future__ import annotations

import numpy as np
import pytest

import xir
from xir.errors import InvalidModelError, UnsupportedError
from xir.frontends.torch.call import Call, Scope
from xir.frontends.torch.symbolic import SYMBOLIC, Comparison
from xir.frontends.torch.tensor import Computed
from xir.ir.dims import Symbol, SymbolicDim
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType

N = Symbol("n", minimum=2, maximum=64)


def apply(name, *numbers):
    return SYMBOLIC[name](Call(name, Scope()), *numbers)


def value_of(made, inputs, feeds):
    """What a number is in a run."""
    assert isinstance(made, Computed)
    graph = Graph("g", inputs, (made.value,))
    arrays = dict(zip(graph.input_names, feeds, strict=True))
    return next(iter(xir.run(graph, arrays).values())).item()


@pytest.mark.parametrize(
    ("name", "numbers", "result"),
    [
        ("_operator.add", (2, 3), 5),
        ("_operator.sub", (2, 3.5), -1.5),
        ("_operator.mul", (True, 3), 3),
        ("_operator.floordiv", (-7, 2), -4),
        ("_operator.mod", (-7, 3), 2),
        ("_operator.truediv", (7, 2), 3.5),
        ("_operator.pow", (2, 10), 1024),
        ("_operator.pow", (2, -1), 0.5),
        ("_operator.neg", (3,), -3),
        ("_operator.pos", (3,), 3),
        ("_operator.lshift", (3, 2), 12),
        ("_operator.rshift", (13, 2), 3),
        ("_operator.and_", (True, False), False),
        ("_operator.or_", (True, False), True),
        ("_operator.lt", (1, 2), True),
        ("_operator.eq", (1, 2), False),
        ("math.trunc", (-2.5,), -2),
        ("math.ceil", (2.5,), 3),
        ("math.floor", (-2.5,), -3),
        ("torch.sym_not", (True,), False),
        ("torch.sym_sum", (2, 3, 4), 9),
        ("torch.sym_max", (2, 3), 3),
        ("torch.sym_min", (2, 3.5), 2),
        ("torch.sym_ite", (False, 1, 2), 2),
        ("torch.sym_float", (2,), 2.0),
        ("torch.sym_int", (2.7,), 2),
        ("torch._sym_sqrt", (4,), 2.0),
        ("math.log", (1,), 0.0),
    ],
)
def test_numbers_that_are_known(name, numbers, result):
    made = apply(name, *numbers)
    assert made == result
    assert type(made) is type(result)


@pytest.mark.parametrize(
    ("name", "numbers", "result"),
    [
        ("_operator.add", (N, 1), "n + 1"),
        ("_operator.sub", (3, N), "3 - n"),
        ("_operator.mul", (N, True), "n"),
        ("_operator.floordiv", (N, 2), "n//2"),
        ("_operator.mod", (N, 4), "n - 4*(n//4)"),
        ("_operator.pow", (N, 2), "n*n"),
        ("_operator.neg", (N,), "-n"),
        ("_operator.lshift", (N, 1), "2*n"),
        ("_operator.rshift", (N, 1), "n//2"),
        ("torch.sym_sum", (1, N, N, -1), "2*n"),
        ("torch.sym_max", (N, 3), "max(3, n)"),
        ("torch.sym_min", (N, 99), "n"),
        ("math.trunc", (N,), "n"),
        ("_operator.ge", (N, 2), "True"),
        ("_operator.lt", (N, 2), "False"),
        ("_operator.ne", (N, 65), "True"),
        ("_operator.gt", (1, N), "False"),
        ("torch.sym_ite", (True, N, 2), "n"),
    ],
)
def test_sizes_stay_sizes(name, numbers, result):
    assert str(apply(name, *numbers)) == result


def test_a_comparison_that_is_open_can_be_turned_round():
    found = apply("_operator.le", N, 8)
    assert isinstance(found, Comparison)
    other = apply("torch.sym_not", found)
    assert isinstance(other, Comparison)
    assert (found.kind, other.kind, other.right) == ("le", "gt", 8)


def run_number(dtype=DType.INT64):
    value = Value(TensorType(dtype, ()))
    return value, Computed(value)


@pytest.mark.parametrize(
    ("name", "others", "fed", "result"),
    [
        ("_operator.add", (3,), -7, -4),
        ("_operator.mul", (2.5,), 3, 7.5),
        ("_operator.floordiv", (2,), -7, -4),
        ("_operator.mod", (3,), -7, 2),
        ("_operator.truediv", (2,), 7, 3.5),
        ("_operator.pow", (2,), 3, 9),
        ("_operator.pow", (0.5,), 9, 3.0),
        ("_operator.neg", (), 3, -3),
        ("_operator.lt", (3,), 2, True),
        ("_operator.eq", (3,), 2, False),
        ("torch.sym_sum", (3, 1), 2, 6),
        ("torch.sym_max", (3,), 2, 3),
        ("torch.sym_float", (), 2, 2.0),
        ("torch.sym_sqrt", (), 9, 3.0),
        ("math.trunc", (), 4, 4),
    ],
)
def test_numbers_of_the_run(name, others, fed, result):
    value, number = run_number()
    made = apply(name, number, *others)
    assert value_of(made, (value,), [np.array(fed)]) == result


@pytest.mark.parametrize(
    ("name", "fed", "result"), [("math.trunc", -2.5, -2), ("math.floor", -2.5, -3), ("math.ceil", 2.1, 3),
                                ("builtins.round", 2.5, 2)]
)  # fmt: skip
def test_real_numbers_of_the_run_are_rounded(name, fed, result):
    value, number = run_number(DType.FLOAT64)
    made = apply(name, number)
    assert value_of(made, (value,), [np.array(fed)]) == result


def test_real_numbers_of_the_run_are_divided_and_rounded_down():
    value, number = run_number(DType.FLOAT64)
    assert value_of(apply("_operator.floordiv", number, 2), (value,), [np.array(-3.0)]) == -2.0


def test_conditions_of_the_run():
    value, condition = run_number(DType.BOOL)
    assert apply("_operator.and_", condition, False) is False
    assert apply("_operator.or_", False, condition) is condition
    other, second = run_number(DType.BOOL)
    both = apply("_operator.and_", condition, second)
    assert value_of(both, (value, other), [np.array(True), np.array(False)]) is False
    assert value_of(apply("torch.sym_not", condition), (value,), [np.array(True)]) is False
    assert value_of(apply("torch.sym_ite", condition, 3, 4.5), (value,), [np.array(False)]) == 4.5


def test_a_size_and_a_real_number_make_a_number_of_the_run():
    made = apply("_operator.truediv", N, 4)
    assert isinstance(made, Computed)
    assert not isinstance(made, SymbolicDim)
    assert made.value.dtype is DType.FLOAT64


@pytest.mark.parametrize(
    ("name", "numbers", "error"),
    [
        ("_operator.truediv", (1, 0), InvalidModelError),
        ("_operator.floordiv", (N, 0), InvalidModelError),
        ("_operator.pow", (3, 10**9), InvalidModelError),
        ("_operator.pow", (-1, 0.5), InvalidModelError),
        ("_operator.mul", (1 << 62, 1 << 62), InvalidModelError),
        ("math.log", (0,), InvalidModelError),
        ("math.trunc", (float("nan"),), InvalidModelError),
        ("_operator.lshift", (1, N), UnsupportedError),
        ("_operator.rshift", (2.5, 1), UnsupportedError),
    ],
)
def test_what_no_number_is(name, numbers, error):
    with pytest.raises(error):
        apply(name, *numbers)
