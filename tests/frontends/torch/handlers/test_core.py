"""Every overload of core ATen, in every type, against what torch made of it."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from tests.frontends.torch.handlers.answer import differences, run
from tests.frontends.torch.handlers.core import DRAWN, DTYPES, OPEN, core_examples
from tests.frontends.torch.handlers.record import Results, recorded
from xir.frontends.torch.operators import core_aten

expected = cache(recorded)


def _differ_in_kind(overload: str, made: Results, wanted: Results) -> str:
    """Types and shapes are equal; of random elements their mean and deviation are near."""
    for a, b in zip(made, wanted, strict=True):
        assert a is not None
        assert b is not None
        if (a.dtype, a.shape) != (b.dtype, b.shape):
            return f"{a.dtype}{list(a.shape)} instead of {b.dtype}{list(b.shape)}"
        if overload in DRAWN:
            numbers, others = a.astype(np.float64), b.astype(np.float64)
            if abs(numbers.mean() - others.mean()) >= 0.1 or abs(numbers.std() - others.std()) >= 0.1:
                return "other statistics"
    return ""


@pytest.mark.parametrize("overload", core_aten())
def test_a_core_overload_gives_what_torch_gives(overload: str):
    found: dict[str, str] = {}
    for dtype in DTYPES:
        for number, example in enumerate(core_examples(overload, dtype)):
            key = f"{overload} {dtype} {number}"
            wanted = expected("core")[key]
            if wanted is not None:
                made = run(example)
                is_open = overload in OPEN | DRAWN
                found[key] = _differ_in_kind(overload, made, wanted) if is_open else differences(made, wanted)
    assert found, "torch defines this for no type"
    assert {key: told for key, told in found.items() if told} == {}
