"""The vector functions of f32 that are computed in f64, where a moderate polynomial is exact enough for every bit.

sin, cos and tan reduce their argument there (or in integers, where it is huge) and go on in f32.
"""

from __future__ import annotations

import math

from xir.backends.codegen.math import _coefficients as tables
from xir.backends.codegen.math._core import DOUBLE, SINGLE, power_of_two, with_sign_of
from xir.backends.codegen.math._terms import Lets, Term, polynomial
from xir.ir.types import DType

F32, F64, U32, U64 = DType.FLOAT32, DType.FLOAT64, DType.UINT32, DType.UINT64

_HALF_PI = tuple(map(float.fromhex, ("0x1.921fb5p+0", "0x1.110b46p-26", "0x1.1a62633145c07p-54")))
"""pi / 2 in three parts, two of 25 bits: their products with numbers below 2^28 are exact in f64."""

_SWITCH = 2.0**28
"""From here on arguments of sin, cos and tan are reduced in integers."""

TURNS = (0x28BE60DB, 0x9391054A, 0x7F09D5F4, 0x7D4D3770, 0x36D8A566, 0x4F10E410, 0x7D6B6EFE)
"""The first 224 bits of 1 / (2 pi) behind the point, 32 a word; `tools/minimax.py` has the pi they come from."""


def _exp_parts(lets: Lets, x: Term) -> tuple[Term, Term]:
    """(2^k, exp r - 1) of an f64 between -200 and 200: exp x = 2^k exp r, with a relative error of 2^-36."""
    whole = lets.let(x * math.log2(math.e) + DOUBLE.magic)
    k = lets.let(whole - DOUBLE.magic)
    r = lets.let((x - k * DOUBLE.ln2[0]) - k * DOUBLE.ln2[1])
    rest = r + r * r * polynomial(r, tables.EXP_WIDE)
    return lets.let(power_of_two(DOUBLE, whole)), lets.let(rest)


def _log(lets: Lets, x: Term) -> Term:
    """The logarithm of a normal positive f64, with a relative error of 2^-36."""
    bits = lets.let(x.bits(U64))
    # Unsigned shifts: few vector units shift 64 bits with their sign.
    exponent = lets.let((bits - DOUBLE.sqrt_half + DOUBLE.one) >> 52)
    mantissa = lets.let((bits - (exponent << 52) + DOUBLE.one).bits(F64))
    k = _small_whole(exponent) - 1023.0
    s = lets.let((mantissa - 1.0) / (mantissa + 1.0))
    z = lets.let(s * s)
    return k * math.log(2.0) + (s * 2.0 + s * z * polynomial(z, tables.RATIO_WIDE))


def sinh(lets: Lets, x: Term) -> Term:
    """(e + e / (e + 1)) / 2 with e = exp |x| - 1."""
    scale, rest = _exp_parts(lets, lets.let(x.absolute().at_most(100.0).cast(F64)))
    grown = lets.let(scale * rest + (scale - 1.0))
    return with_sign_of(SINGLE, ((grown + grown / (grown + 1.0)) * 0.5).cast(F32), x)


def cosh(lets: Lets, x: Term) -> Term:
    """(e + 1 / e) / 2 with e = exp |x|."""
    scale, rest = _exp_parts(lets, lets.let(x.absolute().at_most(100.0).cast(F64)))
    power = lets.let(scale * rest + scale)
    return ((power + 1.0 / power) * 0.5).cast(F32)


def asinh(lets: Lets, x: Term) -> Term:
    """ln(|x| + sqrt(x^2 + 1)); near 0 the series x - x^3 / 6 + 3 x^5 / 40."""
    a = lets.let(x.absolute().cast(F64))
    square = lets.let(a * a)
    far = _log(lets, a + (square + 1.0).apply("sqrt"))
    near = a + a * square * polynomial(square, (-1 / 6, 3 / 40, -15 / 336))
    return with_sign_of(SINGLE, _finite((a < 2.0**-5).choose(near, far), a).cast(F32), x)


def acosh(lets: Lets, x: Term) -> Term:
    """ln(1 + u), u = t + sqrt(t (t + 2)), t = x - 1: a sum that cancels nowhere."""
    wide = lets.let(x.cast(F64))
    t = lets.let(wide - 1.0)
    result = _finite(_log(lets, wide + (t * (t + 2.0)).apply("sqrt")), wide)
    return (x < 1.0).choose(x.constant(math.nan), result.cast(F32))


def atanh(lets: Lets, x: Term) -> Term:
    """ln((1 + |x|) / (1 - |x|)) / 2; near 0 the series x + x^3 / 3 + x^5 / 5."""
    a = lets.let(x.absolute().cast(F64))
    square = lets.let(a * a)
    far = _log(lets, (a + 1.0) / (1.0 - a)) * 0.5
    near = a + a * square * polynomial(square, (1 / 3, 1 / 5, 1 / 7))
    edge = a.equals(1.0).choose(a.constant(math.inf), a.constant(math.nan))
    inside = (a < 2.0**-5).choose(near, (a < 1.0).choose(far, edge))
    return with_sign_of(SINGLE, inside.cast(F32), x)


def _finite(result: Term, x: Term) -> Term:
    """The result where x is a finite number, else x itself."""
    return (x < math.inf).choose(result, x)


