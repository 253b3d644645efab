"""Checkpoints of every layout, made without torch."""

from __future__ import annotations

import io
import struct
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.frontends.archives import torch_archive
from tests.frontends.torch.pickles.written import call, name, whole, write
from xir.files import open_mapped
from xir.frontends.torch.pickles.checkpoint import MAGIC, PROTOCOL, read_checkpoint
from xir.frontends.torch.pickles.flatten import flatten
from xir.frontends.weights import Weights


@dataclass(frozen=True)
class Stored:
    """A storage: its class, its elements, and how many the pickle says it has."""

    kind: str
    data: bytes
    count: int

    @property
    def class_name(self) -> bytes:
        return name("torch.storage" if self.kind == "UntypedStorage" else "torch", self.kind)


def floats(count: int) -> Stored:
    return Stored("FloatStorage", np.arange(count, dtype="<f4").tobytes(), count)


def storage(key: str, stored: Stored, *, view: object = "no") -> bytes:
    """The persistent id of a storage; `view` is the sixth item, which only the pickle layout has."""
    items = ("storage", stored.class_name, key, "cpu", stored.count)
    return write(items if view == "no" else (*items, view)) + b"Q"


def tensor(held: bytes, shape: tuple, strides: tuple | None = None, offset: int = 0, function: str = "v2") -> bytes:
    """The operations that make a tensor of a storage; row-major strides unless others are given."""
    steps = tuple(int(np.prod(shape[axis + 1 :])) for axis in range(len(shape))) if strides is None else strides
    arguments = (held, offset, shape, steps, False, call("collections", "OrderedDict"))
    return call("torch._utils", f"_rebuild_tensor_{function}", *arguments)


def zip_bytes(value: object, storages: Mapping[str, Stored], version: int = 2, **members: bytes) -> bytes:
    """The zip layout."""
    files = {"data.pkl": whole(value, version=version), "byteorder": b"little"}
    files |= {f"data/{key}": stored.data for key, stored in storages.items()}
    return torch_archive(files | {"version": b"3\n"} | members)


def pickle_bytes(value: object, storages: Mapping[str, Stored], version: int = 2, keys: list | None = None) -> bytes:
    """The pickle layout."""
    system = {"protocol_version": PROTOCOL, "little_endian": True}
    parts = [MAGIC, PROTOCOL, system, value, list(storages) if keys is None else keys]
    data = b"".join(whole(part, version=version) for part in parts)
    return data + b"".join(struct.pack("<q", stored.count) + stored.data for stored in storages.values())


def tar_bytes(value: object, storages: Mapping[int, Stored], tensors: Mapping[int, tuple], parts: tuple = ()) -> bytes:
    """The tar layout; `tensors` are {number: (number of the storage, offset, sizes, strides)}."""
    held = whole(len(storages))
    for number, stored in storages.items():
        held += whole((number, "cpu", stored.class_name)) + struct.pack("<q", stored.count) + stored.data
    held += whole(list(parts))
    lists = whole(len(tensors))
    for number, (place, offset, sizes, strides) in tensors.items():
        lists += whole((number, place, name("torch", "FloatTensor")))
        rank = len(sizes)
        lists += struct.pack(f"<ii{rank}q{rank}qq", rank, 0, *sizes, *strides, offset)
    return tar_of({"sys_info": whole({}), "storages": held, "tensors": lists, "pickle": whole(value)})


def tar_of(members: Mapping[str, bytes], kind: bytes = tarfile.REGTYPE) -> bytes:
    pipe = io.BytesIO()
    with tarfile.open(fileobj=pipe, mode="w", format=tarfile.PAX_FORMAT) as file:
        for title, data in members.items():
            info = tarfile.TarInfo(title)
            info.size, info.mtime, info.type = len(data), 1.5, kind
            file.addfile(info, io.BytesIO(data))
    return pipe.getvalue()


def read(folder: Path, data: bytes, title: str = "file.pth") -> Weights:
    """What a file of these bytes holds."""
    (folder / title).write_bytes(data)
    return flatten(read_checkpoint(open_mapped(folder / title)), title)


def arrays(weights: Weights) -> dict[str, object]:
    """The elements by name."""
    return {name: constant.array().tolist() for name, constant in weights.tensors.items()}
