"""Numbers of the loop IR in LLVM: how they are written, rounded to bfloat16, and given to intrinsics."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from xir.backends.codegen.llvm.types import Function, Operand, register_type, wide
from xir.ir.types import DType

_WIDTH_LETTER = {DType.FLOAT16: "f16", DType.BFLOAT16: "f32", DType.FLOAT32: "f32", DType.FLOAT64: "f64"}


def literal(value: bool | int | float, dtype: DType) -> Operand:
    """A number of a type as LLVM writes it: floats as the bits of the double that they are, halves of their own."""
    if dtype is DType.BOOL:
        return Operand("true" if value else "false", dtype)
    if not dtype.is_floating:
        return Operand(str(int(value)), dtype)
    if dtype is DType.FLOAT16:
        return Operand("0xH" + struct.pack(">e", value).hex().upper() if _is_half(value) else _half_of(value), dtype)
    if dtype is not DType.FLOAT64:
        value = _as_single(float(value))
    return Operand("0x" + struct.pack(">d", float(value)).hex().upper(), dtype)


def _is_half(value: float) -> bool:
    return abs(value) < 65520.0


def _half_of(value: float) -> str:
    return "0xH7E00" if value != value else ("0xH7C00" if value > 0 else "0xHFC00")


def _as_single(value: float) -> float:
    try:
        (single,) = struct.unpack("<f", struct.pack("<f", value))
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
    return float(single)


def intrinsic(function: Function, name: str, dtype: DType, arguments: Sequence[Operand], flags: str = "") -> Operand:
    """Calls `llvm.<name>` on operands of one type; `flags`: of floating-point arithmetic, each with a space behind."""
    lanes = arguments[0].lanes
    letter = _WIDTH_LETTER.get(dtype, f"i{dtype.bits}")
    suffix = letter if lanes == 1 else f"v{lanes}{letter}"
    type = wide(register_type(dtype), lanes)
    text = function.call(f"llvm.{name}.{suffix}", type, [(type, each.text) for each in arguments], flags)
    return rounded(function, Operand(text, dtype, lanes))


def rounded(function: Function, value: Operand) -> Operand:
    """A value of bfloat16, which is held as f32, rounded to its 8 bits, half to even; others stay."""
    if value.dtype is not DType.BFLOAT16:
        return value
    bits = wide("i32", value.lanes)

    def number(count: int) -> str:
        return function.splat(Operand(str(count), DType.INT32), value.lanes).text

    raw = function.let(f"bitcast {value.typed} to {bits}")
    last = function.let(f"and {bits} {function.let(f'lshr {bits} {raw}, {number(16)}')}, {number(1)}")
    half = function.let(f"add {bits} {last}, {number(32767)}")
    moved = function.let(f"and {bits} {function.let(f'add {bits} {raw}, {half}')}, {number(-65536)}")
    back = function.let(f"bitcast {bits} {moved} to {value.type}")
    odd = function.let(f"fcmp uno {value.typed}, {value.text}")
    flag = wide("i1", value.lanes)
    return Operand(function.let(f"select {flag} {odd}, {value.typed}, {value.type} {back}"), value.dtype, value.lanes)
