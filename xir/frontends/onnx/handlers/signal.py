"""Fourier transforms, windows and the mel scale."""

from __future__ import annotations

from xir.frontends._handlers import Handlers
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.frontends.onnx.tensors import DTYPES
from xir.ir.dims import Dim, Symbol
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import signal

handlers: Handlers[Handler] = Handlers("onnx")


def known_number(site: Site, value: Value | None) -> Dim | None:
    """The one number of an operand of sizes, or None where it is absent or not known before the run."""
    found = None if value is None else site.sizes(value)
    return found[0] if found is not None and len(found) == 1 else None


def element_type(site: Site, name: str, default: DType) -> DType:
    """An attribute that is the number of an element type."""
    if not site.has(name):
        return default
    number = site.integer(name)
    if number not in DTYPES:
        site.invalid(f"attribute {name!r}: there is no element type {number}")
    return DTYPES[number]


def _or_operand(site: Site, value: Value) -> tuple[Dim, Value | None]:
    """A number that is known, and no operand; or a fresh size and the operand that tells it."""
    known = known_number(site, value)
    return (Symbol(), value) if known is None else (known, None)


def _whole(size: Dim, inverse: bool, onesided: bool) -> Dim:
    """How many points a transform has by itself: those of the axis; of half a spectrum 2 * (frequencies - 1)."""
    return (size - 1) * 2 if inverse and onesided else size


@handlers.layer(*versions("DFT", 17))
def transform_by_attribute(site: Site, x: Value, length: Value | None = None) -> Value:
    """DFT with its axis as an attribute, 1 by default."""
    return _transform(site, x, length, site.axis(site.integer("axis", 1), x.rank))


@handlers.layer(*versions("DFT", 20))
def transform(site: Site, x: Value, length: Value | None = None, axis: Value | None = None) -> Value:
    """DFT with its axis as an operand, -2 by default."""
    if axis is None:
        return _transform(site, x, length, site.axis(-2, x.rank))
    known = known_number(site, axis)
    if isinstance(known, int):
        return _transform(site, x, length, site.axis(known, x.rank))
    size, operand = (Symbol(), None) if length is None else _or_operand(site, length)
    return signal.dft(
        x,
        length if operand is None else operand,
        axis,
        axis=None,
        size=size,
        inverse=site.flag("inverse", False),
        onesided=site.flag("onesided", False),
    )


def _transform(site: Site, x: Value, length: Value | None, axis: int) -> Value:
    inverse, onesided = site.flag("inverse", False), site.flag("onesided", False)
    size, operand = _whole(x.shape[axis], inverse, onesided), None
    if length is not None:
        size, operand = _or_operand(site, length)
    return signal.dft(x, operand, axis=axis, size=size, inverse=inverse, onesided=onesided)


@handlers.layer(*versions("STFT", 17))
def short_time_transform(
    site: Site, x: Value, step: Value, window: Value | None = None, length: Value | None = None
) -> Value:
    """STFT: a frame is as long as `length` says, else the window, else the signal."""
    if x.rank != 3:
        site.invalid(f"[N, L, 1] or [N, L, 2] is needed, got {x.type!r}")
    hop, step_operand = _or_operand(site, step)
    size: Dim = x.shape[1] if window is None else window.shape[0]
    size_operand: Value | None = None
    if length is not None:
        told, size_operand = _or_operand(site, length)
        size = told if window is None else size
        size_operand = size_operand if window is None or not isinstance(size, int) else None
    onesided = site.flag("onesided", True)
    return signal.stft(x, window, step_operand, size_operand, frame_step=hop, frame_length=size, onesided=onesided)


def _window(kind: signal.WindowKind) -> Handler:
    def handler(site: Site, size: Value) -> Value:
        """A window of `size` points."""
        known, operand = _or_operand(site, size)
        dtype = element_type(site, "output_datatype", DType.FLOAT32)
        return signal.cosine_window(operand, size=known, kind=kind, periodic=site.flag("periodic", True), dtype=dtype)

    return handler


handlers.layer(*versions("HannWindow", 17))(_window("hann"))
handlers.layer(*versions("HammingWindow", 17))(_window("hamming"))
handlers.layer(*versions("BlackmanWindow", 17))(_window("blackman"))


@handlers.layer(*versions("MelWeightMatrix", 17))
def mel_bands(site: Site, bands: Value, points: Value, rate: Value, low: Value, high: Value) -> Value:
    """MelWeightMatrix."""
    count, length = known_number(site, bands), known_number(site, points)
    shape = (Symbol() if length is None else length // 2 + 1, Symbol() if count is None else count)
    dtype = element_type(site, "output_datatype", DType.FLOAT32)
    return signal.mel_weight_matrix(bands, points, rate, low, high, shape=shape, dtype=dtype)


__all__ = ["handlers", "known_number"]
