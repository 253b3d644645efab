"""How far a vector function is from the truth, in units of the last place."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from xir.backends.codegen.math.expand import expand_kernel
from xir.ir.constant import Array
from xir.ir.dims import Symbol
from xir.ir.types import DType
from xir.kernel.grammar import Apply, Axis, Bits, Buffer, Cast, For, Kernel, Let, Load, Scalar, Select, Store
from xir.kernel.interpret import interpret

Reference = Callable[..., NDArray[np.float64]]

REFERENCES: Mapping[str, Reference] = {
    "exp": np.exp,
    "log": np.log,
    "tanh": np.tanh,
    "erf": lambda x: np.vectorize(math.erf, otypes=[np.float64])(x),
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
    "pow": np.power,
}
"""In f64 for f32, and in the long double of the machine for f64."""

N, L = Symbol("n"), Axis("i")


def function_kernel(function: str, dtype: DType) -> Kernel:
    """The expanded function of arrays of n elements."""
    operands = tuple(Buffer(f"x{place}", dtype, (N,)) for place in range(2 if function == "pow" else 1))
    value = Apply(function, tuple(Load(each, (L,)) for each in operands))
    result = Buffer("y", dtype, (N,))
    return expand_kernel(Kernel(function, operands, (result,), (For(L, N, "parallel", (Store(result, (L,), value),)),)))


def interpreted(function: str, dtype: DType, inputs: Sequence[Array]) -> Array:
    """What the interpreter makes of the function's expansion."""
    (made,) = interpret(function_kernel(function, dtype), inputs, {N: inputs[0].size})
    return made


def errors(found: Array, wanted: Array) -> NDArray[np.float64]:
    """|found - wanted| in units of the last place of the true value.

    Infinite where one of them alone is NaN or infinite, or where zeros differ in their sign; a true value that rounds
    to infinity is infinity.
    """
    with np.errstate(all="ignore"):
        nearest = wanted.astype(found.dtype)
        unit = np.spacing(np.abs(nearest)).astype(wanted.dtype)
        distance = np.abs(found.astype(wanted.dtype) - wanted) / unit
        same = (found == nearest) | (np.isnan(found) & np.isnan(nearest))
        finite = np.isfinite(found) & np.isfinite(nearest)
        signs = (found != 0) | (wanted != 0) | (np.signbit(found) == np.signbit(wanted))
    measured = np.where(finite, distance, np.where(same, 0.0, np.inf))
    return np.where(signs, measured, np.inf).astype(np.float64)


def worst(function: str, found: Array, inputs: Sequence[Array]) -> float:
    """The largest error of what was found."""
    wide = np.float64 if found.dtype == np.float32 else np.longdouble
    with np.errstate(all="ignore"):
        wanted = REFERENCES[function](*(each.astype(wide) for each in inputs))
    return float(errors(found, np.asarray(wanted)).max())


def operations(function: str, dtype: DType) -> int:
    """Arithmetic of the expansion: a product that goes into a sum counts once, changes of type and names not at all."""
    (loop,) = function_kernel(function, dtype).body
    assert isinstance(loop, For)
    return sum(_count(each.value) for each in loop.body if isinstance(each, Let | Store))


def _count(scalar: Scalar) -> int:
    match scalar:
        case Apply("add" | "sub", arguments):
            return 1 + sum(map(_count, arguments)) - any(map(_is_product, arguments))
        case Apply(_, arguments):
            return 1 + sum(map(_count, arguments))
        case Select(condition, then, otherwise):
            return 1 + _count(condition) + _count(then) + _count(otherwise)
        case Cast(value, _) | Bits(value, _):
            return _count(value)
        case _:
            return 0


def _is_product(scalar: Scalar) -> bool:
    return isinstance(scalar, Apply) and scalar.function == "mul"
