"""Spectra of a signal's frames (aten/src/ATen/native/SpectralOps.cpp, `stft`)."""

from __future__ import annotations

from xir.frontends.torch.call import Call
from xir.frontends.torch.handlers import joining
from xir.frontends.torch.handlers.complex import view_as_complex
from xir.frontends.torch.handlers.fourier import complex_to_real, norm_mode
from xir.frontends.torch.operators import Operators
from xir.ir.dims import Dim
from xir.ir.node import Value
from xir.ops import elementwise, signal
from xir.ops.patches import fold
from xir.ops.shape import pad, reshape, slice_, transpose

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


@operators.op(
    "istft(Tensor self, int n_fft, int? hop_length=None, int? win_length=None, Tensor? window=None,"
    " bool center=True, bool normalized=False, bool? onesided=None, int? length=None, bool return_complex=False)"
    " -> Tensor"
)
def istft(
    call: Call,
    x: Value,
    points: int,
    step: int | None,
    length: int | None,
    window: Value | None,
    is_centered: bool,
    normalized: bool,
    onesided: bool | None,
    wanted: int | None,
    is_complex: bool,
) -> Value:
    """The signal of frames [frequencies, frames] or [N, frequencies, frames], each where it was cut out.

    Overlapping frames are added and divided by the sums of the window's squares. Of all frequencies the first half is
    read, `onesided` or not.
    """
    length, step = points if length is None else length, points // 4 if step is None else step
    if is_complex or x.rank not in (2, 3) or not 0 < length <= points or step < 1:
        call.refuse(f"the signal of frames of {points} points, of {x.type!r}", "use istft of a real signal")
    x = call.joined(
        *(slice_(part, axes=(x.rank - 2,), starts=(0,), stops=(points // 2 + 1,), steps=(1,)) for part in call.parts(x))
    )
    frames = complex_to_real(call, x, (x.rank - 2,), norm_mode(call, "ortho" if normalized else None, False), points)
    frames = reshape(frames, shape=(1, *frames.shape)) if x.rank == 2 else frames
    weights = call.filled(1, frames.dtype, (length,)) if window is None else call.cast(window, frames.dtype)
    before = (points - length) // 2
    weights = pad(weights, padding=((before, points - length - before),)) if length < points else weights
    weights = call.repeated(reshape(weights, shape=(points, 1)), frames.shape)
    made = elementwise.div(
        *(_added(each, points, step) for each in (elementwise.mul(frames, weights), elementwise.mul(weights, weights)))
    )
    return _within(made if x.rank == 3 else reshape(made, shape=made.shape[1:]), points // 2 * is_centered, wanted)


def _added(frames: Value, points: int, step: int) -> Value:
    """Frames [N, points, frames] added, each `step` further on."""
    whole = points + step * (frames.shape[-1] - 1)
    made = fold(
        frames, spatial=(1, whole), window=(1, points), strides=(1, step), padding=((0, 0),) * 2, dilation=(1, 1)
    )
    return reshape(made, shape=(frames.shape[0], whole))


def _within(x: Value, start: int, wanted: int | None) -> Value:
    """What lies between the halves of a frame at both ends, or as many points as wanted, zeros behind the signal."""
    axis, size = x.rank - 1, x.shape[-1]
    stop: Dim = size - start if wanted is None else start + wanted
    if isinstance(stop, int) and isinstance(size, int) and stop > size:
        x = pad(x, padding=(*((0, 0),) * axis, (0, stop - size)))
    return slice_(x, axes=(axis,), starts=(start,), stops=(stop,), steps=(1,))


operators.complex("istft.default")(lambda handler: handler)
