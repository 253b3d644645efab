"""Made-up weights: the distributions of filler.hpp, in pieces, and large ones in a file instead of in memory."""

from __future__ import annotations

import math

import numpy as np
import pytest

from xir.errors import FileError, InvalidModelError, UnsafeError
from xir.frontends.caffe import fillers
from xir.frontends.caffe.fillers import FillFile, fill, fill_pieces
from xir.frontends.caffe.message import Message
from xir.frontends.caffe.prototext import parse_text


def filler(text: str) -> Message:
    return parse_text(text, "FillerParameter")


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


SHAPE = (40, 30, 3, 3)
XAVIER_IN = math.sqrt(3 / 270)  # fan in: 30 * 3 * 3
XAVIER_OUT = math.sqrt(3 / 360)  # fan out: 40 * 3 * 3
XAVIER_MEAN = math.sqrt(3 / 315)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ('type: "uniform" min: -2 max: 3', -2, 3),
        ('type: "xavier"', -XAVIER_IN, XAVIER_IN),
        ('type: "xavier" variance_norm: FAN_OUT', -XAVIER_OUT, XAVIER_OUT),
        ('type: "xavier" variance_norm: AVERAGE', -XAVIER_MEAN, XAVIER_MEAN),
    ],
)
def test_uniform_numbers_fill_their_range(text: str, low: float, high: float) -> None:
    array = fill(filler(text), SHAPE, rng())
    assert array.shape == SHAPE
    assert array.dtype == np.float32
    assert low <= array.min() < low + 0.01 * (high - low)
    assert high >= array.max() > high - 0.01 * (high - low)


@pytest.mark.parametrize(
    ("text", "mean", "deviation"),
    [
        ('type: "gaussian" mean: 3 std: 0.5', 3.0, 0.5),
        ('type: "msra"', 0.0, math.sqrt(2 / 270)),
        ('type: "constant" value: 1.5', 1.5, 0.0),
        ("", 0.0, 0.0),  # FillerParameter's default: constant, 0
    ],
)
def test_normal_numbers_have_their_mean_and_deviation(text: str, mean: float, deviation: float) -> None:
    array = fill(filler(text), SHAPE, rng()).astype(np.float64)
    assert array.mean() == pytest.approx(mean, abs=max(deviation, 1e-9) * 0.05)
    assert array.std() == pytest.approx(deviation, rel=0.05, abs=1e-9)


def test_a_unit_ball_sums_to_one_over_each_first_index() -> None:
    array = fill(filler('type: "positive_unitball"'), (5, 3, 2), rng())
    assert (array >= 0).all()
    np.testing.assert_allclose(array.sum(axis=(1, 2)), 1, rtol=1e-6)


def test_a_bilinear_filler_is_the_same_pyramid_in_each_channel() -> None:
    line = np.array([0.25, 0.75, 0.75, 0.25], np.float32)  # filler.hpp, BilinearFiller, width 4
    array = fill(filler('type: "bilinear"'), (2, 3, 4, 4), rng())
    np.testing.assert_array_equal(array, np.broadcast_to(np.outer(line, line), (2, 3, 4, 4)))


@pytest.mark.parametrize("kind", ["constant", "gaussian", "uniform", "xavier", "msra", "positive_unitball", "bilinear"])
def test_pieces_and_the_file_hold_what_the_array_holds(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, shape = filler(f'type: "{kind}" value: 2 std: 1 max: 4'), (6, 7, 5, 5)
    whole = fill(asked, shape, rng())
    monkeypatch.setattr(fillers, "PIECE", 64)
    pieces = list(fill_pieces(asked, shape, rng()))
    assert max(piece.size for piece in pieces) == 64
    np.testing.assert_array_equal(np.concatenate(pieces).reshape(shape), whole)
    held = FillFile().add(asked, shape, rng())
    np.testing.assert_array_equal(held.array("<f4", shape), whole)


def test_a_weight_in_the_file_stays_what_it_is_when_others_are_added() -> None:
    file, asked = FillFile(), filler('type: "gaussian" std: 1')
    held = [file.add(asked, (size,), np.random.default_rng(size)) for size in (5, 700, 3)]
    for slice_, size in zip(held, (5, 700, 3), strict=True):
        np.testing.assert_array_equal(slice_.array("<f4", (size,)), fill(asked, (size,), np.random.default_rng(size)))


@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (3, 0)])
@pytest.mark.parametrize("kind", ["gaussian", "positive_unitball"])
def test_shapes_without_elements_or_axes_are_filled(kind: str, shape: tuple[int, ...]) -> None:
    assert fill(filler(f'type: "{kind}"'), shape, rng()).shape == shape


@pytest.mark.parametrize(
    ("text", "shape", "error", "told"),
    [
        ('type: "evil"', (2,), InvalidModelError, "'evil' is not one of"),
        ('type: "bilinear"', (2, 3, 4, 5), InvalidModelError, "square"),
        ('type: "positive_unitball"', (1, 1 << 28), UnsafeError, "positive_unitball"),
        ('type: "constant"', (-1,), InvalidModelError, "-1"),
    ],
)
def test_what_cannot_be_filled_is_refused(text: str, shape: tuple[int, ...], error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        fill(filler(text), shape, rng())


def test_a_temporary_folder_that_takes_nothing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(prefix: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fillers.tempfile, "TemporaryFile", refuse)
    with pytest.raises(FileError, match="made-up weights"):
        FillFile()
