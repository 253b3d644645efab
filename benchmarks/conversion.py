"""What a conversion costs: VGG-16 against reading plus writing the same bytes, and its anonymous memory."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from measure import Figure, Process, Samples, alternate, command, timed, watch
from nets import write_vgg

ROUNDS = 7
STEP = 1 << 20
MEMORY_GOAL = 300.0
"""MiB of anonymous memory."""


def conversion() -> list[Figure]:
    """`xir convert --no-verify` of a 553 MB caffemodel; the source in the page cache, and out of it.

    One round is a copy (read and write in pieces of 1 MiB, then fsync), then a conversion (which ends with an fsync
    of its own), each into the folder of the source.
    """
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="xir-bench-") as name:
        folder = Path(name)
        model = write_vgg(folder)
        size = model.stat().st_size
        processes: list[Process] = []
        for state in ("in", "out of"):
            prepare = _load_cache if state == "in" else _drop_cache
            samples = alternate(
                {
                    "copy": lambda ready=prepare: _copy(model, folder / "copy", ready),
                    "convert": lambda ready=prepare: _convert(model, folder / "out.onnx", ready, processes),
                },
                ROUNDS,
            )
            figures.append(_ratio(samples, size, state))
        memory = Samples([process.anonymous / (1 << 20) for process in processes])
        detail = f"{memory.spread}; {size / 1e6:.0f} MB caffemodel, RssAnon"
        figures.append(Figure("VGG-16 conversion, peak anonymous memory", memory.median, "MiB", MEMORY_GOAL, detail))
    return figures


def _ratio(samples: dict[str, Samples], size: int, state: str) -> Figure:
    ratios = Samples(
        [mine / copy for mine, copy in zip(samples["convert"].values, samples["copy"].values, strict=True)]
    )
    detail = (
        f"ratios {ratios.spread}; convert {samples['convert'].median:.2f} s, copy {samples['copy'].median:.2f} s "
        f"of {size / 1e6:.0f} MB, fsync on both sides"
    )
    name = f"VGG-16 conversion / copy of the same bytes, source {state} the page cache"
    return Figure(name, ratios.median, "x", 3.0, detail)


def _load_cache(path: Path) -> None:
    with path.open("rb", buffering=0) as source:
        buffer = bytearray(STEP)
        while source.readinto(buffer):
            pass


def _drop_cache(path: Path) -> None:
    with path.open("rb") as source:
        os.posix_fadvise(source.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _copy(source: Path, target: Path, prepare: Callable[[Path], None]) -> float:
    prepare(source)
    seconds = timed(lambda: _read_and_write(source, target))
    target.unlink()
    return seconds


def _read_and_write(source: Path, target: Path) -> None:
    buffer = bytearray(STEP)
    view = memoryview(buffer)
    with source.open("rb", buffering=0) as read, target.open("wb", buffering=0) as written:
        while count := read.readinto(buffer):
            written.write(view[:count])
        os.fsync(written.fileno())


def _convert(source: Path, target: Path, prepare: Callable[[Path], None], processes: list[Process]) -> float:
    prepare(source)
    process = watch(command("convert", str(source), "-o", str(target), "--no-verify"))
    target.unlink()
    processes.append(process)
    return process.seconds
