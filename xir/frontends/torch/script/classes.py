"""Classes of the archive's code: attributes, methods, named tuples, enumerations, and what is an instance of what."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from xir.errors import InvalidModelError
from xir.frontends._problems import LostError
from xir.frontends.torch.script.objects import Device, Member, Object, Place, Record
from xir.frontends.torch.script.syntax import Attribute, Expression, Group, Item, Literal, Name
from xir.frontends.torch.script.values import Lost, Uninitialized, Unreadable, told
from xir.frontends.torch.tensor import Computed, Tensor
from xir.ir.dims import SymbolicDim
from xir.ir.types import DType

if TYPE_CHECKING:
    from xir.frontends.torch.script.interpreter import Interpreter


@dataclass(frozen=True, slots=True)
class ClassName:
    """A class of the archive.

    Attributes:
        kind: its full name.
    """

    kind: str


@dataclass(frozen=True, slots=True)
class New:
    """`Class.__new__`: makes an object without attributes.

    Attributes:
        kind: the class's full name.
    """

    kind: str


@dataclass(frozen=True, slots=True)
class Bound:
    """A method of an object.

    Attributes:
        of: the object.
        place: the method.
    """

    of: Object
    place: Place


def attribute(interpreter: Interpreter, of: object, name: str) -> object:
    """`of.name`.

    Raises:
        InvalidModelError: there is none.
        LostError: it could not be made.
        UnsupportedError: no graph can say it.
    """
    match of:
        case Object():
            return _of_object(interpreter, of, name)
        case Record() if name in of.fields:
            return of[of.fields.index(name)]
        case Member() if name in ("name", "value"):
            return of.value if name == "value" else _named_member(interpreter, of).name
        case ClassName(kind):
            return _of_class(interpreter, kind, name)
        case _:
            raise InvalidModelError(f"{told(of)} has no attribute {name!r}")


def _of_object(interpreter: Interpreter, of: Object, name: str) -> object:
    if name in of.attributes:
        value = of.attributes[name]
        if isinstance(value, Lost):
            raise LostError
        if isinstance(value, Unreadable):
            interpreter.refuse(value.reason)
        return value
    place = interpreter.archive.method(of.kind, name)
    if place is not None:
        return Bound(of, place)
    found = interpreter.archive.definition(of.kind)
    if found is not None and name in found[0].values:
        return interpreter.evaluate(found[0].values[name])
    raise InvalidModelError(f"an object of {of.kind} has no attribute {name!r}")


def _of_class(interpreter: Interpreter, kind: str, name: str) -> object:
    if name == "__new__":
        return New(kind)
    found = interpreter.archive.definition(kind)
    place = interpreter.archive.method(kind, name)
    if place is not None:
        return place
    if found is not None and name in found[0].values:
        value = interpreter.evaluate(found[0].values[name])
        return Member(kind, name, value) if found[0].kind == "Enum" else value
    raise InvalidModelError(f"{kind} has no attribute {name!r}")


def _named_member(interpreter: Interpreter, member: Member) -> Member:
    """A member of which only the value is known, with its name."""
    found = interpreter.archive.definition(member.kind)
    for name, expression in () if found is None else found[0].values.items():
        if interpreter.evaluate(expression) == member.value:
            return Member(member.kind, name, member.value)
    raise InvalidModelError(f"{member.kind} has no member of the value {told(member.value)}")


def made_by(interpreter: Interpreter, kind: str, items: Sequence[object], named: Mapping[str, object]) -> object:
    """What a class makes that is called: a named tuple, or a member of an enumeration."""
    found = interpreter.archive.definition(kind)
    definition = None if found is None else found[0]
    if definition is not None and definition.kind == "NamedTuple":
        fields = tuple(definition.attributes)
        held = dict(zip(fields, items, strict=False)) | dict(named)
        if len(items) > len(fields) or set(held) - set(fields):
            raise InvalidModelError(f"{kind} has the fields {', '.join(fields)}")
        defaults = {name: interpreter.evaluate(value) for name, value in definition.values.items() if name not in held}
        missing = [name for name in fields if name not in held and name not in defaults]
        if missing:
            raise InvalidModelError(f"{kind} needs {missing[0]!r}")
        return Record.of(kind, fields, [held[name] if name in held else defaults[name] for name in fields])
    if definition is not None and definition.kind == "Enum" and len(items) == 1:
        return _named_member(interpreter, Member(kind, "", items[0]))
    raise InvalidModelError(f"{kind} is called")


def unpacked(value: object, count: int) -> Sequence[object]:
    """The parts of a tuple or list.

    Raises:
        InvalidModelError: it has another number of them.
    """
    if not isinstance(value, tuple | list):
        raise InvalidModelError(f"{told(value)} is taken apart")
    parts = cast("Sequence[object]", value)
    if len(parts) != count:
        raise InvalidModelError(f"{len(parts)} values are taken apart into {count}")
    if any(isinstance(part, Lost) for part in parts):
        raise LostError
    return parts


_SIMPLE: Mapping[str, Callable[[object], bool]] = {
    "Tensor": lambda value: isinstance(value, Tensor),
    "bool": lambda value: _dtype(value) is DType.BOOL,
    "int": lambda value: _dtype(value) is DType.INT64 or isinstance(value, DType),
    "float": lambda value: _dtype(value) is DType.FLOAT64,
    "complex": lambda value: isinstance(value, complex),
    "number": lambda value: _dtype(value) is not None or isinstance(value, complex),
    "str": lambda value: isinstance(value, str),
    "Device": lambda value: isinstance(value, Device),
    "NoneType": lambda value: value is None,
    "Any": lambda value: True,
    "list": lambda value: isinstance(value, list),
    "tuple": lambda value: isinstance(value, tuple),
    "dict": lambda value: isinstance(value, dict),
}


def _dtype(value: object) -> DType | None:
    if isinstance(value, Computed):
        return value.value.dtype
    if isinstance(value, bool):
        return DType.BOOL
    if isinstance(value, int | SymbolicDim):
        return DType.INT64
    return DType.FLOAT64 if isinstance(value, float) else None


def isinstance_of(interpreter: Interpreter, value: object, type: Expression) -> bool:
    """Whether a value is of a type, or of one of several."""
    if isinstance(value, Uninitialized):
        return False
    if isinstance(type, Group):
        return any(isinstance_of(interpreter, value, each) for each in type.items)
    if isinstance(type, Item) and isinstance(type.of, Name):
        return _is_generic(interpreter, value, type.of.text, type.index)
    if isinstance(type, Name) and type.text in _SIMPLE:
        return _SIMPLE[type.text](value)
    if isinstance(type, Literal) and type.value is None:
        return value is None
    kind = _dotted(type)
    if isinstance(value, Object | Member | Record):
        return value.kind == kind or _is_interface(interpreter, value.kind, kind)
    return False


def _is_interface(interpreter: Interpreter, kind: str, interface: str) -> bool:
    found = interpreter.archive.definition(interface)
    if found is None or found[0].kind not in ("Interface", "ModuleInterface"):
        return False
    return all(interpreter.archive.method(kind, name) is not None for name in found[0].methods)


def _dotted(type: Expression) -> str:
    parts: list[str] = []
    while isinstance(type, Attribute):
        parts.append(type.name)
        type = type.of
    return ".".join((type.text if isinstance(type, Name) else "?", *reversed(parts)))


def _is_generic(interpreter: Interpreter, value: object, head: str, of: Expression) -> bool:
    """`List[T]`, `Optional[T]`, `Tuple[A, B]`, `Dict[K, V]`, `Union[A, B]`."""
    several = of.items if isinstance(of, Group) else (of,)
    if head in ("Optional", "Union"):
        return (head == "Optional" and value is None) or any(
            isinstance_of(interpreter, value, each) for each in several
        )
    if head == "List" and isinstance(value, list):
        return all(isinstance_of(interpreter, item, several[0]) for item in cast("list[object]", value))
    if head == "Tuple" and isinstance(value, tuple):
        items = cast("tuple[object, ...]", value)
        return len(items) == len(several) and all(
            isinstance_of(interpreter, item, each) for item, each in zip(items, several, strict=True)
        )
    if head == "Dict" and isinstance(value, dict) and len(several) == 2:
        table = cast("dict[object, object]", value)
        return all(
            isinstance_of(interpreter, item, each)
            for pair in table.items()
            for item, each in zip(pair, several, strict=True)
        )
    return False
