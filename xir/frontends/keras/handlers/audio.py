"""Spectrograms of sound (keras/src/layers/preprocessing/mel_spectrogram.py, stft_spectrogram.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from xir.frontends._handlers import Handlers
from xir.frontends.keras.config import plain
from xir.frontends.keras.handlers._images import padding_of
from xir.frontends.keras.site import Handler, Site
from xir.ir.constant import Array, constant_of
from xir.ir.node import Value
from xir.ir.types import DType
from xir.limits import MAX_MESSAGE_BYTES, check_size
from xir.ops import elementwise
from xir.ops._angle import atan2
from xir.ops._build import scalar_like
from xir.ops.constant import constant
from xir.ops.conv import conv
from xir.ops.matmul import matmul
from xir.ops.padding import pad
from xir.ops.reduce import reduce_max
from xir.ops.shape import concat, reshape, slice_, transpose
from xir.ops.signal import COEFFICIENTS, stft

handlers: Handlers[Handler] = Handlers("keras")

_BREAK_HERTZ, _HIGH_Q = 700.0, 1127.0
"""The mel scale: q * log(1 + f / break) (mel_spectrogram.py)."""

_EPSILON = 1e-7
"""`backend.epsilon()` of Keras."""


def _number(x: Value, number: float) -> Value:
    return scalar_like(x, number)


def _decibels(x: Value, least: float) -> Value:
    """10 log10 of what is not less than a power."""
    logs = elementwise.log(elementwise.maximum(x, _number(x, least)))
    return elementwise.mul(logs, _number(x, 10 / float(np.log(10))))


def _mel(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(_HIGH_Q * np.log1p(hertz / _BREAK_HERTZ))


def _triangles(bins: int, bands: int, rate: float, low: float, high: float) -> Array:
    """[bins, bands]: what each band takes of each bin, whose first counts for none (`linear_to_mel_weight_matrix`)."""
    points = _mel(np.linspace(0, rate / 2, bins))[1:, np.newaxis]
    first, last = _mel(np.asarray([low, high])).tolist()
    edges = first + (last - first) * np.arange(bands + 2, dtype=np.float64) / (bands + 1)
    rising = (points - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - points) / (edges[2:] - edges[1:-1])
    found = np.maximum(0, np.minimum(rising, falling))
    return np.pad(found, ((1, 0), (0, 0))).astype(np.float32)


def _window(site: Site, length: int, size: int) -> Array:
    """[size]: the window over the frames of `length` samples, which stand in the middle of `size`."""
    held = plain(site.config.raw("window", "hann"))
    if held is None:
        found = np.ones(length)
    elif isinstance(held, list):
        found = np.asarray([float(str(each)) for each in held])
    else:
        kind = site.config.word("window", "hann", "hann", "hamming")
        a, b, _ = (0.54, -0.46, 0) if kind == "hamming" else COEFFICIENTS["hann"]
        found = a + b * np.cos(2 * np.pi * np.arange(length) / length)
    if len(found) != length:
        site.invalid(f"a window of {len(found)} samples for frames of {length}")
    before = (size - length) // 2
    return np.pad(found, (before, size - length - before)).astype(np.float32)


@handlers.layer("MelSpectrogram")
def mel_spectrogram(site: Site, x: Value) -> Value:
    """MelSpectrogram: [N, samples] becomes [N, bands, frames], frames that stand around every step's sample."""
    config = site.config
    size, step = config.positive("fft_length", 1, 2048)[0], config.positive("sequence_stride", 1, 512)[0]
    length = size if config.raw("sequence_length") is None else config.positive("sequence_length", 1)[0]
    bands, rate = config.positive("num_mel_bins", 1, 128)[0], config.number("sampling_rate", 16000)
    low, high = config.number("min_freq", 20.0), config.optional_number("max_freq") or int(rate / 2)
    if x.rank != 2:
        site.refuse(f"a spectrogram of {x.type!r}: a batch of sounds [N, samples] is read")
    if length > size:
        site.invalid(f"frames of {length} samples are longer than a transform of {size}")
    check_size(size // 2 * bands * 4, MAX_MESSAGE_BYTES, what="the matrix of the mel scale")
    real = x if x.dtype is DType.FLOAT32 else elementwise.cast(x, dtype=DType.FLOAT32)
    around = pad(real, padding=((0, 0), (size // 2, size // 2)), mode="reflect")
    signal = reshape(around, shape=(*around.shape, 1))
    window = constant(value=constant_of(_window(site, length, size)))
    parts = stft(signal, window, frame_step=step, frame_length=size, onesided=True)
    matrix = constant(value=constant_of(_triangles(size // 2 + 1, bands, rate, low, float(high))))
    power = _powers(parts, config.number("mag_exp", 2.0))
    rows = reshape(power, shape=(power.shape[0] * power.shape[1], power.shape[2]))
    found = reshape(matmul(rows, matrix), shape=(*power.shape[:2], bands))
    if config.flag("power_to_db", True):
        found = _loudness(site, found)
    else:
        config.ignore("top_db", "min_power", "ref_power")
    return transpose(found, perm=(0, 2, 1))


def _powers(parts: Value, exponent: float) -> Value:
    """The magnitudes of complex numbers [..., 2], raised."""
    real, imaginary = (_part(parts, place) for place in range(2))
    size = elementwise.sqrt(elementwise.add(elementwise.mul(real, real), elementwise.mul(imaginary, imaginary)))
    return elementwise.pow_(size, _number(size, exponent))


def _part(parts: Value, place: int) -> Value:
    axis = parts.rank - 1
    one = slice_(parts, axes=(axis,), starts=(place,), stops=(place + 1,), steps=(1,))
    return reshape(one, shape=parts.shape[:axis])


def _loudness(site: Site, x: Value) -> Value:
    """Decibels above a power, none more than `top_db` below the loudest of all."""
    least, reference = site.config.number("min_power", 1e-10), abs(site.config.number("ref_power", 1.0))
    if least <= 0:
        site.invalid(f"the least power is {least}")
    found = _decibels(x, least)
    found = elementwise.sub(found, _number(found, 10 * float(np.log10(max(reference, least)))))
    loudest = reduce_max(found, axes=tuple(range(x.rank)), keep_dims=True)
    floor = elementwise.sub(loudest, _number(loudest, site.config.number("top_db", 80.0)))
    return elementwise.maximum(*site.aligned(found, floor))


def _squares(real: Value, imaginary: Value) -> Value:
    return elementwise.add(elementwise.mul(real, real), elementwise.mul(imaginary, imaginary))


def _magnitude(real: Value, imaginary: Value) -> Value:
    power = _squares(real, imaginary)
    return elementwise.sqrt(elementwise.maximum(power, _number(power, _EPSILON)))


def _logarithm(real: Value, imaginary: Value) -> Value:
    size = _magnitude(real, imaginary)
    return elementwise.log(elementwise.maximum(size, _number(size, _EPSILON)))


def _density(real: Value, imaginary: Value) -> Value:
    """Powers, twice those between the first and the last bin."""
    power = _squares(real, imaginary)
    inner = slice_(power, axes=(2,), starts=(1,), stops=(power.shape[2] - 1,), steps=(1,))
    return elementwise.add(power, pad(inner, padding=((0, 0), (0, 0), (1, 1), (0, 0))))


def _angle(real: Value, imaginary: Value) -> Value:
    return atan2(imaginary, real)


def _both(real: Value, imaginary: Value) -> Value:
    return concat(real, imaginary, axis=2)


_MODES: Mapping[str, Callable[[Value, Value], Value]] = MappingProxyType(
    {"log": _logarithm, "magnitude": _magnitude, "psd": _density, "angle": _angle, "stft": _both}
)


@handlers.layer("STFTSpectrogram")
def spectrogram(site: Site, x: Value) -> Value:
    """STFTSpectrogram: products with the sines that the layer keeps as weights, windows and scales in them."""
    config = site.config
    mode = config.word("mode", "log", "real", "imag", *_MODES)
    length = config.positive("frame_length", 1, 256)[0]
    step = max(length // 2, 1) if config.raw("frame_step") is None else config.positive("frame_step", 1)[0]
    config.ignore("fft_length", "window", "periodic", "scaling")
    expanded, first = config.flag("expand_dims"), site.channels_first
    signal = x if first else transpose(x, perm=(0, 2, 1))
    batch, channels, samples = signal.shape
    lines = reshape(signal, shape=(batch * channels, 1, samples))

    def projected(name: str) -> Value:
        """[N, C, bins, frames]: the products with a weight [frame, 1, bins]."""
        kernel = transpose(site.weight(name), perm=(2, 1, 0))
        if kernel.shape[1:] != (1, length):
            site.invalid(f"its weight {name!r} is of {list(kernel.shape)[::-1]}, expected frames of {length}")
        padding = padding_of(site, lines, (length,), (step,), (1,))
        settings = {"strides": (step,), "dilation": (1,), "input_dilation": (1,)}
        found = conv(lines, kernel, None, padding=padding, groups=1, **settings)
        return reshape(found, shape=(batch, channels, *found.shape[1:]))

    if mode in ("real", "imag"):
        found = projected(f"{mode}_kernel")
    else:
        real = projected("real_kernel")
        found = _MODES[mode](real, projected("imag_kernel"))
    if expanded:
        return transpose(found, perm=(0, 1, 3, 2) if first else (0, 3, 2, 1))
    flat = reshape(found, shape=(batch, channels * found.shape[2], found.shape[3]))
    return flat if first else transpose(flat, perm=(0, 2, 1))
