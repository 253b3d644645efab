"""The scalar functions of the loop IR as LLVM instructions, on one value or on all lanes of a vector.

Divisions stand in `_divisions`, casts in `_casts`, what the C library computes in `_library`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from xir.backends.codegen.llvm._casts import truth
from xir.backends.codegen.llvm._divisions import divide, floor_division, remainder
from xir.backends.codegen.llvm._dots import dot4
from xir.backends.codegen.llvm._library import LIBRARY, by_the_library
from xir.backends.codegen.llvm._powers import scale
from xir.backends.codegen.llvm._values import intrinsic, literal, rounded
from xir.backends.codegen.llvm.types import Function, Operand, wide
from xir.ir.types import DType

Rule = Callable[[Function, str, Sequence[Operand]], Operand]


def _arithmetic(function: Function, name: str, arguments: Sequence[Operand]) -> Operand:
    left, right = arguments
    if left.dtype is DType.BOOL:
        word = {"add": "or", "mul": "and", "sub": "xor"}[name]
    else:
        word = "f" + name if left.dtype.is_floating else name
    text = function.let(f"{word} {left.typed}, {right.text}")
    return rounded(function, Operand(text, left.dtype, left.lanes))


def _extremum(function: Function, name: str, arguments: Sequence[Operand]) -> Operand:
    """The smaller or larger; NaN where an operand is NaN, of zeros either."""
    left, right = arguments
    if left.dtype is DType.BOOL:
        word = "and" if name == "min" else "or"
        return Operand(function.let(f"{word} {left.typed}, {right.text}"), left.dtype, left.lanes)
    if not left.dtype.is_floating:
        return intrinsic(function, ("s" if left.dtype.is_signed else "u") + name, left.dtype, arguments)
    if left.is_number is not right.is_number:
        return _bounded(function, name, *((left, right) if left.is_number else (right, left)))
    # The operand that comes second is the partial result of a reduction's step: only that of the other is looked at.
    return intrinsic(function, name + "imum", left.dtype, [right, left], flags="nsz ")


def _bounded(function: Function, name: str, bound: Operand, value: Operand) -> Operand:
    """The larger or smaller of a number and a value: the value where it is NaN, or both are zeros.

    That is one instruction (Intel SDM, MAXPS: the second operand where one is NaN or both are zeros). Which of two
    zeros `llvm.maximum` with `nsz` answers depends on how wide the vectors are.
    """
    beyond = function.let(f"fcmp {'olt' if name == 'min' else 'ogt'} {bound.typed}, {value.text}")
    text = function.let(f"select {wide('i1', value.lanes)} {beyond}, {bound.typed}, {value.typed}")
    return Operand(text, value.dtype, value.lanes)


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
    size = intrinsic(function, "fabs", value.dtype, arguments)
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
        return intrinsic(function, "fabs", value.dtype, arguments)
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
    return intrinsic(function, {"round": "roundeven"}.get(name, name), value.dtype, arguments)


RULES: Mapping[str, Rule] = {
    **dict.fromkeys(("add", "sub", "mul"), _arithmetic),
    "div": divide,
    **dict.fromkeys(("floor_div", "mod"), floor_division),
    **dict.fromkeys(("min", "max"), _extremum),
    **dict.fromkeys(("and", "or", "xor"), _logic),
    **dict.fromkeys(("eq", "ne", "lt", "le", "gt", "ge"), _compare),
    **dict.fromkeys(("floor", "ceil", "round", "trunc"), _whole),
    **dict.fromkeys(("bit_and", "bit_or", "bit_xor"), _bits),
    **dict.fromkeys(("shift_left", "shift_right"), _shift),
    **dict.fromkeys(LIBRARY, by_the_library),
    "dot4": dot4,
    "scale": scale,
    "fma": lambda function, name, arguments: intrinsic(function, "fma", arguments[0].dtype, arguments),
    "rem": remainder,
    "bit_not": _bit_not,
    "not": _not,
    "is_nan": _is_nan,
    "is_inf": _is_inf,
    "neg": _negate,
    "abs": _absolute,
    "sign": _sign,
    "sqrt": lambda function, name, arguments: intrinsic(function, "sqrt", arguments[0].dtype, arguments),
}
"""{function of the grammar: how it is written}."""


def apply(function: Function, name: str, arguments: Sequence[Operand]) -> Operand:
    """A function of the grammar, on operands of one type; scalars are spread where others have lanes."""
    lanes = max(each.lanes for each in arguments)
    return RULES[name](function, name, [function.splat(each, lanes) for each in arguments])
