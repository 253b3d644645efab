"""LiteRT's own custom operators of sound: spectra of windows, and the cepstrum of a mel filterbank.

Facts: tensorflow/lite/kernels/audio_spectrogram.cc, mfcc.cc, and kernels/internal/spectrogram.cc, mfcc.cc, mfcc_dct.cc,
mfcc_mel_filterbank.cc; these compute in f64, the graph in f32.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from xir.frontends._handlers import Handlers
from xir.frontends._operands import product_of
from xir.frontends.tflite.flexbuffer import read_map
from xir.frontends.tflite.site import Handler, Site, literal
from xir.ir.node import Value
from xir.ir.types import DType
from xir.limits import MAX_FOLDED_BYTES, byte_count
from xir.ops import elementwise
from xir.ops.matmul import matmul
from xir.ops.reduce import reduce_sum
from xir.ops.shape import pad, reshape, transpose
from xir.ops.signal import stft

handlers: Handlers[Handler] = Handlers("tflite")

_FLOOR = 1e-12
"""The least that a channel is before its logarithm (kFilterbankFloor)."""


def _option(site: Site, name: str) -> int:
    """A whole number among the options; what is none is cut off there too (AsInt64)."""
    held = read_map(site.operator.custom).get(name, 0)
    if isinstance(held, str) or not math.isfinite(held):
        site.invalid(f"{name} is {held!r}")
    return int(held)


@handlers.layer("CUSTOM:AudioSpectrogram")
def spectrogram(site: Site, x: Value) -> Value:
    """The magnitudes of windows of sound, or their squares: x [S, C] to [C, windows, bins].

    The windows are periodic Hann windows, the transform has the next power of 2 of points, one half of it is given.
    """
    size, step = _option(site, "window_size"), _option(site, "stride")
    samples = x.shape[0] if x.rank == 2 else None
    if size < 2 or step < 1 or not isinstance(samples, int) or samples < size:
        site.refuse(f"windows of {size} samples, {step} apart, of {x.type!r}")
    points = 1 << (size - 1).bit_length()
    _check(site, (points,))
    window = np.zeros(points)
    window[:size] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    signal = pad(transpose(x, perm=(1, 0)), padding=((0, 0), (0, points - size)))
    signal = reshape(signal, shape=(*signal.shape, 1))
    pairs = stft(signal, literal(window, DType.FLOAT32), frame_step=step, frame_length=points, onesided=True)
    squares = reduce_sum(elementwise.mul(pairs, pairs), axes=(3,), keep_dims=False)
    return squares if _option(site, "magnitude_squared") else elementwise.sqrt(squares)


def _check(site: Site, shape: tuple[int, ...]) -> None:
    """Refuses tables that would take more memory than may be known before the run."""
    if byte_count(shape, 64) > MAX_FOLDED_BYTES:
        site.refuse(f"a table of {list(shape)} numbers")


def _mel(frequency: float | NDArray[np.float64]) -> NDArray[np.float64]:
    return 1127.0 * np.log1p(np.asarray(frequency, np.float64) / 700.0)


def _filterbank(bins: int, rate: int, channels: int, limits: tuple[int, int]) -> NDArray[np.float64]:
    """How much of each bin goes into each channel, [bins, channels]: triangles between centres on the mel scale."""
    low, high = (float(_mel(limit)) for limit in limits)
    edges = low + (high - low) / (channels + 1) * np.arange(channels + 2)
    width = 0.5 * rate / (bins - 1)
    made = np.zeros((bins, channels + 1))
    first, last = int(1.5 + limits[0] / width), int(limits[1] / width)
    for place in range(first, last + 1):
        mel = float(_mel(place * width))
        band = min(int(np.searchsorted(edges[1:], mel)), channels)  # edges[band] < mel <= edges[band + 1]
        falling = (edges[band + 1] - mel) / (edges[band + 1] - edges[band])
        if band:
            made[place, band - 1] += falling
        made[place, band] += 1 - falling
    return made[:, :channels]


@handlers.layer("CUSTOM:Mfcc")
def cepstrum(site: Site, x: Value, rate: Value) -> Value:
    """The lowest coefficients of the cosine transform of the logarithms of a mel filterbank.

    x: squared magnitudes [C, windows, bins]; result: [C, windows, coefficients].
    """
    (hertz,) = site.numbers(rate, "a rate of samples")
    limits = _option(site, "lower_frequency_limit"), _option(site, "upper_frequency_limit")
    channels, count = _option(site, "filterbank_channel_count"), _option(site, "dct_coefficient_count")
    bins = x.shape[2] if x.rank == 3 else None
    if not isinstance(bins, int) or bins < 2 or hertz < 1 or not 0 <= limits[0] < limits[1]:
        site.refuse(f"frequencies from {limits[0]} to {limits[1]} at {hertz} samples a second of {x.type!r}")
    if not 1 <= count <= channels or limits[1] / (0.5 * hertz / (bins - 1)) >= bins:
        site.refuse(f"{count} coefficients of {channels} channels up to {limits[1]} of {hertz / 2} hertz")
    _check(site, (bins, channels))
    rows = reshape(elementwise.sqrt(x), shape=(product_of(x.shape[:2]), bins))
    powers = matmul(rows, literal(_filterbank(bins, hertz, channels, limits), DType.FLOAT32))
    logarithms = elementwise.log(elementwise.clip(powers, minimum=_FLOOR, maximum=None))
    angles = np.pi / channels * np.outer(np.arange(channels) + 0.5, np.arange(count))
    made = matmul(logarithms, literal(math.sqrt(2 / channels) * np.cos(angles), DType.FLOAT32))
    return reshape(made, shape=(*x.shape[:2], count))
