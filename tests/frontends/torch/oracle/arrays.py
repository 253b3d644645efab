"""Arrays in files, of every type that torch has: raw bytes beside a line of JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np


def named(dtype: str) -> np.dtype:
    """The NumPy type of this name, ml_dtypes' where NumPy has none."""
    import ml_dtypes

    return np.dtype(getattr(ml_dtypes, dtype)) if hasattr(ml_dtypes, dtype) else np.dtype(dtype)


def save(path: Path, arrays: list[np.ndarray]) -> None:
    """Writes `PATH.json` and `PATH.bin`."""
    told = [{"dtype": array.dtype.name, "shape": array.shape} for array in arrays]
    path.with_suffix(".json").write_text(json.dumps(told))
    path.with_suffix(".bin").write_bytes(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays))


def load(path: Path) -> list[np.ndarray]:
    """Reads what `save` has written."""
    data, place, found = path.with_suffix(".bin").read_bytes(), 0, []
    for each in json.loads(path.with_suffix(".json").read_text()):
        dtype, shape = named(each["dtype"]), tuple(each["shape"])
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        found.append(np.frombuffer(data[place : place + size], dtype).reshape(shape))
        place += size
    return found
