"""Every handler against what PyTorch computes."""

from __future__ import annotations

from functools import cache
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import xir
from tests.frontends.torch.aten.call import Example
from tests.frontends.torch.aten.families import examples
from tests.frontends.torch.aten.record import recorded
from xir.frontends.torch.call import Scope
from xir.frontends.torch.caller import Caller
from xir.frontends.torch.handlers import OPERATORS
from xir.frontends.torch.tensor import Computed, Tensor
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import TensorType, dtype_from_numpy

TOLERANCE = {"float64": 1e-9, "float32": 1e-4, "float16": 1e-2, "bfloat16": 2e-2}
"""Sums are taken in another order than torch's; integers and bool are equal."""


expected = cache(recorded)


class Fed:
    """The arguments of a call as places, and the arrays that they hold."""

    def __init__(self) -> None:
        self.feeds: dict[str, np.ndarray[Any, Any]] = {}
        self.values: list[Value] = []
        self.caller = Caller(OPERATORS, Scope())

    def shown(self, result: Any) -> Any:
        """A result; the parts of a complex one."""
        if isinstance(result, Tensor) and result.value.dtype.name.startswith("COMPLEX"):
            return self.caller.call("aten.view_as_real.default", [result], {})
        return Tensor(result.value) if isinstance(result, Computed) else result

    def __call__(self, item: Any) -> Any:
        if isinstance(item, np.ndarray) and item.dtype.kind == "c":
            parts = self(np.stack([item.real, item.imag], -1))
            return self.caller.call("aten.view_as_complex.default", [parts], {})
        if isinstance(item, np.ndarray):
            value = Value(TensorType(dtype_from_numpy(item.dtype), item.shape))
            self.values.append(value)
            self.feeds[f"i{len(self.values)}"] = item
            return Tensor(value)
        return [self(each) for each in item] if isinstance(item, list | tuple) else item


def built(example: Example) -> tuple[Graph, dict[str, np.ndarray[Any, Any]], list[Any]]:
    """The graph of a call, what to feed it, and its results as the handler gives them."""
    fed = Fed()
    items = [fed(item) for item in example.items]
    made = fed.caller.call(example.kind, items, {k: fed(v) for k, v in example.named.items()})
    results = [fed.shown(each) for each in (made if isinstance(made, tuple) else [made])]
    outputs = tuple(result.value for result in results if isinstance(result, Tensor))
    names = dict(zip(fed.values, fed.feeds, strict=True))
    return (
        Graph("call", tuple(fed.values), outputs, tuple(f"o{i}" for i in range(len(outputs))), (), names),
        fed.feeds,
        results,
    )


def compared(example: Example, graph: Graph, feeds: dict[str, Any], results: list[Any]) -> None:
    arrays = iter(xir.run(graph, feeds).values())
    told = "no result of torch is recorded: python -m tests.frontends.torch.aten.record"
    assert f"{example.key}/0" in expected() or f"{example.key}/1" in expected(), told
    for index, result in enumerate(results):
        got = next(arrays) if isinstance(result, Tensor) else np.asarray(result)
        wanted = expected().get(f"{example.key}/{index}")
        if wanted is None:
            continue
        if got.dtype == ml_dtypes.bfloat16:
            wanted = wanted.view(ml_dtypes.bfloat16)
        assert (got.dtype, got.shape) == (wanted.dtype, wanted.shape)
        bound = TOLERANCE.get(got.dtype.name, 0)
        wide = np.complex128 if got.dtype.kind == "c" else np.float64
        np.testing.assert_allclose(got.astype(wide), wanted.astype(wide), rtol=bound, atol=bound)


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.key)
def test_a_call_gives_what_torch_gives(example: Example):
    compared(example, *built(example))
