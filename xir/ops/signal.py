"""Spectra and what goes with them: Fourier transforms, windows, the mel scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from xir.errors import InvalidModelError, UnsupportedError
from xir.ir.constant import Array, constant_of
from xir.ir.dims import Dim, Shape, Symbol, bounds, product
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops._build import scalar_like
from xir.ops._checks import (
    only_element,
    require_axis,
    require_floating,
    require_rank,
    require_same_dtype,
    require_scalar,
    require_size,
)
from xir.ops._define import op
from xir.ops._wide import narrow, wide
from xir.ops._windows import widened
from xir.ops.constant import constant
from xir.ops.elementwise import add, cos, mul
from xir.ops.elementwise import cast as cast_op
from xir.ops.index import gather
from xir.ops.matmul import matmul
from xir.ops.shape import broadcast, iota, pad, reshape, slice_, transpose

WindowKind = Literal["hann", "hamming", "blackman"]
Floats: TypeAlias = NDArray[np.float64]

MAX_MATRIX = 1 << 24
"""Elements that the matrix of a decomposed transform may have: 64 MiB in f32."""

COEFFICIENTS: Mapping[WindowKind, tuple[float, float, float]] = {
    "hann": (0.5, -0.5, 0.0),
    "hamming": (25 / 46, -21 / 46, 0.0),
    "blackman": (0.42, -0.5, 0.08),
}
"""a, b, c of `a + b cos(2 pi n / N) + c cos(4 pi n / N)` (ONNX HannWindow, HammingWindow, BlackmanWindow)."""


def number_of(operand: Array | None, known: int) -> int:
    """A run-time number, or what was known of it before the run."""
    return known if operand is None else int(only_element(operand))


def bins(size: Dim, onesided: bool) -> Dim:
    """How many frequencies a transform of `size` points gives: half of them and one when they are symmetric."""
    return size // 2 + 1 if onesided else size


@op
def dft(
    x: Value,
    length: Value | None = None,
    place: Value | None = None,
    *,
    axis: int | None,
    size: Dim,
    inverse: bool,
    onesided: bool,
) -> TensorType:
    """The discrete Fourier transform of `size` points along an axis (ONNX DFT).

    x: [..., 1] (real) or [..., 2] (real and imaginary part), floating, cut or filled with zeros to `size` along
    `axis`; result: [..., size, ..., 2]. The inverse divides by `size`. `onesided` forward takes real numbers and gives
    the first size // 2 + 1 frequencies; inverse it takes those and gives real numbers, [..., 1]. `length`: an integer,
    gives the size at run time; `place`: i64, gives the axis, of which `axis` then says nothing.
    """
    require_floating(x)
    require_scalar(length)
    require_scalar(place, DType.INT64)
    parts = _parts(x)
    if onesided and parts == (2 if not inverse else 1):
        raise InvalidModelError(f"onesided {'inverse needs complex' if inverse else 'needs real'} numbers: {x.type!r}")
    _require_positive(size, "a Fourier transform")
    made = size if inverse else bins(size, onesided)
    last = 1 if inverse and onesided else 2
    if (axis is None) == (place is None):
        raise InvalidModelError("the axis is known, or an operand at run time: one of the two")
    if axis is None:
        return x.tensor.with_shape((*(Symbol() for _ in x.shape[:-1]), last))
    require_axis(x, axis)
    if axis == x.rank - 1:
        raise InvalidModelError(f"the last axis of {x.type!r} holds the real and imaginary part")
    return x.tensor.with_shape((*x.shape[:axis], made, *x.shape[axis + 1 : -1], last))


def _require_positive(size: Dim, what: str) -> None:
    most = bounds(size)[1]
    if most is not None and most < 1:
        raise InvalidModelError(f"{what} needs at least one point, got {size!r}")


def _parts(x: Value) -> int:
    """1 for real numbers, 2 for complex ones."""
    if x.rank < 2 or x.shape[-1] not in (1, 2):
        raise InvalidModelError(f"[..., 1] or [..., 2] is needed, got {x.type!r}")
    return 1 if x.shape[-1] == 1 else 2


@dft.reference
def _dft_reference(
    x: Array,
    length: Array | None,
    place: Array | None,
    *,
    axis: int | None,
    size: int,
    inverse: bool,
    onesided: bool,
) -> Array:
    chosen = number_of(place, 0 if axis is None else axis)
    points = size if place is None or length is not None else -1
    points = number_of(length, points)
    chosen = chosen + x.ndim if chosen < 0 else chosen
    if not 0 <= chosen < x.ndim - 1:
        raise InvalidModelError(f"a transform along axis {chosen} of {list(x.shape)}, whose last axis holds the parts")
    if points == -1:
        points = 2 * (x.shape[chosen] - 1) if inverse and onesided else x.shape[chosen]
    if points < 1:
        raise InvalidModelError(f"a Fourier transform needs at least one point, got {points}")
    return transformed(widened(x), chosen, points, inverse, onesided).astype(x.dtype)


def transformed(x: Floats, axis: int, size: int, inverse: bool, onesided: bool) -> Floats:
    """The transform of `x: [..., 1 or 2]` along `axis`, in its own precision."""
    data = x[..., 0] if x.shape[-1] == 1 else x[..., 0] + 1j * x[..., 1]
    if inverse and onesided:
        return np.fft.irfft(data, size, axis)[..., np.newaxis]
    result = np.fft.ifft(data, size, axis) if inverse else np.fft.fft(data, size, axis)
    if onesided:
        result = np.take(result, np.arange(size // 2 + 1), axis)
    return np.stack([result.real, result.imag], axis=-1)


dft.host("what comes only at run time decides its matrix or its size; else it comes apart")


@dft.decompose
def _dft_decompose(
    x: Value,
    length: Value | None = None,
    place: Value | None = None,
    *,
    axis: int | None,
    size: Dim,
    inverse: bool,
    onesided: bool,
) -> Value:
    """The linear map that the transform is, as a matrix: its rows are the transforms of the unit vectors."""
    if length is not None or axis is None or not isinstance(size, int):
        raise _unknown("a Fourier transform", "length and axis")
    taken = size // 2 + 1 if inverse and onesided else size
    data = _fitted(wide(x), axis, taken)
    parts, made = _parts(x), size // 2 + 1 if onesided and not inverse else size
    last = 1 if inverse and onesided else 2
    if taken * parts * made * last > MAX_MATRIX:
        raise UnsupportedError(f"the matrix of a Fourier transform of {size} points is too large")
    unit = np.eye(taken * parts).reshape(-1, taken, parts)
    matrix = transformed(unit, 1, size, inverse, onesided).reshape(taken * parts, made * last)
    order = (*range(axis), *range(axis + 1, x.rank - 1), axis, x.rank - 1)
    moved = transpose(data, perm=order)
    rows = reshape(moved, shape=(product(moved.shape[:-2]), taken * parts))
    result = matmul(rows, constant(value=constant_of(matrix, data.dtype)))
    back = tuple(order.index(index) for index in range(x.rank))
    return narrow(transpose(reshape(result, shape=(*moved.shape[:-2], made, last)), perm=back), x.dtype)


def _unknown(what: str, needed: str) -> UnsupportedError:
    return UnsupportedError(
        f"{what} becomes simpler operators only when {needed} are known before the run",
        hint="fold them into constants, or give the model's input sizes with --input",
    )


def _fitted(x: Value, axis: int, size: int) -> Value:
    """`x` cut or filled with zeros to `size` along `axis`."""
    have = x.shape[axis]
    if not isinstance(have, int):
        raise _unknown("a Fourier transform", "the sizes of its operand")
    if have > size:
        return slice_(x, axes=(axis,), starts=(0,), stops=(size,), steps=(1,))
    if have < size:
        return pad(x, padding=tuple((0, size - have if index == axis else 0) for index in range(x.rank)))
    return x


@op
def stft(
    x: Value,
    window: Value | None = None,
    step: Value | None = None,
    length: Value | None = None,
    *,
    frame_step: Dim,
    frame_length: Dim,
    onesided: bool,
) -> TensorType:
    """The Fourier transform of each of the frames that a window sliding over a signal cuts out (ONNX STFT).

    x: [N, L, 1] (real) or [N, L, 2] (complex), floating; window: [frame_length], x's dtype, ones where absent; result:
    [N, (L - frame_length) // frame_step + 1, frequencies, 2], of which `onesided`, for real signals, keeps the first
    frame_length // 2 + 1. `step`, `length`: integers, give the numbers at run time.
    """
    require_floating(x)
    require_rank(x, 3)
    parts = _parts(x) if onesided or isinstance(x.shape[2], int) else None
    if onesided and parts == 2:
        raise InvalidModelError(f"onesided needs real numbers, got {x.type!r}")
    require_scalar(step)
    require_scalar(length)
    if window is not None:
        require_same_dtype(x, window)
        require_rank(window, 1)
        require_size(window.shape[0], frame_length, "the length of the window")
    _require_positive(frame_step, "a step between frames")
    _require_positive(frame_length, "a frame")
    frames: Dim = Symbol()
    if step is None and length is None:
        frames = (x.shape[1] - frame_length) // frame_step + 1
        _require_positive(frames, "a signal shorter than a frame, whose count")
    return x.tensor.with_shape((x.shape[0], frames, bins(frame_length, onesided), 2))


@stft.reference
def _stft_reference(
    x: Array,
    window: Array | None,
    step: Array | None,
    length: Array | None,
    *,
    frame_step: int,
    frame_length: int,
    onesided: bool,
) -> Array:
    hop = number_of(step, frame_step)
    size = len(window) if window is not None and length is None else number_of(length, frame_length)
    if hop < 1 or not 1 <= size <= x.shape[1] or (window is not None and len(window) != size):
        raise InvalidModelError(f"frames of {size} every {hop} points do not fit a signal of {list(x.shape)}")
    starts = np.arange((x.shape[1] - size) // hop + 1) * hop
    frames = x.astype(np.float64)[:, starts[:, np.newaxis] + np.arange(size)]
    if window is not None:
        frames = frames * window.astype(np.float64)[:, np.newaxis]
    return transformed(frames, 2, size, False, onesided).astype(x.dtype)


stft.host("what comes only at run time decides its matrix or its size; else it comes apart")


@stft.decompose
def _stft_decompose(
    x: Value,
    window: Value | None = None,
    step: Value | None = None,
    length: Value | None = None,
    *,
    frame_step: Dim,
    frame_length: Dim,
    onesided: bool,
) -> Value:
    if step is not None or length is not None or not (isinstance(frame_step, int) and isinstance(frame_length, int)):
        raise _unknown("a short-time Fourier transform", "step and length")
    shape = ((x.shape[1] - frame_length) // frame_step + 1, frame_length)
    starts = iota(shape=shape, axis=0, dtype=DType.INT64)
    places = add(mul(starts, scalar_like(starts, frame_step)), iota(shape=shape, axis=1, dtype=DType.INT64))
    frames = gather(wide(x), places, axis=1)
    if window is not None:
        column = reshape(wide(window), shape=(frame_length, 1))
        frames = mul(frames, broadcast(column, shape=frames.shape))
    return narrow(dft(frames, axis=2, size=frame_length, inverse=False, onesided=onesided), x.dtype)


@op
def cosine_window(
    count: Value | None = None, *, size: Dim, kind: WindowKind, periodic: bool, dtype: DType
) -> TensorType:
    """`a + b cos(2 pi n / N) + c cos(4 pi n / N)` for n < size (ONNX HannWindow, HammingWindow, BlackmanWindow).

    result: [size] of `dtype`, a number type (integers are cut off). N is `size` where `periodic`, else size - 1, and
    at least 1. `count`: an integer, gives the size at run time.
    """
    require_scalar(count)
    if not (dtype.is_floating or dtype.is_integer):
        raise InvalidModelError(f"a number type is needed, got {dtype}")
    if isinstance(size, int) and size < 0:
        raise InvalidModelError(f"a window of {size} points")
    return TensorType(dtype, (size,))


@cosine_window.reference
def _cosine_window_reference(
    count: Array | None, *, size: int, kind: WindowKind, periodic: bool, dtype: DType
) -> Array:
    points = number_of(count, size)
    if points < 0:
        raise InvalidModelError(f"a window of {points} points")
    angle = 2 * np.pi * np.arange(points) / max(points if periodic else points - 1, 1)
    a, b, c = COEFFICIENTS[kind]
    return (a + b * np.cos(angle) + c * np.cos(2 * angle)).astype(dtype.dtype)


cosine_window.host("what comes only at run time decides its matrix or its size; else it comes apart")


@cosine_window.decompose
def _cosine_window_decompose(
    count: Value | None = None, *, size: Dim, kind: WindowKind, periodic: bool, dtype: DType
) -> Value:
    if count is not None or not isinstance(size, int):
        raise _unknown("a window", "its points")
    index = iota(shape=(size,), axis=0, dtype=DType.FLOAT64)
    period = max(size if periodic else size - 1, 1)
    angle = mul(index, scalar_like(index, 2 * np.pi / period))
    a, b, c = COEFFICIENTS[kind]
    result = add(scalar_like(angle, a), mul(scalar_like(angle, b), cos(angle)))
    if c:
        result = add(result, mul(scalar_like(angle, c), cos(add(angle, angle))))
    return cast_op(result, dtype=dtype)


cosine_window.no_gradient("there is nothing to differentiate by: a number of points")


@op
def mel_weight_matrix(
    mel_bins: Value, points: Value, rate: Value, low: Value, high: Value, *, shape: Shape, dtype: DType
) -> TensorType:
    """The triangles that sum a spectrum into bands of equal width on the mel scale (ONNX MelWeightMatrix).

    mel_bins, points, rate: integers: how many bands, how many points the transform had, how many samples a second; low,
    high: floating, Hz: where the first band begins and the last ends; result: [points // 2 + 1, mel_bins] of `dtype`;
    `shape` is what is known of that. The scale is `2595 * log10(1 + f / 700)`.
    """
    for value in (mel_bins, points, rate):
        require_scalar(value)
    require_floating(low, high)
    require_scalar(low, low.dtype)
    require_scalar(high, low.dtype)
    if len(shape) != 2 or not (dtype.is_floating or dtype.is_integer):
        raise InvalidModelError(f"two axes of numbers come out, got {list(shape)} of {dtype}")
    return TensorType(dtype, shape)


@mel_weight_matrix.reference
def _mel_weight_matrix_reference(
    mel_bins: Array, points: Array, rate: Array, low: Array, high: Array, *, shape: tuple[int, ...], dtype: DType
) -> Array:
    count, length, samples = number_of(mel_bins, 0), number_of(points, 0), number_of(rate, 0)
    if count < 1 or length < 1 or samples < 1:
        raise InvalidModelError(f"{count} bands of {length} points at {samples} samples a second")
    lowest, highest = (2595 * np.log10(1 + float(only_element(edge)) / 700) for edge in (low, high))
    mel = lowest + np.arange(count + 2) * ((highest - lowest) / (count + 2))
    hertz = 700 * (10 ** (mel / 2595) - 1)
    edges = np.floor((length + 1) * hertz / samples).astype(np.int64)
    result = np.zeros((length // 2 + 1, count))
    if int(edges.min()) < 0 or int(edges.max()) > length // 2:
        raise InvalidModelError(f"bands of {count} between {lowest} and {highest} mel leave the spectrum")
    for band, (left, center, right) in enumerate(zip(edges[:-2], edges[1:-1], edges[2:], strict=True)):
        if left == center:
            result[center, band] = 1
        else:
            result[left : center + 1, band] = np.arange(center - left + 1) / (center - left)
        if right > center:
            result[center:right, band] = np.arange(right - center, 0, -1) / (right - center)
    return result.astype(dtype.dtype)


mel_weight_matrix.host("a small table, made once; folding makes a literal of it")
mel_weight_matrix.no_gradient("the edges of its triangles are rounded to whole points")

__all__ = ["cosine_window", "dft", "mel_weight_matrix", "stft"]
