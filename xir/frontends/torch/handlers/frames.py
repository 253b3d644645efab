"""Spectra of a signal's frames (aten/src/ATen/native/SpectralOps.cpp, `stft`)."""

from __future__ import annotations

from dataclasses import dataclass

from xir.frontends.torch.call import Call
from xir.frontends.torch.handlers import joining
from xir.frontends.torch.handlers.complex import view_as_complex
from xir.frontends.torch.handlers.fourier import complex_to_real, norm_mode
from xir.frontends.torch.operators import Operators
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import elementwise, signal
from xir.ops.patches import fold
from xir.ops.shape import pad, reshape, slice_, transpose

operators = Operators("aten")


@dataclass(frozen=True, slots=True)
class _Frames:
    """How a signal is cut into frames, in PyTorch's words.

    Attributes:
        n_fft: the points of a frame.
        hop_length: from the start of a frame to that of the next one; None: a quarter of a frame.
        win_length: the points of the window, in the middle of a frame; None: those of the frame.
        window: what each frame is multiplied with; None: 1.
        normalized: whether spectra are divided by the root of `n_fft`.
        onesided: whether spectra have the first half of the frequencies alone; None: they have.
        return_complex: whether the result is complex.
        center: whether half a frame lies before the signal and behind it.
        pad_mode: what that is made of.
        align_to_window: whether frames begin with the window.
    """

    n_fft: int
    hop_length: int | None
    win_length: int | None
    window: Value | None
    normalized: bool
    onesided: bool | None
    return_complex: bool | None
    center: bool = False
    pad_mode: str = "reflect"
    align_to_window: bool | None = None

    @property
    def step(self) -> int:
        """From the start of a frame to that of the next one."""
        return self.n_fft // 4 if self.hop_length is None else self.hop_length

    @property
    def length(self) -> int:
        """The points of the window."""
        return self.n_fft if self.win_length is None else self.win_length

    def weights(self, call: Call, dtype: DType) -> Value:
        """The window as wide as a frame, [n_fft]."""
        weights = call.filled(1, dtype, (self.length,)) if self.window is None else call.cast(self.window, dtype)
        before = (self.n_fft - self.length) // 2
        around = ((before, self.n_fft - self.length - before),)
        return pad(weights, padding=around) if self.length < self.n_fft else weights


@operators.op(
    "stft(Tensor self, int n_fft, int? hop_length=None, int? win_length=None, Tensor? window=None,"
    " bool normalized=False, bool? onesided=None, bool? return_complex=None, bool? align_to_window=None) -> Tensor",
    "stft.center(Tensor self, int n_fft, int? hop_length=None, int? win_length=None, Tensor? window=None,"
    ' bool center=True, str pad_mode="reflect", bool normalized=False, bool? onesided=None,'
    " bool? return_complex=None, bool? align_to_window=None) -> Tensor",
    records=(_Frames,),
)
def stft(call: Call, x: Value, frames: _Frames) -> Value:
    """The Fourier transform of each of the frames that a window sliding over [L] or [N, L] cuts out.

    Result: [frequencies, frames] or [N, frequencies, frames], complex, or with the parts along a last axis of 2.
    """
    points = frames.n_fft
    if frames.align_to_window:
        call.refuse("frames aligned to the window")
    if not 0 < frames.length <= points or x.rank not in (1, 2):
        call.invalid(f"windows of {frames.length} in frames of {points} over {x.type!r}")
    batch = reshape(x, shape=(1, *x.shape)) if x.rank == 1 else x
    if frames.center:
        batch = joining.pad(call, batch, (points // 2, points // 2), frames.pad_mode, None)
    y = signal.stft(
        reshape(batch, shape=(*batch.shape, 1)),
        frames.weights(call, x.dtype),
        frame_step=frames.step,
        frame_length=points,
        onesided=frames.onesided is not False,
    )
    y = transpose(y, perm=(0, 2, 1, 3))
    y = reshape(y, shape=y.shape[1:]) if x.rank == 1 else y
    y = elementwise.mul(y, call.filled(points**-0.5, y.dtype, y.shape)) if frames.normalized else y
    return view_as_complex(call, y) if frames.return_complex else y


@operators.op(
    "istft(Tensor self, int n_fft, int? hop_length=None, int? win_length=None, Tensor? window=None,"
    " bool center=True, bool normalized=False, bool? onesided=None, int? length=None, bool return_complex=False)"
    " -> Tensor",
    records=(_Frames,),
)
def istft(call: Call, x: Value, frames: _Frames, wanted: int | None) -> Value:
    """The signal of frames [frequencies, frames] or [N, frequencies, frames], each where it was cut out.

    Overlapping frames are added and divided by the sums of the window's squares. Of all frequencies the first half is
    read, `onesided` or not.
    """
    points, step = frames.n_fft, frames.step
    if frames.return_complex or x.rank not in (2, 3) or not 0 < frames.length <= points or step < 1:
        call.refuse(f"the signal of frames of {points} points, of {x.type!r}", "use istft of a real signal")
    x = call.joined(
        *(slice_(part, axes=(x.rank - 2,), starts=(0,), stops=(points // 2 + 1,), steps=(1,)) for part in call.parts(x))
    )
    norm = norm_mode(call, "ortho" if frames.normalized else None, False)
    columns = complex_to_real(call, x, (x.rank - 2,), norm, points)
    columns = reshape(columns, shape=(1, *columns.shape)) if x.rank == 2 else columns
    weights = call.repeated(reshape(frames.weights(call, columns.dtype), shape=(points, 1)), columns.shape)
    made = elementwise.div(
        *(_added(each, points, step) for each in (elementwise.mul(columns, weights), elementwise.mul(weights, weights)))
    )
    made = made if x.rank == 3 else reshape(made, shape=made.shape[1:])
    return _within(made, points // 2 * frames.center, wanted)


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
    if wanted is None:
        return slice_(x, axes=(axis,), starts=(start,), stops=(size - start,), steps=(1,))
    stop = start + wanted
    behind = max(stop - size, 0) if isinstance(size, int) else stop
    x = pad(x, padding=(*((0, 0),) * axis, (0, behind))) if behind else x
    return slice_(x, axes=(axis,), starts=(start,), stops=(stop,), steps=(1,))


operators.complex("istft.default")(lambda handler: handler)
