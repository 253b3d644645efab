"""Fourier transforms, windows and the mel scale: numbers known by hand, and what does not fit."""

from __future__ import annotations

import numpy as np
import pytest

from tests.ops.evaluate import decomposed, evaluate
from xir.errors import InvalidModelError, UnsupportedError, XirError
from xir.ir.dims import Symbol
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.signal import cosine_window, dft, mel_weight_matrix, stft

WHOLE = {"inverse": False, "onesided": False}


def value(*shape: int | Symbol, dtype: DType = DType.FLOAT32) -> Value:
    return Value(TensorType(dtype, shape))


@pytest.mark.parametrize("way", [dft, decomposed(dft)], ids=["reference", "decomposed"])
def test_an_impulse_holds_all_frequencies(way: object) -> None:
    impulse = np.array([1, 0, 0, 0], np.float32).reshape(1, 4, 1)
    found = evaluate(way, impulse, axis=1, size=4, **WHOLE)  # type: ignore[arg-type]  # an operator or a function
    assert found.tolist() == [[[1, 0]] * 4]


def test_a_wave_holds_its_own_frequency() -> None:
    wave = np.cos(2 * np.pi * 2 * np.arange(8) / 8).reshape(1, 8, 1)
    found = evaluate(dft, wave, axis=1, size=8, inverse=False, onesided=True)
    np.testing.assert_allclose(found[0, :, 0], [0, 0, 4, 0, 0], atol=1e-12)


@pytest.mark.parametrize("onesided", [False, True])
def test_the_inverse_gives_the_signal_back(onesided: bool) -> None:
    signal = np.random.default_rng(0).normal(size=(2, 7, 1))
    there = evaluate(dft, signal, axis=1, size=7, inverse=False, onesided=onesided)
    back = evaluate(dft, there, axis=1, size=7, inverse=True, onesided=onesided)
    assert back.shape[-1] == (1 if onesided else 2)
    np.testing.assert_allclose(back[..., :1], signal, atol=1e-12)


def test_frames_start_every_step() -> None:
    signal = np.arange(8, dtype=np.float32).reshape(1, 8, 1)
    found = evaluate(stft, signal, frame_step=3, frame_length=2, onesided=True)
    assert found[0, :, 0, 0].tolist() == [0 + 1, 3 + 4, 6 + 7]


@pytest.mark.parametrize(
    ("kind", "periodic", "expected"),
    [
        ("hann", True, [0, 0.5, 1, 0.5]),
        ("hann", False, [0, 0.75, 0.75, 0]),
        ("hamming", True, [4 / 46, 25 / 46, 1, 25 / 46]),
        ("blackman", True, [0, 0.34, 1, 0.34]),
    ],
)
def test_windows_of_four_points(kind: str, periodic: bool, expected: list[float]) -> None:
    found = evaluate(cosine_window, size=4, kind=kind, periodic=periodic, dtype=DType.FLOAT64)
    np.testing.assert_allclose(found, expected, atol=1e-15)


def test_every_band_of_the_mel_scale_has_its_peak_at_one() -> None:
    numbers = [np.array(number, np.int64) for number in (8, 512, 16000)]
    edges = [np.array(edge, np.float32) for edge in (0, 8000)]
    found = evaluate(mel_weight_matrix, *numbers, *edges, shape=(257, 8), dtype=DType.FLOAT32)
    assert found.max(axis=0).tolist() == [1.0] * 8
    assert np.all(np.diff(found.argmax(axis=0)) > 0)


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: dft(value(1, 4, 1), axis=None, size=4, **WHOLE), "one of the two"),
        (lambda: dft(value(1, 4, 1), axis=1, size=0, **WHOLE), "at least one point"),
        (lambda: dft(value(4), axis=0, size=4, **WHOLE), "is needed"),
        (lambda: stft(value(1, 8, 2), frame_step=1, frame_length=4, onesided=True), "real numbers"),
        (lambda: stft(value(1, 8, 4), frame_step=1, frame_length=4, onesided=False), "is needed"),
        (lambda: cosine_window(size=-1, kind="hann", periodic=True, dtype=DType.FLOAT32), "-1 points"),
        (lambda: mel(shape=(3,)), "two axes"),
    ],
)
def test_what_does_not_fit_is_refused(build: object, text: str) -> None:
    with pytest.raises(InvalidModelError, match=text):
        build()  # type: ignore[operator]  # a function of nothing


def mel(shape: tuple[int, ...]) -> Value:
    numbers = [value(dtype=DType.INT64) for _ in range(3)]
    return mel_weight_matrix(*numbers, value(), value(), shape=shape, dtype=DType.FLOAT32)


@pytest.mark.parametrize(
    ("x", "size", "text"),
    [
        (value(1, 4, 1), Symbol("n"), "length and axis are known"),
        (value(1, Symbol("n"), 1), 4, "sizes of its operand are known"),
        (value(1, 5000, 2), 5000, "too large"),
    ],
)
def test_transforms_come_apart_only_when_they_are_known_and_small(x: Value, size: int, text: str) -> None:
    with pytest.raises(UnsupportedError, match=text):
        decomposed(dft)(x, axis=1, size=size, **WHOLE)


@pytest.mark.parametrize("axis", [-4, 2])
def test_an_axis_of_the_run_is_checked_there(axis: int) -> None:
    x, place = np.zeros((2, 4, 2), np.float32), np.array(axis, np.int64)
    with pytest.raises(XirError, match="holds the parts"):
        evaluate(dft, x, None, place, axis=None, size=Symbol("n"), **WHOLE)
