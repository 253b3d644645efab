"""Hostile files of weights: mutated checkpoints and safetensors of every layout, and those that run code."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import replace

from tests.frontends.archives import Member, archive_bytes, torch_archive
from tests.frontends.torch.pickles.checkpoints import (
    Stored,
    floats,
    pickle_bytes,
    storage,
    tar_bytes,
    tar_of,
    tensor,
    zip_bytes,
)
from tests.frontends.torch.pickles.written import name, running, whole, write
from tests.hostile.case import ANY, Case, case
from tests.hostile.mutate import flips, splices, truncations

SIX = floats(600)
UNSAFE = frozenset((8,))


def small(layout: str) -> bytes:
    """A small checkpoint: tables, lists, a view, a parameter of another type."""
    half = Stored("HalfStorage", bytes(20), 10)
    first = storage("0", SIX) if layout == "zip" else storage("0", SIX, view=None)
    second = storage("1", half) if layout == "zip" else storage("1", half, view=("2", 2, 4))
    value = {
        "epoch": 3,
        "model": {"a.weight": tensor(first, (20, 30)), "a.bias": tensor(first, (5, 2), (1, 5), 100)},
        "rest": [tensor(second, (2, 2)), "word", 1.5, None],
    }
    return (zip_bytes if layout == "zip" else pickle_bytes)(value, {"0": SIX, "1": half})


def small_tar() -> bytes:
    value = {"a": write("11") + b"Q", "b": [write("12") + b"Q", 1.5]}
    return tar_bytes(value, {7: SIX}, {11: (7, 0, (20, 30), (30, 1)), 12: (8, 1, (2,), (1,))}, ((8, 7, 2, 30),))


def small_safetensors() -> bytes:
    header = {
        "__metadata__": {"format": "pt", "tied": "a", "xir.type.c": "i4[5]"},
        "a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
        "b": {"dtype": "BF16", "shape": [], "data_offsets": [24, 26]},
        "c": {"dtype": "U8", "shape": [5], "data_offsets": [26, 31]},
    }
    data = json.dumps(header).encode()
    return struct.pack("<Q", len(data)) + data + bytes(31)


def damaged() -> Iterator[Case]:
    """Hundreds of mutated forms of each layout."""
    wholes = {
        "zip": small("zip"), "pickle": small("pickle"), "tar": small_tar(), "safetensors": small_safetensors(),
    }  # fmt: skip
    for number, (layout, content) in enumerate(wholes.items()):
        yield weights(f"{layout}: whole", content, frozenset((0,)))
        places = head_and_tail(content)
        mutated = (
            *truncations(content, 60, 100 + number),
            *flips(content, 300, 200 + number, places=places),
            *splices(content, 120, 300 + number),
        )
        for title, changed in mutated:
            yield weights(f"{layout}: {title}", changed)


def head_and_tail(content: bytes) -> list[int]:
    """Places in the parts that are structure: the first kilobytes, and the directory at the end."""
    return [*range(min(len(content), 3000)), *range(max(0, len(content) - 1500), len(content))]


def weights(title: str, content: bytes, endings: frozenset[int] = ANY) -> Case:
    return replace(case(title, "m.pth", content), endings=endings, weights=True)


def code() -> Iterator[Case]:
    """Pickles that run code, in every layout and at every place of it."""
    for title, data in running():
        yield weights(f"zip: {title}", torch_archive({"data.pkl": data, "version": b"3\n"}), UNSAFE)
        packed = [Member("a/data.pkl", data, deflate=True), Member("a/version", b"3\n")]
        yield weights(f"deflated zip: {title}", archive_bytes(packed), UNSAFE)
        for place in range(2, 5):
            parts = [whole(part) for part in (0x1950A86A20F9469CFC6C, 1001, {}, 1, [])]
            parts[place] = data
            yield weights(f"pickle {place}: {title}", b"".join(parts), UNSAFE)
        good = {"storages": whole(0) + whole([]), "tensors": whole(0), "pickle": whole(1)}
        for member in good:
            yield weights(f"tar {member}: {title}", tar_of(good | {member: data}), UNSAFE)


def bombs() -> Iterator[Case]:
    """Small files that ask for much."""
    held = storage("0", SIX)
    copied = name("_codecs", "encode") + b"h\0" + write("latin1") + b"\x86R0"
    pickles = {
        "shared lists": write([tensor(held, (1,))]) + b"2\x86" * 60,
        "nested lists": b"]" * 100_000 + b"a" * 99_999,
        "nested tuples": b"N" + b"\x85" * 500_000,
        "marks": b"(" * 400_000,
        "memo": b"N" + b"".join(b"r" + struct.pack("<I", number) for number in range(500_000)),
        "memo far away": b"Nr\xff\xff\xff\xff",
        "lists": b"]" * 1_500_000,
        "sets": b"\x8f" * 1_500_000,
        "numbers": b"\x8b" + struct.pack("<i", 400 << 20),
        "digits": b"L" + b"9" * 60_000 + b"L\n",
        "text of 4 GB": b"X\xff\xff\xff\xff",
        "bytes of 2^63": b"\x8e" + b"\xff" * 7 + b"\x7f",
        "keys of one hash": b"}(" + b"".join(b"\x8a\x0a" + (n * ((1 << 61) - 1)).to_bytes(10, "little") + b"N"
                                              for n in range(1, 60_000)) + b"u",
        "an expanded tensor": write([tensor(held, (1 << 40,), (0,))]),
        "2^60 elements": write([tensor(held, (1 << 30, 1 << 30), (1 << 30, 1))]),
        "tensors": b"]" + tensor(held, (1,)) + b"q\0a" + b"h\0a" * 400_000,
        "copies": write("x" * 1_000_000) + b"q\0" + copied * 900,
    }  # fmt: skip
    for title, data in pickles.items():
        yield weights(title, zip_bytes(data, {"0": SIX}), frozenset((3, 5, 8)))
    zeros = [
        Member("a/data.pkl", whole({"a": tensor(held, (600,))})),
        Member("a/data/0", bytes(60 << 20), deflate=True),
    ]
    yield weights("deflated zeros", archive_bytes(zeros), UNSAFE)
    many = [Member(f"a/{number}", b"", alignment=1) for number in range(70_000)]
    yield weights("70,000 members", archive_bytes(many), frozenset((3, 5, 8)))
    header = b'{"a":' + b"[" * 100_000
    yield weights("nested header", struct.pack("<Q", len(header)) + header, frozenset((3, 5, 8)))
