"""How fast a compiled model is: latency by threads, times to compile, memory; beside onnxruntime where asked for."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, cast

import numpy as np

from xir.backends.codegen.compile import compile_graph
from xir.errors import MismatchError, MissingExtraError, UsageError
from xir.ir.constant import Array
from xir.ir.graph import Graph
from xir.passes import optimize
from xir.runtime.cache import VARIABLE
from xir.runtime.processors import thread_count
from xir.verification import has_onnxruntime
from xir.verification._child import Header, receive, send

OWN, OTHER = "xir", "onnxruntime"
WARM, REPEAT, SECONDS = 3, 50, 3.0
"""Calls before those that are measured, those, and the seconds that a runtime's measured calls may take together."""
GROUP = 3
"""Calls of one runtime before it is the other one's turn."""


@dataclass(frozen=True, slots=True)
class Latency:
    """The calls of one runtime on so many threads.

    Attributes:
        runtime: `xir` or `onnxruntime`.
        threads: at most so many worked.
        seconds: what each measured call took, rising.
    """

    runtime: str
    threads: int
    seconds: tuple[float, ...]

    @property
    def least(self) -> float:
        """The shortest call."""
        return self.seconds[0]

    @property
    def median(self) -> float:
        """The median."""
        return self.quantile(0.5)

    def quantile(self, share: float) -> float:
        """The time below which this share of the calls lies."""
        return float(np.quantile(np.array(self.seconds), share))

    def to_dict(self) -> dict[str, object]:
        """The calls as plain data."""
        return {
            "runtime": self.runtime,
            "threads": self.threads,
            "calls": len(self.seconds),
            "min": self.least,
            "median": self.median,
            "p10": self.quantile(0.1),
            "p90": self.quantile(0.9),
        }


@dataclass(frozen=True, slots=True)
class Start:
    """How a runtime gets a model ready, in a process of its own.

    Attributes:
        runtime: `xir`, or `onnxruntime`.
        cached: whether the machine code was in the cache.
        seconds: to compile (onnxruntime: to open the file).
        cpu: seconds of processor time of that.
        peak: the most bytes that the process held, with one run.
    """

    runtime: str
    cached: bool
    seconds: float
    cpu: float
    peak: int

    def to_dict(self) -> dict[str, object]:
        """The start as plain data."""
        return {
            "runtime": self.runtime,
            "cached": self.cached,
            "seconds": self.seconds,
            "cpu_seconds": self.cpu,
            "peak_bytes": self.peak,
        }


@dataclass(frozen=True, slots=True)
class Bench:
    """How fast a model is.

    Attributes:
        model: its file.
        latencies: by threads, ours before the other's.
        starts: cold, from the cache, and the other's.
        hosted: operators that run in Python.
    """

    model: str
    latencies: tuple[Latency, ...]
    starts: tuple[Start, ...]
    hosted: tuple[str, ...]

    def ratio(self, threads: int) -> float | None:
        """The other runtime's least time by ours: above 1 where xir is faster."""
        found = {each.runtime: each.least for each in self.latencies if each.threads == threads}
        return found[OTHER] / found[OWN] if OTHER in found else None

    def to_dict(self) -> dict[str, object]:
        """The figures as plain data, as `--json` prints them."""
        counts = dict.fromkeys(each.threads for each in self.latencies)
        ratios = [{"threads": count, "speedup": self.ratio(count)} for count in counts]
        return {
            "model": self.model,
            "latencies": [each.to_dict() for each in self.latencies],
            "against": ratios if any(each.runtime == OTHER for each in self.latencies) else [],
            "starts": [each.to_dict() for each in self.starts],
            "hosted": list(self.hosted),
        }


