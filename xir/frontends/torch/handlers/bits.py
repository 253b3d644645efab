"""Real numbers by their bits: the next one, mantissa and exponent (IEEE 754)."""

from __future__ import annotations

import math

from xir.frontends.torch.call import Call
from xir.frontends.torch.handlers._numbers import with_sign
from xir.frontends.torch.operators import Operators
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import compare
from xir.ops._build import scalar_like
from xir.ops.cast import bit_cast
from xir.ops.elementwise import abs_, add, div, mul, select, sub

operators = Operators("aten")
_WHOLE = {16: DType.INT16, 32: DType.INT32, 64: DType.INT64}
_MANTISSA = {DType.FLOAT16: 10, DType.BFLOAT16: 7, DType.FLOAT32: 23, DType.FLOAT64: 52}
"""Bits of the mantissa."""

_LEAST = {23: 2.0**-126, 52: 2.0**-1022}
"""{bits of the mantissa: the least number with as many}."""


@operators.op("nextafter(Tensor self, Tensor other) -> Tensor")
def next_after(call: Call, x: Value, y: Value) -> Value:
    """The number next to x on the side of y: its bits and one more, away from 0, or one less."""
    x, y = call.promoted(x, y)
    if not x.dtype.is_floating:
        call.invalid(f"the number next to one of {x.dtype}")
    whole = _WHOLE[x.dtype.bits]
    bits, zero = bit_cast(x, dtype=whole), scalar_like(x, 0)
    one = scalar_like(bits, 1)
    outward = compare.equal(compare.less(x, y), compare.greater(x, zero))
    moved = bit_cast(select(outward, add(bits, one), sub(bits, one)), dtype=x.dtype)
    least = bit_cast(one, dtype=x.dtype)
    made = select(compare.equal(x, zero), with_sign(least, y), moved)
    made = select(compare.equal(x, y), y, made)
    known = compare.logical_and(compare.equal(x, x), compare.equal(y, y))
    return select(known, made, scalar_like(x, math.nan))


@operators.op("frexp.Tensor(Tensor self) -> (Tensor mantissa, Tensor exponent)")
def mantissa(call: Call, x: Value) -> tuple[Value, Value]:
    """Mantissas of 1/2 up to 1 and powers of 2; what has no exponent (0, infinity, NaN) stays, with 0."""
    if x.dtype not in _MANTISSA:
        call.invalid(f"mantissa and exponent of {x.dtype}")
    if x.dtype.bits == 16:
        held, exponent = mantissa(call, call.cast(x, DType.FLOAT32))
        return call.cast(held, x.dtype), exponent
    width = _MANTISSA[x.dtype]
    small = compare.less(abs_(x), scalar_like(x, 2.0 * _LEAST[width]))
    normal = select(small, mul(x, scalar_like(x, 2.0**width)), x)
    bits = bit_cast(abs_(normal), dtype=_WHOLE[x.dtype.bits])
    bias = (1 << (x.dtype.bits - width - 2)) - 2
    fraction = sub(bits, mul(_shifted(bits, width), scalar_like(bits, 1 << width)))
    held = with_sign(bit_cast(add(fraction, scalar_like(bits, bias << width)), dtype=x.dtype), x)
    exponent = sub(_shifted(bits, width), scalar_like(bits, bias))
    exponent = select(small, sub(exponent, scalar_like(exponent, width)), exponent)
    plain = compare.logical_and(
        compare.less(abs_(x), scalar_like(x, math.inf)), compare.not_equal(x, scalar_like(x, 0))
    )
    return select(plain, held, x), call.cast(select(plain, exponent, scalar_like(exponent, 0)), DType.INT32)


def _shifted(bits: Value, width: int) -> Value:
    """Numbers of at least 0 without their lowest bits."""
    return div(bits, scalar_like(bits, 1 << width))
