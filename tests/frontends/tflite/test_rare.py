"""Operators of few files: what is refused; their numbers: `test_cases.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import xir
from tests.frontends.tflite.cases import rare
from tests.frontends.tflite.models import Fed, single
from xir.errors import UnsupportedError, XirError


@pytest.mark.parametrize("name", rare.REFUSED)
def test_what_litert_does_not_compute_is_refused(name: str, tmp_path: Path) -> None:
    case, told = rare.REFUSED[name]
    path = tmp_path / "m.tflite"
    path.write_bytes(case.data)
    with pytest.raises(XirError, match=told):
        xir.load(path)


@pytest.mark.parametrize(
    ("kind", "told"), [("CALL", "no kernel"), ("STABLEHLO_CUSTOM_CALL", "no kernel"), ("LSH_PROJECTION", "2017")]
)
def test_operators_without_a_handler_are_refused_with_the_reason(kind: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(single(kind, Fed(np.ones(3, np.float32))).data)
    with pytest.raises(UnsupportedError, match=told):
        xir.load(path)
