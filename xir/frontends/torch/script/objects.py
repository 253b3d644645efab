"""What an archive of `torch.jit.save` holds: the objects of the model, its constants, and the text of its classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from xir.errors import InvalidModelError, UnsupportedError
from xir.files import FileSlice, MappedFile
from xir.frontends._archive import Archive, archive_of
from xir.frontends.torch.pickles.checkpoint import ArchiveStorages, unknown_identifier
from xir.frontends.torch.pickles.objects import (
    Constructor,
    Instance,
    Names,
    as_list,
    as_table,
    as_tuple,
    instance_of,
    kind_of,
)
from xir.frontends.torch.pickles.plain_names import Arguments, wrong_arguments
from xir.frontends.torch.pickles.storages import Storage
from xir.frontends.torch.pickles.tensor_names import Name, tensor_names
from xir.frontends.torch.pickles.unpickle import unpickle
from xir.frontends.torch.script.origins import origins
from xir.frontends.torch.script.parser import parse_file
from xir.frontends.torch.script.syntax import ClassDefinition, Expression, File, Function
from xir.frontends.torch.script.upgraders import NEWEST
from xir.limits import MAX_TEXT_BYTES

_CODE = "code/"
_SUFFIX = ".py"
_ORIGINS = ".debug_pkl"


def looks_like_torchscript(file: MappedFile) -> bool:
    """Whether a file is an archive that holds objects, constants and code."""
    archive = archive_of(file)
    return (
        archive is not None
        and "data.pkl" in archive
        and "constants.pkl" in archive
        and any(True for _ in archive.below(_CODE))
    )


def is_code(place: str) -> bool:
    """Whether a place is in an archive's own code, and not in its author's files."""
    return place.startswith(_CODE)


@dataclass(slots=True, eq=False, repr=False)
class Object:
    """An object of a class of the archive.

    Attributes:
        kind: the class's full name (`__torch__.torch.nn.modules.linear.Linear`).
        attributes: {attribute: its value now}.
        path: the attributes that lead to it from the model; None for what the run makes.
    """

    kind: str
    attributes: dict[str, object] = field(default_factory=dict[str, object])
    path: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """A member of an enumeration.

    Attributes:
        kind: the enumeration's full name.
        name: the member's; empty where only its value is known.
        value: what it stands for.
    """

    kind: str
    name: str
    value: object


class Device(str):
    """Where a tensor lies (`cpu`, `cuda:0`), by its name; no element depends on it."""

    __slots__ = ()


class Record(tuple[object, ...]):
    """A named tuple.

    Attributes:
        kind: its class's full name.
        fields: the names of its items.
    """

    kind: str
    fields: tuple[str, ...]

    @classmethod
    def of(cls, kind: str, fields: Sequence[str], items: Sequence[object]) -> Record:
        """A record with these items."""
        made = cls(items)
        made.kind, made.fields = kind, tuple(fields)
        return made


@dataclass(frozen=True, slots=True)
class Place:
    """A function and the file that it stands in.

    Attributes:
        function: what it is.
        file: the path of its file in the archive.
    """

    function: Function
    file: str


class ScriptArchive:
    """An archive, its files of code parsed when they are needed.

    Attributes:
        path: of the file, for messages.
        root: the model.
        constants: `CONSTANTS.c0` and so on.
        operators: the version of the operators that the code calls; the newest where the file says none.
    """

    def __init__(self, file: MappedFile) -> None:
        """Reads the objects.

        Raises:
            FormatError, InvalidModelError, UnsafeError, UnsupportedError: as the reader of archives and of pickles.
        """
        self.path = file.path
        self._archive = Archive(file.whole())
        self._files: dict[str, File] = {}
        self.operators = self._version()
        self._origins: dict[str, Mapping[int, str]] = {}
        root = _read(self._archive, "data.pkl", ArchiveStorages(self._archive, "data/"))
        if not isinstance(root, Instance):
            raise InvalidModelError(f"the archive holds {kind_of(root)} in place of a module", file=self.path)
        self.instance = root
        held = _read(self._archive, "constants.pkl", ArchiveStorages(self._archive, "constants/"))
        self.constants = as_tuple(held) or tuple(as_list(held) or ())

    def examples(self, method: str) -> Sequence[object] | None:
        """What a method of the model was traced with, or None."""
        if "traced_inputs.pkl" not in self._archive:
            return None
        table = as_table(_read(self._archive, "traced_inputs.pkl", _Empty()))
        return None if table is None else as_list(table.get(method))

    def _version(self) -> int:
        """Of the operators, as the file says it."""
        if "version" not in self._archive:
            return NEWEST
        told = self._archive.read("version", 100).decode("ascii", "replace").strip()
        if not told.isdecimal():
            raise InvalidModelError(f"the version of the operators is {told!r}, no number", file=self.path)
        if int(told) > NEWEST:
            raise UnsupportedError(
                f"the operators are of version {told}, xir knows them up to {NEWEST}",
                file=self.path,
                hint="save the model with torch 2.13 or an older one",
            )
        return int(told)

    def size(self) -> int:
        """Bytes of code."""
        return sum(member.size for name, member in self._archive.below(_CODE) if name.endswith(_SUFFIX))

    def file(self, module: str) -> File | None:
        """The file of a module (`__torch__.torch.nn`), or None."""
        path = _CODE + module.replace(".", "/") + _SUFFIX
        if path not in self._files:
            if path not in self._archive:
                return None
            source = self._archive.read(path, MAX_TEXT_BYTES)
            try:
                text = source.decode("utf-8")
            except UnicodeDecodeError as error:
                raise InvalidModelError(f"{path} is not UTF-8", file=self.path) from error
            self._files[path] = parse_file(text, path)
        return self._files[path]

    def origin(self, file: str, line: int) -> str | None:
        """The place in its author's files that a line of code comes from (`model.py:12`), where the archive tells."""
        if file not in self._origins:
            told = file + _ORIGINS
            held = _read(self._archive, told, _Empty()) if told in self._archive else ()
            self._origins[file] = origins(held, self._archive.read(file, MAX_TEXT_BYTES)) if held else {}
        return self._origins[file].get(line)

    def definition(self, name: str) -> tuple[ClassDefinition, str] | None:
        """A class by its full name, and the path of its file."""
        module, _, short = name.rpartition(".")
        file = self.file(module)
        return None if file is None or short not in file.classes else (file.classes[short], file.path)

    def function(self, name: str) -> Place | None:
        """A function by its full name."""
        module, _, short = name.rpartition(".")
        file = self.file(module)
        return None if file is None or short not in file.functions else Place(file.functions[short], file.path)

    def method(self, kind: str, name: str) -> Place | None:
        """A method of a class."""
        found = self.definition(kind)
        return None if found is None or name not in found[0].methods else Place(found[0].methods[name], found[1])

    def annotations(self, kind: str) -> Mapping[str, Expression]:
        """The attributes of a class, with their types as they are written."""
        found = self.definition(kind)
        return {} if found is None else found[0].attributes


