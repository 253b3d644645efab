"""xir and TensorFlow in one process; `python beside.py FOLDER WHEN` is run by an interpreter that has both.

FOLDER is a SavedModel that maps x [2, 2] to y (`dense` of `saved.py`); WHEN is what `import tensorflow` comes before or
after: everything that xir does here, `never` where it is not imported.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

import xir

X = np.array([[1, 2], [-3, 0.5]], np.float32)


FORMATS = ("frozen.pb", "again/saved_model.pb", "model.tflite", "model.keras")
"""What xir writes and reads by itself; `.onnx` is written by the package onnx, which has messages of protobuf."""


def work(folder: Path, *further: str) -> np.ndarray:
    """Reads the SavedModel, writes it in each format, reads those, and says the result of all."""
    graph = xir.load(folder, method="serving_default", outputs=["y"])
    wanted = np.asarray(xir.run(graph, {"x": X})["y"], np.float32)
    for written in (*FORMATS, *further):
        path = folder.parent / written
        path.parent.mkdir(exist_ok=True)
        xir.export(graph, path)
        (found,) = xir.run(xir.load(path), {graph.input_names[0]: X}).values()
        np.testing.assert_allclose(np.asarray(found, np.float32), wanted, rtol=1e-6)
    return wanted


def compared(folder: Path, wanted: np.ndarray) -> None:
    """What TensorFlow makes of the first SavedModel, of that which xir wrote, and of the TFLite file."""
    tensorflow: Any = import_module("tensorflow")
    for path in (folder, folder.parent / "again"):
        signature = tensorflow.saved_model.load(str(path)).signatures["serving_default"]
        found = signature(x=tensorflow.constant(X))["y"]
        np.testing.assert_allclose(found, wanted, rtol=1e-6)
    interpreter = tensorflow.lite.Interpreter(str(folder.parent / "model.tflite"))
    place = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(place, X.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(place, X)
    interpreter.invoke()
    np.testing.assert_allclose(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]), wanted, rtol=1e-6)


def main(folder: Path, when: str) -> None:
    """Ends with an error where one of both disturbs the other."""
    if when == "before":
        import_module("tensorflow")
    further = () if when == "never" else ("model.onnx",)
    wanted = work(folder, *further)
    if when != "never":
        compared(folder, wanted)
        np.testing.assert_array_equal(work(folder, *further), wanted)
    print(*sorted(sys.modules))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
