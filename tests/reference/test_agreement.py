"""Sizes that meet what a graph assumes of them."""

from __future__ import annotations

import pytest

from xir.ir.constraints import Constraint
from xir.ir.dims import Dim, Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.reference import random_inputs
from xir.reference.agreement import agreeing

H, W, N = Symbol("h"), Symbol("w"), Symbol("n")
FOURS, FEW = Symbol("fours", divisor=4), Symbol("few", maximum=3)


def halves(size: Dim) -> Constraint:
    """What a net assumes that doubles a map of a 32nd, and joins it with one of a 16th."""
    return Constraint((size + 15) // 16, 2 * ((size + 31) // 32), "concat")


@pytest.mark.parametrize(
    ("constraints", "sizes", "expected"),
    [
        pytest.param([halves(H)], {H: 2, W: 2}, {H: 32, W: 2}, id="halves"),
        pytest.param([halves(H), halves(W)], {H: 2, W: 40}, {H: 32, W: 64}, id="both axes"),
        pytest.param([Constraint(H, W, "add")], {H: 2, W: 8}, {H: 8, W: 8}, id="equal sizes"),
        pytest.param([Constraint(H, 2 * W, "add")], {H: 2, W: 2}, {H: 4, W: 2}, id="twice"),
        pytest.param([Constraint(H, 5, "add")], {H: 2}, {H: 5}, id="a number"),
        pytest.param([Constraint(FOURS, 4 * H, "add")], {FOURS: 4, H: 2}, {FOURS: 8, H: 2}, id="a divisor"),
        pytest.param([Constraint(H, H, "add")], {H: 2}, {H: 2}, id="nothing to do"),
    ],
)
def test_sizes_are_found(constraints: list[Constraint], sizes: dict[Symbol, Dim], expected: dict[Symbol, Dim]) -> None:
    found = agreeing(constraints, sizes)
    assert found == expected


@pytest.mark.parametrize("constraint", [Constraint(FEW, 5, "add"), Constraint(H, H + 1, "add")], ids=repr)
def test_what_cannot_hold_leaves_the_sizes(constraint: Constraint) -> None:
    sizes: dict[Symbol, Dim] = {FEW: 2, H: 2}
    assert agreeing([constraint], sizes) == sizes


def test_sizes_that_only_the_run_tells_are_left_open() -> None:
    assert agreeing([Constraint(H, N, "add")], {H: 2}) == {H: 2}


def test_made_up_inputs_agree() -> None:
    x = Value(TensorType(DType.FLOAT32, (N, 3, H, W)))
    graph = Graph("g", (x,), (x,), ("y",), (), {x: "x"}, (halves(H), halves(W)))
    assert random_inputs(graph)["x"].shape == (2, 3, 32, 32)
