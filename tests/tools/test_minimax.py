"""The tool that derives the polynomials of the vector functions."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from tests.conftest import REPOSITORY
from tools import minimax
from xir.backends.codegen.math import _coefficients

TABLES = {table.name: table for table in minimax.tables()}
QUICK = ["EXP_F32", "LOG_F32", "SIN_F32", "COS_F32", "TANH_F32", "ERF_SMALL_F32", "EXP_WIDE"]
SLOW = [name for name in TABLES if name not in QUICK]


@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(name, marks=pytest.mark.nightly) for name in SLOW)])
def test_the_coefficients_are_those_that_the_tool_derives(name: str) -> None:
    assert tuple(TABLES[name].derive()[0]) == getattr(_coefficients, name)


def test_the_file_holds_what_the_tool_writes() -> None:
    header, body = minimax.text([TABLES["SIN_F32"]])
    held = (REPOSITORY / "xir" / "backends" / "codegen" / "math" / "_coefficients.py").read_text()
    assert held.startswith(header)
    assert body in held


def test_the_command_writes_the_tables_that_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    minimax.main(["COS_F32"])
    text = capsys.readouterr().out
    assert "COS_F32 = (" in text
    assert "SIN_F32" not in text


def test_an_exact_polynomial_is_found_again() -> None:
    samples = minimax.sample(lambda x: 3 - 2 * x + x * x, lambda x: Decimal(1), Decimal(-1), Decimal(2), 60)
    found, error = minimax.fit(samples, range(3))
    assert [round(float(each), 12) for each in found] == [3, -2, 1]
    assert error < Decimal(10) ** -40


def test_the_least_error_of_a_parabola_by_a_line_is_an_eighth() -> None:
    samples = minimax.sample(lambda x: x * x, lambda x: Decimal(1), Decimal(0), Decimal(1), 400)
    _, error = minimax.fit(samples, range(2))
    assert float(error) == pytest.approx(1 / 8, rel=1e-4)


@pytest.mark.parametrize("value", ["0.1", "-0.1", "0.3333333333333333333", "1e-40"])
def test_numbers_are_rounded_to_the_nearest_f32(value: str) -> None:
    assert minimax.single(Decimal(value)) == float(np.float32(value))


@pytest.mark.parametrize(
    ("function", "known"),
    [
        (minimax.arc_tangent, np.arctan),
        (minimax.sine, np.sin),
        (minimax.cosine, np.cos),
        (minimax.arc_sine, np.arcsin),
    ],
)
def test_its_functions_are_those_that_they_say(function: minimax.Number, known: np.ufunc) -> None:
    for value in ("-0.9", "0.001", "0.7"):
        assert float(function(Decimal(value))) == pytest.approx(float(known(float(value))), rel=1e-15)
