"""The scalar functions of the loop IR as LLVM instructions, on one value or on all lanes of a vector.

What the grammar defines, no instruction may trap on: divisions have a defined answer for 0 and for the least number
by -1, and casts of floats saturate before they become integers.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence

from xir.backends.codegen._text import Function, Operand, register_type, wide
from xir.errors import UnsupportedError
from xir.ir.types import DType

Rule = Callable[[Function, str, Sequence[Operand]], Operand]

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


def _intrinsic(function: Function, name: str, dtype: DType, arguments: Sequence[Operand]) -> Operand:
    """Calls `llvm.<name>` on operands of one type."""
    lanes = arguments[0].lanes
    letter = _WIDTH_LETTER.get(dtype, f"i{dtype.bits}")
    suffix = letter if lanes == 1 else f"v{lanes}{letter}"
    type = wide(register_type(dtype), lanes)
    text = function.call(f"llvm.{name}.{suffix}", type, [(type, each.text) for each in arguments])
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


def _arithmetic(function: Function, name: str, arguments: Sequence[Operand]) -> Operand:
    left, right = arguments
    if left.dtype is DType.BOOL:
        word = {"add": "or", "mul": "and", "sub": "xor"}[name]
    else:
        word = {"add": "fadd contract", "sub": "fsub contract", "mul": "fmul contract"}[name]
        word = word if left.dtype.is_floating else name
    text = function.let(f"{word} {left.typed}, {right.text}")
    return rounded(function, Operand(text, left.dtype, left.lanes))


def _is_safe(divisor: Operand) -> bool:
    """Whether the divisor is a number that never needs care."""
    return divisor.is_literal and divisor.lanes == 1 and divisor.text not in ("0", "-1")


def _divide(function: Function, name: str, arguments: Sequence[Operand]) -> Operand:
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


def _remainder(function: Function, name: str, arguments: Sequence[Operand]) -> Operand:
    """What a division that truncates leaves; of floats C's `fmod`."""
    left, right = arguments
    if left.dtype.is_floating:
        return _by_the_library(function, "fmod", arguments)
    return _integer_division(function, left, right)[1]


def _floor_division(function: Function, name: str, arguments: Sequence[Operand]) -> Operand:
    """A division that rounds down, or what it leaves; of floats the remainder with the divisor's sign."""
    left, right = arguments
    if left.dtype.is_floating:
        return _signed_like(function, _by_the_library(function, "fmod", arguments), right)
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


def _extremum(function: Function, name: str, arguments: Sequence[Operand]) -> Operand:
    """The smaller or larger; NaN where an operand is NaN. x86 has one instruction for `b < a ? a : b`."""
    left, right = arguments
    if left.dtype is DType.BOOL:
        word = "and" if name == "min" else "or"
        return Operand(function.let(f"{word} {left.typed}, {right.text}"), left.dtype, left.lanes)
    if not left.dtype.is_floating:
        return _intrinsic(function, ("s" if left.dtype.is_signed else "u") + name, left.dtype, arguments)
    flag = wide("i1", left.lanes)
    compare = "olt" if name == "max" else "ogt"
    wins = function.let(f"fcmp {compare} {left.typed}, {right.text}")
    best = function.let(f"select {flag} {wins}, {right.typed}, {left.typed}")
    if right.is_literal or right.text.startswith("<"):
        return Operand(best, left.dtype, left.lanes)
    odd = function.let(f"fcmp uno {right.typed}, {right.text}")
    return Operand(function.let(f"select {flag} {odd}, {right.typed}, {left.type} {best}"), left.dtype, left.lanes)


def _compare(function: Function, name: str, arguments: Sequence[Operand]) -> Operand:
    left, right = arguments
    if left.dtype.is_floating:
        code = "fcmp " + {"eq": "oeq", "ne": "une", "lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge"}[name]
    else:
        sign = "" if name in ("eq", "ne") else ("s" if left.dtype.is_signed else "u")
        code = "icmp " + sign + name
    return Operand(function.let(f"{code} {left.typed}, {right.text}"), DType.BOOL, left.lanes)


