"""TorchScript archives made without torch: objects as pickles, code as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent, indent

import numpy as np

from tests.frontends.archives import torch_archive
from tests.frontends.torch.pickles.checkpoints import Stored, storage, tensor
from tests.frontends.torch.pickles.written import BUILD, EMPTY_DICT, EMPTY_TUPLE, NEWOBJ, name, pairs, whole
from tests.frontends.torch.pickles.written import write as pickle_write

_STORAGES = {"f": "FloatStorage", "d": "DoubleStorage", "q": "LongStorage", "?": "BoolStorage"}


@dataclass
class Made:
    """An object of a class of the archive, with its attributes, or the state that its class restores them from."""

    kind: str
    attributes: Mapping[str, object] | tuple[object, ...] = field(default_factory=dict)


def script_bytes(root: Made, files: Mapping[str, str], constants: Sequence[object] = (), **members: bytes) -> bytes:
    """An archive.

    Args:
        root: the model.
        files: {module (`__torch__.net`): its code}.
        constants: `CONSTANTS.c0` and so on.
        members: other members of the archive.
    """
    held: dict[str, bytes] = {}
    data = whole(_written(root, held, "data"), version=2)
    pickled = whole(tuple(_written(item, held, "constants") for item in constants), version=2)
    code = {f"code/{module.replace('.', '/')}.py": dedent(text).encode() for module, text in files.items()}
    return torch_archive({"data.pkl": data, "constants.pkl": pickled, "version": b"10\n"} | code | held | members)


def _written(value: object, held: dict[str, bytes], folder: str) -> object:
    match value:
        case Made(kind, attributes):
            module, _, short = kind.rpartition(".")
            made = name(module, short) + EMPTY_TUPLE + NEWOBJ
            if isinstance(attributes, tuple):
                return made + pickle_write(_written(attributes, held, folder)) + BUILD
            state = {key: _written(item, held, folder) for key, item in attributes.items()}
            return made + EMPTY_DICT + (pairs(state) if state else b"") + BUILD
        case np.ndarray():
            key = str(len(held))
            held[f"{folder}/{key}"] = value.tobytes()
            stored = Stored(_STORAGES[value.dtype.char.replace("l", "q")], value.tobytes(), value.size)
            return tensor(storage(key, stored), value.shape)
        case list() | tuple():
            return type(value)(_written(item, held, folder) for item in value)
        case dict():
            return {key: _written(item, held, folder) for key, item in value.items()}
        case _:
            return value


def net(
    body: str,
    parameters: str = "x: Tensor",
    attributes: Mapping[str, object] = {},
    more: str = "",
    constants: Sequence[object] = (),
    trained: Sequence[str] = (),
    **members: bytes,
) -> bytes:
    """A model of one class, by the body of its `forward`; `more` are other methods, indented by two spaces."""
    listed = "".join(f'"{each}", ' for each in trained)
    types = "".join(f"  {key} : Tensor\n" for key in attributes)
    code = f"class Net(Module):\n  __parameters__ = [{listed}]\n  __buffers__ = []\n{types}"
    code += f"  def forward(self: __torch__.Net,\n    {parameters}) -> Tensor:\n"
    code += indent(dedent(body).strip("\n"), "    ") + "\n" + more
    return script_bytes(Made("__torch__.Net", attributes), {"__torch__": code}, constants, **members)


def write(folder: Path, data: bytes, file: str = "net.pt") -> Path:
    """The archive in a file."""
    path = folder / file
    path.write_bytes(data)
    return path
