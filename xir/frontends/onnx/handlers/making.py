"""Tensors made of little: literals, ranges, one element repeated, diagonals."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.frontends.onnx.handlers._vectors import length, numbers, unknown
from xir.frontends.onnx.tensors import DTYPES
from xir.ir.constant import Array, Constant, constant_of
from xir.ir.constraints import assume_equal
from xir.ir.dims import Dim, bounds, floor_divide, maximum
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops.constant import constant
from xir.ops.elementwise import add, cast, mul
from xir.ops.late import broadcast_late
from xir.ops.shape import broadcast, iota, range_, reshape
from xir.ops.triangle import eye_like, trilu

handlers: Handlers[Handler] = Handlers("onnx")

EXACT = 1 << 24
"""Up to here f32 holds every whole number (IEEE 754: 24 bits of significand)."""


@handlers.layer(*versions("Constant", 1, 9, 11, 12, 13, 19, 21, 23, 24, 25))
def literal(site: Site) -> Value:
    """Constant: a tensor, dense or sparse (opset 11), or numbers and text (opset 12); exactly one of them."""
    given = list(site.node.attributes)
    if len(given) != 1:
        site.invalid(f"exactly one value is needed, got {given}")
    for name in ("value", "sparse_value"):
        held = site.tensor(name)
        if held is not None:
            return constant(value=held)
    return constant(value=_inline(site))


def _inline(site: Site) -> Constant:
    if site.has("value_float"):
        return constant_of(np.asarray(site.real("value_float"), np.float32))
    if site.has("value_int"):
        return constant_of(np.asarray(site.integer("value_int"), np.int64))
    if site.has("value_ints"):
        return constant_of(np.array(site.integers("value_ints"), np.int64))
    if site.has("value_floats"):
        return constant_of(np.array(site.reals("value_floats") or (), np.float32))
    if site.has("value_string"):
        return constant_of(np.asarray(site.text("value_string"), object))
    words = site.strings("value_strings")
    if words is None:
        site.invalid(f"a literal of {list(site.node.attributes)}")
    return constant_of(np.array(words, object))


@handlers.layer(*versions("Range", 11))
def ranged(site: Site, start: Value, limit: Value, delta: Value) -> Value:
    """Range: `start + i * delta` for `max(ceil((limit - start) / delta), 0)` elements."""
    return _ranged(site, (start, limit, delta), DType.FLOAT32)


@handlers.layer(*versions("Range", 27))
def ranged_wide(site: Site, start: Value, limit: Value, delta: Value) -> Value:
    """Range; f16 and bf16 are computed in `stash_type`."""
    number = site.integer("stash_type", 1)
    stash = DTYPES.get(number)
    if stash not in (DType.FLOAT32, DType.FLOAT64):
        site.invalid(f"'stash_type' is {number}, expected 1 (f32) or 11 (f64)")
    return _ranged(site, (start, limit, delta), stash)


def _ranged(site: Site, given: tuple[Value, Value, Value], stash: DType) -> Value:
    line = _followed(site, *given)
    if line is not None:
        return line
    held = [site.scope.constant_of(value) for value in given]
    numbers_ = [each.array() for each in held if each is not None]
    if len(numbers_) == len(given):
        return _computed(site, numbers_, given[0].dtype, stash)
    return range_(*given, stash=stash)


def _followed(site: Site, start: Value, limit: Value, delta: Value) -> Value | None:
    """A range of whole numbers that are known before the run as formulas of sizes; None for any other."""
    found = [_whole(site, value) for value in (start, limit, delta)]
    first, last, step = (None if each is None else each.number for each in found)
    if first is None or last is None or not isinstance(step, int) or step == 0:
        return None
    for each in found:
        for size in () if each is None else each.rounded:
            assume_equal(maximum(size, EXACT), EXACT, "f32 holds the limits of a range, so they are at most 2^24")
    count = _steps(first, last, step)
    line = iota(shape=(count,), axis=0, dtype=start.dtype)
    if step != 1:
        line = mul(line, broadcast(reshape(delta, shape=(1,)), shape=line.shape))
    if first == 0 and (start.dtype.is_integer or step > 0):  # else 0 * step is -0.0, and the sum is 0.0
        return line
    return add(line, broadcast(reshape(start, shape=(1,)), shape=line.shape))


class _Whole(NamedTuple):
    """A whole number that is known before the run, and the sizes in it that went through f32."""

    number: Dim
    rounded: tuple[Dim, ...] = ()


def _whole(site: Site, value: Value) -> _Whole | None:
    """What a limit of a range is, where it is a whole number; one of f32 is so only while its sizes are exact."""
    if value.dtype.is_integer:
        known = site.sizes(value)
        return _Whole(known[0]) if known is not None and len(known) == 1 else None
    if value.dtype not in (DType.FLOAT32, DType.FLOAT64):
        return None
    held = site.scope.constant_of(value)
    if held is not None:
        return _whole_constant(held)
    node = value.node
    operand = None if node is None else node.inputs[0] if node.inputs else None
    if node is None or operand is None or node.op.name not in ("cast", "reshape", "identity"):
        return None
    found = _whole(site, operand)
    if found is None or value.dtype is DType.FLOAT64 or node.op.name != "cast":
        return found
    if isinstance(found.number, int):
        return _Whole(int(np.float32(found.number)), found.rounded)
    low, high = bounds(found.number)
    if low is None or not -EXACT <= low <= EXACT:
        return None
    return found if high is not None and high <= EXACT else _Whole(found.number, (*found.rounded, found.number))


def _whole_constant(held: Constant) -> _Whole | None:
    if held.elements != 1:
        return None
    number = float(held.array().astype(np.float64).reshape(()))
    fits = abs(number) <= EXACT and number.is_integer() and not (number == 0 and np.signbit(number))
    return _Whole(int(number)) if fits else None


def _computed(site: Site, given: list[Array], dtype: DType, stash: DType) -> Value:
    """A range of known limits: as long as they say."""
    if any(number.size != 1 for number in given):
        site.invalid(f"the limits of a range have {[number.size for number in given]} elements, one each is needed")
    first, last, step = (float(number.astype(np.float64).reshape(())) for number in given)
    if step == 0 or not np.isfinite([first, last, step]).all():
        site.invalid(f"a range from {first} to {last} in steps of {step}")
    total = max(int(np.ceil((last - first) / step)), 0)
    kept = stash if dtype.is_floating and dtype.bits < 32 else dtype
    factor, offset = (
        broadcast(constant(value=constant_of(number.reshape(1), kept)), shape=(total,))
        for number in (given[2], given[0])
    )
    line = add(mul(iota(shape=(total,), axis=0, dtype=kept), factor), offset)
    return line if kept is dtype else cast(line, dtype=dtype)


def _steps(first: Dim, last: Dim, step: int) -> Dim:
    distance = last - first if step > 0 else first - last
    return maximum(floor_divide(distance + (abs(step) - 1), abs(step)), 0)


@handlers.layer(*versions("ConstantOfShape", 9, 20, 21, 23, 24, 25))
def filled(site: Site, target: Value) -> Value:
    """ConstantOfShape: one element, repeated."""
    held: Constant = site.tensor("value") or constant_of(np.zeros(1, np.float32))
    if held.elements != 1:
        site.invalid(f"the value has {held.elements} elements, expected one")
    known = site.sizes(target)
    element = constant(value=held)
    if known is None:
        count = length(target)
        if count is None:
            return broadcast_late(reshape(element, shape=()), target)
        return broadcast(reshape(element, shape=(1,) * count), target, shape=unknown(count))
    return broadcast(reshape(element, shape=()), shape=known)


@handlers.layer(*versions("EyeLike", 9, 22))
def eye(site: Site, x: Value) -> Value:
    """EyeLike."""
    number = site.integer("dtype", 0) if site.has("dtype") else None
    if number is not None and number not in DTYPES:
        site.invalid(f"there is no element type {number}")
    dtype = x.dtype if number is None else DTYPES[number]
    return eye_like(x, diagonal=site.integer("k", 0), dtype=dtype)


@handlers.layer(*versions("Trilu", 14))
def triangle(site: Site, x: Value, k: Value | None = None) -> Value:
    """Trilu; the diagonal is an operand."""
    upper = site.flag("upper", True)
    known = (0,) if k is None else numbers(site, k)
    if known is None or len(known) != 1:
        return trilu(x, k, diagonal=0, upper=upper)
    return trilu(x, diagonal=known[0], upper=upper)
