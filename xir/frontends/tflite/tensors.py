"""The elements of a file's tensors as constants: mapped where they lie as ours do, unpacked where they do not."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from xir.errors import InvalidModelError, UnsafeError, UnsupportedError
from xir.files import FileSlice
from xir.flatbuffer.schema import ELEMENTS
from xir.frontends.tflite.model import SparseAxis, Sparsity, TfliteModel, TfliteTensor
from xir.ir.constant import Constant, constant_of
from xir.ir.types import DType, TensorType, dtype_from_name
from xir.limits import FREE_ARCHIVE_BYTES, MAX_ARCHIVE_RATIO, MAX_ELEMENTS, byte_count, check_present, element_count

DTYPES: Mapping[str, DType] = MappingProxyType({name: dtype_from_name(short) for name, short in ELEMENTS.items()})
"""Element types by the names of TensorType."""

Integers = NDArray[np.int64]

_WIDEST = 128
"""Bits of the widest element, a complex128."""


def dtype_of(tensor: TfliteTensor) -> DType:
    """The element type of a tensor; raises UnsupportedError where xir has none."""
    if tensor.dtype not in DTYPES:
        raise UnsupportedError(f"tensor {tensor.name!r} holds {tensor.dtype}")
    return DTYPES[tensor.dtype]


def holds(model: TfliteModel, tensor: TfliteTensor) -> bool:
    """Whether the file gives the tensor's elements; an empty tensor has them without a buffer."""
    if not 0 <= tensor.buffer < len(model.buffers):
        raise InvalidModelError(f"tensor {tensor.name!r} names buffer {tensor.buffer} of {len(model.buffers)}")
    return model.buffers[tensor.buffer] is not None


def constant_in(model: TfliteModel, tensor: TfliteTensor) -> Constant:
    """The elements of a tensor.

    Raises:
        InvalidModelError: there are too few, or they are no elements of its type.
        UnsupportedError: a sparse tensor holds texts or parts of bytes.
        UnsafeError: a sparse tensor unpacks to far more than the file holds, or the sizes beside a 0 multiply to more
            bytes than can be counted.
    """
    dtype = dtype_of(tensor)
    data = model.buffers[tensor.buffer]
    what = f"tensor {tensor.name!r}"
    if data is None:
        return _without_elements(tensor, dtype, what)
    if tensor.sparsity is not None:
        return _dense(data, tensor, tensor.sparsity, dtype)
    if dtype is DType.STRING:
        return _strings(data, tensor, what)
    needed = byte_count(tensor.shape, dtype.bits, what=what, file=model.file)
    check_present(needed, data.length, what=what, file=model.file)
    if dtype.bits < 8:
        return _unpacked(data.slice(0, needed, what=what), tensor, dtype)
    return Constant(TensorType(dtype, tensor.shape), data.slice(0, needed, what=what))


def _without_elements(tensor: TfliteTensor, dtype: DType, what: str) -> Constant:
    """An empty tensor, which needs no buffer, be it that no tensor of the file has one; see `holds`."""
    if byte_count([size for size in tensor.shape if size], _WIDEST, what=what) > MAX_ELEMENTS:
        raise UnsafeError(f"{what} of {list(tensor.shape)} has sizes whose product is past 2^63 bytes", number=803)
    return constant_of(np.empty(tensor.shape, dtype.dtype))


def _unpacked(data: FileSlice, tensor: TfliteTensor, dtype: DType) -> Constant:
    """Numbers of 4 or 2 bits, the first in the low bits (internal/portable_tensor_utils.cc, UnpackPackedIntToInt8)."""
    count = element_count(tensor.shape)
    bits = dtype.bits
    packed = np.frombuffer(data.read(), np.uint8)
    parts = np.stack([(packed >> shift) & ((1 << bits) - 1) for shift in range(0, 8, bits)], -1).reshape(-1)[:count]
    wide = parts.astype(np.int8)
    if dtype.is_signed:
        wide = np.where(wide >= 1 << (bits - 1), wide - (1 << bits), wide)
    return constant_of(wide.reshape(tensor.shape), dtype)