def bench(
    graph: Graph,
    feeds: Mapping[str, Array],
    path: str,
    *,
    other: str | None = None,
    threads: Sequence[int] = (),
    warm: int = WARM,
    repeat: int = REPEAT,
    tune: bool = False,
    name: str | None = None,
    tell: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Bench:
    """Measures a model; calls of two runtimes alternate, so that what else the machine does meets both.

    Args:
        graph: the model.
        feeds: arrays by the names of its inputs.
        path: the file of the model, which a process of its own reads to compile it.
        other: the same model as an ONNX file, for onnxruntime; None to measure xir alone.
        threads: how many threads; () for 1 and twice as many again and again, up to all.
        warm: calls before the measured ones.
        repeat: measured calls of each, fewer where they take more than `SECONDS`.
        tune: whether tiles are chosen by measuring them (`xir.compile`).
        name: what the model is called, else `path`.
        tell: told what is being done.

    Raises:
        UsageError: if `repeat` or a number of threads is less than 1.
        MissingExtraError: if llvmlite is not installed, or onnxruntime where it is asked for.
        UnsupportedError: if the machine is no Linux on x86-64 with AVX2.
        MismatchError: if a runtime cannot run the model.
    """
    if repeat < 1 or warm < 0:
        raise UsageError(f"{warm} calls to warm up and {repeat} to measure: expected at least 0 and 1")
    if other is not None:
        need_onnxruntime()
    counts = [thread_count(count) for count in threads] or _doubling(thread_count())
    latencies: list[Latency] = []
    hosted: tuple[str, ...] = ()
    optimized = optimize(graph)
    for number, count in enumerate(dict.fromkeys(counts)):
        tell("measuring", number, len(counts) + 1)
        with compile_graph(optimized, threads=count, tune=tune) as executable:
            hosted = executable.hosted
            executable.specialize(*(feeds[port.name] for port in executable.get_inputs()))  # the state that stays
            calls: dict[str, Callable[[], object]] = {OWN: _bound(executable.run, feeds)}
            if other is not None:
                calls[OTHER] = _session(other, feeds, count)
            latencies += [Latency(key, count, taken) for key, taken in _alternating(calls, warm, repeat).items()]
    tell("compiling", len(counts), len(counts) + 1)
    starts = _starts(path, other, feeds, max(counts))
    return Bench(path if name is None else name, tuple(latencies), starts, hosted)


def need_onnxruntime() -> None:
    """Refuses where onnxruntime is not installed.

    Raises:
        MissingExtraError: it is not.
    """
    if not has_onnxruntime():
        raise MissingExtraError("onnxruntime is not installed", hint="pip install onnxruntime")


def _doubling(most: int) -> list[int]:
    """1, 2, 4 ... and `most`."""
    counts = [1]
    while counts[-1] * 2 < most:
        counts.append(counts[-1] * 2)
    return counts if most == 1 else [*counts, most]


def _bound(run: Callable[[None, Mapping[str, Array]], object], feeds: Mapping[str, Array]) -> Callable[[], object]:
    return lambda: run(None, feeds)


def _session(path: str, feeds: Mapping[str, Array], threads: int) -> Callable[[], object]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 4
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        session.run(None, dict(feeds))
    except Exception as error:  # onnxruntime's errors have no common base
        raise MismatchError(f"onnxruntime cannot run the model: {error}", number=602, file=path) from error
    return _bound(session.run, feeds)


def _alternating(calls: Mapping[str, Callable[[], object]], warm: int, repeat: int) -> dict[str, tuple[float, ...]]:
    """The seconds of each call, rising."""
    taken: dict[str, list[float]] = {key: [] for key in calls}
    for _ in range(warm):
        for call in calls.values():
            call()
    while any(len(times) < repeat and (not times or sum(times) < SECONDS) for times in taken.values()):
        for key, call in calls.items():
            for _ in range(min(GROUP, repeat - len(taken[key]))):
                started = time.perf_counter()
                call()
                taken[key].append(time.perf_counter() - started)
    return {key: tuple(sorted(times)) for key, times in taken.items()}


def _starts(path: str, other: str | None, feeds: Mapping[str, Array], threads: int) -> tuple[Start, ...]:
    """Twice with a cache of their own, empty at first; then the other runtime."""
    with tempfile.TemporaryDirectory(prefix="xir-bench-") as cache:
        found = [_started(OWN, path, feeds, threads, cache, cached=cached) for cached in (False, True)]
        if other is not None:
            found.append(_started(OTHER, other, feeds, threads, cache, cached=False))
    return tuple(found)


def _started(runtime: str, path: str, feeds: Mapping[str, Array], threads: int, cache: str, *, cached: bool) -> Start:
    folders = os.pathsep.join(folder for folder in sys.path if folder)
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "xir.inspect._bench_child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": folders, VARIABLE: cache},
    )
    with process:
        answer = _asked(process, {"runtime": runtime, "path": os.path.abspath(path), "threads": threads}, feeds)
    if answer is None:
        raise MismatchError(f"{runtime} died of the model: exit code {process.returncode}", number=602, file=path)
    if "error" in answer:
        raise MismatchError(f"{runtime} cannot run the model: {answer['error']}", number=602, file=path)
    seconds, cpu, peak = (float(str(answer[key])) for key in ("seconds", "cpu", "peak"))
    return Start(runtime, cached, seconds, cpu, int(peak))


def _asked(process: subprocess.Popen[bytes], header: Header, feeds: Mapping[str, Array]) -> Header | None:
    """What the child answers; None where it has gone."""
    if process.stdin is None or process.stdout is None:
        return None
    try:
        send(cast("BinaryIO", process.stdin), {**header, "feeds": list(feeds)}, list(feeds.values()))
        return receive(cast("BinaryIO", process.stdout))[0]
    except (OSError, EOFError):
        return None
