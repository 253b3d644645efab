"""The casts of the loop IR as LLVM instructions, on one value or on all lanes of a vector.

No instruction may be given a number that it has no answer for: floats saturate before they become integers.
"""

from __future__ import annotations

from collections.abc import Mapping

from xir.backends.codegen.llvm._values import intrinsic, literal, rounded
from xir.backends.codegen.llvm.types import Function, Operand, register_type, wide
from xir.ir.types import DType


def truth(function: Function, value: Operand) -> Operand:
    """Whether a number is not 0; NaN is not."""
    if value.dtype is DType.BOOL:
        return value
    zero = function.splat(literal(0, value.dtype), value.lanes)
    code = "fcmp une" if value.dtype.is_floating else "icmp ne"
    return Operand(function.let(f"{code} {value.typed}, {zero.text}"), DType.BOOL, value.lanes)


def converted(function: Function, value: Operand, dtype: DType) -> Operand:
    """A cast; see the grammar's Cast."""
    if value.dtype is dtype:
        return value
    if dtype is DType.BOOL:
        return truth(function, value)
    source, type = value.dtype, wide(register_type(dtype), value.lanes)
    if source.is_floating and dtype.is_floating:
        return _between_floats(function, value, dtype)
    if source.is_floating:
        return _to_integer(function, value, dtype)
    if dtype.is_floating:
        word = "sitofp" if source.is_signed and source is not DType.BOOL else "uitofp"
        return rounded(function, Operand(function.let(f"{word} {value.typed} to {type}"), dtype, value.lanes))
    if source is DType.BOOL or source.bits < dtype.bits:
        word = "sext" if source.is_signed and source is not DType.BOOL else "zext"
    else:
        word = "trunc" if source.bits > dtype.bits else "bitcast"
    return Operand(function.let(f"{word} {value.typed} to {type}"), dtype, value.lanes)


def _between_floats(function: Function, value: Operand, dtype: DType) -> Operand:
    order = {"half": 0, "float": 1, "double": 2}
    before, after = order[register_type(value.dtype)], order[register_type(dtype)]
    if before - after == 2:  # there is no instruction, and rounding twice would not be right
        value = _rounded_to_odd(function, value)
        before = 1
    text = value.text
    if before != after:
        word = "fpext" if before < after else "fptrunc"
        text = function.let(f"{word} {value.typed} to {wide(register_type(dtype), value.lanes)}")
    return rounded(function, Operand(text, dtype, value.lanes))


def _rounded_to_odd(function: Function, value: Operand) -> Operand:
    """A double as the f32 next to it towards zero, its last bit set where it is inexact.

    Rounding that to a half gives what rounding the double would. (Boldo, Melquiond 2008, "Emulation of FMA and
    Correctly Rounded Sums: Proved Algorithms Using Rounding to Odd")
    """
    lanes, flag = value.lanes, wide("i1", value.lanes)
    bits, single = wide("i32", lanes), wide("float", lanes)
    near = Operand(function.let(f"fptrunc {value.typed} to {single}"), DType.FLOAT32, lanes)
    back = Operand(function.let(f"fpext {near.typed} to {value.type}"), value.dtype, lanes)
    inexact = function.let(f"fcmp one {back.typed}, {value.text}")
    sizes = [intrinsic(function, "fabs", value.dtype, [each]) for each in (back, value)]
    beyond = function.let(f"fcmp ogt {sizes[0].typed}, {sizes[1].text}")
    raw = function.let(f"bitcast {near.typed} to {bits}")
    step = function.let(f"sext {flag} {beyond} to {bits}")
    one = function.splat(Operand("1", DType.INT32), lanes).text
    odd = function.let(f"or {bits} {function.let(f'add {bits} {raw}, {step}')}, {one}")
    chosen = function.let(f"select {flag} {inexact}, {bits} {odd}, {bits} {raw}")
    return Operand(function.let(f"bitcast {bits} {chosen} to {single}"), DType.FLOAT32, lanes)


_WHOLE: Mapping[int, str] = {8: "llvm.x86.avx.cvtt.ps2dq.256", 16: "llvm.x86.avx512.mask.cvttps2dq.512"}
"""{lanes: the instruction that makes i32 of f32}; it answers as the grammar's Cast does for NaN and what does not fit.
(Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, CVTTPS2DQ)"""


