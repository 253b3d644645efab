"""Weights of an exported program: raw bytes beside a table of shapes and strides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xir.errors import InvalidModelError
from xir.files import FileSlice
from xir.frontends.torch.archive import Archive
from xir.frontends.torch.program import Weight
from xir.frontends.torch.pt2._graph import tensor_info
from xir.frontends.torch.pt2._json import MAX_JSON_BYTES, Json, parse_json
from xir.ir.constant import Constant, constant_of
from xir.ir.types import DType, TensorType
from xir.limits import MAX_FILLED_BYTES, byte_count, check_size


def read_payload(archive: Archive, config: str, folder: str) -> dict[str, Weight]:
    """The tensors of one table (torch/_export/serde/schema.py, `PayloadConfig`).

    Args:
        archive: the archive.
        config: the member that is the table.
        folder: the folder of the members that it names.

    Raises:
        InvalidModelError: a tensor leaves its bytes, or a field is missing.
        UnsupportedError: a tensor is pickled, or no tensor at all.
        UnsafeError: the table is too large.
    """
    table = parse_json(archive.read(config, MAX_JSON_BYTES), what=config, file=archive.path)
    return {name: _weight(archive, folder, meta) for name, meta in table.field("config").entries()}


def _weight(archive: Archive, folder: str, payload: Json) -> Weight:
    path = payload.field("path_name").text()
    meta = payload.maybe("tensor_meta")
    if meta is None or payload.field("use_pickle").boolean():
        payload.refuse(f"{path!r} is a pickled object", hint="xir reads tensors; export the model again without it")
    info = tensor_info(meta)
    content = archive.content(folder + path)
    data = content if isinstance(content, FileSlice) else np.frombuffer(content, np.uint8)
    trainable = payload.field("is_param").boolean() and meta.field("requires_grad").boolean()
    shape, strides = _numbers(meta.field("sizes")), _numbers(meta.field("strides"))
    offset = _number(meta.field("storage_offset"))
    try:
        return Weight(strided(data, info.dtype, shape, strides, offset), trainable)
    except InvalidModelError as error:
        meta.invalid(error.message)


def _numbers(sizes: Json) -> tuple[int, ...]:
    return tuple(_number(item) for item in sizes.items())


def _number(size: Json) -> int:
    kind, value = size.union()
    if kind != "as_int":
        size.invalid("the size of a weight must be a number")
    return value.integer()


def strided(
    data: FileSlice | np.ndarray[tuple[int], np.dtype[np.uint8]],
    dtype: DType,
    shape: tuple[int, ...],
    strides: Sequence[int],
    offset: int,
) -> Constant:
    """The tensor that lies in `data` with these strides: where it lies if its elements stand in order, else copied.

    Args:
        data: the bytes of the storage.
        dtype: of the elements.
        shape: the sizes.
        strides: of each axis, in elements.
        offset: of the first element, in elements.

    Raises:
        InvalidModelError: elements lie outside the bytes.
        UnsafeError: the copy would be too large.
    """
    item = dtype.dtype.itemsize
    nbytes = byte_count(shape, item * 8)
    if len(strides) != len(shape) or offset < 0 or any(stride < 0 for stride in strides):
        raise InvalidModelError(f"shape {list(shape)} has strides {list(strides)} from {offset}")
    have = (data.length if isinstance(data, FileSlice) else data.size) // item
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if nbytes and last >= have:
        raise InvalidModelError(f"element {last} of a storage of {have} elements is read")
    if nbytes == 0:
        return constant_of(np.zeros(shape, dtype.dtype))
    if _is_contiguous(shape, strides):
        if isinstance(data, FileSlice):
            return Constant(TensorType(dtype, shape), data.slice(offset * item, nbytes))
        return constant_of(data[offset * item : offset * item + nbytes].view(dtype.dtype).reshape(shape))
    check_size(nbytes, MAX_FILLED_BYTES, what="a weight that lies out of order")
    flat = data.array(np.uint8, (data.length,)) if isinstance(data, FileSlice) else data
    elements = flat[: have * item].view(dtype.dtype)[offset:]
    steps = tuple(stride * item for stride in strides)
    return constant_of(np.ascontiguousarray(np.lib.stride_tricks.as_strided(elements, shape, steps)))


def _is_contiguous(shape: Sequence[int], strides: Sequence[int]) -> bool:
    expected = 1
    for size, stride in zip(reversed(shape), reversed(strides), strict=True):
        if size != 1 and stride != expected:
            return False
        expected *= size
    return True
