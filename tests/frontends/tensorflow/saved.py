"""The recorded SavedModels, unpacked where a test wants them."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np

ARCHIVE = Path(__file__).parent / "fixtures" / "saved_models.zip"


def unpack(name: str, folder: Path) -> Path:
    """The folder of a model, below `folder`."""
    with zipfile.ZipFile(ARCHIVE) as archive:
        for entry in archive.namelist():
            if entry.startswith(f"{name}/"):
                path = folder / entry
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(archive.read(entry))
    return folder / name


def recorded(name: str, signature: str, side: str) -> dict[str, np.ndarray]:
    """The inputs (`in`) or results (`out`) of a signature."""
    with zipfile.ZipFile(ARCHIVE) as archive, np.load(io.BytesIO(archive.read("expected.npz"))) as held:
        prefix = f"{name}/{signature}/{side}/"
        return {key.removeprefix(prefix): held[key] for key in held.files if key.startswith(prefix)}


def numbers(*shape: int) -> np.ndarray:
    """Some small numbers, the same in every run: what the recorded variables hold."""
    count = int(np.prod(shape))
    return ((np.arange(count) * 7 % 11 - 5) / 8).astype(np.float32).reshape(shape)
