"""A real network, Yahoo's open_nsfw (a thin ResNet-50): seconds of the reference, of its peers, and of a conversion."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from measure import Figure, Samples, alternate, command, timed, watch

ROUNDS = 5
GOAL_SECONDS = 2.0
WEIGHTS = "resnet_50_1by2_nsfw.caffemodel"


def open_nsfw() -> list[Figure]:
    """The reference against onnxruntime and OpenCV on one picture, and `xir convert` with and without verification.

    Raises:
        FileNotFoundError: the model is not there; `make models` fetches it.
    """
    folder = Path(os.environ.get("XIR_CORPUS_CACHE", "~/.cache/xir-corpus")).expanduser() / "caffe" / "open_nsfw"
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise FileNotFoundError(f"{weights} is absent: run `make models`")
    with tempfile.TemporaryDirectory(prefix="xir-bench-") as name:
        target = Path(name) / "open_nsfw.onnx"
        figures = _conversions(weights, target)
        return [*_runs(weights, target), *figures]


def _conversions(weights: Path, target: Path) -> list[Figure]:
    figures: list[Figure] = []
    for title, extra in (("without verification", ["--no-verify"]), ("with verification on three seeds", [])):
        arguments = command("convert", str(weights), "-o", str(target), *extra)
        samples = Samples([watch(arguments).seconds for _ in range(3)])
        figures.append(Figure(f"open_nsfw: xir convert {title}", samples.median, "s", None, samples.spread))
    return figures


def _runs(weights: Path, model: Path) -> list[Figure]:
    import xir

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        graph = xir.load(weights)
    feeds = xir.random_inputs(graph, 0)
    picture = next(iter(feeds.values()))
    tasks: dict[str, Callable[[], Any]] = {"reference": lambda: xir.run(graph, feeds)}
    tasks.update(_peers(weights, model, np.asarray(picture, np.float32), next(iter(feeds))))
    for task in tasks.values():
        task()
    samples = alternate({name: lambda task=task: timed(task) for name, task in tasks.items()}, ROUNDS)
    mine = samples["reference"].median
    figures = [Figure("open_nsfw: xir.run (the reference)", mine, "s", GOAL_SECONDS, samples["reference"].spread)]
    for name, held in samples.items():
        if name != "reference":
            detail = f"{name} {held.median * 1e3:.1f} ms, {held.spread} (seconds)"
            figures.append(Figure(f"open_nsfw: reference / {name}", mine / held.median, "x", None, detail))
    return figures


def _peers(weights: Path, model: Path, picture: np.ndarray, name: str) -> dict[str, Callable[[], Any]]:
    """The peers that are installed: onnxruntime on the converted file, OpenCV on Caffe's own files."""
    peers: dict[str, Callable[[], Any]] = {}
    try:
        import onnxruntime

        session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
        peers["onnxruntime"] = lambda: session.run(None, {name: picture})
    except ImportError:
        pass
    try:
        import cv2

        net = cv2.dnn.readNetFromCaffe(str(weights.with_name("deploy.prototxt")), str(weights))

        def forward() -> object:
            net.setInput(picture)
            return net.forward()

        peers["cv2.dnn"] = forward
    except ImportError:
        pass
    return peers
