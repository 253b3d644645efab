"""Functions of the C library that machine code calls, lane by lane."""

from __future__ import annotations

from collections.abc import Sequence

from xir.backends.codegen.llvm._casts import converted
from xir.backends.codegen.llvm.types import Function, Operand, register_type, wide
from xir.errors import UnsupportedError
from xir.ir.types import DType

LIBRARY = (
    "exp",
    "log",
    "erf",
    "tanh",
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "sinh",
    "cosh",
    "asinh",
    "acosh",
    "atanh",
    "pow",
)
"""The functions of the grammar that have the name of the library's."""


def by_the_library(function: Function, name: str, arguments: Sequence[Operand]) -> Operand:
    """A function of the C library, lane by lane; narrow floats are computed in f32."""
    source = arguments[0].dtype
    if not source.is_floating:
        raise UnsupportedError(f"machine code has no {name} of {source}")
    dtype = source if source in (DType.FLOAT32, DType.FLOAT64) else DType.FLOAT32
    given = [converted(function, each, dtype) for each in arguments]
    kind, lanes = register_type(dtype), given[0].lanes
    symbol = name + ("f" if dtype is DType.FLOAT32 else "")
    if lanes == 1:
        text = function.call(symbol, kind, [(kind, each.text) for each in given])
        return converted(function, Operand(text, dtype), source)
    result = "poison"
    for lane in range(lanes):
        parts = [(kind, function.let(f"extractelement {each.typed}, i32 {lane}")) for each in given]
        one = function.call(symbol, kind, parts)
        result = function.let(f"insertelement {wide(kind, lanes)} {result}, {kind} {one}, i32 {lane}")
    return converted(function, Operand(result, dtype, lanes), source)
