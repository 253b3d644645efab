"""One compilation and one run in a process of its own, so that its memory and its times are those of nothing else.

The child is `python -P -m xir.inspect._bench_child`; it reads one frame (see `xir.verification._child`) with the
runtime, the file and the inputs, and answers with one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from xir.ir.constant import Array
from xir.verification._child import Header, items, receive, send


def peak_memory() -> int:
    """The most bytes that this process has held in memory (proc_pid_status(5), VmHWM)."""
    for line in Path("/proc/self/status").read_text("ascii", "replace").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    return 0


def _compiled(path: str, threads: int, feeds: Mapping[str, Array]) -> Header:
    from xir.backends.codegen.cached import compile_optimized
    from xir.backends.codegen.engine import host
    from xir.frontends.load import load_model

    started = time.perf_counter()
    graph = load_model(path, None).graph
    read = time.perf_counter() - started
    host()  # LLVM's own beginning is no compilation
    started, used = time.perf_counter(), time.process_time()
    with compile_optimized(graph, threads=threads) as executable:
        taken, spent = time.perf_counter() - started, time.process_time() - used
        del graph
        executable.run(None, feeds)
    return {"read": read, "seconds": taken, "cpu": spent}


def _opened(path: str, threads: int, feeds: Mapping[str, Array]) -> Header:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 4
    started, used = time.perf_counter(), time.process_time()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    taken, spent = time.perf_counter() - started, time.process_time() - used
    session.run(None, dict(feeds))
    return {"read": 0.0, "seconds": taken, "cpu": spent}


def main() -> None:
    """The child's side; what libraries print goes nowhere near the answer."""
    with os.fdopen(os.dup(1), "wb") as answers, os.fdopen(os.dup(0), "rb") as stream:
        os.dup2(2, 1)
        header, arrays = receive(stream)
        feeds = {str(name): cast("Array", array) for name, array in zip(items(header["feeds"]), arrays, strict=True)}
        measure = _opened if header["runtime"] == "onnxruntime" else _compiled
        try:
            found = measure(str(header["path"]), int(str(header["threads"])), feeds)
        except Exception as error:  # the parent tells it, whatever it is
            send(answers, {"error": str(error)})
            return
        send(answers, {**found, "peak": peak_memory()})


if __name__ == "__main__":
    main()
