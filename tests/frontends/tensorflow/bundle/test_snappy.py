"""Snappy blocks: elements by hand, and what is refused."""

from __future__ import annotations

import pytest

from xir.errors import FormatError, UnsafeError
from xir.frontends.tensorflow.bundle.snappy import unpacked

GOOD = {
    "nothing": (b"\x00", b""),
    "literal": (b"\x03\x08abc", b"abc"),
    "long literal": (b"\x46\xf0\x45" + b"x" * 70, b"x" * 70),
    "near copy": (b"\x08\x0cabcd\x01\x04", b"abcdabcd"),
    "copy into itself": (b"\x09\x00a\x11\x01", b"a" * 9),
    "two bytes back": (b"\x06\x08abc\x0a\x03\x00", b"abcabc"),
    "four bytes back": (b"\x06\x08abc\x0b\x03\x00\x00\x00", b"abcabc"),
}


@pytest.mark.parametrize(("packed", "plain"), GOOD.values(), ids=GOOD)
def test_unpacks(packed: bytes, plain: bytes) -> None:
    assert unpacked(memoryview(packed), "x") == plain


BAD = {
    "no length": b"",
    "endless length": b"\x80\x80\x80\x80\x80\x80",
    "cut literal": b"\x03\x08ab",
    "cut length of a literal": b"\x46\xf4\x45",
    "cut copy": b"\x06\x08abc\x0a\x03",
    "copy from before the start": b"\x06\x08abc\x0a\x09\x00",
    "copy from nowhere": b"\x06\x08abc\x0a\x00\x00",
    "too much": b"\x02\x08abc",
    "too little": b"\x04\x08abc",
}


@pytest.mark.parametrize("packed", BAD.values(), ids=BAD)
def test_refuses(packed: bytes) -> None:
    with pytest.raises(FormatError, match="snappy"):
        unpacked(memoryview(packed), "x")


def test_refuses_a_bomb_before_it_unpacks() -> None:
    with pytest.raises(UnsafeError, match="declares"):
        unpacked(memoryview(b"\xff\xff\xff\xff\x0f\x00a"), "x")
