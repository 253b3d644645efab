"""Functions of integers and truth values of which one operand decides the result."""

from __future__ import annotations

from xir.ir.types import DType
from xir.kernel.grammar import Apply, Const, Scalar


def known(scalar: Scalar) -> int | None:
    """The number that an integer or truth value is, when it is known now."""
    return int(scalar.value) if isinstance(scalar, Const) and isinstance(scalar.value, int) else None


def zero(dtype: DType) -> Const:
    """What a masked load answers."""
    if dtype is DType.BOOL:
        return Const(False, dtype)
    return Const(0.0 if dtype.is_floating else 0, dtype)


_OPPOSITE = {"lt": "ge", "ge": "lt", "gt": "le", "le": "gt", "eq": "ne", "ne": "eq"}


def logic(made: Apply) -> Scalar:
    """A function of truth values, one of them known perhaps."""
    arguments = made.arguments
    if made.function == "not":
        return opposite(arguments[0])
    for decided, other in (arguments, arguments[::-1]):
        value = known(decided)
        if value is None:
            continue
        match made.function, bool(value):
            case ("and", True) | ("or" | "xor" | "ne", False) | ("eq", True):
                return other
            case ("and", False) | ("or", True):
                return decided
            case ("xor" | "ne", True) | ("eq", False):
                return opposite(other)
            case _:
                pass
    same = made.function in ("and", "or") and arguments[0] is arguments[1]
    return arguments[0] if same else made


def opposite(scalar: Scalar) -> Scalar:
    """Whether a condition does not hold."""
    match scalar:
        case Const(value, _):
            return Const(not value, DType.BOOL)
        case Apply("not", (inner,)):
            return inner
        case Apply(function, (left, right)) if function in _OPPOSITE and not left.dtype.is_floating:
            return Apply(_OPPOSITE[function], (left, right))
        case _:
            return Apply("not", (scalar,))


def identity(made: Apply) -> Scalar:
    """A function of integers whose second operand changes nothing, or leaves nothing."""
    if len(made.arguments) != 2:
        return made
    for left, right, swapped in ((*made.arguments, False), (*made.arguments[::-1], True)):
        if swapped and made.function not in ("add", "mul", "bit_or", "bit_xor", "bit_and"):
            break
        match made.function, known(right):
            case ("add" | "sub" | "bit_or" | "bit_xor" | "shift_left" | "shift_right", 0) | (
                "mul" | "div" | "floor_div",
                1,
            ):
                return left
            case ("mul" | "bit_and", 0) | ("mod" | "rem", 1):
                return Const(0, left.dtype)
            case _:
                pass
    return made
