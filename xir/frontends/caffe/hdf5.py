"""Weights from an HDF5 snapshot (`.caffemodel.h5`), read as plain data.

Layout: net.cpp, Net::ToHDF5: group `data`, in it a group for each layer, in it a dataset for each weight, named by its
number; a weight that another layer owns is left out. Only hard links are followed, and no external or virtual storage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xir.errors import FormatError, InvalidModelError, UnsafeError
from xir.files import MappedFile
from xir.frontends._hdf5 import elements_of, item_at, opened
from xir.frontends.caffe.blob import Blob, BlobType, numpy_type
from xir.limits import MAX_NESTING, check_nesting

if TYPE_CHECKING:
    import h5py

MAX_OBJECTS = 200_000
"""Groups and datasets of one snapshot."""

_TYPES: dict[tuple[str, int], BlobType] = {("f", 4): "f32", ("f", 8): "f64", ("f", 2): "f16"}


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """The weights of an HDF5 file: for each layer its blobs by number; numbers may be missing where they are shared."""

    layers: dict[str, dict[int, Blob]]


def read_snapshot(file: MappedFile) -> Snapshot:
    """All weights of an HDF5 snapshot; contiguous little-endian datasets stay ranges of the file.

    Raises:
        MissingExtraError: h5py is not installed.
        FormatError: the file is no HDF5 file, or holds no Caffe weights (it says what it holds).
        UnsafeError: it has links, external or virtual storage, or asks for too much.
        InvalidModelError: a dataset is not a numbered array of real numbers.
    """
    with opened(file.path, file.path, "HDF5 snapshots") as found:
        snapshot = _read(found, file)
    file.check()
    return snapshot


def _read(found: h5py.File, file: MappedFile) -> Snapshot:
    names = sorted(str(name) for name in found)[:20]
    if "iter" in names and ("history" in names or "learned_net" in names):
        raise FormatError(
            "the file is a solver's state, not weights",
            file=file.path,
            hint="give the .caffemodel.h5 of the same iteration",
        )
    if "data" not in names:
        keras = " (Keras wrote it)" if "model_weights" in names or "keras_version" in found.attrs else ""
        raise FormatError(
            f"the HDF5 file has no group 'data'{keras}; it holds {', '.join(names) or 'nothing'}",
            file=file.path,
            hint="give a snapshot that Caffe wrote (snapshot_format: HDF5)",
        )
    return Snapshot(_walk(found, file))


def _walk(found: h5py.File, file: MappedFile) -> dict[str, dict[int, Blob]]:
    """Every group below `data` with numbered datasets is a layer; names with slashes are nested groups."""
    import h5py

    layers: dict[str, dict[int, Blob]] = {}
    stack: list[tuple[str, h5py.Group, int]] = [("", _group(found, "data", file), 1)]
    objects = 0
    while stack:
        prefix, group, depth = stack.pop()
        check_nesting(depth, what="the HDF5 file", file=file.path, limit=MAX_NESTING)
        for name in group:
            objects += 1
            if objects > MAX_OBJECTS:
                raise UnsafeError(f"the file holds more than {MAX_OBJECTS} objects", number=806, file=file.path)
            item = item_at(group, name, file.path, "Caffe")
            if isinstance(item, h5py.Dataset):
                layers.setdefault(prefix, {})[_position(name, prefix, file)] = _blob(item, prefix, file)
            elif isinstance(item, h5py.Group):
                inner = f"{prefix}/{name}" if prefix else name
                layers.setdefault(inner, {})
                stack.append((inner, item, depth + 1))
    return layers


def _group(root: h5py.File, name: str, file: MappedFile) -> h5py.Group:
    import h5py

    found = item_at(root, name, file.path, "Caffe")
    if not isinstance(found, h5py.Group):
        raise FormatError(f"{name!r} is no group of the HDF5 file", file=file.path)
    return found


def _position(name: str, layer: str, file: MappedFile) -> int:
    if not (name.isascii() and name.isdigit() and len(name) < 6 and layer):
        raise InvalidModelError(
            f"the dataset {name!r} has no weight's number for a name", file=file.path, layer=layer or None
        )
    return int(name)


def _blob(dataset: h5py.Dataset, layer: str, file: MappedFile) -> Blob:
    what = f"{dataset.name}"
    dtype = _TYPES.get((dataset.dtype.kind, dataset.dtype.itemsize))
    if dtype is None:
        raise InvalidModelError(
            f"{what} holds {dataset.dtype}; expected real numbers of 16, 32 or 64 bits", file=file.path, layer=layer
        )
    shape = dataset.shape or ()
    return Blob(shape, dtype, elements_of(dataset, numpy_type(dtype), file, file.path, layer))
