"""Files of weights: safetensors, indices of several, checkpoints; and that files of weights are no models."""

from __future__ import annotations

import json
import os
import struct

import numpy as np
import pytest
import safetensors.numpy

import xir
from tests.frontends.torch.pickles.checkpoints import floats, pickle_bytes, storage, tensor, zip_bytes
from xir.errors import FileError, FormatError, InvalidModelError, UnsafeError, UsageError
from xir.files import FileSlice
from xir.frontends.load import find_format
from xir.frontends.weights import Weights, load_weights
from xir.ir.constant import constant_of
from xir.ir.types import DType


def save(path, tensors, metadata=None):
    safetensors.numpy.save_file({name: np.asarray(value) for name, value in tensors.items()}, path, metadata)
    return path


def raw(path, header, body=b""):
    data = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(data)) + data + body)
    return path


def entry(code, shape, start, end):
    return {"dtype": code, "shape": shape, "data_offsets": [start, end]}


def indexed(folder, places):
    path = folder / "model.safetensors.index.json"
    path.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": places}))
    return path


CODES = {
    "F64": "f64", "F32": "f32", "F16": "f16", "BF16": "bf16", "I64": "i64", "I32": "i32", "I16": "i16", "I8": "i8",
    "U64": "u64", "U32": "u32", "U16": "u16", "U8": "u8", "BOOL": "bool", "F8_E4M3": "f8e4m3fn", "F8_E5M2": "f8e5m2",
    "C64": "c64", "F8_E8M0": "f8e8m0", "F8_E4M3FNUZ": "f8e4m3fnuz", "F8_E5M2FNUZ": "f8e5m2fnuz",
}  # fmt: skip


@pytest.mark.parametrize("code", CODES)
def test_every_element_type_of_safetensors(tmp_path, code):
    size = DType[{v.value[0]: v.name for v in DType}[CODES[code]]].bits // 8
    path = raw(tmp_path / "w.safetensors", {"a": entry(code, [2, 1], 0, 2 * size)}, bytes(range(2 * size)))
    (constant,) = load_weights(path).tensors.values()
    assert (repr(constant.type), b"".join(constant.chunks())) == (f"{CODES[code]}[2,1]", bytes(range(2 * size)))
    assert isinstance(constant.data, FileSlice)


def test_what_is_no_element_type_here_is_told(tmp_path):
    path = raw(tmp_path / "w.safetensors", {"a": entry("F4", [4], 0, 2), "b": entry("U8", [1], 2, 3)}, bytes(3))
    weights = load_weights(path)
    assert (list(weights.tensors), [problem.layers for problem in weights.problems]) == (["b"], [("a",)])


def test_types_that_safetensors_lacks_are_told_in_the_metadata(tmp_path):
    types = {"a": (DType.INT4, (3,)), "b": (DType.COMPLEX128, ())}
    arrays = {name: np.zeros(shape, dtype.dtype) for name, (dtype, shape) in types.items()}
    source = zip_bytes({}, {})
    (tmp_path / "empty.pth").write_bytes(source)
    weights = Weights("x", (), {name: constant_of(array) for name, array in arrays.items()})
    from xir.files import atomic_write
    from xir.text.safetensors import header_bytes, write_tensors

    with atomic_write(tmp_path / "w.safetensors") as file:
        header, order = header_bytes(weights.tensors, {})
        write_tensors(file, header, order, weights.tensors)
    read = load_weights(tmp_path / "w.safetensors").tensors
    assert {name: (constant.dtype, constant.shape) for name, constant in read.items()} == types


@pytest.mark.parametrize("told", ["i4[3", "i4[x]", "i4[-1]", "i4", "os[3]", "i4[3]]", "i4[" + "9" * 30 + "]"])
def test_metadata_that_lies_of_a_type_is_refused(tmp_path, told):
    header = {"__metadata__": {"xir.type.a": told}, "a": entry("U8", [4], 0, 4)}
    with pytest.raises((FormatError, InvalidModelError)):
        load_weights(raw(tmp_path / "w.safetensors", header, bytes(4)))


def test_names_of_shared_tensors_in_the_metadata(tmp_path):
    path = save(tmp_path / "w.safetensors", {"a": np.ones(2, np.float32)}, {"b": "a", "format": "a", "c": "word"})
    weights = load_weights(path)
    assert (list(weights.tensors), weights.shared) == (["a", "b"], {"b": "a"})
    assert weights.values == {"format": "a", "c": "word"}
    assert weights.tensors["b"] is weights.tensors["a"]


def test_an_index_of_safetensors(tmp_path):
    save(tmp_path / "one.safetensors", {"a": [1.0], "b": [2.0]})
    save(tmp_path / "two.safetensors", {"c": [3.0]}, {"d": "c"})
    weights = load_weights(indexed(tmp_path, {"a": "one.safetensors", "c": "two.safetensors", "b": "one.safetensors"}))
    assert {name: float(constant.array()[0]) for name, constant in weights.tensors.items()} == {
        "a": 1, "c": 3, "b": 2, "d": 3,
    }  # fmt: skip
    assert weights.format == "safetensors"
    assert [os.path.basename(path) for path in weights.files][1:] == ["one.safetensors", "two.safetensors"]


