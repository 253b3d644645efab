"""One protobuf message as plain typed data that remembers which of its fields were asked for.

A field that the file sets and nobody reads is an attribute silently ignored; `Message.unread` lists them, so that the
importer can refuse. Defaults come from the schema, as in protobuf (caffe.proto's `[default = ...]`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from xir.errors import InvalidModelError
from xir.frontends.caffe.blob import Blob
from xir.frontends.caffe.schema import Category, Field, Schema, default_value


@dataclass(frozen=True, slots=True)
class Stranger:
    """A field of a text that the schema does not have: a message, which was passed over.

    Attributes:
        name: the field's name.
        line: the line of the text.
        hint: what may be meant.
    """

    name: str
    line: int
    hint: str


class Message:
    """The set fields of one message: typed access by name, with defaults, and a record of what was read.

    A field name that the schema does not have, or an accessor of another type, is a mistake of the program and raises
    KeyError or TypeError; what is wrong in the file raises InvalidModelError.

    Attributes:
        schema: the table that gives names, types and defaults.
        type: the message's name, such as `ConvolutionParameter`.
        line: the line of a text file where it starts, or None.
        offset: the byte of a binary file where its content starts, or None.
        strangers: parameters of a layer that the schema does not have: those of a layer of a person's own, or misspelt.
    """

    __slots__ = ("_consulted", "_values", "line", "offset", "schema", "strangers", "type")

    def __init__(
        self,
        schema: Schema,
        type: str,
        values: Mapping[str, Sequence[Value]] | None = None,
        *,
        line: int | None = None,
        offset: int | None = None,
        strangers: Sequence[Stranger] = (),
    ) -> None:
        """A message of `type` that holds `values` by field name; empty sequences count as not set."""
        self.schema = schema
        self.type = type
        self.line = line
        self.offset = offset
        self.strangers = tuple(strangers)
        self._values: dict[str, tuple[Value, ...]] = {
            name: tuple(given) for name, given in (values or {}).items() if given
        }
        self._consulted: set[str] = set()

    def __repr__(self) -> str:
        """The type and the names of the set fields."""
        return f"Message({self.type}: {', '.join(self._values)})"

    @property
    def where(self) -> str:
        """`line 12`, `byte 3456`, or the empty text where it is not known."""
        if self.line is not None:
            return f"line {self.line}"
        return f"byte {self.offset}" if self.offset is not None else ""

    def fields(self) -> tuple[str, ...]:
        """The names of the set fields, in the order of the file."""
        return tuple(self._values)

    def values(self, name: str) -> tuple[Value, ...]:
        """All values of a field of any type, without its default; the field counts as read."""
        self._field(name)
        self._consulted.add(name)
        return self._values.get(name, ())

    def peek(self, name: str) -> tuple[Value, ...]:
        """All values of a field, which does not count as read."""
        self._field(name)
        return self._values.get(name, ())

    def has(self, name: str) -> bool:
        """Whether the file sets the field; the question alone does not count as reading it."""
        self._field(name)
        return name in self._values

    def ignore(self, *names: str) -> None:
        """Says that these fields are known and without meaning for the caller (an `engine`, a learning rate)."""
        for name in names:
            self._field(name)
            self._consulted.add(name)
            for value in self._values.get(name, ()):
                if isinstance(value, Message):
                    value.ignore_all()

    def ignore_all(self) -> None:
        """Says that the whole message, and all inside it, is known and without meaning for the caller."""
        stack: list[Message] = [self]
        while stack:
            message = stack.pop()
            for name, values in message._values.items():
                message._consulted.add(name)
                stack.extend(value for value in values if isinstance(value, Message))

    def unread(self) -> tuple[str, ...]:
        """Paths of the fields that the file sets and nobody has read: `("engine", "weight_filler.std")`."""
        found: list[str] = []
        stack: list[tuple[str, Message]] = [("", self)]
        while stack:
            prefix, message = stack.pop()
            for name, values in message._values.items():
                inner = [value for value in values if isinstance(value, Message)]
                if name in message._consulted:
                    stack.extend((f"{prefix}{name}.", value) for value in inner)
                elif not inner or any(value._values for value in inner):
                    found.append(prefix + name)
        return tuple(sorted(set(found)))

    # --- one value -------------------------------------------------------------------------------------------------

    def integer(self, name: str) -> int:
        """The whole number in the field, or its declared default.

        Raises:
            InvalidModelError: the field is not set and has no default.
        """
        return cast("int", self._one(name, "integer"))

    def number(self, name: str) -> float:
        """The real number in the field (`float` fields are rounded to single precision), or its declared default.

        Raises:
            InvalidModelError: the field is not set and has no default.
        """
        return float(cast("float", self._one(name, "number")))

    def boolean(self, name: str) -> bool:
        """The truth value in the field, or its declared default.

        Raises:
            InvalidModelError: the field is not set and has no default.
        """
        return cast("bool", self._one(name, "boolean"))

    def text(self, name: str) -> str:
        """The string in the field, or its declared default, or the empty string (protobuf's own default)."""
        self._singular(name, "text")
        value = self._set(name)
        return cast("str", value) if value is not None else self._field(name).default or ""

    def enum(self, name: str) -> str:
        """The NAME of the enumeration value in the field (`"AVE"`), or its declared default.

        Raises:
            InvalidModelError: the field is not set and has no default.
        """
        return cast("str", self._one(name, "enum"))

    def data(self, name: str) -> bytes:
        """The bytes in the field, or none."""
        self._singular(name, "bytes")
        value = self._set(name)
        return cast("bytes", value) if value is not None else b""

    def message(self, name: str) -> Message:
        """The message in the field; where it is not set, an empty one, whose fields have their defaults."""
        field = self._singular(name, "message")
        value = self._set(name)
        return cast("Message", value) if value is not None else Message(self.schema, field.type, line=self.line)

    # --- one value or None -----------------------------------------------------------------------------------------

    def optional_integer(self, name: str) -> int | None:
        """The whole number that the file sets, or None; the default is not used."""
        self._singular(name, "integer")
        return cast("int | None", self._set(name))

    def optional_number(self, name: str) -> float | None:
        """The real number that the file sets, or None; the default is not used."""
        self._singular(name, "number")
        return cast("float | None", self._set(name))

    def optional_boolean(self, name: str) -> bool | None:
        """The truth value that the file sets, or None; the default is not used."""
        self._singular(name, "boolean")
        return cast("bool | None", self._set(name))

    def optional_text(self, name: str) -> str | None:
        """The string that the file sets, or None; the default is not used."""
        self._singular(name, "text")
        return cast("str | None", self._set(name))

    def optional_enum(self, name: str) -> str | None:
        """The NAME of the enumeration value that the file sets, or None; the default is not used."""
        self._singular(name, "enum")
        return cast("str | None", self._set(name))

    def optional_message(self, name: str) -> Message | None:
        """The message that the file sets, or None."""
        self._singular(name, "message")
        return cast("Message | None", self._set(name))

    # --- repeated --------------------------------------------------------------------------------------------------

    def integers(self, name: str) -> tuple[int, ...]:
        """All whole numbers of a repeated field (also of one that some forks declare without `repeated`)."""
        return cast("tuple[int, ...]", self._all(name, "integer"))

    def numbers(self, name: str) -> tuple[float, ...]:
        """All real numbers of a repeated field."""
        return cast("tuple[float, ...]", self._all(name, "number"))

    def booleans(self, name: str) -> tuple[bool, ...]:
        """All truth values of a repeated field."""
        return cast("tuple[bool, ...]", self._all(name, "boolean"))

    def texts(self, name: str) -> tuple[str, ...]:
        """All strings of a repeated field."""
        return cast("tuple[str, ...]", self._all(name, "text"))

    def enums(self, name: str) -> tuple[str, ...]:
        """The NAMES of all enumeration values of a repeated field."""
        return cast("tuple[str, ...]", self._all(name, "enum"))

    def messages(self, name: str) -> tuple[Message, ...]:
        """All messages of a repeated field."""
        return cast("tuple[Message, ...]", self._all(name, "message"))

    def blobs(self, name: str) -> tuple[Blob, ...]:
        """All weights of a field of type BlobProto."""
        return cast("tuple[Blob, ...]", self._all(name, "message"))

    # --- edited copies ---------------------------------------------------------------------------------------------

    def edited(self, changes: Mapping[str, Sequence[Value]], drop: Iterable[str] = ()) -> Message:
        """A copy with some fields replaced (an empty sequence removes one) and others dropped; nothing is read yet."""
        dropped = set(drop)
        values: dict[str, Sequence[Value]] = {
            name: given for name, given in self._values.items() if name not in dropped
        }
        values.update(changes)
        for name in changes:
            self._field(name)
        return Message(self.schema, self.type, values, line=self.line, offset=self.offset, strangers=self.strangers)

    def same(self, other: Message) -> bool:
        """Whether both messages hold the same values (places and what was read do not count)."""
        stack: list[tuple[Value, Value]] = [(self, other)]
        while stack:
            first, second = stack.pop()
            if isinstance(first, Message) and isinstance(second, Message):
                if first.type != second.type or set(first._values) != set(second._values):
                    return False
                for name, values in first._values.items():
                    others = second._values[name]
                    if len(values) != len(others):
                        return False
                    stack.extend(zip(values, others, strict=True))
            elif isinstance(first, Blob) and isinstance(second, Blob):
                if (first.shape, first.dtype, first.offset) != (second.shape, second.dtype, second.offset):
                    return False
            elif type(first) is not type(second) or not (first == second or first != first):
                return False
        return True

    # --- inside ----------------------------------------------------------------------------------------------------

    def _field(self, name: str) -> Field:
        field = self.schema.field(self.type, name)
        if field is None:
            raise KeyError(f"{self.type} has no field {name!r}")
        return field

    def _typed(self, name: str, category: Category) -> Field:
        field = self._field(name)
        if field.category != category:
            raise TypeError(f"{self.type}.{name} holds {field.category}, not {category}")
        return field

    def _singular(self, name: str, category: Category) -> Field:
        field = self._typed(name, category)
        if field.repeated:
            raise TypeError(f"{self.type}.{name} is repeated")
        return field

    def _set(self, name: str) -> Value | None:
        self._consulted.add(name)
        values = self._values.get(name)
        return values[-1] if values else None

    def _one(self, name: str, category: Category) -> Value:
        field = self._singular(name, category)
        value = self._set(name)
        if value is not None:
            return value
        if field.default is None:
            where = f" ({self.where})" if self.where else ""
            raise InvalidModelError(
                f"{self.type}{where} does not set {name!r}, which has no default",
                hint=f"add `{name}: ...` to the layer's parameters",
            )
        return cast("Value", default_value(field))

    def _all(self, name: str, category: Category) -> tuple[Value, ...]:
        self._typed(name, category)
        self._consulted.add(name)
        return self._values.get(name, ())


Value = int | float | bool | str | bytes | Message | Blob
"""What one field holds once: enumeration values are their names, BlobProto messages are `Blob`."""
