"""Comparisons, logic, bits, choices between elements, and bounds."""

from __future__ import annotations

from collections.abc import Callable

from xir.frontends.torch.call import Call
from xir.frontends.torch.handlers._numbers import compared, is_finite
from xir.frontends.torch.handlers.reduce import every
from xir.frontends.torch.operators import Operators
from xir.frontends.torch.promotion import result_type
from xir.frontends.torch.tensor import Number
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import bitwise, compare, elementwise

operators = Operators("aten")
Binary = Callable[[Value, Value], Value]
_EXACT = 1 << 53
"""Integers up to this are held by a float exactly."""


def _comparing(function: Binary) -> Callable[[Call, Value, Value | Number], Value]:
    def handler(call: Call, x: Value, other: Value | Number) -> Value:
        """A comparison; bool is ordered as 0 and 1."""
        left, right = call.promoted(x, other)
        return function(compared(left), compared(right))

    return handler


for _names, _function in (
    (("eq",), compare.equal),
    (("ne", "not_equal"), compare.not_equal),
    (("lt", "less"), compare.less),
    (("le", "less_equal"), compare.less_equal),
    (("gt", "greater"), compare.greater),
    (("ge", "greater_equal"), compare.greater_equal),
):
    for _name in _names:
        operators.op(
            f"{_name}.Tensor(Tensor self, Tensor other) -> Tensor",
            f"{_name}.Scalar(Tensor self, Scalar other) -> Tensor",
        )(_comparing(_function))


def _logical(function: Binary) -> Callable[[Call, Value, Value], Value]:
    def handler(call: Call, x: Value, other: Value) -> Value:
        """Logic of what is not 0."""
        return function(*call.aligned(call.cast(x, DType.BOOL), call.cast(other, DType.BOOL)))

    return handler


for _name, _function in (
    ("logical_and", compare.logical_and),
    ("logical_or", compare.logical_or),
    ("logical_xor", compare.logical_xor),
):
    operators.op(f"{_name}(Tensor self, Tensor other) -> Tensor")(_logical(_function))


@operators.op(
    "logical_not(Tensor self) -> Tensor",
)
def logical_not(call: Call, x: Value) -> Value:
    """Whether each element is 0."""
    return compare.logical_not(call.cast(x, DType.BOOL))


def _of_bits(on_integers: Binary, on_bool: Binary) -> Callable[[Call, Value | Number, Value | Number], Value]:
    def handler(call: Call, x: Value | Number, other: Value | Number) -> Value:
        """An operator on bits; on bool it is one of logic."""
        left, right = call.promoted(x, other)
        return (on_bool if left.dtype is DType.BOOL else on_integers)(left, right)

    return handler


for _name, _function, _on_bool in (
    ("and", bitwise.bitwise_and, compare.logical_and),
    ("or", bitwise.bitwise_or, compare.logical_or),
    ("xor", bitwise.bitwise_xor, compare.logical_xor),
):
    operators.op(
        f"bitwise_{_name}.Tensor(Tensor self, Tensor other) -> Tensor",
        f"bitwise_{_name}.Scalar(Tensor self, Scalar other) -> Tensor",
        f"bitwise_{_name}.Scalar_Tensor(Scalar self, Tensor other) -> Tensor",
        f"__{_name}__.Tensor(Tensor self, Tensor other) -> Tensor",
        f"__{_name}__.Scalar(Tensor self, Scalar other) -> Tensor",
    )(_of_bits(_function, _on_bool))


@operators.op(
    "bitwise_not(Tensor self) -> Tensor",
)
def bitwise_not(call: Call, x: Value) -> Value:
    """Every bit turned over; of bool, whether it does not hold."""
    return compare.logical_not(x) if x.dtype is DType.BOOL else bitwise.bitwise_not(x)


def _shifting(function: Binary) -> Callable[[Call, Value | Number, Value | Number], Value]:
    def handler(call: Call, x: Value | Number, places: Value | Number) -> Value:
        """Bits moved; what is moved too far is gone, as xir's operators have it, too."""
        return function(*call.promoted(x, places))

    return handler


