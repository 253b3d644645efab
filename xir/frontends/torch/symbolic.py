"""Arithmetic of numbers: sizes, numbers that a program knows, and those that only its run knows.

torch writes it as calls of Python's own functions (`_operator.add`, `math.trunc`) and of `torch.sym_max` and its like
(torch/_export/serde/serialize.py, `_SYM_OPS`). Sizes stay sizes as long as a size can say the result.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

from xir.errors import InvalidModelError
from xir.frontends.torch.call import Call
from xir.frontends.torch.tensor import Computed, Number
from xir.ir import dims
from xir.ir.dims import Dim, SymbolicDim
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import compare, elementwise
from xir.ops.arithmetic import select

Comparing = Literal["eq", "ne", "lt", "le", "gt", "ge"]


@dataclass(frozen=True, slots=True, eq=False)
class Comparison(Computed):
    """A comparison of two sizes that only the run decides.

    Attributes:
        kind: which.
        left: the one size.
        right: the other.
    """

    kind: Comparing
    left: Dim
    right: Dim


Rule: TypeAlias = Callable[..., Number]


def _is_plain(number: Number) -> bool:
    return isinstance(number, bool | int | float)


def _size(number: Number) -> Dim:
    return dims.as_dim(int(number) if isinstance(number, bool) else number)


def _dtype(number: Number) -> DType:
    """The type that the number has as a tensor: Python's own precision."""
    if isinstance(number, Computed):
        dtype = number.value.dtype
        return DType.BOOL if dtype is DType.BOOL else DType.INT64 if dtype.is_integer else DType.FLOAT64
    if isinstance(number, bool):
        return DType.BOOL
    return DType.FLOAT64 if isinstance(number, float) else DType.INT64


def _tensors(call: Call, *numbers: Number, real: bool = False) -> list[Value]:
    """The numbers as tensors of one type: f64 where one of them is real, else i64."""
    wide = real or any(_dtype(number) is DType.FLOAT64 for number in numbers)
    return [call.scalar(number, DType.FLOAT64 if wide else DType.INT64) for number in numbers]


def _binary(
    plain: Callable[[float, float], float],
    sizes: Callable[[Dim, Dim], Dim] | None,
    tensors: Callable[[Value, Value], Value],
    call: Call,
    a: Number,
    b: Number,
) -> Number:
    if _is_plain(a) and _is_plain(b):
        return _computed(plain, a, b)
    if sizes is not None and isinstance(a, int | SymbolicDim) and isinstance(b, int | SymbolicDim):
        return sizes(_size(a), _size(b))
    return Computed(tensors(*_tensors(call, a, b)))


def _computed(rule: Callable[..., float], *numbers: Number) -> Number:
    """What Python itself makes of numbers that are known."""
    try:
        made = rule(*numbers)
    except (ArithmeticError, ValueError, TypeError) as error:
        raise InvalidModelError(f"{', '.join(map(repr, numbers))}: {error}") from error
    if isinstance(made, int) and abs(made) >> 64:
        raise InvalidModelError("a number takes more than 64 bits")
    return made


def _raised(a: float, b: float) -> float:
    made: object = a**b
    if not isinstance(made, int | float):
        raise ValueError("a root of a negative number")
    return made


def _divided(a: float, b: float) -> float:
    return a / b


def _floored(a: float, b: float) -> float:
    return a // b


def _floor_divide(x: Value, y: Value) -> Value:
    if x.dtype.is_floating:
        return elementwise.floor(elementwise.div(x, y))
    rest = elementwise.mod(x, y, floored=True)
    return elementwise.div(elementwise.sub(x, rest), y)


def _modulo(a: Dim, b: Dim) -> Dim:
    return dims.subtract(a, dims.multiply(b, dims.floor_divide(a, b)))


def _power(call: Call, a: Number, b: Number) -> Number:
    if _is_plain(a) and _is_plain(b):
        if isinstance(b, int) and isinstance(a, int) and abs(b) > 64 and abs(a) > 1:
            raise InvalidModelError("a number takes more than 64 bits")
        return _computed(_raised, a, b)
    if isinstance(a, SymbolicDim) and isinstance(b, int) and 0 <= b <= 8:
        return dims.product((dims.as_dim(a),) * b)
    whole = isinstance(b, int) and b >= 0 and _dtype(a) is not DType.FLOAT64
    return Computed(elementwise.pow_(*_tensors(call, a, b, real=not whole)))


def _true_divide(call: Call, a: Number, b: Number) -> Number:
    if _is_plain(a) and _is_plain(b):
        return _computed(_divided, a, b)
    return Computed(elementwise.div(*_tensors(call, a, b, real=True)))


def _shift(way: Literal["left", "right"]) -> Rule:
    def rule(call: Call, a: Number, b: Number) -> Number:
        if not isinstance(b, int) or not 0 <= b < 63:
            call.refuse(f"a shift by {b!r}")
        if not isinstance(a, int | SymbolicDim):
            call.refuse(f"a shift of {a!r}")
        return dims.multiply(_size(a), 1 << b) if way == "left" else dims.floor_divide(_size(a), 1 << b)

    return rule


_COMPARES: Mapping[Comparing, tuple[Callable[[float, float], bool], Callable[[Value, Value], Value]]] = {
    "eq": (operator.eq, compare.equal),
    "ne": (operator.ne, compare.not_equal),
    "lt": (operator.lt, compare.less),
    "le": (operator.le, compare.less_equal),
    "gt": (operator.gt, compare.greater),
    "ge": (operator.ge, compare.greater_equal),
}


