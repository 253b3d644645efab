"""How far a file of a network is from Keras, by xir or onnxruntime; a line of JSON. No TensorFlow is installed here.

`python -m tests.frontends.keras.applications.judge`, and then

- `read MODEL FOLDER`: read and compiled by xir
- `steps MODEL FOLDER`: the same of a model in integers
- `onnx MODEL FOLDER`: in onnxruntime; nodes and transposes
"""

from __future__ import annotations

import importlib.util
import json
import sys
import warnings
from pathlib import Path

import numpy as np

from tests.frontends.keras.applications.foreign import compared


def read(model: str, folder: str) -> dict[str, object]:
    """A file's compiled results beside Keras's."""
    with np.load(f"{folder}/io.npz") as held:
        return compared(_compiled(model, held["x"]), held["y"], held["exact"])


def steps(model: str, folder: str) -> dict[str, object]:
    """How many steps of the output's scale the compiled integers are from those of LiteRT's reference kernels, at most.

    `fast` is how many they are from those of its fast kernels, `own` how many these are from those of the reference
    kernels, `exact` how many integers of all are the same as those.
    """
    with np.load(f"{folder}/int8.npz") as held:
        x, wanted, fast = held["x"], held["y"].astype(int), held["fast"].astype(int)
    found = _compiled(model, x).astype(int)
    pairs = {"steps": (found, wanted), "fast": (found, fast), "own": (fast, wanted)}
    exact = [int((found == wanted).sum()), found.size]
    return {**{key: int(np.abs(one - other).max()) for key, (one, other) in pairs.items()}, "exact": exact}


def onnx(model: str, folder: str) -> dict[str, object]:
    """A file's results in onnxruntime beside Keras's; its nodes, and how many are transposes."""
    import onnx
    import onnxruntime

    with np.load(f"{folder}/io.npz") as held:
        x, wanted, exact = held["x"], held["y"], held["exact"]
    kinds = [node.op_type for node in onnx.ModelProto.FromString(Path(model).read_bytes()).graph.node]
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {session.get_inputs()[0].name: x})
    counts = {"nodes": len(kinds), "transposes": kinds.count("Transpose"), "bytes": Path(model).stat().st_size}
    return compared(found, wanted, exact) | counts


def _compiled(model: str, x: np.ndarray) -> np.ndarray:
    import xir

    (found,) = xir.compile(xir.optimize(xir.load(model)))(x)
    return found


COMMANDS = {"read": read, "steps": steps, "onnx": onnx}

if __name__ == "__main__":
    if importlib.util.find_spec("tensorflow") is not None:
        sys.exit("TensorFlow is installed here: that xir needs none would not be shown")
    warnings.simplefilter("ignore")
    print(json.dumps(COMMANDS[sys.argv[1]](*sys.argv[2:])))
