"""Weights of an exported program: raw bytes beside a table of shapes and strides, or what `torch.save` wrote."""

from __future__ import annotations

from collections.abc import Mapping

from xir.errors import Location, UnsupportedError, XirError
from xir.files import FileSlice
from xir.frontends._archive import Archive
from xir.frontends._json import MAX_JSON_BYTES, Json, parse_json
from xir.frontends.torch.element_types import ELEMENT_TYPES, ElementType
from xir.frontends.torch.pickles.checkpoint import read_archive
from xir.frontends.torch.pickles.objects import as_table, kind_of
from xir.frontends.torch.pickles.storages import Storage, StoredTensor
from xir.frontends.torch.program import Weight
from xir.frontends.torch.pt2._graph import tensor_info
from xir.ir.types import DType

_ELEMENTS: Mapping[DType, ElementType] = {
    element.dtype: element for element in ELEMENT_TYPES.values() if element.dtype is not None and not element.quantized
}


def read_payload(archive: Archive, config: str, folder: str) -> dict[str, Weight]:
    """The tensors of one table (torch/_export/serde/schema.py, `PayloadConfig`).

    Args:
        archive: the archive.
        config: the member that is the table.
        folder: the folder of the members that it names.

    Raises:
        InvalidModelError: a tensor leaves its bytes, or a field is missing.
        UnsupportedError: what it holds is no tensor.
        UnsafeError: the table is too large.
    """
    table = parse_json(archive.read(config, MAX_JSON_BYTES), what=config, file=archive.path)
    swapped = "byteorder" in archive and archive.read("byteorder", 16) == b"big"
    return {
        name: _weight(archive, folder + payload.field("path_name").text(), payload, swapped)
        for name, payload in table.field("config").entries()
    }


def _weight(archive: Archive, member: str, payload: Json, swapped: bool) -> Weight:
    meta = payload.maybe("tensor_meta")
    if payload.field("use_pickle").boolean():
        return _tensor(read_saved(archive, member), member, True)
    if meta is None:
        payload.refuse(f"{member!r} is an object of a class", hint="xir reads tensors; export the model without it")
    info = tensor_info(meta)
    element = _ELEMENTS[info.dtype]
    content = archive.content(member)
    length = content.length if isinstance(content, FileSlice) else len(content)
    storage = Storage(member, element, length // element.size)
    storage.fill(content, swapped=swapped)
    trainable = payload.field("is_param").boolean() and meta.field("requires_grad").boolean()
    shape, strides = _numbers(meta.field("sizes")), _numbers(meta.field("strides"))
    try:
        tensor = StoredTensor(element, storage, _number(meta.field("storage_offset")), shape, strides)
    except XirError as error:
        raise error.located(Location(archive.path, member)) from None
    return Weight(tensor.constant(), trainable)


def _numbers(sizes: Json) -> tuple[int, ...]:
    return tuple(_number(item) for item in sizes.items())


def _number(size: Json) -> int:
    kind, value = size.union()
    if kind != "as_int":
        size.invalid("the size of a weight must be a number")
    return value.integer()


def read_saved(archive: Archive, member: str) -> object:
    """What `torch.save` wrote into a member.

    Raises:
        UnsupportedError: the member is packed, so that what it holds cannot be mapped.
        XirError: as `read_archive`.
    """
    content = archive.content(member)
    if not isinstance(content, FileSlice):
        raise UnsupportedError(
            f"archive member {member!r} is packed", file=archive.path, hint="store its members (zip -0)"
        )
    return read_archive(Archive(content)) if content.length else {}


def read_state(archive: Archive, member: str) -> dict[str, Weight]:
    """The tensors of a dictionary that `torch.save` wrote into a member.

    Raises:
        UnsupportedError: what it holds is no dictionary of tensors.
        XirError: as `read_saved`.
    """
    table = as_table(read_saved(archive, member))
    if table is None:
        raise UnsupportedError(f"archive member {member!r} holds no table of tensors", file=archive.path)
    return {name: _tensor(item, name, True) for name, item in table.items() if isinstance(name, str)}


def _tensor(item: object, name: str, trainable: bool) -> Weight:
    if not isinstance(item, StoredTensor) or item.quantizer is not None:
        raise UnsupportedError(
            f"{name!r} is {kind_of(item)}", hint="xir reads dense tensors; export the model without it"
        )
    return Weight(item.constant(), trainable)
