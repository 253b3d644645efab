"""HDF5 files as plain data: only hard links are followed, no external or virtual storage, nothing unpacks to a bomb."""

from __future__ import annotations

import io
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from xir.errors import FormatError, MissingExtraError, UnsafeError
from xir.files import FileSlice, MappedFile
from xir.limits import FREE_ARCHIVE_BYTES, MAX_ARCHIVE_RATIO, MEBI, element_count

if TYPE_CHECKING:
    import h5py
    import numpy as np
    from numpy.typing import NDArray

MAGIC = b"\x89HDF\r\n\x1a\n"
"""How every HDF5 file begins (HDF5 File Format Specification 3.0, section II.A)."""

MAX_LOADED_BYTES = 256 * MEBI
"""Bytes of one dataset that is not plain (chunked, compressed, big-endian) and must be loaded into memory."""


class SliceFile(io.RawIOBase):
    """A range of a file (a member of an archive) as a file that h5py reads."""

    def __init__(self, data: FileSlice) -> None:
        """The range, from its beginning."""
        super().__init__()
        self._data = data
        self._at = 0

    def readable(self) -> bool:
        """It can be read."""
        return True

    def seekable(self) -> bool:
        """It can be read from anywhere."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Moves to a place; returns it."""
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._data.length}[whence]
        self._at = max(origin + offset, 0)
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fills a buffer with what stands here; returns how many bytes that was."""
        count = min(len(buffer), max(self._data.length - self._at, 0))
        buffer[:count] = self._data.slice(self._at, count).read()
        self._at += count
        return count


@contextmanager
def opened(source: str | BinaryIO | io.RawIOBase, path: str, what: str) -> Generator[h5py.File]:
    """An HDF5 file, open for reading.

    Args:
        source: the file's path, or its bytes.
        path: the file's path, for messages.
        what: what is read, in words (`HDF5 snapshots`).

    Raises:
        MissingExtraError: h5py is not installed.
        FormatError: HDF5 cannot read it.
    """
    try:
        import h5py
    except ImportError:
        raise MissingExtraError(f"reading {what} needs h5py", file=path, hint="pip install h5py") from None
    try:
        with h5py.File(source, "r") as file:
            yield file
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise FormatError(
            f"HDF5 cannot read the file: {str(error)[:300]}", file=path, hint="it is damaged: fetch it again"
        ) from error


def item_at(group: h5py.Group, name: str, path: str, writer: str) -> h5py.Group | h5py.Dataset | object:
    """What a group holds under one name.

    Args:
        group: the group.
        name: the name, one step.
        path: the file's path, for messages.
        writer: the program that writes such files, which makes no links.

    Raises:
        UnsafeError: it is a link of another kind than a hard one.
    """
    import h5py

    link = group.get(name, getlink=True)
    if not isinstance(link, h5py.HardLink):
        raise UnsafeError(
            f"{group.name}/{name} is a link ({type(link).__name__}), which is never followed",
            number=802,
            file=path,
            hint=f"{writer} writes no links: where does the file come from?",
        )
    return group[name]


def elements_of(
    dataset: h5py.Dataset, dtype: str, file: MappedFile | FileSlice | None, path: str, layer: str | None = None
) -> FileSlice | NDArray[np.generic]:
    """The elements of a dataset: a range of the file where they lie there as ours do, else loaded.

    Args:
        dataset: the dataset.
        dtype: NumPy's name of the little-endian element type that is wanted.
        file: the bytes of the HDF5 file as they lie in a mapped file, or None.
        path: the file's path, for messages.
        layer: the layer that the weight belongs to, for messages.

    Raises:
        UnsafeError: the data is external or virtual, or unpacks to far more than is stored.
    """
    import numpy as np

    what = f"{dataset.name}"
    if dataset.is_virtual or dataset.external:
        raise UnsafeError(
            f"{what} takes its data from other files, which is never followed", number=802, file=path, layer=layer
        )
    size = element_count(dataset.shape or (), what=what, file=path) * np.dtype(dtype).itemsize
    offset = dataset.id.get_offset()
    plain = dataset.chunks is None and dataset.compression is None
    if file is not None and plain and offset is not None and dataset.dtype.str == dtype:
        return file.slice(offset, size, what=what)
    stored = dataset.id.get_storage_size()
    if size > max(FREE_ARCHIVE_BYTES, stored * MAX_ARCHIVE_RATIO) or size > MAX_LOADED_BYTES:
        raise UnsafeError(
            f"{what} unpacks from {stored} to {size} bytes",
            number=807,
            file=path,
            layer=layer,
            hint="this is how bombs look; write the file without compression",
        )
    values = np.ascontiguousarray(dataset[()], dtype=dtype)
    values.flags.writeable = False
    return values
