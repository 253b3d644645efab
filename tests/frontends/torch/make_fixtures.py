"""Makes the archives in `fixtures/`, with torch 2.13: `python -m tests.frontends.torch.make_fixtures`.

Weights are random and our own. Each archive stands beside `NAME.json`: inputs and what torch computes for them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "fixtures"


def main() -> None:
    """Writes all of them."""
    import torch

    FOLDER.mkdir(exist_ok=True)
    for name, (model, args, dynamic, decompose) in programs().items():
        torch.manual_seed(0)
        exported = torch.export.export(model, args, dynamic_shapes=dynamic)
        if decompose:
            exported = exported.run_decompositions()
        _save(exported, FOLDER / f"{name}.pt2")
        runs = [_run(model, args), _run(model, args)]  # the second one shows the state that the first one left
        (FOLDER / f"{name}.json").write_text(json.dumps(runs))


def _save(exported: Any, path: Path) -> None:
    """Saves a program by torch, then again without what tells of this machine: folders, and how passes made nodes."""
    import torch
    from torch.export.pt2_archive._package import PT2ArchiveReader, PT2ArchiveWriter

    torch.export.save(exported, path)
    packages = str(Path(torch.__file__).parent.parent)
    with PT2ArchiveReader(str(path)) as archive:
        held = {name: archive.read_bytes(name) for name in archive.get_file_names()}
    with PT2ArchiveWriter(str(path)) as archive:
        for name, data in held.items():
            if name.startswith("models/"):
                text = data.decode().replace(packages, "/site-packages").replace(str(Path(__file__).parent), "/models")
                archive.write_bytes(name, json.dumps(_without(json.loads(text), ("from_node", "torch_fn"))).encode())
            elif not name.startswith((".data/", "archive_", "byteorder")):
                archive.write_bytes(name, data)


def _without(value: Any, names: tuple[str, ...]) -> Any:
    if isinstance(value, dict):
        return {key: _without(held, names) for key, held in value.items() if key not in names}
    return [_without(held, names) for held in value] if isinstance(value, list) else value


def _run(model: Any, args: tuple[Any, ...]) -> dict[str, Any]:
    import torch
    import torch.utils._pytree as pytree

    inputs = [arg.tolist() for arg in args]
    with torch.no_grad():
        made = model(*(arg.clone() for arg in args))
    leaves = [leaf.tolist() if isinstance(leaf, torch.Tensor) else leaf for leaf in pytree.tree_leaves(made)]
    return {"inputs": inputs, "outputs": leaves}


def programs() -> dict[str, Any]:
    """{name: (model, inputs, dynamic shapes, whether it is taken apart into core ATen)}."""
    import torch
    from torch import nn

    torch.manual_seed(0)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.ReLU())
            self.head = nn.Linear(3, 4)
            self.register_buffer("count", torch.zeros(()))

        def forward(self, x):
            self.count.add_(1)
            y = self.conv(x).mean((2, 3))
            pair = y.view(x.shape[0], 3)
            pair[:, 0] += 1
            return {"score": self.head(pair), "rest": (y * self.count, x.shape[0])}

    class Steps(nn.Module):
        def forward(self, x, flag):
            y = torch.cond(flag, lambda x: x.relu(), lambda x: x * x.shape[0], (x,))
            with torch.no_grad():
                return torch.softmax(y, -1) @ x.T

    batch = torch.export.Dim("batch", min=1, max=64)
    image = torch.randn(2, 2, 4, 4)
    made: dict[str, Any] = {}
    made["net"] = (Net().eval(), (image,), ({0: batch},), False)
    made["norm_core"] = (nn.BatchNorm2d(2).train(), (image,), ({0: batch},), True)
    made["steps"] = (Steps(), (torch.randn(3, 5), torch.tensor(False)), ({0: batch}, None), False)
    return made


if __name__ == "__main__":
    main()