for _name, _short, _function in (
    ("left", "lshift", bitwise.shift_left),
    ("right", "rshift", bitwise.shift_right),
):
    operators.op(
        f"bitwise_{_name}_shift.Tensor(Tensor self, Tensor other) -> Tensor",
        f"bitwise_{_name}_shift.Tensor_Scalar(Tensor self, Scalar other) -> Tensor",
        f"bitwise_{_name}_shift.Scalar_Tensor(Scalar self, Tensor other) -> Tensor",
        f"__{_short}__.Tensor(Tensor self, Tensor other) -> Tensor",
        f"__{_short}__.Scalar(Tensor self, Scalar other) -> Tensor",
    )(_shifting(_function))


def _testing(function: Callable[[Value], Value], otherwise: bool) -> Callable[[Call, Value], Value]:
    def handler(call: Call, x: Value) -> Value:
        """What a real number is; integers are all finite."""
        return function(x) if x.dtype.is_floating else call.filled(otherwise, DType.BOOL, x.shape)

    return handler


_TESTS: tuple[tuple[str, Callable[[Value], Value], bool], ...] = (
    ("isnan", elementwise.is_nan, False),
    ("isinf", elementwise.is_inf, False),
    ("isfinite", is_finite, True),
    ("isposinf", lambda x: elementwise.is_inf(x, negative=False), False),
    ("isneginf", lambda x: elementwise.is_inf(x, positive=False), False),
)
for _name, _test, _otherwise in _TESTS:
    operators.op(f"{_name}(Tensor self) -> Tensor")(_testing(_test, _otherwise))


@operators.op(
    "isclose(Tensor self, Tensor other, float rtol=1.0000000000000001e-05, float atol=1e-08, bool "
    "equal_nan=False) -> Tensor",
)
def isclose(call: Call, x: Value, other: Value, relative: float, absolute: float, equal_nan: bool) -> Value:
    """`|x - other| <= absolute + relative * |other|`, or equal (aten/src/ATen/native/TensorCompare.cpp, `isclose`)."""
    left, right = call.promoted(x, other)
    close = compare.equal(left, right)
    if equal_nan and left.dtype.is_floating:
        close = compare.logical_or(close, compare.logical_and(elementwise.is_nan(left), elementwise.is_nan(right)))
    left, right = call.real(left), call.real(right)
    scale = call.filled(relative, left.dtype, left.shape)
    allowed = elementwise.add(
        call.filled(absolute, left.dtype, left.shape), elementwise.abs_(elementwise.mul(scale, right))
    )
    apart = elementwise.abs_(elementwise.sub(left, right))
    near = compare.logical_and(is_finite(apart), compare.less_equal(apart, allowed))
    return compare.logical_or(close, near)


@operators.op(
    "where.self(Tensor condition, Tensor self, Tensor other) -> Tensor",
    "where.ScalarSelf(Tensor condition, Scalar self, Tensor other) -> Tensor",
    "where.ScalarOther(Tensor condition, Tensor self, Scalar other) -> Tensor",
    "where.Scalar(Tensor condition, Scalar self, Scalar other) -> Tensor",
)
def where(call: Call, condition: Value, x: Value | Number, other: Value | Number) -> Value:
    """`x` where the condition holds, `other` elsewhere."""
    dtype = result_type((x, other))
    tensors = call.tensor(x, dtype), call.tensor(other, dtype)
    return elementwise.select(*call.aligned(call.cast(condition, DType.BOOL), *tensors))


def larger(x: Value, y: Value) -> Value:
    """The larger one; of bool, whether one holds."""
    return compare.logical_or(x, y) if x.dtype is DType.BOOL else elementwise.maximum(x, y)


def smaller(x: Value, y: Value) -> Value:
    """The smaller one; of bool, whether both hold."""
    return compare.logical_and(x, y) if x.dtype is DType.BOOL else elementwise.minimum(x, y)


@operators.op(
    "maximum(Tensor self, Tensor other) -> Tensor",
    "max.other(Tensor self, Tensor other) -> Tensor",
)
def maximum(call: Call, x: Value, other: Value) -> Value:
    """The larger one, NaN where one is."""
    return larger(*call.promoted(x, other))


@operators.op(
    "minimum(Tensor self, Tensor other) -> Tensor",
    "min.other(Tensor self, Tensor other) -> Tensor",
)
def minimum(call: Call, x: Value, other: Value) -> Value:
    """The smaller one, NaN where one is."""
    return smaller(*call.promoted(x, other))


