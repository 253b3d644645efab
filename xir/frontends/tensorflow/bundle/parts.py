"""Parts of variables: told by messages, joined into a whole, cut out of one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xir.errors import InvalidModelError
from xir.frontends.tensorflow.bundle.keys import Extent
from xir.frontends.tensorflow.proto.message import Message
from xir.ir.constant import Constant, constant_of
from xir.ir.types import TensorType
from xir.limits import byte_count, check_present


def extents_of(told: Message) -> tuple[Extent, ...]:
    """The part that a TensorSliceProto tells; an axis without a length is taken whole (tensor_slice.proto)."""
    return tuple(
        (each.integer("start"), each.integer("length") if each.has("length") else -1)
        for each in told.messages("extent")
    )


def joined(type: TensorType, parts: Sequence[tuple[Sequence[Extent], Constant]], name: str, held: int) -> Constant:
    """The whole that parts make; `held` is how many bytes the files have that hold them.

    Raises:
        InvalidModelError: the parts do not make a whole.
    """
    shape, dtype = type.static_shape or (), type.dtype.dtype
    check_present(byte_count(shape, 8 * dtype.itemsize, what=name), held, what=name)
    whole, filled = np.empty(shape, dtype), np.zeros(shape, np.bool_)
    for extents, part in parts:
        place = place_of(shape, extents, name)
        if whole[place].shape != part.shape or part.dtype is not type.dtype:
            raise InvalidModelError(f"a part of {name!r} is {part.type!r}, expected {list(whole[place].shape)}")
        whole[place], filled[place] = part.array(), True
    if not filled.all():
        raise InvalidModelError(f"the parts of {name!r} leave some of it out")
    return constant_of(whole, type.dtype)


def cut(whole: Constant, extents: Sequence[Extent], name: str) -> Constant:
    """A part of a tensor."""
    place = place_of(whole.shape, extents, name)
    return constant_of(np.ascontiguousarray(whole.array()[place]).reshape(_sizes(place)), whole.dtype)


def place_of(shape: Sequence[int], extents: Sequence[Extent], name: str) -> tuple[slice, ...]:
    """Where a part stands in the whole.

    Raises:
        InvalidModelError: it leaves the whole.
    """
    if len(extents) != len(shape):
        raise InvalidModelError(f"{name!r} has {len(shape)} axes, a part of it has {len(extents)}")
    found: list[slice] = []
    for (start, told), size in zip(extents, shape, strict=True):
        length = size if told == -1 else told
        if start < 0 or length < 0 or start + length > size:
            raise InvalidModelError(f"a part of {name!r} leaves its {size} elements: {length} from {start}")
        found.append(slice(start, start + length))
    return tuple(found)


def _sizes(place: Sequence[slice]) -> tuple[int, ...]:
    return tuple(each.stop - each.start for each in place)
