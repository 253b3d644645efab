"""Transcendental functions as arithmetic: scalar trees without calls, so an emitter vectorises them like any other.

f16 and bf16 are computed in f32. docs/accuracy.md has the largest error of each function. Where there is none here
(sin, cos, tan and pow of f64: they take more than twice the digits) an emitter calls the C library.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from xir.backends.codegen.math import _core as core
from xir.backends.codegen.math import _double as double
from xir.backends.codegen.math import _wide as wide
from xir.backends.codegen.math._powers import known_power
from xir.backends.codegen.math._terms import Lets, Term
from xir.ir.types import DType
from xir.kernel.grammar import (
    Accumulate,
    Allocate,
    Apply,
    AsyncCopy,
    Axis,
    Barrier,
    Bits,
    Cast,
    Const,
    For,
    If,
    Kernel,
    Let,
    Load,
    Prefetch,
    Region,
    Scalar,
    Select,
    Statement,
    Store,
    TileMultiply,
    Variable,
    Wait,
)

F16, BF16, F32, F64 = DType.FLOAT16, DType.BFLOAT16, DType.FLOAT32, DType.FLOAT64

CORE: Mapping[str, Callable[[Lets, core.Precision, Term], Term]] = {
    "exp": core.exp,
    "log": core.log,
    "tanh": core.tanh,
    "erf": core.erf,
    "asin": core.asin,
    "acos": core.acos,
    "atan": core.atan,
}
"""The functions of f32 and f64."""

WIDE: Mapping[str, Callable[..., Term]] = {
    "sin": wide.sin,
    "cos": wide.cos,
    "tan": wide.tan,
    "sinh": wide.sinh,
    "cosh": wide.cosh,
    "asinh": wide.asinh,
    "acosh": wide.acosh,
    "atanh": wide.atanh,
    "pow": wide.pow_,
}
"""The functions of f32 that are computed in f64."""

DOUBLE: Mapping[str, Callable[[Lets, Term], Term]] = {
    "sinh": double.sinh,
    "cosh": double.cosh,
    "asinh": double.asinh,
    "acosh": double.acosh,
    "atanh": double.atanh,
}
"""Those of them that f64 has too."""

PREFIX = "math"
"""How the names begin that are made here; no builder's names do."""


def expand(function: str, arguments: tuple[Scalar, ...], lets: Lets) -> Scalar | None:
    """The function as arithmetic, or None where it has no expansion for the operands' type.

    Args:
        function: a name of the grammar's FUNCTIONS.
        arguments: its operands, all of one type.
        lets: gets the names of what stands in several places; its statements go before the result's.
    """
    dtype = arguments[0].dtype
    if dtype in (F16, BF16):
        single = expand(function, tuple(Cast(each, F32) for each in arguments), lets)
        return None if single is None else Cast(single, dtype)
    if not has_expansion(function, dtype):
        return None
    if function == "pow" and (power := known_power(lets, *map(Term, arguments))) is not None:
        return power.scalar
    operands = [lets.let(Term(each)) for each in arguments]
    if function in CORE:
        return CORE[function](lets, core.SINGLE if dtype is F32 else core.DOUBLE, *operands).scalar
    return (WIDE if dtype is F32 else DOUBLE)[function](lets, *operands).scalar


def has_expansion(function: str, dtype: DType) -> bool:
    """Whether `expand` knows the function of the type."""
    if dtype is F64:
        return function in CORE or function in DOUBLE
    return dtype in (F16, BF16, F32) and (function in CORE or function in WIDE)


def expand_kernel(kernel: Kernel) -> Kernel:
    """The kernel with every function expanded that can be; what they share is bound before each statement."""
    return replace(kernel, body=_block(kernel.body, Lets(PREFIX)))


def _block(statements: tuple[Statement, ...], lets: Lets) -> tuple[Statement, ...]:
    made: list[Statement] = []
    for statement in statements:
        here = Lets(lets.prefix, count=lets.count)
        changed = _statement(statement, here)
        lets.count = here.count
        made += [*here.statements, changed]
    return tuple(made)


def _statement(statement: Statement, lets: Lets) -> Statement:
    match statement:
        case For():
            return replace(statement, body=_block(statement.body, lets))
        case If(condition, then, otherwise):
            return If(_scalar(condition, lets), _block(then, lets), _block(otherwise, lets))
        case Let(variable, value):
            return Let(variable, _scalar(value, lets))
        case Store() | Accumulate():
            return replace(
                statement,
                indices=_all(statement.indices, lets),
                value=_scalar(statement.value, lets),
                mask=None if statement.mask is None else _scalar(statement.mask, lets),
            )
        case Prefetch(buffer, indices):
            return Prefetch(buffer, _all(indices, lets))
        case AsyncCopy(target, source, group):
            return AsyncCopy(_region(target, lets), _region(source, lets), group)
        case TileMultiply():
            target, left, right = (_region(each, lets) for each in (statement.target, statement.left, statement.right))
            return replace(statement, target=target, left=left, right=right)
        case Allocate() | Barrier() | Wait():
            return statement


def _region(region: Region, lets: Lets) -> Region:
    return replace(region, starts=_all(region.starts, lets))


def _all(scalars: tuple[Scalar, ...], lets: Lets) -> tuple[Scalar, ...]:
    return tuple(_scalar(each, lets) for each in scalars)


def _scalar(scalar: Scalar, lets: Lets) -> Scalar:
    match scalar:
        case Const() | Axis() | Variable():
            return scalar
        case Load(buffer, indices, mask):
            return Load(buffer, _all(indices, lets), None if mask is None else _scalar(mask, lets))
        case Cast(value, dtype):
            return Cast(_scalar(value, lets), dtype)
        case Bits(value, dtype):
            return Bits(_scalar(value, lets), dtype)
        case Select(condition, then, otherwise):
            return Select(*_all((condition, then, otherwise), lets))
        case Apply(function, arguments):
            inner = _all(arguments, lets)
            return expand(function, inner, lets) or Apply(function, inner)
