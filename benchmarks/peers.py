"""The runtimes that are compared, each as `prepare(workload, threads) -> call`; a call runs the workload once.

Every runtime gets what its own documents name for low latency in float32: onnxruntime with all of its graph
optimisations and outputs bound ahead, OpenVINO's hint LATENCY with float32 and one stream, torch in inference mode.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.generic]
Call = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Workload:
    """A model with inputs.

    Attributes:
        name: what it is.
        path: the ONNX file.
        feeds: {input name: array}.
        goal: what xir's time divided by the best peer's has to stay at or below, or None.
        network: its name in `networks.NETWORKS`, where torch can run it.
    """

    name: str
    path: Path
    feeds: Mapping[str, Array]
    goal: float | None = None
    network: str | None = None


def installed(*modules: str) -> bool:
    """Whether all of the modules can be imported."""
    return all(importlib.util.find_spec(module) is not None for module in modules)


def by_xir(workload: Workload, threads: int) -> Call:
    """Machine code, which `xir.compile` makes of the optimised graph."""
    import xir

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        executable = xir.compile(xir.load(workload.path), threads=threads)
    executable.specialize(*(workload.feeds[port.name] for port in executable.get_inputs()))  # the state that stays
    return lambda: executable.run(None, workload.feeds)


def by_onnxruntime(workload: Workload, threads: int) -> Call | None:
    """onnxruntime, or None where it does not run the file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(str(workload.path), options)
        session.run(None, dict(workload.feeds))
    except Exception:  # onnxruntime's errors have no common base
        return None
    return lambda: session.run(None, dict(workload.feeds))


def by_openvino(workload: Workload, threads: int) -> Call | None:
    """OpenVINO, or None where it does not run the file or is not installed."""
    if not installed("openvino"):
        return None
    import openvino

    hints = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
        "NUM_STREAMS": 1,
    }
    try:
        request = openvino.Core().compile_model(str(workload.path), "CPU", hints).create_infer_request()
        for name, array in workload.feeds.items():
            request.set_tensor(name, openvino.Tensor(array, shared_memory=True))
        request.infer()
    except RuntimeError:  # what OpenVINO raises for all it cannot do
        return None
    return request.infer


def by_torch(workload: Workload, threads: int) -> Call | None:
    """The module that the file was written from, run eagerly; None where there is none."""
    if workload.network is None or not installed("torch"):
        return None
    import torch
    from networks import network

    made = network(workload.network)
    tensors = made.tensors()

    def call() -> object:
        torch.set_num_threads(threads)
        with torch.inference_mode():
            return made.module(*tensors)

    return call


RUNTIMES: Mapping[str, Callable[[Workload, int], Call | None]] = {
    "xir": by_xir,
    "onnxruntime": by_onnxruntime,
    "OpenVINO": by_openvino,
    "torch": by_torch,
}
"""{name: makes the call}; xir first."""
