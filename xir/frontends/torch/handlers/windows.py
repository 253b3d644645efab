"""Windows of signals, and the frequencies of spectra (aten/src/ATen/native/TensorFactories.cpp, SpectralOps.cpp)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from xir.frontends.torch.call import Call
from xir.frontends.torch.operators import Operators
from xir.frontends.torch.promotion import DEFAULT
from xir.ir.constant import Array
from xir.ir.node import Value
from xir.ir.types import DType

operators = Operators("aten")


@dataclass(frozen=True, slots=True)
class _Window:
    """What is asked of a window.

    Attributes:
        window_length: its number of points.
        dtype: of its elements; None: f32.
        periodic: whether the point after the last one would be the first one again; else the last one is as the first.
        beta: the form of Kaiser's window.
    """

    window_length: int
    dtype: DType | None
    periodic: bool = True
    beta: float = 12.0

    def sampled(self, call: Call, points: Callable[[int], Array]) -> Value:
        """The window whose `points` are a function of their number, from the first to one that is equal to it."""
        if self.window_length < 2:
            return call.filled(1, self.dtype or DEFAULT, (max(self.window_length, 0),))
        ends = call.bounded(self.window_length) + int(self.periodic)
        return call.literal(points(ends)[: self.window_length], self.dtype or DEFAULT)


def _cosines(*terms: float) -> Callable[[int], Array]:
    """Sums of cosines: `a - b cos(2 pi n / N) + c cos(4 pi n / N)` (aten/src/ATen/native/TensorFactories.cpp)."""

    def points(ends: int) -> Array:
        angle = 2 * np.pi * np.arange(ends, dtype=np.float64) / (ends - 1)
        total = np.zeros(ends)
        for place, term in enumerate(terms):
            total += term * (-1) ** place * np.cos(place * angle)
        return total

    return points


@operators.op(
    "hann_window(int window_length, *, ScalarType? dtype=None, Layout? layout=None,"
    " Device? device=None, bool? pin_memory=None) -> Tensor",
    "hann_window.periodic(int window_length, bool periodic, *, ScalarType? dtype=None, Layout? layout=None,"
    " Device? device=None, bool? pin_memory=None) -> Tensor",
    records=(_Window,),
)
def hann_window(call: Call, window: _Window) -> Value:
    """Hann's window."""
    return window.sampled(call, _cosines(0.5, 0.5))


@operators.op(
    "hamming_window(int window_length, *, ScalarType? dtype=None, Layout? layout=None,"
    " Device? device=None, bool? pin_memory=None) -> Tensor",
    "hamming_window.periodic(int window_length, bool periodic, *, ScalarType? dtype=None, Layout? layout=None,"
    " Device? device=None, bool? pin_memory=None) -> Tensor",
    records=(_Window,),
)
def hamming_window(call: Call, window: _Window) -> Value:
    """Hamming's window."""
    return window.sampled(call, _cosines(0.54, 0.46))


@operators.op(
    "blackman_window(int window_length, *, ScalarType? dtype=None, Layout? layout=None,"
    " Device? device=None, bool? pin_memory=None) -> Tensor",
    "blackman_window.periodic(int window_length, bool periodic, *, ScalarType? dtype=None, Layout? layout=None,"
    " Device? device=None, bool? pin_memory=None) -> Tensor",
    records=(_Window,),
)
def blackman_window(call: Call, window: _Window) -> Value:
    """Blackman's window."""
    return window.sampled(call, _cosines(0.42, 0.5, 0.08))


@operators.op(
    "bartlett_window(int window_length, *, ScalarType? dtype=None, Layout? layout=None,"
    " Device? device=None, bool? pin_memory=None) -> Tensor",
    "bartlett_window.periodic(int window_length, bool periodic, *, ScalarType? dtype=None, Layout? layout=None,"
    " Device? device=None, bool? pin_memory=None) -> Tensor",
    records=(_Window,),
)
def bartlett_window(call: Call, window: _Window) -> Value:
    """Bartlett's window, a triangle."""
    return window.sampled(call, np.bartlett)


@operators.op(
    "kaiser_window(int window_length, *, ScalarType? dtype=None, Layout? layout=None,"
    " Device? device=None, bool? pin_memory=None) -> Tensor",
    "kaiser_window.periodic(int window_length, bool periodic, *, ScalarType? dtype=None, Layout? layout=None,"
    " Device? device=None, bool? pin_memory=None) -> Tensor",
    "kaiser_window.beta(int window_length, bool periodic, float beta, *, ScalarType? dtype=None, Layout? layout=None,"
    " Device? device=None, bool? pin_memory=None) -> Tensor",
    records=(_Window,),
)
def kaiser_window(call: Call, window: _Window) -> Value:
    """Kaiser's window."""
    return window.sampled(call, lambda ends: np.kaiser(ends, window.beta))


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
