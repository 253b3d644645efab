"""Outputs that random numbers decide: other runtimes draw others, which is said instead of a difference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import xir
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.control import if_
from xir.ops.elementwise import add, mul
from xir.ops.random import random_uniform
from xir.verification import ReferenceRunner, verify_runners
from xir.verification.drawn import drawn_outputs

TYPE = TensorType(DType.FLOAT32, (64,))


def noisy(*, seed: int = 1, plain: bool = True, factor: int = 2) -> Graph:
    """An output with noise, and with `plain` one without."""
    x = Value(TYPE)
    noise = random_uniform(x, shape=(64,), low=0.0, high=1.0, seed=seed, dtype=DType.FLOAT32)
    outputs = {"noisy": mul(x, noise)} | ({"plain": add(x, x) if factor == 2 else x} if plain else {})
    return Graph("g", (x,), tuple(outputs.values()), tuple(outputs), names={x: "x"})


def test_what_draws_is_found_in_bodies_too() -> None:
    condition, x = Value(TensorType(DType.BOOL, ())), Value(TYPE)
    inner, other = noisy(plain=False), Value(TYPE)
    same = Graph("h", (other,), (other,), ("y",))
    (chosen,) = if_(condition, x, then_body=inner, else_body=same)
    outer = Graph("g", (condition, x), (chosen, add(x, x)), ("a", "b"), names={condition: "c", x: "x"})
    assert drawn_outputs(outer) == {"a"}


def test_other_draws_are_no_difference() -> None:
    found = verify_runners(noisy(), ReferenceRunner(noisy(seed=2)), names=("a", "b"))
    assert (found.passed, found.drawn, found.max_absolute) == (True, ("noisy",), 0.0)
    assert found.to_dict()["random_outputs"] == ["noisy"]
    assert found.summary().startswith("verified on")
    assert found.summary().endswith("; output 'noisy' is decided by random numbers, which each runtime draws its own "
                                    "way: the shapes alone are compared")  # fmt: skip


def test_a_graph_of_nothing_else_says_so() -> None:
    found = verify_runners(noisy(plain=False), ReferenceRunner(noisy(seed=2, plain=False)), names=("a", "b"))
    assert found.summary().startswith("nothing but shapes verified on 3 random inputs")


def test_the_other_outputs_must_agree() -> None:
    found = verify_runners(noisy(), ReferenceRunner(noisy(seed=2, factor=1)), names=("a", "b"))
    assert (found.passed, found.differing) == (False, ("plain",))
    assert found.summary().startswith("DIFFERS on")


def test_layers_behind_random_numbers_are_not_compared() -> None:
    a, b = noisy(), noisy(seed=2)
    found = verify_runners(a, ReferenceRunner(b), names=("a", "b"), layers_of=b)
    assert [layer.difference.name for layer in found.layers] == ["plain"]
    assert "noisy" in found.unpaired
    assert found.passed


class Alike(ReferenceRunner):
    """A runtime that must draw what the reference draws."""

    draws_alike = True


def test_our_own_machine_code_must_draw_the_same() -> None:
    assert not verify_runners(noisy(), Alike(noisy(seed=2)), names=("a", "b")).passed
    assert verify_runners(noisy(), Alike(noisy()), names=("a", "b")).drawn == ()


def test_random_graphs_are_converted(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    report = xir.convert(noisy(), str(tmp_path / "noisy.onnx"))
    assert report.certificate is not None
    assert report.certificate.drawn == ("noisy",)
    assert np.isfinite(report.certificate.max_absolute)
