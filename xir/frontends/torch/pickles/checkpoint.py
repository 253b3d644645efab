"""Checkpoints of torch: the object in a file that `torch.save` wrote, in each layout that there was.

zip: an archive with `data.pkl` and a member for each storage (torch 1.6 and later). pickle: five pickles in a row and
the storages behind them (0.1.11 to 1.5, and `_use_new_zipfile_serialization=False`). tar: an archive with a pickle and
lists of storages and tensors (before). The reader of each is in torch/serialization.py (_load, _legacy_load).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from xir.errors import FormatError, InvalidModelError, Location, XirError
from xir.files import FileSlice, MappedFile
from xir.frontends._archive import Archive, looks_like_archive
from xir.frontends.torch.pickles.objects import Names, as_list, as_table, as_tuple, kind_of
from xir.frontends.torch.pickles.storages import Storage, StoredTensor
from xir.frontends.torch.pickles.tar import looks_like_tar, tar_members
from xir.frontends.torch.pickles.tensor_names import Name, tensor_names
from xir.frontends.torch.pickles.unpickle import unpickle
from xir.limits import check_rank

MAGIC = 0x1950A86A20F9469CFC6C
"""The first pickle of the pickle layout (torch/serialization.py, MAGIC_NUMBER)."""

PROTOCOL = 1001
"""The second one (PROTOCOL_VERSION)."""

_MAGIC_PICKLE = b"\x8a\x0a" + MAGIC.to_bytes(10, "little") + b"."
_BLOCK = 512


def layout_of(file: MappedFile) -> str | None:
    """`zip`, `pickle` or `tar` where the file is a checkpoint in this layout; None for other files.

    Archives of `torch.jit.save` and `torch.export.save`, which hold programs, are none.

    Raises:
        XirError: it is an archive, and a damaged one.
    """
    head = file.read_at(0, min(file.size, _BLOCK))
    if looks_like_archive(head):
        archive = Archive(file.whole())
        return "zip" if "data.pkl" in archive and "constants.pkl" not in archive else None
    if _MAGIC_PICKLE in head[:32]:
        return "pickle"
    return "tar" if looks_like_tar(head) else None


def read_checkpoint(file: MappedFile) -> object:
    """The object of a checkpoint: plain data, with `StoredTensor` and `SparseTensor` for tensors.

    Raises:
        FormatError: it is none, or damaged.
        InvalidModelError: tensors do not lie inside their storages, or the file contradicts itself.
        UnsafeError: it names what is not allowed, or asks for more than the limits.
    """
    head = file.read_at(0, min(file.size, _BLOCK))
    try:
        if looks_like_archive(head):
            return read_archive(Archive(file.whole()))
        if looks_like_tar(head):
            return _read_tar(tar_members(file.whole()))
        return _read_pickles(file.whole())
    except XirError as error:
        raise error.located(Location(file.path)) from None


def read_archive(archive: Archive, pickle: str = "data.pkl", folder: str = "data/") -> object:
    """The object of the member `pickle` of an archive, its storages in the members of `folder`."""
    names = Names(tensor_names().get, ArchiveStorages(archive, folder))
    content = archive.content(pickle)
    view = content.view() if isinstance(content, FileSlice) else content
    return unpickle(view, names, file=archive.path).value


class ArchiveStorages:
    """The storages of an archive: what its persistent ids mean."""

    def __init__(self, archive: Archive, folder: str = "data/") -> None:
        """The storages in the members of `folder`.

        Raises:
            FormatError: the archive's byte order is not known.
        """
        self._archive = archive
        self._folder = folder
        self._known: dict[str, Storage] = {}
        order = archive.read("byteorder", 16) if "byteorder" in archive else b"little"
        if order not in (b"little", b"big"):
            raise FormatError(f"there is no byte order {order[:20]!r}", file=archive.path)
        self._swapped = order == b"big"

    def __call__(self, identifier: object) -> Storage:
        """The storage of ("storage", class, key, device, count); until 2019 with None after the count, for a view.

        Raises:
            InvalidModelError: it is another id, or the archive does not hold as many bytes.
        """
        match as_tuple(identifier):
            case ("storage" | b"storage", Name(element=element), str() as key, _, int() as count, *view) if (
                element and view in ([], [None])
            ):
                known = self._known.get(key)
                if known is not None and known.nbytes == count * element.size:
                    return known if known.element == element else Storage(key, element, count, whole=(known, 0))
                storage = Storage(key, element, count)
                data = self._archive.content(self._folder + key)
                storage.fill(data, swapped=self._swapped)
                self._known[key] = storage
                return storage
            case _:
                raise unknown_identifier(identifier)


def unknown_identifier(identifier: object) -> InvalidModelError:
    """The error for a persistent id that names no storage."""
    items = as_tuple(identifier)
    told = kind_of(identifier) if items is None else "(" + ", ".join(kind_of(item) for item in items[:8]) + ")"
    return InvalidModelError(f"the pickle refers to {told}, which is no storage of the file")


class _Stream:
    """Pickles in a row, with bytes between them."""

    def __init__(self, data: FileSlice, names: Names) -> None:
        self.data = data
        self.names = names
        self.place = 0
        self._view = data.view()

    def pickle(self, names: Names | None = None) -> object:
        """The next pickle's object."""
        done = unpickle(self._view, names or self.names, file=self.data.path, start=self.place)
        self.place = done.end
        return done.value

    def bytes(self, count: int) -> FileSlice:
        """The next bytes, where they lie."""
        found = self.data.slice(self.place, count, what="a storage")
        self.place += count
        return found

    def unpack(self, format: str) -> tuple[int, ...]:
        """The next numbers, little-endian."""
        return struct.unpack(f"<{format}", self.bytes(struct.calcsize(f"<{format}")).read())

    def storage_bytes(self, storage: Storage, *, swapped: bool = False) -> None:
        """The next storage's elements, behind their number (torch/csrc/serialization.cpp, readFileRaw)."""
        (storage.count,) = self.unpack("q")
        storage.fill(self.bytes(storage.nbytes), swapped=swapped)


