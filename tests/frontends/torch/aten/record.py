"""Asks torch for the results of all calls: `python -m tests.frontends.torch.aten.record` writes `expected.npz`."""

from __future__ import annotations

import importlib
import json
import math
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from tests.frontends.torch.aten.call import Example
from tests.frontends.torch.aten.core import DTYPES, core_examples
from tests.frontends.torch.aten.families import examples
from xir.frontends.torch.operators import core_aten
from xir.ir.types import DType

EXPECTED = Path(__file__).with_name("expected.npz")


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


def as_array(result: Any) -> np.ndarray[Any, Any]:
    """A result of torch as an array; bf16 as bits."""
    import torch

    if not isinstance(result, torch.Tensor):
        return np.asarray(result)
    if result.is_complex():
        result = torch.view_as_real(result.resolve_conj())
    if result.dtype is torch.bfloat16:
        return result.float().numpy().astype(ml_dtypes.bfloat16).view(np.uint16)
    return result.numpy()


def results(example: Example) -> list[Any]:
    """What torch makes of a call; None for results that it leaves out."""
    import torch

    importlib.import_module("torch.ao.quantization.fx._decomposed")  # registers `quantized_decomposed`
    namespace, name, overload = example.kind.split(".")
    operator = getattr(getattr(getattr(torch.ops, namespace), name), overload)
    named = {key: as_torch(item) for key, item in example.named.items()}
    with torch.no_grad():
        made = operator(*map(as_torch, example.items), **named)
    return list(made) if isinstance(made, tuple | list) else [made]


def defined(example: Example) -> list[Any] | None:
    """The same; None where torch does not define the call."""
    try:
        return results(example)
    except (RuntimeError, NotImplementedError):
        return None


def main() -> None:
    """Writes the file: for each type all elements in one row, and an index of what lies where."""
    rows: dict[str, list[np.ndarray[Any, Any]]] = {}
    index: dict[str, tuple[str, int, tuple[int, ...]]] = {}
    ends: dict[str, int] = {}

    def keep(key: str, made: list[Any]) -> None:
        for place, result in enumerate(made):
            if result is not None:
                array = as_array(result)
                name = array.dtype.name
                index[f"{key}/{place}"] = name, ends.get(name, 0), array.shape
                rows.setdefault(name, []).append(array.reshape(-1))
                ends[name] = ends.get(name, 0) + array.size

    for example in examples():
        keep(example.key, results(example))
    for overload in core_aten():
        for dtype in DTYPES:
            for example in core_examples(overload, dtype):
                made = defined(example)
                if made is None:
                    index[f"{example.key}/undefined"] = "bool", 0, (0,)
                else:
                    keep(example.key, made)
    text = np.frombuffer(json.dumps(index).encode(), np.uint8)
    np.savez_compressed(EXPECTED, index=text, **{name: np.concatenate(each) for name, each in rows.items()})


def recorded() -> dict[str, np.ndarray[Any, Any]]:
    """{key of a call/number of the result: what torch made}."""
    with np.load(EXPECTED) as held:
        rows = {name: held[name] for name in held.files}
    index: dict[str, tuple[str, int, list[int]]] = json.loads(rows.pop("index").tobytes())
    return {
        key: rows[name][start : start + math.prod(shape)].reshape(shape) for key, (name, start, shape) in index.items()
    }


if __name__ == "__main__":
    main()
