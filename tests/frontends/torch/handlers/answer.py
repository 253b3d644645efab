"""What xir makes of calls, and how that differs from what is expected."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import xir
from tests.frontends.torch.handlers.call import Array, Example
from tests.frontends.torch.handlers.record import Results, flat, recorded
from xir.frontends.torch.call import Scope
from xir.frontends.torch.caller import Caller
from xir.frontends.torch.handlers import OPERATORS
from xir.frontends.torch.tensor import Computed, Tensor
from xir.ir.dims import Shape, Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import TensorType, dtype_from_numpy

TOLERANCES = {"float64": 1e-12, "float32": 2e-6, "float16": 2e-3, "bfloat16": 1.6e-2}
"""Relative and absolute: some units of the last place of each type, for other orders of sums and other libraries."""

LONG_SUMS = dict.fromkeys(("convolution", "norm", "recurrent", "resize"), 4.0)
"""{family: how many times as much its elements may differ, for they are sums of many terms}."""


@dataclass
class _Operands:
    """The arguments of a call as places, and the arrays that they hold.

    Attributes:
        symbolic: whether sizes of more than 1 are symbols.
    """

    caller: Caller
    symbolic: bool
    values: list[Value] = field(default_factory=list[Value])
    feeds: list[Array] = field(default_factory=list[Array])
    symbols: dict[int, Symbol] = field(default_factory=dict[int, Symbol])

    def place(self, item: Any) -> Any:
        """An argument with places where arrays stand; a complex array is made of its parts."""
        if isinstance(item, list | tuple):
            return [self.place(each) for each in item]
        if not isinstance(item, np.ndarray):
            return item
        shape = tuple(map(self._size, item.shape))
        if item.dtype.kind != "c":
            return self._tensor(item, shape)
        parts = self._tensor(np.stack([item.real, item.imag], -1), (*shape, 2))
        return self.caller.call("aten.view_as_complex.default", [parts], {})

    def _tensor(self, array: Array, shape: Shape) -> Tensor:
        self.feeds.append(array)
        self.values.append(Value(TensorType(dtype_from_numpy(array.dtype), shape)))
        return Tensor(self.values[-1])

    def _size(self, size: int) -> Symbol | int:
        return self.symbols.setdefault(size, Symbol(f"s{size}", minimum=2)) if self.symbolic and size > 1 else size


@dataclass
class Built:
    """The graph of a call.

    Attributes:
        graph: makes the results that are tensors.
        feeds: its inputs.
        results: what the handler gives, in order; `Value` for an output of the graph.
    """

    graph: Graph
    feeds: list[Array]
    results: list[object]

    def answered(self, outputs: list[Array]) -> Results:
        """The results, with the outputs of the graph where values stand."""
        made = iter(outputs)
        return [
            next(made) if isinstance(each, Value) else None if each is None else np.asarray(each)
            for each in self.results
        ]


def built(example: Example, symbolic: bool = False) -> Built:
    """The graph of one call; results that are complex are shown as their parts."""
    caller = Caller(OPERATORS, Scope())
    operands = _Operands(caller, symbolic)
    items = [operands.place(item) for item in example.items]
    made = caller.call(example.kind, items, {name: operands.place(item) for name, item in example.named.items()})

    def shown(result: object) -> object:
        if isinstance(result, Tensor) and result.value.dtype.name.startswith("COMPLEX"):
            result = caller.call("aten.view_as_real.default", [result], {})
        return result.value if isinstance(result, Tensor | Computed) else result

    results = [shown(each) for each in flat(made)]
    outputs = tuple(each for each in results if isinstance(each, Value))
    return Built(Graph("call", tuple(operands.values), outputs), operands.feeds, results)


def run(example: Example, symbolic: bool = False) -> Results:
    """What the graph of a call makes on the reference."""
    each = built(example, symbolic)
    made = xir.run(each.graph, dict(zip(each.graph.input_names, each.feeds, strict=True)))
    return each.answered([made[each.graph.name_of(value)] for value in each.graph.outputs])


def wrong(name: str, answers: Iterable[tuple[str, Results]]) -> dict[str, str]:
    """{call of the family: how what it gives differs from what torch gave}."""
    wanted, factor = recorded(name), LONG_SUMS.get(name, 1.0)
    told = {key: differences(made, wanted[key], factor) for key, made in answers}
    return {key: each for key, each in told.items() if each}


def differences(made: Results, wanted: Results | None, factor: float = 1.0) -> str:
    """What is wrong, or nothing; results that torch leaves out are not compared.

    Args:
        made: the results.
        wanted: what torch gave; None where it refuses.
        factor: how many times the tolerance of its type an element may differ.
    """
    if wanted is None:
        return "torch refuses this"
    if len(made) != len(wanted):
        return f"{len(made)} results instead of {len(wanted)}"
    for place, (a, b) in enumerate(zip(made, wanted, strict=True)):
        if b is None:
            continue
        if a is None or a.dtype != b.dtype or a.shape != b.shape:
            told = "left out" if a is None else f"{a.dtype}{list(a.shape)}"
            return f"result {place} is {told} instead of {b.dtype}{list(b.shape)}"
        allowed = factor * TOLERANCES.get(b.dtype.name, 0.0)
        left, right = (each.astype(np.float64) if allowed else each for each in (a, b))
        same = np.isclose(left, right, rtol=allowed, atol=allowed, equal_nan=True) if allowed else left == right
        if not np.all(same):
            at = tuple(np.argwhere(~same)[0])
            return f"result {place}{list(at)} is {a[at]} instead of {b[at]}"
    return ""
