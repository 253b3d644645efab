"""Storages of torch files and the tensors in them, every number checked before it is believed.

A tensor is an offset, sizes and strides into a storage (c10/core/TensorImpl.h). Its elements become a `Constant` that
stays in the file; tensors of one storage share its bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from xir.errors import InvalidModelError, UnsupportedError
from xir.files import FileSlice
from xir.frontends.torch.element_types import ElementType
from xir.ir.constant import Array, Constant
from xir.ir.types import DType, TensorType
from xir.limits import byte_count, check_rank


@dataclass(slots=True, eq=False, repr=False)
class Storage:
    """The bytes that tensors lie in.

    Attributes:
        key: its name in the file.
        element: the type of its elements.
        count: how many elements it has.
        data: the bytes, once they are known; the oldest layouts hold them behind the pickle.
        swapped: whether the bytes of each number stand in big-endian order.
        whole: for a part of another storage that one, and the offset in bytes of the part.
        turned: {bytes of a number: all bytes in the other order}, as far as they were asked for.
    """

    key: str
    element: ElementType
    count: int
    data: FileSlice | bytes | None = None
    swapped: bool = False
    whole: tuple[Storage, int] | None = None
    turned: dict[int, memoryview] = field(default_factory=dict[int, memoryview])

    @property
    def nbytes(self) -> int:
        """How many bytes it has."""
        return self.count * self.element.size

    def fill(self, data: FileSlice | bytes, *, swapped: bool = False) -> None:
        """Gives it its bytes.

        Raises:
            InvalidModelError: they are not as many as declared.
        """
        length = data.length if isinstance(data, FileSlice) else len(data)
        if length != self.nbytes:
            raise InvalidModelError(
                f"storage {self.key[:60]!r} has {length} bytes; expected {self.count} of {self.element.name}, "
                f"{self.nbytes} bytes",
                number=504,
                hint="the file is cut short or damaged: fetch it again",
            )
        self.data, self.swapped = data, swapped

    def part(self, offset: int, length: int, width: int) -> FileSlice | memoryview:
        """A range of its bytes, the numbers of `width` bytes in it little-endian.

        Raises:
            InvalidModelError: the file holds no bytes for it.
        """
        if self.whole is not None:
            storage, start = self.whole
            return storage.part(start + offset, length, width)
        if self.data is None:
            raise InvalidModelError(f"the file lacks the bytes of storage {self.key[:60]!r}", number=504)
        if self.swapped and width > 1:
            return self._turned(width)[offset : offset + length]
        if isinstance(self.data, FileSlice):
            return self.data.slice(offset, length, what=f"storage {self.key[:60]!r}")
        return memoryview(self.data)[offset : offset + length]

    def _turned(self, width: int) -> memoryview:
        """All bytes with those of each number in the other order; made once, however many tensors lie in it."""
        if width not in self.turned:
            data = self.data.view() if isinstance(self.data, FileSlice) else self.data or b""
            numbers = np.frombuffer(data, np.uint8)[: self.nbytes // width * width].reshape(-1, width)
            self.turned[width] = np.ascontiguousarray(numbers[:, ::-1]).data.cast("B")
        return self.turned[width]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Quantizer:
    """What quantised elements mean: (element - zero point) * scale.

    Attributes:
        scale: a number, or a tensor with a scale for each place of an axis.
        zero_point: the same.
        axis: the axis, or None for one scale.
    """

    scale: Constant | StoredTensor
    zero_point: Constant | StoredTensor
    axis: int | None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class StoredTensor:
    """A tensor in a file.

    Attributes:
        element: the type of its elements.
        storage: where they lie; None for one that was saved without (the device "meta").
        offset: its first element, counted in elements of its type.
        shape: its sizes.
        strides: elements between neighbours on each axis.
        quantizer: for quantised elements what they mean.
    """

    element: ElementType
    storage: Storage | None
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    quantizer: Quantizer | None = None

    def __post_init__(self) -> None:
        """Checks that it lies inside its storage, each element in a place of its own.

        Raises:
            InvalidModelError: it does not.
            UnsafeError: the shape is past the limits.
        """
        check_rank(len(self.shape))
        size = byte_count(self.shape, self.element.bits)
        if len(self.strides) != len(self.shape) or self.offset < 0 or any(stride < 0 for stride in self.strides):
            raise InvalidModelError(
                f"a tensor of the shape {list(self.shape)} has the strides {list(self.strides)} and starts at element "
                f"{self.offset}; expected a stride of 0 or more for each axis, and a start of 0 or more",
                number=504,
            )
        if self.storage is None or not size:
            return
        last = self.offset + sum((size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True))
        if (last + 1) * self.element.bits > self.storage.nbytes * 8:
            raise InvalidModelError(
                f"a tensor reaches element {last} of storage {self.storage.key[:60]!r}, which has "
                f"{self.storage.nbytes * 8 // self.element.bits} of {self.element.name}",
                number=504,
                hint="the file is damaged or hostile: fetch it again",
            )
        if overlap(self.shape, self.strides):
            raise InvalidModelError(
                f"elements of a tensor of the shape {list(self.shape)} with the strides {list(self.strides)} share "
                "their places",
                number=504,
                hint="save it with its own elements: tensor.contiguous() before torch.save",
            )

    @property
    def nbytes(self) -> int:
        """Bytes of its elements."""
        return byte_count(self.shape, self.element.bits)

    @property
    def is_contiguous(self) -> bool:
        """Whether its elements lie one after the other, in row-major order."""
        return self.nbytes == 0 or _is_row_major(self.shape, self.strides)

    def constant(self) -> Constant:
        """Its elements as they are stored (for quantised ones the whole numbers); they stay in the file.

        Raises:
            UnsupportedError: xir has no such element type.
            InvalidModelError: the file does not hold them.
        """
        dtype = self.element.dtype
        if dtype is None:
            raise UnsupportedError(
                f"elements of torch.{self.element.name} have no element type here",
                hint="convert the tensor in torch, to float32 or int8 for example, and save it again",
            )
        type = TensorType(dtype, self.shape)
        if self.storage is None:
            raise InvalidModelError(
                'the tensor was saved without its elements (on the device "meta")',
                hint="load the weights before saving the model",
            )
        if self.element.held > 1:
            return Constant(type, self._taken_apart(self.storage).view(dtype.dtype))
        complex_ = dtype in (DType.COMPLEX64, DType.COMPLEX128)
        width = self.element.size // 2 if complex_ else self.element.size
        if self.is_contiguous:
            start = self.offset * self.element.size if self.nbytes else 0
            data = self.storage.part(start, self.nbytes, width)
            return Constant(type, data if isinstance(data, FileSlice) else _array(data, dtype).reshape(self.shape))
        steps = [(size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True)]
        length = (sum(steps) + 1) * self.element.size
        data = self.storage.part(self.offset * self.element.size, length, width)
        flat = _array(data.view() if isinstance(data, FileSlice) else data, dtype)
        strides = tuple(stride * self.element.size for stride in self.strides)
        return Constant(type, np.lib.stride_tricks.as_strided(flat, self.shape, strides, writeable=False))

    def _taken_apart(self, storage: Storage) -> Array:
        """The numbers of which several lie in a byte, each in a byte of its own, u8.

        Raises:
            UnsupportedError: they are a part of a storage, or have another order there.
        """
        if self.offset or not self.is_contiguous:
            raise UnsupportedError(
                f"a part of a tensor of torch.{self.element.name}", hint="save it with its own elements"
            )
        data = storage.part(0, self.nbytes, 1)
        bytes_ = np.frombuffer(data.view() if isinstance(data, FileSlice) else data, np.uint8)
        shifts = np.arange(self.element.held, dtype=np.uint8) * np.uint8(self.element.bits)
        numbers = (bytes_[:, None] >> shifts) & np.uint8((1 << self.element.bits) - 1)
        return numbers.reshape(-1)[: math.prod(self.shape)].reshape(self.shape)


def _array(data: memoryview, dtype: DType) -> Array:
    return np.frombuffer(data, np.uint8).view(dtype.dtype)


def _is_row_major(shape: Sequence[int], strides: Sequence[int]) -> bool:
    expected = 1
    for size, stride in zip(reversed(shape), reversed(strides), strict=True):
        if size != 1 and stride != expected:
            return False
        expected *= size
    return True


def overlap(shape: Sequence[int], strides: Sequence[int]) -> bool:
    """Whether two elements may share a place: axes, from the smallest stride on, must each step over those before."""
    reach = 0
    for stride, size in sorted(zip(strides, shape, strict=True)):
        if size <= 1:
            continue
        if stride <= reach:
            return True
        reach += (size - 1) * stride
    return False
