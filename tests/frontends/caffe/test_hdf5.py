"""HDF5 snapshots: their layout, and hostile ones."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.frontends.caffe.encoding import write
from xir.errors import FormatError, InvalidModelError, MissingExtraError, UnsafeError, XirError
from xir.files import FileSlice, open_mapped
from xir.frontends.caffe.hdf5 import read_snapshot
from xir.frontends.caffe.reader import read, read_weights

h5py = pytest.importorskip("h5py", reason="h5py is not installed: pip install h5py")
NET = """layer { name: 'a' type: 'InnerProduct' param { name: 'w' } param { } top: 'a' }
         layer { name: 'b' type: 'InnerProduct' param { } param { name: 'w' } top: 'b' }
         layer { name: 'c/d' } layer { name: 'r' }"""


def snapshot(path: Path, fill: Callable[..., object] | None = None) -> Path:
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        layer = data.create_group("a")
        layer["0"] = np.arange(6, dtype="<f4").reshape(2, 3)
        layer["1"] = np.arange(2, dtype="<f8")
        data.create_group("b")["0"] = np.ones(3, dtype="<f4")
        data.create_group("c/d").create_dataset("0", data=np.ones((50, 50), dtype="<f4"), compression="gzip")
        if fill:
            fill(file)
    return path


def test_read_snapshot(tmp_path: Path) -> None:
    layers = read_snapshot(open_mapped(snapshot(tmp_path / "x.caffemodel.h5"))).layers
    assert {
        name: {index: (blob.shape, blob.dtype) for index, blob in blobs.items()} for name, blobs in layers.items()
    } == {
        "a": {0: ((2, 3), "f32"), 1: ((2,), "f64")},
        "b": {0: ((3,), "f32")},
        "c": {},
        "c/d": {0: ((50, 50), "f32")},
    }
    assert isinstance(layers["a"][0].data, FileSlice)
    np.testing.assert_array_equal(layers["a"][0].array(), np.arange(6).reshape(2, 3))
    np.testing.assert_array_equal(layers["c/d"][0].array(), np.ones((50, 50)))


def test_shared_weights_come_from_their_owner(tmp_path: Path) -> None:
    write(tmp_path / "x.prototxt", NET)
    document = read(snapshot(tmp_path / "x.caffemodel.h5"))
    a, b, *_ = document.net.layers
    assert [blob.shape for blob in b.blobs] == [(3,), (2, 3)]
    assert b.blobs[1] is a.blobs[0]
    assert (document.unused, document.absent) == ((), ("r",))


def test_a_missing_weight_that_nobody_shares_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "x.prototxt", "layer { name: 'b' param { } param { name: 'nobody' } }")
    with pytest.raises(InvalidModelError, match="weight 1 is not in"):
        read(snapshot(tmp_path / "x.caffemodel.h5"))


def test_a_snapshot_needs_a_prototxt(tmp_path: Path) -> None:
    write(tmp_path / "other.prototxt", NET)
    with pytest.raises(FormatError, match="holds only weights") as caught:
        read(snapshot(tmp_path / "x.caffemodel.h5"))
    assert "other.prototxt" in str(caught.value.hint)
    assert set(read_weights(tmp_path / "x.caffemodel.h5").layers) == {"a", "b", "c", "c/d"}


def external(file: object) -> None:
    file["data"].create_dataset("e", shape=(2,), dtype="<f4", external=[("/etc/passwd", 0, 8)])  # type: ignore[index]


def virtual(file: object) -> None:
    layout = h5py.VirtualLayout(shape=(2,), dtype="<f4")
    layout[:] = h5py.VirtualSource("/other.h5", "x", shape=(2,))
    file["data"].create_group("v").create_virtual_dataset("0", layout)  # type: ignore[index]


def bomb(file: object) -> None:
    file["data"].create_group("z").create_dataset(  # type: ignore[index]
        "0", shape=(1 << 40,), dtype="<f4", chunks=(1 << 20,), compression="gzip"
    )


@pytest.mark.parametrize(
    ("fill", "error", "reason"),
    [
        (lambda f: f["data"].__setitem__("s", h5py.SoftLink("/data/a")), UnsafeError, "is a link .SoftLink."),
        (
            lambda f: f["data"].__setitem__("s", h5py.ExternalLink("/etc/x.h5", "/")),
            UnsafeError,
            "is a link .ExternalLink.",
        ),
        (external, XirError, "other files|no weight's number"),
        (virtual, UnsafeError, "takes its data from other files"),
        (bomb, UnsafeError, "unpacks from 0 to"),
        (lambda f: f["data/a"].__setitem__("w", np.ones(1)), InvalidModelError, "no weight's number"),
        (lambda f: f["data/a"].__setitem__("2", np.ones(1, dtype="i4")), InvalidModelError, "holds int32"),
        (lambda f: f["data"].__setitem__("0", np.ones(1)), InvalidModelError, "no weight's number"),
        (lambda f: f["data"].__setitem__("loop", f["data"]), UnsafeError, "nested deeper|objects"),
    ],
)
def test_hostile_snapshots_are_refused(
    tmp_path: Path, fill: Callable[..., object], error: type[XirError], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        read_snapshot(open_mapped(snapshot(tmp_path / "x.h5", fill)))


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (("iter", "history"), "a solver's state"),
        (("model_weights",), "Keras wrote it"),
        (("other",), "no group 'data'; it holds other"),
        ((), "it holds nothing"),
    ],
)
def test_other_hdf5_files_are_named(tmp_path: Path, names: tuple[str, ...], reason: str) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        for name in names:
            file.create_group(name)
    with pytest.raises(FormatError, match=reason):
        read_snapshot(open_mapped(tmp_path / "x.h5"))


def test_data_that_is_no_group(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["data"] = np.ones(1)
    with pytest.raises(FormatError, match="is no group"):
        read_snapshot(open_mapped(tmp_path / "x.h5"))


def test_a_damaged_file_is_one_error(tmp_path: Path) -> None:
    whole = snapshot(tmp_path / "x.h5").read_bytes()
    for size in (8, 100, 600, len(whole) // 2):
        with pytest.raises(XirError):
            read_snapshot(open_mapped(write(tmp_path / "cut.h5", whole[:size])))


def test_without_h5py_the_hint_is_the_pip_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = snapshot(tmp_path / "x.h5")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingExtraError) as caught:
        read_snapshot(open_mapped(path))
    assert caught.value.hint == "pip install h5py"
