"""Records what Keras makes of the cases: `python -m tests.frontends.keras.record [NAME ...]` with keras and tf_keras.

recorded2.npz holds files of Keras 2 (`.h5`, written by tf_keras), recorded3.npz those of Keras 3 (`.keras`),
recorded3_h5.npz some that Keras 3 wrote into HDF5.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import tempfile
from pathlib import Path

import numpy as np

from tests.frontends.keras.cases import CASES
from tests.frontends.keras.networks import NETWORKS

HERE = Path(__file__).parent
IN_HDF5 = {"numbers", "nested", "heads", "cells", "both_ways", "sequential", "outputs", "shared", "each_step_model"}
"""Cases that Keras 3 writes into HDF5 too."""

TEXTS = ("The quick, brown FOX!", "jumps  over é the lazy-dog; q", "", "fox fox Fox the")


def _layer(keras, kind, settings):
    return getattr(keras.layers, kind)(**settings)


def model_of(keras, case):
    """The model of a case."""
    inputs = [
        keras.layers.Input(shape, name=f"x{index}", dtype="int32" if case.numbers else "float32")
        for index, shape in enumerate(case.shapes)
    ]
    value = inputs if len(inputs) > 1 else inputs[0]
    for kind, settings in case.layers:
        value = _layer(keras, kind, settings)(value)
    return keras.Model(inputs, value)


def feeds_of(generator, model, numbers):
    """Inputs; every third step of sequences is 0, as masks need it."""
    found = []
    count = len(TEXTS) if any(str(value.dtype) == "string" for value in model.inputs) else 2
    for value in model.inputs:
        shape = [count if axis == 0 else 5 if size is None else size for axis, size in enumerate(value.shape)]
        if str(value.dtype) == "string":
            found.append(np.resize(np.array(TEXTS), (len(TEXTS), *shape[1:])))
            continue
        whole = "int" in str(value.dtype)
        array = generator.integers(0, numbers or 7, shape) if whole else generator.normal(size=shape)
        array = array.astype(str(value.dtype) if whole else np.float32)
        if array.ndim == 3 and not whole:
            array[0, ::3] = 0
        found.append(array)
    return found


def recorded(keras, generation, suffix, wanted):
    """{name: what is recorded} of the cases of a generation, or of those that are wanted."""
    found = {}
    builders = {
        name: (lambda case=case: (model_of(keras, case), case.numbers))
        for name, case in CASES.items()
        if generation in case.only
    }
    builders |= {
        name: (lambda build=build: (build(keras), 0)) for name, (build, only) in NETWORKS.items() if generation in only
    }
    for number, (name, build) in enumerate(builders.items()):
        if wanted and name not in wanted:
            continue
        generator = np.random.default_rng(number)
        keras.utils.set_random_seed(number)
        try:
            model, numbers = build()
        except (TypeError, ValueError, AttributeError) as error:
            print(f"{generation} {name}: {str(error)[:150]}", file=sys.stderr)
            continue
        model.set_weights(
            [
                generator.normal(size=held.shape).astype(np.float32) ** 2 / 2 + 0.1
                if "variance" in str(getattr(weight, "path", weight.name))
                else held
                if held.dtype.kind != "f" or str(getattr(weight, "name", "")).endswith(("_scale", "g_idx"))
                else generator.normal(size=held.shape) * 0.5
                for weight, held in zip(model.weights, model.get_weights(), strict=True)
            ]
        )
        feeds = feeds_of(generator, model, numbers)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, f"model{suffix}")
            model.save(path)
            found[f"{name}/file"] = np.frombuffer(path.read_bytes(), np.uint8)
            with contextlib.suppress(ValueError, TypeError):  # Keras does not load every file that it writes
                model = keras.models.load_model(path, compile=False)
        given = [keras.ops.convert_to_tensor(each) for each in feeds] if generation == 3 else feeds
        results = model(given if len(given) > 1 else given[0], training=False)
        results = results if isinstance(results, list | tuple) else [results]
        for index, array in enumerate(feeds):
            found[f"{name}/x{index}"] = array
        for index, array in enumerate(results):
            found[f"{name}/y{index}"] = np.asarray(array)
    return found


def main():
    """Writes both files."""
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    wanted = set(sys.argv[1:])
    sets = (
        ("recorded2", "tf_keras", 2, ".h5", wanted),
        ("recorded3", "keras", 3, ".keras", wanted),
        ("recorded3_h5", "keras", 3, ".h5", (wanted & IN_HDF5) or ({"-"} if wanted else IN_HDF5)),
    )
    for file, package, generation, suffix, wanted in sets:
        path, held = HERE / f"{file}.npz", {}
        if wanted and path.exists():
            with np.load(path) as old:
                held = {key: old[key] for key in old.files if key.split("/")[0] not in wanted}
        keras = importlib.import_module(package)
        np.savez_compressed(path, **held, **recorded(keras, generation, suffix, wanted))


if __name__ == "__main__":
    main()
