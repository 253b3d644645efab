"""Complex numbers, which flow as pairs of reals along a last axis, and Fourier transforms."""

from __future__ import annotations

from collections.abc import Callable

from xir.frontends._handlers import Handlers
from xir.frontends.tensorflow._handles import ComplexPair, Operand
from xir.frontends.tensorflow._site import Handler, Site
from xir.ir.node import Value
from xir.ops._angle import atan2
from xir.ops.elementwise import mul, neg, sqrt
from xir.ops.reduce import reduce_sum
from xir.ops.shape import concat, reshape, slice_
from xir.ops.signal import dft

handlers: Handlers[Handler] = Handlers("tensorflow")


def _pairs(site: Site, operand: Operand) -> Value:
    if not isinstance(operand, ComplexPair):
        site.refuse("complex numbers that are an input or a constant")
    return operand.parts()[0]


def _part(pairs: Value, place: int) -> Value:
    axis = pairs.rank - 1
    return reshape(slice_(pairs, axes=(axis,), starts=(place,), stops=(place + 1,), steps=(1,)), shape=pairs.shape[:-1])


def _joined(site: Site, real: Value, imaginary: Value) -> ComplexPair:
    parts = [reshape(each, shape=(*each.shape, 1)) for each in site.aligned(real, imaginary)]
    return ComplexPair(concat(*parts, axis=parts[0].rank - 1))


@handlers.layer("Complex")
def joined(site: Site, real: Operand, imaginary: Operand) -> Operand:
    """Numbers of these two parts."""
    return _joined(site, site.value(real), site.value(imaginary))


@handlers.layer("Real", "Imag")
def part(site: Site, x: Operand) -> Operand:
    """One of the parts."""
    return _part(_pairs(site, x), 0 if site.node.kind == "Real" else 1)


@handlers.layer("Conj")
def conjugate(site: Site, x: Operand) -> Operand:
    """The other sign of the imaginary part; reals are what they are."""
    if isinstance(x, Value):
        return x
    pairs = _pairs(site, x)
    return _joined(site, _part(pairs, 0), neg(_part(pairs, 1)))


@handlers.layer("ComplexAbs")
def length(site: Site, x: Operand) -> Operand:
    """The distance from 0."""
    pairs = _pairs(site, x)
    return sqrt(reduce_sum(mul(pairs, pairs), axes=(pairs.rank - 1,), keep_dims=False))


@handlers.layer("Angle")
def angle(site: Site, x: Operand) -> Operand:
    """The angle of the number, from -pi to pi."""
    pairs = _pairs(site, x)
    return atan2(_part(pairs, 1), _part(pairs, 0))


def _sizes(site: Site, lengths: Operand, count: int) -> tuple[int, ...]:
    found = site.numbers(site.value(lengths), "lengths of a transform")
    if len(found) != count:
        site.invalid(f"{len(found)} lengths are given, expected {count}")
    return found


def _of_reals(count: int) -> Handler:
    def handler(site: Site, x: Operand, lengths: Operand) -> Operand:
        """The first half of the transform of reals along the last axes, cut or filled up to the lengths."""
        value, sizes = site.value(x), _sizes(site, lengths, count)
        made = reshape(value, shape=(*value.shape, 1))
        for place in reversed(range(count)):
            axis = value.rank - count + place
            made = dft(made, axis=axis, size=sizes[place], inverse=False, onesided=place == count - 1)
        return ComplexPair(made)

    return handler


def _to_reals(site: Site, x: Operand, lengths: Operand) -> Operand:
    """The reals whose half transform this is."""
    pairs = _pairs(site, x)
    made = dft(pairs, axis=pairs.rank - 2, size=_sizes(site, lengths, 1)[0], inverse=True, onesided=True)
    return _part(made, 0)


def _of_complex(count: int, inverse: bool) -> Callable[[Site, Operand], Operand]:
    def handler(site: Site, x: Operand) -> Operand:
        """The transform along the last axes."""
        made = _pairs(site, x)
        for axis in range(made.rank - 1 - count, made.rank - 1):
            size = made.shape[axis]
            made = dft(made, axis=axis, size=size, inverse=inverse, onesided=False)
        return ComplexPair(made)

    return handler


handlers.add("IRFFT", _to_reals)
for _count, _name in enumerate(("FFT", "FFT2D", "FFT3D"), 1):
    handlers.add(f"R{_name}", _of_reals(_count))
    handlers.add(_name, _of_complex(_count, False))
    handlers.add(f"I{_name}", _of_complex(_count, True))
