"""Examples of Fourier transforms, windows and the mel scale."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case, normal
from xir.ir.dims import Symbol
from xir.ir.types import DType
from xir.ops.signal import cosine_window, dft, mel_weight_matrix, stft


def cases() -> Iterator[Case]:
    yield from transforms()
    yield from windows()
    hertz = (np.array(0.0, np.float32), np.array(8000.0, np.float32))
    numbers = (np.array(4, np.int64), np.array(32, np.int64), np.array(16000, np.int64))
    yield case(mel_weight_matrix, *numbers, *hertz, shape=(Symbol("f"), Symbol("b")), dtype=DType.FLOAT64).noted(
        "sizes at run time"
    )


def transforms() -> Iterator[Case]:
    real, both = normal(2, 7, 1), normal(2, 7, 2, seed=1)
    for x in (real, both, both.astype(np.float64)):
        for inverse in (False, True):
            yield case(dft, x, axis=1, size=7, inverse=inverse, onesided=False).noted(f"inverse={inverse}")
    yield case(dft, real, axis=1, size=7, inverse=False, onesided=True).noted("half")
    yield case(dft, real, axis=1, size=5, inverse=False, onesided=True).noted("half, cut")
    yield case(dft, both, axis=1, size=9, inverse=False, onesided=False).noted("filled")
    yield case(dft, both, axis=1, size=12, inverse=True, onesided=True).noted("half, inverse")
    for size in (9, 16):
        yield case(dft, both, axis=1, size=size, inverse=True, onesided=True).noted("half, inverse, fitted")
    yield case(dft, normal(3, 4, 2), axis=0, size=3, inverse=False, onesided=False).noted("first axis")
    yield case(dft, real.astype(np.float16), axis=1, size=7, inverse=False, onesided=False)
    yield case(dft, both, np.array(5, np.int64), axis=1, size=Symbol("n"), inverse=False, onesided=False).noted(
        "length at run time"
    )
    yield case(dft, both, None, np.array(-2, np.int64), axis=None, size=Symbol("n"), inverse=True, onesided=True).noted(
        "axis at run time"
    )
    signal = normal(2, 17, 1)
    window = np.hanning(6).astype(np.float32)
    yield case(stft, signal, window, frame_step=4, frame_length=6, onesided=True)
    yield case(stft, signal, frame_step=3, frame_length=5, onesided=False).noted("no window")
    yield case(stft, normal(1, 16, 2), window, frame_step=5, frame_length=6, onesided=False).noted("complex")
    step, length = np.array(4, np.int64), np.array(6, np.int64)
    yield case(
        stft, signal, window, step, length, frame_step=Symbol("s"), frame_length=Symbol("f"), onesided=True
    ).noted("step and length at run time")


def windows() -> Iterator[Case]:
    for kind in ("hann", "hamming", "blackman"):
        for periodic in (True, False):
            yield case(cosine_window, size=9, kind=kind, periodic=periodic, dtype=DType.FLOAT32).noted(
                f"{kind}, periodic={periodic}"
            )
    yield case(cosine_window, size=1, kind="hann", periodic=False, dtype=DType.FLOAT64).noted("one point")
    yield case(cosine_window, size=5, kind="hann", periodic=True, dtype=DType.INT32).noted("integers")
    yield case(
        cosine_window, np.array(6, np.int32), size=Symbol("n"), kind="blackman", periodic=True, dtype=DType.FLOAT32
    ).noted("size at run time")
