"""Layers models of TensorFlow.js: those that it wrote, those that its converter made, and what is refused."""

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xir
from tests.frontends.keras.files import layer, sequential
from xir.frontends.load import load_model, recognize

HERE = Path(__file__).parent
FILES = {name: (HERE / f"recorded_{name}.json.gz").read_bytes() for name in ("tfjs", "converted")}
RECORDED = {
    f"{file}/{name}": case for file, held in FILES.items() for name, case in json.loads(gzip.decompress(held)).items()
}
KERNEL = np.arange(6, dtype=np.float32).reshape(3, 2)
ELEMENTS = KERNEL.tobytes()
MODEL = sequential(layer("Dense", "d", units=2, batch_input_shape=[None, 3], use_bias=False))
STORED = {"name": "d/kernel", "dtype": "float32", "shape": [3, 2]}
LAYERS = {"format": "layers-model"}
ONES = np.ones((1, 3), np.float32)


def array(told: Any, dtype: Any = np.float32) -> Any:
    return np.array(told["elements"], dtype).reshape(told["shape"])


def write(folder: Any, model: Any, *weights: Any, data: Any = ELEMENTS, paths: Any = ("a.bin",), **more: Any) -> Any:
    (folder / "a.bin").write_bytes(data)
    manifest = [{"paths": list(paths), "weights": list(weights)}]
    (folder / "model.json").write_text(json.dumps({"modelTopology": model, "weightsManifest": manifest, **more}))
    return folder / "model.json"


@pytest.mark.parametrize("name", RECORDED)
def test_recorded(name: str, tmp_path: Path) -> None:
    case = RECORDED[name]
    (tmp_path / "model.json").write_text(json.dumps(case["model"]))
    for shard, data in case["files"].items():
        (tmp_path / shard).write_bytes(base64.b64decode(data))
    loaded = load_model(str(tmp_path / "model.json"))
    assert {Path(path).name for path in loaded.files} == {"model.json", *case["files"]}
    graph = loaded.graph
    feeds = [array(told, value.dtype.dtype) for told, value in zip(case["x"], graph.inputs, strict=True)]
    found: Any = xir.run(graph, dict(zip(graph.input_names, feeds, strict=True)))
    compiled: Any = xir.compile(graph)(*feeds)
    for made, again, told in zip(found.values(), compiled, case["y"], strict=True):
        np.testing.assert_allclose(made, array(told), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(again, array(told), rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("said", [LAYERS, {}])
def test_layers_are_told_from_graphs(said: Any, tmp_path: Path) -> None:
    path = write(tmp_path, sequential(layer("Dense", "node", units=2, batch_input_shape=[None, 3], use_bias=False)),
                 {**STORED, "name": "node/kernel"}, **said)  # fmt: skip
    assert recognize(str(path)).name == "tfjs_layers"
    assert next(iter(xir.run(xir.load(path), {"node_input": ONES}).values())).tolist() == [[6.0, 9.0]]


def test_what_training_kept_beside_the_weights(tmp_path: Path) -> None:
    trained = {"name": "adam/m", "dtype": "float32", "shape": [1], "group": "optimizer"}
    path = write(tmp_path, MODEL, STORED, trained, data=ELEMENTS + b"\0\0\0\0", trainingConfig={"loss": "mse"})
    loaded = load_model(str(path))
    assert json.loads(loaded.metadata["training_config"]) == {"loss": "mse"}
    assert len(loaded.graph.parameters) == 1


@pytest.mark.parametrize(
    ("model", "weights", "more", "told"),
    [
        ([], [STORED], LAYERS, "'modelTopology' is no object"),
        ({"model_config": 3}, [STORED], LAYERS, "'model_config' is no object"),
        (MODEL, [STORED], {"weightsManifest": None}, "has no weights"),
        (MODEL, [STORED], {"weightsManifest": 3}, "expected a list"),
        (MODEL, [STORED], {"data": ELEMENTS[:-1]}, "needs 24 bytes, 23 are left"),
        (MODEL, [STORED], {"data": ELEMENTS + b"!"}, "take 24 bytes, the shards have 25"),
        (MODEL, [STORED, STORED], {"data": ELEMENTS * 2}, "two weights are called 'd/kernel'"),
        (MODEL, [STORED], {"paths": ("a.bin", "a.bin")}, "listed twice"),
        (MODEL, [STORED], {"paths": ("../a.bin",)}, "leaves"),
        (MODEL, [STORED], {"paths": ("/etc/passwd",)}, "absolute|leaves"),
        (MODEL, [STORED], {"paths": ("missing.bin",)}, "missing.bin"),
        (MODEL, [{**STORED, "shape": [1 << 40, 1 << 40]}], {}, "too|more than|elements|bytes"),
        (MODEL, [{**STORED, "shape": [2, 3]}], {}, "has the shape"),
        (MODEL, [{**STORED, "name": "e/kernel"}], {}, "of no layer"),
        (MODEL, [], {"data": b""}, "lacks its weight"),
        (MODEL, [STORED, {**STORED, "name": "d/bias"}], {"data": ELEMENTS * 2}, "weight"),
        ({**MODEL, "class_name": "Mine"}, [STORED], {}, "does not say what it computes"),
        ({**MODEL, "keras_version": "9"}, [STORED], {}, "Keras 1, 2 and 3"),
        (sequential(layer("Lambda", "d", function="x", batch_input_shape=[None, 3])), [STORED], {}, "Lambda"),
    ],
)  # fmt: skip
def test_refused(model: Any, weights: Any, more: Any, told: str, tmp_path: Path) -> None:
    with pytest.raises(xir.XirError, match=told):
        xir.load(write(tmp_path, model, *weights, **more))


def test_a_weight_that_two_models_may_hold(tmp_path: Path) -> None:
    inner = sequential(layer("Dense", "d", units=3, batch_input_shape=[None, 3], use_bias=False))
    twice = [{**inner, "config": {"name": name, "layers": inner["config"]}} for name in ("one", "two")]
    with pytest.raises(xir.XirError, match="may be of the layers"):
        xir.load(write(tmp_path, sequential(*twice), STORED))
