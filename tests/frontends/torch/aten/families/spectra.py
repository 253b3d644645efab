"""Complex numbers and Fourier transforms."""

from __future__ import annotations

import numpy as np

from tests.frontends.torch.aten.call import Draws, Example


def examples() -> list[Example]:
    """Parts, products, moves, transforms in every norm, sizes that cut or fill."""
    r = Draws(29)
    x, pairs = r(3, 6), r(3, 4, 2)
    z, w = (r(3, 4) + 1j * r(3, 4) for _ in range(2))
    v, s = (r(4, 2) + 1j * r(4, 2)), np.asarray(np.complex64(0.5 - 2j))
    found: list[Example] = []

    def add(name: str, *items: object) -> None:
        found.append(Example(f"aten.{name}" + ("" if "." in name else ".default"), list(items)))

    for name in ("real", "imag", "abs", "angle", "conj", "conj_physical", "view_as_real", "neg", "exp", "sum", "t"):
        add(name, z)
    for name in ("conj", "real", "angle"):
        add(name, x)
    add("abs", z * 0)
    add("view_as_complex", pairs)
    add("complex", x, x[:1])
    add("polar", abs(x), x)
    for name in ("add.Tensor", "sub.Tensor", "mul.Tensor", "div.Tensor", "eq.Tensor", "ne.Tensor"):
        add(name, z, w)
        add(name, z, s)
    add("mul.Tensor", z, x[:, :4])
    add("mul.Tensor", x[:, :4], z)
    add("add.Tensor", z, x[:, :4])
    add("mul.Scalar", x, 2j)
    add("mul.Scalar", z, 1.5)
    add("add.Scalar", z, 1 + 1j)
    add("div.Scalar", z, 2.0)
    add("mm", z, v)
    add("matmul", z, v)
    add("cat", [z, w], 1)
    add("permute", z, [1, 0])
    add("slice.Tensor", z, 1, 1, 3)
    add("split.Tensor", z, 2, 1)
    add("flip", z, [0])
    add("sum.dim_IntList", z, [1])
    for norm in (None, "ortho", "forward"):
        add("fft_fft", x, None, -1, norm)
        add("fft_ifft", z, None, 0, norm)
        add("fft_rfft", x, None, -1, norm)
        add("fft_irfft", z, None, -1, norm)
        add("fft_hfft", z, None, -1, norm)
        add("fft_ihfft", x, None, -1, norm)
        add("fft_rfft2", r(2, 3, 4), None, [-2, -1], norm)
        add("fft_irfft2", z, [3, 5], [-2, -1], norm)
    return [*found, *_sized(x, z, r)]


def _sized(x: np.ndarray, z: np.ndarray, r: Draws) -> list[Example]:
    """Transforms of some sizes and along several axes."""
    found: list[Example] = []

    def add(name: str, *items: object) -> None:
        found.append(Example(f"aten.{name}.default", list(items)))

    add("fft_fft", z, 6, 1)
    add("fft_fft", z, 2, 0)
    add("fft_rfft", x, 4)
    add("fft_irfft", z, 9)
    add("fft_fft2", z)
    add("fft_ifft2", z, [2, 6])
    add("fft_fftn", r(2, 3, 2))
    add("fft_ifftn", z, None, [0])
    add("fft_rfftn", r(2, 3, 4), [2, 5])
    add("fft_irfftn", z)
    add("fft_fftshift", x)
    add("fft_ifftshift", z, [1])
    wave, window = r(2, 20), r.share(6)
    for onesided in (True, False):
        add("stft", wave, 8, 3, 6, window, onesided, onesided, True)
        add("stft", wave[0], 8, None, None, None, False, onesided, False)
    add("stft", r(30), 5, 2, 5, None, False, True, True)
    found.append(Example("aten.stft.center", [wave, 8, 4, None, r.share(8), True, "reflect", False, True, True]))
    found.append(Example("aten.stft.center", [wave[0], 8, 4, None, None, True, "constant", True, True, True]))
    found.append(Example("aten.sub.Tensor", [3, x]))
    found.append(Example("aten.mul.Tensor", [2.5, x]))
    for name in ("hfft2", "hfftn"):
        add(f"fft_{name}", z, [3, 5], None, "ortho") if name == "hfftn" else add(f"fft_{name}", z)
    add("fft_ihfft2", x)
    add("fft_ihfftn", r(2, 3, 4), None, [0, 2], "forward")
    for size in (1, 6, 7):
        add("fft_fftfreq", size, 0.5)
        add("fft_rfftfreq", size)
    half, whole = (r(2, points, 6) + 1j * r(2, points, 6) for points in (5, 8))
    add("istft", half.astype(np.complex64), 8, 3, 6, r.share(6) + 1)
    add("istft", half[0].astype(np.complex64), 8, None, None, None, True, True, None, 9)
    add("istft", half.astype(np.complex64), 8, 2, None, r.share(8) + 1, False, False, True, 30)
    add("istft", whole.astype(np.complex64), 8, 2, None, r.share(8) + 1, True, False, False)
    add("_fft_c2c", z, [0, 1], 1, True)
    add("_fft_c2c", z, [1], 2, False)
    return found
