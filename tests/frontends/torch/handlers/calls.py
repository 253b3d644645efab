"""Calls of ATen operators as data, and the three ways to answer them: xir's graph, torch, and what torch answered once.

`expected/FAMILY.json` holds torch 2.13's answers, so that a machine without torch compares, too;
`python -m tests.frontends.torch.handlers.calls` writes them again.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import ml_dtypes
import numpy as np

import xir
from xir.frontends.torch.call import Scope
from xir.frontends.torch.caller import Caller
from xir.frontends.torch.handlers import OPERATORS
from xir.frontends.torch.tensor import Computed, Tensor
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType, dtype_from_numpy

FAMILIES = ("arithmetic", "functions", "comparing", "reducing", "shaping", "indexing", "making", "special", "encoder")
HERE = Path(__file__).parent
TOLERANCES = {"float64": 1e-12, "float32": 2e-6, "float16": 2e-3, "bfloat16": 1.6e-2}
"""Relative and absolute: some units of the last place of each type, for other orders of sums and other libraries."""


@dataclass(frozen=True)
class Call:
    """A call: arrays stand for tensors.

    Attributes:
        kind: `aten.add.Tensor`.
        items: by place.
        named: by name.
        symbolic: whether it also goes with symbols for the sizes of its tensors.
    """

    kind: str
    items: tuple[object, ...]
    named: Mapping[str, object] = field(default_factory=dict)
    symbolic: bool = True


def call(kind: str, *items: object, **named: object) -> Call:
    """A call that goes with symbolic sizes, too."""
    return Call(kind if kind.startswith("aten") else f"aten.{kind}", items, named)


def fixed(kind: str, *items: object, **named: object) -> Call:
    """A call whose sizes must be known."""
    return Call(f"aten.{kind}", items, named, symbolic=False)


def real(*shape: int, dtype: object = np.float32, scale: float = 3.0, seed: int = 0) -> np.ndarray:
    """Real numbers in (-scale, scale), the same for one shape and seed."""
    generator = np.random.default_rng([seed, *shape])
    return (generator.uniform(-scale, scale, shape)).astype(dtype)


def whole(*shape: int, dtype: object = np.int64, low: int = -5, high: int = 6, seed: int = 0) -> np.ndarray:
    """Integers in [low, high), the same for one shape and seed."""
    return np.random.default_rng([seed, 7, *shape]).integers(low, high, shape).astype(dtype)


def truth(*shape: int, seed: int = 0) -> np.ndarray:
    """Bools, the same for one shape and seed."""
    return whole(*shape, low=0, high=2, seed=seed).astype(np.bool_)


def array(items: object, dtype: object = np.float32) -> np.ndarray:
    """The numbers as an array."""
    return np.asarray(items, dtype)


def family(name: str) -> dict[str, Call]:
    """The calls of a family, by the operator and a number that tells its calls apart."""
    calls: tuple[Call, ...] = importlib.import_module(f"tests.frontends.torch.handlers.cases.{name}").CALLS
    found: dict[str, Call] = {}
    for each in calls:
        number = sum(key.split()[0] == each.kind for key in found)
        found[f"{each.kind} {number}"] = each
    return found


def built(each: Call, symbolic: bool = False) -> tuple[Graph, list[np.ndarray]]:
    """The graph of one call, and what to feed it."""
    feeds: list[np.ndarray] = []
    values: list[Value] = []
    symbols: dict[int, Symbol] = {}

    def placed(item: object) -> object:
        if isinstance(item, np.ndarray):
            feeds.append(item)
            sizes = (symbols.setdefault(n, Symbol(f"s{n}", minimum=2)) if symbolic and n > 1 else n for n in item.shape)
            values.append(Value(TensorType(dtype_from_numpy(item.dtype), tuple(sizes))))
            return Tensor(values[-1])
        return [placed(one) for one in item] if isinstance(item, tuple | list) else item

    items, named = [placed(item) for item in each.items], {name: placed(item) for name, item in each.named.items()}
    made = Caller(OPERATORS, Scope()).call(each.kind, items, named)
    return Graph("call", tuple(values), tuple(_results(made))), feeds


def _results(made: object) -> Iterator[Value]:
    if isinstance(made, tuple | list):
        for one in made:
            yield from _results(one)
    elif isinstance(made, Tensor | Computed):
        yield made.value
    else:
        raise TypeError(f"no tensor: {made!r}")


def run(each: Call, symbolic: bool = False) -> list[np.ndarray]:
    """What the graph of a call answers on the reference."""
    graph, feeds = built(each, symbolic)
    made = xir.run(graph, dict(zip(graph.input_names, feeds, strict=True)))
    return [made[graph.name_of(value)] for value in graph.outputs]


def differences(made: list[np.ndarray], wanted: list[np.ndarray]) -> str:
    """What is wrong, or nothing."""
    if len(made) != len(wanted):
        return f"{len(made)} results instead of {len(wanted)}"
    for place, (a, b) in enumerate(zip(made, wanted, strict=True)):
        if a.dtype != b.dtype or a.shape != b.shape:
            return f"result {place} is {a.dtype}{list(a.shape)} instead of {b.dtype}{list(b.shape)}"
        allowed = TOLERANCES.get(b.dtype.name, 0.0)
        left, right = (each.astype(np.float64) if allowed else each for each in (a, b))
        same = np.isclose(left, right, rtol=allowed, atol=allowed, equal_nan=True) if allowed else left == right
        if not np.all(same):
            at = tuple(np.argwhere(~same)[0])
            return f"result {place}{list(at)} is {a[at]} instead of {b[at]}"
    return ""


def recorded(name: str) -> dict[str, list[np.ndarray]]:
    """What torch answered once."""
    held = json.loads((HERE / "expected" / f"{name}.json").read_text())
    return {
        key: [
            np.asarray(flat, np.float64 if "float" in dtype else None).astype(_named(dtype)).reshape(shape)
            for dtype, shape, flat in results
        ]
        for key, results in held.items()
    }


def _named(dtype: str) -> np.dtype:
    return np.dtype(getattr(ml_dtypes, dtype)) if dtype == "bfloat16" else np.dtype(dtype)


def asked(each: Call) -> list[np.ndarray]:
    """What torch answers."""
    import torch

    def given(item: object) -> object:
        if isinstance(item, np.ndarray):
            if item.dtype == ml_dtypes.bfloat16:
                return torch.from_numpy(item.view(np.int16).copy()).view(torch.bfloat16)
            return torch.from_numpy(item.copy())
        if isinstance(item, DType):
            return torch.from_numpy(np.zeros(0, item.dtype)).dtype if item is not DType.BFLOAT16 else torch.bfloat16
        return [given(one) for one in item] if isinstance(item, tuple | list) else item

    _, name, overload = each.kind.split(".")
    function = getattr(getattr(torch.ops.aten, name), overload)
    return [
        _held(one) for one in _flat(function(*map(given, each.items), **{n: given(i) for n, i in each.named.items()}))
    ]


def _flat(made: object) -> Iterator[object]:
    if isinstance(made, tuple | list):
        for one in made:
            yield from _flat(one)
    else:
        yield made


def _held(made: object) -> np.ndarray:
    import torch

    if not isinstance(made, torch.Tensor):
        return np.asarray(made)
    if made.dtype is torch.bfloat16:
        return made.contiguous().view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return made.contiguous().numpy()


def record(name: str) -> None:
    """Writes torch's answers to a family."""
    lines = []
    for key, each in family(name).items():
        results = [
            [
                one.dtype.name,
                one.shape,
                one.astype(np.float64).reshape(-1).tolist() if "float" in one.dtype.name else one.reshape(-1).tolist(),
            ]
            for one in asked(each)
        ]
        lines.append(f"{json.dumps(key)}: {json.dumps(results)}")
    (HERE / "expected" / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    for each_family in FAMILIES:
        record(each_family)
