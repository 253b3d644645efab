"""The ways of a network in and out: what is run for each, in a process with a time limit and bounded memory."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.frontends.keras.applications.architectures import INTEGERS, SIZES, TIMED, TURNS

Answer = dict[str, Any]
"""What came of a way: `status`, and what is known of it.

These are `error`, `exact`, `own`, `steps`, `nodes`, `transposes`, `bytes`, `seconds`, `cpu`, or `told`.
"""

TOLERANCE = 1e-4
"""The largest difference from Keras that is equal, relative to the largest element of the result."""

ROUNDING = 2.0
"""A result is rounded like Keras's where it lies no more than so many times as far from that in float64."""

SECONDS = 1800
"""How long a process may take."""

MEMORY = 16 << 30
"""How many bytes of addresses a process may have."""

REPOSITORY = Path(__file__).parents[4]
FOREIGN = str(Path(__file__).with_name("foreign.py"))
JUDGE = "tests.frontends.keras.applications.judge"


@dataclass(frozen=True)
class Conversion:
    """A converter's process, and what it writes.

    Attributes:
        command: the words behind the interpreter; FOLDER stands for the network's folder.
        ours: whether xir's interpreter runs it, or that of Keras and TensorFlow.
        written: the file's name.
    """

    command: tuple[str, ...]
    ours: bool
    written: str


READ = {"keras": "model.keras", "h5": "model.h5", "saved": "saved", "tflite": "converter.tflite"}
"""Files that xir reads and compiles."""


def _convert(source: str, written: str) -> Conversion:
    words = ("-m", "xir", "convert", f"FOLDER/{source}", "--no-verify", "-o", f"FOLDER/{written}")
    return Conversion(words, True, written)


_TF2ONNX = ("-m", "tf2onnx.convert", "--saved-model", "FOLDER/saved", "--output", "FOLDER/c.onnx")

CONVERSIONS = {
    "onnx": _convert("model.keras", "a.onnx"),
    "saved-onnx": _convert("saved", "b.onnx"),
    "tf2onnx": Conversion(_TF2ONNX, False, "c.onnx"),
    "to-tflite": _convert("model.keras", "a.tflite"),
    "converter": Conversion((FOREIGN, "tflite", "FOLDER"), False, "converter.tflite"),
}
"""Converters, each a process from its start to its end."""

WAYS = ("keras", "h5", "saved", "onnx", "saved-onnx", "tf2onnx", "to-tflite", "converter", "tflite", "int8")
"""All ways; `tflite` reads what `converter` writes, `int8` is of the networks in `INTEGERS` alone."""

PEERS = ("tf2onnx", "converter")
"""Ways that say nothing of xir."""


def ways_of(name: str) -> tuple[str, ...]:
    """The ways that a network has."""
    return tuple(way for way in WAYS if way != "int8" or name in INTEGERS)


def ran(command: Sequence[str], environment: Mapping[str, str] = {}) -> tuple[Answer, str]:
    """A process's answer, without a status where it ended well, and its last line; no others run at the same time."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    process = subprocess.Popen(
        ["sh", "-c", f'ulimit -v {MEMORY >> 10}; exec "$@"', "sh", *command],
        cwd=REPOSITORY, env=os.environ | dict(environment), text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        said, told = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return {"status": "late", "told": f"longer than {SECONDS} s"}, ""
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    answer: Answer = {"seconds": round(time.perf_counter() - begin, 2), "cpu": round(cpu, 2)}
    if process.returncode:
        lines = [line for line in told.split("\n") if line and not line.startswith((" ", "Traceback"))]
        answer |= {"status": "failed", "told": " ".join(lines[-2:]) or f"ended with {process.returncode}"}
    return answer, said.strip().rpartition("\n")[2]


@dataclass(frozen=True)
class Measured:
    """A network that is measured.

    Attributes:
        name: of the network.
        python: the interpreter that has Keras, TensorFlow, tf2onnx and LiteRT.
        folder: where its files stand.
    """

    name: str
    python: str
    folder: Path

    def answers(self, ways: Sequence[str]) -> Iterator[tuple[str, Answer]]:
        """What came of each way."""
        made, _ = self._foreign("make", self.name, str(SIZES[self.name]), str(self.folder))
        if "status" in made:
            yield from ((way, made | {"status": "not made"}) for way in ways)
            return
        converted = self.converted([way for way in CONVERSIONS if way in ways])
        for way in ways:
            if way in CONVERSIONS:
                yield way, self._written(way, converted[way])
            elif way == "int8":
                yield way, self._integers()
            else:
                yield way, self._read(READ[way])

    def converted(self, ways: Sequence[str]) -> dict[str, Answer]:
        """Times of the converters, in turns; with a status where one failed."""
        times: dict[str, Answer] = {way: {"seconds": [], "cpu": []} for way in ways}
        for _ in range(TURNS if self.name in TIMED else 1):
            for way in (way for way in ways if "status" not in times[way]):
                answer = self._conversion(CONVERSIONS[way])
                for key in ("seconds", "cpu"):
                    times[way][key].append(answer.pop(key, None))
                times[way] |= answer
        return times

    def _conversion(self, conversion: Conversion) -> Answer:
        words = [word.replace("FOLDER", str(self.folder)) for word in conversion.command]
        answer, _ = ran([sys.executable if conversion.ours else self.python, *words])
        return answer

    def _written(self, way: str, times: Answer) -> Answer:
        """A converter's times, with what its file computes in the runtime of its format."""
        path = str(self.folder / CONVERSIONS[way].written)
        if "status" in times:
            return times
        if path.endswith(".onnx"):
            return judged(self._ours("onnx", path)) | times
        return judged(self._foreign("run", path, str(self.folder))) | times

    def _read(self, name: str) -> Answer:
        path = self.folder / name
        if not path.exists() and (made := self._conversion(CONVERSIONS["converter"])).get("status"):
            return made | {"status": "not made"}
        return judged(self._ours("read", str(path)))

    def _integers(self) -> Answer:
        made, _ = self._foreign("integers", str(self.folder))
        if "status" in made:
            return made | {"status": "not made"}
        return judged(self._ours("steps", str(self.folder / "int8.tflite")))

    def _ours(self, command: str, path: str) -> tuple[Answer, str]:
        words = [sys.executable, "-m", JUDGE, command, path, str(self.folder)]
        return ran(words, {"XIR_CACHE": str(self.folder / "cache")})

    def _foreign(self, *words: str) -> tuple[Answer, str]:
        return ran([self.python, FOREIGN, *words])


def judged(process: tuple[Answer, str]) -> Answer:
    """What a process that compares found, and whether that is equal, rounding or different.

    Integers are equal within a step of either of LiteRT's two sets of kernels. Where a step somewhere has grown on its
    way through the network, they are rounded if they are no farther from one set than the sets are from one another.
    """
    answer, last = process
    if "status" in answer:
        return answer
    found = json.loads(last)
    return {"status": _status(found)} | found


def _status(found: Answer) -> str:
    if "told" in found:
        return "different"
    if "steps" in found:
        nearest = min(found["steps"], found["fast"])
        return "equal" if nearest <= 1 else "rounding" if nearest <= found["own"] else "different"
    if found["error"] <= TOLERANCE:
        return "equal"
    return "rounding" if found["exact"] <= ROUNDING * found["own"] else "different"