def _logic(function: Function, name: str, arguments: Sequence[Operand]) -> Operand:
    left, right = (truth(function, each) for each in arguments)
    return Operand(function.let(f"{name} {left.typed}, {right.text}"), DType.BOOL, left.lanes)


def truth(function: Function, value: Operand) -> Operand:
    """Whether a number is not 0; NaN is not."""
    if value.dtype is DType.BOOL:
        return value
    zero = function.splat(literal(0, value.dtype), value.lanes)
    return _compare(function, "ne", [value, zero])


def _not(function: Function, name: str, arguments: Sequence[Operand]) -> Operand:
    value = truth(function, arguments[0])
    ones = function.splat(literal(True, DType.BOOL), value.lanes)
    return Operand(function.let(f"xor {value.typed}, {ones.text}"), DType.BOOL, value.lanes)


def _is_nan(function: Function, name: str, arguments: Sequence[Operand]) -> Operand:
    (value,) = arguments
    if not value.dtype.is_floating:
        return function.splat(literal(False, DType.BOOL), value.lanes)
    return Operand(function.let(f"fcmp uno {value.typed}, {value.text}"), DType.BOOL, value.lanes)


def _is_inf(function: Function, name: str, arguments: Sequence[Operand]) -> Operand:
    (value,) = arguments
    if not value.dtype.is_floating:
        return function.splat(literal(False, DType.BOOL), value.lanes)
    size = _intrinsic(function, "fabs", value.dtype, arguments)
    most = function.splat(literal(float("inf"), value.dtype), value.lanes)
    return _compare(function, "eq", [size, most])


def _negate(function: Function, name: str, arguments: Sequence[Operand]) -> Operand:
    (value,) = arguments
    if value.dtype.is_floating:
        return Operand(function.let(f"fneg {value.typed}"), value.dtype, value.lanes)
    zero = function.splat(literal(0, value.dtype), value.lanes)
    return Operand(function.let(f"sub {value.type} {zero.text}, {value.text}"), value.dtype, value.lanes)


def _absolute(function: Function, name: str, arguments: Sequence[Operand]) -> Operand:
    (value,) = arguments
    if value.dtype.is_floating:
        return _intrinsic(function, "fabs", value.dtype, arguments)
    if not value.dtype.is_signed:
        return value
    zero = function.splat(literal(0, value.dtype), value.lanes)
    minus = _negate(function, "neg", arguments)
    below = function.let(f"icmp slt {value.typed}, {zero.text}")
    flag = wide("i1", value.lanes)
    text = function.let(f"select {flag} {below}, {minus.typed}, {value.typed}")
    return Operand(text, value.dtype, value.lanes)


def _sign(function: Function, name: str, arguments: Sequence[Operand]) -> Operand:
    (value,) = arguments
    flag = wide("i1", value.lanes)

    def number(count: int) -> Operand:
        return function.splat(literal(count, value.dtype), value.lanes)

    above = _compare(function, "gt", [value, number(0)]).text
    result = f"{value.type} {function.let(f'select {flag} {above}, {number(1).typed}, {number(0).typed}')}"
    if value.dtype.is_signed or value.dtype.is_floating:
        below = _compare(function, "lt", [value, number(0)]).text
        result = f"{value.type} {function.let(f'select {flag} {below}, {number(-1).typed}, {result}')}"
    if value.dtype.is_floating:
        odd = function.let(f"fcmp uno {value.typed}, {value.text}")
        result = f"{value.type} {function.let(f'select {flag} {odd}, {value.typed}, {result}')}"
    return Operand(result.rsplit(" ", 1)[1], value.dtype, value.lanes)


def _bits(function: Function, name: str, arguments: Sequence[Operand]) -> Operand:
    word = {"bit_and": "and", "bit_or": "or", "bit_xor": "xor"}[name]
    left, right = arguments
    return Operand(function.let(f"{word} {left.typed}, {right.text}"), left.dtype, left.lanes)


