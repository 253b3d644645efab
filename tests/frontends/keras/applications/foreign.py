"""What needs Keras, TensorFlow or LiteRT, and nothing of xir; run by an interpreter that has them.

- `python foreign.py make NAME SIZE FOLDER`: a network with random weights, saved in three formats, and what it computes
- `python foreign.py tflite FOLDER`: its SavedModel to `converter.tflite`, by TensorFlow's converter
- `python foreign.py integers FOLDER`: the same in integers, to `int8.tflite`, and what LiteRT computes with it
- `python foreign.py run MODEL FOLDER`: what LiteRT computes with a TFLite file; its operators: a line of JSON
"""

from __future__ import annotations

import json
import math
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

APART = 0.01
"""How far the answers to the two images are from each other at least, relative to the largest element."""


WIDE = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float64"}, "registered_name": None}
"""A policy of Keras: layers that compute in float64."""


def make(name: str, size: str, folder: str) -> None:
    """Writes `model.keras`, `model.h5`, `saved/`, and two random images with the network's answers (`io.npz`).

    `y` is what Keras computes in float32, `exact` in float64.
    """
    keras: Any = import_module("keras")
    side = int(size)
    build = getattr(keras.applications, name)
    model = build(weights=None, input_shape=(side, side, 3), classes=10, classifier_activation=None)
    generator = np.random.default_rng(0)
    prepares = any(type(layer).__name__ in ("Normalization", "Rescaling") for layer in model.layers)
    images = _images(generator, 8, side, 255 if prepares else 1)
    _enliven(model, images, generator)
    x = images[:2]
    y = np.asarray(model(x, training=False))
    apart = float(np.abs(y[0] - y[1]).max() / np.abs(y).max())
    if not apart > APART:
        sys.exit(f"the answers to two images differ by {apart:.0e} alone: whether they are right would not be shown")
    np.savez(f"{folder}/io.npz", x=x, y=y, exact=_exact(model, x))
    model.save(f"{folder}/model.keras")
    model.save(f"{folder}/model.h5")
    model.export(f"{folder}/saved", verbose=False)
    print(json.dumps({"apart": apart}))


def _exact(model: Any, x: np.ndarray) -> np.ndarray:
    """What the network computes in float64."""
    keras: Any = import_module("keras")
    keras.config.set_floatx("float64")
    wide = type(model).from_config(_widened(model.get_config()))
    keras.config.set_floatx("float32")
    wide.set_weights([np.asarray(weight, np.float64) for weight in model.get_weights()])
    _finalize(wide)
    return np.asarray(wide(x.astype(np.float64), training=False))


def _widened(config: Any) -> Any:
    """A configuration whose layers compute in float64."""
    if isinstance(config, list | tuple):
        return [_widened(value) for value in config]
    if not isinstance(config, dict):
        return config
    wide: dict[str, Any] = {key: _widened(value) for key, value in config.items()}
    if isinstance(wide.get("dtype"), str):
        return wide | {"dtype": "float64"}
    return wide | ({"dtype": WIDE} if "dtype" in wide else {})


