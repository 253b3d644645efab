"""Machine code against other runtimes: the same file, inputs and threads, alternating in one process.

A figure is xir's time divided by that of the fastest other runtime, below 1 where xir is faster: the smallest time of
each over all rounds, with the smallest and largest quotient of one round. In a round each side is called a few times,
after a pause in which threads of the one before that still spin go to sleep, and one call that is not counted.
"""

from __future__ import annotations

import gc
import math
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from measure import Figure
from peers import RUNTIMES, Call, Workload
from workloads import kernels, nets, published

ROUNDS = 7
CALLS = 10
SECONDS = 0.5
"""What the calls of one side may take in a round; slower models are called less often, at least once."""
PAUSE = 0.1
"""Seconds before each side's calls: onnxruntime's threads spin for some time when there is nothing to do."""
MEAN = 1 / 1.2
"""The goal for the geometric mean over the published models, beside onnxruntime."""
TOLERANCE = 1e-3
"""Of the largest output: what xir and onnxruntime may differ by before a figure means nothing."""


def compiled() -> Iterator[Figure]:
    """Kernels, networks and published models, on one thread and on two; then the mean over the published models."""
    with tempfile.TemporaryDirectory(prefix="xir-bench-") as folder:
        for workload in chain(kernels(Path(folder)), nets(Path(folder))):
            for threads in (1, 2):
                yield from _figure(workload, threads, tuple(RUNTIMES))
    for threads in (1, 2):
        quotients: list[float] = []
        for workload in published():
            for figure in _figure(workload, threads, ("xir", "onnxruntime")):
                quotients.append(figure.value)
                yield figure
        if quotients:
            mean = math.exp(sum(map(math.log, quotients)) / len(quotients))
            name = f"geometric mean over the published models, {_threads(threads)}: time of xir / onnxruntime"
            yield Figure(name, mean, "x", MEAN, f"{len(quotients)} models")


def _figure(workload: Workload, threads: int, runtimes: Sequence[str]) -> Iterator[Figure]:
    """One figure, or none where no other runtime runs the file."""
    gc.collect()
    calls = {name: call for name in runtimes if (call := RUNTIMES[name](workload, threads)) is not None}
    if len(calls) < 2:
        return
    _check(workload, calls)
    rounds = [{name: _fastest(call) for name, call in calls.items()} for _ in range(ROUNDS)]
    best = {name: min(each[name] for each in rounds) for name in calls}
    quotients = [_quotient(each) for each in rounds]
    times = ", ".join(f"{name} {seconds * 1e3:.3g} ms" for name, seconds in best.items())
    others = "onnxruntime" if len(runtimes) == 2 else "the best other"
    yield Figure(
        f"{workload.name}, {_threads(threads)}: time of xir / {others}",
        _quotient(best),
        "x",
        workload.goal,
        f"{times}; {min(quotients):.2f} to {max(quotients):.2f} in {ROUNDS} rounds",
    )


def _threads(count: int) -> str:
    return f"{count} thread{'s' * (count > 1)}"


def _quotient(seconds: Mapping[str, float]) -> float:
    return seconds["xir"] / min(value for name, value in seconds.items() if name != "xir")


def _fastest(call: Call) -> float:
    """The smallest seconds of a few calls."""
    time.sleep(PAUSE)
    call()
    best, spent = math.inf, 0.0
    for _ in range(CALLS):
        started = time.perf_counter()
        call()
        taken = time.perf_counter() - started
        best, spent = min(best, taken), spent + taken
        if spent > SECONDS:
            break
    return best


def _check(workload: Workload, calls: Mapping[str, Call]) -> None:
    """Raises RuntimeError where xir and onnxruntime do not agree."""
    if "onnxruntime" not in calls:
        return
    ours, theirs = calls["xir"](), calls["onnxruntime"]()
    if not isinstance(ours, list) or not isinstance(theirs, list):
        raise RuntimeError(f"{workload.name}: a runtime gave no list of outputs")
    for mine, other in zip(ours, theirs, strict=True):
        if np.issubdtype(other.dtype, np.floating) and other.size:
            bound = TOLERANCE * max(1.0, float(np.abs(other).max()))
            if not np.allclose(mine, other, rtol=0, atol=bound, equal_nan=True):
                raise RuntimeError(f"{workload.name}: xir and onnxruntime differ by more than {bound:.2g}")
