"""Every overload of core ATen through an exported program, read without torch; nightly, some minutes each type."""

from __future__ import annotations

import pytest

from tests.frontends.torch.handlers.core import DTYPES
from tests.frontends.torch.oracle.core import cases
from tests.frontends.torch.oracle.judge import judged

NOT_EXPORTED = frozenset({"aten._local_scalar_dense.default bool 0", "aten._local_scalar_dense.default bool 1"})
"""Cases that torch 2.13 itself cannot export: numbers of bool that only the run knows."""


@pytest.mark.nightly
@pytest.mark.parametrize("dtype", DTYPES)
def test_exported_core_overloads_are_equal_on_the_reference_and_compiled(dtype: str):
    pytest.importorskip("torch", reason="torch is not installed")
    wanted = (case for case in cases() if f" {dtype} " in case.name)
    wrong = {verdict.name: verdict.told for verdict in judged(wanted) if verdict.status != "equal"}
    assert set(wrong) <= NOT_EXPORTED, wrong
