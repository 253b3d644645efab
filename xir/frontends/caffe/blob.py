"""Trained weights as values: a shape, an element type, and where the elements lie (mostly still in the file)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from xir.files import FileSlice
from xir.limits import element_count

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BlobType = Literal["f32", "f64", "f16", "i32", "u32"]
"""Element types: `float` and `double` of BlobProto, and the raw types of NVIDIA/caffe (caffe.proto, enum Type)."""

ITEM_BYTES: dict[BlobType, int] = {"f32": 4, "f64": 8, "f16": 2, "i32": 4, "u32": 4}
"""Bytes of one element."""

_NUMPY: dict[BlobType, str] = {"f32": "<f4", "f64": "<f8", "f16": "<f2", "i32": "<i4", "u32": "<u4"}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Blob:
    """One BlobProto: `shape` elements of `dtype`, row-major, little-endian.

    Attributes:
        shape: the sizes; () for a scalar. The old num, channels, height, width form gives four sizes.
        dtype: the element type.
        data: a range of the file, or a read-only array where the file's elements are not contiguous (and for text).
        line: the line of a text file, or None.
        offset: the byte of a binary file where the BlobProto starts, or None.
        gradient: the file also holds a gradient (`diff`), which is not read.
    """

    shape: tuple[int, ...]
    dtype: BlobType
    data: FileSlice | NDArray[np.generic]
    line: int | None = None
    offset: int | None = None
    gradient: bool = False

    @property
    def count(self) -> int:
        """The number of elements."""
        return element_count(self.shape)

    @property
    def nbytes(self) -> int:
        """The number of bytes that the elements take."""
        return self.count * ITEM_BYTES[self.dtype]

    def array(self) -> NDArray[np.generic]:
        """The elements as a read-only array of `shape`; a memory map where they lie in a file.

        Raises:
            FileError: the file changed since it was opened.
        """
        if isinstance(self.data, FileSlice):
            return self.data.array(_NUMPY[self.dtype], self.shape)
        return self.data

    def __repr__(self) -> str:
        """Shape and type, not the elements."""
        return f"Blob({self.dtype}{list(self.shape)})"


def numpy_type(dtype: BlobType) -> str:
    """The little-endian numpy name of an element type: `<f4` for `f32`."""
    return _NUMPY[dtype]