def _images(generator: np.random.Generator, count: int, side: int, top: float) -> np.ndarray:
    """Images of 64 random squares.

    Of single random pixels a deep network sees their mean alone, in which images are alike; what tells them apart is
    then small, and normalising it enlarges rounding.
    """
    squares = generator.uniform(0, top, (count, 8, 8, 3)).astype(np.float32)
    return squares.repeat(side // 8, axis=1).repeat(side // 8, axis=2)


def _enliven(model: Any, x: np.ndarray, generator: np.random.Generator) -> None:
    """Random weights with which the answer depends on the image.

    Normalisations have the statistics of the images: with those that they begin with, the signal is lost on its way
    through a deep network, and the answer is that of the biases. Without normalisations, weights of layers that end in
    ReLU keep the signal's size if their variance is 2 over the number of operands (He et al. 2015, section 2.2).
    """
    kinds = {type(layer).__name__ for layer in model.layers}
    plain = not kinds & {"BatchNormalization", "LayerNormalization"}
    for weight in model.weights:
        if weight.path.endswith(("gamma", "variance")):
            weight.assign(generator.uniform(0.7, 1.3, weight.shape))
        elif weight.path.endswith(("beta", "mean", "bias")):
            weight.assign(generator.normal(0, 0.1, weight.shape))
        elif plain and weight.path.endswith("kernel"):
            weight.assign(generator.normal(0, math.sqrt(2 / math.prod(weight.shape[:-1])), weight.shape))
    _measure(model, x)


def _measure(model: Any, x: np.ndarray) -> None:
    """Gives batch normalisations the statistics of the images.

    A channel that hardly varies among eight images would have Keras's own rounding enlarged: its variance is half the
    mean of all channels' at least.
    """
    _finalize(model)
    norms = [layer for layer in model.layers if type(layer).__name__ == "BatchNormalization"]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0
    if norms:
        model(x, training=True)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        variance = np.asarray(norm.moving_variance)
        norm.moving_variance.assign(np.maximum(variance, variance.mean() / 2))


def _finalize(model: Any) -> None:
    """Has `Normalization` compute what it does of its weights."""
    for layer in model.layers:
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()


def tflite(folder: str) -> None:
    """The SavedModel in TFLite, as TensorFlow's own converter writes it."""
    tensorflow: Any = import_module("tensorflow")
    written = tensorflow.lite.TFLiteConverter.from_saved_model(f"{folder}/saved").convert()
    Path(f"{folder}/converter.tflite").write_bytes(written)


def integers(folder: str) -> None:
    """The SavedModel in integers; `int8.npz` holds x, and the answers of LiteRT's reference kernels and fast ones."""
    tensorflow: Any = import_module("tensorflow")
    kernels = _litert("interpreter").OpResolverType
    with np.load(f"{folder}/io.npz") as held:
        x: Any = held["x"]
    samples = _images(np.random.default_rng(1), 16, x.shape[1], x.max())[:, None]
    converter = tensorflow.lite.TFLiteConverter.from_saved_model(f"{folder}/saved")
    converter.optimizations = [tensorflow.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([sample] for sample in samples)
    converter.target_spec.supported_ops = [tensorflow.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tensorflow.int8
    path = f"{folder}/int8.tflite"
    Path(path).write_bytes(converter.convert())
    scale, zero = _interpreter(path).get_input_details()[0]["quantization"]
    given = (x / scale + zero).round().clip(-128, 127).astype(np.int8)
    true = _answer(path, given, kernels.BUILTIN_REF)
    np.savez(f"{folder}/int8.npz", x=given, y=true, fast=_answer(path, given))


def run(model: str, folder: str) -> None:
    """Prints how far a TFLite file's answer in LiteRT is from Keras's, and its operators."""
    schema = _litert("schema_py_generated")
    with np.load(f"{folder}/io.npz") as held:
        answer = compared(_answer(model, held["x"]), held["y"], held["exact"])
    root = schema.Model.GetRootAs(Path(model).read_bytes(), 0)
    codes = [root.OperatorCodes(index).BuiltinCode() for index in range(root.OperatorCodesLength())]
    kinds: list[int] = []
    for number in range(root.SubgraphsLength()):
        graph = root.Subgraphs(number)
        kinds += [codes[graph.Operators(index).OpcodeIndex()] for index in range(graph.OperatorsLength())]
    transposes = kinds.count(schema.BuiltinOperator.TRANSPOSE)
    print(json.dumps(answer | {"nodes": len(kinds), "transposes": transposes, "bytes": Path(model).stat().st_size}))


def compared(found: np.ndarray, wanted: np.ndarray, exact: np.ndarray) -> dict[str, object]:
    """The largest difference, relative to the largest element; in words where the shapes differ.

    `exact` is how far the result is from that in float64, `own` how far Keras's own in float32 is.
    """
    if found.shape != wanted.shape:
        return {"error": 0.0, "told": f"{found.shape} for {wanted.shape}"}
    pairs = {"error": (found, wanted), "exact": (found, exact), "own": (wanted, exact)}
    return {key: float(np.abs(one - other).max() / np.abs(other).max()) for key, (one, other) in pairs.items()}


def _litert(module: str) -> Any:
    return import_module(f"ai_edge_litert.{module}")


def _interpreter(path: str, *kernels: Any) -> Any:
    return _litert("interpreter").Interpreter(
        path, **({"experimental_op_resolver_type": kernels[0]} if kernels else {})
    )


def _answer(path: str, x: np.ndarray, *kernels: Any) -> np.ndarray:
    """The one result of a file; `kernels`: an `OpResolverType`, where it is not the default one."""
    interpreter = _interpreter(path, *kernels)
    place = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(place, x.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(place, x)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


COMMANDS = {"make": make, "tflite": tflite, "integers": integers, "run": run}

if __name__ == "__main__":
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    COMMANDS[sys.argv[1]](*sys.argv[2:])
