"""Recurrent layers of integers: what is refused, and the arithmetic that they share; their numbers: `test_cases.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import xir
from tests.frontends.tflite.cases import recurrent_integer
from xir.errors import XirError
from xir.frontends.tflite._fixed_norm import inverse_root
from xir.frontends.tflite._fixed_point import multiplier_of, sigmoid_table, tanh_table
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.reference import run


@pytest.mark.parametrize("told", recurrent_integer.refused())
def test_layers_of_integers_that_litert_computes_otherwise_are_refused(told: str, tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(recurrent_integer.refused()[told].data)
    with pytest.raises(XirError, match=told):
        xir.load(path)


def test_tables_of_functions_are_those_of_real_numbers_but_for_their_last_bits() -> None:
    x = np.arange(-32768, 32768)
    assert np.abs(sigmoid_table() - 32768 / (1 + np.exp(-x / 4096))).max() < 8
    for whole in range(7):
        assert np.abs(tanh_table(whole) - 32768 * np.tanh(x / 2.0 ** (15 - whole))).max() < 13


@pytest.mark.parametrize(
    ("scale", "made"),
    [(0.0, (0, 0)), (1.0, (1 << 30, 1)), (0.75, (3 << 29, 0)), (1 - 1e-12, (1 << 30, 1)), (2.0**-40, (0, 0))],
)
def test_a_scale_is_a_multiplier_of_31_bits(scale: float, made: tuple[int, int]) -> None:
    assert multiplier_of(scale) == made


def test_an_inverse_root_of_integers_is_that_of_real_numbers_but_for_its_last_bits() -> None:
    x = np.unique(np.concatenate([np.arange(1, 40), np.geomspace(40, 2**30, 500).astype(np.int64)]))
    held = Value(TensorType(DType.INT64, (len(x),)))
    graph = Graph("root", (held,), inverse_root(held), ("multiplier", "places"), (), {held: "x"})
    made = run(graph, {"x": x})
    found = np.asarray(made["multiplier"], np.float64) * 2.0 ** (-31 - np.asarray(made["places"], np.float64))
    np.testing.assert_allclose(found, 1 / np.sqrt(x), rtol=2e-6)  # what five steps of Newton's method leave
