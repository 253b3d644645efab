"""What the scalar functions of the loop IR compute, in NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import cast

import numpy as np
from numpy.typing import NDArray

from xir.ir.constant import Array
from xir.ir.types import DType

# NumPy's stubs know no arithmetic on arrays of any element type; this name stands for "some number type".
Numbers = NDArray[np.float64]


def _divide(x: Numbers, y: Numbers) -> Numbers:
    """Division; integers truncate toward zero, and a division by zero answers zero instead of a trap."""
    if x.dtype.kind not in "iu":
        return np.divide(x, y)
    safe = np.where(y == 0, np.ones_like(y), y)
    quotient = x // safe
    inexact = (quotient * safe != x) & ((x < 0) != (safe < 0))
    return cast("Numbers", np.where(y == 0, np.zeros_like(x), quotient + inexact.astype(x.dtype)))


def _erf(x: Numbers) -> Numbers:
    values: Numbers = np.vectorize(math.erf, otypes=[np.float64])(x)
    return values


def _unchanged_or(function: Callable[[Numbers], Numbers]) -> Callable[[Numbers], Numbers]:
    """The function on floats; integers are whole already."""
    return lambda x: x if x.dtype.kind in "iub" else function(x)


_TABLE: Mapping[str, Callable[..., Array]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": _divide,
    "floor_div": np.floor_divide,
    "mod": np.mod,
    "pow": np.power,
    "min": np.minimum,
    "max": np.maximum,
    "and": np.logical_and,
    "or": np.logical_or,
    "xor": np.logical_xor,
    "not": np.logical_not,
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "is_nan": np.isnan,
    "is_inf": np.isinf,
    "neg": np.negative,
    "abs": np.absolute,
    "sign": np.sign,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "floor": _unchanged_or(np.floor),
    "ceil": _unchanged_or(np.ceil),
    "round": _unchanged_or(np.rint),
    "erf": _erf,
    "tanh": np.tanh,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
}


def compute(function: str, arguments: list[Array], dtype: DType) -> Array:
    """The function of arrays of one type, rounded to `dtype`."""
    return np.asarray(_TABLE[function](*arguments)).astype(dtype.dtype, copy=False)


def convert(x: Array, dtype: DType) -> Array:
    """A cast: floats to integers truncate toward zero, numbers to bool ask whether they are not zero."""
    return (x != 0) if dtype is DType.BOOL else x.astype(dtype.dtype)


def names() -> tuple[str, ...]:
    """The functions that are known here; the tests compare them with the grammar's."""
    return tuple(_TABLE)
