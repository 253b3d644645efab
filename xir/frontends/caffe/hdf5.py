"""Weights from an HDF5 snapshot (`.caffemodel.h5`), read as plain data.

Layout: net.cpp, Net::ToHDF5: group `data`, in it a group for each layer, in it a dataset for each weight, named by its
number; a weight that another layer owns is left out. Only hard links are followed, and no external or virtual storage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xir.errors import FormatError, InvalidModelError, MissingExtraError, UnsafeError
from xir.files import FileSlice, MappedFile
from xir.frontends.caffe.blob import ITEM_BYTES, Blob, BlobType, numpy_type
from xir.limits import FREE_ARCHIVE_BYTES, MAX_ARCHIVE_RATIO, MAX_NESTING, MEBI, check_nesting, element_count

if TYPE_CHECKING:
    import h5py
    import numpy as np
    from numpy.typing import NDArray

MAX_OBJECTS = 200_000
"""Groups and datasets of one snapshot."""

MAX_LOADED_BYTES = 256 * MEBI
"""Bytes of one dataset that is not plain (chunked, compressed, big-endian) and must be loaded into memory."""

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
    try:
        import h5py
    except ImportError:
        raise MissingExtraError("reading HDF5 snapshots needs h5py", file=file.path, hint="pip install h5py") from None
    try:
        with h5py.File(file.path, "r") as opened:
            snapshot = _read(opened, file)
        file.check()
        return snapshot
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise FormatError(
            f"HDF5 cannot read the file: {str(error)[:300]}", file=file.path, hint="it is damaged: fetch it again"
        ) from error


def _read(opened: h5py.File, file: MappedFile) -> Snapshot:
    names = sorted(str(name) for name in opened)[:20]
    if "iter" in names and ("history" in names or "learned_net" in names):
        raise FormatError(
            "the file is a solver's state, not weights",
            file=file.path,
            hint="give the .caffemodel.h5 of the same iteration",
        )
    if "data" not in names:
        keras = " (Keras wrote it)" if "model_weights" in names or "keras_version" in opened.attrs else ""
        raise FormatError(
            f"the HDF5 file has no group 'data'{keras}; it holds {', '.join(names) or 'nothing'}",
            file=file.path,
            hint="give a snapshot that Caffe wrote (snapshot_format: HDF5)",
        )
    return Snapshot(_walk(opened, file))


def _walk(opened: h5py.File, file: MappedFile) -> dict[str, dict[int, Blob]]:
    """Every group below `data` with numbered datasets is a layer; names with slashes are nested groups."""
    import h5py

    layers: dict[str, dict[int, Blob]] = {}
    stack: list[tuple[str, h5py.Group, int]] = [("", _group(opened, "data", file), 1)]
    objects = 0
    while stack:
        prefix, group, depth = stack.pop()
        check_nesting(depth, what="the HDF5 file", file=file.path, limit=MAX_NESTING)
        for name in group:
            objects += 1
            if objects > MAX_OBJECTS:
                raise UnsafeError(f"the file holds more than {MAX_OBJECTS} objects", number=806, file=file.path)
            _require_hard(group, name, file)
            item = group[name]
            if isinstance(item, h5py.Dataset):
                layers.setdefault(prefix, {})[_position(name, prefix, file)] = _blob(item, prefix, file)
            elif isinstance(item, h5py.Group):
                inner = f"{prefix}/{name}" if prefix else name
                layers.setdefault(inner, {})
                stack.append((inner, item, depth + 1))
    return layers


def _group(opened: h5py.File, name: str, file: MappedFile) -> h5py.Group:
    import h5py

    _require_hard(opened, name, file)
    found = opened[name]
    if not isinstance(found, h5py.Group):
        raise FormatError(f"{name!r} is no group of the HDF5 file", file=file.path)
    return found


def _require_hard(group: h5py.Group, name: str, file: MappedFile) -> None:
    import h5py

    link = group.get(name, getlink=True)
    if not isinstance(link, h5py.HardLink):
        raise UnsafeError(
            f"{group.name}/{name} is a link ({type(link).__name__}), which is never followed",
            number=802,
            file=file.path,
            hint="Caffe writes no links: where does the file come from?",
        )


def _position(name: str, layer: str, file: MappedFile) -> int:
    if not (name.isascii() and name.isdigit() and len(name) < 6 and layer):
        raise InvalidModelError(
            f"the dataset {name!r} has no weight's number for a name", file=file.path, layer=layer or None
        )
    return int(name)


def _blob(dataset: h5py.Dataset, layer: str, file: MappedFile) -> Blob:
    what = f"{dataset.name}"
    if dataset.is_virtual or dataset.external:
        raise UnsafeError(
            f"{what} takes its data from other files, which is never followed", number=802, file=file.path, layer=layer
        )
    dtype = _TYPES.get((dataset.dtype.kind, dataset.dtype.itemsize))
    if dtype is None:
        raise InvalidModelError(
            f"{what} holds {dataset.dtype}; expected real numbers of 16, 32 or 64 bits", file=file.path, layer=layer
        )
    shape = dataset.shape or ()
    count = element_count(shape, what=what, file=file.path)
    return Blob(shape, dtype, _elements(dataset, what, count * ITEM_BYTES[dtype], dtype, file))


def _elements(
    dataset: h5py.Dataset, what: str, size: int, dtype: BlobType, file: MappedFile
) -> FileSlice | NDArray[np.generic]:
    import numpy as np

    offset = dataset.id.get_offset()
    plain = dataset.chunks is None and dataset.compression is None
    if plain and offset is not None and dataset.dtype.str == numpy_type(dtype):
        return file.slice(offset, size, what=what)
    stored = dataset.id.get_storage_size()
    if size > max(FREE_ARCHIVE_BYTES, stored * MAX_ARCHIVE_RATIO) or size > MAX_LOADED_BYTES:
        raise UnsafeError(
            f"{what} unpacks from {stored} to {size} bytes",
            number=807,
            file=file.path,
            hint="this is how bombs look; write the snapshot without compression",
        )
    values = np.ascontiguousarray(dataset[()], dtype=numpy_type(dtype))
    values.flags.writeable = False
    return values
