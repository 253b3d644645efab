"""Arrays that a graph holds: in memory, or still in the file that they came from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xir.errors import InvalidModelError
from xir.files import FileSlice
from xir.ir.types import DType, TensorType, dtype_from_numpy

if TYPE_CHECKING:
    from numpy.typing import NDArray

Array = np.ndarray[tuple[int, ...], np.dtype[np.generic]]
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Constant:
    """An immutable tensor whose bytes lie in memory or in a range of a file.

    Attributes:
        type: element type and (known) shape.
        data: a read-only array, or the byte range that holds the elements, little-endian, in row-major order.
    """

    type: TensorType
    data: Array | FileSlice

    def __post_init__(self) -> None:
        """Checks that the bytes are as many as the type says.

        Raises:
            InvalidModelError: if they are not, or if the shape is not known.
        """
        shape = self.type.static_shape
        if shape is None:
            raise InvalidModelError(f"a constant needs a known shape, got {self.type}")
        if isinstance(self.data, FileSlice):
            if self.data.length != self.nbytes:
                raise InvalidModelError(f"{self.type} takes {self.nbytes} bytes, the file holds {self.data.length}")
        elif self.data.shape != shape or dtype_from_numpy(self.data.dtype) is not self.type.dtype:
            raise InvalidModelError(f"{self.type} cannot hold an array {self.data.dtype}{list(self.data.shape)}")

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape, every size known."""
        return self.type.static_shape or ()

    @property
    def dtype(self) -> DType:
        """The element type."""
        return self.type.dtype

    @property
    def elements(self) -> int:
        """The number of elements."""
        count = 1
        for size in self.shape:
            count *= size
        return count

    @property
    def nbytes(self) -> int:
        """Bytes in memory, one element in a whole number of bytes."""
        return self.elements * self.type.dtype.dtype.itemsize

    def array(self) -> Array:
        """The elements as a read-only array; a memory map when they lie in a file.

        Raises:
            FileError: if the file has changed since it was read.
        """
        if isinstance(self.data, FileSlice):
            return np.asarray(self.data.view()).view(self.type.dtype.dtype).reshape(self.shape)
        return self.data

    def chunks(self) -> Iterator[bytes | memoryview]:
        """The elements as little-endian bytes in pieces of at most 1 MiB; strings as UTF-8 after their lengths."""
        if self.dtype is DType.STRING:
            yield from self._text_chunks()
            return
        array = self.array()
        if not array.flags.c_contiguous:
            yield from _gathered(array)
            return
        flat = array.reshape(-1)
        little = flat if flat.dtype.byteorder in "=|<" else flat.astype(flat.dtype.newbyteorder("<"))
        view = little.view(np.uint8).data
        for start in range(0, len(view), _CHUNK):
            yield view[start : start + _CHUNK]

    def _text_chunks(self) -> Iterator[bytes]:
        """Strings as UTF-8, each after its length in 8 bytes; a piece a string."""
        for item in self.array().reshape(-1).tolist():
            encoded = item if isinstance(item, bytes) else str(item).encode("utf-8", "surrogateescape")
            yield len(encoded).to_bytes(8, "little") + encoded

    def digest(self) -> str:
        """The SHA-256 of the bytes, in hexadecimal."""
        sha = hashlib.sha256()
        for chunk in self.chunks():
            sha.update(chunk)
        return sha.hexdigest()

    def reshaped(self, shape: tuple[int, ...]) -> Constant:
        """The same elements in another shape; nothing is copied."""
        data = self.data if isinstance(self.data, FileSlice) else self.data.reshape(shape)
        return Constant(self.type.with_shape(shape), data)


def _gathered(array: Array) -> Iterator[bytes]:
    """The elements of an array that lie apart, in row-major order, without a copy of the whole."""
    size = array.dtype.itemsize
    native = array.dtype.byteorder in "=|<"
    plain = array.view(f"u{size}") if native and size in (1, 2, 4, 8) else array
    pieces = np.nditer(
        plain,
        flags=["external_loop", "buffered", "zerosize_ok"],
        order="C",
        op_dtypes=plain.dtype.newbyteorder("<"),
        casting="equiv",
        buffersize=_CHUNK // size,
    )
    for piece in pieces:
        yield np.asarray(piece).tobytes()


def constant_of(array: NDArray[np.generic] | float | int | bool | list[object], dtype: DType | None = None) -> Constant:
    """A constant that holds a read-only copy-free view of `array` (converted to `dtype` when one is given)."""
    held = np.asarray(array) if dtype is None else np.asarray(array).astype(dtype.dtype, copy=False)
    view = held.view()
    view.flags.writeable = False
    return Constant(TensorType(dtype_from_numpy(view.dtype), view.shape), view)
