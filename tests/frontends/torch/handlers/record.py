"""What torch makes of calls: `python -m tests.frontends.torch.handlers.record [FAMILY..]` writes `expected/*.npz`."""

from __future__ import annotations

import importlib
import json
import math
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from tests.frontends.torch.handlers.call import Array, Example
from tests.frontends.torch.handlers.families import FAMILIES, family
from xir.ir.types import DType

EXPECTED = Path(__file__).with_name("expected")

Results = list[Array | None]
"""The results of a call in order; None for those that torch leaves out."""


def as_torch(item: Any) -> Any:
    """An argument as torch takes it."""
    import torch

    if isinstance(item, np.ndarray):
        if item.dtype == ml_dtypes.bfloat16:
            return torch.from_numpy(item.astype(np.float32)).to(torch.bfloat16)
        return torch.from_numpy(item.copy())
    if isinstance(item, DType):
        return getattr(torch, item.dtype.name)
    return [as_torch(each) for each in item] if isinstance(item, list | tuple) else item


def as_array(result: Any) -> Array:
    """A result of torch as an array; a complex one as its parts, [..., 2]."""
    import torch

    if not isinstance(result, torch.Tensor):
        return np.asarray(result)
    if result.is_complex():
        result = torch.view_as_real(result.resolve_conj())
    if result.dtype is torch.bfloat16:
        return result.float().numpy().astype(ml_dtypes.bfloat16)
    return result.contiguous().numpy()


def flat(made: Any) -> Iterator[Any]:
    """The results one after another, those in lists too."""
    if isinstance(made, tuple | list):
        for each in made:
            yield from flat(each)
    else:
        yield made


def asked(example: Example) -> Results:
    """What torch makes of a call."""
    import torch

    importlib.import_module("torch.ao.quantization.fx._decomposed")  # registers `quantized_decomposed`
    namespace, name, overload = example.kind.split(".")
    operator = getattr(getattr(getattr(torch.ops, namespace), name), overload)
    named = {key: as_torch(item) for key, item in example.named.items()}
    with torch.no_grad():
        made = operator(*map(as_torch, example.items), **named)
    return [None if each is None else as_array(each) for each in flat(made)]


def asked_if_defined(example: Example) -> Results | None:
    """The same; None where torch does not define the call."""
    try:
        return asked(example)
    except (RuntimeError, NotImplementedError):
        return None


def record(name: str, results: Mapping[str, Results | None]) -> None:
    """Writes results: for each type all elements in one row, and an index of what lies where."""
    rows: dict[str, list[Array]] = {}
    ends: dict[str, int] = {}

    def kept(array: Array) -> tuple[str, int, tuple[int, ...]]:
        dtype = array.dtype.name
        start = ends.get(dtype, 0)
        bits = array.view(np.uint16) if array.dtype == ml_dtypes.bfloat16 else array
        rows.setdefault(dtype, []).append(bits.reshape(-1))
        ends[dtype] = start + array.size
        return dtype, start, array.shape

    index = {key: made and [None if each is None else kept(each) for each in made] for key, made in results.items()}
    text = np.frombuffer(json.dumps(index).encode(), np.uint8)
    arrays = {dtype: np.concatenate(each) for dtype, each in rows.items()}
    np.savez_compressed(EXPECTED / f"{name}.npz", index=text, **arrays)


def recorded(name: str) -> dict[str, Results | None]:
    """{call: what torch made of it}; None for calls that torch does not define."""
    with np.load(EXPECTED / f"{name}.npz") as held:
        rows = {dtype: held[dtype] for dtype in held.files}
    index: dict[str, list[tuple[str, int, list[int]] | None] | None] = json.loads(rows.pop("index").tobytes())
    if "bfloat16" in rows:
        rows["bfloat16"] = rows["bfloat16"].view(ml_dtypes.bfloat16)

    def array(dtype: str, start: int, shape: list[int]) -> Array:
        return rows[dtype][start : start + math.prod(shape)].reshape(shape)

    return {
        key: places and [None if place is None else array(*place) for place in places] for key, places in index.items()
    }


def main() -> None:
    """Asks torch for the families that are named, or for all and core ATen."""
    from tests.frontends.torch.handlers.core import core

    for name in sys.argv[1:] or (*FAMILIES, "core"):
        if name == "core":
            record(name, {key: asked_if_defined(each) for key, each in core().items()})
        else:
            record(name, {key: asked(each) for key, each in family(name).items()})


if __name__ == "__main__":
    main()