def test_an_index_of_checkpoints(tmp_path):
    stored = floats(2)
    (tmp_path / "one.bin").write_bytes(zip_bytes({"a": tensor(storage("0", stored), (2,))}, {"0": stored}))
    held = storage("0", stored, view=None)
    (tmp_path / "two.bin").write_bytes(pickle_bytes({"b": tensor(held, (2,))}, {"0": stored}))
    path = tmp_path / "pytorch_model.bin.index.json"
    path.write_text(json.dumps({"weight_map": {"b": "two.bin", "a": "one.bin"}}))
    weights = load_weights(path)
    assert (list(weights.tensors), weights.format) == (["b", "a"], "pytorch")


INDEX = {
    "a tensor that is absent": ({"a": "one.safetensors", "x": "one.safetensors"}, InvalidModelError),
    "a tensor that is not named": ({}, FormatError),
    "a tensor of another file": ({"b": "one.safetensors"}, InvalidModelError),
    "a file that is absent": ({"a": "two.safetensors"}, FileError),
    "a file outside": ({"a": "../one.safetensors"}, UnsafeError),
    "an absolute file": ({"a": "/etc/passwd"}, UnsafeError),
    "a link": ({"a": "link.safetensors"}, UnsafeError),
    "itself": ({"a": "model.safetensors.index.json"}, FormatError),
    "something else": ({"a": "net.prototxt"}, FormatError),
    "numbers": ({"a": 1}, FormatError),
}


@pytest.mark.parametrize("title", INDEX)
def test_wrong_indices_are_refused(tmp_path, title):
    places, kind = INDEX[title]
    save(tmp_path / "one.safetensors", {"a": [1.0]})
    (tmp_path / "link.safetensors").symlink_to("one.safetensors")
    (tmp_path / "net.prototxt").write_text('name: "x"')
    with pytest.raises(kind):
        load_weights(indexed(tmp_path, places))


def test_links_are_taken_where_they_are_trusted(tmp_path):
    save(tmp_path / "one.safetensors", {"a": [1.0]})
    (tmp_path / "link.safetensors").symlink_to("one.safetensors")
    assert list(load_weights(indexed(tmp_path, {"a": "link.safetensors"}), trust_links=True).tensors) == ["a"]


def test_an_index_that_is_no_json(tmp_path):
    for text in ('{"weight_map": ', '{"weight_map": [1]}', '{"weight_map": ' + "[" * 100_000):
        (tmp_path / "a.index.json").write_text(text)
        with pytest.raises(FormatError):
            load_weights(tmp_path / "a.index.json")


def two_tables(tmp_path):
    stored = floats(4)
    held = [tensor(storage("0", stored), (2,), offset=offset) for offset in (0, 2)]
    value = {"epoch": 3, "state_dict": {"w": held[0], "tied": held[0]}, "optimizer": {"w": held[1], "lr": 0.5}}
    (tmp_path / "a.ckpt").write_bytes(zip_bytes(value, {"0": stored}))
    return load_weights(tmp_path / "a.ckpt")


def test_the_tables_of_a_checkpoint(tmp_path):
    weights = two_tables(tmp_path)
    assert (weights.tables, weights.model_table()) == (("state_dict", "optimizer"), "state_dict")
    below = weights.below("optimizer")
    assert (list(below.tensors), below.values, below.tables) == (["w"], {"lr": "0.5"}, ())
    assert weights.below("state_dict").shared == {"tied": "w"}
    with pytest.raises(UsageError, match=r"no tensor in 'ema'"):
        weights.below("ema")


def test_a_module_called_model_is_no_table(tmp_path):
    stored = floats(4)
    value = {"model.a": tensor(storage("0", stored), (2,)), "head": tensor(storage("0", stored), (2,), offset=2)}
    (tmp_path / "a.pth").write_bytes(zip_bytes(value, {"0": stored}))
    assert load_weights(tmp_path / "a.pth").model_table() is None


@pytest.mark.parametrize("name", ["a.pth", "a.pt", "a.ckpt", "a.bin", "a.onnx", "a.prototxt"])
@pytest.mark.parametrize("make", [zip_bytes, pickle_bytes])
def test_a_file_of_weights_is_no_model(tmp_path, make, name):
    (tmp_path / name).write_bytes(make({"epoch": 1}, {}))
    assert find_format(str(tmp_path / name)).name == "pytorch"
    with pytest.raises(FormatError, match="holds weights and no graph") as raised:
        xir.load(tmp_path / name)
    assert raised.value.code == "XIR-E303"


def test_other_files_hold_no_weights(tmp_path):
    (tmp_path / "a.txt").write_text("words")
    with pytest.raises(FormatError, match="holds no weights"):
        load_weights(tmp_path / "a.txt")
