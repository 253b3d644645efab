"""Complex numbers and Fourier transforms."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.frontends.torch.handlers.call import Draws, Example, call, fixed


def _calls() -> Iterator[Example]:
    """Parts, products, moves, transforms in every norm, sizes that cut or fill."""
    r = Draws(29)
    x, pairs = r(3, 6), r(3, 4, 2)
    z, w = (r(3, 4) + 1j * r(3, 4) for _ in range(2))
    v, s = (r(4, 2) + 1j * r(4, 2)), np.asarray(np.complex64(0.5 - 2j))
    for name in ("real", "imag", "abs", "angle", "conj", "conj_physical", "view_as_real", "neg", "exp", "sum", "t"):
        yield call(name, z)
    for name in ("conj", "real", "angle"):
        yield call(name, x)
    yield call("abs", z * 0)
    yield fixed("view_as_complex", pairs)
    yield call("complex", x, x[:1])
    yield call("polar", abs(x), x)
    for name in ("add.Tensor", "sub.Tensor", "mul.Tensor", "div.Tensor", "eq.Tensor", "ne.Tensor"):
        yield call(name, z, w)
        yield call(name, z, s)
    yield call("mul.Tensor", z, x[:, :4])
    yield call("mul.Tensor", x[:, :4], z)
    yield call("add.Tensor", z, x[:, :4])
    yield call("mul.Scalar", x, 2j)
    yield call("mul.Scalar", z, 1.5)
    yield call("add.Scalar", z, 1 + 1j)
    yield call("div.Scalar", z, 2.0)
    yield call("mm", z, v)
    yield call("matmul", z, v)
    yield call("cat", [z, w], 1)
    yield call("permute", z, [1, 0])
    yield call("slice.Tensor", z, 1, 1, 3)
    yield fixed("split.Tensor", z, 2, 1)
    yield call("flip", z, [0])
    yield call("sum.dim_IntList", z, [1])
    for norm in (None, "ortho", "forward"):
        yield call("fft_fft", x, None, -1, norm)
        yield call("fft_ifft", z, None, 0, norm)
        yield call("fft_rfft", x, None, -1, norm)
        yield call("fft_irfft", z, None, -1, norm)
        yield call("fft_hfft", z, None, -1, norm)
        yield call("fft_ihfft", x, None, -1, norm)
        yield call("fft_rfft2", r(2, 3, 4), None, [-2, -1], norm)
        yield call("fft_irfft2", z, [3, 5], [-2, -1], norm)
    yield from _sized(x, z, r)


def _sized(x: np.ndarray, z: np.ndarray, r: Draws) -> Iterator[Example]:
    """Transforms of some sizes and along several axes."""
    yield call("fft_fft", z, 6, 1)
    yield call("fft_fft", z, 2, 0)
    yield call("fft_rfft", x, 4)
    yield call("fft_irfft", z, 9)
    yield call("fft_fft2", z)
    yield call("fft_ifft2", z, [2, 6])
    yield call("fft_fftn", r(2, 3, 2))
    yield call("fft_ifftn", z, None, [0])
    yield call("fft_rfftn", r(2, 3, 4), [2, 5])
    yield fixed("fft_irfftn", z)
    yield fixed("fft_fftshift", x)
    yield fixed("fft_ifftshift", z, [1])
    wave, window = r(2, 20), r.share(6)
    for onesided in (True, False):
        yield call("stft", wave, 8, 3, 6, window, onesided, onesided, True)
        yield call("stft", wave[0], 8, None, None, None, False, onesided, False)
    yield call("stft", r(30), 5, 2, 5, None, False, True, True)
    yield call("stft.center", wave, 8, 4, None, r.share(8), True, "reflect", False, True, True)
    yield call("stft.center", wave[0], 8, 4, None, None, True, "constant", True, True, True)
    yield call("sub.Tensor", 3, x)
    yield call("mul.Tensor", 2.5, x)
    yield call("fft_hfft2", z)
    yield call("fft_hfftn", z, [3, 5], None, "ortho")
    yield call("fft_ihfft2", x)
    yield call("fft_ihfftn", r(2, 3, 4), None, [0, 2], "forward")
    for size in (1, 6, 7):
        yield call("fft_fftfreq", size, 0.5)
        yield call("fft_rfftfreq", size)
    half, whole = (r(2, points, 6) + 1j * r(2, points, 6) for points in (5, 8))
    yield call("istft", half.astype(np.complex64), 8, 3, 6, r.share(6) + 1)
    yield call("istft", half[0].astype(np.complex64), 8, None, None, None, True, True, None, 9)
    yield call("istft", half.astype(np.complex64), 8, 2, None, r.share(8) + 1, False, False, True, 30)
    yield call("istft", whole.astype(np.complex64), 8, 2, None, r.share(8) + 1, True, False, False)
    yield call("_fft_c2c", z, [0, 1], 1, True)
    yield call("_fft_c2c", z, [1], 2, False)


CALLS = tuple(_calls())