def _strings(data: FileSlice, tensor: TfliteTensor, what: str) -> Constant:
    """Texts: their number, one more offsets than that, then their bytes (tensorflow/lite/string_util.h)."""
    held = data.read()
    count = element_count(tensor.shape, what=what)
    if len(held) < 4 or int.from_bytes(held[:4], "little", signed=True) != count:
        raise InvalidModelError(f"{what} does not hold {count} texts")
    check_present(4 * (count + 2), len(held), what=what)
    offsets = np.frombuffer(held, "<i4", count + 1, 4).tolist()
    array = np.empty(count, object)
    for index, (start, end) in enumerate(itertools.pairwise(offsets)):
        if not 0 <= start <= end <= len(held):
            raise InvalidModelError(f"text {index} of {what} leaves its buffer")
        array[index] = held[start:end].decode("utf-8", "surrogateescape")
    return constant_of(array.reshape(tensor.shape))


def _dense(data: FileSlice, tensor: TfliteTensor, sparsity: Sparsity, dtype: DType) -> Constant:
    """A sparse tensor with its zeros (tensorflow/lite/kernels/internal/utils/sparsity_format_converter.cc)."""
    what = f"sparse tensor {tensor.name!r}"
    if dtype.bits < 8:  # parts of bytes, and texts, which have 0
        raise UnsupportedError(f"{what} holds {dtype}")
    needed = byte_count(tensor.shape, dtype.bits, what=what)
    if needed > max(FREE_ARCHIVE_BYTES, MAX_ARCHIVE_RATIO * data.length):
        raise UnsafeError(f"{what} unpacks from {data.length} to {needed} bytes", number=807)
    values = np.frombuffer(data.read(), dtype.dtype)
    rank, blocks = len(tensor.shape), len(sparsity.blocks)
    if sorted(sparsity.order) != list(range(rank + blocks)) or len(sparsity.axes) != rank + blocks:
        raise InvalidModelError(f"{what} is walked in the order {list(sparsity.order)} for {rank} axes")
    if any(not 0 <= axis < rank for axis in sparsity.blocks) or len(set(sparsity.blocks)) != blocks:
        raise InvalidModelError(f"{what} has blocks on the axes {list(sparsity.blocks)}")
    places = np.zeros(1, np.int64)
    coordinates: dict[int, Integers] = {}
    for dimension, axis in zip(sparsity.order, sparsity.axes, strict=True):
        chosen, places, own = _level(axis, places, len(values), what)
        coordinates = {key: held[chosen] for key, held in coordinates.items()} | {dimension: own}
    for number, place in enumerate(sparsity.blocks):
        size = next(each.size for key, each in zip(sparsity.order, sparsity.axes, strict=True) if key == rank + number)
        coordinates[place] = coordinates[place] * size + coordinates[rank + number]
    where = tuple(coordinates[axis] for axis in range(rank))
    outside = any(
        index.size and (index.min() < 0 or index.max() >= size) for index, size in zip(where, tensor.shape, strict=True)
    )
    if outside or (places.size and places.max() >= len(values)):
        raise InvalidModelError(f"{what} names an element outside of it")
    dense = np.zeros(tensor.shape, dtype.dtype)
    dense[where] = values[places]
    return constant_of(dense, dtype)


def _level(axis: SparseAxis, places: Integers, count: int, what: str) -> tuple[Integers, Integers, Integers]:
    """One level of the walk.

    Returns:
        Which of the entries before each new entry comes from; the new entries' places; their coordinates.
    """
    if axis.segments is None or axis.indices is None:
        if axis.size < 0 or len(places) * axis.size > max(count, 1):
            raise InvalidModelError(f"{what} has a dense dimension of {axis.size} for {count} elements")
        chosen = np.repeat(np.arange(len(places)), axis.size)
        own = np.tile(np.arange(axis.size), len(places))
        return chosen, places[chosen] * axis.size + own, own
    segments, indices = np.asarray(axis.segments, np.int64), np.asarray(axis.indices, np.int64)
    if places.size and places.max() + 1 >= len(segments):
        raise InvalidModelError(f"{what} has {len(segments)} segments, too few")
    starts, ends = segments[places], segments[places + 1]
    if (starts < 0).any() or (ends < starts).any() or (ends > len(indices)).any():
        raise InvalidModelError(f"the segments of {what} leave its {len(indices)} indices")
    lengths = ends - starts
    if lengths.sum() > len(indices):
        raise InvalidModelError(f"the segments of {what} overlap")
    chosen = np.repeat(np.arange(len(places)), lengths)
    begins = np.repeat(starts - np.concatenate([[0], np.cumsum(lengths)[:-1]]), lengths) if len(places) else starts
    found = np.arange(len(chosen)) + begins
    return chosen, found, indices[found]
