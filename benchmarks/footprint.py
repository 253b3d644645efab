"""What loading costs: seconds until a model can be called, cold and from the cache, and the largest memory.

Each figure is of processes of their own, which load the file and call it twice on one thread. Before it is compiled
from the cache a file has lain unchanged for a minute, as a user's model has: a younger one is hashed whole each time.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from measure import Figure, Samples, watch
from peers import RUNTIMES, Workload, installed
from safetensors.numpy import save_file
from workloads import nets

from xir.runtime.digests import STILL

HEAVY = 50_000_000
"""Bytes of a file from which memory has a goal."""
MEMORY = 0.8
"""The goal: the largest memory divided by onnxruntime's."""
COLD: Mapping[str, float] = {"ResNet-50": 5.0, "BERT-base, 128 tokens": 8.0}
"""Goals in seconds of processor time, without a cache."""
WARM = 0.2
"""The goal in seconds for `xir.compile` where the cache holds the model."""
ROUNDS = 3
Told = Mapping[str, float]


def footprint() -> Iterator[Figure]:
    """Every network: cold, warm and beside the other runtimes."""
    with tempfile.TemporaryDirectory(prefix="xir-bench-") as folder:
        for workload in nets(Path(folder)):
            yield from _figures(workload, Path(folder))


def _figures(workload: Workload, folder: Path) -> Iterator[Figure]:
    feeds = folder / "feeds.safetensors"
    save_file(dict(workload.feeds), feeds)
    with tempfile.TemporaryDirectory(prefix="xir-cache-") as cache:
        cold = _told("xir", workload, feeds, cache)
        time.sleep(max(STILL + 1 - (time.time() - workload.path.stat().st_ctime), 0))
        _told("xir", workload, feeds, cache)  # it notes the hashes
        warm = [_told("xir", workload, feeds, cache) for _ in range(ROUNDS)]
    modules = {"onnxruntime": "onnxruntime", "OpenVINO": "openvino", "torch": "torch"}
    others = {
        name: [_told(name, workload, feeds, "off") for _ in range(ROUNDS)]
        for name in RUNTIMES
        if name in modules and installed(modules[name])
    }
    loads = ", ".join(f"{name} {_median(told, 'cpu_seconds'):.2g} s" for name, told in others.items())
    name = workload.name
    yield Figure(f"{name}: loading and compiling, no cache, CPU", cold["cpu_seconds"], "s", COLD.get(name), loads)
    compiles = Samples([each["compile"] for each in warm])
    yield Figure(f"{name}: xir.compile from the cache", compiles.median, "s", WARM, compiles.spread)
    yield from _memory(workload, cold, warm, others)


def _memory(workload: Workload, cold: Told, warm: list[Told], others: Mapping[str, list[Told]]) -> Iterator[Figure]:
    if "onnxruntime" not in others:
        return
    size = workload.path.stat().st_size
    peaks = {name: _median(told, "peak") / (1 << 20) for name, told in others.items()}
    listed = ", ".join(f"{name} {peak:.0f} MiB" for name, peak in peaks.items())
    for state, peak in (("no cache", cold["peak"]), ("from the cache", _median(warm, "peak"))):
        yield Figure(
            f"{workload.name}: largest memory, {state}: xir / onnxruntime",
            peak / (1 << 20) / peaks["onnxruntime"],
            "x",
            MEMORY if size >= HEAVY else None,
            f"xir {peak / (1 << 20):.0f} MiB, {listed}; the file {size / (1 << 20):.0f} MiB",
        )


def _median(told: list[Told], key: str) -> float:
    return statistics.median(each[key] for each in told)


def _told(runtime: str, workload: Workload, feeds: Path, cache: str) -> Told:
    script = str(Path(__file__).with_name("footprint_child.py"))
    arguments = [sys.executable, script, runtime, str(workload.path), str(feeds), workload.network or ""]
    told: Told = json.loads(watch(arguments, {"XIR_CACHE": cache}).output)
    return told
