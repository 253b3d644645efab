"""Names that pickles use for plain data of Python's own: tables, sets, bytes, complex numbers.

torch's own safe reader takes most of them (torch/_weights_only_unpickler.py, _get_allowed_globals). Python 2, and
protocols below 3, call the module of builtins `__builtin__` (Lib/_compat_pickle.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from xir.errors import InvalidModelError
from xir.frontends.torch.pickles.objects import Constructor, Table, as_list, as_table, as_tuple, is_key, kind_of

Arguments = tuple[object, ...]


def plain_names() -> Mapping[str, object]:
    """{full name: what it means} for the names of plain data."""
    made: dict[str, Callable[[Arguments], object]] = {
        "collections.OrderedDict": _table,
        "collections.Counter": _table,
        "collections.defaultdict": _table_of_defaults,
        "_codecs.encode": _encoded,
    }
    for module in ("builtins", "__builtin__"):
        made |= {
            f"{module}.dict": _table,
            f"{module}.list": _list,
            f"{module}.set": lambda arguments: set(_hashable(arguments, "set")),
            f"{module}.frozenset": lambda arguments: frozenset(_hashable(arguments, "frozenset")),
            f"{module}.bytes": _bytes,
            f"{module}.bytearray": _byte_array,
            f"{module}.complex": _complex,
        }
    return {name: Constructor(name, call) for name, call in made.items()}


def wrong_arguments(name: str, arguments: Arguments) -> InvalidModelError:
    """The error for a name that is called with what it does not take."""
    given = ", ".join(kind_of(argument) for argument in arguments[:10])
    return InvalidModelError(f"{name} in the pickle is called with ({given}), which it does not take")


def _table(arguments: Arguments) -> Table:
    """An ordered table, empty, of a table, or of a list of pairs (as protocols 0 and 1 write an OrderedDict)."""
    table = Table()
    if not arguments:
        return table
    given, pairs = as_table(arguments[0]), as_list(arguments[0])
    if len(arguments) > 1 or (given is None and pairs is None):
        raise wrong_arguments("collections.OrderedDict", arguments)
    table.update(given or {})
    for pair in pairs or ():
        items = as_list(pair) or list(as_tuple(pair) or ())
        if len(items) != 2 or not is_key(items[0]):
            raise wrong_arguments("collections.OrderedDict", arguments)
        table[items[0]] = items[1]
    return table


def _table_of_defaults(arguments: Arguments) -> Table:
    """A table; what makes its default values is a name that is allowed, and nothing here asks for them."""
    match arguments:
        case () | (None | Constructor(),):
            return Table()
        case _:
            raise wrong_arguments("collections.defaultdict", arguments)


def _list(arguments: Arguments) -> list[object]:
    if arguments:
        raise wrong_arguments("list", arguments)
    return []


def _hashable(arguments: Arguments, name: str) -> list[object]:
    """The items of a set, which protocols below 4 give as a list."""
    items = as_list(arguments[0]) if len(arguments) == 1 else [] if not arguments else None
    if items is None or not all(is_key(item) and not isinstance(item, tuple) for item in items):
        raise wrong_arguments(name, arguments)
    return items


def _bytes(arguments: Arguments) -> bytes:
    if arguments:
        raise wrong_arguments("bytes", arguments)
    return b""


def _encoded(arguments: Arguments) -> bytes:
    """Bytes, which protocols below 3 write as text of the characters 0 to 255."""
    match arguments:
        case (str() as text, "latin1" | "latin-1"):
            return text.encode("latin-1")
        case _:
            raise wrong_arguments("_codecs.encode", arguments)


def _byte_array(arguments: Arguments) -> bytearray:
    match arguments:
        case ():
            return bytearray()
        case (bytes() as data,):
            return bytearray(data)
        case (str() as text, "latin1" | "latin-1"):
            return bytearray(text.encode("latin-1"))
        case _:
            raise wrong_arguments("bytearray", arguments)


def _complex(arguments: Arguments) -> complex:
    match arguments:
        case (float() | int() as real, float() | int() as imaginary):
            return complex(real, imaginary)
        case _:
            raise wrong_arguments("complex", arguments)
