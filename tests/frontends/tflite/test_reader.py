"""Where a file's bytes may stand: behind the flatbuffer too, however far."""

from __future__ import annotations

import numpy as np
import pytest

import xir
from tests.frontends.tflite.models import Fed, Model, Out, single
from xir.errors import InvalidModelError
from xir.flatbuffer.write import write_tflite
from xir.frontends.load import load_model
from xir.frontends.tflite.reader import read_tflite

WEIGHTS = np.array([1, -2, 3], np.float32)


def behind(path, offset, size=12):
    """Writes a model whose weights stand at an offset of the file."""
    model = Model()
    graph = model.subgraph()
    held = graph.tensor("float32", (3,), buffer=model.buffer(b"x"))
    graph.outputs += graph.op("ADD", [graph.input("float32", (3,)), held], [Out(shape=(3,))], {"AddOptions": {}})
    content = model.content()
    content["buffers"] = ({}, {"offset": offset, "size": size})
    with path.open("wb") as file:
        file.write(write_tflite(content))
        file.seek(offset)
        file.write(WEIGHTS.tobytes())


@pytest.mark.parametrize("offset", [1 << 12, (1 << 31) + (1 << 20)])
def test_weights_behind_the_flatbuffer_are_mapped(offset, tmp_path):
    path = tmp_path / "m.tflite"
    behind(path, offset)  # a file with a hole: it takes no room
    graph = xir.load(str(path))
    (got,) = xir.run(graph, {graph.input_names[0]: np.ones(3, np.float32)}).values()
    np.testing.assert_array_equal(got, WEIGHTS + 1)
    assert graph.parameters[0].constant.data.offset == offset


def test_weights_behind_the_end_are_refused(tmp_path):
    path = tmp_path / "m.tflite"
    behind(path, 1 << 12, size=1 << 20)
    with pytest.raises(InvalidModelError, match="buffer 1"):
        xir.load(str(path))


@pytest.mark.parametrize("is_large", [False, True])
def test_options_of_custom_operators(is_large, tmp_path):
    model = Model()
    graph = model.subgraph()
    graph.outputs += graph.op("CUSTOM:Mine", [graph.input("float32", (3,))], custom=b"" if is_large else b"words")
    content = model.content()
    path = tmp_path / "m.tflite"
    if is_large:
        graph.operators[0] |= {"large_custom_options_offset": 4096, "large_custom_options_size": 5}
        content = model.content()
    with path.open("wb") as file:
        file.write(write_tflite(content))
        file.seek(4096)
        file.write(b"words")
    assert read_tflite(path).subgraphs[0].operators[0].custom == b"words"


def test_what_a_file_holds_besides_is_told(tmp_path):
    model = Model()
    graph = model.subgraph()
    graph.outputs += graph.op("RELU", [graph.input("float32", (3,))], [Out(shape=(3,))])
    content = model.content()
    content["description"] = "of the tests"
    content["metadata"] = ({"name": "version", "buffer": 1}, {"name": "labels", "buffer": 2}, {"name": "none"})
    content["buffers"] = ({}, {"data": b"2.3.0\0\0"}, {"data": b"\1" * 300})
    path = tmp_path / "m.tflite"
    path.write_bytes(write_tflite(content))
    told = {"version": "2.3.0", "labels": "300 bytes", "none": "0 bytes", "description": "of the tests"}
    assert load_model(str(path)).metadata == told


def test_signatures_with_the_tag_of_older_converters(tmp_path):
    model = Model()
    graph = model.subgraph()
    x = graph.input("float32", (3,))
    graph.outputs += graph.op("ABS", [x], [Out(shape=(3,))], {"AbsOptions": {}})
    content = model.content()
    content["signature_defs"] = ({"signature_key": "serving_default", "deprecated_tag": ""},)
    path = tmp_path / "m.tflite"
    path.write_bytes(write_tflite(content))
    graph = xir.load(str(path), method="serving_default")
    assert [node.op.name for node in graph.nodes] == ["abs"]


def test_the_format_is_found_from_the_content(tmp_path):
    path = tmp_path / "model.bin"
    path.write_bytes(single("RELU", Fed(WEIGHTS)).data)
    assert load_model(str(path)).format == "tflite"
