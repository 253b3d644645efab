"""Files that are given by mistake or out of malice: solvers, means, archives, web pages, HDF5 with links."""

from __future__ import annotations

import gzip
import importlib
import os
import random
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tests.frontends.caffe.encoding import encode_blob, encode_text, field_bytes, tag, varint
from tests.hostile.caffe_files import BLOBS, SMALL, small_caffemodel
from tests.hostile.case import MISSING, REFUSALS, Case, Content, case
from tests.hostile.mutate import flips, truncations

SOLVER = b'net: "train_val.prototxt"\nbase_lr: 0.01\nlr_policy: "step"\nmax_iter: 10000\nsnapshot_prefix: "x"\n'

ENDINGS = ("m.caffemodel", "m.prototxt", "m.onnx", "m.xir", "m.caffemodel.h5", "m")


def others() -> Iterator[Case]:
    """Other kinds of files under every name that a model may have."""
    noise = random.Random(20)
    state = tag(1, 0) + varint(10000) + field_bytes(2, b"x.caffemodel") + field_bytes(3, encode_blob(np.zeros(3)))
    contents: dict[str, bytes] = {
        "solver": SOLVER,
        "solver state": state,
        "mean": encode_blob(np.zeros((1, 3, 8, 8), np.float32), old=True),
        "gzip": gzip.compress(small_caffemodel(), mtime=0),
        "zip": b"PK\x03\x04" + noise.randbytes(200),
        "html": b"<!DOCTYPE html><html><body>404</body></html>",
        "xml": b'<?xml version="1.0"?><model/>',
        "json": b'{"layers": []}',
        "pickle": b"\x80\x02cposix\nsystem\nX\x02\x00\x00\x00id\x85R.",
        "numpy": b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }",
        "lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 24000000\n",
        "utf-16": SMALL.decode().encode("utf-16"),
        "zeros": bytes(100_000),
        "ones": b"\xff" * 100_000,
        "newlines": b"\n" * 100_000,
        "empty": b"",
        "one byte": b"\x0a",
        "varint without end": b"\x80" * 50_000,
        "label map": b'item { name: "cat" label: 1 display_name: "cat" }\n',
        "safetensors": struct.pack("<Q", 1 << 62) + b"{}",
        "gguf": b"GGUF" + bytes(100),
        "elf": b"\x7fELF" + bytes(100),
        "png": b"\x89PNG\r\n\x1a\n" + bytes(100),
        "shell script": b"#!/bin/sh\nrm -rf /\n",
        "HDF5 signature only": b"\x89HDF\r\n\x1a\n",
        "HDF5 and zeros": b"\x89HDF\r\n\x1a\n" + bytes(5000),
        **{f"noise {number}": noise.randbytes(noise.choice((1, 10, 100, 5000))) for number in range(30)},
    }
    for name, content in contents.items():
        for model in ENDINGS:
            yield case(f"{name} as {model}", model, content, refused=True)
    for model in ENDINGS[:4]:
        yield Case(f"nothing at {model}", model, {}, frozenset((MISSING,)))
        yield Case(f"folder at {model}", model, {model: Path.mkdir}, frozenset((MISSING,)))
        yield Case(f"loop of links at {model}", model, {model: _loop}, frozenset((9,)))
        yield Case(f"pipe at {model}", model, {model: os.mkfifo}, frozenset((8,)))


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


def hdf5() -> Iterator[Case]:
    """HDF5 snapshots: right, linked elsewhere, virtual, compressed bombs, damaged."""
    for name, make, refused in (
        ("right", _right, False),
        ("external link", _external_link, True),
        ("external link for the root", _external_root, True),
        ("soft link", _soft_link, True),
        ("soft link to itself", _soft_loop, True),
        ("hard link loop", _hard_loop, True),
        ("virtual dataset", _virtual, True),
        ("external storage", _external_storage, True),
        ("compressed bomb", _bomb, True),
        ("declared huge", _declared, True),
        ("many groups", _many, True),
        ("text in place of numbers", _text, True),
        ("objects", _object, True),
    ):
        model = "m.caffemodel.h5"
        files: dict[str, Content] = {model: make, "m.prototxt": SMALL}
        yield Case(f"hdf5: {name}", model, files, REFUSALS if refused else frozenset((0,)))
    data = _bytes(_right)
    for name, content in (*truncations(data, 40, 21), *flips(data, 120, 22)):
        yield Case(f"hdf5: {name}", "m.caffemodel.h5", {"m.caffemodel.h5": content, "m.prototxt": SMALL})


