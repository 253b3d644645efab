"""The vector functions that are written alike in f32 and in f64: exp, log, tanh, erf, asin, acos, atan.

Nothing is exact only where a product and a sum are fused, or only where they are not: products that must be exact have
factors with few bits, so an emitter may fuse or not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from xir.backends.codegen.math import _coefficients as tables
from xir.backends.codegen.math._terms import Lets, Term, polynomial
from xir.ir.types import DType


@dataclass(frozen=True, slots=True)
class Precision:
    """The numbers of one type.

    Attributes:
        dtype: f32 or f64.
        unsigned: the unsigned integer type of its width; `signed` the signed one.
        signed: see `unsigned`.
        fraction: bits of the fraction.
        one: the bits of 1.0.
        sqrt_half: the bits of the square root of 1/2.
        smallest: the smallest normal number.
        lift: a power of two that makes subnormal numbers normal; `lifted` its exponent.
        lifted: see `lift`.
        magic: 1.5 * 2^fraction; what is added to it is rounded to a whole number, which the lowest bits then hold.
        ln2: the natural logarithm of 2 in two parts, the first with so few bits that its multiples are exact.
        half_pi: pi / 2 in two parts.
        exp_range: exp is 0 below the first and infinite above the second.
        exp: exp r = 1 + r + r^2 P(r).
        asin: asin x = x + x^3 P(x^2).
        atan: atan x = x + x^3 P(x^2).
        tanh: tanh x = x + x^3 P(x^2).
        erf_small: erf x = x + x P(x^2).
        erf_large: erf t = 1 - exp(-t - t P(t)).
        tanh_end: tanh is 1 from here on; `erf_end`: erf is 1 from here on.
        erf_end: see `tanh_end`.
    """

    dtype: DType
    unsigned: DType
    signed: DType
    fraction: int
    one: int
    sqrt_half: int
    smallest: float
    lift: float
    lifted: int
    magic: float
    ln2: tuple[float, float]
    half_pi: tuple[float, float]
    exp_range: tuple[float, float]
    exp: tuple[float, ...]
    asin: tuple[float, ...]
    atan: tuple[float, ...]
    tanh: tuple[float, ...]
    erf_small: tuple[float, ...]
    erf_large: tuple[float, ...]
    tanh_end: float
    erf_end: float


SINGLE = Precision(
    dtype=DType.FLOAT32,
    unsigned=DType.UINT32,
    signed=DType.INT32,
    fraction=23,
    one=0x3F800000,
    sqrt_half=0x3F3504F3,
    smallest=2.0**-126,
    lift=2.0**23,
    lifted=23,
    magic=1.5 * 2.0**23,
    ln2=(float.fromhex("0x1.63p-1"), float.fromhex("-0x1.bd0106p-13")),
    half_pi=(float.fromhex("0x1.921fb6p+0"), float.fromhex("-0x1.777a5cp-25")),
    exp_range=(-105.0, 89.0),  # exp(-104.0) is less than half of 2^-149, exp(88.8) more than 2^128
    exp=tables.EXP_F32,
    asin=tables.ASIN_F32,
    atan=tables.ATAN_F32,
    tanh=tables.TANH_F32,
    erf_small=tables.ERF_SMALL_F32,
    erf_large=tables.ERF_LARGE_F32,
    tanh_end=10.0,  # 1 - tanh(9.02) is less than 2^-25
    erf_end=4.0,  # 1 - erf(3.92) is less than 2^-25
)

DOUBLE = Precision(
    dtype=DType.FLOAT64,
    unsigned=DType.UINT64,
    signed=DType.INT64,
    fraction=52,
    one=0x3FF0000000000000,
    sqrt_half=0x3FE6A09E667F3BCD,
    smallest=2.0**-1022,
    lift=2.0**54,
    lifted=54,
    magic=1.5 * 2.0**52,
    ln2=(float.fromhex("0x1.62e42feep-1"), float.fromhex("0x1.a39ef35793c76p-33")),
    half_pi=(float.fromhex("0x1.921fb54442d18p+0"), float.fromhex("0x1.1a62633145c07p-54")),
    exp_range=(-746.0, 710.0),  # exp(-745.2) is less than half of 2^-1074, exp(709.8) more than 2^1024
    exp=tables.EXP_F64,
    asin=tables.ASIN_F64,
    atan=tables.ATAN_F64,
    tanh=tables.TANH_F64,
    erf_small=tables.ERF_SMALL_F64,
    erf_large=tables.ERF_LARGE_F64,
    tanh_end=20.0,  # 1 - tanh(19.07) is less than 2^-54
    erf_end=6.0,  # 1 - erf(5.93) is less than 2^-54
)


@dataclass(frozen=True, slots=True)
class Parts:
    """The power exp x = 2^k exp r in parts; the lowest bits of `whole` hold k plus what was put into the magic."""

    whole: Term
    k: Term
    r: Term
    polynomial: Term

    def rest(self) -> Term:
        """The power exp r less 1, to the last digits where it is small."""
        return self.r + self.r * self.r * self.polynomial


def exp_parts(lets: Lets, kind: Precision, x: Term, magic: Term) -> Parts:
    """The argument as k ln 2 + r with |r| <= ln 2 / 2 (W. Cody, W. Waite, 1980), and a polynomial."""
    whole = lets.let(x * math.log2(math.e) + magic)
    k = lets.let(whole - magic)
    r = lets.let((x - k * kind.ln2[0]) - k * kind.ln2[1])
    return Parts(whole, k, r, polynomial(r, kind.exp))


def power_of_two(kind: Precision, whole: Term) -> Term:
    """2^k from a number that holds k in its lowest bits."""
    return ((whole.bits(kind.unsigned) << kind.fraction) + kind.one).bits(kind.dtype)


def with_sign_of(kind: Precision, magnitude: Term, x: Term) -> Term:
    """A number that is not negative, with the sign of x; x itself decides that of 0."""
    sign = x.bits(kind.unsigned) & (1 << (kind.dtype.bits - 1))
    return (magnitude.bits(kind.unsigned) | sign).bits(kind.dtype)


def exp(lets: Lets, kind: Precision, x: Term) -> Term:
    """The power of what is left times 2^k: that product alone rounds to a subnormal number or to infinity."""
    low, high = kind.exp_range
    held = lets.let(x.at_least(low).at_most(high))
    parts = exp_parts(lets, kind, held, held.constant(kind.magic))
    power = (parts.polynomial * parts.r + 1.0) * parts.r + 1.0
    return power.apply("scale", parts.k)


def log(lets: Lets, kind: Precision, x: Term) -> Term:
    """With x = 2^k (1 + f) and 1 + f between the square roots of 1/2 and 2: k ln 2 + ln(1 + f)."""
    tiny = lets.let(x < kind.smallest)
    scaled = lets.let(tiny.choose(x * kind.lift, x).bits(kind.signed))
    exponent = lets.let((scaled - kind.sqrt_half) >> kind.fraction)
    f = lets.let((scaled - (exponent << kind.fraction)).bits(kind.dtype) - 1.0)
    k = lets.let(exponent.cast(kind.dtype) + tiny.choose(x.constant(-float(kind.lifted)), 0.0))
    half_square = lets.let(f * f * 0.5)
    if kind is SINGLE:
        rest = f * f * f * polynomial(f, tables.LOG_F32)
    else:
        s = lets.let(f / (f + 2.0))
        z = lets.let(s * s)
        rest = s * (half_square + z * polynomial(z, tables.RATIO_F64))
    result = k * kind.ln2[0] + (f - (half_square - (rest + k * kind.ln2[1])))
    edge = x.equals(0.0).choose(x.constant(-math.inf), (x < 0.0).choose(x.constant(math.nan), x))
    return ((x > 0.0) & (x < math.inf)).choose(result, edge)


def tanh(lets: Lets, kind: Precision, x: Term) -> Term:
    """A polynomial where |x| < 0.55, beyond it 1 - 2 / (exp 2|x| + 1), whose quotient is at most 1/2."""
    a = lets.let(x.absolute().at_most(kind.tanh_end))
    z = lets.let(a * a)
    small = a + a * z * polynomial(z, kind.tanh)
    y = lets.let(a * 2.0)
    parts = exp_parts(lets, kind, y, y.constant(kind.magic))
    scale = lets.let(power_of_two(kind, parts.whole))
    large = 1.0 - 2.0 / (scale * parts.rest() + (scale + 1.0))
    return with_sign_of(kind, (a < 0.55).choose(small, large), x)


def erf(lets: Lets, kind: Precision, x: Term) -> Term:
    """A polynomial where |x| < 0.93, beyond it 1 - exp of a polynomial (the idea: N. Juffa's erff, 2016)."""
    a = lets.let(x.absolute().at_most(kind.erf_end))
    z = lets.let(a * a)
    small = a + a * polynomial(z, kind.erf_small)
    u = lets.let(0.0 - (a + a * polynomial(a, kind.erf_large)))
    parts = exp_parts(lets, kind, u, u.constant(kind.magic))
    scale = lets.let(power_of_two(kind, parts.whole))
    large = (1.0 - scale) - scale * parts.rest()
    return with_sign_of(kind, (a < 0.93).choose(small, large), x)


def _arc_sine_parts(lets: Lets, kind: Precision, x: Term) -> tuple[Term, Term, Term]:
    """(whether |x| > 1/2, t, asin t - t): t is |x|, or sqrt((1 - |x|) / 2), of which asin is pi/4 - asin(|x|) / 2.

    Of a root t has the upper half of the digits, so its square is exact and tells what is missing (K. C. Ng, fdlibm's
    e_asin.c).
    """
    a = lets.let(x.absolute())
    beyond = lets.let(a > 0.5)
    z = lets.let(beyond.choose((1.0 - a) * 0.5, a * a))
    root = lets.let(z.apply("sqrt"))
    half = (kind.fraction + 1) // 2
    mask = (1 << kind.dtype.bits) - (1 << half)
    head = lets.let((root.bits(kind.unsigned) & mask).bits(kind.dtype))
    missing = (z - head * head) / (root + head).at_least(kind.smallest)
    t = lets.let(beyond.choose(head, a))
    rest = beyond.choose(root, a) * z * polynomial(z, kind.asin)
    return beyond, t, lets.let(rest + beyond.choose(missing, 0.0))


def asin(lets: Lets, kind: Precision, x: Term) -> Term:
    """Of |x| it is pi/2 - 2 asin sqrt((1 - |x|) / 2) where |x| > 1/2 (W. Cody, W. Waite, 1980)."""
    beyond, t, rest = _arc_sine_parts(lets, kind, x)
    folded = (kind.half_pi[0] - t * 2.0) - (rest * 2.0 - kind.half_pi[1])
    return with_sign_of(kind, beyond.choose(folded, t + rest), x)


def acos(lets: Lets, kind: Precision, x: Term) -> Term:
    """2 asin sqrt((1 - x) / 2) where x > 1/2, pi less that of -x where x < -1/2, else pi/2 - asin x."""
    beyond, t, rest = _arc_sine_parts(lets, kind, x)
    negative = lets.let(x < 0.0)
    twice = lets.let((t + rest) * 2.0)
    far = negative.choose(2.0 * kind.half_pi[0] - (twice - 2.0 * kind.half_pi[1]), twice)
    signed = negative.choose(0.0 - rest, rest)
    near = kind.half_pi[0] - (x - (kind.half_pi[1] - signed))
    return beyond.choose(far, near)


def atan(lets: Lets, kind: Precision, x: Term) -> Term:
    """From the value for the reciprocal where x is beyond 1: together they make pi / 2."""
    a = lets.let(x.absolute())
    beyond = lets.let(a > 1.0)
    t = lets.let(beyond.choose(1.0 / a, a))
    z = lets.let(t * t)
    rest = lets.let(t * z * polynomial(z, kind.atan))
    folded = kind.half_pi[0] - ((t - kind.half_pi[1]) + rest)
    return with_sign_of(kind, beyond.choose(folded, t + rest), x)