class _Empty:
    """Storages of which the archive holds no elements: those that a model was traced with."""

    def __call__(self, identifier: object) -> Storage:
        match as_tuple(identifier):
            case ("storage" | b"storage", Name(element=element), str() as key, _, int() as count) if element:
                return Storage(key, element, count)
            case _:
                raise unknown_identifier(identifier)


def _read(archive: Archive, pickle: str, storages: Callable[[object], object]) -> object:
    if pickle not in archive:
        return ()
    content = archive.content(pickle)
    view = content.view() if isinstance(content, FileSlice) else content
    return unpickle(view, Names(_Named().find, storages, "the model"), file=archive.path).value


class _Named:
    """What names mean in the pickles of TorchScript: classes of the archive's own code are names alone."""

    def __init__(self) -> None:
        self._known = {**tensor_names(), **_script_names()}

    def find(self, name: str) -> object:
        if name.startswith("__torch__."):
            return instance_of(name, takes_one=True)  # members of enumerations (serialization/pickler.cpp)
        return self._known.get(name)


def _script_names() -> dict[str, object]:
    """Lists with the types of their items (torch/jit/_pickle.py)."""
    made: dict[str, object] = {"torch.device": Constructor("torch.device", _device)}
    for kind in ("int", "tensor", "double", "bool"):
        name = f"torch.jit._pickle.build_{kind}list"
        made[name] = Constructor(name, partial(_list, name))
    name = "torch.jit._pickle.restore_type_tag"
    made[name] = Constructor(name, _tagged)
    return made


def _device(arguments: Arguments) -> Device:
    match arguments:
        case (str() as name, *_):
            return Device(name)
        case _:
            raise wrong_arguments("torch.device", arguments)


def _list(name: str, arguments: Arguments) -> list[object]:
    held = as_list(arguments[0]) if len(arguments) == 1 else None
    if held is None:
        raise wrong_arguments(name, arguments)
    return held


def _tagged(arguments: Arguments) -> object:
    if len(arguments) != 2:
        raise wrong_arguments("torch.jit._pickle.restore_type_tag", arguments)
    return arguments[0]
