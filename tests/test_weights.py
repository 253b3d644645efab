"""Checkpoints become safetensors that the library of this name reads, whole or not at all."""

from __future__ import annotations

import json

import numpy as np
import pytest
import safetensors.numpy

import xir
from tests.frontends.torch.pickles.checkpoints import Stored, floats, storage, tensor, zip_bytes
from xir.errors import FormatError, UnsafeError, UnsupportedError
from xir.frontends.weights import load_weights

SIX = floats(6)
AT = storage("0", SIX)


def checkpoint(folder, value, **held):
    (folder / "a.pth").write_bytes(zip_bytes(value, {"0": SIX, **held}))
    return folder / "a.pth"


def test_tensors_names_and_words_are_kept(tmp_path):
    value = {"a": tensor(AT, (2, 3)), "t": tensor(AT, (3, 2), (1, 3)), "b": tensor(AT, (2,), offset=1), "epoch": 3}
    report = xir.convert_weights(checkpoint(tmp_path, value), tmp_path / "a.safetensors")
    read = safetensors.numpy.load_file(tmp_path / "a.safetensors")
    assert {name: array.tolist() for name, array in read.items()} == {
        "a": [[0, 1, 2], [3, 4, 5]], "t": [[0, 3], [1, 4], [2, 5]], "b": [1, 2],
    }  # fmt: skip
    with safetensors.safe_open(tmp_path / "a.safetensors", "numpy") as file:
        assert file.metadata() == {"format": "pt", "epoch": "3"}
    assert (report.tensors, report.bytes, report.shared) == (3, 56, {})
    assert report.files == (str(tmp_path / "a.safetensors"),)


def test_shared_tensors_are_stored_once(tmp_path):
    value = {"a": tensor(AT, (6,)), "tied": tensor(AT, (6,)), "b": tensor(AT, (2, 3))}
    report = xir.convert_weights(checkpoint(tmp_path, value), tmp_path / "a.safetensors")
    assert report.shared == {"tied": "a"}
    assert set(safetensors.numpy.load_file(tmp_path / "a.safetensors")) == {"a", "b"}
    assert set(load_weights(tmp_path / "a.safetensors").tensors) == {"a", "b", "tied"}


def test_the_table_of_the_model_is_taken(tmp_path):
    value = {"model": {"a": tensor(AT, (6,))}, "optimizer": {"a": tensor(AT, (1,))}, "mean": tensor(AT, (2,))}
    source = checkpoint(tmp_path, value)
    names = {}
    for title, table in {"own": None, "all": "", "other": "optimizer"}.items():
        report = xir.convert_weights(source, tmp_path / "a.safetensors", table=table)
        names[title] = (sorted(safetensors.numpy.load_file(tmp_path / "a.safetensors")), len(report.notes))
    assert names == {
        "own": (["a"], 1), "all": (["mean", "model.a", "optimizer.a"], 0), "other": (["a"], 0),
    }  # fmt: skip


def test_several_files_and_their_index(tmp_path):
    value = {"a": tensor(AT, (2,)), "b": tensor(AT, (3,), offset=2), "c": tensor(AT, (1,), offset=5), "d": None}
    value["d"] = tensor(AT, (1,), offset=5)
    report = xir.convert_weights(checkpoint(tmp_path, value), tmp_path / "m.safetensors", max_bytes=12)
    index = json.loads((tmp_path / "m.safetensors.index.json").read_text())
    assert index["metadata"] == {"total_size": 24}
    assert [index["weight_map"][name][:16] for name in "abc"] == [f"m-0000{n}-of-00003" for n in (1, 2, 3)]
    assert {path.name for path in tmp_path.iterdir()} == {
        "a.pth", "m.safetensors.index.json", *index["weight_map"].values(),
    }  # fmt: skip
    assert len(report.files) == 4
    read = load_weights(tmp_path / "m.safetensors.index.json")
    assert {name: constant.array().tolist() for name, constant in read.tensors.items()} == {
        "a": [0, 1], "b": [2, 3, 4], "c": [5], "d": [5],
    }  # fmt: skip
    back = xir.convert_weights(tmp_path / "m.safetensors.index.json", tmp_path / "back.safetensors")
    assert back.shared == {"d": "c"}


def test_the_same_bytes_every_time(tmp_path):
    source = checkpoint(tmp_path, {"a": tensor(AT, (6,)), "b": tensor(AT, (1,))})
    for name in ("one", "two"):
        xir.convert_weights(source, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize("kind", ["BFloat16Storage", "BoolStorage", "ComplexDoubleStorage", "QInt8Storage"])
def test_every_kind_of_elements_comes_back(tmp_path, kind):
    data = bytes((0, 1) * 16)
    stored = Stored(kind, data, {"BFloat16Storage": 16, "ComplexDoubleStorage": 2}.get(kind, 32))
    value = {"a": tensor(storage("1", stored), (stored.count,))}
    xir.convert_weights(checkpoint(tmp_path, value, **{"1": stored}), tmp_path / "a.safetensors")
    before, after = (load_weights(tmp_path / name).tensors["a"] for name in ("a.pth", "a.safetensors"))
    assert (before.type, b"".join(before.chunks())) == (after.type, b"".join(after.chunks()))


def test_what_cannot_be_written_is_told_at_once(tmp_path):
    stored = Stored("QUInt2x4Storage", bytes(2), 2)
    value = {"a": tensor(AT, (1,)), "b": tensor(storage("1", stored), (2,)), "c": tensor(storage("1", stored), (1,))}
    with pytest.raises(UnsupportedError) as raised:
        xir.convert_weights(checkpoint(tmp_path, value, **{"1": stored}), tmp_path / "a.safetensors")
    assert [problem.layers for problem in raised.value.problems] == [("b", "c")]
    assert not (tmp_path / "a.safetensors").exists()


def test_a_file_without_tensors_is_told(tmp_path):
    with pytest.raises(FormatError, match="no tensor in the file"):
        xir.convert_weights(checkpoint(tmp_path, {"epoch": 1}), tmp_path / "a.safetensors")


def test_an_old_file_stays_where_something_goes_wrong(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"old")
    source = checkpoint(tmp_path, {"a": tensor(AT, (6,))})
    damaged = source.read_bytes().replace(b"_rebuild_tensor_v2", b"_rebuild_tensor_v9")
    source.write_bytes(damaged)
    with pytest.raises(UnsafeError, match="_rebuild_tensor_v9"):
        xir.convert_weights(source, tmp_path / "a.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == b"old"


def test_elements_that_lie_apart_are_written_in_pieces(tmp_path):
    count = 3 << 18  # three pieces of 1 MiB
    stored = Stored("FloatStorage", np.arange(2 * count, dtype="<f4").tobytes(), 2 * count)
    value = {"a": tensor(storage("1", stored), (2, count), (1, 2))}
    xir.convert_weights(checkpoint(tmp_path, value, **{"1": stored}), tmp_path / "a.safetensors")
    read = safetensors.numpy.load_file(tmp_path / "a.safetensors")["a"]
    assert np.array_equal(read, np.arange(2 * count, dtype=np.float32).reshape(count, 2).T)
