"""Loads a model in a fresh process and runs it: `python footprint_child.py RUNTIME FILE INPUTS NETWORK`; prints JSON.

`seconds` and `cpu_seconds` are from the file to what can be called, imports of the runtime not counted; `compile` is
xir's part after loading, on the wall; `peak` is the process's largest resident memory in bytes (proc(5), VmHWM).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from peers import RUNTIMES, Array, Call, Workload
from safetensors.numpy import load_file


def main(runtime: str, path: str, feeds: str, network: str) -> None:
    """Measures one runtime on the file at `path` with the inputs in the safetensors file `feeds`."""
    workload = Workload(network, Path(path), load_file(feeds), network=network)
    _import(runtime)
    started, cpu = time.perf_counter(), time.process_time()
    call, told = _prepared(runtime, workload)
    told |= {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - cpu}
    call()
    call()
    sys.stdout.write(json.dumps(told | {"peak": _peak()}))


def _prepared(runtime: str, workload: Workload) -> tuple[Call, dict[str, float]]:
    if runtime != "xir":
        call = RUNTIMES[runtime](workload, 1)
        if call is None:
            raise RuntimeError(f"{runtime} does not run {workload.name}")
        return call, {}
    import xir

    graph = xir.load(workload.path)
    started = time.perf_counter()
    executable = xir.compile(graph, threads=1)
    taken = time.perf_counter() - started
    del graph
    return _bound(executable.run, workload.feeds), {"compile": taken}


def _bound(run: Callable[[None, Mapping[str, Array]], object], feeds: Mapping[str, Array]) -> Call:
    return lambda: run(None, feeds)


def _import(runtime: str) -> None:
    __import__({"xir": "xir.api", "OpenVINO": "openvino"}.get(runtime, runtime))


def _peak() -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    raise RuntimeError("the kernel does not tell the largest resident memory")


if __name__ == "__main__":
    main(*sys.argv[1:])
