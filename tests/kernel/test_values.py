"""What is computed element by element: kernel and reference agree on every bit, for every type and odd values."""

from __future__ import annotations

import contextlib
import itertools

import numpy as np
import pytest

from xir.errors import InvalidModelError, UnsupportedError
from xir.ir.constant import Array
from xir.ir.node import Value
from xir.ir.types import DType, TensorType, dtype_from_numpy
from xir.kernel.build import MACHINE_TYPES
from xir.kernel.interpret import interpret
from xir.kernel.verify import verify
from xir.ops import definition, table
from xir.reference.execute import run_node

TYPES = tuple(dtype for dtype in DType if dtype in MACHINE_TYPES)
PAIRS = list(itertools.product(TYPES, TYPES))
UNARY = (
    *("neg", "abs", "sign", "exp", "log", "sqrt", "reciprocal", "floor", "ceil", "round", "erf", "tanh", "sin", "cos"),
    *("tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh", "is_nan", "logical_not", "bitwise_not"),
)
BINARY = (
    *("add", "sub", "mul", "minimum", "maximum", "equal", "not_equal", "less", "less_equal", "greater"),
    *("greater_equal", "logical_and", "logical_or", "logical_xor", "bitwise_and", "bitwise_or", "bitwise_xor"),
    *("shift_left", "shift_right"),
)


def odd_values(dtype: DType) -> Array:
    """Zeros, ends of the range, infinities, NaN, subnormals, halves."""
    if dtype is DType.BOOL:
        return np.array([False, True])
    if dtype.is_integer:
        most = (1 << dtype.bits - (1 if dtype.is_signed else 0)) - 1
        least = -most - 1 if dtype.is_signed else 0
        some = [0, 1, 2, 3, 7, 8, 15, 31, 32, 63, 64, 100, most, most - 1, least, least + 1]
        return np.array([*some, *([-1, -2, -3, -7, -8] if dtype.is_signed else [])], dtype.dtype)
    plain = [0.0, 0.5, 1.0, 1.5, 2.5, 3.0, 7.25, 100.0, 1e-7, 5e-45, 2e-39, 300.7, 7e4, 3.4e38, 2.0**31, 2.0**63, 1e300]
    with np.errstate(over="ignore"):
        return np.array([sign * value for value in (*plain, np.inf, np.nan) for sign in (1, -1)]).astype(dtype.dtype)


def pairs(dtype: DType) -> tuple[Array, Array]:
    values = odd_values(dtype)
    first, second = np.meshgrid(values, values)
    return first.reshape(-1), second.reshape(-1)


def agree(result: Value, *arrays: Array, sign_of_zero: bool = True) -> None:
    """Compares the kernel's result with the reference's, bit by bit, but for the bits of NaN."""
    node = result.node
    assert node is not None
    rule = definition(node).lower_rule
    assert rule is not None
    kernel = rule(node)
    verify(kernel)
    (found,) = interpret(kernel, list(arrays))
    with np.errstate(all="ignore"):
        (expected,) = run_node(node, list(arrays))
    assert found.dtype == expected.dtype
    same = (found == expected) | ((found != found) & (expected != expected))
    if result.dtype.is_floating and sign_of_zero:
        same &= (np.signbit(found) == np.signbit(expected)) | (found != found)
    wrong = np.flatnonzero(~same)
    assert not wrong.size, [(*(a[at] for a in arrays), found[at], expected[at]) for at in wrong[:5]]


def free(array: Array, dtype: DType) -> Value:
    return Value(TensorType(dtype, array.shape))


def applied(name: str, *arrays: Array, **attributes: object) -> Value:
    """The only result of an operator on free values of the arrays' types."""
    values = (free(array, dtype_from_numpy(array.dtype)) for array in arrays)
    made = table()[name](*values, **attributes)
    assert isinstance(made, Value)
    return made