@operators.op(
    "fmax(Tensor self, Tensor other) -> Tensor",
    "fmin(Tensor self, Tensor other) -> Tensor",
)
def extremum_of_numbers(call: Call, x: Value, other: Value) -> Value:
    """The larger or smaller one; a number where one of them is NaN."""
    left, right = call.promoted(x, other)
    found = (larger if "fmax" in call.kind else smaller)(left, right)
    if not left.dtype.is_floating:
        return found
    found = elementwise.select(elementwise.is_nan(right), left, found)
    return elementwise.select(elementwise.is_nan(left), right, found)


@operators.op(
    "clamp(Tensor self, Scalar? min=None, Scalar? max=None) -> Tensor",
    "clip(Tensor self, Scalar? min=None, Scalar? max=None) -> Tensor",
)
def clamp(call: Call, x: Value, least: Number | None, most: Number | None) -> Value:
    """`x`, `least` where that is larger, and `most` where what is then left is larger; bounds may raise the type."""
    given = [bound for bound in (least, most) if bound is not None]
    x = call.cast(x, result_type((x, *given)))
    if x.dtype is not DType.BOOL and all(_is_plain(bound) for bound in given):
        low, high = (float(bound) if isinstance(bound, int | float) else None for bound in (least, most))
        return elementwise.clip(x, minimum=low, maximum=high)
    return clamp_by_tensors(call, x, *(None if each is None else call.scalar(each, x.dtype) for each in (least, most)))


def _is_plain(bound: Number) -> bool:
    """Whether a bound is a number that a float holds exactly."""
    return bound == bound and (isinstance(bound, float) or (isinstance(bound, int) and abs(bound) <= _EXACT))


@operators.op(
    "clamp.Tensor(Tensor self, Tensor? min=None, Tensor? max=None) -> Tensor",
    "clip.Tensor(Tensor self, Tensor? min=None, Tensor? max=None) -> Tensor",
)
def clamp_by_tensors(call: Call, x: Value, least: Value | None, most: Value | None) -> Value:
    """The same with a bound for each element."""
    given = [bound for bound in (least, most) if bound is not None]
    if not given:
        call.invalid("at least one bound is needed, got none")
    x, *bounds = call.promoted(x, *given)
    if least is not None:
        x = larger(x, bounds.pop(0))
    return x if most is None else smaller(x, bounds.pop(0))


@operators.op(
    "clamp_min(Tensor self, Scalar min) -> Tensor",
    "clamp_min.Tensor(Tensor self, Tensor min) -> Tensor",
)
def clamp_min(call: Call, x: Value, least: Value | Number) -> Value:
    """`x`, or `least` where that is larger."""
    return clamp_by_tensors(call, x, least, None) if isinstance(least, Value) else clamp(call, x, least, None)


@operators.op(
    "clamp_max(Tensor self, Scalar max) -> Tensor",
    "clamp_max.Tensor(Tensor self, Tensor max) -> Tensor",
)
def clamp_max(call: Call, x: Value, most: Value | Number) -> Value:
    """`x`, or `most` where that is smaller."""
    return clamp_by_tensors(call, x, None, most) if isinstance(most, Value) else clamp(call, x, None, most)


@operators.op(
    "masked_fill.Scalar(Tensor self, Tensor mask, Scalar value) -> Tensor",
    "masked_fill.Tensor(Tensor self, Tensor mask, Tensor value) -> Tensor",
)
def masked_fill(call: Call, x: Value, mask: Value, value: Value | Number) -> Value:
    """`value` where the mask holds, in the type of `x`."""
    x, mask, value = call.aligned(x, call.cast(mask, DType.BOOL), call.tensor(value, x.dtype))
    return elementwise.select(mask, value, x)


@operators.op(
    "equal(Tensor self, Tensor other) -> bool",
)
def equal(call: Call, x: Value, other: Value) -> object:
    """Whether two tensors have one shape and the same elements: a bool that only the run knows."""
    if x.rank != other.rank or any(
        isinstance(m, int) and isinstance(n, int) and m != n for m, n in zip(x.shape, other.shape, strict=True)
    ):
        return False
    return call.computed(every(compare.equal(*call.promoted(x, other)), tuple(range(x.rank)), False))
