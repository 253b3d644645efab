"""Small archives that torch (2.13) makes, with its answers: `python -m tests.frontends.torch.script.record [NAME]`."""

from __future__ import annotations

import pickle
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from tests.frontends.archives import Member, archive_bytes

HERE = Path(__file__).parent / "recorded"


def models() -> dict[str, Any]:
    """{name: (module, inputs)}; a name that ends with `_trace` is traced, one with `_frozen` frozen."""
    import torch

    from tests.frontends.torch.script import modules

    torch.manual_seed(0)
    x, image = torch.randn(2, 3, 6, 6), torch.randn(2, 3, 12, 12)
    return {
        "conv_trace": (modules.ConvNet(), (x,)),
        "conv": (modules.ConvNet(), (x,)),
        "attention_trace": (modules.Attention(), (torch.randn(2, 5, 8),)),
        "control": (modules.Control(), (torch.randn(4, 4),)),
        "recurrent": (modules.Recurrent(), (torch.randn(5, 2, 3),)),
        "containers": (modules.Containers(), (torch.randn(2, 3),)),
        "quantized": (modules.quantized(image), (image,)),
        "quantized_trace": (modules.quantized(image), (image,)),
        "quantized_layers_trace": (modules.QuantizedLayers(), (x,)),
        "narrow_tables_trace": (
            modules.narrow_tables(),
            (torch.tensor([1, 2, 9, 4, 0, 0]), torch.tensor([0, 2, 5, 6])),
        ),
        "dynamic_trace": (modules.dynamic(), (torch.randn(4, 6),)),
        "quantized_frozen": (modules.quantized(image), (image,)),
        "recurrent_quantized": (modules.recurrents(torch.qint8), (torch.randn(4, 2, 3),)),
        "recurrent_half_frozen": (modules.recurrents(torch.float16), (torch.randn(2, 4, 3),)),
    }


def _forget_folders(path: Path) -> None:
    """Writes the archive again without what tells of this machine: the folders in its map of lines."""
    import torch

    folders = {str(Path(__file__).parent): "/models", str(Path(torch.__file__).parent.parent): "/site-packages"}
    with zipfile.ZipFile(path) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    for name, data in held.items():
        if name.endswith(".debug_pkl"):
            held[name] = pickle.dumps(_renamed(pickle.loads(data), folders), protocol=2)
    path.write_bytes(archive_bytes([Member(name, data, deflate="/data/" not in name) for name, data in held.items()]))


def _renamed(value: Any, folders: dict[str, str]) -> Any:
    """The value with other names for folders."""
    match value:
        case str():
            for folder, short in folders.items():
                value = value.replace(folder, short)
            return value
        case tuple() | list():
            return type(value)(_renamed(item, folders) for item in value)
        case _:
            return value


def main() -> None:
    """Writes the archives, and the inputs and answers beside them."""
    import torch

    HERE.mkdir(exist_ok=True)
    for name, (module, inputs) in models().items():
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        whole = module.eval()
        with torch.no_grad():
            made = torch.jit.trace(whole, inputs) if name.endswith("_trace") else torch.jit.script(whole)
            made = torch.jit.freeze(made) if name.endswith("_frozen") else made
            path = HERE / f"{name}.pt"
            made.save(str(path))
            # torch does not load its own archives with numbers of 4 bits: it finds their storages too short.
            results = (made if name.startswith("narrow") else torch.jit.load(str(path)))(*inputs)
        _forget_folders(path)
        several = results if isinstance(results, tuple) else (results,)
        arrays = {f"in{place}": value.numpy() for place, value in enumerate(inputs)}
        np.savez(
            HERE / f"{name}.npz", **arrays, **{f"out{place}": value.numpy() for place, value in enumerate(several)}
        )


if __name__ == "__main__":
    main()