def _read_pickles(data: FileSlice) -> object:
    """The pickle layout: magic, protocol, system, object, keys of storages; then each storage in this order."""
    storages = _PickleStorages()
    plain = tensor_names().get
    stream = _Stream(data, Names(plain))
    if stream.pickle() != MAGIC or stream.pickle() != PROTOCOL:
        raise FormatError("is no checkpoint of torch: its magic number or its version is another one", file=data.path)
    system = as_table(stream.pickle()) or {}
    value = stream.pickle(Names(plain, storages))
    for key in as_list(stream.pickle()) or []:
        storage = storages.known.get(key) if isinstance(key, str) else None
        if storage is None:
            raise InvalidModelError(f"the file holds a storage {key!r:.60} that nothing refers to", file=data.path)
        declared = storage.count
        stream.storage_bytes(storage, swapped=system.get("little_endian") is False)
        if storage.count != declared:
            raise InvalidModelError(
                f"storage {storage.key[:60]!r} has {storage.count} elements; expected {declared}", number=504
            )
    if stream.place != data.length:
        raise InvalidModelError(f"the file has {data.length - stream.place} bytes of no storage", number=504)
    return value


class _PickleStorages:
    """What persistent ids of the pickle layout mean; the bytes come later."""

    def __init__(self) -> None:
        self.known: dict[str, Storage] = {}
        self._views: dict[str, Storage] = {}

    def __call__(self, identifier: object) -> Storage:
        """The storage of ("storage", class, key, device, count, None or (key of a part, offset, count))."""
        match as_tuple(identifier):
            case ("storage" | b"storage", Name(element=element), str() as key, _, int() as count, part) if element:
                known = self.known.setdefault(key, Storage(key, element, count))
                if (known.element, known.count) != (element, count):
                    raise InvalidModelError(f"storage {key[:60]!r} is declared twice, differently", number=504)
            case _:
                raise unknown_identifier(identifier)
        if part is None:
            return known
        match as_tuple(part):
            case (str() as view, int() as offset, int() as length):
                return self._views.setdefault(view, part_of(known, view, offset, length))
            case _:
                raise unknown_identifier(identifier)


def part_of(whole: Storage, key: str, offset: int, count: int) -> Storage:
    """A part of a storage; raises InvalidModelError where it leaves it."""
    if offset < 0 or count < 0 or offset + count > whole.count:
        raise InvalidModelError(f"part {key[:60]!r} leaves storage {whole.key[:60]!r}", number=504)
    return Storage(key, whole.element, count, whole=(whole, offset * whole.element.size))


def _read_tar(members: Mapping[str, FileSlice]) -> object:
    """The tar layout: `storages`, `tensors`, and `pickle`, whose persistent ids are the numbers of both."""
    missing = {"storages", "tensors", "pickle"} - members.keys()
    if missing:
        raise FormatError(f"the tar archive has no {sorted(missing)[0]!r}: is it a checkpoint of torch?")
    names = Names(tensor_names().get)
    objects: dict[int, Storage | StoredTensor] = {}
    _read_tar_storages(_Stream(members["storages"], names), objects)
    _read_tar_tensors(_Stream(members["tensors"], names), objects)

    def persistent(identifier: object) -> object:
        number = _number(identifier)
        if number not in objects:
            raise unknown_identifier(identifier)
        return objects[number]

    return _Stream(members["pickle"], Names(tensor_names().get, persistent)).pickle()


def _number(value: object) -> int:
    match value:
        case int():
            return value
        case str() if value.isascii() and value.isdigit() and len(value) < 30:
            return int(value)
        case _:
            raise unknown_identifier(value)


def _read_tar_storages(stream: _Stream, objects: dict[int, Storage | StoredTensor]) -> None:
    """A count; (number, device, class) and the elements of each; then parts (number, number of the whole, range)."""
    for _ in range(_number(stream.pickle())):
        given = as_tuple(stream.pickle())
        match given:
            case (number, _, Name(element=element)) if element:
                storage = Storage(str(_number(number)), element, 0)
                stream.storage_bytes(storage)
                objects[_number(number)] = storage
            case _:
                raise unknown_identifier(given)
    for part in as_list(stream.pickle()) or []:
        match as_tuple(part):
            case (int() as number, int() as root, int() as offset, int() as count):
                whole = objects.get(root)
                if not isinstance(whole, Storage):
                    raise unknown_identifier(part)
                objects[number] = part_of(whole, str(number), offset, count)
            case _:
                raise unknown_identifier(part)


def _read_tar_tensors(stream: _Stream, objects: dict[int, Storage | StoredTensor]) -> None:
    """A count; for each (number, number of the storage, class), and rank, sizes, strides, offset as 64-bit numbers."""
    for _ in range(_number(stream.pickle())):
        given = as_tuple(stream.pickle())
        match given:
            case (number, storage, Name()):
                data = objects.get(_number(storage))
            case _:
                raise unknown_identifier(given)
        rank, _ = stream.unpack("ii")
        check_rank(rank)
        if rank < 0 or not isinstance(data, Storage):
            raise InvalidModelError("a tensor of the file has no storage or no rank", number=504)
        sizes, strides = stream.unpack(f"{rank}q"), stream.unpack(f"{rank}q")
        (offset,) = stream.unpack("q")
        objects[_number(number)] = StoredTensor(data.element, data, offset, sizes, strides)
