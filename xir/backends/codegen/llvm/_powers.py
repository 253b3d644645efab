"""Products with powers of two that may leave the normal numbers, as LLVM instructions."""

from __future__ import annotations

from collections.abc import Sequence

from xir.backends.codegen.llvm._values import literal
from xir.backends.codegen.llvm.types import Function, Operand, wide
from xir.ir.types import DType

_FORMATS = {DType.FLOAT32: (DType.INT32, 23, 127, 32, "ps"), DType.FLOAT64: (DType.INT64, 52, 1023, 128, "pd")}
"""{type: (integers of its width, bits of the fraction, exponent of 1, a shift out of the subnormal, letters)}."""


def scale(function: Function, name: str, arguments: Sequence[Operand]) -> Operand:
    """The grammar's scale.

    One instruction where the processor has it (VSCALEF). Elsewhere the power is taken in two factors, both normal, so
    that the last product alone rounds: the bits are the same.
    """
    x, power = arguments
    return _scaled(function, x, power) if function.scales else _in_two_factors(function, x, power)


def _in_two_factors(function: Function, x: Operand, power: Operand) -> Operand:
    dtype, lanes, flag = x.dtype, x.lanes, wide("i1", x.lanes)
    whole, fraction, one, up, _ = _FORMATS[dtype]
    bits = wide(f"i{whole.bits}", lanes)

    def number(value: float) -> str:
        return function.splat(literal(value, dtype), lanes).text

    def integer(value: int) -> str:
        return function.splat(literal(value, whole), lanes).text

    below = function.let(f"fcmp olt {power.typed}, {number(0)}")
    # What is added to 1.5 * 2^fraction is held by the lowest bits.
    magic = 1.5 * 2.0**fraction
    shift = function.let(f"select {flag} {below}, {x.type} {number(magic + up)}, {x.type} {number(magic - 1)}")
    last = function.let(f"select {flag} {below}, {x.type} {number(2.0**-up)}, {x.type} {number(2)}")
    held = function.let(f"bitcast {x.type} {function.let(f'fadd {power.typed}, {shift}')} to {bits}")
    exponent = function.let(f"shl {bits} {held}, {integer(fraction)}")
    biased = function.let(f"add {bits} {exponent}, {integer(one << fraction)}")
    factor = function.let(f"bitcast {bits} {biased} to {x.type}")
    product = function.let(f"fmul {x.type} {function.let(f'fmul {x.typed}, {factor}')}, {last}")
    return Operand(product, dtype, lanes)


def _scaled(function: Function, x: Operand, power: Operand) -> Operand:
    """In registers of 128 to 512 bits, whatever the number of lanes."""
    lanes, bits = x.lanes, x.dtype.bits
    most, least = 512 // bits, 128 // bits
    if lanes < least:
        made = [_one(function, *(_part(function, each, 0, least) for each in (x, power)))]
    else:
        size = min(lanes, most)
        starts = range(0, lanes, size)
        made = [_one(function, *(_part(function, each, start, size) for each in (x, power))) for start in starts]
    while len(made) > 1:
        made = [_beside(function, *pair) for pair in zip(made[::2], made[1::2], strict=True)]
    return _part(function, made[0], 0, lanes)


def _one(function: Function, x: Operand, power: Operand) -> Operand:
    letters, bits = _FORMATS[x.dtype][4], x.lanes * x.dtype.bits
    mask = f"i{max(x.lanes, 8)}"
    given = [(x.type, x.text), (x.type, power.text), (x.type, "poison"), (mask, "-1")]
    rounding = [("i32", "4")] if bits == 512 else []  # as the control register says
    text = function.call(f"llvm.x86.avx512.mask.scalef.{letters}.{bits}", x.type, [*given, *rounding])
    return Operand(text, x.dtype, x.lanes)


def _part(function: Function, value: Operand, start: int, lanes: int) -> Operand:
    """Some lanes of a value; those that it does not have hold anything."""
    if value.lanes == lanes:
        return value
    if value.lanes == 1:
        text = function.let(f"insertelement {wide(value.kind, lanes)} poison, {value.typed}, i32 0")
    elif lanes == 1:
        text = function.let(f"extractelement {value.typed}, i32 {start}")
    else:
        places = ", ".join(f"i32 {start + n}" if start + n < value.lanes else "i32 poison" for n in range(lanes))
        text = function.let(f"shufflevector {value.typed}, {value.type} poison, <{lanes} x i32> <{places}>")
    return Operand(text, value.dtype, lanes)


def _beside(function: Function, left: Operand, right: Operand) -> Operand:
    lanes = 2 * left.lanes
    places = ", ".join(f"i32 {n}" for n in range(lanes))
    text = function.let(f"shufflevector {left.typed}, {right.typed}, <{lanes} x i32> <{places}>")
    return Operand(text, left.dtype, lanes)
