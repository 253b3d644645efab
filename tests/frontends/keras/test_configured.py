"""Configurations in JSON with their weights beside them, of Keras 1 and 2 and of Keras 3."""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xir
from tests.cli.commands import call
from tests.frontends.keras.files import h5py, keras3_weights, layer, put_weights, sequential, whole_model
from tests.frontends.keras.test_archive import KERNEL, MODEL
from tests.frontends.keras.test_recorded import RECORDED, arrays

DENSE = layer("Dense", "d", units=2, batch_input_shape=[None, 3], use_bias=False)
OLD = sequential(DENSE) | {"keras_version": "2.1.3", "backend": "tensorflow"}


def configured(folder: Any, model: Any, name: Any = "net.json") -> Any:
    (folder / name).write_text(json.dumps(model))
    return folder / name


def old_weights(path: Any) -> Any:
    with h5py.File(path, "w") as file:
        put_weights(file, {"d": {"d/kernel:0": KERNEL}})
    return path


def run(graph: Any) -> Any:
    return next(iter(xir.run(graph, {graph.input_names[0]: np.ones((1, 3), np.float32)}).values())).tolist()


@pytest.mark.parametrize("name", ["net.weights.h5", "net_weights.h5", "net.h5", "model.h5"])
def test_weights_that_stand_beside_it(name: str, tmp_path: Path) -> None:
    old_weights(tmp_path / name)
    assert run(xir.load(configured(tmp_path, OLD))) == [[6.0, 9.0]]


def test_weights_that_are_named(tmp_path: Path) -> None:
    path = configured(tmp_path, OLD)
    assert run(xir.load(path, weights=old_weights(tmp_path / "other.h5"))) == [[6.0, 9.0]]
    whole = whole_model(tmp_path / "whole.h5", OLD, {"d": {"d/kernel:0": KERNEL}})
    assert run(xir.load(path, weights=whole)) == [[6.0, 9.0]]


def test_weights_that_the_command_names(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = configured(tmp_path, OLD)
    weights, out = old_weights(tmp_path / "other.h5"), tmp_path / "net.xir"
    assert call(capsys, "convert", path, "--weights-file", weights, "-o", out).code == 0
    assert run(xir.load(out)) == [[6.0, 9.0]]
    assert call(capsys, "inspect", out, "--weights-file", weights).code == 2


def test_a_relu_with_a_limit_is_one_clip(tmp_path: Path) -> None:
    old_weights(tmp_path / "net.h5")
    limited = sequential(DENSE, layer("ReLU", "r", max_value=6.0))
    graph = xir.load(configured(tmp_path, limited | {"keras_version": "2.1.3", "backend": "tensorflow"}))
    node = graph.nodes[-1]
    assert (node.op.name, dict(node.attributes)) == ("clip", {"minimum": 0.0, "maximum": 6.0})
    assert run(graph) == [[6.0, 6.0]]


def test_weights_of_keras_3(tmp_path: Path) -> None:
    (tmp_path / "net.weights.h5").write_bytes(keras3_weights({"layers/dense": [KERNEL]}))
    assert run(xir.load(configured(tmp_path, MODEL | {"module": "keras"}))) == [[6.0, 9.0]]


def test_the_members_of_an_archive_by_themselves(tmp_path: Path) -> None:
    held = RECORDED[3]
    (tmp_path / "m.keras").write_bytes(held["nested/file"].tobytes())
    with zipfile.ZipFile(tmp_path / "m.keras") as file:
        file.extractall(tmp_path)
    graph = xir.load(tmp_path / "config.json")
    found: Any = xir.run(graph, {"x": arrays(held, "nested", "x")[0]})[graph.output_names[0]]
    np.testing.assert_allclose(found, arrays(held, "nested", "y")[0], rtol=1e-4, atol=1e-5)


def test_no_weights(tmp_path: Path) -> None:
    path = configured(tmp_path, OLD)
    with pytest.raises(xir.XirError, match="no weights are beside it"):
        xir.load(path)
    with h5py.File(tmp_path / "net.h5", "w") as file:
        file["x"] = 3
    with pytest.raises(xir.XirError, match="holds no weights"):
        xir.load(path)