def _bit_not(function: Function, name: str, arguments: Sequence[Operand]) -> Operand:
    (value,) = arguments
    ones = function.splat(Operand("true" if value.dtype is DType.BOOL else "-1", value.dtype), value.lanes)
    return Operand(function.let(f"xor {value.typed}, {ones.text}"), value.dtype, value.lanes)


def _shift(function: Function, name: str, arguments: Sequence[Operand]) -> Operand:
    """A shift; by as many bits as there are or more all bits are gone, or are the sign's."""
    value, amount = arguments
    bits, lanes, flag = value.dtype.bits, value.lanes, wide("i1", value.lanes)
    arithmetic = name == "shift_right" and value.dtype.is_signed
    word = "shl" if name == "shift_left" else ("ashr" if arithmetic else "lshr")
    last = function.splat(Operand(str(bits - 1), value.dtype), lanes)
    far = function.let(f"icmp ugt {amount.typed}, {last.text}")
    near = function.let(f"select {flag} {far}, {last.typed}, {amount.typed}")
    moved = function.let(f"{word} {value.typed}, {near}")
    if not arithmetic:
        zero = function.splat(Operand("0", value.dtype), lanes)
        moved = function.let(f"select {flag} {far}, {zero.typed}, {value.type} {moved}")
    return Operand(moved, value.dtype, lanes)


def _whole(function: Function, name: str, arguments: Sequence[Operand]) -> Operand:
    (value,) = arguments
    if not value.dtype.is_floating:
        return value
    return _intrinsic(function, {"round": "roundeven"}.get(name, name), value.dtype, arguments)


def _by_the_library(function: Function, name: str, arguments: Sequence[Operand]) -> Operand:
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


_LIBRARY = [
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
]

RULES: Mapping[str, Rule] = {
    **dict.fromkeys(("add", "sub", "mul"), _arithmetic),
    "div": _divide,
    **dict.fromkeys(("floor_div", "mod"), _floor_division),
    **dict.fromkeys(("min", "max"), _extremum),
    **dict.fromkeys(("and", "or", "xor"), _logic),
    **dict.fromkeys(("eq", "ne", "lt", "le", "gt", "ge"), _compare),
    **dict.fromkeys(("floor", "ceil", "round", "trunc"), _whole),
    **dict.fromkeys(("bit_and", "bit_or", "bit_xor"), _bits),
    **dict.fromkeys(("shift_left", "shift_right"), _shift),
    **dict.fromkeys(_LIBRARY, _by_the_library),
    "rem": _remainder,
    "bit_not": _bit_not,
    "not": _not,
    "is_nan": _is_nan,
    "is_inf": _is_inf,
    "neg": _negate,
    "abs": _absolute,
    "sign": _sign,
    "sqrt": lambda function, name, arguments: _intrinsic(function, "sqrt", arguments[0].dtype, arguments),
}
"""{function of the grammar: how it is written}."""


def apply(function: Function, name: str, arguments: Sequence[Operand]) -> Operand:
    """A function of the grammar, on operands of one type; scalars are spread where others have lanes."""
    lanes = max(each.lanes for each in arguments)
    return RULES[name](function, name, [function.splat(each, lanes) for each in arguments])


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
    sizes = [_intrinsic(function, "fabs", value.dtype, [each]) for each in (back, value)]
    beyond = function.let(f"fcmp ogt {sizes[0].typed}, {sizes[1].text}")
    raw = function.let(f"bitcast {near.typed} to {bits}")
    step = function.let(f"sext {flag} {beyond} to {bits}")
    one = function.splat(Operand("1", DType.INT32), lanes).text
    odd = function.let(f"or {bits} {function.let(f'add {bits} {raw}, {step}')}, {one}")
    chosen = function.let(f"select {flag} {inexact}, {bits} {odd}, {bits} {raw}")
    return Operand(function.let(f"bitcast {bits} {chosen} to {single}"), DType.FLOAT32, lanes)


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
