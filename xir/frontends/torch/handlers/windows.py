"""Windows of signals, and the frequencies of spectra (aten/src/ATen/native/TensorFactories.cpp, SpectralOps.cpp)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xir.frontends.torch.call import Call
from xir.frontends.torch.operators import Operators
from xir.frontends.torch.promotion import DEFAULT
from xir.ir.node import Value
from xir.ir.types import DType

operators = Operators("aten")


def _window(call: Call, size: int, periodic: bool, dtype: DType | None, terms: Sequence[float]) -> Value:
    """Sums of cosines: `a - b cos(2 pi n / N) + c cos(4 pi n / N)` (aten/src/ATen/native/TensorFactories.cpp)."""
    if size < 2:
        return call.filled(1, dtype or DEFAULT, (max(size, 0),))
    angle = 2 * np.pi * np.arange(call.bounded(size), dtype=np.float64) / (size if periodic else size - 1)
    signed = (term * (-1) ** place * np.cos(place * angle) for place, term in enumerate(terms))
    return call.literal(np.sum([*signed], axis=0), dtype or DEFAULT)


@operators.op(
    "hann_window(int window_length, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? "
    "pin_memory=None) -> Tensor",
)
def hann_window(call: Call, size: int, dtype: DType | None) -> Value:
    """Hann's window, periodic."""
    return _window(call, size, True, dtype, (0.5, 0.5))


@operators.op(
    "hann_window.periodic(int window_length, bool periodic, *, ScalarType? dtype=None, Layout? layout=None, "
    "Device? device=None, bool? pin_memory=None) -> Tensor",
)
def hann_window_of(call: Call, size: int, periodic: bool, dtype: DType | None) -> Value:
    """Hann's window."""
    return _window(call, size, periodic, dtype, (0.5, 0.5))


@operators.op(
    "hamming_window(int window_length, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, "
    "bool? pin_memory=None) -> Tensor",
)
def hamming_window(call: Call, size: int, dtype: DType | None) -> Value:
    """Hamming's window, periodic."""
    return _window(call, size, True, dtype, (0.54, 0.46))


@operators.op(
    "hamming_window.periodic(int window_length, bool periodic, *, ScalarType? dtype=None, Layout? layout=None, "
    "Device? device=None, bool? pin_memory=None) -> Tensor",
)
def hamming_window_of(call: Call, size: int, periodic: bool, dtype: DType | None) -> Value:
    """Hamming's window."""
    return _window(call, size, periodic, dtype, (0.54, 0.46))


@operators.op(
    "blackman_window(int window_length, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, "
    "bool? pin_memory=None) -> Tensor",
)
def blackman_window(call: Call, size: int, dtype: DType | None) -> Value:
    """Blackman's window, periodic."""
    return _window(call, size, True, dtype, (0.42, 0.5, 0.08))


@operators.op(
    "blackman_window.periodic(int window_length, bool periodic, *, ScalarType? dtype=None, Layout? layout=None, "
    "Device? device=None, bool? pin_memory=None) -> Tensor",
)
def blackman_window_of(call: Call, size: int, periodic: bool, dtype: DType | None) -> Value:
    """Blackman's window."""
    return _window(call, size, periodic, dtype, (0.42, 0.5, 0.08))


@operators.op(
    "bartlett_window(int window_length, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, "
    "bool? pin_memory=None) -> Tensor",
)
def bartlett_window(call: Call, size: int, dtype: DType | None) -> Value:
    """Bartlett's window, periodic."""
    return bartlett_window_of(call, size, True, dtype)


@operators.op(
    "bartlett_window.periodic(int window_length, bool periodic, *, ScalarType? dtype=None, Layout? layout=None, "
    "Device? device=None, bool? pin_memory=None) -> Tensor",
)
def bartlett_window_of(call: Call, size: int, periodic: bool, dtype: DType | None) -> Value:
    """Bartlett's window, a triangle."""
    if size < 2:
        return call.filled(1, dtype or DEFAULT, (max(size, 0),))
    return call.literal(np.bartlett(call.bounded(size) + int(periodic))[:size], dtype or DEFAULT)


_KAISER = 12.0
"""The form of Kaiser's window where none is named."""


@operators.op(
    "kaiser_window(int window_length, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, "
    "bool? pin_memory=None) -> Tensor",
)
def kaiser_window_of(call: Call, size: int, dtype: DType | None) -> Value:
    """Kaiser's window, periodic."""
    return kaiser_window(call, size, True, _KAISER, dtype)


@operators.op(
    "kaiser_window.periodic(int window_length, bool periodic, *, ScalarType? dtype=None, Layout? layout=None, "
    "Device? device=None, bool? pin_memory=None) -> Tensor",
)
def kaiser_window_by_default(call: Call, size: int, periodic: bool, dtype: DType | None) -> Value:
    """Kaiser's window."""
    return kaiser_window(call, size, periodic, _KAISER, dtype)


@operators.op(
    "kaiser_window.beta(int window_length, bool periodic, float beta, *, ScalarType? dtype=None, Layout? "
    "layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
)
def kaiser_window(call: Call, size: int, periodic: bool, beta: float, dtype: DType | None) -> Value:
    """Kaiser's window."""
    if size < 2:
        return call.filled(1, dtype or DEFAULT, (max(size, 0),))
    ends = call.bounded(size) + int(periodic)
    return call.literal(np.kaiser(ends, beta)[:size], dtype or DEFAULT)


@operators.op(
    "fft_fftfreq(int n, float d=1., *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, "
    "bool? pin_memory=None) -> Tensor",
    "fft_rfftfreq(int n, float d=1., *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, "
    "bool? pin_memory=None) -> Tensor",
)
def frequencies(call: Call, size: int, spacing: float, dtype: DType | None) -> Value:
    """The frequencies of a spectrum, of its first half for `fft_rfftfreq`."""
    if size < 1:
        call.invalid(f"a spectrum of {size} points")
    find = np.fft.rfftfreq if call.kind.startswith("aten.fft_r") else np.fft.fftfreq
    return call.literal(find(int(call.bounded(size)), spacing), dtype or DEFAULT)
