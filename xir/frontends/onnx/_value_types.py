"""Types of an ONNX file as types of ours; sizes of one name are one symbol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from xir.errors import InvalidModelError, UnsupportedError
from xir.frontends.onnx.model import Dimension, TypeInfo
from xir.frontends.onnx.tensors import dtype_of
from xir.ir.dims import Dim, Symbol
from xir.ir.types import MapType, OptionalType, SequenceType, TensorType, Type, UnrankedType


@dataclass(slots=True)
class TypeTable:
    """Makes types; what xir's exporter noted of named sizes is known again.

    Attributes:
        file: the file's name, for messages.
        ranges: {name of a size: its minimum, maximum and divisor}.
        made: the symbols so far.
    """

    file: str
    ranges: Mapping[str, tuple[int, int | None, int]] = field(default_factory=dict[str, tuple[int, int | None, int]])
    made: dict[str, Symbol] = field(default_factory=dict[str, Symbol])

    def size(self, size: Dimension, what: str) -> Dim:
        """A size of the file: a number, a symbol with its name, or a fresh one.

        -1, and `?` for a name, are what exporters (Paddle's) wrote for a size that they did not know.
        """
        if size.value == -1:
            return Symbol()
        if size.value is not None:
            if size.value < 0:
                raise InvalidModelError(f"{what} has the size {size.value}")
            return size.value
        if size.name is None or size.name == "?":
            return Symbol()
        if size.name not in self.made:
            low, high, divisor = self.ranges.get(size.name, (0, None, 1))
            self.made[size.name] = Symbol(size.name, minimum=low, maximum=high, divisor=divisor)
        return self.made[size.name]

    def of(self, found: TypeInfo | None, what: str) -> Type:
        """The type that a TypeProto tells.

        Raises:
            InvalidModelError: it tells none.
            UnsupportedError: xir has no such type.
        """
        wrappers: list[TypeInfo] = []
        while found is not None and found.kind in ("sequence", "optional", "map"):
            wrappers.append(found)
            found = found.element
        if found is None:
            raise InvalidModelError(f"{what} has no type", hint="tell it with --input NAME=f32[...]")
        if found.kind != "tensor":
            raise UnsupportedError(f"{what} is a {found.kind}", hint="xir reads tensors, sequences, optionals and maps")
        dtype = dtype_of(found.dtype, what, self.file)
        result: Type = UnrankedType(dtype)
        if found.shape is not None:
            result = TensorType(dtype, tuple(self.size(size, what) for size in found.shape))
        if wrappers and wrappers[-1].kind == "map" and result in (UnrankedType(dtype), TensorType(dtype, (1,))):
            result = TensorType(dtype, ())
        for wrapper in reversed(wrappers):
            result = self._wrapped(wrapper, result, what)
        return result

    def _wrapped(self, wrapper: TypeInfo, element: Type, what: str) -> Type:
        """A sequence, optional or map of an element; maps go to single elements, whether as [] or [1]."""
        match wrapper.kind:
            case "sequence":
                return SequenceType(element)
            case "optional":
                return OptionalType(element)
            case _:
                return MapType(dtype_of(wrapper.dtype, f"the keys of {what}", self.file), element)
