"""Mutations of bytes and of text: seeded, so that a case that fails today fails again tomorrow."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

TOKEN = re.compile(rb'"(?:[^"\\\n]|\\.)*"|[A-Za-z_][\w.]*|-?[\d.][\w.+-]*|\s+|.', re.DOTALL)
"""Tokens of prototxt and of `.xir`: strings, words, numbers, white space, single characters."""

EXTREMES = (
    b"0", b"-1", b"1", b"2147483647", b"2147483648", b"4294967296", b"-2147483649", b"4611686018427387904",
    b"9223372036854775807", b"18446744073709551616", b"1e38", b"1e400", b"nan", b"-inf", b"1" * 400, b"0x7fffffff",
)  # fmt: skip
"""Numbers at the borders of every type, and behind them."""

BYTES = (0x00, 0x01, 0x7F, 0x80, 0xFF)


def truncations(data: bytes, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """The data cut at `count` places, half of them near its start, where the structure is."""
    draw = random.Random(seed)
    places = {0, 1, 2, 3, len(data) - 1, len(data) // 2}
    while len(places) < min(count, len(data)):
        near = draw.random() < 0.5
        places.add(draw.randrange(min(len(data), 2000) if near else len(data)))
    for place in sorted(places):
        yield f"cut at {place}", data[:place]


def flips(data: bytes, count: int, seed: int, *, places: list[int] | None = None) -> Iterator[tuple[str, bytes]]:
    """The data with one to four flipped bits, within the first 4096 bytes or at the given places."""
    draw = random.Random(seed)
    for number in range(count):
        changed = bytearray(data)
        told: list[str] = []
        for _ in range(draw.choice((1, 1, 1, 2, 4))):
            place = draw.choice(places) if places else draw.randrange(min(len(data), 4096))
            bit = draw.randrange(8)
            changed[place] ^= 1 << bit
            told.append(f"{place}.{bit}")
        yield f"flip {number}: {' '.join(told)}", bytes(changed)


def splices(data: bytes, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """The data with a run of bytes overwritten, removed, doubled, or put elsewhere."""
    draw = random.Random(seed)
    for number in range(count):
        start = draw.randrange(min(len(data), 8192))
        length = draw.choice((1, 2, 3, 8, 40, 300))
        run = data[start : start + length]
        what = draw.choice(("overwrite", "remove", "double", "move", "noise"))
        if what == "overwrite":
            changed = data[:start] + bytes([draw.choice(BYTES)]) * length + data[start + length :]
        elif what == "remove":
            changed = data[:start] + data[start + length :]
        elif what == "double":
            changed = data[:start] + run + data[start:]
        elif what == "move":
            other = draw.randrange(min(len(data), 8192))
            changed = data[:other] + run + data[other:]
        else:
            changed = data[:start] + draw.randbytes(length) + data[start + length :]
        yield f"{what} {number}: {length} at {start}", changed


def tokens(text: bytes, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Text with tokens deleted, doubled, swapped, or replaced by an extreme number or another token."""
    draw = random.Random(seed)
    words = TOKEN.findall(text)
    solid = [index for index, word in enumerate(words) if not word.isspace()]
    numbers = [index for index in solid if re.fullmatch(rb"-?\d+(\.\d+)?(e-?\d+)?", words[index])]
    for number in range(count):
        changed = list(words)
        one, other = draw.choice(solid), draw.choice(solid)
        what = draw.choice(("delete", "double", "swap", "copy", "extreme", "extreme"))
        if what == "delete":
            changed[one] = b""
        elif what == "double":
            changed[one] += b" " + words[one]
        elif what == "swap":
            changed[one], changed[other] = changed[other], changed[one]
        elif what == "copy":
            changed[one] = words[other]
        elif numbers:
            one = draw.choice(numbers)
            changed[one] = draw.choice(EXTREMES)
        yield f"{what} {number}: token {one}", b"".join(changed)
