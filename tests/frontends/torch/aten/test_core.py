"""Every overload of core ATen, in every type, against what torch made of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import xir
from tests.frontends.torch.aten.core import DRAWN, DTYPES, OPEN, core_examples
from tests.frontends.torch.aten.test_aten import built, compared, expected
from xir.frontends.torch.operators import core_aten
from xir.frontends.torch.tensor import Tensor


def _alike(kind: str, key: str, got: list[np.ndarray[Any, Any]]) -> None:
    """Types and shapes are equal; of random elements their mean and deviation are near."""
    for place, array in enumerate(got):
        wanted = expected()[f"{key}/{place}"]
        bits = array.view(np.uint16) if array.dtype.name == "bfloat16" else array
        assert (bits.dtype, bits.shape) == (wanted.dtype, wanted.shape)
        if kind in DRAWN:
            numbers, others = array.astype(np.float64), wanted.view(array.dtype).astype(np.float64)
            assert abs(numbers.mean() - others.mean()) < 0.1
            assert abs(numbers.std() - others.std()) < 0.1


@pytest.mark.parametrize("overload", core_aten())
def test_a_core_overload_gives_what_torch_gives(overload: str):
    defined = 0
    for dtype in DTYPES:
        for example in core_examples(overload, dtype):
            if f"{example.key}/undefined" in expected():
                continue
            assert f"{example.key}/0" in expected(), "python -m tests.frontends.torch.aten.record"
            defined += 1
            graph, feeds, results = built(example)
            if overload in OPEN | DRAWN:
                arrays = list(xir.run(graph, feeds).values())
                assert len(arrays) == sum(isinstance(result, Tensor) for result in results)
                _alike(overload, example.key, arrays)
            else:
                compared(example, graph, feeds, results)
    assert defined, "torch defines this for no type"
