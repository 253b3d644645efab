"""Spectra of a signal's frames (aten/src/ATen/native/SpectralOps.cpp, `stft`)."""

from __future__ import annotations

from xir.frontends.torch.call import Call
from xir.frontends.torch.handlers import joining
from xir.frontends.torch.handlers.complex import view_as_complex
from xir.frontends.torch.operators import Operators
from xir.ir.node import Value
from xir.ops import elementwise, signal
from xir.ops.shape import pad, reshape, transpose

operators = Operators("aten")


@operators.op(
    "stft(Tensor self, int n_fft, int? hop_length=None, int? win_length=None, Tensor? window=None,"
    " bool normalized=False, bool? onesided=None, bool? return_complex=None, bool? align_to_window=None) -> Tensor"
)
def stft(
    call: Call,
    x: Value,
    points: int,
    step: int | None,
    length: int | None,
    window: Value | None,
    normalized: bool,
    onesided: bool | None,
    is_complex: bool | None,
    aligned: bool | None,
) -> Value:
    """The Fourier transform of each of the frames that a window sliding over [L] or [N, L] cuts out.

    Result: [frequencies, frames] or [N, frequencies, frames], complex, or with the parts along a last axis of 2.
    """
    if aligned:
        call.refuse("frames aligned to the window")
    length = points if length is None else length
    if not 0 < length <= points or x.rank not in (1, 2):
        call.invalid(f"windows of {length} in frames of {points} over {x.type!r}")
    before = (points - length) // 2
    around = ((before, points - length - before),)
    weights = call.filled(1, x.dtype, (length,)) if window is None else call.cast(window, x.dtype)
    y = signal.stft(
        reshape(x, shape=(*((1,) if x.rank == 1 else ()), *x.shape, 1)),
        pad(weights, padding=around) if length < points else weights,
        frame_step=points // 4 if step is None else step,
        frame_length=points,
        onesided=onesided is not False,
    )
    y = transpose(y, perm=(0, 2, 1, 3))
    y = reshape(y, shape=y.shape[1:]) if x.rank == 1 else y
    y = elementwise.mul(y, call.filled(points**-0.5, y.dtype, y.shape)) if normalized else y
    return view_as_complex(call, y) if is_complex else y


@operators.op(
    "stft.center(Tensor self, int n_fft, int? hop_length=None, int? win_length=None, Tensor? window=None,"
    ' bool center=True, str pad_mode="reflect", bool normalized=False, bool? onesided=None,'
    " bool? return_complex=None, bool? align_to_window=None) -> Tensor"
)
def centered(
    call: Call,
    x: Value,
    points: int,
    step: int | None,
    length: int | None,
    window: Value | None,
    is_centered: bool,
    mode: str,
    normalized: bool,
    onesided: bool | None,
    is_complex: bool | None,
    aligned: bool | None,
) -> Value:
    """The same of the signal with half a frame before and behind it."""
    if is_centered:
        half = points // 2
        batch = reshape(x, shape=(1, *x.shape)) if x.rank == 1 else x
        wide = joining.pad(call, batch, (half, half), mode, None)
        x = reshape(wide, shape=wide.shape[1:]) if x.rank == 1 else wide
    return stft(call, x, points, step, length, window, normalized, onesided, is_complex, aligned)