def pow_(lets: Lets, x: Term, y: Term) -> Term:
    """exp(y ln |x|) in f64, then the signs and the edges of C99, F.9.4.4."""
    a = lets.let(x.absolute().cast(F64))
    zero = lets.let(a.equals(0.0))
    logarithm = zero.choose(a.constant(-math.inf), _finite(_log(lets, a), a))
    product = lets.let((y.cast(F64) * logarithm).at_least(-110.0).at_most(100.0))
    scale, rest = _exp_parts(lets, product)
    magnitude = (scale * rest + scale).cast(F32)
    magnitude = (a.equals(1.0) | y.equals(0.0)).choose(x.constant(1.0), magnitude)
    whole = lets.let(y.apply("floor").equals(y))
    half = lets.let(y * 0.5)
    odd = whole & half.apply("ne", half.apply("floor"))
    sign = lets.let(x.bits(U32) & 0x80000000)
    signed = lets.let((magnitude.bits(U32) ^ odd.choose(sign, sign.constant(0))).bits(F32))
    # A negative finite number to a power that is not whole; infinite powers count as whole and even.
    undefined = (x < 0.0) & (x > -math.inf) & whole.apply("not") & y.equals(y)
    unknown = x.apply("is_nan") & y.apply("ne", 0.0) | (y.apply("is_nan") & x.apply("ne", 1.0))
    return (undefined | unknown).choose(x.constant(math.nan), signed)


def _reduced(lets: Lets, x: Term, dtype: DType) -> tuple[Term, Term]:
    """|x| = q pi/2 + r: r of `dtype` with |r| <= pi/4, and q (u32, its two lowest bits count)."""
    a = lets.let(x.absolute())
    wide = lets.let(a.cast(F64))
    whole = lets.let(wide * (2.0 / math.pi) + DOUBLE.magic)
    k = lets.let(whole - DOUBLE.magic)
    near = wide - k * _HALF_PI[0] - k * _HALF_PI[1] - k * _HALF_PI[2]
    quarters, far = _reduced_in_integers(lets, a)
    small = lets.let(a < _SWITCH)
    r = small.choose(near, far).cast(dtype)
    q = small.choose(whole.bits(U64), quarters).cast(U32)
    return lets.let(r), lets.let(q)


def _reduced_in_integers(lets: Lets, a: Term) -> tuple[Term, Term]:
    """(q, r) of a number from 2^28 on: a / (2 pi) modulo 1 in fixed point (M. Payne, R. Hanek, 1983).

    a = m 2^s with a whole m below 2^24, so only the bits of 1 / (2 pi) from place s on count: 96 of them leave an error
    of 2^-72 turns; no f32 comes closer than 2^-32 to a multiple of pi / 2.
    """
    bits = lets.let(a.bits(U32))
    shift = lets.let((bits >> 23) - 150)
    first, rest = lets.let(shift >> 5), lets.let((shift & 31).cast(U64))
    m = lets.let(((bits & 0x7FFFFF) | 0x800000).cast(U64))

    def pair(place: int) -> Term:
        """Words `place` and `place + 1` of the bits from word `first` on."""
        word = [m.constant(TURNS[n] << 32 | TURNS[n + 1]) for n in range(place, place + 4)]
        chosen = word[0]
        for number in (1, 2, 3):
            chosen = first.equals(number).choose(word[number], chosen)
        return lets.let(chosen)

    high, low = pair(0), pair(2)
    # A word of 64 bits cannot be shifted by 64: by 1 and then by up to 63.
    upper = (high << rest) | ((low >> 1) >> (rest ^ 63))
    lower = (low << rest) >> 32
    turns = lets.let(m * upper + ((m * lower) >> 32))
    quarters = lets.let((turns + (1 << 61)) >> 62)
    part = lets.let(turns - (quarters << 62) + (1 << 63))
    high = _small_whole(part >> 32) - 2.0**31
    return quarters, (high * 2.0**32 + _small_whole(part & 0xFFFFFFFF)) * (2.0 * math.pi * 2.0**-64)


def _small_whole(value: Term) -> Term:
    """A u64 below 2^52 as f64, by its bits: few vector units convert 64 bits."""
    return (value | 0x4330000000000000).bits(F64) - 2.0**52


def _sine_and_cosine(lets: Lets, r: Term) -> tuple[Term, Term]:
    z = lets.let(r * r)
    sine = r + r * z * polynomial(z, tables.SIN_F32)
    cosine = (1.0 - z * 0.5) + z * z * polynomial(z, tables.COS_F32)
    return lets.let(sine), lets.let(cosine)


def _signed(x: Term, value: Term, sign: Term) -> Term:
    """The value with its sign turned where the highest bit of `sign` is set; NaN where x is infinite."""
    turned = (value.bits(U32) ^ (sign & 0x80000000)).bits(F32)
    return (x.absolute() < math.inf).choose(turned, x - x)


def sin(lets: Lets, x: Term) -> Term:
    """The sine or cosine of what is left of |x| by quarters of a turn, with the sign of the half and of x."""
    r, q = _reduced(lets, x, F32)
    sine, cosine = _sine_and_cosine(lets, r)
    value = (q & 1).equals(0).choose(sine, cosine)
    return _signed(x, value, (q << 30) ^ x.bits(U32))


def cos(lets: Lets, x: Term) -> Term:
    """The sine of a quarter more."""
    r, q = _reduced(lets, x, F32)
    sine, cosine = _sine_and_cosine(lets, r)
    value = (q & 1).equals(0).choose(cosine, sine)
    return _signed(x, value, (q + 1) << 30)


def tan(lets: Lets, x: Term) -> Term:
    """The sine by the cosine, both in f64; in odd quarters the cosine by the sine, turned."""
    r, q = _reduced(lets, x, F64)
    sine, cosine = _sine_and_cosine(lets, r)
    even = lets.let((q & 1).equals(0))
    value = (even.choose(sine, cosine) / even.choose(cosine, sine)).cast(F32)
    return _signed(x, value, (q << 31) ^ x.bits(U32))