def _whole(function: Function, value: Operand) -> str:
    """Lanes of f32 as lanes of i32."""
    type = wide("i32", value.lanes)
    given = [(value.type, value.text)]
    if value.lanes == 16:  # all lanes, rounded as the processor is told to
        given += [(type, "zeroinitializer"), ("i16", "-1"), ("i32", "4")]
    return function.call(_WHOLE[value.lanes], type, given)


def _to_integer(function: Function, value: Operand, dtype: DType) -> Operand:
    """Truncated into 32 or 64 bits, and wrapped from there; what does not fit, and NaN, is the lowest number."""
    held = value if value.kind != "half" else _between_floats(function, value, DType.FLOAT32)
    lanes = value.lanes
    narrow = dtype.bits < 32 or dtype is DType.INT32
    whole = _truncated(function, held, 32 if narrow else 64)
    if dtype is DType.UINT64:
        whole = _with_high_half(function, held, whole)
    text, bits = whole, 32 if narrow else 64
    if dtype.bits < bits:
        text = function.let(f"trunc {wide(f'i{bits}', lanes)} {whole} to {wide(register_type(dtype), lanes)}")
    return Operand(text, dtype, lanes)


def _truncated(function: Function, value: Operand, bits: int) -> str:
    flag, lanes = wide("i1", value.lanes), value.lanes
    if bits == 32 and value.kind == "float" and lanes in _WHOLE and function.arch == "x86_64":
        return _whole(function, value)

    def bound(number: float) -> str:
        return function.splat(literal(number, value.dtype), lanes).text

    above = function.let(f"fcmp oge {value.typed}, {bound(-(2.0 ** (bits - 1)))}")
    if value.kind == "double" and bits == 32:
        above = function.let(f"fcmp ogt {value.typed}, {bound(-(2.0**31) - 1)}")
    below = function.let(f"fcmp olt {value.typed}, {bound(2.0 ** (bits - 1))}")
    fits = function.let(f"and {flag} {above}, {below}")
    safe = function.let(f"select {flag} {fits}, {value.typed}, {value.type} {bound(-(2.0 ** (bits - 1)))}")
    return function.let(f"fptosi {value.type} {safe} to {wide(f'i{bits}', lanes)}")


def _with_high_half(function: Function, value: Operand, whole: str) -> str:
    """The number from 2**63 on: it is taken off before and put on after."""
    flag, lanes, type = wide("i1", value.lanes), value.lanes, wide("i64", value.lanes)

    def bound(number: float) -> str:
        return function.splat(literal(number, value.dtype), lanes).text

    high = function.let(f"fcmp oge {value.typed}, {bound(2.0**63)}")
    moved = Operand(function.let(f"fsub {value.typed}, {bound(2.0**63)}"), value.dtype, lanes)
    part = _truncated(function, moved, 64)
    least = function.splat(Operand(str(-(1 << 63)), DType.INT64), lanes).text
    summed = function.let(f"xor {type} {part}, {least}")
    return function.let(f"select {flag} {high}, {type} {summed}, {type} {whole}")


def reinterpreted(function: Function, value: Operand, dtype: DType) -> Operand:
    """The bits of a value as another type of the same width."""
    bits = value
    if value.dtype is DType.BFLOAT16:  # held as f32: its bits are the upper half
        whole, sixteen = wide("i32", value.lanes), function.splat(Operand("16", DType.INT32), value.lanes).text
        raw = function.let(f"bitcast {value.typed} to {whole}")
        moved = function.let(f"lshr {whole} {raw}, {sixteen}")
        text = function.let(f"trunc {whole} {moved} to {wide('i16', value.lanes)}")
        bits = Operand(text, DType.UINT16, value.lanes)
    if dtype is DType.BFLOAT16:
        raw = function.let(f"bitcast {bits.typed} to {wide('i16', value.lanes)}")
        whole, sixteen = wide("i32", value.lanes), function.splat(Operand("16", DType.INT32), value.lanes).text
        long = function.let(f"zext {wide('i16', value.lanes)} {raw} to {whole}")
        moved = function.let(f"shl {whole} {long}, {sixteen}")
        text = function.let(f"bitcast {whole} {moved} to {wide('float', value.lanes)}")
    else:
        text = function.let(f"bitcast {bits.typed} to {wide(register_type(dtype), value.lanes)}")
    return Operand(text, dtype, value.lanes)