def _compare(kind: Comparing, call: Call, a: Number, b: Number) -> Number:
    """A comparison, decided where ranges of sizes decide it."""
    plain, tensors = _COMPARES[kind]
    if _is_plain(a) and _is_plain(b):
        return _computed(plain, a, b)
    if isinstance(a, int | SymbolicDim) and isinstance(b, int | SymbolicDim):
        left, right = _size(a), _size(b)
        known = decided(kind, left, right)
        return known if known is not None else Comparison(tensors(*_tensors(call, a, b)), kind, left, right)
    return Computed(tensors(*_tensors(call, a, b)))


def decided(kind: Comparing, left: Dim, right: Dim) -> bool | None:
    """Whether a comparison of sizes holds; None where their ranges do not tell."""
    if kind in ("eq", "ne"):
        same = dims.equal(left, right)
        return None if same is None else same is (kind == "eq")
    if kind in ("gt", "ge"):
        return decided("lt" if kind == "gt" else "le", right, left)
    low, high = dims.bounds(dims.subtract(right, left))
    least = 1 if kind == "lt" else 0
    if low is not None and low >= least:
        return True
    return False if high is not None and high < least else None


def _either(kind: Literal["and", "or"]) -> Rule:
    def rule(call: Call, a: Number, b: Number) -> Number:
        decides = kind == "or"
        for known, other in ((a, b), (b, a)):
            if isinstance(known, bool):
                return known if known is decides else other
        left, right = (call.scalar(number, DType.BOOL) for number in (a, b))
        return Computed(compare.logical_or(left, right) if decides else compare.logical_and(left, right))

    return rule


_OPPOSITE: Mapping[Comparing, Comparing] = {"eq": "ne", "ne": "eq", "lt": "ge", "ge": "lt", "gt": "le", "le": "gt"}


def _not(call: Call, a: Number) -> Number:
    if _is_plain(a):
        return not a
    if isinstance(a, Comparison):
        return _compare(_OPPOSITE[a.kind], call, a.left, a.right)
    return Computed(compare.logical_not(call.scalar(a, DType.BOOL)))


def _choose(call: Call, condition: Number, a: Number, b: Number) -> Number:
    if isinstance(condition, bool):
        return a if condition else b
    return Computed(select(call.scalar(condition, DType.BOOL), *_tensors(call, a, b)))


def _negative(call: Call, a: Number) -> Number:
    if isinstance(a, int | float):
        return -a
    return dims.multiply(-1, _size(a)) if isinstance(a, SymbolicDim) else Computed(elementwise.neg(*_tensors(call, a)))


def _real(plain: Callable[[float], float], tensor: Callable[[Value], Value]) -> Rule:
    """A function of one number whose result is real."""

    def rule(call: Call, a: Number) -> Number:
        return _computed(plain, a) if _is_plain(a) else Computed(tensor(*_tensors(call, a, real=True)))

    return rule


def _whole(plain: Callable[[float], int], tensor: Callable[[Value], Value]) -> Rule:
    """A function that rounds a number to a whole one."""

    def rule(call: Call, a: Number) -> Number:
        if _is_plain(a):
            return _computed(plain, a)
        if isinstance(a, SymbolicDim) or _dtype(a) is not DType.FLOAT64:
            return a
        return Computed(elementwise.cast(tensor(call.scalar(a, DType.FLOAT64)), dtype=DType.INT64))

    return rule


def _truncated(x: Value) -> Value:
    return elementwise.cast(elementwise.cast(x, dtype=DType.INT64), dtype=DType.FLOAT64)


def _float(call: Call, a: Number) -> Number:
    return _computed(float, a) if _is_plain(a) else Computed(*_tensors(call, a, real=True))


def _same(call: Call, a: Number) -> Number:
    return a


_add = partial(_binary, operator.add, dims.add, elementwise.add)


def _sum(call: Call, *numbers: Number) -> Number:
    total: Number = 0
    for number in numbers:
        total = _add(call, total, number)
    return total


SYMBOLIC: Mapping[str, Rule] = {
    "_operator.add": _add,
    "_operator.sub": partial(_binary, operator.sub, dims.subtract, elementwise.sub),
    "_operator.mul": partial(_binary, operator.mul, dims.multiply, elementwise.mul),
    "_operator.floordiv": partial(_binary, _floored, dims.floor_divide, _floor_divide),
    "_operator.mod": partial(_binary, operator.mod, _modulo, partial(elementwise.mod, floored=True)),
    "_operator.truediv": _true_divide,
    "_operator.pow": _power,
    "_operator.neg": _negative,
    "_operator.pos": _same,
    "_operator.lshift": _shift("left"),
    "_operator.rshift": _shift("right"),
    "_operator.and_": _either("and"),
    "_operator.or_": _either("or"),
    "_operator.not_": _not,
    **{f"_operator.{kind}": partial(_compare, kind) for kind in _COMPARES},
    "math.trunc": _whole(math.trunc, _truncated),
    "math.floor": _whole(math.floor, elementwise.floor),
    "math.ceil": _whole(math.ceil, elementwise.ceil),
    "builtins.round": _whole(round, elementwise.round_),
    "torch.sym_not": _not,
    "torch.sym_int": _whole(math.trunc, _truncated),
    "torch.sym_float": _float,
    "torch.sym_max": partial(_binary, max, dims.maximum, elementwise.maximum),
    "torch.sym_min": partial(_binary, min, dims.minimum, elementwise.minimum),
    "torch.sym_sum": _sum,
    "torch.sym_ite": _choose,
    "torch.sym_sqrt": _real(math.sqrt, elementwise.sqrt),
    "torch._sym_sqrt": _real(math.sqrt, elementwise.sqrt),
    "math.sqrt": _real(math.sqrt, elementwise.sqrt),
    "math.exp": _real(math.exp, elementwise.exp),
    "math.log": _real(math.log, elementwise.log),
}
"""{what is called: its rule: (call, *numbers) -> the number}."""
