"""Networks of keras.applications in, as archives and in HDF5, and out as ONNX: `make applications`.

    python -m tests.frontends.keras.applications --keras PYTHON [--table FILE] [NAME ...]

PYTHON is an interpreter that has Keras 3 with TensorFlow and needs nothing of xir; it makes one network after another,
with random weights and one input, and says what Keras computes. The rest runs here.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

MADE = """
import os, sys
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
import keras, numpy as np
name, size, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3]
build = getattr(keras.applications, name)
model = build(weights=None, input_shape=(size, size, 3), classes=10, classifier_activation=None)
generator = np.random.default_rng(0)
for weight in model.weights:
    shape, path = weight.shape, weight.path
    if path.endswith(("gamma", "variance")):
        weight.assign(generator.uniform(0.7, 1.3, shape))
    elif path.endswith(("beta", "mean", "bias")):
        weight.assign(generator.normal(0, 0.1, shape))
model.save(folder + "/model.keras")
model.save(folder + "/model.h5")
x = generator.uniform(0, 1, (2, size, size, 3)).astype(np.float32)
np.savez(folder + "/io.npz", x=x, y=np.asarray(model(x, training=False)), layers=len(model.layers))
"""
"""What makes one network."""

SIZES = {
    **dict.fromkeys(["Xception", "InceptionV3", "InceptionResNetV2"], 96),
    **dict.fromkeys(
        [
            "VGG16", "VGG19",
            "ResNet50", "ResNet101", "ResNet152", "ResNet50V2", "ResNet101V2", "ResNet152V2",
            "MobileNet", "MobileNetV2", "MobileNetV3Small", "MobileNetV3Large",
            "DenseNet121", "DenseNet169", "DenseNet201",
            "NASNetMobile",
            "EfficientNetB0", "EfficientNetB1", "EfficientNetB2", "EfficientNetB3", "EfficientNetB4",
            "EfficientNetV2B0", "EfficientNetV2B1", "EfficientNetV2B2", "EfficientNetV2B3", "EfficientNetV2S",
            "ConvNeXtTiny", "ConvNeXtSmall",
        ],
        64,
    ),
}  # fmt: skip
"""Side lengths of the images, in pixels."""

HEAD = "| network | layers | .keras | .h5 | ONNX | nodes | transposes | read, s |\n|---|---|---|---|---|---|---|---|\n"


def error(found, wanted):
    """The largest difference, relative to the largest element; in words where the shapes differ."""
    if found.shape != wanted.shape:
        return f"{found.shape} for {wanted.shape}"
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


def compared(path, x, wanted):
    """The graph of a file, the seconds of reading it, and how far its compiled results are from Keras's."""
    import xir

    begin = time.perf_counter()
    graph = xir.load(path)
    taken = time.perf_counter() - begin
    (found,) = xir.compile(xir.optimize(graph))(x)
    return graph, taken, error(found, wanted)


def exported(graph, path, x, wanted):
    """How far the exported model is from Keras in onnxruntime; its nodes, and how many of them are transposes."""
    import onnx
    import onnxruntime

    import xir

    xir.export(xir.optimize(graph), path)
    kinds = [node.op_type for node in onnx.load(path, load_external_data=False).graph.node]
    session = onnxruntime.InferenceSession(path)
    (found,) = session.run(None, {session.get_inputs()[0].name: x})
    return error(found, wanted), len(kinds), kinds.count("Transpose")


def told(value):
    """An error as the table says it."""
    return f"{value:.0e}" if isinstance(value, float) else str(value)


def row(python, name, folder):
    """One network's row."""
    made = subprocess.run(
        [python, "-c", MADE, name, str(SIZES[name]), folder], capture_output=True, text=True, check=False
    )
    if made.returncode:
        return f"| {name} | not made: {made.stderr.strip().splitlines()[-1][:80]} | | | | | | |"
    with np.load(f"{folder}/io.npz") as held:
        x, wanted, layers = held["x"], held["y"], int(held["layers"])
    try:
        graph, taken, archive = compared(f"{folder}/model.keras", x, wanted)
        _, _, whole = compared(f"{folder}/model.h5", x, wanted)
        onnx_error, nodes, transposes = exported(graph, f"{folder}/model.onnx", x, wanted)
    except Exception as problem:  # the row says what failed
        return f"| {name} | {layers} | {str(problem).replace('|', '/')[-160:]} | | | | | |"
    errors = " | ".join(map(told, (archive, whole, onnx_error)))
    return f"| {name} | {layers} | {errors} | {nodes} | {transposes} | {taken:.1f} |"


def main():
    """Measures the named networks, or all; writes the rows into the table's file."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--keras", required=True)
    parser.add_argument("--table")
    parser.add_argument("names", nargs="*")
    wishes = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = {}
    for name in wishes.names or SIZES:
        with tempfile.TemporaryDirectory() as folder:
            rows[name] = row(wishes.keras, name, folder)
        print(rows[name], flush=True)
    if wishes.table:
        path = Path(wishes.table)
        text = path.read_text()
        lines = re.findall(r"^(\| (\w+) \| \d.*)$", text, re.MULTILINE)
        known = {name: line for line, name in lines}
        rows = {name: rows.get(name, known.get(name)) for name in SIZES if name in rows or name in known}
        path.write_text(text[: text.index(HEAD)] + HEAD + "\n".join(rows.values()) + "\n")
    sys.exit(any(not re.fullmatch(r"\|[^|]*\|[^|]*\|( \de-[0-9]+ \|){3}.*", line) for line in rows.values()))


if __name__ == "__main__":
    main()
