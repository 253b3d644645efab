"""Records models that TensorFlow.js's converter made of Keras's: `python -m tests.frontends.keras.record_converted`.

With keras, tf_keras and tensorflowjs 4.22.0 (three of its modules, which need no more). The file is like the one that
record_tfjs.js writes. Weights are such that the quantised ones stand for the same numbers.
"""

from __future__ import annotations

import base64
import gzip
import importlib
import json
import sys
import tempfile
import types
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
WEIGHTS = (np.arange(256) - 100) / 64
"""Numbers that eight bits can stand for exactly: both ends are in every weight."""


def converter() -> Any:
    """The module that writes layers models, without the converters of other formats."""
    for name in ("tensorflowjs", "tensorflowjs.converters"):
        module = types.ModuleType(name)
        folder = next(Path(path, "tensorflowjs") for path in sys.path if Path(path, "tensorflowjs").is_dir())
        module.__path__ = [str(folder.joinpath(*name.split(".")[1:]))]
        sys.modules[name] = module
    for name in ("quantization", "read_weights", "write_weights", "version"):
        setattr(sys.modules["tensorflowjs"], name, importlib.import_module(f"tensorflowjs.{name}"))
    inner = sys.modules["tensorflowjs.converters"]
    for name in ("common", "keras_h5_conversion"):
        setattr(inner, name, importlib.import_module(f"tensorflowjs.converters.{name}"))
    return inner.keras_h5_conversion


def nested(keras: Any) -> Any:
    """Models in models, one of them twice, whose layers have names of their own."""
    layers = keras.layers
    deep = keras.Sequential([layers.Input((3,)), layers.Dense(3, name="deep"), layers.BatchNormalization(name="bn")])
    x = layers.Input((3,), name="x")
    inner = keras.Model(x, layers.Dense(3, name="top")(deep(x)), name="inner")
    y = layers.Input((3,), name="y")
    return keras.Model(y, layers.Add(name="sum")([inner(y), layers.Dense(3, name="own")(inner(y))]))


def sequences(keras: Any) -> Any:
    """Recurrent layers, whose weights stand under names of cells, and attention."""
    layers = keras.layers
    x = layers.Input((4, 3), name="x")
    y = layers.Bidirectional(layers.LSTM(2, return_sequences=True), name="both")(x)
    y = layers.MultiHeadAttention(2, 2, name="attention")(y, y)
    return keras.Model(x, layers.GRU(2, name="query")(y))


def small(keras: Any) -> Any:
    """One product."""
    return keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(100, name="d")])


CASES = {
    "nested": ("tf_keras", nested, None, 4 << 20),
    "sequences": ("tf_keras", sequences, None, 100),
    "float16": ("tf_keras", small, {"float16": "*"}, 4 << 20),
    "uint8": ("tf_keras", small, {"uint8": "*"}, 4 << 20),
    "uint16": ("tf_keras", small, {"uint16": "*/kernel"}, 100),
    "keras3": ("keras", sequences, None, 4 << 20),
}


def recorded(package: Any, build: Any, quantized: Any, shard: Any, number: Any) -> Any:
    """What is kept of one case."""
    keras, made_by = importlib.import_module(package), converter()
    generator = np.random.default_rng(number)
    model = build(keras)
    weights = [generator.choice(WEIGHTS, held.shape).astype(np.float32) for held in model.get_weights()]
    for each in weights:
        each.reshape(-1)[:2] = WEIGHTS[0], WEIGHTS[-1]
    named = zip(weights, model.weights, strict=True)
    model.set_weights([np.abs(each) if "variance" in held.name else each for each, held in named])
    x = generator.normal(size=(2, *model.inputs[0].shape[1:])).astype(np.float32)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if package == "keras":
            model.save(folder / "m.keras")
            with zipfile.ZipFile(folder / "m.keras") as file:
                file.extractall(folder)
            told = [json.loads((folder / f"{each}.json").read_text()) for each in ("metadata", "config")]
            topology, groups = made_by.h5_v3_merged_saved_model_to_tfjs_format(str(folder / "model.weights.h5"), *told)
        else:
            model.save(folder / "m.h5")
            topology, groups = made_by.h5_merged_saved_model_to_tfjs_format(str(folder / "m.h5"))
        (folder / "js").mkdir()
        made_by.write_artifacts(topology, groups, str(folder / "js"), quantized, shard)
        files = {path.name: base64.b64encode(path.read_bytes()).decode() for path in (folder / "js").glob("*.bin")}
        held = json.loads((folder / "js/model.json").read_text())
    ends = {"x": x, "y": np.asarray(model(x))}
    told = {key: [{"shape": each.shape, "elements": each.ravel().tolist()}] for key, each in ends.items()}
    return {"model": held, "files": dict(sorted(files.items())), **told}


def main() -> None:
    """Writes the file."""
    found = {name: recorded(*case, number) for number, (name, case) in enumerate(CASES.items())}
    (HERE / "recorded_converted.json.gz").write_bytes(gzip.compress(json.dumps(found).encode(), mtime=0))


if __name__ == "__main__":
    main()
