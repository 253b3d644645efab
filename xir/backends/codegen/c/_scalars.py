"""The scalars of the loop IR as C expressions.

f16 and bf16 live as `float` between operations, rounded after each, and as `uint16_t` in memory.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from xir.errors import InvalidModelError, UnsupportedError
from xir.ir.dims import Dim, Extremum, Polynomial, Quotient, Symbol
from xir.ir.types import DType
from xir.kernel.grammar import Apply, Axis, Bits, Buffer, Cast, Const, Load, Scalar, Select, Variable

F16, BF16, F32, F64 = DType.FLOAT16, DType.BFLOAT16, DType.FLOAT32, DType.FLOAT64
HALVES = (F16, BF16)

_MEMORY: Mapping[DType, str] = {
    DType.BOOL: "bool",
    F16: "uint16_t",
    BF16: "uint16_t",
    F32: "float",
    F64: "double",
    DType.INT8: "int8_t",
    DType.INT16: "int16_t",
    DType.INT32: "int32_t",
    DType.INT64: "int64_t",
    DType.UINT8: "uint8_t",
    DType.UINT16: "uint16_t",
    DType.UINT32: "uint32_t",
    DType.UINT64: "uint64_t",
}

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")

_COMPARISONS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_LOGIC = {"and": "&&", "or": "||", "xor": "!="}
_SIGNS = {"add": "+", "sub": "-", "mul": "*", "div": "/"}
_OF_BOOLS = {"add": "||", "mul": "&&", "min": "&&", "max": "||"}
_HELPED = frozenset({"scale", "min", "max", "sign", "mod"})
"""Functions of floats that the prelude has."""
_LIBRARY: Mapping[str, str] = {
    **{name: name for name in ("exp", "log", "sqrt", "floor", "ceil", "trunc", "erf", "tanh", "sin", "cos", "tan")},
    **{name: name for name in ("asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh", "pow")},
    "fma": "fma",
    "abs": "fabs",
    "round": "rint",
    "rem": "fmod",
}
_WHOLE = frozenset({"floor", "ceil", "round", "trunc"})
_OF_INTEGERS = frozenset(
    {
        *("add", "sub", "mul", "neg", "min", "max", "abs", "sign", "div", "rem", "mod", "floor_div"),
        *("bit_and", "bit_or", "bit_xor", "bit_not", "shift_left", "shift_right"),
    }
)
"""Functions of integers that the prelude has."""


def memory_type(dtype: DType) -> str:
    """The C type of an element in memory.

    Raises:
        UnsupportedError: if C has none.
    """
    if dtype not in _MEMORY:
        raise UnsupportedError(f"C kernels have no elements of type {dtype}", hint="the reference runs such operators")
    return _MEMORY[dtype]


def value_type(dtype: DType) -> str:
    """The C type of a value between operations."""
    return "float" if dtype in HALVES else memory_type(dtype)


def plain(name: str) -> str:
    """A name that builders made; anything else is refused, for it would become C text.

    Raises:
        InvalidModelError: if the name is no plain identifier.
    """
    if _PLAIN.fullmatch(name) is None:
        raise InvalidModelError(f"{name[:40]!r} cannot name anything in a kernel: letters, digits and _ can")
    return name


@dataclass(slots=True)
class Names:
    """What the names of one kernel stand for in C.

    Attributes:
        sizes: {symbol: its place in the array `sizes`}.
        lanes: {buffer or variable: C text of the lanes' index}, for what has one element for each lane of loops that
            a barrier divides.
    """

    sizes: Mapping[Symbol, int]
    lanes: dict[str, str] = field(default_factory=dict[str, str])

    def size(self, dim: Dim) -> str:
        """A size as a C expression of type int64_t."""
        match dim:
            case int():
                return f"INT64_C({dim})" if dim >= 0 else f"(-INT64_C({-dim}))"
            case Symbol():
                return f"sizes[{self.sizes[dim]}]"
            case Quotient(numerator, denominator):
                return f"xir_floor_div_i64({self.size(numerator)}, {self.size(denominator)})"
            case Extremum(kind, operands):
                text = self.size(operands[0])
                for operand in operands[1:]:
                    text = f"xir_{kind}_i64({text}, {self.size(operand)})"
                return text
            case Polynomial():
                return "(" + " + ".join(self.term(powers, count) for powers, count in dim.terms.items()) + ")"

    def term(self, powers: frozenset[tuple[Dim, int]], count: int) -> str:
        """One term of a polynomial; the order of its factors follows their text."""
        factors = sorted(self.size(atom) for atom, power in powers for _ in range(power))
        return " * ".join([self.size(count), *factors])

    def place(self, buffer: Buffer, indices: Sequence[Scalar]) -> str:
        """An element of a buffer, as C may read or write it."""
        name = plain(buffer.name)
        flat = self.lanes.get(name, "0")
        for index, size in zip(indices, buffer.shape, strict=True):
            flat = self.scalar(index) if flat == "0" else f"({flat}) * {self.size(size)} + {self.scalar(index)}"
        return f"b_{name}[{flat}]"

    def scalar(self, scalar: Scalar) -> str:
        """A scalar as a C expression of its value type."""
        match scalar:
            case Const(value, dtype):
                return self.constant(value, dtype)
            case Axis(name):
                return f"a_{plain(name)}"
            case Variable(name, _):
                lane = self.lanes.get(plain(name))
                return f"v_{name}" if lane is None else f"v_{name}[{lane}]"
            case Load(buffer, indices, mask):
                element = loaded(self.place(buffer, indices), buffer.dtype)
                return element if mask is None else f"({self.scalar(mask)} ? {element} : 0)"
            case Apply(function, arguments):
                return applied(function, [self.scalar(each) for each in arguments], arguments[0].dtype)
            case Cast(value, dtype):
                return converted(self.scalar(value), value.dtype, dtype)
            case Bits(value, dtype):
                return reinterpreted(self.scalar(value), value.dtype, dtype)
            case Select(condition, then, otherwise):
                return f"({self.scalar(condition)} ? {self.scalar(then)} : {self.scalar(otherwise)})"

    def constant(self, value: bool | float | Dim, dtype: DType) -> str:
        """A number; a size that is not known is read when the kernel runs."""
        if not isinstance(value, bool | int | float):
            return converted(self.size(value), DType.INT64, dtype)
        memory_type(dtype)
        with np.errstate(all="ignore"):
            held = np.asarray(value).astype(dtype.dtype)
            return literal(float(held.astype(np.float64)) if dtype.is_floating else int(held), dtype)


def literal(value: float, dtype: DType) -> str:
    """A number of a type, which can hold it: floats in hexadecimal, so every bit is written."""
    if dtype is DType.BOOL:
        return "true" if value else "false"
    if dtype.is_floating:
        return _float_literal(float(value), value_type(dtype) == "float")
    number = int(value)
    if dtype.is_signed:
        least = number == -(1 << 63)
        text = "INT64_MIN" if least else f"INT64_C({number})" if number >= 0 else f"-INT64_C({-number})"
    else:
        text = f"UINT64_C({number})"
    return f"(({memory_type(dtype)}){text})"


def _float_literal(value: float, single: bool) -> str:
    if math.isnan(value):
        return "NAN" if single else "((double)NAN)"
    if math.isinf(value):
        text = "INFINITY" if single else "((double)INFINITY)"
        return text if value > 0 else f"(-{text})"
    return f"({value.hex()}{'f' if single else ''})"


def loaded(text: str, dtype: DType) -> str:
    """An element of memory as a value."""
    return f"xir_from_{dtype}({text})" if dtype in HALVES else text


def stored(text: str, dtype: DType) -> str:
    """A value as an element of memory."""
    return f"xir_bits_{dtype}({text})" if dtype in HALVES else text


def rounded(text: str, dtype: DType) -> str:
    """What was computed in f32, as a value of the type."""
    return f"xir_round_{dtype}({text})" if dtype in HALVES else text


def applied(function: str, operands: list[str], dtype: DType) -> str:
    """A function of the grammar, on operands of one type.

    Raises:
        UnsupportedError: if it has no meaning for the type.
    """
    memory_type(dtype)
    if function in _COMPARISONS:
        return f"({operands[0]} {_COMPARISONS[function]} {operands[1]})"
    if function in _LOGIC:
        return f"({operands[0]} {_LOGIC[function]} {operands[1]})"
    if function == "not":
        return f"(!{operands[0]})"
    if function in ("is_nan", "is_inf"):
        return f"({'isnan' if function == 'is_nan' else 'isinf'}((double){operands[0]}) != 0)"
    rule: Callable[[str, list[str], DType], str | None] = _of_bools if dtype is DType.BOOL else _of_integers
    text = _of_floats(function, operands, dtype) if dtype.is_floating else rule(function, operands, dtype)
    if text is None:
        raise UnsupportedError(f"C kernels have no {function} of {dtype}")
    return text


def _of_bools(function: str, operands: list[str], _: DType) -> str | None:
    if function in _OF_BOOLS:
        return f"({operands[0]} {_OF_BOOLS[function]} {operands[1]})"
    return operands[0] if function in _WHOLE or function == "abs" else None


def _of_integers(function: str, operands: list[str], dtype: DType) -> str | None:
    if function in _WHOLE:
        return operands[0]
    if function == "dot4":
        return f"xir_dot4({', '.join(operands)})"
    return f"xir_{function}_{dtype}({', '.join(operands)})" if function in _OF_INTEGERS else None


def _of_floats(function: str, operands: list[str], dtype: DType) -> str | None:
    wide, suffix = (F64, "") if dtype is F64 else (F32, "f")
    if function in _SIGNS:
        text = f"({operands[0]} {_SIGNS[function]} {operands[1]})"
    elif function == "neg":
        return f"(-{operands[0]})"
    elif function in _HELPED:
        text = f"xir_{function}_{wide}({', '.join(operands)})"
    elif function in _LIBRARY:
        text = f"{_LIBRARY[function]}{suffix}({', '.join(operands)})"
    else:
        return None
    return rounded(text, dtype)


def converted(text: str, source: DType, dtype: DType) -> str:
    """A cast, defined for every value as the grammar says."""
    kind = value_type(dtype)
    if dtype is DType.BOOL:
        return f"({text} != 0)"
    if dtype.is_integer and source.is_floating:
        if dtype is DType.UINT64:
            return f"xir_whole_u64({text})"
        narrow = dtype.bits < 32 or dtype is DType.INT32
        return f"(({kind}){'xir_whole32' if narrow else 'xir_whole64'}({text}))"
    if dtype is F16 and source is F64:
        return f"xir_round_f16(xir_odd({text}))"
    return rounded(f"(({kind}){text})", dtype)


def reinterpreted(text: str, source: DType, dtype: DType) -> str:
    """The same bits as another type of the same width."""
    if source.is_floating:
        text = f"xir_bits_{source}({text})"
    if dtype.is_floating:
        return f"xir_from_{dtype}(({_unsigned(dtype)}){text})"
    return f"(({memory_type(dtype)}){text})"


def _unsigned(dtype: DType) -> str:
    return f"uint{dtype.bits}_t"