def _bytes(make: Callable[[Path], None]) -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.h5"
        make(path)
        return path.read_bytes()


def _h5py() -> Any:
    """The library, of which the stubs tell only what xir itself uses: reading."""
    return importlib.import_module("h5py")


def _layers(path: Path) -> tuple[Any, Any]:
    """A snapshot without the weights of `conv`: (file, the group `conv`)."""
    h5py = _h5py()
    file = h5py.File(path, "w")
    data = file.create_group("data")
    for name, shapes in BLOBS.items():
        group = data.create_group(name)
        if name != "conv":
            for index, shape in enumerate(shapes):
                group.create_dataset(str(index), data=np.ones(shape, np.float32))
    data["conv"].create_dataset("1", data=np.ones(4, np.float32))
    return file, data["conv"]


def _right(path: Path) -> None:
    file, conv = _layers(path)
    conv.create_dataset("0", data=np.ones((4, 3, 3, 3), np.float32))
    file.close()


def _external_link(path: Path) -> None:
    h5py = _h5py()
    other = path.with_name("other.h5")
    with h5py.File(other, "w") as held:
        held.create_dataset("x", data=np.ones((4, 3, 3, 3), np.float32))
    file, conv = _layers(path)
    conv["0"] = h5py.ExternalLink(str(other), "/x")
    file.close()


def _external_root(path: Path) -> None:
    h5py = _h5py()
    with h5py.File(path, "w") as file:
        file["data"] = h5py.ExternalLink("/etc/passwd", "/")


def _soft_link(path: Path) -> None:
    h5py = _h5py()
    file, conv = _layers(path)
    file.create_dataset("elsewhere", data=np.ones((4, 3, 3, 3), np.float32))
    conv["0"] = h5py.SoftLink("/elsewhere")
    file.close()


def _soft_loop(path: Path) -> None:
    h5py = _h5py()
    file, conv = _layers(path)
    conv["0"] = h5py.SoftLink("/data/conv/0")
    file.close()


def _hard_loop(path: Path) -> None:
    file, conv = _layers(path)
    conv["0"] = file["data"]
    file.close()


def _virtual(path: Path) -> None:
    h5py = _h5py()
    layout = h5py.VirtualLayout((4, 3, 3, 3), np.float32)
    layout[:] = h5py.VirtualSource("/etc/hostname", "x", shape=(4, 3, 3, 3))
    file, conv = _layers(path)
    conv.create_virtual_dataset("0", layout)
    file.close()


def _external_storage(path: Path) -> None:
    file, conv = _layers(path)
    conv.create_dataset("0", (4, 3, 3, 3), np.float32, external=[("/etc/passwd", 0, 432)])
    file.close()


def _bomb(path: Path) -> None:
    file, conv = _layers(path)
    shape = (1 << 31,)
    conv.create_dataset("0", shape, np.float32, compression="gzip", chunks=(1 << 20,), fillvalue=0)
    file.close()


def _declared(path: Path) -> None:
    file, conv = _layers(path)
    conv.create_dataset("0", (1 << 30, 1 << 20), np.float32, chunks=(1, 1 << 10))
    file.close()


def _many(path: Path) -> None:
    file, conv = _layers(path)
    for number in range(3000):
        conv.create_group(f"g{number}")
    file.close()


def _text(path: Path) -> None:
    file, conv = _layers(path)
    conv.create_dataset("0", data=np.array([b"x"] * 108).reshape(4, 3, 3, 3))
    file.close()


def _object(path: Path) -> None:
    h5py = _h5py()
    file, conv = _layers(path)
    conv.create_dataset("0", data=np.array(["x"] * 108, object).reshape(4, 3, 3, 3), dtype=h5py.string_dtype())
    file.close()


def wrong_companions() -> Iterator[Case]:
    """A right caffemodel beside a prototxt that is something else."""
    weights = small_caffemodel()
    for name, content in {
        "solver": SOLVER,
        "the weights themselves": weights,
        "mean": encode_blob(np.zeros((1, 3, 8, 8), np.float32), old=True),
        "html": b"<html></html>",
        "another net": b'layer { name: "x" type: "ReLU" bottom: "y" top: "z" }',
        "binary prototxt": encode_text(SMALL.decode()),
        "empty": b"",
        "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(1000),
    }.items():
        yield Case(f"companion: {name}", "m.caffemodel", {"m.caffemodel": weights, "m.prototxt": content})
