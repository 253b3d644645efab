"""The divisions of the loop IR as LLVM instructions, on one value or on all lanes of a vector.

No division may trap: those of integers have a defined answer for 0 and for the least number by -1.
"""

from __future__ import annotations

from collections.abc import Sequence

from xir.backends.codegen.llvm._library import by_the_library
from xir.backends.codegen.llvm._values import literal, rounded
from xir.backends.codegen.llvm.types import Function, Operand, wide


def _is_safe(divisor: Operand) -> bool:
    """Whether the divisor is a number that never needs care."""
    return divisor.is_literal and divisor.lanes == 1 and divisor.text not in ("0", "-1")


def divide(function: Function, name: str, arguments: Sequence[Operand]) -> Operand:
    """A division; one of integers truncates."""
    left, right = arguments
    if left.dtype.is_floating:
        return rounded(function, Operand(function.let(f"fdiv {left.typed}, {right.text}"), left.dtype, left.lanes))
    quotient, _ = _integer_division(function, left, right)
    return quotient


def _integer_division(function: Function, left: Operand, right: Operand) -> tuple[Operand, Operand]:
    """Quotient (0 when dividing by 0, wrapped for the least number by -1) and remainder (0 in both cases)."""
    type, lanes, dtype = left.type, left.lanes, left.dtype
    sign = "s" if dtype.is_signed else "u"
    if _is_safe(right):
        quotient = function.let(f"{sign}div {left.typed}, {right.text}")
        remainder = function.let(f"{sign}rem {left.typed}, {right.text}")
        return Operand(quotient, dtype, lanes), Operand(remainder, dtype, lanes)

    def number(value: int) -> str:
        return function.splat(Operand(str(value), dtype), lanes).text

    flag = wide("i1", lanes)
    zero = function.let(f"icmp eq {right.typed}, {number(0)}")
    unfit = zero
    if dtype.is_signed:
        least = function.let(f"icmp eq {left.typed}, {number(-(1 << (dtype.bits - 1)))}")
        minus = function.let(f"icmp eq {right.typed}, {number(-1)}")
        unfit = function.let(f"or {flag} {zero}, {function.let(f'and {flag} {least}, {minus}')}")
    safe = function.let(f"select {flag} {unfit}, {type} {number(1)}, {right.typed}")
    quotient = function.let(f"{sign}div {left.typed}, {safe}")
    quotient = function.let(f"select {flag} {zero}, {type} {number(0)}, {type} {quotient}")
    remainder = function.let(f"{sign}rem {left.typed}, {safe}")
    return Operand(quotient, dtype, lanes), Operand(remainder, dtype, lanes)


def remainder(function: Function, name: str, arguments: Sequence[Operand]) -> Operand:
    """What a division that truncates leaves; of floats C's `fmod`."""
    left, right = arguments
    if left.dtype.is_floating:
        return by_the_library(function, "fmod", arguments)
    return _integer_division(function, left, right)[1]


def floor_division(function: Function, name: str, arguments: Sequence[Operand]) -> Operand:
    """A division that rounds down, or what it leaves; of floats the remainder with the divisor's sign."""
    left, right = arguments
    if left.dtype.is_floating:
        return _signed_like(function, by_the_library(function, "fmod", arguments), right)
    if right.is_literal and right.lanes == 1 and (count := int(right.text)) > 0 and count & (count - 1) == 0:
        shift = "ashr" if left.dtype.is_signed else "lshr"
        word, by = (shift, count.bit_length() - 1) if name == "floor_div" else ("and", count - 1)
        return Operand(function.let(f"{word} {left.typed}, {by}"), left.dtype, left.lanes)
    quotient, remainder = _integer_division(function, left, right)
    if not left.dtype.is_signed:
        return quotient if name == "floor_div" else remainder
    return _rounded_down(function, name, right, quotient, remainder)


def _rounded_down(function: Function, name: str, right: Operand, quotient: Operand, remainder: Operand) -> Operand:
    """Quotient or remainder of a division that rounds down, from those of one that truncates."""
    lanes, dtype, flag = quotient.lanes, quotient.dtype, wide("i1", quotient.lanes)
    zero = function.splat(Operand("0", dtype), lanes).text
    inexact = function.let(f"icmp ne {remainder.typed}, {zero}")
    mixed = function.let(f"xor {remainder.typed}, {right.text}")
    against = function.let(f"icmp slt {quotient.type} {mixed}, {zero}")
    off = function.let(f"and {flag} {inexact}, {against}")
    if name == "floor_div":
        step = function.let(f"sext {flag} {off} to {quotient.type}")
        return Operand(function.let(f"add {quotient.typed}, {step}"), dtype, lanes)
    more = function.let(f"select {flag} {off}, {right.typed}, {quotient.type} {zero}")
    return Operand(function.let(f"add {remainder.typed}, {more}"), dtype, lanes)


def _signed_like(function: Function, remainder: Operand, right: Operand) -> Operand:
    """A remainder of floats with the divisor's sign, as NumPy's `mod` has it."""
    flag = wide("i1", remainder.lanes)
    zero = function.splat(literal(0.0, remainder.dtype), remainder.lanes).text
    some = function.let(f"fcmp une {remainder.typed}, {zero}")
    below = function.let(f"fcmp olt {remainder.typed}, {zero}")
    other = function.let(f"fcmp olt {right.typed}, {zero}")
    off = function.let(f"and {flag} {some}, {function.let(f'xor {flag} {below}, {other}')}")
    more = function.let(f"fadd {remainder.typed}, {right.text}")
    text = function.let(f"select {flag} {off}, {remainder.type} {more}, {remainder.typed}")
    return rounded(function, Operand(text, remainder.dtype, remainder.lanes))
