"""Checkpoints of the first version: one table that holds the elements themselves, number by number.

Source: tensorflow/core/util/saved_tensor_slice.proto and tensor_slice_writer.h.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xir.errors import InvalidModelError
from xir.files import MappedFile
from xir.frontends._wire import Span, Wire
from xir.frontends.tensorflow.bundle.keys import Extent, part_key
from xir.frontends.tensorflow.bundle.parts import cut, extents_of, joined, place_of
from xir.frontends.tensorflow.bundle.table import Table
from xir.frontends.tensorflow.proto.binary import read_message
from xir.frontends.tensorflow.proto.message import Message
from xir.frontends.tensorflow.tensors import dtype_of, elements_from, shape_of_message
from xir.ir.constant import Constant
from xir.ir.types import TensorType

_MESSAGE = "SavedTensorSlices"

_DENSEST = 32
"""Bytes of elements for each byte of a file: the ratio of its packed blocks."""


class Slices:
    """The tensors of a checkpoint of the first version.

    Attributes:
        path: the file.
    """

    def __init__(self, file: MappedFile, table: Table) -> None:
        """Reads what is told of the tensors.

        Raises:
            FormatError: the file is damaged.
        """
        self.path = file.path
        self._size = file.size
        self._wire = Wire(file, "checkpoint", table.content)
        self._spans: Mapping[bytes, Span] = table.entries
        meta = read_message(self._wire, table.entries[b""], _MESSAGE).required("meta")
        self._told = {each.text("name"): each for each in meta.messages("tensor")}

    @property
    def files(self) -> tuple[str, ...]:
        """The file."""
        return (self.path,)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the tensors."""
        return tuple(self._told)

    def has(self, name: str) -> bool:
        """Whether there is a tensor of this name."""
        return name in self._told

    def constant(self, name: str) -> Constant:
        """A tensor, whole.

        Raises:
            InvalidModelError: there is none of this name, or its parts do not make a whole.
            FormatError: its message is damaged.
            UnsupportedError: its elements have no type here.
        """
        told = self._told.get(name)
        if told is None:
            raise InvalidModelError(f"the checkpoint has no tensor {name[:200]!r}", file=self.path)
        type = self._type(told, name)
        parts = [extents_of(each) for each in told.messages("slice")]
        held = [(extents, self._stored(type, extents, name)) for extents in parts]
        if len(held) == 1 and held[0][1].shape == type.static_shape:
            return held[0][1]
        return joined(type, held, name, self._size * _DENSEST)

    def part(self, name: str, extents: Sequence[Extent]) -> Constant:
        """A part of a tensor; raises as `constant`."""
        return cut(self.constant(name), extents, name)

    def _type(self, told: Message, name: str) -> TensorType:
        sizes = shape_of_message(told.message("shape")) or ()
        known = tuple(size for size in sizes if size is not None)
        if len(known) != len(sizes):
            raise InvalidModelError(f"the checkpoint does not tell the shape of {name!r}", file=self.path)
        return TensorType(dtype_of(told.integer("type"), f"{name!r} of the checkpoint"), known)

    def _stored(self, type: TensorType, extents: Sequence[Extent], name: str) -> Constant:
        span = self._spans.get(part_key(name, extents))
        if span is None:
            raise InvalidModelError(f"a part of {name!r} is not in the checkpoint: {extents}", file=self.path)
        data = read_message(self._wire, span, _MESSAGE).required("data").required("data")
        place = place_of(type.static_shape or (), extents, name)
        return elements_from(data, type.dtype, tuple(each.stop - each.start for each in place), repr(name))