def taken(operands: int, *names: str, **attributes: object) -> list[tuple[str, DType]]:
    """Each operator with each type that it takes."""
    found: list[tuple[str, DType]] = []
    for name, dtype in itertools.product(names, TYPES):
        with contextlib.suppress(InvalidModelError):
            applied(name, *(np.zeros(1, dtype.dtype),) * operands, **attributes)
            found.append((name, dtype))
    return found


NUMBERS = [dtype for _, dtype in taken(2, "add")]
FLOATS = [dtype for _, dtype in taken(1, "exp")]
SAME_BITS = [(one, other) for one, other in PAIRS if one.bits == other.bits]


def test_the_types_are_those_that_the_operators_take() -> None:
    assert (len(TYPES), len(NUMBERS), len(FLOATS), len(SAME_BITS)) == (13, 12, 4, 43)
    assert len(taken(1, *UNARY)) == 3 * 12 + 21 * 4 + 1 + 8
    assert len(taken(2, *BINARY)) == 5 * 12 + 2 * 13 + 4 * 12 + 3 + 5 * 8


@pytest.mark.parametrize(("name", "dtype"), taken(1, *UNARY), ids=str)
def test_functions_of_one_element(name: str, dtype: DType) -> None:
    x = odd_values(dtype)
    agree(applied(name, x), x)


@pytest.mark.parametrize(("name", "dtype"), taken(2, *BINARY), ids=str)
def test_functions_of_two_elements(name: str, dtype: DType) -> None:
    x, y = pairs(dtype)
    zeros = name not in ("minimum", "maximum")  # of -0 and 0 either is the smaller
    agree(applied(name, x, y), x, y, sign_of_zero=zeros)


@pytest.mark.parametrize("dtype", NUMBERS, ids=str)
@pytest.mark.parametrize("floored", [None, False, True])
def test_division(floored: bool | None, dtype: DType) -> None:
    x, y = pairs(dtype)
    if dtype.is_integer:  # by 0 the reference refuses
        x, y = x[y != 0], y[y != 0]
    agree(applied("div", x, y) if floored is None else applied("mod", x, y, floored=floored), x, y)


@pytest.mark.parametrize("dtype", NUMBERS, ids=str)
def test_powers(dtype: DType) -> None:
    x, y = pairs(dtype)
    if dtype.is_integer:  # of 0 there is no negative power
        fits = (x != 0) | (y >= 0)
        x, y = x[fits], y[fits]
    agree(applied("pow", x, y), x, y)


@pytest.mark.parametrize(("source", "target"), PAIRS, ids=str)
def test_casts(source: DType, target: DType) -> None:
    x = odd_values(source)
    agree(applied("cast", x, dtype=target), x)


@pytest.mark.parametrize(("source", "target"), SAME_BITS, ids=str)
def test_bit_casts(source: DType, target: DType) -> None:
    x = odd_values(source)
    agree(applied("bit_cast", x, dtype=target), x)


@pytest.mark.parametrize("dtype", NUMBERS, ids=str)
@pytest.mark.parametrize("limits", [(None, 2.5), (-1.5, None), (-np.inf, 1e30), (3.0, -3.0), (None, None)], ids=str)
def test_clipping(limits: tuple[float | None, float | None], dtype: DType) -> None:
    x = odd_values(dtype)
    agree(applied("clip", x, minimum=limits[0], maximum=limits[1]), x)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("positive", [True, False])
@pytest.mark.parametrize("negative", [True, False])
def test_infinities(negative: bool, positive: bool, dtype: DType) -> None:
    x = odd_values(dtype)
    agree(applied("is_inf", x, negative=negative, positive=positive), x)


@pytest.mark.parametrize("dtype", [dtype for dtype in DType if dtype not in MACHINE_TYPES], ids=str)
def test_other_types_are_left_to_the_reference(dtype: DType) -> None:
    node = table()["select"](Value(TensorType(DType.BOOL, (2,))), *(Value(TensorType(dtype, (2,))) for _ in "xy")).node  # type: ignore[union-attr]  # one result
    rule = definition(node).lower_rule
    assert rule is not None
    with pytest.raises(UnsupportedError, match=f"no machine code computes with {dtype}"):
        rule(node)
