"""Packed pictures."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from tests.ops.evaluate import evaluate
from xir.errors import MissingExtraError, UnsafeError
from xir.ops import image
from xir.ops.image import image_decoder

COLORED = np.frombuffer(b"P6 2 1 255\n" + bytes([1, 2, 3, 4, 5, 6]), np.uint8)


@pytest.mark.parametrize(
    ("pixel_format", "expected"),
    [("RGB", [[[1, 2, 3], [4, 5, 6]]]), ("BGR", [[[3, 2, 1], [6, 5, 4]]]), ("Grayscale", [[[2], [5]]])],
)
def test_channels_stand_last_in_the_order_asked_for(pixel_format: str, expected: list[list[list[int]]]) -> None:
    assert evaluate(image_decoder, COLORED, pixel_format=pixel_format).tolist() == expected


def test_a_gray_picture_has_three_channels_when_colors_are_asked_for() -> None:
    gray = np.frombuffer(b"P5 1 1 255\n\x07", np.uint8)
    assert evaluate(image_decoder, gray, pixel_format="RGB").tolist() == [[[7, 7, 7]]]


def test_bytes_that_hold_no_picture_give_an_empty_one() -> None:
    assert evaluate(image_decoder, np.zeros(9, np.uint8), pixel_format="Grayscale").shape == (0, 0, 1)


def test_pixels_are_counted_before_they_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "MAX_PIXELS", 1)
    with pytest.raises(UnsafeError, match="2 x 1 pixels"):
        evaluate(image_decoder, COLORED, pixel_format="RGB")


def test_a_bomb_is_refused() -> None:
    bomb = np.frombuffer(b"P6 60000 60000 255\n" + bytes(9), np.uint8)
    with pytest.raises(UnsafeError, match="exceeds limit"):
        evaluate(image_decoder, bomb, pixel_format="RGB")


def test_without_pillow_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingExtraError) as caught:
        evaluate(image_decoder, COLORED, pixel_format="RGB")
    assert caught.value.hint == "pip install pillow"
