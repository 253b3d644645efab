"""Hostile `.xir` files: mutated text, lying companions."""

from __future__ import annotations

import json
import os
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

import xir
from tests.hostile.caffe_files import SMALL, small_caffemodel
from tests.hostile.case import ANY, MISSING, REFUSALS, Case, Content, case
from tests.hostile.mutate import flips, splices, tokens, truncations


def small_xir() -> tuple[bytes, str, bytes]:
    """(text, name of its weights, the weights) of the small net."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "m.prototxt").write_bytes(SMALL)
        (folder / "m.caffemodel").write_bytes(small_caffemodel())
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            graph = xir.load(folder / "m.caffemodel")
        xir.export(graph, folder / "out.xir")
        (companion,) = folder.glob("*.safetensors")
        return (folder / "out.xir").read_bytes(), companion.name, companion.read_bytes()


def text() -> Iterator[Case]:
    """Hundreds of mutated forms of a small net's text."""
    content, name, weights = small_xir()
    yield Case("whole", "m.xir", {"m.xir": content, name: weights})
    mutated = (*truncations(content, 60, 41), *flips(content, 100, 42), *splices(content, 80, 43))
    for title, changed in (*mutated, *tokens(content, 400, 44)):
        yield Case(
            title, "m.xir", {"m.xir": changed, name: weights}, ANY | {MISSING}
        )  # the name of the weights may be hit
    head = content.split(b"\n", 1)[0] + b"\n"
    for depth in (101, 100_000):
        for opening in (b"{", b"(", b"["):
            yield case(f"nested {opening.decode()} {depth}", "m.xir", head + opening * depth, refused=True)


def companions() -> Iterator[Case]:
    """Weights that are damaged, linked, absent, or declare what is not there."""
    content, name, weights = small_xir()
    for title, changed in (*truncations(weights, 40, 45), *flips(weights, 60, 46)):
        yield Case(f"weights: {title}", "m.xir", {"m.xir": content, name: changed})
    for title, header in {
        "huge header": struct.pack("<Q", 1 << 62),
        "negative": struct.pack("<q", -1),
        "overlap": _header({"a": _entry([4], 0, 16), "b": _entry([4], 8, 24)}),
        "huge shape": _header({"a": _entry([1 << 62, 1 << 62], 0, 16)}),
        "deep": struct.pack("<Q", 100_000) + b"[" * 100_000,
    }.items():
        yield Case(f"weights: {title}", "m.xir", {"m.xir": content, name: header + bytes(64)}, REFUSALS)
    linked: dict[str, Content] = {"m.xir": content, "other": weights, name: lambda path: path.symlink_to("other")}
    yield Case("weights: link", "m.xir", linked, frozenset((8,)))
    hard: dict[str, Content] = {
        "m.xir": content,
        "other": weights,
        name: lambda path: os.link(path.with_name("other"), path),
    }
    yield Case("weights: hard link", "m.xir", hard, frozenset((8,)))
    yield Case("weights: absent", "m.xir", {"m.xir": content}, frozenset((9,)))
    for title, other in {"parent": "../x", "absolute": "/etc/passwd", "device": "/dev/zero", "nul": "x\\u0000"}.items():
        changed = content.replace(name.encode(), other.encode())
        yield Case(f"weights at {title}", "m.xir", {"m.xir": changed}, REFUSALS | {9})


def _entry(shape: list[int], start: int, end: int) -> dict[str, object]:
    return {"dtype": "F32", "shape": shape, "data_offsets": [start, end]}


def _header(entries: dict[str, object]) -> bytes:
    encoded = json.dumps(entries).encode()
    return struct.pack("<Q", len(encoded)) + encoded
